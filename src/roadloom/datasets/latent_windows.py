"""Training examples out of a folder of latents, with every condition of their windows.

LatentWindows("DIR").read(index, seed)
    -> latent, previous, has_previous, layout, trajectory, command
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from roadloom.datasets.drive_conditions import command_of, trajectory_of
from roadloom.datasets.latent_checks import check_times
from roadloom.datasets.latents import (
    LATENT,
    MAP,
    LatentFolder,
    LatentStatistics,
    windows_path,
)
from roadloom.datasets.windows import GAP, WindowName
from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.pose import Pose

Assemble = Callable[[Mapping[str, Tensor]], Tensor]
"""Latents by name, each [B C a b], to one map [B C H W]; a function that can be pickled."""


class LatentWindows:
    """``Examples`` of a training task. Picklable; a copy holds nothing that was preloaded.

    Args:
        place: a folder of latents.
        encoder: hash of the weights that must have made them; None: any.
        statistics: by which latents are normalised; None: the folder's own, which is right for
            the data that is trained on.
        assemble: makes one map of several latents. Without it ``latent`` is there for a folder of
            maps only; others give ``latent.NAME`` and ``previous.NAME``.
        compat: the published trajectory and command.
        scenes: of these only.
        partial: take a folder that is still being written.

    Raises:
        MissingInput, BadInput: as ``LatentFolder``; no window at all.
    """

    def __init__(
        self,
        place: str | Path | LatentFolder,
        *,
        encoder: str | None = None,
        statistics: LatentStatistics | None = None,
        assemble: Assemble | None = None,
        compat: bool = False,
        scenes: Iterable[str] | None = None,
        partial: bool = False,
    ) -> None:
        if not isinstance(place, LatentFolder):
            place = LatentFolder(place, encoder=encoder, partial=partial)
        elif encoder is not None and encoder != place.manifest["encoder"]:
            raise BadInput(
                "were made by another encoder", file=place.folder, field="encoder",
                remedy="encode the windows anew, into a new folder",
            )  # fmt: skip
        self.folder, self.assemble, self.compat = place, assemble, compat
        self.scenes = place.scenes if scenes is None else tuple(scenes)
        for scene in self.scenes:
            if scene not in place.scenes:
                raise MissingInput("no such scene", file=place.folder, field=scene)
        self.frames = int(place.manifest["frames"])
        self._starts = [place.read(scene, "start").numpy() for scene in self.scenes]
        self._times = [place.read(scene, "time_ns").numpy() for scene in self.scenes]
        for scene, starts, times in zip(self.scenes, self._starts, self._times, strict=True):
            check_times(starts, times, self.frames, windows_path(place.folder, scene))
        self._first = np.cumsum([0, *map(len, self._starts)])
        if not self._first[-1]:
            raise BadInput(
                "holds no window", file=place.folder, field="windows", remedy="encode some"
            )
        self.statistics = place.statistics() if statistics is None else statistics
        self._kept: dict[tuple[str, str], Tensor] = {}

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        """``latent`` and ``previous`` (normalised float32 [C H W]; zeros where there is none and
        ``given.previous`` is false), ``layout`` (bool [T K x y]), ``trajectory`` (float32 [T 3])
        and ``command`` (int64). The seed changes nothing.
        """
        scene, window = self.locate(index)
        latent = self._latent(scene, window)
        earlier = self.previous(index)
        if earlier is None:
            before = {name: torch.zeros_like(tensor) for name, tensor in latent.items()}
        else:
            before = self._latent(*self.locate(earlier))
        trajectory = trajectory_of(self.poses(index), compat=self.compat)
        return {
            **_keyed("latent", latent),
            **_keyed("previous", before),
            "given.previous": torch.tensor(earlier is not None),
            "layout": self.layout(index),
            "trajectory": trajectory,
            "command": torch.tensor(command_of(trajectory, compat=self.compat)),
        }

    def locate(self, index: int) -> tuple[str, int]:
        """Scene and number of the window in it."""
        if not 0 <= index < len(self):
            raise IndexError(f"no window {index} of {len(self)}")
        scene = int(np.searchsorted(self._first, index, side="right")) - 1
        return self.scenes[scene], int(index - self._first[scene])

    def window_name(self, index: int) -> WindowName:
        scene, start = self._place(index)
        frame = start * (int(self.folder.manifest["skip"]) + 1)
        return WindowName(self.scenes[scene], frame, int(self._times[scene][start]))

    def poses(self, index: int) -> Pose:
        """``world_from_ego`` [T] of the window's frames."""
        rotation, translation = (
            self._of_frames(index, name).numpy() for name in ("rotation", "translation")
        )
        return Pose(rotation, translation)

    def layout(self, index: int) -> Bool[Tensor, "time layout x y"]:
        manifest = self.folder.manifest
        cells = int(manifest["cells"][1]) // int(manifest["layout"]["pool"])
        packed = self._of_frames(index, "layout").numpy()
        return torch.from_numpy(np.unpackbits(packed, axis=-1, count=cells).astype(bool))

    def previous(self, index: int) -> int | None:
        """The window that ends where this one begins; None if it was not encoded."""
        scene, start = self._place(index)
        starts, earlier = self._starts[scene], start - self.frames
        found = int(np.searchsorted(starts, earlier))
        if found >= len(starts) or starts[found] != earlier:
            return None
        steps = np.diff(self._times[scene])
        joined = steps[start - 1] <= GAP * np.median(steps)
        return int(self._first[scene]) + found if joined else None

    def preload(self, limit_bytes: int = 4 * 2**30) -> int:
        """Keep every file in memory; returns the bytes.

        Raises:
            BadInput: they are more than ``limit_bytes``.
        """
        total = sum(int(self.folder.records[scene]["bytes"]) for scene in self.scenes)
        if total > limit_bytes:
            raise BadInput(
                f"{total} bytes are more than {limit_bytes}", file=self.folder.folder,
                field="limit_bytes", remedy="raise the limit, or read from disk",
            )  # fmt: skip
        names = [LATENT + name for name in self.folder.shapes]
        for scene in self.scenes:
            for name in (*names, "layout", "rotation", "translation"):
                self._kept[scene, name] = self.folder.read(scene, name)
        return total

    def _place(self, index: int) -> tuple[int, int]:
        """Number of the scene, and first frame of the window, counted after thinning."""
        name, window = self.locate(index)
        scene = self.scenes.index(name)
        return scene, int(self._starts[scene][window])

    def _of_frames(self, index: int, name: str) -> Tensor:
        """Rows of a tensor that has one per frame."""
        scene, start = self._place(index)
        return self._rows(self.scenes[scene], name, slice(start, start + self.frames))

    def _rows(self, scene: str, name: str, rows: int | slice) -> Tensor:
        kept = self._kept.get((scene, name))
        return self.folder.read(scene, name, rows) if kept is None else kept[rows]

    def _latent(self, scene: str, window: int) -> dict[str, Tensor]:
        names = self.folder.shapes
        raw = {name: self._rows(scene, LATENT + name, window).float() for name in names}
        plain = self.statistics.normalise(raw)
        if self.assemble is None:
            return plain
        return {MAP: self.assemble({name: row[None] for name, row in plain.items()})[0]}


def _keyed(key: str, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if tuple(latents) == (MAP,):
        return {key: latents[MAP]}
    return {f"{key}.{name}": tensor for name, tensor in latents.items()}

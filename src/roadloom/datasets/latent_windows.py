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
from roadloom.datasets.latents import LATENT, MAP, LatentFolder, LatentStatistics
from roadloom.datasets.windows import WindowName
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
        starts = [place.read(scene, "start").numpy() for scene in self.scenes]
        self._first = np.cumsum([0, *map(len, starts)])
        if not self._first[-1]:
            raise BadInput(
                "holds no window", file=place.folder, field="windows", remedy="encode some"
            )
        self._starts = starts
        self.statistics = place.statistics() if statistics is None else statistics
        self._kept: dict[tuple[str, str], Tensor] = {}

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        """``latent`` and ``previous`` (normalised float32 [C H W]; zeros where there is none and
        ``has_previous`` is false), ``layout`` (bool [T K x y]), ``trajectory`` (float32 [T 3])
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
            "has_previous": torch.tensor(earlier is not None),
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
        scene, _ = self.locate(index)
        frame = self._start(index)
        skip = int(self.folder.manifest["skip"])
        times = self._tensor(scene, "time_ns")
        return WindowName(scene, frame * (skip + 1), int(times[frame]))

    def poses(self, index: int) -> Pose:
        """``world_from_ego`` [T] of the window's frames."""
        scene, start = self.locate(index)[0], self._start(index)
        span = slice(start, start + self.frames)
        rotation, translation = (
            self._tensor(scene, name)[span].numpy() for name in ("rotation", "translation")
        )
        return Pose(rotation, translation)

    def layout(self, index: int) -> Bool[Tensor, "time layout x y"]:
        scene, start = self.locate(index)[0], self._start(index)
        packed = self._tensor(scene, "layout")[start : start + self.frames]
        manifest = self.folder.manifest
        cells = int(manifest["cells"][1]) // int(manifest["layout"]["pool"])
        bits = np.unpackbits(packed.numpy(), axis=-1, count=cells)
        return torch.from_numpy(bits.astype(bool))

    def previous(self, index: int) -> int | None:
        """The window that ends where this one begins; None if it was not encoded."""
        scene = int(np.searchsorted(self._first, index, side="right")) - 1
        starts, earlier = self._starts[scene], self._start(index) - self.frames
        found = int(np.searchsorted(starts, earlier))
        if found >= len(starts) or starts[found] != earlier:
            return None
        times = self._tensor(self.scenes[scene], "time_ns")
        step = np.median(np.diff(times.numpy()))
        last = earlier + self.frames
        joined = int(times[last] - times[last - 1]) <= 1.5 * step
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
            for name in (*names, "time_ns", "layout", "rotation", "translation"):
                self._kept[scene, name] = self.folder.read(scene, name)
        return total

    def _start(self, index: int) -> int:
        scene = int(np.searchsorted(self._first, index, side="right")) - 1
        return int(self._starts[scene][index - self._first[scene]])

    def _tensor(self, scene: str, name: str) -> Tensor:
        kept = self._kept.get((scene, name))
        return self.folder.read(scene, name) if kept is None else kept

    def _latent(self, scene: str, window: int) -> dict[str, Tensor]:
        raw = {}
        for name in self.folder.shapes:
            kept = self._kept.get((scene, LATENT + name))
            row = self.folder.read(scene, LATENT + name, window) if kept is None else kept[window]
            raw[name] = row.float()
        plain = self.statistics.normalise(raw)
        if self.assemble is None:
            return plain
        return {MAP: self.assemble({name: row[None] for name, row in plain.items()})[0]}


def _keyed(key: str, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if tuple(latents) == (MAP,):
        return {key: latents[MAP]}
    return {f"{key}.{name}": tensor for name, tensor in latents.items()}

"""Windows of T frames of occupancy, as a network takes them.

    OccupancyWindows("DIR", frames=16).read(index, seed)
        -> {"voxels": uint8 [T X Y Z], "valid": bool [T X Y Z]}

Voxels are ids of a view (255: not judged). A window never spans a gap: where two frames lie more
than half a step further apart than usual, a new run of frames begins. Counts by law: a run of n
frames has n - T + 1 windows at stride 1 (DynamicCity, arXiv 2410.18084, section 4.1).
"""

import zlib
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from roadloom.datasets.drives import Drive, Mask, Occupied, drives_of
from roadloom.datasets.flips import NO_FLIP, Flip, flip_of
from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.io.progress import show_progress
from roadloom.scene.class_views import IGNORE
from roadloom.scene.class_views import view as class_view
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.clip import Clip

GAP = 1.5
"""Usual steps between two frames at which a run of frames ends."""


class WindowName(NamedTuple):
    """Where a window comes from."""

    scene: str
    frame: int
    """Its first, counted among the scene's own frames."""
    time_ns: int


class Frames:
    """The frames of one scene after thinning, and where windows may begin."""

    def __init__(self, drive: Drive, frames: int, stride: int, skip: int) -> None:
        times = drive.times_ns
        self.drive, self.numbers = drive, np.arange(len(times))[:: skip + 1]
        self.times_ns = times[self.numbers]
        steps = np.diff(self.times_ns)
        breaks = steps > GAP * np.median(steps) if len(steps) else np.zeros(0, bool)
        self.run: Int64[np.ndarray, " frame"] = np.concatenate([[0], np.cumsum(breaks)])[
            : len(self.numbers)
        ].astype(np.int64)
        starts = [
            np.arange(first, first + count - frames + 1, stride)
            for first, count in zip(
                *np.unique(self.run, return_index=True, return_counts=True)[1:], strict=True
            )
        ]
        self.starts: Int64[np.ndarray, " window"] = np.concatenate(
            [np.zeros(0, np.int64), *starts]
        ).astype(np.int64)

    def window_at(self, start: int) -> int | None:
        """Which window begins at this (thinned) frame."""
        found = int(np.searchsorted(self.starts, start))
        there = found < len(self.starts) and self.starts[found] == start
        return found if there else None


class OccupancyWindows:
    """``Examples`` of a training task. Picklable; a copy holds nothing that was preloaded.

    Args:
        place: a prepared folder, or what ``roadloom.open`` gives (see ``drives.Occupied``).
        grid: name of a grid. CarlaSC's own is "carla_sc", Occ3D's "occ3d".
        view: name of a view of the classes.
        frames: T.
        stride: frames between the first frames of neighbouring windows.
        skip: takes every (skip + 1)-th frame of a scene, before windows are cut.
        scenes: of these only, in this order.
        flips: mirrored and reversed by the seed of an example, see ``flips``.
        mask: which recorded mask makes ``valid``. Prepared folders hold none: all is valid that
            has a class.
        hz: of made worlds that are opened, not prepared; None: key frames.
        partial: take a prepared folder that is still being written, with the scenes it has.

    Raises:
        MissingInput: no such folder, grid or scene.
        BadInput: no window at all, or the scenes lie on grids of several shapes, or ``flips`` on a
            grid that does not lie evenly around the ego.
        ValueError: a number out of range.
    """

    def __init__(
        self,
        place: Occupied,
        *,
        grid: str = "carla_sc",
        view: str = "dynamiccity12",
        frames: int = 16,
        stride: int = 1,
        skip: int = 0,
        scenes: Iterable[str] | None = None,
        flips: bool = False,
        mask: Mask = "lidar",
        hz: int | None = None,
        partial: bool = False,
    ) -> None:
        if frames < 1 or stride < 1 or skip < 0:
            raise ValueError(f"frames {frames}, stride {stride} or skip {skip} is out of range")
        if mask not in ("lidar", "camera", "none"):
            raise ValueError(f"mask must be lidar, camera or none, got {mask!r}")
        drives = drives_of(place, grid=grid, mask=mask, hz=hz, scenes=scenes, partial=partial)
        self.view, self.grid = class_view(view), grid
        self.frames, self.stride, self.skip, self.flips = frames, stride, skip, flips
        self.scenes = tuple(Frames(drive, frames, stride, skip) for drive in drives)
        self._first = np.cumsum([0, *(len(scene.starts) for scene in self.scenes)])
        self._kept: dict[tuple[int, int], tuple[bytes, bytes | None]] = {}
        if not len(self):
            raise BadInput(
                f"none of {len(drives)} scenes has {frames} frames in a row", field="frames",
                remedy="ask for shorter windows, or a smaller skip",
            )  # fmt: skip
        self.shape: tuple[int, int, int] = drives[0].grid.shape
        if flips and not _even(drives[0]):
            raise BadInput(
                f"the grid {grid} does not lie evenly around the ego", field="flips",
                remedy="leave flips out",
            )  # fmt: skip

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}

    def __repr__(self) -> str:
        return f"OccupancyWindows({len(self)} of {self.frames} frames, {len(self.scenes)} scenes)"

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        """``voxels`` and ``valid`` (observed, and judged by the view), each [T X Y Z]."""
        scene, start = self.locate(index)
        pairs = [self.frame(scene, start + step) for step in range(self.frames)]
        voxels = np.stack([labels for labels, _ in pairs])
        valid = voxels != IGNORE
        for step, (_, observed) in enumerate(pairs):
            if observed is not None:
                valid[step] &= observed
        flip = self.flip(seed)
        return {
            "voxels": flip.volume(torch.from_numpy(voxels)),
            "valid": flip.volume(torch.from_numpy(valid)),
        }

    def flip(self, seed: int) -> Flip:
        """What ``read`` turns round for this seed."""
        return flip_of(seed) if self.flips else NO_FLIP

    def locate(self, index: int) -> tuple[int, int]:
        """Scene and first frame, counted after thinning, of a window."""
        if not 0 <= index < len(self):
            raise IndexError(f"no window {index} of {len(self)}")
        scene = int(np.searchsorted(self._first, index, side="right")) - 1
        return scene, int(self.scenes[scene].starts[index - self._first[scene]])

    def window_name(self, index: int) -> WindowName:
        scene, start = self.locate(index)
        frames = self.scenes[scene]
        return WindowName(
            frames.drive.scene_id, int(frames.numbers[start]), int(frames.times_ns[start])
        )

    def poses(self, index: int) -> Pose:
        """``world_from_ego`` [T] of the window's frames, never flipped.

        Raises:
            NotRecorded: the source has no poses.
        """
        scene, start = self.locate(index)
        frames = self.scenes[scene]
        return frames.drive.world_from_ego[frames.numbers[start : start + self.frames]]

    def previous(self, index: int) -> int | None:
        """The window that ends where this one begins; None if there is none."""
        scene, start = self.locate(index)
        frames, earlier = self.scenes[scene], start - self.frames
        if earlier < 0 or frames.run[earlier] != frames.run[start]:
            return None
        found = frames.window_at(earlier)
        return None if found is None else int(self._first[scene]) + found

    def frame(
        self, scene: int, frame: int
    ) -> tuple[UInt8[np.ndarray, "x y z"], Bool[np.ndarray, "x y z"] | None]:
        """View ids of a (thinned) frame, and what was observed; None: all."""
        if (kept := self._kept.get((scene, frame))) is not None:
            return _unpacked(kept, self.shape)
        frames = self.scenes[scene]
        labels, observed = frames.drive.labels(int(frames.numbers[frame]))
        if labels.shape != self.shape:
            raise BadInput(
                f"{labels.shape} cells, the first scene has {self.shape}",
                field=frames.drive.scene_id, remedy="take scenes of one grid",
            )  # fmt: skip
        return self.view.lut[labels], observed  # the reader has checked the ids

    def preload(self, limit_bytes: int = 2 * 2**30) -> int:
        """Read every frame once and keep it packed in memory; returns the bytes kept.

        Raises:
            BadInput: they would be more than ``limit_bytes``; nothing is kept then.
        """
        kept: dict[tuple[int, int], tuple[bytes, bytes | None]] = {}
        every = [(s, f) for s, scene in enumerate(self.scenes) for f in range(len(scene.numbers))]
        total = 0
        for key in show_progress(every, desc="reading occupancy", unit="frame"):
            kept[key] = _packed(*self.frame(*key))
            total += sum(len(part) for part in kept[key] if part is not None)
            if total > limit_bytes:
                raise BadInput(
                    f"{len(every)} frames do not fit {limit_bytes} bytes", field="limit_bytes",
                    remedy="raise the limit, take fewer scenes, or read from disk",
                )  # fmt: skip
        self._kept = kept
        return total

    def identity(self) -> str:
        """A hash of what the windows hold: data, grid, view and thinning; not how they are cut."""
        digest = sha256(f"{CLASS_HASH} {self.grid} {self.view.name} {self.skip}".encode())
        for scene in self.scenes:
            digest.update(f" {scene.drive.scene_id} {scene.drive.identity()}".encode())
        return digest.hexdigest()


def clip_windows(clip: Clip, **options: Any) -> OccupancyWindows:
    """The windows of one opened clip; options of ``OccupancyWindows``."""
    return OccupancyWindows(clip, **options)


def _even(drive: Drive) -> bool:
    low, high = np.array(drive.grid.lower_m[:2]), np.array(drive.grid.upper_m[:2])
    return bool(np.allclose(low, -high, atol=1e-6))


def _packed(
    labels: UInt8[np.ndarray, "x y z"], observed: Bool[np.ndarray, "x y z"] | None
) -> tuple[bytes, bytes | None]:
    mask = None if observed is None else zlib.compress(np.packbits(observed).tobytes(), 1)
    return zlib.compress(labels.tobytes(), 1), mask


def _unpacked(
    kept: tuple[bytes, bytes | None], shape: tuple[int, int, int]
) -> tuple[UInt8[np.ndarray, "x y z"], Bool[np.ndarray, "x y z"] | None]:
    labels = np.frombuffer(zlib.decompress(kept[0]), np.uint8).reshape(shape)
    if kept[1] is None:
        return labels, None
    bits = np.frombuffer(zlib.decompress(kept[1]), np.uint8)
    return labels, np.unpackbits(bits, count=labels.size).reshape(shape).astype(bool)

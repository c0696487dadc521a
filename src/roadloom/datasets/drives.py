"""Frames of semantic occupancy at a steady rate, wherever they lie.

prepared folder, or any opened source with occupancy -> Drive -> labels and what was observed
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid, grid_named
from roadloom.prepare import Prepared, PreparedClip
from roadloom.prepare.request import MANIFEST, grid_of
from roadloom.prepare.write import frame_times
from roadloom.scene.clip import Clip
from roadloom.scene.registry import KINDS, is_made
from roadloom.scene.source import Source

Mask = Literal["lidar", "camera", "none"]
"""Which recorded mask says what was observed; where it was not recorded, everything was."""
Occupied = str | Path | Prepared | Source | Clip | Sequence[Clip]
"""A prepared folder by name or opened; a source, a clip or several as ``roadloom.open`` gives."""


class Drive(ABC):
    """One scene. Picklable."""

    scene_id: str
    grid: VoxelGrid
    licence: str
    source: str
    """``KIND:PLACE`` that it comes from."""

    @property
    @abstractmethod
    def times_ns(self) -> Int64[np.ndarray, " frame"]:
        """Of the frames, rising."""

    @property
    @abstractmethod
    def world_from_ego(self) -> Pose:
        """Poses [frame].

        Raises:
            NotRecorded: the source has none.
        """

    @abstractmethod
    def labels(
        self, frame: int
    ) -> tuple[UInt8[np.ndarray, "x y z"], Bool[np.ndarray, "x y z"] | None]:
        """Our class ids, and which cells were observed; None: nobody says."""

    @abstractmethod
    def identity(self) -> str:
        """Two drives with the same answer hold the same occupancy."""


class PreparedDrive(Drive):
    """A prepared clip. Its shards hold labels only, no masks."""

    def __init__(self, clip: PreparedClip, grid: str) -> None:
        self.clip, self.scene_id, self._name = clip, clip.scene_id, grid
        self.grid = grid_of(clip.manifest, grid, clip.folder / MANIFEST)
        self.licence = str(clip.manifest["licence"])
        self.source = str(clip.manifest["request"].get("source"))

    @property
    def times_ns(self) -> Int64[np.ndarray, " frame"]:
        return self.clip.times_ns

    @property
    def world_from_ego(self) -> Pose:
        return self.clip.world_from_ego

    def labels(
        self, frame: int
    ) -> tuple[UInt8[np.ndarray, "x y z"], Bool[np.ndarray, "x y z"] | None]:
        return self.clip.occupancy(frame, self._name).labels, None

    def identity(self) -> str:
        """The checksum of the shard."""
        return str(self.clip.record["files"][f"occupancy-{self._name}"]["sha256"])


class ClipDrive(Drive):
    """An opened clip.

    Args:
        hz: frames a second; None: the key frames.
    """

    def __init__(
        self, clip: Clip, grid: VoxelGrid, *, mask: Mask = "lidar", hz: int | None = None
    ) -> None:
        self.clip, self.grid, self.mask, self.hz = clip, grid, mask, hz
        self.scene_id, self.licence, self.source = clip.scene_id, clip.licence, clip.meta.source
        made = hz is not None and self.source.partition(":")[0] in KINDS and is_made(self.source)
        self._times = frame_times(clip, hz, made=made)

    @property
    def times_ns(self) -> Int64[np.ndarray, " frame"]:
        return self._times

    @cached_property
    def world_from_ego(self) -> Pose:
        return Pose.stack([self.clip.at(int(t)).world_from_ego for t in self._times])

    def labels(
        self, frame: int
    ) -> tuple[UInt8[np.ndarray, "x y z"], Bool[np.ndarray, "x y z"] | None]:
        found = self.clip.at(int(self._times[frame])).occupancy(self.grid)
        masks = {"lidar": found.mask_lidar, "camera": found.mask_camera, "none": None}
        return found.labels, masks[self.mask]

    def identity(self) -> str:
        """Of source, grid, mask and times; the files behind them are not read."""
        told = f"{self.source} {self.scene_id} {self.grid!r} {self.mask}"
        return sha256(told.encode() + self._times.tobytes()).hexdigest()


def drives_of(
    place: Occupied,
    *,
    grid: str,
    mask: Mask = "lidar",
    hz: int | None = None,
    scenes: Iterable[str] | None = None,
    partial: bool = False,
) -> tuple[Drive, ...]:
    """The scenes of a place, in its order.

    Raises:
        MissingInput: no such folder, grid or scene.
        BadInput: something is asked of a prepared folder that is settled when it is prepared.
    """
    if isinstance(place, str | Path):
        place = Prepared(place, partial=partial)
    if isinstance(place, Prepared):
        return _prepared(place, grid, hz, scenes)
    open_clip: Callable[[str], Clip]
    if isinstance(place, Source):
        known, open_clip = place.scenes, place.clip
    else:
        clips = [place] if isinstance(place, Clip) else cast(Sequence[Clip], place)
        by_name = {clip.scene_id: clip for clip in clips}
        if len(by_name) < len(clips):
            raise BadInput(
                "two clips have the same scene", field="scene_id", remedy="give each clip once"
            )
        known, open_clip = tuple(by_name), by_name.__getitem__
    wanted = known if scenes is None else tuple(scenes)
    _check_there(wanted, known, "the opened source")
    box = grid_named(grid, "grid")
    return tuple(ClipDrive(open_clip(scene), box, mask=mask, hz=hz) for scene in wanted)


def _prepared(
    place: Prepared, grid: str, hz: int | None, scenes: Iterable[str] | None
) -> tuple[Drive, ...]:
    request = place.manifest["request"]
    if grid not in request.get("occupancy", ()):
        raise MissingInput(
            f"no occupancy on the grid {grid!r} was prepared", file=place.folder, field="grid",
            remedy=f"roadloom prepare {request.get('source')} --occupancy {grid} --out DIR",
        )  # fmt: skip
    if hz is not None and hz != request.get("hz"):
        raise BadInput(
            f"was prepared at {request.get('hz')} frames a second", file=place.folder, field="hz",
            remedy="leave hz out, or thin the frames with skip",
        )  # fmt: skip
    wanted = place.scenes if scenes is None else tuple(scenes)
    _check_there(wanted, place.scenes, place.folder)
    return tuple(PreparedDrive(place.clip(scene), grid) for scene in wanted)


def _check_there(wanted: Iterable[str], known: Any, place: str | Path) -> None:
    for scene in wanted:
        if scene not in known:
            raise MissingInput("no such scene, or not prepared yet", file=place, field=scene)

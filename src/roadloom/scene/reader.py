"""What a data set must answer to become a clip. Everything else is derived in ``clip.py``.

A new data set is one file in ``readers/`` with a ``ClipReader`` and a ``SourceReader``, and one
line in ``registry.py``; ``docs/add_a_dataset.md`` walks through it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from functools import partial as bind
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import Rig

LONGEST_SCENE = 120
"""Bytes of a scene's name: folders are called by it, and 255 is what file systems hold."""


def check_scene_name(name: str, *, file: str | Path | None, field: str = "scene_id") -> str:
    """The name of a scene (or of another ``field``), safe as one component of a path.

    It becomes the SCENE of ``KIND:PLACE:SCENE`` and the name of folders that are written.

    Raises:
        BadInput: empty, too long, begins with a dot, or holds a slash, backslash, colon, blank,
            control character or half of a surrogate pair.
    """
    fits = (
        name.isprintable()  # no separators but the plain blank, no control, no surrogate
        and not any(character in name for character in "/\\: ")
        and not name.startswith(".")
        and 0 < len(name.encode()) <= LONGEST_SCENE
    )
    if not fits:
        shown = ascii(name[:40]) + ("..." if len(name) > 40 else "")
        raise BadInput(
            f"{shown} is no name to call a folder by", file=file, field=field,
            remedy=f"use 1 to {LONGEST_SCENE} bytes without slash, backslash, colon, blank and "
            "control characters, and no dot in front",
        )  # fmt: skip
    return name


@dataclass(frozen=True, kw_only=True)
class ClipMeta:
    """What is known of a clip without opening any of its sensor files."""

    scene_id: str
    """Unique within the source; the SCENE of ``KIND:PLACE:SCENE``."""
    source: str
    """``KIND:PLACE`` that it was opened from."""
    licence: str
    """Terms under which the data may be used; travels with everything made from it."""
    rig: Rig
    """The exact calibration of this very drive."""
    key_times_ns: Int64[np.ndarray, " key"]
    """LiDAR time of each key frame, rising."""
    lidar: str | None
    """The sensor whose records define the key frames; None if there is no LiDAR."""
    our_from_vehicle: Pose
    """Ours from the data set's own vehicle frame: the stated shift to rear axle and ground."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Free facts as JSON values: description, location, weather, time of day, tokens."""

    def __post_init__(self) -> None:
        check_scene_name(self.scene_id, file=self.source)
        if len(self.key_times_ns) and (np.diff(self.key_times_ns) <= 0).any():
            raise ValueError(f"key_times_ns of {self.scene_id} must rise")


@dataclass(frozen=True, kw_only=True, eq=False)
class Records:
    """The records of one sensor in time order, each with the vehicle's pose at its own time."""

    time_ns: Int64[np.ndarray, " record"]
    world_from_ego: Pose
    """Batch axis " record"."""
    key: Int64[np.ndarray, " key"]
    """Record that belongs to each key frame; -1 where that frame has none."""

    def __len__(self) -> int:
        return len(self.time_ns)

    def __post_init__(self) -> None:
        if len(self.world_from_ego.translation) != len(self.time_ns):
            raise ValueError("as many poses as times, please")
        if (np.diff(self.time_ns) < 0).any():
            raise ValueError("time_ns must not fall")
        if len(self.key) and (self.key >= len(self.time_ns)).any():
            raise ValueError(f"key names record {int(self.key.max())} of {len(self.time_ns)}")


class ClipReader(ABC):
    """One scene of a data set. Picklable, lazy, NumPy only; opens files only inside calls.

    Poses that it returns are already in our frames (``meta.our_from_vehicle`` applied).
    ``index`` arguments count the sensor's own records; ``key`` arguments count key frames.
    """

    meta: ClipMeta

    @abstractmethod
    def ego(self) -> PoseTrack:
        """The vehicle's path at the source's own rate."""

    @abstractmethod
    def records(self, sensor: str) -> Records:
        """Times and poses of one camera or LiDAR named in the rig."""

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        raise NotRecorded("this recording has no images", field=camera)

    def image_bytes(self, camera: str, index: int) -> tuple[bytes, str] | None:
        """The file behind ``image`` as it is, and its suffix (``.jpg``, ``.png``), so that a
        copy loses nothing; None where there is no such file."""
        return None

    def sweep(self, lidar: str, index: int) -> Sweep:
        raise NotRecorded("this recording has no LiDAR sweeps", field=lidar)

    def boxes(self, key: int) -> Boxes:
        """Boxes in the ego frame of the key frame."""
        raise NotRecorded("this recording has no boxes", field="boxes")

    def boxes_at(self, time_ns: int) -> Boxes:
        """Boxes of any moment, from worlds that know them: without counts of points and without
        visibility, which would cost a look through every sensor."""
        raise NotRecorded("boxes are recorded at key frames only", field="boxes")

    def road_map(self) -> RoadMap:
        raise NotRecorded("this recording has no map", field="map")

    def commands(self) -> tuple[tuple[int, str], ...]:
        """What the driver is told, each with the time [ns] from which it holds, rising; the
        words are those of ``COMMANDS``."""
        raise NotRecorded("this recording has no commands", field="commands")

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        """Grids on which the source holds occupancy: what ``clip.save`` writes."""
        return ()

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        """Semantic occupancy in the ego frame of the key frame; ``solid`` fills interiors."""
        raise NotRecorded("this recording has no occupancy", field="occupancy", remedy=HOW_TO_LABEL)

    def occupancy_at(self, time_ns: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        """The same in the ego frame of any moment, from worlds that know it.

        Here, in ``boxes_at``, ``occupancy_masks`` and ``occupancy_flow`` such a world refuses
        moments off the path ``ego()``: BadInput with the field ``time_ns``.
        """
        raise NotRecorded("occupancy is held for key frames only", field="occupancy")

    def occupancy_masks(
        self, time_ns: int, grid: VoxelGrid
    ) -> tuple[Bool[np.ndarray, "x y z"] | None, Bool[np.ndarray, "x y z"] | None]:
        """Which cells LiDARs and cameras observe, from worlds that can tell for any grid; None
        without such sensors. Occupancy that is stored carries its own masks."""
        raise NotRecorded("this recording has no masks of what was observed", field="masks")

    def occupancy_flow(
        self, time_ns: int, next_time_ns: int, grid: VoxelGrid
    ) -> Float32[np.ndarray, "x y z 3"]:
        """Displacement [m] of what is in each cell; see ``Frame.occupancy_flow``."""
        raise NotRecorded("this recording has no flow of occupancy", field="occupancy_flow")

    def extra_image(self, kind: str, camera: str, index: int) -> np.ndarray:
        """Depth, semantics and the like, for sources that know them: see ``EXTRA_IMAGES``."""
        raise NotRecorded(f"this recording has no {kind} images", field=f"{camera} {kind}")


class RecordsKeeper(ClipReader):
    """A clip that finds the records of a sensor once, when they are asked for."""

    def records(self, sensor: str) -> Records:
        if sensor not in self._records:
            self._records[sensor] = self._find_records(sensor)
        return self._records[sensor]

    @cached_property
    def _records(self) -> dict[str, Records]:
        return {}

    @abstractmethod
    def _find_records(self, sensor: str) -> Records:
        """``records``, read from the files."""


COMMANDS = ("follow", "straight", "left", "right")
"""What a driver can be told."""

HOW_TO_LABEL = "make labels with `roadloom label` and attach them with --labels"
"""What to do where a recording holds no occupancy."""

EXTRA_IMAGES = {
    "depth": "float32 [height width], metres along the camera's z axis, inf where nothing is hit",
    "semantic": "uint8 [height width], class ids",
    "normal": "float32 [height width 3], unit normals in the camera frame, NaN where no hit is",
    "instance": "int32 [height width], the number at the end of a track id, -1 for no object",
}
"""Image-like fields beside RGB, and what each holds."""


class SourceReader(ABC):
    """A data set on disk (or in the code): names its scenes and opens each."""

    @property
    @abstractmethod
    def scenes(self) -> tuple[str, ...]:
        """Scene ids, in the order in which an index counts them."""

    @abstractmethod
    def open_scene(self, scene: str) -> ClipReader:
        """Open one scene; reads tables, no sensor files."""

    def problems(self, scene: str | None, *, partial: bool) -> Iterator[BadInput]:
        """Look at every field and file and yield what is wrong; ``validate`` prints it.

        With ``partial`` a sensor file that is absent is left to ``absent_files``. A reader that
        brings no check of its own has everything read, which finds what makes reading fail.
        """
        from roadloom.scene.read_all import read_problems

        for name in self.scenes if scene is None else (scene,):
            yield from read_problems(bind(self.open_scene, name), absent_is_fine=partial)

    def absent_files(self, scene: str | None) -> Iterator[str]:
        """Sensor files that tables name and the disk lacks, relative to the source's place."""
        return iter(())

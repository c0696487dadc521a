"""Occ3D on Waymo: ``{training,validation}/NNN/FFF_04.npz``, ten frames a second.

    occ3d_waymo:ROOT[:SCENE]   SCENE = SPLIT-NNN, such as validation-000

A file holds ``voxel_label`` [200, 200, 16], ``origin_voxel_state`` (the LiDAR's mask),
``final_voxel_state`` (the cameras' mask), ``infov`` (the five cameras' field of view) and often
``ego2global``, a 4 x 4 matrix. Decisions:

- Free is stored as 23; the 15 of the published class list is read as free too.
- ``infov`` has no place in ``Occupancy``: ``field_of_view`` gives it. The published evaluation
  counts cells where it and the cameras' mask are both true.
- No time is stored: frames are counted a tenth of a second apart from 0.
- Files of 0.1 m (``FFF.npz``) are not read.
- Waymo's vehicle frame (x forward, y left, z up) is taken as ours. That its origin lies on the
  ground is not stated in these files, and was not measured.

Source: Tian et al., "Occ3D", 2023, and the README of its release.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from roadloom.errors import BadInput, MissingInput, UnknownClass
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.io.npz import Field, read_npz
from roadloom.io.progress import show_progress
from roadloom.io.read import RESTORE, is_dir
from roadloom.scene.class_maps import ids_from
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader, check_scene_name
from roadloom.scene.readers.lone_pose import poses_or_lone
from roadloom.scene.readers.occ3d_annotations import lone_numbers
from roadloom.scene.readers.plain_files import check_stored, matrices, names_of_folders
from roadloom.sensors.rig import Rig

LICENCE = "MIT for the labels; Waymo Open Dataset terms of use, https://waymo.com/open/terms"
SPLITS = ("training", "validation", "test")
ENDING = "_04.npz"
STEP_NS = 100_000_000
FREE_STORED, FREE_LISTED = 23, 15
MASKS = ("origin_voxel_state", "final_voxel_state", "infov")
_SHAPE = tuple(OCC3D.shape)
_FIELDS = {
    "voxel_label": Field("<i8", _SHAPE),
    "origin_voxel_state": Field("<i8", _SHAPE),
    "final_voxel_state": Field("<i8", _SHAPE),
    "infov": Field("<i8", _SHAPE, optional=True),
    "ego2global": Field("<f8", (4, 4), optional=True, finite=True),
}


class Occ3dWaymoSource(SourceReader):
    """Every scene of the splits that are there.

    Raises:
        MissingInput: no folder of a split.
    """

    def __init__(self, place: str) -> None:
        self.place, root = place, Path(place)
        self._scenes = {
            check_scene_name(f"{split}-{name}", file=root): root / split / name
            for split in SPLITS
            if is_dir(root / split)
            for name in names_of_folders(root / split)
        }
        if not self._scenes:
            raise MissingInput(
                f"holds none of {', '.join(SPLITS)} with scenes", file=root,
                remedy="name the folder above training",
            )  # fmt: skip

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(self._scenes)

    def open_scene(self, scene: str) -> "Occ3dWaymoClip":
        if scene not in self._scenes:
            raise MissingInput(f"no scene {scene!r}", file=self.place, field="SCENE")
        return Occ3dWaymoClip(self._scenes[scene], scene, source=f"occ3d_waymo:{self.place}")


class Occ3dWaymoClip(ClipReader):
    """One scene."""

    def __init__(self, folder: Path, scene: str, *, source: str) -> None:
        self.folder = folder
        self.numbers = _numbers(folder)
        split = scene.partition("-")[0]
        self.meta = ClipMeta(
            scene_id=scene,
            source=source,
            licence=LICENCE,
            rig=Rig(name="waymo", cameras=(), lidars=(), source="no calibration is stored"),
            key_times_ns=lone_numbers(len(self.numbers), STEP_NS),
            lidar=None,
            our_from_vehicle=Pose.identity(),
            attributes={
                "data_set": "Occ3D-Waymo",
                "split": split,
                "frames": list(self.numbers),
                "not_recorded": ["times", "sensors"],
            },
        )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_poses"}

    def file(self, key: int) -> Path:
        return self.folder / f"{self.numbers[key]:03d}{ENDING}"

    @cached_property
    def _poses(self) -> Pose:
        """``ego2global`` of every file, which are read for it."""
        files = [self.file(key) for key in range(len(self.numbers))]
        read = show_progress(files, desc=f"poses of {self.meta.scene_id}", unit="file")
        stored = [_read(path).get("ego2global") for path in read]
        found = [
            _pose(matrix, path)
            for path, matrix in zip(files, stored, strict=True)
            if matrix is not None
        ]
        if found and len(found) != len(files):
            bare = files[next(i for i, matrix in enumerate(stored) if matrix is None)]
            raise BadInput(
                "is missing, but other frames have it", file=bare, field="ego2global",
                remedy=RESTORE,
            )  # fmt: skip
        posed = Pose.stack(found) if found else None
        remedy = "use the release whose files hold ego2global"
        return poses_or_lone(posed, len(files), file=self.folder, remedy=remedy)

    def ego(self) -> PoseTrack:
        return PoseTrack(time_ns=self.meta.key_times_ns, world_from_ego=self._poses)

    def records(self, sensor: str) -> Records:
        self.meta.rig.camera(sensor)  # always says that there is none
        raise AssertionError("a rig without cameras found one")

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return (OCC3D,)

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        check_stored(grid, (OCC3D,), solid=solid)
        path = self.file(key)
        arrays = _read(path)
        stored = arrays["voxel_label"]
        try:
            labels = ids_from("occ3d_waymo", np.where(stored == FREE_STORED, FREE_LISTED, stored))
        except UnknownClass as error:
            raise BadInput(error.message, file=path, field="voxel_label", remedy=RESTORE) from error
        return Occupancy(
            grid=grid,
            labels=labels,
            mask_lidar=arrays["origin_voxel_state"].astype(bool),
            mask_camera=arrays["final_voxel_state"].astype(bool),
        )

    def field_of_view(self, key: int) -> Bool[np.ndarray, "x y z"] | None:
        """``infov``: cells inside the view of the cameras, hidden or not; None where not stored."""
        mask = _read(self.file(key)).get("infov")
        return None if mask is None else mask.astype(bool)


def _pose(matrix: Float64[np.ndarray, "4 4"], path: Path) -> Pose:
    try:
        if (matrix[3] != (0.0, 0.0, 0.0, 1.0)).any():
            raise BadInput(f"its last row is {matrix[3].tolist()}, not 0 0 0 1")
        return matrices(matrix[None, :3].reshape(1, 12), path)[0]
    except BadInput as error:
        raise BadInput(error.message, file=path, field="ego2global", remedy=RESTORE) from error


def _numbers(folder: Path) -> tuple[int, ...]:
    numbers = []
    for path in folder.glob(f"*{ENDING}"):
        if path.name.startswith("."):
            continue  # being written
        match = re.fullmatch(r"([0-9]{3})_04", path.stem, re.ASCII)
        if match is None:
            raise BadInput(
                f"is not called by three digits and {ENDING}", file=path, field="name",
                remedy="take the file away",
            )  # fmt: skip
        numbers.append(int(match[1]))
    if not numbers:
        raise MissingInput(f"holds no file *{ENDING}", file=folder, remedy=RESTORE)
    return tuple(sorted(numbers))


def _read(path: Path) -> Mapping[str, np.ndarray]:
    """The checked arrays; masks are stored as numbers or as booleans, as 0 and 1 in both."""
    fields = dict(_FIELDS)
    while True:
        try:
            arrays = read_npz(path, fields)
            break
        except BadInput as error:
            name = error.field
            if name not in MASKS or fields[name].dtype == "|b1" or "is bool" not in error.message:
                raise
            fields[name] = replace(fields[name], dtype="|b1")
    for name in MASKS:
        mask = arrays.get(name)
        if mask is not None and mask.dtype != bool and not ((mask == 0) | (mask == 1)).all():
            raise BadInput("holds more than 0 and 1", file=path, field=name, remedy=RESTORE)
    return arrays

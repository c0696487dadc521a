"""SemanticKITTI: sequences of labelled scans, and voxels of its scene completion.

    semantickitti:ROOT[:NN]

    ROOT/sequences/NN/velodyne/NNNNNN.bin            points float32 x 4
                      labels/NNNNNN.label            uint32: lower half the class, upper the object
                      voxels/NNNNNN.bin              256 x 256 x 32 bits: cells that the scan hits
                             .label                  uint16 classes of the fused scans
                             .invalid, .occluded     bits: never seen by any, not seen by this scan
                      poses.txt, calib.txt, times.txt

Decisions:

- The data set's frame is that of its LiDAR: x forward, y left, z up. KITTI states a height of
  1.73 m over the road (the median of one real scan's road points within 10 m: 1.71 m); the
  place over the rear axle it does not state in these files, so x and y stay those of the LiDAR.
- Voxels lie on the grid ``SEMANTICKITTI`` in the LiDAR's frame; its floor at -2.2 m was measured,
  see there. The same cells answer to two grids: ``occupancy_grids`` names them in the ego frame
  (``EGO_GRID``), ``SEMANTICKITTI`` gives them in the frame "lidar".
- Where the sequence has ``.label`` it gives the classes, 0 being free; else ``.bin`` gives what the
  one scan hits, as "other.occupied". ``mask_lidar`` is false in ``.invalid`` cells, whose labels
  stay as stored. A sequence has a kind of file for all key frames or for none: what only some
  lack is missing, as are labels that only some scans lack. ``hits``, ``occluded`` and
  ``instances`` give what has no place in our types.
- With voxels, key frames are the scans that have some; without, every scan is one.
- ``poses.txt`` holds poses of camera 0; ``Tr`` of ``calib.txt`` carries them to the LiDAR. The
  world is the LiDAR's frame of scan 0. Without the two, only a lone scan has a pose.
- Without ``times.txt`` scans are counted a tenth of a second apart.

Sources: Behley et al., "SemanticKITTI", ICCV 2019; Geiger et al., "Vision meets Robotics", 2013.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt16

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import SEMANTICKITTI, VoxelGrid
from roadloom.io.read import RESTORE, exists, is_dir, read_array, read_text
from roadloom.scene.classes import FREE, class_id
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader
from roadloom.scene.readers.lone_pose import poses_or_lone
from roadloom.scene.readers.plain_files import (
    check_grid,
    classes_of,
    ego_grid,
    make_scan,
    matrices,
    names_of_folders,
    numbers_of_files,
    read_cells,
    read_poses,
    read_times,
)
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import MountedLidar, Rig

LICENCE = "CC BY-NC-SA 4.0 (SemanticKITTI), CC BY-NC-SA 3.0 (KITTI)"
LIDAR = "velodyne"
HEIGHT_M = 1.73
"""Of the LiDAR above the road: KITTI's sensor set-up."""
OUR_FROM_LIDAR = Pose(np.eye(3), np.array([0.0, 0.0, HEIGHT_M]))
EGO_GRID = ego_grid(SEMANTICKITTI, OUR_FROM_LIDAR)
STEP_NS = 100_000_000
VOXEL_SUFFIXES = (".bin", ".label", ".invalid", ".occluded")


class SemanticKittiSource(SourceReader):
    """The sequences of one root.

    Raises:
        MissingInput: no folder ``sequences``.
    """

    def __init__(self, place: str) -> None:
        self.place, self.base = place, Path(place) / "sequences"
        if not is_dir(self.base):
            raise MissingInput(
                "holds no folder sequences", file=place, remedy="name the folder above sequences"
            )
        self._scenes = names_of_folders(self.base)

    @property
    def scenes(self) -> tuple[str, ...]:
        return self._scenes

    def open_scene(self, scene: str) -> "SemanticKittiClip":
        if scene not in self._scenes:
            raise MissingInput(f"no sequence {scene!r}", file=self.place, field="SCENE")
        return SemanticKittiClip(self.base / scene, source=f"semantickitti:{self.place}")


class SemanticKittiClip(ClipReader):
    """One sequence."""

    def __init__(self, folder: Path, *, source: str) -> None:
        self.folder = folder
        self.scans = numbers_of_files(folder / "velodyne", ".bin")
        voxels = {
            n for suffix in VOXEL_SUFFIXES for n in numbers_of_files(folder / "voxels", suffix)
        }
        self._classed = bool(numbers_of_files(folder / "voxels", ".label"))
        self._masked = bool(numbers_of_files(folder / "voxels", ".invalid"))
        self._labelled = bool(numbers_of_files(folder / "labels", ".label"))
        self.keys = tuple(sorted(voxels)) or self.scans
        if not self.keys:
            raise MissingInput("holds neither scans nor voxels", file=folder, remedy=RESTORE)
        self._grids = (EGO_GRID,) if voxels else ()
        timed = exists(folder / "times.txt")
        self._times = read_times(folder / "times.txt") if timed else None
        self.meta = ClipMeta(
            scene_id=folder.name,
            source=source,
            licence=LICENCE,
            rig=Rig(
                name="kitti",
                cameras=(),
                lidars=(MountedLidar(name=LIDAR, lidar=None, ego_from_lidar=OUR_FROM_LIDAR),),
                source="KITTI's sensor set-up",
            ),
            key_times_ns=self._time_of(self.keys),
            lidar=LIDAR,
            our_from_vehicle=OUR_FROM_LIDAR,
            attributes={
                "data_set": "SemanticKITTI",
                "scans": list(self.keys),
                "not_recorded": self._absent(timed),
            },
        )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_moments"}

    def _absent(self, timed: bool) -> list[str]:
        posed = exists(self.folder / "poses.txt") and exists(self.folder / "calib.txt")
        return [name for name, there in (("times", timed), ("poses", posed)) if not there]

    def _time_of(self, scans: tuple[int, ...]) -> np.ndarray:
        numbers = np.array(scans, np.int64)
        if self._times is None:
            return numbers * STEP_NS
        self._check_rows("times.txt", len(self._times), scans)
        return self._times[numbers]

    def _check_rows(self, name: str, rows: int, scans: tuple[int, ...]) -> None:
        if scans and scans[-1] >= rows:
            raise BadInput(
                f"has {rows} lines, but there is a scan {scans[-1]}", file=self.folder / name,
                field=f"line {scans[-1] + 1}", remedy=RESTORE,
            )  # fmt: skip

    @cached_property
    def _moments(self) -> tuple[tuple[int, ...], Pose]:
        """Numbers of all scans and key frames, and the pose of the vehicle at each."""
        numbers = tuple(sorted({*self.scans, *self.keys}))
        posed = None
        if exists(self.folder / "poses.txt") and exists(self.folder / "calib.txt"):
            camera = read_poses(self.folder / "poses.txt")
            self._check_rows("poses.txt", len(camera), numbers)
            camera_from_lidar = _camera_from_lidar(self.folder / "calib.txt")
            first_from_each = camera_from_lidar.inverse() @ camera[np.array(numbers)]
            posed = first_from_each @ camera_from_lidar @ OUR_FROM_LIDAR.inverse()
        remedy = "put poses.txt and calib.txt beside velodyne"
        return numbers, poses_or_lone(posed, len(numbers), file=self.folder, remedy=remedy)

    def ego(self) -> PoseTrack:
        numbers, poses = self._moments
        return PoseTrack(time_ns=self._time_of(numbers), world_from_ego=poses)

    def records(self, sensor: str) -> Records:
        self.meta.rig.lidar(sensor)
        numbers, poses = self._moments
        rows = np.searchsorted(np.array(numbers), np.array(self.scans, np.int64))
        of_scan = {number: row for row, number in enumerate(self.scans)}
        return Records(
            time_ns=self._time_of(self.scans),
            world_from_ego=poses[rows],
            key=np.array([of_scan.get(number, -1) for number in self.keys], np.int64),
        )

    def sweep(self, lidar: str, index: int) -> Sweep:
        records = self.records(lidar)
        number = self.scans[index]
        labels = self._file("labels", number, ".label")
        return make_scan(
            self._file("velodyne", number, ".bin"),
            self._classes(labels) if self._labelled else None,
            True,
            name=LIDAR,
            time_ns=int(records.time_ns[index]),
            ego_from_lidar=self.meta.rig.lidar(lidar).ego_from_lidar,
            world_from_ego=records.world_from_ego[index],
        )

    def instances(self, index: int) -> UInt16[np.ndarray, " point"]:
        """Object number of each point of a scan, unique within its class; 0: none.

        Raises:
            MissingInput: the scan has no labels.
            BadInput: they are cut off.
        """
        stored = read_array(self._file("labels", self.scans[index], ".label"), "<u4", 1)
        return (stored[:, 0] >> 16).astype(np.uint16)

    def _classes(self, path: Path) -> np.ndarray:
        return classes_of(path, "semantickitti", read_array(path, "<u4", 1)[:, 0] & 0xFFFF)

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return self._grids

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        """As stored; see the head of this file."""
        if not self._grids:
            raise NotRecorded("the sequence has no voxels", field="occupancy")
        frame = check_grid(grid, EGO_GRID, SEMANTICKITTI, solid=solid)
        number = self.keys[key]
        path = self._file("voxels", number, ".label")
        if self._classed:
            stored = read_cells(path, "<u2", grid.shape)
            labels = np.where(
                stored == 0, np.uint8(FREE), classes_of(path, "semantickitti", stored)
            )
        else:
            hit = self._bits(number, ".bin")
            labels = np.where(hit, np.uint8(class_id("other.occupied")), np.uint8(FREE))
        seen = ~self._bits(number, ".invalid") if self._masked else None
        return Occupancy(grid=grid, labels=labels, mask_lidar=seen, frame=frame)

    def hits(self, key: int) -> Bool[np.ndarray, "x y z"]:
        """Cells that the one scan hits: the input of scene completion."""
        return self._bits(self.keys[key], ".bin")

    def occluded(self, key: int) -> Bool[np.ndarray, "x y z"]:
        """Cells that the one scan does not see."""
        return self._bits(self.keys[key], ".occluded")

    def _bits(self, number: int, suffix: str) -> np.ndarray:
        """One bit a cell, the first in the highest place of the first byte."""
        path = self._file("voxels", number, suffix)
        shape = tuple(SEMANTICKITTI.shape)
        packed = read_cells(path, "|u1", (shape[0], shape[1], shape[2] // 8))
        return np.unpackbits(packed, axis=-1).astype(bool)

    def _file(self, kind: str, number: int, suffix: str) -> Path:
        return self.folder / kind / f"{number:06d}{suffix}"


def _camera_from_lidar(path: Path) -> Pose:
    """``Tr`` of ``calib.txt``: twelve numbers, camera 0 from LiDAR."""
    for line in read_text(path).splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == "Tr":
            words = rest.split()
            try:
                row = np.array([[float(word) for word in words]], np.float64)
            except ValueError as error:
                raise BadInput(
                    "is no row of numbers", file=path, field="Tr", remedy=RESTORE
                ) from error
            if row.shape != (1, 12) or not np.isfinite(row).all():
                raise BadInput("must be 12 numbers", file=path, field="Tr", remedy=RESTORE)
            try:
                return matrices(row, path)[0]
            except BadInput as error:  # which takes it for the first line
                raise BadInput(error.message, file=path, field="Tr", remedy=RESTORE) from error
    raise BadInput("is missing", file=path, field="Tr", remedy=RESTORE)

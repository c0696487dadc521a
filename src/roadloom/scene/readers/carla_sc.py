"""CarlaSC: simulated streets with labelled scans and voxels, ten a second.

    carla_sc:ROOT[:SCENE]   SCENE = SPLIT-TOWN, such as Train-Town01_Light

    ROOT/Cartesian/{Train,Val,Test}/TOWN/cartesian/
        velodyne/NNNNNN.bin, labels/NNNNNN.label       points float32 x 4, classes uint32
        evaluation/NNNNNN.label, NNNNNN.bin            classes and counts of each voxel
        evaluation/params.json, poses.txt, times.txt   grid, 3 x 4 poses, seconds

Decisions:

- The data set's frame is that of its first LiDAR, and its grid lies in it. How high that LiDAR
  hangs, and where over the vehicle, no file says: the road must lie within the grid, whose floor
  is 2 m below the LiDAR. ``HEIGHT_M`` is assumed, and ``attributes["assumed"]`` says so; a clip's
  own sweeps show the true height.
- The same cells answer to two grids: ``occupancy_grids`` names them in the ego frame; the grid of
  ``params.json``, such as ``CARLA_SC``, gives them in the frame "lidar", as stored.
- Nothing says either whether y runs to the left or, as in CARLA, to the right. It is taken as left.
- Voxels are given as stored: a cell without a single sample (count 0) is free, and ``mask_lidar``
  is false there. ``counts`` gives the numbers.
- The fourth number of a point is a dummy, so intensity is unknown.

Source: Wilson et al., "MotionSC", RA-L 2022, and its published generation scripts.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.read import RESTORE, exists, is_dir, read_array, read_json
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader, check_scene_name
from roadloom.scene.readers.json_fields import Fields
from roadloom.scene.readers.plain_files import (
    check_grid,
    classes_of,
    ego_grid,
    make_scan,
    names_of_folders,
    read_cells,
    read_poses,
    read_times,
)
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import MountedLidar, Rig

LICENCE = "CarlaSC, https://umich-curly.github.io/CarlaSC.github.io: ask there for its terms"
SPLITS = ("Train", "Val", "Test")
LIDAR = "velodyne"
HEIGHT_M = 1.8
"""Of the LiDAR above the ground: assumed, see above."""
OUR_FROM_LIDAR = Pose(np.eye(3), np.array([0.0, 0.0, HEIGHT_M]))
_DIGITS = 6
"""Of a metre. The bounds were printed from single precision: -25.600000381469727."""


class CarlaScSource(SourceReader):
    """Every sequence of the splits that are there.

    Raises:
        MissingInput: no folder of a split.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        root = Path(place)
        self.base = root / "Cartesian" if is_dir(root / "Cartesian") else root
        self._scenes = {
            check_scene_name(f"{split}-{town}", file=self.base): self.base / split / town
            for split in SPLITS
            if is_dir(self.base / split)
            for town in names_of_folders(self.base / split)
        }
        if not self._scenes:
            raise MissingInput(
                "holds no Train, Val or Test with sequences", file=root,
                remedy="name the folder above Cartesian",
            )  # fmt: skip

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(self._scenes)

    def open_scene(self, scene: str) -> "CarlaScClip":
        if scene not in self._scenes:
            raise MissingInput(f"no scene {scene!r}", file=self.place, field="SCENE")
        folder = self._scenes[scene] / "cartesian"
        return CarlaScClip(folder, scene, source=f"carla_sc:{self.place}")

    def absent_files(self, scene: str | None) -> Iterator[str]:
        for name in self.scenes if scene is None else (scene,):
            for path in self.open_scene(name).files():
                if not exists(path):
                    yield path.relative_to(self.base).as_posix()


class CarlaScClip(ClipReader):
    """One sequence."""

    def __init__(self, folder: Path, scene: str, *, source: str) -> None:
        self.folder = folder
        self.stored_grid = _grid(folder / "evaluation" / "params.json")
        self.grid = ego_grid(self.stored_grid, OUR_FROM_LIDAR)
        times, poses = read_times(folder / "times.txt"), read_poses(folder / "poses.txt")
        if len(times) != len(poses) or not len(times):
            raise BadInput(
                f"has {len(poses)} poses for {len(times)} times", file=folder / "poses.txt",
                field="poses", remedy=RESTORE,
            )  # fmt: skip
        self._poses = poses @ OUR_FROM_LIDAR.inverse()
        split, _, town = scene.partition("-")
        self.meta = ClipMeta(
            scene_id=scene,
            source=source,
            licence=LICENCE,
            rig=Rig(
                name="carla_sc",
                cameras=(),
                lidars=(MountedLidar(name=LIDAR, lidar=None, ego_from_lidar=OUR_FROM_LIDAR),),
                source="the LiDAR's height is assumed, not recorded",
            ),
            key_times_ns=times,
            lidar=LIDAR,
            our_from_vehicle=OUR_FROM_LIDAR,
            attributes={
                "data_set": "CarlaSC",
                "split": split,
                "town": town,
                "assumed": {"lidar_height_m": HEIGHT_M, "y_axis": "left"},
            },
        )

    def file(self, kind: str, key: int, suffix: str) -> Path:
        return self.folder / kind / f"{key:06d}{suffix}"

    def files(self) -> Iterator[Path]:
        """Every sensor and label file that the sequence should have."""
        for key in range(len(self.meta.key_times_ns)):
            yield self.file("velodyne", key, ".bin")
            yield self.file("labels", key, ".label")
            yield self.file("evaluation", key, ".label")
            yield self.file("evaluation", key, ".bin")

    def ego(self) -> PoseTrack:
        return PoseTrack(time_ns=self.meta.key_times_ns, world_from_ego=self._poses)

    def records(self, sensor: str) -> Records:
        self.meta.rig.lidar(sensor)
        times = self.meta.key_times_ns
        return Records(time_ns=times, world_from_ego=self._poses, key=np.arange(len(times)))

    def sweep(self, lidar: str, index: int) -> Sweep:
        index = range(len(self.meta.key_times_ns))[index]
        labels = self.file("labels", index, ".label")
        return make_scan(
            self.file("velodyne", index, ".bin"),
            classes_of(labels, "carla_sc", read_array(labels, "<u4", 1)[:, 0]),
            False,
            name=LIDAR,
            time_ns=int(self.meta.key_times_ns[index]),
            ego_from_lidar=self.meta.rig.lidar(lidar).ego_from_lidar,
            world_from_ego=self._poses[index],
        )

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return (self.grid,)

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        """As stored; ``mask_lidar`` is where a cell has samples."""
        frame = check_grid(grid, self.grid, self.stored_grid, solid=solid)
        path = self.file("evaluation", key, ".label")
        stored = read_cells(path, "<u4", self.grid.shape)
        return Occupancy(
            grid=grid,
            labels=classes_of(path, "carla_sc", stored),
            mask_lidar=self.counts(key) > 0,
            frame=frame,
        )

    def counts(self, key: int) -> Float32[np.ndarray, "x y z"]:
        """Samples of all rays in each cell of a key frame; 0: never observed.

        Raises:
            MissingInput: no such file.
            BadInput: cut off, or numbers below 0 or not finite.
        """
        path = self.file("evaluation", key, ".bin")
        counts = read_cells(path, "<f4", self.grid.shape)
        if not (np.isfinite(counts).all() and (counts >= 0).all()):
            raise BadInput("holds counts below 0 or not finite", file=path, remedy=RESTORE)
        return counts


def _grid(path: Path) -> VoxelGrid:
    table = Fields(path, "", read_json(path))
    table.word("coordinates", ("cartesian",))
    size = table.positive("grid_size", 3)
    if (size != np.rint(size)).any() or size.max() > 4096:
        raise table.bad("grid_size", f"must be whole numbers, got {size.tolist()}")
    lower, upper = table.numbers("min_bound", 3), table.numbers("max_bound", 3)
    lower, upper = np.round(lower, _DIGITS), np.round(upper, _DIGITS)
    cell = np.round((upper - lower) / size, _DIGITS)
    if (cell <= 0).any():
        raise table.bad("max_bound", "must lie above min_bound")
    return VoxelGrid(
        lower_m=tuple(lower.tolist()),
        cell_m=tuple(cell.tolist()),
        shape=(int(size[0]), int(size[1]), int(size[2])),
    )

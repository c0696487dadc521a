"""A clip made of arithmetic, so that every place in every picture can be foretold."""

from collections.abc import Callable

import numpy as np
import pytest

from roadloom.errors import NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records
from roadloom.scene.road_map import Polygon, RoadMap
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.camera import PinholeCamera
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig

GRID = VoxelGrid(lower_m=(-20.0, -20.0, -1.0), cell_m=(0.5, 0.5, 0.5), shape=(80, 80, 8))
STEP_NS = 500_000_000
SPEED = 8.0
CAMERA_LATE_NS = 40_000_000
"""Cameras fire so long after the LiDAR."""
CAR, PERSON, BUILDING, ROAD = 19, 1, 61, 53
LOOKING = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""ego_from_camera of a camera that looks ahead: x right, y down, z forward."""


def camera(name: str, yaw: float, **changes: float) -> MountedCamera:
    lens = {"width": 160, "height": 90, "fx": 100.0, "fy": 100.0, "cx": 79.5, "cy": 44.5}
    turn = rotation_from_yaw(np.array(yaw))
    return MountedCamera(
        name=name,
        camera=PinholeCamera(**(lens | changes)),
        ego_from_camera=Pose(turn @ LOOKING, turn @ np.array([1.0, 0.0, 1.5])),
    )


RIG = Rig(
    name="test",
    cameras=(
        camera("BACK", np.pi),
        camera("RIGHT", -np.pi / 3),
        camera("FRONT", 0.0),
        camera("LEFT", np.pi / 3),
    ),
    lidars=(
        MountedLidar(
            name="TOP", lidar=None, ego_from_lidar=Pose(np.eye(3), np.array([1.0, 0.0, 1.8]))
        ),
    ),
)


class ArithmeticReader(ClipReader):
    """The ego drives along world x at ``SPEED``; a car ahead does the same, a person stands."""

    def __init__(
        self,
        count: int = 3,
        origin: float = 0.0,
        lacks: tuple[str, ...] = (),
        scene: str = "scene-1",
        rig: Rig = RIG,
    ) -> None:
        self.count, self.origin, self.lacks = count, origin, lacks
        self.meta = ClipMeta(
            scene_id=scene,
            source="arithmetic:here",
            licence="CC0-1.0",
            rig=rig,
            key_times_ns=np.arange(count, dtype=np.int64) * STEP_NS,
            lidar="TOP",
            our_from_vehicle=Pose.identity(),
            attributes={"weather": "none", "tokens": ["a"] * 200},
        )

    def pose(self, times: np.ndarray) -> Pose:
        at = np.zeros((len(times), 3))
        at[:, 0] = self.origin + times * 1e-9 * SPEED
        at[:, 1] = self.origin
        return Pose(np.broadcast_to(np.eye(3), (len(times), 3, 3)).copy(), at)

    def ego(self) -> PoseTrack:
        times = np.arange(-1, self.count * 5 + 2, dtype=np.int64) * (STEP_NS // 5)
        return PoseTrack(time_ns=times, world_from_ego=self.pose(times))

    def records(self, sensor: str) -> Records:
        times = self.meta.key_times_ns + (0 if sensor == "TOP" else CAMERA_LATE_NS)
        key = np.arange(self.count)
        if sensor in self.lacks or (sensor == "TOP" and "lidar" in self.lacks):
            times, key = times[:0], np.full(self.count, -1)
        return Records(time_ns=times, world_from_ego=self.pose(times), key=key)

    def image(self, camera: str, index: int) -> np.ndarray:
        if "images" in self.lacks:
            raise NotRecorded("no images", field=camera)
        shade = 40 + 30 * self.meta.rig.camera_names.index(camera) + 5 * index
        lens = self.meta.rig.camera(camera).camera
        return np.full((lens.height, lens.width, 3), shade, np.uint8)

    def sweep(self, lidar: str, index: int) -> Sweep:
        forward, left = np.meshgrid(np.arange(-15.0, 16.0, 1.0), np.arange(-15.0, 16.0, 1.0))
        flat = np.stack([forward.ravel(), left.ravel(), 0.02 * index + 0 * left.ravel()], -1)
        count, time = len(flat), int(self.meta.key_times_ns[index])
        origin = self.meta.rig.lidar("TOP").ego_from_lidar
        return Sweep(
            points=flat.astype(np.float32),
            time_ns=time,
            world_from_ego=self.pose(np.array([time]))[0],
            motion_compensated=True,
            point_time_ns=np.full(count, time, np.int64),
            ring=np.full(count, -1, np.int16),
            intensity=np.linspace(0, 1, count, dtype=np.float32),
            origin_id=np.zeros(count, np.uint8),
            origins=(LidarOrigin(name="TOP", ego_from_lidar=origin),),
            returned=np.arange(count) % 10 != 0,
            label=np.full(count, ROAD, np.uint8),
        )

    def boxes(self, key: int) -> Boxes:
        if "boxes" in self.lacks:
            raise NotRecorded("no boxes", field="boxes")
        time = key * STEP_NS
        person = 18.0 - SPEED * time * 1e-9
        return Boxes.make(
            time,
            np.array([CAR, PERSON], np.uint8),
            Pose(
                np.broadcast_to(np.eye(3), (2, 3, 3)).copy(),
                np.array([[10.0, 0.0, 0.75], [person, 4.0, 0.9]]),
            ),
            np.array([[4.0, 1.8, 1.5], [0.6, 0.6, 1.8]]),
            track_id=np.array(["car", "person"]),
            velocity=np.array([[SPEED, 0, 0], [np.nan, np.nan, np.nan]]),
        )

    def road_map(self) -> RoadMap:
        if "map" in self.lacks:
            raise NotRecorded("no map", field="map")
        o = self.origin
        road = np.array([[o - 50, o - 4], [o + 90, o - 4], [o + 90, o + 4], [o - 50, o + 4]])
        return RoadMap(polygons={"drivable_area": (Polygon.make(road),)})

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        if grid != GRID or "occupancy" in self.lacks:
            raise NotRecorded("no occupancy on this grid", field="occupancy")
        labels = np.zeros(grid.shape, np.uint8)
        labels[:, :, 1] = ROAD
        labels[20:30, 60:70, 2:6] = BUILDING
        return Occupancy(grid=grid, labels=labels)


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Clip]:
    """Makes a clip; arguments are those of ``ArithmeticReader``."""
    return lambda **options: Clip(ArithmeticReader(**options))


@pytest.fixture(scope="session")
def small_grid() -> VoxelGrid:
    """The grid on which arithmetic clips hold occupancy."""
    return GRID


@pytest.fixture(scope="session")
def make_camera() -> Callable[..., MountedCamera]:
    return camera

"""Small clips made of arithmetic: whatever sweeps, boxes and path a test wants."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from roadloom.errors import NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip
from roadloom.scene.reader import ClipMeta, ClipReader, Records
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.rig import MountedLidar, Rig

START_NS = 1_700_000_000_000_000_000
S = 1_000_000_000
GRID = VoxelGrid(lower_m=(-8.0, -8.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(40, 40, 8))
MOUNT = Pose(np.eye(3), np.array([1.0, 0.2, 1.7]))
CAR = 19


def pose(x: float = 0.0, y: float = 0.0, yaw: float = 0.0, z: float = 0.0) -> Pose:
    return Pose(rotation_from_yaw(np.array(float(yaw))), np.array([x, y, z], np.float64))


@dataclass
class Shot:
    """One sweep: points of the world as they were seen ``time_s`` after the start."""

    time_s: float
    world: np.ndarray
    own_time_s: np.ndarray | None = None
    label: np.ndarray | None = None
    returned: np.ndarray | None = None
    compensated: bool = True
    lidar: str = "TOP"


@dataclass
class ToyReader(ClipReader):
    shots: list[Shot]
    way: Callable[[float], Pose] = field(default=lambda t: pose())
    key_s: tuple[float, ...] = (0.0,)
    key_boxes: list[Boxes] | None = None
    exact_boxes: Callable[[float], Boxes] | None = None
    place: RoadMap | None = None
    mounts: dict[str, Pose] = field(default_factory=lambda: {"TOP": MOUNT})
    path_s: tuple[float, float] = (-1.0, 3.0)

    def __post_init__(self) -> None:
        self.shots = sorted(self.shots, key=lambda s: s.time_s)
        lidars = tuple(
            MountedLidar(name=name, lidar=None, ego_from_lidar=p) for name, p in self.mounts.items()
        )
        self.meta = ClipMeta(
            scene_id="toy", source="toy:here", licence="CC0-1.0",
            rig=Rig(name="toy", cameras=(), lidars=lidars),
            key_times_ns=np.array([ns(t) for t in self.key_s], np.int64),
            lidar=lidars[0].name if lidars else None, our_from_vehicle=Pose.identity(),
        )  # fmt: skip

    def ego(self) -> PoseTrack:
        seconds = np.arange(round(self.path_s[0] * 10), round(self.path_s[1] * 10) + 1) / 10
        return PoseTrack(
            time_ns=np.array([ns(t) for t in seconds], np.int64),
            world_from_ego=Pose.stack([self.way(t) for t in seconds]),
        )

    def of(self, lidar: str) -> list[Shot]:
        return [s for s in self.shots if s.lidar == lidar]

    def records(self, sensor: str) -> Records:
        shots = self.of(sensor)
        times = np.array([ns(s.time_s) for s in shots], np.int64)
        key = [int(np.flatnonzero(times == t)[0]) if (times == t).any() else -1
               for t in self.meta.key_times_ns]  # fmt: skip
        empty = Pose(np.zeros((0, 3, 3)), np.zeros((0, 3)))
        return Records(
            time_ns=times,
            world_from_ego=Pose.stack([self.way(s.time_s) for s in shots]) if shots else empty,
            key=np.array(key, np.int64),
        )

    def sweep(self, lidar: str, index: int) -> Sweep:
        shot = self.of(lidar)[index]
        count = len(shot.world)
        own = np.full(count, shot.time_s) if shot.own_time_s is None else shot.own_time_s
        points = self.way(shot.time_s).inverse().apply(shot.world.reshape(-1, 3))
        if not shot.compensated:
            frames = Pose.stack([self.way(t) for t in own.tolist()])
            points = frames.inverse().apply(shot.world[:, None])[:, 0]
        return Sweep(
            points=points,
            time_ns=ns(shot.time_s),
            world_from_ego=self.way(shot.time_s),
            motion_compensated=shot.compensated,
            point_time_ns=np.array([ns(t) for t in own.tolist()], np.int64),
            ring=np.full(count, -1, np.int16),
            intensity=np.full(count, np.nan, np.float32),
            origin_id=np.zeros(count, np.uint8),
            origins=(LidarOrigin(name=lidar, ego_from_lidar=self.mounts[lidar]),),
            returned=np.ones(count, bool) if shot.returned is None else shot.returned,
            label=shot.label,
        )

    def boxes(self, key: int) -> Boxes:
        if self.key_boxes is None:
            raise NotRecorded("this recording has no boxes", field="boxes")
        return self.key_boxes[key]

    def boxes_at(self, time_ns: int) -> Boxes:
        if self.exact_boxes is None:
            raise NotRecorded("boxes are recorded at key frames only", field="boxes")
        return self.exact_boxes((time_ns - START_NS) / S)

    def road_map(self) -> RoadMap:
        if self.place is None:
            raise NotRecorded("no map", field="map")
        return self.place


def ns(seconds: float) -> int:
    return START_NS + round(float(seconds) * S)


def clip(*shots: Shot, **parts: object) -> Clip:
    return Clip(ToyReader(list(shots), **parts))  # type: ignore[arg-type]


def boxes(
    time_s: float,
    world_from_ego: Pose,
    rows: list[tuple[str, Pose, tuple[float, float, float]]],
    class_id: int = CAR,
) -> Boxes:
    """Boxes in the ego frame, given as track, pose in the world and size."""
    if not rows:
        return Boxes.empty(ns(time_s))
    return Boxes.make(
        ns(time_s), np.full(len(rows), class_id, np.uint8),
        world_from_ego.inverse() @ Pose.stack([p for _, p, _ in rows]),
        np.array([s for _, _, s in rows], np.float64), track_id=np.array([t for t, _, _ in rows]),
    )  # fmt: skip


def wall(x: float, low: float = -3.0, high: float = 3.0, step: float = 0.17) -> np.ndarray:
    """Points on a plane across the road, in no cell's face."""
    y, z = np.meshgrid(np.arange(low, high, step) + 0.031, np.arange(0.0, 1.8, step) + 0.043)
    return np.stack([np.full(y.size, x), y.ravel(), z.ravel()], axis=1)


def shell(center: Pose, size: tuple[float, float, float], count: int = 9) -> np.ndarray:
    """Points just inside the four sides of a box, from a fifth of its height up."""
    at = (np.arange(count) + 0.5) / count
    u, h = (a.ravel() for a in np.meshgrid(at - 0.5, 0.23 + 0.7 * at))
    half, side = 0.49 * np.ones_like(u), np.array(size)
    sides = [np.stack([s * half, u, h - 0.5], 1) for s in (-1, 1)]
    sides += [np.stack([u, s * half, h - 0.5], 1) for s in (-1, 1)]
    return center.apply(np.concatenate(sides) * side)

"""A made drive on CarlaSC's grid: cheap, of any length, on a known path."""

import numpy as np

from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import CARLA_SC
from roadloom.scene.class_maps import ids_from
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader
from roadloom.sensors.presets import preset

STEP_NS = 100_000_000
SPEED, RADIUS = 0.5, 10.0
"""Metres a frame; of the circle."""


def path(name: str, frames: int) -> Pose:
    way = SPEED * np.arange(frames)
    if name == "still":
        return Pose(np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)))
    if name == "straight":
        place = np.stack([way, 0 * way, 0 * way], axis=1)
        return Pose(np.tile(np.eye(3), (frames, 1, 1)), place)
    side = {"circle": 1.0, "right": -1.0}[name]
    angle = way / RADIUS
    place = RADIUS * np.stack([np.sin(angle), side * (1 - np.cos(angle)), 0 * way], axis=1)
    return Pose(rotation_from_yaw(side * angle), place)


class MadeReader(ClipReader):
    def __init__(self, scene="a", frames=40, way="straight", gap_at=None):
        self.arguments = scene, frames, way, gap_at
        times = np.arange(frames, dtype=np.int64) * STEP_NS
        if gap_at is not None:
            times[gap_at:] += STEP_NS
        self.poses = path(way, frames)
        self.meta = ClipMeta(
            scene_id=scene, source="made:drive", licence="CC0", rig=preset("nuscenes"),
            key_times_ns=times, lidar=None, our_from_vehicle=Pose.identity(),
        )  # fmt: skip

    def __reduce__(self):
        return MadeReader, self.arguments

    def ego(self):
        return PoseTrack(time_ns=self.meta.key_times_ns, world_from_ego=self.poses)

    def records(self, sensor):
        times = self.meta.key_times_ns
        return Records(time_ns=times, world_from_ego=self.poses, key=np.arange(len(times)))

    def labels(self, key):
        raw = np.zeros(CARLA_SC.shape, np.uint8)
        raw[:, 40:90, 0] = 7
        raw[:, 90:100, 0] = 8
        raw[(3 * key) % 120 : (3 * key) % 120 + 8, 50:54, 1:4] = 10
        raw[ord(self.meta.scene_id[0]) % 50, key % 128, 5] = 4
        return ids_from("carla_sc", raw)

    def mask(self, key):
        seen = np.ones(CARLA_SC.shape, bool)
        seen[key % 128] = False
        return seen

    def occupancy(self, key, grid, *, solid=False):
        assert grid == CARLA_SC
        return Occupancy(grid=grid, labels=self.labels(key), mask_lidar=self.mask(key))


class MadeSource(SourceReader):
    """``made:FRAMES``: scenes a, b and c."""

    def __init__(self, place):
        self.place = place

    @property
    def scenes(self):
        return ("a", "b", "c")

    def open_scene(self, scene):
        way = {"a": "straight", "b": "circle", "c": "still"}[scene]
        return MadeReader(scene, int(self.place), way)


def made_clip(scene="a", frames=40, way="straight", gap_at=None) -> Clip:
    return Clip(MadeReader(scene, frames, way, gap_at))

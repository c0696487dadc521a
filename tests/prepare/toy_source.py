"""A made world for tests: the toy street, at any time, through any rig, in a blink."""

import numpy as np
from tests.town.toy import toy_world

from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.scene.boxes import Boxes
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader
from roadloom.sensors.presets import preset
from roadloom.town.occupancy.flow import occupancy_flow
from roadloom.town.occupancy.labels import occupancy

KEYS = 4
WORLD = toy_world()


class ToyReader(ClipReader):
    def __init__(self, scene, rig=None):
        self.scene, self.rig = scene, rig or preset("nuscenes")
        self.meta = ClipMeta(
            scene_id=scene, source="toy:street", licence="Apache-2.0", rig=self.rig,
            key_times_ns=WORLD.start_ns + np.arange(KEYS, dtype=np.int64) * 500_000_000,
            lidar=None, our_from_vehicle=Pose.identity(), attributes={"weather": "clear"},
        )  # fmt: skip

    def __reduce__(self):
        return ToyReader, (self.scene, self.rig)

    def ego(self):
        times = WORLD.start_ns + np.arange(-20, 250, dtype=np.int64) * 10_000_000
        return PoseTrack(time_ns=times, world_from_ego=WORLD.world_from_ego(times))

    def records(self, sensor):
        times = WORLD.start_ns + np.arange(5 * KEYS, dtype=np.int64) * 100_000_000
        key = np.arange(KEYS, dtype=np.int64) * 5
        return Records(time_ns=times, world_from_ego=WORLD.world_from_ego(times), key=key)

    def image(self, camera, index):
        """A ramp that knows its size, camera and number."""
        size = self.rig.camera(camera).camera
        x = np.linspace(0, 200, size.width)[None, :, None]
        y = np.linspace(0, 40, size.height)[:, None, None]
        return np.broadcast_to(x + y + index % 10, (size.height, size.width, 3)).astype(np.uint8)

    def boxes_at(self, time_ns):
        return Boxes.empty(time_ns)

    def occupancy(self, key, grid, *, solid=False):
        return self.occupancy_at(int(self.meta.key_times_ns[key]), grid, solid=solid)

    def occupancy_at(self, time_ns, grid, *, solid=False):
        return occupancy(WORLD, time_ns, grid, solid=solid)

    def occupancy_flow(self, time_ns, next_time_ns, grid):
        return occupancy_flow(WORLD, time_ns, next_time_ns, grid)


class ToySource(SourceReader):
    def __init__(self, place, rig=None):
        self.place, self.rig = place, rig

    @classmethod
    def with_rig(cls, place, rig):
        return cls(place, rig)

    @property
    def scenes(self):
        return ("0", "1")

    def open_scene(self, scene):
        return ToyReader(scene, self.rig)

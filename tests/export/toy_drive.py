"""A drive of arithmetic with what nuScenes has: three cameras, a LiDAR at 20 Hz, moving boxes."""

import numpy as np

from roadloom.errors import MissingInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.image import encode_image
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import class_id
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader
from roadloom.scene.road_map import Polygon, RoadMap
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig

KEYS = 5
STEP_NS, TURN_NS = 500_000_000, 50_000_000
START_NS = 1_600_000_000_000_000_000
SPEED, YAW_RATE = 8.0, 0.2
LOOKING = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
WIDTH, HEIGHT = 32, 18
CLASSES = (
    "vehicle.car", "human.adult", "object.bollard", "vehicle.bus.school", "two_wheeler.bicycle",
)  # fmt: skip
ATTRIBUTES = ("vehicle.moving", "pedestrian.standing", "", "vehicle.moving,odd", "")
SIZES = np.array(
    [[4.2, 1.8, 1.5], [0.6, 0.7, 1.8], [0.2, 0.2, 0.9], [11.0, 2.5, 3.2], [1.7, 0.6, 1.2]]
)


def _camera(name, yaw, late_ns, camera):
    return MountedCamera(
        name=name, camera=camera, trigger_offset_ns=late_ns,
        ego_from_camera=Pose(rotation_from_yaw(np.array(yaw)) @ LOOKING, np.array([1.5, 0.1, 1.5])),
    )  # fmt: skip


RIG = Rig(
    name="toy car",
    cameras=(
        _camera("CAM_FRONT", 0.0, -30_000_000,
                PinholeCamera(width=WIDTH, height=HEIGHT, fx=20.0, fy=20.0, cx=15.5, cy=8.5)),
        _camera("left side", 1.5, 20_000_400,
                PinholeCamera(width=WIDTH, height=HEIGHT, fx=20.0, fy=21.0, cx=15.0, cy=8.0,
                              k1=-0.2)),
        _camera("rear", 3.1, 0,
                FisheyeCamera(width=WIDTH, height=HEIGHT, fx=9.0, fy=9.0, cx=15.5, cy=8.5)),
    ),
    lidars=(
        MountedLidar(
            name="top", lidar=None,
            ego_from_lidar=Pose(rotation_from_yaw(np.array(-1.57)), np.array([0.9, 0.0, 1.8])),
        ),
    ),
)  # fmt: skip


class ToyDrive(ClipReader):
    def __init__(self, scene, source):
        self.number = int(scene)
        self.meta = ClipMeta(
            scene_id=scene, source=source, licence="CC0-1.0, none", rig=RIG,
            key_times_ns=self.start + STEP_NS * np.arange(KEYS, dtype=np.int64),
            lidar="top", our_from_vehicle=Pose.identity(),
            attributes={"description": "a circle", "weather": "rain"},
        )  # fmt: skip

    @property
    def start(self):
        return START_NS + self.number * 3600 * 10**9

    def pose(self, times):
        t = (times - self.start) / 1e9
        yaw, radius = YAW_RATE * t, SPEED / YAW_RATE
        way = [-300 + radius * np.sin(yaw), radius * (1 - np.cos(yaw)), 40 + 0.1 * t]
        return Pose(rotation_from_yaw(yaw), np.stack(way, axis=-1))

    def ego(self):
        times = self.start + np.arange(-20, 300, dtype=np.int64) * 10_000_000
        return PoseTrack(time_ns=times, world_from_ego=self.pose(times))

    def records(self, sensor):
        if sensor == "top":
            times = self.start + TURN_NS * np.arange(KEYS * 10, dtype=np.int64)
            key = np.arange(KEYS) * 10
        else:
            late = self.meta.rig.camera(sensor).trigger_offset_ns
            times = self.start + late + 100_000_000 * np.arange(KEYS * 5, dtype=np.int64)
            key = np.arange(KEYS) * 5
        return Records(time_ns=times, world_from_ego=self.pose(times), key=key)

    def image(self, camera, index):
        rng = np.random.default_rng([self.number, index, len(camera)])
        return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    def image_bytes(self, camera, index):
        if camera != "CAM_FRONT":
            return None
        return encode_image(self.image(camera, index), ".png"), ".png"

    def sweep(self, lidar, index):
        """Points all over the boxes and the ground, some of them unknown in one way or another."""
        records = self.records(lidar)
        time = int(records.time_ns[index])
        rng = np.random.default_rng([self.number, index])
        boxes = self._boxes(time)
        inside = [
            boxes.pose[i].apply(rng.uniform(-0.6, 0.6, (200, 3)) * boxes.size[i])
            for i in range(len(boxes))
        ]
        ground = np.column_stack([rng.uniform(-50, 50, (500, 2)), np.zeros(500)])
        points = np.concatenate([ground, *inside]).astype(np.float32)
        count = len(points)
        returned = np.ones(count, bool)
        returned[:7], points[:7] = False, np.nan
        intensity = (rng.integers(0, 256, count) / 255).astype(np.float32)
        return Sweep(
            points=points, time_ns=time, world_from_ego=records.world_from_ego[index],
            motion_compensated=True,
            point_time_ns=time - rng.integers(0, TURN_NS, count),
            ring=(np.arange(count) % 32).astype(np.int16), intensity=intensity,
            origin_id=np.zeros(count, np.uint8),
            origins=(LidarOrigin(name="top", ego_from_lidar=RIG.lidars[0].ego_from_lidar),),
            returned=returned,
            label=(np.arange(count) % 60).astype(np.uint8) if self.number != 1 else None,
        )  # fmt: skip

    def _boxes(self, time):
        """Cars drive along the world's x axis; the adult is there every other key frame."""
        t = (time - self.start) / 1e9
        world = self.pose(np.array([time]))[0]
        place = np.array([[-285 + 5 * t, 8, 41], [-290, 3, 41], [-280, -4, 40.5],
                          [-270 - 3 * t, -9, 42], [-295, 6, 40.6]])  # fmt: skip
        turned = rotation_from_yaw(np.array([0.0, 1.0, 2.0, 3.1, -0.5]))
        velocity = np.array([[5.0, 0, 0], [0, 0, 0], [0, 0, 0], [-3, 0, 0], [0, 0, 0]])
        pose = world.inverse() @ Pose(turned, place)
        return Boxes.make(
            time, np.array([class_id(name) for name in CLASSES], np.uint8), pose, SIZES,
            track_id=np.array(["a", "b", "c", "d", ""]), velocity=velocity @ world.rotation,
            attribute=np.array(ATTRIBUTES), visibility=np.array([4, 1, 2, 0, 3], np.uint8),
        )  # fmt: skip

    def boxes(self, key):
        boxes = self._boxes(int(self.meta.key_times_ns[key]))
        return boxes[[0, 2, 3, 4] if key % 2 else slice(None)]

    def road_map(self):
        if self.number == 1:
            raise NotRecorded("no map", field="map")
        ring = np.array([[-320.0, -10, 40], [-240, -10, 40], [-240, 10, 40], [-320, 10, 40]])
        return RoadMap(name="circle", polygons={"drivable_area": (Polygon.make(ring),)})

    def occupancy(self, key, grid, *, solid=False):
        if grid != OCC3D:
            raise NotRecorded("no occupancy", field="occupancy")
        labels = np.zeros(grid.shape, np.uint8)
        labels[:, :, 2] = class_id("flat.road")
        labels[100 + key] = 255
        return Occupancy(grid=grid, labels=labels, mask_lidar=labels != 255)


class ToySource(SourceReader):
    """``toy:PLACE`` has three scenes; ``toy:gaps`` has lost an image and a sweep."""

    def __init__(self, place):
        self.place = place

    @property
    def scenes(self):
        return ("0", "1", "2")

    def open_scene(self, scene):
        reader = Gaps if self.place == "gaps" else ToyDrive
        return reader(scene, f"toy:{self.place}")


class Gaps(ToyDrive):
    def image(self, camera, index):
        if camera == "rear" and index == 10:
            raise MissingInput("no such file", file="rear.png")
        return super().image(camera, index)

    def sweep(self, lidar, index):
        if index == 13:
            raise MissingInput("no such file", file="13.npz")
        return super().sweep(lidar, index)

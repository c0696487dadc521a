"""A drive along a street by arithmetic: ten kinds of objects, labelled points, a map."""

from pathlib import Path

import numpy as np

from roadloom.export.nuscenes.options import NuScenesOptions
from roadloom.export.nuscenes.run import export_nuscenes
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.scene import registry
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import class_id
from roadloom.scene.clip import Clip
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader
from roadloom.scene.road_map import Lane, Polygon, RoadMap
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.rig import MountedLidar, Rig

START_NS = 1_600_000_000_000_000_000
STEP_NS = 500_000_000
KEYS = 4
CITY, TILE_M = "singapore-onenorth", 240.0
SPEED = 6.0
YAW = 0.4
ORIGIN = np.array([-3120.4, 812.7, 57.31])
EGO_FROM_LIDAR = Pose(rotation_from_yaw(np.array(-1.5)), np.array([0.9, 0.0, 1.8]))
THINGS = (  # class, attribute, place in the street, speed along it, size
    ("vehicle.car", "vehicle.moving", (18.0, -3.0), 5.0, (4.2, 1.8, 1.5)),
    ("vehicle.truck", "vehicle.parked", (30.0, 6.0), 0.0, (8.0, 2.4, 3.0)),
    ("vehicle.bus.rigid", "vehicle.moving", (25.0, 3.0), -4.0, (11.0, 2.6, 3.2)),
    ("vehicle.trailer", "vehicle.parked", (40.0, -8.0), 0.0, (9.0, 2.4, 3.0)),
    ("vehicle.construction", "vehicle.parked", (38.0, 12.0), 0.0, (6.0, 2.5, 3.0)),
    ("human.adult", "pedestrian.moving", (20.0, -9.0), 1.2, (0.6, 0.6, 1.8)),
    ("two_wheeler.motorcycle", "cycle.with_rider", (15.0, 4.0), 6.0, (2.2, 0.8, 1.6)),
    ("two_wheeler.bicycle", "cycle.without_rider", (12.0, -7.0), 0.0, (1.8, 0.6, 1.2)),
    ("object.traffic_cone", "", (14.0, 1.5), 0.0, (0.4, 0.4, 0.8)),
    ("object.barrier", "", (16.0, -5.0), 0.0, (0.5, 2.0, 1.0)),
    ("vehicle.car", "vehicle.parked", (22.0, -20.0), 0.0, (4.2, 1.8, 1.5)),  # no point in it
)
RIG = Rig(
    name="street",
    cameras=(),
    lidars=(MountedLidar(name="TOP", lidar=None, ego_from_lidar=EGO_FROM_LIDAR),),
    source="arithmetic",
)


class StreetReader(ClipReader):
    """Streets differ by ``origin``; ``labels`` says whether points have classes."""

    def __init__(self, scene: str = "street", *, labels: bool = True, east: float = 0.0) -> None:
        self.labels, self.origin = labels, ORIGIN + [east, 0.0, 0.0]
        self.meta = ClipMeta(
            scene_id=scene,
            source="arithmetic:here",
            licence="CC0-1.0",
            rig=RIG,
            key_times_ns=START_NS + STEP_NS * np.arange(KEYS, dtype=np.int64),
            lidar="TOP",
            our_from_vehicle=Pose.identity(),
        )

    @property
    def world_from_street(self) -> Pose:
        return Pose(rotation_from_yaw(np.array(YAW)), self.origin)

    def pose(self, times: np.ndarray) -> Pose:
        along = SPEED * (times - START_NS) / 1e9
        turn = np.broadcast_to(self.world_from_street.rotation, (len(times), 3, 3))
        way = np.stack([along, np.zeros_like(along), 0.01 * along], axis=-1)
        return Pose(turn, self.world_from_street.apply(way))

    def ego(self) -> PoseTrack:
        times = START_NS + np.arange(-50, 250, dtype=np.int64) * 10_000_000
        return PoseTrack(time_ns=times, world_from_ego=self.pose(times))

    def records(self, sensor: str) -> Records:
        times = self.meta.key_times_ns
        return Records(time_ns=times, world_from_ego=self.pose(times), key=np.arange(KEYS))

    def boxes(self, key: int) -> Boxes:
        time = int(self.meta.key_times_ns[key])
        seconds = key * STEP_NS / 1e9
        places = np.array([(*place, size[2] / 2) for _, _, place, _, size in THINGS])
        speeds = np.array([speed for *_, speed, _ in THINGS])
        places[:, 0] += speeds * seconds - SPEED * seconds
        velocity = np.zeros((len(THINGS), 3))
        velocity[:, 0] = speeds
        held = np.array([0 if name == "vehicle.car" and place[1] < -10 else 8
                         for name, _, place, _, _ in THINGS], np.int32)  # fmt: skip
        return Boxes.make(
            time,
            np.array([class_id(name) for name, *_ in THINGS], np.uint8),
            Pose(np.broadcast_to(np.eye(3), (len(THINGS), 3, 3)), places),
            np.array([size for *_, size in THINGS]),
            track_id=np.array([f"thing {i}" for i in range(len(THINGS))]),
            velocity=velocity,
            attribute=np.array([attribute for _, attribute, *_ in THINGS]),
            visibility=np.full(len(THINGS), 4, np.uint8),
            num_lidar_points=held,
        )

    def sweep(self, lidar: str, index: int) -> Sweep:
        time = int(self.meta.key_times_ns[index])
        boxes = self.boxes(index)
        corners = np.stack(np.meshgrid(*[[-0.3, 0.3]] * 3), axis=-1).reshape(-1, 3)
        held = np.flatnonzero(boxes.num_lidar_points)
        inside = corners * boxes.size[held, None] + boxes.pose.translation[held, None]
        spread = np.linspace(-40, 40, 33)
        ground = np.stack(np.meshgrid(spread, spread, [-0.02]), axis=-1).reshape(-1, 3)
        points = np.concatenate([inside.reshape(-1, 3), ground]).astype(np.float32)
        labels = np.full(len(points), class_id("flat.drivable"), np.uint8)
        labels[: 8 * len(held)] = np.repeat(boxes.class_id[held], 8)
        labels[-1] = class_id("unknown")
        count = len(points)
        return Sweep(
            points=points,
            time_ns=time,
            world_from_ego=self.records(lidar).world_from_ego[index],
            motion_compensated=True,
            point_time_ns=np.full(count, time, np.int64),
            ring=(np.arange(count) % 32).astype(np.int16),
            intensity=np.full(count, 0.5, np.float32),
            origin_id=np.zeros(count, np.uint8),
            origins=(LidarOrigin(name="TOP", ego_from_lidar=EGO_FROM_LIDAR),),
            returned=np.ones(count, bool),
            label=labels if self.labels else None,
        )

    def road_map(self) -> RoadMap:
        return street_map(self.world_from_street)


def street_map(world_from_street: Pose) -> RoadMap:
    """A street of two lanes that runs 200 m either way, a bend to the left, and what lies by it."""

    def world(points: object) -> np.ndarray:
        flat = np.asarray(points, np.float64)
        return world_from_street.apply(np.concatenate([flat, np.zeros((len(flat), 1))], axis=1))

    def strip(low: float, high: float, start: float = -200.0, end: float = 200.0) -> np.ndarray:
        return world([[start, low], [end, low], [end, high], [start, high]])

    def line(y: float, start: float, end: float) -> np.ndarray:
        x = np.linspace(start, end, 41)
        return world(np.stack([x, np.full(41, y)], axis=-1))

    angle = np.linspace(0, np.pi / 2, 24)
    bends = [
        world(np.stack([60 + r * np.sin(angle), 10 - r * np.cos(angle)], axis=-1))
        for r in (10.0, 13.5, 11.75)
    ]
    left, right, middle = bends
    return RoadMap(
        name="street",
        polygons={
            "drivable_area": (Polygon.make(strip(-7, 7), [strip(-1, 1, 20, 50)]),),
            "walkway": (Polygon.make(strip(7, 10)), Polygon.make(strip(-10, -7))),
            "ped_crossing": (Polygon.make(strip(-7, 7, 54, 58)),),
            "stop_line": (Polygon.make(strip(-3.5, 0, 52, 53)),),
            "carpark_area": (),
            "road_block": (Polygon.make(strip(-7, 0, -200, 60)),),
        },
        lines={
            "road_divider": (line(0.0, -200, 200),),
            "lane_divider": (line(-3.5, -200, 60),),
        },
        lanes=(
            Lane(
                id="bend", left=left, right=right, centerline=middle, is_intersection=True,
                polygon=Polygon.make(np.concatenate([right, left[::-1]])), predecessors=("along",),
            ),
            Lane(
                id="along", left=line(0.0, -200, 60), right=line(-3.5, -200, 60),
                centerline=line(-1.75, -200, 60), left_mark="SOLID_WHITE", right_mark="NONE",
                polygon=Polygon.make(strip(-3.5, 0, -200, 60)), successors=("bend", "far"),
                right_neighbor="beside", kind="bus", speed_limit_mps=13.9,
            ),
            Lane(
                id="beside", left=line(-3.5, -200, 60), right=line(-7.0, -200, 60),
                centerline=np.zeros((0, 3)), left_neighbor="along",
            ),
            Lane(
                id="far", left=line(0.0, 195, 200), right=line(-3.5, 195, 200),
                centerline=line(-1.75, 195, 200), predecessors=("along",),
            ),
            Lane(
                id="bare", left=np.zeros((0, 3)), right=np.zeros((0, 3)),
                centerline=line(-1.75, 0, 60),
            ),
        ),
    )  # fmt: skip


def street_clip(scene: str = "street", *, labels: bool = True, east: float = 0.0) -> Clip:
    return Clip(StreetReader(scene, labels=labels, east=east))


class StreetSource(SourceReader):
    """Two streets, far apart; the second one's points have no labels."""

    def __init__(self, place: str) -> None:
        self.place = place

    @property
    def scenes(self) -> tuple[str, ...]:
        return "first", "second"

    def open_scene(self, scene: str) -> StreetReader:
        return StreetReader(scene, labels=scene == "first", east=900.0 * (scene == "second"))


def export_streets(root: Path) -> Path:
    """Both streets as a data root in one city, under names of the official val split."""
    registry.KINDS["street"] = "tests.export.street_clip:StreetSource"
    options = NuScenesOptions(city=CITY, official="val", tile_m=TILE_M, lead_sweeps=0, images=False)
    try:
        export_nuscenes("street:val", root, options)
    finally:
        del registry.KINDS["street"]
    return root

"""A clip made of arithmetic that holds every field a clip can, and lacks some here and there."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from roadloom.errors import NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip
from roadloom.scene.map_raster import GroundHeight, MapRaster
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records
from roadloom.scene.road_map import Lane, Polygon, RoadMap
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera
from roadloom.sensors.lidar import SpinningLidar
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig

START_NS = 1_600_000_000_123_456_789
STEP_NS = 500_000_000
KEYS = 3
CAMERA_LATE_NS = 30_000_007
YAW_RATE = 0.3
SPEED = 7.0
WIDTH, HEIGHT = 24, 16
GRID = VoxelGrid(lower_m=(-4.0, -4.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(20, 20, 4))
LOOKING = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
RIG = Rig(
    name="rich",
    cameras=(
        MountedCamera(
            name="CAM_FRONT",
            camera=PinholeCamera(
                width=WIDTH, height=HEIGHT, fx=20.1, fy=20.3, cx=11.4, cy=7.7, k1=-0.1, p2=1e-3
            ),
            ego_from_camera=Pose(LOOKING, np.array([1.7, 0.1, 1.5])),
            row_time_ns=20_000,
            trigger_offset_ns=CAMERA_LATE_NS,
        ),
        MountedCamera(
            name="CAM_LEFT",
            camera=FisheyeCamera(
                width=WIDTH, height=HEIGHT, fx=9.0, fy=9.0, cx=11.5, cy=7.5, k1=0.01
            ),
            ego_from_camera=Pose(
                rotation_from_yaw(np.array(1.5)) @ LOOKING, np.array([1.0, 0.9, 1.1])
            ),
        ),
    ),
    lidars=(
        MountedLidar(
            name="TOP",
            lidar=SpinningLidar(
                name="four beams",
                elevations_rad=np.array([-0.3, -0.2, -0.1, 0.05]),
                azimuth_offsets_rad=np.zeros(4),
                firing_offsets_s=np.arange(4) * 1e-6,
                columns=90,
                turn_s=0.1,
                direction="clockwise",
                start_azimuth_rad=0.7,
                min_range_m=0.5,
                max_range_m=80.0,
            ),
            ego_from_lidar=Pose(rotation_from_yaw(np.array(-1.57)), np.array([0.9, 0.0, 1.8])),
        ),
        MountedLidar(
            name="SIDE", lidar=None, ego_from_lidar=Pose(np.eye(3), np.array([2.0, 1.0, 0.5]))
        ),
    ),
    source="arithmetic",
)


class RichReader(ClipReader):
    """Everything is computed from the arguments, so any two readers agree."""

    def __init__(self, folder: Path, origin: float = 0.0, scene: str = "rich-1") -> None:
        """``folder`` takes the map's mask; the drive begins ``origin`` metres out in x and y."""
        self.folder, self.origin = folder, origin
        self.meta = ClipMeta(
            scene_id=scene,
            source="arithmetic:here",
            licence="CC0-1.0, none",
            rig=RIG,
            key_times_ns=START_NS + STEP_NS * np.arange(KEYS, dtype=np.int64),
            lidar="TOP",
            our_from_vehicle=Pose(rotation_from_yaw(np.array(0.1)), np.array([0.0, 0.0, 0.32])),
            attributes={"weather": "r\u00e9gen", "temperature": 0.1, "more": [None, {"a": True}]},
        )
        if not (folder / "mask.png").exists():
            mask = np.arange(30 * 20).reshape(20, 30) % 7 < 3
            Image.fromarray(np.uint8(255) * mask).save(folder / "mask.png")

    def pose(self, times: np.ndarray) -> Pose:
        t = (times - START_NS) / 1e9
        yaw, radius = YAW_RATE * t, SPEED / YAW_RATE
        way = [
            self.origin + radius * np.sin(yaw),
            self.origin + radius * (1 - np.cos(yaw)),
            0.1 * t,
        ]
        return Pose(rotation_from_yaw(yaw), np.stack(way, axis=-1))

    def ego(self) -> PoseTrack:
        times = START_NS + np.arange(-10, 150, dtype=np.int64) * 10_000_000
        return PoseTrack(time_ns=times, world_from_ego=self.pose(times))

    def records(self, sensor: str) -> Records:
        keys = self.meta.key_times_ns
        if sensor == "TOP":
            times, key = np.sort([*keys, *(keys + STEP_NS // 2)]), np.arange(KEYS) * 2
        elif sensor == "SIDE":
            times, key = np.zeros(0, np.int64), np.full(KEYS, -1)
        else:
            times, key = keys + CAMERA_LATE_NS, np.arange(KEYS)
        if sensor == "CAM_LEFT":  # it missed the second key frame
            times, key = times[[0, 2]], np.array([0, -1, 1])
        return Records(time_ns=times, world_from_ego=self.pose(times), key=key)

    def image(self, camera: str, index: int) -> np.ndarray:
        if camera == "CAM_FRONT":
            with Image.open(io.BytesIO(self.jpeg(index))) as image:
                return np.asarray(image)[::-1, ::-1]  # what orientation 3 asks for
        return np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    def image_bytes(self, camera: str, index: int) -> tuple[bytes, str] | None:
        return (self.jpeg(index), ".jpg") if camera == "CAM_FRONT" else None

    def jpeg(self, index: int) -> bytes:
        v, u, channel = np.indices((HEIGHT, WIDTH, 3))
        exif, buffer = Image.Exif(), io.BytesIO()
        exif[0x0112] = 3
        pixels = (u * 9 + v * 5 + channel * 40 + 20 * index) % 256
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", exif=exif)
        return buffer.getvalue()

    def commands(self) -> tuple[tuple[int, str], ...]:
        return (
            (int(self.meta.key_times_ns[0]), "follow"),
            (int(self.meta.key_times_ns[1]), "left"),
        )

    def extra_image(self, kind: str, camera: str, index: int) -> np.ndarray:
        if camera != "CAM_FRONT" or (kind == "semantic" and index == 1):
            raise NotRecorded(f"no {kind}", field=camera)
        v, u = np.indices((HEIGHT, WIDTH))
        if kind == "depth":
            return np.where(v < 5, np.inf, 3.0 + u / 7 + index).astype(np.float32)
        if kind == "instance":
            return np.where(v < 5, -1, 7 + u // 10).astype(np.int32)
        if kind == "normal":
            toward = np.broadcast_to(np.float32([0.6, 0.0, -0.8]), (HEIGHT, WIDTH, 3))
            return np.where(v[..., None] < 5, np.float32(np.nan), toward)
        return np.where(v < 5, 255, 19 + index).astype(np.uint8)

    def sweep(self, lidar: str, index: int) -> Sweep:
        count, time = 40 + index, int(self.records(lidar).time_ns[index])
        rng = np.random.default_rng(index)
        intensity = rng.random(count, dtype=np.float32)
        intensity[3] = np.nan
        points = rng.normal(0, 10, (count, 3)).astype(np.float32)
        returned = np.arange(count) % 9 != 0
        points[~returned] = np.nan
        origins = [LidarOrigin(name=m.name, ego_from_lidar=m.ego_from_lidar) for m in RIG.lidars]
        return Sweep(
            points=points,
            time_ns=time,
            world_from_ego=self.records(lidar).world_from_ego[index],
            motion_compensated=index % 2 == 0,
            point_time_ns=time - np.arange(count, dtype=np.int64) * 1000,
            ring=(np.arange(count) % 5 - 1).astype(np.int16),
            intensity=intensity,
            origin_id=(np.arange(count) % 2).astype(np.uint8),
            origins=tuple(origins),
            returned=returned,
            label=None if index == 1 else (np.arange(count) % 60).astype(np.uint8),
        )

    def boxes(self, key: int) -> Boxes:
        time = int(self.meta.key_times_ns[key])
        if key == 2:
            return Boxes.empty(time)
        yaw = np.array([0.1, -2.0, 3.0]) + 0.2 * key
        place = np.array([[8.0, 2.0, 0.8], [5.0, -3.0, 0.9], [1 / 3, 20.0, 1.0]])
        return Boxes.make(
            time,
            np.array([19, 1, 50], np.uint8),
            Pose(rotation_from_yaw(yaw), place + 0.5 * key),
            np.array([[4.2, 1.8, 1.5], [0.6, 0.6, 1.8], [0.1, 0.2, 0.3]]),
            track_id=np.array(["car", "", f"only {key}"]),
            velocity=np.array([[SPEED, 0.1, 0.0], [np.nan] * 3, [0.0, np.nan, 1e-300]]),
            attribute=np.array(["vehicle.parked", "", 'a, "b"\nc']),
            visibility=np.array([4, 0, 1], np.uint8),
            num_lidar_points=np.array([0, -1, 2**31 - 1], np.int32),
            num_radar_points=np.array([-1, 3, 0], np.int32),
            token=np.array([f"t{key}0", f"t{key}1", ""]),
        )

    def road_map(self) -> RoadMap:
        o = self.origin
        ring = np.array([[o - 9, o - 4, 0.1], [o + 9, o - 4, np.nan], [o + 9, o + 4, 0.3]])
        line = np.array([[o, o, np.nan], [o + 1 / 3, o, 1.0]])
        return RoadMap(
            name="nowhere",
            polygons={
                "drivable_area": (Polygon.make(ring, holes=[ring / 3]),), "walkway": (),
            },
            lines={"lane_divider": (line, line + 1)},
            lanes=(
                Lane(
                    id="7", left=line, right=line - 3, centerline=np.zeros((0, 3)),
                    polygon=Polygon.make(ring), successors=("8",), speed_limit_mps=1 / 3,
                ),
                Lane(id="8", left=line, right=line, centerline=line, is_intersection=True),
            ),
            rasters={
                "drivable_area": MapRaster(
                    file=self.folder / "mask.png",
                    world_from_pixel=np.array([[0.1, 0.0, o], [0.0, -0.1, o]]),
                )
            },
            ground=GroundHeight(
                heights=np.array([[0.1, np.nan], [0.3, 0.4]], np.float32),
                world_from_pixel=np.array([[0.3, 0.0, o], [0.0, 0.3, o]]),
            ),
        )  # fmt: skip

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return (GRID,)

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        if grid != GRID or key == 1 or solid:
            raise NotRecorded("no occupancy", field="occupancy")
        labels = (np.indices(GRID.shape).sum(axis=0) % 50 + key).astype(np.uint8)
        labels[0] = 255
        seen = labels % 3 == 0
        return Occupancy(
            grid=grid, labels=labels, mask_lidar=seen, mask_camera=None if key else ~seen
        )


def rich_clip(folder: Path, origin: float = 0.0, scene: str = "rich-1") -> Clip:
    return Clip(RichReader(folder, origin, scene))

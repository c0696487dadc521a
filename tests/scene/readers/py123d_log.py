"""A clip of ours written as a log of the 123D format, by py123d's own writers."""

from pathlib import Path
from typing import Any

import numpy as np

from roadloom.geometry.pose import Pose, quaternion_from_rotation, rotation_from_yaw
from roadloom.scene.classes import class_name
from roadloom.scene.clip import Clip

HEIGHT_M = 1.5
IMU_FROM_AXLE = Pose(rotation_from_yaw(np.array(0.05)), np.array([0.3, -0.1, -0.2]))
AXLE_FROM_MIDDLE = Pose(np.eye(3), np.array([1.4, 0.0, 0.45]))
GROUND_M = 0.45 - HEIGHT_M / 2
IMU_FROM_OURS = IMU_FROM_AXLE @ Pose(np.eye(3), np.array([0.0, 0.0, GROUND_M]))
LABELS = {"vehicle.car": "VEHICLE_CAR", "human.pedestrian": "HUMAN_PEDESTRIAN_ADULT"}
LABELS |= {"object.traffic_cone": "MOVABLE_OBJECT_TRAFFICCONE"}


def se3(pose: Pose) -> Any:
    from py123d.geometry import PoseSE3

    return PoseSE3.from_array(
        np.concatenate([pose.translation, quaternion_from_rotation(pose.rotation)])
    )


def stamp(time_ns: int) -> Any:
    from py123d.datatypes import Timestamp

    return Timestamp.from_ns(int(time_ns))


def write(
    clip: Clip,
    root: Path,
    *,
    name: str = "log-1",
    split: str = "nuscenes_val",
    fisheye: bool = True,
) -> Path:
    """Write ``ROOT/logs/SPLIT/NAME``; key frames are every second sweep of the main LiDAR."""
    from py123d.api.scene.arrow.arrow_log_writer import ArrowLogWriter, LogWriterConfig, SyncConfig
    from py123d.datatypes import LogMetadata

    config = LogWriterConfig(
        camera_store_option="png_binary", lidar_store_option="binary", lidar_codec="ipc_zstd"
    )
    sync = SyncConfig("lidar.lidar_top.timestamp_us", target_iteration_stride=2)
    writer = ArrowLogWriter(config, root / "logs", root / "sensors", sync_config=sync)
    writer.reset(LogMetadata(dataset="nuscenes", split=split, log_name=name, location="nowhere"))
    for one in (*_states(clip), *_sweeps(clip), *_images(clip), *_boxes(clip)):
        writer.write_async(one)
    if fisheye:
        writer.write_async(_fisheye(clip))
    writer.close()
    return root


def _states(clip: Clip) -> list[Any]:
    from py123d.datatypes.vehicle_state.ego_state import EgoStateSE3
    from py123d.datatypes.vehicle_state.ego_state_metadata import EgoStateSE3Metadata

    about = EgoStateSE3Metadata(
        vehicle_name="test car", width=1.8, length=4.0, height=HEIGHT_M, wheel_base=2.6,
        center_to_imu_se3=se3(IMU_FROM_AXLE @ AXLE_FROM_MIDDLE),
        rear_axle_to_imu_se3=se3(IMU_FROM_AXLE),
    )  # fmt: skip
    world_from_imu = clip.ego.world_from_ego @ IMU_FROM_OURS.inverse()
    return [
        EgoStateSE3.from_imu(se3(world_from_imu[i]), about, stamp(t))
        for i, t in enumerate(clip.ego.time_ns)
    ]


def _sweeps(clip: Clip) -> list[Any]:
    from py123d.datatypes.sensors.lidar import Lidar, LidarID, LidarMetadata

    mount = clip.rig.lidar("TOP").ego_from_lidar
    about = LidarMetadata("TOP", LidarID.LIDAR_TOP, se3(IMU_FROM_OURS @ mount))
    found = []
    for sweep in clip.sweeps["TOP"]:
        hits = sweep[sweep.returned]
        columns = {
            "intensity": np.round(np.nan_to_num(hits.intensity) * 255).astype(np.uint8),
            "channel": np.maximum(hits.ring, 0).astype(np.uint8),
            "timestamps": hits.point_time_ns // 1000,
        }
        points = IMU_FROM_OURS.apply(hits.points.astype(np.float64)).astype(np.float32)
        time = stamp(sweep.time_ns)
        found.append(Lidar(time, time, about, points, columns))
    return found


def _images(clip: Clip) -> list[Any]:
    from py123d.datatypes.sensors.base_camera import Camera, CameraID
    from py123d.datatypes.sensors.pinhole_camera import (
        PinholeCameraMetadata,
        PinholeDistortion,
        PinholeIntrinsics,
    )

    mount = clip.rig.camera("CAM_FRONT")
    lens: Any = mount.camera
    about = PinholeCameraMetadata(
        camera_name="CAM_FRONT", camera_id=CameraID.PCAM_F0,
        intrinsics=PinholeIntrinsics(lens.fx, lens.fy, lens.cx, lens.cy),
        distortion=PinholeDistortion(lens.k1, lens.k2, lens.p1, lens.p2, lens.k3),
        width=lens.width, height=lens.height,
        camera_to_imu_se3=se3(IMU_FROM_OURS @ mount.ego_from_camera),
    )  # fmt: skip
    return [
        Camera(about, image.pixels, se3(image.world_from_camera), stamp(image.time_ns))
        for image in clip.images["CAM_FRONT"]
    ]


def _fisheye(clip: Clip) -> Any:
    """One image of a lens that no model of ours can say."""
    from py123d.datatypes.sensors.base_camera import Camera, CameraID
    from py123d.datatypes.sensors.fisheye_mei_camera import FisheyeMEICameraMetadata

    about = FisheyeMEICameraMetadata(
        camera_name="side", camera_id=CameraID.FMCAM_L, mirror_parameter=2.2, distortion=None,
        projection=None, width=8, height=6, camera_to_imu_se3=se3(Pose.identity()),
    )  # fmt: skip
    pixels = np.zeros((6, 8, 3), np.uint8)
    return Camera(about, pixels, se3(Pose.identity()), stamp(int(clip.times_ns[0])))


def _boxes(clip: Clip) -> list[Any]:
    from py123d.datatypes.detections.box_detections import (
        BoxDetectionAttributes,
        BoxDetectionSE3,
        BoxDetectionsSE3,
    )
    from py123d.datatypes.detections.box_detections_metadata import BoxDetectionsSE3Metadata
    from py123d.geometry import BoundingBoxSE3, Vector3D
    from py123d.parser.registry import NuScenesBoxDetectionLabel

    about = BoxDetectionsSE3Metadata(NuScenesBoxDetectionLabel)
    found = []
    for frame in clip:
        boxes, rows = frame.boxes, []
        world_from_box = frame.world_from_ego @ boxes.pose if len(boxes) else boxes.pose
        for i in range(len(boxes)):
            label = LABELS.get(class_name(boxes.class_id[i]), "ANIMAL")
            speed = frame.world_from_ego.rotate(boxes.velocity[i : i + 1])[0]
            known = np.isfinite(speed).all()
            points = int(boxes.num_lidar_points[i])
            facts = BoxDetectionAttributes(
                NuScenesBoxDetectionLabel[label], str(boxes.track_id[i]),
                None if points < 0 else points,
            )  # fmt: skip
            shape = BoundingBoxSE3(se3(world_from_box[i]), *boxes.size[i].tolist())
            rows.append(BoxDetectionSE3(facts, shape, Vector3D(*speed.tolist()) if known else None))
        found.append(BoxDetectionsSE3(rows, stamp(frame.time_ns), about))
    return found


def write_map(root: Path, *, split: str = "nuscenes_val", name: str = "log-1") -> None:
    """A lane, a crossing and two painted lines beside the log."""
    from py123d.api.map.arrow.arrow_map_writer import ArrowMapWriter
    from py123d.datatypes.map_objects.map_layer_types import LaneType, RoadLineType
    from py123d.datatypes.map_objects.map_objects import Crosswalk, Lane, RoadLine
    from py123d.datatypes.metadata.map_metadata import MapMetadata
    from py123d.geometry import Polyline3D

    def line(*points: tuple[float, float, float]) -> Any:
        return Polyline3D.from_array(np.array(points, float))

    writer = ArrowMapWriter(True, root / "maps", root / "logs")
    writer.reset(
        MapMetadata(
            dataset="nuscenes", location="nowhere", map_has_z=True, map_is_per_log=True,
            split=split, log_name=name,
        )
    )  # fmt: skip
    for number, successors in ((7, [8]), (8, [])):
        low, high = (0, 9) if number == 7 else (9, 18)
        sides = [line((low, y, 1), (high, y, 1)) for y in (2, -2, 0)]
        writer.write_map_object(
            Lane(
                object_id=number, lane_type=LaneType.BIKE_LANE, left_boundary=sides[0],
                right_boundary=sides[1], centerline=sides[2], successor_ids=successors,
                speed_limit_mps=8.5,
            )
        )  # fmt: skip
    ring = line((0, 0, 1), (4, 0, 1), (4, 3, 1), (0, 0, 1))
    writer.write_map_object(Crosswalk(object_id=1, outline=ring))
    for number, kind in enumerate((RoadLineType.SOLID_YELLOW, RoadLineType.DASHED_WHITE)):
        writer.write_map_object(
            RoadLine(
                object_id=number, road_line_type=kind, polyline=line((0, number, 1), (5, 1, 1))
            )
        )
    writer.close()

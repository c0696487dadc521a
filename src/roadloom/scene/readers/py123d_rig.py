"""The rig of a 123D log, in our ego frame.

Pinholes and f-theta lenses have models of ours. The fisheyes of KITTI-360 follow Mei and Rives'
unified model, which none of ours can say: such cameras are left out, with the reason.
"""

from typing import Any

import numpy as np

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.io.extras import need
from roadloom.io.read import RESTORE
from roadloom.scene.readers.py123d_log import Log, reading
from roadloom.sensors.camera import Camera, FThetaCamera, PinholeCamera
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig

MERGED = "lidar_merged"
"""123D's stream of all units together."""


def pose_of(se3: Any) -> Pose:
    """From 123D's x, y, z, qw, qx, qy, qz."""
    row = np.asarray(se3.array, np.float64)
    return Pose.from_quaternion(row[3:], row[:3])


def our_from_imu(log: Log) -> Pose:
    """Ours from the IMU's frame: below the rear axle, on the ground, as the log describes them."""
    file = log.file("ego_state_se3")
    about = log.metadata("ego_state_se3")
    if about is None:
        raise BadInput(
            "the log has no poses of the vehicle", file=file, field="ego_state_se3",
            remedy="convert the log with them",
        )  # fmt: skip
    with reading(file, "metadata"):
        imu_from_axle = pose_of(about.rear_axle_to_imu_se3)
        axle_from_middle = imu_from_axle.inverse() @ pose_of(about.center_to_imu_se3)
        ground = float(axle_from_middle.translation[2]) - float(about.height) / 2
    if not np.isfinite(ground):
        raise BadInput("its vehicle has no size", file=file, field="height", remedy=RESTORE)
    axle_from_ours = Pose(np.eye(3), np.array([0.0, 0.0, ground]))
    return (imu_from_axle @ axle_from_ours).inverse()


def read_rig(log: Log, ours_from_imu: Pose) -> tuple[Rig, dict[str, str]]:
    """Sensors by their 123D names, and the cameras without a model of ours, with the reason."""
    cameras, left_out = [], {}
    for name, about in log.of_type("camera").items():
        with reading(log.file(f"camera.{name}"), "metadata"):
            lens = _lens(about)
            if isinstance(lens, str):
                left_out[name] = lens
                continue
            mount = ours_from_imu @ pose_of(about.camera_to_imu_se3)
            cameras.append(
                MountedCamera(
                    name=name,
                    camera=lens,
                    ego_from_camera=mount,
                    source=f"py123d, there {about.camera_name}",
                )  # fmt: skip
            )
    lidars = [
        MountedLidar(
            name=name, lidar=None, ego_from_lidar=ours_from_imu @ pose, source="py123d"
        )
        for name, pose in _lidars(log).items()
    ]  # fmt: skip
    name = getattr(log.metadata("ego_state_se3"), "vehicle_name", "") or log.about.dataset
    with reading(log.folder, "rig"):
        rig = Rig(
            name=str(name), cameras=tuple(cameras), lidars=tuple(lidars),
            source=f"py123d, {log.about.dataset}",
        )  # fmt: skip
    return rig, left_out


def _lens(about: Any) -> Camera | str:
    """Our model of a camera, or why there is none."""
    model = about.camera_model.serialize()
    numbers = getattr(about, "intrinsics", None)
    if model not in ("pinhole", "ftheta"):
        return f"no model of ours for {model}"
    if numbers is None:
        return "the log has no calibration of it"
    width, height = int(about.width), int(about.height)
    if model == "ftheta":
        powers = np.asarray(numbers.fw_poly, float).tolist()
        if powers[0] != 0 or not powers[1] > 0:
            return "its polynomial does not begin at the axis"
        return FThetaCamera.from_pixels(
            powers, width=width, height=height, cx=float(numbers.cx), cy=float(numbers.cy)
        )
    if numbers.skew:
        return "its pixels are skewed"
    bends = {}
    if about.distortion is not None and not about.is_undistorted:
        bends = {k: float(getattr(about.distortion, k)) for k in ("k1", "k2", "k3", "p1", "p2")}
    return PinholeCamera(
        width=width, height=height, fx=float(numbers.fx), fy=float(numbers.fy),
        cx=float(numbers.cx), cy=float(numbers.cy), **bends,
    )  # fmt: skip


def camera_ids() -> dict[str, Any]:
    """123D's ids of cameras by name."""
    sensors = need("py123d.datatypes.sensors.base_camera")
    return {i.serialize(): i for i in sensors.CameraID}


def lidar_ids() -> dict[str, Any]:
    """123D's ids of LiDARs by name."""
    return {i.serialize(): i for i in need("py123d.datatypes.sensors.lidar").LidarID}


def units_of(log: Log, name: str) -> dict[str, Pose]:
    """The units whose points a stream holds, each with imu_from_lidar; the order is that of ids."""
    about = log.of_type("lidar")[name]
    with reading(log.file(f"lidar.{name}"), "metadata"):
        if name != MERGED:
            return {name: pose_of(about.lidar_to_imu_se3)}
        units = sorted(about.items(), key=lambda item: int(item[0]))
        return {unit.serialize(): pose_of(one.lidar_to_imu_se3) for unit, one in units}


def _lidars(log: Log) -> dict[str, Pose]:
    """imu_from_lidar of every stream, and of the units of a merged one, the main stream first.

    A merged stream is placed where its first unit sits.
    """
    streams = log.of_type("lidar")
    names = sorted(streams, key=lambda n: (n != MERGED, n != "lidar_top", n))
    found: dict[str, Pose] = {}
    for name in names:
        units = units_of(log, name)
        if not units:
            raise BadInput(
                "names no unit", file=log.file(f"lidar.{name}"), field="metadata", remedy=RESTORE
            )
        found.setdefault(name, next(iter(units.values())))
    for name in names:
        for unit, pose in units_of(log, name).items():
            found.setdefault(unit, pose)
    return found

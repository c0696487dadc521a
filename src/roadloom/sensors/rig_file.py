"""What a rig's file holds, field by field, and how it becomes a ``Rig`` and back.

The types here mirror the YAML; ``rig_yaml`` does the reading and writing.
"""

import math
from typing import Any

import msgspec
import numpy as np

from roadloom.geometry.pose import Pose
from roadloom.sensors.camera import Camera, FisheyeCamera, FThetaCamera, PinholeCamera
from roadloom.sensors.lidar import Direction, SpinningLidar
from roadloom.sensors.rig import MountedCamera, MountedLidar

VERSION = 1
"""Value of ``roadloom_rig``; grows when a file could no longer be read as before."""

Triple = tuple[float, float, float]

EGO_FROM_FORWARD_CAMERA = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation of a camera that looks straight ahead: its z is forward, x right, y down."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Pose(_Strict):
    """``rotation`` by rows, or turns about z (left), y (down) and x (right side down)."""

    translation_m: Triple
    rotation: tuple[Triple, Triple, Triple] | None = None
    yaw_pitch_roll_deg: Triple | None = None


class _Camera(_Strict):
    name: str
    ego_from_camera: _Pose
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    row_time_ns: int = 0
    trigger_offset_ns: int = 0
    source: str = ""


class _Pinhole(_Camera, tag_field="model", tag="pinhole"):
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    p1: float = 0.0
    p2: float = 0.0


class _Fisheye(_Camera, tag_field="model", tag="fisheye"):
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    max_angle_rad: float = math.pi


class _FTheta(_Camera, tag_field="model", tag="f-theta"):
    p1: float = 0.0
    p2: float = 0.0
    p3: float = 0.0
    p4: float = 0.0
    p5: float = 0.0
    max_angle_rad: float = math.pi


_AnyCamera = _Pinhole | _Fisheye | _FTheta
_MODELS: dict[type[_AnyCamera], type[Camera]] = {
    _Pinhole: PinholeCamera,
    _Fisheye: FisheyeCamera,
    _FTheta: FThetaCamera,
}


class _Beams(_Strict):
    """Each table once, in the unit of its name."""

    device: str
    columns: int
    turn_s: float
    direction: Direction
    min_range_m: float
    max_range_m: float
    start_azimuth_rad: float | None = None
    start_azimuth_deg: float | None = None
    elevations_rad: list[float] | None = None
    elevations_deg: list[float] | None = None
    azimuth_offsets_rad: list[float] | None = None
    azimuth_offsets_deg: list[float] | None = None
    firing_offsets_s: list[float] | None = None
    firing_offsets_us: list[float] | None = None


class _Lidar(_Strict):
    name: str
    ego_from_lidar: _Pose
    beams: _Beams | None = None
    trigger_offset_ns: int = 0
    source: str = ""


class RigFile(_Strict):
    roadloom_rig: int
    name: str
    cameras: list[_Pinhole | _Fisheye | _FTheta]
    lidars: list[_Lidar]
    source: str = ""


def camera_in(camera: _AnyCamera) -> MountedCamera:
    names = set(_Camera.__struct_fields__) - {"width", "height", "fx", "fy", "cx", "cy"}
    lens = {k: v for k, v in msgspec.structs.asdict(camera).items() if k not in names}
    model = _MODELS[type(camera)](**lens)
    return MountedCamera(
        name=camera.name,
        camera=model,
        ego_from_camera=_pose_in(camera.ego_from_camera, EGO_FROM_FORWARD_CAMERA),
        row_time_ns=camera.row_time_ns,
        trigger_offset_ns=camera.trigger_offset_ns,
        source=camera.source,
    )


def camera_out(mounted: MountedCamera) -> _AnyCamera:
    kind = next(k for k, model in _MODELS.items() if type(mounted.camera) is model)
    lens = {
        name: _plain(getattr(mounted.camera, name))
        for name in kind.__struct_fields__
        if hasattr(mounted.camera, name)
    }
    return kind(
        name=mounted.name,
        ego_from_camera=_pose_out(mounted.ego_from_camera),
        row_time_ns=int(mounted.row_time_ns),
        trigger_offset_ns=int(mounted.trigger_offset_ns),
        source=mounted.source,
        **lens,
    )


def lidar_in(lidar: _Lidar) -> MountedLidar:
    return MountedLidar(
        name=lidar.name,
        lidar=None if lidar.beams is None else _beams_in(lidar.beams),
        ego_from_lidar=_pose_in(lidar.ego_from_lidar, np.eye(3)),
        trigger_offset_ns=lidar.trigger_offset_ns,
        source=lidar.source,
    )


def lidar_out(mounted: MountedLidar) -> _Lidar:
    return _Lidar(
        name=mounted.name,
        ego_from_lidar=_pose_out(mounted.ego_from_lidar),
        beams=None if mounted.lidar is None else _beams_out(mounted.lidar),
        trigger_offset_ns=int(mounted.trigger_offset_ns),
        source=mounted.source,
    )


def _plain(number: Any) -> Any:
    """NumPy's numbers as Python's; YAML knows no others."""
    return number.item() if isinstance(number, np.generic) else number


def _beams_in(beams: _Beams) -> SpinningLidar:
    def one_of(exact: str, handy: str, scale: float) -> Any:
        given = [name for name in (exact, handy) if getattr(beams, name) is not None]
        if len(given) != 1:
            raise ValueError(f"beams needs either {exact} or {handy}, got {given or 'neither'}")
        value = getattr(beams, given[0])
        return value if given[0] == exact else np.multiply(value, scale)

    degree = np.pi / 180
    tables = {
        "elevations_rad": one_of("elevations_rad", "elevations_deg", degree),
        "azimuth_offsets_rad": one_of("azimuth_offsets_rad", "azimuth_offsets_deg", degree),
        "firing_offsets_s": one_of("firing_offsets_s", "firing_offsets_us", 1e-6),
    }
    lengths = [len(table) for table in tables.values()]
    if min(lengths) == 0 or min(lengths) != max(lengths):
        raise ValueError(f"beams needs tables of one length, got {lengths} for {list(tables)}")
    return SpinningLidar(
        name=beams.device,
        **{name: np.array(table, dtype=np.float64) for name, table in tables.items()},
        columns=beams.columns,
        turn_s=beams.turn_s,
        direction=beams.direction,
        start_azimuth_rad=float(one_of("start_azimuth_rad", "start_azimuth_deg", degree)),
        min_range_m=beams.min_range_m,
        max_range_m=beams.max_range_m,
    )


def _beams_out(lidar: SpinningLidar) -> _Beams:
    return _Beams(
        device=lidar.name,
        columns=int(lidar.columns),
        turn_s=float(lidar.turn_s),
        direction=lidar.direction,
        min_range_m=float(lidar.min_range_m),
        max_range_m=float(lidar.max_range_m),
        start_azimuth_rad=float(lidar.start_azimuth_rad),
        elevations_rad=lidar.elevations_rad.tolist(),
        azimuth_offsets_rad=lidar.azimuth_offsets_rad.tolist(),
        firing_offsets_s=lidar.firing_offsets_s.tolist(),
    )


def _pose_in(pose: _Pose, ego_from_straight: np.ndarray) -> Pose:
    if (pose.rotation is None) == (pose.yaw_pitch_roll_deg is None):
        raise ValueError("a pose needs either rotation or yaw_pitch_roll_deg")
    if pose.yaw_pitch_roll_deg is not None:
        rotation = rotation_from_degrees(*pose.yaw_pitch_roll_deg) @ ego_from_straight
    else:
        rotation = np.array(pose.rotation)
    return Pose(rotation, np.array(pose.translation_m))


def _pose_out(pose: Pose) -> _Pose:
    return _Pose(translation_m=pose.translation.tolist(), rotation=pose.rotation.tolist())


def rotation_from_degrees(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rz(yaw) Ry(pitch) Rx(roll): yaw turns left, pitch nose down, roll the right side down."""
    (cz, cy, cx), (sz, sy, sx) = _cos_sin([yaw, pitch, roll])
    about_z = np.array([[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]])
    about_y = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]])
    return about_z @ about_y @ about_x


def _cos_sin(degrees: list[float]) -> tuple[np.ndarray, np.ndarray]:
    angles = np.radians(degrees)
    return np.cos(angles), np.sin(angles)

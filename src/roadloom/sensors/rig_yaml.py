"""A rig as YAML, both ways: how a clip stores its rig, and how a user describes a vehicle.

What is written reads back equal, to the last bit of every number. Written by hand, rotations may
be given as ``yaw_pitch_roll_deg`` and beams in degrees and microseconds. See
``sensors/presets`` for two complete files.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.sensors.camera import Camera, FisheyeCamera, PinholeCamera
from roadloom.sensors.lidar import Direction, SpinningLidar
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig

VERSION = 1
"""Value of ``roadloom_rig``; grows when a file could no longer be read as before."""

Triple = tuple[float, float, float]

EGO_FROM_FORWARD_CAMERA = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation of a camera that looks straight ahead: its z is forward, x right, y down."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
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


class _Rig(_Strict):
    roadloom_rig: int
    name: str
    cameras: list[_Pinhole | _Fisheye]
    lidars: list[_Lidar]
    source: str = ""


def rig_to_yaml(rig: Rig) -> str:
    """The rig as YAML text that ``rig_from_yaml`` reads back equal."""
    document = _Rig(
        roadloom_rig=VERSION,
        name=rig.name,
        source=rig.source,
        cameras=[_camera_out(c) for c in rig.cameras],
        lidars=[_lidar_out(m) for m in rig.lidars],
    )
    return yaml.safe_dump(
        msgspec.to_builtins(document),
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=100,
    )


def rig_from_yaml(text: str, file: str | Path | None = None) -> Rig:
    """Read a rig.

    Args:
        text: the YAML.
        file: where it came from; errors name it.

    Raises:
        BadInput: not YAML, of another version, or a field is missing, unknown, of the wrong
            type, not finite or impossible (as a left-handed rotation); names file and field.
    """
    tree = _parse(text, file)
    _check_version(tree, file)
    for path, value in _numbers(tree, ""):
        if not math.isfinite(value):
            raise BadInput(f"must be finite, got {value}", file=file, field=path)
    try:
        document = msgspec.convert(tree, _Rig)
    except msgspec.ValidationError as error:
        raise _explained(str(error), file) from error
    cameras, lidars = [], []
    for i, camera in enumerate(document.cameras):
        with _At(file, f"cameras[{i}]"):
            cameras.append(_camera_in(camera))
    for i, lidar in enumerate(document.lidars):
        with _At(file, f"lidars[{i}]"):
            lidars.append(_lidar_in(lidar))
    with _At(file, "name"):
        return Rig(
            name=document.name,
            cameras=tuple(cameras),
            lidars=tuple(lidars),
            source=document.source,
        )


class _At:
    """Says at which field of which file a ``ValueError`` arose."""

    def __init__(self, file: str | Path | None, field: str) -> None:
        self.file, self.field = file, field

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError):
            raise BadInput(str(error), file=self.file, field=self.field) from error


def _parse(text: str, file: str | Path | None) -> Any:
    try:
        twice = _twice(yaml.compose(text, Loader=yaml.SafeLoader))
        # The last four are what PyYAML lets out of its constructors on values that defy their tag.
        tree = None if twice else yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        raise BadInput(f"is not YAML: {error}", file=file, remedy=_RESTORE) from error
    if twice:
        raise BadInput(f"line {twice}: a key or an anchor is used twice", file=file)
    return tree


_RESTORE = "compare it with a preset: src/roadloom/sensors/presets/nuscenes.yaml"


def _twice(root: yaml.Node | None) -> int | None:
    """Line of a repeated key, of which YAML would keep the last, or of an alias, which can make
    a short file endless."""
    seen: set[int] = set()
    todo = [] if root is None else [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            return int(node.start_mark.line) + 1
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(keys) != len(set(keys)):
                return int(node.start_mark.line) + 1
            todo += [part for pair in node.value for part in pair]
    return None


def _check_version(tree: Any, file: str | Path | None) -> None:
    if not isinstance(tree, dict) or "roadloom_rig" not in tree:
        raise BadInput("is missing: this is no rig", file=file, field="roadloom_rig")
    version = tree["roadloom_rig"]
    if version != VERSION or isinstance(version, bool):
        raise BadInput(
            f"version {version!r} cannot be read, only {VERSION}",
            file=file, field="roadloom_rig", remedy="update roadloom",
        )  # fmt: skip


def _numbers(tree: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(tree, float):
        yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from _numbers(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from _numbers(value, f"{path}[{i}]")


def _explained(message: str, file: str | Path | None) -> BadInput:
    """msgspec says ``Expected `float`, got `str` - at `$.cameras[0].fx```."""
    what, _, place = message.partition(" - at ")
    field = place.strip("`").removeprefix("$").removeprefix(".")
    named = re.search(r"(?:required|unknown) field `(\w+)`", what)
    if named:
        field = f"{field}.{named[1]}" if field else named[1]
    hint = "write a number such as 1.0e-3 with its point" if "got `str`" in what else None
    return BadInput(what, file=file, field=field or None, remedy=hint)


def _camera_in(camera: _Pinhole | _Fisheye) -> MountedCamera:
    names = set(_Camera.__struct_fields__) - {"width", "height", "fx", "fy", "cx", "cy"}
    lens = {k: v for k, v in msgspec.structs.asdict(camera).items() if k not in names}
    model: Camera = PinholeCamera(**lens) if isinstance(camera, _Pinhole) else FisheyeCamera(**lens)
    return MountedCamera(
        name=camera.name,
        camera=model,
        ego_from_camera=_pose_in(camera.ego_from_camera, EGO_FROM_FORWARD_CAMERA),
        row_time_ns=camera.row_time_ns,
        trigger_offset_ns=camera.trigger_offset_ns,
        source=camera.source,
    )


def _camera_out(mounted: MountedCamera) -> _Pinhole | _Fisheye:
    kind = _Pinhole if isinstance(mounted.camera, PinholeCamera) else _Fisheye
    lens = {
        name: getattr(mounted.camera, name)
        for name in kind.__struct_fields__
        if hasattr(mounted.camera, name)
    }
    return kind(
        name=mounted.name,
        ego_from_camera=_pose_out(mounted.ego_from_camera),
        row_time_ns=mounted.row_time_ns,
        trigger_offset_ns=mounted.trigger_offset_ns,
        source=mounted.source,
        **lens,
    )


def _lidar_in(lidar: _Lidar) -> MountedLidar:
    return MountedLidar(
        name=lidar.name,
        lidar=None if lidar.beams is None else _beams_in(lidar.beams),
        ego_from_lidar=_pose_in(lidar.ego_from_lidar, np.eye(3)),
        trigger_offset_ns=lidar.trigger_offset_ns,
        source=lidar.source,
    )


def _lidar_out(mounted: MountedLidar) -> _Lidar:
    return _Lidar(
        name=mounted.name,
        ego_from_lidar=_pose_out(mounted.ego_from_lidar),
        beams=None if mounted.lidar is None else _beams_out(mounted.lidar),
        trigger_offset_ns=mounted.trigger_offset_ns,
        source=mounted.source,
    )


def _beams_in(beams: _Beams) -> SpinningLidar:
    def one_of(exact: str, handy: str, scale: float) -> Any:
        given = [name for name in (exact, handy) if getattr(beams, name) is not None]
        if len(given) != 1:
            raise ValueError(f"beams needs either {exact} or {handy}, got {given or 'neither'}")
        value = getattr(beams, given[0])
        return value if given[0] == exact else np.multiply(value, scale)

    degree = np.pi / 180
    return SpinningLidar(
        name=beams.device,
        elevations_rad=np.array(one_of("elevations_rad", "elevations_deg", degree)),
        azimuth_offsets_rad=np.array(one_of("azimuth_offsets_rad", "azimuth_offsets_deg", degree)),
        firing_offsets_s=np.array(one_of("firing_offsets_s", "firing_offsets_us", 1e-6)),
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
        columns=lidar.columns,
        turn_s=lidar.turn_s,
        direction=lidar.direction,
        min_range_m=lidar.min_range_m,
        max_range_m=lidar.max_range_m,
        start_azimuth_rad=lidar.start_azimuth_rad,
        elevations_rad=lidar.elevations_rad.tolist(),
        azimuth_offsets_rad=lidar.azimuth_offsets_rad.tolist(),
        firing_offsets_s=lidar.firing_offsets_s.tolist(),
    )


def _pose_in(pose: _Pose, ego_from_straight: np.ndarray) -> Pose:
    if (pose.rotation is None) == (pose.yaw_pitch_roll_deg is None):
        raise ValueError("a pose needs either rotation or yaw_pitch_roll_deg")
    if pose.rotation is not None:
        rotation = np.array(pose.rotation)
    else:
        assert pose.yaw_pitch_roll_deg is not None
        rotation = rotation_from_degrees(*pose.yaw_pitch_roll_deg) @ ego_from_straight
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

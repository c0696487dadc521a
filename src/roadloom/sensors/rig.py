"""A rig: which sensors a vehicle carries, where, and when they fire.

Names carry meaning: ``ego_from_camera`` moves points from the camera frame (x right, y down,
z forward) into the ego frame (x forward, y left, z up, origin on the ground under the rear
axle).
"""

import re
import unicodedata
from dataclasses import dataclass, fields

import numpy as np

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.checks import LARGEST, shown, whole
from roadloom.geometry.pose import Pose
from roadloom.sensors.camera import Camera
from roadloom.sensors.lidar import SpinningLidar

ORTHONORMAL = 1e-6
"""A rotation may miss R R^T = 1 by this much: what single precision leaves."""

LONGEST_NAME, LONGEST_NAME_BYTES = 100, 200
"""Of a sensor. File systems end at 255 bytes, and an ending is added."""

LONGEST_NS = 365 * 86_400 * 10**9


class _Exact:
    """Equality of every field, to the last bit of each number."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _same(getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)  # type: ignore[arg-type]
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True, eq=False)
class MountedCamera(_Exact):
    """A camera, where it sits on the vehicle and when it is exposed."""

    name: str
    camera: Camera
    ego_from_camera: Pose
    """A right-handed rotation and a translation [m]; NumPy float64."""
    row_time_ns: int = 0
    """Time from the exposure of one image row to the next; 0 is a global shutter."""
    trigger_offset_ns: int = 0
    """Exposure of the first row, after (+) or before (-) the key frame's LiDAR stamp."""
    source: str = ""
    """Where the numbers come from."""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_times(self, "row_time_ns", "trigger_offset_ns")
        object.__setattr__(
            self,
            "ego_from_camera",
            checked_pose(self.ego_from_camera, f"{self.name}: ego_from_camera"),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class MountedLidar(_Exact):
    """A LiDAR, where it sits on the vehicle and when its turn begins."""

    name: str
    lidar: SpinningLidar | None
    """None where the device's beams are unknown."""
    ego_from_lidar: Pose
    """A right-handed rotation and a translation [m]; NumPy float64."""
    trigger_offset_ns: int = 0
    """Start of the turn, after (+) or before (-) the stamp of the sweep."""
    source: str = ""
    """Where the numbers come from."""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_times(self, "trigger_offset_ns")
        object.__setattr__(
            self,
            "ego_from_lidar",
            checked_pose(self.ego_from_lidar, f"{self.name}: ego_from_lidar"),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Rig(_Exact):
    """The sensors of one vehicle; no two of them share a name."""

    name: str
    cameras: tuple[MountedCamera, ...]
    lidars: tuple[MountedLidar, ...]
    source: str = ""
    """Where the numbers come from."""

    def __post_init__(self) -> None:
        names = [*self.camera_names, *self.lidar_names]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sensor names must be unique, but there are two of {twice}")

    @property
    def camera_names(self) -> tuple[str, ...]:
        return tuple(mounted.name for mounted in self.cameras)

    @property
    def lidar_names(self) -> tuple[str, ...]:
        return tuple(mounted.name for mounted in self.lidars)

    def camera(self, name: str) -> MountedCamera:
        """The camera of that name.

        Raises:
            MissingInput: there is none; the error names those there are.
        """
        for mounted in self.cameras:
            if mounted.name == name:
                return mounted
        raise _no_sensor("camera", name, self.camera_names)

    def lidar(self, name: str) -> MountedLidar:
        """The LiDAR of that name.

        Raises:
            MissingInput: there is none; the error names those there are.
        """
        for mounted in self.lidars:
            if mounted.name == name:
                return mounted
        raise _no_sensor("LiDAR", name, self.lidar_names)


def check_name(name: str) -> None:
    """Names become folders, so they must be plain words.

    Raises:
        BadInput: empty, with a slash, a control character or a dot in front, or too long.
    """
    long = isinstance(name, str) and len(name) > LONGEST_NAME
    sound = isinstance(name, str) and not long and re.fullmatch(r"[^./\\][^/\\]*", name, re.DOTALL)
    # Of the categories Cc are control characters, Cs halves of pairs, Zl and Zp line breaks.
    if not sound or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        raise BadInput(
            f"{shown(name)} is no name for a sensor: it must also do as a folder's name",
            field="name",
            remedy=f"use letters, digits, - and _, at most {LONGEST_NAME} of them",
        )
    if len(name.encode()) > LONGEST_NAME_BYTES:
        raise BadInput(
            f"{shown(name)} is no name for a sensor: folders' names end at 255 bytes",
            field="name",
            remedy=f"use at most {LONGEST_NAME_BYTES} bytes of UTF-8",
        )


def check_times(mounted: object, *names: str) -> None:
    """Times must leave room for sums in int64.

    Raises:
        ValueError: one is as long as a year, or no whole number.
    """
    for name in names:
        if abs(value := whole(getattr(mounted, name), name)) >= LONGEST_NS:
            raise ValueError(f"{name} must be less than a year, got {shown(value)} ns")


def checked_pose(pose: Pose, what: str) -> Pose:
    """One pose in NumPy float64, if it is a rigid transform.

    Raises:
        ValueError: it is not finite, not orthonormal, left-handed, or a batch; names ``what``.
    """
    if not (isinstance(pose.rotation, np.ndarray) and isinstance(pose.translation, np.ndarray)):
        raise ValueError(f"{what} must hold NumPy arrays")
    rotation, translation = (a.astype(np.float64) for a in (pose.rotation, pose.translation))
    if rotation.shape != (3, 3) or translation.shape != (3,):
        raise ValueError(f"{what} must be one pose, got {rotation.shape} and {translation.shape}")
    if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
        raise ValueError(f"{what} must be finite")
    if abs(translation).max() > LARGEST:
        raise ValueError(f"{what}: no vehicle is so large: {translation.tolist()}")
    if abs(rotation @ rotation.T - np.eye(3)).max() > ORTHONORMAL:
        raise ValueError(f"{what}: the rotation is not orthonormal: {rotation.tolist()}")
    if np.linalg.det(rotation) < 0:
        raise ValueError(f"{what}: the rotation is left-handed (determinant -1)")
    return Pose(rotation, translation)


def _no_sensor(kind: str, name: str, known: tuple[str, ...]) -> MissingInput:
    return MissingInput(
        f"the rig has no {kind} {name!r}",
        field=name,
        remedy=f"choose one of {', '.join(known)}" if known else f"the rig has no {kind} at all",
    )


def _same(a: object, b: object) -> bool:
    if isinstance(a, Pose) and isinstance(b, Pose):
        return np.array_equal(a.rotation, b.rotation) and np.array_equal(
            a.translation, b.translation
        )
    return a == b

"""The tables of a ``folder`` clip: poses, times, file names, boxes; to our types and back.

``docs/folder_format.md`` describes the same for those who write a clip by hand.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput, UnknownClass
from roadloom.geometry.pose import Pose, rotation_from_quaternion, rotation_from_yaw
from roadloom.io.table import Column, read_table
from roadloom.scene.boxes import VISIBILITY, Boxes
from roadloom.scene.classes import FREE, UNKNOWN, class_id, class_name

PROPER = 1e-6
"""A rotation may miss R R^T = 1 by this much: what single precision leaves."""

UNIT = 1e-3
"""A quaternion's length may differ from 1 by this much: what three decimals leave."""
LARGEST = 1e9
"""No coordinate, size or speed is larger."""
NAN = float("nan")

POSITION = ("x", "y", "z")
MATRIX = tuple(f"r{row}{column}" for row in range(3) for column in range(3))
QUATERNION = ("qw", "qx", "qy", "qz")
YAW = ("yaw",)
SIZE = ("length", "width", "height")
VELOCITY = ("vx", "vy", "vz")
COUNTS = ("num_lidar_points", "num_radar_points")

_INT32_MAX = 2**31 - 1


def pose_columns(names: Sequence[str], *, optional: bool) -> dict[str, Column]:
    """Columns of a pose: x, y, z and one way to write its rotation.

    Args:
        names: the columns that the file has.
        optional: a file without any of them is legal.
    """
    rotation = next((way for way in (QUATERNION, YAW) if set(way) & set(names)), MATRIX)
    wanted = (*POSITION, *rotation)
    absent = optional and not set(names) & {*POSITION, *MATRIX, *QUATERNION, *YAW}
    return {} if absent else {name: _number() for name in wanted}


def _number(*, optional: bool = False) -> Column:
    """A number that can be measured on a road; an optional one is NaN where it is unknown."""
    return Column("number", optional=optional, blank=NAN if optional else None, largest=LARGEST)


def pose_of(found: Mapping[str, np.ndarray], path: Path) -> Pose | None:
    """The poses of a table read with ``pose_columns``; None where it has none.

    Raises:
        BadInput: a rotation is not proper.
    """
    if "x" not in found:
        return None
    translation = np.stack([found[name] for name in POSITION], axis=-1)
    if "yaw" in found:
        rotation = rotation_from_yaw(found["yaw"])
    elif "qw" in found:
        wxyz = np.stack([found[name] for name in QUATERNION], axis=-1)
        length = np.linalg.norm(wxyz, axis=-1)
        wrong = ~(np.abs(length - 1) <= UNIT)
        if wrong.any():
            raise BadInput(
                f"{_row(wrong)}: a quaternion of length {length[wrong][0]:g}, not 1",
                file=path, field="qw", remedy="write unit quaternions: divide by the length",
            )  # fmt: skip
        rotation = rotation_from_quaternion(wxyz)
    else:
        rotation = np.stack([found[name] for name in MATRIX], axis=-1).reshape(-1, 3, 3)
        check_rotation(rotation, path, "r00")
    return Pose(rotation, translation)


def check_rotation(rotation: np.ndarray, path: Path, field: str) -> None:
    """Raise BadInput, naming the first, unless all are proper rotations."""
    off = np.abs(rotation @ rotation.mT - np.eye(3)).max(axis=(-1, -2), initial=0.0)
    wrong = ~(off <= PROPER) | (np.linalg.det(rotation) < 0)
    if wrong.any():
        raise BadInput(
            f"{_row(wrong)}: the rotation is not orthonormal and right-handed",
            file=path, field=field, remedy="write a proper rotation, or a quaternion qw to qz",
        )  # fmt: skip


def pose_table(pose: Pose) -> dict[str, np.ndarray]:
    """Columns of poses with one batch axis; the matrix, as a quaternion would round."""
    columns = dict(zip(POSITION, pose.translation.T, strict=True))
    flat = pose.rotation.reshape(len(pose.translation), 9)
    return columns | dict(zip(MATRIX, flat.T, strict=True))


def read_times(found: Mapping[str, np.ndarray], path: Path) -> np.ndarray:
    """The column ``time_ns``, which must rise from row to row."""
    times = found["time_ns"]
    stuck = np.concatenate([[False], np.diff(times) <= 0])
    if stuck.any():
        raise BadInput(
            f"{_row(stuck)}: {times[stuck][0]} does not come after the row before",
            file=path, field="time_ns", remedy="sort the rows by time, each time once",
        )  # fmt: skip
    return times


def check_files(names: Sequence[str], path: Path, column: str, *, unique: bool = True) -> None:
    """File names in tables stay inside the clip's folder, and no two rows share one."""
    seen = set()
    for name in names:
        inside = not Path(name).is_absolute() and ".." not in Path(name).parts
        if name and not (inside and name.isprintable()):
            raise BadInput(
                f"{ascii(name)} does not lie in the clip's folder", file=path, field=column,
                remedy="name files relative to the folder that holds clip.json",
            )  # fmt: skip
        if name and unique and name in seen:
            raise BadInput(
                f"{name!r} is named twice", file=path, field=column,
                remedy="give each row its own file",
            )  # fmt: skip
        seen.add(name)


def box_columns(names: Sequence[str]) -> dict[str, Column]:
    return {
        "class": Column("text"),
        **pose_columns(names, optional=False),
        **{name: _number() for name in SIZE},
        **{name: _number(optional=True) for name in VELOCITY},
        **{name: Column("text", optional=True, blank="") for name in _TEXTS},
        "visibility": Column("integer", optional=True, blank=0),
        **{name: Column("integer", optional=True, blank=-1) for name in COUNTS},
    }


_TEXTS = ("track_id", "attribute", "token")


def read_boxes(path: Path, time_ns: int) -> Boxes:
    """The boxes of one key frame.

    Raises:
        BadInput: the table is damaged, or a value is none that a box can have.
    """
    found = read_table(path, box_columns)
    pose = pose_of(found, path)
    if pose is None:  # box_columns asks for one
        raise BadInput(
            "the column is missing", file=path, field="x", remedy="write the pose of each box"
        )
    for name in SIZE:
        _refuse(~(found[name] > 0), found[name], path, name, "is no size [m]")
    seen = found["visibility"]
    _refuse(~np.isin(seen, list(VISIBILITY)), seen, path, "visibility", "is not 0 to 4")
    for name in COUNTS:
        count = found[name]
        _refuse((count < -1) | (count > _INT32_MAX), count, path, name, "is no number of points")
    for name in ("track_id", "token"):
        _refuse_twice(found[name], path, name)
    return Boxes(
        time_ns=time_ns,
        class_id=np.array([_class(name, path) for name in found["class"].tolist()], np.uint8),
        pose=pose,
        size=np.stack([found[name] for name in SIZE], axis=-1),
        velocity=np.stack([found[name] for name in VELOCITY], axis=-1),
        visibility=seen.astype(np.uint8),
        **{name: found[name] for name in _TEXTS},
        **{name: found[name].astype(np.int32) for name in COUNTS},
    )


def boxes_table(boxes: Boxes) -> dict[str, Any]:
    """What ``read_boxes`` reads; unknown values are blank."""
    return {
        "class": [class_name(value) for value in boxes.class_id.tolist()],
        **pose_table(boxes.pose),
        **dict(zip(SIZE, boxes.size.T, strict=True)),
        **dict(zip(VELOCITY, boxes.velocity.T, strict=True)),
        **{name: getattr(boxes, name) for name in _TEXTS},
        "visibility": boxes.visibility,
        **{name: [None if n < 0 else n for n in getattr(boxes, name).tolist()] for name in COUNTS},
    }


def _class(name: str, path: Path) -> int:
    try:
        found = class_id(name)
    except UnknownClass as error:
        raise UnknownClass(error.message, file=path, field="class", remedy=error.remedy) from error
    if found in (FREE, UNKNOWN):
        raise UnknownClass(
            f"{name} is no object", file=path, field="class",
            remedy="use a class of things, such as object.other, or leave the row out",
        )  # fmt: skip
    return found


def _refuse(wrong: np.ndarray, values: np.ndarray, path: Path, field: str, why: str) -> None:
    if wrong.any():
        raise BadInput(
            f"{_row(wrong)}: {values[wrong][0]} {why}", file=path, field=field,
            remedy="correct the row, or leave it out",
        )  # fmt: skip


def _refuse_twice(names: np.ndarray, path: Path, field: str) -> None:
    known, counts = np.unique(names[names != ""], return_counts=True)
    if (counts > 1).any():
        raise BadInput(
            f"{known[counts > 1][0]!r} is there twice", file=path, field=field,
            remedy="give each box of a file its own, or leave the cell blank",
        )  # fmt: skip


def _row(wrong: np.ndarray) -> str:
    return f"row {int(np.argmax(wrong)) + 1}"

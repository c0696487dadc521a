"""Where the vehicle of an Argoverse 2 log was, and where its sensors sit, in our frames."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.pose import Pose
from roadloom.io.read import RESTORE
from roadloom.scene.readers import av2_tables as tables
from roadloom.scene.readers.av2_tables import Columns, LogFiles
from roadloom.scene.readers.json_fields import sensor_name_problem
from roadloom.sensors.pinhole import PinholeCamera
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig

ORIGIN_HEIGHT_M = 0.32
OUR_FROM_VEHICLE = Pose(np.eye(3), np.array([0.0, 0.0, ORIGIN_HEIGHT_M]))
LIDAR = "lidar"
"""The stream that holds the points of both units."""


def read_poses(files: LogFiles) -> tuple[Int64[np.ndarray, " pose"], Pose]:
    """Times, rising, and city_from_vehicle; a row that is there twice is taken once.

    Raises:
        BadInput: two rows give different poses for one time.
    """
    columns = tables.read_table(files.poses, tables.POSES)
    rows = np.stack([columns[name] for name in tables.POSES if name != "timestamp_ns"], axis=1)
    time_ns = columns["timestamp_ns"].astype(np.int64)
    order = np.argsort(time_ns, kind="stable")
    time_ns, rows = time_ns[order], rows[order]
    repeated = np.r_[False, (np.diff(time_ns) == 0) & (np.diff(rows, axis=0) == 0).all(axis=1)]
    columns = {name: column[order][~repeated] for name, column in columns.items()}
    tables.unique_rows(columns, ("timestamp_ns",), files.poses)
    return time_ns[~repeated], poses_of(columns)


def read_rig(files: LogFiles) -> Rig:
    """The exact calibration: every camera with intrinsics, both LiDAR units, and their stream."""
    mounts = tables.read_table(files.mounts, tables.MOUNTS)
    lenses = tables.read_table(files.intrinsics, tables.INTRINSICS)
    tables.unique_rows(mounts, ("sensor_name",), files.mounts)
    tables.unique_rows(lenses, ("sensor_name",), files.intrinsics)
    for problem in name_problems(files, lenses):
        raise problem
    poses = OUR_FROM_VEHICLE @ poses_of(mounts)
    placed = {str(name): poses[row] for row, name in enumerate(mounts["sensor_name"])}
    for name in (*lenses["sensor_name"].tolist(), *tables.UNITS):
        if name not in placed:
            raise MissingInput(
                f"the table does not say where {name} sits",
                file=files.mounts, field="sensor_name",
                remedy=RESTORE,
            )  # fmt: skip
    names = [name for name in placed if name in lenses["sensor_name"]]
    rows = {str(name): row for row, name in enumerate(lenses["sensor_name"])}
    units = ((LIDAR, tables.UNITS[0]), *((unit, unit) for unit in tables.UNITS))
    source = f"{files.mounts.parent.name}/ of the log {files.folder.resolve().name}"
    return Rig(
        name="argoverse2",
        cameras=tuple(
            MountedCamera(
                name=name,
                camera=_camera(lenses, rows[name]),
                ego_from_camera=placed[name],
                source=source,
            )
            for name in names
        ),
        lidars=tuple(
            MountedLidar(name=name, lidar=None, ego_from_lidar=placed[unit], source=source)
            for name, unit in units
        ),
        source=source,
    )


def name_problems(files: LogFiles, lenses: Columns) -> Iterator[BadInput]:
    """Cameras whose names cannot be used, or are those of LiDARs."""
    for name in lenses["sensor_name"].tolist():
        problem = sensor_name_problem(name)
        if name in (LIDAR, *tables.UNITS):
            problem = f"{name!r} is the name of a LiDAR, and cannot be that of a camera"
        if problem:
            yield BadInput(problem, file=files.intrinsics, field="sensor_name", remedy=RESTORE)


def _camera(lenses: Columns, row: int) -> PinholeCamera:
    values = {name: column[row].item() for name, column in lenses.items()}
    return PinholeCamera(
        width=values["width_px"],
        height=values["height_px"],
        **{name: values[f"{name}_px"] for name in ("fx", "fy", "cx", "cy")},
        **{name: values[name] for name in ("k1", "k2", "k3")},
    )


def poses_of(columns: Columns) -> Pose:
    return Pose.from_quaternion(tables.quaternions(columns), tables.translations(columns))

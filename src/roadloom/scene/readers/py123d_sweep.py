"""Sweeps of 123D logs: points in the IMU's frame with a few columns, as the log has them."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.io.read import RESTORE
from roadloom.scene.readers.py123d_log import Log
from roadloom.scene.readers.py123d_rig import lidar_ids, units_of
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.rig import Rig

TURN_NS = 1_000_000_000
"""Times of points count as such if they are this near to the sweep's. Some data sets store
offsets, in one unit or another: these cannot be told."""


def sweep_of(
    log: Log, name: str, time_ns: int, world_from_ego: Pose, ours_from_imu: Pose, rig: Rig
) -> Sweep:
    """One record of a stream.

    Raises:
        NotRecorded: the log has no points of it, or does not say which unit measured which.
        BadInput: it is damaged.
    """
    file = log.file(f"lidar.{name}")
    taken = log.one_of("lidar", lidar_ids()[name], time_ns)
    if taken is None or taken.point_cloud_3d is None:
        raise NotRecorded(f"the log has no points at {time_ns} ns", field=name)
    points = np.asarray(taken.point_cloud_3d)
    count = len(points)
    columns = dict(taken.point_cloud_features or {})
    wrong = points.shape != (count, 3) or any(np.shape(v) != (count,) for v in columns.values())
    if wrong or points.dtype.kind != "f":
        raise BadInput(
            f"the points at {time_ns} ns are {points.dtype} {points.shape}", file=file,
            field="data", remedy=RESTORE,
        )  # fmt: skip
    returned: Bool[np.ndarray, " point"] = np.isfinite(points).all(axis=1)
    units = tuple(units_of(log, name))
    return Sweep(
        points=ours_from_imu.apply(points.astype(np.float64)).astype(np.float32),
        time_ns=time_ns,
        world_from_ego=world_from_ego,
        motion_compensated=True,
        point_time_ns=_point_times(columns, time_ns, count),
        ring=_column(columns, "channel", count, -1.0).astype(np.int16),
        intensity=_column(columns, "intensity", count, np.nan).astype(np.float32) / 255,
        origin_id=_units(columns, units, name, count),
        origins=tuple(
            LidarOrigin(name=unit, ego_from_lidar=rig.lidar(unit).ego_from_lidar) for unit in units
        ),
        returned=returned,
    )


def _column(columns: dict[str, Any], name: str, count: int, unknown: float) -> np.ndarray:
    return np.asarray(columns[name]) if name in columns else np.full(count, unknown)


def _point_times(columns: dict[str, Any], time_ns: int, count: int) -> Int64[np.ndarray, " point"]:
    stamp = np.full(count, time_ns, np.int64)
    if "timestamps" not in columns or not count:
        return stamp
    times = np.asarray(columns["timestamps"]).astype(np.int64)
    near = abs(times - time_ns // 1000).max() <= TURN_NS // 1000
    return times * 1000 if near else stamp


def _units(
    columns: dict[str, Any], units: tuple[str, ...], name: str, count: int
) -> UInt8[np.ndarray, " point"]:
    """Index of each point's unit."""
    if len(units) == 1:
        return np.zeros(count, np.uint8)
    if "ids" not in columns:
        raise NotRecorded("the log does not say which unit measured which point", field=name)
    numbers = {int(lidar_ids()[unit]): row for row, unit in enumerate(units)}
    found = np.asarray(columns["ids"]).astype(np.int64)
    table = np.full(256, 255, np.uint8)
    table[list(numbers)] = list(numbers.values())
    rows = table[np.clip(found, 0, 255)]
    if (rows == 255).any():
        raise BadInput(
            f"a point of the unit {int(found[rows == 255][0])}, which {name} has not",
            field="ids", remedy=RESTORE,
        )  # fmt: skip
    return rows

"""Sweeps of nuScenes: a headless file of x, y, z, intensity, ring, and what it leaves unsaid.

    .pcd.bin + pose of its record + poses around it (+ lidarseg) -> Sweep in the ego frame

The file has one row per shot, in the LiDAR's frame at the end of the turn: every point was moved
there by the vehicle's motion. It has no time and does not drop shots that met nothing. Both are
found again by laws measured on a recorded sweep: 34,688 rows are 1,084 columns of 32 rings,
the turn of 50.0 ms starts at ego azimuth +90 degrees and runs clockwise.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.io.read import RESTORE, read_array
from roadloom.scene.class_maps import ids_from
from roadloom.scene.classes import UNKNOWN
from roadloom.scene.readers.json_fields import LARGEST
from roadloom.scene.sweep import LidarOrigin, Sweep

TURN_NS = 50_000_000
"""20 turns a second."""
RINGS = 32
NO_RETURN_M = 0.05
"""A shot without return is stored with range 0 and then moved with the vehicle, so it lies on
the way that the sensor went during the turn: on the recorded sweep, 4,393 points within 4.5 mm
of it (the poses and the file's own correction differ by 2 %), the next one 0.24 m away."""
AROUND_NS = 150_000_000
"""Poses this near to the sweep tell the vehicle's motion during it."""


def read_points(path: Path) -> Float[np.ndarray, "point 5"]:
    """x, y, z [m], intensity (0 to 255) and ring, checked.

    Raises:
        MissingInput: no such file.
        BadInput: empty, cut off, or with a value that cannot be.
    """
    rows = read_array(path, "<f4", 5)
    wrong = {
        **{axis: ~(np.abs(rows[:, i]) <= LARGEST) for i, axis in enumerate("xyz")},
        "intensity": ~((rows[:, 3] >= 0) & (rows[:, 3] <= 255)),
        "ring": ~((rows[:, 4] >= 0) & (rows[:, 4] < 256) & (rows[:, 4] == np.floor(rows[:, 4]))),
    }
    for field, bad in wrong.items():
        if bad.any():
            row = int(np.argmax(bad))
            raise BadInput(
                f"point {row} has the value {rows[row, list(wrong).index(field)]}",
                file=path, field=field, remedy=RESTORE,
            )  # fmt: skip
    return rows


def read_labels(path: Path, points: int, names: dict[int, str]) -> UInt8[np.ndarray, " point"]:
    """Our class ids of a lidarseg file.

    Args:
        path: one byte per point.
        points: how many there must be.
        names: the category of each value, from the table.

    Raises:
        BadInput: another number of points, or a value without a category.
    """
    values = read_array(path, "u1", 1)[:, 0]
    if len(values) != points:
        raise BadInput(f"labels {len(values)} points, not {points}", file=path, remedy=RESTORE)
    table = np.full(256, UNKNOWN, np.uint8)
    table[list(names)] = ids_from("lidarseg", list(names.values()))
    unknown = ~np.isin(values, list(names))
    if unknown.any():
        raise BadInput(
            f"point {int(np.argmax(unknown))} has the label {values[unknown][0]}, which "
            "category.json does not name",
            file=path, field="label", remedy=RESTORE,
        )  # fmt: skip
    return table[values]


def make_sweep(
    rows: Float[np.ndarray, "point 5"],
    *,
    name: str,
    time_ns: int,
    ego_from_lidar: Pose,
    world_from_ego: Pose,
    times_ns: Int64[np.ndarray, " pose"],
    world_from_ego_around: Pose,
    label: UInt8[np.ndarray, " point"] | None = None,
) -> Sweep:
    """The rows of a file as a sweep.

    Args:
        rows: as ``read_points`` gives them.
        name: of the LiDAR.
        time_ns: of the record: the end of the turn.
        ego_from_lidar: its mount.
        world_from_ego: of the record.
        times_ns: times of poses around the sweep, rising.
        world_from_ego_around: these poses.
        label: class ids.
    """
    lidar = rows[:, :3].astype(np.float64)
    ring = rows[:, 4].astype(np.int16)
    path = _way_of_sensor(time_ns, world_from_ego, ego_from_lidar, times_ns, world_from_ego_around)
    return Sweep(
        points=ego_from_lidar.apply(lidar).astype(np.float32),
        time_ns=time_ns,
        world_from_ego=world_from_ego,
        motion_compensated=True,
        point_time_ns=point_times(time_ns, lidar, ring, ego_from_lidar),
        ring=ring,
        intensity=rows[:, 3] / np.float32(255),
        origin_id=np.zeros(len(rows), np.uint8),
        origins=(LidarOrigin(name=name, ego_from_lidar=ego_from_lidar),),
        returned=~_near_segment(lidar, *path),
        label=label,
    )


def point_times(
    time_ns: int,
    lidar: Float[np.ndarray, "point 3"],
    ring: np.ndarray,
    ego_from_lidar: Pose,
) -> Int64[np.ndarray, " point"]:
    """When each shot was fired, ``time_ns`` being the end of the turn.

    Column ``c`` of ``n`` was fired at ``time_ns - 50 ms * (n - 1 - c) / n`` where the rings run
    0 to 31 again and again, as they do in the published files. Where they do not (points were
    dropped), the time follows from the azimuth: the turn starts on the vehicle's left and runs
    clockwise. That is exact to the skew of the motion, and no time of a shot without return.
    """
    columns, rest = divmod(len(ring), RINGS)
    if not rest and (ring.reshape(columns, RINGS) == np.arange(RINGS)).all():
        left = (columns - 1 - np.repeat(np.arange(columns), RINGS)) / max(columns, 1)
    else:
        ego = ego_from_lidar.rotate(lidar)
        turned = np.mod(np.pi / 2 - np.arctan2(ego[:, 1], ego[:, 0]), 2 * np.pi)
        left = 1 - turned / (2 * np.pi)
    return time_ns - np.rint(TURN_NS * left).astype(np.int64)


def _way_of_sensor(
    time_ns: int,
    world_from_ego: Pose,
    ego_from_lidar: Pose,
    times_ns: np.ndarray,
    around: Pose,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the sensor was at the start and the end of the turn, in its frame at the end.

    A straight line through the poses near the sweep: in 50 ms a car strays from it by a
    millimetre. With a single pose the vehicle is taken to stand.
    """
    near = np.abs(times_ns - time_ns) <= AROUND_NS
    seconds = (times_ns[near] - time_ns) / 1e9
    if len(np.unique(seconds)) < 2:
        return np.zeros(3), np.zeros(3)
    # Differences first: the world's origin may be far away.
    shift = around.translation[near] - world_from_ego.translation
    ego = (shift + around.rotation[near] @ ego_from_lidar.translation) @ world_from_ego.rotation
    at = (ego - ego_from_lidar.translation) @ ego_from_lidar.rotation
    velocity = np.polyfit(seconds, at, 1)[0]
    return -velocity * (TURN_NS / 1e9), np.zeros(3)


def _near_segment(
    points: Float[np.ndarray, "point 3"], start: np.ndarray, end: np.ndarray
) -> Bool[np.ndarray, " point"]:
    """Whether each point lies within ``NO_RETURN_M`` of the line from ``start`` to ``end``."""
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    off = points - start - share[:, None] * along
    return np.einsum("ij,ij->i", off, off) <= NO_RETURN_M**2

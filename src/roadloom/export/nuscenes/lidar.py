"""Sweeps as nuScenes stores them: x, y, z, intensity, ring as float32, no header.

    Sweep in the ego frame -> moved to its stamp -> into the frame of its LiDAR -> rows

Everything that a file cannot say is lost: times of points, the unit each came from, and which
shots met nothing. nuScenes keeps the latter where the unit was; those that lie there stay, the
others go.
"""

import numpy as np
from jaxtyping import Bool, Float32, Int64

from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.scene.readers.nuscenes_lidar import NO_RETURN_M, TURN_NS
from roadloom.scene.sweep import Sweep

LARGEST_RING = 255
WHOLE = 1e-3
"""An intensity this near to a whole level is that level."""
REACH_NS = 200_000_000
"""The path is continued so far for points measured before its first pose."""


def sweep_rows(
    sweep: Sweep, ego_from_lidar: Pose, ego: PoseTrack
) -> tuple[Float32[np.ndarray, "row 5"], Int64[np.ndarray, " kept"]]:
    """Rows of a sweep's file, and the points that they are.

    Unknown intensity is 0, an unknown ring 0: the file has no word for unknown. A sweep without
    points becomes one shot that met nothing, as readers take an empty file for a damaged one.

    Args:
        sweep: in its own ego frame.
        ego_from_lidar: frame of the file.
        ego: the vehicle's path, for points that were not moved to the sweep's time.
    """
    points = sweep.points.astype(np.float64)
    if not sweep.motion_compensated:
        points = _compensated(sweep, points, ego)
    points = ego_from_lidar.inverse().apply(points)
    kept = np.isfinite(points).all(axis=1)
    lost = kept & ~sweep.returned
    if lost.any():
        kept[lost] = _on_the_way(points[lost], sweep, ego_from_lidar, ego)
    at = np.flatnonzero(kept)
    rows = np.zeros((max(len(at), 1), 5), np.float32)
    rows[: len(at), :3] = points[at]
    rows[: len(at), 3] = _levels(sweep.intensity[at])
    rows[: len(at), 4] = np.clip(sweep.ring[at], 0, LARGEST_RING)
    return rows, at


def _levels(intensity: np.ndarray) -> Float32[np.ndarray, " row"]:
    """0 to 255; what was stored in whole levels comes back whole."""
    level = np.clip(np.nan_to_num(intensity.astype(np.float64)), 0, 1) * 255
    near = np.rint(level)
    return np.where(np.abs(level - near) < WHOLE, near, level).astype(np.float32)


def _compensated(sweep: Sweep, points: np.ndarray, ego: PoseTrack) -> np.ndarray:
    """Points from the ego frames of their own times into that of the sweep."""
    times, which = np.unique(sweep.point_time_ns, return_inverse=True)
    ego_from_then = sweep.world_from_ego.inverse() @ ego.at(times, extrapolate_ns=REACH_NS)
    turned = np.einsum("nij,nj->ni", ego_from_then.rotation[which], points)
    return turned + ego_from_then.translation[which]


def _on_the_way(
    points: np.ndarray, sweep: Sweep, ego_from_lidar: Pose, ego: PoseTrack
) -> Bool[np.ndarray, " point"]:
    """Whether points [m, LiDAR frame] lie where the LiDAR went during the turn."""
    times = np.array([sweep.time_ns - TURN_NS, sweep.time_ns], np.int64)
    world_from_lidar = ego.at(times, extrapolate_ns=REACH_NS) @ ego_from_lidar
    here = (sweep.world_from_ego @ ego_from_lidar).inverse()
    start, end = here.apply(world_from_lidar.translation)
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    off = points - start - share[:, None] * along
    return (off**2).sum(axis=1) <= NO_RETURN_M**2

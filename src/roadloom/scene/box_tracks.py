"""Boxes between two annotated moments, matched by track id and interpolated in the world."""

from dataclasses import replace

import numpy as np

from roadloom.geometry.interpolate import interpolate_boxes
from roadloom.geometry.pose import Pose
from roadloom.scene.boxes import Boxes


def boxes_between(
    before: Boxes,
    world_from_before: Pose,
    after: Boxes,
    world_from_after: Pose,
    time_ns: int,
    world_from_ego: Pose,
) -> Boxes:
    """Boxes of ``time_ns``, which lies between both, in the ego frame of ``world_from_ego``.

    Objects without a track id, or held by one side only, are left out. Centres, sizes and
    velocities run linearly, rotations along the shorter arc; all else is that of the nearer side,
    but point counts, which were counted at neither moment, become unknown.
    """
    rows_a, rows_b = _matched(before.track_id, after.track_id)
    first, second = before[rows_a], after[rows_b]
    span = after.time_ns - before.time_ns
    share = (time_ns - before.time_ns) / span
    ego = world_from_ego.inverse()
    # Relative poses stay small, so nothing is lost when the world's origin is far away.
    first = first.moved(ego @ world_from_before, time_ns)
    second = second.moved(ego @ world_from_after, time_ns)
    pose, size = interpolate_boxes(first.pose, first.size, second.pose, second.size, share)
    velocity = (1 - share) * first.velocity + share * second.velocity
    nearer = first if share <= 0.5 else second
    unknown = np.full(len(nearer), -1, np.int32)
    return replace(
        nearer, pose=pose, size=size, velocity=velocity,
        num_lidar_points=unknown, num_radar_points=unknown,
    )  # fmt: skip


def _matched(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both columns that carry the same track id, in the order of the first."""
    where = {track: row for row, track in enumerate(b.tolist()) if track}
    pairs = [(row, where[track]) for row, track in enumerate(a.tolist()) if track in where]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]

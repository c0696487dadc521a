"""Paths and distances become poses every 10 ms; between them poses are linear.

    Actor: vertices + distance per tick -> Track: position and quaternion per step

The linear interpolation is the definition of where a thing is at any time, for every sensor and
for the ego's own poses, so nothing depends on who asks. Sums, products, quotients and square
roots only.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from roadloom.geometry.pose import Pose
from roadloom.town.kinds import KINDS
from roadloom.town.plan.types import MARGIN_TICKS, TICK_NS, TRACK_TICKS, Actor, Relief
from roadloom.town.relief import gradient, height

STEP_S = 0.01
TICK_S = TICK_NS * 1e-9
STEPS_PER_TICK = round(TICK_S / STEP_S)
STEPS = (TRACK_TICKS - 1) * STEPS_PER_TICK + 1
FIRST_S = -MARGIN_TICKS * TICK_S
LAST_S = FIRST_S + (STEPS - 1) * STEP_S


class Track(NamedTuple):
    """One mover at every step; step i is at ``FIRST_S + i * STEP_S``."""

    pose: Float[np.ndarray, "step 7"]
    """Position [m] and quaternion wxyz of its own frame (middle of its footprint) in the town."""
    along_m: Float[np.ndarray, " step"]


def track_of(actor: Actor, relief: Relief) -> Track:
    """Where an actor is at every step. Its frame's origin is the middle of its footprint; the
    ego's is its rear axle."""
    along = _smooth_along(np.array(actor.along, np.float64) / 1e6)
    x, y, hx, hy = on_path(np.array(actor.path, np.float64) / 1000, along)
    steps = np.array(actor.raised, np.float64)
    raised = np.interp(along, steps[:, 0] / 1e6, steps[:, 1] / 1000)
    pose = ground_pose(relief, x, y, hx, hy, raised)
    if actor.kind != "ego":
        ahead = actor.size[0] / 1000 * KINDS[actor.kind].rear_permille / 1000
        pose = Pose(pose.rotation, pose.apply(np.array([ahead, 0.0, 0.0])[None, None])[:, 0])
    return Track(np.concatenate([pose.translation, _continuous(pose)], axis=1), along)


def ground_pose(
    relief: Relief,
    x: np.ndarray,
    y: np.ndarray,
    hx: np.ndarray,
    hy: np.ndarray,
    raised: np.ndarray,
    *,
    upright: bool = False,
) -> Pose:
    """Poses on the ground with x along a heading on the plan, tilted with the slope."""
    z = height(relief, x, y) + raised
    gx, gy = gradient(relief, x, y)
    if upright:
        gx, gy = np.zeros_like(gx), np.zeros_like(gy)
    forward = _unit(np.stack([hx, hy, gx * hx + gy * hy], axis=-1))
    up = _unit(np.stack([-gx, -gy, np.ones_like(gx)], axis=-1))
    left = np.cross(up, forward)
    return Pose(np.stack([forward, left, up], axis=-1), np.stack([x, y, z], axis=-1))


def poses_at(track: Float[np.ndarray, "*mover step 7"], time_s: Float[np.ndarray, " time"]) -> Pose:
    """Poses [*mover, time] at any times within the track; its ends are held outside."""
    at = np.clip((np.asarray(time_s, np.float64) - FIRST_S) / STEP_S, 0, STEPS - 1)
    step = np.minimum(at.astype(np.int64), STEPS - 2)
    t = (at - step)[:, None]
    mixed = track[..., step, :] * (1 - t) + track[..., step + 1, :] * t
    return Pose(rotation_of(mixed[..., 3:]), mixed[..., :3])


def rotation_of(quaternion: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices of quaternions wxyz of any length but 0."""
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    s = 2 / (w * w + x * x + y * y + z * z)
    rows = [
        [1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
        [s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)],
        [s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def on_path(
    vertices: Float[np.ndarray, "vertex 2"], along: Float[np.ndarray, " step"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, y and unit heading at distances along a path: a cubic through its vertices.

    Distances are measured along the chords; the heading is continuous.
    """
    chord = np.diff(vertices, axis=0)
    length = np.sqrt((chord**2).sum(axis=1))
    starts = np.concatenate([[0.0], np.cumsum(length)])
    direction = chord / length[:, None]
    tangent = np.concatenate([direction[:1], direction[:-1] + direction[1:], direction[-1:]])
    tangent = _unit(tangent)
    piece = np.clip(np.searchsorted(starts, along, side="right") - 1, 0, len(length) - 1)
    size = length[piece][:, None]
    t = ((along - starts[piece]) / length[piece])[:, None]
    p, q = vertices[piece], vertices[piece + 1]
    a, b = tangent[piece] * size, tangent[piece + 1] * size
    at = p + t * (a + t * ((3 * (q - p) - 2 * a - b) + t * (a + b - 2 * (q - p))))
    slope = a + t * (2 * (3 * (q - p) - 2 * a - b) + 3 * t * (a + b - 2 * (q - p)))
    slope = _unit(slope)
    return at[:, 0], at[:, 1], slope[:, 0], slope[:, 1]


def _smooth_along(ticks: Float[np.ndarray, " tick"]) -> Float[np.ndarray, " step"]:
    """Distances at every step from those at ticks: cubics with central slopes, never falling."""
    slope = np.concatenate(
        [ticks[1:2] - ticks[:1], (ticks[2:] - ticks[:-2]) / 2, ticks[-1:] - ticks[-2:-1]]
    )
    t = np.arange(STEPS_PER_TICK) / STEPS_PER_TICK
    p, q, a, b = (v[:, None] for v in (ticks[:-1], ticks[1:], slope[:-1], slope[1:]))
    cubic = p + t * (a + t * ((3 * (q - p) - 2 * a - b) + t * (a + b - 2 * (q - p))))
    steps = np.concatenate([cubic.ravel(), ticks[-1:]])
    return np.maximum.accumulate(steps)


def _continuous(pose: Pose) -> Float[np.ndarray, "step 4"]:
    """Quaternions whose signs never flip from a step to the next."""
    q = np.asarray(pose.quaternion, np.float64)
    flips = np.where((q[1:] * q[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    q[1:] *= np.cumprod(flips)[:, None]
    return q


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.sqrt((vector**2).sum(axis=-1, keepdims=True))

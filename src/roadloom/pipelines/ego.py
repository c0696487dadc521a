"""Where the vehicle is in what was generated: from trajectories, latents or the labels themselves.

    windows -> x, y [m], yaw [rad] of each frame in its window's first -> one path -> poses

A window says nothing of the way from its last frame to the next window's first. That step is
taken to be the mean of the steps before and after it.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.metrics.odometry import chained, ego_motion, static_ids

PathKind = Literal["trajectory", "latent", "odometry", "none"]
"""What a path was read from; ``none``: nobody knows, and identity stands in."""
TOLD = {
    "trajectory": "the trajectory that was asked for",
    "latent": "the ego motion that the latent holds",
    "odometry": "estimated from what stands still in the labels",
    "none": "unknown; identity stands in",
}
Path2 = Float64[np.ndarray, "_time 3"]


def from_middle(
    motion: Float[Tensor, "time 3"], cell_m: tuple[float, float]
) -> Float64[np.ndarray, "time 3"]:
    """Motion in cells in the middle frame's coordinates to metres in the first frame's."""
    rows = motion.double().cpu().numpy() * (*cell_m, 1.0)
    return compose(invert(rows[:1]), rows)


def from_labels(
    labels: UInt8[Tensor, "time x y z"], class_view: str, cell_m: tuple[float, float]
) -> Path2:
    """By odometry; frames that hold nothing static count as standing."""
    steps = ego_motion(labels, static_ids(class_view), cell_m)
    rows: Path2 = chained(steps.nan_to_num()).double().numpy()
    return rows


def joined(windows: Sequence[Path2]) -> Path2:
    """Paths of windows that follow each other, in the first one's first frame."""
    path = windows[0]
    for window in windows[1:]:
        steps = [between(path[-2:]), between(window[:2])]
        known = [step for step in steps if len(step)]
        gap = np.mean(np.concatenate(known), axis=0) if known else np.zeros(3)
        first = compose(path[-1:], gap[None])
        path = np.concatenate([path, compose(first, window)])
    return path


def between(path: Path2) -> Float64[np.ndarray, "_step 3"]:
    """Steps from each frame to the next, in the earlier one's frame."""
    return compose(invert(path[:-1]), path[1:])


def compose(
    first: Float64[np.ndarray, "*#time 3"], second: Float64[np.ndarray, "*#time 3"]
) -> Float64[np.ndarray, "*#time 3"]:
    """Planar poses a_from_b and b_from_c -> a_from_c."""
    cos, sin = np.cos(first[..., 2]), np.sin(first[..., 2])
    x, y, yaw = np.moveaxis(np.broadcast_arrays(second, first)[0], -1, 0)
    return np.stack(
        [first[..., 0] + cos * x - sin * y, first[..., 1] + sin * x + cos * y, first[..., 2] + yaw],
        axis=-1,
    )


def invert(poses: Float64[np.ndarray, "*time 3"]) -> Float64[np.ndarray, "*time 3"]:
    x, y, yaw = np.moveaxis(poses, -1, 0)
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.stack([-(cos * x + sin * y), sin * x - cos * y, -yaw], axis=-1)


def poses_of(path: Path2) -> Pose:
    """``world_from_ego``, on flat ground, the first frame at the world's origin."""
    translation = np.concatenate([path[:, :2], np.zeros((len(path), 1))], axis=1)
    return Pose(rotation_from_yaw(path[:, 2]), translation)


def shifted_motion(
    motion: Float[Tensor, "*time 3"], by: tuple[float, float]
) -> Float[Tensor, "*time 3"]:
    """The motion of a point fixed to the vehicle, ``by`` cells from its middle."""
    x, y, yaw = motion.unbind(-1)
    cos, sin = yaw.cos(), yaw.sin()
    dx = cos * by[0] - sin * by[1] - by[0]
    dy = sin * by[0] + cos * by[1] - by[1]
    return torch.stack((x + dx, y + dy, yaw), dim=-1)

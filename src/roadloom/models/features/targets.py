"""What the feature networks learn to tell: cheap facts of a window that nobody has to label.

- how much of each class stands in each of 4 x 4 parts of the ground,
- how much of each class there is in all, and how much changes over 1, 2 and 4 frames,
- how the ego vehicle moves, from the poses,
- how the film is played: forwards or backwards, every frame or every second one (after
  "SpeedNet", Benaim et al. 2020, and "Shuffle and Learn", Misra et al. 2016, without the
  shuffling).

No example is damaged: label noise, missing vehicles and shuffled frames, by which the features
are judged later, are never seen in training.
"""

import numpy as np
from jaxtyping import Float, Float32, UInt8

PARTS = 4
"""Of the ground along x and along y."""
PLAYBACKS = ((1, False), (1, True), (2, False), (2, True))
"""(every n-th frame, backwards)."""
CHANGE_LAGS = (1, 2, 4)
"""Frames between the two of a pair."""
LOG_SCALE = 4.0
"""Divides logarithms of voxel counts, so that targets are of order 1."""
TURN_SCALE_RAD = 0.05
"""Yaw per frame that counts as much as 1 m per frame."""


def ground_counts(
    labels: UInt8[np.ndarray, "time x y z"], classes: int
) -> Float32[np.ndarray, "class part_x part_y"]:
    """Scaled ``log(1 + voxels)`` of classes 1.. in each part of the ground, mean over time."""
    time, x, y, _ = labels.shape
    part = (np.arange(x) * PARTS // x)[:, None] * PARTS + np.arange(y) * PARTS // y  # [X Y]
    filled = np.nonzero((labels != 0) & (labels < classes))
    key = part[filled[1], filled[2]] * classes + labels[filled]
    counts = np.bincount(key, minlength=PARTS**2 * classes).reshape(PARTS, PARTS, classes) / time
    logs = np.log1p(counts[..., 1:]) / LOG_SCALE
    return np.ascontiguousarray(logs.transpose(2, 0, 1), dtype=np.float32)


def total_counts(labels: UInt8[np.ndarray, "time x y z"], classes: int) -> Float32[np.ndarray, "c"]:
    """Scaled ``log(1 + voxels)`` of classes 1.. in all, mean over time."""
    found = np.bincount(labels.ravel(), minlength=256)[1:classes] / len(labels)
    return (np.log1p(found) / LOG_SCALE).astype(np.float32)


def change_counts(
    labels: UInt8[np.ndarray, "time x y z"], classes: int
) -> Float32[np.ndarray, "lag class"]:
    """Scaled ``log(1 + voxels)`` that enter or leave classes 1.., mean over pairs of frames.

    Pairs are of frames ``CHANGE_LAGS`` apart; a film that is too short has no change.
    """
    rows = []
    for lag in CHANGE_LAGS:
        later, earlier = labels[lag:], labels[:-lag]
        changed = later != earlier
        found = np.bincount(later[changed], minlength=256)
        found = found + np.bincount(earlier[changed], minlength=256)
        rows.append(np.log1p(found[1:classes] / max(len(later), 1)) / LOG_SCALE)
    return np.stack(rows).astype(np.float32)


def mean_motion(
    rotation: Float[np.ndarray, "time 3 3"], translation: Float[np.ndarray, "time 3"]
) -> Float32[np.ndarray, "3"]:
    """Forward [m], left [m] and scaled yaw per frame, in the ego frame of the earlier frame."""
    back = np.swapaxes(rotation[:-1], -1, -2)
    step = (back @ (translation[1:] - translation[:-1])[..., None])[..., 0]
    turned = back @ rotation[1:]
    yaw = np.arctan2(turned[:, 1, 0], turned[:, 0, 0])
    motion = np.array([*step[:, :2].mean(axis=0), yaw.mean() / TURN_SCALE_RAD])
    return motion.astype(np.float32)

"""Exact equality of the values that scene types hold: NaN equals NaN, None equals None."""

import numpy as np

from roadloom.geometry.pose import Pose


def same_array(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    """Equal shapes and values; two NaN are equal."""
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def same_pose(a: Pose, b: Pose) -> bool:
    """Bit for bit."""
    return same_array(a.rotation, b.rotation) and same_array(a.translation, b.translation)

"""The numba kernel that counts points in cells, class by class."""

from math import isnan
from typing import no_type_check

from numba import njit

from roadloom.geometry.ray_kernels import locate, plane


@njit(cache=True, nogil=True)
@no_type_check
def moved(pose, p):
    """A point through twelve numbers: the rotation's rows, then the translation."""
    return (
        pose[0] * p[0] + pose[1] * p[1] + pose[2] * p[2] + pose[9],
        pose[3] * p[0] + pose[4] * p[1] + pose[5] * p[2] + pose[10],
        pose[6] * p[0] + pose[7] * p[1] + pose[8] * p[2] + pose[11],
    )


@njit(cache=True, nogil=True)
@no_type_check
def twelve(poses, row):
    """One row of poses as a tuple: an array would be counted as a reference at every step."""
    return (
        poses[row, 0], poses[row, 1], poses[row, 2], poses[row, 3], poses[row, 4], poses[row, 5],
        poses[row, 6], poses[row, 7], poses[row, 8], poses[row, 9], poses[row, 10], poses[row, 11],
    )  # fmt: skip


@njit(cache=True, nogil=True)
@no_type_check
def within(p, lower, size, shape):
    """Whether the grid holds a point; its upper faces are outside."""
    return (
        lower[0] <= p[0] < plane(shape[0], lower[0], size[0])
        and lower[1] <= p[1] < plane(shape[1], lower[1], size[1])
        and lower[2] <= p[2] < plane(shape[2], lower[2], size[2])
    )


@njit(cache=True, nogil=True)
@no_type_check
def count_points(ends, classes, offsets, poses, lower, size, slots, hits, votes, used):
    """Count each end in its cell, those with class 0 left out; run r goes through ``poses[r]``,
    and nowhere if that is NaN.

    Args:
        slots: per cell, its row of ``hits`` and ``votes``; -1 where nothing lies yet. ``votes``
            may have no column: then classes are not counted.
        used: how many rows are taken; there must be room for as many more as there are ends.

    Returns: how many rows are taken now.
    """
    shape = slots.shape
    judged = votes.shape[1] > 0
    for run in range(offsets.shape[0] - 1):
        pose = twelve(poses, run)
        if isnan(pose[9]):
            continue
        for i in range(offsets[run], offsets[run + 1]):
            if classes[i] == 0:
                continue
            p = moved(pose, (float(ends[i, 0]), float(ends[i, 1]), float(ends[i, 2])))
            if not within(p, lower, size, shape):
                continue
            x = locate(p[0], lower[0], size[0], shape[0])
            y = locate(p[1], lower[1], size[1], shape[1])
            z = locate(p[2], lower[2], size[2], shape[2])
            slot = slots[x, y, z]
            if slot < 0:
                slot = used
                slots[x, y, z] = slot
                hits[slot] = 0
                votes[slot, :] = 0
                used += 1
            hits[slot] += 1
            if judged:
                votes[slot, classes[i]] += 1
    return used

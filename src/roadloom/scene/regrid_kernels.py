"""Numba kernel that decides every cell of a grid by samples of another; ``regrid`` is its door."""

from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.geometry.ray_kernels import locate, plane

CLASSES = 256
FREE, UNKNOWN = 0, 255


@njit(cache=True, nogil=True)
@no_type_check
def _inside(value, lower, size, count):
    return plane(0, lower, size) <= value and value < plane(count, lower, size)


@njit(cache=True, nogil=True, inline="always")  # a call with arrays costs more than the work
@no_type_check
def _look(
    cell, labels, lidar, camera, source, lower, size, samples, rotation, shift, votes, touched
):
    """Count the middles of one cell: classes in ``votes``, those that occur in ``touched``.

    Returns: how many classes, free middles, and middles that each mask observes.
    """
    low, edge = source
    kinds = free = seen_lidar = seen_camera = 0
    for a in range(samples[0]):
        x = lower[0] + (cell[0] + (a + 0.5) / samples[0]) * size[0]
        for b in range(samples[1]):
            y = lower[1] + (cell[1] + (b + 0.5) / samples[1]) * size[1]
            for c in range(samples[2]):
                z = lower[2] + (cell[2] + (c + 0.5) / samples[2]) * size[2]
                u = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + shift[0]
                v = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + shift[1]
                w = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + shift[2]
                if not (
                    _inside(u, low[0], edge[0], labels.shape[0])
                    and _inside(v, low[1], edge[1], labels.shape[1])
                    and _inside(w, low[2], edge[2], labels.shape[2])
                ):
                    continue
                p = locate(u, low[0], edge[0], labels.shape[0])
                q = locate(v, low[1], edge[1], labels.shape[1])
                r = locate(w, low[2], edge[2], labels.shape[2])
                if lidar.size > 0 and lidar[p, q, r]:
                    seen_lidar += 1
                if camera.size > 0 and camera[p, q, r]:
                    seen_camera += 1
                label = labels[p, q, r]
                if label == FREE:
                    free += 1
                elif label != UNKNOWN:
                    if votes[label] == 0:
                        touched[kinds] = label
                        kinds += 1
                    votes[label] += 1
    return kinds, free, seen_lidar, seen_camera


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _decide(kinds, free, total, votes, touched, weights, share):
    """What a cell shows; the votes are cleared."""
    occupied = 0
    best, most = UNKNOWN, 0.0
    for n in range(kinds):
        label = touched[n]
        occupied += votes[label]
        weight = votes[label] * weights[label]
        if weight > most or (weight == most and label < best):
            best, most = label, weight
        votes[label] = 0
    if occupied > 0 and occupied >= share * total:
        return best
    return FREE if 2 * (free + occupied) >= total else UNKNOWN


@njit(cache=True, nogil=True)
@no_type_check
def resample(
    labels, lidar, camera, source, lower, size, shape, samples, rotation, shift, weights, share,
    out, out_lidar, out_camera,
):  # fmt: skip
    """Fill ``out`` and its masks; arguments as in ``regrid``.

    ``source`` is the lower corner and the cell of the grid of ``labels``; ``rotation`` and
    ``shift`` carry points of the new grid into it. A mask without cells stays untouched.
    """
    votes, touched = np.zeros(CLASSES, np.int64), np.empty(CLASSES, np.int64)
    total = samples[0] * samples[1] * samples[2]
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                kinds, free, seen_lidar, seen_camera = _look(
                    (i, j, k), labels, lidar, camera, source, lower, size, samples, rotation,
                    shift, votes, touched,
                )  # fmt: skip
                out[i, j, k] = _decide(kinds, free, total, votes, touched, weights, share)
                if lidar.size > 0:
                    out_lidar[i, j, k] = 2 * seen_lidar >= total
                if camera.size > 0:
                    out_camera[i, j, k] = 2 * seen_camera >= total

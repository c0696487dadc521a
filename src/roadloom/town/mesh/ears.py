"""Simple polygons into triangles by cutting ears, the roundest first."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int64
from numba import njit


def triangles_of(
    points: Float[np.ndarray, "point 2"], begin: Int64[np.ndarray, " edge"]
) -> tuple[Int64[np.ndarray, "triangle 3"], Int64[np.ndarray, " triangle"]]:
    """Rows of ``points`` of each triangle, and its ring.

    Rings are counter-clockwise, ``points[begin[i]:begin[i + 1]]``; vertices on straight sides are
    kept, so neighbours' triangles meet at them.
    """
    size = np.diff(begin)
    corners = np.empty((int(np.maximum(size - 2, 0).sum()), 3), np.int64)
    ring = np.empty(len(corners), np.int64)
    longest = int(size.max()) if len(size) else 0
    count = _cut_ears(points, begin, corners, ring, np.empty(longest, np.int64))
    return corners[:count], ring[:count]


@njit(cache=True, nogil=True)
@no_type_check
def _cut_ears(points, begin, corners, ring, left):
    """Ears of every ring; ``left`` is scratch. Returns how many triangles there are."""
    count = 0
    for piece in range(len(begin) - 1):
        n = begin[piece + 1] - begin[piece]
        for i in range(n):
            left[i] = begin[piece] + i
        while n > 2:
            best, value = -1, 0.0
            for i in range(n):
                a, b, c = left[(i + n - 1) % n], left[i], left[(i + 1) % n]
                quality = _roundness(points, a, b, c)
                if quality > value and _is_ear(points, left, n, i):
                    best, value = i, quality
            if best < 0:
                break
            corners[count, 0] = left[(best + n - 1) % n]
            corners[count, 1] = left[best]
            corners[count, 2] = left[(best + 1) % n]
            ring[count] = piece
            count += 1
            for i in range(best, n - 1):
                left[i] = left[i + 1]
            n -= 1
    return count


@njit(cache=True, nogil=True)
@no_type_check
def _turn(points, a, b, c):
    """Twice the area of a triangle, positive where it turns left."""
    return (points[b, 0] - points[a, 0]) * (points[c, 1] - points[a, 1]) - (
        points[b, 1] - points[a, 1]
    ) * (points[c, 0] - points[a, 0])


@njit(cache=True, nogil=True)
@no_type_check
def _roundness(points, a, b, c):
    """Area over the sum of the squared sides; 0 or less for what is no ear."""
    total = 0.0
    for k in range(2):
        total += (points[b, k] - points[a, k]) ** 2 + (points[c, k] - points[b, k]) ** 2
        total += (points[a, k] - points[c, k]) ** 2
    return _turn(points, a, b, c) / total


@njit(cache=True, nogil=True)
@no_type_check
def _is_ear(points, left, n, i):
    """Whether no other vertex lies in it or on the side that it leaves behind."""
    a, b, c = left[(i + n - 1) % n], left[i], left[(i + 1) % n]
    for k in range(n):
        p = left[k]
        if p in (a, b, c):
            continue
        if (
            _turn(points, a, b, p) >= 0
            and _turn(points, b, c, p) >= 0
            and _turn(points, c, a, p) >= 0
        ):
            return False
    return True

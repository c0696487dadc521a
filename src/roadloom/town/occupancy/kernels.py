"""Numba kernels: triangles moved into the ego frame, cut along a grid, summed by cell and matter.

The fused twin of ``geometry.surface_areas``: one pass moves a triangle, drops it if it misses the
grid, adds it whole where it lies in one cell and cuts it otherwise. What is summed is an int32
``matter``: class id plus 256 times a body (0 stands still, 1 + i is actor i).
"""

from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.geometry.ray_kernels import locate, plane
from roadloom.geometry.surface_kernels import MAX_VERTICES, _area, _open, _slice, deposit

OUTSIDE, SEVERAL = -2, -1


@njit(cache=True, nogil=True)
@no_type_check
def _place(polygon, lower, size, shape):
    """The one cell that holds a triangle, SEVERAL, or OUTSIDE if it cannot reach the grid."""
    home = 0
    for axis in range(3):
        a, b, c = polygon[0, axis], polygon[1, axis], polygon[2, axis]
        low, high = min(a, min(b, c)), max(a, max(b, c))
        if high < lower[axis] or low >= plane(shape[axis], lower[axis], size[axis]):
            return OUTSIDE
        cell = locate(low, lower[axis], size[axis], shape[axis])
        start, end = plane(cell, lower[axis], size[axis]), plane(cell + 1, lower[axis], size[axis])
        if home < 0 or low < start or high >= end:
            home = SEVERAL
        else:
            home = home * shape[axis] + cell
    return home


@njit(cache=True, nogil=True)
@no_type_check
def _most_cells(polygon, lower, size, shape):
    """No triangle has area in more cells than its box touches."""
    count = 1
    for axis in range(3):
        a, b, c = polygon[0, axis], polygon[1, axis], polygon[2, axis]
        first = locate(min(a, min(b, c)), lower[axis], size[axis], shape[axis])
        last = locate(max(a, max(b, c)), lower[axis], size[axis], shape[axis])
        count *= last - first + 1
    return count


@njit(cache=True, nogil=True)
@no_type_check
def _cut(whole, slab, bar, piece, lower, size, shape, head, matter, area, following, used, kind, w):
    """Slice a triangle along x, y and z and deposit what lies in each cell."""
    nx, ny, nz = shape
    i_first, i_last, n = _open(whole, 3, 0, lower[0], size[0], nx, slab)
    for i in range(i_first, i_last + 1):
        m, n = _slice(whole, n, 0, i, i_last, lower[0], size[0], nx, slab)
        j_first, j_last, m = _open(slab, m, 1, lower[1], size[1], ny, bar)
        for j in range(j_first, j_last + 1):
            b, m = _slice(slab, m, 1, j, j_last, lower[1], size[1], ny, bar)
            k_first, k_last, b = _open(bar, b, 2, lower[2], size[2], nz, piece)
            for k in range(k_first, k_last + 1):
                p, b = _slice(bar, b, 2, k, k_last, lower[2], size[2], nz, piece)
                cell = (i * ny + j) * nz + k
                patch = w * _area(piece, p)
                used = deposit(head, matter, area, following, used, cell, kind, patch)
    return used


@njit(cache=True, nogil=True)
@no_type_check
def _room(matter, area, following, used, more):
    """The three columns with room for ``more`` rows."""
    if used + more <= matter.size:
        return matter, area, following
    size = 2 * matter.size + more
    bigger, wider, longer = np.empty(size, np.int32), np.empty(size), np.empty(size, np.int32)
    for row in range(used):
        bigger[row], wider[row], longer[row] = matter[row], area[row], following[row]
    return bigger, wider, longer


@njit(cache=True, nogil=True)
@no_type_check
def sum_areas(corners, kinds, weights, begin, end, rotation, translation, body, lower, size, shape):
    """Area of each matter in each cell, as linked lists.

    Rows ``begin[r]`` to ``end[r]`` of ``corners`` are moved by pose r and belong to ``body[r]``;
    ``weights`` multiplies each triangle's area (-1 takes it away).

    Returns: per cell the row of its first entry, or -1; then per entry its matter, its area and
    the row of the cell's next entry, or -1; then the number of entries.
    """
    nx, ny, nz = shape
    head = np.full(nx * ny * nz, -1, np.int32)
    matter, area = np.empty(1 << 17, np.int32), np.empty(1 << 17)
    following = np.empty(1 << 17, np.int32)
    used = 0
    whole, slab = np.empty((MAX_VERTICES, 3)), np.empty((MAX_VERTICES, 3))
    bar, piece = np.empty((MAX_VERTICES, 3)), np.empty((MAX_VERTICES, 3))
    for r in range(begin.size):
        xx, xy, xz = rotation[r, 0, 0], rotation[r, 0, 1], rotation[r, 0, 2]
        yx, yy, yz = rotation[r, 1, 0], rotation[r, 1, 1], rotation[r, 1, 2]
        zx, zy, zz = rotation[r, 2, 0], rotation[r, 2, 1], rotation[r, 2, 2]
        tx, ty, tz = translation[r, 0], translation[r, 1], translation[r, 2]
        for t in range(begin[r], end[r]):
            for v in range(3):
                x, y, z = corners[t, v, 0], corners[t, v, 1], corners[t, v, 2]
                whole[v, 0] = xx * x + xy * y + xz * z + tx
                whole[v, 1] = yx * x + yy * y + yz * z + ty
                whole[v, 2] = zx * x + zy * y + zz * z + tz
            home = _place(whole, lower, size, shape)
            if home == OUTSIDE:
                continue
            kind = kinds[t] + 256 * body[r]
            most = 1 if home >= 0 else _most_cells(whole, lower, size, shape)
            matter, area, following = _room(matter, area, following, used, most)
            if home >= 0:
                patch = weights[t] * _area(whole, 3)
                used = deposit(head, matter, area, following, used, home, kind, patch)
            else:
                used = _cut(
                    whole, slab, bar, piece, lower, size, shape,
                    head, matter, area, following, used, kind, weights[t],
                )  # fmt: skip
    return head, matter, area, following, used


@njit(cache=True, nogil=True)
@no_type_check
def settle(head, matter, area, following, used, class_weight, least, tie, labels, bodies):
    """Write each cell's class and the body that holds most of that class's area.

    As ``geometry.surface_kernels.choose``: the largest weighted area, the lower id where two are
    equal but for rounding, and no class where all areas together are a graze.
    """
    kinds, sums = np.empty(used, np.int32), np.empty(used)
    for cell in range(head.size):
        row = head[cell]
        if row < 0:
            continue
        count, total = 0, 0.0
        while row >= 0:  # insertion sort by class, then body: a cell holds few
            order = (matter[row] & 255) * 65536 + (matter[row] >> 8)
            at = count
            while at > 0 and kinds[at - 1] > order:
                kinds[at], sums[at] = kinds[at - 1], sums[at - 1]
                at -= 1
            kinds[at], sums[at] = order, area[row]
            count += 1
            row = following[row]
        best, label, owner, at = 0.0, 0, 0, 0
        while at < count:
            kind, own, most, most_of = kinds[at] >> 16, 0.0, -1.0, 0
            while at < count and kinds[at] >> 16 == kind:
                own += sums[at]
                if sums[at] > most:
                    most, most_of = sums[at], kinds[at] & 65535
                at += 1
            total += own
            if own * class_weight[kind] > best * (1.0 + tie):
                best, label, owner = own * class_weight[kind], kind, most_of
        if total > least:
            labels[cell], bodies[cell] = label, owner

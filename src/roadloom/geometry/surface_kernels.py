"""Numba kernels that cut triangles along the faces of a grid; ``surface`` is their door.

A polygon is a row buffer of vertices and a count. It is sliced along x, each slice along y, each
of those along z; what is left lies in one cell, and its area is added to (cell, class). The sums
of a cell form a short linked list, so memory follows the surface and not the grid.
"""

from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.geometry.ray_kernels import locate, plane

MAX_VERTICES = 32
"""A triangle cut by three pairs of planes has nine vertices at most; the rest is for rounding."""


@njit(cache=True, nogil=True)
@no_type_check
def _split(polygon, count, axis, value, below):
    """Cut at ``value``: the part below goes to ``below``, the part above stays in ``polygon``.

    Returns the two vertex counts. Vertices in the plane go to both. Writing back in place is safe:
    after edge k at most k + 2 vertices are above, and vertex k + 1 has been read by then.
    """
    down = up = 0
    x0, y0, z0 = polygon[0, 0], polygon[0, 1], polygon[0, 2]
    px, py, pz = x0, y0, z0
    p = polygon[0, axis] - value
    first = p
    for v in range(count):
        if v + 1 < count:
            qx, qy, qz = polygon[v + 1, 0], polygon[v + 1, 1], polygon[v + 1, 2]
            q = polygon[v + 1, axis] - value
        else:
            qx, qy, qz, q = x0, y0, z0, first
        if p <= 0.0:
            below[down, 0], below[down, 1], below[down, 2] = px, py, pz
            down += 1
        if p >= 0.0:
            polygon[up, 0], polygon[up, 1], polygon[up, 2] = px, py, pz
            up += 1
        if (p < 0.0 and q > 0.0) or (p > 0.0 and q < 0.0):
            t = p / (p - q)
            cx, cy, cz = px + t * (qx - px), py + t * (qy - py), pz + t * (qz - pz)
            below[down, 0], below[down, 1], below[down, 2] = cx, cy, cz
            below[down, axis] = value
            polygon[up, 0], polygon[up, 1], polygon[up, 2] = cx, cy, cz
            polygon[up, axis] = value
            down += 1
            up += 1
        px, py, pz, p = qx, qy, qz, q
    return down, up


@njit(cache=True, nogil=True)
@no_type_check
def _open(polygon, count, axis, lower, size, number, scrap):
    """Prepare to slice a polygon: first and last cell along one axis in which it has area.

    What lies before the grid is cut off. Returns both cells (last < first for none) and the
    vertex count. A polygon that lies in a plane across the axis belongs to one cell, by the
    half-open rule.
    """
    if count < 3:
        return 0, -1, count
    low = high = polygon[0, axis]
    for v in range(1, count):
        low, high = min(low, polygon[v, axis]), max(high, polygon[v, axis])
    start, end = plane(0, lower, size), plane(number, lower, size)
    if low >= end or high < start or (high == start and low < high):
        return 0, -1, count
    if low < start:
        count = _split(polygon, count, axis, start, scrap)[1]
    first = locate(low, lower, size, number)
    last = locate(high, lower, size, number)
    if last > first and plane(last, lower, size) >= high:
        last -= 1  # only touches the face of the last one
    return first, last, count


@njit(cache=True, nogil=True)
@no_type_check
def _slice(polygon, count, axis, cell, last, lower, size, number, piece):
    """Move the part of a polygon in one cell to ``piece``; the part beyond stays.

    Cells come in rising order, so nothing but the outside of the grid lies before the first.
    Returns the vertex counts of the piece and of the rest.
    """
    inner = cell < last
    if not inner and cell == number - 1:
        for v in range(count):
            inner |= polygon[v, axis] > plane(number, lower, size)
    if inner:
        return _split(polygon, count, axis, plane(cell + 1, lower, size), piece)
    for v in range(count):
        piece[v, 0], piece[v, 1], piece[v, 2] = polygon[v, 0], polygon[v, 1], polygon[v, 2]
    return count, 0


@njit(cache=True, nogil=True)
@no_type_check
def _area(polygon, count):
    """Half the length of the summed cross products of a fan."""
    if count < 3:
        return 0.0
    x = y = z = 0.0
    ax, ay, az = polygon[0, 0], polygon[0, 1], polygon[0, 2]
    for v in range(1, count - 1):
        bx, by, bz = polygon[v, 0] - ax, polygon[v, 1] - ay, polygon[v, 2] - az
        cx, cy, cz = polygon[v + 1, 0] - ax, polygon[v + 1, 1] - ay, polygon[v + 1, 2] - az
        x += by * cz - bz * cy
        y += bz * cx - bx * cz
        z += bx * cy - by * cx
    return 0.5 * np.sqrt(x * x + y * y + z * z)


@njit(cache=True, nogil=True)
@no_type_check
def _grown(array):
    """Twice the room. A loop, because a slice takes numba two seconds to compile."""
    bigger = np.empty(2 * array.size, array.dtype)
    for i in range(array.size):
        bigger[i] = array[i]
    return bigger


@njit(cache=True, nogil=True)
@no_type_check
def _load(triangles, triangle, polygon, lower, size, shape):
    """Copy a triangle; returns the one cell that holds all of it, or -1."""
    home = 0
    for axis in range(3):
        a, b, c = (
            triangles[triangle, 0, axis],
            triangles[triangle, 1, axis],
            triangles[triangle, 2, axis],
        )
        polygon[0, axis], polygon[1, axis], polygon[2, axis] = a, b, c
        low, high = min(a, min(b, c)), max(a, max(b, c))
        cell = locate(low, lower[axis], size[axis], shape[axis])
        start, end = plane(cell, lower[axis], size[axis]), plane(cell + 1, lower[axis], size[axis])
        if home < 0 or low < start or high >= end:
            home = -1
        else:
            home = home * shape[axis] + cell
    return home


@njit(cache=True, nogil=True)
@no_type_check
def deposit(head, kind, area, following, used, cell, class_id, patch):
    """Add to the sum of one class in one cell; returns the number of sums."""
    if patch == 0.0:
        return used
    row = head[cell]
    while row >= 0:
        if kind[row] == class_id:
            area[row] += patch
            return used
        row = following[row]
    kind[used], area[used], following[used] = class_id, patch, head[cell]
    head[cell] = used
    return used + 1


@njit(cache=True, nogil=True)
@no_type_check
def add_areas(triangles, class_id, lower, size, shape):
    """Area of each class in each cell, as linked lists.

    Returns: per cell the row of its first entry, or -1; then per entry its class, its area and
    the row of the cell's next entry, or -1; then the number of entries.
    """
    nx, ny, nz = shape
    head = np.full(nx * ny * nz, -1, np.int32)
    capacity = 2 * triangles.shape[0] + 64
    kind, area = np.empty(capacity, np.uint8), np.empty(capacity)
    following = np.empty(capacity, np.int32)
    used = 0
    whole, slab = np.empty((MAX_VERTICES, 3)), np.empty((MAX_VERTICES, 3))
    bar, piece = np.empty((MAX_VERTICES, 3)), np.empty((MAX_VERTICES, 3))
    for triangle in range(triangles.shape[0]):
        home = _load(triangles, triangle, whole, lower, size, shape)
        if used == kind.size:
            kind, area, following = _grown(kind), _grown(area), _grown(following)
        if home >= 0:
            used = deposit(
                head, kind, area, following, used, home, class_id[triangle], _area(whole, 3)
            )
            continue
        i_first, i_last, n = _open(whole, 3, 0, lower[0], size[0], nx, slab)
        for i in range(i_first, i_last + 1):
            m, n = _slice(whole, n, 0, i, i_last, lower[0], size[0], nx, slab)
            j_first, j_last, m = _open(slab, m, 1, lower[1], size[1], ny, bar)
            for j in range(j_first, j_last + 1):
                b, m = _slice(slab, m, 1, j, j_last, lower[1], size[1], ny, bar)
                k_first, k_last, b = _open(bar, b, 2, lower[2], size[2], nz, piece)
                for k in range(k_first, k_last + 1):
                    p, b = _slice(bar, b, 2, k, k_last, lower[2], size[2], nz, piece)
                    patch = _area(piece, p)
                    if used == kind.size:
                        kind, area, following = _grown(kind), _grown(area), _grown(following)
                    cell = (i * ny + j) * nz + k
                    used = deposit(
                        head, kind, area, following, used, cell, class_id[triangle], patch
                    )
    return head, kind, area, following, used


@njit(cache=True, nogil=True)
@no_type_check
def in_order(head, kind, area, following, used):
    """The lists of ``add_areas`` as flat cell, class and area, by cell and then by class."""
    cells, kinds, areas = np.empty(used, np.int64), np.empty(used, np.uint8), np.empty(used)
    end = 0
    for cell in range(head.size):
        begin = end
        row = head[cell]
        while row >= 0:  # insertion sort: a cell holds few classes
            at = end
            while at > begin and kinds[at - 1] > kind[row]:
                kinds[at], areas[at] = kinds[at - 1], areas[at - 1]
                at -= 1
            cells[end], kinds[at], areas[at] = cell, kind[row], area[row]
            end += 1
            row = following[row]
    return cells, kinds, areas


@njit(cache=True, nogil=True)
@no_type_check
def choose(cells, kinds, areas, weight, least, tie, labels):
    """Write to each cell of enough area the class of the largest weighted area."""
    row = 0
    while row < cells.size:
        cell, total, best, label = cells[row], 0.0, 0.0, 0
        while row < cells.size and cells[row] == cell:
            total += areas[row]
            score = areas[row] * weight[kinds[row]]
            if score > best * (1.0 + tie):
                best, label = score, kinds[row]
            row += 1
        if total > least:
            labels[cell] = label

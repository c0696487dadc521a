"""The numba kernel that marks what rays cross, block by block.

The walk is that of ``geometry.ray_kernels``: a cell is crossed exactly when the slab test with
the grid's own planes says so. Cells are grouped in blocks, whose faces are some of these planes,
so a ray may walk from block to block and look into those only that still hold an open cell.
Which cells are marked in the end does not depend on it.
"""

from math import inf, isnan
from typing import no_type_check

from numba import njit

from roadloom.geometry.ray_kernels import locate, plane, span
from roadloom.label.vote_kernels import moved, twelve, within


@njit(cache=True, nogil=True)
@no_type_check
def _seek(o, d, inverse, t, lower, size, per_m, first, last):
    """Cell along one axis at distance ``t``, of those from ``first`` to ``last``, and where the
    ray meets the plane ahead of it. The position only guesses, the planes decide."""
    if inverse == 0.0:
        return locate(o, lower, size, last + 1), inf
    cell = int(max(float(first), min((o + t * d - lower) * per_m, float(last))))
    if inverse > 0.0:
        while cell > first and (plane(cell, lower, size) - o) * inverse > t:
            cell -= 1
        ahead = (plane(cell + 1, lower, size) - o) * inverse
        while cell < last and ahead <= t:
            cell += 1
            ahead = (plane(cell + 1, lower, size) - o) * inverse
        return cell, ahead
    while cell < last and (plane(cell + 1, lower, size) - o) * inverse > t:
        cell += 1
    ahead = (plane(cell, lower, size) - o) * inverse
    while cell > first and ahead <= t:
        cell -= 1
        ahead = (plane(cell, lower, size) - o) * inverse
    return cell, ahead


@njit(cache=True, nogil=True)
@no_type_check
def _edge(block, inverse, o, lower, size, width, count):
    """Where a ray meets the plane ahead of a block."""
    if inverse == 0.0:
        return inf
    index = min((block + 1) * width, count) if inverse > 0.0 else block * width
    return (plane(index, lower, size) - o) * inverse


@njit(cache=True, nogil=True)
@no_type_check
def _walk(o, d, inverse, t, until, block, width, end, stop, lower, size, per_m, state, left):
    """Mark the cells of one block from ``t`` until ``until``; whether the end's cell, or the
    layer ``stop``, was met."""
    nx, ny, nz = state.shape
    x0, y0, z0 = block[0] * width[0], block[1] * width[1], block[2] * width[2]
    x1, y1, z1 = min(x0 + width[0], nx) - 1, min(y0 + width[1], ny) - 1, min(z0 + width[2], nz) - 1
    i, ax = _seek(o[0], d[0], inverse[0], t, lower[0], size[0], per_m[0], x0, x1)
    j, ay = _seek(o[1], d[1], inverse[1], t, lower[1], size[1], per_m[1], y0, y1)
    k, az = _seek(o[2], d[2], inverse[2], t, lower[2], size[2], per_m[2], z0, z1)
    sx = 1 if inverse[0] > 0.0 else -1
    sy = 1 if inverse[1] > 0.0 else -1
    sz = 1 if inverse[2] > 0.0 else -1
    fx, fy, fz = int(sx > 0), int(sy > 0), int(sz > 0)
    while t < until:
        if k == stop or (i == end[0] and j == end[1] and k == end[2]):
            return True
        leave = min(ax, min(ay, az))
        if leave > t and state[i, j, k] == 0:
            state[i, j, k] = 1
            left[block] -= 1
        t = leave
        if ax == leave:
            i += sx
            if i < x0 or i > x1:
                return False
            ax = (plane(i + fx, lower[0], size[0]) - o[0]) * inverse[0]
        elif ay == leave:
            j += sy
            if j < y0 or j > y1:
                return False
            ay = (plane(j + fy, lower[1], size[1]) - o[1]) * inverse[1]
        else:
            k += sz
            if k < z0 or k > z1:
                return False
            az = (plane(k + fz, lower[2], size[2]) - o[2]) * inverse[2]
    return False


@njit(cache=True, nogil=True)
@no_type_check
def _cell_of(p, lower, size, shape):
    """The cell that holds a point; (-1, -1, -1) outside."""
    if not within(p, lower, size, shape):
        return -1, -1, -1
    return (
        locate(p[0], lower[0], size[0], shape[0]),
        locate(p[1], lower[1], size[1], shape[1]),
        locate(p[2], lower[2], size[2], shape[2]),
    )


@njit(cache=True, nogil=True)
@no_type_check
def _mark(o, e, short, lower, size, per_m, width, state, left):
    """Mark what one ray crosses; if ``short``, not within the layer of its end."""
    shape, blocks = state.shape, left.shape
    d = (e[0] - o[0], e[1] - o[1], e[2] - o[2])
    ix, near_x, far_x = span(o[0], d[0], lower[0], size[0], shape[0])
    iy, near_y, far_y = span(o[1], d[1], lower[1], size[1], shape[1])
    iz, near_z, far_z = span(o[2], d[2], lower[2], size[2], shape[2])
    t = max(0.0, max(near_x, max(near_y, near_z)))
    if not t < min(1.0, min(far_x, min(far_y, far_z))) or d == (0.0, 0.0, 0.0):
        return
    inverse = (ix, iy, iz)
    end = _cell_of(e, lower, size, shape)
    last = (end[0] // width[0], end[1] // width[1], end[2] // width[2])
    stop = -1
    if short and lower[2] <= e[2] < plane(shape[2], lower[2], size[2]):
        stop = locate(e[2], lower[2], size[2], shape[2])
    i, _ = _seek(o[0], d[0], ix, t, lower[0], size[0], per_m[0], 0, shape[0] - 1)
    j, _ = _seek(o[1], d[1], iy, t, lower[1], size[1], per_m[1], 0, shape[1] - 1)
    k, _ = _seek(o[2], d[2], iz, t, lower[2], size[2], per_m[2], 0, shape[2] - 1)
    i, j, k = i // width[0], j // width[1], k // width[2]
    sx, sy, sz = (1 if ix > 0.0 else -1), (1 if iy > 0.0 else -1), (1 if iz > 0.0 else -1)
    ax = _edge(i, ix, o[0], lower[0], size[0], width[0], shape[0])
    ay = _edge(j, iy, o[1], lower[1], size[1], width[1], shape[1])
    az = _edge(k, iz, o[2], lower[2], size[2], width[2], shape[2])
    going, stop_block = True, stop if width[2] == 1 else -1
    while going and t < 1.0 and k != stop_block:
        leave = min(ax, min(ay, az))
        if leave > t and left[i, j, k] > 0:
            if _walk(
                o, d, inverse, t, min(leave, 1.0), (i, j, k), width, end, stop, lower, size, per_m,
                state, left,
            ):  # fmt: skip
                return
        elif (i, j, k) == last:
            return
        t = leave
        if ax == leave:
            i += sx
            going = i >= 0 and i < blocks[0]
            ax = _edge(i, ix, o[0], lower[0], size[0], width[0], shape[0])
        elif ay == leave:
            j += sy
            going = j >= 0 and j < blocks[1]
            ay = _edge(j, iy, o[1], lower[1], size[1], width[1], shape[1])
        else:
            k += sz
            going = k >= 0 and k < blocks[2]
            az = _edge(k, iz, o[2], lower[2], size[2], width[2], shape[2])


@njit(cache=True, nogil=True)
@no_type_check
def mark_crossed(starts, ends, short, offsets, poses, lower, size, width, state, left):
    """Turn 0 into 1 in each cell on the way from a start to, but not including, its end's cell.

    Args:
        short: of each ray, whether it marks nothing within the layer (along z) of its end.
        poses: run r of the rays goes through ``poses[r]`` (twelve numbers), and nowhere if that
            is NaN.
        width: cells of a block along x, y and z.
        state: per cell; what is not 0 is settled.
        left: per block, how many of its cells are 0.
    """
    per_m = (1.0 / size[0], 1.0 / size[1], 1.0 / size[2])
    for run in range(offsets.shape[0] - 1):
        pose = twelve(poses, run)
        if isnan(pose[9]):
            continue
        for i in range(offsets[run], offsets[run + 1]):
            o = moved(pose, (float(starts[i, 0]), float(starts[i, 1]), float(starts[i, 2])))
            e = moved(pose, (float(ends[i, 0]), float(ends[i, 1]), float(ends[i, 2])))
            _mark(o, e, short[i], lower, size, per_m, width, state, left)

"""The numba kernel that finds the box of each point, and the pieces of rays near boxes."""

from math import atan2, pi
from math import floor as floor_of
from typing import no_type_check

from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def _mix(a, b, share):
    """Exactly ``a`` where both are equal."""
    return a + share * (b - a)


@njit(cache=True, nogil=True)
@no_type_check
def _local(r, c, p):
    x, y, z = p[0] - c[0], p[1] - c[1], p[2] - c[2]
    return (
        r[0] * x + r[3] * y + r[6] * z,
        r[1] * x + r[4] * y + r[7] * z,
        r[2] * x + r[5] * y + r[8] * z,
    )


@njit(cache=True, nogil=True)
@no_type_check
def _clip(start, way, half, t0, t1):
    """The part of ``t0`` to ``t1`` in which one coordinate lies within ``half`` of 0."""
    if way == 0.0:
        if abs(start) > half:
            return 1.0, 0.0
        return t0, t1
    a, b = (-half - start) / way, (half - start) / way
    return max(t0, min(a, b)), min(t1, max(a, b))


@njit(cache=True, nogil=True)
@no_type_check
def hold(
    starts, ends, share, rule, first, last, half, floor, margin, reach, bins, listed,
    holder, rays, boxes, piece_starts, piece_ends,
):  # fmt: skip
    """Fill ``holder`` (row of the first box that holds each end, -1) and list the pieces of rays.

    A box has its pose ``first`` (nine numbers of the rotation, three of the place) at share 0 and
    ``last`` at share 1; between, both run linearly. Pieces are the parts of rays within ``reach``
    of a box, in the box's frame; those for which ``rays`` has no room are only counted.

    Args:
        bins, listed: rays whose direction on the plan lies in sector s of a full turn can only come
            near the boxes ``listed[bins[s]:bins[s + 1]]``, which rise.
        rule: of each end: 0 no box may hold it, 1 only above the floor, 2 down to the bottom.

    Returns: how many pieces there are.
    """
    found = 0
    room = rays.shape[0]
    sectors = bins.shape[0] - 1
    for i in range(starts.shape[0]):
        w = share[i]
        ox, oy, oz = starts[i, 0], starts[i, 1], starts[i, 2]
        ex, ey, ez = ends[i, 0], ends[i, 1], ends[i, 2]
        dx, dy, dz = ex - ox, ey - oy, ez - oz
        length = dx * dx + dy * dy + dz * dz
        holder[i] = -1
        sector = int(floor_of((atan2(dy, dx) + pi) / (2 * pi) * sectors))
        sector = min(max(sector, 0), sectors - 1)
        for at in range(bins[sector], bins[sector + 1]):
            b = listed[at]
            cx = _mix(first[b, 9], last[b, 9], w)
            cy = _mix(first[b, 10], last[b, 10], w)
            cz = _mix(first[b, 11], last[b, 11], w)
            qx, qy, qz = cx - ox, cy - oy, cz - oz
            t = 0.0
            if length > 0.0:
                t = min(1.0, max(0.0, (qx * dx + qy * dy + qz * dz) / length))
            px, py, pz = qx - t * dx, qy - t * dy, qz - t * dz
            hx, hy, hz = half[b, 0] + reach, half[b, 1] + reach, half[b, 2] + reach
            if px * px + py * py + pz * pz > hx * hx + hy * hy + hz * hz:
                continue
            r = (
                _mix(first[b, 0], last[b, 0], w), _mix(first[b, 1], last[b, 1], w),
                _mix(first[b, 2], last[b, 2], w), _mix(first[b, 3], last[b, 3], w),
                _mix(first[b, 4], last[b, 4], w), _mix(first[b, 5], last[b, 5], w),
                _mix(first[b, 6], last[b, 6], w), _mix(first[b, 7], last[b, 7], w),
                _mix(first[b, 8], last[b, 8], w),
            )  # fmt: skip
            a = _local(r, (cx, cy, cz), (ox, oy, oz))
            z = _local(r, (cx, cy, cz), (ex, ey, ez))
            if holder[i] < 0 and rule[i] > 0:
                bottom = floor[b] - half[b, 2] if rule[i] == 1 else -half[b, 2] - margin
                if (
                    abs(z[0]) <= half[b, 0] + margin
                    and abs(z[1]) <= half[b, 1] + margin
                    and z[2] <= half[b, 2] + margin
                    and z[2] >= bottom
                ):
                    holder[i] = b
            way = (z[0] - a[0], z[1] - a[1], z[2] - a[2])
            t0, t1 = _clip(a[0], way[0], hx, 0.0, 1.0)
            t0, t1 = _clip(a[1], way[1], hy, t0, t1)
            t0, t1 = _clip(a[2], way[2], hz, t0, t1)
            if t0 <= t1:
                if found < room:
                    rays[found], boxes[found] = i, b
                    for k in range(3):
                        piece_starts[found, k] = a[k] + t0 * way[k]
                        piece_ends[found, k] = z[k] if t1 == 1.0 else a[k] + t1 * way[k]
                found += 1
    return found

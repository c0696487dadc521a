"""Numba kernels of LiDARs in occupancy: rays of a turn, movers met on the way, what is told."""

from math import acos, cos, inf, nan, sin
from typing import no_type_check

from numba import njit

from roadloom.geometry.ray_kernels import advance, enter

RETURNED, MISSED, TOO_NEAR, TOO_FAR = 0, 1, 2, 3
"""What ``Fate`` of ``lidar.py`` calls them."""


@njit(cache=True, nogil=True)
@no_type_check
def solid_cells(labels, stops, owner, solid):
    """1 where a label stops rays and no mover owns the cell; an ``owner`` of no size owns none."""
    owned = owner.size > 0
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            for k in range(labels.shape[2]):
                solid[i, j, k] = stops[labels[i, j, k]]
                if owned and owner[i, j, k] >= 0:
                    solid[i, j, k] = 0


@njit(cache=True, nogil=True)
@no_type_check
def _between(knots, time, last):
    """Number of the knot before ``time``, looked for from ``last`` on; the first and the last
    piece of a path go on beyond its ends."""
    while last > 0 and knots[last] > time:
        last -= 1
    while last < len(knots) - 2 and knots[last + 1] <= time:
        last += 1
    return last


@njit(cache=True, nogil=True)
@no_type_check
def _pose(path, piece, share):
    """Rotation by rows, then translation, ``share`` of the way along a piece of a path.

    A row of ``path`` holds a knot's rotation (9) and translation (3), the step to the next (3),
    and axis (3) and angle (1) of the turn to it, in the axes of the knot.
    """
    row = path[piece]
    angle = share * row[18]
    s, c = sin(angle), 1.0 - cos(angle)
    x, y, z = row[15], row[16], row[17]
    turn = (
        1.0 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y,
        c * x * y + s * z, 1.0 - c * (x * x + z * z), c * y * z - s * x,
        c * x * z - s * y, c * y * z + s * x, 1.0 - c * (x * x + y * y),
    )  # fmt: skip
    return (
        row[0] * turn[0] + row[1] * turn[3] + row[2] * turn[6],
        row[0] * turn[1] + row[1] * turn[4] + row[2] * turn[7],
        row[0] * turn[2] + row[1] * turn[5] + row[2] * turn[8],
        row[3] * turn[0] + row[4] * turn[3] + row[5] * turn[6],
        row[3] * turn[1] + row[4] * turn[4] + row[5] * turn[7],
        row[3] * turn[2] + row[4] * turn[5] + row[5] * turn[8],
        row[6] * turn[0] + row[7] * turn[3] + row[8] * turn[6],
        row[6] * turn[1] + row[7] * turn[4] + row[8] * turn[7],
        row[6] * turn[2] + row[7] * turn[5] + row[8] * turn[8],
        row[9] + share * row[12], row[10] + share * row[13], row[11] + share * row[14],
    )  # fmt: skip


@njit(cache=True, nogil=True)
@no_type_check
def _share(knots, piece, time):
    if len(knots) == 1:
        return 0.0
    return (time - knots[piece]) / (knots[piece + 1] - knots[piece])


@njit(cache=True, nogil=True)
@no_type_check
def carry_rays(position, device, times, knots, path, origins, directions):
    """Rays from ``position`` along ``device`` in a frame that moves along a path, each carried
    by the pose of its own time."""
    last = 0
    px, py, pz = position[0], position[1], position[2]
    for ray in range(len(times)):
        last = _between(knots, times[ray], last)
        a, b, c, d, e, f, g, h, i, x, y, z = _pose(path, last, _share(knots, last, times[ray]))
        u, v, w = device[ray, 0], device[ray, 1], device[ray, 2]
        origins[ray, 0] = a * px + b * py + c * pz + x
        origins[ray, 1] = d * px + e * py + f * pz + y
        origins[ray, 2] = g * px + h * py + i * pz + z
        directions[ray, 0] = a * u + b * v + c * w
        directions[ray, 1] = d * u + e * v + f * w
        directions[ray, 2] = g * u + h * v + i * w


@njit(cache=True, nogil=True)
@no_type_check
def rays_to_mover(
    origins, directions, times, distance, knots, path, now, ball, rows, starts, ways, begin
):
    """Rays that reach the ball in which a mover stays before they end, moved to where it is in the
    occupancy.

    ``now`` holds its rotation by rows and its translation there, as in a row of a path. Returns
    how many there are; ``rows`` says which, ``begin`` where they surely have not met it yet.
    """
    found, last = 0, 0
    for ray in range(len(times)):
        u, v, w = directions[ray, 0], directions[ray, 1], directions[ray, 2]
        ox, oy, oz = origins[ray, 0], origins[ray, 1], origins[ray, 2]
        px, py, pz = ball[0] - ox, ball[1] - oy, ball[2] - oz
        along = px * u + py * v + pz * w
        apart = px * px + py * py + pz * pz
        if apart - along * along > ball[3] * ball[3]:
            continue
        if along + ball[3] < 0.0 or along - ball[3] > distance[ray]:
            continue
        last = _between(knots, times[ray], last)
        a, b, c, d, e, f, g, h, i, x, y, z = _pose(path, last, _share(knots, last, times[ray]))
        ox, oy, oz = ox - x, oy - y, oz - z
        ox, oy, oz = a * ox + d * oy + g * oz, b * ox + e * oy + h * oz, c * ox + f * oy + i * oz
        u, v, w = a * u + d * v + g * w, b * u + e * v + h * w, c * u + f * v + i * w
        rows[found], begin[found] = ray, max(0.0, along - ball[3])
        for k in range(3):
            starts[found, k] = now[3 * k] * ox + now[3 * k + 1] * oy + now[3 * k + 2] * oz
            starts[found, k] += now[9 + k]
            ways[found, k] = now[3 * k] * u + now[3 * k + 1] * v + now[3 * k + 2] * w
        found += 1
    return found


@njit(cache=True, nogil=True)
@no_type_check
def meet_mover(
    count, rows, starts, ways, begin, span, lower, size, owner, number,
    distance, cells, face, met, cosine,
):  # fmt: skip
    """Let rays that meet a cell of mover ``number`` before what they met so far end there.

    Its cells lie within ``span`` [m] after ``begin``.
    """
    shape = owner.shape
    for one in range(count):
        ray = rows[one]
        limit = min(distance[ray], begin[one] + span)
        o = (starts[one, 0], starts[one, 1], starts[one, 2])
        d = (ways[one, 0], ways[one, 1], ways[one, 2])
        within, t, axis, cell, ahead, step, inverse = enter(
            o, d, lower, size, shape, limit, begin[one]
        )
        while within and t < limit:
            leave = min(ahead[0], min(ahead[1], ahead[2]))
            if leave > t and owner[cell[0], cell[1], cell[2]] == number:
                distance[ray] = t
                cells[ray, 0], cells[ray, 1], cells[ray, 2] = cell
                met[ray] = number
                face[ray] = -1
                if t > 0.0:
                    face[ray] = 2 * axis + int(ways[one, axis] < 0.0)
                    cosine[ray] = abs(ways[one, axis])
                break
            t = leave
            within, axis, cell, ahead = advance(
                leave, cell, ahead, step, inverse, o, lower, size, shape
            )


@njit(cache=True, nogil=True)
@no_type_check
def tell(
    directions, nearest, farthest, labels, distance, cells, face, met, cosine, label, angle, fate
):
    """Label, incidence and fate of each ray; ``distance`` becomes infinite where none returns."""
    for ray in range(len(distance)):
        label[ray], angle[ray] = 0, nan
        if distance[ray] == inf:
            fate[ray] = MISSED
        elif distance[ray] < nearest:
            fate[ray] = TOO_NEAR
        elif distance[ray] > farthest:
            fate[ray] = TOO_FAR
        else:
            fate[ray] = RETURNED
            label[ray] = labels[cells[ray, 0], cells[ray, 1], cells[ray, 2]]
            if face[ray] >= 0:
                if met[ray] < 0:
                    cosine[ray] = abs(directions[ray, face[ray] // 2])
                angle[ray] = acos(min(cosine[ray], 1.0))
        if fate[ray] != RETURNED:
            distance[ray] = inf
            cells[ray, 0], cells[ray, 1], cells[ray, 2] = -1, -1, -1
            met[ray] = -1

"""The caster's inner loops: which rays may meet a mover, in its frame, and exact distances.

Rays are taken in blocks of neighbours. A block's origins fill a ball and its directions a cone, so
most movers are out of reach of a whole block; what is left is tested ray by ray against the
mover's ball and then, at the ray's own time, against its box (slab test: Kay and Kajiya 1986).
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.town.tracks import FIRST_S, STEP_S

BLOCK = 128
"""Rays in one block."""
SLACK_M = 1e-3
"""Balls and boxes are this much larger than what they hold."""
APART_M = 1e-3
"""A plane's distance that differs from the BVH's by more is not believed: the ray grazes it."""


@njit(cache=True, nogil=True)
@no_type_check
def blocks(origins, directions, turn, time, tick, far, out):
    """Rows of ``out``: middle and radius of the origins, axis, cosine and sine of the cone,
    first and last time, length of the longest ray. ``turn`` and ``tick`` are 0 where one direction
    or time serves all; ``far`` may have one row for all."""
    count = len(origins)
    axis, low, high = np.empty(3), np.empty(3), np.empty(3)
    for b in range(len(out)):
        first, last = b * BLOCK, min((b + 1) * BLOCK, count)
        for i in range(3):
            axis[i], low[i], high[i] = 0.0, np.inf, -np.inf
        begin, end = np.inf, -np.inf
        for r in range(first, last):
            for i in range(3):
                axis[i] += directions[r * turn, i]
                low[i], high[i] = min(low[i], origins[r, i]), max(high[i], origins[r, i])
            begin, end = min(begin, time[r * tick]), max(end, time[r * tick])
        length = math.sqrt(axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2])
        cosine = -1.0
        if length > 0:
            for i in range(3):
                axis[i] /= length
            cosine = 1.0
            for r in range(first, last):
                d = r * turn
                along = directions[d, 0] * axis[0] + directions[d, 1] * axis[1]
                cosine = min(cosine, along + directions[d, 2] * axis[2])
        radius = 0.0
        for i in range(3):
            out[b, i], out[b, 4 + i] = (low[i] + high[i]) / 2, axis[i]
            radius += (high[i] - out[b, i]) ** 2
        out[b, 3], out[b, 7] = math.sqrt(radius), cosine
        out[b, 8] = math.sqrt(max(0.0, 1 - cosine * cosine))
        out[b, 9], out[b, 10], out[b, 11] = begin, end, far[0]
        if len(far) == count:
            for r in range(first, last):
                out[b, 11] = max(out[b, 11], far[r]) if r > first else far[r]


@njit(cache=True, nogil=True)
@no_type_check
def pose_at(track, time_s):
    """Position and rotation of ``tracks.poses_at``, for one time: (x, y, z, nine by rows)."""
    steps = len(track)
    at = min(max((time_s - FIRST_S) / STEP_S, 0.0), steps - 1.0)
    i = min(int(at), steps - 2)
    t = at - i
    w = track[i, 3] * (1 - t) + track[i + 1, 3] * t
    x = track[i, 4] * (1 - t) + track[i + 1, 4] * t
    y = track[i, 5] * (1 - t) + track[i + 1, 5] * t
    z = track[i, 6] * (1 - t) + track[i + 1, 6] * t
    s = 2 / (w * w + x * x + y * y + z * z)
    return (
        track[i, 0] * (1 - t) + track[i + 1, 0] * t,
        track[i, 1] * (1 - t) + track[i + 1, 1] * t,
        track[i, 2] * (1 - t) + track[i + 1, 2] * t,
        1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
        s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
        s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
    )  # fmt: skip


@njit(cache=True, nogil=True)
@no_type_check
def ball(track, begin, end, out):
    """Ball around all places of a track between two times; it is linear between its steps."""
    last_step = len(track) - 1
    first = int(min(max((begin - FIRST_S) / STEP_S, 0.0), last_step * 1.0))
    last = int(min(max((end - FIRST_S) / STEP_S, 0.0), last_step * 1.0)) + 1
    last = min(last, last_step)
    radius = 0.0
    for i in range(3):
        low = high = track[first, i]
        for step in range(first + 1, last + 1):
            low, high = min(low, track[step, i]), max(high, track[step, i])
        out[i] = (low + high) / 2
        radius += (high - low) ** 2 / 4
    out[3] = np.sqrt(radius)


@njit(cache=True, nogil=True)
@no_type_check
def out_of_reach(block, place, radius):
    """Whether no ray of a block meets a ball."""
    x, y, z = place[0] - block[0], place[1] - block[1], place[2] - block[2]
    radius += block[3]
    square = x * x + y * y + z * z
    if square > (radius + block[11]) ** 2:
        return True
    if square <= radius * radius or block[7] <= 0:
        return False
    along = x * block[4] + y * block[5] + z * block[6]
    aside = np.sqrt(max(0.0, square - along * along))
    cosine, sine = block[7], block[8]
    # The cone opens by less than a right angle: beside it, or behind its tip.
    return aside * cosine - along * sine > radius or along * cosine + aside * sine <= 0


@njit(cache=True, nogil=True)
@no_type_check
def in_reach(cones, tracks, actor, radius, begin, end, out):
    """First and one past the last block that may meet each mover while it looks as it does; equal
    where none may."""
    place = np.empty(4)
    for m in range(len(actor)):
        out[m, 0] = out[m, 1] = 0
        first = last = np.nan
        for b in range(len(cones)):
            if cones[b, 10] < begin[m] or cones[b, 9] >= end[m]:
                continue
            if cones[b, 9] != first or cones[b, 10] != last:
                first, last = cones[b, 9], cones[b, 10]
                ball(tracks[actor[m]], first, last, place)
            if not out_of_reach(cones[b], place, radius[m] + place[3]):
                if out[m, 1] == 0:
                    out[m, 0] = b
                out[m, 1] = b + 1


@njit(cache=True, nogil=True)
@no_type_check
def pick(
    origins, directions, turn, time, tick, cones, track, box, radius, begin, end, blocks, limit,
    rows, local_origins, local_directions, local_limit,
):  # fmt: skip
    """Rays that reach a mover's box before their limit: their rows, and themselves in its frame.

    Returns how many. ``box`` holds lowest and highest corner; only times in [begin, end) and
    blocks from the first to before the second of ``blocks`` count.
    """
    found = 0
    place = np.empty(4)
    first = last = posed = np.nan
    px = py = pz = a = d = g = b_ = e = h = c = f = i = 0.0
    for b in range(blocks[0], blocks[1]):
        if cones[b, 10] < begin or cones[b, 9] >= end:
            continue
        if cones[b, 9] != first or cones[b, 10] != last:
            first, last = cones[b, 9], cones[b, 10]
            ball(track, first, last, place)
        reach = radius + place[3]
        if out_of_reach(cones[b], place, reach):
            continue
        square = reach * reach
        for r in range(b * BLOCK, min((b + 1) * BLOCK, len(origins))):
            t = time[r * tick]
            far = limit[r]
            if not (begin <= t < end) or far < 0:
                continue
            dx, dy, dz = (
                directions[r * turn, 0], directions[r * turn, 1], directions[r * turn, 2],
            )  # fmt: skip
            x, y, z = place[0] - origins[r, 0], place[1] - origins[r, 1], place[2] - origins[r, 2]
            along = x * dx + y * dy + z * dz
            if along < -reach or along - reach > far:
                continue
            if x * x + y * y + z * z - along * along > square:
                continue
            if t != posed:
                posed = t
                px, py, pz, a, d, g, b_, e, h, c, f, i = pose_at(track, t)
            x, y, z = origins[r, 0] - px, origins[r, 1] - py, origins[r, 2] - pz
            # The inverse turn: columns of the rotation are rows of its inverse.
            lx, ly, lz = a * x + b_ * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z
            ux = a * dx + b_ * dy + c * dz
            uy = d * dx + e * dy + f * dz
            uz = g * dx + h * dy + i * dz
            if _reaches(box, lx, ly, lz, ux, uy, uz, far):
                rows[found] = r
                local_origins[found, 0] = lx
                local_origins[found, 1] = ly
                local_origins[found, 2] = lz
                local_directions[found, 0] = ux
                local_directions[found, 1] = uy
                local_directions[found, 2] = uz
                local_limit[found] = far
                found += 1
    return found


@njit(cache=True, nogil=True)
@no_type_check
def _reaches(box, x, y, z, dx, dy, dz, far):
    enter, leave = 0.0, far
    first, last = _slab(box[0], box[3], x, dx)
    enter, leave = max(enter, first), min(leave, last)
    first, last = _slab(box[1], box[4], y, dy)
    enter, leave = max(enter, first), min(leave, last)
    first, last = _slab(box[2], box[5], z, dz)
    enter, leave = max(enter, first), min(leave, last)
    return enter <= leave


@njit(cache=True, nogil=True)
@no_type_check
def _slab(low, high, x, dx):
    inverse = 1.0 / dx if dx != 0.0 else 1e300
    a, b = (low - x) * inverse, (high - x) * inverse
    return (a, b) if a < b else (b, a)


@njit(cache=True, nogil=True)
@no_type_check
def take(rows, distance, number, u, v, start, actor, best, triangle, who, best_u, best_v):
    """Keep the hits of a mover that lie before what is known."""
    for k in range(len(rows)):
        r = rows[k]
        if number[k] >= 0 and distance[k] < best[r]:
            best[r], triangle[r], who[r] = distance[k], start + number[k], actor
            best_u[r], best_v[r] = u[k], v[k]


@njit(cache=True, nogil=True)
@no_type_check
def refine(origins, directions, time, tick, corners, tracks, best, triangle, who, out, cosine):
    """Distances in float64 from the planes of the triangles hit, infinite where there is none, and
    the cosine of the angle between ray and normal, never negative."""
    for r in range(len(origins)):
        cosine[r] = 0.0
        if triangle[r] < 0:
            out[r] = np.inf
            continue
        x, y, z = origins[r, 0], origins[r, 1], origins[r, 2]
        dx, dy, dz = directions[r, 0], directions[r, 1], directions[r, 2]
        if who[r] >= 0:
            px, py, pz, a, d, g, b, e, h, c, f, i = pose_at(tracks[who[r]], time[r * tick])
            x, y, z = x - px, y - py, z - pz
            x, y, z = a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z
            dx, dy, dz = (
                a * dx + b * dy + c * dz, d * dx + e * dy + f * dz, g * dx + h * dy + i * dz,
            )  # fmt: skip
        p = corners[triangle[r]]
        ax, ay, az = p[1, 0] - p[0, 0], p[1, 1] - p[0, 1], p[1, 2] - p[0, 2]
        bx, by, bz = p[2, 0] - p[0, 0], p[2, 1] - p[0, 1], p[2, 2] - p[0, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        slope = nx * dx + ny * dy + nz * dz
        out[r] = best[r]
        if slope != 0:
            cosine[r] = min(1.0, abs(slope) / np.sqrt(nx * nx + ny * ny + nz * nz))
            exact = (nx * (p[0, 0] - x) + ny * (p[0, 1] - y) + nz * (p[0, 2] - z)) / slope
            if exact > 0 and abs(exact - out[r]) <= APART_M:
                out[r] = exact

"""How much of its surroundings a place sees: a few short rays, averaged over 4 x 4 pixels.

    every n-th centre ray -> 4 rays each in one of 16 patterns -> share unblocked
    -> mean over a 4 x 4 window that stops at edges -> looked up by every ray of the picture

Rays are cosine-weighted and of several reaches, so that both the gap under a car and the street
between houses darken.
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.town.camera.filters import hash01
from roadloom.town.camera.points import COS, GX, PX, WIDE
from roadloom.town.mesh.materials import GLASS, LEAF

RAYS = 4
REACH_M = np.array([0.7, 2.0, 4.0, 14.0])
WEIGHT = np.array([0.22, 0.30, 0.28, 0.20])
"""What a blocked ray of each reach takes away."""
WINDOW = 4


@njit(cache=True, nogil=True)
@no_type_check
def bias(distance):
    """How far off the surface rays begin: enough for float32, little for contact shadows."""
    return 0.002 + 2e-5 * distance


@njit(cache=True, nogil=True)
@no_type_check
def occlusion_rays(
    points, triangle, material, column, line, distance, rows, origins, directions, far
):
    """Rays of all places that want some; returns how many places."""
    count = 0
    for k in range(len(triangle)):
        t = triangle[k]
        if t < 0 or material[t] == LEAF or material[t] == GLASS:
            continue
        nx, ny, nz = points[k, GX], points[k, GX + 1], points[k, GX + 2]
        # Axes across the normal (Duff et al., "Building an orthonormal basis, revisited", 2017).
        sign = 1.0 if nz >= 0 else -1.0
        a = -1.0 / (sign + nz)
        b = nx * ny * a
        ux, uy, uz = 1.0 + sign * nx * nx * a, sign * b, -sign * nx
        vx, vy, vz = b, sign + ny * ny * a, -ny
        pattern = (column[k] & 3) + 4 * (line[k] & 3)
        lift = bias(distance[k])
        for i in range(RAYS):
            turn = hash01(pattern, 7, 1) + i * 0.25
            ring = ((pattern * 7 + i * 5) % 16 + 0.5) / 16.0
            radius, angle = math.sqrt(ring), 2 * math.pi * turn
            x, y, z = radius * math.cos(angle), radius * math.sin(angle), math.sqrt(1 - ring)
            at = count * RAYS + i
            directions[at, 0] = ux * x + vx * y + nx * z
            directions[at, 1] = uy * x + vy * y + ny * z
            directions[at, 2] = uz * x + vz * y + nz * z
            origins[at, 0] = points[k, PX] + nx * lift
            origins[at, 1] = points[k, PX + 1] + ny * lift
            origins[at, 2] = points[k, PX + 2] + nz * lift
            # Which reach goes which way changes with the pattern.
            far[at] = REACH_M[(i + pattern) % RAYS]
        rows[count] = k
        count += 1
    return count


@njit(cache=True, nogil=True)
@no_type_check
def gather_open(rows, count, column, line, blocked, open_share):
    for m in range(count):
        k = rows[m]
        pattern = (column[k] & 3) + 4 * (line[k] & 3)
        lost = 0.0
        for i in range(RAYS):
            if blocked[m * RAYS + i]:
                lost += WEIGHT[(i + pattern) % RAYS]
        open_share[k] = 1.0 - lost


@njit(cache=True, nogil=True)
@no_type_check
def smooth_open(open_share, points, wide, out):
    """Mean over a window of places that lie in the same plane; NaN marks no place."""
    height, width = open_share.shape
    for i in range(height):
        for j in range(width):
            if math.isnan(open_share[i, j]):
                out[i, j] = math.nan
                continue
            p = points[i, j]
            slack = 0.03 + 2.5 * wide[i, j]
            total, weight = 0.0, 0.0
            for y in range(max(0, i - 2), min(height, i + 2)):
                for x in range(max(0, j - 2), min(width, j + 2)):
                    if math.isnan(open_share[y, x]):
                        continue
                    q = points[y, x]
                    apart = abs(
                        (q[0] - p[0]) * p[GX]
                        + (q[1] - p[1]) * p[GX + 1]
                        + (q[2] - p[2]) * p[GX + 2]
                    )
                    same = q[GX] * p[GX] + q[GX + 1] * p[GX + 1] + q[GX + 2] * p[GX + 2]
                    if apart < slack and same > 0.7:
                        total += open_share[y, x]
                        weight += 1.0
            out[i, j] = total / weight


@njit(cache=True, nogil=True)
@no_type_check
def open_at(open_grid, points, grid_points, triangle, column, line, step, out):
    """For every ray the mean of the four samples around it that lie in its plane."""
    height, width = open_grid.shape
    for k in range(len(triangle)):
        if triangle[k] < 0:
            continue
        p = points[k]
        y, x = (line[k] + 0.5) / step - 0.5, (column[k] + 0.5) / step - 0.5
        i, j = int(math.floor(y)), int(math.floor(x))
        slack = 0.04 + 2.0 * step * p[WIDE] / max(p[COS], 0.2)
        total, weight = 0.0, 0.0
        for a in range(2):
            for b in range(2):
                ii, jj = min(max(i + a, 0), height - 1), min(max(j + b, 0), width - 1)
                if math.isnan(open_grid[ii, jj]):
                    continue
                q = grid_points[ii, jj]
                apart = abs(
                    (q[0] - p[0]) * p[GX] + (q[1] - p[1]) * p[GX + 1] + (q[2] - p[2]) * p[GX + 2]
                )
                same = q[GX] * p[GX] + q[GX + 1] * p[GX + 1] + q[GX + 2] * p[GX + 2]
                share = abs(1 - a - (y - i)) * abs(1 - b - (x - j)) + 0.02
                share *= max(0.0, 1 - apart / slack) * max(0.0, same) + 1e-4
                total += share * open_grid[ii, jj]
                weight += share
        out[k] = total / weight if weight > 0 else 0.85


def empty_rays(count: int) -> tuple[np.ndarray, ...]:
    rays = count * RAYS
    return (
        np.empty(count, np.int64), np.empty((rays, 3)), np.empty((rays, 3)), np.empty(rays)
    )  # fmt: skip

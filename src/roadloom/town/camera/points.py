"""From hits to places on surfaces: normals, uv, footprints and slopes, one row per ray.

Hits + rays -> float32 [ray 20], columns below; all textures read these
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float32
from numba import njit

from roadloom.town.camera.tables import FLAT, GRAD_U, GRAD_V, SMOOTH, UV

PX, NX, GX, U, V, WU, WV, SU, SV, LU, LV, COS, WIDE = 0, 3, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
"""Columns: place 3; shading normal 3 and flat normal 3, both towards the viewer; u, v; footprint
along u and v [m]; how far the view moves in u, v for each metre of depth behind the surface, and
how far light does on its way out; cosine of view; width of the ray at the place [m]; how far the
seen side of the surface is the mesh's outside (1) or its inside (0)."""
OUTSIDE = 19
POINT = 20


def points_of(count: int) -> Float32[np.ndarray, "ray 20"]:
    return np.empty((count, POINT), np.float32)


@njit(cache=True, nogil=True)
@no_type_check
def locate(rows, turns, sun, origins, directions, moment, hits, pixel_rad, out):  # noqa: C901
    """Fill ``out`` for every ray that hits something.

    ``turns`` [moment actor 3 3] are the movers' rotations, ``moment`` [ray] says which applies;
    ``pixel_rad`` [ray] is how wide each ray is.
    """
    distance, triangle, actor, us, vs = hits
    normal, smooth, gu = np.empty(3), np.empty(3), np.empty(3)
    gv, d, s = np.empty(3), np.empty(3), np.empty(3)
    for k in range(len(triangle)):
        t = triangle[k]
        if t < 0:
            continue
        row = rows[t]
        for i in range(3):
            d[i], s[i] = directions[k, i], sun[i]
        b, c = us[k], vs[k]
        a = 1 - b - c
        for i in range(3):
            normal[i], gu[i], gv[i] = row[FLAT + i], row[GRAD_U + i], row[GRAD_V + i]
            smooth[i] = row[SMOOTH + i] * a + row[SMOOTH + 3 + i] * b + row[SMOOTH + 6 + i] * c
        m = actor[k]
        if m >= 0:
            # Turn the ray and the sun into the mover's frame instead of everything out of it.
            turn = turns[moment[k], m]
            x, y, z = d[0], d[1], d[2]
            p, q, r = s[0], s[1], s[2]
            for i in range(3):
                d[i] = turn[0, i] * x + turn[1, i] * y + turn[2, i] * z
                s[i] = turn[0, i] * p + turn[1, i] * q + turn[2, i] * r
        facing = normal[0] * d[0] + normal[1] * d[1] + normal[2] * d[2]
        outside = 1.0
        if facing > 0:
            outside = 0.0
            for i in range(3):
                normal[i], smooth[i] = -normal[i], -smooth[i]
        cosine = max(abs(facing), 0.02)
        length = math.sqrt(smooth[0] ** 2 + smooth[1] ** 2 + smooth[2] ** 2)
        if length < 1e-6:
            smooth[0], smooth[1], smooth[2], length = normal[0], normal[1], normal[2], 1.0
        wide = max(distance[k] * pixel_rad[k], 2e-4)
        du = gu[0] * d[0] + gu[1] * d[1] + gu[2] * d[2]
        dv = gv[0] * d[0] + gv[1] * d[1] + gv[2] * d[2]
        lu = gu[0] * s[0] + gu[1] * s[1] + gu[2] * s[2]
        lv = gv[0] * s[0] + gv[1] * s[1] + gv[2] * s[2]
        size_u = math.sqrt(gu[0] ** 2 + gu[1] ** 2 + gu[2] ** 2)
        size_v = math.sqrt(gv[0] ** 2 + gv[1] ** 2 + gv[2] ** 2)
        into_sun = max(0.05, abs(normal[0] * s[0] + normal[1] * s[1] + normal[2] * s[2]))
        out[k, U] = row[UV] * a + row[UV + 2] * b + row[UV + 4] * c
        out[k, V] = row[UV + 1] * a + row[UV + 3] * b + row[UV + 5] * c
        # The footprint: w across the ray, w / cosine along it.
        out[k, WU] = wide * (size_u + abs(du) * (1 / cosine - 1)) + 1e-6
        out[k, WV] = wide * (size_v + abs(dv) * (1 / cosine - 1)) + 1e-6
        slope = max(cosine, 0.1)
        out[k, SU], out[k, SV] = du / slope, dv / slope
        out[k, LU], out[k, LV] = lu / into_sun, lv / into_sun
        out[k, COS], out[k, WIDE], out[k, OUTSIDE] = cosine, wide, outside
        if m >= 0:
            turn = turns[moment[k], m]
            for i in range(3):
                out[k, NX + i] = (
                    turn[i, 0] * smooth[0] + turn[i, 1] * smooth[1] + turn[i, 2] * smooth[2]
                ) / length
                out[k, GX + i] = (
                    turn[i, 0] * normal[0] + turn[i, 1] * normal[1] + turn[i, 2] * normal[2]
                )
        else:
            for i in range(3):
                out[k, NX + i], out[k, GX + i] = smooth[i] / length, normal[i]
        far = distance[k]
        for i in range(3):
            out[k, PX + i] = origins[k, i] + directions[k, i] * far

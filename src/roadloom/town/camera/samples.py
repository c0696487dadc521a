"""Where a picture is shaded: once for a pixel whose rays all end on one surface, else once a ray.

    hits of all rays + hits of the pixels' centres -> samples | which sample each ray takes

Visibility and shadows keep all rays. A pixel inside one flat surface is shaded at its centre with
the whole pixel as footprint: textures are filtered by it, so more samples would show the same.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int64
from numba import njit

from roadloom.town.camera.rays import Rays
from roadloom.town.camera.tables import FLAT, GRAD_U, GRAD_V, TINT, UV, WIDTH, Surfaces
from roadloom.town.cast.caster import Hits
from roadloom.town.mesh.materials import LEAF, PLATE, ROAD, SHOPFRONT, SIGN_FACE

AT_SUN = 0.9985
"""Around the sun's disc, by the cosine of the angle, every ray sees its own sky."""


class Samples(NamedTuple):
    """One row each; the first five are ``Hits``."""

    distance: Float[np.ndarray, " sample"]
    triangle: np.ndarray
    actor: np.ndarray
    u: np.ndarray
    v: np.ndarray
    origins: Float[np.ndarray, "sample 3"]
    directions: Float[np.ndarray, "sample 3"]
    pixel: Int64[np.ndarray, " sample"]
    part: Int64[np.ndarray, " sample"]
    moment: Int64[np.ndarray, " sample"]
    rad: Float32[np.ndarray, " sample"]
    """Width of the ray [rad]."""

    @property
    def hits(self) -> Hits:
        return Hits(self.distance, self.triangle, self.actor, self.u, self.v)


def each_ray(
    hits: Hits, rays: Rays, pixel: np.ndarray, part: np.ndarray, pixel_rad: float
) -> Samples:
    """No pixel is shaded as one."""
    rad = np.full(len(pixel), pixel_rad, np.float32)
    return Samples(*hits, rays.origins, rays.directions, pixel, part, rays.moment, rad)


def merged(
    surfaces: Surfaces,
    sun: Float[np.ndarray, "3"],
    wet: float,
    hits: Hits,
    rays: Rays,
    pixel: Int64[np.ndarray, " ray"],
    part: Int64[np.ndarray, " ray"],
    centre: Hits,
    centre_rays: Rays,
    parts: int,
    pixel_rad: float,
) -> tuple[Samples, Int64[np.ndarray, " ray"]]:
    """Samples, and the row of each ray's.

    Args:
        pixel: counted as ``centre`` and ``centre_rays`` are, rays of one pixel next to each other.
        pixel_rad: width of a whole pixel.
    """
    count = len(pixel)
    of_ray, source = np.empty(count, np.int64), np.empty(count, np.int64)
    found = group(
        surfaces.rows, surfaces.material, surfaces.owner, sun, wet, hits, rays.origins,
        rays.directions, pixel, centre, centre_rays.origins, centre_rays.directions, parts, of_ray,
        source,
    )  # fmt: skip
    samples = Samples(
        np.empty(found), np.empty(found, np.int32), np.empty(found, np.int32),
        np.empty(found, np.float32), np.empty(found, np.float32), np.empty((found, 3)),
        np.empty((found, 3)), np.empty(found, np.int64), np.empty(found, np.int64),
        np.empty(found, np.int64), np.empty(found, np.float32),
    )  # fmt: skip
    gather(
        source, hits, rays.origins, rays.directions, rays.moment, pixel, part, centre,
        centre_rays.origins, centre_rays.directions, centre_rays.moment, pixel_rad,
        pixel_rad / parts**0.5, samples,
    )  # fmt: skip
    return samples, of_ray


@njit(cache=True, nogil=True)
@no_type_check
def same_surface(rows, material, owner, a, b, step, ua, va, ub, vb):
    """Whether triangle ``b`` goes on where ``a`` ends: plane, texture and colours, for places
    ``step`` apart in the town with weights ``u``, ``v``."""
    if material[a] != material[b] or owner[a] != owner[b] or material[a] == LEAF:
        return False
    p, q = rows[a], rows[b]
    for i in range(TINT, WIDTH):
        if abs(p[i] - q[i]) > 1e-4:
            return False
    for i in range(3):
        if abs(p[FLAT + i] - q[FLAT + i]) > 0.01:
            return False
    length = abs(step[0]) + abs(step[1]) + abs(step[2])
    off = step[0] * p[FLAT] + step[1] * p[FLAT + 1] + step[2] * p[FLAT + 2]
    if abs(off) > 0.001 + 0.01 * length:
        return False
    for i in range(2):
        grad = GRAD_U if i == 0 else GRAD_V
        grown = step[0] * p[grad] + step[1] * p[grad + 1] + step[2] * p[grad + 2]
        at = p[UV + i] * (1 - ua - va) + p[UV + 2 + i] * ua + p[UV + 4 + i] * va
        to = q[UV + i] * (1 - ub - vb) + q[UV + 2 + i] * ub + q[UV + 4 + i] * vb
        if abs(to - at - grown) > 0.002 + 0.02 * length:
            return False
    return True


@njit(cache=True, nogil=True)
@no_type_check
def group(
    rows, material, owner, sun, wet, hits, origins, directions, pixel, centre, centre_origins,
    centre_directions, parts, of_ray, source,
):  # fmt: skip
    """Fill ``of_ray`` and each sample's source: a ray's row, or -1 less a pixel's; returns how
    many samples."""
    count, first, step = 0, 0, np.empty(3)
    while first < len(pixel):
        c, stop = pixel[first], first + 1
        while stop < len(pixel) and pixel[stop] == c:
            stop += 1
        t, actor = centre.triangle[c], centre.actor[c]
        dx, dy, dz = centre_directions[c, 0], centre_directions[c, 1], centre_directions[c, 2]
        if t < 0:
            one = dx * sun[0] + dy * sun[1] + dz * sun[2] < AT_SUN  # and no NaN
        else:
            kind = material[t]
            # On wet ground each ray finds its own place in the drawn out mirror image; letters are
            # too fine for their filters.
            one = (wet <= 0.05 or kind != ROAD) and kind not in (SHOPFRONT, SIGN_FACE, PLATE)
        one = one and stop - first == parts
        k = first
        while one and k < stop:
            if hits.triangle[k] != t:
                one = t >= 0 and hits.triangle[k] >= 0 and actor < 0 and hits.actor[k] < 0
                if one:
                    far, near = hits.distance[k], centre.distance[c]
                    step[0] = origins[k, 0] + directions[k, 0] * far - dx * near
                    step[1] = origins[k, 1] + directions[k, 1] * far - dy * near
                    step[2] = origins[k, 2] + directions[k, 2] * far - dz * near
                    for i in range(3):
                        step[i] -= centre_origins[c, i]
                    one = same_surface(
                        rows, material, owner, t, hits.triangle[k], step, centre.u[c],
                        centre.v[c], hits.u[k], hits.v[k],
                    )  # fmt: skip
            k += 1
        if one:
            source[count] = -1 - c
            for m in range(first, stop):
                of_ray[m] = count
            count += 1
        else:
            for m in range(first, stop):
                source[count], of_ray[m] = m, count
                count += 1
        first = stop
    return count


@njit(cache=True, nogil=True)
@no_type_check
def gather(
    source, hits, origins, directions, moment, pixel, part, centre, centre_origins,
    centre_directions, centre_moment, whole_rad, part_rad, out,
):  # fmt: skip
    for s in range(len(out.pixel)):
        k = source[s]
        if k >= 0:
            out.distance[s], out.triangle[s], out.actor[s] = (
                hits.distance[k], hits.triangle[k], hits.actor[k],
            )  # fmt: skip
            out.u[s], out.v[s] = hits.u[k], hits.v[k]
            out.pixel[s], out.part[s], out.moment[s] = pixel[k], part[k], moment[k]
            out.rad[s] = part_rad
            for i in range(3):
                out.origins[s, i], out.directions[s, i] = origins[k, i], directions[k, i]
        else:
            c = -1 - k
            out.distance[s], out.triangle[s], out.actor[s] = (
                centre.distance[c], centre.triangle[c], centre.actor[c],
            )  # fmt: skip
            out.u[s], out.v[s] = centre.u[c], centre.v[c]
            out.pixel[s], out.part[s], out.moment[s] = c, 0, centre_moment[c]
            out.rad[s] = whole_rad
            for i in range(3):
                out.origins[s, i] = centre_origins[c, i]
                out.directions[s, i] = centre_directions[c, i]


@njit(cache=True, nogil=True)
@no_type_check
def mean_of(values, of_ray, out):
    """Mean of the rays of each sample."""
    count = np.zeros(len(out), np.int32)
    out[:] = 0
    for k in range(len(of_ray)):
        out[of_ray[k]] += values[k]
        count[of_ray[k]] += 1
    for s in range(len(out)):
        out[s] /= count[s]

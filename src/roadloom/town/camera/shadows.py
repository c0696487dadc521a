"""Sun or shadow: rays to places on the sun's disc, and penumbras without grain."""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.town.camera.filters import ramp
from roadloom.town.camera.occlusion import bias
from roadloom.town.camera.points import GX, NX, PX, WIDE
from roadloom.town.camera.skin import THIN

SUN_RADIUS = 0.0047
"""Tangent of half the sun's angle (0.53 degrees)."""


@njit(cache=True, nogil=True)
@no_type_check
def sun_rays(
    light, points, skin, of_ray, triangle, distance, starts, along, column, line, part, parts, rows,
    origins, directions,
):  # fmt: skip
    """Shadow rays of all places that face the sun, towards places of its disc that change from
    pixel to pixel (interleaved gradient noise: J. Jimenez, "Next generation post processing",
    2014) and from ray to ray; returns how many. ``of_ray`` is the row of each ray's point."""
    sun = light.sun
    flat = math.sqrt(sun[0] * sun[0] + sun[1] * sun[1])
    ax, ay = (-sun[1] / flat, sun[0] / flat) if flat > 1e-6 else (1.0, 0.0)
    bx, by, bz = -ay * sun[2], ax * sun[2], ay * sun[0] - ax * sun[1]
    size = SUN_RADIUS * (1.0 + 0.5 * light.cloud)
    count = 0
    for k in range(len(triangle)):
        if triangle[k] < 0:
            continue
        p = points[of_ray[k]]
        smooth = p[NX] * sun[0] + p[NX + 1] * sun[1] + p[NX + 2] * sun[2]
        flat_n = p[GX] * sun[0] + p[GX + 1] * sun[1] + p[GX + 2] * sun[2]
        lift = bias(distance[k])
        if skin[of_ray[k], THIN] > 0.2:
            lift = lift if flat_n > 0 else -lift
        elif smooth <= 0 or flat_n <= 0:
            continue
        spin = 52.9829189 * ((0.06711056 * column[k] + 0.00583715 * line[k]) % 1.0) % 1.0
        angle = 2 * math.pi * (spin + part[k] / parts)
        other = (spin * 7.31 + 0.5 + part[k] * 0.618034) % 1.0
        radius = size * math.sqrt((part[k] % parts + other) / parts if parts > 1 else other)
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        directions[count, 0] = sun[0] + ax * x + bx * y
        directions[count, 1] = sun[1] + ay * x + by * y
        directions[count, 2] = sun[2] + bz * y
        for i in range(3):
            origins[count, i] = starts[k, i] + along[k, i] * distance[k] + p[GX + i] * lift
        rows[count] = k
        count += 1
    return count


@njit(cache=True, nogil=True)
@no_type_check
def _means(sunlit, asked, parts, mean):
    """Of the rays of each pixel that asked; others keep their -1."""
    lines, width = mean.shape
    for i in range(lines):
        for j in range(width):
            first, total, count = (i * width + j) * parts, 0.0, 0
            for k in range(first, first + parts):
                if asked[k]:
                    total += sunlit[k]
                    count += 1
            if count > 0:
                mean[i, j] = total / count


@njit(cache=True, nogil=True)
@no_type_check
def soften(sunlit, points, of_ray, triangle, asked, parts, width):  # noqa: C901
    """Smooth broad penumbras, whose few samples leave grain; sharp shadows stay as they are.

    A pixel counts as partly lit if its rays differ. Where most of a window of 5 x 5 pixels in one
    plane is partly lit, each ray takes the window's mean.
    """
    lines = len(sunlit) // (parts * width)
    mean = np.full((lines, width), -1.0)
    _means(sunlit, asked, parts, mean)
    for i in range(lines):
        for j in range(width):
            if mean[i, j] < 0:
                continue
            first = (i * width + j) * parts
            while not asked[first]:
                first += 1
            p = points[of_ray[first]]
            slack = 0.02 + 6.0 * p[WIDE]
            total, count, part = 0.0, 0, 0
            for y in range(max(0, i - 2), min(lines, i + 3)):
                for x in range(max(0, j - 2), min(width, j + 3)):
                    if mean[y, x] < 0:
                        continue
                    q = points[of_ray[(y * width + x) * parts]]
                    if triangle[(y * width + x) * parts] < 0:
                        continue
                    apart = abs(
                        (q[PX] - p[PX]) * p[GX]
                        + (q[PX + 1] - p[PX + 1]) * p[GX + 1]
                        + (q[PX + 2] - p[PX + 2]) * p[GX + 2]
                    )
                    if apart < slack:
                        total += mean[y, x]
                        count += 1
                        part += 0.0 < mean[y, x] < 1.0
            if count < 4:
                continue
            share = ramp(part / count, 0.35, 0.7)
            if share <= 0:
                continue
            for k in range((i * width + j) * parts, (i * width + j + 1) * parts):
                if asked[k]:
                    sunlit[k] += (total / count - sunlit[k]) * share

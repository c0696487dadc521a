"""Cast reflections: in water, windows and car paint, the town that is really there.

    rays whose surface mirrors enough -> reflected rays -> flat colour of what they meet

What is met is lit without shadow rays and drawn without its textures; a pixel's rays on the same
triangle share one reflection unless they end on wet ground.
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.town.camera.filters import clip01, hash01
from roadloom.town.camera.light import air, ambient, panorama_at
from roadloom.town.camera.occlusion import bias
from roadloom.town.camera.points import COS, GX, NX, PX
from roadloom.town.camera.skin import MIRROR, SHEEN, WATER
from roadloom.town.camera.tables import FLAT, STYLE, TINT
from roadloom.town.mesh.materials import (
    FACADE,
    FAR_WALL,
    HEADLAMP,
    LEAF,
    ROAD,
    SHOPFRONT,
    SIGNAL_LAMP,
    STREET_LAMP,
    TAILLAMP,
)

LEAST = 0.04
"""Surfaces that mirror less show a made-up skyline at most."""


@njit(cache=True, nogil=True)
@no_type_check
def reflection(p, s, dx, dy, dz, out):
    """Direction of the mirrored ray into ``out``; returns the share of light it brings (Schlick,
    "An inexpensive BRDF model for physically-based rendering", 1994)."""
    nx, ny, nz = p[NX], p[NX + 1], p[NX + 2]
    water = s[WATER]
    if water > 0:
        nx, ny, nz = nx * (1 - water), ny * (1 - water), nz + (1 - nz) * water
        size = math.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx / size, ny / size, nz / size
    cosine = -(dx * nx + dy * ny + dz * nz)
    if cosine < 0.01:
        nx, ny, nz, cosine = p[GX], p[GX + 1], p[GX + 2], p[COS]
    out[0], out[1], out[2] = dx + 2 * cosine * nx, dy + 2 * cosine * ny, dz + 2 * cosine * nz
    # A bent normal must not mirror into the surface itself.
    below = out[0] * p[GX] + out[1] * p[GX + 1] + out[2] * p[GX + 2]
    if below < 0.02:
        for i in range(3):
            out[i] += (0.02 - below) * p[GX + i]
        size = math.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2)
        for i in range(3):
            out[i] /= size
    return s[MIRROR] + s[SHEEN] * (1 - s[MIRROR]) * (1 - clip01(cosine)) ** 5


@njit(cache=True, nogil=True)
@no_type_check
def mirror_rays(
    material,
    points,
    skin,
    triangle,
    distance,
    directions,
    column,
    line,
    part,
    rows,
    origins,
    towards,
    source,
):
    """Reflected rays; ``source`` gets each ray's number among them, -1 for none."""
    count, last = 0, -1
    out = np.empty(3)
    for k in range(len(triangle)):
        source[k] = -1
        t = triangle[k]
        if t < 0:
            continue
        s = skin[k]
        if s[SHEEN] + s[MIRROR] < 0.15:
            continue
        share = reflection(points[k], s, directions[k, 0], directions[k, 1], directions[k, 2], out)
        if share < LEAST:
            continue
        ground = material[t] == ROAD
        if (
            last >= 0
            and not ground
            and triangle[last] == t
            and column[last] == column[k]
            and line[last] == line[k]
        ):
            source[k] = source[last]
            continue
        if ground:
            # Wet asphalt is rough where no water stands: the mirror image is drawn out.
            rough = 0.032 * (1 - s[WATER]) + 0.003
            spin = 52.9829189 * ((0.06711056 * column[k] + 0.00583715 * line[k]) % 1.0) % 1.0
            up = (spin + 0.618034 * part[k]) % 1.0 - 0.35
            aside = hash01(column[k], line[k], part[k]) - 0.5
            out[2] = max(0.01, out[2] + rough * 2.2 * up)
            out[0] += rough * 0.5 * aside
            out[1] -= rough * 0.5 * aside
            size = math.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2)
            for i in range(3):
                out[i] /= size
        lift = bias(distance[k])
        for i in range(3):
            towards[count, i] = out[i]
            origins[count, i] = points[k, PX + i] + points[k, GX + i] * lift
        rows[count] = k
        source[k] = count
        count += 1
        last = k
    return count


@njit(cache=True, nogil=True)
@no_type_check
def _glow(kind, row, dusk, lit, moving, brakes, signals):
    """Own light of what is met: lamps, and windows all over a wall at dusk."""
    if kind == SHOPFRONT:
        return 0.30 * dusk, 0.22 * dusk, 0.12 * dusk
    if kind in (FACADE, FAR_WALL):
        return 0.06 * dusk, 0.045 * dusk, 0.025 * dusk
    if kind == STREET_LAMP:
        return 3.2 * dusk, 2.6 * dusk, 1.6 * dusk
    on = row[STYLE] > 0 or (lit > 0 and moving)
    if kind == HEADLAMP and on:
        return 2.4, 2.3, 2.0
    if kind == TAILLAMP and (on or brakes):
        strong = 1.9 if brakes else 0.7
        return strong, 0.04 * strong, 0.03 * strong
    if kind == SIGNAL_LAMP:
        which, bulb = int(row[STYLE]), int(row[STYLE + 1])
        if 0 <= which < len(signals) and signals[which] == bulb:
            if bulb == 0:
                return 2.6, 0.1, 0.1
            return (2.4, 1.1, 0.1) if bulb == 1 else (0.2, 2.4, 1.1)
    return 0.0, 0.0, 0.0


@njit(cache=True, nogil=True)
@no_type_check
def mirror_colours(
    light, table, material, turns, signals, brakes, hits, moment, towards, source, found, mirror
):
    """Colour of every reflected ray, handed to all rays that share it."""
    distance, triangle, actor, _, _ = hits
    sun, sun_rgb = light.sun, light.sun_rgb
    for m in range(len(triangle)):
        dx, dy, dz = towards[m, 0], towards[m, 1], towards[m, 2]
        t = triangle[m]
        if t < 0:
            r, g, b = panorama_at(light, dx, dy, max(dz, 0.0))
            found[m, 0], found[m, 1], found[m, 2] = r, g, b
            continue
        row, kind = table[t], material[t]
        nx, ny, nz = row[FLAT], row[FLAT + 1], row[FLAT + 2]
        if actor[m] >= 0:
            turn = turns[moment[m], actor[m]]
            nx, ny, nz = (
                turn[0, 0] * nx + turn[0, 1] * ny + turn[0, 2] * nz,
                turn[1, 0] * nx + turn[1, 1] * ny + turn[1, 2] * nz,
                turn[2, 0] * nx + turn[2, 1] * ny + turn[2, 2] * nz,
            )
        if nx * dx + ny * dy + nz * dz > 0:
            nx, ny, nz = -nx, -ny, -nz
        lit = 0.55 * max(0.0, nx * sun[0] + ny * sun[1] + nz * sun[2])
        if kind == LEAF:
            lit = 0.3
        ar, ag, ab = ambient(light, nx, ny, nz)
        tr, tg, tb = row[TINT], row[TINT + 1], row[TINT + 2]
        wall = kind in (FACADE, FAR_WALL, SHOPFRONT)
        if wall:
            tr, tg, tb = tr * 0.75 + 0.015, tg * 0.75 + 0.015, tb * 0.75 + 0.015
        gr, gg, gb = _glow(
            kind, row, light.dusk, light.lit, actor[m] >= 0,
            actor[m] >= 0 and brakes[max(actor[m], 0)], signals,
        )  # fmt: skip
        r = tr * (sun_rgb[0] * lit + ar * 0.8) + gr
        g = tg * (sun_rgb[1] * lit + ag * 0.8) + gg
        b = tb * (sun_rgb[2] * lit + ab * 0.8) + gb
        clear = math.exp(-light.haze * distance[m])
        hr, hg, hb = air(light, dx, dy, dz)
        found[m, 0] = r * clear + hr * (1 - clear)
        found[m, 1] = g * clear + hg * (1 - clear)
        found[m, 2] = b * clear + hb * (1 - clear)
    for k in range(len(source)):
        if source[k] >= 0:
            for i in range(3):
                mirror[k, i] = found[source[k], i]

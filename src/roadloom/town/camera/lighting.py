"""From textures to radiance: sun, surroundings, mirrors, lamps, haze; then to sRGB."""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.town.camera.filters import clip01, noise, ramp
from roadloom.town.camera.light import air, ambient, panorama_at, sky
from roadloom.town.camera.mirrors import reflection
from roadloom.town.camera.paint import cell_of
from roadloom.town.camera.points import NX, PX
from roadloom.town.camera.skin import GLOW, MIRROR, OPEN, RED, SHEEN, THIN
from roadloom.town.camera.tables import LAMP_REACH_M

BRIGHTEST = 3.5
"""Samples are clamped to this before they are averaged, so that no glint keeps its stairs."""
LAMP_LIGHT = np.array([118.0, 84.0, 46.0])
"""Of a street lamp straight below it, times square metres."""


@njit(cache=True, nogil=True)
@no_type_check
def lamp_light(lamps, heads, px, py, pz, nx, ny, nz, out):
    """Light of street lamps near a place, without shadows."""
    out[0] = out[1] = out[2] = 0.0
    cell = cell_of(lamps, px, py)
    if cell < 0:
        return
    for m in range(lamps.start[cell], lamps.start[cell + 1]):
        head = heads[lamps.member[m]]
        dx, dy, dz = head[0] - px, head[1] - py, head[2] - 0.1 - pz
        if dz <= 0:
            continue
        square = dx * dx + dy * dy + dz * dz
        away = math.sqrt(square)
        facing = (nx * dx + ny * dy + nz * dz) / away
        down = dz / away
        # It shines down rather than to the sides, and fades towards its reach.
        share = (0.35 * facing + 0.65 * max(facing, 0.0)) if facing > 0 else 0.0
        fade = clip01(1.5 * (1 - away / LAMP_REACH_M))
        strength = share * down * (0.45 + 0.75 * down) / (square + 1.0) * fade
        for i in range(3):
            out[i] += LAMP_LIGHT[i] * strength


@njit(cache=True, nogil=True)
@no_type_check
def mirrored(light, dx, dy, dz, rough):
    """What a weak mirror shows without casting a ray: sky above a made-up row of houses."""
    r, g, b = panorama_at(light, dx, dy, max(dz, 0.0))
    rise = dz / max(math.sqrt(dx * dx + dy * dy), 1e-6)
    angle = math.atan2(dy, dx) * 5.0
    high = 0.12 + 0.30 * noise(angle, 0.5, 7)
    houses = clip01(0.5 + (high - rise) / (0.10 + 0.25 * rough))
    hr, hg, hb = ambient(light, 0.6, 0.6, 0.53)
    r += (hr * 0.40 - r) * houses
    g += (hg * 0.39 - g) * houses
    b += (hb * 0.37 - b) * houses
    below = ramp(-dz, -0.02, 0.10)
    c = light.cube
    return (
        r + (c[4, 0] * 0.8 - r) * below,
        g + (c[4, 1] * 0.8 - g) * below,
        b + (c[4, 2] * 0.8 - b) * below,
    )


@njit(cache=True, nogil=True)
@no_type_check
def shade_sky(light, triangle, directions, radiance):
    for k in range(len(triangle)):
        if triangle[k] < 0:
            r, g, b = sky(light, directions[k, 0], directions[k, 1], directions[k, 2], True)
            radiance[k, 0], radiance[k, 1], radiance[k, 2] = r, g, b


@njit(cache=True, nogil=True)
@no_type_check
def shade(
    light,
    lamps,
    heads,
    triangle,
    distance,
    directions,
    points,
    skin,
    sunlit,
    open_share,
    mirror,
    radiance,
):
    """Radiance of every ray that hits something. ``mirror`` holds what cast reflections show,
    NaN where none was cast."""
    sun, sun_rgb = light.sun, light.sun_rgb
    extra, turned = np.zeros(3), np.zeros(3)
    for k in range(len(triangle)):
        if triangle[k] < 0:
            continue
        p, s = points[k], skin[k]
        dx, dy, dz = directions[k, 0], directions[k, 1], directions[k, 2]
        nx, ny, nz = p[NX], p[NX + 1], p[NX + 2]
        facing = nx * sun[0] + ny * sun[1] + nz * sun[2]
        lit = max(facing, 0.0) * sunlit[k] * s[OPEN]
        through = s[THIN] * (max(-facing, 0.0) + 0.25) * sunlit[k]
        if s[THIN] > 0.2:
            lit = (0.75 * lit + 0.25 * sunlit[k] * 0.5) + through
        seen = open_share[k]
        # Light that comes back from what blocks the view.
        dim = seen + 0.30 * (1 - seen)
        ar, ag, ab = ambient(light, nx, ny, nz)
        if s[THIN] > 0.2:
            br, bg, bb = ambient(light, -nx, -ny, -nz)
            ar, ag, ab = ar + 0.3 * br, ag + 0.3 * bg, ab + 0.3 * bb
        er = sun_rgb[0] * lit + ar * dim * (1.0 + 0.06 * (1 - seen))
        eg = sun_rgb[1] * lit + ag * dim
        eb = sun_rgb[2] * lit + ab * dim * (1.0 - 0.08 * (1 - seen))
        if light.dusk > 0:
            lamp_light(lamps, heads, p[PX], p[PX + 1], p[PX + 2], nx, ny, nz, extra)
            er += extra[0] * (0.4 + 0.6 * seen)
            eg += extra[1] * (0.4 + 0.6 * seen)
            eb += extra[2] * (0.4 + 0.6 * seen)
        r, g, b = s[RED] * er, s[RED + 1] * eg, s[RED + 2] * eb
        if s[SHEEN] > 0.01 or s[MIRROR] > 0.01:
            share = reflection(p, s, dx, dy, dz, turned)
            mx, my, mz = turned[0], turned[1], turned[2]
            if math.isnan(mirror[k, 0]):
                mr, mg, mb = mirrored(light, mx, my, mz, 1 - clip01(s[SHEEN]))
                dark = 0.35 + 0.65 * seen
                mr, mg, mb = mr * dark, mg * dark, mb * dark
            else:
                mr, mg, mb = mirror[k, 0], mirror[k, 1], mirror[k, 2]
            toward = mx * sun[0] + my * sun[1] + mz * sun[2]
            if toward > 0.9 and sunlit[k] > 0:
                glint = (
                    sunlit[k]
                    * s[OPEN]
                    * (6.0 * ramp(toward, 0.9965, 1.0) + 0.35 * ramp(toward, 0.9, 1.0) ** 2)
                    * ramp(s[SHEEN], 0.2, 0.8)
                )
                mr, mg, mb = (
                    mr + sun_rgb[0] * glint,
                    mg + sun_rgb[1] * glint,
                    mb + sun_rgb[2] * glint,
                )
            r, g, b = r + (mr - r) * share, g + (mg - g) * share, b + (mb - b) * share
        r, g, b = r + s[GLOW], g + s[GLOW + 1], b + s[GLOW + 2]
        if light.haze > 0:
            clear = math.exp(-light.haze * distance[k])
            hr, hg, hb = air(light, dx, dy, dz)
            r, g, b = (
                r * clear + hr * (1 - clear),
                g * clear + hg * (1 - clear),
                b * clear + hb * (1 - clear),
            )
        radiance[k, 0], radiance[k, 1], radiance[k, 2] = r, g, b


@njit(cache=True, nogil=True)
@no_type_check
def average(radiance, exposure, parts, picture):
    """Mean of each pixel's rays after exposure and clamping; NaN rays count for nothing."""
    for k in range(len(picture)):
        r, g, b, count = 0.0, 0.0, 0.0, 0
        for i in range(k * parts, (k + 1) * parts):
            if math.isnan(radiance[i, 0]):
                continue
            r += min(radiance[i, 0] * exposure, BRIGHTEST)
            g += min(radiance[i, 1] * exposure, BRIGHTEST)
            b += min(radiance[i, 2] * exposure, BRIGHTEST)
            count += 1
        if count > 0:
            picture[k, 0], picture[k, 1], picture[k, 2] = r / count, g / count, b / count


STEPS = 4096


def curve() -> np.ndarray:
    """sRGB bytes for the square roots of linear values from 0 to BRIGHTEST: K. Narkowicz's fit of
    a filmic curve ("ACES filmic tone mapping curve", 2015), then IEC 61966-2-1."""
    x = (np.arange(STEPS) / (STEPS - 1)) ** 2 * BRIGHTEST * 0.80
    y = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    y = np.where(y <= 0.0031308, 12.92 * y, 1.055 * y ** (1 / 2.4) - 0.055)
    return (y * 255).astype(np.float32)


@njit(cache=True, nogil=True)
@no_type_check
def develop(linear, table, first_line, lines, width, out):
    """Linear picture -> sRGB bytes: a little greyed as by film, a little darker in the corners."""
    for k in range(len(linear)):
        r, g, b = linear[k, 0], linear[k, 1], linear[k, 2]
        luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
        grey = 0.12 + 0.30 * ramp(luma, 0.6, 2.5)
        y, x = (first_line + k // width + 0.5) / lines - 0.5, (k % width + 0.5) / width - 0.5
        dim = 1 - 0.20 * (x * x + y * y)
        for i in range(3):
            v = (linear[k, i] + (luma - linear[k, i]) * grey) * dim
            at = math.sqrt(clip01(v / BRIGHTEST)) * (STEPS - 1)
            low = min(int(at), STEPS - 2)
            out[k, i] = int(table[low] + (table[low + 1] - table[low]) * (at - low) + 0.5)

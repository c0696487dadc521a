"""What surfaces look like: windows, doors, lights, leaves, tiles and paint, as numba kernels.

Every pattern is averaged over the width of a pixel's footprint on the surface instead of being
sampled, so that nothing shimmers far away. Functions return linear red, green, blue and a gloss:
the share of what a mirror in its place would show when seen head-on, times a Fresnel rise.
"""

import math
from typing import no_type_check

from numba import njit

from roadloom.street0 import shapes
from roadloom.street0.world import PAINT_BIN_M

FACADE, GLASS, BODY, LEAVES = shapes.FACADE, shapes.GLASS, shapes.BODY, shapes.LEAVES
STRIPES, COACH, HUB = shapes.STRIPES, shapes.COACH, shapes.HUB
RECESS_M = 0.14
"""Window panes lie this far behind the wall; texture alone, the wall is flat for every ray."""


@njit(cache=True, nogil=True)
@no_type_check
def hash01(i, j, seed):
    """A number in [0, 1) for a cell of whole numbers."""
    h = (i * 73856093) ^ (j * 19349663) ^ (seed * 83492791)
    h = ((h & 0xFFFFFFFF) * 0x45D9F3B) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) / 16777216.0


@njit(cache=True, nogil=True)
@no_type_check
def noise(x, y, seed):
    """Smooth noise of period 1 between 0 and 1."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    i, j = int(i), int(j)
    low = hash01(i, j, seed) * (1 - u) + hash01(i + 1, j, seed) * u
    high = hash01(i, j + 1, seed) * (1 - u) + hash01(i + 1, j + 1, seed) * u
    return low * (1 - v) + high * v


@njit(cache=True, nogil=True)
@no_type_check
def fading_noise(x, y, period, width, seed):
    """Noise about 0 that dies away as the footprint outgrows its period."""
    fade = 1.5 - width / period
    if fade <= 0:
        return 0.0
    return (noise(x / period, y / period, seed) - 0.5) * min(1.0, fade)


@njit(cache=True, nogil=True)
@no_type_check
def band(x, low, high, width):
    """Share of the footprint around ``x`` that lies between two places."""
    first, last = max(low, x - width / 2), min(high, x + width / 2)
    return max(0.0, last - first) / width


@njit(cache=True, nogil=True)
@no_type_check
def pulses(x, period, low, high, width):
    """The same for stripes from ``low`` to ``high`` that come back every ``period``."""
    a, b = x - width / 2, x + width / 2
    i, j = math.floor(a / period), math.floor(b / period)
    first = i * (high - low) + min(max(a - i * period - low, 0.0), high - low)
    last = j * (high - low) + min(max(b - j * period - low, 0.0), high - low)
    return (last - first) / width


@njit(cache=True, nogil=True)
@no_type_check
def mix(r, g, b, other_r, other_g, other_b, share):
    return (
        r + (other_r - r) * share,
        g + (other_g - g) * share,
        b + (other_b - b) * share,
    )


@njit(cache=True, nogil=True)
@no_type_check
def facade(u, v, wide, tall, style, r, g, b, wu, wv, slope_u, slope_v, seed):
    """A wall with rows of windows; ``slope`` is how far the view slides along it per depth."""
    bays = max(1.0, math.floor(wide / style[0]))
    bay, storey, ground = wide / bays, style[1], style[2]
    shade = (
        1.0 + 0.16 * fading_noise(u, v, 2.3, wu, seed) + 0.08 * fading_noise(u, v, 0.4, wu, seed)
    )
    r, g, b = r * shade, g * shade, b * shade
    ledge = pulses(v - ground, storey, 0.0, 0.14, wv) if v > ground - 0.2 else 0.0
    r, g, b = mix(r, g, b, r * 1.25, g * 1.25, b * 1.25, ledge)
    r, g, b = mix(r, g, b, r * 0.6, g * 0.6, b * 0.6, band(v, 0.0, 0.45, wv))
    if v > tall - 0.25:
        return r, g, b, 0.0
    column, shop = int(math.floor(u / bay)), style[3] > 0 and v < ground
    if shop:
        left, right, low, high, row = 0.06 * bay, 0.94 * bay, 0.42, ground - 0.95, -1
        sign = band(v, ground - 0.82, ground - 0.25, wv)
        h = hash01(column // 2, seed, 5)
        r, g, b = mix(r, g, b, 0.05 + 0.3 * h, 0.08 + 0.1 * (1 - h), 0.35 * (1 - h), sign)
    else:
        row = int(math.floor((v - ground) / storey))
        floor_at = ground + row * storey if v >= ground else 0.0
        left, right = 0.26 * bay, 0.74 * bay
        low, high = floor_at + 0.9, floor_at + 2.35
    opening = pulses(u, bay, left, right, wu) * band(v, low, high, wv)
    if opening <= 0:
        return r, g, b, 0.0
    frame = 0.07
    behind_u, behind_v = u + slope_u * RECESS_M, v + slope_v * RECESS_M
    pane = pulses(behind_u, bay, left + frame, right - frame, wu)
    pane -= pulses(behind_u, bay, bay / 2 - 0.035, bay / 2 + 0.035, wu)
    pane = min(opening, max(0.0, pane) * band(behind_v, low + frame, high - frame, wv))
    r, g, b = mix(r, g, b, 0.42, 0.41, 0.39, opening - pane)
    near = min(1.0, max(0.0, 1.5 - wu / bay))
    curtain = 0.25 + (hash01(column, row, seed) - 0.25) * near
    light = 0.02 + 0.16 * max(0.0, curtain - 0.55)
    return (*mix(r, g, b, light, light * 0.95, light * 0.85, pane), 0.55 * pane)


@njit(cache=True, nogil=True)
@no_type_check
def car_body(face, x, y, z, low, high, r, g, b, w):
    """Lights, grille and plate at the ends, sills, seams and wheel arches at the sides."""
    half_x, half_y = (high[0] - low[0]) / 2, (high[1] - low[1]) / 2
    rise = high[2] - low[2]
    v, wv = (z - low[2]) / rise, w / rise
    gloss = 0.10
    if face < 2:
        u, wu = abs(y) / half_y, w / half_y
        plate = band(u, -0.3, 0.3, wu) * band(v, 0.14, 0.34, wv)
        lamp = band(u, 0.60, 0.95, wu) * band(v, 0.52, 0.82, wv)
        if face == 1:
            grille = band(u, -0.52, 0.52, wu) * band(v, 0.42, 0.74, wv)
            r, g, b = mix(r, g, b, 0.02, 0.02, 0.022, grille)
            r, g, b = mix(r, g, b, 0.85, 0.85, 0.80, lamp)
        else:
            r, g, b = mix(r, g, b, 0.50, 0.015, 0.012, lamp)
        r, g, b = mix(r, g, b, 0.62, 0.62, 0.58, plate)
        return (*mix(r, g, b, 0.03, 0.03, 0.032, band(v, -1.0, 0.12, wv)), gloss)
    if face < 4:
        sill = band(v, -1.0, 0.10, wv)
        seam = band(x, -0.02, 0.02, w) + band(x, half_x * 0.44, half_x * 0.44 + 0.03, w)
        r, g, b = mix(r, g, b, r * 0.3, g * 0.3, b * 0.3, min(1.0, seam) * band(v, 0.1, 1.0, wv))
        axle = abs(x) - half_x * 0.62
        out = math.sqrt(axle * axle + (z - 0.32) ** 2)
        arch = min(1.0, max(0.0, (0.39 - out) / w + 0.5))
        return (*mix(r, g, b, 0.015, 0.015, 0.016, max(sill, arch)), gloss)
    return r, g, b, gloss


@njit(cache=True, nogil=True)
@no_type_check
def cabin(face, x, y, z, low, high, r, g, b, w):
    """Glass all round between pillars, under a painted roof."""
    if face >= 4:
        return r, g, b, 0.10
    along = face >= 2
    first, last, at = (low[0], high[0], x) if along else (low[1], high[1], y)
    glass = band(at, first + 0.07, last - 0.07, w)
    if along:
        middle = (first + last) / 2
        glass -= band(at, middle - 0.05, middle + 0.05, w)
    glass = max(0.0, glass) * band(z, low[2] + 0.04, high[2] - 0.05, w)
    return (*mix(r, g, b, 0.018, 0.021, 0.024, glass), 0.10 + 0.35 * glass)


@njit(cache=True, nogil=True)
@no_type_check
def coach(face, x, y, z, low, high, r, g, b, w):
    """Buses and cabs: a windscreen, a row of side windows, lights."""
    if face >= 4:
        return r, g, b, 0.08
    rise = high[2] - low[2]
    v, wv = (z - low[2]) / rise, w / rise
    lamp = 0.0
    if face >= 2:
        glass = band(v, 0.44, 0.86, wv) * pulses(x - low[0], 1.45, 0.07, 1.38, w)
        glass *= band(x, low[0] + 0.15, high[0] - 0.15, w)
        stripe = band(v, 0.34, 0.38, wv)
        r, g, b = mix(r, g, b, 0.6, 0.6, 0.58, stripe)
    else:
        reach = (high[1] - low[1]) / 2
        glass = band(v, 0.40 if face == 1 else 0.55, 0.88, wv) * band(
            y, -reach * 0.9, reach * 0.9, w
        )
        lamp = band(abs(y), reach * 0.66, reach * 0.92, w) * band(v, 0.10, 0.19, wv)
    r, g, b = mix(r, g, b, 0.02, 0.023, 0.027, glass)
    if face == 1:
        r, g, b = mix(r, g, b, 0.85, 0.85, 0.8, lamp)
    else:
        r, g, b = mix(r, g, b, 0.5, 0.015, 0.012, lamp)
    return r, g, b, 0.08 + 0.35 * glass


@njit(cache=True, nogil=True)
@no_type_check
def leaves(face, x, y, z, r, g, b, w, seed):
    """Clumps of three sizes."""
    u, v = (y, z) if face < 2 else ((x, z) if face < 4 else (x, y))
    tone = 1.0 + 0.7 * fading_noise(u, v, 0.9, w, seed + face)
    tone += 0.9 * fading_noise(u, v, 0.28, w, seed + 7 + face)
    tone += 0.7 * fading_noise(u, v, 0.1, w, seed + 13 + face)
    warm = 1.0 + 0.25 * fading_noise(u, v, 0.6, w, seed + 29)
    return r * tone * warm, g * tone, b * tone, 0.0


@njit(cache=True, nogil=True)
@no_type_check
def part_colour(kind, style, face, x, y, z, low, high, r, g, b, w, slope_u, slope_v, cosine, seed):
    """Colour of a part at a point of its object's frame; ``w`` is the footprint across [m]."""
    if kind == FACADE:
        if face >= 4:
            return r * 0.55, g * 0.55, b * 0.55, 0.0
        wide, u = (high[0] - low[0], x - low[0]) if face >= 2 else (high[1] - low[1], y - low[1])
        return facade(
            u, z, wide, high[2], style, r, g, b, w / cosine, w * 1.2, slope_u, slope_v, seed
        )
    if kind == BODY:
        return car_body(face, x, y, z, low, high, r, g, b, w)
    if kind == GLASS:
        return cabin(face, x, y, z, low, high, r, g, b, w)
    if kind == COACH:
        return coach(face, x, y, z, low, high, r, g, b, w)
    if kind == LEAVES:
        return leaves(face, x, y, z, r, g, b, w, seed)
    if kind == STRIPES:
        across = (y if face < 2 else x) + z
        share = pulses(across, 0.5, 0.0, 0.25, w * 1.4)
        return (*mix(r, g, b, 0.62, 0.62, 0.6, share), 0.0)
    if kind == HUB and 2 <= face < 4:
        middle_x, middle_z = (low[0] + high[0]) / 2, (low[2] + high[2]) / 2
        out = math.sqrt((x - middle_x) ** 2 + (z - middle_z) ** 2)
        share = min(1.0, max(0.0, ((high[0] - low[0]) * 0.27 - out) / w + 0.5))
        return (*mix(r, g, b, 0.32, 0.32, 0.33, share), 0.0)
    return r, g, b, 0.0


@njit(cache=True, nogil=True)
@no_type_check
def paint_share(paint, bins, x, y, wx, wy):
    """Share of a footprint under paint, and which share of that paint is yellow."""
    share, yellow = 0.0, 0.0
    cell = int(math.floor((x - bins[0]) / PAINT_BIN_M)) + 1
    if cell < 1 or cell >= len(bins) - 1:
        return share, yellow
    for row in range(int(bins[cell]), int(bins[cell + 1])):
        part = band(x, paint[row, 0], paint[row, 2], wx) * band(y, paint[row, 1], paint[row, 3], wy)
        share += part
        yellow += part * paint[row, 4]
    return min(1.0, share), (yellow / share if share > 0 else 0.0)


@njit(cache=True, nogil=True)
@no_type_check
def on_paint(paint, bins, x, y):
    """Whether a point lies on paint; low edges belong to it, high ones do not."""
    cell = int(math.floor((x - bins[0]) / PAINT_BIN_M)) + 1
    if cell < 1 or cell >= len(bins) - 1:
        return False
    for row in range(int(bins[cell]), int(bins[cell + 1])):
        if paint[row, 0] <= x < paint[row, 2] and paint[row, 1] <= y < paint[row, 3]:
            return True
    return False


@njit(cache=True, nogil=True)
@no_type_check
def road_colour(section, kerb, paint, bins, x, y, w, wx, wy):
    """Asphalt with patches and tyre tracks, bays of setts, paint with a little wear."""
    edge = section[0]
    base = 1.0 + 0.35 * fading_noise(x, y * 2, 7.0, w, 3) + 0.25 * fading_noise(x, y, 1.1, w, 4)
    base += 0.35 * fading_noise(x, y, 0.16, w, 6)
    r, g, b = 0.070 * base, 0.071 * base, 0.074 * base
    if abs(y) > edge:
        r, g, b = 0.105 * base, 0.101 * base, 0.096 * base
        joint = pulses(x, 0.22, 0.0, 0.02, wx)
        r, g, b = mix(r, g, b, r * 0.6, g * 0.6, b * 0.6, joint)
    else:
        lane = section[1]
        track = abs(abs(abs(y) % lane - lane / 2) - 0.78)
        r, g, b = mix(r, g, b, r * 0.82, g * 0.82, b * 0.82, max(0.0, 1 - track / 0.4) * 0.7)
    gutter = band(y, kerb[0], kerb[0] + 0.3, wy) + band(y, kerb[1] - 0.3, kerb[1], wy)
    r, g, b = mix(r, g, b, 0.15, 0.148, 0.14, min(1.0, gutter))
    share, yellow = paint_share(paint, bins, x, y, wx, wy)
    share *= 0.88 + 0.5 * fading_noise(x, y, 0.3, w, 9)
    share = min(1.0, max(0.0, share))
    return (*mix(r, g, b, 0.60, 0.60 - 0.2 * yellow, 0.58 - 0.5 * yellow, share), 0.0)


@njit(cache=True, nogil=True)
@no_type_check
def verge_colour(section, kerb, x, y, w, wx, wy):
    """Kerb stones, flags of pavement, then grass."""
    out, pavement = (kerb[0] - y, section[2]) if y < kerb[0] else (y - kerb[1], section[3])
    tone = 1.0 + 0.22 * fading_noise(x, y, 0.8, w, 21) + 0.12 * fading_noise(x, y, 5.0, w, 22)
    stone = 0.27 * tone
    if out < pavement:
        i, j = int(math.floor(x / 0.6)), int(math.floor(y / 0.6))
        near = min(1.0, max(0.0, 1.5 - w / 0.6))
        stone *= 1.0 + (hash01(i, j, 23) - 0.5) * 0.22 * near
        joint = pulses(x, 0.6, 0.0, 0.025, wx) + pulses(y, 0.6, 0.0, 0.025, wy)
        r, g, b = stone, stone * 0.965, stone * 0.91
        r, g, b = mix(r, g, b, 0.12, 0.115, 0.11, min(1.0, joint))
        kerbstone = band(out, -1.0, 0.16, wy)
        return (*mix(r, g, b, 0.34, 0.335, 0.325, kerbstone), 0.0)
    tone = 1.0 + 0.5 * fading_noise(x, y, 3.0, w, 31) + 0.6 * fading_noise(x, y, 0.35, w, 32)
    tone += 0.7 * fading_noise(x, y, 0.08, w, 33)
    return 0.085 * tone, 0.145 * tone, 0.042 * tone, 0.0

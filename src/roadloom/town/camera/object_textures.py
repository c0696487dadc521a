"""All that ends on vehicles, people, street furniture and plants."""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import band, fading_noise, glyphs, hash01, mix, pulses, ramp
from roadloom.town.camera.paintwork import paintwork
from roadloom.town.camera.points import COS, GX, WIDE, WU, WV, U, V
from roadloom.town.camera.signs import sign, signal_lamp
from roadloom.town.camera.skin import put
from roadloom.town.camera.tables import STYLE, TINT
from roadloom.town.mesh.materials import (
    BARK,
    CLOTH,
    GLASS,
    HEADLAMP,
    HEDGE,
    LEAF,
    MESHWORK,
    METAL,
    PAINTWORK,
    PLAIN,
    PLATE,
    RUBBER,
    SIGN_FACE,
    SIGNAL_LAMP,
    SKIN,
    STREET_LAMP,
    STRIPES,
    TAILLAMP,
    WOOD,
)


@njit(cache=True, nogil=True)
@no_type_check
def skin_objects(  # noqa: C901
    rows, material, dusk, wet, lit, brakes, signals, triangle, actor, points, skin
):
    """All rays that end on things with few patterns of their own. ``lit``: drivers have their
    lights on; ``brakes``: which movers brake."""
    for k in range(len(triangle)):
        t = triangle[k]
        if t < 0:
            continue
        kind = material[t]
        row, p = rows[t], points[k]
        r, g, b = row[TINT], row[TINT + 1], row[TINT + 2]
        s0, s1 = row[STYLE], row[STYLE + 1]
        if kind == PLAIN:
            w = p[WIDE]
            grain = 1.0 + s0 * 0.5 * fading_noise(p[3] * 0 + p[0] + p[2], p[1] - p[2], 0.07, w, 5)
            put(
                skin,
                k,
                r * grain,
                g * grain,
                b * grain,
                0.04 * s1,
                0.5 * s1 + 0.04,
                0,
                0,
                0,
                1,
                0,
                0,
            )
        elif kind == LEAF:
            tone = (0.62 + 0.62 * s0) * (0.60 + 0.4 * s1)
            if s1 < 0.5:
                # Deep inside a crown: clumps of leaves and gaps between them.
                x, y, w = p[0], p[1], p[WIDE]
                if abs(p[6]) > max(abs(p[7]), abs(p[8])):
                    x = p[2]
                elif abs(p[7]) > abs(p[8]):
                    y = p[2]
                clumps = 0.5 * fading_noise(x, y, 0.30, w, 21)
                clumps += 1.0 * fading_noise(x, y, 0.10, w, 22)
                clumps += 0.8 * fading_noise(x, y, 0.05, w, 23)
                tone *= 0.34 + 0.90 * ramp(clumps, -0.20, 0.50)
            warm = 1.0 + 0.35 * (hash01(int(s0 * 4096), 3, 1) - 0.5)
            put(
                skin,
                k,
                r * tone * warm,
                g * tone,
                b * tone,
                0.01,
                0.10 + 0.2 * wet,
                0,
                0,
                0,
                1,
                0.42,
                0,
            )
        elif kind == BARK:
            w = p[WU] + p[WV]
            tone = (
                1.0
                + 0.7 * fading_noise(p[U] * 4.0, p[V], 0.3, w, 7)
                + 0.4 * fading_noise(p[U] * 3, p[V], 0.08, w, 8)
            )
            put(skin, k, r * tone, g * tone, b * tone, 0.0, 0.02, 0, 0, 0, 1, 0, 0)
        elif kind == GLASS:
            tint = 0.25 + 0.75 * s0
            see = (1 - s0) * 0.035
            put(
                skin,
                k,
                0.010 + see,
                0.011 + see,
                0.012 + see,
                0.075,
                0.95,
                0,
                0,
                0,
                1 - 0.5 * tint,
                0,
                0,
            )
        elif kind == RUBBER:
            put(skin, k, r, g, b, 0.01, 0.06, 0, 0, 0, 1, 0, 0)
        elif kind == METAL:
            tone = 1 - 0.65 * s0
            put(
                skin,
                k,
                r * tone,
                g * tone,
                b * tone,
                0.04 + 0.55 * s0,
                0.12 + 0.5 * s0,
                0,
                0,
                0,
                1,
                0,
                0,
            )
        elif kind == HEADLAMP:
            on = 1.0 if s0 > 0 or (lit > 0 and actor[k] >= 0) else 0.0
            glow = on * (2.4 if dusk > 0 else 1.6)
            put(skin, k, 0.30, 0.31, 0.32, 0.12, 0.8, glow, glow * 0.96, glow * 0.86, 1, 0, 0)
        elif kind == TAILLAMP:
            on = 1.0 if s0 > 0 else (0.45 if lit > 0 and actor[k] >= 0 else 0.0)
            if actor[k] >= 0 and brakes[actor[k]]:
                on = 1.5
            put(
                skin,
                k,
                max(r, 0.20),
                g * 0.6,
                b * 0.6,
                0.05,
                0.7,
                1.3 * on,
                0.06 * on,
                0.04 * on,
                1,
                0,
                0,
            )
        elif kind == CLOTH:
            tone = 1.0 + 0.2 * fading_noise(p[0] + p[1], p[2], 0.11, p[WIDE], 9)
            if s0 > 0:
                strip = 0.0
                if p[V] != 0.0:
                    strip = pulses(p[V], 0.28, 0.0, 0.055, p[WV])
                r, g, b = mix(r, g, b, 0.62, 0.62, 0.60, strip)
            put(skin, k, r * tone, g * tone, b * tone, 0.0, 0.03, 0, 0, 0, 1, 0, 0)
        elif kind == SKIN:
            if s0 > 0:
                r, g, b = _face(p[U], p[V], max(p[WU], p[WV]), r, g, b)
            put(skin, k, r, g, b, 0.01, 0.08, 0, 0, 0, 1, 0.08, 0)
        elif kind == STRIPES:
            share = pulses(
                p[V] + s1 * p[U], 2 * max(s0, 0.01), 0.0, max(s0, 0.01), p[WV] + abs(s1) * p[WU]
            )
            r, g, b = mix(r, g, b, 0.60, 0.60, 0.58, share)
            put(skin, k, r, g, b, 0.02, 0.2, 0, 0, 0, 1, 0, 0)
        elif kind == SIGNAL_LAMP:
            signal_lamp(row, signals, dusk, p, skin, k)
        elif kind == STREET_LAMP:
            glow = 3.2 * dusk
            put(skin, k, 0.45, 0.45, 0.42, 0.04, 0.4, glow, glow * 0.80, glow * 0.50, 1, 0, 0)
        elif kind == WOOD:
            w = p[WU] + p[WV]
            tone = (
                1.0
                + 0.5 * fading_noise(p[U] * 0.1, p[V], 0.02, w, 11)
                + 0.25 * fading_noise(p[U], p[V], 0.4, w, 12)
            )
            put(skin, k, r * tone, g * tone, b * tone, 0.006, 0.06, 0, 0, 0, 1, 0, 0)
        elif kind == HEDGE:
            _hedge(row, p, skin, k)
        elif kind == MESHWORK:
            put(skin, k, r, g, b, 0.02, 0.15, 0, 0, 0, 1, 0, 0)
        elif kind == PAINTWORK:
            paintwork(row, wet, p, skin, k)
        elif kind == PLATE:
            ink = glyphs(p[U] - 0.07, p[V] - 0.025, 0.065, int(s0), max(p[WU], p[WV])) * band(
                p[U], 0.06, 0.46, p[WU]
            )
            r, g, b = mix(r, g, b, 0.02, 0.02, 0.025, ink)
            put(skin, k, r, g, b, 0.02, 0.2, 0.10 * dusk, 0.10 * dusk, 0.09 * dusk, 1, 0, 0)
        elif kind == SIGN_FACE:
            sign(row, dusk, p, skin, k)


@njit(cache=True, nogil=True)
@no_type_check
def _hedge(row, p, skin, k):
    w, seed = p[WIDE] / max(p[COS], 0.2), int(row[STYLE])
    gx, gy, gz = p[GX], p[GX + 1], p[GX + 2]
    if abs(gz) > 0.75:
        u, v = p[0], p[1]
    else:
        flat = math.sqrt(gx * gx + gy * gy)
        u, v = (gx * p[1] - gy * p[0]) / flat, p[2]
    tone = (
        1.0 + 0.6 * fading_noise(u, v, 0.6, w, seed) + 0.9 * fading_noise(u, v, 0.16, w, seed + 1)
    )
    tone += 1.1 * fading_noise(u, v, 0.05, w, seed + 2)
    tone = max(tone, 0.15)
    warm = 1.0 + 0.4 * fading_noise(u, v, 0.3, w, seed + 3)
    put(
        skin,
        k,
        row[TINT] * tone * warm,
        row[TINT + 1] * tone,
        row[TINT + 2] * tone,
        0.0,
        0.06,
        0,
        0,
        0,
        1,
        0.15,
        0,
    )


@njit(cache=True, nogil=True)
@no_type_check
def _face(x, y, w, r, g, b):
    """Brows, eyes, cheeks and mouth; 1 in x and y is the head's half width and half height."""
    side = abs(x)
    cheeks = 0.5 * band(side, 0.30, 0.75, max(w, 0.2)) * band(y, -0.45, -0.10, max(w, 0.2))
    r, g, b = mix(r, g, b, r * 1.05, g * 0.86, b * 0.84, cheeks)
    sockets = band(side, 0.18, 0.62, w) * band(y, -0.02, 0.22, max(w, 0.1))
    r, g, b = mix(r, g, b, r * 0.72, g * 0.66, b * 0.64, 0.7 * sockets)
    brows = band(side, 0.16, 0.62, w) * band(y, 0.20, 0.28, w)
    r, g, b = mix(r, g, b, 0.05, 0.035, 0.025, 0.7 * brows)
    eyes = band(side, 0.28, 0.50, w) * band(y, 0.03, 0.13, w)
    r, g, b = mix(r, g, b, 0.035, 0.028, 0.024, 0.85 * eyes)
    mouth = band(side, -1.0, 0.28, w) * band(y, -0.52, -0.43, w)
    return mix(r, g, b, r * 0.62, g * 0.36, b * 0.34, mouth)

"""Traffic signs and lights: symbols drawn on plates, bulbs that show a state."""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import band, clip01, digit, disc, glyphs, mix, pulses
from roadloom.town.camera.points import OUTSIDE, WU, WV, U, V
from roadloom.town.camera.skin import put
from roadloom.town.camera.tables import STYLE, TINT


@njit(cache=True, nogil=True)
@no_type_check
def ring(x, y, radius, half, w):
    out = math.sqrt(x * x + y * y)
    return band(out, radius - half, radius + half, w)


@njit(cache=True, nogil=True)
@no_type_check
def signal_lamp(row, signals, dusk, p, skin, k):
    signal, bulb, walker = int(row[STYLE]), int(row[STYLE + 1]), row[STYLE + 2] > 0.5
    lit = 0 <= signal < len(signals) and signals[signal] == bulb
    # Nothing tells people to hurry: their red stays on while cars' lights are amber.
    if walker and 0 <= signal < len(signals) and signals[signal] == 1 and bulb == 0:
        lit = True
    cr, cg, cb = (
        (1.0, 0.05, 0.03) if bulb == 0 else ((1.0, 0.45, 0.03) if bulb == 1 else (0.06, 0.95, 0.42))
    )
    x, y, w = p[U], p[V], max(p[WU], 1e-3)
    shape = 1.0
    if walker:
        head = disc(x, y - 0.06, 0.022, w)
        trunk = band(x, -0.025, 0.025, w) * band(y, -0.02, 0.035, w)
        legs = band(abs(x) - 0.03 * clip01(-y / 0.08) * (bulb == 2), -0.012, 0.022, w) * band(
            y, -0.085, -0.02, w
        )
        shape = min(1.0, head + trunk + legs) if w < 0.08 else 0.4
    if lit:
        hot = (1.5 if dusk > 0 else 2.6) * (0.25 + 0.75 * shape if walker else 1.0)
        cell = 0.82 + 0.18 * pulses(x, 0.03, 0.0, 0.015, w) if not walker else 1.0
        core = 0.25 * hot * clip01(1.0 - math.sqrt(x * x + y * y) / 0.1)
        put(
            skin,
            k,
            cr * 0.3,
            cg * 0.3,
            cb * 0.3,
            0.03,
            0.2,
            hot * cr * cell + core,
            hot * cg * cell + core,
            hot * cb * cell + core,
            1,
            0,
            0,
        )
    else:
        put(
            skin,
            k,
            0.02 + 0.06 * cr,
            0.02 + 0.05 * cg,
            0.02 + 0.05 * cb,
            0.04,
            0.5,
            0,
            0,
            0,
            1,
            0,
            0,
        )


@njit(cache=True, nogil=True)
@no_type_check
def sign(row, dusk, p, skin, k):  # noqa: C901
    """Drawn symbols on a plate; the back is bare metal."""
    if p[OUTSIDE] < 0.5:
        put(skin, k, 0.25, 0.26, 0.27, 0.05, 0.2, 0, 0, 0, 1, 0, 0)
        return
    plate, half, tall = int(row[STYLE]), max(row[STYLE + 1], 0.05), max(row[STYLE + 2], 0.05)
    number = int(row[STYLE + 3])
    x, y, w = p[U] / half, p[V] / tall, max(p[WU], p[WV]) / half
    out = math.sqrt(x * x + y * y)
    r, g, b = row[TINT], row[TINT + 1], row[TINT + 2]
    white = 0.62
    if plate == 0:
        r, g, b = 0.42, 0.016, 0.018
        octagon = max(max(abs(x), abs(y)), (abs(x) + abs(y)) / 1.4142)
        rim = band(octagon, 0.89, 0.955, w)
        ink = rim
        if abs(y) < 0.3 and abs(x) < 0.75:
            ink = max(ink, _stop(x / 0.72, (y + 0.27) / 0.54, w / 0.5))
        r, g, b = mix(r, g, b, white, white, white * 0.97, ink)
    elif plate == 1 or plate == 7:
        # A triangle: point down to give way, point up over works.
        h = -y if plate == 1 else y
        edge = (
            min(h + 0.86, (0.92 - h) * 0.56 - abs(x) * 0.98)
            if plate == 7
            else min(h + 0.86, (0.92 - h) * 0.56 - abs(x) * 0.98)
        )
        rim = clip01((0.20 - edge) / w + 0.5)
        r, g, b = mix(white, white, white * 0.97, 0.45, 0.02, 0.02, rim)
        if plate == 7:
            man = band(x + 0.3 * y, -0.09, 0.09, w) * band(y, -0.5, 0.1, w) + disc(
                x + 0.03, y - 0.18, 0.10, w
            )
            heap = clip01((0.28 - math.sqrt((x - 0.28) ** 2 + (y + 0.52) ** 2)) / w + 0.5) * (
                y > -0.56
            )
            r, g, b = mix(r, g, b, 0.02, 0.02, 0.02, min(1.0, man + heap) * (1 - rim))
    elif plate == 2:
        rim = clip01((out - 0.74) / w + 0.5)
        r, g, b = mix(white, white, white * 0.97, 0.45, 0.02, 0.02, rim)
        tens, ones = (number // 10) % 10, number % 10
        ink = digit((x + 0.52) / 0.76, (y + 0.36) / 0.72, tens, w) if number >= 10 else 0.0
        ink = max(ink, digit((x - 0.06) / 0.76, (y + 0.36) / 0.72, ones, w))
        r, g, b = mix(r, g, b, 0.02, 0.02, 0.02, ink * (1 - rim))
    elif plate == 3:
        rim = clip01((out - 0.78) / w + 0.5)
        slash = band((x + y) * 0.7071, -0.10, 0.10, w)
        r, g, b = mix(0.03, 0.09, 0.32, 0.45, 0.02, 0.02, max(rim, slash))
    elif plate == 4:
        r, g, b = 0.025, 0.085, 0.33
        edge = band(max(abs(x), abs(y)), 0.88, 0.94, w)
        stem = band(x, -0.36, -0.14, w) * band(y, -0.6, 0.6, w)
        bowl = ring(max(x, -0.1), y - 0.24, 0.26, 0.11, w) * (x > -0.14)
        bowl = max(bowl, band(abs(y - 0.24), 0.15, 0.37, w) * band(x, -0.2, 0.0, w))
        r, g, b = mix(r, g, b, white, white, white, max(edge, max(stem, bowl)))
    elif plate == 5:
        r, g, b = 0.025, 0.085, 0.33
        h = (0.86 - y) * 0.5
        inside = clip01((h * 0.92 - abs(x)) / w + 0.5) * band(y, -0.72, 0.80, w)
        man = disc(x - 0.02, y - 0.22, 0.09, w) + band(x, -0.09, 0.10, w) * band(y, -0.28, 0.12, w)
        man += band(abs(x) - 0.22 * clip01((-0.2 - y) / 0.4), -0.02, 0.09, w) * band(
            y, -0.62, -0.2, w
        )
        bars = pulses(x, 0.26, 0.0, 0.14, w) * band(y, -0.70, -0.62, w)
        r, g, b = mix(r, g, b, white, white, white, inside)
        r, g, b = mix(r, g, b, 0.02, 0.02, 0.02, min(1.0, man + bars) * inside)
    elif plate == 6 or plate == 8:
        r, g, b = (0.025, 0.085, 0.33) if plate == 8 or (number & 1) else (0.02, 0.16, 0.07)
        edge = band(max(abs(x), abs(y)), 0.90, 0.95, w)
        ax = x if plate == 8 else (x - 0.62) / 0.3
        ay = y if plate == 8 else y / 0.8
        wa = w if plate == 8 else w / 0.3
        arrow = band(ax, -0.6, 0.2, wa) * band(ay, -0.13, 0.13, wa)
        arrow = max(
            arrow, clip01(((0.66 - ax) * 0.75 - abs(ay)) / wa + 0.5) * band(ax, 0.1, 0.7, wa)
        )
        ink = max(edge, arrow)
        if plate == 6:
            for line in range(2):
                y0 = 0.12 - 0.62 * line
                ratio = half / tall
                text = glyphs((x + 0.85) * ratio, y - y0, 0.42, number + line, w * ratio) * band(
                    x, -0.85, 0.28 - 0.2 * line, w
                )
                ink = max(ink, text)
        r, g, b = mix(r, g, b, white, white, white, ink)
    elif plate == 9:
        edge = band(max(abs(x), abs(y)), 0.88, 0.95, w)
        ratio = half / tall
        ink = max(
            edge,
            glyphs((x + 0.86) * ratio, y + 0.38, 0.76, number, w * ratio) * band(x, -0.88, 0.82, w),
        )
        r, g, b = mix(0.03, 0.07, 0.20, white, white, white, ink)
    # Lamps and headlights come straight back at dusk.
    back = 0.22 * dusk
    put(skin, k, r, g, b, 0.02, 0.15, r * back, g * back, b * back, 1, 0, 0)


@njit(cache=True, nogil=True)
@no_type_check
def _stop(x, y, w):
    """The word: x from -1 to 1, y from 0 to 1."""
    i = int(math.floor((x + 1.0) * 2.0))
    if i < 0 or i > 3:
        return 0.0
    u = ((x + 1.0) * 0.5 - i * 0.25) * 4.0
    u = (u - 0.10) / 0.80
    w = w * 1.2
    top, mid, low = band(y, 0.82, 1.0, w), band(y, 0.41, 0.59, w), band(y, 0.0, 0.18, w)
    wide = band(u, 0.0, 1.0, w)
    left, right = band(u, 0.0, 0.22, w), band(u, 0.78, 1.0, w)
    all_y = band(y, 0.0, 1.0, w)
    if i == 0:
        return max(
            wide * max(top, max(mid, low)),
            max(left * band(y, 0.5, 1.0, w), right * band(y, 0.0, 0.5, w)),
        )
    if i == 1:
        return max(wide * top, band(u, 0.39, 0.61, w) * all_y)
    if i == 2:
        return max(wide * max(top, low), max(left, right) * all_y)
    return max(max(wide * max(top, mid), left * all_y), right * band(y, 0.5, 1.0, w))

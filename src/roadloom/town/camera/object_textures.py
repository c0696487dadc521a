"""Vehicles, people, street furniture, signs, lamps and plants."""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import (
    band,
    clip01,
    digit,
    disc,
    fading_noise,
    glyphs,
    hash01,
    mix,
    noise,
    pulses,
    ramp,
)
from roadloom.town.camera.points import OUTSIDE, WIDE, WU, WV, U, V
from roadloom.town.camera.skin import put
from roadloom.town.camera.tables import STYLE, TINT
from roadloom.town.mesh import materials

PLAIN, BARK, LEAF, PAINTWORK = (
    materials.PLAIN, materials.BARK, materials.LEAF, materials.PAINTWORK
)  # fmt: skip
GLASS, RUBBER, METAL, HEADLAMP = (
    materials.GLASS, materials.RUBBER, materials.METAL, materials.HEADLAMP
)  # fmt: skip
TAILLAMP, PLATE, CLOTH, SKIN = (
    materials.TAILLAMP, materials.PLATE, materials.CLOTH, materials.SKIN
)  # fmt: skip
STRIPES, SIGN_FACE, SIGNAL_LAMP = materials.STRIPES, materials.SIGN_FACE, materials.SIGNAL_LAMP
STREET_LAMP, WOOD, HEDGE, MESHWORK = (
    materials.STREET_LAMP, materials.WOOD, materials.HEDGE, materials.MESHWORK
)  # fmt: skip


@njit(cache=True, nogil=True)
@no_type_check
def skin_objects(rows, material, dusk, wet, signals, triangle, actor, points, skin):
    """All rays that end on things with few patterns of their own."""
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
            tone = (0.62 + 0.62 * s0) * (0.50 + 0.5 * s1)
            if s1 < 0.5:
                # Deep inside a crown: clumps of leaves and gaps between them.
                x, y, w = p[0], p[1], p[WIDE]
                if abs(p[6]) > max(abs(p[7]), abs(p[8])):
                    x = p[2]
                elif abs(p[7]) > abs(p[8]):
                    y = p[2]
                leaves = 0.9 * fading_noise(x, y, 0.42, w, 21) + 1.1 * fading_noise(
                    x, y, 0.15, w, 22
                )
                tone *= max(0.2, 0.8 + 1.2 * leaves)
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
                0.055,
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
            on = 1.0 if s0 > 0 or (dusk > 0 and actor[k] >= 0) else 0.0
            glow = on * (2.2 if dusk > 0 else 0.9)
            put(skin, k, 0.30, 0.31, 0.32, 0.12, 0.8, glow, glow * 0.96, glow * 0.86, 1, 0, 0)
        elif kind == TAILLAMP:
            on = 1.0 if s0 > 0 else (0.5 if dusk > 0 and actor[k] >= 0 else 0.0)
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
            put(skin, k, r, g, b, 0.01, 0.08, 0, 0, 0, 1, 0.08, 0)
        elif kind == STRIPES:
            share = pulses(
                p[V] + s1 * p[U], 2 * max(s0, 0.01), 0.0, max(s0, 0.01), p[WV] + abs(s1) * p[WU]
            )
            r, g, b = mix(r, g, b, 0.60, 0.60, 0.58, share)
            put(skin, k, r, g, b, 0.02, 0.2, 0, 0, 0, 1, 0, 0)
        elif kind == SIGNAL_LAMP:
            _signal_lamp(row, signals, dusk, p, skin, k)
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
            _paintwork(row, wet, p, skin, k)
        elif kind == PLATE:
            ink = glyphs(p[U] - 0.07, p[V] - 0.025, 0.065, int(s0), max(p[WU], p[WV])) * band(
                p[U], 0.06, 0.46, p[WU]
            )
            r, g, b = mix(r, g, b, 0.02, 0.02, 0.025, ink)
            put(skin, k, r, g, b, 0.02, 0.2, 0.10 * dusk, 0.10 * dusk, 0.09 * dusk, 1, 0, 0)
        elif kind == SIGN_FACE:
            _sign(row, dusk, p, skin, k)


@njit(cache=True, nogil=True)
@no_type_check
def _paintwork(row, wet, p, skin, k):
    """Seams, handles, sills and arches on the sides; dust below."""
    x, z, w = p[U], p[V], 0.5 * (p[WU] + p[WV])
    r, g, b = row[TINT], row[TINT + 1], row[TINT + 2]
    body, length, high, seed = int(row[STYLE]), row[STYLE + 1], row[STYLE + 2], int(row[STYLE + 3])
    mirror, dark = 0.045, 0.0
    if row[STYLE + 4] > 0.5 and body <= 1:
        radius = 0.225 * high if body == 0 else 0.195 * high
        front, rear = 0.305 * length, -0.300 * length
        belt, sill = 0.62 * high, 0.20 * high
        doors = band(z, sill, 0.66 * high, w)
        hinge, split = 0.175 * length, -0.045 * length
        end = -0.225 * length if body == 0 else -0.19 * length
        # The rear door ends along the arch.
        seam = band(x, hinge - 0.006, hinge + 0.006, w) + band(x, split - 0.006, split + 0.006, w)
        seam += band(x + 0.16 * max(0.0, z / high - 0.35) * length, end - 0.006, end + 0.006, w)
        line = band(z, sill - 0.006, sill + 0.006, w) * band(x, end, hinge, w)
        dark = clip01(seam) * doors + line
        crease = band(z, 0.50 * high, 0.508 * high, w) * band(x, -0.44 * length, 0.40 * length, w)
        r, g, b = mix(r, g, b, r * 0.7, g * 0.7, b * 0.7, crease)
        for first in (split + 0.09, end + 0.10):
            grip = band(x, first, first + 0.17, w) * band(z, 0.555 * high, 0.575 * high, w)
            under = band(x, first - 0.01, first + 0.18, w) * band(z, 0.540 * high, 0.555 * high, w)
            dark += 0.8 * under
            r, g, b = mix(r, g, b, r * 1.2 + 0.02, g * 1.2 + 0.02, b * 1.2 + 0.02, grip)
        flap = _ring(x + 0.37 * length, z - 0.52 * high, 0.085, 0.006, w)
        dark += 0.7 * flap * (seed & 1)
        for axle in (front, rear):
            dx, dz = x - axle, z - radius
            out = math.sqrt(dx * dx + dz * dz)
            arch = clip01((radius * 1.17 - out) / w + 0.5)
            lip = band(out, radius * 1.17, radius * 1.17 + 0.03, w)
            dark = max(dark, arch)
            r, g, b = mix(r, g, b, r * 0.75, g * 0.75, b * 0.75, lip)
        plastic = band(z, -1.0, 0.165 * high, w)
        r, g, b = mix(r, g, b, 0.028, 0.028, 0.029, plastic)
        mirror *= 1 - 0.7 * plastic
        if belt < z < 0.66 * high:
            r, g, b = mix(r, g, b, 0.02, 0.02, 0.02, band(z, 0.652 * high, 0.664 * high, w))
    elif row[STYLE + 4] > 0.5:
        joint = pulses(x, 1.45, 0.0, 0.014, w) * (0.5 if body == 2 else 0.3)
        dark = joint
        skirt = band(z, -1.0, 0.13 * high, w)
        r, g, b = mix(r, g, b, r * 0.5, g * 0.5, b * 0.5, skirt)
        if body == 2:
            strip = band(z, 0.32 * high, 0.345 * high, w)
            r, g, b = mix(r, g, b, 0.5, 0.5, 0.48, strip)
    r, g, b = mix(r, g, b, 0.010, 0.010, 0.011, 0.85 * clip01(dark))
    mirror *= 1 - clip01(dark)
    dust = ramp(0.42 * high - z, 0.0, 0.42 * high) * (
        0.25 + 0.5 * noise(x / 0.5, z / 0.2, seed & 1023)
    )
    dust *= 0.20 + 0.35 * hash01(seed, 3, 3)
    r, g, b = mix(r, g, b, 0.13, 0.12, 0.105, clip01(dust))
    mirror *= 1 - 0.6 * clip01(dust)
    put(skin, k, r, g, b, mirror, 0.75 * (1 - 0.6 * clip01(dust)), 0, 0, 0, 1, 0, 0)


@njit(cache=True, nogil=True)
@no_type_check
def _ring(x, y, radius, half, w):
    out = math.sqrt(x * x + y * y)
    return band(out, radius - half, radius + half, w)


@njit(cache=True, nogil=True)
@no_type_check
def _signal_lamp(row, signals, dusk, p, skin, k):
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
def _hedge(row, p, skin, k):
    u, v, w, seed = p[U], p[V], 0.5 * (p[WU] + p[WV]), int(row[STYLE])
    if u == 0.0 and v == 0.0:
        u, v = p[0] + p[1], p[2]
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
def _sign(row, dusk, p, skin, k):  # noqa: C901
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
        bowl = _ring(max(x, -0.1), y - 0.24, 0.26, 0.11, w) * (x > -0.14)
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

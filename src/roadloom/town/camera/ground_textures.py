"""Road, pavement, kerbs and grass."""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import (
    band,
    clip01,
    disc,
    fading_noise,
    hash01,
    mix,
    noise,
    pulses,
    ramp,
)
from roadloom.town.camera.paint import ground_at
from roadloom.town.camera.points import COS, PX, SU, SV, WIDE, WU, WV, U, V
from roadloom.town.camera.skin import put
from roadloom.town.camera.tables import GRAD_U, GRAD_V, STYLE, TINT
from roadloom.town.mesh.materials import GRASS, KERB, PAVEMENT, ROAD


@njit(cache=True, nogil=True)
@no_type_check
def skin_ground(rows, material, grid, wet, seed, triangle, points, skin):
    """All rays that end on the ground."""
    for k in range(len(triangle)):
        t = triangle[k]
        if t < 0:
            continue
        kind = material[t]
        if kind == ROAD:
            _road(rows[t], grid, wet, seed, points[k], skin, k)
        elif kind == PAVEMENT:
            _pavement(rows[t], grid, wet, seed, points[k], skin, k)
        elif kind == KERB:
            _kerb(rows[t], wet, seed, points[k], skin, k)
        elif kind == GRASS:
            _grass(rows[t], wet, seed, points[k], skin, k)


@njit("f8(f8, f8, f8, f8, i8)", cache=True, nogil=True)
@no_type_check
def puddle(x, y, width, wet, seed):
    """Share of standing water; the wetter the more."""
    if wet < 0.05:
        return 0.0
    level = 0.62 * noise(x / 5.3, y / 5.3, seed + 71) + 0.38 * noise(x / 1.7, y / 1.7, seed + 72)
    level += 0.05 * fading_noise(x, y, 0.3, width, seed + 73)
    edge = 0.84 - 0.26 * wet
    return ramp(level, edge, edge + 0.05 + min(0.2, width))


@njit(cache=True, nogil=True)
@no_type_check
def _road(row, grid, wet, seed, p, skin, k):
    x, y, wu, wv = p[U], p[V], p[WU], p[WV]
    w = 0.5 * (min(wu, wv) + max(wu, wv))
    # Footprint as two vectors: along the view on the plan, and across it.
    slope = math.sqrt(p[SU] * p[SU] + p[SV] * p[SV])
    cx, cy = (p[SU] / slope, p[SV] / slope) if slope > 1e-6 else (1.0, 0.0)
    long = p[WIDE] / p[COS]
    white, yellow, aside, half, along, kerb = ground_at(
        grid, x, y, cx * long, cy * long, -cy * p[WIDE], cx * p[WIDE]
    )
    c, s = row[STYLE + 1], row[STYLE + 2]
    if c * c + s * s < 0.25:
        c, s = 1.0, 0.0
    a, b = c * x + s * y, c * y - s * x
    tone = 1.0 + 0.30 * fading_noise(a * 0.35, b, 3.1, w * 0.5, seed + 1)
    tone += 0.22 * fading_noise(x, y, 0.9, w, seed + 2)
    tone += 0.34 * fading_noise(x, y, 0.11, w, seed + 3)
    tone += 0.45 * fading_noise(x, y, 0.045, w, seed + 5)
    tone += 0.95 * fading_noise(x, y, 0.018, w, seed + 4)
    # Newer and older strips of asphalt, with a sealed edge.
    lot_a, lot_b = a / 14.0, b / 3.4
    i, j = int(math.floor(lot_a)), int(math.floor(lot_b))
    patch = hash01(i, j, seed + 6)
    if patch < 0.20:
        fa, fb = (lot_a - i) * 14.0, (lot_b - j) * 3.4
        la, lb = 1.0 + 9.0 * hash01(i, j, seed + 7), 0.5 + 2.2 * hash01(i, j, seed + 8)
        inside = band(fa, 1.0, 1.0 + la, max(w, 0.03)) * band(fb, 0.5, 0.5 + lb, max(w, 0.03))
        inner = band(fa, 1.05, 0.95 + la, max(w, 0.03)) * band(fb, 0.55, 0.45 + lb, max(w, 0.03))
        tone *= 1.0 + inside * (0.36 * hash01(i, j, seed + 9) - 0.24)
        tone *= 1.0 - 0.5 * max(0.0, inside - inner)
    # Polished by tyres, stained by oil between them.
    if abs(aside) < half:
        track = abs(abs(aside) - 0.76)
        worn = ramp(0.42 - track, 0.0, 0.36) * (0.6 + 0.8 * noise(along / 11.0, aside, seed + 10))
        tone *= 1.0 - 0.13 * worn
        oil = ramp(0.55 - abs(aside), 0.0, 0.5)
        tone *= 1.0 - 0.10 * oil * noise(a / 5.0, b / 1.0, seed + 11)
    r, g, b_ = row[TINT] * tone, row[TINT + 1] * tone, row[TINT + 2] * tone
    # Cracks: zero lines of a noise, where another one says so; some are sealed with tar.
    if w < 0.12:
        where = noise(x / 7.0, y / 7.0, seed + 12)
        if where > 0.52:
            # Longer than wide, along the road or across it.
            cross = hash01(int(math.floor(x / 19.0)), int(math.floor(y / 19.0)), 5) < 0.35
            long, short = (b / 9.0, a / 3.1) if cross else (a / 11.0, b / 2.3)
            line = noise(long, short, seed + 13) + 0.05 * noise(a / 0.3, b / 0.3, seed + 14)
            near = abs(line - 0.52) * (3.6 if cross else 2.7)
            sealed = hash01(int(math.floor(x / 19.0)), int(math.floor(y / 19.0)), 3) < 0.4
            thick = 0.028 if sealed else 0.009
            crack = clip01((thick + w * 0.4 - near) / (w + 0.004)) * thick / (thick + w * 0.4)
            r, g, b_ = mix(r, g, b_, 0.022, 0.022, 0.023, 0.75 * crack * ramp(where, 0.52, 0.6))
    # Manholes and gully covers.
    mi, mj = int(math.floor(a / 23.0)), int(math.floor(b / 9.0))
    if hash01(mi, mj, seed + 15) < 0.5:
        ma = a - (mi + 0.2 + 0.6 * hash01(mi, mj, seed + 16)) * 23.0
        mb = b - (mj + 0.2 + 0.6 * hash01(mi, mj, seed + 17)) * 9.0
        if ma * ma + mb * mb < 0.5:
            out = math.sqrt(ma * ma + mb * mb)
            rim = disc(ma, mb, 0.40, w)
            lid = disc(ma, mb, 0.315, w)
            r, g, b_ = mix(r, g, b_, 0.035, 0.034, 0.033, rim - lid)
            knob = pulses(ma, 0.07, 0.0, 0.035, w) * pulses(mb, 0.07, 0.0, 0.035, w)
            iron = 0.045 + 0.07 * knob + 0.03 * band(out, 0.27, 0.3, w)
            r, g, b_ = mix(r, g, b_, iron * 1.05, iron, iron * 0.93, lid)
    # Dirt and a darker run of water along the kerb.
    if kerb < 0.8:
        dirt = ramp(0.34 - kerb, 0.0, 0.3) * (0.45 + 0.7 * noise(a / 1.9, b / 0.4, seed + 18))
        r, g, b_ = mix(r, g, b_, 0.050, 0.046, 0.040, min(1.0, 0.75 * dirt))
        speck = ramp(noise(x / 0.05, y / 0.05, seed + 19), 0.72, 0.8) * clip01(1 - w / 0.05)
        r, g, b_ = mix(r, g, b_, 0.16, 0.11, 0.05, 0.5 * speck * ramp(0.3 - kerb, 0.0, 0.2))
    total = min(1.0, white + yellow)
    if total > 0:
        wear = 0.90 + 0.45 * fading_noise(x, y, 1.3, w, seed + 20)
        wear += 0.55 * fading_noise(x, y, 0.12, w, seed + 21)
        wear += 0.5 * fading_noise(x, y, 0.03, w, seed + 22)
        if abs(aside) < half:
            wear -= 0.22 * ramp(0.4 - abs(abs(aside) - 0.76), 0.0, 0.3)
        cover = total * clip01(0.55 + 0.8 * (wear - 0.5))
        yellow /= max(total, 1e-6)
        grime = 0.92 + 0.2 * fading_noise(x, y, 2.2, w, seed + 23)
        r, g, b_ = mix(
            r, g, b_, 0.56 * grime, (0.55 - 0.17 * yellow) * grime, (0.52 - 0.43 * yellow) * grime,
            cover,
        )  # fmt: skip
    if wet > 0:
        water = puddle(x, y, w, wet, seed)
        damp = wet * (0.75 + 0.5 * noise(x / 2.7, y / 2.7, seed + 24))
        dark = 1.0 - 0.52 * clip01(damp)
        dark = min(dark, 1.0 - 0.62 * water)
        mirror = 0.02 * clip01(damp)
        put(
            skin, k, r * dark, g * dark, b_ * dark, mirror + 0.012 * water,
            0.52 * clip01(damp) + 0.46 * water, 0, 0, 0, 1, 0, water,
        )  # fmt: skip
    else:
        put(skin, k, r, g, b_, 0.006, 0.10, 0, 0, 0, 1, 0, 0)


@njit(cache=True, nogil=True)
@no_type_check
def _pavement(row, grid, wet, seed, p, skin, k):
    u, v, wu, wv = p[U], p[V], p[WU], p[WV]
    if not _even(row):
        u, v = p[PX], p[PX + 1]
        wu = wv = p[WIDE] / max(p[COS], 0.05)
    w = 0.5 * (wu + wv)
    edge = max(row[STYLE], 0.2)
    long = edge * 1.5
    course = int(math.floor(v / edge))
    shift = 0.5 * long * (course & 1)
    slab = int(math.floor((u + shift) / long))
    near = clip01(1.5 - w / edge)
    pick = hash01(slab, course, seed + 31)
    tone = 1.0 + 0.20 * (pick - 0.5) * near
    if hash01(slab, course, seed + 32) < 0.05:
        tone *= 1.0 - 0.14 * near
    tone += 0.30 * fading_noise(u, v, 2.7, w, seed + 33)
    tone += 0.20 * fading_noise(u, v, 0.7, w, seed + 34)
    tone += 0.16 * fading_noise(u, v, 0.06, w, seed + 35)
    r, g, b = row[TINT] * tone, row[TINT + 1] * tone, row[TINT + 2] * tone
    warm = 0.06 * (hash01(slab, course, seed + 36) - 0.5) * near
    r, b = r * (1 + warm), b * (1 - warm)
    joint = pulses(u + shift, long, 0.0, 0.012, wu) + pulses(v, edge, 0.0, 0.012, wv)
    moss = 0.6 + 0.8 * noise(u / 3.3, v / 3.3, seed + 37)
    r, g, b = mix(r, g, b, 0.075, 0.075, 0.062, clip01(joint) * clip01(moss))
    # Trodden gum, drips and leaves' stains.
    stain = ramp(
        noise(u / 1.3, v / 1.3, seed + 38) * 0.7 + noise(u / 0.37, v / 0.37, seed + 39) * 0.3,
        0.60,
        0.74,
    )
    r, g, b = mix(r, g, b, r * 0.68, g * 0.66, b * 0.62, 0.75 * stain)
    i, j = int(math.floor(u / 0.45)), int(math.floor(v / 0.45))
    if w < 0.1 and hash01(i, j, seed + 40) < 0.16:
        gu = u - (i + 0.2 + 0.6 * hash01(i, j, seed + 41)) * 0.45
        gv = v - (j + 0.2 + 0.6 * hash01(i, j, seed + 42)) * 0.45
        r, g, b = mix(r, g, b, r * 0.6, g * 0.6, b * 0.6, 0.7 * disc(gu, gv, 0.024, w))
    water = 0.6 * puddle(u + 40.0, v, w, wet * 0.8, seed)
    dark = 1.0 - 0.42 * wet
    put(
        skin, k, r * dark, g * dark, b * dark, 0.006 + 0.016 * wet, 0.05 + 0.35 * wet + 0.4 * water,
        0, 0, 0, 1, 0, water,
    )  # fmt: skip


@njit(cache=True, nogil=True)
@no_type_check
def _even(row):
    """Whether u and v grow by about a metre a metre: where pavements narrow or turn, slabs laid
    along the street would be drawn out."""
    for column in (GRAD_U, GRAD_V):
        size = row[column] ** 2 + row[column + 1] ** 2 + row[column + 2] ** 2
        if size < 0.55 or size > 1.8:
            return False
    return True


@njit(cache=True, nogil=True)
@no_type_check
def _kerb(row, wet, seed, p, skin, k):
    u, v, wu, wv = p[U], p[V], p[WU], p[WV]
    w = 0.5 * (wu + wv)
    stone = int(math.floor(u / 0.9))
    tone = 1.0 + 0.22 * (hash01(stone, 1, seed + 51) - 0.5) * clip01(1.5 - w / 0.9)
    tone += 0.3 * fading_noise(u, v, 0.5, w, seed + 52) + 0.2 * fading_noise(
        u, v, 0.04, w, seed + 53
    )
    low = ramp(0.07 - v, 0.0, 0.07)
    tone *= 1.0 - 0.42 * low
    scuff = ramp(noise(u / 0.8, v / 0.06, seed + 54), 0.66, 0.8) * clip01(1 - w / 0.1)
    r, g, b = row[TINT] * tone, row[TINT + 1] * tone, row[TINT + 2] * tone
    r, g, b = mix(r, g, b, 0.05, 0.05, 0.05, 0.6 * scuff)
    joint = pulses(u, 0.9, 0.0, 0.014, wu)
    r, g, b = mix(r, g, b, 0.06, 0.06, 0.055, joint)
    dark = 1.0 - 0.42 * wet
    put(
        skin,
        k,
        r * dark,
        g * dark,
        b * dark,
        0.006 + 0.016 * wet,
        0.05 + 0.3 * wet,
        0,
        0,
        0,
        1,
        0,
        0,
    )


@njit(cache=True, nogil=True)
@no_type_check
def _grass(row, wet, seed, p, skin, k):
    u, v, w = p[U], p[V], 0.5 * (p[WU] + p[WV])
    tone = 1.0 + 0.55 * fading_noise(u, v, 5.1, w, seed + 61)
    tone += 0.45 * fading_noise(u, v, 0.8, w, seed + 62) + 0.5 * fading_noise(
        u, v, 0.13, w, seed + 63
    )
    tone += 0.9 * fading_noise(u, v, 0.026, w, seed + 64)
    tone = max(tone, 0.25)
    r, g, b = row[TINT] * tone, row[TINT + 1] * tone, row[TINT + 2] * tone
    dry = ramp(
        noise(u / 3.7, v / 3.7, seed + 65) * 0.65 + noise(u / 0.9, v / 0.9, seed + 66) * 0.35,
        0.5,
        0.72,
    )
    r, g, b = mix(r, g, b, 0.155 * tone, 0.150 * tone, 0.062 * tone, 0.65 * dry)
    bare = ramp(
        noise(u / 2.1, v / 2.1, seed + 67) * 0.6 + noise(u / 0.5, v / 0.5, seed + 68) * 0.4,
        0.64,
        0.74,
    )
    r, g, b = mix(r, g, b, 0.115 * tone, 0.088 * tone, 0.060 * tone, 0.8 * bare)
    i, j = int(math.floor(u / 0.3)), int(math.floor(v / 0.3))
    if w < 0.06 and hash01(i, j, seed + 69) < 0.10:
        fu = u - (i + 0.2 + 0.6 * hash01(i, j, seed + 70)) * 0.3
        fv = v - (j + 0.2 + 0.6 * hash01(i, j, seed + 71)) * 0.3
        r, g, b = mix(r, g, b, 0.32, 0.24, 0.07, 0.8 * disc(fu, fv, 0.022, w))
    dark = 1.0 - 0.3 * wet
    put(skin, k, r * dark, g * dark, b * dark, 0.0, 0.05 + 0.15 * wet, 0, 0, 0, 1, 0.1, 0)

"""Windows with rooms behind them.

They lie behind the wall by texture alone: where the view ray would meet the pane, the sides of the
reveal, the room's walls, is worked out from the ray's slope (J. van Dongen, "Interior mapping",
2008).
"""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import band, clip01, hash01, mix, noise, pulses, ramp
from roadloom.town.camera.masonry import wall_colour
from roadloom.town.camera.points import LU, LV, SU, SV, WU, WV, U, V
from roadloom.town.camera.skin import put
from roadloom.town.camera.tables import STYLE, TINT


@njit("UniTuple(f8, 3)(f8, f8, f8, f8, f8, f8, f8, f8, f8, f8)", cache=True, nogil=True)
@no_type_check
def room(x, y, su, sv, wide, tall, deep, lit, pick, wu):  # noqa: C901
    """Radiance of a room seen through a pane: x from its middle, y above its floor.

    ``lit`` is 1 where lamps burn; by day light falls in from the window alone.
    """
    depth, face = deep, 0
    if su > 1e-4:
        reach = (wide * 0.5 - x) / su
        if reach < depth:
            depth, face = reach, 1
    elif su < -1e-4:
        reach = (-wide * 0.5 - x) / su
        if reach < depth:
            depth, face = reach, 1
    if sv > 1e-4:
        reach = (tall - y) / sv
        if reach < depth:
            depth, face = reach, 2
    elif sv < -1e-4:
        reach = -y / sv
        if reach < depth:
            depth, face = reach, 3
    depth = max(depth, 0.0)
    at_x, at_y = x + su * depth, y + sv * depth
    shade = 0.62
    if face == 1:
        shade = 0.5
    elif face == 2:
        shade = 0.85
    elif face == 3:
        shade = 0.26
    else:
        # Against the back wall: pictures, shelves, a door.
        px, py = at_x + 7 * pick, at_y
        i, j = int(math.floor(px / 0.9)), int(math.floor(py / 0.8))
        h = hash01(i, j, int(pick * 977))
        shade *= 0.35 + 0.9 * h if wu < 0.4 else 0.8
    if at_y < 1.0 and face != 3:
        shade *= 0.6 + 0.4 * hash01(int(math.floor(at_x / 0.7)), 5, int(pick * 991))
    by_day = 0.20 * shade / (1.0 + 1.1 * depth * depth) + 0.012
    lamps = shade * (0.62 + 0.5 * at_y / tall) * (0.75 if face != 2 else 1.2)
    warm = (0.70 + 0.30 * pick) * min(1.0, 2.5 * lit)
    v = by_day * (1 - lit) + lamps * lit
    return v, v * (1 - 0.38 * warm), v * (1 - 0.76 * warm)


@njit(cache=True, nogil=True)
@no_type_check
def curtain(x, wide, y, low, high, pick, kind, wu):
    """How much of the pane cloth covers, and how bright it is."""
    cover, tone = 0.0, 0.5
    t = (x + wide * 0.5) / wide
    if kind < 0.26:  # drawn to both sides
        drawn = 0.10 + 0.26 * pick
        edge = 0.02 * math.sin(y * 2.0 + pick * 9)
        cover = max(ramp(drawn + edge - t, 0.0, 0.03), ramp(t - 1 + drawn + edge, 0.0, 0.03))
        folds = math.sin(x * 46.0 + 2.0 * math.sin(x * 13)) * clip01(1 - wu / 0.06)
        tone = 0.42 + 0.10 * folds
    elif kind < 0.48:  # net
        folds = math.sin(x * 60.0 + 1.5 * math.sin(x * 17)) * clip01(1 - wu / 0.05)
        cover, tone = 0.62 + 0.06 * folds, 0.50 + 0.05 * folds
    elif kind < 0.72:  # blind
        down = high - (high - low) * (0.15 + 0.85 * pick)
        cover = ramp(y - down, 0.0, 0.03) * 0.94
        slats = pulses(y, 0.05, 0.0, 0.014, max(wu, 1e-4))
        tone = 0.55 * (1 - 0.6 * slats)
    elif kind < 0.80:  # plants and things on the sill
        bump = 0.10 + 0.28 * noise(x / 0.13, 0.5, int(pick * 997))
        cover, tone = ramp(low + bump - y, 0.0, 0.03) * 0.9, 0.10
    return cover, tone


@njit("f8(f8, f8, f8)", cache=True, nogil=True)
@no_type_check
def inside(x, half, w):
    return band(x, -half, half, w)


@njit(cache=True, nogil=True)
@no_type_check
def facade(row, dusk, p, skin, k):  # noqa: C901
    u, v, wu, wv = p[U], p[V], p[WU], p[WV]
    bay, storey, code, seed = row[STYLE], row[STYLE + 1], int(row[STYLE + 2]), int(row[STYLE + 3])
    ground, high = row[STYLE + 4], row[STYLE + 5]
    kind, window = code // 10, code % 10
    w = 0.5 * (wu + wv)
    r, g, b = wall_colour(
        kind, row[TINT], row[TINT + 1], row[TINT + 2], u, v, wu, wv, bay, storey, high, seed
    )
    base_r, base_g, base_b = r, g, b
    pick = hash01(seed, 11, 1)
    light_r, light_g, light_b = 0.5, 0.48, 0.44
    if kind == 0 or kind == 1 or kind == 2:
        # Plinth, string courses, cornice.
        plinth = band(v, -9.0, 0.48 + 0.3 * pick, wv)
        r, g, b = mix(r, g, b, 0.6 * r + 0.03, 0.6 * g + 0.03, 0.6 * b + 0.03, plinth)
        if pick > 0.35 or ground > 0:
            first = ground if ground > 0 else storey
            every = 1.0 if pick > 0.75 else 0.0
            course = band(v, first - 0.22, first, wv)
            shade = band(v, first - 0.34, first - 0.22, wv)
            if every > 0 and v > first + 0.5:
                course = pulses(v - first, storey, storey - 0.14, storey, wv)
                shade = pulses(v - first, storey, storey - 0.20, storey - 0.14, wv)
            if v < high - 0.6:
                tr, tg, tb = (base_r * 1.18, base_g * 1.18, base_b * 1.18)
                if kind == 1:
                    tr, tg, tb = light_r * 0.8, light_g * 0.8, light_b * 0.8
                r, g, b = mix(r, g, b, tr, tg, tb, course)
                r, g, b = mix(r, g, b, r * 0.5, g * 0.5, b * 0.5, shade)
        cornice = band(v, high - 0.42, high + 9.0, wv)
        under = band(v, high - 0.56, high - 0.42, wv)
        r, g, b = mix(r, g, b, base_r * 1.15, base_g * 1.15, base_b * 1.15, cornice)
        lines = pulses(v - high, 0.14, 0.0, 0.035, wv) * cornice
        r, g, b = mix(r, g, b, r * 0.6, g * 0.6, b * 0.6, lines)
        r, g, b = mix(r, g, b, r * 0.45, g * 0.45, b * 0.45, under)
    if window == 0 or v > high - 0.62 or v < ground - 0.02:
        put(skin, k, r, g, b, 0.004, 0.03, 0, 0, 0, 1, 0, 0)
        return
    column = int(math.floor(u / bay))
    level = int(math.floor((v - ground) / storey))
    x = u - (column + 0.5) * bay
    y = v - ground - level * storey
    top_room = high - ground - level * storey
    # Shape of the opening, from the middle of the bay and the storey's floor.
    half, low, tall = 0.30 * bay, 0.92, min(1.48, storey - 1.3)
    if window == 1:
        half = min(0.30 * bay, 0.68)
    elif window == 2:
        half, low, tall = min(0.24 * bay, 0.58), 0.62, min(2.0, storey - 0.95)
    elif window == 3:
        half, low, tall = 0.5 * bay, 0.95, storey - 1.45
    elif window == 4:
        half, low, tall = min(0.22 * bay, 0.55), 0.82, min(1.55, storey - 1.2)
    elif window == 5:
        half, low, tall = min(0.33 * bay, 0.85), 0.88, min(1.45, storey - 1.3)
    if kind == 4:
        half, low, tall = 0.5 * bay - 0.04, 0.75, storey - 0.85
    door = level == 0 and ground < 0.1 and kind != 4 and hash01(column, seed, 21) < 0.16
    if door:
        half, low, tall = 0.62, -0.1, 2.45
    high_edge = low + tall
    if top_room < high_edge + 0.35:
        put(skin, k, r, g, b, 0.004, 0.03, 0, 0, 0, 1, 0, 0)
        return
    # Surround, lintel and sill, and the stain below the sill.
    if not door and kind <= 2 and window != 3:
        style = hash01(seed, 12, 1)
        if style < 0.55 or kind == 1:
            rim = 0.11 if kind != 1 else 0.0
            around = inside(x, half + rim, wu) * band(y, low, high_edge + max(rim, 0.20), wv)
            r, g, b = mix(
                r,
                g,
                b,
                max(light_r, base_r),
                max(light_g, base_g),
                max(light_b, base_b),
                around * 0.8,
            )
        sill = inside(x, half + 0.12, wu) * band(y, low - 0.085, low, wv)
        shade = inside(x, half + 0.12, wu) * band(y, low - 0.15, low - 0.085, wv)
        r, g, b = mix(r, g, b, 0.46, 0.45, 0.42, sill)
        r, g, b = mix(r, g, b, r * 0.45, g * 0.45, b * 0.45, shade)
        stain = (
            band(abs(x), half - 0.12, half + 0.12, max(wu, 0.12))
            * ramp(y - low + 1.0, 0.0, 0.9)
            * band(y, low - 1.0, low - 0.1, wv)
        )
        r, g, b = mix(r, g, b, r * 0.62, g * 0.6, b * 0.56, 0.55 * stain)
    if window == 4 and not door:
        shutter = band(abs(x), half + 0.01, half * 1.95, wu) * band(y, low, high_edge, wv)
        slats = 0.75 + 0.25 * (1 - 2 * pulses(y, 0.06, 0.0, 0.03, wv))
        h = hash01(seed, 13, 2)
        sr, sg, sb = (
            (0.09, 0.16, 0.13)
            if h < 0.4
            else ((0.20, 0.10, 0.07) if h < 0.7 else (0.15, 0.19, 0.25))
        )
        r, g, b = mix(r, g, b, sr * slats, sg * slats, sb * slats, shutter)
        edge = band(abs(x), half * 1.95, half * 1.95 + 0.05, wu) * band(
            y, low - 0.04, high_edge, wv
        )
        r, g, b = mix(r, g, b, r * 0.55, g * 0.55, b * 0.55, edge)
    opening = inside(x, half, wu) * band(y, low, high_edge, wv)
    if opening <= 0.0:
        put(skin, k, r, g, b, 0.004 + 0.03 * (kind == 4), 0.04, 0, 0, 0, 1, 0, 0)
        return
    # Into the reveal.
    reveal = 0.05 if kind == 4 else (0.22 if door else 0.11 + 0.08 * pick)
    bx, by = x + p[SU] * reveal, y + p[SV] * reveal
    inner = inside(bx, half, wu) * band(by, low, high_edge, wv)
    inner = min(inner, opening)
    side = opening - inner
    if side > 0:
        lift = 0.95 if by < low else 0.62
        r, g, b = mix(
            r, g, b, base_r * lift + 0.02, base_g * lift + 0.02, base_b * lift + 0.02, side
        )
    lx, ly = bx + p[LU] * reveal, by + p[LV] * reveal
    soft = max(w, 0.03)
    sunny = inside(lx, half, soft) * band(ly, low, high_edge, soft)
    open_share = 1.0 - inner * (1.0 - sunny)
    # The frame.
    h = hash01(seed, 14, 3)
    fr, fg, fb = (
        (0.55, 0.55, 0.53) if h < 0.55 else ((0.06, 0.06, 0.065) if h < 0.8 else (0.16, 0.09, 0.05))
    )
    if kind == 4:
        fr, fg, fb = 0.17, 0.18, 0.19
    f = 0.055 if kind != 4 else 0.035
    glass = inside(bx, half - f, wu) * band(by, low + f, high_edge - f, wv)
    if window == 1 or window == 4:
        glass *= 1 - band(bx, -0.035, 0.035, wu)
        if pick > 0.5:
            cross = low + 0.68 * tall
            glass *= 1 - band(by, cross - 0.025, cross + 0.025, wv)
    elif window == 2:
        cross = low + 0.55 * tall
        glass *= (1 - band(by, cross - 0.03, cross + 0.03, wv)) * (
            1 - 0.8 * band(bx, -0.02, 0.02, wu) * (pick > 0.6)
        )
    elif window == 3 or kind == 4:
        glass *= 1 - pulses(bx + half, bay / 2, 0.0, 0.05, wu)
    if door:
        dr, dg, db = (
            (0.10, 0.05, 0.03)
            if h < 0.35
            else ((0.04, 0.09, 0.07) if h < 0.65 else (0.05, 0.06, 0.10))
        )
        panel = inside(bx, 0.40, wu) * (band(by, 0.25, 0.95, wv) + 0.0)
        fr, fg, fb = mix(dr, dg, db, dr * 0.7, dg * 0.7, db * 0.7, panel)
        knob = band(bx, 0.38, 0.45, wu) * band(by, 0.98, 1.10, wv)
        fr, fg, fb = mix(fr, fg, fb, 0.4, 0.38, 0.33, knob)
        glass = inside(bx, 0.36, wu) * band(by, 1.15, 1.85, wv) + inside(
            bx, half - 0.06, wu
        ) * band(by, 2.12, 2.38, wv)
    glass = min(max(glass, 0.0), inner)
    r, g, b = mix(r, g, b, fr, fg, fb, inner)
    # The room.
    chance = hash01(column, level, seed + 31)
    kind_of = hash01(column, level, seed + 32)
    shown = hash01(column, level, seed + 33)
    lit = 0.0
    if dusk > 0:
        lit = (0.16 + 0.34 * shown) if chance < (0.40 if kind != 4 else 0.45) else 0.0
    elif chance < 0.05 or kind == 4 and chance < 0.25:
        lit = 0.30
    rr, rg, rb = room(bx, by, p[SU], p[SV], bay, storey - 0.25, 3.2 + 2.0 * shown, lit, shown, wu)
    if kind != 4 and not door:
        cover, cloth = curtain(bx, 2 * half, by, low, high_edge, shown, kind_of, wu)
        day = cloth * (0.30 + 0.5 * sunny) * (0.35 if dusk > 0 else 1.0)
        glow = lit * cloth * 0.9
        rr, rg, rb = mix(
            rr, rg, rb, day + glow, day * 0.97 + glow * 0.70, day * 0.90 + glow * 0.36, cover
        )
    keep = 1 - glass
    dim = 1.0 if dusk > 0 else 0.8
    put(
        skin, k, r * keep + 0.012 * glass, g * keep + 0.012 * glass, b * keep + 0.012 * glass,
        0.08 * glass + 0.004 * keep, 0.95 * glass + 0.03 * keep,
        rr * glass * dim, rg * glass * dim, rb * glass * dim, open_share, 0, 0,
    )  # fmt: skip

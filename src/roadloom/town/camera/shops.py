"""Ground floors of shops: glass, goods, doors, lettering."""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import band, clip01, fading_noise, glyphs, hash01, mix, ramp
from roadloom.town.camera.points import LU, LV, SU, SV, WU, WV, U, V
from roadloom.town.camera.skin import put
from roadloom.town.camera.tables import STYLE, TINT
from roadloom.town.camera.windows import inside, room


@njit(cache=True, nogil=True)
@no_type_check
def shopfront(row, dusk, p, skin, k):
    u, v, wu, wv = p[U], p[V], p[WU], p[WV]
    bay, high, seed = max(row[STYLE], 0.5), row[STYLE + 1], int(row[STYLE + 2])
    w = 0.5 * (wu + wv)
    column = int(math.floor(u / bay))
    x = u - (column + 0.5) * bay
    pick = hash01(seed, 3, 9)
    fr, fg, fb = row[TINT], row[TINT + 1], row[TINT + 2]
    tone = 1.0 + 0.2 * fading_noise(u, v, 0.7, w, seed)
    r, g, b = fr * tone, fg * tone, fb * tone
    sign_low, sign_high = high - 0.80, high - 0.16
    is_door = hash01(column, seed, 4) < 0.34
    low = 0.06 if is_door else 0.30 + 0.35 * pick
    top = sign_low - 0.14
    glow_r, glow_g, glow_b = 0.0, 0.0, 0.0
    mirror, sheen, open_share = 0.01, 0.10, 1.0
    if v > sign_low - 0.05:
        board = band(v, sign_low, sign_high, wv)
        cr, cg, cb = row[STYLE + 3], row[STYLE + 4], row[STYLE + 5]
        r, g, b = mix(r, g, b, cr, cg, cb, board)
        tall = 0.34
        margin = 0.25 + 0.4 * pick
        shop = bay * (2 + int(pick * 2))
        span = u % shop
        ink = 0.0
        if margin < span < shop - margin:
            ink = glyphs(span - margin, v - sign_low - 0.15, tall, seed + int(u // shop), w)
        bright = 0.2126 * cr + 0.7152 * cg + 0.0722 * cb
        ir, ig, ib = (0.62, 0.60, 0.55) if bright < 0.22 else (0.04, 0.04, 0.05)
        r, g, b = mix(r, g, b, ir, ig, ib, ink)
        edge = band(v, sign_high, sign_high + 0.06, wv) + band(v, sign_low - 0.05, sign_low, wv)
        r, g, b = mix(r, g, b, r * 0.45, g * 0.45, b * 0.45, clip01(edge))
        if dusk > 0 and pick > 0.3:
            glow_r, glow_g, glow_b = (
                0.5 * r + ink * 0.5 * ir,
                0.5 * g + ink * 0.5 * ig,
                0.5 * b + ink * 0.5 * ib,
            )
    else:
        post = 0.07
        opening = inside(x, bay * 0.5 - post, wu) * band(v, low, top, wv)
        riser = band(v, -9.0, low, wv)
        r, g, b = mix(r, g, b, r * 0.55, g * 0.55, b * 0.55, riser * 0.8)
        dirt = ramp(0.4 - v, 0.0, 0.4)
        r, g, b = mix(r, g, b, 0.05, 0.047, 0.042, 0.5 * dirt)
        if opening > 0:
            reveal = 0.55 if is_door else 0.07
            bx, by = x + p[SU] * reveal, v + p[SV] * reveal
            inner = min(opening, inside(bx, bay * 0.5 - post, wu) * band(by, low, top, wv))
            sunny = inside(bx + p[LU] * reveal, bay * 0.5 - post, 0.05) * band(
                by + p[LV] * reveal, low, top, 0.05
            )
            r, g, b = mix(r, g, b, r * 0.6, g * 0.6, b * 0.6, opening - inner)
            f = 0.05
            glass = inside(bx, bay * 0.5 - post - f, wu) * band(by, low + f, top - f, wv)
            if is_door:
                glass = inside(bx, min(0.46, bay * 0.5 - 0.2), wu) * band(by, 0.28, 2.05, wv)
                glass += band(
                    abs(bx), min(0.54, bay * 0.5 - 0.12), bay * 0.5 - post - f, wu
                ) * band(by, 0.3, top - f, wv)
                glass += inside(bx, 0.46, wu) * band(by, 2.18, top - f, wv)
                glass *= 1 - band(bx, 0.36, 0.40, wu) * band(by, 0.85, 1.25, wv)
            else:
                glass *= 1 - band(by, top - 0.62, top - 0.57, wv)
            glass = min(max(glass, 0.0), inner)
            r, g, b = mix(r, g, b, fr * 0.8, fg * 0.8, fb * 0.8, inner)
            lit = 0.46 if dusk > 0 and hash01(seed, 5, 5) < 0.8 else (0.0 if dusk > 0 else 0.13)
            rr, rg, rb = room(
                bx, by, p[SU], p[SV], bay * 1.6, high, 4.2, lit, hash01(column, seed, 6), wu
            )
            # Goods in the window, shelves behind them.
            gx, gy = bx + p[SU] * 0.4, by + p[SV] * 0.4
            i = int(math.floor(gx / 0.31))
            tall = 0.25 + 1.0 * hash01(i, column, seed + 7) ** 2
            shape = gx / 0.31 - i
            goods = ramp(low + tall - gy, 0.0, 0.03) * (hash01(i, column, seed + 8) < 0.55)
            goods *= 0.0 if is_door else band(shape, 0.08, 0.92, max(wu / 0.31, 0.02))
            h1, h2 = hash01(i, int(math.floor(gy / 0.21)), seed + 9), hash01(i, 7, seed + 10)
            lum = 0.02 + 0.10 * h1 * h1 + 0.07 * sunny * h1
            lum = lum * (0.35 if dusk > 0 else 1.0) + 0.38 * lit * h1
            rr, rg, rb = mix(
                rr, rg, rb, lum * (0.75 + 0.6 * h2), lum * 0.9, lum * (1.25 - 0.75 * h2), goods
            )
            # A poster or lettering on the pane.
            if hash01(column, seed, 11) < 0.4:
                ink = glyphs(bx + bay * 0.3, by - top + 0.5, 0.16, seed + column, w) * inside(
                    bx, bay * 0.32, wu
                )
                rr, rg, rb = mix(rr, rg, rb, 0.45, 0.45, 0.43, 0.8 * ink)
            keep = 1 - glass
            r, g, b = r * keep + 0.012 * glass, g * keep + 0.012 * glass, b * keep + 0.012 * glass
            glow_r, glow_g, glow_b = rr * glass, rg * glass, rb * glass
            mirror, sheen = 0.08 * glass + 0.01 * keep, 0.9 * glass + 0.08 * keep
            open_share = 1 - inner * (1 - sunny)
    put(skin, k, r, g, b, mirror, sheen, glow_r, glow_g, glow_b, open_share, 0, 0)

"""All that ends on buildings: which texture a triangle wants, and the plainer ones."""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import clip01, fading_noise, hash01, mix, noise, pulses, ramp
from roadloom.town.camera.masonry import wall_colour
from roadloom.town.camera.points import WU, WV, U, V
from roadloom.town.camera.shops import shopfront
from roadloom.town.camera.skin import put
from roadloom.town.camera.tables import STYLE, TINT
from roadloom.town.camera.windows import facade
from roadloom.town.mesh.materials import AWNING, BRICKWORK, FACADE, FAR_WALL, ROOF, SHOPFRONT


@njit(cache=True, nogil=True)
@no_type_check
def skin_walls(rows, material, dusk, wet, triangle, points, skin):
    """All rays that end on buildings."""
    for k in range(len(triangle)):
        t = triangle[k]
        if t < 0:
            continue
        kind = material[t]
        if kind == FACADE:
            facade(rows[t], dusk, points[k], skin, k)
        elif kind == SHOPFRONT:
            shopfront(rows[t], dusk, points[k], skin, k)
        elif kind == ROOF:
            _roof(rows[t], wet, points[k], skin, k)
        elif kind == AWNING:
            _awning(rows[t], points[k], skin, k)
        elif kind == FAR_WALL:
            _far_wall(rows[t], dusk, points[k], skin, k)
        elif kind == BRICKWORK:
            row, p = rows[t], points[k]
            r, g, b = wall_colour(
                int(row[STYLE]), row[TINT], row[TINT + 1], row[TINT + 2],
                p[U], p[V], p[WU], p[WV], 3.0, 2.0, 2.0, 17,
            )  # fmt: skip
            put(skin, k, r, g, b, 0.004, 0.03, 0, 0, 0, 1, 0, 0)


@njit(cache=True, nogil=True)
@no_type_check
def _roof(row, wet, p, skin, k):
    u, v, wu, wv = p[U], p[V], p[WU], p[WV]
    w = 0.5 * (wu + wv)
    kind = int(row[STYLE])
    tone = 1.0 + 0.3 * fading_noise(u, v, 2.3, w, 81) + 0.2 * fading_noise(u, v, 0.4, w, 82)
    if kind == 0:
        i, j = int(math.floor(u / 0.26)), int(math.floor(v / 0.32))
        near = clip01(1.6 - 1.2 * w / 0.26)
        tone *= 1.0 + 0.45 * (hash01(i, j, 83) - 0.5) * near
        tone *= 1.0 - 0.55 * pulses(v, 0.32, 0.0, 0.05, wv) - 0.25 * pulses(u, 0.26, 0.0, 0.03, wu)
        tone *= 1.0 + 0.22 * math.sin(u * 2 * math.pi / 0.26) * clip01(1 - 2 * wu / 0.26)
    elif kind == 1:
        tone *= 1.0 - 0.35 * pulses(u, 0.5, 0.0, 0.03, wu) + 0.2 * pulses(u, 0.5, 0.03, 0.06, wu)
    else:
        tone += 0.5 * fading_noise(u, v, 0.06, w, 84)
    moss = 0.5 * ramp(noise(u / 1.7, v / 1.1, 85), 0.6, 0.85)
    r, g, b = row[TINT] * tone, row[TINT + 1] * tone, row[TINT + 2] * tone
    r, g, b = mix(r, g, b, r * 0.7, g * 0.75, b * 0.6, moss)
    dark = 1 - 0.3 * wet
    put(
        skin, k, r * dark, g * dark, b * dark, 0.006 + 0.02 * wet, 0.1 + 0.3 * wet, 0, 0, 0, 1, 0, 0
    )


@njit(cache=True, nogil=True)
@no_type_check
def _awning(row, p, skin, k):
    stripe = max(row[STYLE], 0.05)
    share = pulses(p[U], 2 * stripe, 0.0, stripe, p[WU])
    r, g, b = mix(
        row[TINT], row[TINT + 1], row[TINT + 2],
        row[STYLE + 1], row[STYLE + 2], row[STYLE + 3], share,
    )  # fmt: skip
    tone = 1.0 + 0.2 * fading_noise(p[U], p[V], 0.6, p[WU], 91)
    put(skin, k, r * tone, g * tone, b * tone, 0.0, 0.02, 0, 0, 0, 1, 0.35, 0)


@njit(cache=True, nogil=True)
@no_type_check
def _far_wall(row, dusk, p, skin, k):
    u, v, wu, wv, seed = p[U], p[V], p[WU], p[WV], int(row[STYLE])
    bay, storey = 2.6 + 1.2 * hash01(seed, 1, 1), 3.1
    column, level = int(math.floor(u / bay)), int(math.floor(v / storey))
    share = pulses(u, bay, 0.25 * bay, 0.75 * bay, wu) * pulses(v, storey, 0.9, 2.4, wv)
    near = clip01(1.5 - 0.5 * (wu / bay + wv / storey))
    h = hash01(column, level, seed)
    tone = 1.0 + 0.15 * fading_noise(u, v, 6.0, wu, seed)
    pane = 0.035 + 0.05 * (0.4 + (h - 0.4) * near)
    r, g, b = mix(
        row[TINT] * tone, row[TINT + 1] * tone, row[TINT + 2] * tone, pane, pane, pane * 1.1, share
    )
    ledge = pulses(v, storey, 0.0, 0.28, wv)
    r, g, b = mix(r, g, b, r * 0.82, g * 0.82, b * 0.82, ledge)
    lit = dusk * share * (0.25 + ((1.0 if h < 0.3 else 0.0) - 0.25) * near)
    put(skin, k, r, g, b, 0.02 * share, 0.4 * share, 0.6 * lit, 0.46 * lit, 0.27 * lit, 1, 0, 0)

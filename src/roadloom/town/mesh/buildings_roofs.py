"""Roofs: gables, hips, mansards, parapets, and what stands on them."""

from typing import NamedTuple

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.buildings_parts import (
    BUILDING,
    Flat,
    Place,
    Rect,
    Tint,
    Wall,
    deck,
    metal,
    plain,
    srgb,
    wall,
    walls,
)
from roadloom.town.mesh.solids import Finish

TILE_TINTS = (
    srgb(128, 66, 48),
    srgb(112, 60, 48),
    srgb(142, 82, 60),
    srgb(74, 66, 64),
    srgb(64, 68, 74),
    srgb(96, 82, 72),
)
GRAVEL = Finish(materials.ROOF, srgb(120, 116, 110), BUILDING, (2.0,))
ZINC = srgb(118, 124, 130)
TRIM = srgb(196, 192, 182)
THICK = 0.16
"""Of a pitched roof's edge [m]."""


class Eaves(NamedTuple):
    """How far a pitched roof stands out [m]."""

    x: float
    y: float


def gable(
    flat: Flat,
    body: Rect,
    eaves_z: float,
    ridge_z: float,
    out: Eaves,
    roof: Finish,
    look: Wall,
    edged: bool,
) -> None:
    """Ridge along x. The roof's upper face meets the walls' outer faces at ``eaves_z``."""
    middle = (body.y0 + body.y1) / 2
    slope = (ridge_z - eaves_z) / (middle - body.y0)
    x0, x1 = body.x0 - out.x, body.x1 + out.x
    low = eaves_z - out.y * slope
    y0, y1 = body.y0 - out.y, body.y1 + out.y
    flat.quad((x0, y0, low), (x1, y0, low), (x1, middle, ridge_z), (x0, middle, ridge_z), roof)
    flat.quad((x1, y1, low), (x0, y1, low), (x0, middle, ridge_z), (x1, middle, ridge_z), roof)
    _gable_end(flat, body, body.x1, 1, eaves_z, ridge_z, look)
    _gable_end(flat, body, body.x0, -1, eaves_z, ridge_z, look)
    if edged:
        _gable_edges(flat, body, (x0, x1, y0, y1), low, ridge_z, out)


def _gable_end(
    flat: Flat, body: Rect, x: float, side: int, eaves_z: float, ridge_z: float, look: Wall
) -> None:
    middle = (body.y0 + body.y1) / 2
    a, b = (body.y0, body.y1) if side > 0 else (body.y1, body.y0)
    blank = look._replace(window=0, height=ridge_z + 1.0).finish(body.y1 - body.y0)
    width = body.y1 - body.y0
    top = (x, middle, ridge_z)
    flat.quad(
        (x, a, eaves_z),
        (x, b, eaves_z),
        top,
        top,
        blank,
        ((0.0, eaves_z), (width, eaves_z), (width / 2, ridge_z), (width / 2, ridge_z)),
    )


def _gable_edges(
    flat: Flat,
    body: Rect,
    reach: tuple[float, float, float, float],
    low: float,
    ridge_z: float,
    out: Eaves,
) -> None:
    """Fascia, the eaves' underside, and the edges along the gables."""
    x0, x1, y0, y1 = reach
    middle, trim = (body.y0 + body.y1) / 2, plain(TRIM, 0.2)
    under = low - THICK
    flat.quad((x0, y0, under), (x1, y0, under), (x1, y0, low), (x0, y0, low), trim)
    flat.quad((x1, y1, under), (x0, y1, under), (x0, y1, low), (x1, y1, low), trim)
    flat.quad((x0, body.y0, under), (x1, body.y0, under), (x1, y0, under), (x0, y0, under), trim)
    flat.quad((x0, y1, under), (x1, y1, under), (x1, body.y1, under), (x0, body.y1, under), trim)
    if not out.x:
        return
    for x, near, far in ((x1, y0, y1), (x0, y1, y0)):
        top = (x, middle, ridge_z)
        beneath = (x, middle, ridge_z - THICK)
        flat.quad((x, near, under), beneath, top, (x, near, low), trim)
        flat.quad(beneath, (x, far, under), (x, far, low), top, trim)


def hip(
    flat: Flat, body: Rect, eaves_z: float, ridge_z: float, out: float, roof: Finish, edged: bool
) -> None:
    """Four slopes of one pitch, from a level rim that stands out."""
    rim = body.inset(-out, -out, -out, -out)
    half = (rim.y1 - rim.y0) / 2
    reach = min(half, (rim.x1 - rim.x0) / 2 - 0.4)
    middle = (rim.y0 + rim.y1) / 2
    a, b, c, d = ((*p, eaves_z) for p in rim.ring)
    left: Place = (rim.x0 + reach, middle, ridge_z)
    right: Place = (rim.x1 - reach, middle, ridge_z)
    flat.quad(a, b, right, left, roof)
    flat.triangle(b, c, right, roof)
    flat.quad(c, d, left, right, roof)
    flat.triangle(d, a, left, roof)
    trim = plain(TRIM, 0.2)
    under = eaves_z - THICK
    if edged:
        for i in range(4):
            wall(flat, rim.ring[i], rim.ring[(i + 1) % 4], under, eaves_z, trim)
            p, q = body.ring[i], body.ring[(i + 1) % 4]
            s, t = rim.ring[i], rim.ring[(i + 1) % 4]
            flat.quad((*p, under), (*q, under), (*t, under), (*s, under), trim)


def mansard(flat: Flat, body: Rect, low: float, high: float, roof: Finish) -> Rect:
    """Steep slopes at front and back, party walls beside; returns its upper rim."""
    lean = min(0.3 * (high - low), (body.y1 - body.y0) / 5)
    rim = body.inset(0.0, 0.0, lean, lean)
    a, b, c, d = ((*p, low) for p in body.ring)
    e, f, g, h = ((*p, high) for p in rim.ring)
    flat.quad(a, b, f, e, roof)
    flat.quad(c, d, h, g, roof)
    side = plain(tuple(0.75 * v for v in TRIM), 0.6)  # type: ignore[arg-type]
    flat.quad(b, c, g, f, side)
    flat.quad(d, a, e, h, side)
    deck(flat, rim, high, GRAVEL)
    return rim


def parapet(flat: Flat, body: Rect, top: float, tall: float, look: Wall, edged: bool) -> None:
    """A flat roof behind walls that rise above it; the walls themselves reach ``top``."""
    if not edged:
        deck(flat, body, top, GRAVEL)
        return
    inner = body.inset(0.25, 0.25, 0.25, 0.25)
    deck(flat, inner, top - tall, GRAVEL)
    coping = plain(TRIM, 0.3)
    rim, hole = body.ring, inner.ring
    inside = plain(look.tint, 0.5)
    for i in range(4):
        p, q, s, t = rim[i], rim[(i + 1) % 4], hole[i], hole[(i + 1) % 4]
        flat.quad((*p, top), (*q, top), (*t, top), (*s, top), coping)
        wall(flat, t, s, top - tall, top, inside)


def chimney(
    flat: Flat, at: tuple[float, float], low: float, high: float, brick: bool, edged: bool
) -> None:
    """Its top is the highest there is."""
    tint = srgb(126, 76, 60) if brick else srgb(170, 164, 152)
    finish = Finish(materials.BRICKWORK, tint, BUILDING, (1.0 if brick else 0.0,))
    x, y = at
    if not edged:
        flat.box((x - 0.35, y - 0.3, low), (x + 0.35, y + 0.3, high), finish, skip="d")
        return
    flat.box((x - 0.35, y - 0.3, low), (x + 0.35, y + 0.3, high - 0.12), finish, skip="du")
    flat.box((x - 0.42, y - 0.37, high - 0.12), (x + 0.42, y + 0.37, high), plain(TRIM, 0.5))


def roof_boxes(flat: Flat, body: Rect, low: float, high: float, dice: Dice, count: int) -> None:
    """Lift housing, air conditioning, an antenna on a flat roof; the first reaches ``high``."""
    width, depth = body.x1 - body.x0, body.y1 - body.y0
    tints = (srgb(168, 166, 160), srgb(132, 136, 140), srgb(188, 184, 176))
    for i in range(count):
        share = high - low if i == 0 else (high - low) * dice.between(35, 75) / 100
        half_x = min(dice.between(70, 190) / 100, width / 6)
        half_y = min(dice.between(60, 150) / 100, depth / 5)
        x = body.x0 + width * (i + dice.between(35, 65) / 100) / count
        y = body.y0 + depth * dice.between(35, 70) / 100
        finish = plain(dice.pick(tints), 0.3) if i == 0 else metal(dice.pick(tints), 0.3)
        flat.box((x - half_x, y - half_y, low), (x + half_x, y + half_y, low + share), finish, "d")


def antenna(flat: Flat, at: tuple[float, float], low: float, high: float) -> None:
    x, y = at
    bar = metal(srgb(90, 92, 96), 0.4)
    flat.box((x - 0.03, y - 0.03, low), (x + 0.03, y + 0.03, high), bar, "d")
    for share in (0.72, 0.86):
        z = low + (high - low) * share
        flat.box((x - 0.4, y - 0.02, z), (x + 0.4, y + 0.02, z + 0.03), bar)


def dormer(
    flat: Flat, x: float, width: float, y: tuple[float, float], z: tuple[float, float], look: Wall
) -> None:
    """A window that looks out of a front slope: from ``y[0]`` (its front) back to ``y[1]``."""
    rect = Rect(x - width / 2, x + width / 2, y[0], y[1])
    # The floor behind it lies below, so that the window fills the front.
    floor, tall = z[0] - 0.85, z[1] - z[0]
    own = look._replace(window=5, bay=width, storey=tall + 1.0, ground=floor, height=z[1] + 0.4)
    wall(flat, (rect.x0, rect.y0), (rect.x1, rect.y0), z[0], z[1], own.finish(width))
    zinc = Finish(materials.ROOF, ZINC, BUILDING, (1.0,))
    walls_look = plain(ZINC, 0.2)
    a, b, c, d = rect.ring
    flat.triangle((*b, z[0]), (*c, z[1]), (*b, z[1]), walls_look)
    flat.triangle((*d, z[1]), (*a, z[0]), (*a, z[1]), walls_look)
    low, out = z[1], 0.12
    top = (x, rect.y0 - out, low + 0.35)
    back = (x, rect.y1 + 0.4, low + 0.35)
    left, right = (rect.x0 - out, rect.y0 - out, low), (rect.x1 + out, rect.y0 - out, low)
    flat.triangle(left, right, top, plain(TRIM, 0.2))
    flat.quad((rect.x0 - out, rect.y1 + 0.4, low), left, top, back, zinc)
    flat.quad(right, (rect.x1 + out, rect.y1 + 0.4, low), back, top, zinc)


def crate(flat: Flat, rect: Rect, low: float, high: float, look: Wall, roof: Finish) -> None:
    """A plain body with a flat roof."""
    walls(flat, rect, low, high, look)
    deck(flat, rect, high, roof)


def tiles(tint: Tint, kind: int = 0) -> Finish:
    return Finish(materials.ROOF, tint, BUILDING, (float(kind),))

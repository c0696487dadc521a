"""Buildings: rows of blocks, shops and offices, houses, halls, and the far skyline.

The x axis runs along the street and the FRONT faces -y. ``shape`` is (storeys,). Wherever something
stands out of the walls (balconies, awnings, eaves), the walls are set back from the bounds, and a
thin paved slab fills the footprint around them. In walls' uv, v is the height above the building's
ground level.
"""

from roadloom.town.dice import Dice
from roadloom.town.mesh import buildings_fronts as fronts
from roadloom.town.mesh import buildings_roofs as roofs
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, NEAR, SUNK_M
from roadloom.town.mesh.buildings_blocks import APRON_M, BRICK, CLADDING, PLASTER, block
from roadloom.town.mesh.buildings_parts import (
    BUILDING,
    GLAZING,
    PAVED,
    Flat,
    Rect,
    Wall,
    deck,
    gap_decks,
    metal,
    plain,
    slab,
    srgb,
    wall,
    walls,
)
from roadloom.town.mesh.mesh import Mesh
from roadloom.town.mesh.solids import Finish

Size = tuple[float, float, float]
TIMBER = (srgb(120, 90, 66), srgb(150, 128, 100), srgb(110, 118, 116), srgb(136, 76, 62))
SHEET = (srgb(132, 140, 146), srgb(110, 122, 120), srgb(150, 146, 136), srgb(92, 104, 118))


def build(kind: str, size: Size, seed: int, detail: int, shape: tuple[int, ...]) -> Mesh:
    """A building of kind ``building``, ``shop``, ``office``, ``house``, ``hall``, ``skyline``."""
    if kind == "house":
        return _house(size, seed, detail, shape).mesh()
    if kind == "hall":
        return _hall(size, seed, detail).mesh()
    if kind == "skyline":
        return _skyline(size, seed).mesh()
    return block(kind, size, seed, detail, shape).mesh()


def _footprint(size: Size) -> Rect:
    return Rect(-size[0] / 2, size[0] / 2, -size[1] / 2, size[1] / 2)


def _house(size: Size, seed: int, detail: int, shape: tuple[int, ...]) -> Flat:
    """Detached: gable or hip, eaves all around, chimney, porch, dormers, a low garage."""
    dice, flat, footprint = Dice(seed, 81), Flat(), _footprint(size)
    length, width, height = size
    storeys = max(1, shape[0] if shape else round((height - 3) / 2.8))
    texture = dice.pick((0, 0, 1, 1, 5))
    tint = dice.pick({0: PLASTER, 1: BRICK, 5: TIMBER}[texture])
    tile = roofs.tiles(dice.pick(roofs.TILE_TINTS))
    hipped, garage = dice.percent(35), length > 10 and dice.percent(55)
    window, bay = dice.pick((1, 4, 4, 2, 5)), dice.between(260, 360) / 100
    out, porch = 0.4, 1.3
    ridge = height - dice.between(35, 80) / 100
    wing = length * dice.between(26, 34) / 100 if garage else 0.0
    mirrored = dice.percent(50)
    body = footprint.inset(out, out, min(porch, 0.15 * width), out)
    if garage:
        body = body.inset(0.0 if mirrored else wing, wing if mirrored else 0.0, 0.0, 0.0)
    deep = body.y1 - body.y0
    rise = min(dice.between(55, 95) / 100 * deep / 2, max(0.8, ridge - storeys * 2.55))
    top = ridge - rise
    storey = (top - fronts.ATTIC_M) / storeys
    look = Wall(tint, texture, window, bay, storey, seed % 65536, 0.0, top, detail == FAR)
    if detail == FAR:
        body = footprint
    hipped = hipped and body.x1 - body.x0 > deep + 0.8
    walls(flat, body, -SUNK_M, top, look, ridge=0.0 if hipped else ridge)
    edged = detail == NEAR
    gap = 0.0 if detail == FAR else out
    if hipped:
        roofs.hip(flat, body, top, ridge, gap, tile, edged)
    else:
        roofs.gable(flat, body, top, ridge, roofs.Eaves(gap * 0.7, gap), tile, look, edged)
    middle = ((body.x0 + body.x1) / 2, (body.y0 + body.y1) / 2)
    aside = (body.x1 - body.x0) * 0.16 * (1 if mirrored else -1)
    roofs.chimney(
        flat, (middle[0] + aside, middle[1] + 0.2), ridge - 0.7, height, texture != 0, edged
    )
    if detail == FAR:
        return flat
    paving = Finish(materials.PAVEMENT, srgb(140, 134, 124), PAVED, (0.4, float(seed % 1000)))
    if garage:
        _garage(flat, footprint, body, mirrored, dice, look, paving)
    else:
        gap_decks(flat, footprint, body, APRON_M, -SUNK_M, paving)
    _house_front(flat, body, footprint, look, dice, detail)
    if edged and storeys < 3 and dice.percent(45) and rise > 2.2 and not hipped:
        slope = rise / (deep / 2)
        front = body.y0 + 0.9
        base = top + 0.9 * slope
        for x in (-0.22, 0.22):
            at = middle[0] + x * (body.x1 - body.x0)
            tall = min(1.35, rise - 0.9 * slope - 0.5)
            if tall > 0.8:
                back = front + tall / slope
                roofs.dormer(flat, at, 1.5, (front, back), (base, base + tall), look)
    return flat


def _garage(
    flat: Flat,
    footprint: Rect,
    body: Rect,
    mirrored: bool,
    dice: Dice,
    look: Wall,
    paving: Finish,
) -> None:
    """A low wing beside the house, out to the footprint's side."""
    x0, x1 = (body.x1, footprint.x1) if mirrored else (footprint.x0, body.x0)
    front = body.y0 + 0.8
    rect = Rect(x0, x1, front, min(body.y1 - 0.6, front + 6.2))
    blank = look._replace(window=0, height=2.7, storey=2.7)
    walls(flat, rect, -SUNK_M, 2.7, blank, "l" if mirrored else "r")
    deck(flat, rect, 2.7, roofs.GRAVEL)
    fronts.course(flat, (x0 + 0.02, x1 - 0.02), front, 2.48, 0.24, 0.1, roofs.TRIM)
    middle, half = (x0 + x1) / 2, min(1.25, (x1 - x0) / 2 - 0.25)
    if half > 0.5:
        gate = metal(dice.pick((srgb(168, 166, 160), srgb(84, 90, 94), srgb(120, 92, 72))), 0.1)
        flat.box((middle - half, front - 0.04, -SUNK_M), (middle + half, front, 2.15), gate, "db")
    gap_decks(
        flat,
        footprint,
        Rect(min(x0, body.x0), max(x1, body.x1), body.y0, body.y1),
        APRON_M,
        -SUNK_M,
        paving,
    )
    side = "r" if mirrored else "l"
    slab(flat, Rect(x0, x1, body.y0, rect.y0), APRON_M, -SUNK_M, paving, side)
    slab(flat, Rect(x0, x1, rect.y1, body.y1), APRON_M, -SUNK_M, paving, side)


def _house_front(
    flat: Flat, body: Rect, footprint: Rect, look: Wall, dice: Dice, detail: int
) -> None:
    """Door, porch and a pipe."""
    length = body.x1 - body.x0
    count = max(1, round(length / look.bay))
    wide = length / count
    x = body.x0 + (min(count - 1, dice.between(0, max(0, count - 1))) + 0.5) * wide
    fronts.door(flat, x, body.y0, dice, False, roofs.TRIM)
    kind = dice.pick(("gable", "flat", "none"))
    if detail != NEAR or kind == "none":
        return
    half, out, low = 1.15, footprint.y0 + 0.03, 2.75
    for side in (-1, 1):
        post = x + side * (half - 0.12)
        flat.box(
            (post - 0.06, out + 0.1, -SUNK_M),
            (post + 0.06, out + 0.22, low),
            plain(roofs.TRIM),
            "du",
        )
    flat.box((x - half, out, low), (x + half, body.y0, low + 0.14), plain(roofs.TRIM), "b")
    if kind == "gable":
        tile = roofs.tiles(srgb(96, 70, 60))
        top = low + 0.14 + 0.55
        a, b = (x - half, out, low + 0.14), (x + half, out, low + 0.14)
        c, d = (x - half, body.y0, low + 0.14), (x + half, body.y0, low + 0.14)
        flat.triangle(a, b, (x, out, top), plain(roofs.TRIM))
        flat.quad(c, a, (x, out, top), (x, body.y0, top), tile)
        flat.quad(b, d, (x, body.y0, top), (x, out, top), tile)


def _hall(size: Size, seed: int, detail: int) -> Flat:
    """A works or a store of ribbed sheet on a low plinth, with gates and a loading canopy."""
    dice, flat, footprint = Dice(seed, 91), Flat(), _footprint(size)
    length, width, height = size
    tint = dice.pick(SHEET)
    sheet = Finish(materials.ROOF, tint, BUILDING, (1.0,))
    roof = roofs.tiles(dice.pick((roofs.ZINC, srgb(104, 106, 108), srgb(128, 110, 98))), 1)
    vent = dice.between(40, 80) / 100
    ridge = height - vent
    flat_top = dice.percent(35)
    reach = 0.0 if detail == FAR else min(1.6, 0.12 * width)
    body = footprint if detail == FAR else footprint.inset(0.0, 0.0, reach, 0.0)
    top = ridge if flat_top else ridge - min(0.16 * width / 2, 0.3 * height)
    base = 1.12
    blocks = Finish(materials.BRICKWORK, srgb(150, 146, 138), BUILDING, (3.0,))
    glass = dice.percent(55)
    for i in range(4):
        a, b = body.ring[i], body.ring[(i + 1) % 4]
        wall(flat, a, b, -SUNK_M, base, blocks)
        if glass and detail != FAR and i != 0:
            strip = max(base + 1.0, top - 2.0)
            wall(flat, a, b, base, strip, sheet)
            wall(flat, a, b, strip, top - 0.8, GLAZING)
            wall(flat, a, b, top - 0.8, top, sheet)
        else:
            wall(flat, a, b, base, top, sheet)
    if flat_top:
        deck(flat, body, top, roofs.GRAVEL)
    else:
        look = Wall(tint, 3, 0, 5.0, top, seed % 65536, 0.0, top)
        roofs.gable(flat, body, top, ridge, roofs.Eaves(0.0, 0.0), roof, look, False)
    middle = (body.y0 + body.y1) / 2
    third = length / (4 if detail == NEAR else 2)
    for i in range(3 if detail == NEAR else 1):
        x = -length / 2 + third * (i + 1)
        low = ridge - 0.35
        flat.box(
            (x - 0.6, middle - 0.5, low),
            (x + 0.6, middle + 0.5, height),
            metal(roofs.ZINC, 0.3),
            "d",
        )
    if detail == FAR:
        return flat
    paving = Finish(materials.PAVEMENT, srgb(134, 132, 128), PAVED, (1.2, float(seed % 1000)))
    gap_decks(flat, footprint, body, APRON_M, -SUNK_M, paving)
    _hall_front(flat, body, footprint, top, dice, detail)
    return flat


def _hall_front(
    flat: Flat, body: Rect, footprint: Rect, top: float, dice: Dice, detail: int
) -> None:
    """Gates in frames, one office door, a sign board and a canopy."""
    length, y = body.x1 - body.x0, body.y0
    gates = max(1, min(4, int(length / 7)))
    tall = min(4.2, top - 1.2)
    colour = dice.pick(
        (srgb(156, 150, 140), srgb(60, 84, 110), srgb(120, 62, 52), srgb(84, 96, 84))
    )
    frame, gate = metal(srgb(70, 74, 78), 0.1), metal(colour, 0.1)
    for i in range(gates):
        x = body.x0 + length * (i + 0.5) / gates
        half = min(2.0, length / gates / 2 - 0.6)
        flat.box((x - half - 0.2, y - 0.12, -SUNK_M), (x + half + 0.2, y, tall + 0.2), frame, "db")
        flat.box((x - half, y - 0.16, -SUNK_M), (x + half, y - 0.12, tall), gate, "db")
        if detail == NEAR:
            for share in (0.3, 0.82):
                z = tall * share
                flat.box((x - half, y - 0.19, z), (x + half, y - 0.16, z + 0.05), frame, "rlb")
            flat.quad(
                (x - half * 0.6, y - 0.17, tall * 0.6),
                (x + half * 0.6, y - 0.17, tall * 0.6),
                (x + half * 0.6, y - 0.17, tall * 0.72),
                (x - half * 0.6, y - 0.17, tall * 0.72),
                GLAZING,
            )
    if dice.percent(60) and tall + 0.9 < top:
        out = footprint.y0 + 0.04
        flat.box(
            (body.x0 + 0.5, out, tall + 0.45),
            (body.x1 - 0.5, y, tall + 0.7),
            metal(roofs.ZINC),
            "b",
        )
    if top > tall + 1.9:
        wide = min(4.0, length / 4)
        board = plain(dice.pick(fronts.SIGN_TINTS), 0.1)
        flat.box((-wide, y - 0.12, top - 1.15), (wide, y, top - 0.25), board, "b")


def _skyline(size: Size, seed: int) -> Flat:
    """One to three stacked bodies far away."""
    dice, flat = Dice(seed, 97), Flat()
    tint = dice.pick((*PLASTER, *CLADDING, *BRICK[:2]))
    rect, low = _footprint(size), -SUNK_M
    tiers = dice.between(1, 3)
    gabled = tiers == 1 and dice.percent(45)
    for tier in range(tiers):
        last = tier == tiers - 1
        high = size[2] * (1.0 if last else (tier + 1 + dice.between(0, 40) / 100) / (tiers + 0.5))
        if gabled:
            high = size[2] * 0.74
        look = Wall(tint, 0, 0, 3.0, 3.0, seed % 65536, 0.0, high, True)
        walls(flat, rect, low, high, look)
        if gabled:
            tile = roofs.tiles(dice.pick(roofs.TILE_TINTS))
            roofs.gable(flat, rect, high, size[2], roofs.Eaves(0.0, 0.0), tile, look, False)
        else:
            deck(flat, rect, high, roofs.GRAVEL)
        low = high
        wide, deep = rect.x1 - rect.x0, rect.y1 - rect.y0
        left, right = (wide * dice.between(3, 30) / 100 for _ in range(2))
        rect = rect.inset(left, right, deep * 0.12, deep * 0.12)
    return flat

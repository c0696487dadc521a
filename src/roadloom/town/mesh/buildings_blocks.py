"""Blocks of flats, shops with flats above, and offices: bodies that stand in a row on a street."""

from typing import NamedTuple

from roadloom.town.dice import Dice
from roadloom.town.mesh import buildings_fronts as fronts
from roadloom.town.mesh import buildings_roofs as roofs
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, MIDDLE, NEAR, SUNK_M
from roadloom.town.mesh.buildings_parts import (
    GLAZING,
    PAVED,
    Flat,
    Rect,
    Tint,
    Wall,
    deck,
    gap_decks,
    metal,
    plain,
    slab,
    srgb,
    walls,
)
from roadloom.town.mesh.solids import Finish

PLASTER = (
    srgb(196, 182, 150),
    srgb(188, 172, 146),
    srgb(192, 188, 176),
    srgb(170, 162, 150),
    srgb(186, 156, 128),
    srgb(176, 146, 118),
    srgb(160, 168, 164),
    srgb(178, 178, 156),
    srgb(190, 170, 158),
    srgb(150, 150, 150),
    srgb(198, 178, 120),
    srgb(154, 162, 146),
)
BRICK = (
    srgb(132, 78, 60),
    srgb(148, 96, 72),
    srgb(112, 70, 58),
    srgb(160, 128, 98),
    srgb(96, 72, 64),
)
STONE = (srgb(178, 168, 148), srgb(160, 154, 142), srgb(190, 182, 164), srgb(150, 140, 124))
CONCRETE = (srgb(150, 148, 144), srgb(170, 166, 158), srgb(132, 132, 132))
CLADDING = (srgb(88, 98, 106), srgb(110, 118, 122), srgb(70, 82, 90), srgb(128, 128, 124))
TINTS = {0: PLASTER, 1: BRICK, 2: STONE, 3: CONCRETE, 4: CLADDING}
APRON_M = 0.031
"""Height of the slab that fills the footprint outside the body."""
LEAST_STOREY_M = 2.55
MOST_BALCONIES = 6
MOST_DORMERS = 4
EAVES_M = 0.3


class Block(NamedTuple):
    """What the seed decides before any detail is left out."""

    body: Rect
    storeys: int
    """Under the wall's top."""
    top: float
    """Of the walls."""
    crown: float
    """Of the roof, without what stands on it."""
    roof: str
    """``flat``, ``setback``, ``gable``, ``mansard``."""
    ground: float
    """Height of a ground floor of shops, or 0."""
    look: Wall
    feature: str
    reach: float
    annex: float
    """Depth of an annex behind, or 0."""
    blank: str
    """Party walls: sides without windows."""


def plan(
    kind: str, size: tuple[float, float, float], seed: int, shape: tuple[int, ...], dice: Dice
) -> Block:
    length, width, height = size
    storeys = max(1, shape[0] if shape else round(height / 3.2))
    texture = dice.pick(
        {"office": (4, 3, 2, 4, 1), "shop": (0, 1, 0, 2, 1)}.get(kind, (0, 1, 0, 0, 2))
    )
    windows = {4: (3, 3, 5), 3: (3, 5), 0: (1, 2, 4, 1), 1: (1, 2, 5), 2: (2, 1)}[texture]
    window = dice.pick(windows)
    tint, bay = dice.pick(TINTS[texture]), dice.between(240, 390) / 100
    if kind == "office":
        feature = dice.pick(("plain", "canopy", "canopy", "fins"))
    else:
        feature = dice.pick(("plain", "balconies", "balconies", "oriel", "oriel", "tower"))
    feature = "plain" if storeys < 3 and feature != "canopy" else feature
    reach = {"plain": 0.35, "fins": 0.4, "tower": 0.8, "oriel": 0.85}.get(feature, 1.15)
    reach = min(max(reach, 1.0) if kind == "shop" else reach, 0.14 * width)
    annex = width * dice.between(22, 34) / 100 if width > 8.5 and dice.percent(45) else 0.0
    body = Rect(-length / 2, length / 2, -width / 2 + reach, width / 2 - annex)
    extra = dice.between(80, 150) / 100
    pitch, wish = dice.between(50, 95) / 100, dice.word() % 100
    crown = height - min(extra, 0.2 * height)
    roof, top, walled = _roof(kind, wish, storeys, crown, pitch * (body.y1 - body.y0) / 2)
    if roof == "gable" and not annex:
        body = body.inset(0.0, 0.0, 0.0, EAVES_M)
    shops = kind == "shop" or (kind == "building" and storeys > 3 and dice.percent(25))
    ground = 0.0
    if shops:
        ground = min(3.9, 1.28 * top / walled) if walled > 1 else top - 0.45
    attic = 0.55 if roof == "flat" else fronts.ATTIC_M
    storey = (top - ground - attic) / max(1, walled - 1 if shops else walled)
    look = Wall(tint, texture, window, bay, storey, seed % 65536, ground, top)
    chance = 15 if kind == "office" else 60
    blank = "".join(side for side in "rl" if dice.percent(chance))
    return Block(body, walled, top, crown, roof, ground, look, feature, reach, annex, blank)


def _roof(kind: str, wish: int, storeys: int, crown: float, rise: float) -> tuple[str, float, int]:
    """Roof, top of the walls and storeys under it, as far as the height allows."""
    room = crown - storeys * LEAST_STOREY_M
    rise = min(rise, room, 4.5)
    if kind == "office":
        if wish < 40 and storeys > 3:
            return "setback", crown * (storeys - 1) / storeys, storeys - 1
        return "flat", crown, storeys
    if rise >= 0.9 and (storeys < 3 or wish < 35):
        return "gable", crown - rise, storeys
    if storeys > 2 and wish < 60:
        return "mansard", crown - min(2.9, crown / storeys), storeys - 1
    if storeys > 3 and wish < 78:
        return "setback", crown * (storeys - 1) / storeys, storeys - 1
    return "flat", crown, storeys


def block(
    kind: str,
    size: tuple[float, float, float],
    seed: int,
    detail: int,
    shape: tuple[int, ...],
) -> Flat:
    """A building of the street's row."""
    dice = Dice(seed, 71)
    made = plan(kind, size, seed, shape, dice)
    footprint = Rect(-size[0] / 2, size[0] / 2, -size[1] / 2, size[1] / 2)
    flat = Flat()
    if detail == FAR:
        far = made._replace(body=footprint, look=made.look._replace(far=True))
        walls(flat, footprint, -SUNK_M, made.top, far.look)
        _crown(flat, far, size[2], Dice(seed, 72), detail)
        return flat
    look, body = made.look, made.body
    ridge = made.crown if made.roof == "gable" else 0.0
    if made.ground:
        walls(flat, body, made.ground, made.top, look, "rbl")
        walls(flat, body, -SUNK_M, made.top, look, "f", made.blank, ridge)
        _shops(flat, made, Dice(seed, 73), detail)
    else:
        walls(flat, body, -SUNK_M, made.top, look, "", made.blank, ridge)
    _crown(flat, made, size[2], Dice(seed, 72), detail)
    around = body
    if made.annex:
        around = _annex(flat, made, footprint, Dice(seed, 74))
    paving = Finish(materials.PAVEMENT, srgb(146, 142, 134), PAVED, (0.5, float(seed % 1000)))
    if around is body:
        gap_decks(flat, footprint, body, APRON_M, -SUNK_M, paving)
    else:
        _yard(flat, footprint, body, around, paving)
    _front(flat, made, Dice(seed, 75), detail)
    return flat


def _yard(flat: Flat, footprint: Rect, body: Rect, annex: Rect, paving: Finish) -> None:
    """Slabs before the body and on both sides of the annex."""
    gap_decks(flat, footprint._replace(y1=body.y1), body, APRON_M, -SUNK_M, paving)
    left = Rect(footprint.x0, annex.x0, body.y1, footprint.y1)
    right = Rect(annex.x1, footprint.x1, body.y1, footprint.y1)
    slab(flat, left, APRON_M, -SUNK_M, paving, "bl")
    slab(flat, right, APRON_M, -SUNK_M, paving, "rb")


def _annex(flat: Flat, made: Block, footprint: Rect, dice: Dice) -> Rect:
    """A lower wing behind, over a part of the length."""
    share = dice.between(35, 70) / 100
    wide = share * (footprint.x1 - footprint.x0)
    left = dice.percent(50)
    x0 = footprint.x0 if left else footprint.x1 - wide
    x1 = x0 + wide if left else footprint.x1
    rect = Rect(x0, x1, made.body.y1, footprint.y1)
    top = max(2.6, made.top * dice.between(35, 75) / 100)
    top = min(top, made.top - 0.3)
    own = made.look._replace(height=top, ground=0.0, storey=top / max(1, round(top / 3.0)))
    walls(flat, rect, -SUNK_M, top, own, "f")
    deck(flat, rect, top, roofs.GRAVEL)
    return rect


def _crown(flat: Flat, made: Block, height: float, dice: Dice, detail: int) -> None:
    """Roof and what stands on it, up to the building's height."""
    body, look, near = made.body, made.look, detail == NEAR
    tile = roofs.tiles(dice.pick(roofs.TILE_TINTS))
    count = dice.between(2, 4) if near else 1
    sheet = roofs.tiles(dice.pick((roofs.ZINC, srgb(84, 86, 88), srgb(104, 92, 84))), 1)
    if made.roof == "gable":
        out = roofs.Eaves(0.0, 0.0 if detail == FAR else EAVES_M)
        roofs.gable(flat, body, made.top, made.crown, out, tile, look, near)
        side = dice.pick((-1, 1)) * (body.x1 - body.x0) * dice.between(25, 40) / 100
        middle = (body.y0 + body.y1) / 2
        roofs.chimney(flat, (side, middle), made.crown - 0.8, height, look.texture == 1, near)
        return
    if made.roof == "mansard":
        rim = roofs.mansard(flat, body, made.top, made.crown, sheet if dice.percent(60) else tile)
        if detail == NEAR:
            _dormers(flat, made)
        roofs.roof_boxes(flat, rim, made.crown, height, dice, min(count, 2))
        return
    if made.roof == "setback":
        rest = body.inset(1.2, 1.2, 1.9, 1.0)
        roofs.parapet(flat, body, made.top, 0.25, look, near)
        glazed = dice.percent(60)
        low = made.top - (0.25 if near else 0.0)
        own = look._replace(
            texture=4 if glazed else 0, window=3 if glazed else 1, ground=low,
            tint=dice.pick(CLADDING), storey=made.crown - low - 0.4, height=made.crown,
        )  # fmt: skip
        walls(flat, rest, low, made.crown, own)
        over = rest.inset(-0.4, -0.4, -0.5, -0.3)
        flat.box((over.x0, over.y0, made.crown - 0.14), (over.x1, over.y1, made.crown), sheet)
        if near:
            fronts.terrace(flat, body, made.top, srgb(90, 92, 94))
        roofs.roof_boxes(flat, rest, made.crown, height, dice, min(count, 2))
        return
    roofs.parapet(flat, body, made.top, 0.55, look, near)
    low = made.top - (0.55 if near else 0.0)
    roofs.roof_boxes(flat, body.inset(0.4, 0.4, 0.4, 0.4), low, height, dice, count)
    if near and dice.percent(50):
        roofs.antenna(flat, (body.x0 + 1.2, body.y1 - 1.4), low, height)


def _dormers(flat: Flat, made: Block) -> None:
    """One over every second bay of the front."""
    count, wide = _bays(made)
    tall = made.crown - made.top
    lean = min(0.3 * tall, (made.body.y1 - made.body.y0) / 5)
    for i in range(0, min(count, MOST_DORMERS * 2), 2):
        x = made.body.x0 + (i + 0.5) * wide
        front = made.body.y0 + 0.12
        z = (made.top + 0.45, made.top + min(2.0, tall - 0.6))
        fronts_width = min(1.3, wide - 0.4)
        roofs.dormer(flat, x, fronts_width, (front, made.body.y0 + lean), z, made.look)


def _bays(made: Block) -> tuple[int, float]:
    length = made.body.x1 - made.body.x0
    count = max(1, round(length / made.look.bay))
    return count, length / count


def _shops(flat: Flat, made: Block, dice: Dice, detail: int) -> None:
    """The ground floor's front and its awnings."""
    body = made.body
    for start, end in fronts.shop_units(body.x1 - body.x0, dice):
        x = (body.x0 + start, body.x0 + end)
        fronts.shopfront(
            flat, x, body.y0, made.ground, (made.look.seed + round(start)) % 65536, dice
        )
        cloth, reach = dice.percent(62), min(made.reach, 1.0) * dice.between(80, 97) / 100
        own = Dice(made.look.seed, round(start), 9)
        if cloth and detail != FAR:
            span = (x[0] + 0.25, x[1] - 0.25)
            fronts.awning(flat, span, body.y0, reach, made.ground - 0.84, own)
        if detail == NEAR and own.percent(45):
            fronts.blade_sign(flat, x[1] - 0.2, body.y0, made.reach, made.ground - 0.6, own)
    if detail == NEAR:
        stone = tuple(min(0.58, 1.15 * v) for v in made.look.tint)
        out = min(0.14, made.reach)
        fronts.course(flat, (body.x0, body.x1), body.y0, made.ground, 0.22, out, stone)  # type: ignore[arg-type]


def _front(flat: Flat, made: Block, dice: Dice, detail: int) -> None:
    look = made.look
    count, _ = _bays(made)
    stone: Tint = tuple(min(0.58, 1.2 * v + 0.03) for v in look.tint)  # type: ignore[assignment]
    entry = min(count - 1, int(count * dice.between(25, 75) / 100))
    _entrance(flat, made, entry, dice, detail, stone)
    if made.feature == "oriel":
        _oriels(flat, made, entry, Dice(look.seed, 76))
    if detail == MIDDLE:
        return
    _mouldings(flat, made, dice, stone)
    if made.feature == "balconies":
        _balconies(flat, made, dice)
    elif made.feature == "fins":
        _fins(flat, made, stone)


def _entrance(flat: Flat, made: Block, entry: int, dice: Dice, detail: int, stone: Tint) -> None:
    body, (_, wide) = made.body, _bays(made)
    x = body.x0 + (entry + 0.5) * wide
    if made.feature == "canopy":
        _canopy(flat, made, x, min(2.2, wide * 0.8))
    elif made.feature == "tower" and not made.ground:
        rect = Rect(x - wide / 2, x + wide / 2, body.y0 - 0.45, body.y0)
        fronts.tower(flat, rect, made.top - 0.5, made.look, roofs.GRAVEL)
        fronts.door(flat, x, rect.y0, dice, False, stone)
    elif not made.ground:
        fronts.door(flat, x, body.y0, dice, detail == NEAR, stone)


def _mouldings(flat: Flat, made: Block, dice: Dice, stone: Tint) -> None:
    body, look = made.body, made.look
    across = (body.x0, body.x1)
    if made.roof != "gable" and look.texture != 4:
        out = min(dice.between(12, 30) / 100, made.reach)
        fronts.course(flat, across, body.y0, made.top - 0.42, 0.34, out, stone)
    if look.texture in (0, 2) and not made.ground and made.storeys > 2 and dice.percent(60):
        fronts.course(flat, across, body.y0, look.storey - 0.12, 0.16, 0.07, stone)
    if look.texture < 3:
        fronts.pipe(flat, body.x1 - 0.25, body.y0, made.top - 0.45)


def _fins(flat: Flat, made: Block, stone: Tint) -> None:
    body = made.body
    count = min(_bays(made)[0], 12)
    for i in range(count + 1):
        x = body.x0 + 0.1 + i * (body.x1 - body.x0 - 0.2) / count
        low, high = (x - 0.08, body.y0 - 0.36, -SUNK_M), (x + 0.08, body.y0, made.top - 0.5)
        flat.box(low, high, plain(stone, 0.3), "db")


def _canopy(flat: Flat, made: Block, x: float, half: float) -> None:
    """A glazed entrance under a slab on two posts."""
    y = made.body.y0
    flat.box((x - half, y - 0.18, -SUNK_M), (x + half, y, 2.75), GLAZING, "db")
    out = y - made.reach + 0.05
    flat.box((x - half - 0.4, out, 2.85), (x + half + 0.4, y, 3.07), metal(srgb(96, 98, 100)), "b")
    for side in (-1, 1):
        post = x + side * (half + 0.2)
        flat.box(
            (post - 0.06, out + 0.1, -SUNK_M),
            (post + 0.06, out + 0.22, 2.85),
            metal(srgb(80, 82, 84)),
            "du",
        )


def _balconies(flat: Flat, made: Block, dice: Dice) -> None:
    """In columns, MOST_BALCONIES in all."""
    count, wide = _bays(made)
    solid = dice.percent(50)
    tints = (srgb(164, 160, 150), srgb(96, 104, 108), srgb(142, 104, 80), srgb(120, 132, 122))
    panel = plain(dice.pick(tints), 0.3) if solid else GLAZING._replace(tint=(0.2, 0.24, 0.25))
    levels = made.storeys - 1
    columns = max(1, min(MOST_BALCONIES // max(1, levels), (count + 1) // 3))
    first = dice.between(0, max(0, count // columns - 1))
    for c in range(columns):
        bay = min(count - 1, first + c * max(2, count // columns))
        x = made.body.x0 + (bay + 0.5) * wide
        half = min(wide / 2 - 0.08, 1.7)
        for level in range(1, min(levels, 8) + 1):
            z = made.ground + (level - 1 if made.ground else level) * made.look.storey + 0.05
            if z > 2.4 and z + 1.1 < made.top:
                edge = (made.body.y0 - made.reach + 0.05, made.body.y0)
                fronts.balcony(flat, (x - half, x + half), edge, z, panel)


def _oriels(flat: Flat, made: Block, entry: int, dice: Dice) -> None:
    count, wide = _bays(made)
    step = dice.between(3, 4)
    low = made.ground if made.ground else made.look.storey
    whole = (made.top - low) / made.look.storey
    high = low + (round(whole) - dice.between(0, 1)) * made.look.storey - 0.5
    cap = roofs.tiles(roofs.ZINC, 1)
    for bay in range(dice.between(0, step - 1), count, step):
        if bay != entry and high - low > 2.2:
            x = made.body.x0 + (bay + 0.5) * wide
            half = min(wide / 2 - 0.15, 1.5)
            rect = Rect(
                x - half, x + half, made.body.y0 - min(0.75, made.reach - 0.05), made.body.y0
            )
            fronts.oriel(flat, rect, low + 0.3, high, made.look, cap)

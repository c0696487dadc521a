"""What stands out of a front: doors, balconies, oriels, awnings, cornices, pipes.

The front faces -y; ``y`` is where its wall stands, ``reach`` how far things may stand out of it.
"""

from collections.abc import Sequence

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import SUNK_M
from roadloom.town.mesh.buildings_parts import (
    BUILDING,
    GLAZING,
    Flat,
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

DOOR_TINTS = (
    srgb(70, 46, 34),
    srgb(46, 62, 52),
    srgb(42, 52, 72),
    srgb(96, 40, 36),
    srgb(58, 58, 60),
    srgb(140, 132, 118),
)
SIGN_TINTS = (
    srgb(120, 40, 38),
    srgb(36, 70, 60),
    srgb(38, 52, 92),
    srgb(50, 48, 50),
    srgb(150, 110, 50),
    srgb(92, 52, 84),
    srgb(168, 162, 150),
    srgb(40, 94, 104),
)
CREAM = srgb(200, 194, 178)
ATTIC_M = 0.35
"""Of wall above the topmost windows' storey."""
STEP = plain(srgb(142, 138, 130), 0.6)


def door(flat: Flat, x: float, y: float, dice: Dice, edged: bool, stone: Tint) -> None:
    """Surround, leaf, light above it, a canopy or none, and steps; hides the bay's window."""
    tall, half = dice.between(255, 300) / 100, dice.between(75, 105) / 100
    leaf = Finish(materials.WOOD, dice.pick(DOOR_TINTS), BUILDING)
    covered, double = dice.percent(45), dice.percent(40)
    frame = plain(stone, 0.4)
    flat.box((x - half - 0.2, y - 0.09, -SUNK_M), (x + half + 0.2, y, tall), frame, "db")
    front = y - 0.1
    sill, head = 0.16, tall - 0.72
    splits = (-half + 0.06, 0.0, half - 0.06) if double else (-half + 0.06, half - 0.06)
    for a, b in zip(splits[:-1], splits[1:], strict=True):
        flat.quad(
            (x + a + 0.015, front, sill),
            (x + b - 0.015, front, sill),
            (x + b - 0.015, front, head),
            (x + a + 0.015, front, head),
            leaf,
            ((sill, 0.0), (sill, b - a), (head, b - a), (head, 0.0)),
        )
    flat.quad(
        (x - half + 0.06, front, head + 0.08),
        (x + half - 0.06, front, head + 0.08),
        (x + half - 0.06, front, tall - 0.12),
        (x - half + 0.06, front, tall - 0.12),
        GLAZING,
    )
    flat.box((x - half, y - 0.33, -SUNK_M), (x + half, y - 0.09, 0.16), STEP, "db")
    if covered and edged:
        canopy = (x - half - 0.3, y - 0.34, tall + 0.05), (x + half + 0.3, y, tall + 0.17)
        flat.box(*canopy, metal(srgb(76, 78, 80)), "b")


def balcony(
    flat: Flat, x: tuple[float, float], y: tuple[float, float], z: float, panel: Finish
) -> None:
    """A slab from ``y[0]`` (its edge) to the wall ``y[1]``, with three railings."""
    (x0, x1), (y0, y1) = x, y
    flat.box((x0, y0, z - 0.17), (x1, y1, z), plain(srgb(176, 172, 164), 0.5), "b")
    low, high = z + 0.06, z + 1.0
    a, b = (x0 + 0.04, y1), (x1 - 0.04, y1)
    c, d = (x0 + 0.04, y0 + 0.04), (x1 - 0.04, y0 + 0.04)
    for left, right in ((a, c), (c, d), (d, b)):
        wall(flat, left, right, low, high, panel)
    rail = metal(srgb(70, 72, 76), 0.3)
    flat.box((x0, y0, high), (x1, y0 + 0.07, high + 0.05), rail, "rlb")


def oriel(flat: Flat, rect: Rect, low: float, high: float, look: Wall, cap: Finish) -> None:
    """A bay that stands out of the front over several storeys, with a sloping cap."""
    levels = max(1, round((high - low) / look.storey))
    storey = (high - low - ATTIC_M) / levels
    own = look._replace(bay=rect.x1 - rect.x0, storey=storey, ground=low, height=high)
    for left, right in ((3, 0), (0, 1), (1, 2)):
        a, b = rect.ring[left], rect.ring[right]
        length = abs(a[0] - b[0]) + abs(a[1] - b[1])
        wall(flat, a, b, low, high, (own if left == 0 else own._replace(window=0)).finish(length))
    a, b, c, d = rect.ring
    flat.quad((*d, low), (*c, low), (*b, low), (*a, low), plain(look.tint, 0.4))
    rise = high + 0.45
    flat.quad((*a, high), (*b, high), (*c, rise), (*d, rise), cap)
    flat.triangle((*b, high), (*c, high), (*c, rise), cap)
    flat.triangle((*d, high), (*a, high), (*d, rise), cap)


def course(
    flat: Flat, x: tuple[float, float], y: float, z: float, tall: float, out: float, tint: Tint
) -> None:
    """A moulding along the front; as a cornice at its top."""
    flat.box((x[0], y - out, z), (x[1], y, z + tall), plain(tint, 0.4), "b")


def pipe(flat: Flat, x: float, y: float, top: float) -> None:
    zinc = metal(srgb(112, 114, 116), 0.3)
    flat.box((x - 0.05, y - 0.11, -SUNK_M), (x + 0.05, y - 0.02, top), zinc, "db")


def shop_units(length: float, dice: Dice) -> list[tuple[float, float]]:
    """Where along the front each shop lies, from the left end."""
    count = max(1, round(length / dice.between(600, 950) * 100))
    return [(length * i / count, length * (i + 1) / count) for i in range(count)]


def shopfront(
    flat: Flat, x: tuple[float, float], y: float, top: float, seed: int, dice: Dice
) -> None:
    """Ground floor of one shop, from below the ground to ``top``."""
    length = x[1] - x[0]
    bay = length / max(1, round(length / (dice.between(22, 36) / 10)))
    sign = dice.pick(SIGN_TINTS)
    style = (bay, top, float(seed), *sign)
    frame = dice.pick(
        (srgb(70, 66, 62), srgb(150, 144, 132), srgb(62, 44, 36), srgb(110, 108, 106))
    )
    wall(
        flat,
        (x[0], y),
        (x[1], y),
        -SUNK_M,
        top,
        Finish(materials.SHOPFRONT, frame, BUILDING, style),
    )


def awning(
    flat: Flat, x: tuple[float, float], y: float, reach: float, top: float, dice: Dice
) -> None:
    """Cloth on a slope with a hanging edge, closed at its ends."""
    tint = dice.pick(SIGN_TINTS)
    plain_cloth = dice.percent(35)
    second = tint if plain_cloth else CREAM
    cloth = Finish(materials.AWNING, tint, BUILDING, (dice.between(18, 34) / 100, *second))
    out, low = y - reach, top - 0.42 * reach - 0.2
    edge = low - 0.24
    (x0, x1), width = x, x[1] - x[0]
    slope = ((0.0, 0.24), (width, 0.24), (width, 0.24 + reach), (0.0, 0.24 + reach))
    flat.quad((x0, out, low), (x1, out, low), (x1, y, top), (x0, y, top), cloth, slope)
    hem = ((0.0, 0.0), (width, 0.0), (width, 0.24), (0.0, 0.24))
    flat.quad((x0, out, edge), (x1, out, edge), (x1, out, low), (x0, out, low), cloth, hem)
    flat.triangle((x1, out, low), (x1, y, low), (x1, y, top), cloth)
    flat.triangle((x0, y, low), (x0, out, low), (x0, y, top), cloth)


def blade_sign(flat: Flat, x: float, y: float, reach: float, low: float, dice: Dice) -> None:
    """A small board across the front, on an arm."""
    tint, arm = dice.pick(SIGN_TINTS), metal(srgb(54, 56, 58), 0.2)
    out, tall = min(0.85, reach - 0.05), dice.between(45, 75) / 100
    near, far, top = y - 0.18, y - out, low + tall
    flat.box((x - 0.04, far, low), (x + 0.04, near, top), plain(tint, 0.2, 0.2), "rl")
    # Both sides show letters of a shop's name, cut out of the strip above its windows.
    finish = Finish(materials.SHOPFRONT, tint, BUILDING, (2.6, 3.0, float(int(97 * out)), *tint))
    u, v = (0.62, 0.62 + near - far), (2.52 - tall / 2, 2.52 + tall / 2)
    uv = ((u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1]))
    right = ((x + 0.04, far, low), (x + 0.04, near, low), (x + 0.04, near, top))
    left = ((x - 0.04, near, low), (x - 0.04, far, low), (x - 0.04, far, top))
    flat.quad(*right, (x + 0.04, far, top), finish, uv)
    flat.quad(*left, (x - 0.04, near, top), finish, uv)
    flat.box((x - 0.015, y - 0.18, low + tall - 0.1), (x + 0.015, y, low + tall - 0.06), arm, "fb")


def terrace(flat: Flat, rect: Rect, z: float, tint: Tint) -> None:
    """Railing along the front of a flat roof."""
    rail = metal(tint, 0.3)
    flat.box((rect.x0, rect.y0 + 0.1, z + 0.95), (rect.x1, rect.y0 + 0.16, z + 1.0), rail)
    wall(flat, (rect.x0, rect.y0 + 0.13), (rect.x1, rect.y0 + 0.13), z, z + 0.92, GLAZING)


def columns(flat: Flat, places: Sequence[float], y: float, top: float, tint: Tint) -> None:
    """Piers that carry whatever stands out above."""
    for x in places:
        finish = plain(tint, 0.5)
        flat.box((x - 0.2, y, -SUNK_M), (x + 0.2, y + 0.4, top), finish, "du")


def tower(flat: Flat, rect: Rect, top: float, look: Wall, roof: Finish) -> None:
    """A stair tower of glass before the wall."""
    glazed = look._replace(texture=4, window=3, bay=rect.x1 - rect.x0, ground=0.0, height=top)
    walls(flat, rect, -SUNK_M, top, glazed, "b")
    deck(flat, rect, top, roof)

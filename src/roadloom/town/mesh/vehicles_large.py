"""Trucks, trailers and buses: flat-sided, so that details are panels a few millimetres off."""

from dataclasses import replace

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, NEAR
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, box, cylinder
from roadloom.town.mesh.vehicles_parts import (
    BLACK,
    DARK,
    GREY,
    Tint,
    both_sides,
    end_panel,
    painted,
    plain,
    plate,
    side_panel,
    slab,
    tint_of,
    wheel,
)

Size = tuple[float, float, float]
_GAP = 0.006
_FLEET = (
    tint_of(200, 200, 198), tint_of(198, 200, 202), tint_of(24, 62, 122), tint_of(150, 26, 26),
    tint_of(38, 84, 60), tint_of(206, 148, 32), tint_of(96, 100, 104),
)  # fmt: skip


def glass(cls: int, tint: float = 0.75) -> Finish:
    return Finish(materials.GLASS, (0.02, 0.024, 0.026), cls, (tint,))


def lamp(cls: int) -> Finish:
    return Finish(materials.HEADLAMP, (0.5, 0.52, 0.55), cls)


def tail(cls: int) -> Finish:
    return Finish(materials.TAILLAMP, (0.33, 0.012, 0.012), cls)


def truck(kind: str, size: Size, seed: int, detail: int, cls: int) -> Mesh:
    """``truck.box``, ``truck.flatbed`` or ``truck.cab`` (a tractor without its trailer)."""
    dice = Dice(seed, 72)
    length, width, height = size
    half, front, rear = width / 2, length / 2, -length / 2
    tint = dice.pick(_FLEET)
    cab_long = min(0.30 * length, 0.62 * height)
    top = height * (0.86 if kind == "truck.box" else 1.0)
    radius = min(0.145 * height, 0.5)
    deck = radius * 2.12
    parts = [cab(front, cab_long, half * 0.955, top, radius, size, tint, seed, detail, cls)]
    behind = front - cab_long - 0.12
    frame = plain(cls, DARK)
    parts.append(
        box(
            (rear + 0.05, -half * 0.45, deck * 0.62), (front - 0.4, half * 0.45, deck - 0.02), frame
        )
    )
    if kind == "truck.box":
        parts += _cargo_box(rear, behind, half, deck, height, seed, detail, cls, dice)
    elif kind == "truck.flatbed":
        parts += _flatbed(rear, behind, half, deck, height, detail, cls, dice)
    else:
        parts += _tractor_rear(rear, behind, half, deck, detail, cls)
    axles = [front - 0.72 * cab_long, rear + 0.2 * length]
    if length > 8.0 or kind == "truck.cab":
        axles.append(axles[1] + 2.25 * radius)
    for i, x in enumerate(axles):
        for side in (1, -1):
            inner = half * (0.62 if i else 0.72)
            parts.append(wheel(x, radius, side * inner, side * half * 0.985, detail, cls))
    if detail != FAR:
        parts.append(_arch(axles[0], radius, half * 0.955 + _GAP / 2, cls))
    parts += _rear_end(rear, half, deck, seed, detail, cls)
    return join(parts)


def _arch(x: float, radius: float, y: float, cls: int) -> Mesh:
    """The dark opening above a front wheel, as panels on the cab."""
    low = -np.arcsin(0.25 / 1.2)
    turn = np.linspace(low, np.pi - low, 9)
    ring = [(x + 1.2 * radius * np.cos(t), radius * (1.0 + 1.2 * np.sin(t))) for t in turn]
    return side_panel(ring, y, plain(cls, BLACK))


def cab(
    front: float,
    long: float,
    half: float,
    top: float,
    radius: float,
    size: Size,
    tint: Tint,
    seed: int,
    detail: int,
    cls: int,
) -> Mesh:
    """A cab over the engine: its nose at x = ``front``."""
    low, back = radius * 0.75, front - long
    belt = low + 0.47 * (top - low)
    lean = 0.10 * (top - belt)
    paint = Finish(materials.PAINTWORK, tint, cls)
    shell = slab(
        [(back, low + 0.1), (front - 0.04, low), (front, low + 0.12), (front, belt),
         (front - lean, top - 0.16), (front - lean - 0.3, top), (back, top)],
        half, paint,
    )  # fmt: skip
    shell = painted(shell, tint, (3.0, size[0], size[2], float(seed % 65536)))
    parts = [shell]

    def at(z: float) -> float:
        return front - lean * (z - belt) / (top - 0.16 - belt) + _GAP

    screen_top = top - 0.30
    z0 = belt + 0.03
    wind = end_panel(
        (-half * 0.92, z0), (half * 0.92, screen_top), at(z0), 1, glass(cls), at(screen_top)
    )
    parts.append(wind)
    door = back + long * 0.30
    parts.append(
        side_panel(
            [(door, belt + 0.05), (front - 0.22, belt - 0.08), (front - 0.30, screen_top),
             (door, screen_top)], half + _GAP, glass(cls),
        )
    )  # fmt: skip
    if detail == FAR:
        return join(parts)
    x = front + _GAP
    grille = plain(cls, BLACK, 0.1)
    parts.append(end_panel((-half * 0.62, low + 0.42), (half * 0.62, belt - 0.12), x, 1, grille))
    parts.append(
        end_panel((-half * 0.98, low + 0.13), (half * 0.98, low + 0.36), x, 1, plain(cls, DARK))
    )
    for side in (1, -1):
        y0, y1 = sorted((side * half * 0.62, side * half * 0.93))
        parts.append(end_panel((y0, low + 0.17), (y1, low + 0.32), x + _GAP, 1, lamp(cls)))
    parts.append(plate(x + 0.004, low + 0.18, 0.26, 0.11, 1, seed, cls))
    if detail == NEAR:
        for i in range(3):
            z = low + 0.5 + i * (belt - low - 0.66) / 3
            bar = Finish(materials.METAL, (0.3, 0.3, 0.31), cls, (0.8,))
            parts.append(end_panel((-half * 0.58, z), (half * 0.58, z + 0.035), x + _GAP, 1, bar))
        # Steps, sun visor, wipers' strip.
        parts.append(
            end_panel((-half * 0.92, belt - 0.06), (half * 0.92, belt + 0.02), x, 1, grille)
        )
        parts.append(
            box(
                (at(screen_top) - 0.02, -half * 0.9, screen_top),
                (at(screen_top) + 0.16, half * 0.9, screen_top + 0.05),
                plain(cls, DARK),
            )
        )
    arm = box(
        (front - 0.12, half * 0.99, belt + 0.25),
        (front + 0.0, half / 0.97, belt + 0.85),
        plain(cls, BLACK),
    )
    parts.append(both_sides(arm))
    return join(parts)


def _cargo_box(
    rear: float,
    front: float,
    half: float,
    deck: float,
    top: float,
    seed: int,
    detail: int,
    cls: int,
    dice: Dice,
) -> list[Mesh]:
    tint = dice.pick(_FLEET[:2] * 3 + _FLEET)
    body = box((rear, -half, deck), (front, half, top), Finish(materials.PAINTWORK, tint, cls))
    parts = [painted(body, tint, (3.0, front - rear, top, float(seed % 65536)))]
    sign = dice.pick(_FLEET[2:])
    if detail != FAR and dice.percent(70):
        z0 = deck + (top - deck) * dice.between(20, 45) / 100
        z1 = z0 + (top - deck) * dice.between(15, 40) / 100
        a, b = rear + (front - rear) * 0.08, rear + (front - rear) * dice.between(60, 92) / 100
        lean = dice.between(0, 60) / 100 * (z1 - z0)
        parts.append(
            side_panel(
                [(a, z0), (b, z0), (b - lean, z1), (a, z1)], half + _GAP, plain(cls, sign, 0.2)
            )
        )
    if detail == NEAR:
        bar = Finish(materials.METAL, (0.34, 0.34, 0.35), cls, (0.3,))
        for y in (-half + 0.04, -0.02, half - 0.08):
            parts.append(end_panel((y, deck + 0.02), (y + 0.04, top - 0.05), rear - _GAP, -1, bar))
        parts.append(end_panel((-half, top - 0.06), (half, top - 0.004), rear - _GAP, -1, bar))
        for z in (deck, top - 0.05):
            parts.append(side_panel([(rear, z), (front, z), (front, z + 0.05), (rear, z + 0.05)],
                                    half + _GAP / 2, bar))  # fmt: skip
    return parts


def _flatbed(
    rear: float,
    front: float,
    half: float,
    deck: float,
    top: float,
    detail: int,
    cls: int,
    dice: Dice,
) -> list[Mesh]:
    wood = Finish(materials.WOOD, tint_of(112, 84, 56), cls)
    steel = plain(cls, dice.pick((GREY, tint_of(150, 26, 26), tint_of(24, 62, 122))), 0.2)
    wall = 0.42 * min(1.0, (top - deck) / 1.6)
    parts = [box((rear, -half * 0.94, deck), (front, half * 0.94, deck + 0.09), wood)]
    parts.append(both_sides(box((rear, half * 0.945, deck), (front, half, deck + wall), steel)))
    parts.append(
        box((rear, -half * 0.94, deck + 0.095), (rear + 0.05, half * 0.94, deck + wall), steel)
    )
    head = deck + 0.55 * (top - deck)
    parts.append(box((front - 0.07, -half * 0.94, deck + 0.095), (front, half * 0.94, head), steel))
    if detail != FAR:
        _load(parts, rear, front, half, deck + 0.1, cls, dice)
    return parts


def _load(
    parts: list[Mesh], rear: float, front: float, half: float, z: float, cls: int, dice: Dice
) -> None:
    """Pallets, pipes or nothing."""
    long = front - rear
    what = dice.between(0, 2)
    if what == 0:
        stone = plain(cls, tint_of(150, 138, 122))
        for i in range(dice.between(1, 3)):
            x = front - 0.5 - (i + 1) * long * 0.24
            high = 0.3 + dice.between(0, 40) / 100
            parts.append(box((x, -half * 0.7, z), (x + long * 0.2, half * 0.62, z + high), stone))
    elif what == 1:
        pipe = Finish(materials.METAL, tint_of(120, 122, 124), cls, (0.2,))
        for i, y in enumerate((-0.5, -0.2, 0.1, 0.4)):
            tube = cylinder(0.12, rear + 0.3, front - 0.25 - 0.1 * (i % 2), 8, pipe)
            parts.append(_lying(tube, y * half / 0.7, z + 0.13))


def _lying(mesh: Mesh, y: float, z: float) -> Mesh:
    """z becomes x."""
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    return replace(
        mesh,
        corners=mesh.corners @ turn.T + (0.0, y, z),
        normals=(mesh.normals @ turn.T).astype(np.float32),
    )


def _tractor_rear(
    rear: float, front: float, half: float, deck: float, detail: int, cls: int
) -> list[Mesh]:
    dark = plain(cls, DARK)
    mid = (rear + front) / 2
    parts = [
        cylinder(half * 0.5, deck, deck + 0.09, 12, dark, at=(rear + 0.3 * (front - rear), 0.0))
    ]
    parts.append(
        both_sides(box((rear + 0.02, half * 0.55, deck), (mid, half * 0.97, deck + 0.05), dark))
    )
    if detail != FAR:
        tank = Finish(materials.METAL, (0.36, 0.36, 0.37), cls, (0.8,))
        tanks = box((mid + 0.35, half * 0.5, deck * 0.42), (front, half * 0.95, deck - 0.08), tank)
        parts.append(both_sides(tanks))
        pipe = cylinder(0.07, deck, deck * 2.6, 8, tank, at=(front - 0.05, half * 0.75))
        parts.append(both_sides(pipe))
    return parts


def _rear_end(
    rear: float, half: float, deck: float, seed: int, detail: int, cls: int
) -> list[Mesh]:
    """Lamps, plate and the bar that keeps cars from driving under."""
    if detail == FAR:
        return []
    low = deck * 0.42
    bar = plain(cls, GREY, 0.1)
    parts = [box((rear + 0.05, -half * 0.92, low), (rear + 0.13, half * 0.92, low + 0.12), bar)]
    block = box(
        (rear + 0.02, half * 0.66, low + 0.16), (rear + 0.1, half * 0.94, low + 0.32), tail(cls)
    )
    parts.append(both_sides(block))
    parts.append(
        box((rear + 0.08, -0.3, low + 0.125), (rear + 0.12, 0.3, deck * 0.62 - 0.004), bar)
    )
    parts.append(plate(rear + 0.08, low + 0.15, 0.26, 0.11, -1, seed, cls))
    return parts


def trailer(size: Size, seed: int, detail: int, cls: int) -> Mesh:
    """A box trailer with its axles behind, legs and a drawbar."""
    dice = Dice(seed, 73)
    length, width, height = size
    half, front, rear = width / 2, length / 2, -length / 2
    radius = min(0.145 * height, 0.5)
    deck = radius * 2.12
    bar = min(0.9, 0.12 * length)
    parts = _cargo_box(rear, front - bar, half, deck, height, seed, detail, cls, dice)
    dark = plain(cls, DARK)
    parts.append(
        box(
            (rear + 0.1, -half * 0.4, deck * 0.65),
            (front - bar - 0.2, half * 0.4, deck - 0.02),
            dark,
        )
    )
    parts.append(box((front - bar - 0.2, -0.08, deck * 0.62), (front, 0.08, deck * 0.8), dark))
    legs = box(
        (front - bar - 0.75, half * 0.42, 0.02),
        (front - bar - 0.62, half * 0.55, deck - 0.03),
        dark,
    )
    parts.append(both_sides(legs))
    for x in (-0.3 * length + 1.15 * radius, -0.3 * length - 1.15 * radius):
        for side in (1, -1):
            parts.append(wheel(x, radius, side * half * 0.62, side * half * 0.96, detail, cls))
    return join([*parts, *_rear_end(rear, half, deck, seed, detail, cls)])

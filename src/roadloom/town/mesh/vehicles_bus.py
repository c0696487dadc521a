"""Low-floor city buses."""

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, NEAR
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, box, creased, loft, polygon
from roadloom.town.mesh.vehicles_large import Size, glass, lamp, tail
from roadloom.town.mesh.vehicles_parts import (
    BLACK,
    DARK,
    both_sides,
    end_panel,
    painted,
    plain,
    plate,
    side_panel,
    tint_of,
    wheel,
)

_GAP = 0.006


def bus(size: Size, seed: int, detail: int, cls: int) -> Mesh:
    """A low-floor city bus; doors on its right."""
    dice = Dice(seed, 74)
    length, width, height = size
    half, front, rear = width / 2 * 0.965, length / 2, -length / 2
    tint = dice.pick(
        (tint_of(160, 24, 28), tint_of(206, 158, 40), tint_of(30, 82, 140), tint_of(198, 198, 194),
         tint_of(46, 112, 72))
    )  # fmt: skip
    low, belt, upper = 0.10 * height, 0.40 * height, 0.83 * height
    radius = 0.155 * height
    outline = np.array(
        [(-half, low), (half, low), (half, upper), (half - 0.05, height - 0.17),
         (half - 0.22, height - 0.02), (-half + 0.22, height - 0.02), (-half + 0.05, height - 0.17),
         (-half, upper)]
    )  # fmt: skip
    rings = []
    for x, share in ((rear, 0.97), (rear + 0.12, 1.0), (front - 0.22, 1.0), (front, 0.955)):
        ring = outline * (share, 1.0)
        back = np.where((x == front) & (ring[:, 1] > upper), 0.12, 0.0)
        rings.append(np.column_stack([x - back, ring]))
    skin = creased(loft(np.stack(rings), Finish(materials.PAINTWORK, tint, cls), smooth=False))
    style = (2.0, length, height, float(seed % 65536))
    parts = [painted(skin, tint, style)]
    pane = glass(cls, 0.65)
    y = half + _GAP
    a, b, top = rear + 0.5, front - 0.4, upper - 0.05
    parts.append(side_panel([(a, belt), (b, belt), (b, top), (a, top)], y, pane))
    axles = (front - 0.225 * length, rear + 0.27 * length)
    for x in axles:
        for side in (1, -1):
            parts.append(wheel(x, radius, side * (half - 0.3), side * (half + 0.03), detail, cls))
    if detail != FAR:
        arch = [(np.cos(t), np.sin(t)) for t in np.linspace(0, np.pi, 9)]
        for x in axles:
            points = [(x + c * radius * 1.16, radius * 0.9 + s * radius * 1.16) for c, s in arch]
            parts.append(side_panel(points, y - 0.001, plain(cls, BLACK)))
        parts += _bus_details(length, half, height, low, belt, upper, detail, cls, seed)
    parts += _bus_ends(front, rear, half, height, low, belt, upper, detail, cls, seed)
    return join(parts)


def _bus_details(
    length: float,
    half: float,
    height: float,
    low: float,
    belt: float,
    upper: float,
    detail: int,
    cls: int,
    seed: int,
) -> list[Mesh]:
    front, rear = length / 2, -length / 2
    parts = []
    frame, pane = plain(cls, BLACK, 0.1), glass(cls, 0.45)
    y = -(half + 2 * _GAP)
    doors = (front - 0.095 * length, front - 0.50 * length, rear + 0.15 * length)
    for x in doors[: 2 if length < 9 else 3]:
        w, z0, z1 = 0.62, low + 0.06, upper - 0.06
        ring = [(x - w, y, z0), (x + w, y, z0), (x + w, y, z1), (x - w, y, z1)]
        parts.append(polygon(ring, frame))
        for a, b in ((-0.93, -0.06), (0.06, 0.93)):
            ring = [(x + a * w, y - _GAP, z0 + 0.14), (x + b * w, y - _GAP, z0 + 0.14),
                    (x + b * w, y - _GAP, z1 - 0.1), (x + a * w, y - _GAP, z1 - 0.1)]  # fmt: skip
            parts.append(polygon(ring, pane))
    if detail == NEAR:
        bays = round((length - 0.9) / 1.45)
        for i in range(1, bays):
            x = rear + 0.5 + (length - 0.9) * i / bays
            z0, z1 = belt, upper - 0.05
            post = [(x - 0.04, z0), (x + 0.04, z0), (x + 0.04, z1), (x - 0.04, z1)]
            parts.append(side_panel(post, half + 1.7 * _GAP, frame))
    unit = plain(cls, (0.4, 0.4, 0.4))
    box_low = (rear + 0.25 * length, -half * 0.6, height - 0.03)
    parts.append(
        box(box_low, (rear + 0.5 * length, half * 0.6, height + 0.16), unit, skip=("bottom",))
    )
    arm = box(
        (front - 0.1, half * 0.98, upper - 0.75), (front + 0.05, half / 0.965, upper - 0.3), frame
    )
    parts.append(both_sides(arm))
    return parts


def _bus_ends(
    front: float,
    rear: float,
    half: float,
    height: float,
    low: float,
    belt: float,
    upper: float,
    detail: int,
    cls: int,
    seed: int,
) -> list[Mesh]:
    wide, x = half * 0.93, front + _GAP
    black = plain(cls, BLACK, 0.1)
    parts = [end_panel((-wide, belt - 0.12 * height), (wide, upper - 0.02), x, 1, glass(cls, 0.6))]
    parts.append(
        end_panel(
            (-wide * 0.9, belt + 0.08), (wide * 0.9, upper - 0.1), rear - _GAP, -1, glass(cls)
        )
    )
    slope = 0.12 / (height - 0.17 - upper)

    def at(z: float) -> float:
        return front - slope * max(0.0, z - upper) + 2 * _GAP + 0.006

    z0, z1 = upper + 0.01, height - 0.20
    parts.append(end_panel((-wide * 0.8, z0), (wide * 0.8, z1), at(z0), 1, black, at(z1)))
    if detail != FAR:
        amber = plain(cls, (0.75, 0.32, 0.02))
        m0, m1 = z0 + 0.25 * (z1 - z0), z0 + 0.75 * (z1 - z0)
        for a, b in ((-0.66, -0.52), (-0.42, 0.05), (0.12, 0.60)):
            lift = _GAP
            parts.append(
                end_panel((a * wide, m0), (b * wide, m1), at(m0) + lift, 1, amber, at(m1) + lift)
            )
        bumper = plain(cls, DARK)
        parts.append(end_panel((-wide, low + 0.02), (wide, low + 0.2), x, 1, bumper))
        parts.append(end_panel((-wide, low + 0.02), (wide, low + 0.2), rear - _GAP, -1, bumper))
        parts.append(
            end_panel((-wide * 0.7, low + 0.45), (wide * 0.7, belt - 0.1), rear - _GAP, -1, black)
        )
        for side in (1, -1):
            y0, y1 = sorted((side * wide * 0.66, side * wide * 0.97))
            parts.append(end_panel((y0, low + 0.26), (y1, low + 0.40), x, 1, lamp(cls)))
            y0, y1 = sorted((side * wide * 0.80, side * wide * 0.97))
            parts.append(end_panel((y0, low + 0.28), (y1, low + 0.85), rear - _GAP, -1, tail(cls)))
        parts.append(plate(x, low + 0.24, 0.26, 0.11, 1, seed, cls))
        parts.append(plate(rear - _GAP, low + 0.24, 0.26, 0.11, -1, seed, cls))
    return parts

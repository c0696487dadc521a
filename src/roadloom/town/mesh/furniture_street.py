"""Benches, bins, boxes, shelters, planters, racks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from roadloom.town.mesh import materials
from roadloom.town.mesh.build import NEAR
from roadloom.town.mesh.buildings_parts import srgb
from roadloom.town.mesh.furniture_parts import (
    BLACK,
    GALVANISED,
    GREEN,
    LACQUER,
    RUBBER_TINT,
    WARM_WOOD,
    Job,
)
from roadloom.town.mesh.mesh import Mesh
from roadloom.town.mesh.plants_crowns import leaf_cards, lumps
from roadloom.town.mesh.solids import Finish, box, cylinder, loft, prism, tube

NOTICE = srgb(186, 182, 168)


def bench(job: Job) -> Sequence[Mesh]:
    """Slats on two iron frames; it is sat on from -y."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    wood = job.finish(
        materials.WOOD, job.dice.pick((WARM_WOOD, srgb(98, 70, 50), srgb(110, 108, 100)))
    )
    iron = job.metal(job.dice.pick((BLACK, GREEN)), 0.2)
    seat, back = 0.44, y - 0.09
    slats = 3 if job.detail == NEAR else 1
    deep = (2 * y - 0.16) / slats
    parts = []
    for i in range(slats):
        front = -y + i * deep
        parts.append(box((-x, front, seat - 0.04), (x, front + deep - 0.03, seat), wood))
    for i in range(2 if slats > 1 else 1):
        z = seat + 0.1 + i * (h - seat - 0.1) / 2
        high = (
            z + (h - seat - 0.1) / (2 if slats > 1 else 1) - (0.04 if i == 0 and slats > 1 else 0)
        )
        parts.append(box((-x, back + 0.03 * i, z), (x, back + 0.04 + 0.03 * i, high), wood))
    if job.far:
        parts.append(box((-x + 0.2, -y, low), (x - 0.2, y, seat - 0.1), iron, skip=("bottom",)))
        return [*parts, box((-0.1, y - 0.05, seat), (0.1, y, h), iron, skip=("bottom",))]
    for side in (-1, 1):
        at = side * (x - 0.22)
        for leg in (-y + 0.06, y - 0.06):
            tall = seat - 0.04 if leg < 0 else h - 0.05
            parts.append(box((at - 0.025, leg - 0.03, low), (at + 0.025, leg + 0.03, tall), iron))
        parts.append(
            box((at - 0.02, -y + 0.06, seat - 0.1), (at + 0.02, y - 0.06, seat - 0.04), iron)
        )
    parts.append(box((-x + 0.2, y - 0.03, h - 0.2), (-x + 0.24, y, h - 0.05), iron))
    return parts


def hydrant(job: Job) -> Sequence[Mesh]:
    """A barrel with a cap and three outlets."""
    r, h, low = min(job.length, job.width) / 2, job.height, job.floor
    red = job.metal(job.dice.pick((srgb(150, 40, 34), srgb(150, 40, 34), srgb(176, 142, 44))), 0.2)
    sides = job.sides(9)
    z = 0.62 * h
    parts = [
        cylinder(0.85 * r, low, 0.1, sides, red),
        cylinder(0.55 * r, 0.1, 0.76 * h, sides, red, caps=(False, False)),
        cylinder(0.68 * r, 0.74 * h, 0.8 * h, sides, red),
        cylinder(0.6 * r, 0.8 * h, 0.94 * h, sides, red, top_radius=0.28 * r, caps=(False, False)),
        cylinder(0.28 * r, 0.94 * h, h, sides, red, top_radius=0.18 * r, caps=(False, True)),
        box((-r, -0.26 * r, z - 0.26 * r), (r, 0.26 * r, z + 0.26 * r), red),
        box((-0.3 * r, -r, z - 0.35 * r), (0.3 * r, 0.0, z + 0.3 * r), red),
    ]
    return [*parts, box((-0.2 * r, 0.5 * r, z), (0.2 * r, r, z + 0.3 * r), red)]


def litter_bin(job: Job) -> Sequence[Mesh]:
    """Round with a roof on stays, or square with a hood."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    lacquer = job.metal(job.dice.pick((GREEN, *LACQUER, srgb(120, 62, 40))), 0.2)
    dark = job.plain(BLACK, 0.2)
    if job.dice.percent(55):
        r, sides = min(x, y), job.sides(10)
        return [
            cylinder(0.9 * r, low, 0.7 * h, sides, lacquer, top_radius=r, caps=(True, False)),
            cylinder(0.92 * r, 0.66 * h, 0.84 * h, sides, dark, caps=(False, False)),
            cylinder(r, 0.84 * h, 0.9 * h, sides, lacquer, caps=(True, False)),
            cylinder(r, 0.9 * h, h, sides, lacquer, top_radius=0.45 * r, caps=(False, True)),
        ]
    return [
        box((-x, -y, low), (x, y, 0.66 * h), lacquer, skip=("bottom",)),
        box(
            (-0.9 * x, -0.86 * y, 0.66 * h),
            (0.9 * x, 0.9 * y, 0.86 * h),
            dark,
            skip=("bottom", "top"),
        ),
        box((-x, -y, 0.86 * h), (x, y, h), lacquer),
        box((-0.5 * x, -0.88 * y, 0.69 * h), (0.5 * x, -0.86 * y, 0.8 * h), job.plain(NOTICE, 0.1)),
    ]


def mailbox(job: Job) -> Sequence[Mesh]:
    """A box with a round top on a foot; letters go in from -y."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    body = job.metal(
        job.dice.pick((srgb(178, 138, 36), srgb(150, 40, 36), srgb(40, 62, 104))), 0.25
    )
    foot = 0.42 * h
    angle = np.linspace(0, np.pi, 7 if job.detail == NEAR else 4)
    arc = np.stack([x * np.cos(angle), h - 0.55 * x + 0.55 * x * np.sin(angle)], axis=-1)
    ring = np.concatenate([[(-x, foot), (x, foot)], arc])
    rings = np.stack(
        [np.column_stack([ring[:, 0], np.full(len(ring), at), ring[:, 1]]) for at in (y, -y)]
    )
    slot = h - 0.62 * x - 0.05
    return [
        loft(rings, body, smooth=False),
        box(
            (-0.5 * x, -0.7 * y, low),
            (0.5 * x, 0.7 * y, foot),
            job.metal(srgb(70, 72, 74)),
            skip=("bottom", "top"),
        ),
        box((-0.7 * x, -y - 0.012, slot), (0.7 * x, -y, slot + 0.05), job.plain(BLACK)),
        box(
            (-0.6 * x, -y - 0.006, foot + 0.12), (0.6 * x, -y, foot + 0.36), job.plain(NOTICE, 0.1)
        ),
    ]


def cabinet(job: Job) -> Sequence[Mesh]:
    """For switches: doors in front, a plinth, a lid that stands out."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    paint = job.plain(
        job.dice.pick((srgb(138, 142, 138), srgb(112, 122, 112), srgb(150, 146, 134))), 0.4
    )
    dark = job.plain(srgb(62, 64, 64), 0.3)
    parts = [
        box((-x + 0.02, -y + 0.02, low), (x - 0.02, y - 0.02, 0.12), dark, skip=("bottom", "top")),
        box((-x + 0.03, -y + 0.03, 0.12), (x - 0.03, y - 0.02, h - 0.07), paint),
        box((-x, -y, h - 0.07), (x, y, h), paint),
    ]
    if job.detail == NEAR:
        for place in (0.0,) if job.length < 1.2 else (-x / 3, x / 3):
            parts.append(
                box((place - 0.008, -y + 0.022, 0.14), (place + 0.008, -y + 0.03, h - 0.09), dark)
            )
            parts.append(
                box((place + 0.05, -y + 0.012, 0.6), (place + 0.08, -y + 0.03, 0.75), dark)
            )
        poster = job.plain(job.dice.pick((NOTICE, srgb(150, 120, 60), srgb(90, 110, 128))), 0.5)
        parts.append(box((-0.8 * x, -y + 0.026, 0.75), (-0.25 * x, -y + 0.03, 1.05), poster))
    return parts


def wheelie_bin(job: Job) -> Sequence[Mesh]:
    """A tapered body, a lid that slopes, two wheels and a handle at the back (+y)."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    tints = (srgb(44, 62, 50), srgb(58, 60, 62), srgb(46, 62, 92), srgb(86, 64, 46))
    lids = (srgb(44, 62, 50), srgb(58, 60, 62), srgb(150, 120, 40), srgb(46, 70, 112))
    body, lid = (
        job.plain(job.dice.pick(tints), 0.2, 0.25),
        job.plain(job.dice.pick(lids), 0.2, 0.25),
    )
    rubber = job.finish(materials.RUBBER, RUBBER_TINT)
    base = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (0.8 * x, 0.78 * y) + (0, 0.02)
    top = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (0.96 * x, 0.92 * y)
    rings = np.stack(
        [np.column_stack([base, np.full(4, low)]), np.column_stack([top, np.full(4, 0.88 * h)])]
    )
    cover = np.array([(-x, -y), (x, -y), (x, 0.9 * y), (-x, 0.9 * y)])
    heights = np.array([0.93, 0.93, 1.0, 1.0]) * h
    lid_rings = np.stack(
        [np.column_stack([cover, np.full(4, 0.88 * h)]), np.column_stack([cover * 0.97, heights])]
    )
    parts = [loft(rings, body, smooth=False), loft(lid_rings, lid, smooth=False)]
    if not job.far:
        parts.append(box((-0.9 * x, y - 0.05, 0.88 * h), (0.9 * x, y, 0.92 * h), body))
        for side in (-1, 1):
            a, b = sorted((side * 0.82 * x, side * 0.98 * x))
            parts.append(_wheel((a, b), y - 0.12, 0.11, low, job.sides(9), rubber))
    return parts


def _wheel(
    x: tuple[float, float], y: float, r: float, low: float, sides: int, finish: Finish
) -> Mesh:
    """Its axle along x."""
    line = [(x[0], y, low + r), (x[1], y, low + r)]
    return tube(line, (r, r), sides, finish)


def bus_shelter(job: Job) -> Sequence[Mesh]:
    """Open to -y: glass behind and beside, a roof, a bench, a lit poster at one end."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    steel = job.metal(job.dice.pick((srgb(84, 88, 92), srgb(52, 56, 60), GREEN)), 0.3)
    glass = job.finish(materials.GLASS, (0.25, 0.28, 0.28), 0.12)
    poster = job.plain(
        job.dice.pick((srgb(170, 120, 60), srgb(70, 110, 140), srgb(160, 70, 70))), 0.6, 0.4
    )
    roof = h - 0.14
    back = y - 0.28
    parts = [box((-x, -y, roof), (x, y, h), steel)]
    for at in (-x + 0.12, 0.0, x - 0.12):
        parts.append(box((at - 0.04, back - 0.04, low), (at + 0.04, back + 0.04, roof), steel))
    for side in (-1, 1):
        at = side * (x - 0.12)
        parts.append(box((at - 0.04, -y + 0.3, low), (at + 0.04, -y + 0.38, roof), steel))
    panes = [
        ((-x + 0.16, back - 0.01), (-0.04, back + 0.01)),
        ((0.04, back - 0.01), (x - 0.16, back + 0.01)),
    ]
    panes.append(((x - 0.13, -y + 0.38), (x - 0.11, back - 0.04)))
    for (x0, y0), (x1, y1) in panes:
        parts.append(box((x0, y0, 0.25), (x1, y1, roof - 0.15), glass))
    end = -x + 0.12
    parts.append(box((end - 0.08, -y + 0.38, 0.25), (end + 0.08, back - 0.04, roof - 0.12), steel))
    for face in (-0.085, 0.08):
        parts.append(
            box(
                (end + face, -y + 0.44, 0.35), (end + face + 0.005, back - 0.1, roof - 0.22), poster
            )
        )
    parts.append(
        box((-0.45 * x, back - 0.42, 0.45), (0.75 * x, back - 0.08, 0.49),
            job.finish(materials.WOOD, WARM_WOOD))
    )  # fmt: skip
    for at in (-0.35 * x, 0.65 * x):
        parts.append(
            box(
                (at - 0.03, back - 0.28, low),
                (at + 0.03, back - 0.2, 0.45),
                steel,
                skip=("bottom", "top"),
            )
        )
    return parts


def planter(job: Job) -> Sequence[Mesh]:
    """A tub of wood, concrete or steel, with shrubs."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    tub = job.dice.pick(
        (job.finish(materials.WOOD, WARM_WOOD), job.plain(srgb(156, 152, 144), 0.7),
         job.plain(srgb(78, 80, 82), 0.3), job.plain(srgb(150, 96, 72), 0.5))
    )  # fmt: skip
    rim = 0.52 * h
    outline = np.array([(-x, -y), (x, -y), (x, y), (-x, y)])
    chance = np.random.Generator(np.random.PCG64(job.seed))
    count = max(2, min(3, round(job.length / 0.5)))
    clumps = np.empty((count, 5))
    clumps[:, 0] = (np.arange(count) + 0.5) / count * 1.6 * x - 0.8 * x
    clumps[:, 1] = chance.uniform(-0.1, 0.1, count) * y
    clumps[:, 2] = rim + 0.35 * (h - rim)
    clumps[:, 3] = 0.84 * min(y, 1.9 * x / count)
    clumps[:, 4] = (h - rim) * chance.uniform(0.42, 0.62, count)
    tint = materials.linear(*job.dice.pick(((70, 92, 44), (84, 104, 54), (62, 82, 46))))
    bands = (6, 4) if job.detail == NEAR else (5, 3)
    bodies = lumps(clumps, 1.0, 0.14, bands, chance, (float(job.seed % 65536),), materials.HEDGE)
    parts = [
        prism(0.94 * outline, low, rim, tub),
        prism(outline, rim - 0.07, rim + 0.01, tub),
        replace(bodies, tint=(bodies.tint * tint).astype(np.float32)),
    ]
    if job.detail == NEAR:
        at = bodies.corners[::2, 1]
        cards = leaf_cards(
            at, bodies.normals[::2, 1].astype(np.float64), np.ones(len(at)), 0.12, chance
        )
        bloom = np.array(
            materials.linear(*job.dice.pick(((170, 60, 70), (180, 150, 60), (74, 96, 48))))
        )
        cards.tint[:] *= np.where(np.arange(len(cards))[:, None] % 4 < 2, bloom, tint)
        parts.append(cards)
    return parts


def bicycle_rack(job: Job) -> Sequence[Mesh]:
    """Hoops across the rack, on two rails."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    steel, r = job.metal(GALVANISED, 0.4), 0.025
    count = 2 if job.far else max(2, min(4, round(job.length / 0.8)))
    sides = 4
    parts = []
    for place in np.linspace(-x + r, x - r, count):
        bend = 0.2 if job.detail == NEAR else 0.12
        line = [(place, -y + r, low), (place, -y + r, h - bend)]
        if job.detail == NEAR:
            line += [(place, -y + bend, h - r), (place, y - bend, h - r)]
        else:
            line += [(place, 0.0, h - r)]
        line += [(place, y - r, h - bend), (place, y - r, low)]
        parts.append(tube(line, (r,) * len(line), sides, steel))
    for side in (-1, 1):
        at = side * (y - r)
        parts.append(box((-x, at - 0.02, low), (x, at + 0.02, low + 0.03), steel))
    return parts

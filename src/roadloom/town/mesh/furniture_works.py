"""Barriers, cones, barrels, signs of works, bollards, debris: all carry boxes."""

from collections.abc import Sequence

import numpy as np

from roadloom.town.mesh import materials
from roadloom.town.mesh.build import NEAR
from roadloom.town.mesh.buildings_parts import srgb
from roadloom.town.mesh.furniture_parts import (
    GALVANISED,
    LACQUER,
    RUBBER_TINT,
    WARM_WOOD,
    Job,
    plate,
)
from roadloom.town.mesh.mesh import Mesh
from roadloom.town.mesh.solids import box, cylinder, ellipsoid, limb, shifted, turned

RED = srgb(178, 36, 32)
ORANGE = srgb(206, 84, 28)


def barrier(job: Job) -> Sequence[Mesh]:
    """Two striped boards along y on two posts in heavy feet; lamps on top of some."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    lamps = job.dice.percent(40)
    top = h - 0.16 if lamps else h
    boards = job.finish(materials.STRIPES, RED, 0.2, 0.8)
    rubber = job.finish(materials.RUBBER, RUBBER_TINT)
    post = job.metal(GALVANISED)
    parts = [
        box((-0.02, -y, top - 0.27), (0.02, y, top), boards),
        box((-0.02, -y + 0.04, top - 0.66), (0.02, y - 0.04, top - 0.45), boards),
    ]
    for side in (-1, 1):
        at = side * (y - 0.28)
        parts.append(box((-x, at - 0.11, low), (x, at + 0.11, low + 0.11), rubber))
        parts.append(box((-0.05, at - 0.025, low + 0.11), (-0.02, at + 0.025, top - 0.04), post))
        if lamps:
            amber = job.finish(materials.TAILLAMP, srgb(196, 120, 30), 1.0)
            parts.append(box((-0.05, at - 0.08, top), (0.05, at + 0.08, h), amber))
    return parts


def cone(job: Job) -> Sequence[Mesh]:
    """A striped cone on a square foot."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    rubber = job.finish(materials.RUBBER, RUBBER_TINT)
    stripes = job.finish(materials.STRIPES, ORANGE, 0.21 * h, 0.0)
    foot = 0.74 * min(x, y)
    return [
        box((-x, -y, low), (x, y, low + 0.04), rubber),
        cylinder(
            foot, low + 0.04, h, job.sides(12), stripes, top_radius=0.16 * foot,
            caps=(False, True),
        ),
    ]  # fmt: skip


def barrel(job: Job) -> Sequence[Mesh]:
    """Stacked drums that taper, with stripes, in a rubber ring."""
    r, h, low = min(job.length, job.width) / 2, job.height, job.floor
    stripes = job.finish(materials.STRIPES, ORANGE, 0.19, 0.0)
    ring = cylinder(r, low, low + 0.09, job.sides(10), job.finish(materials.RUBBER, RUBBER_TINT))
    sides = job.sides(10)
    lift = h - low - 0.17
    drums = [
        cylinder(
            r * (0.88 - 0.1 * i), low + 0.09 + lift * i / 2, low + 0.09 + lift * (i + 1) / 2,
            sides, stripes, top_radius=r * (0.82 - 0.1 * i), caps=(False, True),
        )
        for i in range(2)
    ]  # fmt: skip
    handle = box((-0.03, -0.11, h - 0.08), (0.03, 0.11, h), job.plain(ORANGE))
    return [ring, *drums, handle]


def works_sign(job: Job) -> Sequence[Mesh]:
    """A triangle on a folding stand; it faces +x."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    tall = min(2 * y * 0.87, 0.62 * h)
    foot = h - tall
    outline = np.array([(-y, foot), (y, foot), (0.06, h), (-0.06, h)])
    face = job.finish(materials.SIGN_FACE, srgb(190, 184, 170), 7.0, y, tall / 2, 0.0)
    steel = job.metal(GALVANISED)
    parts = [plate(outline, (0.0, 0.022), face, steel)]
    for side in (-1, 1):
        at = side * y * 0.62
        parts += [
            limb(
                (x - 0.03, at, low + 0.02), (-0.015, at * 0.5, foot + 0.12), 0.018, 0.018, 4, steel
            ),
            limb(
                (-x + 0.03, at, low + 0.02), (-0.02, at * 0.4, foot + 0.3), 0.018, 0.018, 4, steel
            ),
            box((-x, at - 0.04, low), (x, at + 0.04, low + 0.03), steel),
        ]
    sack = job.plain(srgb(128, 96, 60), 0.7)
    if job.detail == NEAR:
        parts.append(
            ellipsoid((-x * 0.4, 0.0, low + 0.1), (0.16, 0.2, 0.085), sack, sides=7, rings=4)
        )
    return parts


def bollard(job: Job) -> Sequence[Mesh]:
    """Cast iron, stone or plastic, with a bright band or a knob."""
    r, h, low = min(job.length, job.width) / 2, job.height, job.floor
    style, sides = job.dice.between(0, 2), job.sides(10)
    lacquer = job.metal(job.dice.pick(LACQUER), 0.2)
    if style == 0:
        stone = job.plain(srgb(150, 146, 138), 0.7)
        body = cylinder(r, low, h - 0.3 * r, sides, stone, top_radius=0.86 * r, caps=(True, False))
        return [
            body,
            cylinder(
                0.86 * r, h - 0.3 * r, h, sides, stone, top_radius=0.45 * r, caps=(False, True)
            ),
        ]
    band = job.finish(materials.STRIPES, RED if style == 1 else srgb(196, 190, 176), 0.09, 0.0)
    ledge, cut = low + 0.12 * h, (0.72 * h, 0.86 * h)
    return [
        cylinder(r, low, ledge, sides, lacquer),
        cylinder(0.72 * r, ledge, cut[0], sides, lacquer, top_radius=0.66 * r, caps=(False, False)),
        cylinder(0.68 * r, *cut, sides, band, caps=(True, True)),
        cylinder(0.66 * r, cut[1], h, sides, lacquer, top_radius=0.36 * r, caps=(False, True)),
    ]


def debris(job: Job) -> Sequence[Mesh]:
    """Planks, cartons, sacks or a tyre, thrown together."""
    style = job.dice.between(0, 2)
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    if style == 0:
        return _planks(job)
    if style == 1:
        card = job.plain(srgb(146, 112, 76), 0.4, 0.0)
        tape = job.plain(srgb(120, 92, 62), 0.3, 0.1)
        first = box((-x, -y, low), (0.25 * x, 0.5 * y, 0.62 * h), card)
        second = turned(
            box((-0.55 * x, -0.5 * y, 0.0), (0.55 * x, 0.5 * y, 0.5 * h), tape), 0.94, 0.342
        )
        flap = limb((-0.8 * x, -0.9 * y, 0.62 * h), (-0.6 * x, -0.2 * y, h), 0.01, 0.01, 4, card)
        return [first, shifted(second, (0.4 * x, 0.35 * y, low)), flap]
    sack = (srgb(52, 54, 58), srgb(60, 78, 96), srgb(150, 146, 136))
    parts = []
    for i, (u, v, s) in enumerate(((-0.4, -0.2, 0.95), (0.42, 0.25, 0.8), (0.1, -0.45, 0.6))):
        parts.append(
            ellipsoid(
                (u * x, v * y, low + 0.5 * s * h), (0.55 * x * s, 0.62 * y * s, 0.5 * s * h),
                job.plain(sack[(i + job.seed) % 3], 0.3, 0.35), sides=job.sides(8), rings=4,
            )
        )  # fmt: skip
    return parts


def _planks(job: Job) -> Sequence[Mesh]:
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    wood = job.finish(materials.WOOD, WARM_WOOD)
    parts = []
    count = 4
    thick = (h - low) / count
    for i in range(count):
        turn = (job.dice.between(-30, 30) if i else 0) / 100
        cos = 1 / (1 + turn * turn) ** 0.5
        plank = box((-x * 0.95, -0.2 * y, 0.0), (x * 0.95, 0.2 * y, 0.8 * thick), wood)
        aside = (job.dice.between(-60, 60)) / 100 * y
        parts.append(turned(plank, cos, turn * cos, (0.0, aside, low + i * thick)))
    return parts

"""Fences, garden walls and guard rails: along x, over posts."""

from collections.abc import Sequence

import numpy as np

from roadloom.town.mesh import materials
from roadloom.town.mesh.build import NEAR
from roadloom.town.mesh.buildings_parts import srgb
from roadloom.town.mesh.furniture_parts import GALVANISED, LACQUER, WARM_WOOD, Job
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, box, loft, triangles

BARS = 70
PICKETS = 26


def fence(job: Job) -> Sequence[Mesh]:
    """Pickets, boards or iron bars between posts."""
    style, wooden = (
        job.dice.between(0, 2),
        job.dice.pick((WARM_WOOD, srgb(186, 182, 172), srgb(96, 92, 84))),
    )
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    wood = job.finish(materials.WOOD, wooden)
    if style == 2:
        return _iron(job)
    spans = max(1, round(job.length / 2.2))
    parts = []
    for place in np.linspace(-x, x, spans + 1):
        at = min(max(place, -x + 0.05), x - 0.05)
        parts.append(box((at - 0.05, -y, low), (at + 0.05, y, h), wood, skip=("bottom",)))
    if style == 0 and job.detail == NEAR and job.length / 0.17 < PICKETS * 2:
        count = min(PICKETS, max(2, int(job.length / 0.19)))
        for place in (np.arange(count) + 0.5) / count * (2 * x - 0.2) - x + 0.1:
            parts.append(
                box((place - 0.05, -y, 0.07), (place + 0.05, -y + 0.02, h - 0.06), wood,
                    skip=("bottom", "left"))
            )  # fmt: skip
        parts += [
            box((-x, -y + 0.02, z), (x, -y + 0.045, z + 0.07), wood, skip=("right",))
            for z in (0.25, h - 0.3)
        ]
        return parts
    boards = 4 if style == 1 else 3
    gap = (h - 0.12) / boards
    for i in range(boards):
        z = 0.08 + i * gap
        parts.append(box((-x, -0.012, z), (x, 0.012, z + 0.78 * gap), wood))
    return parts


def _iron(job: Job) -> Sequence[Mesh]:
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    iron = job.finish(materials.MESHWORK, job.dice.pick(LACQUER))
    spans = max(1, round(job.length / 2.5))
    parts = []
    for place in np.linspace(-x, x, spans + 1):
        at = min(max(place, -x + y), x - y)
        parts.append(box((at - y, -y, low), (at + y, y, h), iron, skip=("bottom",)))
    for z in (0.12, h - 0.16):
        parts.append(box((-x, -0.02, z), (x, 0.02, z + 0.04), iron))
    if job.far:
        return parts
    count = min(BARS if job.detail == NEAR else BARS // 2, max(2, int(job.length / 0.13)))
    places = (np.arange(count) + 0.5) / count * 2 * x - x
    sheet = np.array([(-0.011, 0.12), (0.011, 0.12), (0.011, h - 0.06), (-0.011, h - 0.06)])
    bars = np.zeros((count, 4, 3))
    bars[..., 0] = places[:, None] + sheet[:, 0]
    bars[..., 2] = sheet[:, 1]
    parts.append(triangles(bars[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3), iron))
    return parts


def wall(job: Job) -> Sequence[Mesh]:
    """Masonry under a coping, with pillars at its ends."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    texture = job.dice.between(0, 2)
    tints = ((186, 178, 160), (134, 84, 66), (150, 144, 130))
    body = job.finish(materials.BRICKWORK, srgb(*tints[texture]), float(texture))
    coping = job.plain(srgb(160, 156, 146), 0.6, 0.0)
    inset, thick, rim = 0.2 * y, 0.09, min(0.1, 0.1 * h)
    pillars = job.detail == NEAR and job.length > 2.5
    top = h - (0.12 if pillars else 0.0)
    parts = [
        box((-x, -y + inset, low), (x, y - inset, top - thick), body, skip=("top", "bottom")),
        box((-x, -y + 0.4 * inset, top - thick), (x, y - 0.4 * inset, top), coping),
    ]
    if not pillars:
        return [parts[0], box((-x, -y, top - thick), (x, y, top), coping)]
    for side in (-1, 1):
        a, b = sorted((side * x, side * (x - 1.9 * y)))
        parts.append(box((a, -y, low), (b, y, h - rim), body, skip=("top", "bottom")))
        parts.append(box((a, -y, h - rim), (b, y, h), coping))
    return parts


def guard_rail(job: Job) -> Sequence[Mesh]:
    """A folded steel band on both sides of posts, or on one where it is thin."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    steel = job.metal(GALVANISED, 0.35)
    post = Finish(materials.METAL, srgb(120, 124, 126), job.cls, (0.2,))
    sides = (-1, 1) if job.width > 0.36 else (1,)
    parts = []
    spans = max(1, round(job.length / (2.0 if job.detail == NEAR else 4.0)))
    for place in (np.arange(spans) + 0.5) / spans * 2 * x - x:
        parts.append(box((place - 0.04, -y if len(sides) == 1 else -0.06, low),
                         (place + 0.04, 0.0 if len(sides) == 1 else 0.06, h - 0.04), post,
                         skip=("bottom",)))  # fmt: skip
    wave = (
        (0.0, 0.0),
        (0.06, 0.04),
        (0.06, 0.09),
        (0.015, 0.155),
        (0.06, 0.22),
        (0.06, 0.27),
        (0.0, 0.31),
    )
    for side in sides:
        parts.append(
            _band(x, y, h, side, wave if not job.far else (wave[0], wave[2], wave[-1]), steel)
        )
    if len(sides) == 2:
        for place in (-x + 0.5, x - 0.5):
            parts.append(
                box((place - 0.1, -y + 0.07, h - 0.2), (place + 0.1, y - 0.07, h - 0.1), post)
            )
    return parts


def _band(
    x: float, y: float, h: float, side: int, wave: Sequence[tuple[float, float]], steel: Finish
) -> Mesh:
    """Closed, 8 mm thick."""
    shape = np.array(wave)
    outer = np.stack([y - 0.06 + shape[:, 0], h - 0.31 + shape[:, 1]], axis=-1)
    inner = outer - (0.008, 0.0)
    ring = np.concatenate([outer, inner[::-1]])
    if side < 0:
        ring = ring[::-1] * (-1, 1)
    rings = [np.column_stack([np.full(len(ring), at), ring]) for at in (-x, x)]
    return join([loft(np.stack(rings), steel, smooth=False, caps=(False, False))])

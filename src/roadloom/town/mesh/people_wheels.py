"""Strollers, wheelchairs and scooters with those who use them."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, PHASES
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.people_figure import ANKLE_M, HEAD_M, NECK_M, Stance, figure
from roadloom.town.mesh.people_look import look_of
from roadloom.town.mesh.people_walk import walking
from roadloom.town.mesh.solids import Finish, box, circle, ellipsoid, loft, scaled, tube
from roadloom.town.mesh.vehicles_parts import BLACK, DARK, both_sides, plain, tint_of

Size = tuple[float, float, float]
_COLOURS = (
    tint_of(24, 25, 28), tint_of(126, 30, 34), tint_of(30, 46, 84), tint_of(58, 74, 52),
    tint_of(120, 122, 124), tint_of(150, 128, 98),
)  # fmt: skip


@lru_cache
def _unit_wheel(detail: int, thick: float, cls: int) -> Mesh:
    """Radius 1 about y: a tyre of square section (half width ``thick``) with crossing spokes."""
    sides = (16, 10, 6)[detail]
    around = circle(sides, 0.5)

    def ring(r: float, y: float) -> Float[np.ndarray, "side 3"]:
        return np.stack([-around[:, 0] * r, np.full(sides, y), around[:, 1] * r], axis=-1)

    inner, w = 1 - 2 * thick, thick
    rings = [ring(inner, -w), ring(1.0, -w), ring(1.0, w), ring(inner, w), ring(inner, -w)]
    if detail == FAR:
        rings = [ring(inner, 0.0), ring(1.0, 0.0)]
    rubber = Finish(materials.RUBBER, (0.018, 0.018, 0.019), cls)
    steel = Finish(materials.METAL, (0.3, 0.3, 0.31), cls, (0.6,))
    parts = [loft(np.stack(rings), rubber, smooth=False, caps=(False, False))]
    half = 0.012
    for i in range((4, 2, 0)[detail]):
        angle = np.pi * i / (4, 2, 0)[detail]
        # Spokes cross in the hub: each a little thinner than the last, so that no faces coincide.
        side = np.array([0.0, half * (1 - 0.12 * i), 0.0])
        along = np.array([np.cos(angle), 0.0, np.sin(angle)]) * (1 - thick)
        up = np.array([-np.sin(angle), 0.0, np.cos(angle)]) * half
        ends = [
            [e + up - side, e - up - side, e - up + side, e + up + side] for e in (-along, along)
        ]
        parts.append(loft(np.array(ends), steel, smooth=False, caps=(False, False)))
    return join(parts)


def spoked_wheel(
    x: float, y: float, radius: float, detail: int, cls: int, thick: float = 0.045
) -> Mesh:
    """A wheel that stands on the ground; ``thick`` is half the tyre's width in radii."""
    return scaled(_unit_wheel(detail, thick, cls), (radius,) * 3, (x, y, radius))


def stroller(size: Size, seed: int, detail: int, cls: int, phase: int) -> Mesh:
    """A pushchair ahead of the adult who pushes it."""
    length, width, height = size
    k = height / 1.75
    look = look_of(seed)._replace(bag="")
    step = walking((length * 0.52, width, height), look, phase)
    move = np.array([-0.24 * length, 0.0, 0.0])
    grip = _grip(size)
    hands = grip + np.array([[0.0, 0.17, 0.0], [0.0, -0.17, 0.0]]) * k
    neck = step.neck + move + (0.05 * k, 0, 0)
    ankles = step.ankles + move
    stance = Stance(step.pelvis + move, neck, hands, ankles, step.pitch, height)
    return join([_pushchair(size, seed, detail, cls), figure(stance, look, k, detail, cls)])


def _grip(size: Size) -> Float[np.ndarray, "3"]:
    """Middle of the handlebar."""
    k = size[2] / 1.75
    return np.array([-0.24 * size[0] + 0.36 * k, 0.0, 0.98 * k])


@lru_cache(maxsize=64)
def _pushchair(size: Size, seed: int, detail: int, cls: int) -> Mesh:
    length, width, height = size
    k, half, front, cart = height / 1.75, width / 2, length / 2, 0.62 * length
    grip = _grip(size)
    frame = Finish(materials.METAL, (0.12, 0.12, 0.125), cls, (0.5,))
    cloth = Finish(materials.CLOTH, Dice(seed, 84).pick(_COLOURS), cls)
    radius = 0.115 * k
    rear_x, front_x = front - 0.62 * cart, front - radius
    sides = (5, 4, 3)[detail]
    parts = []
    for side in (1, -1):
        y = side * (half - 0.012)
        parts.append(spoked_wheel(rear_x, y, radius * 1.2, max(detail, 1), cls, 0.10))
        parts.append(spoked_wheel(front_x, y * 0.8, radius, max(detail, 1), cls, 0.10))
        y *= 0.86
        knee = (grip[0] + 0.3 * k, y, 0.62 * k)
        line = [(rear_x, y, radius * 1.2), knee, (grip[0], y * 0.7, grip[2])]
        parts.append(tube(line, (0.014 * k,) * 3, sides, frame))
        line = [(front_x, y * 0.9, radius), (grip[0] + 0.32 * k, y, 0.60 * k)]
        parts.append(tube(line, (0.013 * k,) * 2, sides, frame))
    bar = np.array([0.016, 0.30, 0.016]) * k
    parts.append(box(grip - bar, grip + bar, plain(cls, BLACK)))
    a, b, w = grip[0] + 0.2 * k, front - 0.06 * cart, half * 0.66
    rows = np.array(
        [(a, w, 0.70, a + 0.04, 0.95), ((a + b) / 2, w, 0.36, (a + b) / 2, 0.66),
         (b, w * 0.9, 0.38, b, 0.56)]
    )  # fmt: skip
    rings = [
        [(x1, y, z1 * k), (x1, -y, z1 * k), (x0, -y, z0 * k), (x0, y, z0 * k)]
        for x0, y, z0, x1, z1 in rows
    ]
    parts.append(loft(np.array(rings), cloth, smooth=False))
    hood = (a * 0.75 + b * 0.25, 0.0, 0.90 * k)
    parts.append(ellipsoid(hood, (0.22 * k, w * 1.04, 0.22 * k), cloth, sides=8 - detail, rings=4))
    face = Finish(materials.SKIN, look_of(seed).skin, cls)
    head = (a * 0.42 + b * 0.58, 0.0, 0.76 * k)
    parts.append(ellipsoid(head, (0.08 * k,) * 3, face, sides=6 - detail, rings=4 - detail))
    return join(parts)


def wheelchair(size: Size, seed: int, detail: int, cls: int, phase: int) -> Mesh:
    """A wheelchair with the one who sits in it, hands on the rims."""
    length, width, height = size
    k, half = height / 1.32, width / 2
    look = look_of(seed)._replace(bag="", lower="trousers")
    radius = 0.30 * k
    axle = -length / 2 + radius + 0.06 * k
    pelvis = np.array([axle + 0.10 * k, 0.0, 0.62 * k])
    neck = np.array([axle + 0.07 * k, 0.0, height - (HEAD_M + NECK_M) * 0.98 * k])
    push = 0.09 * k * np.sin(2 * np.pi * phase / PHASES)
    hands = np.array(
        [[axle + 0.12 * k + push, s * (half - 0.05), 2 * radius + 0.03 * k] for s in (1, -1)]
    )
    foot = length / 2 - 0.20 * k
    ankles = np.array([[foot, s * 0.085 * k, (0.112 + ANKLE_M) * k] for s in (1, -1)])
    stance = Stance(pelvis, neck, hands, ankles, (-0.05, -0.05), height)
    rider = figure(stance, look, 0.98 * k, detail, cls)
    return join([_wheelchair(size, detail, cls), rider])


@lru_cache(maxsize=64)
def _wheelchair(size: Size, detail: int, cls: int) -> Mesh:
    length, width, height = size
    k, half = height / 1.32, width / 2
    radius = 0.30 * k
    axle = -length / 2 + radius + 0.06 * k
    dark = plain(cls, DARK)
    frame = Finish(materials.METAL, (0.3, 0.3, 0.31), cls, (0.6,))
    seat = 0.52 * k
    sides = (5, 4, 3)[detail]
    parts: list[Mesh] = []
    for side in (1, -1):
        y = side * (half - 0.015)
        parts.append(spoked_wheel(axle, y, radius, detail, cls))
        parts.append(spoked_wheel(axle + 0.52 * k, y * 0.72, 0.085 * k, max(detail, 1), cls, 0.18))
        y *= 0.80
        line = np.array(
            [(axle - 0.06 * k, y, 0.98 * k), (axle, y, seat - 0.06 * k),
             (axle + 0.44 * k, y, seat - 0.06 * k), (axle + 0.60 * k, y, 0.13 * k)]
        )  # fmt: skip
        parts.append(tube(line, (0.013 * k,) * 4, sides, frame))
        parts.append(tube([line[0], line[0] - (0.12 * k, 0, 0)], (0.017 * k,) * 2, sides, dark))
    y = half * 0.74
    parts.append(box((axle - 0.01 * k, -y, seat - 0.05 * k), (axle + 0.43 * k, y, seat), dark))
    parts.append(box((axle - 0.075 * k, -y, seat), (axle - 0.035 * k, y, 0.95 * k), dark))
    tip = length / 2
    rest = box((tip - 0.26 * k, 0.02 * k, 0.09 * k), (tip, 0.15 * k, 0.105 * k), dark)
    return join([*parts, both_sides(rest)])


def scooter(size: Size, seed: int, detail: int, cls: int, phase: int) -> Mesh:
    """A kick scooter with its rider standing on it; the same in every phase."""
    length, width, height = size
    k, half = height / 1.88, width / 2
    look = look_of(seed)._replace(lower="trousers", bag="backpack" if seed % 3 == 0 else "")
    radius = 0.105 * k
    front, rear = length / 2 - radius, -length / 2 + radius
    dark = plain(cls, DARK)
    parts = [spoked_wheel(x, 0.0, radius, max(detail, 1), cls, 0.2) for x in (front, rear)]
    deck = 0.165 * k
    low, high = (rear + radius, -0.075 * k, 0.13 * k), (front - 1.6 * radius, 0.075 * k, deck)
    parts.append(box(low, high, dark))
    head = np.array([front - 0.16 * k, 0.0, 1.06 * k])
    steel = tint_of(120, 122, 124)
    stem = plain(cls, Dice(seed, 86).pick((BLACK, steel, tint_of(40, 120, 70))), 0.3)
    line = np.array([(front, 0, radius), (front - 0.06 * k, 0, 0.3 * k), head])
    parts.append(tube(line, (0.025 * k, 0.025 * k, 0.02 * k), 6 - detail, stem))
    line = np.array([(front - 0.06 * k, 0, 0.22 * k), (front - 2 * radius, 0, 0.15 * k)])
    parts.append(tube(line, (0.03 * k, 0.03 * k), 5 - detail, stem))
    bar = np.array([0.016 * k, half, 0.016 * k])
    parts.append(box(head - bar, head + bar, dark))
    x = (rear + front) / 2 - 0.08 * k
    sole = deck + ANKLE_M * k
    ankles = np.array([[x + 0.12 * k, 0.045 * k, sole], [x - 0.16 * k, -0.035 * k, sole]])
    neck = np.array([x + 0.06 * k, 0.0, height - (HEAD_M + NECK_M) * k * 0.97])
    pelvis = np.array([x - 0.03 * k, 0.0, deck + 0.90 * k])
    hands = np.array([head + (-0.04 * k, s * (half - 0.05 * k), 0.01 * k) for s in (1, -1)])
    stance = Stance(pelvis, neck, hands, ankles, (0.0, 0.0), height)
    return join([*parts, figure(stance, look, 0.97 * k, detail, cls)])

"""Strollers, wheelchairs, scooters with those who use them, and dogs."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, PHASES
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.people_figure import ANKLE_M, HEAD_M, NECK_M, Stance, figure, look_of
from roadloom.town.mesh.solids import Finish, box, circle, ellipsoid, loft, scaled, tube
from roadloom.town.mesh.vehicles_parts import BLACK, DARK, Tint, both_sides, plain, tint_of

Size = tuple[float, float, float]
_COLOURS = (
    tint_of(24, 25, 28), tint_of(126, 30, 34), tint_of(30, 46, 84), tint_of(58, 74, 52),
    tint_of(120, 122, 124), tint_of(150, 128, 98),
)  # fmt: skip


@lru_cache
def _hoop(sides: int, thick: float, cls: int) -> Mesh:
    """A ring of radius 1 about y with a square section of half width ``thick``."""
    around = circle(sides, 0.5)

    def ring(r: float, y: float) -> np.ndarray:
        return np.stack([-around[:, 0] * r, np.full(sides, y), around[:, 1] * r], axis=-1)

    inner, w = 1 - 2 * thick, thick
    rings = [ring(inner, -w), ring(1, -w), ring(1, w), ring(inner, w), ring(inner, -w)]
    finish = Finish(materials.RUBBER, (0.018, 0.018, 0.019), cls)
    return loft(np.stack(rings), finish, smooth=False, caps=(False, False))


def spoked_wheel(
    x: float,
    y: float,
    radius: float,
    detail: int,
    cls: int,
    thick: float = 0.045,
    turn: float = 0.0,
) -> list[Mesh]:
    """A thin tyre with a hub and a few crossing spokes, standing on the ground."""
    parts = [scaled(_hoop((16, 10, 8)[detail], thick, cls), (radius,) * 3, (x, y, radius))]
    if detail == FAR:
        return parts
    steel = Finish(materials.METAL, (0.3, 0.3, 0.31), cls, (0.6,))
    w = 0.004
    for i in range((4, 2)[detail]):
        angle = turn + np.pi * i / (4, 2)[detail]
        u = np.array([np.cos(angle), 0.0, np.sin(angle)]) * radius * (1 - thick)
        v = np.array([-np.sin(angle), 0.0, np.cos(angle)]) * w
        at = np.array([x, y, radius])
        rings = [[end + v + (0, w, 0), end - v + (0, w, 0), end - v - (0, w, 0), end + v - (0, w, 0)]
                 for end in (at - u, at + u)]  # fmt: skip
        parts.append(loft(np.array(rings), steel, smooth=False, caps=(False, False)))
    return parts


def stroller(size: Size, seed: int, detail: int, cls: int, phase: int) -> Mesh:
    """A pushchair ahead of the adult who pushes it."""
    from roadloom.town.mesh.people import walking

    length, width, height = size
    dice = Dice(seed, 84)
    k = height / 1.75
    look = look_of(seed)._replace(bag="")
    cart = 0.62 * length
    step = walking((length * 0.52, width, height), look, phase)
    x = -length / 2 + 0.26 * length
    move = np.array([x, 0.0, 0.0])
    grip = np.array([x + 0.36 * k, 0.0, 0.98 * k])
    hands = np.array([grip + (0, 0.17 * k, 0), grip - (0, 0.17 * k, 0)])
    neck = step.neck + move + (0.05 * k, 0, 0)
    adult = figure(
        Stance(step.pelvis + move, neck, hands, step.ankles + move, step.pitch, height),
        look, k, detail, cls,
    )  # fmt: skip
    half = width / 2
    front = length / 2
    parts = [adult]
    frame = Finish(materials.METAL, (0.12, 0.12, 0.125), cls, (0.5,))
    cloth = Finish(materials.CLOTH, dice.pick(_COLOURS), cls)
    radius = 0.115 * k
    rear_x, front_x = front - 0.62 * cart, front - radius
    for side in (1, -1):
        y = side * (half - 0.012)
        parts += spoked_wheel(rear_x, y, radius * 1.2, detail, cls, 0.10, phase)
        parts += spoked_wheel(front_x, y * 0.8, radius, detail, cls, 0.10, phase)
        y *= 0.86
        parts.append(
            tube(
                [
                    (rear_x, y, radius * 1.2),
                    (grip[0] + 0.3 * k, y, 0.62 * k),
                    (grip[0], y * 0.7, grip[2]),
                ],
                (0.014 * k,) * 3,
                5,
                frame,
            )
        )
        parts.append(
            tube(
                [(front_x, y * 0.9, radius), (grip[0] + 0.32 * k, y, 0.60 * k)],
                (0.013 * k,) * 2,
                5,
                frame,
            )
        )
    parts.append(
        box(
            grip - np.array([0.016, 0.30, 0.016]) * k,
            grip + np.array([0.016, 0.30, 0.016]) * k,
            plain(cls, BLACK),
        )
    )
    a, b = grip[0] + 0.2 * k, front - 0.06 * cart
    w = half * 0.66
    seat = np.array(
        [[(a, w, 0.70 * k), (a, -w, 0.70 * k), (a + 0.04, -w, 0.95 * k), (a + 0.04, w, 0.95 * k)],
         [((a + b) / 2, w, 0.36 * k), ((a + b) / 2, -w, 0.36 * k), ((a + b) / 2, -w, 0.66 * k), ((a + b) / 2, w, 0.66 * k)],
         [(b, w * 0.9, 0.38 * k), (b, -w * 0.9, 0.38 * k), (b, -w * 0.9, 0.56 * k), (b, w * 0.9, 0.56 * k)]]
    )  # fmt: skip
    parts.append(loft(seat[:, ::-1], cloth, smooth=False))
    parts.append(
        ellipsoid(
            ((a * 0.75 + b * 0.25), 0, 0.90 * k),
            (0.22 * k, w * 1.04, 0.22 * k),
            cloth,
            sides=8,
            rings=4,
        )
    )
    face = Finish(materials.SKIN, look.skin, cls)
    parts.append(
        ellipsoid((a * 0.42 + b * 0.58, 0, 0.76 * k), (0.08 * k,) * 3, face, sides=6, rings=4)
    )
    return join(parts)


def wheelchair(size: Size, seed: int, detail: int, cls: int, phase: int) -> Mesh:
    """A wheelchair with the one who sits in it, hands on the rims."""
    length, width, height = size
    k = height / 1.32
    look = look_of(seed)._replace(bag="", lower="trousers")
    half = width / 2
    radius = 0.30 * k
    axle = -length / 2 + radius + 0.06 * k
    dark = plain(cls, DARK)
    frame = Finish(materials.METAL, (0.3, 0.3, 0.31), cls, (0.6,))
    seat_z = 0.52 * k
    parts: list[Mesh] = []
    turn = 2 * np.pi * phase / PHASES
    for side in (1, -1):
        y = side * (half - 0.015)
        parts += spoked_wheel(axle, y, radius, detail, cls, 0.045, turn)
        parts += spoked_wheel(axle + 0.52 * k, y * 0.72, 0.085 * k, detail, cls, 0.18)
        y *= 0.80
        line = [
            (axle - 0.06 * k, y, 0.98 * k),
            (axle, y, seat_z - 0.05 * k),
            (axle + 0.44 * k, y, seat_z - 0.05 * k),
            (axle + 0.60 * k, y, 0.13 * k),
        ]
        parts.append(tube(line, (0.013 * k,) * 4, 5, frame))
        grip = (axle - 0.18 * k, y, 0.98 * k)
        parts.append(tube([line[0], grip], (0.017 * k,) * 2, 5, dark))
    y = half * 0.74
    parts.append(box((axle - 0.01 * k, -y, seat_z - 0.05 * k), (axle + 0.43 * k, y, seat_z), dark))
    parts.append(box((axle - 0.075 * k, -y, seat_z), (axle - 0.035 * k, y, 0.95 * k), dark))
    tip = length / 2
    parts.append(
        both_sides(box((tip - 0.22 * k, 0.02 * k, 0.09 * k), (tip, 0.15 * k, 0.105 * k), dark))
    )
    pelvis = np.array([axle + 0.10 * k, 0.0, seat_z + 0.10 * k])
    neck = np.array([axle + 0.07 * k, 0.0, height - (HEAD_M + NECK_M) * 0.98 * k])
    push = 0.09 * k * np.sin(turn)
    hands = np.array(
        [[axle + 0.12 * k + push, s * (half - 0.05), 2 * radius + 0.03 * k] for s in (1, -1)]
    )
    ankles = np.array([[tip - 0.16 * k, s * 0.085 * k, (0.108 + ANKLE_M) * k] for s in (1, -1)])
    rider = figure(
        Stance(pelvis, neck, hands, ankles, (-0.05, -0.05), height), look, 0.98 * k, detail, cls
    )
    return join([*parts, rider])


def scooter(size: Size, seed: int, detail: int, cls: int, phase: int) -> Mesh:
    """A kick scooter with its rider standing on it."""
    length, width, height = size
    dice = Dice(seed, 86)
    k = height / 1.88
    look = look_of(seed)._replace(lower="trousers", bag="backpack" if seed % 3 == 0 else "")
    radius = 0.105 * k
    front, rear = length / 2 - radius, -length / 2 + radius
    dark = plain(cls, DARK)
    parts = spoked_wheel(front, 0.0, radius, detail, cls, 0.2, phase)
    parts += spoked_wheel(rear, 0.0, radius, detail, cls, 0.2, phase)
    deck = (0.13 * k, 0.165 * k)
    parts.append(
        box((rear + radius, -0.075 * k, deck[0]), (front - 1.6 * radius, 0.075 * k, deck[1]), dark)
    )
    head = np.array([front - 0.16 * k, 0.0, 1.06 * k])
    stem = plain(cls, dice.pick((BLACK, tint_of(120, 122, 124), tint_of(40, 120, 70))), 0.3)
    parts.append(
        tube(
            [(front, 0, radius), (front - 0.06 * k, 0, 0.3 * k), head],
            (0.025 * k, 0.025 * k, 0.02 * k),
            6,
            stem,
        )
    )
    parts.append(
        tube(
            [(front - 0.06 * k, 0, 0.22 * k), (front - 2 * radius, 0, 0.15 * k)],
            (0.03 * k, 0.03 * k),
            5,
            stem,
        )
    )
    half = width / 2
    parts.append(
        box(
            head - np.array([0.016 * k, half, 0.016 * k]),
            head + np.array([0.016 * k, half, 0.016 * k]),
            dark,
        )
    )
    x = (rear + front) / 2 - 0.08 * k
    ankles = np.array(
        [
            [x + 0.12 * k, 0.045 * k, deck[1] + ANKLE_M * k],
            [x - 0.16 * k, -0.035 * k, deck[1] + ANKLE_M * k],
        ]
    )
    neck = np.array([x + 0.06 * k, 0.0, height - (HEAD_M + NECK_M) * k * 0.97])
    pelvis = np.array([x - 0.03 * k, 0.0, deck[1] + 0.90 * k])
    hands = np.array([head + (-0.04 * k, s * (half - 0.05 * k), 0.01 * k) for s in (1, -1)])
    rider = figure(
        Stance(pelvis, neck, hands, ankles, (0.0, 0.0), height), look, 0.97 * k, detail, cls
    )
    return join([*parts, rider])


_FUR: tuple[Tint, ...] = (
    tint_of(150, 112, 70), tint_of(28, 24, 22), tint_of(196, 184, 164), tint_of(90, 62, 40),
    tint_of(120, 116, 110),
)  # fmt: skip


def dog(size: Size, seed: int, detail: int, cls: int, phase: int) -> Mesh:
    """A dog that trots."""
    length, _, height = size
    dice = Dice(seed, 87)
    fur = Finish(materials.PLAIN, dice.pick(_FUR), cls, (0.8, 0.0))
    dark = plain(cls, BLACK, 0.2)
    sides = (8, 6, 5)[detail]
    h, half = height, length / 2
    rear, front = -0.32 * length, 0.20 * length
    back = 0.70 * h
    body = [
        (rear - 0.06 * length, 0, back * 0.92),
        (rear + 0.06 * length, 0, back * 0.90),
        (0.0, 0, back * 0.86),
        (front, 0, back * 0.86),
        (front + 0.10 * length, 0, back * 0.98),
    ]
    parts = [tube(body, (0.07 * h, 0.135 * h, 0.15 * h, 0.17 * h, 0.10 * h), sides, fur)]
    skull = np.array([half - 0.20 * length, 0.0, 0.90 * h])
    parts.append(tube([(front + 0.02 * length, 0, back), skull], (0.12 * h, 0.09 * h), sides, fur))
    parts.append(ellipsoid(skull, (0.12 * h, 0.095 * h, 0.10 * h), fur, sides=sides, rings=4))
    nose = np.array([half, 0.0, 0.85 * h])
    parts.append(
        tube(
            [skull + (0.04 * length, 0, -0.02 * h), nose - (0.012, 0, 0)],
            (0.075 * h, 0.045 * h),
            sides,
            fur,
        )
    )
    if detail != FAR:
        parts.append(
            ellipsoid(nose - (0.018, 0, -0.012 * h), (0.018, 0.022, 0.02), dark, sides=5, rings=3)
        )
        ear = tube(
            [skull + (-0.02 * h, 0.07 * h, 0.06 * h), skull + (-0.05 * h, 0.095 * h, 0.0)],
            (0.035 * h, 0.012 * h),
            4,
            dark,
        )
        parts.append(both_sides(ear))
    parts.append(
        tube(
            [
                (rear - 0.05 * length, 0, back * 0.95),
                (-half + 0.03 * length, 0, back * 1.05),
                (-half + 0.01, 0, back * 1.22),
            ],
            (0.04 * h, 0.03 * h, 0.015 * h),
            5,
            fur,
        )
    )
    turn = 2 * np.pi * phase / PHASES
    for x, y, lag in (
        (front + 0.02 * length, 1, 0.0),
        (front + 0.02 * length, -1, np.pi),
        (rear + 0.02 * length, 1, np.pi),
        (rear + 0.02 * length, -1, 0.0),
    ):
        swing = 0.11 * length * np.cos(turn + lag)
        lift = 0.06 * h * max(0.0, -np.sin(turn + lag))
        top = np.array([x, y * 0.085 * h, back * 0.80])
        foot = np.array([x + swing, y * 0.085 * h, 0.02 * h + lift])
        bend = -0.03 * length if x < 0 else 0.02 * length
        knee = (top + foot) / 2 + (bend, 0, 0)
        parts.append(
            tube(
                [top, knee, foot - (0, 0, 0.015 * h)],
                (0.075 * h, 0.042 * h, 0.034 * h),
                6 if detail == 0 else 4,
                fur,
            )
        )
    mesh = join(parts)
    return replace(mesh)

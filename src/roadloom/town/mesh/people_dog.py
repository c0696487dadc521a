"""Dogs."""

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, PHASES
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, ellipsoid, tube
from roadloom.town.mesh.vehicles_parts import BLACK, Tint, both_sides, plain, tint_of

Size = tuple[float, float, float]
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
    parts = [tube(body, (0.07 * h, 0.12 * h, 0.125 * h, 0.165 * h, 0.10 * h), sides, fur)]
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
                (0.062 * h, 0.036 * h, 0.030 * h),
                6 if detail == 0 else 4,
                fur,
            )
        )
    return join(parts)

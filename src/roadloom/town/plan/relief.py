"""Gentle slopes: control heights of a town's ground."""

from math import floor, sqrt

from roadloom.town.dice import Dice
from roadloom.town.plan.types import EXTENT_MM, Relief

STEP = 64_000
"""Lattice spacing [mm]."""
COUNT = -(-2 * EXTENT_MM // STEP) + 3
FIRST = (EXTENT_MM + STEP // 2) // STEP
_T = (EXTENT_MM + STEP // 2) % STEP / STEP
WEIGHTS = ((1 - _T) * (1 - _T) / 2, 0.5 + _T * (1 - _T), _T * _T / 2)
"""Of the three controls from FIRST on around the origin, along each axis."""


def draw_relief(dice: Dice) -> Relief:
    """A slope over the whole town with gentle hills upon it, 0 at the origin to 0.1 mm or so.

    The slope runs aslant to rows and columns, so most streets climb; hills are smooth chance.
    """
    rise = dice.between(34_000, 54_000)
    east, north = (dice.pick((-1, 1)) * dice.between(650, 1_000) for _ in range(2))
    norm = sqrt(float(east * east + north * north))
    most = dice.between(1_000, 2_200)
    rough = [[float(dice.between(-most, most)) for _ in range(COUNT)] for _ in range(COUNT)]
    hills = _smooth(rough)

    def control(i: int, j: int) -> float:
        return hills[i][j] + rise * (_place(i) * east + _place(j) * north) / norm / 1_000_000

    heights = [[control(i, j) for j in range(COUNT)] for i in range(COUNT)]
    base = sum(
        wx * wy * heights[FIRST + a][FIRST + b]
        for a, wx in enumerate(WEIGHTS)
        for b, wy in enumerate(WEIGHTS)
    )
    return Relief(
        step=STEP,
        heights=tuple(tuple(floor(h - base + 0.5) for h in column) for column in heights),
    )


def _place(i: int) -> int:
    return -EXTENT_MM - STEP + i * STEP


def _smooth(rough: list[list[float]]) -> list[list[float]]:
    last = COUNT - 1
    return [
        [
            (
                2 * rough[i][j]
                + rough[max(i - 1, 0)][j]
                + rough[min(i + 1, last)][j]
                + rough[i][max(j - 1, 0)]
                + rough[i][min(j + 1, last)]
            )
            / 4
            for j in range(COUNT)
        ]
        for i in range(COUNT)
    ]

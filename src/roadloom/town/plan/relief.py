"""Gentle slopes: control heights of a town's ground."""

from math import sqrt

from roadloom.town.dice import Dice
from roadloom.town.plan.types import EXTENT_MM, Relief

STEP = 64_000
"""Lattice spacing [mm]."""
COUNT = -(-2 * EXTENT_MM // STEP) + 3


def draw_relief(dice: Dice) -> Relief:
    """A slope over the whole town, hills upon it, near 0 at the origin.

    The slope is the same everywhere; hills are smooth chance: control heights of which each is
    the mean of its neighbours' and its own draw.
    """
    rise = dice.between(6_000, 26_000)
    east, north = dice.between(-1_000, 1_000), dice.between(-1_000, 1_000)
    norm = sqrt(float(east * east + north * north + 1))
    rough = [[float(dice.between(-3_400, 3_400)) for _ in range(COUNT)] for _ in range(COUNT)]
    hills = _smooth(rough)
    middle = COUNT // 2

    def control(i: int, j: int) -> float:
        # Control (i, j) belongs to this place, in millimetres.
        x, y = _place(i), _place(j)
        slope = rise * (x * east + y * north) / norm / 1_000_000
        return hills[i][j] - hills[middle][middle] + slope

    heights = [[control(i, j) for j in range(COUNT)] for i in range(COUNT)]
    base = heights[middle][middle] + 37
    return Relief(
        step=STEP, heights=tuple(tuple(int(h - base) for h in column) for column in heights)
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

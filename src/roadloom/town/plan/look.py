"""Light and air of a clip: time of day, weather, where the sun stands."""

from math import isqrt

from roadloom.town.dice import Dice
from roadloom.town.plan.types import Look

_RISE: tuple[int, ...] = (
    52, 70, 87, 105, 123, 141, 158, 176, 194, 213, 231, 249, 268, 287, 306, 325, 344, 364, 384,
    404, 424, 445, 466, 488, 510, 532, 554, 577, 601, 625, 649, 675, 700, 727, 754, 781, 810, 839,
    869, 900, 933, 966, 1000, 1036, 1072, 1111, 1150, 1192, 1235, 1280, 1327, 1376, 1428, 1483,
    1540, 1600, 1664, 1732,
)  # fmt: skip
"""1000 times the tangent of 3, 4, ... 60 degrees: how far the sun is up over how far away."""


def draw_look(dice: Dice) -> Look:
    """Of a hundred clips about 55 are clear or cloudy days, 15 dusk, 15 haze, 15 wet."""
    chance = dice.between(0, 99)
    if chance < 55:
        weather = "clear" if chance < 32 else "cloudy"
    elif chance < 70:
        weather = "clear" if chance < 64 else "cloudy"
    else:
        weather = "haze" if chance < 85 else "wet"
    dusk = 55 <= chance < 70
    return Look(
        time_of_day="dusk" if dusk else "day",
        weather=weather,
        season="autumn" if dice.percent(25) else "summer",
        sun=_sun(dice, dusk),
        haze_ppm=_haze(dice, weather),
        wet_permille=_wet(dice, weather),
        cloud_permille=_cloud(dice, weather),
        seed=dice.between(0, 2**32 - 1),
    )


def _sun(dice: Dice, dusk: bool) -> tuple[int, int, int]:
    """Low by day more often than high: streets look best under 17 to 35 degrees."""
    if dusk:
        degrees = dice.between(3, 9)
    elif dice.percent(70):
        degrees = dice.between(17, 35)
    else:
        degrees = dice.between(15, 60)
    x, y = _direction(dice)
    away = isqrt(x * x + y * y)
    return x, y, away * _RISE[degrees - 3] // 1000


def _direction(dice: Dice) -> tuple[int, int]:
    """A direction on the plan, every one as likely, from a place on a disc."""
    while True:
        x, y = dice.between(-10_000, 10_000), dice.between(-10_000, 10_000)
        if 16_000_000 < x * x + y * y < 100_000_000:
            return x, y


def _haze(dice: Dice, weather: str) -> int:
    if weather == "haze":
        return dice.between(5000, 12_000)
    return dice.between(1500, 4000) if weather == "wet" else dice.between(500, 2500)


def _wet(dice: Dice, weather: str) -> int:
    if weather == "wet":
        return dice.between(450, 1000)
    return dice.between(0, 120) if weather == "cloudy" else 0


def _cloud(dice: Dice, weather: str) -> int:
    low, high = {
        "clear": (0, 350), "cloudy": (400, 850), "haze": (100, 700), "wet": (850, 1000),
    }[weather]  # fmt: skip
    return dice.between(low, high)

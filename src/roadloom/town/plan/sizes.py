"""How large each kind of thing is: bell-shaped draws in whole millimetres.

Means, spreads and ranges follow boxes of two public data sets, one vote per object; over the mix
of car kinds the length is 4.49 +- 0.41 m, the width 1.87 +- 0.15 m, the height 1.79 +- 0.20 m, and
length and width correlate by 0.72.
"""

from typing import NamedTuple

from roadloom.town.dice import Dice

CAR_MIX: tuple[tuple[str, int], ...] = (
    ("car.sedan", 21), ("car.hatchback", 23), ("car.estate", 11),
    ("car.suv", 28), ("car.van", 13), ("car.pickup", 4),
)  # fmt: skip
"""Kinds of cars and how many of a hundred are of each."""


class Size(NamedTuple):
    """Mean and spread of length, width and height [mm], and the range they are clipped to."""

    length: tuple[int, int]
    width: tuple[int, int]
    height: tuple[int, int]
    low: tuple[int, int, int]
    high: tuple[int, int, int]
    slope_permille: int = 0
    """How much wider a thing is for each metre that it is longer than the mean."""


_CAR_LOW, _CAR_HIGH = (3480, 1480, 1470), (5420, 2320, 2440)
_PERSON_LOW, _PERSON_HIGH = (330, 340, 1300), (1240, 1020, 2210)


def _car(length: int, width: int, height: int, spread: tuple[int, int, int]) -> Size:
    return Size(
        (length, spread[0]), (width, spread[1]), (height, spread[2]), _CAR_LOW, _CAR_HIGH, 260
    )


SIZES: dict[str, Size] = {
    "car.sedan": _car(4640, 1880, 1640, (230, 80, 70)),
    "car.hatchback": _car(3990, 1730, 1650, (230, 75, 75)),
    "car.estate": _car(4700, 1880, 1680, (200, 80, 70)),
    "car.suv": _car(4530, 1930, 1870, (290, 80, 90)),
    "car.van": _car(4640, 1960, 2130, (330, 90, 130)),
    "car.pickup": _car(5230, 2010, 1900, (120, 80, 80)),
    "police_car": _car(4700, 1890, 1690, (120, 40, 60)),
    "ambulance": Size(
        (6100, 300), (2180, 60), (2750, 120), (5400, 2030, 2450), (6900, 2330, 3050), 20
    ),
    "truck.box": Size(
        (8050, 1000), (2540, 120), (3350, 200), (6500, 2200, 2800), (10_200, 2900, 3640), 60
    ),
    "truck.flatbed": Size(
        (7400, 700), (2460, 100), (3000, 200), (6000, 2200, 2500), (9500, 2750, 3400), 60
    ),
    "truck.cab": Size(
        (6600, 500), (2520, 60), (3500, 160), (5700, 2350, 3100), (8260, 2700, 3900), 0
    ),
    "bus": Size(
        (11_300, 600), (2800, 90), (3350, 120), (9800, 2550, 3000), (12_800, 3020, 3700), 30
    ),
    "trailer": Size(
        (6810, 700), (2500, 80), (3500, 180), (5300, 2300, 3000), (8600, 2700, 3900), 0
    ),
    "excavator": Size(
        (3990, 260), (1740, 90), (2500, 120), (3400, 1500, 2200), (4700, 1990, 2860), 120
    ),
    "roller": Size(
        (2650, 180), (1380, 80), (2480, 90), (2200, 1180, 2250), (3100, 1580, 2700), 120
    ),
    "bicycle": Size((1680, 80), (560, 60), (1120, 60), (1450, 420, 980), (1920, 720, 1280), 0),
    "cyclist": Size((1720, 80), (620, 60), (1750, 80), (1500, 460, 1500), (1980, 800, 1980), 0),
    "motorcycle": Size((2030, 110), (700, 60), (1290, 80), (1810, 560, 1100), (2280, 850, 1460), 0),
    "motorcyclist": Size(
        (2060, 110), (740, 60), (1620, 70), (1810, 600, 1450), (2320, 900, 1820), 0
    ),
    "adult": Size((740, 190), (690, 120), (1770, 100), _PERSON_LOW, _PERSON_HIGH, 0),
    "child": Size((560, 110), (520, 80), (1360, 110), (330, 340, 1050), (850, 720, 1580), 0),
    "worker": Size((760, 150), (730, 100), (1800, 70), (450, 500, 1600), _PERSON_HIGH, 0),
    "police_officer": Size((740, 160), (720, 100), (1810, 70), (450, 500, 1600), _PERSON_HIGH, 0),
    "stroller": Size((1560, 110), (660, 60), (1720, 90), (1260, 500, 1500), (1860, 850, 1950), 0),
    "wheelchair": Size((1120, 60), (680, 30), (1310, 60), (960, 600, 1150), (1280, 760, 1460), 0),
    "scooter": Size((1160, 50), (560, 40), (1830, 90), (1030, 460, 1600), (1300, 680, 2060), 0),
    "dog": Size((760, 150), (270, 40), (560, 100), (420, 190, 310), (1120, 380, 820), 100),
    "cone": Size((380, 45), (375, 45), (930, 150), (300, 300, 690), (510, 480, 1320), 0),
    "barrier": Size((690, 35), (1990, 50), (1080, 60), (560, 1840, 890), (760, 2130, 1250), 0),
    "barrel": Size((580, 25), (580, 25), (1020, 50), (510, 510, 890), (650, 650, 1150), 0),
    "works_sign": Size((620, 30), (780, 50), (1450, 120), (540, 640, 1150), (700, 920, 1750), 0),
    "bollard": Size((230, 45), (220, 40), (980, 80), (120, 120, 780), (340, 320, 1200), 0),
    "bicycle_rack": Size(
        (2600, 400), (900, 80), (870, 50), (1700, 700, 750), (3600, 1100, 1000), 0
    ),
    "wheelie_bin": Size((730, 60), (580, 40), (1080, 60), (580, 480, 930), (880, 680, 1240), 0),
    "debris": Size((820, 220), (640, 160), (430, 120), (310, 250, 180), (1500, 1100, 790), 0),
    "bench": Size((1790, 120), (610, 40), (830, 30), (1500, 520, 760), (2080, 710, 910), 0),
    "hydrant": Size((330, 20), (330, 20), (790, 50), (280, 280, 670), (380, 380, 910), 0),
    "litter_bin": Size((510, 40), (510, 40), (1010, 60), (410, 410, 870), (610, 610, 1150), 0),
    "mailbox": Size((510, 30), (430, 25), (1290, 60), (430, 370, 1150), (590, 490, 1430), 0),
    "cabinet": Size((1080, 200), (380, 30), (1260, 110), (610, 310, 990), (1600, 450, 1510), 0),
    "bus_shelter": Size(
        (3900, 300), (1430, 60), (2520, 60), (3200, 1280, 2390), (4600, 1580, 2660), 0
    ),
    "planter": Size((1130, 170), (690, 60), (950, 120), (730, 550, 670), (1550, 840, 1240), 0),
}  # fmt: skip
"""Kinds that this table sizes; buildings, plants, posts and fences are sized where they stand."""


def draw_car(dice: Dice) -> str:
    """A kind of car from the mix."""
    at = dice.between(0, sum(share for _, share in CAR_MIX) - 1)
    for kind, share in CAR_MIX:
        if at < share:
            return kind
        at -= share
    raise AssertionError("shares add up")


def draw_size(dice: Dice, kind: str) -> tuple[int, int, int]:
    """Length, width and height [mm] of a kind in ``SIZES``; raises KeyError for other kinds."""
    size = SIZES[kind]
    length = bell(dice, *size.length)
    width = bell(dice, *size.width) + (length - size.length[0]) * size.slope_permille // 1000
    drawn = (length, width, bell(dice, *size.height))
    low, high = size.low, size.high
    return (
        min(max(drawn[0], low[0]), high[0]),
        min(max(drawn[1], low[1]), high[1]),
        min(max(drawn[2], low[2]), high[2]),
    )


def bell(dice: Dice, mean: int, spread: int) -> int:
    """A whole number around ``mean`` with standard deviation ``spread``, at most 3.5 of them away:
    the sum of four even draws."""
    total = sum(dice.between(-1000, 1000) for _ in range(4))
    return mean + (spread * total + 577) // 1155

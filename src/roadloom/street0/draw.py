"""From a split and an index to the description of a scene."""

from functools import lru_cache

from roadloom.street0.config import SPLITS
from roadloom.street0.crowd import Crowd
from roadloom.street0.dice import Dice
from roadloom.street0.draw_street import draw_buildings, draw_furniture, draw_paint, draw_section
from roadloom.street0.draw_traffic import (
    draw_cyclists,
    draw_drive,
    draw_moving,
    draw_parked,
    draw_people,
    draw_works,
)
from roadloom.street0.plan import StreetPlan

VERSION = 0
"""Part of the dice's key: a later town draws other scenes."""


@lru_cache(maxsize=8)
def draw_plan(split: str, index: int) -> StreetPlan:
    """The same description on every machine and in whatever order scenes are asked for.

    Raises:
        ValueError: no such scene.
    """
    if split not in SPLITS or not 0 <= index < SPLITS[split]:
        raise ValueError(f"town-v0 has no scene {index} in {split!r}")
    dice = Dice(VERSION, list(SPLITS).index(split), index)
    section = draw_section(dice)
    start = dice.between(28_000, 70_000, 100)
    zebra = (start, start + dice.between(3000, 4000, 100))
    drive = draw_drive(dice, section)
    crowd = Crowd()
    crowd.add_drive(drive)
    annotated = draw_works(dice, section, crowd, zebra)
    annotated += draw_parked(dice, section, crowd, zebra)
    standing = draw_furniture(dice, section, zebra, crowd)
    annotated += draw_moving(dice, section, crowd, drive)
    annotated += draw_people(dice, section, crowd, zebra)
    annotated += draw_cyclists(dice, section, crowd)
    return StreetPlan(
        split=split,
        index=index,
        section=section,
        zebra=zebra,
        paint=draw_paint(section, zebra),
        drive=drive,
        things=(*annotated, *draw_buildings(dice, section), *standing),
        sun=_sun(dice),
        haze=dice.between(1500, 4500, 50),
        offset=(dice.between(10_000_000, 90_000_000), dice.between(-90_000_000, -10_000_000),
                dice.between(-20_000, 80_000)),
        bearing=(dice.between(-1000, 1000), dice.between(1, 1000)),
    )  # fmt: skip


def _sun(dice: Dice) -> tuple[int, int, int]:
    """From either side of the street, between 27 and 60 degrees up."""
    x, y = dice.between(-700, 700), dice.pick((-1, 1)) * dice.between(500, 1000)
    return x, y, dice.between(620, 1300)

"""One clip's whole description from a split and an index, without its predecessors."""

from roadloom.errors import MissingInput
from roadloom.town.dice import Dice
from roadloom.town.plan.types import TownPlan

WORLD_SEED = 20_261_121
"""``town-v1``: change nothing that this leads to without a new name for the world."""
PLACES = {"train": 700, "val": 150, "test": 150}


START_NS = 1_600_000_000_000_000_000
"""Time of tick 0 of train 0; every clip has its own hour."""


def start_ns(split: str, index: int) -> int:
    """Time of a clip's tick 0."""
    return START_NS + (list(PLACES).index(split) * 1000 + index) * 3600 * 10**9


def dice_of(split: str, index: int, purpose: int) -> Dice:
    """An own stream of chance for each purpose, so that one may change without the others."""
    return Dice(WORLD_SEED, list(PLACES).index(split), index, purpose)


def check_place(split: str, index: int) -> None:
    """Refuse what is no clip of ``PLACES``.

    Raises:
        MissingInput: no such split, or no such index in it.
    """
    whole = isinstance(index, int) and not isinstance(index, bool)
    if split not in PLACES or not whole or not 0 <= index < PLACES[split]:
        raise MissingInput(
            f"there is no clip {index!r} of {split!r}", file="town-v1", field="index",
            remedy=", ".join(f"{name}: 0 to {count - 1}" for name, count in PLACES.items()),
        )  # fmt: skip


def draw_plan(split: str, index: int) -> TownPlan:
    """Draw the town, then let everybody move.

    Raises:
        MissingInput: no such clip.
    """
    check_place(split, index)
    from roadloom.town.plan.look import draw_look
    from roadloom.town.plan.relief import draw_relief
    from roadloom.town.plan.roads import draw_roads
    from roadloom.town.plan.things import draw_things
    from roadloom.town.traffic.drive import drive

    look = draw_look(dice_of(split, index, 0))
    relief = draw_relief(dice_of(split, index, 1))
    roads = draw_roads(dice_of(split, index, 2))
    things = draw_things(dice_of(split, index, 3), roads, look)
    traffic = drive(dice_of(split, index, 4), roads, things)
    place = dice_of(split, index, 5)
    return TownPlan(
        split=split, index=index, look=look, relief=relief, roads=roads, things=things,
        actors=traffic.actors, ego=traffic.ego, commands=traffic.commands,
        offset=(
            place.between(-5_000_000, 5_000_000),
            place.between(-5_000_000, 5_000_000),
            place.between(-50_000, 200_000),
        ),
        bearing=(place.between(-1000, 1000), place.between(1, 1000)),
    )  # fmt: skip

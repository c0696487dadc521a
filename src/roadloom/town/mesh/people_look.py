"""What people wear, drawn from a seed."""

from typing import NamedTuple

from roadloom.town.dice import Dice
from roadloom.town.mesh.vehicles_parts import Tint, tint_of


class Look(NamedTuple):
    """Clothes and colours."""

    skin: Tint
    hair: Tint
    top: Tint
    legs: Tint
    shoes: Tint
    lower: str
    """``trousers``, ``skirt``, ``shorts`` or ``coat``."""
    long_hair: bool
    hat: str
    """Empty, ``cap``, ``helmet`` or ``beanie``."""
    hat_tint: Tint
    bag: str
    """Empty, ``backpack`` or ``side``."""
    bag_tint: Tint
    vest: bool
    slim: float
    head: float = 1.0
    """Size of the head; children's is larger."""
    sleeves: Tint | None = None
    """As the top unless given."""


_SKIN = ((224, 182, 154), (206, 156, 124), (176, 122, 88), (128, 82, 56), (84, 54, 38))
_HAIR = ((26, 20, 17), (48, 32, 22), (86, 58, 36), (150, 116, 70), (120, 116, 112), (14, 13, 13))
_TOPS = (
    (34, 36, 42), (24, 25, 28), (62, 68, 78), (186, 186, 182), (120, 122, 124), (30, 46, 84),
    (126, 30, 34), (58, 74, 52), (150, 128, 98), (92, 62, 48), (72, 104, 142), (170, 84, 46),
    (192, 160, 74), (116, 60, 92),
)  # fmt: skip
_LEGS = ((28, 32, 46), (22, 22, 25), (44, 54, 78), (70, 70, 72), (116, 104, 84), (54, 46, 40))
_SHOES = ((20, 19, 19), (60, 44, 34), (170, 168, 164), (36, 38, 44))


def look_of(seed: int, *, child: bool = False) -> Look:
    """Of a passer-by."""
    dice = Dice(seed, 81)
    female = dice.percent(50)
    lower = "trousers"
    if female and dice.percent(25):
        lower = "skirt"
    elif dice.percent(22):
        lower = "coat"
    elif dice.percent(14):
        lower = "shorts"
    hat = dice.pick(("cap", "beanie")) if dice.percent(14) else ""
    bag = dice.pick(("backpack", "side")) if dice.percent(38) else ""
    skin = dice.between(0, len(_SKIN) - 1)
    return Look(
        skin=tint_of(*_SKIN[skin]),
        hair=tint_of(*dice.pick(_HAIR[: 2 if skin > 2 else 4 if child else 6])),
        top=tint_of(*dice.pick(_TOPS)),
        legs=tint_of(*dice.pick(_LEGS)),
        shoes=tint_of(*dice.pick(_SHOES)),
        lower=lower,
        long_hair=female and dice.percent(65),
        hat=hat,
        hat_tint=tint_of(*dice.pick(_TOPS)),
        bag=bag,
        bag_tint=tint_of(*dice.pick(_TOPS)),
        vest=False,
        slim=(0.90 if female else 1.0) * dice.between(92, 112) / 100,
        head=1.30 if child else 1.0,
    )


def worker_look(seed: int) -> Look:
    dice = Dice(seed, 82)
    vest = dice.pick((tint_of(200, 218, 40), tint_of(232, 110, 30)))
    return look_of(seed)._replace(
        top=vest, legs=tint_of(*dice.pick(((40, 48, 66), (34, 34, 36), (92, 84, 66)))),
        shoes=tint_of(58, 42, 30), lower="trousers", long_hair=False, hat="helmet", bag="",
        hat_tint=dice.pick((tint_of(206, 206, 200), tint_of(214, 168, 36), tint_of(40, 88, 150))),
        vest=True, sleeves=dice.pick((vest, tint_of(44, 52, 70), tint_of(70, 70, 72))),
    )  # fmt: skip


def officer_look(seed: int) -> Look:
    navy = tint_of(22, 28, 48)
    return look_of(seed)._replace(
        top=navy, legs=tint_of(18, 22, 34), shoes=tint_of(16, 16, 17), lower="trousers", hat="cap",
        hat_tint=navy, bag="", long_hair=False, vest=False,
    )  # fmt: skip

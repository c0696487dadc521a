"""The standing part of a scene: section, paint, buildings, trees and what lines the pavements."""

from roadloom.street0.crowd import Crowd
from roadloom.street0.dice import Dice
from roadloom.street0.plan import KERB_MM, Colour, Paint, Section, Thing

START, END = -150_000, 270_000
"""The street [mm]: beyond these it runs into buildings."""

FACADES: tuple[Colour, ...] = (
    (202, 188, 164), (176, 122, 96), (214, 206, 194), (148, 88, 72), (188, 176, 140),
    (160, 166, 170), (206, 170, 128), (132, 120, 112), (186, 150, 132), (168, 182, 172),
)  # fmt: skip
LEAF: tuple[Colour, ...] = ((84, 118, 46), (66, 104, 48), (102, 126, 50), (120, 124, 44))
FENCES: tuple[Colour, ...] = ((206, 202, 194), (96, 74, 56), (64, 68, 70))
SIGNS: tuple[Colour, ...] = ((24, 72, 150), (180, 34, 32), (28, 96, 62))


def draw_section(dice: Dice) -> Section:
    parking = tuple(dice.pick((0, 2500, 2500, 2500)) for _ in range(2))
    return Section(
        lanes=1 if dice.percent(65) else 2,
        lane=dice.between(3200, 3600, 50),
        parking=parking if any(parking) else (2500, 2500),  # type: ignore[arg-type]
        pavement=(dice.between(3400, 4600, 100), dice.between(3400, 4600, 100)),
        lawn=(dice.between(600, 3800, 200), dice.between(600, 3800, 200)),
    )


def draw_paint(section: Section, zebra: tuple[int, int]) -> tuple[Paint, ...]:
    """Centre line, lane dividers, parking bays, stop lines and the bars of the crossing."""
    edge = section.lanes * section.lane
    paint = _lane_lines(section, zebra) + _parking_bays(section, zebra)
    # Where one stops before the crossing, each direction on its own half.
    paint.append(Paint(low=(zebra[0] - 1500, -edge + 200), high=(zebra[0] - 1150, -250)))
    paint.append(Paint(low=(zebra[1] + 1150, 250), high=(zebra[1] + 1500, edge - 200)))
    for y in range(-edge + 250, edge - 600, 1000):
        paint.append(Paint(low=(zebra[0], y), high=(zebra[1], y + 500)))
    return tuple(paint)


def _lane_lines(section: Section, zebra: tuple[int, int]) -> list[Paint]:
    """Dashes, solid for 12 m on either side of the crossing; a double line between two lanes."""
    before, behind = zebra[0] - 12_000, zebra[1] + 12_000
    stretches = (
        (START, before, True), (before, zebra[0] - 1200, False),
        (zebra[1] + 1200, behind, False), (behind, END, True),
    )  # fmt: skip
    paint = []
    for x0, x1, dashed in stretches:
        if section.lanes > 1:
            paint += [_line(x0, x1, y, yellow=True) for y in (-120, 120)]
        dividers = [s * n * section.lane for n in range(1, section.lanes) for s in (-1, 1)]
        for y in dividers or [0]:
            paint += _dashes(x0, x1, y) if dashed else [_line(x0, x1, y)]
    return paint


def _parking_bays(section: Section, zebra: tuple[int, int]) -> list[Paint]:
    edge = section.lanes * section.lane
    paint = []
    for side, sign in ((0, -1), (1, 1)):
        if not section.parking[side]:
            continue
        for x0, x1 in ((START, zebra[0] - 6000), (zebra[1] + 6000, END)):
            paint.append(_line(x0, x1, sign * edge, width=100))
            low, high = sorted((sign * (edge + 50), section.kerb[side]))
            paint += [Paint(low=(x, low), high=(x + 100, high)) for x in range(x0, x1, 6200)]
    return paint


def _line(x0: int, x1: int, y: int, width: int = 120, yellow: bool = False) -> Paint:
    return Paint(low=(x0, y - width // 2), high=(x1, y + width // 2), yellow=yellow)


def _dashes(x0: int, x1: int, y: int) -> list[Paint]:
    return [_line(x, x + 3000, y) for x in range(x0, x1 - 3000 + 1, 9000)]


def draw_buildings(dice: Dice, section: Section) -> list[Thing]:
    things = []
    for side in (0, 1):
        sign = -1 if side == 0 else 1
        x = START + dice.between(0, 4000, 100)
        while True:
            length, width = dice.between(10_000, 24_000, 200), dice.between(9_000, 15_000, 200)
            if x + length > END:
                break
            middle = x + length // 2
            things.append(_building(dice, middle, sign * (section.front(side) + width // 2), length,
                                    width, dice.between(2, 6)))  # fmt: skip
            x += length + dice.pick((400, 400, 3200, 5200, 7600))
        for x in range(START, END, 42_000):  # towers behind the first row
            length = dice.between(14_000, 26_000, 200)
            y = sign * (section.front(side) + dice.between(34_000, 70_000, 500))
            things.append(_building(dice, x + dice.between(0, 14_000, 500), y, length, length,
                                    dice.between(5, 13)))  # fmt: skip
    for x in (START - 13_000, END + 13_000):
        things.append(_building(dice, x, dice.between(-4000, 4000, 500), 20_000, 46_000,
                                dice.between(4, 8), z=0))  # fmt: skip
    return things


def _building(
    dice: Dice, x: int, y: int, length: int, width: int, storeys: int, z: int = KERB_MM
) -> Thing:
    variant = dice.between(0, 29)
    ground = 3900 if variant // 5 % 2 else 3000
    height = ground + 3000 * (storeys - 1) + 500
    return Thing(
        kind="building", x=x, y=y, z=z, size=(length, width, height),
        colour=dice.pick(FACADES), variant=variant,
    )  # fmt: skip


def draw_furniture(
    dice: Dice, section: Section, zebra: tuple[int, int], crowd: Crowd
) -> list[Thing]:
    """Trees and lamps along the kerb, signs at the crossing, fences and hedges by the lawns."""
    things: list[Thing] = []
    for side, kerb in enumerate(section.kerb):
        sign = -1 if side == 0 else 1
        y, inward = kerb + sign * 650, (0, -sign)
        spacing, leafy = dice.between(8_000, 12_000, 500), dice.between(40, 80)
        for count, x in enumerate(range(START + dice.between(0, 8_000, 500), END, spacing)):
            if zebra[0] - 4000 < x < zebra[1] + 4000:
                continue
            if count % 3 == 0:
                _place(
                    crowd,
                    things,
                    Thing(
                        kind="lamp",
                        x=x,
                        y=y,
                        z=KERB_MM,
                        heading=inward,
                        size=(1700, 220, dice.between(6200, 7400, 200)),
                    ),
                )
            elif dice.percent(leafy):
                reach = dice.between(3200, 4600, 200)
                _place(crowd, things, Thing(
                    kind="tree", x=x, y=y, z=KERB_MM, colour=dice.pick(LEAF),
                    size=(reach, reach, dice.between(7000, 9600, 200)),
                    variant=dice.between(0, 34)))  # fmt: skip
            elif dice.percent(40):
                kind, size = dice.pick((("bench", (1800, 480, 880)), ("bin", (520, 520, 1050))))
                _place(crowd, things, Thing(kind=kind, x=x, y=y, z=KERB_MM, size=size,
                                            heading=(sign, 0), colour=(52, 74, 62)))  # fmt: skip
        for x, heading in ((zebra[0] - 500, (-1, 0)), (zebra[1] + 500, (1, 0))):
            _place(crowd, things, Thing(
                kind="sign", x=x, y=y, z=KERB_MM, size=(140, 700, 2900), colour=SIGNS[0],
                heading=heading))  # fmt: skip
        for x in range(START + 20_000, END, 61_000):
            _place(crowd, things, Thing(
                kind="sign", x=x + dice.between(0, 20_000, 500), y=y, z=KERB_MM,
                size=(140, 640, 2800), colour=dice.pick(SIGNS), heading=(sign, 0)))  # fmt: skip
        if section.lawn[side] >= 1600:
            things += _garden_edge(dice, kerb + sign * (section.pavement[side] + 250))
    return things


def _place(crowd: Crowd, things: list[Thing], thing: Thing) -> None:
    """The crowd keeps clear of the foot alone: arms and crowns are overhead."""
    foot = Thing(kind=thing.kind, x=thing.x, y=thing.y, z=thing.z, size=_foot(thing))
    if crowd.add(foot, gap=(200, 100)):
        things.append(thing)


def _foot(thing: Thing) -> tuple[int, int, int]:
    if thing.kind in ("bench", "bin"):
        return thing.size
    return (300, 300, thing.size[2])


def _garden_edge(dice: Dice, y: int) -> list[Thing]:
    things = []
    x = START + dice.between(0, 10_000, 500)
    while x < END - 12_000:
        length = dice.between(4_000, 11_000, 200)
        if dice.percent(45):
            things.append(Thing(kind="hedge", x=x + length // 2, y=y, z=KERB_MM,
                                size=(length, 420, dice.between(700, 1100, 50)),
                                colour=dice.pick(LEAF)))  # fmt: skip
        elif dice.percent(40):
            things.append(Thing(kind="fence", x=x + length // 2, y=y, z=KERB_MM,
                                size=(length, 80, dice.between(900, 1200, 50)),
                                colour=dice.pick(FENCES)))  # fmt: skip
        x += length + dice.between(1_000, 4_000, 200)
    return things

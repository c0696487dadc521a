"""Everything annotated: parked and moving vehicles, people, works on the road; and the ego."""

from roadloom.street0.crowd import Crowd
from roadloom.street0.dice import Dice
from roadloom.street0.draw_street import END, START
from roadloom.street0.plan import KERB_MM, Colour, Drive, Section, Thing

PAINTS: tuple[Colour, ...] = (
    (196, 198, 200), (228, 228, 224), (44, 46, 50), (120, 124, 130), (154, 34, 32), (36, 62, 118),
    (58, 92, 88), (206, 160, 52), (88, 96, 70), (112, 66, 44), (170, 186, 198),
)  # fmt: skip
CLOTHES: tuple[Colour, ...] = (
    (168, 48, 42), (44, 78, 132), (214, 208, 196), (58, 60, 64), (62, 112, 84), (206, 160, 70),
    (134, 92, 140), (186, 120, 96),
)  # fmt: skip
WARNING: Colour = (224, 120, 24)
YELLOWS: tuple[Colour, Colour] = ((226, 158, 28), (218, 176, 44))

# Lowest and highest length, width, height [mm]: spreads as measured on real boxes.
SIZES: dict[str, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    "car": ((3900, 5000), (1740, 1960), (1440, 1900)),
    "truck": ((6400, 9200), (2240, 2400), (2800, 3500)),
    "bus": ((10_400, 12_000), (2440, 2560), (3000, 3300)),
    "trailer": ((5600, 7000), (2240, 2400), (2900, 3600)),
    "excavator": ((4600, 6400), (2200, 2400), (2800, 3200)),
    "bicycle": ((1600, 1800), (500, 620), (1080, 1120)),
    "motorcycle": ((1800, 2200), (640, 800), (1140, 1180)),
    "adult": ((560, 760), (600, 760), (1560, 1920)),
    "child": ((480, 560), (500, 580), (1060, 1420)),
    "worker": ((560, 760), (600, 760), (1660, 1900)),
    "cone": ((340, 420), (340, 420), (680, 1000)),
    "barrier": ((600, 740), (1900, 2080), (960, 1160)),
}
RIDER_HEIGHTS = (1560, 1720)


def draw_size(dice: Dice, kind: str) -> tuple[int, int, int]:
    return tuple(dice.between(low, high, 20) for low, high in SIZES[kind])  # type: ignore[return-value]


def draw_drive(dice: Dice, section: Section) -> Drive:
    """5 to 11 m/s in the lane next to the kerb."""
    return Drive(
        x=dice.between(-8_000, 12_000) + 137,  # never on round coordinates
        y=section.lane_center(0, section.lanes - 1) + dice.between(-180, 180),
        speed=dice.between(260, 500, 5),
        gain=dice.pick((-1, 0, 0, 1)),
        shift=dice.pick((-1, 1)) * dice.between(120, 360, 10),
        shift_start=dice.between(0, 80),
        shift_ticks=dice.between(50, 90),
    )


def draw_works(dice: Dice, section: Section, crowd: Crowd, zebra: tuple[int, int]) -> list[Thing]:
    """An excavator in the parking strip behind barriers, with cones and workers."""
    sides = [side for side in (0, 1) if section.parking[side]]
    things: list[Thing] = []
    if not dice.percent(55):
        return things
    side = dice.pick(sides)
    sign = -1 if side == 0 else 1
    edge = section.lanes * section.lane
    x0 = dice.between(20_000, 110_000, 500)
    if zebra[0] - 30_000 < x0 < zebra[1] + 8_000:
        x0 = zebra[1] + 9_000
    y = sign * (edge + section.parking[side] // 2)
    near = sign * (edge + 330)

    def put(kind: str, x: int, y: int, **more: object) -> None:
        size = draw_size(dice, kind)
        if kind == "excavator":
            size = (size[0], 2200, size[2])
        thing = Thing(kind=kind, x=x, y=y, z=0, size=size, **more)  # type: ignore[arg-type]
        if crowd.add(thing, gap=(150, 50)):
            things.append(thing)

    put("excavator", x0 + 8_000, y + sign * 60, colour=YELLOWS[dice.between(0, 1)],
        heading=(dice.pick((-1, 1)), 0), attribute="vehicle.parked")  # fmt: skip
    for end in (x0, x0 + 21_000):
        put("barrier", end, y, colour=(214, 214, 210))
    for step in range(1, 9):
        put("cone", x0 + step * 2_400, near)
    for _ in range(dice.between(1, 3)):
        put("worker", x0 + dice.between(13_000, 19_500, 100), y + dice.between(-400, 700, 20),
            colour=WARNING, heading=dice.pick(((1, 0), (-1, 0), (0, 1), (0, -1))),
            variant=dice.between(0, 3), attribute="pedestrian.standing")  # fmt: skip
    return things


def draw_parked(dice: Dice, section: Section, crowd: Crowd, zebra: tuple[int, int]) -> list[Thing]:
    things: list[Thing] = []
    edge = section.lanes * section.lane
    for side in (0, 1):
        if not section.parking[side]:
            continue
        sign = -1 if side == 0 else 1
        y = sign * (edge + section.parking[side] // 2)
        filled = dice.between(40, 75)
        x = START + 12_000
        while x < END - 12_000:
            kind = "car"
            if dice.percent(16):
                kind = dice.pick(("truck", "trailer", "motorcycle", "motorcycle", "truck"))
            size = draw_size(dice, kind)
            room = size[0] + dice.between(900, 2_000, 50)
            apart = zebra[0] - 7000 > x + room or x > zebra[1] + 7000
            if dice.percent(filled) and apart:
                attribute = "cycle.without_rider" if kind == "motorcycle" else "vehicle.parked"
                turn = 0 if kind in ("truck", "trailer") else dice.between(-20, 20)
                thing = Thing(
                    kind=kind, x=x + room // 2, y=y + dice.between(-60, 60, 10), z=0, size=size,
                    heading=(-sign * 1000, turn), colour=_paint(dice, kind),
                    variant=dice.between(0, 2), attribute=attribute,
                )  # fmt: skip
                if crowd.add(thing, gap=(300, 20)):
                    things.append(thing)
            x += room
    return things


def draw_moving(dice: Dice, section: Section, crowd: Crowd, drive: Drive) -> list[Thing]:
    """Vehicles along their lanes; each lane has its own pace, so that few would meet."""
    things: list[Thing] = []
    for side in (0, 1):
        heading = (1, 0) if side == 0 else (-1, 0)
        for lane in range(section.lanes):
            pace = dice.between(240, 520, 10)
            if side == 0 and lane == section.lanes - 1:
                pace = drive.speed + 100 * drive.gain  # what the ego does halfway
            for _ in range(dice.between(4, 8)):
                kind = dice.pick(("car",) * 13 + ("truck", "truck", "bus", "bus", "motorcycle"))
                # Oncoming traffic starts far ahead.
                x = drive.x + dice.between(*((-80_000, 130_000), (-60_000, 240_000))[side], 100)
                thing = Thing(
                    kind=kind, x=x, z=0,
                    y=section.lane_center(side, lane) + dice.between(-150, 150, 10),
                    size=_ridden(dice, kind), heading=heading,
                    speed=max(120, pace + dice.between(-40, 40, 10)), colour=_paint(dice, kind),
                    variant=dice.between(0, 2),
                    attribute="cycle.with_rider" if kind == "motorcycle" else "vehicle.moving",
                )  # fmt: skip
                if _on_street(thing) and crowd.add(thing, gap=(4_000, 250)):
                    things.append(thing)
    return things


def draw_cyclists(dice: Dice, section: Section, crowd: Crowd) -> list[Thing]:
    things: list[Thing] = []
    edge = section.lanes * section.lane
    for _ in range(dice.between(6, 14)):
        side = dice.between(0, 1)
        thing = Thing(
            kind="bicycle", x=dice.between(-30_000, 150_000, 100), z=0,
            y=(-1 if side == 0 else 1) * (edge - 480), size=_ridden(dice, "bicycle"),
            heading=(1, 0) if side == 0 else (-1, 0), speed=dice.between(180, 300, 5),
            colour=dice.pick(CLOTHES), variant=dice.between(0, 3), attribute="cycle.with_rider",
        )  # fmt: skip
        if crowd.add(thing, gap=(1_500, 150)):
            things.append(thing)
    for side, kerb in enumerate(section.kerb):
        if dice.percent(70):
            sign = -1 if side == 0 else 1
            things += _bicycle_stand(dice, crowd, kerb + sign * 700)
    return things


def _bicycle_stand(dice: Dice, crowd: Crowd, y: int) -> list[Thing]:
    things = []
    x0 = dice.between(-10_000, 120_000, 500)
    for i in range(dice.between(1, 4)):
        thing = Thing(
            kind="bicycle", x=x0 + i * 2_300, y=y, z=KERB_MM, size=draw_size(dice, "bicycle"),
            heading=(1, 0), colour=dice.pick(PAINTS), attribute="cycle.without_rider",
        )  # fmt: skip
        if crowd.add(thing, gap=(100, 100)):
            things.append(thing)
    return things


def draw_people(dice: Dice, section: Section, crowd: Crowd, zebra: tuple[int, int]) -> list[Thing]:
    """Walkers and bystanders on both pavements, and one or two on the crossing."""
    things: list[Thing] = []

    def put(gap: tuple[int, int], **more: object) -> None:
        kind = "child" if dice.percent(12) else "adult"
        thing = Thing(
            kind=kind, size=draw_size(dice, kind), colour=dice.pick(CLOTHES),
            variant=dice.between(0, 3), **more,  # type: ignore[arg-type]
        )  # fmt: skip
        if crowd.add(thing, gap=gap):
            things.append(thing)

    for side, kerb in enumerate(section.kerb):
        sign = -1 if side == 0 else 1
        for _ in range(dice.between(12, 22)):
            y = kerb + sign * dice.between(1_450, section.pavement[side] - 500, 50)
            x = dice.between(-60_000, 190_000, 100)
            if dice.percent(78):
                put((250, 60), x=x, y=y, z=KERB_MM, heading=(dice.pick((-1, 1)), 0),
                    speed=dice.between(46, 84), attribute="pedestrian.moving")  # fmt: skip
            else:
                put((250, 60), x=x, y=y, z=KERB_MM, heading=dice.pick(TURNS),
                    attribute="pedestrian.standing")  # fmt: skip
    right, left = section.kerb
    for _ in range(30):
        # Walks within the kerbs for the whole scene, so nobody climbs one.
        speed = dice.between(20, 60)
        heading = dice.pick((1, -1))
        run = speed * 240
        low, high = right + 500, left - 500
        if run > high - low:
            continue
        first = dice.between(low, high - run) if heading > 0 else dice.between(low + run, high)
        put((900, 900), x=dice.between(zebra[0] + 400, zebra[1] - 400, 50), z=0,
            y=first + heading * speed * 20, heading=(0, heading), speed=speed,
            attribute="pedestrian.moving")  # fmt: skip
    return things


TURNS = ((1, 0), (-1, 0), (0, 1), (0, -1), (3, 4), (-4, 3), (-3, -4), (4, -3))


def _ridden(dice: Dice, kind: str) -> tuple[int, int, int]:
    length, width, height = draw_size(dice, kind)
    if kind in ("bicycle", "motorcycle"):
        height = dice.between(*RIDER_HEIGHTS, 10)
    return length, width, height


def _paint(dice: Dice, kind: str) -> Colour:
    if kind == "bus":
        return dice.pick(((196, 44, 38), (38, 92, 150), (218, 150, 40)))
    return dice.pick(PAINTS)


def _on_street(thing: Thing) -> bool:
    """Whether the thing keeps clear of the buildings at the street's ends."""
    first = thing.x - 20 * thing.speed * thing.heading[0]
    last = thing.x + 220 * thing.speed * thing.heading[0]
    room = thing.size[0]
    return min(first, last) > START + room and max(first, last) < END - room

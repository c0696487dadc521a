"""What stands on pavements: at the kerb, or against the walls, never in the way of walkers."""

from roadloom.town.plan.sizes import SIZES, draw_size
from roadloom.town.plan.things_rect import Number
from roadloom.town.plan.things_site import OFF_PARKING, Site
from roadloom.town.plan.things_way import LEFT, RIGHT, Way

AT_KERB: tuple[tuple[str, int], ...] = (
    ("bench", 15), ("litter_bin", 20), ("hydrant", 11), ("mailbox", 6), ("cabinet", 9),
    ("planter", 15), ("bollards", 5), ("bicycles", 9), ("pole", 8), ("motorcycle", 2),
)  # fmt: skip
AT_WALL: tuple[tuple[str, int], ...] = (
    ("wheelie_bin", 30),
    ("cabinet", 20),
    ("planter", 22),
    ("bench", 14),
    ("bicycle", 14),
)
NEAR = 170_000
BUS_SHARE = 55
"""Per cent of the stops with a strip at which a bus stands."""


def draw_furniture(site: Site, ways: list[Way]) -> None:
    dice = site.dice
    for way in ways:
        if way.nearest_to_origin > NEAR or way.length < 25_000:
            continue
        for side in (LEFT, RIGHT):
            pace = {"main": 6_800, "side": 15_000, "lane": 26_000}[way.kind]
            s = way.margin(0, 5_500) + dice.between(0, pace)
            while s < way.length - way.margin(1, 5_500):
                if way.from_origin(s) < NEAR:
                    _one(site, way, side, s)
                s += dice.between(pace // 2, pace * 3 // 2)


def _one(site: Site, way: Way, side: int, s: Number) -> None:
    dice = site.dice
    if dice.percent(78 if way.kind == "main" else 60):
        kind = _pick(site, AT_KERB)
        if kind == "bollards":
            pitch = dice.between(1_450, 1_900)
            for i in range(dice.between(3, 6)):
                at_kerb(site, way, side, s + i * pitch, "bollard")
        elif kind == "bicycles":
            _bicycles(site, way, side, s)
        else:
            at_kerb(site, way, side, s, kind)
    else:
        at_wall(site, way, side, s, _pick(site, AT_WALL))


def at_kerb(site: Site, way: Way, side: int, s: Number, kind: str) -> bool:
    """Its length along the street, its back to the road (-y: what is used from the pavement)."""
    size = (170, 170, 3_900) if kind == "pole" else draw_size(site.dice, kind)
    off = way.kerb(s, side) + site.dice.between(400, 470) + size[1] / 2 - 100
    place = way.at(s, way.sign(side) * off)
    heading = way.onward(s, side)  # y towards the road
    attribute = "cycle.without_rider" if kind in ("bicycle", "motorcycle") else ""
    return site.put(kind, place, heading, size, attribute=attribute)


def at_wall(site: Site, way: Way, side: int, s: Number, kind: str) -> bool:
    """Its back to the wall or the garden, at the pavement's far edge."""
    size = draw_size(site.dice, kind)
    edge = way.numbers(side)[1] - site.dice.between(20, 70) - size[1] / 2
    place = way.at(s, way.sign(side) * edge)
    ux, uy = way.onward(s, side)
    heading = (-ux, -uy)  # y towards the wall
    attribute = "cycle.without_rider" if kind == "bicycle" else ""
    return site.put(kind, place, heading, size, attribute=attribute)


def _bicycles(site: Site, way: Way, side: int, s: Number) -> None:
    """A rack and bicycles beside it, across the pavement where that is wide, else along it."""
    dice = site.dice
    if not at_kerb(site, way, side, s, "bicycle_rack"):
        return
    ux, uy = way.inward(s, side)
    for i in range(dice.between(1, 4)):
        size = draw_size(dice, "bicycle")
        at = s + 2_700 + i * dice.between(760, 900)
        off = way.kerb(at, side) + 330 + size[0] / 2
        place = way.at(at, way.sign(side) * off)
        lean = dice.between(-80, 80) / 1000
        heading = (ux - lean * uy, uy + lean * ux)
        if not site.put("bicycle", place, heading, size, attribute="cycle.without_rider"):
            at_kerb(site, way, side, s + 2_900 + i * 2_000, "bicycle")


def draw_shelters(site: Site, ways: list[Way]) -> None:
    """A bus stop on some sides of main streets: shelter, bin, pole, and no cars before it."""
    dice = site.dice
    for way in ways:
        for side in (LEFT, RIGHT):
            share, at = dice.percent(30), dice.between(25, 75)
            if way.kind != "main" or not share or way.nearest_to_origin > NEAR:
                continue
            s = way.length * at / 100
            size = draw_size(dice, "bus_shelter")
            off = way.numbers(side)[1] - dice.between(60, 160) - size[1] / 2
            ux, uy = way.onward(s, side)
            for left in (off, way.kerb(s, side) + 350 + size[1] / 2):
                # The open front at -y looks at the road.
                place = way.at(s, way.sign(side) * left)
                if site.put("bus_shelter", place, (-ux, -uy), size):
                    at_kerb(site, way, side, s + 3_200, "litter_bin")
                    at_kerb(site, way, side, s - 3_000, "pole")
                    if dice.percent(BUS_SHARE):
                        _bus(site, way, side, s)
                    break


def _bus(site: Site, way: Way, side: int, s: Number) -> None:
    """A bus that waits at its stop, where there is a strip wide enough to pull into."""
    length, width, height = draw_size(site.dice, "bus")
    kerb, _, _, strip = way.numbers(side)
    width = min(width, strip - 40)
    if width < SIZES["bus"].low[1]:
        return
    place = way.at(s, way.sign(side) * (kerb - strip / 2))
    site.put(
        "bus", place, way.onward(s, side), (length, width, height), kinds=OFF_PARKING,
        gap=280, raised=0, attribute="vehicle.stopped", keep=(site.no_parking,),
    )  # fmt: skip


def _pick(site: Site, mix: tuple[tuple[str, int], ...]) -> str:
    at = site.dice.between(0, 99)
    for name, share in mix:
        if at < share:
            return name
        at -= share
    raise AssertionError("shares add up to a hundred")

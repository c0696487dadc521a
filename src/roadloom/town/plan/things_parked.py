"""Vehicles that stand in the parking strips for the whole clip."""

from roadloom.town.plan.sizes import draw_car, draw_size
from roadloom.town.plan.things_rect import Number
from roadloom.town.plan.things_site import OFF_PARKING, Site
from roadloom.town.plan.things_way import LEFT, RIGHT, Way

OCCUPIED = 76
"""Per cent of the bays, with runs of full and of empty ones."""
BAY = (5_500, 6_500)
FROM_JUNCTION = 6_000
NEAR = 190_000


def draw_parked(site: Site, ways: list[Way]) -> None:
    dice = site.dice
    for way in ways:
        for side in (LEFT, RIGHT):
            strip = way.numbers(side)[3]
            share = OCCUPIED + dice.between(-16, 16)
            if strip == 0 or way.nearest_to_origin > NEAR:
                continue
            s = way.margin(0, FROM_JUNCTION) + dice.between(0, 3_000)
            end = way.length - way.margin(1, FROM_JUNCTION)
            while s < end:
                bay = dice.between(*BAY)
                if dice.percent(share) and way.from_origin(s) < NEAR:
                    bay = max(bay, _park(site, way, side, s, end))
                s += bay


def _park(site: Site, way: Way, side: int, s: Number, end: float) -> int:
    """A vehicle whose bay begins at a place; how much of the strip it takes."""
    dice = site.dice
    kind = _kind(site, way)
    length, width, height = draw_size(dice, kind)
    kerb, _, _, strip = way.numbers(side)
    if width > strip - 60:
        if kind in ("truck.box", "trailer", "ambulance"):
            width = strip - 60
        else:
            kind = "car.hatchback"
            length, width, height = draw_size(dice, kind)
    middle = s + length / 2 + dice.between(150, 900)
    if middle + length / 2 > end:
        return BAY[0]
    room = (strip - width) // 2
    aside = dice.between(-min(room, 110), min(room, 110))
    place = way.at(middle, way.sign(side) * (kerb - strip / 2 + aside))
    ux, uy = way.onward(middle, side)
    if dice.percent(6) and way.kind != "main":
        ux, uy = -ux, -uy
    # Askew by at most 2 degrees, as far as the strip's width allows.
    most = min(35, 1600 * max(room - abs(aside), 0) // length)
    turn = dice.between(-most, most) / 1000
    site.put(
        kind, place, (ux - turn * uy, uy + turn * ux), (length, width, height),
        kinds=OFF_PARKING, gap=280, raised=0, attribute="vehicle.parked",
        keep=(site.no_parking,),
    )  # fmt: skip
    return length + 900


def _kind(site: Site, way: Way) -> str:
    chance = site.dice.between(0, 199)
    if chance < 3:
        return "trailer" if way.kind == "main" and site.dice.percent(50) else "truck.box"
    if chance < 4:
        return "police_car"
    return "ambulance" if chance < 5 else draw_car(site.dice)


def draw_motorcycles(site: Site, ways: list[Way]) -> None:
    """Pairs and threes of motorcycles, across what room is left in parking strips."""
    dice = site.dice
    for way in ways:
        for side in (LEFT, RIGHT):
            kerb, _, _, strip = way.numbers(side)
            share, at = dice.percent(38), dice.between(15, 85)
            if strip == 0 or not share or way.nearest_to_origin > 150_000:
                continue
            s = way.length * at / 100
            for i in range(dice.between(1, 3)):
                length, width, height = draw_size(dice, "motorcycle")
                place = way.at(s + i * 1_150, way.sign(side) * (kerb - strip / 2))
                ux, uy = way.inward(s, side)
                lean = dice.between(-120, 120) / 1000
                site.put(
                    "motorcycle", place, (ux - lean * uy, uy + lean * ux),
                    (min(length, strip - 90), width, height), kinds=OFF_PARKING, raised=0,
                    attribute="cycle.without_rider", keep=(site.no_parking,),
                )  # fmt: skip

"""A part of a town: streets, junctions, lanes, lights, pavements, crossings, paint.

    lattice -> junctions (cuts, corners) -> streets -> rules -> blocks -> lanes, ground, walks

Traffic keeps to the right. All vertices come from ``StreetShape.at`` or ``Corner.bend``, each
rounded to whole millimetres once, so areas that touch share their vertices exactly.
"""

from dataclasses import replace

from roadloom.town.dice import Dice
from roadloom.town.plan import roads_rules as rules
from roadloom.town.plan.roads_blocks import find_blocks
from roadloom.town.plan.roads_curves import Axis, Place
from roadloom.town.plan.roads_fronts import forecourt_of, has_forecourt, set_forecourts
from roadloom.town.plan.roads_junctions import Arm, Corner, Junction, arms_at, corners_of
from roadloom.town.plan.roads_lanes import Lanes, lay_junction, lay_street, turns_from
from roadloom.town.plan.roads_lattice import (
    EAST,
    NORTH,
    STEPS,
    Lattice,
    Spot,
    draw_lattice,
)
from roadloom.town.plan.roads_paint import paint_of, stop_line_rings
from roadloom.town.plan.roads_streets import STOP_LINE, End, Span, StreetShape, areas_of
from roadloom.town.plan.roads_walks import crossings_of, draw_walks, join_blocks
from roadloom.town.plan.types import RoadNet, Signal

TIGHTEST = 68_000
"""Smallest radius of a street's axis [mm]."""
STRENGTHS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
"""How much of its bending a lattice keeps: the first that leaves no street too tight."""


def draw_roads(dice: Dice) -> RoadNet:
    lattice = draw_lattice(dice)
    for strength in STRENGTHS:
        spots, arms, streets = _lay_out(replace(lattice, strength=strength))
        if min(street.axis.tightest for street in streets) >= TIGHTEST:
            break
    junctions = [
        Junction(
            id=k,
            spot=spot,
            arms=arms[spot],
            corners=[
                Corner(a=a, b=b, streets=(streets[a.street], streets[b.street]))
                for a, b in corners_of(arms[spot])
            ],
        )
        for k, spot in enumerate(spots)
    ]
    for junction in junctions:
        for arm in junction.arms:
            streets[arm.street].ends[arm.end].turns = turns_from(arm, junction)
    signals: list[Signal] = []
    for junction in junctions:
        if rules.set_controls(dice, junction, streets) == "signal":
            rules.draw_signals(dice, junction, streets, signals)
        rules.set_crossings(dice, junction, streets)
    for street in streets:
        _set_zebra(dice, street)
    join_blocks(dice, find_blocks(streets, junctions), streets, junctions)
    for street in streets:
        _set_parking(dice, street)
    set_forecourts(streets, junctions)
    for street in streets:
        _forget_stations(street)
    blocks = find_blocks(streets, junctions)

    lanes = Lanes()
    for street in streets:
        lay_street(lanes, street)
    for junction in junctions:
        lay_junction(lanes, junction)
        rules.find_conflicts(lanes, junction, streets)
    crossings = [crossings_of(street, lanes) for street in streets]
    return RoadNet(
        streets=tuple(street.street for street in streets),
        junctions=tuple(junction.ring for junction in junctions),
        lanes=tuple(lane.done() for lane in lanes.all),
        signals=tuple(signals),
        areas=(
            *(area for street in streets for area in areas_of(street)),
            *(area for junction in junctions for area in junction.areas),
            *(forecourt_of(c) for j in junctions for c in j.corners if has_forecourt(c)),
            *blocks.areas,
        ),
        crossings=tuple(crossing for over in crossings for crossing in over),
        walks=draw_walks(streets, junctions, crossings),
        paint=tuple(paint for street in streets for paint in paint_of(street)),
        stop_lines=tuple(ring for street in streets for ring in stop_line_rings(street)),
    )


def _lay_out(
    lattice: Lattice,
) -> tuple[list[Spot], dict[Spot, list[Arm]], list[StreetShape]]:
    spots = [
        (i, j)
        for j in range(lattice.rows)
        for i in range(lattice.columns)
        if lattice.is_junction((i, j))
    ]
    arms = {spot: arms_at(lattice, spot) for spot in spots}
    return spots, arms, _streets(lattice, spots, arms)


def _streets(lattice: Lattice, spots: list[Spot], arms: dict[Spot, list[Arm]]) -> list[StreetShape]:
    """From each junction or the plan's edge along rows and columns to the next."""
    number = {spot: k for k, spot in enumerate(spots)}
    streets: list[StreetShape] = []
    starts = [
        *(((-1, j), EAST) for j in range(lattice.rows)),
        *(((i, -1), NORTH) for i in range(lattice.columns)),
        *((spot, way) for spot in spots for way in (EAST, NORTH)),
    ]
    for start, way in starts:
        if not lattice.linked(start, way):
            continue
        chain = [start]
        while len(chain) == 1 or (chain[-1] not in number and lattice.inside(chain[-1])):
            chain.append((chain[-1][0] + STEPS[way][0], chain[-1][1] + STEPS[way][1]))
        streets.append(_street(len(streets), lattice, chain, way, number, arms))
    return streets


def _street(
    number: int,
    lattice: Lattice,
    chain: list[Spot],
    way: int,
    junctions: dict[Spot, int],
    arms: dict[Spot, list[Arm]],
) -> StreetShape:
    places: list[Place] = [lattice.place[spot] for spot in chain]
    directions = [lattice.along[spot][0 if way == EAST else 1] for spot in chain]
    ends = []
    for which in (0, 1):
        spot = chain[-which]
        if spot not in junctions:
            ends.append(End())
            continue
        leaving = way if which == 0 else way + 2
        arm = next(arm for arm in arms[spot] if arm.way == leaving)
        arm.street, arm.end = number, which
        places[-which] = arm.away(arm.cut, 0)
        ends.append(End(junction=junctions[spot], way=leaving))
    return StreetShape(
        id=number,
        profile=lattice.profile(chain[0], way),
        axis=Axis(tuple(places), tuple(directions)),
        spots=tuple(chain),
        ends=(ends[0], ends[1]),
    )


def _set_zebra(dice: Dice, street: StreetShape) -> None:
    """Sometimes a crossing half way."""
    wanted = street.profile.kind != "lane" and dice.percent(25)
    if wanted and street.length > 70_000:
        width = dice.between(2_400, 3_200, 100)
        low = street.length // 2 + dice.between(-8_000, 8_000) - width // 2
        street.zebra = low, low + width


def _set_parking(dice: Dice, street: StreetShape) -> None:
    for side in (0, 1):
        if not street.profile.parking[side] or dice.percent(12):
            continue
        low, high = street.ends[0].clear, street.length - street.ends[1].clear
        low += 3_000 if street.ends[0].junction >= 0 else 2_000
        high -= 3_000 if street.ends[1].junction >= 0 else 2_000
        for span in _without(street, (low, high)):
            if span[1] - span[0] > 12_000:
                street.parking[side].append(span)


def _without(street: StreetShape, span: Span) -> list[Span]:
    if not street.zebra[1]:
        return [span]
    reach = 1_000 + STOP_LINE + 4_000
    return [(span[0], street.zebra[0] - reach), (street.zebra[1] + reach, span[1])]


def _forget_stations(street: StreetShape) -> None:
    """Crossings were added: what was derived is derived again."""
    for name in ("crossings", "medians", "stations", "fine"):
        street.__dict__.pop(name, None)

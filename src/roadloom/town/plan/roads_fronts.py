"""Forecourts: paved ground between a pavement and the fronts that stand back from it.

Along a street they are strips; where two meet at a corner a piece around it joins them, cut off
slantwise towards the block.
"""

from roadloom.town.plan.roads_curves import meeting, tidy
from roadloom.town.plan.roads_junctions import Arm, Corner, Junction
from roadloom.town.plan.roads_streets import StreetShape
from roadloom.town.plan.types import Area, Point

REACH = {"main": 230_000, "side": 160_000, "lane": 160_000}
"""Streets that stay farther from the middle have no house fronts, and no forecourts."""
SLANT = 300
"""From where two inner edges would meet to where each of them ends."""


def set_forecourts(streets: list[StreetShape], junctions: list[Junction]) -> None:
    """Along whole sides of streets, but as far from a corner as the other street's reaches."""
    for street in streets:
        if _nearest(street) < REACH[street.profile.kind]:
            for side in (0, 1):
                if street.profile.forecourt(side):
                    street.fronts[side] = 0, street.length
    for junction in junctions:
        for corner in junction.corners:
            if has_forecourt(corner):
                _end_at(corner)


def _nearest(street: StreetShape) -> int:
    """How near its axis comes to the middle, along x or y."""
    return min(max(abs(x), abs(y)) for x, y in street.line(0, street.fine[::8]))


def has_forecourt(corner: Corner) -> bool:
    """Whether there are some on both sides of a corner, so that one goes around it."""
    a, b = corner.streets
    return corner.a.side(True) in a.fronts and corner.b.side(False) in b.fronts


def forecourt_of(corner: Corner) -> Area:
    a, b = corner.streets
    side_a, side_b = corner.a.side(True), corner.b.side(False)
    before, after = _edge(corner.a, a, side_a), _edge(corner.b, b, side_b)
    outer = [*reversed(before), *corner.outer, *after]
    inner = [
        a.at(_mark(corner.a, a, side_a), _inner(a, side_a)),
        b.at(_mark(corner.b, b, side_b), _inner(b, side_b)),
    ]
    return Area(kind="forecourt", ring=tidy([*reversed(outer), *inner]))


def _end_at(corner: Corner) -> None:
    a, b = corner.streets
    left, right = corner.a.side(True), corner.b.side(False)
    reach = a.profile.outer(left) + a.profile.forecourt(left)
    other = b.profile.outer(right) + b.profile.forecourt(right)
    if (corner.b.way - corner.a.way) % 4 == 2:
        return
    ends = meeting(
        corner.a.beside(reach), corner.a.ahead, corner.b.beside(-other), corner.b.ahead
    )  # fmt: skip
    for arm, street, side, end in ((corner.a, a, left, ends[0]), (corner.b, b, right, ends[1])):
        mark = int(end) + SLANT - arm.cut
        low, high = street.fronts[side]
        if mark > 0:
            street.fronts[side] = (mark, high) if arm.along else (low, street.length - mark)


def _mark(arm: Arm, street: StreetShape, side: int) -> int:
    """Where along a street its strip ends at a junction."""
    return street.fronts[side][0 if arm.along else 1]


def _inner(street: StreetShape, side: int) -> int:
    return (1 - 2 * side) * (street.profile.outer(side) + street.profile.forecourt(side))


def _edge(arm: Arm, street: StreetShape, side: int) -> list[Point]:
    """The pavement's far edge from a junction to where the strip begins."""
    left = (1 - 2 * side) * street.profile.outer(side)
    mark = _mark(arm, street, side)
    if arm.along:
        return [street.at(s, left) for s in street.between(0, mark)]
    return [street.at(s, left) for s in reversed(street.between(mark, street.length))]

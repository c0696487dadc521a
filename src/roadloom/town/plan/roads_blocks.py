"""Ground between streets: each block is what one walks around with streets on the right hand."""

from dataclasses import dataclass

from roadloom.town.plan.roads_curves import tidy
from roadloom.town.plan.roads_fronts import has_forecourt
from roadloom.town.plan.roads_junctions import Corner, Junction
from roadloom.town.plan.roads_streets import StreetShape
from roadloom.town.plan.types import EXTENT_MM, Area, Point

Way = tuple[int, bool]
"""A street and whether it is walked against its axis; the block lies to the left."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    areas: tuple[Area, ...]
    beside: dict[tuple[int, int], int]
    """(street, side) -> its block; side 0 is left of the axis, 1 right."""


def find_blocks(streets: list[StreetShape], junctions: list[Junction]) -> Blocks:
    corner_after: dict[Way, Corner] = {}
    for junction in junctions:
        for corner in junction.corners:
            # The block lies right of arm b looking outward: one arrives along b, leaves along a.
            arriving = (corner.b.street, corner.b.along)
            corner_after[arriving] = corner
    borders = _borders(streets)
    beside: dict[tuple[int, int], int] = {}
    areas: list[Area] = []
    for street in streets:
        for backward in (False, True):
            if (street.id, int(backward)) in beside:
                continue
            ring = _walk_around((street.id, backward), streets, corner_after, borders)
            for way in ring[0]:
                beside[way[0], int(way[1])] = len(areas)
            areas.append(Area(kind="terrain", ring=tidy(ring[1])))
    return Blocks(areas=tuple(areas), beside=beside)


def _walk_around(
    first: Way,
    streets: list[StreetShape],
    corner_after: dict[Way, Corner],
    borders: list[tuple[int, Way]],
) -> tuple[list[Way], list[Point]]:
    ways: list[Way] = []
    points: list[Point] = []
    at = first
    while True:
        ways.append(at)
        street, backward = streets[at[0]], at[1]
        side = int(backward)
        edge = street.edge(side)
        points.extend(reversed(edge) if backward else edge)
        corner = corner_after.get(at)
        if corner is not None:
            if not has_forecourt(corner):
                points.extend(reversed(corner.outer))
            at = corner.a.street, not corner.a.along
        else:
            at = _along_border(at, borders, points)
        if at == first:
            return ways, points


def _borders(streets: list[StreetShape]) -> list[tuple[int, Way]]:
    """Streets' ends on the plan's edge by their place around it, each as the way inward."""
    found = []
    for street in streets:
        for which, end in enumerate(street.ends):
            if end.junction < 0:
                x, y = street.at(street.length if which else 0, 0)
                found.append((_around(x, y), (street.id, which == 1)))
    return sorted(found)


def _around(x: int, y: int) -> int:
    """Place on the plan's edge, counter-clockwise from its lower right corner."""
    e = EXTENT_MM
    if x == e:
        return y + e
    if y == e:
        return 3 * e - x
    return 5 * e - y if x == -e else 7 * e + x


def _along_border(at: Way, borders: list[tuple[int, Way]], points: list[Point]) -> Way:
    """Counter-clockwise to the next street that leads inward; adds the plan's corners passed."""
    e = EXTENT_MM
    here = next(i for i, (_, way) in enumerate(borders) if way == (at[0], not at[1]))
    start, (goal, following) = borders[here][0], borders[(here + 1) % len(borders)]
    goal += 8 * e if goal <= start else 0
    corners = [(e, e), (-e, e), (-e, -e), (e, -e)]
    for lap in range(2):
        for i, corner in enumerate(corners):
            if start < (2 * e * (i + 1)) + lap * 8 * e < goal:
                points.append(corner)
    return following

"""One street: stations along its axis, its strips of ground, and its lanes.

A street's own frame is (s, left): distance along the axis and distance to the left of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from math import floor, sqrt

from roadloom.town.plan.roads_curves import Axis, Number, Place, tidy
from roadloom.town.plan.roads_lattice import Profile, Spot
from roadloom.town.plan.types import Area, Line, Point, Street

CROSSING_SETBACK = 600
"""From the junction's edge to a crossing."""
STOP_SETBACK = 1_000
"""From a crossing to the stop line before it."""
STOP_LINE = 400
SAG = 20
"""How far the ground's outlines may cut across a bend."""
FAR, FAR_SAG = 230_000, 36
"""The same for streets that lie farther out than this from the middle."""
Span = tuple[int, int]


@dataclass(kw_only=True)
class End:
    """Where a street ends: at a junction's arm, or at the edge of the plan."""

    junction: int = -1
    way: int = 0
    """Direction in which this street leaves the junction."""
    control: str = "none"
    signal: int = -1
    people_signal: int = -1
    crossing: int = 0
    """Width of the crossing there, or 0."""
    turns: tuple[str, ...] = ()
    """Ways on from here through the junction: ``left``, ``straight``, ``right``."""

    @property
    def line(self) -> int:
        """From the street's end to the near edge of the stop line."""
        if self.crossing:
            return CROSSING_SETBACK + self.crossing + STOP_SETBACK
        return 500

    @property
    def clear(self) -> int:
        """From the street's end to where medians may begin."""
        return 0 if self.junction < 0 else self.line + STOP_LINE + 1_000


@dataclass(kw_only=True, eq=False)
class StreetShape:
    id: int
    profile: Profile
    axis: Axis
    spots: tuple[Spot, ...]
    ends: tuple[End, End]
    """Where the axis begins and where it ends."""
    parking: tuple[list[Span], list[Span]] = field(default_factory=lambda: ([], []))
    """Stretches with parking strips, left and right."""
    fronts: dict[int, Span] = field(default_factory=dict)
    """Stretches with a forecourt, by side."""
    zebra: Span = (0, 0)
    """A crossing between the junctions, or nothing."""

    @cached_property
    def length(self) -> int:
        return int(self.axis.length)

    def at(self, s: Number, left: Number) -> Point:
        """The whole place at a distance along and to the left."""
        if s not in self._known:
            self._known[s] = self.axis.frame(self.axis.length if s >= self.length else s)
        (x, y), (dx, dy) = self._known[s]
        return floor(x - left * dy + 0.5), floor(y + left * dx + 0.5)

    @cached_property
    def _known(self) -> dict[Number, tuple[Place, Place]]:
        """Place and heading of the axis where they were asked for."""
        return {}

    @cached_property
    def crossings(self) -> tuple[tuple[Span, int], ...]:
        """Stretch of each crossing along the axis, and its end (2 between the junctions)."""
        found = []
        first, last = (end.crossing for end in self.ends)
        if first:
            found.append(((CROSSING_SETBACK, CROSSING_SETBACK + first), 0))
        if self.zebra[1]:
            found.append((self.zebra, 2))
        if last:
            end = self.length - CROSSING_SETBACK
            found.append(((end - last, end), 1))
        return tuple(found)

    @cached_property
    def medians(self) -> tuple[Span, ...]:
        if not self.profile.median:
            return ()
        whole = self.ends[0].clear, self.length - self.ends[1].clear
        if not self.zebra[1]:
            return (whole,)
        return (whole[0], self.zebra[0] - 800), (self.zebra[1] + 800, whole[1])

    def taper(self, side: int) -> int:
        return self.profile.parking[side] * 3 // 4

    @cached_property
    def stations(self) -> tuple[int, ...]:
        """Where the ground's outlines have vertices: close enough on bends, and all the marks."""
        marks = {0, self.length}
        for span, _ in self.crossings:
            marks.update(span)
        for low, high in self.medians:
            marks.update((low, high))
        for span in self.fronts.values():
            marks.update(span)
        for side in (0, 1):
            for low, high in self.parking[side]:
                taper = self.taper(side)
                marks.update((low, low + taper, high - taper, high))
        far = min(max(abs(x), abs(y)) for x, y in self.axis.places) > FAR
        sag, most = (FAR_SAG, 20_000.0) if far else (SAG, 12_000.0)
        step = min(most, sqrt(8 * self.axis.tightest * sag))
        return _filled(sorted(marks), step)

    @cached_property
    def fine(self) -> tuple[int, ...]:
        """Where lanes have vertices: evenly, at most 2 m apart."""
        return _filled((0, self.length), 2_000.0)

    def between(self, low: int, high: int) -> list[int]:
        """Stations in a stretch, its ends among them."""
        return [s for s in self.stations if low <= s <= high]

    def line(self, left: Number, stations: Iterable[int] | None = None) -> Line:
        return tuple(self.at(s, left) for s in (self.stations if stations is None else stations))

    def edge(self, side: int) -> Line:
        """Where the blocks begin: the far edge of the pavement, or of the forecourt."""
        left = self.profile.outer(side)
        if side not in self.fronts:
            return self.line((1 - 2 * side) * left)
        left += self.profile.forecourt(side)
        return self.line((1 - 2 * side) * left, self.between(*self.fronts[side]))

    @property
    def street(self) -> Street:
        profile = self.profile
        sides = []
        for side in (0, 1):
            strip = profile.parking[side] if self.parking[side] else 0
            outer = profile.outer(side)
            sides.append((profile.kerb + strip, outer, outer + profile.garden[side], strip))
        return Street(
            id=self.id,
            axis=self.line(0, self.fine),
            kind=profile.kind,
            left=sides[0],
            right=sides[1],
            median=profile.median,
            left_parking=tuple(self.parking[0]),
            right_parking=tuple(self.parking[1]),
        )


def _filled(marks: Iterable[int], step: Number) -> tuple[int, ...]:
    """Whole distances at most ``step`` apart, the marks among them."""
    found: list[int] = []
    for mark in marks:
        if found:
            gap = mark - found[-1]
            count = int(gap / step) + 1
            start = found[-1]
            found.extend(start + gap * i // count for i in range(1, count))
        found.append(mark)
    return tuple(found)


# -- strips of ground ------------------------------------------------------------------------------


def areas_of(street: StreetShape) -> list[Area]:
    return [
        *_roadway(street),
        *(area for side in (0, 1) for area in _side(street, side)),
    ]


def _roadway(street: StreetShape) -> list[Area]:
    kerb = street.profile.kerb
    left, right = street.line(kerb), street.line(-kerb)
    if not street.medians:
        return [_area("road", right, reversed(left))]
    middle: tuple[list[Point], list[Point]] = ([], [])
    islands = []
    done = 0
    for low, high in street.medians:
        if low > 0:
            for line in middle:
                line.extend(street.at(s, 0) for s in street.between(done, low))
        edges = [_island_edge(street, low, high, sign) for sign in (1, -1)]
        for line, edge in zip(middle, edges, strict=True):
            line.extend(edge)
        islands.append(_area("median", edges[1], reversed(edges[0])))
        done = high
    if done < street.length:
        for line in middle:
            line.extend(street.at(s, 0) for s in street.between(done, street.length))
    return [
        _area("road", middle[0], reversed(left)),
        _area("road", right, reversed(middle[1])),
        *islands,
    ]


def _island_edge(street: StreetShape, low: int, high: int, sign: int) -> list[Point]:
    """One long side of a median with half of its round noses; square at the plan's edge."""
    half = street.profile.median // 2
    nose = [(0, 0), (half * 134 // 1000, half * 500 // 1000), (half // 2, half * 866 // 1000)]
    found = []
    inner_low, inner_high = low, high
    if low > 0:
        found += [street.at(low + s, sign * left) for s, left in nose]
        inner_low = low + half
        found.append(street.at(inner_low, sign * half))
    square = high == street.length
    if not square:
        inner_high = high - half
    found += [street.at(s, sign * half) for s in street.between(inner_low, inner_high)]
    if not square:
        found.append(street.at(inner_high, sign * half))
        found += [street.at(high - s, sign * left) for s, left in reversed(nose)]
    return found


def _side(street: StreetShape, side: int) -> list[Area]:
    """Pavement, parking and forecourt on one side."""
    sign = 1 - 2 * side
    kerb, strip = street.profile.kerb, street.profile.parking[side]
    outer = street.line(sign * street.profile.outer(side))
    inner: list[Point] = []
    found, done = [], 0
    for low, high in street.parking[side]:
        taper = street.taper(side)
        inner.extend(street.at(s, sign * kerb) for s in street.between(done, low))
        bay = street.line(sign * (kerb + strip), street.between(low + taper, high - taper))
        inner.extend(bay)
        edge = street.line(sign * kerb, street.between(low, high))
        found.append(_strip("parking", edge, bay, sign))
        done = high
    inner.extend(street.at(s, sign * kerb) for s in street.between(done, street.length))
    found.append(_strip("pavement", tuple(inner), outer, sign))
    if side in street.fronts:
        left = sign * street.profile.outer(side)
        edge = street.line(left, street.between(*street.fronts[side]))
        found.append(_strip("forecourt", edge, street.edge(side), sign))
    return found


def _strip(kind: str, inner: Line, outer: Line, sign: int) -> Area:
    if sign > 0:
        return _area(kind, inner, reversed(outer))
    return _area(kind, outer, reversed(inner))


def _area(kind: str, there: Iterable[Point], back: Iterable[Point]) -> Area:
    return Area(kind=kind, ring=tidy([*there, *back]))

"""Where streets meet: how far back they are cut off, round kerbs, outlines."""

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

from roadloom.town.plan.roads_curves import Number, Place, arc, meeting, tidy, whole
from roadloom.town.plan.roads_lattice import EAST, NORTH, WEST, Lattice, Profile, Spot
from roadloom.town.plan.roads_streets import StreetShape
from roadloom.town.plan.types import Area, Line, Point

OUTER_RADIUS = 400
"""Least radius of the corner between two pavements' far edges."""
CLEARANCE = 200
"""From a corner's last bend to the cut."""


@dataclass(kw_only=True, eq=False)
class Arm:
    """A street that leaves a junction, seen outward."""

    way: int
    base: Place
    """The junction's node."""
    ahead: Place
    """Unit direction outward."""
    profile: Profile
    cut: int = 0
    """From the node to where the street begins."""
    street: int = -1
    end: int = 0
    """Which of the street's ends lies here."""

    @property
    def along(self) -> bool:
        """Whether the street's axis leads outward here."""
        return self.end == 0

    def side(self, left: bool) -> int:
        """Which side of the profile lies to the left (right) when looking outward."""
        outward = self.way in (EAST, NORTH)
        return int(left != outward)

    def outer(self, left: bool) -> int:
        return self.profile.outer(self.side(left))

    def beside(self, left: Number) -> Place:
        return self.base[0] - left * self.ahead[1], self.base[1] + left * self.ahead[0]

    def away(self, s: Number, left: Number) -> Place:
        x, y = self.beside(left)
        return x + s * self.ahead[0], y + s * self.ahead[1]

    def at(self, street: StreetShape, left: Number) -> Point:
        """Place on the cut, as the street itself rounds it."""
        return street.at(0, left) if self.along else street.at(street.length, -left)


def arms_at(lattice: Lattice, spot: Spot) -> list[Arm]:
    """Counter-clockwise, with their cuts."""
    row, column = lattice.along[spot]
    arms = []
    for way in lattice.ways(spot):
        x, y = row if way in (EAST, WEST) else column
        sign = 1 if way in (EAST, NORTH) else -1
        profile = lattice.profile(spot, way)
        base = lattice.place[spot]
        arms.append(Arm(way=way, base=base, ahead=(sign * x, sign * y), profile=profile))
    for a, b in corners_of(arms):
        if not _straight(a, b):
            for arm, need in zip((a, b), _needs(a, b), strict=True):
                arm.cut = max(arm.cut, int(need) + CLEARANCE)
    return arms


def corners_of(arms: list[Arm]) -> list[tuple[Arm, Arm]]:
    """Each arm with the next one counter-clockwise."""
    return [(arm, arms[(i + 1) % len(arms)]) for i, arm in enumerate(arms)]


def _straight(a: Arm, b: Arm) -> bool:
    return (b.way - a.way) % 4 == 2


def kerb_radius(a: Arm, b: Arm) -> int:
    return max(a.profile.radius, b.profile.radius)


def outer_radius(a: Arm, b: Arm) -> int:
    """About concentric with the kerb, so that pavements stay wide around corners."""
    wide = max(a.profile.pavement[a.side(True)], b.profile.pavement[b.side(False)])
    return max(OUTER_RADIUS, kerb_radius(a, b) - wide)


def _needs(a: Arm, b: Arm) -> tuple[float, float]:
    """How far out the bends of kerb and pavement between two arms reach along each."""
    kerb = _tangents(a, b, a.profile.kerb, b.profile.kerb, kerb_radius(a, b))
    outer = _tangents(a, b, a.outer(True), b.outer(False), outer_radius(a, b))
    return max(kerb[0], outer[0]), max(kerb[1], outer[1])


def _tangents(a: Arm, b: Arm, left: Number, right: Number, radius: Number) -> tuple[float, float]:
    """Distances along both arms where a circle touches the lines beside them."""
    s, t = meeting(a.beside(left), a.ahead, b.beside(-right), b.ahead)
    cos = a.ahead[0] * b.ahead[0] + a.ahead[1] * b.ahead[1]
    leg = radius * sqrt((1 + cos) / (1 - cos))
    return s + leg, t + leg


@dataclass(frozen=True, kw_only=True, eq=False)
class Corner:
    """Between the left side of one arm and the right side of the next."""

    a: Arm
    b: Arm
    streets: tuple[StreetShape, StreetShape]

    def bend(self, left: Number, right: Number, radius: Number, pieces: int) -> list[Point]:
        """From arm a's cut to arm b's: straight, round, straight."""
        first, last = self.a.at(self.streets[0], left), self.b.at(self.streets[1], -right)
        if _straight(self.a, self.b):
            return [first, last]
        s, t = _tangents(self.a, self.b, left, right, radius)
        corner = meeting(self.a.beside(left), self.a.ahead, self.b.beside(-right), self.b.ahead)
        places = arc(
            self.a.away(s, left), self.a.away(corner[0], left), self.b.away(t, -right), pieces
        )
        return [first, *(whole(*place) for place, _ in places), last]

    @property
    def outer_radius(self) -> int:
        return outer_radius(self.a, self.b)

    @cached_property
    def kerb(self) -> list[Point]:
        radius = kerb_radius(self.a, self.b)
        return self.bend(self.a.profile.kerb, self.b.profile.kerb, radius, 8)

    @cached_property
    def outer(self) -> list[Point]:
        return self.bend(self.a.outer(True), self.b.outer(False), self.outer_radius, 4)

    @property
    def pavement(self) -> Area:
        return Area(kind="pavement", ring=tidy([*reversed(self.kerb), *self.outer]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Junction:
    id: int
    spot: Spot
    arms: list[Arm]
    corners: list[Corner]

    @cached_property
    def ring(self) -> Line:
        points: list[Point] = []
        for corner in self.corners:
            street = corner.streets[0]
            if corner.a.profile.median:
                points.append(corner.a.at(street, 0))
            points.extend(corner.kerb)
        return tidy(points)

    @property
    def areas(self) -> list[Area]:
        return [
            Area(kind="junction", ring=self.ring),
            *(corner.pavement for corner in self.corners),
        ]

"""Which streets there are: rows and columns of a bent lattice, some of whose links are missing.

Rows run along x, columns along y. Each row and column has one cross section all the way, so a
street that goes on behind a junction goes on straight. Nodes keep four, three or two opposite
links; at the last kind there is no junction and the street runs through.
"""

from dataclasses import dataclass
from functools import cached_property

from roadloom.town.dice import Dice
from roadloom.town.plan.roads_curves import Number, Place, unit
from roadloom.town.plan.types import EXTENT_MM

EAST, NORTH, WEST, SOUTH = range(4)
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
FORECOURT = 2_400
"""Walls stand back by up to this from the pavement behind awnings and balconies [mm]."""
Spot = tuple[int, int]
"""Column and row of a node; -1 and the count itself are the plan's edges."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A street across; the same to both sides but for parking and pavements. Millimetres."""

    kind: str
    lanes: int
    """Vehicle lanes each way."""
    lane: int
    bike: int
    """Width of a bicycle lane on each side, or 0."""
    median: int
    parking: tuple[int, int]
    """Left and right of the axis; streets may leave a strip out."""
    pavement: tuple[int, int]
    garden: tuple[int, int]
    speed: int
    centre_mark: str
    edge_mark: str
    radius: int
    """Of the kerbs at its corners."""

    @property
    def kerb(self) -> int:
        """From the axis to the kerb where no cars park."""
        return self.median // 2 + self.lanes * self.lane + self.bike

    def outer(self, side: int) -> int:
        """From the axis to the pavement's far edge."""
        return self.kerb + self.parking[side] + self.pavement[side]

    def forecourt(self, side: int) -> int:
        """Width of the paved ground beyond the pavement, where fronts stand; 0 with gardens."""
        return 0 if self.garden[side] else FORECOURT


@dataclass(frozen=True, kw_only=True)
class Lattice:
    columns: int
    rows: int
    even: dict[Spot, Place]
    """Nodes of the straight lattice."""
    moves: dict[Spot, Place]
    """How far each is moved."""
    strength: float = 1.0
    """Share of the moves that is done."""
    links: frozenset[tuple[int, int, int]]
    """(column, row, EAST or NORTH) of a link's western or southern end."""
    profiles: tuple[tuple[Profile, ...], tuple[Profile, ...]]
    """Of rows and of columns."""

    @cached_property
    def place(self) -> dict[Spot, Place]:
        return {
            spot: (x + self.strength * self.moves[spot][0], y + self.strength * self.moves[spot][1])
            for spot, (x, y) in self.even.items()
        }

    @cached_property
    def along(self) -> dict[Spot, tuple[Place, Place]]:
        """Unit directions of its row and its column at each node."""
        return {
            (i, j): (
                _row(self.place, i, j, self.columns),
                _column(self.place, i, j, self.rows),
            )
            for i, j in self.place
        }

    def linked(self, spot: Spot, way: int) -> bool:
        return link_of(spot, way) in self.links

    def ways(self, spot: Spot) -> tuple[int, ...]:
        """Directions in which streets leave a node, counter-clockwise."""
        return tuple(way for way in range(4) if self.linked(spot, way))

    def inside(self, spot: Spot) -> bool:
        return 0 <= spot[0] < self.columns and 0 <= spot[1] < self.rows

    def is_junction(self, spot: Spot) -> bool:
        return self.inside(spot) and len(self.ways(spot)) >= 3

    def profile(self, spot: Spot, way: int) -> Profile:
        return self.profiles[0][spot[1]] if way in (EAST, WEST) else self.profiles[1][spot[0]]


def link_of(spot: Spot, way: int) -> tuple[int, int, int]:
    i, j = spot
    return (i, j, way) if way in (EAST, NORTH) else (i + STEPS[way][0], j + STEPS[way][1], way - 2)


def draw_lattice(dice: Dice) -> Lattice:
    xs, ys = _spread(dice), _spread(dice)
    columns, rows = len(xs), len(ys)
    mains = _mains(dice, ys), _mains(dice, xs)
    profiles = tuple(
        tuple(_profile(dice, i in main) for i in range(count))
        for main, count in zip(mains, (rows, columns), strict=True)
    )
    links = _links(dice, columns, rows, mains)
    even, moves = _places(dice, xs, ys)
    return Lattice(
        columns=columns,
        rows=rows,
        even=even,
        moves=moves,
        links=links,
        profiles=(profiles[0], profiles[1]),
    )


def _spread(dice: Dice) -> list[int]:
    """Distances of streets, dense in the middle, none within 62 m of the plan's edge."""
    found = [dice.between(-25_000, 25_000)]
    for sign in (-1, 1):
        at = found[0]
        while True:
            near = abs(at) < 180_000
            at += sign * (dice.between(84_000, 118_000) if near else dice.between(112_000, 150_000))
            if abs(at) > EXTENT_MM - 62_000:
                break
            found.append(at)
    return sorted(found)


def _mains(dice: Dice, at: list[int]) -> tuple[int, ...]:
    """The one nearest to the middle, and mostly one more."""
    first = min(range(len(at)), key=lambda i: abs(at[i]))
    second = first + dice.pick((-2, -1, 1, 2))
    return (first, second) if dice.percent(70) and 0 <= second < len(at) else (first,)


def _profile(dice: Dice, main: bool) -> Profile:
    if main:
        return _main(dice)
    return _side(dice) if dice.percent(55) else _lane(dice)


PARKING = 2_600
STRIPS = ((PARKING, PARKING), (PARKING, PARKING), (PARKING, 0), (0, PARKING))
"""Of main streets with two lanes each way."""


def _main(dice: Dice) -> Profile:
    pavement = dice.between(2_700, 4_000, 50), dice.between(2_700, 4_000, 50)
    kind = dice.pick((0, 0, 1, 2, 3))
    median = (0, 2_400, 0, 0)[kind]
    lanes = (2, 2, 1, 1)[kind]
    return Profile(
        kind="main",
        lanes=lanes,
        lane=dice.between(3_200, 3_500, 50) if lanes == 2 else dice.between(3_600, 4_600, 50),
        bike=1_600 if kind == 2 else 0,
        median=median,
        parking=dice.pick(STRIPS) if lanes == 2 else (PARKING, PARKING),
        pavement=pavement,
        garden=(0, 0),
        speed=13_890,
        centre_mark="none" if median else "double_yellow",
        edge_mark="solid_white",
        radius=dice.between(3_400, 4_600, 100),
    )


GARDENS = (0, 0, 0, 0, 1_500, 2_500, 3_500, 5_000)
"""Depths of the front gardens along a side street; 0 where house fronts close it in."""


def _side(dice: Dice) -> Profile:
    parking = dice.pick(((0, 0), (2_150, 0), (0, 2_150), (2_150, 2_150)))
    return Profile(
        kind="side",
        lanes=1,
        lane=dice.between(3_700, 4_700, 50),
        bike=0,
        median=0,
        parking=parking,
        pavement=(dice.between(2_200, 3_200, 50), dice.between(2_200, 3_200, 50)),
        garden=(dice.pick(GARDENS), dice.pick(GARDENS)),
        speed=dice.pick((8_330, 13_890)),
        centre_mark=dice.pick(("dashed_white", "solid_yellow")),
        edge_mark="none",
        radius=dice.between(3_000, 4_000, 100),
    )


def _lane(dice: Dice) -> Profile:
    return Profile(
        kind="lane",
        lanes=1,
        lane=dice.between(4_200, 4_900, 50),
        bike=0,
        median=0,
        parking=dice.pick(((0, 0), (2_050, 0), (0, 2_050))),
        pavement=(dice.between(1_900, 2_800, 50), dice.between(1_900, 2_800, 50)),
        garden=(dice.between(3_000, 7_000, 500), dice.between(3_000, 7_000, 500)),
        speed=8_330,
        centre_mark="none",
        edge_mark="none",
        radius=dice.between(2_800, 3_600, 100),
    )


def _places(
    dice: Dice, xs: list[int], ys: list[int]
) -> tuple[dict[Spot, Place], dict[Spot, Place]]:
    """Nodes, and how the lattice is bent as a whole and each one moved a little."""
    bend_x, bend_y = dice.between(-21_000, 21_000), dice.between(-21_000, 21_000)
    most = dice.between(1_500, 7_500)
    all_x, all_y = [-EXTENT_MM, *xs, EXTENT_MM], [-EXTENT_MM, *ys, EXTENT_MM]
    even, moves = {}, {}
    for i in range(-1, len(xs) + 1):
        for j in range(-1, len(ys) + 1):
            edge_x, edge_y = i in (-1, len(xs)), j in (-1, len(ys))
            if edge_x and edge_y:
                continue
            x, y = float(all_x[i + 1]), float(all_y[j + 1])
            moved_x, moved_y = dice.between(-most, most), dice.between(-most, most)
            even[i, j] = (x, y)
            moves[i, j] = (
                0.0 if edge_x else moved_x - bend_x * _wave(y),
                0.0 if edge_y else moved_y + bend_y * _wave(x),
            )
    return even, moves


def _wave(at: Number) -> float:
    """Odd, level at the plan's edges, up to 1 between."""
    u = at / EXTENT_MM
    return 3.5 * u * (1 - u * u) * (1 - u * u)


def _row(place: dict[Spot, Place], i: int, j: int, columns: int) -> Place:
    if i in (-1, columns) or (i - 1, j) not in place or (i + 1, j) not in place:
        return 1.0, 0.0
    return _between(place[i - 1, j], place[i, j], place[i + 1, j])


def _column(place: dict[Spot, Place], i: int, j: int, rows: int) -> Place:
    if j in (-1, rows) or (i, j - 1) not in place or (i, j + 1) not in place:
        return 0.0, 1.0
    return _between(place[i, j - 1], place[i, j], place[i, j + 1])


def _between(a: Place, b: Place, c: Place) -> Place:
    """Middle of the directions to and from a place."""
    to, on = unit(b[0] - a[0], b[1] - a[1]), unit(c[0] - b[0], c[1] - b[1])
    return unit(to[0] + on[0], to[1] + on[1])


def _links(
    dice: Dice, columns: int, rows: int, mains: tuple[tuple[int, ...], tuple[int, ...]]
) -> frozenset[tuple[int, int, int]]:
    """All links but some: one is taken away where both its ends and the whole stay sound."""
    eastward = [(i, j, EAST) for j in range(rows) for i in range(-1, columns)]
    northward = [(i, j, NORTH) for i in range(columns) for j in range(-1, rows)]
    links = {*eastward, *northward}
    free = [k for k in (*eastward, *northward) if k[1 - k[2]] not in mains[k[2]]]
    for _ in range(len(free) * 45 // 100):
        link = dice.pick(free)
        if link in links:
            links.remove(link)
            if not _sound(links, link, columns, rows):
                links.add(link)
    return frozenset(links)


def _sound(links: set[tuple[int, int, int]], gone: tuple[int, int, int], m: int, n: int) -> bool:
    i, j, way = gone
    other = (i + STEPS[way][0], j + STEPS[way][1])
    return all(_good_node(links, spot, m, n) for spot in ((i, j), other)) and _joined(links)


def _good_node(links: set[tuple[int, int, int]], spot: Spot, columns: int, rows: int) -> bool:
    if spot[0] in (-1, columns) or spot[1] in (-1, rows):
        return True
    ways = [way for way in range(4) if link_of(spot, way) in links]
    return len(ways) != 1 and (len(ways) != 2 or ways[1] - ways[0] == 2)


def _joined(links: set[tuple[int, int, int]]) -> bool:
    """Whether every street can be reached from every other."""
    beside: dict[Spot, list[Spot]] = {}
    for i, j, way in sorted(links):
        a, b = (i, j), (i + STEPS[way][0], j + STEPS[way][1])
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    first = min(beside)
    seen, front = {first}, [first]
    while front:
        for spot in beside[front.pop()]:
            if spot not in seen:
                seen.add(spot)
                front.append(spot)
    return len(seen) == len(beside)

"""Crossings, and the net of ways for people along pavements and over them."""

from dataclasses import dataclass, field

from roadloom.town.dice import Dice
from roadloom.town.plan.roads_blocks import Blocks
from roadloom.town.plan.roads_junctions import Junction
from roadloom.town.plan.roads_lanes import Lanes, along_lane
from roadloom.town.plan.roads_lattice import Profile
from roadloom.town.plan.roads_streets import StreetShape
from roadloom.town.plan.types import Crossing, Line, Point, Walk

WAIT = 600
"""From the kerb to where people wait."""
KERB_ZONE = 800
"""Posts and trees stand within this from the kerb."""
WALL_ZONE = 200


def join_blocks(
    dice: Dice, blocks: Blocks, streets: list[StreetShape], junctions: list[Junction]
) -> None:
    """More crossings, until people can reach every block."""
    root = list(range(len(blocks.areas)))

    def find(block: int) -> int:
        while root[block] != block:
            block = root[block]
        return block

    for street in streets:
        if street.crossings:
            root[find(blocks.beside[street.id, 0])] = find(blocks.beside[street.id, 1])
    for junction in junctions:
        for arm in junction.arms:
            left, right = (find(blocks.beside[arm.street, side]) for side in (0, 1))
            if left != right:
                streets[arm.street].ends[arm.end].crossing = dice.between(2_400, 3_200, 100)
                root[left] = right


def crossings_of(street: StreetShape, lanes: Lanes) -> list[Crossing]:
    kerb = street.profile.kerb
    found = []
    for (low, high), where in street.crossings:
        middle = (low + high) // 2
        end = street.ends[where] if where < 2 else None
        ring = (
            street.at(low, -kerb), street.at(high, -kerb), street.at(high, kerb),
            street.at(low, kerb),
        )  # fmt: skip
        stretches = []
        for backward in (False, True):
            for i in lanes.of_street[street.id, backward]:
                ends = [int(along_lane(lanes.all[i], street, s)) for s in (low, high)]
                stretches.append((i, min(ends), max(ends)))
        found.append(
            Crossing(
                ring=ring,
                path=(street.at(middle, kerb), street.at(middle, -kerb)),
                width=high - low,
                street=street.id,
                junction=end.junction if end else -1,
                signal=end.people_signal if end else -1,
                lanes=tuple(stretches),
            )
        )
    return found


@dataclass(kw_only=True, eq=False)
class _Net:
    ways: list[tuple[Line, int, int]] = field(default_factory=list)
    """Path, width, crossing."""
    ends: dict[Point, list[int]] = field(default_factory=dict)

    def add(self, path: list[Point], width: int, crossing: int = -1) -> None:
        line = tuple(p for i, p in enumerate(path) if i == 0 or p != path[i - 1])
        if len(line) < 2:
            return
        for end in (line[0], line[-1]):
            self.ends.setdefault(end, []).append(len(self.ways))
        self.ways.append((line, width, crossing))

    def walks(self) -> tuple[Walk, ...]:
        return tuple(
            Walk(
                id=i,
                path=path,
                width=width,
                links=tuple(
                    sorted({j for end in (path[0], path[-1]) for j in self.ends[end]} - {i})
                ),
                crossing=crossing,
            )
            for i, (path, width, crossing) in enumerate(self.ways)
        )


def walk_line(profile: Profile, side: int) -> tuple[int, int]:
    """Distance from the axis and width of the way along a pavement."""
    width = profile.pavement[side] - KERB_ZONE - WALL_ZONE
    return profile.outer(side) - WALL_ZONE - width // 2, width


def draw_walks(
    streets: list[StreetShape], junctions: list[Junction], crossings: list[list[Crossing]]
) -> tuple[Walk, ...]:
    """``crossings`` by street; they are numbered in this order."""
    net = _Net()
    first = 0
    for street, over in zip(streets, crossings, strict=True):
        for side in (0, 1):
            _along(net, street, side)
        for k in range(len(over)):
            _across(net, street, k, first + k)
        first += len(over)
    for junction in junctions:
        for corner in junction.corners:
            (left, wide), (right, other) = (
                walk_line(arm.profile, arm.side(is_left))
                for arm, is_left in ((corner.a, True), (corner.b, False))
            )
            inset = corner.a.outer(True) - left
            net.add(corner.bend(left, right, corner.outer_radius + inset, 4), min(wide, other))
    return net.walks()


def _along(net: _Net, street: StreetShape, side: int) -> None:
    sign = 1 - 2 * side
    left, width = walk_line(street.profile, side)
    stops = [0, *((low + high) // 2 for (low, high), _ in street.crossings), street.length]
    for low, high in zip(stops[:-1], stops[1:], strict=True):
        stations = [low, *(s for s in street.stations if low < s < high), high]
        net.add([street.at(s, sign * left) for s in stations], width)


def _across(net: _Net, street: StreetShape, which: int, crossing: int) -> None:
    (low, high), _ = street.crossings[which]
    middle, kerb = (low + high) // 2, street.profile.kerb
    for sign, side in ((1, 0), (-1, 1)):
        left = walk_line(street.profile, side)[0]
        path = [street.at(middle, sign * left), street.at(middle, sign * (kerb + WAIT))]
        net.add(path, high - low)
    over = [kerb + WAIT, kerb, -kerb, -kerb - WAIT]
    net.add([street.at(middle, left) for left in over], high - low, crossing)

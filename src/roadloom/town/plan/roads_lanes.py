"""Lanes of streets and through junctions, in driving direction."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import sqrt

from roadloom.town.plan.roads_curves import Number, Place, arc, meeting, unit, whole
from roadloom.town.plan.roads_junctions import Arm, Junction, kerb_radius
from roadloom.town.plan.roads_streets import STOP_LINE, StreetShape
from roadloom.town.plan.types import Line, PlanLane, Point

STAND = 300
"""From where a vehicle's front must stand to the stop line."""
SIDEWAYS_M_S2 = 2.2
"""Comfortable acceleration in turns; it sets the speed of turning lanes."""


@dataclass(kw_only=True, eq=False)
class Draft:
    """A lane that is still being joined to others."""

    id: int
    kind: str
    centre: Line
    left: Line
    right: Line
    width: int
    speed: int
    left_mark: str = "none"
    right_mark: str = "none"
    street: int = -1
    junction: int = -1
    turn: str = ""
    successors: list[int] = field(default_factory=list)
    predecessors: list[int] = field(default_factory=list)
    left_neighbor: int = -1
    right_neighbor: int = -1
    stop: int = -1
    control: str = "none"
    signal: int = -1
    conflicts: list[int] = field(default_factory=list)
    gives_way_to: list[int] = field(default_factory=list)
    backward: bool = False
    """Against the street's axis."""
    start_arm: Arm | None = None
    """Inside a junction: where it comes from."""

    @cached_property
    def ahead(self) -> list[float]:
        """Distance along the centre at each of its vertices."""
        found = [0.0]
        for (ax, ay), (bx, by) in pairwise(self.centre):
            found.append(found[-1] + sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay)))
        return found

    def done(self) -> PlanLane:
        return PlanLane(
            id=self.id, kind=self.kind, centre=self.centre, left=self.left, right=self.right,
            width=self.width, left_mark=self.left_mark, right_mark=self.right_mark,
            street=self.street, junction=self.junction, turn=self.turn,
            successors=tuple(self.successors), predecessors=tuple(self.predecessors),
            left_neighbor=self.left_neighbor, right_neighbor=self.right_neighbor,
            speed=self.speed, stop=self.stop, control=self.control, signal=self.signal,
            conflicts=tuple(self.conflicts), gives_way_to=tuple(self.gives_way_to),
        )  # fmt: skip


@dataclass(kw_only=True, eq=False)
class Lanes:
    all: list[Draft] = field(default_factory=list)
    of_street: dict[tuple[int, bool], list[int]] = field(default_factory=dict)
    """(street, backward) -> its lanes from the middle outward, the bicycle lane last."""
    of_junction: dict[int, list[int]] = field(default_factory=dict)

    def into(self, arm: Arm) -> list[Draft]:
        """Lanes that reach a junction by an arm."""
        return [self.all[i] for i in self.of_street[arm.street, arm.along]]

    def out_of(self, arm: Arm) -> list[Draft]:
        return [self.all[i] for i in self.of_street[arm.street, not arm.along]]


# -- streets ---------------------------------------------------------------------------------------


def lay_street(lanes: Lanes, street: StreetShape) -> None:
    for backward in (False, True):
        _lay_side(lanes, street, backward)


def _lay_side(lanes: Lanes, street: StreetShape, backward: bool) -> None:
    profile = street.profile
    sign = 1 if backward else -1
    stations = street.fine[::-1] if backward else street.fine
    end = street.ends[0] if backward else street.ends[1]
    edges = [profile.median // 2 + k * profile.lane for k in range(profile.lanes + 1)]
    kinds = ["vehicle"] * profile.lanes
    if profile.bike:
        edges.append(edges[-1] + profile.bike)
        kinds.append("bike")
    marks = _marks(street, backward)
    first = len(lanes.all)
    for k, kind in enumerate(kinds):
        lane = Draft(
            id=first + k,
            kind=kind,
            centre=street.line(sign * (edges[k] + edges[k + 1]) / 2, stations),
            left=street.line(sign * edges[k], stations),
            right=street.line(sign * edges[k + 1], stations),
            width=edges[k + 1] - edges[k],
            speed=profile.speed,
            left_mark=marks[k],
            right_mark=marks[k + 1],
            street=street.id,
            backward=backward,
        )
        if end.control != "none":
            lane.control = end.control
            lane.signal = end.signal
            front = end.line + STOP_LINE + STAND
            lane.stop = int(along_lane(lane, street, front if backward else street.length - front))
        lanes.all.append(lane)
    ids = list(range(first, len(lanes.all)))
    lanes.of_street[street.id, backward] = ids
    vehicles = ids[: profile.lanes]
    for a, b in pairwise(vehicles):
        lanes.all[a].right_neighbor, lanes.all[b].left_neighbor = b, a


def _marks(street: StreetShape, backward: bool) -> list[str]:
    """Paint on the lanes' edges from the middle outward."""
    profile = street.profile
    parking = bool(street.parking[0 if backward else 1])
    outer = "solid_white" if parking and profile.kind == "main" else profile.edge_mark
    inner = "solid_yellow" if profile.median else profile.centre_mark
    marks = [inner, *["dashed_white"] * (profile.lanes - 1)]
    return [*marks, "solid_white", "none"] if profile.bike else [*marks, outer]


def along_lane(lane: Draft, street: StreetShape, s: Number) -> float:
    """Distance along a street's lane at a place of the axis."""
    stations = street.fine
    if lane.backward:
        s = street.length - s
        stations = tuple(street.length - at for at in reversed(stations))
    for i, (low, high) in enumerate(pairwise(stations)):
        if s <= high:
            share = max(0.0, (s - low) / (high - low))
            return lane.ahead[i] + share * (lane.ahead[i + 1] - lane.ahead[i])
    return lane.ahead[-1]


# -- junctions -------------------------------------------------------------------------------------

TURNS = {1: "right", 2: "straight", 3: "left"}
"""Turn by quarter turns counter-clockwise from the arm one comes from to the arm one leaves by."""


def turns_from(start: Arm, junction: Junction) -> tuple[str, ...]:
    """Where one may go on from an arm."""
    return tuple(TURNS[(end.way - start.way) % 4] for end in junction.arms if end is not start)


def lay_junction(lanes: Lanes, junction: Junction) -> None:
    lanes.of_junction[junction.id] = []
    for start in junction.arms:
        for end in junction.arms:
            if start is end:
                continue
            turn = TURNS[(end.way - start.way) % 4]
            for a, b in _pairs(lanes.into(start), lanes.out_of(end), turn):
                _join(lanes, junction, start, end, turn, a, b)


def _pairs(into: list[Draft], out: list[Draft], turn: str) -> list[tuple[Draft, Draft]]:
    into_vehicle = [lane for lane in into if lane.kind == "vehicle"]
    out_vehicle = [lane for lane in out if lane.kind == "vehicle"]
    if turn == "left":
        return [(into_vehicle[0], out_vehicle[0])]
    if turn == "right":
        return [(into_vehicle[-1], out_vehicle[-1])]
    bikes = [lane for lane in into if lane.kind == "bike"]
    onward = [lane for lane in out if lane.kind == "bike"]
    return [
        *zip(into_vehicle, out_vehicle, strict=True),
        *zip(bikes, onward, strict=True),
    ]


def _join(
    lanes: Lanes, junction: Junction, start: Arm, end: Arm, turn: str, a: Draft, b: Draft
) -> None:
    heading = (-start.ahead[0], -start.ahead[1])
    widest = 1e9
    if turn == "right":
        # As wide as the kerb around the corner allows.
        beside = min(
            lane.width // 2 + _bike_beside(lane, arm) for lane, arm in ((a, start), (b, end))
        )
        widest = float(kerb_radius(start, end) + beside)
    places, radius = _track(a.centre[-1], heading, b.centre[0], end.ahead, (turn, widest))
    left, right = (_beside(places, a, b, sign) for sign in (1, -1))
    speed = min(a.speed, b.speed)
    if turn != "straight":
        speed = min(speed, int(1000 * sqrt(SIDEWAYS_M_S2 * radius / 1000)))
    lane = Draft(
        id=len(lanes.all),
        kind=a.kind,
        centre=tuple(whole(*place) for place, _ in places),
        left=(a.left[-1], *left, b.left[0]),
        right=(a.right[-1], *right, b.right[0]),
        width=(a.width + b.width) // 2,
        speed=speed,
        junction=junction.id,
        turn=turn,
        predecessors=[a.id],
        successors=[b.id],
        start_arm=start,
    )
    a.successors.append(lane.id)
    b.predecessors.append(lane.id)
    lanes.all.append(lane)
    lanes.of_junction[junction.id].append(lane.id)


def _bike_beside(lane: Draft, arm: Arm) -> int:
    return arm.profile.bike if lane.kind == "vehicle" else 0


def _track(
    first: Point, heading: Place, last: Point, end_heading: Place, how: tuple[str, float]
) -> tuple[list[tuple[Place, Place]], float]:
    """Places and headings from one lane's end to another's begin, and the turn's radius.

    ``how`` is the turn and its largest radius.
    """
    p, q = (float(first[0]), float(first[1])), (float(last[0]), float(last[1]))
    turn, widest = how
    if turn == "straight":
        return _line(p, q), 1e9
    back = (-end_heading[0], -end_heading[1])
    a, b = meeting(p, heading, q, back)
    cos = heading[0] * end_heading[0] + heading[1] * end_heading[1]
    leg = min(a, b, widest * sqrt((1 - cos) / (1 + cos)))
    corner = p[0] + a * heading[0], p[1] + a * heading[1]
    start = corner[0] - leg * heading[0], corner[1] - leg * heading[1]
    stop = corner[0] + leg * end_heading[0], corner[1] + leg * end_heading[1]
    radius = leg * sqrt((1 + cos) / (1 - cos))
    bend = arc(start, corner, stop, int(2 * leg / 600) + 2)
    found = bend
    if a - leg > 300:
        found = [*_line(p, start)[:-1], *found]
    if b - leg > 300:
        found = [*found, *_line(stop, q)[1:]]
    return [(p, heading), *found[1:-1], (q, end_heading)], radius


def _line(p: Place, q: Place) -> list[tuple[Place, Place]]:
    dx, dy = q[0] - p[0], q[1] - p[1]
    count = int(sqrt(dx * dx + dy * dy) / 1500) + 1
    along = unit(dx, dy)
    return [((p[0] + dx * i / count, p[1] + dy * i / count), along) for i in range(count + 1)]


def _beside(places: list[tuple[Place, Place]], a: Draft, b: Draft, sign: int) -> list[Point]:
    """Inner vertices of one boundary; the width changes evenly."""
    last = len(places) - 1
    found = []
    for i, ((x, y), (dx, dy)) in enumerate(places[1:-1], start=1):
        half = sign * (a.width + (b.width - a.width) * i / last) / 2
        found.append(whole(x - half * dy, y + half * dx))
    return found

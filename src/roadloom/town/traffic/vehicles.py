"""A vehicle, its route, and how it follows: the intelligent driver model.

M. Treiber, A. Hennecke, D. Helbing, "Congested traffic states in empirical observations and
microscopic simulations", Physical Review E 62 (2000), equations 2 and 3. Stop lines, crossings
and places taken by others are walls, met by steady braking.
"""

from dataclasses import dataclass, field
from math import sqrt

from roadloom.town.dice import Dice
from roadloom.town.plan.types import PlanLane, Point
from roadloom.town.traffic.network import FRONT_SHARE, REAR_SHARE, Net
from roadloom.town.traffic.paths import Way, refined, speed_profile, without_repeats

STEP_S = 0.1
"""The simulation's step: two ticks."""
SIDEWAYS = {"bike": 1.6, "car": 2.0, "truck": 1.2, "bus": 1.0}
"""Comfortable acceleration across [m/s2]."""
PUSH = {"bike": 1.0, "car": 1.7, "truck": 1.0, "bus": 1.0}
"""Largest acceleration ahead [m/s2]."""
COMFORT = 1.9
"""Comfortable braking [m/s2]."""
HARDEST = 3.9
CURVE_BRAKING = 1.3
STANDING_GAP = 1.9
HEADWAY_S = 1.2
WALL_GAP = 0.3


@dataclass(frozen=True)
class Gate:
    """Where a vehicle asks before it goes on: the line before a junction or a crossing."""

    line: float
    """Distance of the line along the route; the front waits there."""
    index: int
    """Of the lane before it, in the route."""
    control: str
    signal: int
    lane: int
    """The lane inside the junction, or the next one."""
    start: float
    end: float
    """Where that lane begins and ends."""
    out: int
    """The lane after it, or -1."""


@dataclass(eq=False)
class Route:
    lanes: list[int]
    starts: list[float]
    """Distance at which each lane begins."""
    way: Way
    speed: list[float]
    gates: list[Gate]
    crossings: list[tuple[float, float, int, int]]
    """(from, to, crossing, lane), rising."""


@dataclass(eq=False, slots=True)
class Car:
    """Anything that keeps lanes. ``s`` is the rear axle's distance along the route."""

    kind: str
    size: tuple[int, int, int]
    seed: int
    group: str
    """Size class: ``bike``, ``car``, ``truck``, ``bus``."""
    route: Route
    s: float
    v: float
    keen: float
    """Share of the limit that it likes to drive."""
    a: float = 0.0
    front: float = 0.0
    rear: float = 0.0
    at: int = 0
    """Index into ``route.lanes`` of the lane under the rear axle."""
    gate: int = 0
    granted: bool = False
    stopped: int = -1
    """Gate at which it has come to a full stop, and for how many steps it has waited."""
    waited: int = 0
    crossing: int = 0
    held: bool = False
    """A crossing just ahead is not free."""
    log: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.front = self.size[0] / 1000 * FRONT_SHARE
        self.rear = self.size[0] / 1000 * REAR_SHARE

    @property
    def next_gate(self) -> Gate | None:
        return self.route.gates[self.gate] if self.gate < len(self.route.gates) else None


def build_route(net: Net, lanes: list[int], group: str) -> Route:
    points: list[Point] = []
    for lane in lanes:
        points.extend(net.lanes[lane].centre)
    way = Way(refined(points))
    raw = without_repeats(points)
    # Distances of lanes' starts: lengths of their own chords, scaled to the refined path.
    share = way.length / sum(net.length[lane] for lane in lanes) if len(raw) > 1 else 1.0
    starts, total = [], 0.0
    for lane in lanes:
        starts.append(total)
        total += net.length[lane] * share
    bend = way.bend()
    limits, row = [], 0
    for metre in range(len(bend)):
        while row + 1 < len(lanes) and starts[row + 1] <= metre:
            row += 1
        limits.append(_limit(net.lanes[lanes[row]], group))
    speed = speed_profile(bend, limits, SIDEWAYS[group], CURVE_BRAKING)
    crossings = [
        (starts[row] + low, starts[row] + high, index, lane)
        for row, lane in enumerate(lanes)
        for low, high, index in net.crossings[lane]
    ]
    return Route(lanes, starts, way, speed, _gates(net, lanes, starts), crossings)


def _limit(lane: PlanLane, group: str) -> float:
    limit = lane.speed / 1000
    return min(limit, {"bike": 6.6, "car": limit, "truck": 11.0, "bus": 11.0}[group])


def _gates(net: Net, lanes: list[int], starts: list[float]) -> list[Gate]:
    found = []
    for i, (before, over) in enumerate(zip(lanes, lanes[1:], strict=False)):
        lane = net.lanes[before]
        inside = net.lanes[over].junction >= 0
        if lane.junction >= 0 or (lane.control == "none" and not inside):
            continue
        line = starts[i] + lane.stop / 1000 if lane.stop >= 0 else starts[i + 1] - 0.5
        end = starts[i + 2] if i + 2 < len(lanes) else starts[i + 1] + net.length[over]
        out = lanes[i + 2] if i + 2 < len(lanes) else -1
        found.append(Gate(line, i, lane.control, lane.signal, over, starts[i + 1], end, out))
    return found


def draw_route(
    dice: Dice, net: Net, lane: int, need: float, group: str, turn: str = ""
) -> list[int] | None:
    """Lanes from one on, over at least ``need`` metres or to the plan's edge; None where traffic
    cannot go on. ``turn`` is taken at the first junction that offers it."""
    lanes, total = [lane], net.length[lane]
    while total < need:
        open_ways = [s for s in net.lanes[lanes[-1]].successors if _passable(net, s)]
        if not open_ways:
            return lanes if not net.lanes[lanes[-1]].successors and _edge(net, lanes[-1]) else None
        wanted = [s for s in open_ways if turn and net.lanes[s].turn == turn]
        if wanted:
            lanes.append(wanted[0])
            turn = ""
        else:
            straight = [s for s in open_ways if net.lanes[s].turn in ("straight", "")]
            stay = straight and (group in ("truck", "bus") or dice.percent(55))
            lanes.append(dice.pick(straight if stay else open_ways))
        total += net.length[lanes[-1]]
    return lanes


def _passable(net: Net, lane: int) -> bool:
    """Whether neither it nor, inside a junction, what follows is blocked."""
    if lane in net.blocked or net.dead_end(lane):
        return False
    if net.lanes[lane].junction < 0:
        return True
    return any(s not in net.blocked for s in net.lanes[lane].successors)


def _edge(net: Net, lane: int) -> bool:
    return not net.dead_end(lane)


def free_drive(car: Car) -> float:
    """Acceleration on a free road, curves among it."""
    speed, at = car.route.speed, car.s + car.v * STEP_S
    row = min(int(at), len(speed) - 2)
    share = min(max(at - row, 0.0), 1.0)
    bound = speed[row] + share * (speed[row + 1] - speed[row])
    wanted = max(bound * car.keen, 0.5)
    ratio = car.v / wanted
    ratio *= ratio
    pull = PUSH[car.group] * (1 - ratio * ratio)
    return max(min(pull, (bound - car.v) / STEP_S), -2.6)


def following(car: Car, free: float, gap: float, leader_v: float) -> float:
    """The intelligent driver model's interaction with a leader."""
    push = PUSH[car.group]
    closing = car.v * (car.v - leader_v) / (2 * sqrt(push * COMFORT))
    wish = STANDING_GAP + max(0.0, car.v * HEADWAY_S + closing)
    ratio = wish / max(gap, 0.3)
    return free - push * ratio * ratio


def before_wall(car: Car, gap: float) -> float:
    """Acceleration with which the front still stops before a wall by comfortable braking."""
    room = gap - WALL_GAP
    if room <= 0:
        return -car.v / STEP_S
    step = COMFORT * STEP_S
    safe = sqrt(step * step + 2 * COMFORT * room) - step
    return (min(safe, room / STEP_S) - car.v) / STEP_S


def braking_needed(car: Car, gap: float) -> float:
    """Constant braking [m/s2] that stops the front at a distance."""
    return car.v * car.v / (2 * max(gap, 0.05))

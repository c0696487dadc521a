"""From the simulation's logs to actors of whole numbers."""

from math import floor

import numpy as np

from roadloom.town.plan.types import KERB_MM, MARGIN_TICKS, TRACK_TICKS, Actor
from roadloom.town.traffic.network import Net
from roadloom.town.traffic.people import Partner, Person
from roadloom.town.traffic.vehicles import Car

AHEAD_M = {"ego": 80.0}
COMMAND_M = 50.0
RAMP = 150_000
"""Half the way [micrometres] on which people step down or up a kerb."""


def _micrometres(log: list[float], offset: float) -> tuple[int, ...]:
    found: list[int] = []
    for metres in log[:TRACK_TICKS]:
        along = floor((metres - offset) * 1e6 + 0.5)
        found.append(max(along, found[-1]) if found else along)
    return tuple(found)


def _states(
    speeds: list[float], moving: str, still: str, up: float, down: float
) -> tuple[tuple[int, str], ...]:
    """From which tick on it moves or stands; two limits, so that it does not flicker."""
    moves = speeds[0] > (up + down) / 2
    found = [(-MARGIN_TICKS, moving if moves else still)]
    for i, v in enumerate(speeds[:TRACK_TICKS]):
        if moves and v < down or not moves and v > up:
            moves = not moves
            found.append((i - MARGIN_TICKS, moving if moves else still))
    return tuple(found)


def record_car(net: Net, car: Car) -> Actor:
    way = car.route.way
    first, last = car.log[0], car.log[TRACK_TICKS - 1]
    path, offset = way.cut(max(0.0, first - 3.0), last + AHEAD_M.get(car.kind, 8.0))
    if car.kind in ("cyclist", "motorcyclist"):
        attributes: tuple[tuple[int, str], ...] = ((-MARGIN_TICKS, "cycle.with_rider"),)
    else:
        attributes = _states(car.speeds, "vehicle.moving", "vehicle.stopped", 0.5, 0.2)
    lanes = []
    ends = [*car.route.starts[1:], way.length]
    for lane, start, end in zip(car.route.lanes, car.route.starts, ends, strict=True):
        if end > first and start < last + 8.0:
            lanes.append((floor((max(start, first) - offset) * 1e6), lane))
    return Actor(
        kind=car.kind,
        size=car.size,
        seed=car.seed,
        path=path,
        along=_micrometres(car.log, offset),
        attributes=attributes,
        lanes=tuple(lanes),
    )


def _walking(kind: str, speeds: list[float]) -> tuple[tuple[int, str], ...]:
    if kind == "dog":
        return ()
    return _states(speeds, "pedestrian.moving", "pedestrian.standing", 0.35, 0.15)


def record_person(person: Person) -> Actor:
    first, last = person.log[0], person.log[TRACK_TICKS - 1]
    path, offset = person.way.cut(max(0.0, first - 2.0), last + 3.0)
    return Actor(
        kind=person.kind,
        size=person.size,
        seed=person.seed,
        path=path,
        along=_micrometres(person.log, offset),
        attributes=_walking(person.kind, person.speeds),
        raised=ramps([(o.kerb, o.far) for o in person.overs], offset),
    )


def ramps(spans: list[tuple[float, float]], offset: float) -> tuple[tuple[int, int], ...]:
    """``Actor.raised`` of somebody on pavements who is on the road in some stretches [m] of a way
    from which a path was cut ``offset`` metres after its start."""
    steps = [(-(10**9), KERB_MM)]
    for kerb, far in spans:
        down, up = floor((kerb - offset) * 1e6), floor((far - offset) * 1e6)
        steps += [(down - RAMP, KERB_MM), (down + RAMP, 0), (up - RAMP, 0), (up + RAMP, KERB_MM)]
    past = [row for row, (at, _) in enumerate(steps) if at <= 0]
    height = steps[past[-1]]
    first = height if height[0] > -(10**9) else (0, KERB_MM)
    return (first, *steps[past[-1] + 1 :])


def record_partner(person: Person, partner: Partner) -> Actor:
    mine, theirs = partner.at
    log = np.interp(np.array(person.log), mine, theirs).tolist()
    first, last = log[0], log[TRACK_TICKS - 1]
    path, offset = partner.way.cut(max(0.0, first - 2.0), last + 3.0)
    spans = []
    for over in person.overs:
        kerb, far = np.interp(np.array([over.kerb, over.far]), mine, theirs).tolist()
        spans.append((kerb, far))
    return Actor(
        kind=partner.kind,
        size=partner.size,
        seed=partner.seed,
        path=path,
        along=_micrometres(log, offset),
        attributes=_walking(partner.kind, person.speeds),
        raised=ramps(spans, offset),
    )


def commands_of(net: Net, ego: Car) -> tuple[tuple[int, str], ...]:
    """What the ego is told: its next turn within 50 m of the junction until that is left."""
    turns = [
        (gate.start - COMMAND_M, gate.end, net.lanes[gate.lane].turn)
        for gate in ego.route.gates
        if net.lanes[gate.lane].junction >= 0
    ]
    found: list[tuple[int, str]] = []
    for i, s in enumerate(ego.log[:TRACK_TICKS]):
        told = next((turn for low, high, turn in turns if low <= s < high), "follow")
        if not found or found[-1][1] != told:
            found.append((i - MARGIN_TICKS, told))
    return tuple(found)

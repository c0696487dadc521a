"""Vehicles where the simulation begins, and the ego among them."""

from math import sqrt

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.plan.sizes import draw_car, draw_size
from roadloom.town.plan.types import PlanLane
from roadloom.town.traffic.network import FRONT_SHARE, REAR_SHARE, Net
from roadloom.town.traffic.vehicles import Car, Route, build_route, draw_route

NEAR_M, FAR_M = 150.0, 260.0
HEADWAY_M = {"main": 42, "side": 72, "lane": 150}
"""Mean distance between vehicles on a lane at middling density."""
EGO_SIZE = (4090, 1730, 1530)
EGO_REACH_M = 32.0
"""The ego appears within this distance of the town's middle, a few seconds before the clip."""
GROUPS = {"cyclist": "bike", "bus": "bus", "ambulance": "truck"}


def group_of(kind: str) -> str:
    """Size class of a kind of vehicle."""
    return GROUPS.get(kind, "truck" if kind.startswith("truck") else "car")


def spawn_cars(dice: Dice, net: Net, density: int, seconds: float) -> list[Car]:
    """Vehicles on all streets around the middle; ``density`` in per cent of the mean."""
    cars: list[Car] = []
    for lane in net.lanes:
        if lane.junction >= 0 or lane.street < 0 or lane.id in net.blocked:
            continue
        cars.extend(_on_lane(dice, net, lane, density, seconds))
    return cars


def _on_lane(dice: Dice, net: Net, lane: PlanLane, density: int, seconds: float) -> list[Car]:
    street = net.roads.streets[lane.street].kind
    headway = HEADWAY_M[street] * 100 / density
    if lane.kind == "bike":
        headway = 75.0
    found: list[Car] = []
    at = dice.between(0, int(1000 * headway)) / 1000
    while at < net.length[lane.id] - 4.0:
        apart = _from_middle(lane, at, net.length[lane.id])
        thin = apart > NEAR_M and dice.percent(35)
        kind = _kind(dice, street, lane)
        size, seed = draw_size(dice, kind), dice.word() & 0xFFFFFFFF
        keen, gap = dice.between(66, 96) / 100, dice.between(7_000, int(2000 * headway)) / 1000
        length = size[0] / 1000
        if apart < FAR_M and not thin and _fits(net, lane, at, length):
            group = group_of(kind)
            lanes = draw_route(dice, net, lane.id, at + 60.0 + 11.0 * seconds, group)
            if lanes is not None and (group in ("bike", "car") or _wide(net, lanes)):
                route = build_route(net, lanes, group)
                keen = keen if group != "bike" else (keen + 1.0) / 2
                found.append(Car(kind, size, seed, group, route, at, _pace(route, at), keen))
        at += length + gap
    return found


def _pace(route: Route, at: float) -> float:
    """Speed with which one begins: able to stop at the line ahead."""
    speed = 0.75 * route.speed[min(int(at), len(route.speed) - 1)]
    if route.gates:
        room = max(0.0, route.gates[0].line - at - 8.0)
        speed = min(speed, sqrt(2 * 1.2 * room))
    for low, _, _, _ in route.crossings:
        if low > at:
            return min(speed, sqrt(2 * 1.2 * max(0.0, low - at - 8.0)))
    return speed


def _from_middle(lane: PlanLane, at: float, length: float) -> float:
    x, y = lane.centre[min(int(at / length * len(lane.centre)), len(lane.centre) - 1)]
    return sqrt(x * x + y * y) / 1000


def _fits(net: Net, lane: PlanLane, at: float, length: float) -> bool:
    """Whether it stands clear of crossings and behind the stop line."""
    nose, tail = at + FRONT_SHARE * length + 1.5, at - REAR_SHARE * length - 1.5
    if tail < 0.0 or (lane.stop >= 0 and nose > lane.stop / 1000):
        return False
    return all(nose < low or tail > high for low, high, _ in net.crossings[lane.id])


def _wide(net: Net, lanes: list[int]) -> bool:
    return all(
        net.lanes[i].junction >= 0 or net.roads.streets[net.lanes[i].street].kind != "lane"
        for i in lanes
    )


def _kind(dice: Dice, street: str, lane: PlanLane) -> str:
    if lane.kind == "bike":
        return "cyclist"
    at = dice.between(0, 99)
    heavy = street == "main" and lane.width >= 3150
    if at < 4:
        return "motorcyclist"
    if at < 9 and street != "main":
        return "cyclist"
    if at < 12 and heavy:
        return dice.pick(("truck.box", "truck.box", "truck.flatbed"))
    if at < 15 and heavy:
        return "bus"
    if at < 16:
        return "police_car"
    if at < 17 and heavy:
        return "ambulance"
    return draw_car(dice)


# -- the ego ---------------------------------------------------------------------------------------


def choose_ego(
    dice: Dice, net: Net, seconds: float, refused: frozenset[int], first_tick: int
) -> Car | None:
    """The ego on a lane near the middle, on a main street where one is; lanes in ``refused`` are
    not begun on. None where nothing is left."""
    places: list[tuple[int, float, float]] = []
    for lane in net.lanes:
        if lane.kind != "vehicle" or lane.junction >= 0 or lane.id in net.blocked | refused:
            continue
        for metre in range(4, int(net.length[lane.id]) - 6, 4):
            apart = _from_middle(lane, float(metre), net.length[lane.id])
            if apart < EGO_REACH_M and _fits(net, lane, float(metre), EGO_SIZE[0] / 1000):
                main = net.roads.streets[lane.street].kind == "main"
                places.append((lane.id, float(metre), 3.0 if main else 1.0))
    wanted = ("left", "right")[dice.between(0, 1)] if dice.percent(EGO_TURNS) else "straight"
    for _ in range(60):
        if not places:
            return None
        mains = [p for p in places if p[2] > 1.0] or places
        lane_id, at, _ = dice.pick(mains if dice.percent(55) else places)
        to_go = net.length[lane_id] - at
        reach = to_go < 75.0
        if wanted != "straight" and not reach and dice.percent(80):
            continue
        lanes = draw_route(dice, net, lane_id, at + 90.0 + 12.0 * seconds, "car", wanted)
        if lanes is None or (wanted != "straight" and not _turns(net, lanes, wanted)):
            continue
        route = build_route(net, lanes, "car")
        if _waits(net, route, at, first_tick) and not dice.percent(EGO_WAITS):
            continue
        return Car(
            "ego", EGO_SIZE, 1, "car", route, at, _pace(route, at), dice.between(50, 82) / 100
        )
    return None


EGO_TURNS = 45
"""Per cent of clips in which the ego is sent round a corner at its first junction."""


EGO_WAITS = 7
"""Per cent of the draws with a long wait at the first red light that are kept."""
EGO_PACE, LONG_TICKS = 7.5, 70


def _waits(net: Net, route: Route, at: float, first_tick: int) -> bool:
    """Whether its first light will be red for long when it comes there at a usual pace."""
    for gate in route.gates:
        if gate.signal >= 0:
            tick = first_tick + int((gate.line - at) / EGO_PACE * 20)
            signal = net.roads.signals[gate.signal]
            return signal.state(tick) != "green" and signal.state(tick + LONG_TICKS) != "green"
    return False


def _turns(net: Net, lanes: list[int], turn: str) -> bool:
    inside = [net.lanes[i].turn for i in lanes if net.lanes[i].junction >= 0]
    return bool(inside) and inside[0] == turn


def make_room(cars: list[Car], ego: Car) -> list[Car]:
    """Those who would be too near to the ego where it appears fall out."""
    place = ego.route.way.at(np.array([ego.s]))[0]
    kept = []
    for car in cars:
        at = car.route.way.at(np.array([car.s]))[0]
        dx, dy = at[0] - place[0], at[1] - place[1]
        ahead, aside = dx * place[2] + dy * place[3], dy * place[2] - dx * place[3]
        same = at[2] * place[2] + at[3] * place[3] > 0.3
        near = -(14.0 + 1.2 * car.v) < ahead < 16.0 + 0.5 * ego.v and abs(aside) < 2.3
        if not (near and (same or abs(ahead) < 7.0)):
            kept.append(car)
    return kept

"""The simulation: cars and people, step by step, before the clip and through it."""

from bisect import bisect_right
from dataclasses import dataclass, field

from roadloom.town.plan.types import MARGIN_TICKS
from roadloom.town.traffic.fleet import make_room
from roadloom.town.traffic.network import Net
from roadloom.town.traffic.people import Crowd
from roadloom.town.traffic.right_of_way import RightOfWay
from roadloom.town.traffic.vehicles import (
    HARDEST,
    STEP_S,
    Car,
    before_wall,
    braking_needed,
    following,
    free_drive,
)

TICKS_PER_STEP = 2
AHEAD_M = 70.0
CROSSING_SETBACK_M = 0.9
REACH_S = 4.5
"""Vehicles wait for people who will be before them within this time."""


@dataclass(eq=False)
class Simulation:
    net: Net
    cars: list[Car]
    crowd: Crowd
    tick: int
    """Of the state that everything is in now."""
    on: list[list[tuple[float, int]]] = field(default_factory=list)
    """Per lane (rear axle from the lane's start, row of the car), rising."""

    def __post_init__(self) -> None:
        self.rights = RightOfWay(self.net)

    def run(self, until: int) -> None:
        """Whole steps up to a tick; logs begin at the first tick that tracks hold."""
        while self.tick < until:
            self._sort()
            self.rights.update(self.cars, self._tails(), self.tick)
            self._see_crossings()
            wanted = [self._wish(row) for row in range(len(self.cars))]
            self._log(wanted)
            for car, a in zip(self.cars, wanted, strict=True):
                car.s += max(0.0, car.v * STEP_S + a * STEP_S * STEP_S / 2)
                car.v = max(0.0, car.v + a * STEP_S)
                car.a = a
            self.crowd.step(self.tick)
            self.tick += TICKS_PER_STEP

    def enter(self, ego: Car) -> None:
        """The ego appears as the first car; who would be too near falls out."""
        self.cars = [ego, *make_room(self.cars, ego)]
        self.rights.keep_only(self.cars)

    def _log(self, wanted: list[float]) -> None:
        if self.tick < -MARGIN_TICKS:
            return
        half = STEP_S / 2
        for car, a in zip(self.cars, wanted, strict=True):
            car.log.append(car.s)
            car.log.append(car.s + max(0.0, car.v * half + a * half * half / 2))
            car.speeds.extend((car.v, max(0.0, car.v + a * half)))

    def _sort(self) -> None:
        self.on = [[] for _ in self.net.lanes]
        for row, car in enumerate(self.cars):
            starts = car.route.starts
            while car.at + 1 < len(starts) and starts[car.at + 1] <= car.s:
                car.at += 1
            self.on[car.route.lanes[car.at]].append((car.s - starts[car.at], row))
        for line in self.on:
            if len(line) > 1:
                line.sort()

    def _tails(self) -> dict[int, float]:
        """Per lane the rear end of its last vehicle, where that is slow."""
        found = {}
        for lane, line in enumerate(self.on):
            if line:
                car = self.cars[line[0][1]]
                if car.v < 3.0:
                    found[lane] = line[0][0] - car.rear + car.v * car.v / 6
        return found

    # -- what one driver does --------------------------------------------------------------------

    def _wish(self, row: int) -> float:
        car = self.cars[row]
        route = car.route
        free = a = free_drive(car)
        found = self._leader(row)
        rear_of_leader = 1e9
        if found is not None:
            leader, between = found
            gap = between - leader.rear - car.front
            rear_of_leader = car.s + between - leader.rear
            a = following(car, free, gap, leader.v)
        nose = car.s + car.front
        gate = car.next_gate
        if gate is not None and not car.granted and gate.line - nose < AHEAD_M:
            a = min(a, before_wall(car, gate.line - nose))
        for g in (car.gate - 1, car.gate):
            if 0 <= g < len(route.gates) and (g < car.gate or car.granted):
                room = self.rights.wall(car, route.gates[g])
                if room < AHEAD_M:
                    a = min(a, before_wall(car, room))
        a = min(a, self._crossing_wall(car, nose, rear_of_leader, found))
        end = route.way.length - 1.5 - nose
        if end < AHEAD_M:
            a = min(a, before_wall(car, end))
        a = max(a, -HARDEST)
        return max(a, -car.v / STEP_S)

    def _leader(self, row: int) -> tuple[Car, float] | None:
        """The next one ahead on the route, and how far its rear axle is."""
        car, net = self.cars[row], self.net
        route = car.route
        at = car.at
        line = self.on[route.lanes[at]]
        offset = car.s - route.starts[at]
        next_row = bisect_right(line, (offset, row))
        best: tuple[Car, float] | None = None
        if next_row < len(line):
            best = self.cars[line[next_row][1]], line[next_row][0] - offset
        while True:
            lane = route.lanes[at]
            for other in net.siblings[lane]:
                best = self._sibling(car, lane, other, route.starts[at], best)
            at += 1
            if best is not None or at >= len(route.lanes):
                return best
            start = route.starts[at]
            if start - car.s > AHEAD_M:
                return None
            line = self.on[route.lanes[at]]
            if line:
                best = self.cars[line[0][1]], start + line[0][0] - car.s

    def _sibling(
        self, car: Car, lane: int, other: int, start: float, best: tuple[Car, float] | None
    ) -> tuple[Car, float] | None:
        """One that turns off ahead but still hangs over this way."""
        for place, row in self.on[other]:
            leader = self.cars[row]
            ahead = start + place - car.s
            if ahead <= 0.0 or leader is car or (best is not None and ahead > best[1]):
                continue
            zone = self.net.zone(lane, car.group, other, leader.group)
            if zone is not None and place < zone.other_last:
                best = leader, ahead
        return best

    def _crossing_wall(
        self, car: Car, nose: float, tail: float, found: tuple[Car, float] | None
    ) -> float:
        """Acceleration before the next crossings that are not free; notes whether one holds it."""
        crossings = car.route.crossings
        while car.crossing < len(crossings) and crossings[car.crossing][1] < car.s - car.rear:
            car.crossing += 1
        car.held = False
        a = 1e9
        for low, high, index, lane in crossings[car.crossing : car.crossing + 2]:
            room = low - CROSSING_SETBACK_M - nose
            if room > 45.0:
                break
            if room < -0.5 or braking_needed(car, room) > 3.7:
                continue
            full = (
                found is not None and found[0].v < 1.5 and tail < high + car.front + car.rear + 1.0
            )
            if full or self._people_on(index, lane, car, room, high - low):
                a = min(a, before_wall(car, room))
                gate = car.next_gate
                if gate is not None and low - gate.line < 7.0:
                    car.held = True
        return a

    def _people_on(self, index: int, lane: int, car: Car, room: float, width: float) -> bool:
        """Whether someone will be on the lane when the vehicle would be."""
        through = (room + width + car.front + car.rear + 1.5) / max(car.v, 2.0)
        for near_s, _ in self.crowd.before_lane(index, lane):
            if near_s < REACH_S and not (near_s > through + 1.0):
                return True
        return False

    def _see_crossings(self) -> None:
        """Tell people which crossings are safe: everyone who comes can stop, nobody is on them."""
        unsafe = self.crowd.unsafe
        unsafe.clear()
        for car in self.cars:
            nose = car.s + car.front
            for low, high, index, _ in car.route.crossings[car.crossing : car.crossing + 2]:
                room = low - CROSSING_SETBACK_M - 0.1 - nose
                if room > 40.0:
                    break
                if car.s - car.rear > high:
                    continue
                if room < 0.0 or braking_needed(car, room) > 2.0:
                    unsafe.add(index)

"""Who may enter a junction.

A vehicle that has not been let in treats its stop line as a wall, so it can always stop there.
Those let in are kept in order: in every place where two ways overlap, the later one waits before
the overlap until the earlier one has left it. Because that order is total, nobody waits in a ring.
"""

from dataclasses import dataclass
from math import sqrt

from roadloom.town.traffic.network import Net, Zone
from roadloom.town.traffic.vehicles import COMFORT, Car, Gate, braking_needed

LOOK_M = 10.0
TIME_GAP_S = 1.2
PATIENCE_STEPS = 40
STOP_STEPS = 4
"""Steps that a vehicle stands at a stop sign at least."""


@dataclass(eq=False, slots=True)
class Claim:
    """A vehicle that was let into a junction."""

    car: Car
    gate: Gate


class RightOfWay:
    def __init__(self, net: Net) -> None:
        self.net = net
        self.claims: dict[int, list[Claim]] = {}
        """By junction (or by lane outside of junctions, counted below -1), in order."""

    def place(self, gate: Gate) -> int:
        junction = self.net.lanes[gate.lane].junction
        return junction if junction >= 0 else -2 - gate.lane

    # -- letting in ------------------------------------------------------------------------------

    def update(self, cars: list[Car], tails: dict[int, float], tick: int) -> None:
        """One step: take back what need not be kept, let in who may go, first come first.

        ``tails``: per lane the rear end [m from its start] of its last vehicle, where that is slow.
        """
        self._forget()
        asking: list[tuple[float, int, Car, Gate]] = []
        coming: dict[int, list[tuple[Car, Gate]]] = {}
        for number, car in enumerate(cars):
            gate = car.next_gate
            if gate is None:
                continue
            room = gate.line - car.s - car.front
            if room < -0.05:
                self._pass(car, gate)
                continue
            if room > 80.0:
                continue
            coming.setdefault(gate.lane, []).append((car, gate))
            if car.granted:
                if self._revoked(car, gate, room, tick):
                    self._withdraw(car, gate)
                continue
            self._count_stop(car, room)
            if room < car.v * 1.0 + car.v * car.v / (2 * 1.3) + LOOK_M:
                asking.append((room, number, car, gate))
        asking.sort(key=lambda item: item[:2])
        for room, _, car, gate in asking:
            if self._may_go(car, gate, room, coming, tails, tick):
                car.granted = True
                self.claims.setdefault(self.place(gate), []).append(Claim(car, gate))

    def keep_only(self, cars: list[Car]) -> None:
        """Others are gone."""
        here = {id(car) for car in cars}
        for place, claims in self.claims.items():
            self.claims[place] = [c for c in claims if id(c.car) in here]

    def _forget(self) -> None:
        for place, claims in self.claims.items():
            kept = [c for c in claims if c.car.s - c.car.rear < c.gate.end]
            if len(kept) != len(claims):
                self.claims[place] = kept

    def _pass(self, car: Car, gate: Gate) -> None:
        """Its front is over the line."""
        if not car.granted:
            self.claims.setdefault(self.place(gate), []).append(Claim(car, gate))
        car.granted, car.stopped, car.waited = False, -1, 0
        car.gate += 1

    def _withdraw(self, car: Car, gate: Gate) -> None:
        car.granted = False
        place = self.place(gate)
        self.claims[place] = [
            c for c in self.claims[place] if c.car is not car or c.gate is not gate
        ]

    def _shows(self, signal: int, tick: int) -> str:
        return self.net.roads.signals[signal].state(tick) if signal >= 0 else "green"

    def _revoked(self, car: Car, gate: Gate, room: float, tick: int) -> bool:
        """Whether a vehicle that was let in must and can still stop at its line."""
        if car.held and car.v < 1.0 and room > 0.0:
            return True
        stop = room - 0.35
        if self._shows(gate.signal, tick) == "green" or stop <= 0.0:
            return False
        return braking_needed(car, stop) < 2.9

    @staticmethod
    def _count_stop(car: Car, room: float) -> None:
        if car.v < 0.15 and room < 2.6:
            car.stopped = car.gate
            car.waited += 1

    # -- conditions ------------------------------------------------------------------------------

    def _may_go(
        self, car: Car, gate: Gate, room: float,
        coming: dict[int, list[tuple[Car, Gate]]], tails: dict[int, float], tick: int,
    ) -> bool:  # fmt: skip
        if car.held or self._shows(gate.signal, tick) != "green":
            return False
        if gate.control == "stop" and (car.stopped != car.gate or car.waited < STOP_STEPS):
            return False
        claims = self.claims.get(self.place(gate), [])
        if not self._has_exit(car, gate, claims, tails):
            return False
        minor = bool(self.net.lanes[gate.lane].gives_way_to)
        for claim in claims:
            if not self._behind(car, gate, claim, minor):
                return False
        return all(
            self._gap_before(car, gate, other, theirs, tick)
            for lane in self.net.lanes[gate.lane].gives_way_to
            for other, theirs in coming.get(lane, ())
            if other is not car
        )

    def _has_exit(self, car: Car, gate: Gate, claims: list[Claim], tails: dict[int, float]) -> bool:
        """Whether it will not have to stop inside for those ahead."""
        if gate.out < 0 or gate.out not in tails:
            return True
        need = car.front + car.rear + 2.5
        for claim in claims:
            if claim.gate.out == gate.out and claim.car.s < claim.gate.end:
                need += claim.car.front + claim.car.rear + 2.0
        return tails[gate.out] > need

    def _zone(self, car: Car, gate: Gate, other: Car, theirs: Gate) -> Zone | None:
        return self.net.zone(gate.lane, car.group, theirs.lane, other.group)

    def _behind(self, car: Car, gate: Gate, claim: Claim, minor: bool) -> bool:
        """Whether it can take its turn after one that was let in before."""
        other, theirs = claim.car, claim.gate
        if theirs.lane == gate.lane or theirs.lane in self.net.siblings[gate.lane]:
            return True
        zone = self._zone(car, gate, other, theirs)
        if zone is None or other.s - theirs.start > zone.other_last:
            return True
        ahead = gate.start + zone.first - 0.5 - car.s
        if ahead < car.v * car.v / (2 * COMFORT) + 0.2:
            return False
        clear_s = (theirs.start + zone.other_last - other.s) / max(other.v, 1.5)
        if minor or ahead < 1.5:
            return clear_s < seconds_for(car, ahead) + 0.3
        return clear_s < seconds_for(car, ahead) + 4.0

    def _gap_before(self, car: Car, gate: Gate, other: Car, theirs: Gate, tick: int) -> bool:
        """Whether it can be through before one that has the right of way arrives."""
        if other.granted or self._shows(theirs.signal, tick) == "red":
            return True  # a claim speaks for it; or it has to stop
        zone = self._zone(car, gate, other, theirs)
        if zone is None:
            return True
        patient = car.waited > max(other.waited, PATIENCE_STEPS)
        if other.v < 0.3 and (theirs.control == "stop" or other.held or patient):
            return True
        through = seconds_for(car, gate.start + zone.last - car.s)
        arrives = (theirs.start + zone.other_first - other.s) / max(other.v, 4.0)
        return arrives > through + TIME_GAP_S

    # -- those inside ----------------------------------------------------------------------------

    def wall(self, car: Car, gate: Gate) -> float:
        """Distance [m] the rear axle may still go for those let in before; 1e9: all clear."""
        room = 1e9
        for claim in self.claims.get(self.place(gate), ()):
            if claim.car is car:
                break
            theirs = claim.gate
            if theirs.lane == gate.lane or theirs.lane in self.net.siblings[gate.lane]:
                continue
            zone = self._zone(car, gate, claim.car, theirs)
            if zone is None or claim.car.s - theirs.start > zone.other_last:
                continue
            ahead = gate.start + zone.first - car.s
            if ahead > -0.6:
                room = min(room, ahead)
        return room


def seconds_for(car: Car, way: float) -> float:
    """Time to go a way, speeding up to 7 m/s (or as fast as it is)."""
    if way <= 0:
        return 0.0
    push, top = 1.4, max(car.v, 7.0)
    reach = (top * top - car.v * car.v) / (2 * push)
    if way < reach:
        return (sqrt(car.v * car.v + 2 * push * way) - car.v) / push
    return (top - car.v) / push + (way - reach) / top

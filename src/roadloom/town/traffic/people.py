"""People on foot: they walk their ways, keep apart, wait at kerbs and cross."""

from dataclasses import dataclass, field

import numpy as np

from roadloom.town.plan.types import MARGIN_TICKS, RoadNet
from roadloom.town.traffic.paths import Way

STEP_S = 0.1
PUSH, BRAKE = 1.0, 1.4
WAIT_M = 0.45
"""People wait with their middle this far from the kerb, and half their length."""
SAMPLE_M = 0.25
LAST_GREEN_TICKS = 40
"""Nobody steps off when the light turns within this time."""
PATIENCE_S = 0.9
QUEUE_M = 4.0
LONGEST_TICKS = 40
"""Who stands longer without a kerb to wait at within ``QUEUE_M`` is stuck."""


@dataclass(frozen=True)
class Over:
    """A crossing on somebody's way."""

    crossing: int
    kerb: float
    """Distance along the way of the kerb that is left, and of the one that is reached."""
    far: float
    forward: bool
    """Whether it is walked in the direction of ``Crossing.path``."""


@dataclass(eq=False, slots=True)
class Person:
    kind: str
    size: tuple[int, int, int]
    seed: int
    way: Way
    speed: list[float]
    """Highest speed at each metre."""
    overs: list[Over]
    s: float
    v: float
    table: list[list[float]]
    """x, y and unit heading at every ``SAMPLE_M``."""
    partners: list["Partner"] = field(default_factory=list)
    next_over: int = 0
    log: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)

    def stuck(self) -> bool:
        """Whether they stood for long without a kerb to wait at."""
        standing = 0
        for s, v in zip(self.log, self.speeds, strict=True):
            if v < 0.05 and not any(o.kerb - QUEUE_M < s < o.kerb for o in self.overs):
                standing += 1
        return standing > LONGEST_TICKS


@dataclass(eq=False, slots=True)
class Partner:
    """Somebody who walks beside another."""

    kind: str
    size: tuple[int, int, int]
    seed: int
    way: Way
    at: tuple[np.ndarray, np.ndarray]
    """Distances along the other's way, and along this one's beside them."""
    table: list[list[float]]
    """x, y and unit heading beside every ``SAMPLE_M`` of the other's way."""


class Crowd:
    def __init__(self, roads: RoadNet, people: list[Person], standing: np.ndarray) -> None:
        """``standing``: x, y [m] of people who do not move, [person 2]."""
        self.roads = roads
        self.people = people
        self.standing = standing
        self.unsafe: set[int] = set()
        """Crossings on which nobody may step now."""
        self._on: dict[int, list[tuple[Person, Over]]] = {}
        self._lanes: dict[tuple[int, int], tuple[float, float]] = {}
        bodies: list[Person | Partner] = [
            *people,
            *(partner for p in people for partner in p.partners),
        ]
        beside = [row for row, p in enumerate(people) for _ in p.partners]
        self._owner = np.array([*range(len(people)), *beside], np.int64)
        sizes = np.array([b.size for b in bodies], np.float64).reshape(-1, 3) / 1000
        others = np.full(len(standing), 0.4)
        self._wide = np.concatenate([sizes[:, 1] / 2, others])
        self._long = np.concatenate([sizes[:, 0] / 2, others])
        owners = np.concatenate([self._owner, np.full(len(standing), -1)])
        self._strange = self._owner[:, None] != owners[None, :]
        """[body, body or standing]: whether the second is none of the first's own group."""
        self._later = self._strange & (owners[None, :] < self._owner[:, None]) & (owners >= 0)

    # -- what drivers ask ------------------------------------------------------------------------

    def before_lane(self, crossing: int, lane: int) -> list[tuple[float, float]]:
        """Of everyone on a crossing who has not yet left a lane behind: seconds until they are in
        its way, and their speed."""
        found = []
        for person, over in self._on.get(crossing, ()):
            low, high = self._span(crossing, lane)
            if not over.forward:
                whole = over.far - over.kerb
                low, high = whole - high, whole - low
            done = person.s - over.kerb
            if done < high:
                found.append((max(0.0, low - done) / max(person.v, 0.9), person.v))
        return found

    def _span(self, crossing: int, lane: int) -> tuple[float, float]:
        """Stretch [m] of a crossing's path that vehicles on a lane may touch."""
        key = crossing, lane
        if key not in self._lanes:
            path = Way(self.roads.crossings[crossing].path)
            places = np.arange(0.0, path.length, 0.25)
            at = path.at(places)
            centre = np.array(self.roads.lanes[lane].centre, np.float64) / 1000
            dx = at[:, None, 0] - centre[None, :, 0]
            dy = at[:, None, 1] - centre[None, :, 1]
            middle = float(places[(dx * dx + dy * dy).min(axis=1).argmin()])
            self._lanes[key] = middle - 1.9, middle + 1.9
        return self._lanes[key]

    # -- one step --------------------------------------------------------------------------------

    def step(self, tick: int) -> None:
        bounds = self._room_ahead()
        self._on = {}
        for person, bound in zip(self.people, bounds, strict=True):
            a = self._wish(person, bound, tick)
            if tick >= -MARGIN_TICKS:
                half = STEP_S / 2
                person.log.append(person.s)
                person.log.append(person.s + max(0.0, person.v * half + a * half * half / 2))
                person.speeds.extend((person.v, max(0.0, person.v + a * half)))
            person.s += max(0.0, person.v * STEP_S + a * STEP_S * STEP_S / 2)
            person.v = max(0.0, person.v + a * STEP_S)
            over = self._over(person)
            if over is not None and person.s > over.kerb - WAIT_M:
                self._on.setdefault(over.crossing, []).append((person, over))

    @staticmethod
    def _over(person: Person) -> Over | None:
        while person.next_over < len(person.overs):
            over = person.overs[person.next_over]
            if person.s < over.far + 0.3:
                return over
            person.next_over += 1
        return None

    def _wish(self, person: Person, bound: float, tick: int) -> float:
        limit = person.speed[min(int(person.s + 0.3), len(person.speed) - 1)]
        limit = min(limit, bound)
        a = min(PUSH, (limit - person.v) / 0.4)
        end = person.way.length - 0.4 - person.s
        if end < 3.0:
            a = min(a, _stop(person.v, end))
        over = self._over(person)
        if over is not None:
            room = over.kerb - WAIT_M - person.size[0] / 2000 - person.s
            if -0.3 < room < 3.0 and not self._may_step(person, over, room, tick):
                a = min(a, _stop(person.v, room))
        return max(a, -1.8, -person.v / STEP_S)

    def _may_step(self, person: Person, over: Over, room: float, tick: int) -> bool:
        if room > 0.25 + person.v * person.v / (2 * BRAKE):
            return True  # may still walk on, and stop later
        if over.crossing in self.unsafe:
            return False
        signal = self.roads.crossings[over.crossing].signal
        if signal < 0:
            return True
        light = self.roads.signals[signal]
        return light.state(tick) == light.state(tick + LAST_GREEN_TICKS) == "green"

    def _room_ahead(self) -> list[float]:
        """Speed that each person, and whoever walks beside them, may walk for all others."""
        if not self.people:
            return []
        rows = [p.table[int(p.s / SAMPLE_M + 0.5)] for p in self.people]
        rows += [
            partner.table[min(int(p.s / SAMPLE_M + 0.5), len(partner.table) - 1)]
            for p in self.people
            for partner in p.partners
        ]
        now = np.array(rows)
        speed = np.array([p.v for p in self.people])[self._owner]
        there = np.concatenate([now[:, :2], self.standing])
        wide, long = self._wide, self._long
        dx = there[None, :, 0] - now[:, None, 0]
        dy = there[None, :, 1] - now[:, None, 1]
        ahead = dx * now[:, None, 2] + dy * now[:, None, 3]
        aside = np.abs(dy * now[:, None, 2] - dx * now[:, None, 3])
        reach = wide[: len(now), None] + wide[None, :]
        seen = (ahead > 0.05) & (ahead < 3.0) & (aside < reach + 0.05) & self._strange
        gap = np.where(seen, ahead - long[: len(now), None] - long[None, :] - 0.2, 9.0)
        # Those who come from the side: the later one in the list lets the other pass.
        move = now[:, 2:] * speed[:, None]
        still = np.zeros((len(there) - len(now), 2))
        wx = np.concatenate([move, still])[None, :, 0] - move[:, None, 0]
        wy = np.concatenate([move, still])[None, :, 1] - move[:, None, 1]
        when = -(dx * wx + dy * wy) / np.maximum(wx * wx + wy * wy, 0.04)
        nx, ny = dx + when * wx, dy + when * wy
        meets = (when > 0.0) & (when < 2.0) & (nx * nx + ny * ny < 0.8) & self._later
        apart = np.sqrt(dx * dx + dy * dy)
        gap = np.where(meets, np.minimum(gap, apart - 1.0), gap)
        bound = np.maximum(gap.min(axis=1), 0.0) / PATIENCE_S
        found: list[float] = bound[: len(self.people)].tolist()
        for owner, value in zip(
            self._owner[len(found) :].tolist(), bound[len(found) :].tolist(), strict=True
        ):
            found[owner] = min(found[owner], value)
        return found


def _stop(v: float, room: float) -> float:
    """Acceleration that ends a walk after a distance."""
    if room <= 0.02:
        return -v / STEP_S
    if v * v / (2 * room) < 0.8:
        return PUSH
    return -v * v / (2 * room)

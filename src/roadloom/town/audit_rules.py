"""Rules of the road: red lights, stop signs, ground that one may use, people's lights, heights."""

import numpy as np
import shapely
from jaxtyping import Bool, Float

from roadloom.town.audit_movers import FRONT_AXLE, Movers
from roadloom.town.kinds import KINDS
from roadloom.town.plan.types import EXTENT_MM, KERB_MM, PlanLane, TownPlan
from roadloom.town.relief import height
from roadloom.town.tracks import STEPS_PER_TICK, TICK_S

STOP_ZONE_M = 3.0
STANDING_M_S = 0.2
HEIGHT_M = 0.005
KERB_REACH_M = 0.35
"""People step up and down within this distance of a kerb."""
WORKS = ("cone", "barrier", "barrel", "works_sign", "excavator", "roller", "truck.flatbed")
ROUNDING_M = 0.001
WORKS_REACH_M = 8.0
GROUND_STEPS = 25


def lines_passed(movers: Movers) -> list[str]:
    """Fronts that pass a line at red, or a stop sign's line without having stood before it."""
    lanes = [
        lane
        for lane in movers.world.plan.roads.lanes
        if lane.stop >= 0 and lane.control in ("signal", "stop")
    ]
    if not lanes:
        return []
    ends = np.array([_line_of(lane) for lane in lanes])
    found: list[str] = []
    for row in range(len(movers.actors)):
        if movers.is_person(row):
            continue
        nose = movers.ahead(row, 0.5)[::STEPS_PER_TICK]
        forward = movers.heading[row, ::STEPS_PER_TICK]
        low, high = nose.min(axis=0) - 5.0, nose.max(axis=0) + 5.0
        near = ((ends[:, :2] > low) & (ends[:, :2] < high)).all(axis=1).nonzero()[0]
        for k in near.tolist():
            tick = _pass_tick(nose, forward, ends[k], lanes[k].width / 1000)
            if tick >= 0:
                found.extend(_broken_line(movers, row, lanes[k], tick, nose, ends[k]))
    return found


def _line_of(lane: PlanLane) -> tuple[float, float, float, float]:
    """Place and direction where a vehicle's front waits."""
    vertices = np.array(lane.centre, np.float64) / 1000
    chord = np.diff(vertices, axis=0)
    length = np.linalg.norm(chord, axis=1)
    starts = np.concatenate([[0.0], np.cumsum(length)])
    piece = int(np.clip(np.searchsorted(starts, lane.stop / 1000) - 1, 0, len(chord) - 1))
    unit = chord[piece] / length[piece]
    x, y = vertices[piece] + unit * (lane.stop / 1000 - starts[piece])
    return float(x), float(y), float(unit[0]), float(unit[1])


def _pass_tick(
    nose: Float[np.ndarray, "tick 2"],
    forward: Float[np.ndarray, "tick 2"],
    line: Float[np.ndarray, "4"],
    width: float,
) -> int:
    """First tick at which a front has passed a line in its lane's direction, or -1."""
    d = nose - line[:2]
    along = d @ line[2:]
    across = np.abs(d[:, 0] * line[3] - d[:, 1] * line[2])
    over = (along[:-1] < 0) & (along[1:] >= 0) & (across[1:] < width / 2)
    over &= (forward @ line[2:])[1:] > 0.8
    rows = over.nonzero()[0]
    return int(rows[0]) + 1 if len(rows) else -1


def _broken_line(
    movers: Movers,
    row: int,
    lane: PlanLane,
    tick: int,
    nose: Float[np.ndarray, "tick 2"],
    line: Float[np.ndarray, "4"],
) -> list[str]:
    where = f"of lane {lane.id} {movers.at(row, tick * STEPS_PER_TICK)}"
    if lane.control == "signal":
        clock = round(movers.times[tick * STEPS_PER_TICK] / TICK_S)
        if movers.world.plan.roads.signals[lane.signal].state(clock) == "red":
            return [f"{movers.name(row)} passes the red light {where}"]
        return []
    along = (nose[: tick + 1] - line[:2]) @ line[2:]
    before = (along > -STOP_ZONE_M).nonzero()[0]
    if before[0] == 0:
        return []  # it was there before its track begins
    speed = movers.speed[row, ::STEPS_PER_TICK][before[0] : tick + 1]
    if speed.min() >= STANDING_M_S:
        return [f"{movers.name(row)} passes the stop sign {where} at {speed.min():.2f} m/s"]
    return []


class Ground:
    """Which ground lies where."""

    def __init__(self, plan: TownPlan) -> None:
        areas = plan.roads.areas
        self._areas = [
            shapely.polygons(
                np.array(a.ring, np.float64) / 1000,
                holes=[np.array(h, np.float64) / 1000 for h in a.holes] or None,
            )
            for a in areas
        ]
        self._tree = shapely.STRtree(self._areas)
        self._low = np.array([a.kind in ("road", "junction", "parking") for a in areas])
        rings = [np.array(c.ring, np.float64) / 1000 for c in plan.roads.crossings]
        self._crossings = shapely.STRtree([shapely.polygons(ring) for ring in rings])

    def kinds(self, at: Float[np.ndarray, "place 2"]) -> tuple[np.ndarray, np.ndarray]:
        """Whether places lie on the roadway, and whether on raised ground; borders on both."""
        place, area = self._tree.query(shapely.points(at), predicate="intersects")
        low, high = np.zeros(len(at), bool), np.zeros(len(at), bool)
        low[place[self._low[area]]] = True
        high[place[~self._low[area]]] = True
        return low, high

    def crossing(self, at: Float[np.ndarray, "place 2"]) -> tuple[np.ndarray, np.ndarray]:
        """(place, crossing) of those that lie on one, or within a millimetre: the plan's own
        outlines are rounded to whole ones, so a bent kerb may pass beside a crossing's edge."""
        place, crossing = self._crossings.query(
            shapely.points(at), predicate="dwithin", distance=ROUNDING_M
        )
        return place, crossing


def ground_used(movers: Movers, ground: Ground) -> list[str]:
    """Who is on ground that they may not use; each once."""
    found: list[str] = []
    works = np.array(
        [t.at for t in movers.world.plan.things if t.kind in WORKS], np.float64
    ).reshape(-1, 2)
    for row, actor in enumerate(movers.actors):
        if movers.is_person(row):
            at = movers.middle[row, ::GROUND_STEPS, :2]
            wrong = _off_walk(at, ground)
            if actor.kind in ("worker", "police_officer") and len(works):
                apart = np.linalg.norm(at[:, None] - works / 1000, axis=-1).min(axis=1)
                wrong &= apart > WORKS_REACH_M
        else:
            shares = (0.0, FRONT_AXLE / 1000, -KINDS[actor.kind].rear_permille / 1000)
            wrong = np.zeros(len(movers.times[::GROUND_STEPS]), bool)
            for share in shares:
                wrong |= ~ground.kinds(movers.ahead(row, share)[::GROUND_STEPS])[0]
        if wrong.any():
            where = movers.at(row, int(wrong.argmax()) * GROUND_STEPS)
            found.append(f"{movers.name(row)} is on ground it may not use {where}")
    return found


def _off_walk(at: Float[np.ndarray, "place 2"], ground: Ground) -> Bool[np.ndarray, " place"]:
    _, high = ground.kinds(at)
    place, _ = ground.crossing(at)
    high[place] = True
    return ~high


def people_at_red(movers: Movers, ground: Ground) -> list[str]:
    """People who step onto a crossing while their light is not green."""
    plan, found = movers.world.plan, []
    for row in range(len(movers.actors)):
        if not movers.is_person(row):
            continue
        place, crossing = ground.crossing(movers.middle[row, ::STEPS_PER_TICK, :2])
        on = np.full(len(movers.times[::STEPS_PER_TICK]), -1)
        on[place] = crossing
        entries = ((on[1:] >= 0) & (on[:-1] != on[1:])).nonzero()[0] + 1
        for tick in entries.tolist():
            signal = plan.roads.crossings[on[tick]].signal
            clock = round(movers.times[tick * STEPS_PER_TICK] / TICK_S)
            if signal >= 0 and plan.roads.signals[signal].state(clock) != "green":
                where = movers.at(row, tick * STEPS_PER_TICK)
                found.append(f"{movers.name(row)} steps onto crossing {on[tick]} at red {where}")
    return found


def outside(movers: Movers) -> list[str]:
    """Tracks that leave the plan."""
    far = (np.abs(movers.middle[..., :2]) > EXTENT_MM / 1000).any(axis=-1)
    return [
        f"{movers.name(row)} leaves the plan {movers.at(row, int(far[row].argmax()))}"
        for row in far.any(axis=1).nonzero()[0].tolist()
    ]


def heights_off(movers: Movers, ground: Ground) -> list[str]:
    """Who floats or sinks: against the relief, plus the kerb on raised ground."""
    found: list[str] = []
    for row in range(len(movers.actors)):
        at = movers.turning[row, ::GROUND_STEPS]
        above = at[:, 2] - height(movers.world.plan.relief, at[:, 0], at[:, 1])
        lows, highs = [], []
        for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            shifted = at[:, :2] + np.array([dx, dy]) * KERB_REACH_M
            low, high = ground.kinds(shifted)
            lows.append(low)
            highs.append(high)
        kerb = KERB_MM / 1000
        least = np.where(np.any(lows, axis=0), 0.0, kerb) - HEIGHT_M
        most = np.where(np.any(highs, axis=0), kerb, 0.0) + HEIGHT_M
        wrong = (above < least) | (above > most)
        if not movers.is_person(row):
            wrong = np.abs(above) > HEIGHT_M
        if wrong.any():
            step = int(wrong.argmax())
            found.append(
                f"{movers.name(row)} is {above[step]:.3f} m above the relief "
                f"{movers.at(row, step * GROUND_STEPS)}"
            )
    return found

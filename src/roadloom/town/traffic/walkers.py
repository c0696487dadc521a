"""People where the simulation begins: ways along pavements and over crossings, and groups."""

from dataclasses import dataclass
from math import floor, sqrt

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.plan.things_site import ground_rect
from roadloom.town.plan.types import Point, RoadNet, Thing
from roadloom.town.traffic.network import line_length
from roadloom.town.traffic.paths import Way, speed_profile
from roadloom.town.traffic.people import SAMPLE_M, Over, Partner, Person
from roadloom.town.traffic.weave import weave

STEP_M = 0.5
ROUNDING = 8
"""Passes of the smoothing that rounds corners."""
SIDEWAYS = 1.1
BEND_M = 0.3
INNER = 0.35
"""Right of a bend's middle line one keeps within this share of its radius."""
CROSSING_SHARE = 50
"""Per cent of the chances to cross a street that are taken at once."""
TIGHTEST = 1.9
"""Largest curvature [1/m] of a way."""
Walks = list[tuple[int, bool]]
"""(walk, whether from its first vertex to its last), in order."""


@dataclass(eq=False)
class Obstacles:
    """What things that stand take of the ground: rectangles [m]."""

    at: np.ndarray
    heading: np.ndarray
    half: np.ndarray
    reach: np.ndarray

    @staticmethod
    def of(things: tuple[Thing, ...]) -> "Obstacles":
        found = [ground_rect(thing) for thing in things]
        rows = np.array([r for r in found if r is not None], np.float64).reshape(-1, 6)
        half = rows[:, 4:] / 1000
        reach = np.sqrt(half[:, 0] * half[:, 0] + half[:, 1] * half[:, 1])
        return Obstacles(rows[:, :2] / 1000, rows[:, 2:4], half, reach)

    def _rows(self, places: np.ndarray, spare: float) -> np.ndarray:
        """Those that may lie within a distance of places."""
        low, high = places.min(axis=0) - spare, places.max(axis=0) + spare
        edge = self.reach[:, None]
        return ((self.at + edge > low) & (self.at - edge < high)).all(axis=1).nonzero()[0]

    def near(self, places: np.ndarray, spare: float) -> np.ndarray:
        """x, y, unit direction and half sizes of those near places, [thing 6]."""
        rows = self._rows(places, spare)
        return np.concatenate([self.at[rows], self.heading[rows], self.half[rows]], axis=1)

    def hit(self, places: np.ndarray, spare: float) -> bool:
        """Whether any place lies closer than ``spare`` to a thing."""
        rows = self._rows(places, spare)
        if not len(rows):
            return False
        d = places[:, None, :] - self.at[None, rows]
        h, half = self.heading[rows], self.half[rows]
        along = np.abs(d[..., 0] * h[:, 0] + d[..., 1] * h[:, 1]) - half[:, 0]
        across = np.abs(d[..., 1] * h[:, 0] - d[..., 0] * h[:, 1]) - half[:, 1]
        return bool(((along < spare) & (across < spare)).any())


def draw_walks(
    dice: Dice, roads: RoadNet, first: int, forward: bool, need: float, streams: dict[int, bool],
    crossing: bool,
) -> Walks:  # fmt: skip
    """Walks one after another, at least ``need`` metres where the net goes on. ``streams``: the
    only direction of narrow walks that are in use; ``crossing``: over the first street that can
    be crossed."""
    over = False
    found = [(first, forward)]
    total = line_length(roads.walks[first].path)
    while total < need:
        walk, ahead = found[-1]
        end = roads.walks[walk].path[-1 if ahead else 0]
        ways: Walks = []
        for link in roads.walks[walk].links:
            path = roads.walks[link].path
            onward = link, path[0] == end
            with_stream = streams.get(link, onward[1]) == onward[1]
            if with_stream and _goes_on(roads, found[-1], onward):
                ways.append(onward)
        if not ways:
            break
        aside = [w for w in ways if leads_over(roads, w)]
        share = CROSSING_SHARE if over or not crossing else 100
        found.append(dice.pick(aside if aside and dice.percent(share) else ways))
        over |= roads.walks[found[-1][0]].crossing >= 0
        total += line_length(roads.walks[found[-1][0]].path)
    return found


def leads_over(roads: RoadNet, walk: tuple[int, bool]) -> bool:
    """Whether it leads to a crossing, or is one."""
    links = (walk[0], *roads.walks[walk[0]].links)
    straight = len(roads.walks[walk[0]].path) == 2
    return straight and any(roads.walks[link].crossing >= 0 for link in links)


def _goes_on(roads: RoadNet, before: tuple[int, bool], after: tuple[int, bool]) -> bool:
    """Whether the way does not turn back."""
    a, b = _directed(roads, before), _directed(roads, after)
    ax, ay = a[-1][0] - a[-2][0], a[-1][1] - a[-2][1]
    bx, by = b[1][0] - b[0][0], b[1][1] - b[0][1]
    return ax * bx + ay * by > -0.3 * sqrt((ax * ax + ay * ay) * (bx * bx + by * by))


def _directed(roads: RoadNet, walk: tuple[int, bool]) -> tuple[Point, ...]:
    path = roads.walks[walk[0]].path
    return path if walk[1] else path[::-1]


def lay_way(
    dice: Dice, roads: RoadNet, walks: Walks, span: tuple[float, float], obstacles: Obstacles,
    spare: float, beside: float,
) -> Way | None:  # fmt: skip
    """The way of somebody over a stretch of walks, who keeps to their right and goes round what
    stands there, corners rounded; ``beside`` metres to their right somebody else walks."""
    points: list[Point] = []
    wish: list[float] = []
    room: list[float] = []
    most = 40 if any(roads.walks[walk].crossing >= 0 for walk, _ in walks) else 95
    for walk in walks:
        path = _directed(roads, walk)
        half = max(0.0, roads.walks[walk[0]].width / 2000 - 0.3)
        least = min(half, 0.45)
        keep = -least - (half - least) * dice.between(0, most) / 100
        points.extend(path if not points else path[1:])
        wish.extend([max(keep, beside - half - 0.3)] * (len(path) - 1))
        room.extend([half] * (len(path) - 1))
    centre = np.array(points, np.float64) / 1000
    chord = centre[1:] - centre[:-1]
    length = np.sqrt(chord[:, 0] * chord[:, 0] + chord[:, 1] * chord[:, 1])
    starts = [0.0]
    for step in length.tolist():
        starts.append(starts[-1] + step)
    along = np.arange(int(span[0] / STEP_M), int(min(starts[-1], span[1]) / STEP_M)) * STEP_M
    if len(along) < 20:
        return None
    piece = np.searchsorted(np.array(starts[1:-1]), along, side="right")
    share = ((along - np.array(starts)[piece]) / length[piece])[:, None]
    at = _smooth(centre[piece] + share * chord[piece], ROUNDING)
    heading = _headings(at)
    near = obstacles.near(at, 3.0)
    keep_at = np.maximum(np.array(wish)[piece], _inner(heading))
    aside = weave(at, heading, keep_at, np.array(room)[piece], near, spare, beside)
    if aside is None:
        return None
    side = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
    at = _smooth(at + side * _smooth(aside[:, None], 8), 4)
    if not _runs(at):
        return None
    way = _whole(at)
    return way if float(way.bend(BEND_M).max()) < TIGHTEST else None


def _whole(at: np.ndarray) -> Way:
    rows = at.tolist()
    return Way(tuple((floor(x * 1000 + 0.5), floor(y * 1000 + 0.5)) for x, y in rows))


def _inner(heading: np.ndarray) -> np.ndarray:
    """How far right of a way one may walk in its right-hand bends, negative [m]."""
    turn = heading[:-2, 0] * heading[2:, 1] - heading[:-2, 1] * heading[2:, 0]
    bend = np.concatenate([[0.0], turn, [0.0]]) / (2 * STEP_M)
    widest = np.minimum(bend, np.minimum(np.append(bend[1:], 0.0), np.append(0.0, bend[:-1])))
    return INNER / np.minimum(widest, -0.1)


def _runs(at: np.ndarray) -> bool:
    """Whether every step goes on, none back or nowhere."""
    step = at[1:] - at[:-1]
    length = np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1])
    onward = step[:-1, 0] * step[1:, 0] + step[:-1, 1] * step[1:, 1]
    return float(length.min()) > 0.1 and bool((onward > 0.5 * length[:-1] * length[1:]).all())


def _smooth(values: np.ndarray, passes: int) -> np.ndarray:
    for _ in range(passes):
        inner = (values[:-2] + 2 * values[1:-1] + values[2:]) / 4
        values = np.concatenate([values[:1], inner, values[-1:]])
    return values


def _headings(at: np.ndarray) -> np.ndarray:
    step = np.concatenate([at[1:2] - at[:1], at[2:] - at[:-2], at[-1:] - at[-2:-1]])
    return step / np.sqrt(step[:, :1] * step[:, :1] + step[:, 1:] * step[:, 1:])


def crossings_on(roads: RoadNet, walks: Walks, way: Way) -> list[Over] | None:
    """Where a way leaves and reaches kerbs, in order; None where it goes astray on a crossing."""
    found: list[Over] = []
    places = np.arange(0.0, way.length, 0.1)
    at = way.at(places)
    after = 0
    for walk, _ in walks:
        index = roads.walks[walk].crossing
        if index < 0:
            continue
        crossing = roads.crossings[index]
        path = np.array(crossing.path, np.float64) / 1000
        ax, ay = path[1] - path[0]
        norm = sqrt(ax * ax + ay * ay)
        along = ((at[:, 0] - path[0, 0]) * ax + (at[:, 1] - path[0, 1]) * ay) / norm
        across = ((at[:, 1] - path[0, 1]) * ax - (at[:, 0] - path[0, 0]) * ay) / norm
        inside = (along > 0) & (along < norm) & (np.abs(across) < crossing.width / 2000 + 0.3)
        rows = inside[after:].nonzero()[0] + after
        if not len(rows):
            return found  # the way ends before
        first = int(rows[0])
        ends = (~inside[first:]).nonzero()[0]
        if not len(ends):
            return found  # the way ends there, and nobody comes so far
        last = first + int(ends[0]) - 1
        if abs(float(along[last] - along[first])) < norm - 0.5 or first == 0:
            return None
        forward = bool(along[last] > along[first])
        found.append(Over(index, float(places[first]), float(places[last]), forward))
        after = last + 1
    return found


def make_person(
    kind: str, size: tuple[int, int, int], seed: int, way: Way,
    overs: list[Over], s: float, want: float,
) -> Person:  # fmt: skip
    bend = way.bend(BEND_M)
    speed = speed_profile(bend, [want] * len(bend), SIDEWAYS, 0.7)
    table = way.at(np.minimum(np.arange(0.0, way.length + 2.0, SAMPLE_M), way.length)).tolist()
    return Person(kind, size, seed, way, speed, overs, s, min(want, speed[int(s)]), table)


def beside(way: Way, aside: float) -> tuple[Way, tuple[np.ndarray, np.ndarray]] | None:
    """A way to the left (or right) of another; None where that is too bent."""
    at = way.at(np.arange(0.0, way.length, STEP_M))
    if float(way.bend(BEND_M).max()) * abs(aside) > 0.6:
        return None
    side = np.stack([-at[:, 3], at[:, 2]], axis=1)
    if not _runs(at[:, :2] + side * aside):
        return None
    other = _whole(at[:, :2] + side * aside)
    if float(other.bend(BEND_M).max()) > TIGHTEST:
        return None
    return other, (np.arange(len(at)) * STEP_M, np.array(other.starts))


def add_partner(
    person: Person, kind: str, size: tuple[int, int, int], seed: int, aside: float
) -> None:
    """Somebody, or a dog, walks at a person's right; where their way is not too bent for it."""
    laid = beside(person.way, -aside)
    if laid is not None:
        other, places = laid
        samples = np.arange(len(person.table)) * SAMPLE_M
        table = other.at(np.interp(samples, *places)).tolist()
        person.partners.append(Partner(kind, size, seed, other, places, table))

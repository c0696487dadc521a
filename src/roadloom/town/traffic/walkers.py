"""People where the simulation begins: ways along pavements and over crossings, and groups."""

from dataclasses import dataclass
from math import floor, sqrt

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.plan.sizes import draw_size
from roadloom.town.plan.things_site import ground_rect
from roadloom.town.plan.types import Point, RoadNet, Thing
from roadloom.town.traffic.network import line_length
from roadloom.town.traffic.paths import Way, speed_profile
from roadloom.town.traffic.people import SAMPLE_M, Over, Partner, Person

STEP_M = 0.5
ROUNDING = 5
"""Passes of the smoothing that rounds corners."""
SIDEWAYS = 1.1
TIGHTEST = 1.1
"""Largest curvature [1/m] of a way."""
SPARE_M = 0.5
"""From somebody's middle to what stands beside their way."""
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

    def hit(self, places: np.ndarray, spare: float) -> bool:
        """Whether any place lies closer than ``spare`` to a thing."""
        low, high = places.min(axis=0) - spare, places.max(axis=0) + spare
        near = ((self.at + self.reach[:, None] > low) & (self.at - self.reach[:, None] < high)).all(
            axis=1
        )
        rows = near.nonzero()[0]
        if not len(rows):
            return False
        d = places[:, None, :] - self.at[None, rows]
        h, half = self.heading[rows], self.half[rows]
        along = np.abs(d[..., 0] * h[:, 0] + d[..., 1] * h[:, 1]) - half[:, 0]
        across = np.abs(d[..., 1] * h[:, 0] - d[..., 0] * h[:, 1]) - half[:, 1]
        return bool(((along < spare) & (across < spare)).any())


def draw_walks(dice: Dice, roads: RoadNet, first: int, forward: bool, need: float) -> Walks:
    """Walks one after another, at least ``need`` metres where the net goes on."""
    found = [(first, forward)]
    total = line_length(roads.walks[first].path)
    while total < need:
        walk, ahead = found[-1]
        end = roads.walks[walk].path[-1 if ahead else 0]
        ways: Walks = []
        for link in roads.walks[walk].links:
            path = roads.walks[link].path
            if path[0] == end and _goes_on(roads, found[-1], (link, True)):
                ways.append((link, True))
            elif path[-1] == end and _goes_on(roads, found[-1], (link, False)):
                ways.append((link, False))
        if not ways:
            break
        found.append(dice.pick(ways))
        total += line_length(roads.walks[found[-1][0]].path)
    return found


def _goes_on(roads: RoadNet, before: tuple[int, bool], after: tuple[int, bool]) -> bool:
    """Whether the way does not turn back."""
    a, b = _directed(roads, before), _directed(roads, after)
    ax, ay = a[-1][0] - a[-2][0], a[-1][1] - a[-2][1]
    bx, by = b[1][0] - b[0][0], b[1][1] - b[0][1]
    return ax * bx + ay * by > -0.3 * sqrt((ax * ax + ay * ay) * (bx * bx + by * by))


def _directed(roads: RoadNet, walk: tuple[int, bool]) -> tuple[Point, ...]:
    path = roads.walks[walk[0]].path
    return path if walk[1] else path[::-1]


def lay_way(dice: Dice, roads: RoadNet, walks: Walks, most: float) -> Way | None:
    """The way of somebody who keeps to their right along walks, corners rounded."""
    points: list[Point] = []
    room: list[float] = []
    for walk in walks:
        path = _directed(roads, walk)
        half = max(0.0, roads.walks[walk[0]].width / 2000 - 0.3)
        keep = -half * dice.between(25, 95) / 100 if half > 0.35 else 0.0
        points.extend(path if not points else path[1:])
        room.extend([keep] * (len(path) - 1))
    centre = np.array(points, np.float64) / 1000
    chord = centre[1:] - centre[:-1]
    length = np.sqrt(chord[:, 0] * chord[:, 0] + chord[:, 1] * chord[:, 1])
    starts = [0.0]
    for step in length.tolist():
        starts.append(starts[-1] + step)
    along = np.arange(int(min(starts[-1], most) / STEP_M)) * STEP_M
    if len(along) < 20:
        return None
    piece = np.searchsorted(np.array(starts[1:-1]), along, side="right")
    share = ((along - np.array(starts)[piece]) / length[piece])[:, None]
    at = centre[piece] + share * chord[piece]
    aside = np.array(room)[piece]
    at = _smooth(at, ROUNDING)
    aside = _smooth(aside[:, None], 16)[:, 0]
    heading = _headings(at)
    side = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
    way = _whole(_smooth(at + side * aside[:, None], 2))
    return way if float(way.bend().max()) < TIGHTEST else None


def _whole(at: np.ndarray) -> Way:
    rows = at.tolist()
    return Way(tuple((floor(x * 1000 + 0.5), floor(y * 1000 + 0.5)) for x, y in rows))


def _smooth(values: np.ndarray, passes: int) -> np.ndarray:
    for _ in range(passes):
        inner = (values[:-2] + 2 * values[1:-1] + values[2:]) / 4
        values = np.concatenate([values[:1], inner, values[-1:]])
    return values


def _headings(at: np.ndarray) -> np.ndarray:
    step = np.concatenate([at[1:2] - at[:1], at[2:] - at[:-2], at[-1:] - at[-2:-1]])
    return step / np.sqrt(step[:, :1] * step[:, :1] + step[:, 1:] * step[:, 1:])


def crossings_on(roads: RoadNet, walks: Walks, way: Way) -> list[Over]:
    """Where a way leaves and reaches kerbs: nearest to where its crossings' middles begin."""
    found = []
    places = np.arange(0.0, way.length, 0.1)
    at = way.at(places)
    for walk, _ in walks:
        index = roads.walks[walk].crossing
        if index < 0:
            continue
        path = np.array(roads.crossings[index].path, np.float64) / 1000
        ax, ay = path[1] - path[0]
        norm = sqrt(ax * ax + ay * ay)
        along = ((at[:, 0] - path[0, 0]) * ax + (at[:, 1] - path[0, 1]) * ay) / norm
        across = ((at[:, 1] - path[0, 1]) * ax - (at[:, 0] - path[0, 0]) * ay) / norm
        inside = (along > 0) & (along < norm) & (np.abs(across) < 4.0)
        rows = inside.nonzero()[0]
        if len(rows) < 3 or rows[-1] - rows[0] != len(rows) - 1:
            continue
        first, last = float(places[rows[0]]), float(places[rows[-1]])
        if rows[0] == 0 or rows[-1] == len(places) - 1:
            continue
        found.append(Over(index, first, last, bool(along[rows[-1]] > along[rows[0]])))
    return found


def make_person(
    kind: str, size: tuple[int, int, int], seed: int, way: Way,
    overs: list[Over], s: float, want: float,
) -> Person:  # fmt: skip
    bend = way.bend()
    speed = speed_profile(bend, [want] * len(bend), SIDEWAYS, 0.7)
    table = way.at(np.minimum(np.arange(0.0, way.length + 2.0, SAMPLE_M), way.length)).tolist()
    return Person(kind, size, seed, way, speed, overs, s, min(want, speed[int(s)]), table)


def beside(way: Way, aside: float) -> tuple[Way, tuple[np.ndarray, np.ndarray]] | None:
    """A way to the left (or right) of another; None where that is too bent."""
    at = way.at(np.arange(0.0, way.length, STEP_M))
    if float(way.bend().max()) * abs(aside) > 0.6:
        return None
    side = np.stack([-at[:, 3], at[:, 2]], axis=1)
    other = _whole(at[:, :2] + side * aside)
    if float(other.bend().max()) > TIGHTEST:
        return None
    return other, (np.arange(len(at)) * STEP_M, np.array(other.starts))


def draw_partner(dice: Dice, person: Person, obstacles: Obstacles) -> None:
    """Somebody, or a dog, at a person's side; where there is room."""
    kind = dice.pick(("adult", "adult", "adult", "child", "child", "dog"))
    size, seed = draw_size(dice, kind), dice.word() & 0xFFFFFFFF
    gap = (person.size[1] + size[1]) / 2000 + dice.between(60, 200) / 1000
    for aside in (gap, -gap):
        laid = beside(person.way, aside)
        if laid is None:
            continue
        other, places = laid
        clear = not obstacles.hit(np.array(other.vertices, np.float64) / 1000, SPARE_M)
        if clear:
            person.partners.append(Partner(kind, size, seed, other, places))
            return

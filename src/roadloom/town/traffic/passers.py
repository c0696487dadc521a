"""Who walks near the ego: along the pavements, and every third over a crossing."""

from dataclasses import dataclass

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.plan.sizes import draw_size
from roadloom.town.plan.types import RoadNet
from roadloom.town.traffic.meetings import Meetings
from roadloom.town.traffic.network import line_length
from roadloom.town.traffic.people import Person
from roadloom.town.traffic.walkers import (
    Obstacles,
    add_partner,
    crossings_on,
    draw_walks,
    lay_way,
    leads_over,
    make_person,
)

ONE_WAY_MM = 1_800
"""On narrower walks all people go the same way."""
COME_S = 11, 31
"""Those who are to cross a street come to the walk's end within this time."""
CROSSERS = 40
"""Per cent of the places that are kept for people who cross."""
START_M = 1.5
"""People begin this far along their way."""
WALK_M = 45.0
"""People are drawn on walks this near to the ego's way."""
BEYOND_M = 10.0
PEOPLE = (("adult", 82), ("child", 2), ("stroller", 4), ("wheelchair", 3), ("scooter", 3),
          ("police_officer", 2), ("worker", 4))  # fmt: skip
"""Of a hundred who walk."""


@dataclass(frozen=True)
class _Ground:
    dice: Dice
    roads: RoadNet
    obstacles: Obstacles
    still: np.ndarray
    """x, y of people who stand [m]."""
    seconds: float
    streams: dict[int, bool]
    """The only direction of narrow walks that are in use."""


def draw_people(
    dice: Dice, roads: RoadNet, obstacles: Obstacles, near: np.ndarray, count: int,
    still: np.ndarray, seconds: float,
) -> list[Person]:  # fmt: skip
    """Up to ``count`` walkers near the ego's way [place 2], who keep clear of those that stand."""
    ground = _Ground(dice, roads, obstacles, still, seconds, {})
    firsts, heads = _firsts(roads, near)
    found: list[Person] = []
    meetings = Meetings(seconds)
    taken: list[tuple[float, float]] = [tuple(p) for p in still.tolist()]
    crossers = 0
    for _ in range(6 * count):
        if len(found) >= count or not firsts:
            break
        crossing = bool(heads) and 100 * crossers < CROSSERS * (len(found) + 1)
        if crossing:
            first, forward = dice.pick(heads)
            forward = ground.streams.get(first, forward)
        else:
            first = dice.pick(firsts)
            forward = ground.streams.get(first, dice.percent(50))
        person = _person(ground, first, forward, crossing)
        if person is None or (crossing and not person.overs):
            continue
        x, y = person.table[0][:2]
        sides = _sides(person)
        apart = all((x - a) * (x - a) + (y - b) * (y - b) > 2.6 for a, b in taken)
        if apart and not meetings.head_on(person, sides):
            taken.append((x, y))
            meetings.add(person, sides)
            found.append(person)
            crossers += bool(person.overs)
    return found


def _firsts(roads: RoadNet, near: np.ndarray) -> tuple[list[int], list[tuple[int, bool]]]:
    """Walks to begin on, long ones several times; those that lead to a crossing, and the
    direction in which they do."""
    firsts: list[int] = []
    heads: list[tuple[int, bool]] = []
    for walk in roads.walks:
        middle = np.array(walk.path[len(walk.path) // 2], np.float64) / 1000
        d = near - middle
        if walk.crossing >= 0 or float((d * d).sum(axis=1).min()) > WALK_M * WALK_M:
            continue
        (ax, ay), (bx, by) = walk.path[0], walk.path[-1]
        length = max(abs(ax - bx), abs(ay - by))
        firsts += [walk.id] * (1 + length // 12_000)
        for forward in (True, False):
            end = walk.path[-1 if forward else 0]
            on = [w for w in walk.links if end in (roads.walks[w].path[0], roads.walks[w].path[-1])]
            if length > 8_000 and any(leads_over(roads, (w, True)) for w in on):
                heads.append((walk.id, forward))
    return firsts, heads


def _sides(person: Person) -> tuple[float, float]:
    """Metres that somebody and whoever walks beside them take to the left and to the right."""
    half = person.size[1] / 2000
    if not person.partners:
        return half, half
    partner = person.partners[0]
    (ax, ay, hx, hy), (bx, by, _, _) = person.table[0], partner.table[0]
    return half, (bx - ax) * hy - (by - ay) * hx + partner.size[1] / 2000


def _person(ground: _Ground, first: int, forward: bool, crossing: bool) -> Person | None:
    dice, roads = ground.dice, ground.roads
    kind = _kind(dice)
    fast = kind == "scooter"
    want = (dice.between(1_900, 2_600) if fast else dice.between(950, 1_800)) / 1000
    size, seed = draw_size(dice, kind), dice.word() & 0xFFFFFFFF
    partner = dice.pick(("adult", "adult", "adult", "child", "child", "dog"))
    with_partner = kind == "adult" and dice.percent(28)
    other = draw_size(dice, partner), dice.word() & 0xFFFFFFFF
    aside = (size[1] + other[0][1]) / 2000 + dice.between(60, 200) / 1000 if with_partner else 0.0
    need = want * ground.seconds + BEYOND_M
    long = line_length(roads.walks[first].path)
    skip = dice.between(0, max(0, int(1000 * long) - 3_000)) / 1000
    if crossing:
        skip = max(0.0, long - START_M - want * dice.between(*COME_S))
    walks = draw_walks(dice, roads, first, forward, need + skip, ground.streams, crossing)
    spare = size[1] / 2000 + 0.12
    way = lay_way(dice, roads, walks, (skip, skip + need), ground.obstacles, spare, aside)
    if way is None or way.length < START_M + 10.0:
        return None
    places = np.array(way.vertices, np.float64) / 1000
    if ground.obstacles.hit(places, spare - 0.07):
        return None
    if len(ground.still) and _close(places, ground.still):
        return None
    overs = crossings_on(roads, walks, way)
    if overs is None or any(o.kerb - 1.5 < START_M < o.far + 1.0 for o in overs):
        return None
    ground.streams.update(w for w in walks if roads.walks[w[0]].width < ONE_WAY_MM)
    person = make_person(kind, size, seed, way, overs, START_M, want)
    if with_partner:
        add_partner(person, partner, *other, aside)
    return person


def _kind(dice: Dice) -> str:
    at = dice.between(0, 99)
    for name, share in PEOPLE:
        if at < share:
            return name
        at -= share
    raise AssertionError("shares add up to a hundred")


def _close(places: np.ndarray, still: np.ndarray) -> bool:
    dx = places[:, None, 0] - still[None, :, 0]
    dy = places[:, None, 1] - still[None, :, 1]
    return bool((dx * dx + dy * dy < 0.81).any())

"""Everybody moves: from the road net and what stands on it to tracks of whole numbers.

    spawn -> warm up -> the ego appears -> 22 s -> tracks -> whoever touches anything falls out

A pair that touches (which the rules leave rarely: corners cut by long vehicles, people in a crowd)
loses its later member; the ego never. If the ego itself touches something that stands, or does not
fit where it would begin, it is drawn again on another lane, up to ``TRIES`` times.
"""

from dataclasses import dataclass

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.plan.sizes import draw_size
from roadloom.town.plan.types import CLIP_TICKS, MARGIN_TICKS, Actor, RoadNet, Thing
from roadloom.town.traffic.clear import (
    Footprints,
    Roadway,
    footprints,
    is_person,
    pushed,
    touch_standing,
    touching_pairs,
)
from roadloom.town.traffic.fleet import choose_ego, spawn_cars
from roadloom.town.traffic.network import Net, line_length
from roadloom.town.traffic.people import Crowd, Person
from roadloom.town.traffic.record import commands_of, record_car, record_partner, record_person
from roadloom.town.traffic.simulate import Simulation
from roadloom.town.traffic.standing import draw_groups, draw_workers
from roadloom.town.traffic.walkers import (
    Obstacles,
    add_partner,
    crossings_on,
    draw_walks,
    lay_way,
    make_person,
)

WARM_TICKS = 200
"""Streets without the ego first, so that there are queues ..."""
EGO_TICKS = 50
"""... then with it, before its track begins."""
TRIES = 4
KEEP_M = 150.0
"""Who never comes this near to the ego's way falls out."""
MOST = 90
PUSH_LIMIT = {False: 4.7, True: 2.7}
"""Accelerations [m/s2] of vehicles and of people above which somebody falls out."""
ONE_WAY_MM = 1_800
"""On narrower walks all people go the same way."""
NEAR_ENDS = 40
"""Per cent who begin near the end of a walk, where corners and crossings are."""
START_M = 1.5
"""People begin this far along their way."""
WALK_M = 45.0
"""People are drawn on walks this near to the ego's way."""


@dataclass(frozen=True)
class Traffic:
    actors: tuple[Actor, ...]
    ego: Actor
    commands: tuple[tuple[int, str], ...]


def drive(dice: Dice, roads: RoadNet, things: tuple[Thing, ...]) -> Traffic:
    """Tracks of everything that moves in one clip; raises RuntimeError where no lane is left on
    which the ego could begin."""
    net, obstacles = Net(roads, things), Obstacles.of(things)
    refused: set[int] = set()
    density = dice.pick((55, 80, 100, 120, 150))
    crowding = dice.pick((25, 60, 100, 140, 180))
    for _ in range(TRIES):
        start = -MARGIN_TICKS - WARM_TICKS - EGO_TICKS
        seconds = (CLIP_TICKS + 2 * MARGIN_TICKS + EGO_TICKS) * 0.05
        first = -MARGIN_TICKS - EGO_TICKS
        ego = choose_ego(dice, net, seconds, frozenset(refused), first)
        if ego is None:
            break
        cars = spawn_cars(dice, net, density, seconds + WARM_TICKS * 0.05)
        place = ego.route.way.at(np.arange(0.0, ego.route.way.length, 4.0))
        route = place[max(0, int(ego.s / 4) - 8) : int(ego.s / 4) + 28, :2]
        standing = draw_groups(dice, roads, obstacles, route, crowding * 10 // 100)
        standing += draw_workers(dice, net, things, obstacles)
        still = np.array([a.path[1] for a in standing], np.float64).reshape(-1, 2) / 1000
        total = seconds + WARM_TICKS * 0.05
        people = _people(dice, net, obstacles, route, crowding * 60 // 100, still, total)
        simulation = Simulation(net, cars, Crowd(roads, people, still), start)
        simulation.run(first)
        simulation.enter(ego)
        simulation.run(CLIP_TICKS + MARGIN_TICKS + 2)
        traffic = _finish(net, simulation, standing, obstacles)
        if traffic is not None:
            return traffic
        refused.add(ego.route.lanes[0])
    raise RuntimeError("no lane near the town's middle is left for the ego")


def _people(
    dice: Dice, net: Net, obstacles: Obstacles, near: np.ndarray, count: int,
    still: np.ndarray, seconds: float,
) -> list[Person]:  # fmt: skip
    """Walkers along the pavements near the ego's way."""
    roads = net.roads
    firsts = []
    for walk in roads.walks:
        middle = np.array(walk.path[len(walk.path) // 2], np.float64) / 1000
        d = near - middle
        if walk.crossing < 0 and float((d * d).sum(axis=1).min()) < WALK_M * WALK_M:
            length = max(
                abs(walk.path[0][0] - walk.path[-1][0]), abs(walk.path[0][1] - walk.path[-1][1])
            )
            firsts += [walk.id] * (1 + length // 12_000)
    found: list[Person] = []
    streams: dict[int, bool] = {}
    taken: list[tuple[float, float]] = [tuple(p) for p in still.tolist()]
    for _ in range(5 * count):
        if len(found) >= count or not firsts:
            break
        person = _person(dice, roads, obstacles, dice.pick(firsts), still, seconds, streams)
        if person is None:
            continue
        x, y = person.table[int(person.s / 0.25)][:2]
        if all((x - a) * (x - a) + (y - b) * (y - b) > 2.6 for a, b in taken):
            taken.append((x, y))
            found.append(person)
    return found


PEOPLE = (("adult", 82), ("child", 2), ("stroller", 4), ("wheelchair", 3), ("scooter", 3),
          ("police_officer", 2), ("worker", 4))  # fmt: skip
"""Of a hundred who walk."""


def _person(
    dice: Dice,
    roads: RoadNet,
    obstacles: Obstacles,
    first: int,
    still: np.ndarray,
    seconds: float,
    streams: dict[int, bool],
) -> Person | None:
    at = dice.between(0, 99)
    kind = "adult"
    for name, share in PEOPLE:
        if at < share:
            kind = name
            break
        at -= share
    want = (
        dice.between(950, 1_800) / 1000 if kind != "scooter" else dice.between(1_900, 2_600) / 1000
    )
    size, seed = draw_size(dice, kind), dice.word() & 0xFFFFFFFF
    partner = dice.pick(("adult", "adult", "adult", "child", "child", "dog"))
    with_partner = kind == "adult" and dice.percent(28)
    other = draw_size(dice, partner), dice.word() & 0xFFFFFFFF
    aside = (size[1] + other[0][1]) / 2000 + dice.between(60, 200) / 1000 if with_partner else 0.0
    need = want * seconds + 25.0
    forward = streams.get(first, dice.percent(50))
    long = int(1000 * line_length(roads.walks[first].path))
    latest = max(0, long - 3_000)
    earliest = max(0, latest - 14_000) if dice.percent(NEAR_ENDS) else 0
    skip = dice.between(earliest, latest) / 1000
    walks = draw_walks(dice, roads, first, forward, need + skip, streams)
    spare = size[1] / 2000 + 0.12
    way = lay_way(dice, roads, walks, (skip, skip + need), obstacles, spare, aside)
    if way is None or way.length < START_M + 10.0:
        return None
    places = np.array(way.vertices, np.float64) / 1000
    if obstacles.hit(places, spare - 0.07) or (len(still) and _close(places, still)):
        return None
    overs = crossings_on(roads, walks, way)
    if overs is None or any(o.kerb - 1.5 < START_M < o.far + 1.0 for o in overs):
        return None
    streams.update(w for w in walks if roads.walks[w[0]].width < ONE_WAY_MM)
    person = make_person(kind, size, seed, way, overs, START_M, want)
    if with_partner:
        add_partner(person, partner, *other, aside)
    return person


def _close(places: np.ndarray, still: np.ndarray) -> bool:
    dx = places[:, None, 0] - still[None, :, 0]
    dy = places[:, None, 1] - still[None, :, 1]
    return bool((dx * dx + dy * dy < 0.81).any())


# -- after the simulation --------------------------------------------------------------------------


def _finish(
    net: Net, simulation: Simulation, standing: list[Actor], obstacles: Obstacles
) -> Traffic | None:
    """Tracks of who stays; None where the ego touches something that stands."""
    ego, *cars = [record_car(net, car) for car in simulation.cars]
    people = [record_person(p) for p in simulation.crowd.people]
    partners = [
        record_partner(p, partner) for p in simulation.crowd.people for partner in p.partners
    ]
    actors = [ego, *standing, *cars, *people, *partners]
    prints = footprints(actors)
    if touch_standing(prints, 0, obstacles) or pushed(prints, 0) > PUSH_LIMIT[False]:
        return None
    keep = _near_ego(prints)
    actors = [actors[k] for k in keep]
    prints = prints.of(keep)
    gone = {k for k in range(len(actors)) if touch_standing(prints, k, obstacles)}
    gone |= {
        k for k, actor in enumerate(actors) if pushed(prints, k) > PUSH_LIMIT[is_person(actor)]
    }
    roadway = Roadway(net.roads)
    walkers = [k for k, a in enumerate(actors) if is_person(a) and a.along[0] < a.along[-1]]
    gone |= {k for k in walkers if roadway.astray(prints, k, actors[k])}
    for a, b in touching_pairs(prints):
        if a not in gone and b not in gone:
            gone.add(b)
    kept = [k for k in range(1, len(actors)) if k not in gone]
    if len(kept) > MOST:
        d = prints.at[kept] - prints.at[0]
        apart = (d * d).sum(axis=2).min(axis=1)
        order = sorted(range(len(kept)), key=lambda row: (float(apart[row]), row))
        kept = sorted(kept[row] for row in order[:MOST])
    commands = commands_of(net, simulation.cars[0])
    return Traffic(tuple(actors[k] for k in kept), ego, commands)


def _near_ego(prints: Footprints) -> list[int]:
    way = prints.at[0][::10]
    kept = [0]
    for row in range(1, len(prints.at)):
        d = prints.at[row][::10, None, :] - way[None, :, :]
        if float((d * d).sum(axis=2).min()) < KEEP_M * KEEP_M:
            kept.append(row)
    return kept

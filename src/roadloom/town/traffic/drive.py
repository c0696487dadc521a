"""Everybody moves: from the road net and what stands on it to tracks of whole numbers.

    spawn -> warm up -> the ego appears -> 22 s -> tracks -> whoever touches anything falls out

A pair that touches (which the rules leave rarely: corners cut by long vehicles, people in a crowd)
loses its later member; the ego never. If the ego itself touches something that stands, or does not
fit where it would begin, it is drawn again on another lane, up to ``TRIES`` times.
"""

from dataclasses import dataclass

import numpy as np

from roadloom.town.dice import Dice
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
from roadloom.town.traffic.network import Net
from roadloom.town.traffic.passers import draw_people
from roadloom.town.traffic.people import Crowd
from roadloom.town.traffic.record import commands_of, record_car, record_partner, record_person
from roadloom.town.traffic.simulate import Simulation
from roadloom.town.traffic.standing import draw_groups, draw_workers
from roadloom.town.traffic.walkers import Obstacles

WARM_TICKS = 200
"""Streets without the ego first, so that there are queues ..."""
EGO_TICKS = 50
"""... then with it, before its track begins."""
TRIES = 4
KEEP_M = 150.0
"""Who never comes this near to the ego's way falls out."""
MOST = 110
PUSH_LIMIT = {False: 4.7, True: 2.7}
"""Accelerations [m/s2] of vehicles and of people above which somebody falls out."""
GROUPS, WALKERS = 4, 85
"""Groups that stand and people who walk where crowding is 100."""


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
    crowding = dice.pick((50, 75, 100, 140, 180))
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
        standing = draw_groups(dice, roads, obstacles, route, crowding * GROUPS // 100)
        standing += draw_workers(dice, net, things, obstacles)
        still = np.array([a.path[1] for a in standing], np.float64).reshape(-1, 2) / 1000
        total = seconds + WARM_TICKS * 0.05
        people = draw_people(
            dice, net.roads, obstacles, route, crowding * WALKERS // 100, still, total
        )
        simulation = Simulation(net, cars, Crowd(roads, people, still), start)
        simulation.run(first)
        simulation.enter(ego)
        simulation.run(CLIP_TICKS + MARGIN_TICKS + 2)
        traffic = _finish(net, simulation, standing, obstacles)
        if traffic is not None:
            return traffic
        refused.add(ego.route.lanes[0])
    raise RuntimeError("no lane near the town's middle is left for the ego")


# -- after the simulation --------------------------------------------------------------------------


def _finish(
    net: Net, simulation: Simulation, standing: list[Actor], obstacles: Obstacles
) -> Traffic | None:
    """Tracks of who stays; None where the ego touches something that stands."""
    ego, *cars = [record_car(net, car) for car in simulation.cars]
    moving = [p for p in simulation.crowd.people if not p.stuck()]
    people = [record_person(p) for p in moving]
    partners = [record_partner(p, partner) for p in moving for partner in p.partners]
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

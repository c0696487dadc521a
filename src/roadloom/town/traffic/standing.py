"""People who stand: alone or in small groups on pavements, workers and officers at works."""

from math import sqrt

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.plan.sizes import draw_size
from roadloom.town.plan.types import (
    KERB_MM,
    MARGIN_TICKS,
    TRACK_TICKS,
    Actor,
    Point,
    RoadNet,
    Thing,
)
from roadloom.town.traffic.network import Net
from roadloom.town.traffic.walkers import Obstacles

WORKS = ("cone", "barrier", "barrel", "works_sign", "excavator", "roller")
RING: tuple[Point, ...] = ((10, 0), (7, 7), (0, 10), (-7, 7), (-10, 0), (-7, -7), (0, -10), (7, -7))
LANE_CLEAR_MM = 2_000


def stander(
    kind: str, size: tuple[int, int, int], seed: int, at: Point, look: Point, raised: int
) -> Actor:
    """Somebody who stays where they are, facing along ``look``."""
    norm = sqrt(look[0] * look[0] + look[1] * look[1])
    dx, dy = round(look[0] * 2000 / norm), round(look[1] * 2000 / norm)
    return Actor(
        kind=kind,
        size=size,
        seed=seed,
        path=((at[0] - dx, at[1] - dy), at, (at[0] + dx, at[1] + dy)),
        along=(round(sqrt(dx * dx + dy * dy) * 1000),) * TRACK_TICKS,
        attributes=((-MARGIN_TICKS, "pedestrian.standing"),),
        raised=((0, raised),),
    )


def draw_groups(
    dice: Dice, roads: RoadNet, obstacles: Obstacles, ego: np.ndarray, count: int
) -> list[Actor]:
    """Groups of one to three on the pavements near the ego's way [place 2]."""
    found: list[Actor] = []
    near = _near(roads, ego, 60.0)
    for _ in range(count):
        if not near:
            break
        walk = roads.walks[dice.pick(near)]
        row = dice.between(0, len(walk.path) - 2)
        share = dice.between(10, 90)
        a, b = walk.path[row], walk.path[row + 1]
        dx, dy = b[0] - a[0], b[1] - a[1]
        norm = sqrt(dx * dx + dy * dy)
        if walk.width < 1_600 or norm < 3_000:
            continue
        aside = dice.pick((-1, 1)) * (walk.width / 2 - 450)
        x = round(a[0] + dx * share / 100 - dy / norm * aside)
        y = round(a[1] + dy * share / 100 + dx / norm * aside)
        found.extend(_group(dice, (x, y), (round(dx), round(dy)), obstacles, found))
    return found


def _near(roads: RoadNet, ego: np.ndarray, reach: float) -> list[int]:
    found = []
    for walk in roads.walks:
        middle = np.array(walk.path[len(walk.path) // 2], np.float64) / 1000
        d = ego - middle
        if walk.crossing < 0 and float((d * d).sum(axis=1).min()) < reach * reach:
            found.append(walk.id)
    return found


def _group(
    dice: Dice, at: Point, along: Point, obstacles: Obstacles, others: list[Actor]
) -> list[Actor]:
    norm = sqrt(along[0] * along[0] + along[1] * along[1])
    ux, uy = along[0] / norm, along[1] / norm
    found: list[Actor] = []
    for k in range(dice.pick((1, 1, 2, 2, 3))):
        kind = "adult" if k < 2 else dice.pick(("adult", "child"))
        size, seed = draw_size(dice, kind), dice.word() & 0xFFFFFFFF
        step = (0, 1_050, -1_050)[k] + dice.between(-80, 80)
        place = (round(at[0] + ux * step), round(at[1] + uy * step))
        look = (round(-step * ux), round(-step * uy)) if k else dice.pick(RING)
        if k == 1 and found:
            first = found[0]
            found[0] = stander(
                first.kind, first.size, first.seed, first.path[1],
                (round(step * ux), round(step * uy)), KERB_MM,
            )  # fmt: skip
        spot = np.array([place], np.float64) / 1000
        if not obstacles.hit(spot, 0.65) and _apart(place, [*others, *found]):
            found.append(stander(kind, size, seed, place, look, KERB_MM))
    return found


def _apart(at: Point, others: list[Actor]) -> bool:
    return all(
        (at[0] - o.path[1][0]) ** 2 + (at[1] - o.path[1][1]) ** 2 > 900 * 900 for o in others
    )


def draw_workers(
    dice: Dice, net: Net, things: tuple[Thing, ...], obstacles: Obstacles
) -> list[Actor]:
    """One to four workers beside works, sometimes an officer; off the lanes that are driven."""
    works = [t for t in things if t.kind in WORKS]
    found: list[Actor] = []
    if not works:
        return found
    centres = np.array(
        [p for lane in net.lanes if lane.id not in net.blocked for p in lane.centre], np.float64
    )
    wanted = dice.between(1, 4)
    for _ in range(24):
        if len(found) == wanted:
            break
        thing = dice.pick(works)
        way = dice.pick(RING)
        apart = max(thing.size[0], thing.size[1]) / 2 + dice.between(700, 1_600)
        place = (round(thing.at[0] + way[0] / 10 * apart), round(thing.at[1] + way[1] / 10 * apart))
        d = centres - np.array(place, np.float64)
        if float((d * d).sum(axis=1).min()) < LANE_CLEAR_MM * LANE_CLEAR_MM:
            continue
        spot = np.array([place], np.float64) / 1000
        if obstacles.hit(spot, 0.6) or not _apart(place, found):
            continue
        kind = "police_officer" if dice.percent(12) else "worker"
        raised = ground_height(net.roads, place)
        if raised >= 0:
            size, seed = draw_size(dice, kind), dice.word() & 0xFFFFFFFF
            found.append(stander(kind, size, seed, place, dice.pick(RING), raised))
    return found


def ground_height(roads: RoadNet, at: Point) -> int:
    """Of the area under a place above the relief; -1 outside of all."""
    for area in roads.areas:
        if inside(at, area.ring) and not any(inside(at, hole) for hole in area.holes):
            return 0 if area.kind in ("road", "junction", "parking") else KERB_MM
    return -1


def inside(at: Point, ring: tuple[Point, ...]) -> bool:
    """Whether a place lies in a polygon: an odd number of edges to its right, in whole numbers."""
    x, y = at
    odd = False
    ax, ay = ring[-1]
    for bx, by in ring:
        if (ay > y) != (by > y):
            side = (bx - ax) * (y - ay) - (x - ax) * (by - ay)
            if (side > 0) == (by > ay):
                odd = not odd
        ax, ay = bx, by
    return odd

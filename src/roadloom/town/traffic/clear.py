"""Nobody touches anybody: footprints at every tenth of a second, from the true smooth tracks."""

from math import sqrt
from typing import NamedTuple

import numpy as np
from shapely import STRtree, points, polygons

from roadloom.town.kinds import KINDS
from roadloom.town.plan.types import KERB_MM, Actor, Area, RoadNet
from roadloom.town.tracks import STEPS_PER_TICK, TICK_S, _smooth_along, on_path
from roadloom.town.traffic.walkers import Obstacles

EVERY_TICKS = 2
SPARE_M = 0.02


class Footprints(NamedTuple):
    """Rectangles of all actors over time."""

    at: np.ndarray
    """Middles [m], [actor time 2]."""
    heading: np.ndarray
    half: np.ndarray
    """[actor 2]"""
    turning: np.ndarray
    """Rear axles, or middles of people."""

    def of(self, rows: list[int]) -> "Footprints":
        return Footprints(self.at[rows], self.heading[rows], self.half[rows], self.turning[rows])


def footprints(actors: list[Actor]) -> Footprints:
    at, heading, half, turning = [], [], [], []
    for actor in actors:
        along = _smooth_along(np.array(actor.along, np.float64) / 1e6)
        along = along[:: STEPS_PER_TICK * EVERY_TICKS]
        x, y, hx, hy = on_path(np.array(actor.path, np.float64) / 1000, along)
        ahead = actor.size[0] / 1000 * KINDS[actor.kind].rear_permille / 1000
        at.append(np.stack([x + ahead * hx, y + ahead * hy], axis=-1))
        turning.append(np.stack([x, y], axis=-1))
        heading.append(np.stack([hx, hy], axis=-1))
        half.append((actor.size[0] / 2000 + SPARE_M, actor.size[1] / 2000 + SPARE_M))
    return Footprints(np.stack(at), np.stack(heading), np.array(half), np.stack(turning))


def is_person(actor: Actor) -> bool:
    return KINDS[actor.kind].family == "person"


def pushed(prints: Footprints, row: int) -> float:
    """Largest acceleration [m/s2] of an actor's turning point over 0.4 s."""
    at, h = prints.turning[row], 2
    second = at[2 * h :] - 2 * at[h:-h] + at[: -2 * h]
    size = second[:, 0] * second[:, 0] + second[:, 1] * second[:, 1]
    return sqrt(float(size.max())) / (h * h * EVERY_TICKS * EVERY_TICKS * TICK_S * TICK_S)


class Roadway:
    """Where the ground is low: roads, junctions, parking."""

    def __init__(self, roads: RoadNet) -> None:
        low = [a for a in roads.areas if a.kind in ("road", "junction", "parking")]
        self._crossings = STRtree([polygons(np.array(c.ring)) for c in roads.crossings])
        self._tree = STRtree([polygons(np.array(a.ring), holes=_holes(a)) for a in low])

    def astray(self, prints: Footprints, row: int, actor: Actor) -> bool:
        """Whether somebody is ever on the roadway while they count as on a pavement, or the
        other way round, or on the roadway beside a crossing. (Points against polygons of whole
        millimetres: exact predicates.)"""
        places = points(np.floor(prints.turning[row] * 1000 + 0.5))
        low = np.zeros(len(places), bool)
        low[self._tree.query(places, predicate="intersects")[0]] = True
        crossing = np.zeros(len(places), bool)
        crossing[self._crossings.query(places, predicate="intersects")[0]] = True
        steps = np.array(actor.raised, np.float64)
        along = np.array(actor.along[::EVERY_TICKS], np.float64)
        raised = np.interp(along, steps[:, 0], steps[:, 1])
        wrong = np.where(low, raised > 0.85 * KERB_MM, raised < 0.15 * KERB_MM)
        return bool((wrong | (low & ~crossing)).any())


def _holes(area: Area) -> list[np.ndarray] | None:
    return [np.array(hole) for hole in area.holes] or None


def touch_standing(prints: Footprints, row: int, obstacles: Obstacles) -> bool:
    """Whether an actor ever touches what stands."""
    at, heading, half = prints.at[row], prints.heading[row], prints.half[row]
    reach = float(half[0] + half[1])
    low, high = at.min(axis=0) - reach, at.max(axis=0) + reach
    edge = obstacles.reach[:, None]
    near = ((obstacles.at + edge > low) & (obstacles.at - edge < high)).all(axis=1).nonzero()[0]
    return any(
        bool(
            overlap(
                at, heading, half, obstacles.at[k], obstacles.heading[k][None], obstacles.half[k]
            ).any()
        )
        for k in near.tolist()
    )


def touching_pairs(prints: Footprints) -> list[tuple[int, int]]:
    """Actors that touch at some time, (lower, higher row), rising."""
    count = len(prints.at)
    reach = np.sqrt((prints.half * prints.half).sum(axis=1))
    found = []
    for i in range(count):
        d = prints.at[i + 1 :] - prints.at[i]
        apart = d[..., 0] * d[..., 0] + d[..., 1] * d[..., 1]
        limit = reach[i] + reach[i + 1 :]
        near = (apart < (limit * limit)[:, None]).any(axis=1).nonzero()[0]
        for j in (near + i + 1).tolist():
            hit = overlap(
                prints.at[i], prints.heading[i], prints.half[i],
                prints.at[j], prints.heading[j], prints.half[j],
            )  # fmt: skip
            if bool(hit.any()):
                found.append((i, j))
    return found


def overlap(
    at: np.ndarray, heading: np.ndarray, half: np.ndarray,
    other_at: np.ndarray, other_heading: np.ndarray, other_half: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Whether two rectangles overlap at each time, by separating axes."""
    d = other_at - at
    cos = np.abs(heading[:, 0] * other_heading[:, 0] + heading[:, 1] * other_heading[:, 1])
    sin = np.abs(heading[:, 0] * other_heading[:, 1] - heading[:, 1] * other_heading[:, 0])
    result = np.ones(len(d), bool)
    for h, mine, theirs in ((heading, half, other_half), (other_heading, other_half, half)):
        along = np.abs(d[:, 0] * h[:, 0] + d[:, 1] * h[:, 1])
        across = np.abs(d[:, 1] * h[:, 0] - d[:, 0] * h[:, 1])
        result &= along < mine[0] + theirs[0] * cos + theirs[1] * sin
        result &= across < mine[1] + theirs[0] * sin + theirs[1] * cos
    return result

"""No two solids share space: oriented boxes with the heights that they fill."""

import numpy as np
import shapely
from jaxtyping import Float

from roadloom.town.audit_movers import Movers
from roadloom.town.plan.things_site import ground_rect
from roadloom.town.world import World

EVERY_STEPS = 25
FAR_M = 10_000.0
"""Footprints of different times are laid this far apart, so that one tree holds them all."""
GRAZING_M2 = 1e-4
ARM_M = 1.6
"""Arms of lights take the highest so many metres of theirs."""


class Solids:
    """Footprints and heights of everything that stands."""

    def __init__(self, world: World) -> None:
        corners: list[np.ndarray] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.names: list[str] = []
        self.owners: list[int] = []
        base = np.asarray(world.town_from_standing.translation)[:, 2]
        for row, thing in enumerate(world.plan.things):
            ground = ground_rect(thing)
            if ground is None:
                continue
            top = base[row] + thing.size[2] / 1000
            self._add(row, f"{thing.kind} {row}", base[row], top)
            corners.append(np.array(ground.corners()) / 1000)
            if thing.kind == "traffic_light" and thing.size[1] > 1000:
                self._add(row, f"arm of traffic_light {row}", top - ARM_M, top)
                h = np.array(thing.heading, np.float64) / np.linalg.norm(thing.heading)
                half = np.array(thing.size[:2], np.float64) / 2000
                corners.append(_corners(np.array(thing.at) / 1000, h, half))
        self.rings = shapely.polygons(np.array(corners).reshape(-1, 4, 2))

    def _add(self, row: int, name: str, low: float, high: float) -> None:
        self.low.append(float(low))
        self.high.append(float(high))
        self.names.append(name)
        self.owners.append(row)


def _corners(
    at: Float[np.ndarray, "*any 2"],
    heading: Float[np.ndarray, "*any 2"],
    half: Float[np.ndarray, "*any 2"],
) -> Float[np.ndarray, "*any 4 2"]:
    side = np.stack([-heading[..., 1], heading[..., 0]], axis=-1)
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return np.stack(
        [at + a * half[..., :1] * heading + b * half[..., 1:] * side for a, b in signs], axis=-2
    )


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(shapely.area(shapely.intersection(a, b)))


def overlaps(movers: Movers) -> list[str]:
    """Pairs that share space at any quarter of a second; each pair once."""
    world = movers.world
    solids = Solids(world)
    low, high = np.array(solids.low), np.array(solids.high)
    tree = shapely.STRtree(solids.rings)
    found: list[str] = []

    first, second = tree.query(solids.rings, predicate="intersects")
    once = (first < second) & (low[first] < high[second]) & (low[second] < high[first])
    once &= np.array(solids.owners)[first] != np.array(solids.owners)[second]
    first, second = first[once], second[once]
    area = _shared(solids.rings[first], solids.rings[second])
    for i, j in zip(first[area > GRAZING_M2], second[area > GRAZING_M2], strict=True):
        x, y = shapely.get_coordinates(shapely.centroid(solids.rings[i]))[0]
        found.append(f"{solids.names[i]} and {solids.names[j]} overlap near ({x:.1f}, {y:.1f})")

    at = movers.middle[:, ::EVERY_STEPS]
    count, times = at.shape[:2]
    half = np.broadcast_to(movers.half[:, None, :2], (count, times, 2))
    corners = _corners(at[..., :2], movers.heading[:, ::EVERY_STEPS], half)
    floor, roof = at[..., 2].ravel(), (at[..., 2] + movers.half[:, None, 2]).ravel()
    rings = shapely.polygons(corners.reshape(-1, 4, 2))
    mover, thing = tree.query(rings, predicate="intersects")
    real = (floor[mover] < high[thing]) & (low[thing] < roof[mover])
    mover, thing = mover[real], thing[real]
    hit = _shared(rings[mover], solids.rings[thing]) > GRAZING_M2
    seen: set[tuple[int, int]] = set()
    for m, t in zip(mover[hit].tolist(), thing[hit].tolist(), strict=True):
        pair = m // times, t
        if pair not in seen:
            seen.add(pair)
            where = movers.at(pair[0], m % times * EVERY_STEPS)
            found.append(f"{movers.name(pair[0])} and {solids.names[t]} overlap {where}")
    return found + _among(movers, corners, floor, roof)


def _among(
    movers: Movers,
    corners: Float[np.ndarray, "mover time 4 2"],
    floor: Float[np.ndarray, " each"],
    roof: Float[np.ndarray, " each"],
) -> list[str]:
    """Movers that share space with one another."""
    times = corners.shape[1]
    apart = np.arange(times)[None, :, None, None] * np.array([FAR_M, 0.0])
    rings = shapely.polygons((corners + apart).reshape(-1, 4, 2))
    a, b = shapely.STRtree(rings).query(rings, predicate="intersects")
    once = (a < b) & (floor[a] < roof[b]) & (floor[b] < roof[a])
    a, b = a[once], b[once]
    hit = _shared(rings[a], rings[b]) > GRAZING_M2
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for i, j in zip(a[hit].tolist(), b[hit].tolist(), strict=True):
        pair = i // times, j // times
        if pair not in seen:
            seen.add(pair)
            where = movers.at(pair[0], i % times * EVERY_STEPS)
            found.append(f"{movers.name(pair[0])} and {movers.name(pair[1])} overlap {where}")
    return found

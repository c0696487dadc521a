"""The road net as drivers see it: lanes' lengths, what blocks them, where their ways overlap."""

from dataclasses import dataclass
from math import floor, sqrt

import numpy as np

from roadloom.town.plan.things_site import ground_rect
from roadloom.town.plan.types import Line, PlanLane, RoadNet, Thing

LENGTHS_M = {"bike": 2.0, "car": 5.0, "truck": 9.0, "bus": 12.5}
WIDTHS_M = {"bike": 0.75, "car": 2.0, "truck": 2.6, "bus": 2.9}
REAR_SHARE, FRONT_SHARE = 0.2, 0.8
"""Of a vehicle's length behind and ahead of its rear axle."""
BEFORE_M, AFTER_M = 6.0, 4.0
"""Ways through a junction are compared with this much of what comes before and after."""
MARGIN_M = 0.25
BLOCK_MARGIN_MM = 1_250
CELL_MM = 8_000
EDGE_MM = 385_000


@dataclass(frozen=True)
class Zone:
    """Where the way over one lane overlaps that over another: distances [m] of the rear axle
    along either lane, from its start (below 0: before it)."""

    first: float
    last: float
    other_first: float
    other_last: float


class Net:
    """``RoadNet`` with what the simulation asks again and again."""

    def __init__(self, roads: RoadNet, things: tuple[Thing, ...]) -> None:
        self.roads = roads
        self.lanes = roads.lanes
        self.length = [line_length(lane.centre) for lane in roads.lanes]
        self.blocked = _blocked(roads.lanes, things)
        self.crossings: list[list[tuple[float, float, int]]] = [[] for _ in roads.lanes]
        """Per lane: (from, to, crossing)."""
        for index, crossing in enumerate(roads.crossings):
            for lane, low, high in crossing.lanes:
                self.crossings[lane].append((low / 1000, high / 1000, index))
        for spans in self.crossings:
            spans.sort()
        self.siblings: list[list[int]] = [self._siblings(lane) for lane in roads.lanes]
        self._zones: dict[tuple[int, str, int, str], Zone | None] = {}
        self._discs: dict[tuple[int, str], np.ndarray] = {}

    def _siblings(self, lane: PlanLane) -> list[int]:
        """Lanes that begin where this one does."""
        found = {s for p in lane.predecessors for s in self.lanes[p].successors}
        return sorted(found - {lane.id})

    def dead_end(self, lane: int) -> bool:
        """Whether traffic ends there although the plan goes on."""
        x, y = self.lanes[lane].centre[-1]
        return not self.lanes[lane].successors and max(abs(x), abs(y)) < EDGE_MM

    def zone(self, lane: int, size: str, other: int, other_size: str) -> Zone | None:
        """Where a vehicle of a size class on one lane may touch one on another; None: nowhere."""
        key = lane, size, other, other_size
        if key not in self._zones:
            self._zones[key] = self._find_zone(*key)
        return self._zones[key]

    def _find_zone(self, lane: int, size: str, other: int, other_size: str) -> Zone | None:
        a, b = self._covered(lane, size), self._covered(other, other_size)
        reach = _radius(size) + _radius(other_size) + MARGIN_M
        dx = a[:, None, :, None, 0] - b[None, :, None, :, 0]
        dy = a[:, None, :, None, 1] - b[None, :, None, :, 1]
        near = (dx * dx + dy * dy < reach * reach).any(axis=(2, 3))
        if not near.any():
            return None
        mine, theirs = near.any(axis=1).nonzero()[0], near.any(axis=0).nonzero()[0]
        return Zone(
            float(mine[0]) - BEFORE_M - 0.5, float(mine[-1]) - BEFORE_M + 0.5,
            float(theirs[0]) - BEFORE_M - 0.5, float(theirs[-1]) - BEFORE_M + 0.5,
        )  # fmt: skip

    def _covered(self, lane: int, size: str) -> np.ndarray:
        """Discs that cover a vehicle at each metre of its way over a lane, [metre disc 2]."""
        key = lane, size
        if key not in self._discs:
            places = _every_metre(self.lanes[lane].centre)
            count = _discs(size)
            offsets = (np.arange(count) + 0.5) / count - REAR_SHARE
            ahead = offsets * LENGTHS_M[size]
            self._discs[key] = places[:, None, :2] + ahead[None, :, None] * places[:, None, 2:]
        return self._discs[key]


def _discs(size: str) -> int:
    return floor(LENGTHS_M[size] / 1.3) + 1


def _radius(size: str) -> float:
    piece = LENGTHS_M[size] / _discs(size)
    return sqrt(piece * piece + WIDTHS_M[size] * WIDTHS_M[size]) / 2


def line_length(line: Line) -> float:
    total = 0.0
    for (ax, ay), (bx, by) in zip(line, line[1:], strict=False):
        total += sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
    return total / 1000


def _every_metre(line: Line) -> np.ndarray:
    """x, y and unit heading along a lane, prolonged straight at both ends."""
    vertices = np.array(line, np.float64) / 1000
    chord = vertices[1:] - vertices[:-1]
    length = np.sqrt(chord[:, 0] * chord[:, 0] + chord[:, 1] * chord[:, 1])
    unit = chord / length[:, None]
    starts = [0.0]
    for step in length.tolist():
        starts.append(starts[-1] + step)
    along = np.arange(int(starts[-1] + BEFORE_M + AFTER_M) + 2) - BEFORE_M
    piece = np.searchsorted(np.array(starts[1:-1]), along, side="right")
    past = along - np.array(starts)[piece]
    at = vertices[piece] + past[:, None] * unit[piece]
    # Headings turn smoothly from the middle of one chord to that of the next.
    other = np.clip(np.where(2 * past > length[piece], piece + 1, piece - 1), 0, len(unit) - 1)
    share = np.clip(np.abs(past / length[piece] - 0.5), 0.0, 0.5)
    heading = unit[piece] * (1 - share)[:, None] + unit[other] * share[:, None]
    norm = np.sqrt(heading[:, 0] * heading[:, 0] + heading[:, 1] * heading[:, 1])
    return np.concatenate([at, heading / norm[:, None]], axis=1)


def _blocked(lanes: tuple[PlanLane, ...], things: tuple[Thing, ...]) -> frozenset[int]:
    """Lanes on whose way something stands."""
    cells: dict[tuple[int, int], list[tuple[float, float, int]]] = {}
    for lane in lanes:
        for x, y, _, _ in (_every_metre(lane.centre) * 1000)[int(BEFORE_M) :].tolist():
            cell = floor(x / CELL_MM), floor(y / CELL_MM)
            cells.setdefault(cell, []).append((x, y, lane.id))
    found = set()
    for thing in things:
        ground = ground_rect(thing)
        if ground is None or ground.radius > 3 * CELL_MM:
            continue
        (x, y), (hx, hy) = (ground.x, ground.y), (ground.ux, ground.uy)
        half = ground.half_length + BLOCK_MARGIN_MM, ground.half_width + BLOCK_MARGIN_MM
        reach = ground.radius + BLOCK_MARGIN_MM
        for i in range(floor((x - reach) / CELL_MM), floor((x + reach) / CELL_MM) + 1):
            for j in range(floor((y - reach) / CELL_MM), floor((y + reach) / CELL_MM) + 1):
                for px, py, lane_id in cells.get((i, j), ()):
                    along = (px - x) * hx + (py - y) * hy
                    across = (py - y) * hx - (px - x) * hy
                    if abs(along) < half[0] and abs(across) < half[1]:
                        found.add(lane_id)
    return frozenset(found)

"""What lies along the road as oriented rectangles: paint, lanes (for tyre tracks) and kerbs.

plan's Paint, lane centres, kerb faces -> rows of rectangles -> lists of rows per square cell
"""

import math
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from roadloom.town.camera.filters import band
from roadloom.town.mesh import materials
from roadloom.town.world import World

WHITE, YELLOW, LANE, KERB = 0.0, 1.0, 2.0, 3.0
CELL_M = 4.0
GUTTER_M = 0.8
"""Kerbs are listed as rectangles reaching this far to either side."""


class GroundGrid(NamedTuple):
    rectangles: Float[np.ndarray, "rectangle 7"]
    """Middle x, y; unit direction x, y; half length; half width; WHITE, YELLOW, LANE or KERB."""
    start: Int64[np.ndarray, " cell_plus_1"]
    member: Int64[np.ndarray, " entry"]
    low: Float[np.ndarray, "2"]
    shape: Int64[np.ndarray, "2"]


def ground_grid(world: World) -> GroundGrid:
    rows = [_paint(world), _lanes(world), _kerbs(world)]
    return grid_of(np.concatenate(rows))


def paint_grid(world: World) -> GroundGrid:
    """Of the paint alone, for those that ask what lies on it and no more."""
    return grid_of(_paint(world))


def grid_of(rectangles: Float[np.ndarray, "rectangle 7"]) -> GroundGrid:
    """Lists, for each cell of CELL_M, the rectangles that reach into it or near it."""
    if not len(rectangles):
        return GroundGrid(rectangles, np.zeros(2, np.int64), np.zeros(0, np.int64),
                          np.zeros(2), np.ones(2, np.int64))  # fmt: skip
    middle, along = rectangles[:, :2], rectangles[:, 2:4] * rectangles[:, 4:5]
    reach = np.abs(along).max(axis=0) + rectangles[:, 5].max() + CELL_M
    low = np.floor((middle - np.abs(along)).min(axis=0) - rectangles[:, 5].max() - CELL_M)
    high = (middle + np.abs(along)).max(axis=0) + rectangles[:, 5].max() + CELL_M
    shape = np.maximum(np.ceil((high - low) / CELL_M).astype(np.int64), 1)
    assert np.isfinite(reach).all()
    counts = np.zeros(int(shape[0] * shape[1]), np.int64)
    _list(rectangles, low, shape, np.zeros(0, np.int64), counts, np.zeros(0, np.int64))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    member = np.empty(start[-1], np.int64)
    _list(rectangles, low, shape, start, np.zeros_like(counts), member)
    return GroundGrid(rectangles, start, member, low, shape)


@njit(cache=True, nogil=True)
@no_type_check
def _list(rectangles, low, shape, start, counts, member):
    """Count the rectangles near each cell; once ``start`` is known list them too."""
    slack = CELL_M * 0.71
    for row in range(len(rectangles)):
        cx, cy, ux, uy = (
            rectangles[row, 0],
            rectangles[row, 1],
            rectangles[row, 2],
            rectangles[row, 3],
        )
        half, wide = rectangles[row, 4], rectangles[row, 5]
        ex, ey = abs(ux) * half + abs(uy) * wide, abs(uy) * half + abs(ux) * wide
        for i in range(
            int(math.floor((cx - ex - low[0]) / CELL_M)),
            int(math.floor((cx + ex - low[0]) / CELL_M)) + 1,
        ):
            for j in range(
                int(math.floor((cy - ey - low[1]) / CELL_M)),
                int(math.floor((cy + ey - low[1]) / CELL_M)) + 1,
            ):
                x, y = low[0] + (i + 0.5) * CELL_M - cx, low[1] + (j + 0.5) * CELL_M - cy
                if abs(ux * x + uy * y) > half + slack or abs(ux * y - uy * x) > wide + slack:
                    continue
                cell = i * shape[1] + j
                if len(start):
                    member[start[cell] + counts[cell]] = row
                counts[cell] += 1


def _paint(world: World) -> Float[np.ndarray, "rectangle 7"]:
    paint = world.plan.roads.paint
    at = np.array([p.at for p in paint], np.float64).reshape(-1, 2) / 1000
    half = np.array([p.half for p in paint], np.float64).reshape(-1, 2) / 1000
    length = np.sqrt((half**2).sum(axis=1))
    wide = np.array([p.half_width for p in paint], np.float64) / 1000
    colour = np.array([YELLOW if p.colour == "yellow" else WHITE for p in paint])
    unit = half / np.maximum(length, 1e-9)[:, None]
    return np.column_stack([at, unit, length, wide, colour]).reshape(-1, 7)


def _lanes(world: World) -> Float[np.ndarray, "rectangle 7"]:
    rows = []
    for lane in world.plan.roads.lanes:
        if lane.kind == "vehicle":
            rows.append(_along(np.array(lane.centre, np.float64) / 1000, lane.width / 2000, LANE))
    return np.concatenate(rows) if rows else np.zeros((0, 7))


def _along(line: Float[np.ndarray, "vertex 2"], wide: float, kind: float) -> np.ndarray:
    step = np.diff(line, axis=0)
    length = np.sqrt((step**2).sum(axis=1))
    keep = length > 1e-6
    step, length = step[keep], length[keep]
    middle = line[:-1][keep] + step / 2
    full = np.full(len(step), wide)
    return np.column_stack(
        [middle, step / length[:, None], length / 2, full, np.full(len(step), kind)]
    )


def _kerbs(world: World) -> Float[np.ndarray, "rectangle 7"]:
    """One row for each lower edge of a kerb's face."""
    mesh = world.standing_mesh
    corners = mesh.corners[mesh.material == materials.KERB]
    if not len(corners):
        return np.zeros((0, 7))
    order = np.argsort(corners[:, :, 2], axis=1, kind="stable")
    a = np.take_along_axis(corners, order[:, :1, None], axis=1)[:, 0]
    b = np.take_along_axis(corners, order[:, 1:2, None], axis=1)[:, 0]
    c = np.take_along_axis(corners, order[:, 2:, None], axis=1)[:, 0]
    step = b[:, :2] - a[:, :2]
    length = np.sqrt((step**2).sum(axis=1))
    # The triangle that stands on its edge, not the one that hangs from the top.
    keep = (length > 0.02) & (np.abs(b[:, 2] - a[:, 2]) < 0.3 * (c[:, 2] - a[:, 2]))
    a, b, step, length = a[keep], b[keep], step[keep], length[keep]
    middle = (a[:, :2] + b[:, :2]) / 2
    wide = np.full(len(middle), GUTTER_M)
    kind = np.full(len(middle), KERB)
    return np.column_stack([middle, step / length[:, None], length / 2, wide, kind])


def on_paint(
    grid: GroundGrid, x: Float[np.ndarray, " place"], y: Float[np.ndarray, " place"]
) -> Bool[np.ndarray, " place"]:
    """Whether places of the plan lie on a rectangle of paint."""
    found = np.zeros(len(x), np.uint8)
    _on_paint(grid, x, y, found)
    return found.astype(bool)


@njit(cache=True, nogil=True)
@no_type_check
def cell_of(grid, x, y):
    """Number of the cell of a place, -1 outside."""
    i = int(math.floor((x - grid.low[0]) / CELL_M))
    j = int(math.floor((y - grid.low[1]) / CELL_M))
    if i < 0 or j < 0 or i >= grid.shape[0] or j >= grid.shape[1]:
        return -1
    cell = i * grid.shape[1] + j
    return cell if cell + 1 < len(grid.start) else -1


@njit(cache=True, nogil=True)
@no_type_check
def _on_paint(grid, x, y, found):
    for k in range(len(x)):
        cell = cell_of(grid, x[k], y[k])
        if cell < 0:
            continue
        for m in range(grid.start[cell], grid.start[cell + 1]):
            row = grid.rectangles[grid.member[m]]
            if row[6] > YELLOW:
                continue
            dx, dy = x[k] - row[0], y[k] - row[1]
            along, across = row[2] * dx + row[3] * dy, row[2] * dy - row[3] * dx
            if abs(along) <= row[4] and abs(across) <= row[5]:
                found[k] = 1
                break


@njit(cache=True, nogil=True)
@no_type_check
def ground_at(grid, x, y, ax, ay, bx, by):
    """What a footprint covers: share of white and of yellow paint, distance to the middle of the
    nearest lane (99: none), its half width, place along it, and distance to the nearest kerb.

    The footprint is the parallelogram of the vectors a and b [m]; for each rectangle it is
    replaced by the box around it along the rectangle's own axes, whose average is exact.
    """
    white, yellow, aside, half, along_lane, kerb = 0.0, 0.0, 99.0, 1.6, 0.0, 99.0
    cell = cell_of(grid, x, y)
    if cell < 0:
        return white, yellow, aside, half, along_lane, kerb
    for m in range(grid.start[cell], grid.start[cell + 1]):
        row = grid.rectangles[grid.member[m]]
        dx, dy = x - row[0], y - row[1]
        ux, uy = row[2], row[3]
        along, across = ux * dx + uy * dy, ux * dy - uy * dx
        if row[6] <= YELLOW:
            wa = abs(ux * ax + uy * ay) + abs(ux * bx + uy * by)
            wc = abs(ux * ay - uy * ax) + abs(ux * by - uy * bx)
            share = band(along, -row[4], row[4], wa) * band(across, -row[5], row[5], wc)
            if row[6] == WHITE:
                white += share
            else:
                yellow += share
        elif abs(along) <= row[4] + 0.05:
            if row[6] == LANE:
                if abs(across) < abs(aside):
                    aside, half, along_lane = across, row[5], along
            else:
                kerb = min(kerb, abs(across))
    return min(1.0, white), min(1.0, yellow), aside, half, along_lane, kerb

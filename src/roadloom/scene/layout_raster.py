"""Scan conversion onto the x and y cells of a grid: areas, thick lines, footprints, masks.

    world vertices -> to_ego -> [n 2] in the ego frame -> fill / draw into bool [X Y]

A cell is judged at its centre, in float64 and in metres. An area holds a centre that lies on
its boundary if the area is on the +x side of that edge (on the +y side where the edge runs
along x), so that areas which share an edge share no cell and leave none out.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.map_raster import MapRaster
from roadloom.scene.road_map import Polygon


class FlatGrid:
    """The x and y cells of a ``VoxelGrid``, by the coordinates of their centres."""

    def __init__(self, grid: VoxelGrid) -> None:
        self.grid = grid
        self.x = grid.lower_m[0] + (np.arange(grid.shape[0]) + 0.5) * grid.cell_m[0]
        self.y = grid.lower_m[1] + (np.arange(grid.shape[1]) + 0.5) * grid.cell_m[1]
        self.lower = np.array([self.x[0], self.y[0]])
        self.upper = np.array([self.x[-1], self.y[-1]])
        self.half_diagonal = 0.5 * float(np.hypot(*grid.cell_m[:2]))

    def empty(self) -> Bool[np.ndarray, "x y"]:
        return np.zeros(self.grid.shape[:2], bool)

    def centers(self) -> Float[np.ndarray, "x y 2"]:
        return np.stack(np.meshgrid(self.x, self.y, indexing="ij"), axis=-1)

    def misses(self, low: np.ndarray, high: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Whether boxes ``low`` to ``high`` [n 2] stay clear of every centre by ``margin``."""
        return np.any((high < self.lower - margin) | (low > self.upper + margin), axis=-1)


def to_ego(
    points: Float[np.ndarray, "point 3"], world_from_ego: Pose
) -> Float[np.ndarray, "point 2"]:
    """Ego x and y [m] of world points; one of unknown height (NaN) lies on the ego's plane z = 0.

    Raises:
        ValueError: the ego stands on its side or upside down, so that plane is no ground.
    """
    rotation = world_from_ego.rotation
    if not rotation[2, 2] > 0.1:  # NaN too
        raise ValueError(f"the ego's z axis does not point up: {rotation[:, 2].tolist()}")
    # World coordinates may be 5,000 km; the difference comes before every product.
    offset = points - world_from_ego.translation
    level = -(offset[:, :2] @ rotation[:2, 2]) / rotation[2, 2]
    offset[:, 2] = np.where(np.isnan(offset[:, 2]), level, offset[:, 2])
    return (offset @ rotation)[:, :2]


def fill_rings(
    mask: Bool[np.ndarray, "x y"], rings: Sequence[Float[np.ndarray, "_ 2"]], grid: FlatGrid
) -> None:
    """Set the cells whose centre is inside the first ring and outside all others.

    A ring that crosses itself is filled by the even-odd rule.
    """
    inside = _even_odd(rings[0], grid)
    if inside is None:
        return
    (i0, i1, j0, j1), area = inside
    for hole in rings[1:]:
        found = _even_odd(hole, grid)
        if found is not None:
            (hi0, hi1, hj0, hj1), cut = found
            whole = np.zeros(mask.shape, bool)
            whole[hi0:hi1, hj0:hj1] = cut
            area = area & ~whole[i0:i1, j0:j1]
    mask[i0:i1, j0:j1] |= area


def _even_odd(
    ring: np.ndarray, grid: FlatGrid
) -> tuple[tuple[int, int, int, int], np.ndarray] | None:
    """The window of cells that a ring may hold, and which of them it holds; None for none."""
    i0, i1 = np.searchsorted(grid.x, [ring[:, 0].min(), ring[:, 0].max()])
    j0, j1 = np.searchsorted(grid.y, [ring[:, 1].min(), ring[:, 1].max()])
    if i0 == i1 or j0 == j1:
        return None
    start, end = ring, np.roll(ring, -1, axis=0)
    # One direction for every edge: a neighbour that runs it the other way finds the same cells.
    swap = start[:, 0] > end[:, 0]
    start, end = np.where(swap[:, None], end, start), np.where(swap[:, None], start, end)
    first, last = np.searchsorted(grid.x, start[:, 0]), np.searchsorted(grid.x, end[:, 0])
    crossed = last - first  # columns of cells whose centre line the edge crosses
    edge = np.repeat(np.arange(len(ring)), crossed)
    column = np.arange(len(edge)) - np.repeat(np.cumsum(crossed) - crossed, crossed) + first[edge]
    (x0, y0), (x1, y1) = start[edge].T, end[edge].T
    y = y0 + (grid.x[column] - x0) * ((y1 - y0) / (x1 - x0))
    row = np.clip(np.searchsorted(grid.y, y), j0, j1)
    height = j1 - j0 + 1
    flips = np.bincount((column - i0) * height + (row - j0), minlength=(i1 - i0) * height)
    parity = np.cumsum(flips.reshape(i1 - i0, height), axis=1)[:, :-1] & 1
    return (int(i0), int(i1), int(j0), int(j1)), parity.astype(bool)


def draw_lines(
    mask: Bool[np.ndarray, "x y"],
    lines: Iterable[Float[np.ndarray, "_ 2"]],
    half_width: float,
    grid: FlatGrid,
) -> None:
    """Set the cells whose centre is at most ``half_width`` [m] from one of the lines."""
    for line in lines:
        start, end = line[:-1], line[1:]
        low, high = np.minimum(start, end), np.maximum(start, end)
        for k in np.flatnonzero(~grid.misses(low, high, half_width)):
            i0, j0 = _window(grid, low[k] - half_width, "left")
            i1, j1 = _window(grid, high[k] + half_width, "right")
            x, y = grid.x[i0:i1, None] - start[k, 0], grid.y[None, j0:j1] - start[k, 1]
            along = end[k] - start[k]
            length = float(along @ along)
            share = np.clip((x * along[0] + y * along[1]) / length, 0, 1) if length else 0.0
            distance = np.hypot(x - share * along[0], y - share * along[1])
            mask[i0:i1, j0:j1] |= distance <= half_width


def _window(grid: FlatGrid, corner: np.ndarray, side: str) -> tuple[int, int]:
    return (
        int(np.searchsorted(grid.x, corner[0], side)),  # type: ignore[call-overload]
        int(np.searchsorted(grid.y, corner[1], side)),  # type: ignore[call-overload]
    )


def fill_polygons(
    mask: Bool[np.ndarray, "x y"],
    polygons: Sequence[Polygon],
    world_from_ego: Pose,
    grid: FlatGrid,
) -> None:
    """Set the cells that some polygon of the world frame holds."""
    if not polygons:
        return
    rings = [ring for p in polygons for ring in (p.exterior, *p.holes)]
    starts = np.cumsum([0, *(len(ring) for ring in rings)])
    xy = to_ego(np.concatenate(rings), world_from_ego)
    low = np.minimum.reduceat(xy, starts[:-1])
    high = np.maximum.reduceat(xy, starts[:-1])
    first = np.cumsum([0, *(1 + len(p.holes) for p in polygons)])
    for k in np.flatnonzero(~grid.misses(low, high)[first[:-1]]):
        parts = range(first[k], first[k + 1])
        fill_rings(mask, [xy[starts[r] : starts[r + 1]] for r in parts], grid)


def draw_world_lines(
    mask: Bool[np.ndarray, "x y"],
    lines: Sequence[Float[np.ndarray, "_ 3"]],
    half_width: float,
    world_from_ego: Pose,
    grid: FlatGrid,
) -> None:
    """Set the cells near some line of the world frame."""
    if not lines:
        return
    starts = np.cumsum([0, *(len(line) for line in lines)])
    xy = to_ego(np.concatenate(lines), world_from_ego)
    low = np.minimum.reduceat(xy, starts[:-1])
    high = np.maximum.reduceat(xy, starts[:-1])
    near = np.flatnonzero(~grid.misses(low, high, half_width))
    draw_lines(mask, (xy[starts[k] : starts[k + 1]] for k in near), half_width, grid)


def fill_raster(
    mask: Bool[np.ndarray, "x y"], raster: MapRaster, world_from_ego: Pose, grid: FlatGrid
) -> None:
    """Set the cells whose centre, on the ego's plane z = 0, lies in the layer's mask."""
    xy = grid.centers().reshape(-1, 2)
    world = world_from_ego.apply(np.concatenate([xy, np.zeros((len(xy), 1))], axis=1))
    mask |= raster.contains(world[:, :2]).reshape(mask.shape)


def fill_footprint(
    mask: Bool[np.ndarray, "x y"], corners: Float[np.ndarray, "4 2"], grid: FlatGrid
) -> None:
    """Set the cells of a box's bottom face, and always the cell that holds its middle.

    Without the latter a cone or a person between two centres would leave no trace.
    """
    fill_rings(mask, [corners], grid)
    middle = corners.mean(axis=0)
    cell, inside = grid.grid.cell_of(np.array([*middle, grid.grid.lower_m[2]]))
    if inside:
        mask[cell[0], cell[1]] = True

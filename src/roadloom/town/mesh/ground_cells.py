"""Areas of the plan cut along a square lattice, fine near the ego's way and coarse elsewhere.

    areas -> edges split at lattice lines (each once, for both sides) -> pieces -> rings that hold
    every vertex that a neighbour has on the same line

All vertices lie on a grid of QUANTUM, so vertices that belong together are equal to the bit.
Where a ring crosses a lattice line it has got a vertex beforehand; cutting then makes none but
the lattice's own corners.
"""

from typing import NamedTuple

import numpy as np
import shapely
from jaxtyping import Bool, Float, Int64

from roadloom.town.plan.types import EXTENT_MM, Area

QUANTUM = 2.0**-14
"""[m]."""
CELL = 4.0
"""Side of the finest cells [m]."""
BLOCK = 32.0
"""Side of the coarsest cells [m], and of the blocks that are cut more finely near the ego."""
FIRST = -402.640625
"""Where the first lattice line runs [m]: no vertex in whole millimetres lies on any line."""
BLOCKS = 26
LEVELS = ((60.0, 4.0), (150.0, 8.0))
"""Blocks nearer to the ego's way than this get cells of this side."""


class Pieces(NamedTuple):
    """Simple polygons, counter-clockwise; ring i is ``points[begin[i]:begin[i + 1]]``."""

    points: Float[np.ndarray, "point 2"]
    begin: Int64[np.ndarray, " edge"]
    area: Int64[np.ndarray, " piece"]
    """Row of the plan's areas."""


class Edges(NamedTuple):
    """Directed edges of all rings after splitting, in the order of the rings."""

    start: Float[np.ndarray, "edge 2"]
    end: Float[np.ndarray, "edge 2"]
    area: Int64[np.ndarray, " edge"]


def cell_sides(path_m: Float[np.ndarray, "place 2"]) -> Float[np.ndarray, "column row"]:
    """Side of each block's cells, by the block's distance from any place of a way."""
    low = FIRST + BLOCK * np.arange(BLOCKS)
    out = np.maximum(np.maximum(low - path_m[..., None], path_m[..., None] - low - BLOCK), 0)
    apart = (out[:, 0, :, None] ** 2 + out[:, 1, None, :] ** 2).min(axis=0)
    sides = np.full((BLOCKS, BLOCKS), BLOCK)
    for reach, side in reversed(LEVELS):
        sides[apart < reach**2] = side
    return sides


def split_edges(areas: tuple[Area, ...], sides: Float[np.ndarray, "column row"]) -> Edges:
    """Rings with a vertex wherever they cross a line of the lattice."""
    rings = [np.array(ring, np.float64) for a in areas for ring in (a.ring, *a.holes)]
    owner = np.repeat(np.arange(len(areas)), [1 + len(a.holes) for a in areas])
    sizes = np.array([len(ring) for ring in rings])
    start = _quantised(np.concatenate(rings) / 1000)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    edges = Edges(start, _quantised(end / 1000), np.repeat(owner, sizes))
    edges = _split(edges, BLOCK, np.ones(len(start), bool))
    for _, side in reversed(LEVELS):
        column, row = _block_of((edges.start + edges.end) / 2).T
        edges = _split(edges, side, sides[column, row] <= side)
    return edges


def _quantised(value: np.ndarray) -> np.ndarray:
    return np.rint(value / QUANTUM) * QUANTUM


def _block_of(points: Float[np.ndarray, "point 2"]) -> Int64[np.ndarray, "point 2"]:
    return np.floor((points - FIRST) / BLOCK).astype(np.int64)


def _split(edges: Edges, step: float, which: Bool[np.ndarray, " edge"]) -> Edges:
    """Cut some edges at the lines of a lattice; both directions give the same vertices."""
    flip = (edges.start[:, 0] > edges.end[:, 0]) | (
        (edges.start[:, 0] == edges.end[:, 0]) & (edges.start[:, 1] > edges.end[:, 1])
    )
    a = np.where(flip[:, None], edges.end, edges.start)
    b = np.where(flip[:, None], edges.start, edges.end)
    of, share, points = [np.arange(len(a))], [np.zeros(len(a))], [a]
    for axis in (0, 1):
        low, high = np.minimum(a, b)[:, axis], np.maximum(a, b)[:, axis]
        first = np.ceil((low - FIRST) / step).astype(np.int64)
        count = np.where(which, np.maximum(np.ceil((high - FIRST) / step) - first, 0), 0)
        count = count.astype(np.int64)
        edge = np.repeat(np.arange(len(a)), count)
        nth = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        line = FIRST + step * (first[edge] + nth)
        t = (line - a[edge, axis]) / (b[edge, axis] - a[edge, axis])
        other = 1 - axis
        cross = np.empty((len(edge), 2))
        cross[:, axis] = line
        cross[:, other] = _quantised(a[edge, other] + t * (b[edge, other] - a[edge, other]))
        of.append(edge)
        share.append(t)
        points.append(cross)
    order_of, order_t, all_points = (np.concatenate(v) for v in (of, share, points))
    # Along each edge in its own direction.
    signed = np.where(flip[order_of], -order_t, order_t)
    begins = order_t == 0
    begins[len(a) :] = False
    signed = np.where(begins, -2.0, signed)
    order = np.lexsort((signed, order_of))
    rows, points_in_order = order_of[order], all_points[order]
    points_in_order = np.where(begins[order][:, None], edges.start[rows], points_in_order)
    last = np.append(rows[1:] != rows[:-1], True)
    following = np.where(last[:, None], edges.end[rows], np.roll(points_in_order, -1, axis=0))
    keep = (points_in_order != following).any(axis=1)
    return Edges(points_in_order[keep], following[keep], edges.area[rows[keep]])


def cut_areas(
    areas: tuple[Area, ...], edges: Edges, sides: Float[np.ndarray, "column row"]
) -> Pieces:
    """Pieces of all areas, one cell each, with all the vertices of their neighbours."""
    whole = _polygons(areas, edges)
    place = np.argwhere(np.ones((BLOCKS, BLOCKS), bool))
    parts, area, box = _cut(whole, _boxes(place, BLOCK))
    side = sides[place[box, 0], place[box, 1]]
    polygons, owner = [parts[side == BLOCK]], [area[side == BLOCK]]
    for _, fine in LEVELS:
        some = side == fine
        small, part, _ = _cut(parts[some], _boxes(_cells_of(sides == fine, fine), fine))
        polygons.append(small)
        owner.append(area[some][part])
    coordinates, ring = shapely.get_coordinates(
        shapely.get_exterior_ring(shapely.orient_polygons(np.concatenate(polygons))),
        return_index=True,
    )
    # Rings come closed: drop each one's last vertex.
    last = np.append(ring[1:] != ring[:-1], True)
    coordinates, ring = coordinates[~last], ring[~last]
    return _with_neighbours(coordinates, ring, np.concatenate(owner))


def _polygons(areas: tuple[Area, ...], edges: Edges) -> np.ndarray:
    """One polygon for each area, from the split rings."""
    ends = np.append((edges.start[1:] != edges.end[:-1]).any(axis=1), True)
    ring_of = np.concatenate([[0], np.cumsum(ends)[:-1]])
    rings = shapely.linearrings(edges.start, indices=ring_of)
    counts = [1 + len(a.holes) for a in areas]
    if max(counts) == 1:
        return shapely.polygons(rings)
    first = np.cumsum(counts) - counts
    return np.array(
        [
            shapely.Polygon(rings[i], list(rings[i + 1 : i + n]))
            for i, n in zip(first, counts, strict=True)
        ]
    )


def _boxes(place: Int64[np.ndarray, "box 2"], side: float) -> np.ndarray:
    low = FIRST + side * place
    return shapely.box(low[:, 0], low[:, 1], low[:, 0] + side, low[:, 1] + side)


def _cells_of(blocks: Bool[np.ndarray, "column row"], side: float) -> Int64[np.ndarray, "cell 2"]:
    count = round(BLOCK / side)
    inside = np.argwhere(np.ones((count, count), bool))
    return (np.argwhere(blocks)[:, None] * count + inside).reshape(-1, 2)


def _cut(polygons: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts of polygons in boxes, and the polygon and the box of each."""
    box, polygon = shapely.STRtree(polygons).query(boxes, predicate="intersects")
    shapely.prepare(polygons)
    cut = ~shapely.covers(polygons[polygon], boxes[box])
    pieces = boxes[box]
    pieces[cut] = shapely.intersection(polygons[polygon[cut]], boxes[box[cut]])
    parts, of = shapely.get_parts(pieces, return_index=True)
    solid = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (shapely.area(parts) > 0)
    return parts[solid], polygon[of[solid]], box[of[solid]]


def _with_neighbours(points: np.ndarray, ring: np.ndarray, owner: np.ndarray) -> Pieces:
    """Add the vertices that lie on the edges of others: only on the lattice's lines."""
    change = np.append(ring[1:] != ring[:-1], True)
    first = np.flatnonzero(np.append(True, change[:-1]))
    following = np.roll(points, -1, axis=0)
    following[change] = points[first]
    rows, shares, extra = [np.arange(len(points))], [np.zeros(len(points))], [points]
    for axis in (0, 1):
        other = 1 - axis
        on_line = (points[:, axis] - FIRST) % CELL == 0
        known = np.unique(_key(points[on_line, axis], points[on_line, other]))
        edge = np.flatnonzero(on_line & (following[:, axis] == points[:, axis]))
        a, b = points[edge, other], following[edge, other]
        line = points[edge, axis]
        low = np.searchsorted(known, _key(line, np.minimum(a, b)), side="right")
        high = np.searchsorted(known, _key(line, np.maximum(a, b)), side="left")
        count = np.maximum(high - low, 0)
        which = np.repeat(np.arange(len(edge)), count)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        value = _unkey(known[low[which] + nth])
        added = np.empty((len(which), 2))
        added[:, axis], added[:, other] = line[which], value
        rows.append(edge[which])
        shares.append((value - a[which]) / (b[which] - a[which]))
        extra.append(added)
    row, share, everything = (np.concatenate(v) for v in (rows, shares, extra))
    order = np.lexsort((share, row))
    in_order = ring[row[order]]
    begin = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    return Pieces(everything[order], np.append(begin, len(in_order)), owner)


def _key(line: np.ndarray, value: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Sorts by line, then by the place on it; exact."""
    return (np.rint(line / QUANTUM).astype(np.int64) << 26) + (
        np.rint(value / QUANTUM).astype(np.int64) + (1 << 24)
    )


def _unkey(key: Int64[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return ((key & ((1 << 26) - 1)) - (1 << 24)) * QUANTUM


assert BLOCKS * BLOCK + FIRST > EXTENT_MM / 1000

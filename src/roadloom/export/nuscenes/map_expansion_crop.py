"""The part of a clip's map that goes into its tile: cut, moved into the root's world, flat.

    RoadMap in the clip's world -> tile_map -> RoadMap in the root's world, heights unknown

What lies wholly inside keeps its vertices; what crosses the edge is cut there.
"""

import numpy as np
import shapely
from jaxtyping import Float

from roadloom.export.nuscenes.map_tiles import Tile
from roadloom.scene.road_map import Lane, Line, Polygon, RoadMap, with_height

AREAS = (
    "drivable_area",
    "road_segment",
    "road_block",
    "ped_crossing",
    "walkway",
    "stop_line",
    "carpark_area",
)
LINES = ("road_divider", "lane_divider")
DECIMALS = 6
"""Of coordinates in metres: vertices that two things share stay shared."""


def tile_map(road_map: RoadMap, tile: Tile) -> RoadMap:
    """The map within a tile, as the export writes it.

    Layers of other names than ``AREAS`` and ``LINES``, masks and ground heights stay behind. Of a
    lane that leaves the tile the longest piece is kept, and only neighbours that are kept too.
    Lanes inside intersections come last. A lane with neither an area nor two boundaries is left
    out, as the format cannot hold it.
    """
    cut = _Cut(tile)
    lanes = [kept for lane in road_map.lanes if (kept := cut.lane(lane)) is not None]
    names = {lane.id for lane in lanes}
    lanes.sort(key=lambda lane: lane.is_intersection)
    return RoadMap(
        name=tile.city,
        polygons={
            layer: tuple(part for area in road_map.polygons[layer] for part in cut.area(area))
            for layer in AREAS
            if layer in road_map.polygons
        },
        lines={
            layer: tuple(part for line in road_map.lines[layer] for part in cut.line(line))
            for layer in LINES
            if layer in road_map.lines
        },
        lanes=tuple(_among(lane, names) for lane in lanes),
    )


class _Cut:
    """Shift and window of one tile."""

    def __init__(self, tile: Tile) -> None:
        self.shift, self.low, self.high = tile.shift[:2], tile.low, tile.high
        self.window = shapely.box(*tile.low, *tile.high)

    def moved(self, points: Line) -> Float[np.ndarray, "vertex 2"]:
        return np.round(points[:, :2] + self.shift, DECIMALS)

    def area(self, polygon: Polygon) -> list[Polygon]:
        rings = [self.moved(ring) for ring in (polygon.exterior, *polygon.holes)]
        low, high = rings[0].min(axis=0), rings[0].max(axis=0)
        if (low > self.high).any() or (high < self.low).any():
            return []
        if (low >= self.low).all() and (high <= self.high).all():
            return [Polygon.make(rings[0], rings[1:])]
        whole = shapely.make_valid(shapely.Polygon(rings[0], rings[1:]))
        parts = shapely.get_parts(shapely.orient_polygons(whole.intersection(self.window)))
        return [_polygon(part) for part in _flat(parts) if part.area > 0]

    def line(self, line: Line) -> list[Line]:
        return [with_height(part) for part in clip_line(self.moved(line), self.low, self.high)]

    def longest(self, line: Line) -> Line:
        parts = self.line(line) if len(line) > 1 else []
        return max(parts, key=_length, default=np.zeros((0, 3)))

    def lane(self, lane: Lane) -> Lane | None:
        polygon = lane.polygon
        if polygon is None and min(len(lane.left), len(lane.right)) > 1:
            polygon = Polygon.make(np.concatenate([lane.right, lane.left[::-1]]))
        if polygon is None:
            return None
        parts = self.area(polygon)
        middle = lane.centerline
        if len(middle) < 2 and min(len(lane.left), len(lane.right)) > 1:
            middle = halfway(lane.left, lane.right)
        middle = self.longest(middle)
        if not parts or not len(middle):
            return None
        return Lane(
            id=lane.id,
            left=self.longest(lane.left),
            right=self.longest(lane.right),
            centerline=middle,
            left_mark=lane.left_mark,
            right_mark=lane.right_mark,
            polygon=max(parts, key=lambda part: shapely.Polygon(part.exterior[:, :2]).area),
            successors=lane.successors,
            predecessors=lane.predecessors,
            kind=lane.kind,
            is_intersection=lane.is_intersection,
        )


def clip_line(
    line: Float[np.ndarray, "vertex 2"], low: Float[np.ndarray, "2"], high: Float[np.ndarray, "2"]
) -> list[Float[np.ndarray, "piece 2"]]:
    """The pieces of a line inside a rectangle, in the line's direction; vertices inside are kept.

    Each segment is cut as Liang and Barsky (ACM TOG 1984) do: by the shares of its length at
    which it enters and leaves each pair of sides.
    """
    start, way = line[:-1], np.diff(line, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = (low - start) / way, (high - start) / way
    near, far = np.minimum(near, far), np.maximum(near, far)
    still = way == 0
    inside = (start >= low) & (start <= high)
    near = np.where(still, np.where(inside, -np.inf, np.inf), near)
    far = np.where(still, np.where(inside, np.inf, -np.inf), far)
    enter, leave = np.maximum(near.max(axis=1), 0.0), np.minimum(far.min(axis=1), 1.0)
    pieces: list[list[np.ndarray]] = []
    for k in np.flatnonzero(enter < leave):
        goes_on = pieces and enter[k] == 0 and k > 0 and enter[k - 1] < leave[k - 1] == 1
        if not goes_on:
            pieces.append([line[k] if enter[k] == 0 else start[k] + enter[k] * way[k]])
        pieces[-1].append(line[k + 1] if leave[k] == 1 else start[k] + leave[k] * way[k])
    return [np.round(np.stack(piece), DECIMALS) for piece in pieces]


def halfway(left: Line, right: Line) -> Line:
    """The line between two boundaries, matched by share of their length."""
    shares = np.unique(np.concatenate([_shares(left), _shares(right)]))
    sides = [
        np.stack([np.interp(shares, _shares(side), side[:, axis]) for axis in range(2)], axis=-1)
        for side in (left, right)
    ]
    return with_height((sides[0] + sides[1]) / 2)


def _shares(line: Line) -> Float[np.ndarray, " vertex"]:
    steps = np.hypot(*np.diff(line[:, :2], axis=0).T)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    return way / way[-1] if way[-1] > 0 else np.linspace(0.0, 1.0, len(line))


def _length(line: Line) -> float:
    return float(np.hypot(*np.diff(line[:, :2], axis=0).T).sum())


def _flat(parts: np.ndarray) -> list[shapely.Polygon]:
    """The polygons among them, those in collections too."""
    return [part for part in shapely.get_parts(parts) if part.geom_type == "Polygon"]


def _polygon(part: shapely.Polygon) -> Polygon:
    rings = [part.exterior, *part.interiors]
    lines = [np.round(shapely.get_coordinates(ring), DECIMALS) for ring in rings]
    return Polygon.make(lines[0], lines[1:])


def _among(lane: Lane, names: set[str]) -> Lane:
    """The lane with those of its neighbours that are kept."""
    return Lane(
        id=lane.id,
        left=lane.left,
        right=lane.right,
        centerline=lane.centerline,
        left_mark=lane.left_mark,
        right_mark=lane.right_mark,
        polygon=lane.polygon,
        successors=tuple(name for name in lane.successors if name in names),
        predecessors=tuple(name for name in lane.predecessors if name in names),
        kind=lane.kind,
        is_intersection=lane.is_intersection,
    )

"""Maps of nuScenes: the map expansion (JSON, vector) and the base mask (PNG, drivable area).

    maps/expansion/LOCATION.json + maps/TOKEN.png -> RoadMap in the world frame

The world of nuScenes is the map's frame: its origin is the lower left corner of the mask, whose
pixels are 0.1 m wide. The expansion's layout: https://www.nuscenes.org/tutorials/map_expansion_tutorial.
Heights are not recorded. Lane connectors become lanes inside intersections; a lane's middle is
drawn from its arc-line path.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float
from msgspec import Struct

from roadloom.errors import BadInput, NotRecorded
from roadloom.io.read import RESTORE, exists, read_bytes
from roadloom.scene.map_raster import MapRaster
from roadloom.scene.readers.nuscenes_tables import Positive, Real, Token, Vector
from roadloom.scene.road_map import Lane, Line, Polygon, RoadMap, with_height

MASK_PIXEL_M = 0.1
STEP_M = 1.0
"""Distance of the points that a lane's middle is drawn with."""


class Node(Struct, gc=False):
    token: Token
    x: Real
    y: Real


class LineRecord(Struct, gc=False):
    token: Token
    node_tokens: list[Token]


class Hole(Struct, gc=False):
    node_tokens: list[Token]


class PolygonRecord(Struct, gc=False):
    token: Token
    exterior_node_tokens: list[Token]
    holes: list[Hole]


class ManyAreas(Struct, gc=False):
    token: Token
    polygon_tokens: list[Token]


class OneArea(Struct, gc=False):
    token: Token
    polygon_token: Token


class OneLine(Struct, gc=False):
    token: Token
    line_token: Token


class DividerSegment(Struct, gc=False):
    node_token: Token
    segment_type: str


class LaneRecord(Struct, gc=False):
    token: Token
    polygon_token: Token
    lane_type: str = "CAR"
    left_lane_divider_segments: list[DividerSegment] = []
    right_lane_divider_segments: list[DividerSegment] = []


class Neighbours(Struct, gc=False):
    incoming: list[str]
    outgoing: list[str]


class Arc(Struct, gc=False):
    start_pose: Vector
    """x, y [m], heading [rad]."""
    shape: str
    """Three of L (left), S (straight), R (right)."""
    radius: Positive
    segment_length: Vector


class Expansion(Struct, gc=False):
    node: list[Node]
    line: list[LineRecord]
    polygon: list[PolygonRecord]
    drivable_area: list[ManyAreas] | None = None
    road_segment: list[OneArea] | None = None
    road_block: list[OneArea] | None = None
    ped_crossing: list[OneArea] | None = None
    walkway: list[OneArea] | None = None
    stop_line: list[OneArea] | None = None
    carpark_area: list[OneArea] | None = None
    road_divider: list[OneLine] | None = None
    lane_divider: list[OneLine] | None = None
    lane: list[LaneRecord] | None = None
    lane_connector: list[LaneRecord] | None = None
    connectivity: dict[str, Neighbours] = {}
    arcline_path_3: dict[str, list[Arc]] = {}


_AREAS = ("road_segment", "road_block", "ped_crossing", "walkway", "stop_line", "carpark_area")
_LINES = ("road_divider", "lane_divider")


def expansion_path(root: Path, location: str) -> Path:
    return root / "maps" / "expansion" / f"{location}.json"


def read_map(root: Path, location: str, mask: str | None) -> RoadMap:
    """What the root holds of a place; the mask's pixels are read when first asked for.

    Args:
        root: the data root.
        location: of the log, such as ``singapore-onenorth``.
        mask: file name of the mask relative to the root, where a table names one.

    Raises:
        NotRecorded: neither file is there.
        BadInput: the expansion is damaged (names file and field), or the mask is no PNG.
    """
    expansion = expansion_path(root, location)
    pixels = None if mask is None else root / mask
    there = pixels is not None and exists(pixels)
    if not exists(expansion) and not there:
        raise NotRecorded(
            f"this copy holds no map of {location}", field="map",
            remedy="unpack the map expansion into maps/expansion",
        )  # fmt: skip
    rasters = {}
    if pixels is not None and there:
        rasters["drivable_area"] = MapRaster.bottom_left(pixels, MASK_PIXEL_M)
    if not exists(expansion):
        return RoadMap(name=location, rasters=rasters)
    stat = expansion.stat()
    vector = _vector_map(expansion, location, (stat.st_mtime_ns, stat.st_size))
    return RoadMap(
        name=location,
        polygons=vector.polygons,
        lines=vector.lines,
        lanes=vector.lanes,
        rasters=rasters,
    )


@lru_cache(maxsize=4)  # all four places: hundreds of scenes share each
def _vector_map(path: Path, location: str, stamp: tuple[int, int]) -> RoadMap:
    return _Geometry(path, _decode(path)).road_map(location)


def _decode(path: Path) -> Expansion:
    data = read_bytes(path)
    try:
        return msgspec.json.decode(data, type=Expansion)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        field: str | None = place.rstrip("`").lstrip(".")
        if missing := re.search(r"missing required field `(\w+)`", message):
            field = f"{field}.{missing[1]}".lstrip(".")
        raise BadInput(message, file=path, field=field or None, remedy=RESTORE) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        byte = re.search(r"\(byte (\d+)\)", str(error))
        keys = re.findall(rb'"([A-Za-z_]+)"\s*:', data[: int(byte[1])] if byte else data)
        field = keys[-1].decode() if keys else None
        raise BadInput(f"is not JSON: {error}", file=path, field=field, remedy=RESTORE) from error


class _Geometry:
    """Nodes, lines and polygons of an expansion by their tokens."""

    def __init__(self, path: Path, expansion: Expansion) -> None:
        self.path, self.expansion = path, expansion
        self.nodes = self._by_token("node")
        self.lines = self._by_token("line")
        self.polygons = self._by_token("polygon")

    def road_map(self, location: str) -> RoadMap:
        e = self.expansion
        polygons: dict[str, tuple[Polygon, ...]] = {}
        if e.drivable_area is not None:
            self._by_token("drivable_area")
            polygons["drivable_area"] = tuple(
                self._polygon(token, f"drivable_area[{i}].polygon_tokens[{j}]")
                for i, area in enumerate(e.drivable_area)
                for j, token in enumerate(area.polygon_tokens)
            )
        for layer in _AREAS:
            if getattr(e, layer) is not None:
                polygons[layer] = tuple(
                    self._polygon(record.polygon_token, f"{layer}[{i}].polygon_token")
                    for i, record in enumerate(self._by_token(layer).values())
                )
        lines = {
            layer: tuple(
                line
                for i, record in enumerate(self._by_token(layer).values())
                if len(line := self._line(record.line_token, f"{layer}[{i}].line_token"))
            )
            for layer in _LINES
            if getattr(e, layer) is not None
        }
        lanes = (*self._lanes("lane"), *self._lanes("lane_connector"))
        return RoadMap(name=location, polygons=polygons, lines=lines, lanes=lanes)

    def _by_token(self, layer: str) -> dict:
        records = getattr(self.expansion, layer)
        found = {record.token: record for record in records}
        if len(found) < len(records):
            seen: set[str] = set()
            for i, record in enumerate(records):
                if record.token in seen:
                    raise self._bad("an earlier record has the same token", f"{layer}[{i}].token")
                seen.add(record.token)
        return found

    def _bad(self, message: str, field: str) -> BadInput:
        return BadInput(message, file=self.path, field=field, remedy=RESTORE)

    def _points(self, tokens: Sequence[str], least: int, field: str) -> Line:
        points = np.empty((len(tokens), 2))
        for i, token in enumerate(tokens):
            node = self.nodes.get(token)
            if node is None:
                raise self._bad("no node has this token", f"{field}[{i}]")
            points[i] = node.x, node.y
        if len(points) < least:
            raise self._bad(f"needs {least} nodes, got {len(points)}", field)
        return with_height(points)

    def _polygon(self, token: str, field: str) -> Polygon:
        record = self.polygons.get(token)
        if record is None:
            raise self._bad("no polygon has this token", field)
        at = f"{field}: polygon {token}"
        return Polygon.make(
            self._points(record.exterior_node_tokens, 3, f"{at}.exterior_node_tokens"),
            [
                self._points(hole.node_tokens, 3, f"{at}.holes[{i}].node_tokens")
                for i, hole in enumerate(record.holes)
                if hole.node_tokens
            ],
        )

    def _line(self, token: str, field: str) -> Line:
        """Empty where the map has a line without nodes: some published lines are so."""
        record = self.lines.get(token)
        if record is None:
            raise self._bad("no line has this token", field)
        least = 2 if record.node_tokens else 0
        return self._points(record.node_tokens, least, f"{field}: line {token}.node_tokens")

    def _border(self, segments: list[DividerSegment], field: str) -> Line:
        return self._points([s.node_token for s in segments], 0, field)

    def _lanes(self, layer: str) -> list[Lane]:
        if getattr(self.expansion, layer) is None:
            return []
        lanes = []
        for i, record in enumerate(self._by_token(layer).values()):
            at = f"{layer}[{i}]"
            left, right = record.left_lane_divider_segments, record.right_lane_divider_segments
            around = self.expansion.connectivity.get(record.token, Neighbours([], []))
            lanes.append(
                Lane(
                    id=record.token,
                    left=self._border(left, f"{at}.left_lane_divider_segments"),
                    right=self._border(right, f"{at}.right_lane_divider_segments"),
                    centerline=with_height(
                        centerline(self.expansion.arcline_path_3.get(record.token, []))
                    ),
                    left_mark=_mark(left),
                    right_mark=_mark(right),
                    polygon=self._polygon(record.polygon_token, f"{at}.polygon_token"),
                    successors=tuple(around.outgoing),
                    predecessors=tuple(around.incoming),
                    kind="vehicle" if record.lane_type == "CAR" else record.lane_type.lower(),
                    is_intersection=layer == "lane_connector",
                )
            )
        return lanes


def _mark(segments: list[DividerSegment]) -> str:
    """The paint of most segments; the empty string for none."""
    kinds = [s.segment_type for s in segments if s.segment_type != "NIL"]
    return max(sorted(set(kinds)), key=kinds.count) if kinds else ""


def centerline(path: list[Arc]) -> Float[np.ndarray, "vertex 2"]:
    """Points about ``STEP_M`` apart on arcs and straights, from the first pose to the last end."""
    points: list[np.ndarray] = []
    for arc in path:
        x, y, heading = arc.start_pose
        for letter, length in zip(arc.shape, arc.segment_length, strict=False):
            bend = {"L": 1.0, "R": -1.0}.get(letter, 0.0) / arc.radius
            way = np.linspace(0, length, max(2, int(np.ceil(length / STEP_M)) + 1))
            mean = heading + bend * way / 2
            chord = way * np.sinc(bend * way / (2 * np.pi))
            run = np.stack([x + chord * np.cos(mean), y + chord * np.sin(mean)], axis=-1)
            points.append(run if not points else run[1:])
            x, y = run[-1].tolist()
            heading += bend * length
    return np.concatenate(points) if points else np.zeros((0, 2))

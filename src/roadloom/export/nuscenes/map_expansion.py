"""The vector map of a city in the format of the nuScenes map expansion, version 1.3.

    RoadMap of a tile -> fragment: rows of one scene -> merge -> maps/expansion/CITY.json

Every layer of the format is written; one that no scene has is an empty list. What the format asks
for and a map does not say is written as nothing: an empty token, ``NIL`` for a paint or a kind of
stop line. The layout: https://www.nuscenes.org/tutorials/map_expansion_tutorial.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import shapely

from roadloom.errors import BadInput
from roadloom.export.nuscenes.map_expansion_arcs import arc_path
from roadloom.export.nuscenes.map_expansion_crop import AREAS, LINES
from roadloom.export.nuscenes.tokens import token
from roadloom.scene.road_map import Lane, Line, Polygon, RoadMap

VERSION = "1.3"
LAYERS = (
    "node",
    "line",
    "polygon",
    *AREAS,
    "lane",
    "lane_connector",
    *LINES,
    "traffic_light",
)
TABLES = ("arcline_path_3", "connectivity")
NOTHING = "NIL"
"""The format's word for no paint and no kind."""

Row = dict[str, Any]


def expansion_file(city: str) -> str:
    """Relative to the root."""
    return f"maps/expansion/{city}.json"


def fragment(road_map: RoadMap, scene: str) -> bytes:
    """The rows of one scene as JSON; the same map and name give the same bytes.

    Args:
        road_map: of the scene's tile, as ``tile_map`` gives it.
        scene: what makes its tokens differ from those of other scenes.
    """
    return msgspec.json.encode(_Writer(scene).rows(road_map))


def merge(fragments: Iterable[bytes], canvas_edge: tuple[float, float]) -> bytes:
    """One file of a city from the fragments of its scenes, in the order given.

    Args:
        fragments: what ``fragment`` gave.
        canvas_edge: width and height of the map [m].

    Raises:
        BadInput: one of them is damaged.
    """
    parts = [_layers(part, number) for number, part in enumerate(fragments)]
    pieces = [f'{{"version":"{VERSION}","canvas_edge":[{canvas_edge[0]},{canvas_edge[1]}]'.encode()]
    for name in (*LAYERS, *TABLES):
        inner = [bytes(part[name])[1:-1] for part in parts]
        opened, closed = (b"{", b"}") if name in TABLES else (b"[", b"]")
        joined = b",".join(rows for rows in inner if rows)
        pieces.append(b',"' + name.encode() + b'":' + opened + joined + closed)
    return b"".join(pieces) + b"}"


def _layers(data: bytes, number: int) -> dict[str, msgspec.Raw]:
    try:
        layers = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise _damaged(number, str(error)) from error
    if missing := {*LAYERS, *TABLES} - layers.keys():
        raise _damaged(number, f"{min(missing)} is missing")
    return layers


def _damaged(number: int, what: str) -> BadInput:
    return BadInput(
        f"the map of a scene is damaged: {what}", field=f"fragment {number}",
        remedy="delete the scene's files below .roadloom and export it again",
    )  # fmt: skip


def map_token(scene: str, layer: str, name: object) -> str:
    """Token of a record of the map."""
    return token("map", scene, layer, name)


class _Writer:
    """Gathers the rows of one scene. Vertices at one place share a node."""

    def __init__(self, scene: str) -> None:
        self.scene = scene
        self.layers: dict[str, list[Row]] = {layer: [] for layer in LAYERS}
        self.nodes: dict[tuple[float, float], str] = {}

    def rows(self, road_map: RoadMap) -> dict[str, Any]:
        for layer in AREAS:
            for polygon in road_map.polygons.get(layer, ()):
                self._area(layer, polygon, road_map)
        for layer in LINES:
            for line in road_map.lines.get(layer, ()):
                self._divider(layer, line)
        for lane in road_map.lanes:
            self._lane(lane)
        arcs = {self._name(lane.id): arc_path(lane.centerline[:, :2]) for lane in road_map.lanes}
        around = {
            self._name(lane.id): {
                "incoming": [self._name(other) for other in lane.predecessors],
                "outgoing": [self._name(other) for other in lane.successors],
            }
            for lane in road_map.lanes
        }
        return {**self.layers, "arcline_path_3": arcs, "connectivity": around}

    def _name(self, lane: str) -> str:
        return map_token(self.scene, "lane", lane)

    def _add(self, layer: str, row: Row) -> str:
        """Append a row; its token comes first."""
        name = map_token(self.scene, layer, len(self.layers[layer]))
        self.layers[layer].append({"token": name, **row})
        return name

    def _nodes(self, points: Line) -> list[str]:
        found = []
        for x, y in points[:, :2].tolist():
            if (x, y) not in self.nodes:
                self.nodes[x, y] = self._add("node", {"x": x, "y": y})
            found.append(self.nodes[x, y])
        return found

    def _line(self, points: Line) -> str:
        return self._add("line", {"node_tokens": self._nodes(points)})

    def _polygon(self, polygon: Polygon) -> str:
        return self._add(
            "polygon",
            {
                "exterior_node_tokens": self._nodes(polygon.exterior),
                "holes": [{"node_tokens": self._nodes(hole)} for hole in polygon.holes],
            },
        )

    def _area(self, layer: str, polygon: Polygon, road_map: RoadMap) -> None:
        shape = self._polygon(polygon)
        if layer == "drivable_area":
            self._add(layer, {"polygon_tokens": [shape]})
            return
        row: Row = {"polygon_token": shape}
        if layer == "road_segment":
            row["is_intersection"] = bool(_lanes_in(polygon, road_map.lanes, crossing=True))
        if layer == "road_block":
            row |= self._block_ends(_lanes_in(polygon, road_map.lanes, crossing=False))
        self._add(layer, row | _UNSAID[layer])

    def _block_ends(self, lanes: list[Lane]) -> Row:
        """Lines across the lanes of a block, where they begin and where they end."""
        bounded = [lane for lane in lanes if min(len(lane.left), len(lane.right)) > 1]
        return {
            f"{name}_edge_line_token": self._line(_across(bounded, end)) if bounded else ""
            for name, end in (("from", 0), ("to", -1))
        }

    def _divider(self, layer: str, line: Line) -> None:
        row: Row = {"line_token": self._line(line)}
        if layer == "lane_divider":
            row["lane_divider_segments"] = _segments(self._nodes(line), NOTHING)
        else:
            row["road_segment_token"] = ""
        self._add(layer, row)

    def _lane(self, lane: Lane) -> None:
        assert lane.polygon is not None, "tile_map gives every lane an area"
        bounded = min(len(lane.left), len(lane.right)) > 1
        edges = [np.stack([lane.left[end], lane.right[end]]) for end in (0, -1) if bounded]
        row: Row = {
            "token": self._name(lane.id),
            "polygon_token": self._polygon(lane.polygon),
            "lane_type": "CAR" if lane.kind == "vehicle" else lane.kind.upper(),
            "from_edge_line_token": self._line(edges[0]) if bounded else "",
            "to_edge_line_token": self._line(edges[1]) if bounded else "",
        }
        for side, line, mark in (
            ("left", lane.left, lane.left_mark),
            ("right", lane.right, lane.right_mark),
        ):
            row[f"{side}_lane_divider_segments"] = _segments(self._nodes(line), mark)
        self.layers["lane_connector" if lane.is_intersection else "lane"].append(row)


_UNSAID: dict[str, Row] = {
    "road_segment": {"drivable_area_token": ""},
    "road_block": {"road_segment_token": ""},
    "ped_crossing": {"road_segment_token": ""},
    "walkway": {},
    "stop_line": {
        "stop_line_type": NOTHING,
        "ped_crossing_tokens": [],
        "traffic_light_tokens": [],
        "road_block_token": "",
    },
    "carpark_area": {"orientation": 0.0, "road_block_token": ""},
}
"""What the format holds besides the shape, and a ``RoadMap`` does not."""


def _segments(nodes: list[str], mark: str) -> list[Row]:
    kind = NOTHING if mark in ("", "NONE") else mark
    return [{"node_token": node, "segment_type": kind} for node in nodes]


def _lanes_in(polygon: Polygon, lanes: Sequence[Lane], *, crossing: bool) -> list[Lane]:
    """Lanes inside intersections, or outside, whose middle lies in the area."""
    found = [lane for lane in lanes if lane.is_intersection == crossing and len(lane.centerline)]
    if not found:
        return []
    middles = np.array([lane.centerline[len(lane.centerline) // 2, :2] for lane in found])
    inside = shapely.contains_xy(shapely.Polygon(polygon.exterior[:, :2]), middles)
    return [lane for lane, within in zip(found, inside, strict=True) if within]


def _across(lanes: list[Lane], end: int) -> Line:
    """First or last points of all boundaries, from left to right, each place once."""
    points = np.concatenate([[lane.left[end], lane.right[end]] for lane in lanes])
    points = points[np.unique(points[:, :2], axis=0, return_index=True)[1]]
    to_right = (lanes[0].right[end] - lanes[0].left[end])[:2]
    return points[np.argsort(points[:, :2] @ to_right, kind="stable")]

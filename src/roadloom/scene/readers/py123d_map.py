"""Maps of 123D logs: its surfaces, lines and lanes under the names of our layers."""

from typing import Any

import numpy as np

from roadloom.errors import NotRecorded
from roadloom.scene.readers.py123d_log import Log, reading
from roadloom.scene.road_map import Lane, Polygon, RoadMap, with_height

_AREAS = {
    "lane_group": "drivable_area",
    "intersection": "drivable_area",
    "generic_drivable": "drivable_area",
    "crosswalk": "ped_crossing",
    "walkway": "walkway",
    "carpark": "carpark_area",
    "stop_zone": "stop_line",
    "speed_bump": "speed_bump",
}
"""Theirs -> ours; ``speed_bump`` has no layer in a layout."""
_KINDS = {"bike_lane": "bike", "bus_lane": "bus"}


def read_map(log: Log) -> RoadMap:
    """Everything that py123d finds for the log: beside it, or in ``ROOT/maps``.

    Raises:
        NotRecorded: it has no map.
        BadInput: the map is damaged.
    """
    with reading(log.folder, "map"):
        found = log.scene.get_map_api()
        if found is None:
            raise NotRecorded("this log has no map", field="map")
        layers = {layer.serialize() for layer in found.get_available_map_layers()}
        polygons: dict[str, list[Polygon]] = {}
        for theirs, ours in _AREAS.items():
            if theirs in layers:
                areas = found.get_all_map_objects_in_layer(theirs)
                polygons.setdefault(ours, []).extend(_area(a) for a in areas)
        lines: dict[str, list[np.ndarray]] = {}
        if "road_line" in layers:
            for line in found.get_all_map_objects_in_layer("road_line"):
                paint = line.road_line_type.serialize()
                layer = "road_divider" if "yellow" in paint else "lane_divider"
                lines.setdefault(layer, []).append(_line(line.polyline))
        if "road_edge" in layers:
            edges = found.get_all_map_objects_in_layer("road_edge")
            lines["road_edge"] = [_line(edge.polyline) for edge in edges]
        lanes = []
        if "lane" in layers:
            lanes = [_lane(lane) for lane in found.get_all_map_objects_in_layer("lane")]
        return RoadMap(
            name=str(log.about.location or ""),
            polygons={k: tuple(v) for k, v in polygons.items()},
            lines={k: tuple(v) for k, v in lines.items()},
            lanes=tuple(lanes),
        )


def _line(polyline: Any) -> np.ndarray:
    return with_height(np.asarray(polyline.array, np.float64))


def _area(surface: Any) -> Polygon:
    """With the holes of its outline in the plane, which have no height."""
    holes = [np.asarray(ring.coords)[:, :2] for ring in surface.shapely_polygon.interiors]
    return Polygon.make(_line(surface.outline), holes)


def _lane(lane: Any) -> Lane:
    kind = lane.lane_type.serialize()
    speed = lane.speed_limit_mps
    return Lane(
        id=str(lane.object_id),
        left=_line(lane.left_boundary),
        right=_line(lane.right_boundary),
        centerline=_line(lane.centerline),
        polygon=_area(lane),
        successors=tuple(map(str, lane.successor_ids)),
        predecessors=tuple(map(str, lane.predecessor_ids)),
        left_neighbor=_text(lane.left_lane_id),
        right_neighbor=_text(lane.right_lane_id),
        kind=_KINDS.get(kind, "vehicle"),
        speed_limit_mps=float("nan") if speed is None else float(speed),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)

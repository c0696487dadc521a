"""A road map as JSON values, and back; ground heights go beside it as an array.

    RoadMap -> to_dict, RoadMap.arrays -> files -> from_dict -> an equal RoadMap

Coordinates are written as lists of [x, y, z] with ``null`` for an unknown height; JSON keeps
every bit of a float64.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput
from roadloom.scene.map_raster import GroundHeight, MapRaster
from roadloom.scene.road_map import Lane, Polygon, RoadMap

SCHEMA = 1
"""Version of the layout; a reader refuses any other."""

_REMEDY = "restore the map file, or write it again"


def to_dict(road_map: RoadMap, raster_files: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Everything but the ground's heights, as JSON values (no NaN).

    Args:
        road_map: the map.
        raster_files: layer -> file name to write in place of the mask's present path.
    """
    names = raster_files or {}
    return {
        "schema": SCHEMA,
        "name": road_map.name,
        "polygons": {k: [_from_polygon(p) for p in v] for k, v in road_map.polygons.items()},
        "lines": {k: [_from_points(line) for line in v] for k, v in road_map.lines.items()},
        "lanes": [_from_lane(lane) for lane in road_map.lanes],
        "rasters": {
            layer: {
                "file": names.get(layer, str(raster.file)),
                "world_from_pixel": raster.world_from_pixel.tolist(),
            }
            for layer, raster in road_map.rasters.items()
        },
        "ground": None
        if road_map.ground is None
        else {"world_from_pixel": road_map.ground.world_from_pixel.tolist()},
    }


def from_dict(
    data: Any,
    arrays: Mapping[str, np.ndarray] | None = None,
    *,
    file: str | Path | None = None,
) -> RoadMap:
    """The map that ``to_dict`` and ``RoadMap.arrays`` were taken from.

    Args:
        data: JSON values.
        arrays: what ``RoadMap.arrays`` gave.
        file: where ``data`` was read: named in errors, and relative mask files are taken from
            its folder.

    Raises:
        BadInput: another schema, or a field that is missing or wrong; names file and field.
    """
    read = _Reader(file)
    read.object(data, "map")
    if data.get("schema") != SCHEMA:
        raise read.bad("schema", f"is {data.get('schema')!r}, this version reads {SCHEMA}")
    lanes = read.list(read.get(data, "lanes", ""), "lanes")
    return RoadMap(
        name=read.text(data, "name", ""),
        polygons=read.layers(data, "polygons", read.polygon),
        lines=read.layers(data, "lines", lambda v, at: read.points(v, at, 2)),
        lanes=tuple(read.lane(lane, f"lanes[{i}]") for i, lane in enumerate(lanes)),
        rasters={
            layer: read.raster(value, f"rasters.{layer}")
            for layer, value in read.object(read.get(data, "rasters", ""), "rasters").items()
        },
        ground=read.ground(read.get(data, "ground", ""), arrays or {}),
    )


def _from_points(points: np.ndarray) -> list[list[float | None]]:
    rows = points.astype(object)
    rows[np.isnan(points)] = None
    return rows.tolist()


def _from_polygon(polygon: Polygon) -> dict[str, Any]:
    return {
        "exterior": _from_points(polygon.exterior),
        "holes": [_from_points(hole) for hole in polygon.holes],
    }


def _from_lane(lane: Lane) -> dict[str, Any]:
    return {
        "id": lane.id,
        "left": _from_points(lane.left),
        "right": _from_points(lane.right),
        "centerline": _from_points(lane.centerline),
        "left_mark": lane.left_mark,
        "right_mark": lane.right_mark,
        "polygon": None if lane.polygon is None else _from_polygon(lane.polygon),
        "successors": list(lane.successors),
        "predecessors": list(lane.predecessors),
        "left_neighbor": lane.left_neighbor,
        "right_neighbor": lane.right_neighbor,
        "kind": lane.kind,
        "is_intersection": lane.is_intersection,
        "speed_limit_mps": None if np.isnan(lane.speed_limit_mps) else lane.speed_limit_mps,
    }


class _Reader:
    """Checks each value on the way in; every error names the file and the field."""

    def __init__(self, file: str | Path | None) -> None:
        self.file = file

    def bad(self, field: str, message: str) -> BadInput:
        return BadInput(message, file=self.file, field=field, remedy=_REMEDY)

    def object(self, value: Any, at: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.bad(at, f"must be an object, got {type(value).__name__}")
        return value

    def list(self, value: Any, at: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.bad(at, f"must be a list, got {type(value).__name__}")
        return value

    def get(self, data: dict[str, Any], name: str, at: str) -> Any:
        if name not in data:
            raise self.bad(f"{at}.{name}".lstrip("."), "is missing")
        return data[name]

    def text(self, data: dict[str, Any], name: str, at: str) -> str:
        value = self.get(data, name, at)
        if not isinstance(value, str):
            raise self.bad(f"{at}.{name}".lstrip("."), f"must be text, got {value!r}")
        return value

    def texts(self, data: dict[str, Any], name: str, at: str) -> tuple[str, ...]:
        values = self.list(self.get(data, name, at), f"{at}.{name}")
        if not all(isinstance(value, str) for value in values):
            raise self.bad(f"{at}.{name}", "must hold text only")
        return tuple(values)

    def layers(
        self, data: dict[str, Any], name: str, read: Callable[[Any, str], Any]
    ) -> dict[str, tuple[Any, ...]]:
        return {
            layer: tuple(
                read(value, f"{name}.{layer}[{i}]")
                for i, value in enumerate(self.list(values, f"{name}.{layer}"))
            )
            for layer, values in self.object(self.get(data, name, ""), name).items()
        }

    def points(self, value: Any, at: str, at_least: int) -> np.ndarray:
        rows = self.list(value, at)
        if not rows and at_least == 0:
            return np.zeros((0, 3))
        if len(rows) < at_least:
            raise self.bad(at, f"needs {at_least} vertices, got {len(rows)}")
        if not all(isinstance(row, list) and len(row) == 3 for row in rows):
            raise self.bad(at, "must hold lists of 3 numbers")
        flat = [np.nan if v is None else v for row in rows for v in row]
        if not all(type(v) in (float, int) for v in flat):
            raise self.bad(at, "must hold numbers, and null only for an unknown height")
        try:
            points = np.array(flat, np.float64).reshape(-1, 3)
        except OverflowError as error:
            raise self.bad(at, "a number is too large") from error
        if not np.isfinite(points[:, :2]).all() or np.isinf(points).any():
            raise self.bad(at, "x and y must be finite numbers")
        return points

    def polygon(self, value: Any, at: str) -> Polygon:
        data = self.object(value, at)
        holes = self.list(self.get(data, "holes", at), f"{at}.holes")
        return Polygon(
            exterior=self.points(self.get(data, "exterior", at), f"{at}.exterior", 3),
            holes=tuple(self.points(hole, f"{at}.holes[{i}]", 3) for i, hole in enumerate(holes)),
        )

    def lane(self, value: Any, at: str) -> Lane:
        data = self.object(value, at)
        area = self.get(data, "polygon", at)
        crossing = self.get(data, "is_intersection", at)
        if not isinstance(crossing, bool):
            raise self.bad(f"{at}.is_intersection", f"must be true or false, got {crossing!r}")
        limit = self.get(data, "speed_limit_mps", at)
        if limit is not None and type(limit) not in (int, float):
            raise self.bad(f"{at}.speed_limit_mps", f"must be a number or null, got {limit!r}")
        if limit is not None and not 0 <= limit < 1e6:
            raise self.bad(f"{at}.speed_limit_mps", f"is no speed: {limit!r}")
        return Lane(
            id=self.text(data, "id", at),
            left=self.points(self.get(data, "left", at), f"{at}.left", 0),
            right=self.points(self.get(data, "right", at), f"{at}.right", 0),
            centerline=self.points(self.get(data, "centerline", at), f"{at}.centerline", 0),
            left_mark=self.text(data, "left_mark", at),
            right_mark=self.text(data, "right_mark", at),
            left_neighbor=self.text(data, "left_neighbor", at),
            right_neighbor=self.text(data, "right_neighbor", at),
            kind=self.text(data, "kind", at),
            polygon=None if area is None else self.polygon(area, f"{at}.polygon"),
            successors=self.texts(data, "successors", at),
            predecessors=self.texts(data, "predecessors", at),
            is_intersection=crossing,
            speed_limit_mps=float("nan") if limit is None else float(limit),
        )

    def affine(self, data: dict[str, Any], at: str) -> np.ndarray:
        rows = self.points(self.get(data, "world_from_pixel", at), f"{at}.world_from_pixel", 2)
        if rows.shape != (2, 3) or not np.isfinite(rows).all():
            raise self.bad(f"{at}.world_from_pixel", "must be 2 rows of 3 finite numbers")
        if np.linalg.det(rows[:, :2]) == 0:
            raise self.bad(f"{at}.world_from_pixel", "is flat")
        return rows

    def raster(self, value: Any, at: str) -> MapRaster:
        data = self.object(value, at)
        folder = Path() if self.file is None else Path(self.file).parent
        return MapRaster(
            file=folder / self.text(data, "file", at), world_from_pixel=self.affine(data, at)
        )

    def ground(self, value: Any, arrays: Mapping[str, np.ndarray]) -> GroundHeight | None:
        if value is None:
            return None
        data = self.object(value, "ground")
        heights = arrays.get("ground")
        if heights is None:
            raise self.bad("ground", "its array of heights is missing")
        if heights.dtype != np.float32 or heights.ndim != 2:
            raise self.bad("ground", f"must be float32 [row column], got {heights.dtype}")
        return GroundHeight(heights=heights, world_from_pixel=self.affine(data, "ground"))

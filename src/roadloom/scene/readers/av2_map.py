"""The map of an Argoverse 2 log: lanes, crossings and drivable areas.

    log_map_archive_*.json -> polygons, lines and lanes; ``av2_ground`` adds the ground's height

Choices of ours, where AV2 has no such layer:

- ``lane_divider`` holds the painted lane boundaries that are white or blue, ``road_divider``
  those with yellow in them: in the six cities, all in the United States, yellow parts opposite
  directions. A boundary that two lanes share is held once; ``NONE`` and ``UNKNOWN`` are no paint.
- A lane's centre line runs half-way between its boundaries, matched by share of arc length.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from roadloom.errors import BadInput, NotRecorded
from roadloom.io.read import RESTORE, is_dir, read_json
from roadloom.scene.readers.av2_ground import (
    ground_problems,
    missing,
    only_file,
    read_ground,
)
from roadloom.scene.readers.json_fields import Fields, is_whole, short
from roadloom.scene.road_map import Lane, Polygon, RoadMap

Parsed = TypeVar("Parsed")

LAYERS = ("lane_segments", "pedestrian_crossings", "drivable_areas")
LANE_TYPES = {"VEHICLE": "vehicle", "BIKE": "bike", "BUS": "bus"}
NO_PAINT = ("NONE", "UNKNOWN")
MARKS = (
    "DASHED_WHITE", "DASHED_YELLOW", "DASH_SOLID_WHITE", "DASH_SOLID_YELLOW",
    "DOUBLE_DASH_WHITE", "DOUBLE_DASH_YELLOW", "DOUBLE_SOLID_WHITE", "DOUBLE_SOLID_YELLOW",
    "SOLID_BLUE", "SOLID_DASH_WHITE", "SOLID_DASH_YELLOW", "SOLID_WHITE", "SOLID_YELLOW",
    *NO_PAINT,
)  # fmt: skip
"""The paint that the data set tells apart."""


def read_map(folder: Path) -> RoadMap:
    """The map of one log, in city coordinates, which are our world.

    Raises:
        NotRecorded: the log has no map.
        BadInput: a file of it is damaged; names the file and the field.
    """
    archive = archive_of(folder)
    if archive is None:
        raise NotRecorded("this log has no vector map", field="map")
    data = read_archive(archive)
    lanes = tuple(_all(data, "lane_segments", archive, lane))
    return RoadMap(
        name=city_of(archive),
        polygons={
            "drivable_area": tuple(_all(data, "drivable_areas", archive, drivable_area)),
            "ped_crossing": tuple(_all(data, "pedestrian_crossings", archive, crossing)),
        },
        lines=_painted(lanes),
        lanes=lanes,
        ground=read_ground(folder),
    )


def map_problems(folder: Path) -> Iterator[BadInput]:
    """Everything that is wrong with the map's files, element by element."""
    try:
        archive = archive_of(folder)
        if archive is None:
            yield missing(folder, "log_map_archive_*.json")
            return
        data = read_archive(archive)
    except BadInput as problem:
        yield problem
    else:
        for layer, parse in _PARSERS.items():
            yield from _layer_problems(data, layer, archive, parse)
    if is_dir(folder):
        yield from ground_problems(folder)


def archive_of(folder: Path) -> Path | None:
    return only_file(folder, "log_map_archive_*.json")


def city_of(archive: Path) -> str:
    """Such as PIT, from ``log_map_archive_<log>____PIT_city_47896.json``."""
    return archive.stem.rpartition("____")[2].partition("_")[0]


def read_archive(file: Path) -> Mapping[str, Any]:
    """The three layers, each an object of objects; their fields are not looked at yet."""
    data = read_json(file)
    if not isinstance(data, dict):
        raise BadInput("is no JSON object", file=file, remedy=RESTORE)
    for layer in LAYERS:
        if not isinstance(data.get(layer), dict):
            raise BadInput("is missing or no JSON object", file=file, field=layer, remedy=RESTORE)
    if not data["lane_segments"]:
        raise BadInput("is empty", file=file, field="lane_segments", remedy=RESTORE)
    return data


class Element(Fields):
    """One entry of a layer, by its name there."""

    def __init__(self, file: Path, layer: str, key: str, value: Any) -> None:
        super().__init__(file, f"{layer}.{key}", value)
        if str(self.whole("id")) != key:
            raise self.bad("id", f"is {value['id']}, but the entry's name is {key}")

    def neighbour(self, name: str) -> str:
        return "" if self.get(name) is None else str(self.whole(name))

    def ids(self, name: str) -> tuple[str, ...]:
        """May name lanes that lie beyond the map's edge; never the same one twice."""
        values = self.items(name)
        if not all(map(is_whole, values)):
            raise self.bad(name, f"must hold whole numbers, got {short(values)}")
        if len(set(values)) < len(values):
            raise self.bad(name, "names a lane twice")
        return tuple(map(str, values))

    def points(self, name: str, at_least: int = 2) -> np.ndarray:
        """[vertex 3] metres, float64."""
        points = [[point.number(axis) for axis in "xyz"] for point in self.each(name)]
        if len(points) < at_least:
            raise self.bad(name, f"must have {at_least} points or more")
        return np.array(points, np.float64)


def lane(entry: Element) -> Lane:
    left = entry.points("left_lane_boundary")
    right = entry.points("right_lane_boundary")
    own = str(entry.whole("id"))
    links = {name: entry.ids(name) for name in ("successors", "predecessors")}
    links |= {name: (entry.neighbour(name),) for name in ("left_neighbor_id", "right_neighbor_id")}
    for name, ids in links.items():
        if own in ids:
            raise entry.bad(name, "names the lane itself")
    return Lane(
        id=own,
        left=left,
        right=right,
        centerline=halfway(left, right),
        left_mark=entry.word("left_lane_mark_type", MARKS),
        right_mark=entry.word("right_lane_mark_type", MARKS),
        polygon=Polygon.make(np.concatenate([left, right[::-1]])),
        successors=links["successors"],
        predecessors=links["predecessors"],
        left_neighbor=links["left_neighbor_id"][0],
        right_neighbor=links["right_neighbor_id"][0],
        kind=LANE_TYPES[entry.word("lane_type", tuple(LANE_TYPES))],
        is_intersection=entry.flag("is_intersection"),
    )


def crossing(entry: Element) -> Polygon:
    """A quadrangle between two edges, which may run the same way or against each other."""
    first, second = entry.points("edge1"), entry.points("edge2")
    same_way = np.dot((first[-1] - first[0])[:2], (second[-1] - second[0])[:2]) >= 0
    return Polygon.make(np.concatenate([first, second[::-1] if same_way else second]))


def drivable_area(entry: Element) -> Polygon:
    return Polygon.make(entry.points("area_boundary", at_least=3))


_PARSERS: Mapping[str, Callable[[Element], Any]] = {
    "lane_segments": lane,
    "pedestrian_crossings": crossing,
    "drivable_areas": drivable_area,
}


def _all(
    data: Mapping[str, Any], layer: str, file: Path, parse: Callable[[Element], Parsed]
) -> Iterator[Parsed]:
    for key, fields in data[layer].items():
        yield parse(Element(file, layer, key, fields))


def _layer_problems(
    data: Mapping[str, Any], layer: str, file: Path, parse: Callable[[Element], Any]
) -> Iterator[BadInput]:
    for key, fields in data[layer].items():
        try:
            parse(Element(file, layer, key, fields))
        except BadInput as problem:
            yield problem


def halfway(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The line half-way between two, with a vertex wherever either has one."""
    shares = np.union1d(_shares(left), _shares(right))
    return (_at(left, shares) + _at(right, shares)) / 2


def _shares(line: np.ndarray) -> np.ndarray:
    """Share of the arc length at each vertex, 0 to 1."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    walked = np.concatenate([[0.0], np.cumsum(steps)])
    return walked / walked[-1] if walked[-1] > 0 else np.linspace(0, 1, len(line))


def _at(line: np.ndarray, shares: np.ndarray) -> np.ndarray:
    own = _shares(line)
    return np.stack([np.interp(shares, own, line[:, axis]) for axis in range(3)], axis=1)


def _painted(lanes: Sequence[Lane]) -> dict[str, tuple[np.ndarray, ...]]:
    found: dict[str, dict[bytes, np.ndarray]] = {"lane_divider": {}, "road_divider": {}}
    for piece in lanes:
        for line, mark in ((piece.left, piece.left_mark), (piece.right, piece.right_mark)):
            if mark not in NO_PAINT:
                layer = "road_divider" if mark.endswith("YELLOW") else "lane_divider"
                one_way = min(line.tobytes(), line[::-1].tobytes())  # of opposite lanes, once
                found[layer].setdefault(one_way, line)
    return {layer: tuple(lines.values()) for layer, lines in found.items()}

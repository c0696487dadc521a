"""The map around a clip, in the WORLD frame: areas, lines, lanes, masks and ground height.

A layer that is named, even with nothing in it, was recorded; a layer that is not named was not.
Heights may be unknown: z is then NaN. ``road_map_json`` turns a map into JSON and back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from roadloom.scene.map_raster import GroundHeight, MapRaster

MAP_LAYERS: tuple[str, ...] = (
    "drivable_area",
    "ped_crossing",
    "walkway",
    "stop_line",
    "carpark_area",
    "road_divider",
    "lane_divider",
    "road_block",
)
"""The layers that a layout shows, by their nuScenes names. A map may hold others beside them."""

Line = Float[np.ndarray, "_ 3"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Polygon:
    """An area: inside the exterior and outside every hole; rings close by themselves."""

    exterior: Line
    """World x, y, z [m], float64; z may be NaN."""
    holes: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        for ring in (self.exterior, *self.holes):
            _check_points("a ring", ring, at_least=3)

    @staticmethod
    def make(exterior: np.ndarray, holes: Sequence[np.ndarray] = ()) -> "Polygon":
        """From points with or without height, the first of a ring repeated at its end or not."""
        return Polygon(exterior=_ring(exterior), holes=tuple(_ring(h) for h in holes))

    def same_as(self, other: "Polygon") -> bool:
        mine, theirs = (self.exterior, *self.holes), (other.exterior, *other.holes)
        return _same_lines(mine, theirs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lane:
    """One piece of lane, with its neighbours by id. What a map does not say is empty or NaN."""

    id: str
    left: Line
    """Boundary on the left in the driving direction; no vertices where the map has none."""
    right: Line
    centerline: Line
    left_mark: str = ""
    """Paint of the boundary in the data set's words, such as ``DASHED_WHITE``."""
    right_mark: str = ""
    polygon: Polygon | None = None
    successors: tuple[str, ...] = ()
    predecessors: tuple[str, ...] = ()
    left_neighbor: str = ""
    right_neighbor: str = ""
    kind: str = "vehicle"
    """``vehicle``, ``bus``, ``bike``, or what the map says."""
    is_intersection: bool = False
    speed_limit_mps: float = float("nan")

    def __post_init__(self) -> None:
        for name in ("left", "right", "centerline"):
            _check_points(f"{name} of lane {self.id}", getattr(self, name), at_least=0)

    def same_as(self, other: "Lane") -> bool:
        return (
            all(getattr(self, name) == getattr(other, name) for name in _LANE_PLAIN)
            and np.array_equal(self.speed_limit_mps, other.speed_limit_mps, equal_nan=True)
            and _same_lines(
                (self.left, self.right, self.centerline),
                (other.left, other.right, other.centerline),
            )
            and _same_optional(self.polygon, other.polygon)
        )


_LANE_PLAIN = (
    "id",
    "left_mark",
    "right_mark",
    "successors",
    "predecessors",
    "left_neighbor",
    "right_neighbor",
    "kind",
    "is_intersection",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadMap:
    """Everything a recording says about the place; all coordinates in its world frame."""

    name: str = ""
    """Which place, such as ``singapore-onenorth``."""
    polygons: Mapping[str, tuple[Polygon, ...]] = field(default_factory=dict)
    lines: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)
    lanes: tuple[Lane, ...] = ()
    rasters: Mapping[str, MapRaster] = field(default_factory=dict)
    ground: GroundHeight | None = None

    def __post_init__(self) -> None:
        for layer, lines in self.lines.items():
            for line in lines:
                _check_points(f"a line of {layer}", line, at_least=2)

    @property
    def layers(self) -> frozenset[str]:
        """Names of the layers that were recorded, whether or not anything lies in them."""
        return frozenset([*self.polygons, *self.lines, *self.rasters])

    def to_dict(self, raster_files: Mapping[str, str] | None = None) -> dict[str, Any]:
        """As JSON values, all but ``arrays()``; see ``road_map_json.to_dict``."""
        from roadloom.scene import road_map_json

        return road_map_json.to_dict(self, raster_files)

    def arrays(self) -> dict[str, np.ndarray]:
        """What ``to_dict`` leaves out because it is big: ``ground``, where there is one."""
        return {} if self.ground is None else {"ground": self.ground.heights}

    @staticmethod
    def from_dict(
        data: Any,
        arrays: Mapping[str, np.ndarray] | None = None,
        *,
        file: str | Path | None = None,
    ) -> "RoadMap":
        """Back from ``to_dict`` and ``arrays``; see ``road_map_json.from_dict``."""
        from roadloom.scene import road_map_json

        return road_map_json.from_dict(data, arrays, file=file)

    def same_as(self, other: "RoadMap") -> bool:
        """Equal in content; NaN equals NaN, and masks may lie in different files."""
        return (
            self.name == other.name
            and self.polygons.keys() == other.polygons.keys()
            and all(_same_all(self.polygons[k], other.polygons[k]) for k in self.polygons)
            and self.lines.keys() == other.lines.keys()
            and all(_same_lines(self.lines[k], other.lines[k]) for k in self.lines)
            and _same_all(self.lanes, other.lanes)
            and self.rasters.keys() == other.rasters.keys()
            and all(self.rasters[k].same_as(other.rasters[k]) for k in self.rasters)
            and _same_optional(self.ground, other.ground)
        )


def with_height(points: np.ndarray) -> Float[np.ndarray, "vertex 3"]:
    """Points [n 2] or [n 3] as float64 [n 3]; a height that is not given is NaN."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise ValueError(f"points must be [n 2] or [n 3], got {points.shape}")
    if points.shape[1] == 3:
        return points
    return np.concatenate([points, np.full((len(points), 1), np.nan)], axis=1)


def _ring(points: np.ndarray) -> Float[np.ndarray, "vertex 3"]:
    ring = with_height(points)
    closed = len(ring) > 1 and np.array_equal(ring[0], ring[-1], equal_nan=True)
    return ring[:-1] if closed else ring


def _check_points(what: str, points: np.ndarray, *, at_least: int) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype != np.float64:
        raise ValueError(f"{what} must be float64 [n 3], got {points.dtype} {points.shape}")
    if len(points) < at_least:
        raise ValueError(f"{what} needs {at_least} vertices, got {len(points)}")
    if not np.isfinite(points[:, :2]).all() or np.isinf(points[:, 2]).any():
        raise ValueError(f"{what} must have finite x and y, and z finite or NaN")


def _same_lines(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True)
    )


def _same_all(a: Sequence, b: Sequence) -> bool:
    return len(a) == len(b) and all(x.same_as(y) for x, y in zip(a, b, strict=True))


def _same_optional(a: Polygon | GroundHeight | None, b: Polygon | GroundHeight | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.same_as(b)  # type: ignore[arg-type]

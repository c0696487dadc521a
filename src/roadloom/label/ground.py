"""The ground: which points lie on it, of those without a label and a box, and what the map says.

A point is ground if it is near the ground's height: that of the map's own raster; where there is
none, the lowest point of the sweep in the metres around, if that is about as high as the road
under the vehicle. Its class is that of the map's area that holds it.
"""

from contextlib import suppress

import numpy as np
from jaxtyping import Bool, Float, UInt8

from roadloom.errors import NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.classes import UNKNOWN, class_id
from roadloom.scene.clip import Clip
from roadloom.scene.layout_raster import FlatGrid, fill_polygons, fill_raster
from roadloom.scene.road_map import RoadMap

NEAR_M = 0.2
"""Points this near to the ground's height are ground: kerbs and a sweep's noise stay inside."""
COLUMN_M = 1.0
"""Of a sweep, the lowest point of nine columns this wide is the ground under the middle one."""
LEVEL_M, SLOPE = 0.3, 0.05
"""As far from the plane under the vehicle the ground may lie: so much, and so much a metre."""
PIXEL_M, TILE = 0.2, 320
"""Areas are drawn into tiles of TILE x TILE pixels as the drive comes by."""
LAYERS = {
    "walkway": "flat.sidewalk",
    "carpark_area": "flat.drivable",
    "ped_crossing": "flat.drivable",
    "drivable_area": "flat.drivable",
}
"""Class of each map layer; of layers that overlap the last one holds."""


class MapClasses:
    """Ground points of a clip, and their classes by its map; none where it has no map."""

    def __init__(self, clip: Clip) -> None:
        self._map: RoadMap | None = None
        with suppress(NotRecorded):
            self._map = clip.map
        self._has_areas = self._map is not None and bool(self._map.layers & LAYERS.keys())
        self._tiles: dict[tuple[int, int], np.ndarray] = {}

    def classes(
        self, points_m: Float[np.ndarray, "point 3"], world_from_frame: Pose
    ) -> tuple[UInt8[np.ndarray, " point"], Bool[np.ndarray, " point"]]:
        """Class of each point, unknown where the map names none, and which are on the ground.

        Args:
            points_m: of one sweep, in an ego frame.
            world_from_frame: that frame's pose.
        """
        found = np.full(len(points_m), UNKNOWN, np.uint8)
        if not len(points_m):
            return found, np.zeros(0, bool)
        world = world_from_frame.apply(points_m)
        if self._map is not None and self._map.ground is not None:
            away = np.abs(world[:, 2] - self._map.ground.height(world[:, :2]))
            near = away <= NEAR_M  # False where the height is unknown
        else:
            near = _above_lowest(points_m) <= NEAR_M
        if self._has_areas:
            found[near] = self._areas(world[near, :2])
        return found, near

    def _areas(self, xy: Float[np.ndarray, "point 2"]) -> UInt8[np.ndarray, " point"]:
        found = np.full(len(xy), UNKNOWN, np.uint8)
        pixel = np.floor(xy / PIXEL_M).astype(np.int64)
        tile = pixel // TILE
        for i, j in np.unique(tile, axis=0).tolist():
            rows = np.flatnonzero((tile == (i, j)).all(axis=1))
            inside = pixel[rows] - np.array([i, j]) * TILE
            found[rows] = self._tile(i, j)[inside[:, 0], inside[:, 1]]
        return found

    def _tile(self, i: int, j: int) -> UInt8[np.ndarray, "x y"]:
        if (i, j) not in self._tiles:
            assert self._map is not None
            side = TILE * PIXEL_M
            grid = VoxelGrid(
                lower_m=(0.0, 0.0, 0.0), cell_m=(PIXEL_M, PIXEL_M, 1.0), shape=(TILE, TILE, 1)
            )
            corner = Pose(np.eye(3), np.array([i * side, j * side, 0.0]))
            classes = np.full((TILE, TILE), UNKNOWN, np.uint8)
            for layer, name in LAYERS.items():
                flat = FlatGrid(grid)
                mask = flat.empty()
                fill_polygons(mask, self._map.polygons.get(layer, ()), corner, flat)
                if layer in self._map.rasters:
                    fill_raster(mask, self._map.rasters[layer], corner, flat)
                classes[mask] = class_id(name)
            self._tiles[i, j] = classes
        return self._tiles[i, j]


def _above_lowest(points_m: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, " point"]:
    """Height over the lowest point around [m]; infinite far from the plane under the vehicle."""
    x, y, z = points_m.T.astype(np.float64)
    above = np.full(len(points_m), np.inf)
    level = np.flatnonzero(np.abs(z) <= LEVEL_M + SLOPE * np.hypot(x, y))
    if not len(level):
        return above
    column = np.floor(points_m[level, :2] / COLUMN_M).astype(np.int64)
    column -= column.min(axis=0) - 1
    shape = column.max(axis=0) + 2
    lowest = np.full(shape, np.inf)
    np.minimum.at(lowest, tuple(column.T), z[level])
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(lowest, 1, constant_values=np.inf), (3, 3)
    )
    above[level] = z[level] - windows.min(axis=(2, 3))[tuple(column.T)]
    return above

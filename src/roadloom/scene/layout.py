"""The bird's-eye layout: 18 masks around the car, from boxes and map of any source.

    boxes, map, ego pose -> rasterise(grid) -> Layout: bool [channel X Y], and what was recorded

Channels are those of UniScene (CVPR 2025), in its order, but drawn in the EGO frame instead of
the LiDAR's, with right-handed yaw, and indexed [channel, X forward, Y left] like every grid.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.class_views import view
from roadloom.scene.classes import DETECTION_NAMES
from roadloom.scene.layout_raster import (
    FlatGrid,
    draw_world_lines,
    fill_footprint,
    fill_polygons,
    fill_raster,
)
from roadloom.scene.road_map import MAP_LAYERS, RoadMap

CHANNELS: tuple[str, ...] = (*MAP_LAYERS, *DETECTION_NAMES)
"""Names of the 18 channels: eight of the map, then ten of boxes."""

LINE_WIDTH_M = 0.8
"""Thickness of dividers: the 2 pixels of 0.4 m that the nuScenes devkit draws for UniScene.

On coarser grids a line is at least as thick as a cell's diagonal, so that it has no gaps.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """What lies where around the car, seen from above, at one moment."""

    channels: Bool[np.ndarray, "18 x y"]
    """Indexed [channel, X, Y]; channels are named by ``CHANNELS``."""
    recorded: Bool[np.ndarray, "18"]
    """False: the source holds nothing about this channel, so its emptiness means nothing."""
    grid: VoxelGrid
    """Ego frame; only its x and y matter."""

    def __post_init__(self) -> None:
        shape = (len(CHANNELS), *self.grid.shape[:2])
        if self.channels.shape != shape or self.channels.dtype != bool:
            raise ValueError(
                f"channels must be bool {shape}, got {self.channels.dtype} {self.channels.shape}"
            )
        if self.recorded.shape != shape[:1] or self.recorded.dtype != bool:
            raise ValueError(f"recorded must be bool {shape[:1]}, got {self.recorded.shape}")
        if self.channels[~self.recorded].any():
            raise ValueError("a channel that was not recorded is not empty")

    @property
    def names(self) -> tuple[str, ...]:
        return CHANNELS

    def channel(self, name: str) -> Bool[np.ndarray, "x y"]:
        """One mask by name; raises ValueError for a name that is no channel."""
        return self.channels[CHANNELS.index(name)]

    def same_as(self, other: "Layout") -> bool:
        return (
            self.grid == other.grid
            and np.array_equal(self.recorded, other.recorded)
            and np.array_equal(self.channels, other.channels)
        )


def rasterise(
    boxes: Boxes | None, road_map: RoadMap | None, world_from_ego: Pose, grid: VoxelGrid
) -> Layout:
    """Draw boxes and map around the car.

    A cell is set where its centre lies in a polygon, in a box's bottom face, or within half of
    ``LINE_WIDTH_M`` of a line; a box also sets the cell that holds its middle. Map points of
    unknown height are taken to lie on the plane z = 0 of the ego frame. A box whose class is
    none of the ten of the detection task leaves no mark.

    Args:
        boxes: in the ego frame; None where there are no annotations.
        road_map: in the world frame; None where there is none.
        world_from_ego: one pose, float64.
        grid: ego frame; its x and y cells are drawn on.
    """
    flat = FlatGrid(grid)
    channels = np.zeros((len(CHANNELS), *grid.shape[:2]), bool)
    recorded = np.zeros(len(CHANNELS), bool)
    if road_map is not None:
        _draw_map(channels, recorded, road_map, world_from_ego, flat)
    if boxes is not None:
        recorded[len(MAP_LAYERS) :] = True
        _draw_boxes(channels[len(MAP_LAYERS) :], boxes, flat)
    return Layout(channels=channels, recorded=recorded, grid=grid)


def _draw_map(
    channels: np.ndarray,
    recorded: np.ndarray,
    road_map: RoadMap,
    world_from_ego: Pose,
    flat: FlatGrid,
) -> None:
    half_width = max(0.5 * LINE_WIDTH_M, flat.half_diagonal)
    for index, layer in enumerate(MAP_LAYERS):
        recorded[index] = layer in road_map.layers
        mask = channels[index]
        fill_polygons(mask, road_map.polygons.get(layer, ()), world_from_ego, flat)
        lines = road_map.lines.get(layer, ())
        draw_world_lines(mask, lines, half_width, world_from_ego, flat)
        if layer in road_map.rasters:
            fill_raster(mask, road_map.rasters[layer], world_from_ego, flat)


def _draw_boxes(channels: np.ndarray, boxes: Boxes, flat: FlatGrid) -> None:
    kinds = view("det10").apply(boxes.class_id)
    half = 0.5 * np.array([[1, 1, -1], [-1, 1, -1], [-1, -1, -1], [1, -1, -1]])
    corners = boxes.pose.apply(half * boxes.size[:, None])[..., :2]
    for box in np.flatnonzero(kinds < len(DETECTION_NAMES)):
        fill_footprint(channels[kinds[box]], corners[box], flat)

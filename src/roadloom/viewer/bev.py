"""One frame from above: layout, LiDAR points, boxes, the vehicle and its path; forward is up.

Where a source has neither map nor boxes, occupancy takes the layout's place. A bar gives the
scale.
"""

from contextlib import suppress

import numpy as np
from jaxtyping import Float

from roadloom.errors import NotRecorded
from roadloom.geometry.box import corners
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.layout import Layout
from roadloom.scene.occupancy import Occupancy
from roadloom.viewer.colors import class_colors, layer_colors
from roadloom.viewer.draw import (
    Picture,
    draw_dots,
    draw_label,
    draw_lines,
    draw_polygons,
    ramp_colors,
)
from roadloom.viewer.projection import still_points
from roadloom.viewer.ring import recorded_boxes, recorded_sweep

GROUND = (18, 21, 27)
HEIGHT_RANGE_M = (-1.0, 4.0)
"""Points take the colours of this range."""
EGO_OUTLINE_M = np.array([[3.7, 0.0], [2.4, 0.95], [-1.0, 0.95], [-1.0, -0.95], [2.4, -0.95]])
"""A nominal vehicle with a pointed front; its true size is not recorded."""
SCALE_M = 10.0
"""Length of the bar that gives the scale."""
PATH_STEPS = 200
"""Most corners of the path that are drawn."""


def bev_picture(
    frame: Frame, grid: VoxelGrid, size: int = 1000, *, boxes: bool = True, lidar: bool = True
) -> Picture:
    """What the frame holds, over the floor of ``grid``; ``size`` is the height [px]."""
    scale = size / (grid.upper_m[0] - grid.lower_m[0])
    width = round(scale * (grid.upper_m[1] - grid.lower_m[1]))
    picture = enlarged(_ground_picture(frame, grid), size, width)
    if lidar and (sweep := recorded_sweep(frame)) is not None:
        points = still_points(sweep, frame.clip.ego)
        points = points[np.argsort(points[:, 2], kind="stable")]
        low, high = HEIGHT_RANGE_M
        share = 1 - np.clip((points[:, 2] - low) / (high - low), 0, 1)
        spots = on_picture(points[:, :2], grid, scale)
        near = ((spots > -2) & (spots < np.array([width, size]) + 2)).all(axis=1)
        picture = draw_dots(picture, spots[near], ramp_colors(share[near]), 0.7)
    path = path_in_ego(frame.clip, frame.world_from_ego)
    picture = _trace(picture, on_picture(path, grid, scale), (47, 125, 240), max(2.0, 0.3 * scale))
    if boxes and (found := recorded_boxes(frame)) is not None and len(found):
        picture = _with_boxes(picture, found, grid, scale)
    car = on_picture(EGO_OUTLINE_M, grid, scale)
    picture = draw_polygons(picture, [car], np.array([[245, 247, 251]], np.uint8), 1.0)
    return draw_scale(picture, scale)


def draw_scale(picture: Picture, scale: float) -> Picture:
    """A bar of ``SCALE_M`` at the lower left, where it takes at most half of the width."""
    height, width = picture.shape[:2]
    length, edge = SCALE_M * scale, max(4, round(0.02 * height))
    if length > width / 2 or height < 100:
        return picture
    v = float(height - edge)
    white = np.full((3, 3), 245, np.uint8)
    ends = np.array([[u, v, u, v - edge / 2] for u in (edge, edge + length)])
    bar = np.array([[edge, v, edge + length, v]])
    lines = np.concatenate([bar, ends]).reshape(-1, 2, 2)
    picture = draw_lines(picture, lines, white, max(1.0, height / 500))
    size = max(8, height // 50)
    corner = (round(edge + length / 2) - 2 * size, round(v - edge / 2) - 2 * size - 4)
    return draw_label(picture, f"{SCALE_M:g} m", size, corner)


def on_picture(
    xy: Float[np.ndarray, "*point 2"], grid: VoxelGrid, scale: float
) -> Float[np.ndarray, "*point 2"]:
    """Pixels (u, v) of places [m] in the ego frame; ``scale`` is pixels per metre."""
    forward, left = xy[..., 0], xy[..., 1]
    u, v = (grid.upper_m[1] - left) * scale, (grid.upper_m[0] - forward) * scale
    return np.stack([u, v], axis=-1) - 0.5


def path_in_ego(clip: Clip, world_from_ego: Pose) -> Float[np.ndarray, "step 2"]:
    """The vehicle's whole path [m] in one ego frame, thinned to ``PATH_STEPS`` corners."""
    track = clip.ego.world_from_ego
    rows = np.unique(np.linspace(0, len(track) - 1, min(len(track), PATH_STEPS)).round())
    ego_from_then = world_from_ego.inverse() @ track[rows.astype(np.int64)]
    return ego_from_then.translation[:, :2]


def layer_picture(layout: Layout) -> Picture:
    """One pixel per cell, later channels on top; rows run from far to near, left is left."""
    cells = np.full((*layout.grid.shape[:2], 3), GROUND, np.uint8)
    for mask, color in zip(layout.channels, layer_colors(), strict=True):
        cells[mask] = color
    return cells[::-1, ::-1]


def _ground_picture(frame: Frame, grid: VoxelGrid) -> Picture:
    layout = frame.layout(grid)
    if not layout.recorded.any():
        with suppress(NotRecorded):
            return top_picture(frame.occupancy(grid))
    return layer_picture(layout)


def top_picture(occupancy: Occupancy) -> Picture:
    """One pixel per column: the class of its highest occupied cell, lighter the higher it is."""
    occupied = occupancy.occupied
    count = occupied.shape[2]
    top = count - 1 - occupied[:, :, ::-1].argmax(axis=2)
    labels = np.take_along_axis(occupancy.labels, top[..., None], axis=2)[..., 0]
    cells = class_colors(labels.ravel()).reshape(*labels.shape, 3).astype(float)
    cells *= (0.5 + 0.5 * (top + 1) / count)[..., None]
    cells[~occupied.any(axis=2)] = GROUND
    return cells.astype(np.uint8)[::-1, ::-1]


def enlarged(cells: Picture, height: int, width: int) -> Picture:
    """Every cell as a block of pixels."""
    rows = np.arange(height) * cells.shape[0] // height
    columns = np.arange(width) * cells.shape[1] // width
    return cells[rows[:, None], columns]


def _with_boxes(picture: Picture, boxes: Boxes, grid: VoxelGrid, scale: float) -> Picture:
    floor = on_picture(corners(boxes.pose, boxes.size)[:, :4, :2], grid, scale)
    colors = class_colors(boxes.class_id)
    picture = draw_polygons(picture, list(floor), colors, 0.45)
    sides = np.stack([floor, np.roll(floor, -1, axis=1)], axis=2)  # [box side 2 2]
    picture = draw_lines(picture, sides.reshape(-1, 2, 2), colors.repeat(4, axis=0), 1.6)
    white = np.full((len(boxes), 3), 255, np.uint8)
    return draw_lines(picture, sides[:, 3], white, 1.6)  # the front


def _trace(
    picture: Picture, line: np.ndarray, color: tuple[int, int, int], width: float
) -> Picture:
    ends = np.stack([line[:-1], line[1:]], axis=1)
    return draw_lines(picture, ends, np.full((len(ends), 3), color, np.uint8), width)

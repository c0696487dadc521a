"""Rays of a camera that leave no cell of a grid out, as far as its pixels reach."""

import numpy as np
from jaxtyping import Float

from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.sensors.camera import Camera

RAYS_PER_CELL = 2.0
"""Neighbouring rays of a camera are at most a cell's smallest edge divided by this apart, even
in the grid's farthest corner, unless its own pixels are farther apart."""


def camera_rays(camera: Camera, grid: VoxelGrid) -> Float[np.ndarray, "ray 3"]:
    """Directions through every n-th pixel's centre, dense enough for every cell of ``grid``.

    A camera with too few pixels for that gives one for each: then far cells may lie between rays.
    """
    reach = float(np.sqrt((np.abs([grid.lower_m, grid.upper_m]).max(axis=0) ** 2).sum()))
    widest = min(grid.cell_m) / RAYS_PER_CELL / reach
    x = np.arange(camera.width, dtype=np.float64)
    y = np.arange(camera.height, dtype=np.float64)
    angle = max(
        _apart(camera, np.stack([x, np.full_like(x, (camera.height - 1) / 2)], axis=-1)),
        _apart(camera, np.stack([np.full_like(y, (camera.width - 1) / 2), y], axis=-1)),
    )
    step = max(1, int(widest / angle)) if angle > 0 else 1
    pixels = np.stack(np.meshgrid(_every(x, step), _every(y, step)), axis=-1).reshape(-1, 2)
    directions, seen = camera.unproject(pixels)
    return directions[seen]


def _every(values: np.ndarray, step: int) -> np.ndarray:
    """Each ``step``-th and the last."""
    return np.unique(np.append(values[::step], values[-1]))


def _apart(camera: Camera, pixels: np.ndarray) -> float:
    """Largest angle [rad] between neighbours along a line of pixels."""
    directions, seen = camera.unproject(pixels)
    both = seen[1:] & seen[:-1]
    if not both.any():
        return 0.0
    step = directions[1:][both] - directions[:-1][both]
    return float(np.sqrt((step**2).sum(axis=-1)).max())

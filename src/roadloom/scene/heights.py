"""At which height occupancy holds the road, and how to move it: never done unasked.

Data sets differ: in Occ3D's files the road lies two cells below the ego's ground, in ours at it;
``docs/conventions.md`` lists them. Whoever mixes them, or casts rays from sensors mounted over
our ground, moves one of them with ``raised_by_cells``.
"""

import numpy as np

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.classes import UNKNOWN, class_id
from roadloom.scene.occupancy import Occupancy

ROAD = ("flat.drivable", "flat.road", "flat.parking", "marking.road_line")
OCC3D_ROAD_BELOW = 2
"""Cells by which Occ3D's files on nuScenes hold the road below the ego's ground; measured on one
real file, in which all 8,433 drivable cells have index 0, middle -0.8 m."""


def ground_index(grid: VoxelGrid, height_m: float = 0.0) -> int:
    """Index along z of the cell that holds a height; may lie outside the grid."""
    point = np.array([0.0, 0.0, height_m])
    lower = np.array(grid.lower_m)
    point[:2] = lower[:2]
    return int(grid.cell_of(point)[0][2])


def road_index(occupancy: Occupancy) -> int:
    """Index along z at which most of the road's cells lie; ties go to the lower.

    Raises:
        NotRecorded: no cell shows the road.
    """
    road = np.isin(occupancy.labels, [class_id(name) for name in ROAD])
    cells = road.sum(axis=(0, 1))
    if not cells.any():
        raise NotRecorded("no cell shows the road", field="occupancy")
    return int(cells.argmax())


def raised_by_cells(occupancy: Occupancy, cells: int) -> Occupancy:
    """Everything ``cells`` higher on the same grid; below 0, lower.

    What leaves the grid is lost; what comes in is unknown, and observed by nobody.

    Raises:
        BadInput: as many cells as the grid is high, or more.
    """
    height = occupancy.grid.shape[2]
    if abs(cells) >= height:
        raise BadInput(f"{cells} of {height} cells would leave nothing", field="cells")
    return Occupancy(
        grid=occupancy.grid,
        labels=_raised(occupancy.labels, cells, UNKNOWN),
        mask_lidar=_raised_mask(occupancy.mask_lidar, cells),
        mask_camera=_raised_mask(occupancy.mask_camera, cells),
        frame=occupancy.frame,
    )


def _raised_mask(mask: np.ndarray | None, cells: int) -> np.ndarray | None:
    return None if mask is None else _raised(mask, cells, 0)


def _raised(array: np.ndarray, cells: int, filling: int) -> np.ndarray:
    moved = np.full_like(array, filling)
    height = array.shape[2]
    below, above = max(cells, 0), max(-cells, 0)
    moved[:, :, below : height - above] = array[:, :, above : height - below]
    return moved

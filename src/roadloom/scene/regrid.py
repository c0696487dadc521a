"""Occupancy on another grid, in another frame: one definition for coarser, finer and turned cells.

    Occupancy, grid, new_from_old -> regrid -> Occupancy
    to_lidar_frame, to_ego_frame: the same between the frames of a rig

A cell of the new grid is cut into equal parts, along each axis as many as make them at most half
as long as the old grid's smallest edge. The middle of each part is looked up in the old grid:

- The cell is **occupied** if some middle lies in an occupied cell, and they are at least ``share``
  of all. It shows the class with the most of them times ``class_weights``; ties go to the lower id.
- Else it is **free** if at least half of all middles lie in known cells, else **unknown**. What
  lies outside the old grid is unknown.
- A **mask** is true where at least half of all middles lie in cells where it is true.

Hence: a shift by whole cells, or none, is exact there and back. Middles lie at most half an edge
apart, so between cubes each old cell holds at least one, however the grids are turned: with
``share`` 0 no occupied cell is lost on the way, only widened. The published conversions move cell
middles instead, which leaves holes wherever cells become smaller.
"""

from math import ceil

import numpy as np

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.class_weights import class_weights
from roadloom.scene.occupancy import FRAMES, Occupancy
from roadloom.sensors.rig import Rig, checked_pose

SHARE = 0.25
MOST_SAMPLES = 4096
"""Middles a cell: sixteen times as long as the old ones, no grid of the field is coarser."""
_ROUNDING = 1e-9


def regrid(
    occupancy: Occupancy,
    grid: VoxelGrid,
    *,
    frame: str,
    new_from_old: Pose,
    share: float = SHARE,
) -> Occupancy:
    """What ``grid`` shows of ``occupancy``, by the definition at the head of this file.

    Args:
        occupancy: labels, and any masks.
        grid: of the result.
        frame: that ``grid`` lies in: "ego", "lidar" or "world".
        new_from_old: carries points from the occupancy's frame into ``frame``.
        share: of a cell's middles that must be occupied; 0: any.

    Raises:
        BadInput: an unknown frame, a share outside 0 to 1, a pose that is none, or cells so much
            coarser that one would take more than ``MOST_SAMPLES`` middles.
    """
    from roadloom.scene.regrid_kernels import resample

    if frame not in FRAMES:
        raise BadInput(
            f"{frame!r} is no frame", field="frame", remedy=f"use one of {', '.join(FRAMES)}"
        )
    if not 0 <= share <= 1:
        raise BadInput(f"{share} is no share", field="share", remedy="give 0 to 1")
    try:
        old_from_new = checked_pose(new_from_old, "new_from_old").inverse()
    except ValueError as error:
        raise BadInput(str(error), field="new_from_old") from error
    samples = samples_of(occupancy.grid, grid)
    none = np.zeros((0, 0, 0), bool)
    labels = np.empty(grid.shape, np.uint8)
    masks = {
        name: (none, none) if held is None else (held, np.empty(grid.shape, bool))
        for name, held in (("lidar", occupancy.mask_lidar), ("camera", occupancy.mask_camera))
    }
    old = occupancy.grid
    resample(
        occupancy.labels, masks["lidar"][0], masks["camera"][0],
        (np.array(old.lower_m), np.array(old.cell_m)),
        np.array(grid.lower_m), np.array(grid.cell_m), grid.shape, samples,
        old_from_new.rotation, old_from_new.translation, class_weights(), float(share),
        labels, masks["lidar"][1], masks["camera"][1],
    )  # fmt: skip
    return Occupancy(
        grid=grid,
        labels=labels,
        mask_lidar=None if occupancy.mask_lidar is None else masks["lidar"][1],
        mask_camera=None if occupancy.mask_camera is None else masks["camera"][1],
        frame=frame,
    )


def samples_of(old: VoxelGrid, new: VoxelGrid) -> tuple[int, int, int]:
    """Middles along x, y and z of each new cell.

    Raises:
        BadInput: more than ``MOST_SAMPLES`` a cell.
    """
    edge = min(old.cell_m)
    x, y, z = (ceil(2 * cell / edge - _ROUNDING) for cell in new.cell_m)
    if x * y * z > MOST_SAMPLES:
        raise BadInput(
            f"cells of {new.cell_m} m are too coarse for cells of {old.cell_m} m", field="grid",
            remedy="go there in two steps",
        )  # fmt: skip
    return x, y, z


def to_lidar_frame(
    occupancy: Occupancy, rig: Rig, lidar: str, grid: VoxelGrid, *, share: float = SHARE
) -> Occupancy:
    """Occupancy of the ego frame on a grid in the frame of one of the rig's LiDARs.

    Raises:
        MissingInput: the rig has no such LiDAR.
        BadInput: the occupancy is not in the ego frame; or as ``regrid``.
    """
    _check_frame(occupancy, "ego")
    lidar_from_ego = rig.lidar(lidar).ego_from_lidar.inverse()
    return regrid(occupancy, grid, frame="lidar", new_from_old=lidar_from_ego, share=share)


def to_ego_frame(
    occupancy: Occupancy, rig: Rig, lidar: str, grid: VoxelGrid, *, share: float = SHARE
) -> Occupancy:
    """Occupancy of the frame of one of the rig's LiDARs on a grid in the ego frame.

    Raises:
        MissingInput: the rig has no such LiDAR.
        BadInput: the occupancy is not in the LiDAR frame; or as ``regrid``.
    """
    _check_frame(occupancy, "lidar")
    ego_from_lidar = rig.lidar(lidar).ego_from_lidar
    return regrid(occupancy, grid, frame="ego", new_from_old=ego_from_lidar, share=share)


def _check_frame(occupancy: Occupancy, frame: str) -> None:
    if occupancy.frame != frame:
        raise BadInput(
            f"is in the {occupancy.frame} frame, not in the {frame} frame", field="occupancy"
        )

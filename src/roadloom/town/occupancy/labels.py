"""What stands in each cell of a grid around the ego, exactly.

    World, time -> triangles near the grid -> area of each matter in each cell -> labels, bodies

The definition is that of ``geometry/surface.py``: a cell is occupied if surfaces of more than a
grazing area cross it, and shows the class of the largest weighted area. The ego is left out.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int32, UInt8, UInt16

from roadloom.geometry.surface import TIE
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.class_weights import class_weights
from roadloom.scene.occupancy import Occupancy
from roadloom.town.occupancy.surfaces import near, surfaces_of
from roadloom.town.world import World

MIN_AREA_FACES = 0.03
"""A cell counts as occupied from this share of its smallest face on."""


class Matter(NamedTuple):
    """What fills each cell."""

    labels: UInt8[np.ndarray, "x y z"]
    bodies: UInt16[np.ndarray, "x y z"]
    """Of the label's class: 0 where it stands still, 1 + row of ``World.tracks`` where it moves.
    Everything that stands counts as one body."""


def occupancy(
    world: World,
    time_ns: int,
    grid: VoxelGrid,
    *,
    solid: bool = False,
    masks: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
) -> Occupancy:
    """What stands in each cell, in the ego frame of ``time_ns``.

    Args:
        grid: any, in the ego frame.
        solid: fill the free cells inside closed things too, see ``solid.py``.
        masks: of LiDAR and camera, from ``masks.visibility``.
    """
    labels = matter(world, time_ns, grid, solid=solid).labels
    return Occupancy(grid=grid, labels=labels, mask_lidar=masks[0], mask_camera=masks[1])


def matter(world: World, time_ns: int, grid: VoxelGrid, *, solid: bool = False) -> Matter:
    """Labels, and which body each is of."""
    from roadloom.town.occupancy.kernels import settle

    x, y, z = grid.cell_m
    least = MIN_AREA_FACES * min(x * y, y * z, z * x)
    cells = int(np.prod(grid.shape))
    labels, bodies = np.zeros(cells, np.uint8), np.zeros(cells, np.uint16)
    settle(*areas(world, time_ns, grid), class_weights(), least, TIE, labels, bodies)
    found = Matter(labels.reshape(grid.shape), bodies.reshape(grid.shape))
    if solid:
        from roadloom.town.occupancy.solid import fill

        fill(world, time_ns, grid, *found)
    return found


class Sums(NamedTuple):
    """Area of each matter in each cell, as linked lists; of the columns ``used`` rows count."""

    head: Int32[np.ndarray, " cell"]
    """Row of each cell's first entry, -1 for none."""
    matter: Int32[np.ndarray, " row"]
    """Class id plus 256 times the body."""
    area_m2: Float[np.ndarray, " row"]
    following: Int32[np.ndarray, " row"]
    """Row of the cell's next entry, -1 for none."""
    used: int


def areas(world: World, time_ns: int, grid: VoxelGrid) -> Sums:
    """Measure every surface near the ego."""
    from roadloom.town.occupancy.kernels import sum_areas

    surfaces, parts = surfaces_of(world), near(world, time_ns, grid)
    poses = parts.ego_from_range
    return Sums(
        *sum_areas(
            surfaces.corners, surfaces.class_id, surfaces.weight, parts.begin, parts.end,
            np.ascontiguousarray(poses.rotation), np.ascontiguousarray(poses.translation),
            parts.body, grid.lower_m, grid.cell_m, grid.shape,
        )
    )  # fmt: skip

"""Where the matter in each cell goes until a later moment.

The ego's own motion is left out: what stands has flow 0, whatever the ego does.
"""

import numpy as np
from jaxtyping import Float32

from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.classes import FREE
from roadloom.town.occupancy.labels import matter
from roadloom.town.tracks import poses_at
from roadloom.town.world import World


def occupancy_flow(
    world: World, time_ns: int, next_time_ns: int, grid: VoxelGrid, *, solid: bool = False
) -> Float32[np.ndarray, "x y z 3"]:
    """Displacement [m] of each cell's middle with the body that gave the cell its class.

    In the axes of the ego frame of ``time_ns``. A body moves rigidly: the swing of arms, legs and
    wheels is left out. Of several bodies of the winning class the one with most area counts; all
    that stands is one body. NaN in free cells.

    Args:
        solid: also for the cells that ``occupancy(solid=True)`` fills.
    """
    labels, bodies = matter(world, time_ns, grid, solid=solid)
    flow = np.zeros((*grid.shape, 3), np.float32)
    flow[labels == FREE] = np.nan
    cells = np.argwhere(bodies > 0)
    if not len(cells):
        return flow
    body = bodies[tuple(cells.T)].astype(np.int64) - 1
    ego_from_town = world.town_from_ego(np.array([time_ns], np.int64))[0].inverse()
    poses = poses_at(world.tracks, world.seconds(np.array([time_ns, next_time_ns], np.int64)))
    before, after = (ego_from_town @ poses[:, i] for i in (0, 1))
    carry = after @ before.inverse()
    at = grid.center_of(cells)
    there = Pose(carry.rotation[body], carry.translation[body]).apply(at[:, None])[:, 0]
    flow[tuple(cells.T)] = there - at
    return flow

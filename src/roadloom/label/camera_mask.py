"""Which cells the cameras of a rig observe through labelled occupancy.

cameras -> rays, dense enough for the grid -> cells up to the first solid one -> one mask
"""

import numpy as np
from jaxtyping import Bool

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.scene.classes import UNKNOWN
from roadloom.scene.occupancy import Occupancy
from roadloom.sensors.grid_rays import camera_rays
from roadloom.sensors.rig import Rig


def camera_mask(
    rig: Rig, occupancy: Occupancy, grid_from_ego: Pose | None = None
) -> Bool[np.ndarray, "x y z"]:
    """Cells that some camera observes. A cell is observed if all of this holds:

    1. Some ray through the centre of a pixel crosses it, and crosses no occupied cell before it:
       free cells in front of a surface count, the first occupied cell counts, what lies behind
       does not. Rays are those of ``camera_rays``: at most half a cell apart, even in the
       farthest corner, if the camera has the pixels for it. Unknown cells stop no ray, since
       nothing is known to be there.
    2. Its label is known.
    3. It is in ``occupancy.mask_lidar``, where that is given.

    The last two are measured on Occ3D's file: there ``mask_camera`` lies wholly within
    ``mask_lidar``. The first is how its paper (arXiv 2304.14365, 3.3) tells occlusion; the masks
    of that file, made on finer voxels, let rays through more than a metre of matter.

    All cameras look at the moment of the occupancy. Leave ``mask_lidar`` out of the occupancy
    for what cameras see, whether a LiDAR was there or not.

    Args:
        grid_from_ego: where the grid's frame is not the ego frame.

    Raises:
        BadInput: the occupancy lies in another frame and ``grid_from_ego`` is not given.
    """
    from roadloom.label.camera_mask_kernels import mark_until_solid

    if grid_from_ego is None:
        if occupancy.frame != "ego":
            raise BadInput(
                f"the occupancy lies in the {occupancy.frame} frame", field="grid_from_ego",
                remedy="give grid_from_ego, or occupancy in the ego frame",
            )  # fmt: skip
        grid_from_ego = Pose.identity()
    grid = occupancy.grid
    solid = np.ascontiguousarray(occupancy.occupied).view(np.uint8)
    seen = np.zeros(grid.shape, bool)
    for mount in rig.cameras:
        pose = grid_from_ego @ mount.ego_from_camera
        directions = pose.rotate(camera_rays(mount.camera, grid))
        mark_until_solid(pose.translation, directions, grid.lower_m, grid.cell_m, solid, seen)
    mask = seen & (occupancy.labels != UNKNOWN)
    return mask if occupancy.mask_lidar is None else mask & occupancy.mask_lidar

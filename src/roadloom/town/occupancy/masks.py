"""Which cells the sensors see, by exact rays: what Occ3D calls observed.

A cell is observed by the LiDAR if a ray of the sweep that returned passes through it or ends in
it, and by a camera if a ray through some pixel does; rays that meet nothing but sky count for
cameras alone. All sensors look at the moment of the occupancy itself, from where the ego is then.
"""

import numpy as np
from jaxtyping import Bool

from roadloom.geometry.ray_grid import carve
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.sensors.grid_rays import camera_rays
from roadloom.sensors.rig import Rig
from roadloom.town.cast.caster import Caster
from roadloom.town.world import World

CHUNK = 1 << 18


def visibility(
    world: World, time_ns: int, rig: Rig, grid: VoxelGrid, caster: Caster
) -> tuple[Bool[np.ndarray, "x y z"] | None, Bool[np.ndarray, "x y z"] | None]:
    """Masks of LiDARs and of cameras in the ego frame of ``time_ns``; None without such sensors.

    LiDARs whose beams are unknown are left out.
    """
    lidar = camera = None
    for mount in rig.lidars:
        if mount.lidar is not None:
            rays = mount.lidar.rays()[0].reshape(-1, 3)
            span = (mount.lidar.min_range_m, mount.lidar.max_range_m)
            pose = mount.ego_from_lidar
            seen = _seen(world, time_ns, grid, caster, pose.translation, pose.rotate(rays), span)
            lidar = seen if lidar is None else lidar | seen
    for view in rig.cameras:
        rays = camera_rays(view.camera, grid)
        pose = view.ego_from_camera
        seen = _seen(world, time_ns, grid, caster, pose.translation, pose.rotate(rays), None)
        camera = seen if camera is None else camera | seen
    return lidar, camera


def _seen(
    world: World,
    time_ns: int,
    grid: VoxelGrid,
    caster: Caster,
    origin: np.ndarray,
    directions: np.ndarray,
    span: tuple[float, float] | None,
) -> Bool[np.ndarray, "x y z"]:
    """Cells that rays pass or end in; with a ``span`` of ranges only those that return."""
    town_from_ego = world.town_from_ego(np.array([time_ns], np.int64))[0]
    time_s = float(world.seconds(np.array([time_ns], np.int64))[0])
    far = 2 * float(np.sqrt((np.abs([grid.lower_m, grid.upper_m]).max(axis=0) ** 2).sum()))
    seen = np.zeros(grid.shape, bool)
    for first in range(0, len(directions), CHUNK):
        some = directions[first : first + CHUNK]
        starts = np.broadcast_to(town_from_ego.apply(origin[None]), some.shape).copy()
        distance = caster.cast(starts, town_from_ego.rotate(some), time_s).distance
        returned = np.isfinite(distance)
        if span is not None:
            kept = returned & (distance >= span[0]) & (distance <= span[1])
            some, distance, returned = some[kept], distance[kept], returned[kept]
        ends = origin + some * np.minimum(distance, far)[:, None]
        carved = carve(
            np.broadcast_to(origin, ends.shape).copy(), ends, grid,
            returned=returned & (distance <= far),
        )  # fmt: skip
        seen |= (carved.crossed > 0) | (carved.hits > 0)
    return seen

"""A camera's rays in the town: where it is at each row's exposure, and how movers are turned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from roadloom.geometry.pose import Pose
from roadloom.sensors.rig import MountedCamera
from roadloom.town.tracks import poses_at
from roadloom.town.world import World


class Rays(NamedTuple):
    origins: Float[np.ndarray, "ray 3"]
    directions: Float[np.ndarray, "ray 3"]
    time_s: Float[np.ndarray, " ray"] | float
    moment: Int64[np.ndarray, " ray"]
    """Row of ``Frame.turns``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One exposure; a rolling shutter has a moment for each row, a global one has one."""

    width: int
    height: int
    pixel_rad: float
    town_from_camera: Pose
    """[moment]"""
    time_s: Float[np.ndarray, " moment"]
    turns: Float[np.ndarray, "moment actor 3 3"]
    """Rotations of the movers."""

    @staticmethod
    def of(world: World, mount: MountedCamera, time_ns: int) -> "Frame":
        camera = mount.camera
        rows = camera.height if mount.row_time_ns else 1
        times = time_ns + np.arange(rows, dtype=np.int64) * mount.row_time_ns
        seconds = world.seconds(times)
        turns = np.moveaxis(poses_at(world.tracks, seconds).rotation, 0, 1)
        return Frame(
            width=camera.width,
            height=camera.height,
            pixel_rad=2 / (camera.fx + camera.fy),
            town_from_camera=world.town_from_ego(times) @ mount.ego_from_camera,
            time_s=seconds,
            turns=np.ascontiguousarray(turns),
        )

    def rays(
        self, pixel: Int64[np.ndarray, " ray"], directions: Float[np.ndarray, "ray 3"]
    ) -> Rays:
        """Rays in the town of directions in the camera's frame; pixels are counted row by row."""
        pose = self.town_from_camera
        if len(self.time_s) == 1:
            origins = np.tile(pose.translation[0], (len(pixel), 1))
            turned = directions @ pose.rotation[0].T
            return Rays(origins, turned, float(self.time_s[0]), np.zeros(len(pixel), np.int64))
        moment = pixel // self.width
        turned = np.einsum("rij,rj->ri", pose.rotation[moment], directions)
        return Rays(pose.translation[moment], turned, self.time_s[moment], moment)

    def tiles(self, size: int) -> Iterator[slice]:
        """Pixels in pieces of about a size."""
        count = self.width * self.height
        for first in range(0, count, size):
            yield slice(first, min(first + size, count))

"""A camera's rays in the town: where it is at each row's exposure, and how movers are turned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

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
        pose, many = self.town_from_camera, len(self.time_s) > 1
        moment = pixel // self.width if many else np.zeros(len(pixel), np.int64)
        origins, turned = np.empty((len(pixel), 3)), np.empty((len(pixel), 3))
        _turn(pose.rotation, pose.translation, moment, directions, origins, turned)
        time_s = self.time_s[moment] if many else float(self.time_s[0])
        return Rays(origins, turned, time_s, moment)

    def tiles(self, size: int) -> Iterator[slice]:
        """Pixels in pieces of about a size."""
        count = self.width * self.height
        for first in range(0, count, size):
            yield slice(first, min(first + size, count))


@njit(cache=True, nogil=True)
@no_type_check
def _turn(rotation, translation, moment, directions, origins, turned):
    """A matrix product would do, were it not handed to a library with threads of its own."""
    for k in range(len(moment)):
        m = moment[k]
        x, y, z = directions[k, 0], directions[k, 1], directions[k, 2]
        for i in range(3):
            origins[k, i] = translation[m, i]
            turned[k, i] = rotation[m, i, 0] * x + rotation[m, i, 1] * y + rotation[m, i, 2] * z

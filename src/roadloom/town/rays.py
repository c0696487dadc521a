"""Rays of mounted sensors in the town's frame, each from where and when it is fired."""

from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from roadloom.errors import NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.sensors.lidar import SpinningLidar
from roadloom.sensors.rig import MountedCamera, MountedLidar
from roadloom.town.cast.kernels import pose_at
from roadloom.town.world import World


class Rays(NamedTuple):
    """What ``Caster.cast`` takes."""

    origins: Float[np.ndarray, "ray 3"]
    """[m], in the town."""
    directions: Float[np.ndarray, "ray 3"]
    """Unit vectors."""
    time_s: Float[np.ndarray, " ray"]
    """Since tick 0."""


def camera_rays(
    world: World,
    mount: MountedCamera,
    time_ns: int,
    directions: Float[np.ndarray, "ray 3"],
    rows: Int64[np.ndarray, " ray"],
) -> Rays:
    """Rays through given image rows, along unit directions of the camera's frame."""
    if mount.row_time_ns == 0:
        times_ns = np.full(1, time_ns, np.int64)
        rows = np.zeros_like(rows)
    else:
        times_ns = time_ns + np.arange(mount.camera.height, dtype=np.int64) * mount.row_time_ns
    return _carried(world, mount.ego_from_camera, world.seconds(times_ns), rows, directions)


def lidar_rays(
    world: World, mount: MountedLidar, stamp_ns: int, *, frozen: bool = False
) -> tuple[Rays, Int64[np.ndarray, " ray"]]:
    """All rays of one turn, column by column in the order of beams, and their times [ns].

    ``frozen``: all are fired at the stamp.

    Raises:
        NotRecorded: the rig does not know the device's beams.
    """
    if mount.lidar is None:
        raise NotRecorded("the rig does not say how its beams are arranged", field=mount.name)
    directions, offset_ns = device_rays(mount.lidar)
    if frozen:
        time_ns = np.full(len(offset_ns), stamp_ns, np.int64)
    else:
        time_ns = stamp_ns + mount.trigger_offset_ns + offset_ns
    moments = world.seconds(time_ns[:1] if frozen else time_ns)
    which = np.zeros(len(time_ns), np.int64) if frozen else np.arange(len(time_ns))
    return _carried(world, mount.ego_from_lidar, moments, which, directions), time_ns


@lru_cache(maxsize=8)
def device_rays(
    lidar: SpinningLidar,
) -> tuple[Float[np.ndarray, "ray 3"], Int64[np.ndarray, " ray"]]:
    """``SpinningLidar.rays`` in one axis; computed once for each device."""
    directions, offset_ns = lidar.rays()
    return directions.reshape(-1, 3), offset_ns.ravel()


def _carried(
    world: World,
    ego_from_sensor: Pose,
    moments: Float[np.ndarray, " moment"],
    which: Int64[np.ndarray, " ray"],
    directions: Float[np.ndarray, "ray 3"],
) -> Rays:
    origins, turned, time_s = np.empty((len(which), 3)), np.empty((len(which), 3)), moments[which]
    mount = np.column_stack([ego_from_sensor.translation, ego_from_sensor.rotation])
    _carry(
        world.ego_track.pose, mount, moments, np.ascontiguousarray(which),
        np.ascontiguousarray(directions, np.float64), origins, turned,
    )  # fmt: skip
    return Rays(origins, turned, time_s)


@njit(cache=True, nogil=True)
@no_type_check
def _carry(track, mount, moments, which, directions, origins, turned):
    """``mount`` [3 4] holds translation and rotation of the sensor on the ego."""
    last = -1
    town = np.empty((3, 4))
    for r in range(len(which)):
        if which[r] != last:
            last = which[r]
            x, y, z, a, b, c, d, e, f, g, h, i = pose_at(track, moments[last])
            for k in range(4):
                p, q, s = mount[0, k], mount[1, k], mount[2, k]
                town[0, k] = a * p + b * q + c * s
                town[1, k] = d * p + e * q + f * s
                town[2, k] = g * p + h * q + i * s
            town[0, 0] += x
            town[1, 0] += y
            town[2, 0] += z
        for k in range(3):
            origins[r, k] = town[k, 0]
            turned[r, k] = (
                town[k, 1] * directions[r, 0]
                + town[k, 2] * directions[r, 1]
                + town[k, 3] * directions[r, 2]
            )

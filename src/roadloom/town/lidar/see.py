"""What a spinning LiDAR measures: every ray from where, and when, it was really fired.

turn -> directions and times -> the ego's pose and every mover at each ray's own time -> hits
    -> light that comes back -> points carried by the ego's motion alone into the ego frame of the
       sweep's stamp
"""

from typing import NamedTuple
from zlib import crc32

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64, UInt8

from roadloom.scene.classes import class_id
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.rig import MountedLidar
from roadloom.town.camera.paint import GroundGrid, paint_grid
from roadloom.town.cast.caster import Caster, Hits, caster_of
from roadloom.town.lidar import kernels
from roadloom.town.lidar.physics import EXACT, Fate, LidarPhysics, material_table
from roadloom.town.rays import Rays, device_rays, lidar_rays
from roadloom.town.world import World

MARKING, SKY = class_id("marking.road_line"), class_id("sky")
PHYSICS = LidarPhysics()


class Shots(NamedTuple):
    """Every shot of one turn, column by column in the order of beams; lost ones too."""

    rays: Rays
    time_ns: Int64[np.ndarray, " ray"]
    hits: Hits
    """Without noise."""
    cosine: Float[np.ndarray, " ray"]
    """Of the angle between ray and surface."""
    label: UInt8[np.ndarray, " ray"]
    thing: Int32[np.ndarray, " ray"]
    """Row of ``World.things``; -1 for ground and sky."""
    fate: UInt8[np.ndarray, " ray"]
    """Of ``physics.Fate``."""
    range_m: Float[np.ndarray, " ray"]
    """As measured; infinite where nothing came back."""
    intensity: Float32[np.ndarray, " ray"]
    points: Float32[np.ndarray, "ray 3"]
    """In the ego frame of the stamp; NaN where nothing came back."""


def see(
    world: World,
    mount: MountedLidar,
    stamp_ns: int,
    *,
    frozen: bool = False,
    physics: LidarPhysics = PHYSICS,
) -> Sweep:
    """The sweep whose stamp is ``stamp_ns``; shots that return nothing leave no row.

    ``frozen``: every ray is fired at the stamp, and nothing is lost or noisy.

    Raises:
        NotRecorded: the rig does not know the device's beams.
    """
    shots = hits_of(world, mount, stamp_ns, frozen=frozen, physics=physics)
    kept = np.flatnonzero(shots.fate == Fate.RETURNED)
    assert mount.lidar is not None
    return Sweep(
        # The town stands still, so what the ego's motion carries is a point of the town.
        points=shots.points[kept],
        time_ns=stamp_ns,
        world_from_ego=world.world_from_ego(np.array([stamp_ns], np.int64))[0],
        motion_compensated=True,
        point_time_ns=shots.time_ns[kept],
        ring=(kept % mount.lidar.beams).astype(np.int16),
        intensity=shots.intensity[kept],
        origin_id=np.zeros(len(kept), np.uint8),
        origins=(LidarOrigin(name=mount.name, ego_from_lidar=mount.ego_from_lidar),),
        returned=np.ones(len(kept), bool),
        label=shots.label[kept],
    )


def hits_of(
    world: World,
    mount: MountedLidar,
    stamp_ns: int,
    *,
    frozen: bool = False,
    physics: LidarPhysics = PHYSICS,
) -> Shots:
    """All shots of that sweep, and what became of each."""
    physics = EXACT if frozen else physics
    rays, time_ns = lidar_rays(world, mount, stamp_ns, frozen=frozen)
    assert mount.lidar is not None
    caster = caster_of(world)
    time_s = float(rays.time_s[0]) if frozen else rays.time_s
    hits, cosine = caster.cast_with_cosines(rays.origins, rays.directions, time_s)
    tables = world.tables
    count = len(time_ns)
    label = np.empty(count, np.uint8)
    kernels.labels(
        hits.triangle, hits.distance, rays.origins, rays.directions, tables.material,
        tables.class_id, SKY, MARKING, _paint_of(caster), label,
    )  # fmt: skip
    range_m, intensity = np.empty(count), np.empty(count, np.float32)
    fate, points = np.empty(count, np.uint8), np.empty((count, 3), np.float32)
    pose = world.town_from_ego(np.array([stamp_ns], np.int64))[0]
    look, lidar = world.plan.look, mount.lidar
    kernels.measure(
        rays.origins, rays.directions, hits.distance, cosine, hits.triangle, label, MARKING,
        _on_ego(caster, mount) if physics.ego_body else np.zeros(count, bool),
        tables.material, tables.tint, tables.style, _TABLE, look.wet_permille / 1000,
        look.haze_ppm * 1e-6, (lidar.min_range_m, lidar.max_range_m),
        physics.weakest / lidar.max_range_m**2,
        (physics.noise_m, physics.noise_per_m, physics.step_m, physics.speckle,
         physics.chance_loss),
        physics.levels, _seed(world, mount, stamp_ns),
        np.column_stack([pose.translation, pose.rotation]),
        range_m, intensity, fate, points,
    )  # fmt: skip
    thing = np.where(hits.triangle >= 0, tables.owner[hits.triangle], np.int32(-1))
    return Shots(
        rays, time_ns, hits, cosine, label, thing, fate, range_m, intensity, points
    )  # fmt: skip


def _on_ego(caster: Caster, mount: MountedLidar) -> np.ndarray:
    """Shots that end on the ego's body: the same in every turn, as both are one piece."""
    assert mount.lidar is not None
    pose = mount.ego_from_lidar
    name = ("on_ego", mount.lidar, pose.rotation.tobytes(), pose.translation.tobytes())
    if name not in caster.kept:
        directions = pose.rotate(device_rays(mount.lidar)[0])
        origins = np.broadcast_to(pose.translation, directions.shape)
        caster.kept[name] = caster.meets_ego(origins, directions)
    mask: np.ndarray = caster.kept[name]
    return mask


def _paint_of(caster: Caster) -> GroundGrid:
    if "paint" not in caster.kept:
        caster.kept["paint"] = paint_grid(caster.world)
    grid: GroundGrid = caster.kept["paint"]
    return grid


def _seed(world: World, mount: MountedLidar, stamp_ns: int) -> np.uint64:
    """Of one sweep: another one for each clip, device and stamp."""
    word = (world.start_ns * 0x9E3779B97F4A7C15 + crc32(mount.name.encode())) * 0xD1342543DE82EF95
    return np.uint64((word + stamp_ns * 0xAEF17502108EF2D9) % 2**64)


_TABLE = material_table()

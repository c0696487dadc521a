"""What a spinning LiDAR measures: every ray from where, and when, it was really fired.

turn -> directions and times -> the ego's pose and every mover at each ray's own time -> hits
    -> points carried by the ego's motion alone into the ego frame of the sweep's stamp

Without noise: a point lies on its surface, at its own time, to float32. Rays that hit nothing
between the device's nearest and farthest range leave no point.
"""

import numpy as np

from roadloom.errors import NotRecorded
from roadloom.scene.classes import CLASSES
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.rig import MountedLidar
from roadloom.street0.caster import SKY, Hits, build_tree, cast, normals
from roadloom.street0.ground import class_of_hits
from roadloom.street0.world import World

REFLECTIVITY = {
    "flat.road": 0.10,
    "flat.parking": 0.12,
    "marking.road_line": 0.42,
    "flat.sidewalk": 0.20,
    "nature.terrain": 0.28,
    "nature.vegetation": 0.30,
    "nature.trunk": 0.22,
    "structure.building": 0.26,
    "structure.pole": 0.24,
    "structure.fence": 0.25,
    "structure.traffic_sign": 0.85,
    "object.traffic_cone": 0.60,
    "object.barrier": 0.50,
    "human.construction_worker": 0.60,
}
"""Intensity head-on, as a share of full scale; after the medians in nuScenes and SemanticKITTI
sweeps, retro-reflecting things brighter. All other classes have 0.18."""


def see(world: World, mount: MountedLidar, stamp_ns: int) -> Sweep:
    """The sweep whose stamp is ``stamp_ns``.

    Raises:
        NotRecorded: the rig does not know the device's beams.
    """
    if mount.lidar is None:
        raise NotRecorded("the rig does not say how its beams are arranged", field=mount.name)
    in_sensor, offset_ns = mount.lidar.rays()
    columns, beams = offset_ns.shape
    time_ns = (stamp_ns + mount.trigger_offset_ns + offset_ns).ravel()
    street_from_lidar = world.street_from_ego(time_ns) @ mount.ego_from_lidar
    origins = street_from_lidar.translation
    directions = np.einsum("rij,rj->ri", street_from_lidar.rotation, in_sensor.reshape(-1, 3))
    time_s = world.seconds(time_ns)
    tree = build_tree(world.tables, float(time_s.min()), float(time_s.max()))
    hits = cast(world.tables, tree, origins, directions, time_s)
    kept = hits.part != SKY
    kept &= (hits.distance >= mount.lidar.min_range_m) & (hits.distance <= mount.lidar.max_range_m)
    hits = Hits(*(column[kept] for column in hits))
    origins, directions = origins[kept], directions[kept]
    points = origins + directions * hits.distance[:, None]
    label = class_of_hits(world, hits, points)
    cosine = -(normals(world.tables, world.owner, hits) * directions).sum(axis=1)
    reference = world.street_from_ego(np.array([stamp_ns], np.int64))[0]
    return Sweep(
        # The street stands still, so what the ego's motion carries is a point of the street.
        points=reference.inverse().apply(points).astype(np.float32),
        time_ns=stamp_ns,
        world_from_ego=world.world_from_ego(np.array([stamp_ns], np.int64))[0],
        motion_compensated=True,
        point_time_ns=time_ns[kept],
        ring=np.tile(np.arange(beams, dtype=np.int16), columns)[kept],
        intensity=(_HEAD_ON[label] * (0.25 + 0.75 * cosine)).astype(np.float32),
        origin_id=np.zeros(len(points), np.uint8),
        origins=(LidarOrigin(name=mount.name, ego_from_lidar=mount.ego_from_lidar),),
        returned=np.ones(len(points), bool),
        label=label,
    )


_HEAD_ON = np.full(256, 0.18)
for _row in CLASSES:
    _HEAD_ON[_row.id] = REFLECTIVITY.get(_row.name, 0.18)

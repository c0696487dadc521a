"""The caster's slow twin: every triangle of a town at one moment, ray by ray, in NumPy.

Moeller and Trumbore, "Fast, minimum storage ray/triangle intersection" (1997), equations 4 to 6.
"""

import numpy as np

from roadloom.town.tracks import poses_at


def town_triangles(world, time_s, ego=False):
    """Corners [triangle 3 3] in the town, rows of ``World.tables`` and actors (-1 for none)."""
    count = len(world.standing_mesh)
    corners, rows = [world.standing_mesh.corners], [np.arange(count)]
    actors = [np.full(count, -1)]
    for instance in world.instances(time_s, time_s):
        pose = poses_at(world.tracks[instance.actor], np.array([time_s]))[0]
        local = world.tables.corners[instance.start : instance.stop]
        corners.append(pose.apply(local))
        rows.append(np.arange(instance.start, instance.stop))
        actors.append(np.full(len(local), instance.actor))
    if ego:
        pose = poses_at(world.ego_track.pose, np.array([time_s]))[0]
        corners.append(pose.apply(world.ego_mesh.corners))
        rows.append(np.full(len(world.ego_mesh), -2))
        actors.append(np.full(len(world.ego_mesh), -2))
    return np.concatenate(corners), np.concatenate(rows), np.concatenate(actors)


def cast_reference(world, origins, directions, time_s, ego=False):
    """Distance [ray], row of the tables and actor of the first hit at one moment."""
    corners, rows, actors = town_triangles(world, time_s, ego)
    middle = corners.mean(axis=1)
    square = ((corners - middle[:, None]) ** 2).sum(axis=2).max(axis=1)
    answers = [
        _first(corners, middle, square, o, d) for o, d in zip(origins, directions, strict=True)
    ]
    distance = np.array([a[0] for a in answers])
    which = np.array([a[1] for a in answers])
    hit = which >= 0
    return distance, np.where(hit, rows[which], -1), np.where(hit, actors[which], -1)


def _first(corners, middle, square, origin, direction):
    """Of one ray: distance and triangle, or infinity and -1."""
    to = middle - origin
    along = to @ direction
    near = np.flatnonzero((to * to).sum(axis=1) - along * along <= square * 1.0001 + 1e-9)
    triangle = corners[near]
    first = triangle[:, 0]
    e1, e2 = triangle[:, 1] - first, triangle[:, 2] - first
    p = np.cross(direction, e2)
    determinant = (e1 * p).sum(axis=1)
    safe = np.where(determinant != 0, determinant, 1.0)
    t = origin - first
    u = (t * p).sum(axis=1) / safe
    q = np.cross(t, e1)
    v = (q @ direction) / safe
    distance = (e2 * q).sum(axis=1) / safe
    hit = (determinant != 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
    if not hit.any():
        return np.inf, -1
    best = np.argmin(np.where(hit, distance, np.inf))
    return float(distance[best]), int(near[best])

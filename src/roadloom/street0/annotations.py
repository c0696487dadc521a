"""Boxes of one key frame: where things are, how fast, how much of them the sensors have."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32, UInt8

from roadloom.geometry.box import corners, points_in_boxes_count
from roadloom.geometry.pose import Pose
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import class_id
from roadloom.scene.sweep import Sweep
from roadloom.street0.camera_view import View
from roadloom.street0.shapes import KINDS
from roadloom.street0.world import World

LEVELS = (0.4, 0.6, 0.8)
"""Visible shares that separate nuScenes' levels 1, 2, 3 and 4."""


def annotate(
    world: World,
    time_ns: int,
    range_m: float,
    key: int,
    sweeps: Sequence[Sweep],
    views: Sequence[View],
) -> Boxes:
    """Boxes in the ego frame of ``time_ns``, of everything within ``range_m`` of its origin.

    Points are counted as nuScenes does: those of the key frame's sweeps, each where it was
    measured, against the box where it is at ``time_ns``. Visibility is the share of the pixels
    that would show the object, were it alone, which do show it, over all cameras; objects that
    no pixel would show have the lowest level. Unknown are points without a LiDAR, those of a
    radar, as no rig has one, and visibility without a camera.
    """
    ego_from_street = world.street_from_ego(np.array([time_ns], np.int64))[0].inverse()
    poses = world.street_from_object(world.second(time_ns))
    middle, size = world.annotation
    street_from_box = poses @ Pose(np.broadcast_to(np.eye(3), poses.rotation.shape), middle)
    ego_from_box = ego_from_street @ street_from_box
    rows = world.annotated
    near = np.sqrt((ego_from_box.translation[rows, :2] ** 2).sum(axis=1)) <= range_m
    rows = rows[near]
    things = [world.plan.things[row] for row in rows]
    velocity = np.zeros((len(rows), 3))
    velocity[:, :2] = world.tables.moving[rows, 3:5]
    pose = ego_from_box[rows]
    return Boxes.make(
        time_ns,
        np.array([class_id(KINDS[t.kind].cls) for t in things], np.uint8),
        pose,
        size[rows],
        track_id=_text(f"{t.kind}-{row:03d}" for t, row in zip(things, rows, strict=True)),
        velocity=ego_from_street.rotate(velocity),
        attribute=_text(t.attribute for t in things),
        visibility=_visibility(rows, corners(street_from_box[rows], size[rows]), views),
        num_lidar_points=_points(pose, size[rows], sweeps),
        num_radar_points=np.full(len(rows), -1, np.int32),
        token=_text(f"{world.plan.split}-{world.plan.index}-{key}-{row:03d}" for row in rows),
    )


def _points(pose: Pose, size: np.ndarray, sweeps: Sequence[Sweep]) -> Int32[np.ndarray, " box"]:
    if not sweeps:
        return np.full(len(size), -1, np.int32)
    count = np.zeros(len(size), np.int64)
    for sweep in sweeps:
        count += points_in_boxes_count(sweep.points, pose, size)
    return count.astype(np.int32)


def _visibility(
    rows: np.ndarray, outline: np.ndarray, views: Sequence[View]
) -> UInt8[np.ndarray, " box"]:
    if not views:
        return np.zeros(len(rows), np.uint8)
    seen, alone = np.zeros(len(rows)), np.zeros(len(rows))
    for view in views:
        seen += view.object_pixels()[rows]
        alone += [view.alone_pixels(int(r), o) for r, o in zip(rows, outline, strict=True)]
    share = seen / np.maximum(alone, 1)
    return (1 + np.searchsorted(LEVELS, share, side="right")).astype(np.uint8)


def _text(words: object) -> np.ndarray:
    return np.array(list(words), dtype=np.str_)  # type: ignore[call-overload]

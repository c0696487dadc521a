"""Boxes of one key frame: where things are, how fast, how much of them the sensors have."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int32, Int64, UInt8

from roadloom.geometry.box import corners, points_in_boxes_count
from roadloom.geometry.pose import Pose
from roadloom.scene.boxes import Boxes
from roadloom.scene.sweep import Sweep
from roadloom.town.cast.alone import InstanceImage, shown_pixels, things_in
from roadloom.town.plan.types import TICK_NS, Actor
from roadloom.town.sight import known
from roadloom.town.tracks import STEP_S, poses_at
from roadloom.town.world import World

LEVELS = (0.4, 0.6, 0.8)
"""Visible shares that separate nuScenes' levels 1, 2, 3 and 4."""


def annotate(
    world: World,
    time_ns: int,
    range_m: float,
    key: int,
    sweeps: Sequence[Sweep],
    views: Sequence[InstanceImage],
    *,
    hidden: bool = True,
) -> Boxes:
    """Boxes in the ego frame of ``time_ns``, of all things that carry one and whose middle lies
    within ``range_m`` of the ego's origin on the plan; without ``hidden`` only of those that
    ``sight.py`` knows of.

    Points are counted as nuScenes does: those of the key frame's sweeps, each where it was
    measured, against the box where it is at ``time_ns``. Visibility is the share of the pixels
    that would show the thing, were it alone, which do show it, over all cameras; things that no
    pixel shows have the lowest level. Unknown are points without a LiDAR, those of a radar, as no
    rig has one, visibility without a camera, and the token of what is no key frame (``key`` -1).
    """
    town_from_ego = world.town_from_ego(np.array([time_ns], np.int64))[0]
    time_s = float(world.seconds(np.array([time_ns], np.int64))[0])
    middle, size = world.box
    town_from_box = world.town_from_thing(time_s) @ _shifts(middle)
    ego_from_box = town_from_ego.inverse() @ town_from_box
    apart = np.sqrt((ego_from_box.translation[:, :2] ** 2).sum(axis=1))
    told = world.boxed & (apart <= range_m)
    rows = np.flatnonzero(told if hidden else told & known(world, time_s))
    things, pose, size = [world.things[row] for row in rows], ego_from_box[rows], size[rows]
    velocity = town_from_ego.inverse().rotate(velocities(world, rows, middle[rows], time_s))
    tick = int(np.floor(time_s * 1e9 / TICK_NS + 1e-6))
    return Boxes.make(
        time_ns,
        world.class_ids[rows],
        pose,
        size,
        track_id=_text(f"{thing.kind}-{row}" for thing, row in zip(things, rows, strict=True)),
        velocity=velocity,
        attribute=_text(_attribute(thing, tick) for thing in things),
        visibility=_visibility(world, rows, corners(town_from_box[rows], size), views),
        num_lidar_points=_points(pose, size, sweeps),
        token=_text(
            f"{world.plan.split}-{world.plan.index}-{key}-{row}" if key >= 0 else "" for row in rows
        ),
    )


def velocities(
    world: World,
    rows: Int64[np.ndarray, " box"],
    middle: Float[np.ndarray, "box 3"],
    time_s: float,
) -> Float[np.ndarray, "box 3"]:
    """Of places in things' frames [m/s], in the town's axes; over two steps of the tracks."""
    out = np.zeros((len(rows), 3))
    moving = np.flatnonzero(rows >= world.standing)
    if not len(moving):
        return out
    tracks = world.tracks[rows[moving] - world.standing]
    ends = poses_at(tracks, np.array([time_s - STEP_S, time_s + STEP_S]))
    places = (ends.rotation @ middle[moving, None, :, None])[..., 0] + ends.translation
    out[moving] = (places[:, 1] - places[:, 0]) / (2 * STEP_S)
    return out


def _shifts(middle: Float[np.ndarray, "thing 3"]) -> Pose:
    return Pose(np.broadcast_to(np.eye(3), (len(middle), 3, 3)), middle)


def _attribute(thing: object, tick: int) -> str:
    if not isinstance(thing, Actor):
        return str(thing.attribute)  # type: ignore[attr-defined]
    name = ""
    for begins, word in thing.attributes:
        if begins <= tick:
            name = word
    return name


def _points(
    pose: Pose, size: Float[np.ndarray, "box 3"], sweeps: Sequence[Sweep]
) -> Int32[np.ndarray, " box"]:
    if not sweeps:
        return np.full(len(size), -1, np.int32)
    count = np.zeros(len(size), np.int64)
    for sweep in sweeps:
        count += points_in_boxes_count(sweep.points, pose, size)
    return count.astype(np.int32)


def _visibility(
    world: World,
    rows: Int64[np.ndarray, " box"],
    outlines: Float[np.ndarray, "box 8 3"],
    views: Sequence[InstanceImage],
) -> UInt8[np.ndarray, " box"]:
    if not views:
        return np.zeros(len(rows), np.uint8)
    from roadloom.town.camera.view import lens

    count, seen, alone = len(world.things), np.zeros(len(rows)), np.zeros(len(rows))
    somewhere = np.zeros(count, bool)
    for view in views:
        somewhere |= things_in(view.instance, count)
    for view in views:
        directions = lens(view.mount.camera)
        for i in np.flatnonzero(somewhere[rows]):
            counts = shown_pixels(world, view, int(rows[i]), outlines[i], directions)
            seen[i], alone[i] = seen[i] + counts[0], alone[i] + counts[1]
    share = seen / np.maximum(alone, 1)
    return (1 + np.searchsorted(LEVELS, share, side="right")).astype(np.uint8)


def _text(words: Iterable[str]) -> np.ndarray:
    return np.array(list(words), dtype=np.str_)

"""What an annotator would know of: things that come into sight of the ego during the clip.

Recorded data sets hold boxes of what their sensors saw at some time, and carry an object through
the moments in which something hides it. So does this: twice a second, from above the ego's front
axle, sight lines to several places of each thing; a thing is known from its first sight to its
last, and ``HELD_S`` around.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int64

from roadloom.geometry.pose import Pose
from roadloom.town.cast.caster import caster_of
from roadloom.town.tracks import FIRST_S, LAST_S, poses_at
from roadloom.town.world import World

EYE_M = (1.0, 0.0, 1.84)
"""In the ego frame: where a LiDAR sits on a roof."""
EVERY_S = 0.5
HELD_S = 1.0
REACH_M = 120.0
"""Nothing farther away is known."""
PLACES = np.array([(0, 0, 0), (0, 0, 0.8), (0.8, 0, 0.4), (-0.8, 0, 0.4), (0, 0.8, 0.4),
                   (0, -0.8, 0.4)])  # fmt: skip
"""Aimed at, in half sizes from the middle of the box."""


def known(world: World, time_s: float) -> Bool[np.ndarray, " thing"]:
    """Which of ``World.things`` carry a box and are known at a time."""
    span = spans(world)
    return (span[:, 0] - HELD_S <= time_s) & (time_s <= span[:, 1] + HELD_S)


@lru_cache(maxsize=2)
def spans(world: World) -> Float[np.ndarray, "thing 2"]:
    """First and last time [s] at which each thing is in sight; infinities if it never is."""
    times = np.arange(FIRST_S, LAST_S + 1e-9, EVERY_S)
    eyes = poses_at(world.ego_track.pose, times).apply(np.array(EYE_M)[None, None])[:, 0]
    aimed = [_aims(world, float(time_s), eye) for time_s, eye in zip(times, eyes, strict=True)]
    rows, targets = (np.concatenate([one[i] for one in aimed]) for i in (0, 1))
    counts = [len(one[0]) for one in aimed]
    when, origins = np.repeat(times, counts), np.repeat(eyes, counts, axis=0)
    lines = targets - origins
    length = np.sqrt((lines**2).sum(axis=1))
    hits = caster_of(world).cast(origins, lines / length[:, None], when)
    met = np.where(hits.triangle >= 0, world.tables.owner[hits.triangle], -1)
    seen = (hits.distance >= length) | (met == rows)
    found = np.tile((np.inf, -np.inf), (len(world.things), 1))
    np.minimum.at(found[:, 0], rows[seen], when[seen])
    np.maximum.at(found[:, 1], rows[seen], when[seen])
    return found


def _aims(
    world: World, time_s: float, eye: Float[np.ndarray, "3"]
) -> tuple[Int64[np.ndarray, " aim"], Float[np.ndarray, "aim 3"]]:
    """Things within reach, and the places on them to look at."""
    middle, size = world.box
    poses = world.town_from_thing(time_s)
    apart = np.sqrt(((poses.translation - eye)[:, :2] ** 2).sum(axis=1))
    rows = np.flatnonzero(world.boxed & (apart <= REACH_M))
    places = middle[rows, None] + PLACES * size[rows, None] / 2
    targets = Pose(poses.rotation[rows], poses.translation[rows]).apply(places)
    return np.repeat(rows, len(PLACES)), targets.reshape(-1, 3)

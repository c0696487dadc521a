"""Boxes of nuScenes: annotations of a key frame, from the world into its ego frame."""

import numpy as np
from jaxtyping import Float

from roadloom.geometry.pose import Pose, rotation_from_quaternion
from roadloom.scene.boxes import Boxes
from roadloom.scene.class_maps import ids_from
from roadloom.scene.readers.nuscenes_index import Index

VELOCITY_WITHIN_S = 1.5
"""Annotations further apart say nothing of the velocity; twice as far with one on either side."""


def boxes_of(index: Index, sample: int, time_ns: int, world_from_ego: Pose) -> Boxes:
    """The boxes of one sample.

    Args:
        index: of the root.
        sample: row of the sample.
        time_ns: of the key frame.
        world_from_ego: of that moment.
    """
    start, end = index["sample.annotations"][sample : sample + 2].tolist()
    rows = slice(start, end)
    turn, origin = world_from_ego.rotation, world_from_ego.translation
    # Differences first: the world's origin may be far away.
    pose = Pose(
        turn.T @ rotation_from_quaternion(np.array(index["box.rotation"][rows])),
        (index["box.translation"][rows] - origin) @ turn,
    )
    instance = index["box.instance"][rows]
    names, attributes = index.texts("category.name"), np.array(index.texts("attribute.name"))
    return Boxes.make(
        time_ns,
        ids_from("lidarseg", [names[c] for c in index["instance.category"][instance].tolist()]),
        pose,
        index["box.size"][rows][:, [1, 0, 2]],  # the tables have width, length, height
        track_id=_texts(index["instance.token"][instance]),
        velocity=world_velocities(index, start, end) @ turn,
        attribute=attributes[index["box.attribute"][rows]],
        visibility=np.array(index["box.visibility"][rows]),
        num_lidar_points=np.array(index["box.num_lidar_pts"][rows]),
        num_radar_points=np.array(index["box.num_radar_pts"][rows]),
        token=_texts(index["box.token"][rows]),
    )


def world_velocities(index: Index, start: int, end: int) -> Float[np.ndarray, "box 3"]:
    """Velocity [m/s] along world axes of the rows ``start`` to ``end`` of the index's boxes.

    From the annotations of the same object before and after, or from one of them and the box
    itself at an end of its track; NaN where none lies within ``VELOCITY_WITHIN_S``.
    """
    own, samples = np.arange(start, end), index["box.sample"]
    before, after = index["box.prev"][start:end], index["box.next"][start:end]
    first, last = np.where(before < 0, own, before), np.where(after < 0, own, after)
    stamps = index["sample.timestamp"]
    seconds = (stamps[samples[last]] - stamps[samples[first]]) / 1e6
    way = index["box.translation"][last] - index["box.translation"][first]
    longest = np.where((before >= 0) & (after >= 0), 2, 1) * VELOCITY_WITHIN_S
    known = (seconds > 0) & (seconds <= longest)
    return np.where(known[:, None], way / np.where(known, seconds, 1)[:, None], np.nan)


def _texts(tokens: np.ndarray) -> np.ndarray:
    return np.array([token.decode() for token in tokens.tolist()], dtype=np.str_)

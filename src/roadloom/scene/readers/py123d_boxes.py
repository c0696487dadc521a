"""Boxes of 123D logs: in the world there, in the key frame's ego frame here.

Labels of nuScenes, Argoverse 2 and nuPlan become our classes as in our own readers. Of every
other data set 123D's own common labels are taken, which are coarser.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput, UnknownClass
from roadloom.geometry.pose import Pose
from roadloom.io.read import RESTORE
from roadloom.scene.boxes import Boxes
from roadloom.scene.class_maps import DATASET_CLASSES
from roadloom.scene.classes import class_id
from roadloom.scene.readers.py123d_log import reading
from roadloom.scene.readers.py123d_rig import pose_of

_LISTS = {
    "NuScenesBoxDetectionLabel": "nuscenes",
    "AV2SensorBoxDetectionLabel": "av2",
    "NuPlanBoxDetectionLabel": "nuplan",
}
_COMMON = {
    "EGO": "vehicle.ego",
    "VEHICLE": "vehicle",
    "TRAIN": "vehicle.railed",
    "TWO_WHEELER": "two_wheeler.bicycle",
    "PERSON": "human.pedestrian",
    "ANIMAL": "animal",
    "TRAFFIC_SIGN": "structure.traffic_sign",
    "TRAFFIC_CONE": "object.traffic_cone",
    "TRAFFIC_LIGHT": "structure.traffic_light",
    "BARRIER": "object.barrier",
    "GENERIC_OBJECT": "object.generic",
    "OTHER": "object.other",
}
"""123D's common labels. Its two-wheelers are of every kind; ours need one."""


def boxes_of(found: Any, time_ns: int, world_from_ego: Pose, file: Path) -> Boxes:
    """The boxes of one record; those between two moments are not carried.

    Raises:
        BadInput: a box without size or place, or a label that nobody knows.
    """
    with reading(file, "data"):
        rows = [b.bounding_box_se3 for b in found]
        if not rows:
            return Boxes.empty(time_ns)
        ids = np.array([_class_of(b.attributes.label) for b in found], np.uint8)
        world_from_box = Pose.stack([pose_of(b.center_se3) for b in rows])
        size = np.array([[b.length, b.width, b.height] for b in rows], np.float64)
        speeds = np.array([_velocity(b.velocity_3d) for b in found], np.float64)
        points = [b.attributes.num_lidar_points for b in found]
        tracks = [str(b.attributes.track_token) for b in found]
    ego_from_world = world_from_ego.inverse()
    try:
        return Boxes.make(
            time_ns,
            ids,
            ego_from_world @ world_from_box,
            size,
            track_id=np.array(tracks),
            velocity=ego_from_world.rotate(speeds),
            num_lidar_points=np.array([-1 if n is None else n for n in points], np.int32),
        )
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(str(error), file=file, field="bounding_box_se3", remedy=RESTORE) from error


def _velocity(vector: Any) -> list[float]:
    return [np.nan] * 3 if vector is None else np.asarray(vector.array, float).tolist()


@lru_cache(maxsize=512)
def _class_of(label: Any) -> int:
    kind = type(label).__name__
    if kind in _LISTS:
        return _named(_LISTS[kind])[label.name]
    common = label.to_default().name
    if common not in _COMMON:
        raise UnknownClass(f"{kind}.{label.name} is {common}, a label that is not known here")
    return class_id(_COMMON[common])


@lru_cache(maxsize=8)
def _named(dataset: str) -> dict[str, int]:
    """Our ids by 123D's names: those of the data set in capitals, joined by low lines."""
    rows = DATASET_CLASSES[dataset].items()
    return {re.sub(r"\W", "_", str(name)).upper(): found for name, found in rows}

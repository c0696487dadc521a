"""Boxes as a submission to the nuScenes detection task, which the official evaluator judges.

    boxes of a key frame, velocities -> sample_results -> write_detections -> results.json

The fields are those of the task's published result format. What may be submitted is what a clip
holds: its own boxes, to feed truth into the evaluator, or any ``Boxes`` of a detector.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float

from roadloom.errors import BadInput
from roadloom.export.nuscenes.classes import attributes_of
from roadloom.geometry.pose import Pose, quaternion_from_rotation
from roadloom.io.atomic import write_bytes
from roadloom.scene.boxes import Boxes
from roadloom.scene.class_views import view
from roadloom.scene.classes import DETECTION_NAMES
from roadloom.scene.clip import Clip

MOST = 500
"""Boxes of one sample that the evaluator takes."""
RELATED = {
    "pedestrian": "pedestrian.",
    "bicycle": "cycle.",
    "motorcycle": "cycle.",
    "barrier": None,
    "traffic_cone": None,
}
"""What a class's attributes begin with; ``vehicle.`` of those not named, None for none."""

Result = dict[str, Any]


def sample_results(
    sample: str,
    boxes: Boxes,
    world_from_ego: Pose,
    *,
    scores: Float[np.ndarray, " box"] | None = None,
) -> list[Result]:
    """Boxes of one key frame as rows of a submission.

    Boxes of none of the ten classes of the task, and boxes known to hold neither a LiDAR nor a
    radar point, are left out: the evaluator judges neither. A velocity that is not known is
    written as 0, as a submission must hold numbers.

    Args:
        sample: token of the sample.
        boxes: in the ego frame; their velocities are submitted.
        world_from_ego: into the root's world, its shift included.
        scores: 0 to 1 for each box; 1 if not given.

    Raises:
        BadInput: scores that are none, or more boxes than the evaluator takes.
    """
    score = np.ones(len(boxes)) if scores is None else scores
    if score.shape != (len(boxes),) or not ((score >= 0) & (score <= 1)).all():
        raise BadInput(
            "must be one number from 0 to 1 for each box", field="scores", remedy="scale them"
        )
    kinds = view("det10").apply(boxes.class_id)
    judged = (kinds < len(DETECTION_NAMES)) & ~_without_points(boxes)
    if judged.sum() > MOST:
        raise BadInput(
            f"{int(judged.sum())} boxes in one sample", field=sample,
            remedy=f"keep the best {MOST} by score",
        )  # fmt: skip
    world_from_box = world_from_ego @ boxes.pose
    quaternions = quaternion_from_rotation(world_from_box.rotation)
    velocities = np.nan_to_num(world_from_ego.rotate(boxes.velocity))
    rows = []
    for i in np.flatnonzero(judged).tolist():
        name = DETECTION_NAMES[int(kinds[i])]
        rows.append(
            {
                "sample_token": sample,
                "translation": world_from_box.translation[i].tolist(),
                "size": boxes.size[i][[1, 0, 2]].tolist(),  # width, length, height
                "rotation": quaternions[i].tolist(),
                "velocity": velocities[i, :2].tolist(),
                "detection_name": name,
                "detection_score": float(score[i]),
                "attribute_name": attribute_name(name, str(boxes.attribute[i])),
            }
        )
    return rows


def _without_points(boxes: Boxes) -> np.ndarray:
    lidar, radar = boxes.num_lidar_points, boxes.num_radar_points
    return (lidar == 0) & (radar <= 0)


def attribute_name(detection: str, text: str) -> str:
    """The attribute of a box that the task asks of its class; empty where there is none."""
    beginning = RELATED.get(detection, "vehicle.")
    if beginning is None:
        return ""
    known, _ = attributes_of(text)
    return next((name for name in known if name.startswith(beginning)), "")


def clip_results(
    clip: Clip, samples: Mapping[int, str], shift: Float[np.ndarray, "3"] | None = None
) -> dict[str, list[Result]]:
    """A clip's own boxes by sample.

    Args:
        clip: with boxes.
        samples: number of a key frame -> token of its sample.
        shift: from the clip's world to the root's; none if the clip is read from the root.
    """
    moved = np.zeros(3) if shift is None else shift
    found = {}
    for key, sample in samples.items():
        pose = clip[key].world_from_ego
        world_from_ego = Pose(pose.rotation, pose.translation + moved)
        found[sample] = sample_results(sample, clip[key].boxes, world_from_ego)
    return found


def write_detections(
    path: str | Path,
    results: Mapping[str, Sequence[Result]],
    *,
    uses: Sequence[str] = ("lidar", "camera"),
) -> None:
    """Write a submission, whole or not at all.

    Args:
        path: of the JSON file.
        results: sample token -> rows; every sample of the split must be in it.
        uses: what the detections were made from: any of camera, lidar, radar, map, external.
    """
    inputs = ("camera", "lidar", "radar", "map", "external")
    if wrong := set(uses) - set(inputs):
        raise BadInput(
            f"{', '.join(sorted(wrong))}: no such input", field="uses",
            remedy=f"use some of {', '.join(inputs)}",
        )  # fmt: skip
    meta = {f"use_{name}": name in uses for name in inputs}
    write_bytes(path, msgspec.json.encode({"meta": meta, "results": dict(results)}))

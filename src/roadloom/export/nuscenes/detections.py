"""Boxes as a submission to the nuScenes detection task, which the official evaluator judges.

    boxes of a key frame -> sample_results -> write_detections -> results.json
    nuScenes root -> root_results -> write_detections: its own annotations as a submission

The fields are those of the task's published result format. Any ``Boxes`` can be submitted: those
of a detector, or the annotations themselves, which the evaluator must find without fault.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float

from roadloom.errors import BadInput
from roadloom.export.nuscenes.classes import attributes_of, category_of
from roadloom.geometry.pose import Pose, quaternion_from_rotation
from roadloom.io.atomic import write_bytes
from roadloom.io.read import read_json
from roadloom.scene.boxes import Boxes
from roadloom.scene.class_views import view
from roadloom.scene.classes import DETECTION_NAMES
from roadloom.scene.clip import Clip
from roadloom.scene.readers.json_fields import Fields
from roadloom.scene.readers.nuscenes import NuScenesSource

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

    Left out is what the evaluator does not judge: boxes of none of the ten classes of the task,
    riders, whom nuScenes has in the box of what they ride, and boxes known to hold neither a
    LiDAR nor a radar point. A velocity that is not known is written as 0, for a submission must
    hold numbers.

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
    boxed = np.array([category_of(int(kind)) is not None for kind in boxes.class_id], bool)
    judged = (kinds < len(DETECTION_NAMES)) & boxed & ~_without_points(boxes)
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


def root_results(place: str, scenes: Sequence[str] | None = None) -> dict[str, list[Result]]:
    """The annotations of a nuScenes root as a submission, by sample.

    Velocities are those that the positions of neighbouring key frames tell, as in the evaluator.

    Args:
        place: ROOT, or ROOT@VERSION where it holds several.
        scenes: names of those to submit; all if not given.

    Raises:
        MissingInput: no such root or scene.
    """
    source = NuScenesSource(place)
    tokens = sample_tokens(source.root / source.version)
    found = {}
    for scene in source.scenes if scenes is None else scenes:
        clip = Clip(source.open_scene(scene))
        for frame, sample in zip(clip, tokens[scene], strict=True):
            found[sample] = sample_results(sample, frame.boxes, frame.world_from_ego)
    return found


def sample_tokens(tables: Path) -> dict[str, list[str]]:
    """Scene -> token of each of its key frames, in time order; ``tables`` is ROOT/VERSION."""
    scenes, samples = tables / "scene.json", tables / "sample.json"
    found: dict[str, list[tuple[int, str]]] = {
        row.text("token"): []
        for row in Fields(scenes, "", {"rows": read_json(scenes)}).each("rows")
    }
    for row in Fields(samples, "", {"rows": read_json(samples)}).each("rows"):
        found[row.text("scene_token")].append((row.whole("timestamp"), row.text("token")))
    names = {row["token"]: row["name"] for row in read_json(scenes)}
    return {names[scene]: [token for _, token in sorted(keys)] for scene, keys in found.items()}


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

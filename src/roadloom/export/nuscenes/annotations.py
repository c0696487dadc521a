"""Boxes of a scene as the tables ``instance`` and ``sample_annotation``.

    boxes of each key frame -> category, attributes -> chains of the same object -> rows

An object is a track and a category: where a source changes the class of a track, the chain ends
and another begins. Velocities are not stored: readers derive them from the positions.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from roadloom.errors import BadInput
from roadloom.export.nuscenes.classes import attributes_of, category_of
from roadloom.export.nuscenes.tokens import token
from roadloom.geometry.box import points_in_boxes_count
from roadloom.geometry.pose import Pose
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import class_name

Row = dict[str, Any]


@dataclass
class Annotations:
    """Collects the boxes of one scene, key frame by key frame."""

    make_token: Callable[..., str]
    """Of the scene: parts of a name -> token."""
    shift: np.ndarray
    """World of the root minus world of the clip [m]."""
    rows: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Boxes of classes that nuScenes does not annotate."""
    attributes_left_out: Counter[str] = field(default_factory=Counter)
    _chains: dict[tuple[str, str], list[Row]] = field(default_factory=dict)
    """Rows of each object: its track and its category."""

    def add(
        self,
        sample: str,
        boxes: Boxes,
        world_from_ego: Pose,
        points: Float32[np.ndarray, "point 3"] | None,
        ego_from_lidar: Pose | None,
    ) -> None:
        """The boxes of one key frame.

        Args:
            sample: token.
            boxes: in the ego frame.
            world_from_ego: in the clip's world.
            points: as the file of the main LiDAR holds them; None without such a file.
            ego_from_lidar: of these points.
        """
        names = [category_of(int(class_id)) for class_id in boxes.class_id]
        for class_id, name in zip(boxes.class_id.tolist(), names, strict=True):
            if name is None:
                self.left_out[class_name(class_id)] += 1
        stay = np.array([name is not None for name in names], bool)
        boxes, names = boxes[stay], [name for name in names if name is not None]
        counts = _counts(boxes, points, ego_from_lidar)
        world_from_box = world_from_ego @ boxes.pose
        quaternion = world_from_box.quaternion if len(boxes) else np.zeros((0, 4))
        middle = world_from_box.translation + self.shift
        for i, name in enumerate(names):
            assert name is not None
            track = str(boxes.track_id[i]) or f"{sample} {i}"
            row = {
                "token": self.make_token("sample_annotation", sample, track, name),
                "sample_token": sample,
                "instance_token": self.make_token("instance", track, name),
                "visibility_token": str(int(boxes.visibility[i]) or ""),
                "attribute_tokens": self._attributes(str(boxes.attribute[i])),
                "translation": middle[i].tolist(),
                "size": boxes.size[i][[1, 0, 2]].tolist(),
                "rotation": quaternion[i].tolist(),
                "prev": "",
                "next": "",
                "num_lidar_pts": int(counts[i]),
                "num_radar_pts": max(int(boxes.num_radar_points[i]), 0),
            }
            self._link(track, name, row)
            self.rows.append(row)

    def _attributes(self, text: str) -> list[str]:
        known, other = attributes_of(text)
        self.attributes_left_out.update(other)
        return [token("attribute", name) for name in known]

    def _link(self, track: str, category: str, row: Row) -> None:
        chain = self._chains.setdefault((track, category), [])
        if chain:
            if chain[-1]["sample_token"] == row["sample_token"]:
                raise BadInput(
                    f"the track {track!r} has two boxes in one key frame", field="track_id",
                    remedy="give every object its own track, or none",
                )  # fmt: skip
            chain[-1]["next"], row["prev"] = row["token"], chain[-1]["token"]
        chain.append(row)

    def instances(self) -> list[Row]:
        return [
            {
                "token": chain[0]["instance_token"],
                "category_token": token("category", category),
                "nbr_annotations": len(chain),
                "first_annotation_token": chain[0]["token"],
                "last_annotation_token": chain[-1]["token"],
            }
            for (_, category), chain in self._chains.items()
        ]


def _counts(
    boxes: Boxes, points: Float32[np.ndarray, "point 3"] | None, ego_from_lidar: Pose | None
) -> np.ndarray:
    """Points of the file in each box, faces included, as the devkit counts them.

    Without the file what the source counted; 0 where that is unknown, for the tables have no
    word for it.
    """
    if points is None or ego_from_lidar is None or not len(boxes):
        return np.maximum(boxes.num_lidar_points, 0)
    lidar_from_box = ego_from_lidar.inverse() @ boxes.pose
    return points_in_boxes_count(points.astype(np.float64), lidar_from_box, boxes.size)

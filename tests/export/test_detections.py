"""Submissions: the published fields, what is left out, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.export.street_clip import THINGS, YAW, export_streets, street_clip

from roadloom.errors import BadInput
from roadloom.export.nuscenes.detections import (
    attribute_name,
    root_results,
    sample_results,
    write_detections,
)
from roadloom.scene.classes import DETECTION_NAMES, class_id


def rows_of(**columns: np.ndarray) -> list[dict]:
    frame = street_clip()[1]
    boxes = replace(frame.boxes, **columns)
    return sample_results("s", boxes, frame.world_from_ego)


def test_every_field_is_that_of_the_box() -> None:
    frame, rows = street_clip()[1], rows_of()
    assert [row["detection_name"] for row in rows] == [
        "car", "truck", "bus", "trailer", "construction_vehicle", "pedestrian", "motorcycle",
        "bicycle", "traffic_cone", "barrier",
    ]  # fmt: skip
    world = (frame.world_from_ego @ frame.boxes.pose).translation
    for i, row in enumerate(rows):
        assert row["sample_token"] == "s" and row["detection_score"] == 1.0
        assert row["translation"] == world[i].tolist()
        length, width, height = THINGS[i][4]
        assert row["size"] == [width, length, height]
        # All stand along the street, which runs at YAW in the world.
        along = np.array([np.cos(YAW), np.sin(YAW)])
        assert row["velocity"] == pytest.approx(THINGS[i][3] * along)
        assert row["rotation"] == pytest.approx([np.cos(YAW / 2), 0, 0, np.sin(YAW / 2)])
        assert row["attribute_name"] == THINGS[i][1]


def test_boxes_without_points_of_other_classes_and_riders_are_left_out() -> None:
    count = len(THINGS)
    assert rows_of(num_lidar_points=np.zeros(count, np.int32)) == []
    radar = np.full(count, 2, np.int32)
    assert len(rows_of(num_lidar_points=np.zeros(count, np.int32), num_radar_points=radar)) == count
    assert len(rows_of(num_lidar_points=np.full(count, -1, np.int32))) == count
    for name in ("human.rider.bicycle", "object.bollard", "vehicle.police"):
        assert rows_of(class_id=np.full(count, class_id(name), np.uint8)) == []


def test_attributes_are_those_of_the_class() -> None:
    assert attribute_name("car", "cycle.with_rider,vehicle.parked") == "vehicle.parked"
    assert attribute_name("barrier", "vehicle.parked") == ""
    assert attribute_name("pedestrian", "odd") == ""
    assert attribute_name("bicycle", "cycle.with_rider") == "cycle.with_rider"


def test_unknown_velocities_become_numbers() -> None:
    rows = rows_of(velocity=np.full((len(THINGS), 3), np.nan))
    assert all(row["velocity"] == [0.0, 0.0] for row in rows)


def test_bad_scores_and_too_many_boxes_are_refused() -> None:
    frame = street_clip()[0]
    for scores in (np.zeros(3), np.full(len(THINGS), 1.5), np.full(len(THINGS), np.nan)):
        with pytest.raises(BadInput, match="scores"):
            sample_results("s", frame.boxes, frame.world_from_ego, scores=scores)
    many = frame.boxes[np.zeros(501, np.int64)]
    with pytest.raises(BadInput, match=r"501 boxes in one sample .* best 500"):
        sample_results("s", many, frame.world_from_ego)


def test_a_root_is_submitted_whole(tmp_path: Path) -> None:
    root = export_streets(tmp_path / "root")
    results = root_results(str(root))
    assert len(results) == 8
    assert {row["detection_name"] for row in sum(results.values(), [])} == set(DETECTION_NAMES)
    samples = {row["token"] for row in json.loads((root / "v1.0-trainval/sample.json").read_text())}
    assert set(results) == samples
    assert len(root_results(str(root), ["scene-0012"])) == 4
    write_detections(tmp_path / "a.json", results, uses=("lidar",))
    whole = json.loads((tmp_path / "a.json").read_text())
    assert whole["meta"] == {
        "use_camera": False, "use_lidar": True, "use_radar": False, "use_map": False,
        "use_external": False,
    }  # fmt: skip
    assert whole["results"] == results
    with pytest.raises(BadInput, match="sonar: no such input"):
        write_detections(tmp_path / "b.json", results, uses=("sonar",))

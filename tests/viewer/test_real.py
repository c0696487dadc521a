"""Real recordings become pages; nothing of them is kept."""

import json
import re

import numpy as np
import pytest

import roadloom
from roadloom.scene.classes import class_id
from roadloom.viewer.options import ViewOptions
from roadloom.viewer.page import write_page
from roadloom.viewer.ring import camera_view, points_in_image, recorded_boxes


def facts_of(path) -> dict:
    found = re.search(r'id="clip">(.*?)</script>', path.read_text(encoding="utf-8"))
    return json.loads(found[1])


def test_nuscenes(real_data, tmp_path) -> None:
    clip = roadloom.open(f"nuscenes:{real_data / 'nuscenes'}")[0]
    facts = facts_of(write_page(clip, tmp_path / "page.html"))
    assert [name for name, absent in facts["missing"].items() if absent] == ["occupancy"]
    assert [[facts["cameras"][i]["name"] for i in row] for row in facts["rows"]] == [
        ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT"],
        ["CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"],
    ]
    frame = clip[0]
    for camera in clip.rig.camera_names:
        _, depth = points_in_image(frame, frame.lidar(), camera_view(frame, camera))
        assert len(depth) > 1500
        assert (depth > 0.5).all()


def test_av2_opens_with_a_sweep(real_data, tmp_path) -> None:
    log = next((real_data / "av2" / "sensor" / "val").iterdir())
    clip = roadloom.open(f"av2:{log}")[0]
    facts = facts_of(write_page(clip, tmp_path / "page.html", ViewOptions(max_frames=4)))
    assert not facts["missing"]["lidar"]
    assert facts["frames"][facts["opening"]]["seconds"] == pytest.approx(11.6, abs=0.05)


def test_layout_scene_moves(real_data, tmp_path) -> None:
    scene = real_data / "nuscenes_layouts" / "scene-0103.json"
    clip = roadloom.open(f"layouts:{scene}")[0]
    facts = facts_of(write_page(clip, tmp_path / "page.html"))
    assert len(facts["frames"]) == 40
    assert facts["missing"]["lidar"]
    assert class_id("vehicle.car") in [c["id"] for c in facts["classes"]]
    first, last = (recorded_boxes(clip[k]) for k in (0, 39))
    assert len(first) and len(last)
    travelled = clip[39].world_from_ego.translation - clip[0].world_from_ego.translation
    assert np.linalg.norm(travelled) > 10

"""The recorded key frame of scene-0061: counts, poses and times that the data set itself states."""

import json
from pathlib import Path

import numpy as np
import pytest

from roadloom.geometry.box import inside, points_in_boxes_count
from roadloom.scene.clip import Clip
from roadloom.scene.readers.nuscenes import NuScenesSource
from roadloom.scene.registry import open_source


@pytest.fixture
def folder(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROADLOOM_CACHE", str(tmp_path / "cache"))
    return real_data / "nuscenes"


@pytest.fixture
def clip(folder: Path) -> Clip:
    return open_source(f"nuscenes:{folder}@v1.0-mini:scene-0061")[0]


def test_points_in_boxes_are_as_many_as_annotated(clip: Clip) -> None:
    sweep, boxes = clip[0].lidar(), clip[0].boxes
    assert len(boxes) == 68 and len(sweep) == 34_688
    counts = points_in_boxes_count(sweep.points, boxes.pose, boxes.size)
    assert np.array_equal(counts, boxes.num_lidar_points)
    assert not inside(sweep.points[~sweep.returned], boxes.pose, boxes.size).any()


def test_shots_without_return(clip: Clip) -> None:
    sweep = clip[0].lidar()
    assert (~sweep.returned).sum() == 4_393
    mount = sweep.origins[0].ego_from_lidar
    reach = np.linalg.norm(sweep.points - mount.translation, axis=1)
    assert reach[~sweep.returned].max() < 0.46, "the car went 0.45 m during the turn"


def test_times_and_rings(clip: Clip) -> None:
    sweep = clip[0].lidar()
    assert sweep.point_time_ns[-1] == sweep.time_ns == clip.times_ns[0]
    assert sweep.time_ns - sweep.point_time_ns[0] == round(50e6 * 1083 / 1084)
    assert np.array_equal(sweep.ring.reshape(1084, 32)[7], np.arange(32))
    assert sweep.intensity.min() >= 0 and sweep.intensity.max() <= 1
    # From the left and clockwise: the beam looks ahead after a quarter of the turn.
    hits = sweep.points[
        sweep.returned & (np.abs(sweep.point_time_ns - sweep.time_ns + 37_500_000) < 1e6)
    ]
    far = hits[np.hypot(hits[:, 0], hits[:, 1]) > 5]
    assert np.abs(np.degrees(np.arctan2(far[:, 1], far[:, 0]))).max() < 15


def test_road_near_the_car_is_at_height_zero(clip: Clip) -> None:
    sweep = clip[0].lidar()
    reach = np.hypot(sweep.points[:, 0], sweep.points[:, 1])
    near = sweep.returned & (reach > 3) & (reach < 12) & (np.abs(sweep.points[:, 2]) < 0.5)
    assert near.sum() > 5_000
    assert abs(np.median(sweep.points[near, 2])) < 0.1


def test_calibration_is_that_of_the_file(folder: Path, clip: Clip) -> None:
    tables = folder / "v1.0-mini"
    sensors = {r["token"]: r["channel"] for r in json.loads((tables / "sensor.json").read_text())}
    for record in json.loads((tables / "calibrated_sensor.json").read_text()):
        name = sensors[record["sensor_token"]]
        if name == "LIDAR_TOP":
            pose = clip.rig.lidar(name).ego_from_lidar
        else:
            mount = clip.rig.camera(name)
            pose = mount.ego_from_camera
            assert mount.camera.matrix.tolist() == record["camera_intrinsic"]
            assert (mount.camera.width, mount.camera.height) == (1600, 900)
        assert pose.translation.tolist() == record["translation"]
        turned = pose.quaternion * np.sign(record["rotation"][0])
        assert np.abs(turned - record["rotation"]).max() < 1e-12


def test_cameras_fire_when_the_beam_passes(clip: Clip) -> None:
    """Milliseconds before the LiDAR's stamp, as its file names say."""
    stated = {
        "CAM_FRONT_LEFT": 43.107, "CAM_FRONT": 35.491, "CAM_FRONT_RIGHT": 27.612,
        "CAM_BACK_RIGHT": 20.058, "CAM_BACK": 10.426, "CAM_BACK_LEFT": 0.528,
    }  # fmt: skip
    frame = clip[0]
    for name, before_ms in stated.items():
        image = frame.image(name)
        assert frame.time_ns - image.time_ns == round(before_ms * 1000) * 1000
        assert clip.rig.camera(name).trigger_offset_ns == image.time_ns - frame.time_ns
        assert image.pixels.shape == (900, 1600, 3)
    assert len(frame.images) == 6


def test_car_stands_on_the_drivable_mask(clip: Clip) -> None:
    here = clip[0].world_from_ego.translation[None, :2]
    assert clip.map.rasters["drivable_area"].contains(here).all()


def test_the_piece_is_sound_and_complete(folder: Path) -> None:
    source = NuScenesSource(str(folder))
    assert source.scenes == ("scene-0061",)
    assert [str(p) for p in source.problems(None, partial=True)] == []
    assert [str(p) for p in source.problems("scene-0061", partial=False)] == []
    assert list(source.absent_files(None)) == []

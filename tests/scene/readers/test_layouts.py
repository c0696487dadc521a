"""Moving layouts: a synthetic file comes back exactly, a real one plays, damage is named."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded, RoadloomError
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.scene.classes import class_name
from roadloom.scene.clip import Clip
from roadloom.scene.readers.layouts import LayoutsSource

TILT = np.deg2rad(3.0)
"""The LiDAR leans forward."""


def _pose(yaw: float, translation: tuple[float, float, float], tilt: float = 0.0) -> dict[str, Any]:
    turn = Pose.from_quaternion((np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)), np.zeros(3))
    lean = Pose.from_quaternion((np.cos(tilt / 2), np.sin(tilt / 2), 0.0, 0.0), np.zeros(3))
    return {
        "rotation_wxyz": (turn @ lean).quaternion.tolist(),
        "translation_m": list(translation),
    }


def _box(category: str, center: tuple[float, float, float]) -> dict[str, Any]:
    return {
        "category": category,
        "center_m": list(center),
        "size_lwh_m": [4.5, 1.9, 1.7],
        "yaw_rad": 0.3,
        "velocity_mps": [2.0, 5.0],
        "num_lidar_points": 7,
    }


def layout() -> dict[str, Any]:
    """Two frames half a second apart, two cameras, two boxes; fresh lists each time."""
    frames = []
    for index in range(2):
        time = 1_533_151_603_547_590 + 500_000 * index
        cameras = {
            name: {
                "intrinsics": [[1250.0, 0, 816.0], [0, 1251.0, 491.0], [0, 0, 1]],
                "ego_from_camera": _pose(yaw, (1.7, 0.0, 1.5)),
                "world_from_ego": _pose(0.5, (600 + 3.0 * index - 0.2, 1_647.0, 0.0)),
                "timestamp_us": time - early,
            }
            for name, yaw, early in (("CAM_FRONT", 0.0, 35_000), ("CAM_BACK", 3.0, 10_000))
        }
        frames.append(
            {
                "sample_token": f"token{index}",
                "timestamp_us": time,
                "ego_from_lidar": _pose(-np.pi / 2, (0.94, 0.0, 1.84), TILT),
                "world_from_ego": _pose(0.5, (600 + 3.0 * index, 1_647.0, 0.0)),
                "cameras": cameras,
                "boxes_in_lidar": [
                    _box("car", (5.0, 10.0 + index, -1.0)),
                    _box("static_object.bicycle_rack", (-3.0, 8.0, -1.0)),
                ],
            }
        )
    return {"scene": "scene-0001", "frames": frames}


def _write(folder: Path, data: Any) -> Path:
    path = folder / "scene-0001.json"
    path.write_text(json.dumps(data))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return roadloom.open(f"layouts:{_write(tmp_path, layout())}")[0]


def test_scenes_are_named_after_files(tmp_path: Path) -> None:
    _write(tmp_path, layout())
    (tmp_path / "scene-0002.json").write_text(json.dumps(layout()))
    assert roadloom.open(f"layouts:{tmp_path}").scenes == ("scene-0001", "scene-0002")
    assert len(roadloom.open(f"layouts:{tmp_path}:scene-0002")) == 1
    with pytest.raises(MissingInput):
        roadloom.open(f"layouts:{tmp_path / 'nowhere'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInput):
        roadloom.open(f"layouts:{tmp_path / 'empty'}")


def test_frames_cameras_and_path(clip: Clip) -> None:
    assert clip.times_ns.tolist() == [1_533_151_603_547_590_000, 1_533_151_604_047_590_000]
    assert clip.rig.camera_names == ("CAM_FRONT", "CAM_BACK")
    front = clip.rig.camera("CAM_FRONT")
    assert front.trigger_offset_ns == -35_000_000
    assert (front.camera.fx, front.camera.fy) == (1250.0, 1251.0)
    assert (front.camera.width, front.camera.height) == (1600, 900)
    assert len(clip.ego.time_ns) == 6
    assert np.allclose(clip[1].world_from_ego.translation, [603, 1_647, 0])
    early = clip.ego.at(clip.times_ns[:1] - 35_000_000)
    assert np.allclose(early.translation, [[599.8, 1_647, 0]])


def test_boxes_come_from_the_lidar_frame(clip: Clip) -> None:
    frame = clip[1]
    boxes = frame.boxes
    ego_from_lidar = clip.rig.lidar("LIDAR_TOP").ego_from_lidar
    assert [class_name(i) for i in boxes.class_id] == ["vehicle.car", "object.bicycle_rack"]
    assert np.allclose(
        boxes.pose.translation[0], ego_from_lidar.apply(np.array([[5.0, 11, -1]]))[0]
    )
    assert np.allclose(
        boxes.pose.rotation[0], ego_from_lidar.rotation @ rotation_from_yaw(np.array(0.3))
    )
    assert np.array_equal(boxes.size[0], [4.5, 1.9, 1.7])
    assert boxes.num_lidar_points.tolist() == [7, 7]
    assert boxes.token.tolist() == ["token1:0", "token1:1"]
    assert (boxes.track_id == "").all()


def test_velocity_runs_along_the_ground_and_keeps_its_lidar_part(clip: Clip) -> None:
    velocity = clip[0].boxes.velocity
    assert (velocity[:, 2] == 0).all()
    back = velocity @ clip.rig.lidar("LIDAR_TOP").ego_from_lidar.rotation
    assert np.allclose(back[:, :2], [2.0, 5.0])


def test_an_unknown_velocity_is_nan(tmp_path: Path) -> None:
    data = layout()
    data["frames"][0]["boxes_in_lidar"][1]["velocity_mps"] = [float("nan")] * 2
    boxes = roadloom.open(f"layouts:{_write(tmp_path, data)}")[0][0].boxes
    assert np.isnan(boxes.velocity[1, :2]).all() and np.isfinite(boxes.velocity[0]).all()


def test_nothing_was_kept_of_what_sensors_saw(clip: Clip) -> None:
    assert clip[0].images == {}
    with pytest.raises(NotRecorded):
        clip[0].image("CAM_FRONT")
    with pytest.raises(NotRecorded):
        clip[0].lidar()
    with pytest.raises(NotRecorded):
        _ = clip.map
    with pytest.raises(MissingInput):
        clip.reader.records("CAM_TOP")


def test_a_frame_without_boxes_is_legal(tmp_path: Path) -> None:
    data = layout()
    data["frames"][1]["boxes_in_lidar"] = []
    source = roadloom.open(f"layouts:{_write(tmp_path, data)}")
    assert len(source[0][1].boxes) == 0 and len(source[0][0].boxes) == 2
    assert list(source.reader.problems(None, partial=False)) == []


def test_a_clip_survives_pickling(clip: Clip) -> None:
    copy = pickle.loads(pickle.dumps(clip))
    assert copy[1].boxes.same_as(clip[1].boxes)
    assert copy.rig == clip.rig


@pytest.fixture(scope="module")
def real(real_data: Path) -> Clip:
    file = real_data / "nuscenes_layouts" / "scene-0103.json"
    if not file.is_file():
        pytest.skip("no scene-0103.json among the real recordings")
    return roadloom.open(f"layouts:{file}")[0]


def test_real_scene_is_sound_and_whole(real: Clip, real_data: Path) -> None:
    reader = roadloom.open(f"layouts:{real_data / 'nuscenes_layouts'}").reader
    assert list(reader.problems(None, partial=False)) == []
    assert list(reader.absent_files(None)) == []
    assert len(real) == 40 and len(real.rig.cameras) == 6 and len(real.ego.time_ns) == 280
    assert sum(len(frame.boxes) for frame in real) == 2_090
    assert 19.3 < real.duration_s < 19.5


def test_real_velocities_are_those_of_the_boxes(real: Clip) -> None:
    """Objects told apart by their unique size; central difference of world positions."""
    differences = []
    for before, now, after in zip(real[:-2], real[1:-1], real[2:], strict=True):
        places = [
            dict(
                zip(
                    map(tuple, frame.boxes.size),
                    frame.world_from_ego.apply(frame.boxes.pose.translation),
                    strict=True,
                )
            )
            for frame in (before, after)
        ]
        seconds = (after.time_ns - before.time_ns) / 1e9
        for size, velocity in zip(map(tuple, now.boxes.size), now.boxes.velocity, strict=True):
            if size in places[0] and size in places[1] and np.isfinite(velocity).all():
                world = (places[1][size] - places[0][size]) / seconds
                differences.append(world @ now.world_from_ego.rotation - velocity)
    assert len(differences) > 1_500
    assert (np.median(np.abs(differences), axis=0)[:2] < 0.005).all()


def test_real_traffic_stands_on_the_ground(real: Clip) -> None:
    bottoms = []
    for frame in real:
        near = np.linalg.norm(frame.boxes.pose.translation[:, :2], axis=1) < 15
        z = frame.boxes.pose.translation[near, 2] - frame.boxes.size[near, 2] / 2
        bottoms.extend(z)
    assert abs(np.median(bottoms)) < 0.2


DROP = object()
_WRONG: dict[str, list[Any]] = {
    "scene": [DROP, "", 5],
    "frames": [DROP, [], {}, None],
    "frames[1]": [None, []],
    "frames[1].sample_token": [DROP, "", "token0", 3],
    "frames[1].timestamp_us": [
        DROP,
        "now",
        1.5,
        -1,
        True,
        1_533_151_603_547_590,
        9 * 10**15,
        10**30,
    ],
    "frames[1].ego_from_lidar": [DROP, []],
    "frames[1].ego_from_lidar.rotation_wxyz": [DROP, [0, 0, 0, 0], [1, 0, 0], [2, 0, 0, 0]],
    "frames[1].world_from_ego.rotation_wxyz": [DROP, [0, 0, 0, 0.0], "x", [float("nan"), 0, 0, 1]],
    "frames[1].world_from_ego.translation_m": [DROP, [1, 2], [1, 2, None], [1, 2, 1e300]],
    "frames[1].cameras": [DROP, [], {}],
    "frames[1].cameras.CAM_BACK": [None],
    "frames[1].cameras.CAM_BACK.intrinsics": [
        DROP,
        [[1, 0, 0], [0, 1, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
        [[1, 2, 0], [0, 1, 0], [0, 0, 1]],
        [[9, 0, 1], [0, 9, 1], [0, 0, 1]],
    ],
    "frames[1].cameras.CAM_BACK.ego_from_camera.rotation_wxyz": [DROP, [0, 0, 0, 0]],
    "frames[1].cameras.CAM_BACK.ego_from_camera.translation_m": [DROP, "front"],
    "frames[1].cameras.CAM_BACK.world_from_ego.translation_m": [DROP, []],
    "frames[1].cameras.CAM_BACK.timestamp_us": [DROP, 5, "x"],
    "frames[1].boxes_in_lidar": [DROP, {}, "none"],
    "frames[1].boxes_in_lidar[1]": [None, 3],
    "frames[1].boxes_in_lidar[1].category": [DROP, "", "spaceship", 3],
    "frames[1].boxes_in_lidar[1].center_m": [DROP, [1, 2], [1, 2, "3"], [float("nan"), 0, 0]],
    "frames[1].boxes_in_lidar[1].size_lwh_m": [DROP, [1, 0, 1], [1, -1, 1], [1, 1]],
    "frames[1].boxes_in_lidar[1].yaw_rad": [DROP, None, "left", float("nan")],
    "frames[1].boxes_in_lidar[1].velocity_mps": [DROP, None, [1], [1.0, float("nan")], ["1", "2"]],
    "frames[1].boxes_in_lidar[1].num_lidar_points": [DROP, -1, 1.5, "7", 2**31, 10**30],
}
CASES = [
    (path, index, "missing" if value is DROP else repr(value)[:25])
    for path, values in _WRONG.items()
    for index, value in enumerate(values)
]


def _damage(data: Any, path: str, value: Any) -> None:
    steps: list[Any] = []
    for word in path.split("."):
        name, _, index = word.partition("[")
        steps += [name, int(index[:-1])] if index else [name]
    for step in steps[:-1]:
        data = data[step]
    if value is DROP:
        del data[steps[-1]]
    else:
        data[steps[-1]] = value


def _named_problems(path: Path) -> list[BadInput]:
    try:
        source = roadloom.open(f"layouts:{path}")
    except BadInput as problem:
        return [problem]
    found = list(source.reader.problems(None, partial=False))
    try:
        clip = source[0]
        _ = [frame.boxes for frame in clip], clip.ego
    except RoadloomError:
        pass
    return found


@pytest.mark.parametrize(
    ("path", "index"), [c[:2] for c in CASES], ids=[f"{c[0]} {c[2]}" for c in CASES]
)
def test_damage_to_a_field_is_named(path: str, index: int, tmp_path: Path) -> None:
    data = layout()
    _damage(data, path, _WRONG[path][index])
    file = _write(tmp_path, data)
    found = _named_problems(file)
    assert found and all(problem.file == str(file) for problem in found)
    assert any((problem.field or "").startswith(path) for problem in found), found


def _box_twice(data: Any) -> None:
    boxes = data["frames"][0]["boxes_in_lidar"]
    boxes.append(dict(boxes[0]))


def _moved_lidar(data: Any) -> None:
    data["frames"][1]["ego_from_lidar"]["translation_m"] = [1, 0, 2]


def _camera_of_one_frame(data: Any) -> None:
    data["frames"][1]["cameras"].pop("CAM_BACK")


def _moved_camera(data: Any) -> None:
    data["frames"][1]["cameras"]["CAM_BACK"]["ego_from_camera"]["translation_m"] = [1, 0, 2]


def _camera_of_a_long_name(data: Any) -> None:
    for frame in data["frames"]:
        frame["cameras"]["x" * 101] = frame["cameras"]["CAM_BACK"]


def _camera_named_like_a_path(data: Any) -> None:
    for frame in data["frames"]:
        frame["cameras"]["../x"] = frame["cameras"]["CAM_BACK"]


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (_box_twice, "frames[0].boxes_in_lidar[2].center_m"),
        (_moved_lidar, "frames[1].ego_from_lidar"),
        (_camera_of_one_frame, "frames[1].cameras"),
        (_moved_camera, "frames[1].cameras.CAM_BACK.ego_from_camera"),
        (_camera_named_like_a_path, "frames[0].cameras"),
        (_camera_of_a_long_name, "frames[0].cameras"),
    ],
)
def test_contradictions_are_named(
    damage: Callable[[Any], None], field: str, tmp_path: Path
) -> None:
    data = layout()
    damage(data)
    found = _named_problems(_write(tmp_path, data))
    assert field in [problem.field for problem in found]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"\xff\xfe\x00", b'{"frames": [1}'])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scene-0001.json"
    path.write_bytes(content)
    found = _named_problems(path)
    assert found and found[0].file == str(path)


def test_a_key_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scene-0001.json"
    path.write_text(json.dumps(layout()).replace('"CAM_BACK"', '"CAM_FRONT"'))
    assert [p.field for p in _named_problems(path)] == ["CAM_FRONT"]


def test_an_unknown_scene_is_named(tmp_path: Path) -> None:
    reader = roadloom.open(f"layouts:{_write(tmp_path, layout())}").reader
    with pytest.raises(MissingInput, match="no scene 'x'"):
        list(reader.problems("x", partial=False))


def test_long_places_and_unsafe_names_are_refused(tmp_path: Path) -> None:
    for place in ("a" * 5000, "a" * 300):
        with pytest.raises(BadInput):
            LayoutsSource(place)
    (tmp_path / "a\nb.json").write_text(json.dumps(layout()))
    with pytest.raises(BadInput, match="is no name"):
        LayoutsSource(str(tmp_path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scene-0001.json")
    assert "pipe" in _named_problems(tmp_path / "scene-0001.json")[0].message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert [p.file for p in _named_problems(tmp_path / "x.json")] == [str(tmp_path / "x.json")]

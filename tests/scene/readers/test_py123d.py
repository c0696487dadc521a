"""Logs of the 123D format, written by py123d itself and read back through our types."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.scene.readers import py123d_log
from tests.scene.rich_clip import KEYS, STEP_NS, rich_clip

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded, RoadloomError
from roadloom.scene.clip import Clip
from roadloom.scene.compare import clips_differ

pytest.importorskip("py123d", reason="the extra py123d is not installed: 123D logs are untested")
pytestmark = pytest.mark.filterwarnings("ignore")  # its packages' own

US = 1000
"""123D counts microseconds."""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """What is written: our toy clip, through our folder format."""
    folder = tmp_path_factory.mktemp("mine")
    rich_clip(folder, origin=1000.0).save(folder / "clip")
    return roadloom.open(f"folder:{folder}/clip")[0]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, mine: Clip) -> Path:
    folder = py123d_log.write(mine, tmp_path_factory.mktemp("root"))
    py123d_log.write_map(folder)
    return folder


@pytest.fixture(scope="module")
def clip(root: Path) -> Clip:
    return roadloom.open(f"py123d:{root}")[0]


def test_names_of_sources(root: Path) -> None:
    for place in (root, root / "logs", root / "logs/nuscenes_val", f"{root}@nuscenes"):
        assert roadloom.open(f"py123d:{place}").scenes == ("log-1",)
    assert len(roadloom.open(f"py123d:{root}:log-1")) == 1
    with pytest.raises(MissingInput, match="no log of av2-sensor"):
        roadloom.open(f"py123d:{root}@av2-sensor")
    with pytest.raises(MissingInput, match="no scene 'log-2'"):
        roadloom.open(f"py123d:{root}:log-2")
    with pytest.raises(MissingInput, match="no such folder"):
        roadloom.open(f"py123d:{root}/none")


def test_the_vehicle_frame_is_on_the_ground(clip: Clip) -> None:
    ours_from_imu, stated = clip.meta.our_from_vehicle, py123d_log.IMU_FROM_OURS.inverse()
    np.testing.assert_allclose(ours_from_imu.rotation, stated.rotation, atol=1e-12)
    np.testing.assert_allclose(ours_from_imu.translation, stated.translation, atol=1e-12)


def test_the_rig(clip: Clip, mine: Clip) -> None:
    mount, written = clip.rig.camera("pcam_f0"), mine.rig.camera("CAM_FRONT")
    assert mount.camera == written.camera
    for a, b in (
        (mount.ego_from_camera, written.ego_from_camera),
        (clip.rig.lidar("lidar_top").ego_from_lidar, mine.rig.lidar("TOP").ego_from_lidar),
    ):
        np.testing.assert_allclose(a.rotation, b.rotation, atol=1e-9)
        np.testing.assert_allclose(a.translation, b.translation, atol=1e-9)
    assert clip.rig.camera_names == ("pcam_f0",)
    assert clip.attributes["cameras_left_out"] == {"fmcam_l": "no model of ours for fisheye_mei"}
    assert clip.licence.startswith("CC BY-NC-SA 4.0")


def test_times_and_poses(clip: Clip, mine: Clip) -> None:
    np.testing.assert_array_equal(clip.times_ns, mine.times_ns // US * US)
    np.testing.assert_array_equal(clip.ego.time_ns, mine.ego.time_ns // US * US)
    got, wrote = clip.ego.world_from_ego, mine.ego.world_from_ego
    np.testing.assert_allclose(got.translation, wrote.translation, atol=1e-6)
    np.testing.assert_allclose(got.rotation, wrote.rotation, atol=1e-9)
    for ours, theirs in zip(clip, mine, strict=True):
        assert abs(ours.time_ns - theirs.time_ns) < US
        there = theirs.world_from_ego.translation
        np.testing.assert_allclose(ours.world_from_ego.translation, there, atol=1e-3)


def test_sweeps_at_their_native_rate(clip: Clip, mine: Clip) -> None:
    got, wrote = clip.sweeps["lidar_top"], mine.sweeps["TOP"]
    # The last sweep lies after the last row of the sync table: the format does not list it.
    assert len(wrote) == 2 * KEYS and len(got) == 2 * KEYS - 1
    np.testing.assert_array_equal(got.times_ns, wrote.times_ns[: len(got)] // US * US)
    np.testing.assert_array_equal(got.records.key, np.arange(KEYS) * 2)
    for number, sweep in enumerate(got):
        source = wrote[number]
        source = source[source.returned]
        assert sweep.returned.all() and sweep.motion_compensated
        np.testing.assert_allclose(sweep.points, source.points, atol=2e-5)
        np.testing.assert_array_equal(sweep.point_time_ns, source.point_time_ns // US * US)
        known = np.isfinite(source.intensity)
        np.testing.assert_allclose(
            sweep.intensity[known], source.intensity[known], atol=0.5 / 255 + 1e-6
        )
        np.testing.assert_array_equal(sweep.ring, np.maximum(source.ring, 0))
        assert [o.name for o in sweep.origins] == ["lidar_top"]


def test_images(clip: Clip, mine: Clip) -> None:
    got, wrote = clip.images["pcam_f0"], mine.images["CAM_FRONT"]
    assert len(got) == len(wrote) == KEYS
    for ours, theirs in zip(got, wrote, strict=True):
        assert ours.time_ns == theirs.time_ns // US * US
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)  # colours in their order, too
        there = theirs.world_from_camera.translation
        np.testing.assert_allclose(ours.world_from_camera.translation, there, atol=1e-3)


def test_boxes(clip: Clip, mine: Clip) -> None:
    labels = {"vehicle.car": "vehicle.car", "human.pedestrian": "human.adult"}
    from roadloom.scene.classes import class_name

    for ours, theirs in zip(clip, mine, strict=True):
        got, wrote = ours.boxes, theirs.boxes
        assert len(got) == len(wrote)
        if not len(got):
            continue
        np.testing.assert_allclose(got.size, wrote.size, atol=1e-9)
        np.testing.assert_allclose(got.pose.translation, wrote.pose.translation, atol=1e-3)
        np.testing.assert_allclose(got.pose.rotation, wrote.pose.rotation, atol=1e-5)
        assert got.track_id.tolist() == wrote.track_id.tolist()
        assert got.num_lidar_points.tolist() == wrote.num_lidar_points.tolist()
        whole = np.isfinite(wrote.velocity).all(axis=1)
        np.testing.assert_allclose(got.velocity[whole], wrote.velocity[whole], atol=1e-5)
        assert np.isnan(got.velocity[~whole]).all()
        for mine_id, theirs_id in zip(got.class_id, wrote.class_id, strict=True):
            name = class_name(theirs_id)
            assert class_name(mine_id) == labels.get(name, "animal")


def test_the_map(clip: Clip) -> None:
    found = clip.map
    lane, following = sorted(found.lanes, key=lambda one: one.id)
    assert (following.id, following.successors) == ("8", ())
    assert (lane.id, lane.kind, lane.successors, lane.speed_limit_mps) == ("7", "bike", ("8",), 8.5)
    np.testing.assert_allclose(lane.centerline, [[0, 0, 1], [9, 0, 1]])
    (crossing,) = found.polygons["ped_crossing"]
    np.testing.assert_allclose(crossing.exterior, [[0, 0, 1], [4, 0, 1], [4, 3, 1]])
    assert {k: len(v) for k, v in found.lines.items()} == {"road_divider": 1, "lane_divider": 1}


def test_a_log_without_a_map(tmp_path: Path, mine: Clip) -> None:
    clip = roadloom.open(f"py123d:{py123d_log.write(mine, tmp_path, fisheye=False)}")[0]
    with pytest.raises(NotRecorded, match="no map"):
        _ = clip.map


def test_between_key_frames(clip: Clip) -> None:
    frame = clip.at(int(clip.times_ns[0]) + STEP_NS // 5)
    assert frame.lidar().time_ns == frame.time_ns
    assert len(frame.boxes) == 1  # the one that both neighbours hold


def test_pickled_it_reads_the_same(clip: Clip) -> None:
    assert not clips_differ(clip, pickle.loads(pickle.dumps(clip)))


def test_saved_as_a_folder_it_reads_the_same(clip: Clip, tmp_path: Path) -> None:
    clip.save(tmp_path / "saved")
    assert not clips_differ(clip, roadloom.open(f"folder:{tmp_path}/saved")[0])


def test_validate_finds_nothing(root: Path) -> None:
    source = roadloom.open(f"py123d:{root}")
    assert list(source.reader.problems(None, partial=False)) == []


FILES = (
    "sync", "ego_state_se3", "lidar.lidar_top", "camera.pcam_f0", "camera.fmcam_l",
    "box_detections_se3",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["cut off", "no arrow", "empty"])
@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_named(root: Path, tmp_path: Path, name: str, kind: str) -> None:
    shutil.copytree(root, tmp_path / "root")
    file = tmp_path / f"root/logs/nuscenes_val/log-1/{name}.arrow"
    data = file.read_bytes()
    harm = {"cut off": data[: len(data) // 2], "no arrow": b"PK" + data[2:9], "empty": b""}
    file.write_bytes(harm[kind])
    with pytest.raises(BadInput, match=name.replace(".", r"\.")):
        roadloom.open(f"py123d:{tmp_path}/root")[0]


def test_bytes_changed_at_random_give_errors_of_ours_or_an_answer(
    root: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for number in range(60):
        place = tmp_path / str(number)
        shutil.copytree(root, place)
        file = place / f"logs/nuscenes_val/log-1/{FILES[number % len(FILES)]}.arrow"
        data = bytearray(file.read_bytes())
        for at in rng.integers(0, len(data), 40):
            data[at] = int(rng.integers(256))
        file.write_bytes(bytes(data))
        try:
            source = roadloom.open(f"py123d:{place}")
            problems = list(source.reader.problems(None, partial=False))
        except RoadloomError:
            continue
        assert all(isinstance(p, BadInput) for p in problems)


def test_a_log_may_not_name_code_to_run(root: Path, tmp_path: Path) -> None:
    import msgpack
    import pyarrow as pa

    shutil.copytree(root, tmp_path / "root")
    file = tmp_path / "root/logs/nuscenes_val/log-1/box_detections_se3.arrow"
    with pa.memory_map(str(file), "rb") as source:
        table = pa.ipc.open_file(source).read_all()
    about = msgpack.packb({"box_detection_label_class": "antigravity.Anything"})
    table = table.replace_schema_metadata({b"metadata": about})
    file.unlink()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(BadInput, match=r"antigravity.Anything.*none of py123d"):
        roadloom.open(f"py123d:{tmp_path}/root")[0]


def test_two_logs_of_one_name_are_refused(tmp_path: Path, mine: Clip) -> None:
    for split in ("nuscenes_train", "nuscenes_val"):
        py123d_log.write(mine, tmp_path, split=split, fisheye=False)
    with pytest.raises(BadInput, match="nuscenes_train and in nuscenes_val"):
        roadloom.open(f"py123d:{tmp_path}")
    assert len(roadloom.open(f"py123d:{tmp_path}/logs/nuscenes_train")) == 1

"""Argoverse 2 logs: a synthetic one gives back exactly what was written, a real one checks out."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.scene.readers import av2_log
from tests.scene.readers.av2_log import CAMERAS, START_NS, TRACKS, SyntheticLog

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.scene.class_maps import ids_from
from roadloom.scene.clip import Clip
from roadloom.scene.readers.av2 import nearest
from roadloom.scene.readers.av2_boxes import track_velocities


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SyntheticLog:
    return av2_log.write_log(tmp_path_factory.mktemp("val"))


@pytest.fixture
def clip(log: SyntheticLog) -> Clip:
    return roadloom.open(f"av2:{log.folder}")[0]


def test_a_log_and_a_split_name_their_scenes(log: SyntheticLog, tmp_path: Path) -> None:
    assert roadloom.open(f"av2:{log.folder}").scenes == (av2_log.LOG_ID,)
    av2_log.write_log(tmp_path, "b")
    av2_log.write_log(tmp_path, "a")
    (tmp_path / "notes").mkdir()
    assert roadloom.open(f"av2:{tmp_path}").scenes == ("a", "b")
    assert roadloom.open(f"av2:{tmp_path}:b")[0].scene_id == "b"
    with pytest.raises(MissingInput):
        roadloom.open(f"av2:{tmp_path}:c")
    with pytest.raises(MissingInput, match="no log 'c'"):
        list(roadloom.open(f"av2:{tmp_path}").reader.problems("c", partial=False))
    with pytest.raises(MissingInput, match="holds no"):
        roadloom.open(f"av2:{tmp_path / 'notes'}")
    with pytest.raises(MissingInput, match="no such folder"):
        roadloom.open(f"av2:{tmp_path / 'nowhere'}")


def test_key_frames_are_the_annotated_sweeps(clip: Clip, log: SyntheticLog) -> None:
    assert np.array_equal(clip.times_ns, log.sweep_times)
    assert clip.meta.lidar == "lidar"
    assert clip.attributes["city"] == "PIT"
    assert np.array_equal(clip.reader.records("lidar").key, np.arange(len(clip)))


def test_the_rig_is_that_of_the_tables_moved_to_the_ground(clip: Clip) -> None:
    assert clip.rig.camera_names == tuple(CAMERAS)
    assert clip.rig.lidar_names == ("lidar", "up_lidar", "down_lidar")
    for name, (degrees, size) in CAMERAS.items():
        mount = clip.rig.camera(name)
        assert (mount.camera.width, mount.camera.height) == size
        assert (mount.camera.k1, mount.camera.k2, mount.camera.k3) == (-0.24, -0.02, 0.01)
        assert (mount.camera.fx, mount.camera.fy) == (28.0, 28.5)
        assert (mount.camera.cx, mount.camera.cy) == (size[0] / 2 - 0.4, size[1] / 2 - 0.6)
        ahead = mount.ego_from_camera.rotation @ [0, 0, 1]
        yaw = np.deg2rad(degrees)
        assert np.allclose(ahead, [np.cos(yaw), np.sin(yaw), 0], atol=1e-12)
        assert np.allclose(mount.ego_from_camera.rotation @ [0, 1, 0], [0, 0, -1], atol=1e-12)
        assert np.allclose(mount.ego_from_camera.translation, [1.6, 0.1, 1.72])
    up, down = clip.rig.lidar("up_lidar"), clip.rig.lidar("down_lidar")
    assert np.allclose(up.ego_from_lidar.translation, [1.35, 0, 1.96])
    assert np.allclose(down.ego_from_lidar.rotation, np.diag([1, -1, -1]), atol=1e-12)


def test_the_ego_path_runs_on_the_ground(clip: Clip, log: SyntheticLog) -> None:
    for key, time in enumerate(log.sweep_times.tolist()):
        turn, at = av2_log.city_from_vehicle(time)
        pose = clip[key].world_from_ego
        assert np.allclose(pose.rotation, turn, atol=1e-12)
        assert np.allclose(pose.translation, at - [0, 0, av2_log.ORIGIN_HEIGHT], atol=1e-9)
        assert np.allclose(clip.at(time).world_from_ego.translation, pose.translation)


def test_a_sweep_holds_every_column(clip: Clip, log: SyntheticLog) -> None:
    table = av2_log.read_back(log.folder / "sensors" / "lidar" / f"{log.sweep_times[3]}.feather")
    sweep = clip[3].lidar()
    stored = np.stack([table[a].to_numpy() for a in "xyz"], axis=1).astype(np.float32)
    assert np.array_equal(sweep.points, stored + np.float32([0, 0, 0.32]))
    assert sweep.points.dtype == np.float32 and sweep.motion_compensated
    assert sweep.time_ns == log.sweep_times[3]
    offsets = table["offset_ns"].to_numpy().astype(np.int64)
    assert np.array_equal(sweep.point_time_ns, log.sweep_times[3] + offsets)
    lasers = table["laser_number"].to_numpy()
    assert np.array_equal(sweep.ring, lasers)
    assert np.array_equal(sweep.origin_id, lasers // 32)
    assert [o.name for o in sweep.origins] == ["up_lidar", "down_lidar"]
    assert np.array_equal(sweep.intensity, table["intensity"].to_numpy() / np.float32(255))
    assert sweep.returned.all() and sweep.label is None
    assert (abs(sweep.points[:300, 2]) < 1e-3).all()  # written on the ground


def test_the_units_have_no_stream_of_their_own(clip: Clip) -> None:
    assert len(clip.sweeps["up_lidar"]) == len(clip.sweeps["down_lidar"]) == 0
    with pytest.raises(NotRecorded):
        clip[0].lidar("down_lidar")


def test_images_keep_their_own_time_and_pose(clip: Clip) -> None:
    for number, camera in enumerate(CAMERAS):
        stream = clip.images[camera]
        assert np.array_equal(stream.times_ns, av2_log.image_times(camera))
        image = stream[1]
        turn, at = av2_log.city_from_vehicle(image.time_ns)
        assert np.allclose(image.world_from_ego.translation, at - [0, 0, 0.32], atol=1e-3)
        assert np.allclose(image.world_from_ego.rotation, turn, atol=1e-5)
        assert image.pixels.shape[1::-1] == CAMERAS[camera][1]
        assert np.allclose(image.pixels.mean(axis=(0, 1)), (60, 90, 50 * number), atol=3)
        data, suffix = clip.reader.image_bytes(camera, 1)  # type: ignore[misc]
        assert suffix == ".jpg" and data[:2] == b"\xff\xd8"


def test_key_frames_take_the_image_nearest_in_time(clip: Clip) -> None:
    assert list(clip.reader.records("ring_side_left").key) == list(range(8))
    # 5 Hz: every other key frame has no stereo image within reach.
    assert list(clip.reader.records("stereo_front_left").key) == [0, -1, 1, -1, 2, -1, 3, -1]
    assert clip[2].image("stereo_front_left").time_ns == START_NS + 230_000_000
    assert set(clip[1].images) == {"ring_front_center", "ring_side_left"}


def test_nearest_equals_its_slow_twin() -> None:
    random = np.random.default_rng(4)
    for count in (0, 1, 2, 9):
        times = np.sort(random.choice(200, count, replace=False)).astype(np.int64)
        wanted = np.arange(-5, 205, dtype=np.int64)
        slow = []
        for time in wanted:
            far = [abs(t - time) for t in times.tolist()]
            slow.append(far.index(min(far)) if far and min(far) <= 7 else -1)
        assert nearest(times, wanted, 7).tolist() == slow


def test_boxes_are_those_of_the_scene(clip: Clip, log: SyntheticLog) -> None:
    for key, time in enumerate(log.sweep_times.tolist()):
        boxes = clip[key].boxes
        tracks = [t for t in TRACKS if key == 2 or TRACKS[t][0] != "BOLLARD"]
        assert boxes.track_id.tolist() == tracks
        assert boxes.token.tolist() == [f"{time}:{t}" for t in tracks]
        names = [TRACKS[t][0] for t in tracks]
        assert np.array_equal(boxes.class_id, ids_from("av2", names))
        assert np.array_equal(boxes.size, [TRACKS[t][1] for t in tracks])
        world = clip[key].world_from_ego @ boxes.pose
        for row, track in enumerate(tracks):
            yaw, middle = av2_log.box_in_city(track, time)
            assert np.allclose(world.translation[row], middle, atol=1e-9)
            assert np.isclose(np.exp(1j * world.yaw[row]), np.exp(1j * yaw))
        assert (boxes.num_radar_points == -1).all() and (boxes.visibility == 0).all()
        assert (boxes.attribute == "").all()


def test_velocities_come_from_the_tracks(clip: Clip) -> None:
    boxes, turn = clip[2].boxes, clip[2].world_from_ego.rotation
    for row, track in enumerate(boxes.track_id[:2]):
        want = av2_log.velocity_in_city(track) @ turn
        assert np.allclose(boxes.velocity[row], want, atol=1e-6)
    assert np.isnan(boxes.velocity[2]).all()  # the bollard was seen once


def test_velocity_spans_half_a_second_on_either_side() -> None:
    times = (np.arange(21) * 100_000_000).astype(np.int64)
    seconds = times / 1e9
    place = np.stack([seconds**3, np.zeros(21), np.zeros(21)], axis=1) + 5_000_000.0
    found = track_velocities(times, np.full(21, "a"), place)[:, 0]
    s = seconds[10]
    assert np.isclose(found[10], ((s + 0.5) ** 3 - (s - 0.5) ** 3) / 1.0, atol=1e-6)
    assert np.isclose(found[0], 0.5**3 / 0.5, atol=1e-6)
    assert np.isclose(found[20], (2.0**3 - 1.5**3) / 0.5, atol=1e-6)
    shuffled = np.random.default_rng(0).permutation(21)
    again = track_velocities(times[shuffled], np.full(21, "a"), place[shuffled])[:, 0]
    assert np.array_equal(again, found[shuffled])
    two = track_velocities(times, np.where(np.arange(21) % 2, "a", "b"), place)[:, 0]
    assert np.isclose(two[10], ((s + 0.4) ** 3 - (s - 0.4) ** 3) / 0.8, atol=1e-6)


def test_points_in_boxes_are_as_many_as_annotated(clip: Clip) -> None:
    for frame in clip:
        assert np.array_equal(_points_inside(frame), frame.boxes.num_lidar_points)
        assert (frame.boxes.num_lidar_points > 5).all()


def _points_inside(frame: roadloom.scene.clip.Frame) -> np.ndarray:  # type: ignore[name-defined]
    boxes, points = frame.boxes, frame.lidar().points.astype(np.float64)
    counts = []
    for row in range(len(boxes)):
        near = abs(points - boxes.pose[row].translation).max(axis=1) < boxes.size[row].sum()
        local = boxes.pose[row].inverse().apply(points[near])
        counts.append((abs(local) <= boxes.size[row] / 2).all(axis=1).sum())
    return np.array(counts)


def test_between_key_frames_boxes_are_interpolated(clip: Clip) -> None:
    time = START_NS + 350_000_000
    frame = clip.at(time)
    assert frame.boxes.track_id.tolist() == list(TRACKS)[:2]
    world = frame.world_from_ego @ frame.boxes.pose
    for row, track in enumerate(frame.boxes.track_id):
        assert np.allclose(world.translation[row], av2_log.box_in_city(track, time)[1], atol=1e-6)


def test_a_test_split_without_annotations_opens(tmp_path: Path) -> None:
    log = av2_log.write_log(tmp_path / "test")
    (log.folder / "annotations.feather").unlink()
    source = roadloom.open(f"av2:{log.folder}")
    assert np.array_equal(source[0].times_ns, log.sweep_times)
    with pytest.raises(NotRecorded, match="boxes"):
        _ = source[0][0].boxes
    assert list(source.reader.problems(None, partial=False)) == []


def test_a_pose_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    log = av2_log.write_log(tmp_path)
    path = log.folder / "city_SE3_egovehicle.feather"
    table = av2_log.read_back(path)
    before = roadloom.open(f"av2:{log.folder}")[0].ego
    av2_log.write_table(path, pa.concat_tables([table, table.slice(7, 1)]))
    after = roadloom.open(f"av2:{log.folder}")[0].ego
    assert np.array_equal(before.time_ns, after.time_ns)
    other = table.slice(7, 1).set_column(5, "tx_m", pa.array([1.0]))
    av2_log.write_table(path, pa.concat_tables([table, other]))
    with pytest.raises(BadInput, match="2 rows have timestamp_ns"):
        _ = roadloom.open(f"av2:{log.folder}")[0].ego


def test_row_order_does_not_matter(log: SyntheticLog, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(log.folder, copy)
    for name in ("annotations.feather", "city_SE3_egovehicle.feather"):
        table = av2_log.read_back(copy / name)
        av2_log.write_table(copy / name, table.take(np.arange(table.num_rows)[::-1]))
    one, two = (roadloom.open(f"av2:{place}")[0] for place in (log.folder, copy))
    assert np.array_equal(one.ego.time_ns, two.ego.time_ns)
    assert np.array_equal(np.sort(two[3].boxes.token), np.sort(one[3].boxes.token))
    assert np.array_equal(two[3].boxes.velocity[::-1], one[3].boxes.velocity)


def test_a_clip_survives_pickling_without_what_was_read(clip: Clip) -> None:
    fresh = len(pickle.dumps(clip))
    boxes = clip[3].boxes
    sweep = clip[3].lidar()
    copy = pickle.loads(pickle.dumps(clip))
    assert len(pickle.dumps(clip)) == fresh
    assert copy[3].boxes.same_as(boxes) and copy[3].lidar().same_as(sweep)


def test_a_new_process_reads_the_same_without_new_threads(clip: Clip, tmp_path: Path) -> None:
    """As a loader's worker does: the clip arrives pickled, Arrow starts no pool."""
    (tmp_path / "clip").write_bytes(pickle.dumps(clip))
    code = """if True:
        import os, pickle, sys, pyarrow.ipc
        threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
        clip = pickle.load(open(sys.argv[1], "rb"))
        total = sum(float(f.lidar().points.sum()) + len(f.boxes) + len(f.images) for f in clip)
        if threads:
            assert len(os.listdir("/proc/self/task")) == threads
        assert pyarrow.total_allocated_bytes() == 0
        assert "torch" not in sys.modules and "numba" not in sys.modules
        print(repr(total))
    """
    command = [sys.executable, "-c", code, str(tmp_path / "clip")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    total = sum(float(f.lidar().points.sum()) + len(f.boxes) + len(f.images) for f in clip)
    assert float(done.stdout) == total


def test_a_sound_log_has_no_problems_and_lacks_nothing(log: SyntheticLog) -> None:
    reader = roadloom.open(f"av2:{log.folder}").reader
    assert list(reader.problems(None, partial=False)) == []
    assert list(reader.absent_files(None)) == []


def test_partial_lists_what_is_absent_and_forgives_it(tmp_path: Path) -> None:
    log = av2_log.write_log(tmp_path)
    shutil.rmtree(log.folder / "sensors" / "cameras" / "ring_side_left")
    (log.folder / "sensors" / "lidar" / f"{log.sweep_times[5]}.feather").unlink()
    reader = roadloom.open(f"av2:{tmp_path}").reader
    assert list(reader.problems(None, partial=True)) == []
    absent = [
        f"{av2_log.LOG_ID}/sensors/lidar/{log.sweep_times[5]}.feather",
        f"{av2_log.LOG_ID}/sensors/cameras/ring_side_left/*.jpg",
    ]
    assert list(reader.absent_files(None)) == absent
    found = list(reader.problems(None, partial=False))
    assert [p.file for p in found] == [str(tmp_path / name) for name in absent]
    clip = roadloom.open(f"av2:{tmp_path}")[0]
    with pytest.raises(NotRecorded):
        clip[5].lidar()
    assert len(clip[5].boxes) == 2 and len(clip[4].lidar()) > 0
    with pytest.raises(NotRecorded):
        clip[5].image("ring_side_left")


REAL = "av2/sensor/val/7fab2350-7eaf-3b7e-a39d-6937a4c1bede"


@pytest.fixture(scope="module")
def real(real_data: Path) -> Clip:
    if not (real_data / REAL).is_dir():
        pytest.skip(f"no {REAL} among the real recordings")
    return roadloom.open(f"av2:{real_data / REAL}")[0]


def test_real_log_opens_whole(real: Clip) -> None:
    assert len(real) == 156 and len(real.rig.cameras) == 9
    assert sum(len(frame.boxes) for frame in real) == 11_364
    portrait = real.rig.camera("ring_front_center").camera
    assert (portrait.width, portrait.height) == (1550, 2048)
    assert len(real.sweeps["lidar"]) == 2
    assert real[0].images == {}


def test_real_points_in_boxes_match_all_81_of_the_first_sweep(real: Clip) -> None:
    for sweep in real.sweeps["lidar"]:
        frame = real.at(sweep.time_ns)
        assert frame.key is not None and len(frame.boxes) == 81
        assert np.array_equal(_points_inside(frame), frame.boxes.num_lidar_points)


def test_real_ground_lies_at_zero(real: Clip) -> None:
    ground = real.map.ground
    assert ground is not None
    for sweep in real.sweeps["lidar"]:
        points = sweep.points.astype(np.float64)
        world = sweep.world_from_ego.apply(points)
        above = world[:, 2] - ground.height(world[:, :2])
        near = (np.linalg.norm(points[:, :2], axis=1) < 15) & (abs(above) < 0.3)
        assert near.sum() > 1000
        assert abs(np.median(points[near, 2])) < 0.1
    origins = real.ego.at(real.times_ns).translation
    assert abs(np.nanmean(origins[:, 2] - ground.height(origins[:, :2]))) < 0.02


def test_real_lasers_belong_to_the_units_they_are_numbered_for(real: Clip) -> None:
    """Elevations of section 3 of the measured statistics appear in each unit's own frame."""
    sweep = real.sweeps["lidar"][0]
    for unit, origin in enumerate(sweep.origins):
        for laser, degrees in ((0, 7.00), (1, -1.67), (15, 10.33), (20, -4.00)):
            points = sweep.points[sweep.ring == laser + 32 * unit].astype(np.float64)
            x, y, z = origin.ego_from_lidar.inverse().apply(points).T
            median = np.degrees(np.median(np.arctan2(z, np.hypot(x, y))))
            assert abs(median - degrees) < 0.1, (origin.name, laser)


def test_real_speeds_are_those_of_traffic(real: Clip) -> None:
    speed = np.concatenate([np.linalg.norm(f.boxes.velocity[:, :2], axis=1) for f in real])
    assert np.isnan(speed).sum() <= 1
    assert 12.5 < np.nanmax(speed) < 13.5


def test_real_log_is_sound_but_for_its_absent_files(real: Clip, real_data: Path) -> None:
    reader = roadloom.open(f"av2:{real_data / REAL}").reader
    assert list(reader.problems(None, partial=True)) == []
    absent = list(reader.absent_files(None))
    assert len(absent) == 154 + 9
    assert len(list(reader.problems(None, partial=False))) == len(absent)

"""The reader against a root made from formulas, with its world near by and 5,000 km away."""

import json
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.processes import answers_of
from tests.scene.readers import nuscenes_root as made
from tests.scene.readers.nuscenes_root import Root

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.io.image import read_image
from roadloom.scene.classes import class_id
from roadloom.scene.clip import Clip
from roadloom.scene.readers.nuscenes import NuScenesSource
from roadloom.scene.registry import open_source

FAR = np.array([5e6, -3e6, 0.0])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROADLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module", params=["near", "5000km"])
def root(request: pytest.FixtureRequest) -> Root:
    return Root() if request.param == "near" else Root(origin=FAR)


@pytest.fixture
def folder(root: Root, tmp_path: Path) -> Path:
    return root.write(tmp_path / "root")


@pytest.fixture
def clip(folder: Path) -> Clip:
    return open_source(f"nuscenes:{folder}")[1]


def tolerance(root: Root) -> float:
    """The world's own rounding: 1 nm at 5,000 km."""
    return 1e-9 if np.abs(root.origin).max() < 1e3 else 5e-9


def test_scenes_and_meta(folder: Path) -> None:
    source = open_source(f"nuscenes:{folder}@v1.0-mini")
    assert source.scenes == ("scene-0001", "scene-0002")
    meta = source.clip("scene-0002").meta
    assert meta.source == f"nuscenes:{folder}@v1.0-mini"
    assert meta.attributes["location"] == made.LOCATION
    assert meta.attributes["description"] == "rain, overtaking"
    assert "CC BY-NC-SA" in meta.licence and meta.lidar == "LIDAR_TOP"
    assert np.array_equal(meta.our_from_vehicle.rotation, np.eye(3))
    start = made.scene_start_us(1) * 1000
    assert meta.key_times_ns.tolist() == [start + i * 500_000_000 for i in range(4)]


def test_rig_is_exactly_that_of_the_tables(clip: Clip) -> None:
    rig = clip.rig
    assert rig.camera_names == ("CAM_FRONT", "CAM_BACK") and rig.lidar_names == ("LIDAR_TOP",)
    camera = rig.camera("CAM_FRONT")
    assert camera.camera.matrix.tolist() == made.INTRINSIC
    assert (camera.camera.width, camera.camera.height) == (made.WIDTH, made.HEIGHT)
    for name, pose in {
        "CAM_FRONT": camera.ego_from_camera,
        "CAM_BACK": rig.camera("CAM_BACK").ego_from_camera,
        "LIDAR_TOP": rig.lidar("LIDAR_TOP").ego_from_lidar,
    }.items():
        assert np.array_equal(pose.translation, made.MOUNTS[name].translation)
        assert np.allclose(pose.rotation, made.MOUNTS[name].rotation, atol=1e-15)
    assert camera.trigger_offset_ns == -35_000_000
    assert rig.lidar("LIDAR_TOP").trigger_offset_ns == -50_000_000


def test_every_record_with_its_own_time_and_pose(root: Root, clip: Clip) -> None:
    counts = {"LIDAR_TOP": 10, "CAM_FRONT": 7, "CAM_BACK": 4}
    for name, count in counts.items():
        records = clip.reader.records(name)
        assert len(records) == count
        assert (np.diff(records.time_ns) > 0).all()
        keys = made.scene_start_us(1) + np.arange(4) * made.KEY_US + made.OFFSET_US[name]
        assert records.time_ns[records.key].tolist() == (keys * 1000).tolist()
        for i, time in enumerate(records.time_ns.tolist()):
            truth = root.world_from_ego(1, time / 1000)
            off = records.world_from_ego.translation[i] - truth.translation
            assert np.abs(off).max() <= tolerance(root)
            assert np.allclose(records.world_from_ego.rotation[i], truth.rotation, atol=1e-12)


def test_ego_path_holds_the_records_of_all_sensors(root: Root, clip: Clip) -> None:
    stamps = {r["timestamp"] * 1000 for r in root.tables["ego_pose"]}
    start = clip.times_ns[0] - 100_000_000
    assert clip.ego.time_ns.tolist() == sorted(t for t in stamps if t >= start)
    time = clip.times_ns[1:2] + 7_000_000
    truth = root.world_from_ego(1, float(time[0]) / 1000)
    assert np.abs(clip.ego.at(time).translation[0] - truth.translation).max() <= tolerance(root)


def test_boxes_lie_where_they_were_put(root: Root, clip: Clip) -> None:
    for key, frame in enumerate(clip):
        boxes = frame.boxes
        assert len(boxes) == (3 if key == 1 else 2)
        world = frame.world_from_ego @ boxes.pose
        time = frame.time_ns / 1000
        assert np.abs(world.translation[0] - made.van_at(root, 1, time)).max() < 2e-9
        assert boxes.size[0].tolist() == [5.0, 2.0, 2.2], "length, width, height"
        heading = world.rotation[0][:, 0]
        assert np.allclose(heading, made.VAN_VELOCITY / np.linalg.norm(made.VAN_VELOCITY))
        assert boxes.class_id[:2].tolist() == [class_id("vehicle.car"), class_id("human.adult")]
        assert boxes.track_id[:2].tolist() == ["van-1", "person-1"]
        assert boxes.token[:2].tolist() == [f"van-1@{key}", f"person-1@{key}"]
        assert boxes.attribute[:2].tolist() == ["vehicle.moving", "pedestrian.standing"]
        assert boxes.visibility.tolist() == [4, 2, 0][: len(boxes)]
        assert boxes.num_lidar_points.tolist() == [3 + key] * len(boxes)
        assert boxes.num_radar_points.tolist() == [key] * len(boxes)


def test_velocity_is_over_ground_along_ego_axes(clip: Clip) -> None:
    for frame in clip:  # first and last frame have a neighbour on one side only
        turn = frame.world_from_ego.rotation
        assert np.allclose(frame.boxes.velocity[0], turn.T @ made.VAN_VELOCITY, atol=1e-7)
        assert np.allclose(frame.boxes.velocity[1], 0, atol=1e-7)
    assert np.isnan(clip[1].boxes.velocity[2]).all(), "seen once"


def test_velocity_of_curved_way_is_the_central_difference(tmp_path: Path) -> None:
    root = Root()
    van = [r for r in root.tables["sample_annotation"] if r["instance_token"] == "van-0"]
    van[1]["translation"][0] += 1.0
    clip = open_source(f"nuscenes:{root.write(tmp_path / 'root')}")[0]
    turns = [frame.world_from_ego.rotation for frame in clip]
    speeds = [turns[i] @ clip[i].boxes.velocity[0] - made.VAN_VELOCITY for i in range(4)]
    assert np.allclose(speeds, [[2, 0, 0], [0, 0, 0], [-1, 0, 0], [0, 0, 0]], atol=1e-9)


@pytest.mark.parametrize(("left", "known"), [({0, 3}, True), ({0, 4}, False), ({0, 3, 6}, True)])
def test_velocity_needs_a_neighbour_within_one_and_a_half_seconds(
    tmp_path: Path, left: set[int], known: bool
) -> None:
    root = Root(keys=7)
    keep = {f"van-0@{i}" for i in left}
    rows = root.tables["sample_annotation"]
    rows[:] = [r for r in rows if r["instance_token"] != "van-0" or r["token"] in keep]
    made._link(root.tables)
    clip = open_source(f"nuscenes:{root.write(tmp_path / 'root')}")[0]
    for key in left:
        velocity = clip[key].boxes.velocity[clip[key].boxes.track_id == "van-0"]
        assert np.isfinite(velocity).all() == known


def test_images_keep_their_own_time_and_file(folder: Path, clip: Clip) -> None:
    image = clip[2].image("CAM_FRONT")
    assert image.time_ns == clip.times_ns[2] - 35_000_000
    name = f"samples/CAM_FRONT/CAM_FRONT.1.{image.time_ns // 1000}.jpg"
    assert np.array_equal(image.pixels, read_image(folder / name))
    index = int(clip.reader.records("CAM_FRONT").key[2])
    assert clip.reader.image_bytes("CAM_FRONT", index) == ((folder / name).read_bytes(), ".jpg")
    assert len(clip.images["CAM_FRONT"]) == 7
    with pytest.raises(MissingInput, match="CAM_LEFT"):
        clip.reader.records("CAM_LEFT")


def test_sweep_points_times_and_shots_without_return(root: Root, clip: Clip) -> None:
    for index in range(len(clip.sweeps["LIDAR_TOP"])):
        sweep = clip.sweeps["LIDAR_TOP"][index]
        rows, times_us, world = made.lidar_rows(root, 1, sweep.time_ns // 1000)
        hit = rows[:, 4] < made.RINGS - 4
        assert np.array_equal(sweep.returned, hit)
        ego = (world - sweep.world_from_ego.translation) @ sweep.world_from_ego.rotation
        assert np.abs(sweep.points - ego).max() < 3e-6
        assert np.abs(sweep.point_time_ns - np.round(times_us * 1000)).max() <= 300
        assert sweep.motion_compensated and sweep.points.dtype == np.float32
        assert np.array_equal(sweep.ring, rows[:, 4])
        assert np.allclose(sweep.intensity, rows[:, 3] / 255)
        assert sweep.origins[0].name == "LIDAR_TOP" and not sweep.origin_id.any()
        assert (sweep.label is not None) == (index % 3 == 0), "only key frames are labelled"
        if sweep.label is not None:
            names = np.where(hit, class_id("flat.drivable"), class_id("other.noise"))
            assert np.array_equal(sweep.label, names)


def test_sweep_with_dropped_points_takes_its_times_from_azimuth(tmp_path: Path) -> None:
    root = Root()
    rng = np.random.default_rng(5)
    keep = np.sort(rng.choice(made.COLUMNS * made.RINGS, 300, replace=False))
    for name, data in root.files.items():
        if name.endswith("pcd.bin"):
            rows = np.frombuffer(data, "<f4").reshape(-1, 5)
            root.files[name] = rows[keep].tobytes()
    root.tables["lidarseg"], root.tables["category"] = [], root.tables["category"]
    clip = open_source(f"nuscenes:{root.write(tmp_path / 'root')}")[0]
    sweep = clip[1].lidar()
    rows, times_us, _ = made.lidar_rows(root, 0, sweep.time_ns // 1000)
    hit = rows[keep, 4] < made.RINGS - 4
    assert np.array_equal(sweep.returned, hit)
    late = np.abs(sweep.point_time_ns - times_us[keep] * 1000)[hit]
    # Half a column of the coarse pattern (2.1 ms), and the skew of up to 0.4 m at 4 m.
    assert late.max() < 3_500_000


def test_ego_at_rest_flags_points_at_the_sensor(tmp_path: Path) -> None:
    root = Root(keys=1)
    for pose in root.tables["ego_pose"]:
        pose["translation"] = root.tables["ego_pose"][0]["translation"]
        pose["rotation"] = root.tables["ego_pose"][0]["rotation"]
    name = next(n for n in root.files if n.startswith("samples/LIDAR_TOP/LIDAR_TOP.0"))
    rows = np.frombuffer(root.files[name], "<f4").reshape(-1, 5).copy()
    rows[:, :3] = [1.0, 0.0, 0.0]
    rows[::2, :3] = 0
    root.files[name] = rows.tobytes()
    sweep = open_source(f"nuscenes:{root.write(tmp_path / 'root')}")[0][0].lidar()
    assert np.array_equal(sweep.returned, np.arange(len(rows)) % 2 == 1)


def test_map_from_expansion_and_mask(tmp_path: Path) -> None:
    clip = open_source(f"nuscenes:{Root().write(tmp_path / 'root')}")[0]
    road = clip.map
    assert road.name == made.LOCATION
    assert road.layers == {
        "drivable_area", "road_segment", "road_block", "ped_crossing", "walkway", "stop_line",
        "carpark_area", "road_divider", "lane_divider",
    }  # fmt: skip
    assert len(road.polygons["drivable_area"]) == 2 and road.polygons["road_block"] == ()
    strip = road.polygons["ped_crossing"][0]
    assert strip.exterior[:, :2].tolist() == [[10, 5], [13, 5], [13, 25], [10, 25]]
    assert strip.holes[0][:, :2].tolist() == [[11, 8], [12, 8], [12, 9]]
    assert np.isnan(strip.exterior[:, 2]).all(), "heights are not recorded"
    assert road.lines["lane_divider"][0][:, :2].tolist() == [[0, 15], [40, 15]]
    assert len(road.lines["lane_divider"]) == 1, "a line without nodes is passed over"
    lane, connector = road.lanes
    assert (lane.left_mark, lane.right_mark, lane.kind) == ("SINGLE_SOLID_WHITE", "", "vehicle")
    assert lane.successors == ("turn",) and len(lane.right) == 0 and not lane.is_intersection
    assert connector.is_intersection and connector.id == "turn"
    middle = lane.centerline[:, :2]
    assert np.allclose(middle[[0, 10, -1]], [[0, 10], [10, 10], [20, 20]])
    arc = np.linalg.norm(middle[10:] - [10, 20], axis=1)
    assert np.allclose(arc, 10) and np.diff(middle, axis=0).max() <= 1.0
    points = np.array([[20.0, 4.9], [20.0, 5.1], [20.0, 24.9], [20.0, 25.1], [50.0, 10.0]])
    inside = road.rasters["drivable_area"].contains(points)
    assert inside.tolist() == [False, True, True, False, False]


@pytest.mark.parametrize("kept", ["mask", "expansion", "neither"])
def test_map_with_a_part_of_it(tmp_path: Path, kept: str) -> None:
    root = Root()
    if kept != "mask":
        del root.files["maps/mask.png"]
    if kept != "expansion":
        del root.files[f"maps/expansion/{made.LOCATION}.json"]
    clip = open_source(f"nuscenes:{root.write(tmp_path / 'root')}")[0]
    if kept == "neither":
        with pytest.raises(NotRecorded, match=made.LOCATION):
            _ = clip.map
    else:
        assert bool(clip.map.rasters) == (kept == "mask")
        assert bool(clip.map.polygons) == (kept == "expansion")


def test_root_without_lidar_takes_its_times_from_the_samples(tmp_path: Path) -> None:
    root = Root()
    rows = root.tables["sample_data"]
    rows[:] = [r for r in rows if "LIDAR" not in r["token"]]
    root.tables["lidarseg"] = []
    clip = open_source(f"nuscenes:{root.write(tmp_path / 'root')}")[0]
    assert clip.meta.lidar is None and clip.rig.lidars == ()
    frame = clip[1]
    world = frame.world_from_ego.apply(frame.boxes.pose.translation)
    assert np.allclose(world[0], made.van_at(root, 0, frame.time_ns / 1000), atol=1e-9)
    with pytest.raises(NotRecorded):
        frame.lidar()


def test_a_calibration_that_changes_within_a_scene_is_refused(tmp_path: Path) -> None:
    root = Root()
    record = next(r for r in root.tables["sample_data"] if r["token"].startswith("CAM_FRONT.0"))
    other = dict(root.tables["calibrated_sensor"][1], token="other")
    root.tables["calibrated_sensor"].append(other)
    record["calibrated_sensor_token"] = "other"
    place = root.write(tmp_path / "root")
    assert open_source(f"nuscenes:{place}")[0].rig, "another token with equal values is fine"
    other["translation"] = [1.0, 2.0, 3.0]
    root.write(place)
    with pytest.raises(BadInput, match=r"translation of CAM_FRONT changes") as error:
        open_source(f"nuscenes:{place}")[0]
    assert error.value.field is not None
    assert error.value.field.endswith("calibrated_sensor_token")
    assert open_source(f"nuscenes:{place}")[1].rig, "the other scene is sound"


def test_place_names_root_and_version(tmp_path: Path) -> None:
    root = Root(keys=1)
    folder = root.write(tmp_path / "a@b")
    assert NuScenesSource(str(folder)).version == "v1.0-mini"
    assert NuScenesSource(f"{folder}@v1.0-mini").root == folder.resolve()
    with pytest.raises(BadInput, match="it holds v1.0-mini"):
        NuScenesSource(f"{folder}@v1.0-trainval")
    (folder / "v1.0-test").mkdir()
    with pytest.raises(BadInput, match="v1.0-mini, v1.0-test"):
        NuScenesSource(str(folder))
    with pytest.raises(BadInput, match="no folder v1.0"):
        NuScenesSource(str(tmp_path))
    with pytest.raises(MissingInput):
        NuScenesSource(str(tmp_path / "none"))


def test_copies_in_other_processes_read_the_same(clip: Clip) -> None:
    assert clip[1].boxes is not None and len(pickle.dumps(clip)) < 20_000
    jobs = [partial(clip.reader.boxes, 1)] * 2 + [partial(clip.reader.sweep, "LIDAR_TOP", 3)] * 2
    found = answers_of(jobs, workers=2)
    assert all(boxes.same_as(clip[1].boxes) for boxes in found[:2])
    assert all(sweep.same_as(clip[1].lidar()) for sweep in found[2:])


def test_records_in_any_order_give_the_same_clip(tmp_path: Path) -> None:
    root = Root()
    first = open_source(f"nuscenes:{root.write(tmp_path / 'a')}")[0]
    rng = np.random.default_rng(3)
    for name, rows in root.tables.items():
        if name != "scene":
            root.tables[name] = [rows[i] for i in rng.permutation(len(rows))]
    second = open_source(f"nuscenes:{root.write(tmp_path / 'b')}")[0]
    assert np.array_equal(first.times_ns, second.times_ns)
    for a, b in zip(first, second, strict=True):
        order = np.argsort(b.boxes.token)[np.argsort(np.argsort(a.boxes.token))]
        assert a.boxes.same_as(b.boxes[order])
        assert a.lidar().same_as(b.lidar())


def test_undamaged_root_has_no_problem_and_lacks_no_file(tmp_path: Path) -> None:
    root = Root()
    source = NuScenesSource(str(root.write(tmp_path / "root")))
    assert list(source.problems(None, partial=False)) == []
    assert list(source.absent_files(None)) == []
    gone = [n for n in root.files if n.startswith("samples/CAM_BACK/CAM_BACK.1")][:2]
    for name in gone:
        (source.root / name).unlink()
    assert list(source.problems(None, partial=True)) == []
    assert list(source.absent_files(None)) == gone
    assert list(source.absent_files("scene-0001")) == []
    assert len(list(source.problems("scene-0002", partial=False))) == 2
    assert list(source.problems("scene-0001", partial=False)) == []


def test_empty_tables_that_may_be_empty(tmp_path: Path) -> None:
    """The test split has no annotations; a cut-down root may hold no more than is needed."""
    root = Root()
    for name in ("map", "category", "attribute", "visibility", "instance", "sample_annotation"):
        root.tables[name] = []
    root.tables["lidarseg"] = []
    source = NuScenesSource(str(root.write(tmp_path / "root")))
    assert list(source.problems(None, partial=False)) == []
    assert len(Clip(source.open_scene("scene-0001"))[0].boxes) == 0


def test_root_without_lidarseg_table(tmp_path: Path) -> None:
    root = Root()
    del root.tables["lidarseg"]
    for category in root.tables["category"]:
        del category["index"]
    source = NuScenesSource(str(root.write(tmp_path / "root")))
    assert list(source.problems(None, partial=False)) == []
    assert Clip(source.open_scene("scene-0001"))[0].lidar().label is None


def test_tables_are_written_as_published(tmp_path: Path) -> None:
    """Compact JSON is read as well as one field a line."""
    root = Root()
    one = open_source(f"nuscenes:{root.write(tmp_path / 'a')}")[1]
    folder = root.write(tmp_path / "b")
    for path in folder.glob("v1.0-mini/*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")))
    two = open_source(f"nuscenes:{folder}")[1]
    assert one[1].boxes.same_as(two[1].boxes) and one.rig == two.rig

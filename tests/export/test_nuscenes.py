"""A drive exported as nuScenes: sound tables, read back equal, appended to, the same bytes."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.export.conftest import OPTIONS

from roadloom.errors import BadInput, MissingInput
from roadloom.export.nuscenes.classes import category_of
from roadloom.export.nuscenes.options import NuScenesOptions
from roadloom.export.nuscenes.run import export_nuscenes, trimmed_for
from roadloom.geometry.box import points_in_boxes_count
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.image import read_image
from roadloom.scene.class_maps import DATASET_CLASSES, ids_from
from roadloom.scene.classes import class_id, class_name
from roadloom.scene.labels import LabelFolder
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.registry import open_reader, open_source

VERSION = "v1.0-trainval"
TABLES = (
    "attribute", "calibrated_sensor", "category", "ego_pose", "instance", "log", "map", "sample",
    "sample_annotation", "sample_data", "scene", "sensor", "visibility",
)  # fmt: skip


def table(root: Path, name: str) -> list[dict]:
    return json.loads((root / VERSION / f"{name}.json").read_text())


def fragment(root: Path, scene: str) -> dict:
    return json.loads((root / ".roadloom" / "scenes" / f"{scene}.json").read_text())


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a root by its name."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def pairs(toy, exported):
    """Each trimmed clip, what was read back of it, and its shift."""
    sources = open_source(toy), open_source(f"nuscenes:{exported}")
    return [
        (trimmed_for(clip, OPTIONS), back, np.array(fragment(exported, back.scene_id)["shift"]))
        for clip, back in zip(*sources, strict=True)
    ]


def test_the_thirteen_tables_and_no_problem_in_them(exported):
    for name in (*TABLES, "lidarseg"):
        assert table(exported, name), name
    reader = open_reader(f"nuscenes:{exported}@{VERSION}")[1]
    assert list(reader.problems(None, partial=False)) == []
    assert list(reader.absent_files(None)) == []


def test_tokens_are_32_digits_and_lead_to_records(exported):
    tokens = {name: [row["token"] for row in table(exported, name)] for name in TABLES}
    for name, found in tokens.items():
        assert len(set(found)) == len(found), name
        if name != "visibility":
            assert all(len(t) == 32 and int(t, 16) >= 0 for t in found), name
    for row in table(exported, "sample_data"):
        assert row["ego_pose_token"] == row["token"]
        assert row["calibrated_sensor_token"] in tokens["calibrated_sensor"]
    for row in table(exported, "sample_annotation"):
        assert set(row["attribute_tokens"]) <= set(tokens["attribute"])
        assert row["visibility_token"] in ("", *tokens["visibility"])
    maps = table(exported, "map")
    assert sorted(t for row in maps for t in row["log_tokens"]) == sorted(tokens["log"])
    assert all((exported / row["filename"]).is_file() for row in maps)


def test_chains_run_through_every_record_in_time_order(exported):
    rows = {row["token"]: row for row in table(exported, "sample_data")}
    starts = [row for row in rows.values() if not row["prev"]]
    assert len(starts) == 3 * (3 + 1 + 5)  # scenes, by cameras, LiDAR and radars
    seen = 0
    for row in starts:
        chain = [row]
        while chain[-1]["next"]:
            chain.append(rows[chain[-1]["next"]])
        assert all(a["timestamp"] < b["timestamp"] for a, b in pairwise(chain))
        seen += len(chain)
    assert seen == len(rows)


def test_five_sweeps_go_before_the_first_key_frame(pairs, exported):
    samples = {row["token"]: row["timestamp"] for row in table(exported, "sample")}
    records = [r for r in table(exported, "sample_data") if "/LIDAR_TOP/" in r["filename"]]
    for clip, back, _ in pairs:
        assert clip.reader.records("top").key[0] == 5
        assert back.reader.records("LIDAR_TOP").key[0] == 5
        assert len(clip) == 4  # of five; the first has nothing before it
    for row in records:
        late = samples[row["sample_token"]] - row["timestamp"]
        last = samples[row["sample_token"]] == max(
            t for t in samples.values() if abs(t - row["timestamp"]) < 10**9
        )
        assert late == 0 if row["is_key_frame"] else (0 < late <= 500_000 or last)


def test_poses_and_times_come_back(pairs):
    for clip, back, shift in pairs:
        assert (back.times_ns == clip.times_ns).all()
        names = {"top": "LIDAR_TOP", "CAM_FRONT": "CAM_FRONT", "left side": "LEFT_SIDE",
                 "rear": "REAR"}  # fmt: skip
        for ours, theirs in names.items():
            a, b = clip.reader.records(ours), back.reader.records(theirs)
            assert np.abs(a.time_ns - b.time_ns).max() <= 500
            assert (a.key == b.key).all()
            moved = b.world_from_ego.translation - shift
            np.testing.assert_allclose(moved, a.world_from_ego.translation, atol=1e-9)
            np.testing.assert_allclose(
                b.world_from_ego.rotation, a.world_from_ego.rotation, atol=1e-14
            )


def test_calibrations_come_back(pairs):
    for clip, back, _ in pairs:
        for ours, theirs in (("CAM_FRONT", "CAM_FRONT"), ("rear", "REAR")):
            a, b = clip.rig.camera(ours), back.rig.camera(theirs)
            for pose, other in ((a.ego_from_camera, b.ego_from_camera),):
                np.testing.assert_allclose(pose.rotation, other.rotation, atol=1e-14)
                assert (pose.translation == other.translation).all()
            for field in ("width", "height", "fx", "fy", "cx", "cy"):
                there, here = getattr(a.camera, field), getattr(b.camera, field)
                assert here == pytest.approx(there, abs=0 if ours == "CAM_FRONT" else 1e-5)


def test_boxes_come_back(pairs):
    for clip, back, _ in pairs:
        for key, frame in enumerate(clip):
            a, b = frame.boxes, back[key].boxes
            a = a[[category_of(c) is not None for c in a.class_id.tolist()]]
            assert len(a) == len(b) == (3 if key % 2 == 0 else 4)
            np.testing.assert_allclose(b.pose.translation, a.pose.translation, atol=1e-9)
            np.testing.assert_allclose(b.pose.rotation, a.pose.rotation, atol=1e-14)
            assert (b.size == a.size).all()
            assert (b.visibility == a.visibility).all()
            wanted = [category_of(c) for c in a.class_id.tolist()]
            assert (b.class_id == ids_from("nuscenes", wanted)).all()
            attributes = [text.partition(",")[0] for text in a.attribute.tolist()]
            assert b.attribute.tolist() == attributes


def test_tracks_come_back_as_the_same_partition_with_their_velocities(pairs):
    for clip, back, _ in pairs:
        names: dict[str, set[str]] = {}
        for key, frame in enumerate(clip):
            a, b = frame.boxes, back[key].boxes
            a = a[[category_of(c) is not None for c in a.class_id.tolist()]]
            for track, token in zip(a.track_id.tolist(), b.track_id.tolist(), strict=True):
                names.setdefault(track or f"alone {token}", set()).add(token)
            cars = [track in ("a", "d") for track in a.track_id.tolist()]
            np.testing.assert_allclose(b.velocity[cars], a.velocity[cars], atol=1e-6)
        assert {track: len(tokens) for track, tokens in names.items()} == dict.fromkeys(names, 1)
        assert len({next(iter(tokens)) for tokens in names.values()}) == len(names)
        assert len(names) == 3 + len(clip)  # the bicycle has no track: each is an object


def test_points_are_counted_in_the_files(exported):
    names = {row["token"]: row for row in table(exported, "sample_annotation")}
    back = open_source(f"nuscenes:{exported}")[0]
    counted = 0
    for frame in back:
        boxes, sweep = frame.boxes, frame.lidar()
        inside = points_in_boxes_count(sweep.points.astype(np.float64), boxes.pose, boxes.size)
        assert boxes.num_lidar_points.tolist() == inside.tolist()
        assert [names[token]["num_lidar_pts"] for token in boxes.token] == inside.tolist()
        counted += int(inside.sum())
    assert counted > 1000


def test_sweeps_come_back(pairs):
    for clip, back, _ in pairs:
        for index in (0, 5, 44):
            a, b = clip.sweeps["top"][index], back.sweeps["LIDAR_TOP"][index]
            a = a[a.returned]
            assert len(a) == len(b)
            np.testing.assert_allclose(b.points, a.points, atol=1e-4)
            assert (a.ring == b.ring).all()
            np.testing.assert_allclose(b.intensity, a.intensity, atol=1e-7)
            assert b.returned.all()


def test_point_labels_come_back_at_key_frames(pairs):
    same = np.array(sorted(DATASET_CLASSES["lidarseg"].values()))
    for number, (clip, back, _) in enumerate(pairs):
        a, b = clip[0].lidar(), back[0].lidar()
        if number == 1:
            assert a.label is None and b.label is None
            continue
        labels = a.label[a.returned]
        kept = np.isin(labels, same)
        assert kept.any() and (b.label[kept] == labels[kept]).all()
        assert back.sweeps["LIDAR_TOP"][0].label is None


def test_images_come_back(pairs, exported):
    for clip, back, _ in pairs:
        for ours, theirs in (("CAM_FRONT", "CAM_FRONT"),):
            data, _ = back.reader.image_bytes(theirs, 2)
            assert data == clip.reader.image_bytes(ours, 2)[0]
        assert (back[1].image("CAM_FRONT").pixels == clip[1].image("CAM_FRONT").pixels).all()
        assert len(back.images["REAR"]) == len(clip)  # none between key frames


def test_maps_and_occupancy_come_back(pairs, exported):
    for clip, back, shift in pairs:
        if clip.scene_id != "1":
            ring = clip.map.polygons["drivable_area"][0].exterior[:, :2] + shift[:2]
            rings = [p.exterior[:, :2] for p in back.map.polygons["drivable_area"]]
            assert any(abs(r.mean(axis=0) - ring.mean(axis=0)).max() < 0.5 for r in rings)
        for key, frame in enumerate(clip):
            sample = [
                r for r in table(exported, "sample") if r["timestamp"] * 1000 == frame.time_ns
            ]
            path = exported / "gts" / back.scene_id / sample[0]["token"] / "labels.npz"
            with np.load(path) as file:
                found = file["semantics"]
            wanted: Occupancy = frame.occupancy(OCC3D)
            assert (found[:, :, 2] == 11).sum() == (wanted.labels[:, :, 2] != 255).sum(), key
            again = back[key].occupancy(OCC3D)
            assert (again.mask_lidar == wanted.mask_lidar).all()
            assert (again.occupied == (wanted.labels == class_id("flat.road"))).all()


def test_scene_and_log_say_where_they_come_from(exported):
    scene, log = table(exported, "scene")[0], table(exported, "log")[0]
    assert (scene["name"], scene["description"]) == ("scene-0001", "a circle, rain")
    assert log["date_captured"] == "2020-09-13" and log["vehicle"] == "toy car"
    assert log["logfile"] == "toy-car-2020-09-13-12-26-40+0000"
    assert open_source(f"nuscenes:{exported}")[0].licence == "CC0-1.0, none"
    cities = [row["location"] for row in table(exported, "log")]
    assert len(set(cities)) == 3  # spread over the cities
    splits = json.loads((exported / "splits.json").read_text())
    assert splits == {"train": [], "val": ["scene-0001", "scene-0002", "scene-0003"], "test": []}


def test_a_second_run_changes_nothing(toy, exported):
    before = {p: p.stat().st_mtime_ns for p in exported.rglob("*") if p.name != "lock"}
    done = export_nuscenes(toy, exported, OPTIONS)
    assert (done.written, done.kept) == (0, 3)
    after = {p: p.stat().st_mtime_ns for p in exported.rglob("*") if p.name != "lock"}
    assert after == before


def test_shards_in_any_order_give_the_same_bytes(toy, exported, tmp_path):
    for part in (2, 0, 1):
        export_nuscenes(toy, tmp_path / "root", OPTIONS, shard=(part, 3))
    assert contents(tmp_path / "root") == contents(exported)


def test_an_appended_source_leaves_the_first_as_it_was(toy, exported, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(exported, root)
    done = export_nuscenes("toy:train:0", root, replace(OPTIONS, image_format="jpg"))
    assert done.names == ("scene-0004",)
    before, after = contents(exported), contents(root)
    changed = {name for name, data in before.items() if after[name] != data}
    assert all(
        name.startswith((VERSION, "maps/", ".roadloom/m"))
        or name in ("splits.json", "licences.json")
        for name in changed
    )
    reader = open_reader(f"nuscenes:{root}")[1]
    assert list(reader.problems(None, partial=False)) == []
    old, new = open_source(f"nuscenes:{exported}")[0], open_source(f"nuscenes:{root}")
    assert new[0][0].boxes.same_as(old[0].boxes)
    assert json.loads((root / "splits.json").read_text())["train"] == list(done.names)
    tokens = [row["token"] for row in table(root, "sample_data")]
    assert 3 * len(set(tokens)) == 3 * len(tokens) == 4 * len(table(exported, "sample_data"))


@pytest.mark.parametrize(
    ("source", "options", "field"),
    [
        ("toy:val", replace(OPTIONS, radar=False), "--radar"),
        ("toy:train", replace(OPTIONS, version="v1.0-mini"), "--version"),
        ("toy:train", replace(OPTIONS, tile_m=400.0), "--tile-m"),
        ("toy:val:1", OPTIONS, "SOURCE"),
    ],
)
def test_what_does_not_go_together_is_refused(exported, source, options, field):
    with pytest.raises(BadInput) as error:
        export_nuscenes(source, exported, options)
    assert error.value.field == field


def test_a_folder_of_other_things_is_refused(toy, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        export_nuscenes(toy, tmp_path, OPTIONS)


def test_an_export_that_failed_at_its_first_scene_may_change_its_flags(toy, tmp_path):
    options = replace(OPTIONS, occupancy=False, radar=False)
    with pytest.raises(MissingInput):
        export_nuscenes("toy:gaps:0", tmp_path, options)
    assert contents(tmp_path).keys() > {".roadloom/manifest.json"}
    done = export_nuscenes("toy:gaps:0", tmp_path, replace(options, partial=True))
    assert done.counts["absent_files"] == 2
    absent = list(open_reader(f"nuscenes:{tmp_path}")[1].absent_files(None))
    assert [name.split("/")[:2] for name in sorted(absent)] == [
        ["samples", "REAR"], ["sweeps", "LIDAR_TOP"],
    ]  # fmt: skip
    again = tmp_path / "again"
    export_nuscenes("toy:gaps:0", again, replace(options, partial=True))
    apart = {n for n, d in contents(again).items() if contents(tmp_path).get(n) != d}
    assert apart == set()


def test_official_names_go_on_where_the_last_export_ended(toy, tmp_path):
    options = NuScenesOptions(official="val", images=False, radar=False, tile_m=240.0)
    first = export_nuscenes("toy:val:0", tmp_path, options)
    second = export_nuscenes("toy:train:0", tmp_path, options)
    assert (first.names, second.names) == (("scene-0003",), ("scene-0012",))
    assert {row["modality"] for row in table(tmp_path, "sensor")} == {"lidar"}
    splits = json.loads((tmp_path / "splits.json").read_text())
    assert splits["val"] == ["scene-0003", "scene-0012"]


def test_channels_can_be_named(toy, tmp_path):
    options = NuScenesOptions(
        channels=(("rear", "CAM_BACK"), ("left side", "CAM_FRONT_LEFT")), camera_sweeps=True,
        radar=False, tile_m=240.0,
    )  # fmt: skip
    export_nuscenes("toy:val:0", tmp_path, options)
    names = [row["channel"] for row in table(tmp_path, "sensor")]
    assert names[:4] == ["CAM_FRONT", "CAM_FRONT_LEFT", "CAM_BACK", "LIDAR_TOP"]
    back = open_source(f"nuscenes:{tmp_path}")[0]
    assert len(back.images["CAM_BACK"]) > 4 * len(back)
    name = table(tmp_path, "sample_data")[0]["filename"]
    assert read_image(tmp_path / name).shape == (18, 32, 3)
    with pytest.raises(BadInput, match="would both be CAM_FRONT"):
        export_nuscenes(
            "toy:train:0", tmp_path, replace(options, channels=(("rear", "CAM_FRONT"),))
        )
    for images in (True, False):
        wrong = replace(
            options, channels=(("roof", "CAM_BACK"),), images=images, camera_sweeps=images
        )
        with pytest.raises(MissingInput, match="no sensor 'roof'"):
            export_nuscenes("toy:test:0", tmp_path, wrong)


def test_every_class_of_nuscenes_stays_itself():
    for name, ours in DATASET_CLASSES["nuscenes"].items():
        assert category_of(ours) == name, class_name(ours)


@pytest.mark.parametrize(
    ("file", "text", "field"),
    [
        (".roadloom/manifest.json", '{"roadloom_nuscenes": 7, "exports": []}', "roadloom_nuscenes"),
        (".roadloom/manifest.json", '{"roadloom_nuscenes": 1}', "exports"),
        (".roadloom/manifest.json", '{"roadloom_nuscenes": 1', None),
        (".roadloom/scenes/scene-0002.json", "[]", None),
    ],
)
def test_damage_is_named(exported, tmp_path, file, text, field):
    root = tmp_path / "root"
    shutil.copytree(exported / ".roadloom", root / ".roadloom")
    (root / file).write_text(text)
    with pytest.raises(BadInput) as error:
        export_nuscenes("toy:val", root, OPTIONS)
    assert str(error.value.file).endswith(file)
    assert error.value.field == field


@pytest.mark.parametrize(
    "name", [f"{VERSION}/sample.json", f"{VERSION}/lidarseg.json", "maps/*.png"]
)
def test_a_table_or_map_that_was_removed_is_made_again(exported, tmp_path, name):
    root = tmp_path / "root"
    shutil.copytree(exported, root)
    next(root.glob(name)).unlink()
    export_nuscenes("toy:val", root, OPTIONS)
    assert contents(root) == contents(exported)


def test_labels_of_a_folder_become_its_occupancy(toy, tmp_path):
    labels = LabelFolder.create(tmp_path / "labels", {"source": toy})
    clip = open_source(f"{toy}:1")[0]
    wall = np.full(OCC3D.shape, class_id("structure.wall"), np.uint8)
    for time in clip.times_ns.tolist():
        labels.add(clip.scene_id, time, Occupancy(grid=OCC3D, labels=wall))
    root = tmp_path / "root"
    options = replace(OPTIONS, images=False, radar=False)
    export_nuscenes(f"{toy}:1", root, options, labels=tmp_path / "labels")
    back = open_source(f"nuscenes:{root}")[0]
    found = back[0].occupancy(OCC3D).labels
    assert (found == class_id("structure.manmade")).all()

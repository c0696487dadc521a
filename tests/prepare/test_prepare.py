"""Shards for training: what comes back is what the clip holds; damage and mixing are refused."""

import io
import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.processes import answers_of
from tests.scene.readers.occupancy_roots import write_carla
from tests.scene.rich_clip import rich_clip

import roadloom
from roadloom.cli.main import main
from roadloom.errors import BadInput, MissingInput, NotRecorded, RoadloomError
from roadloom.geometry.voxel_grid import CARLA_SC, GRIDS, OCC3D
from roadloom.io import workers
from roadloom.prepare import Prepared, Request
from roadloom.prepare.archive import AGAIN
from roadloom.prepare.request import FOLDER, manifest_of
from roadloom.prepare.run import prepare
from roadloom.prepare.write import frame_times, resized, write_clip
from roadloom.scene.clip import Clip
from roadloom.scene.registry import KINDS

MADE = "toy:street:0"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", "tests.prepare.toy_source:ToySource")


@pytest.fixture(scope="module")
def folder_source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One clip of every field."""
    folder = tmp_path_factory.mktemp("clip")
    rich_clip(folder).save(folder / "clip")
    return f"folder:{folder}/clip"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A source of seven scenes, a to g."""
    folder = tmp_path_factory.mktemp("clips")
    for name in "abcdefg":
        rich_clip(folder).save(folder / "all" / name)
        facts = folder / "all" / name / "clip.json"
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"scene_id": name}))
    return f"folder:{folder}/all"


def everything(source: str, clip: Clip) -> Request:
    names = tuple(name for name, grid in GRIDS.items() if grid in clip.occupancy_grids)
    return Request(
        source=source, occupancy=names, layouts=("carla_sc",), boxes=True,
        images=(clip.rig.cameras[0].camera.width, clip.rig.cameras[0].camera.height), sweeps=True,
        cameras=(clip.rig.camera_names[0],),
    )  # fmt: skip


def test_what_comes_back_is_what_the_clip_holds(folder_source: str, tmp_path: Path) -> None:
    clip = roadloom.open(folder_source)[0]
    request = everything(folder_source, clip)
    done = prepare(request, tmp_path / "out")
    assert done == (1, 0, len(clip))
    prepared = Prepared(tmp_path / "out")
    assert len(prepared) == 1 and prepared.frames == (len(clip),)
    assert prepared.licence == clip.licence and list(prepared.problems()) == []
    copy = pickle.loads(pickle.dumps(prepared[0]))
    assert len(pickle.dumps(prepared)) < 20_000
    np.testing.assert_array_equal(copy.times_ns, clip.times_ns)
    np.testing.assert_array_equal(copy.keys, np.arange(len(clip)))
    assert copy.attributes == json.loads(json.dumps(clip.attributes))
    camera = clip.rig.camera_names[0]
    seen = {"occupancy": 0, "sweep": 0, "image": 0, "boxes": 0}
    for number, frame in enumerate(clip):
        np.testing.assert_array_equal(
            copy.world_from_ego[number].rotation, frame.world_from_ego.rotation
        )
        assert copy.layout(number).same_as(frame.layout(CARLA_SC))
        for name in request.occupancy:
            try:
                truth = frame.occupancy(GRIDS[name])
            except NotRecorded:
                with pytest.raises(NotRecorded):
                    copy.occupancy(number, name)
                continue
            np.testing.assert_array_equal(copy.occupancy(number, name).labels, truth.labels)
            seen["occupancy"] += 1
        assert copy.boxes(number).same_as(frame.boxes)
        seen["boxes"] += len(frame.boxes)
        try:
            sweep = frame.lidar()
        except NotRecorded:
            with pytest.raises(NotRecorded):
                copy.sweep(number)
        else:
            assert copy.sweep(number, clip.meta.lidar).same_as(sweep)
            seen["sweep"] += 1
        try:
            image = frame.image(camera)
        except NotRecorded:
            with pytest.raises(NotRecorded):
                copy.image(number, camera)
        else:
            again = copy.image(number, camera)
            assert again.time_ns == image.time_ns and again.mount == image.mount
            np.testing.assert_array_equal(
                again.world_from_ego.translation, image.world_from_ego.translation
            )
            apart = again.pixels.astype(float) - image.pixels
            assert np.abs(apart).mean() < 12  # JPEG of noise
            seen["image"] += 1
    assert all(seen[name] for name in ("sweep", "image", "boxes")), seen


def test_occupancy_in_the_frame_of_a_lidar_stays_there(tmp_path: Path) -> None:
    source = f"carla_sc:{write_carla(tmp_path / 'in')}"
    prepare(Request(source=source, occupancy=("carla_sc",)), tmp_path / "out")
    clip, copy = roadloom.open(source)[0], Prepared(tmp_path / "out")[0]
    assert copy.occupancy(0).frame == "lidar" and list(Prepared(tmp_path / "out").problems()) == []
    assert np.array_equal(copy.occupancy(0).labels, clip[0].occupancy(CARLA_SC).labels)


def test_a_made_world_between_its_key_frames(tmp_path: Path) -> None:
    request = Request(source=MADE, occupancy=("carla_sc",), hz=4)
    prepare(request, tmp_path / "out")
    clip = Prepared(tmp_path / "out")[0]
    truth = roadloom.open(MADE)[0]
    assert len(clip) == 2 * len(truth)
    assert clip.keys[:5].tolist() == [0, -1, 1, -1, 2]
    for number in (0, 7, len(clip) - 1):
        frame = truth.at(int(clip.times_ns[number]))
        assert clip.occupancy(number).same_as(frame.occupancy(CARLA_SC))
    with pytest.raises(NotRecorded, match="was not prepared"):
        clip.boxes(0)
    with pytest.raises(NotRecorded, match="was not prepared"):
        clip.occupancy(0, "occ3d")
    with pytest.raises(IndexError):
        clip.occupancy(len(clip))


def test_images_of_a_made_world_are_drawn_at_their_size(tmp_path: Path) -> None:
    request = Request(source=MADE, images=(40, 24), cameras=("CAM_BACK",))
    prepare(request, tmp_path / "out")
    clip, truth = Prepared(tmp_path / "out")[0], roadloom.open(MADE)[0]
    assert clip.rig.camera_names == ("CAM_BACK",)
    image = clip.image(3, "CAM_BACK")
    assert image.pixels.shape == (24, 40, 3) and image.mount.camera.width == 40
    assert image.time_ns == truth[3].image("CAM_BACK").time_ns
    rig = resized(truth.rig, (40, 24), ("CAM_BACK",))
    drawn = roadloom.open(MADE, rig=rig)[0][3].image("CAM_BACK").pixels
    assert drawn.shape == (24, 40, 3)
    assert np.abs(drawn.astype(float) - image.pixels).mean() < 2


def test_photographs_are_resized_with_their_rig(folder_source: str, tmp_path: Path) -> None:
    prepare(Request(source=folder_source, images=(12, 8)), tmp_path)
    clip, truth = Prepared(tmp_path)[0], roadloom.open(folder_source)[0]
    camera, whole = (c.rig.cameras[0].camera for c in (clip, truth))
    assert (camera.width, camera.height) == (12, 8)
    assert camera.fx == pytest.approx(whole.fx / 2)
    assert clip.rig.cameras[0].row_time_ns == 2 * truth.rig.cameras[0].row_time_ns
    image = clip.image(0, clip.rig.camera_names[0]).pixels
    mean = truth[0].image(clip.rig.camera_names[0]).pixels.mean(axis=(0, 1))
    np.testing.assert_allclose(image.mean(axis=(0, 1)), mean, atol=6)


def test_frames_of_a_made_world_fill_its_last_interval() -> None:
    clip = roadloom.open(MADE)[0]
    times = frame_times(clip, 10, made=True)
    assert len(times) == 5 * len(clip) and set(np.diff(times)) == {100_000_000}
    assert set(clip.times_ns) <= set(times)


def test_recordings_have_no_more_than_their_key_frames(folder_source: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="key frames a second"):
        prepare(Request(source=folder_source, boxes=True, hz=50), tmp_path / "out")
    clip = roadloom.open(folder_source)[0]
    few = frame_times(clip, 1, made=False)
    assert 0 < len(few) <= len(clip) and set(few) <= set(clip.times_ns)


def test_the_same_request_gives_the_same_bytes(folder_source: str, tmp_path: Path) -> None:
    request = everything(folder_source, roadloom.open(folder_source)[0])
    for name in ("one", "two"):
        prepare(request, tmp_path / name)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_shards_and_workers_share_a_folder(many: str, tmp_path: Path) -> None:
    request = Request(source=many, layouts=("carla_sc",), boxes=True)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert prepare(request, whole).written == 7
    assert prepare(request, parts, shard=(1, 3)).written == 2
    with pytest.raises(MissingInput, match="5 of 7 scenes are not prepared"):
        Prepared(parts)
    assert Prepared(parts, partial=True).scenes == ("b", "e")
    frames = len(Prepared(whole)[0])
    assert prepare(request, parts, shard=(0, 3)) == (3, 0, 3 * frames)
    assert prepare(request, parts, workers=2) == (2, 5, 2 * frames)
    assert files_of(parts) == files_of(whole)


def test_what_is_whole_is_kept_and_the_rest_made_again(many: str, tmp_path: Path) -> None:
    request = Request(source=many, layouts=("carla_sc",))
    prepare(request, tmp_path / "out", shard=(0, 4))
    before = files_of(tmp_path / "out")
    kept = (tmp_path / "out/layout-carla_sc/e.zip").stat().st_mtime_ns
    (tmp_path / "out/scenes/a.json").unlink()
    assert prepare(request, tmp_path / "out", shard=(0, 4))[:2] == (1, 1)
    (tmp_path / "out/layout-carla_sc/a.zip").write_bytes(b"cut off")
    assert prepare(request, tmp_path / "out", shard=(0, 4))[:2] == (1, 1)
    assert files_of(tmp_path / "out") == before
    assert (tmp_path / "out/layout-carla_sc/e.zip").stat().st_mtime_ns == kept


@pytest.mark.parametrize("field", ["--hz", "--layouts", "SOURCE", "--boxes"])
def test_another_request_in_the_same_folder_is_refused(
    many: str, tmp_path: Path, field: str
) -> None:
    asked = {"source": f"{many}:a", "layouts": ("carla_sc",), "hz": 2}
    prepare(Request(**asked), tmp_path)
    before = files_of(tmp_path)
    name = field.strip("-").lower()
    other = {"hz": 1, "layouts": ("occ3d",), "source": f"{many}:b", "boxes": True}
    with pytest.raises(BadInput, match=f"{field}: the folder was begun with"):
        prepare(Request(**asked | {name: other[name]}), tmp_path)
    assert files_of(tmp_path) == before


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"sun")
    with pytest.raises(BadInput, match="holds no manifest"):
        prepare(Request(source=MADE, boxes=True), tmp_path)


def test_what_a_source_lacks_is_an_error_and_leaves_no_record(tmp_path: Path) -> None:
    source = rich_clip(tmp_path)
    source.save(tmp_path / "clip")
    for table in (tmp_path / "clip/lidars").glob("*.csv"):
        lines = table.read_text().splitlines()
        table.write_text(lines[0] + "\n")
    request = Request(source=f"folder:{tmp_path}/clip", sweeps=True, boxes=True)
    with pytest.raises((NotRecorded, BadInput)):
        prepare(request, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.zip")), "no shard without the others"
    assert not list((tmp_path / "out").rglob(".*")), "nothing temporary is left"


def test_a_folder_without_a_whole_scene_is_free_for_another_request(tmp_path: Path) -> None:
    request = Request(source=MADE, layouts=("carla_sc",), boxes=True)
    with pytest.raises(NotRecorded, match="leave it out"):
        prepare(request, tmp_path)
    prepare(Request(source=MADE, layouts=("carla_sc",)), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "clip", "layout-carla_sc", "manifest.json", "scenes",
    ]  # fmt: skip
    assert list(Prepared(tmp_path).problems()) == []
    with pytest.raises(BadInput, match="the folder was begun with"):
        prepare(request, tmp_path)


def test_a_foreign_manifest_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "another program"}')
    with pytest.raises(BadInput, match="the folder was begun with"):
        prepare(Request(source=MADE, boxes=True), tmp_path)
    assert files_of(tmp_path) == {"manifest.json": b'{"name": "another program"}'}


def test_no_record_is_written_into_a_folder_that_another_request_took(tmp_path: Path) -> None:
    request, other = (Request(source=MADE, layouts=("carla_sc",), hz=hz) for hz in (1, 2))
    FOLDER.claim(tmp_path, manifest_of(request, "Apache-2.0", ("0", "1")))
    FOLDER.claim(tmp_path, manifest_of(other, "Apache-2.0", ("0", "1")))
    with (
        pytest.raises(BadInput, match="another run with other flags took the folder"),
        FOLDER.writing(tmp_path, manifest_of(request, "Apache-2.0", ("0", "1"))),
    ):
        write_clip(request, "0", tmp_path)
    assert not FOLDER.has_whole(tmp_path)


def test_names_given_twice_count_once(folder_source: str, tmp_path: Path) -> None:
    camera = roadloom.open(folder_source)[0].rig.camera_names[0]
    twice, once = (
        Request(source=folder_source, layouts=("occ3d",) * n, images=(8, 8), cameras=(camera,) * n)
        for n in (2, 1)
    )
    assert twice == once
    prepare(twice, tmp_path)
    assert Prepared(tmp_path)[0].rig.camera_names == (camera,)


# -- damage ----------------------------------------------------------------------------------------


@pytest.fixture
def small(folder_source: str, tmp_path: Path) -> Path:
    clip = roadloom.open(folder_source)[0]
    prepare(everything(folder_source, clip), tmp_path / "out")
    return tmp_path / "out"


def read_all(folder: Path) -> None:
    clip = Prepared(folder)[0]
    _ = clip.times_ns, clip.keys, clip.world_from_ego, clip.rig, clip.attributes
    for number in range(len(clip)):
        for kind, read in (
            ("layout", clip.layout), ("boxes", clip.boxes), ("sweep", clip.sweep),
            ("image", lambda n: clip.image(n, clip.rig.camera_names[0]).pixels),
        ):  # fmt: skip
            try:
                read(number)
            except NotRecorded as error:
                # Only what the rich clip really lacks; a lost member must not look like this.
                if kind == "layout":
                    raise AssertionError(error) from error


@pytest.mark.parametrize("kind", ["clip", "layout-carla_sc", "boxes", "images", "sweeps"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "absent", "text"])
def test_damage_is_one_typed_error_with_file_and_remedy(
    small: Path, kind: str, damage: str
) -> None:
    (path,) = (small / kind).glob("*.zip")
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.file_size:
                    data[
                        entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
                    ] ^= 85
        path.write_bytes(data)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("not a zip file")
    else:
        path.unlink()
    assert len(list(Prepared(small).problems())) == 1
    with pytest.raises(BadInput) as caught:
        read_all(small)
    assert str(path) in str(caught.value) and "remedy: " in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("roadloom_prepared", 99),
        ("class_hash", "0" * 16),
        ("licence", 3),
        ("scenes", None),
        ("scenes", ["a", "a"]),
    ],
)
def test_a_foreign_manifest_is_refused(small: Path, field: str, value: object) -> None:
    path = small / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(BadInput, match=str(path)):
        Prepared(small)


def test_a_record_or_folder_that_is_none(small: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no prepared folder"):
        Prepared(tmp_path / "nowhere")
    (record,) = (small / "scenes").glob("*.json")
    record.write_text("[]")
    with pytest.raises(BadInput, match="no record"):
        len(Prepared(small)[0])


def npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(array))
    return buffer.getvalue()


def put(path: Path, name: str, data: bytes) -> None:
    """Replace one member; its checksum is right, so only the reader's own checks are left."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    assert name in members
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in (members | {name: data}).items():
            archive.writestr(member, content)


def picture(size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, kind)
    return buffer.getvalue()


CAMERA = "{camera}"


@pytest.mark.parametrize(
    ("kind", "member", "data"),
    [
        ("clip", "translation.npy", npy(np.full((3, 3), np.nan))),
        ("clip", "rotation.npy", npy(np.full((3, 3, 3), 0.5))),
        ("clip", "rotation.npy", npy(-np.tile(np.eye(3), (3, 1, 1)))),
        ("clip", "time_ns.npy", npy([-5, 0, 5])),
        ("clip", "time_ns.npy", npy([5, 5, 6])),
        ("clip", "time_ns.npy", b"\x93NUMPY\x01\x00\x04\x00(((("),
        ("clip", "attributes.json", b"[1,2]"),
        ("clip", "attributes.json", b'{"a": NaN}'),
        ("clip", "attributes.json", b'{"a": 1e999}'),
        ("images", f"{CAMERA}.translation.npy", npy(np.full((3, 3), np.nan))),
        ("images", f"000000.{CAMERA}.jpg", picture((9000, 9000), "JPEG")),
        ("images", f"000000.{CAMERA}.jpg", picture((24, 16), "GIF")),
        ("images", f"000000.{CAMERA}.jpg", picture((24, 16), "PNG")),
    ],
)  # fmt: skip
def test_values_that_no_clip_has_are_refused(
    small: Path, kind: str, member: str, data: bytes
) -> None:
    clip = Prepared(small)[0]
    assert len(clip) == 3
    (path,) = (small / kind).glob("*.zip")
    put(path, member.replace(CAMERA, clip.rig.camera_names[0]), data)
    with pytest.raises(BadInput) as caught:
        read_all(small)
    assert caught.value.file == str(path) and caught.value.field and caught.value.remedy == AGAIN


def test_points_that_are_not_finite_are_refused(small: Path) -> None:
    (path,) = (small / "sweeps").glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".points.npy"))
        points = np.load(io.BytesIO(archive.read(name)))
    put(path, name, npy(np.full_like(points, np.nan)))
    with pytest.raises(BadInput, match="points: holds NaN") as caught:
        read_all(small)
    assert caught.value.file == str(path)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("visibility", 999), ("num_lidar_points", 10**30), ("class_id", 1.7), ("class_id", -1),
        ("translation", [1e999, 0, 0]), ("rotation", [[1, 0, 0]] * 3),
    ],
)  # fmt: skip
def test_boxes_that_are_none(small: Path, column: str, value: object) -> None:
    (path,) = (small / "boxes").glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        found = {n: json.loads(archive.read(n)) for n in archive.namelist()}
    name = next(n for n, boxes in found.items() if boxes["class_id"])
    found[name][column][0] = value
    put(path, name, json.dumps(found[name]).encode())
    with pytest.raises(BadInput) as caught:
        read_all(small)
    assert caught.value.file == str(path) and caught.value.remedy == AGAIN


def test_the_file_that_is_damaged_is_blamed(small: Path) -> None:
    (path,) = (small / "clip").glob("*.zip")
    path.write_bytes(b"cut off")
    with pytest.raises(BadInput) as caught:
        Prepared(small)[0].boxes(0)
    assert caught.value.file == str(path) and str(caught.value).count("remedy: ") == 1
    path.unlink()
    with pytest.raises(MissingInput) as caught:
        Prepared(small)[0].boxes(0)
    assert caught.value.remedy == AGAIN


@pytest.mark.parametrize(
    "change",
    [{"frames": -1}, {"frames": True}, {"scene": "other"}, {"occupancy_frames": {"a": "sky"}}],
)
def test_a_record_that_was_edited(small: Path, change: dict) -> None:
    (path,) = (small / "scenes").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match="no record of a scene") as caught:
        len(Prepared(small)[0])
    assert caught.value.file == str(path) and caught.value.remedy == AGAIN


def test_a_frame_beyond_the_last_is_told_with_their_number(small: Path) -> None:
    with pytest.raises(IndexError, match="no frame 99 of 3"):
        Prepared(small)[0].layout(99)


def test_an_altered_byte_is_found_and_mended(small: Path, folder_source: str) -> None:
    request = everything(folder_source, roadloom.open(folder_source)[0])
    (path,) = (small / "boxes").glob("*.zip")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert prepare(request, small).kept == 1
    (problem,) = Prepared(small).problems()
    assert problem.file == str(path)
    path.unlink()
    assert prepare(request, small).written == 1
    assert list(Prepared(small).problems()) == []


def test_an_array_of_another_shape_is_refused(small: Path) -> None:
    from roadloom.prepare.archive import write_archive

    path = next((small / "layout-carla_sc").glob("*.zip"))
    with write_archive(path) as file:
        file.array("000000", np.zeros((18, 3, 3), np.uint8))
    with pytest.raises(BadInput, match="000000.*is uint8"):
        Prepared(small)[0].layout(0)


# -- requests and the program ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"occupancy": ("nuscenes",)}, {"layouts": ("",)}, {"images": (0, 10)},
        {"boxes": True, "hz": 1_000_000}, {"boxes": True, "hz": 7}, {"boxes": True, "hz": 0},
        {"boxes": True, "cameras": ("A",)},
    ],
)  # fmt: skip
def test_requests_that_make_no_sense(fields: dict) -> None:
    with pytest.raises(BadInput, match="remedy"):
        Request(source=MADE, **fields)


@pytest.mark.parametrize(
    "flags",
    [
        ["--shard", "3/3", "--boxes"], ["--shard", "x", "--boxes"], ["--workers", "0", "--boxes"],
        ["--images", "big"], ["--images", "8x8", "--cameras", "NOWHERE"], [],
    ],
    ids=" ".join,
)  # fmt: skip
def test_flags_that_make_no_sense(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["prepare", MADE, "--out", str(tmp_path / "out"), *flags])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "remedy: " in error and "unexpected" not in error
    assert not (tmp_path / "out").exists()


def test_the_program(many: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["prepare", f"{many}:c", "--out", str(tmp_path / "out")]
    arguments += ["--layouts", "carla_sc", "occ3d"]
    for words in ("1 clip, 3 frames written", "; 1 clip kept"):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0 and words in capsys.readouterr().out
    clip = Prepared(tmp_path / "out")[0]
    assert clip.layout(2, "occ3d").grid == OCC3D
    with pytest.raises(BadInput, match="on 2 grids"):
        clip.layout(2)


def test_an_interruption_leaves_whole_files_and_no_workers(many: str, tmp_path: Path) -> None:
    """On many grids a scene takes a while, so that both workers are amid one when they must go."""
    out = tmp_path / "out"
    code = "from roadloom.cli.main import main; main()"
    run = subprocess.Popen(
        [sys.executable, "-c", code, "prepare", many, "--out", str(out), "--boxes", "--sweeps",
         "--layouts", *GRIDS, "--images", "1600x900", "--workers", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(out.glob("scenes/[!.]*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    _, error = run.communicate(timeout=30)
    assert run.returncode == 130 and "Traceback" not in error, error
    done = Prepared(out, partial=True)
    assert 0 < len(done) < 7 and list(done.problems()) == []
    assert not [p for p in out.rglob(".*") if p.is_file()], "nothing half is left"


def test_an_error_in_a_worker_is_the_error_of_the_run(many: str, tmp_path: Path) -> None:
    folder = Path(many.partition(":")[2])
    shutil.copytree(folder, tmp_path / "all")
    for file in (tmp_path / "all/d").rglob("*.png"):
        file.write_bytes(b"no image")
    request = Request(source=f"folder:{tmp_path}/all", images=(8, 8))
    with pytest.raises(BadInput, match="all/d/.*cannot be decoded"):
        prepare(request, tmp_path / "out", workers=2)
    assert "d" not in Prepared(tmp_path / "out", partial=True).scenes
    shutil.copytree(folder / "d", tmp_path / "all/d", dirs_exist_ok=True)
    assert prepare(request, tmp_path / "out", workers=2).written >= 1
    assert len(Prepared(tmp_path / "out")) == 7


def test_a_killed_worker_is_a_typed_error(
    many: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = workers._ask

    def ask_then_kill(pipe: Connection, worker: BaseProcess, items: tuple[str, ...]) -> None:
        ask(pipe, worker, items)
        worker.kill()

    request = Request(source=many, boxes=True)
    monkeypatch.setattr(workers, "_ask", ask_then_kill)
    with pytest.raises(RoadloomError, match="killed by signal 9.*fewer --workers"):
        prepare(request, tmp_path, workers=2)
    monkeypatch.setattr(workers, "_ask", ask)
    prepare(request, tmp_path)
    assert len(Prepared(tmp_path)) == 7


def read_frame(prepared: Prepared, frame: int) -> bytes:
    return prepared[0].layout(frame).channels.tobytes()


def test_worker_processes_read_the_same(small: Path) -> None:
    prepared = Prepared(small)
    jobs = [partial(read_frame, prepared, n) for n in range(len(prepared[0]))] * 3
    assert answers_of(jobs, workers=2) == [job() for job in jobs]

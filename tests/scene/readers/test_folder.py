"""Our own format: what is saved opens equal, always as the same bytes, whole or not at all."""

import dataclasses
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scene.rich_clip import CAMERA_LATE_NS, GRID, KEYS, RIG, START_NS, RichReader, rich_clip

import roadloom
import roadloom.scene.folder_writer
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip
from roadloom.scene.compare import clips_differ
from roadloom.scene.folder_file import ClipFile
from roadloom.scene.labels import LabelFolder
from roadloom.scene.reader import EXTRA_IMAGES
from roadloom.scene.readers.folder import _nearest
from roadloom.scene.registry import open_reader
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig_yaml import rig_to_yaml


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return rich_clip(tmp_path)


@pytest.fixture
def saved(clip: Clip, tmp_path: Path) -> Path:
    clip.save(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize("origin", [0.0, 5e6], ids=["near", "5000km"])
def test_save_open_compare(tmp_path: Path, origin: float) -> None:
    clip = rich_clip(tmp_path, origin)
    clip.save(tmp_path / "saved")
    opened = roadloom.open(f"folder:{tmp_path}/saved")[0]
    assert clips_differ(clip, opened) == []
    assert clips_differ(opened, clip) == []
    assert opened.meta.rig == RIG
    assert opened[0].image("CAM_FRONT").time_ns == START_NS + CAMERA_LATE_NS


def test_the_same_clip_gives_the_same_bytes_and_so_does_its_copy(
    clip: Clip, saved: Path, tmp_path: Path
) -> None:
    clip.save(tmp_path / "again")
    roadloom.open(f"folder:{saved}")[0].save(tmp_path / "copy")
    assert contents(saved) == contents(tmp_path / "again") == contents(tmp_path / "copy")


def test_image_files_are_copied_as_they_are(clip: Clip, saved: Path) -> None:
    jpeg, suffix = clip.reader.image_bytes("CAM_FRONT", 1) or (b"", "")
    assert (saved / f"cameras/CAM_FRONT/000001{suffix}").read_bytes() == jpeg
    assert (saved / "cameras/CAM_LEFT/000000.png").exists()


def test_what_was_not_recorded_still_is_not(saved: Path) -> None:
    opened = roadloom.open(f"folder:{saved}")[0]
    for read in (
        lambda: opened[1].image("CAM_LEFT"),
        lambda: opened[1].occupancy(GRID),
        lambda: opened[0].occupancy(OCC3D),
        lambda: opened[0].occupancy(GRID, solid=True),
        lambda: opened[0].lidar("SIDE"),
        lambda: opened[0].extra_image("depth", "CAM_LEFT"),
        lambda: opened[1].extra_image("semantic", "CAM_FRONT"),
    ):
        with pytest.raises(NotRecorded):
            read()


def test_nothing_of_the_folder_is_overwritten(clip: Clip, saved: Path) -> None:
    before = contents(saved)
    with pytest.raises(BadInput, match="not empty"):
        clip.save(saved)
    assert contents(saved) == before
    (saved.parent / "empty").mkdir()
    clip.save(saved.parent / "empty")
    assert contents(saved.parent / "empty") == before


def test_the_empty_folder_that_one_stands_in_will_do(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    clip.save(".")
    assert clips_differ(clip, roadloom.open(f"folder:{tmp_path}/here")[0]) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_save_that_is_stopped_leaves_nothing(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    def halt(*_: object) -> None:
        raise stop

    monkeypatch.setattr(RichReader, "road_map", halt)
    with pytest.raises(stop):
        clip.save(tmp_path / "saved")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mask.png"]


def test_gaps_are_kept_only_if_asked(clip: Clip, saved: Path, tmp_path: Path) -> None:
    gone = ["cameras/CAM_FRONT/000001.jpg", "cameras/CAM_FRONT/000002_depth.npz"]
    gone += ["lidars/TOP/000003.npz"]
    for name in gone:
        (saved / name).unlink()
    cut = roadloom.open(f"folder:{saved}")[0]
    with pytest.raises(MissingInput, match="partial=True"):
        cut.save(tmp_path / "copy")
    cut.save(tmp_path / "copy", partial=True)
    again = roadloom.open(f"folder:{tmp_path}/copy")[0]
    assert clips_differ(cut, again) == []
    assert len(clips_differ(clip, again)) == len(gone)
    _, reader = open_reader(f"folder:{tmp_path}/copy")
    assert sorted(reader.absent_files(None)) == sorted(gone)
    assert list(reader.problems(None, partial=True)) == []
    files = {str(problem.file) for problem in reader.problems(None, partial=False)}
    assert files == {f"{tmp_path}/copy/{name}" for name in gone}


def test_a_sound_clip_has_no_problems(saved: Path) -> None:
    _, reader = open_reader(f"folder:{saved}")
    assert list(reader.problems(None, partial=False)) == []
    assert list(reader.absent_files("rich-1")) == []


def test_a_folder_of_clips(tmp_path: Path) -> None:
    for number in (2, 1):
        rich_clip(tmp_path, scene=f"drive-{number}").save(tmp_path / f"all/folder{number}")
    (tmp_path / "all/.folder3.tmp").mkdir()  # being written
    (tmp_path / "all/.folder3.tmp/clip.json").touch()
    source = roadloom.open(f"folder:{tmp_path}/all")
    assert source.scenes == ("drive-1", "drive-2")
    assert [c.scene_id for c in source] == ["drive-1", "drive-2"]
    assert roadloom.open(f"folder:{tmp_path}/all:drive-2")[0].scene_id == "drive-2"
    rich_clip(tmp_path, scene="drive-1").save(tmp_path / "all/twice")
    with pytest.raises(BadInput, match="scene_id.*is that of folder1 too"):
        roadloom.open(f"folder:{tmp_path}/all")


def test_labels_are_saved_in_place_of_the_clips_own(clip: Clip, saved: Path) -> None:
    labels = LabelFolder.create(saved.parent / "labels", {"source": "test"})
    label = clip[0].occupancy(GRID)
    labels.add("rich-1", int(clip.times_ns[1]), label)
    labelled = roadloom.open(f"folder:{saved}", labels=str(labels.folder))[0]
    assert labelled[1].occupancy(GRID).same_as(label)
    labelled.save(saved.parent / "copy")
    copy = roadloom.open(f"folder:{saved.parent}/copy")[0]
    assert clips_differ(labelled, copy) == []
    assert copy[1].occupancy(GRID).same_as(label)
    with pytest.raises(NotRecorded):
        copy[0].occupancy(GRID)


def test_opening_reads_no_sensor_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = Path.read_bytes

    def spy(path: Path) -> bytes:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", spy)
    frame = roadloom.open(f"folder:{saved}")[0][0]
    assert sorted(set(opened)) == ["clip.json", "keys.csv", "rig.yaml"]
    opened.clear()
    image = frame.image("CAM_FRONT")
    assert opened == ["CAM_FRONT.csv"]
    assert image.pixels.shape == (16, 24, 3)
    assert opened == ["CAM_FRONT.csv", "000000.jpg"]


def test_a_copy_in_another_process_is_small_and_reads_the_same(saved: Path) -> None:
    clip = roadloom.open(f"folder:{saved}")[0]
    fresh = len(pickle.dumps(clip))
    assert clips_differ(clip, pickle.loads(pickle.dumps(clip))) == []
    assert len(pickle.dumps(clip)) == fresh < 20_000
    frame = pickle.loads(pickle.dumps(clip[0]))
    assert frame.boxes.same_as(clip[0].boxes)


def test_a_slow_save_shows_its_progress(
    clip: Clip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip.save(tmp_path / "fast")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(roadloom.io.progress, "SLOW_S", 0.0)
    monkeypatch.setattr(roadloom.io.progress, "LOG_S", 0.0)
    clip.save(tmp_path / "slow")
    total = 3 + 2 + 6 + KEYS * 2
    assert f"{total}/{total}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "attributes", [{"a": float("nan")}, {"a": (1, 2)}, {"a": np.zeros(2)}, {"a": {1: "b"}}], ids=str
)
def test_attributes_that_json_would_change_are_refused(clip: Clip, attributes: dict) -> None:
    clip.meta.attributes.clear()
    clip.meta.attributes.update(attributes)
    with pytest.raises(BadInput, match="attributes"):
        clip.save(Path("never"))
    assert not Path("never").exists()


def test_a_clip_written_by_hand(tmp_path: Path) -> None:
    """As docs/folder_format.md shows: poses as yaw, key frames matched by time."""
    (tmp_path / "clip.json").write_text(
        json.dumps({"roadloom_clip": 1, "scene_id": "mine", "licence": "my own", "lidar": "TOP"})
    )
    (tmp_path / "rig.yaml").write_text(rig_to_yaml(RIG))
    (tmp_path / "ego.csv").write_text("time_ns,x,y,z,yaw\n0,0,0,0,0\n1000000000,10,0,0,0\n")
    (tmp_path / "keys.csv").write_text("time_ns,boxes\n100000000,first.csv\n600000000,\n")
    (tmp_path / "first.csv").write_text(
        "class,x,y,z,yaw,length,width,height\nvehicle.car,8,2,0.8,0.5,4,2,1.5\n"
    )
    for folder in ("lidars", "cameras"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lidars/TOP.csv").write_text("time_ns,file\n100000000,a.npz\n600000001,\n")
    (tmp_path / "cameras/CAM_FRONT.csv").write_text(
        "time_ns,file,x,y,z,qw,qx,qy,qz\n130000000,,1.3,0,0,1,0,0,0\n450000000,,4.5,0,0,1,0,0,0\n"
    )
    points = np.ones((2, 3), np.float32)
    np.savez(tmp_path / "a.npz", points=points, motion_compensated=True)
    clip = roadloom.open(f"folder:{tmp_path}")[0]
    assert clip.meta.source == f"folder:{tmp_path}"
    assert clip.reader.records("TOP").key.tolist() == [0, -1]  # a nanosecond late
    assert clip.reader.records("CAM_FRONT").key.tolist() == [0, -1]
    assert clip[0].world_from_ego.translation.tolist() == [1.0, 0.0, 0.0]
    assert clip[0].image("CAM_FRONT").world_from_ego.translation.tolist() == [1.3, 0.0, 0.0]
    sweep = clip[0].lidar()
    assert np.array_equal(sweep.points, points)
    assert sweep.point_time_ns.tolist() == [100_000_000] * 2
    assert sweep.ring.tolist() == [-1, -1] and np.isnan(sweep.intensity).all()
    assert [origin.name for origin in sweep.origins] == ["TOP"]
    boxes = clip[0].boxes
    assert boxes.pose.yaw == pytest.approx([0.5]) and np.isnan(boxes.velocity).all()
    for read in (lambda: clip[1].boxes, lambda: clip.map, lambda: clip[0].image("CAM_LEFT")):
        with pytest.raises(NotRecorded):
            read()
    clip.save(tmp_path / "saved")
    assert clips_differ(clip, roadloom.open(f"folder:{tmp_path}/saved")[0]) == []
    _, reader = open_reader(f"folder:{tmp_path}")
    assert list(reader.problems(None, partial=False)) == []


@pytest.mark.parametrize("reach", [0, 3, 100])
def test_nearest_equals_its_slow_twin(reach: int) -> None:
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 9):
        times = np.sort(rng.choice(60, count, replace=False))
        wanted = np.arange(-5, 65)
        slow = []
        for want in wanted:
            best = min(range(count), key=lambda i: (abs(times[i] - want), i), default=-1)
            slow.append(best if best >= 0 and abs(times[best] - want) <= reach else -1)
        assert _nearest(times, wanted, reach).tolist() == slow


def test_differences_are_named(clip: Clip, saved: Path) -> None:
    """A comparison that found nothing would let every other test here pass."""
    for old, new, what in (
        ("clip.json", ("none", "some"), "licence"),
        ("clip.json", ('"temperature": 0.1', '"temperature": 0.2'), "attributes"),
        ("clip.json", ("arithmetic:here", "elsewhere"), "source"),
        ("ego.csv", (",0.", ",0.0"), "ego"),
        ("boxes/000000.csv", ("vehicle.parked", "vehicle.moving"), "boxes of key frame 0"),
        ("keys.csv", (",0,0,0,\n", ",0,,0,\n"), "CAM_LEFT records"),
        ("map/map.json", ("nowhere", "here"), "map"),
        ("cameras/CAM_FRONT.csv", (",cameras/CAM_FRONT/000001.jpg", ","), "CAM_FRONT record 1"),
        ("lidars/TOP.csv", ("lidars/TOP/000001.npz", "lidars/TOP/000007.npz"), "TOP record 1"),
    ):
        path = saved / old
        text = path.read_text()
        assert new[0] in text
        path.write_text(text.replace(*new, 1))
        found = clips_differ(clip, roadloom.open(f"folder:{saved}")[0])
        assert len(found) == 1 and found[0].startswith(what), (found, what)
        path.write_text(text)


def test_a_moved_mount_is_a_difference(tmp_path: Path, saved: Path) -> None:
    other = rich_clip(tmp_path)
    object.__setattr__(other.meta, "our_from_vehicle", Pose.identity())
    assert clips_differ(other, roadloom.open(f"folder:{saved}")[0]) == ["our_from_vehicle"]


def test_neither_torch_nor_numba_is_loaded(saved: Path) -> None:
    code = (
        "import sys, roadloom\n"
        f"frame = roadloom.open('folder:{saved}')[0][0]\n"
        "frame.boxes, frame.lidar(), frame.image('CAM_FRONT').pixels, frame.world_from_ego\n"
        "assert not {'torch', 'numba'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_example_of_the_document_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "folder_format.md"
    block = re.search(r"```python\n(.*?)```", page.read_text(), re.S)
    assert block is not None
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(block[1], page.name, "exec"), names)  # our own text
    assert names["image"].pixels.shape == (48, 64, 3)
    assert names["boxes"].track_id.tolist() == ["car-7"]
    _, reader = open_reader("folder:my_drive")
    assert list(reader.problems(None, partial=False)) == []
    names["clip"].save(tmp_path / "copy")
    assert clips_differ(names["clip"], roadloom.open(f"folder:{tmp_path}/copy")[0]) == []


def test_the_document_names_every_column_and_array() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "folder_format.md"
    said = set(re.findall(r"`([\w/]+)`", page.read_text()))
    fields = {f.name for f in dataclasses.fields(Sweep)} - {"world_from_ego", "origins"}
    fields |= {f.name for f in dataclasses.fields(Boxes)} - {"class_id", "pose", "size", "velocity"}
    fields |= set(ClipFile.__struct_fields__) | set(EXTRA_IMAGES)
    assert fields <= said, fields - said


@pytest.mark.parametrize("scene", ["a/b", "..", "a b", "\ud800"], ids=ascii)
def test_a_scene_that_cannot_be_read_back_is_not_saved(
    clip: Clip, tmp_path: Path, scene: str
) -> None:
    object.__setattr__(clip.meta, "scene_id", scene)
    with pytest.raises(BadInput) as caught:
        clip.save(tmp_path / "new")
    assert caught.value.field == "scene_id" and caught.value.remedy
    assert not (tmp_path / "new").exists()

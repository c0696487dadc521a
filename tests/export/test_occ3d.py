"""Export as Occ3D: read back equal, the same bytes again, kept files, shards, refusals."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.prepare import toy_source
from tests.scene.readers.occupancy_roots import SCENES, TOKENS, write_occ3d

import roadloom
from roadloom.cli.main import main
from roadloom.errors import BadInput, NotRecorded
from roadloom.export import occ3d as export
from roadloom.export.occ3d import Occ3dOptions, export_occ3d
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.class_views import view
from roadloom.scene.heights import raised_by_cells
from roadloom.scene.labels import LabelFolder
from roadloom.scene.occ3d_file import read_occ3d
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.registry import KINDS

TOY = "toy:street"


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", "tests.prepare.toy_source:ToySource")


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def as_occ3d(occupancy: Occupancy) -> np.ndarray:
    """The labels as Occ3D's classes can say them."""
    coarse = view("occ3d18")
    return coarse.to_classes(coarse.apply(occupancy.labels))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "toy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "toy", "tests.prepare.toy_source:ToySource")
        done = export_occ3d(TOY, folder, Occ3dOptions())
    assert done == (2, 0, 2 * toy_source.KEYS)
    return folder


def test_our_reader_reads_the_export_back_equal(made: Path) -> None:
    source, back = roadloom.open(TOY), roadloom.open(f"occ3d:{made}")
    assert back.scenes == source.scenes
    assert list(back.reader.problems(None, partial=False)) == []
    for clip, again in zip(source, back, strict=True):
        assert again.times_ns.tolist() == clip.times_ns.tolist()
        assert again.attributes["sample_tokens"] == [str(t) for t in clip.times_ns]
        assert again.attributes["split"] == "val"
        assert again.licence == clip.licence
        for frame, other in zip(clip, again, strict=True):
            found = other.occupancy(OCC3D)
            np.testing.assert_array_equal(found.labels, as_occ3d(frame.occupancy(OCC3D)))
            assert found.occupied.sum() > 1000 and found.mask_lidar is None
            for a, b in (
                (frame.world_from_ego.rotation, other.world_from_ego.rotation),
                (frame.world_from_ego.translation, other.world_from_ego.translation),
            ):
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_cameras_come_back(made: Path) -> None:
    clip, again = roadloom.open(TOY)[0], roadloom.open(f"occ3d:{made}")[0]
    assert again.rig.camera_names == clip.rig.camera_names
    for name in clip.rig.camera_names:
        assert again.rig.camera(name).camera == clip.rig.camera(name).camera
        np.testing.assert_allclose(
            again.rig.camera(name).ego_from_camera.rotation,
            clip.rig.camera(name).ego_from_camera.rotation,
            atol=1e-12,
        )
        theirs, ours = again.reader.records(name), clip.reader.records(name)
        assert theirs.time_ns.tolist() == ours.time_ns[ours.key].tolist()
        with pytest.raises(NotRecorded, match="name no image"):
            _ = again[0].image(name).pixels


def test_annotations_have_the_published_form(made: Path) -> None:
    facts = json.loads((made / "annotations.json").read_text())
    assert facts["train_split"] == [] and facts["val_split"] == ["0", "1"]
    frames = facts["scene_infos"]["0"]
    tokens = list(frames)
    assert [f["prev"] for f in frames.values()] == ["", *tokens[:-1]]
    assert [f["next"] for f in frames.values()] == [*tokens[1:], ""]
    for token, frame in frames.items():
        assert frame["timestamp"] == str(int(token) // 1000)
        assert frame["gt_path"] == f"gts/0/{token}/labels.npz"
        assert read_occ3d(made / frame["gt_path"]).grid == OCC3D
        assert len(frame["ego_pose"]["rotation"]) == 4


def test_a_second_run_shards_and_workers_write_the_same_bytes(made: Path, tmp_path: Path) -> None:
    before = digests(made)
    assert export_occ3d(TOY, made, Occ3dOptions()) == (0, 2, 0)
    assert digests(made) == before
    for shard in ((1, 2), (0, 2)):
        export_occ3d(TOY, tmp_path / "shards", Occ3dOptions(), shard=shard)
    assert digests(tmp_path / "shards") == before


def test_a_run_that_was_cut_off_goes_on(made: Path, tmp_path: Path) -> None:
    before = digests(made)
    folder = tmp_path / "cut"
    shutil.copytree(made, folder)
    record = folder / "scene_infos/0.json"
    kept, *lost = [f["gt_path"] for f in json.loads(record.read_text())["frames"].values()]
    record.unlink()
    (folder / "annotations.json").unlink()
    for name in lost:
        (folder / name).unlink()
    stamp = (folder / kept).stat().st_mtime_ns
    assert export_occ3d(TOY, folder, Occ3dOptions()) == (1, 1, toy_source.KEYS)
    assert digests(folder) == before
    assert (folder / kept).stat().st_mtime_ns == stamp  # a whole file is kept
    (folder / kept).unlink()
    assert export_occ3d(TOY, folder, Occ3dOptions()).written == 1  # one is gone: made again
    assert digests(folder) == before


def test_the_source_s_tokens_and_masks_are_kept_byte_for_byte(tmp_path: Path) -> None:
    root = write_occ3d(tmp_path / "in")
    done = export_occ3d(f"occ3d:{root}", tmp_path / "out", Occ3dOptions(split="train"))
    assert done.frames == 4
    for scene in SCENES:
        for token in TOKENS:
            name = f"gts/{scene}/{token}/labels.npz"
            old, new = np.load(root / name), np.load(tmp_path / "out" / name)
            assert old.files == new.files
            assert all(np.array_equal(old[k], new[k]) for k in old.files)
    facts = json.loads((tmp_path / "out/annotations.json").read_text())
    assert facts["train_split"] == list(SCENES)


def test_attached_labels_and_lowering(tmp_path: Path) -> None:
    """Key frames without a label are left out; Occ3D's own height of the road is an option."""
    clip = roadloom.open(f"{TOY}:1")[0]
    time = int(clip.times_ns[2])
    labels = LabelFolder.create(tmp_path / "labels", {})
    label = clip[0].occupancy(OCC3D)  # of another moment, to tell it from the source's own
    labels.add("1", time, label)
    done = export_occ3d(
        f"{TOY}:1", tmp_path / "out", Occ3dOptions(lower=2), labels=str(tmp_path / "labels")
    )
    assert done == (1, 0, 1)
    back = roadloom.open(f"occ3d:{tmp_path}/out")
    assert back[0].times_ns.tolist() == [time]
    found = back[0][0].occupancy(OCC3D)
    lowered = raised_by_cells(label, -2)
    np.testing.assert_array_equal(found.labels[:, :, :14], as_occ3d(lowered)[:, :, :14])
    assert found.mask_lidar is not None
    assert found.mask_lidar[:, :, :14].all() and not found.mask_lidar[:, :, 14:].any()


def test_what_was_begun_with_other_flags_does_not_stay(made: Path, tmp_path: Path) -> None:
    """Cut off in its first scene, a run leaves labels; other flags may take the folder over."""
    out = tmp_path / "out"
    shutil.copytree(made, out)
    shutil.rmtree(out / "scene_infos")
    (out / "notes.txt").write_text("mine")
    assert export_occ3d(f"{TOY}:0", out, Occ3dOptions(lower=2)) == (1, 0, toy_source.KEYS)
    assert sorted(p.name for p in (out / "gts").iterdir()) == ["0"]
    assert (out / "notes.txt").read_text() == "mine"
    path = next((out / "gts" / "0").glob("*/labels.npz")).relative_to(out)
    lowered = raised_by_cells(read_occ3d(made / path), -2)
    np.testing.assert_array_equal(
        read_occ3d(out / path).labels[:, :, :14], as_occ3d(lowered)[:, :, :14]
    )


def test_what_cannot_be_is_refused(made: Path, tmp_path: Path, real_data: Path) -> None:
    with pytest.raises(BadInput, match="--split: the folder was begun with 'val'"):
        export_occ3d(TOY, made, Occ3dOptions(split="train"))
    with pytest.raises(NotRecorded, match="no key frame has occupancy on the grid occ3d"):
        export_occ3d(f"semantickitti:{real_data}/semantickitti", tmp_path / "a", Occ3dOptions())
    with pytest.raises(NotRecorded, match="masks"):
        export_occ3d(TOY, tmp_path / "b", Occ3dOptions(masks=True))
    with pytest.raises(BadInput, match="--lower"):
        Occ3dOptions(lower=16)


def test_tokens_that_are_no_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = roadloom.open(TOY)[0]
    for tokens, message in ((["a"] * 4, "4 different"), (["a", "b", "c", "../d"], "no name")):
        monkeypatch.setitem(clip.attributes, "sample_tokens", tokens)
        with pytest.raises(BadInput, match=message):
            export.tokens_of(clip)


def test_the_command_writes_a_real_file_byte_for_byte(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"occ3d:{real_data / 'occ3d_nuscenes'}"
    with pytest.raises(SystemExit) as done:
        main(["export", "occ3d", source, "--out", str(tmp_path / "out")])
    assert done.value.code == 0
    assert "1 scene, 1 frame written" in capsys.readouterr().out
    path = next((real_data / "occ3d_nuscenes").rglob("labels.npz"))
    copy = tmp_path / "out" / path.relative_to(real_data / "occ3d_nuscenes")
    assert copy.read_bytes() == path.read_bytes()

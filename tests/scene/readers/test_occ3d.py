"""Occ3D roots: what was written comes back, with and without annotations; damage is named."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scene.readers.nuscenes_root import Root
from tests.scene.readers.occupancy_roots import (
    SCENES,
    START_US,
    STEP_US,
    TOKENS,
    annotations,
    occ3d_arrays,
    pose,
    write_occ3d,
)

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import BEV_VAE, OCC3D
from roadloom.scene.class_maps import to_dataset
from roadloom.scene.source import Source


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_occ3d(tmp_path_factory.mktemp("occ3d"))


def opened(root: Path) -> Source:
    return roadloom.open(f"occ3d:{root}")


def test_order_times_poses_and_split_come_from_the_annotations(made: Path) -> None:
    source = opened(made)
    assert source.scenes == SCENES
    clip = source[0]
    assert clip.times_ns.tolist() == [START_US * 1000, (START_US + STEP_US) * 1000]
    assert clip.attributes["sample_tokens"] == list(TOKENS)
    assert [c.attributes["split"] for c in source] == ["train", "val"]
    for step in range(2):
        np.testing.assert_allclose(clip[step].world_from_ego.rotation, pose(step).rotation)
        np.testing.assert_allclose(clip[step].world_from_ego.translation, pose(step).translation)


def test_occupancy_is_that_of_the_frame(made: Path) -> None:
    for number, clip in enumerate(opened(made)):
        for step in range(2):
            stored = occ3d_arrays(10 * number + step)
            found = clip[step].occupancy(OCC3D)
            np.testing.assert_array_equal(to_dataset("occ3d", found.labels), stored["semantics"])
            np.testing.assert_array_equal(found.mask_lidar, stored["mask_lidar"] == 1)
            np.testing.assert_array_equal(found.mask_camera, stored["mask_camera"] == 1)
    with pytest.raises(NotRecorded, match="grid: the labels lie on"):
        clip[0].occupancy(BEV_VAE)
    with pytest.raises(NotRecorded, match="interiors"):
        clip[0].occupancy(OCC3D, solid=True)


def test_cameras_have_their_own_times_and_poses(made: Path) -> None:
    clip = opened(made)[0]
    assert clip.rig.camera_names == ("CAM_FRONT",)
    lens = clip.rig.camera("CAM_FRONT").camera
    assert (lens.width, lens.height, lens.fx, lens.cy) == (1600, 900, 1250.0, 491.0)
    image = clip[0].image("CAM_FRONT")
    assert image.time_ns == (START_US + 12_000) * 1000
    np.testing.assert_allclose(image.world_from_ego.translation, pose(0.02).translation)
    assert image.pixels[450, 800] == pytest.approx([9, 99, 199], abs=3)
    assert clip[1].images == {}
    with pytest.raises(MissingInput):
        _ = opened(made)[1][0].image("CAM_FRONT").pixels


def test_without_annotations_names_give_the_order_and_the_rest_is_said(tmp_path: Path) -> None:
    clip = opened(write_occ3d(tmp_path, annotated=False))
    assert clip.scenes == tuple(sorted(SCENES))
    clip = clip.clip(SCENES[0])
    assert clip.attributes["sample_tokens"] == sorted(TOKENS)
    assert clip.attributes["not_recorded"] == ["order", "times", "poses", "sensors"]
    assert clip.times_ns.tolist() == [0, 500_000_000]
    stored = occ3d_arrays(1)["semantics"]  # the later frame's name comes first
    np.testing.assert_array_equal(to_dataset("occ3d", clip[0].occupancy(OCC3D).labels), stored)
    with pytest.raises(NotRecorded, match=r"poses of 2 frames .*annotations\.json"):
        _ = clip[0].world_from_ego
    shutil.rmtree(tmp_path / "gts" / SCENES[0] / TOKENS[0])
    lone = opened(tmp_path).clip(SCENES[0])
    np.testing.assert_array_equal(lone[0].world_from_ego.translation, np.zeros(3))


def test_a_sound_root_has_no_problems_and_copies_stay_small(made: Path) -> None:
    source = opened(made)
    absent = list(source.reader.absent_files(None))
    assert [Path(name).parts[:2] for name in absent] == [("imgs", "CAM_FRONT")] * 2
    assert list(source.reader.problems(None, partial=True)) == []
    assert len(pickle.dumps(source)) < 10_000
    again = pickle.loads(pickle.dumps(source[0]))
    assert again[0].occupancy(OCC3D).same_as(source[0][0].occupancy(OCC3D))


def test_labels_beside_nuscenes_tables_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADLOOM_CACHE", str(tmp_path / "cache"))
    root = Root().write(tmp_path / "root")
    source = roadloom.open(f"nuscenes:{root}")
    clip = source[0]
    assert clip.occupancy_grids == ()
    with pytest.raises(NotRecorded, match="no folder gts"):
        clip[0].occupancy(OCC3D)
    for key in range(len(clip)):
        path = source.reader.open_scene(clip.scene_id).occupancy_file(key)
        assert path.parent.name == clip.attributes["sample_tokens"][key]
        path.parent.mkdir(parents=True)
        np.savez_compressed(path, **occ3d_arrays(key))
    before = len(list(source.reader.problems(None, partial=True)))
    assert clip.occupancy_grids == (OCC3D,)
    for key in range(len(clip)):
        stored = occ3d_arrays(key)["semantics"]
        found = clip[key].occupancy(OCC3D)
        np.testing.assert_array_equal(to_dataset("occ3d", found.labels), stored)
    path.write_bytes(path.read_bytes()[:-9])
    found = list(source.reader.problems(None, partial=True))
    assert len(found) == before + 1 and any(e.file == str(path) for e in found)
    path.unlink()
    assert path.relative_to(root).as_posix() in list(source.reader.absent_files(None))


def _camera(facts: dict[str, Any]) -> dict[str, Any]:
    return facts["scene_infos"][SCENES[0]][TOKENS[0]]["camera_sensor"]["0" * 32]


def _frame(facts: dict[str, Any], step: int = 1) -> dict[str, Any]:
    return facts["scene_infos"][SCENES[0]][TOKENS[step]]


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no scenes": (lambda f: f.pop("scene_infos"), "scene_infos: is missing"),
    "a split of strangers": (lambda f: f["val_split"].append("x"), "val_split: 'x' is no scene"),
    "a name with a slash": (
        lambda f: f["scene_infos"].update({"a/b": {}}), "scene_infos: 'a/b' is no name",
    ),
    "no pose": (lambda f: _frame(f).pop("ego_pose"), "ego_pose: is missing"),
    "a zero quaternion": (
        lambda f: _frame(f)["ego_pose"].update(rotation=[0, 0, 0, 0]), "ego_pose.rotation",
    ),
    "a time in words": (lambda f: _frame(f).update(timestamp="noon"), "timestamp: must be micro"),
    "times that fall": (lambda f: _frame(f).update(timestamp="5"), "not later than"),
    "no frame": (lambda f: f["scene_infos"].update({SCENES[0]: {}}), "holds no frame"),
    "no focal length": (
        lambda f: _camera(f)["intrinsic"][0].__setitem__(0, 0), "focal lengths must be positive",
    ),
    "pixels askew": (lambda f: _camera(f)["intrinsic"][0].__setitem__(1, 5), "0, cx"),
    "a matrix by columns": (lambda f: _camera(f)["intrinsic"][2].__setitem__(0, 816), "0, cx"),
    "a path that climbs": (lambda f: _camera(f).update(img_path="../a/b.jpg"), "leads out"),
    "a camera far away": (
        lambda f: _camera(f)["extrinsic"].update(translation=[1e8, 0, 0]), "no vehicle is 100 m",
    ),
    "an image of another day": (
        lambda f: _camera(f).update(img_path="CAM_FRONT/x__5.jpg"), "over 1 s from its frame",
    ),
    "images that go back": (
        lambda f: _frame(f).update(
            camera_sensor={"0": _camera(f) | {"time_ns": (START_US + 11_999) * 1000}}
        ),
        "CAM_FRONT is not later than that of the frame before",
    ),
    "an image without a time": (
        lambda f: _camera(f).update(img_path="CAM_FRONT/b.jpg"), "tells no time",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_annotations_are_named(name: str, tmp_path: Path) -> None:
    change, message = DAMAGE[name]
    facts = annotations()
    change(facts)
    (tmp_path / "gts").mkdir()
    (tmp_path / "annotations.json").write_text(json.dumps(facts))
    with pytest.raises(BadInput, match=message) as caught:
        list(opened(tmp_path))
    assert caught.value.file == str(tmp_path / "annotations.json")


def test_strays_and_absent_labels_are_problems(tmp_path: Path) -> None:
    root = write_occ3d(tmp_path)
    (root / "gts/scene-0999").mkdir()
    (root / "gts" / SCENES[0] / ("c" * 32)).mkdir()
    gone = root / "gts" / SCENES[1] / TOKENS[1] / "labels.npz"
    gone.unlink()
    found = [str(e) for e in opened(root).reader.problems(None, partial=False)]
    for name in ("scene-0999: is not named", f"{'c' * 32}: is not named", str(gone)):
        assert any(name in line for line in found), name
    assert not any(str(gone) in str(e) for e in opened(root).reader.problems(None, partial=True))
    assert gone.relative_to(root).as_posix() in list(opened(root).reader.absent_files(None))


def test_places_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="holds no folder gts"):
        opened(tmp_path)
    (tmp_path / "gts/scene-0001").mkdir(parents=True)
    with pytest.raises(MissingInput, match="holds no frame"):
        _ = opened(tmp_path)[0]

"""Occ3D on Waymo: what was written comes back, 23 and 15 are free, damage is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.scene.readers.occupancy_roots import WAYMO_SCENES, pose, waymo_arrays, write_waymo

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import CARLA_SC, OCC3D
from roadloom.scene.class_maps import DATASET_NAMES, to_dataset
from roadloom.scene.class_views import view
from roadloom.scene.classes import FREE
from roadloom.scene.source import Source

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_waymo(tmp_path_factory.mktemp("waymo"))


def opened(root: Path) -> Source:
    return roadloom.open(f"occ3d_waymo:{root}")


def test_scenes_frames_and_what_is_not_known(made: Path) -> None:
    source = opened(made)
    assert source.scenes == ("training-007", "validation-000")
    clip = source[1]
    assert clip.attributes["split"] == "validation" and clip.attributes["frames"] == [0, 1]
    assert clip.attributes["not_recorded"] == ["times", "sensors"]
    assert clip.times_ns.tolist() == [0, 100_000_000]
    for step in range(2):
        np.testing.assert_allclose(clip[step].world_from_ego.rotation, pose(step).rotation)
        np.testing.assert_allclose(clip[step].world_from_ego.translation, pose(step).translation)
    assert list(source.reader.problems(None, partial=False)) == []


def test_occupancy_masks_and_field_of_view_come_back(made: Path) -> None:
    clip = opened(made)[0]
    stored, found = waymo_arrays(1), clip[1].occupancy(OCC3D)
    assert (found.labels[np.isin(stored["voxel_label"], (15, 23))] == FREE).all()
    again = to_dataset("occ3d_waymo", found.labels)
    free = stored["voxel_label"] == 23
    np.testing.assert_array_equal(again[~free], stored["voxel_label"][~free])
    np.testing.assert_array_equal(found.mask_lidar, stored["origin_voxel_state"] == 1)
    np.testing.assert_array_equal(found.mask_camera, stored["final_voxel_state"] == 1)
    np.testing.assert_array_equal(clip.reader.field_of_view(1), stored["infov"])
    with pytest.raises(NotRecorded, match="grid"):
        clip[0].occupancy(CARLA_SC)


def test_its_classes_become_dynamiccitys_twelve() -> None:
    """DynamicCity (ICLR 2025): its map of Occ3D-Waymo."""
    theirs = dict.fromkeys(DATASET_NAMES["occ3d_waymo"].values(), 5) | {
        "free": 0, "building": 1, "general object": 3, "pedestrian": 4, "road": 6, "walkable": 8,
        "vegetation": 9, "tree trunk": 9, "vehicle": 10, "cyclist": 11, "bicycle": 11,
        "motorcycle": 11,
    }  # fmt: skip
    from roadloom.scene.class_maps import ids_from

    seen = view("dynamiccity12").apply(ids_from("occ3d_waymo", np.arange(16)))
    assert seen.tolist() == [theirs[name] for name in DATASET_NAMES["occ3d_waymo"].values()]


def test_without_poses_a_lone_frame_has_a_world_of_its_own(tmp_path: Path) -> None:
    folder = write_waymo(tmp_path, WAYMO_SCENES[:1]) / "training/007"
    for frame in range(2):
        arrays = waymo_arrays(frame)
        del arrays["ego2global"], arrays["infov"]
        np.savez(folder / f"{frame:03d}_04.npz", **arrays)
    clip = opened(tmp_path)[0]
    assert clip.reader.field_of_view(0) is None
    with pytest.raises(NotRecorded, match="poses of 2 frames"):
        _ = clip.ego
    (folder / "001_04.npz").unlink()
    assert opened(tmp_path)[0][0].world_from_ego.translation.tolist() == [0, 0, 0]


def _set(name: str, value: int) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].astype(np.int64)
        arrays[name][3, 4, 5] = value

    return change


DAMAGE: dict[str, tuple[Callable[[Arrays], object], str]] = {
    "a class between": (_set("voxel_label", 16), "voxel_label: occ3d_waymo has no class 16"),
    "a class below": (_set("voxel_label", -1), "voxel_label: occ3d_waymo has no class -1"),
    "a mask of two": (_set("final_voxel_state", 2), "final_voxel_state: holds more than 0 and 1"),
    "no mask": (lambda a: a.pop("origin_voxel_state"), "origin_voxel_state: is missing"),
    "fractions": (lambda a: a.update(voxel_label=a["voxel_label"] / 1), "voxel_label: is float64"),
    "another shape": (lambda a: a.update(infov=a["infov"][1:]), "infov: has shape"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name: str, tmp_path: Path) -> None:
    change, message = DAMAGE[name]
    arrays = waymo_arrays(0)
    change(arrays)
    path = write_waymo(tmp_path, WAYMO_SCENES[:1], frames=0) / "training/007/000_04.npz"
    np.savez(path, **arrays)
    with pytest.raises(BadInput, match=message) as caught:
        opened(tmp_path)[0][0].occupancy(OCC3D)
    assert caught.value.file == str(path)


_FAR = np.eye(4)
_FAR[0, 3] = 1e200
_TURNED = np.eye(4)
_TURNED[3, 0] = 5.0  # the translation of a matrix whose columns were taken for rows


@pytest.mark.parametrize(
    "value", [np.eye(4) * 2, np.full((4, 4), np.nan), np.diag([1, 1, -1, 1]), _FAR, _TURNED]
)
def test_a_pose_that_is_none_is_named(value: np.ndarray, tmp_path: Path) -> None:
    path = write_waymo(tmp_path, WAYMO_SCENES[:1], frames=1) / "training/007/001_04.npz"
    np.savez(path, **(waymo_arrays(1) | {"ego2global": np.asarray(value, np.float64)}))
    with pytest.raises(BadInput) as caught:
        _ = opened(tmp_path)[0].ego
    assert caught.value.file == str(path) and caught.value.field == "ego2global"


def test_a_pose_that_one_frame_lacks_is_named(tmp_path: Path) -> None:
    path = write_waymo(tmp_path, WAYMO_SCENES[:1], frames=1) / "training/007/001_04.npz"
    arrays = waymo_arrays(1)
    del arrays["ego2global"]
    np.savez(path, **arrays)
    with pytest.raises(BadInput, match="ego2global: is missing, but other frames have it"):
        _ = opened(tmp_path)[0].ego


def test_names_and_empty_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="holds none of training"):
        opened(tmp_path)
    folder = tmp_path / "training/000"
    folder.mkdir(parents=True)
    with pytest.raises(MissingInput, match="holds no file"):
        _ = opened(tmp_path)[0]
    (folder / "first_04.npz").touch()
    with pytest.raises(BadInput, match="three digits"):
        _ = opened(tmp_path)[0]

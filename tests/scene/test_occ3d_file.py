"""Occ3D's labels.npz: the real file comes back byte for byte, damage is named, unknown is told."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.scene.readers.occupancy_roots import OCC3D_SHAPE, occ3d_arrays

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.voxel_grid import CARLA_SC, OCC3D
from roadloom.scene.classes import FREE, UNKNOWN, class_id
from roadloom.scene.occ3d_file import (
    occ3d_arrays as arrays_of,
)
from roadloom.scene.occ3d_file import occ3d_bytes, read_occ3d, unseen_as_unknown, write_occ3d
from roadloom.scene.occupancy import Occupancy

Arrays = dict[str, np.ndarray]


def _write(path: Path, arrays: Arrays) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def _empty(**more: np.ndarray) -> Occupancy:
    return Occupancy(grid=OCC3D, labels=np.zeros(OCC3D_SHAPE, np.uint8), **more)


def test_the_real_file_comes_back_byte_for_byte(real_data: Path, tmp_path: Path) -> None:
    path = next((real_data / "occ3d_nuscenes").rglob("labels.npz"))
    occupancy = read_occ3d(path)
    assert occupancy.occupied.sum() == 39_092
    write_occ3d(tmp_path / "labels.npz", occupancy)
    assert (tmp_path / "labels.npz").read_bytes() == path.read_bytes()


def test_what_numpy_wrote_is_read_and_what_we_write_numpy_reads(tmp_path: Path) -> None:
    stored = occ3d_arrays(3)
    occupancy = read_occ3d(_write(tmp_path / "labels.npz", stored))
    assert occupancy.grid == OCC3D and occupancy.frame == "ego"
    assert occupancy.labels[0, 0, 4] == class_id("vehicle.car")
    assert (occupancy.labels[stored["semantics"] == 17] == FREE).all()
    again = np.load(io.BytesIO(occ3d_bytes(occupancy)), allow_pickle=False)
    assert again.files == list(stored)
    for name, array in stored.items():
        assert again[name].dtype == np.uint8
        np.testing.assert_array_equal(again[name], array)
    assert zipfile.ZipFile(io.BytesIO(occ3d_bytes(occupancy))).testzip() is None


def test_the_same_occupancy_gives_the_same_bytes() -> None:
    seen = np.arange(np.prod(OCC3D_SHAPE)).reshape(OCC3D_SHAPE) % 3 == 0
    assert occ3d_bytes(_empty(mask_lidar=seen)) == occ3d_bytes(_empty(mask_lidar=seen.copy()))


def test_unknown_cells_are_free_and_unseen() -> None:
    labels = np.zeros(OCC3D_SHAPE, np.uint8)
    labels[1, 2, 3], labels[4, 5, 6] = UNKNOWN, class_id("sky")
    made = arrays_of(replace(_empty(), labels=labels))
    assert list(made) == ["semantics", "mask_lidar"]
    assert (made["semantics"] == 17).all()
    assert np.argwhere(made["mask_lidar"] == 0).tolist() == [[1, 2, 3], [4, 5, 6]]
    seen = np.zeros(OCC3D_SHAPE, bool)
    seen[1, 2, 3] = seen[0, 0, 0] = True
    made = arrays_of(replace(_empty(mask_lidar=seen), labels=labels))
    assert np.argwhere(made["mask_lidar"]).tolist() == [[0, 0, 0]]


def test_masks_that_nobody_recorded_are_left_out(tmp_path: Path) -> None:
    assert list(arrays_of(_empty())) == ["semantics"]
    write_occ3d(tmp_path / "labels.npz", _empty())
    read = read_occ3d(tmp_path / "labels.npz")
    assert read.mask_lidar is None and read.mask_camera is None


def test_unseen_free_cells_can_be_called_unknown() -> None:
    seen = np.zeros(OCC3D_SHAPE, bool)
    seen[0] = True
    labels = np.zeros(OCC3D_SHAPE, np.uint8)
    labels[1, 1, 1] = class_id("vehicle.car")  # completed by other moments: known, though unseen
    honest = unseen_as_unknown(replace(_empty(mask_lidar=seen), labels=labels))
    assert (honest.labels[0] == FREE).all() and honest.labels[1, 1, 1] == labels[1, 1, 1]
    assert (honest.labels[2:] == UNKNOWN).all()
    with pytest.raises(BadInput, match="mask_lidar"):
        unseen_as_unknown(_empty())


def test_another_grid_or_frame_is_refused() -> None:
    other = Occupancy(grid=CARLA_SC, labels=np.zeros(CARLA_SC.shape, np.uint8))
    for wrong in (other, replace(_empty(), frame="lidar")):
        with pytest.raises(BadInput, match=r"grid: Occ3D lies on .*regrid"):
            occ3d_bytes(wrong)


def _set(name: str, value: int) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name][7, 8, 9] = value

    return change


DAMAGE: dict[str, tuple[Callable[[Arrays], object], str]] = {
    "a class too many": (_set("semantics", 18), "semantics: holds 18"),
    "a mask of two": (_set("mask_camera", 2), "mask_camera: holds 2"),
    "no semantics": (lambda a: a.pop("semantics"), "semantics: is missing"),
    "another shape": (lambda a: a.update(mask_lidar=a["mask_lidar"][1:]), "mask_lidar: has shape"),
    "signed": (lambda a: a.update(semantics=a["semantics"].astype("i8")), "semantics: is int64"),
    "a mask of truths": (
        lambda a: a.update(mask_lidar=a["mask_lidar"].astype(bool)),
        r"mask_lidar: is bool, not uint8 \(remedy: convert it with \.astype\('uint8'\)",
    ),
    "another field": (lambda a: a.update(semantic=a["semantics"]), "did you mean 'semantics'"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name: str, tmp_path: Path) -> None:
    change, message = DAMAGE[name]
    arrays = occ3d_arrays(0)
    change(arrays)
    path = _write(tmp_path / "labels.npz", arrays)
    with pytest.raises(BadInput, match=message) as caught:
        read_occ3d(path)
    assert caught.value.file == str(path)


def test_a_cut_or_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        read_occ3d(tmp_path / "labels.npz")
    whole = occ3d_bytes(_empty())
    for length in (0, 1, 40, len(whole) // 2, len(whole) - 1):
        (tmp_path / "labels.npz").write_bytes(whole[:length])
        with pytest.raises(BadInput, match="labels.npz"):
            read_occ3d(tmp_path / "labels.npz")

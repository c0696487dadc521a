"""Occupancy: its checks, its file, and what damage does to that file."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingInput, UnknownClass
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.scene.class_maps import ids_from
from roadloom.scene.class_views import view
from roadloom.scene.classes import CLASSES, FREE, KNOWN_HASHES, UNKNOWN, class_id
from roadloom.scene.occupancy import Occupancy

GRID = VoxelGrid(lower_m=(-1.5, 0.1, -1.0), cell_m=(0.5, 0.4, 0.3), shape=(6, 4, 3))


def some_occupancy(seed: int = 0, masks: bool = True) -> Occupancy:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), GRID.shape).astype(np.uint8)
    labels[rng.random(GRID.shape) < 0.3] = FREE
    labels[rng.random(GRID.shape) < 0.2] = UNKNOWN
    return Occupancy(
        grid=GRID,
        labels=labels,
        mask_lidar=rng.random(GRID.shape) < 0.5 if masks else None,
        mask_camera=rng.random(GRID.shape) < 0.5 if masks else None,
    )


def test_points_are_the_occupied_cells() -> None:
    occupancy = some_occupancy()
    points, ids = occupancy.points()
    cells, inside = GRID.cell_of(points)
    assert inside.all()
    expected = [
        (i, j, k)
        for i, j, k in np.ndindex(GRID.shape)
        if occupancy.labels[i, j, k] not in (FREE, UNKNOWN)
    ]
    assert [tuple(c) for c in cells.tolist()] == expected
    np.testing.assert_array_equal(ids, [occupancy.labels[c] for c in expected])
    np.testing.assert_allclose(points, GRID.centers()[tuple(cells.T)])


def test_views_of_it() -> None:
    occupancy = some_occupancy()
    seen = occupancy.as_view(view("occ3d18"))
    assert seen.shape == GRID.shape and seen.dtype == np.uint8
    np.testing.assert_array_equal(seen == 17, occupancy.labels == FREE)
    assert (seen[occupancy.labels == UNKNOWN] == 255).all()


def test_what_does_not_fit_is_refused() -> None:
    occupancy = some_occupancy(masks=False)
    with pytest.raises(
        ValueError, match=r"labels must be uint8 \(6, 4, 3\), got uint8 \(6, 4, 2\)"
    ):
        replace(occupancy, labels=occupancy.labels[..., :2])
    with pytest.raises(ValueError, match="frame must be one of"):
        replace(occupancy, frame="camera")
    with pytest.raises(UnknownClass, match="200"):
        replace(occupancy, labels=np.full(GRID.shape, 200, np.uint8))


def test_equal_means_equal_in_everything() -> None:
    one = some_occupancy()
    assert one.same_as(some_occupancy())
    other_labels = one.labels.copy()
    other_labels[0, 0, 0] = class_id("sky")
    flipped = one.mask_lidar.copy()
    flipped[0, 0, 0] ^= True
    for other in (
        replace(one, labels=other_labels),
        replace(one, mask_lidar=flipped),
        replace(one, mask_lidar=None),
        replace(one, mask_camera=None),
        replace(one, frame="lidar"),
        replace(one, grid=replace(GRID, cell_m=(0.5, 0.4, 0.31))),
    ):
        assert not one.same_as(other) and not other.same_as(one)


# Its file


@pytest.mark.parametrize("masks", [True, False])
def test_a_file_reads_back_equal(tmp_path: Path, masks: bool) -> None:
    occupancy = replace(some_occupancy(masks=masks), frame="lidar")
    occupancy.to_npz(tmp_path / "one.npz")
    assert Occupancy.from_npz(tmp_path / "one.npz").same_as(occupancy)
    occupancy.to_npz(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.npz", "two.npz"]
    with np.load(tmp_path / "one.npz", allow_pickle=False) as plain:
        np.testing.assert_array_equal(plain["labels"], occupancy.labels)


def stored(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", np.array(2)),
        ("schema", np.array("1")),
        ("schema", np.array([1])),
        ("class_hash", np.array("0123456789abcdef")),
        ("class_hash", np.array(5)),
        ("frame", np.array(1.0)),
        ("lower_m", np.zeros(3, np.float32)),
        ("lower_m", np.zeros(2)),
        ("cell_m", np.zeros((3, 1))),
        ("labels", np.zeros((6, 4, 3), np.int64)),
        ("labels", np.zeros((6, 4), np.uint8)),
        ("mask_lidar", np.zeros((6, 4, 3), np.uint8)),
        ("mask_camera", np.zeros((6, 4, 2), bool)),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, field: str, value: np.ndarray) -> None:
    path = tmp_path / "o.npz"
    some_occupancy().to_npz(path)
    np.savez(path, **(stored(path) | {field: value}))
    with pytest.raises(BadInput) as caught:
        Occupancy.from_npz(path)
    assert caught.value.file == str(path) and caught.value.field == field
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lower_m", np.array([np.nan, 0, 0]), "lower_m must be finite"),
        ("cell_m", np.array([0.0, 1, 1]), "cell_m must be positive"),
        ("frame", np.array("camera"), "frame must be one of"),
        ("labels", np.full((6, 4, 3), 200, np.uint8), "no class has the id 200"),
    ],
)
def test_a_wrong_value_is_named(
    tmp_path: Path, field: str, value: np.ndarray, message: str
) -> None:
    path = tmp_path / "o.npz"
    some_occupancy().to_npz(path)
    np.savez(path, **(stored(path) | {field: value}))
    with pytest.raises(BadInput, match=message) as caught:
        Occupancy.from_npz(path)
    assert caught.value.file == str(path)


def test_a_missing_field_is_named_but_masks_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "o.npz"
    some_occupancy().to_npz(path)
    arrays = stored(path)
    for field in arrays:
        np.savez(path, **{k: v for k, v in arrays.items() if k != field})
        if field.startswith("mask"):
            assert getattr(Occupancy.from_npz(path), field) is None
        else:
            with pytest.raises(BadInput, match=f"{field}: is missing"):
                Occupancy.from_npz(path)


def test_a_file_of_an_earlier_class_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "o.npz"
    occupancy = replace(some_occupancy(), labels=np.full(GRID.shape, 3, np.uint8))
    occupancy.to_npz(path)
    earlier = next(h for h, n in KNOWN_HASHES.items() if n == 5)
    np.savez(path, **(stored(path) | {"class_hash": np.array(earlier)}))
    assert Occupancy.from_npz(path).same_as(occupancy)


def test_damaged_files_give_one_kind_of_error(tmp_path: Path) -> None:
    path = tmp_path / "o.npz"
    original = some_occupancy()
    original.to_npz(path)
    data = path.read_bytes()
    for length in (0, 1, 30, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(BadInput):
            Occupancy.from_npz(path)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        broken = bytearray(data)
        broken[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(broken))
        try:
            assert Occupancy.from_npz(path).same_as(original)  # a byte that nobody reads
        except BadInput as error:
            assert error.file == str(path)
            refused += 1
    assert refused > 200


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        Occupancy.from_npz(tmp_path / "none.npz")
    with pytest.raises(BadInput):
        Occupancy.from_npz(tmp_path)
    some_occupancy().to_npz(tmp_path / "o.npz")
    whole = stored(tmp_path / "o.npz")
    objects = whole | {"labels": np.array([{}], object)}
    np.savez(tmp_path / "object.npz", allow_pickle=True, **objects)
    with pytest.raises(BadInput, match="labels"):
        Occupancy.from_npz(tmp_path / "object.npz")
    np.save(tmp_path / "single.npy", np.zeros(3))
    with pytest.raises(BadInput):
        Occupancy.from_npz(tmp_path / "single.npy")
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        for name in whole:
            archive.writestr(f"{name}.npy", "hello")
    with pytest.raises(BadInput, match="schema: is no NumPy array"):
        Occupancy.from_npz(tmp_path / "text.npz")


# Real recordings


def test_real_occ3d_survives_the_file(real_data: Path, tmp_path: Path) -> None:
    source = next((real_data / "occ3d_nuscenes").rglob("labels.npz"))
    with np.load(source) as arrays:
        raw = dict(arrays)
    occupancy = Occupancy(
        grid=OCC3D,
        labels=ids_from("occ3d", raw["semantics"]),
        mask_lidar=raw["mask_lidar"].astype(bool),
        mask_camera=raw["mask_camera"].astype(bool),
    )
    occupancy.to_npz(tmp_path / "o.npz")
    again = Occupancy.from_npz(tmp_path / "o.npz")
    assert again.same_as(occupancy)
    np.testing.assert_array_equal(again.as_view(view("occ3d18")), raw["semantics"])
    points, ids = again.points()
    assert len(points) == (raw["semantics"] != 17).sum()
    drivable = points[ids == class_id("flat.drivable")]
    np.testing.assert_allclose(drivable[:, 2], -0.8, atol=1e-9)

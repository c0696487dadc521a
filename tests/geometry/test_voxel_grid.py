"""Which cell a point is in, wherever the grid starts."""

import pickle

import numpy as np
import pytest
import torch

from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import GRIDS, OCC3D, VoxelGrid

every_preset = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())


def moved(grid: VoxelGrid, far_m: np.ndarray) -> VoxelGrid:
    return VoxelGrid(
        lower_m=tuple(np.add(grid.lower_m, far_m)), cell_m=grid.cell_m, shape=grid.shape
    )


@pytest.mark.parametrize("lower", [-2.0, 0.0, 3.0], ids="lower={}".format)
def test_lower_corner_is_cell_zero_wherever_the_grid_starts(lower: float) -> None:
    grid = VoxelGrid(lower_m=(lower,) * 3, cell_m=(0.5,) * 3, shape=(4, 4, 4))
    points = np.array([[lower] * 3, [lower - 0.01] * 3, [lower + 1.99] * 3, [lower + 2.0] * 3])
    index, inside = grid.cell_of(points)
    assert index[:, 0].tolist() == [0, -1, 3, 4]
    assert inside.tolist() == [True, False, True, False]


@every_preset
def test_centres_are_in_their_cells(grid: VoxelGrid, far_m: np.ndarray) -> None:
    grid = moved(grid, far_m)
    cells = np.random.default_rng(0).integers(0, grid.shape, (2000, 3))
    index, inside = grid.cell_of(grid.center_of(cells))
    assert (index == cells).all() and inside.all()


@every_preset
def test_a_face_belongs_to_the_upper_cell(grid: VoxelGrid, far_m: np.ndarray) -> None:
    """To the last bit: a hair below a face lies the lower cell."""
    grid = moved(grid, far_m)
    middle = grid.center_of(np.array([[2, 3, 4]]))
    for axis in range(3):
        faces = grid.faces(axis)
        assert len(faces) == grid.shape[axis] + 1
        points = np.tile(middle, (len(faces), 1))
        points[:, axis] = faces
        index, inside = grid.cell_of(points)
        assert index[:, axis].tolist() == list(range(len(faces)))
        assert inside.tolist() == [True] * grid.shape[axis] + [False]
        points[:, axis] = np.nextafter(faces, -np.inf)
        index, inside = grid.cell_of(points)
        assert index[:, axis].tolist() == list(range(-1, len(faces) - 1))
        assert inside.tolist() == [False] + [True] * grid.shape[axis]


def test_points_lie_between_the_faces_of_their_cell(far_m: np.ndarray) -> None:
    grid = moved(
        VoxelGrid(lower_m=(-1.0, 0.3, 2.0), cell_m=(0.1, 0.3, 0.7), shape=(9, 8, 7)), far_m
    )
    rng = np.random.default_rng(1)
    points = np.add(grid.lower_m, rng.uniform(-0.5, 6, (3000, 3)))
    index, inside = grid.cell_of(points)
    low = np.array(grid.lower_m) + index * np.array(grid.cell_m)
    high = np.array(grid.lower_m) + (index + 1) * np.array(grid.cell_m)
    assert ((low <= points) & (points < high)).all()
    expected = (points >= grid.lower_m) & (points < [grid.faces(a)[-1] for a in range(3)])
    assert (inside == expected.all(axis=-1)).all()
    assert 100 < inside.sum() < 2900


def test_points_that_are_not_finite_are_outside() -> None:
    bad = np.array([[np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf], [1e300, 0, 0]])
    index, inside = OCC3D.cell_of(bad)
    assert not inside.any()
    assert [index[i, i] for i in range(3)] == [-1, -1, -1]
    assert index[3, 0] == -1


def test_tensors_and_float32_equal_numpy() -> None:
    points = np.random.default_rng(2).uniform(-45, 45, (500, 3)).astype(np.float32)
    index, inside = OCC3D.cell_of(points)
    as_tensors = OCC3D.cell_of(torch.tensor(points))
    assert (as_tensors[0].numpy() == index).all() and (as_tensors[1].numpy() == inside).all()
    assert as_tensors[0].dtype == torch.int64
    center = OCC3D.center_of(torch.tensor(index))
    assert center.dtype == torch.float64
    np.testing.assert_array_equal(center.numpy(), OCC3D.center_of(index))


def test_centres_come_indexed_x_y_z() -> None:
    grid = VoxelGrid(lower_m=(0.0, 10.0, 20.0), cell_m=(1.0, 2.0, 4.0), shape=(2, 3, 4))
    centers = grid.centers()
    assert centers.shape == (2, 3, 4, 3)
    assert centers[1, 2, 3].tolist() == [1.5, 15.0, 34.0]


@every_preset
def test_presets_span_what_their_papers_say(grid: VoxelGrid) -> None:
    """Ranges: Occ3D +-40 m; pre-training and BEV-VAE +-51.2 m; CarlaSC +-25.6 m; UniScene's
    LiDAR labels +-50 m; SemanticKITTI 51.2 m ahead and 25.6 m to each side."""
    reach = {"occ3d": 40.0, "carla_sc": 25.6, "lidar_50m": 50.0, "semantickitti": 25.6}
    name = next(n for n, g in GRIDS.items() if g is grid)
    expected = reach.get(name, 51.2)
    ahead = name == "semantickitti"
    assert grid.lower_m[:2] == (0.0 if ahead else -expected, -expected)
    assert grid.upper_m[:2] == pytest.approx((51.2 if ahead else expected, expected))
    top = {"occ3d": 5.4, "carla_sc": 1.0, "semantickitti": 4.2}.get(name, 3.0)
    assert grid.upper_m[2] == pytest.approx(top)


def test_equal_hashable_picklable() -> None:
    same = VoxelGrid(lower_m=OCC3D.lower_m, cell_m=OCC3D.cell_m, shape=OCC3D.shape)
    assert same == OCC3D and hash(same) == hash(OCC3D)
    assert pickle.loads(pickle.dumps(OCC3D)) == OCC3D


@pytest.mark.parametrize(
    "change, name",
    [
        ({"cell_m": (0.4, 0.0, 0.4)}, "cell_m"),
        ({"cell_m": (0.4, -1.0, 0.4)}, "cell_m"),
        ({"cell_m": (0.4, np.nan, 0.4)}, "cell_m"),
        ({"lower_m": (0.0, np.inf, 0.0)}, "lower_m"),
        ({"shape": (2, 0, 2)}, "shape"),
    ],
)
def test_impossible_grids_are_refused(change: dict[str, object], name: str) -> None:
    good = {"lower_m": (0.0, 0.0, 0.0), "cell_m": (1.0, 1.0, 1.0), "shape": (2, 2, 2)}
    with pytest.raises(ValueError, match=name):
        VoxelGrid(**(good | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (1.5, 2, 2)},
        {"shape": (2.0, 2, 2)},
        {"shape": (True, 2, 2)},
        {"shape": (4, 4)},
        {"shape": (4, 4, 4, 4)},
        {"shape": 4},
        {"shape": (10**30, 2, 2)},
        {"lower_m": (0.0, 0.0)},
        {"lower_m": (0.0, "0", 0.0)},
        {"lower_m": (0.0, False, 0.0)},
        {"lower_m": "000"},
        {"cell_m": (1.0, 1.0)},
        {"cell_m": (1.0, 1.0, 10**400)},
        {"cell_m": (1e308, 1.0, 1.0)},
    ],
    ids=str,
)
def test_what_is_no_triple_of_numbers_is_refused(
    unchecked: None, change: dict[str, object]
) -> None:
    good = {"lower_m": (0.0, 0.0, 0.0), "cell_m": (1.0, 1.0, 1.0), "shape": (2, 2, 2)}
    with pytest.raises(ValueError, match=f"^{next(iter(change))} "):
        VoxelGrid(**(good | change))  # type: ignore[arg-type]


def test_a_grid_holds_plain_numbers(unchecked: None) -> None:
    grid = VoxelGrid(
        lower_m=np.zeros(3, np.float32),  # type: ignore[arg-type]
        cell_m=[1, 1, 1],  # type: ignore[arg-type]
        shape=np.array([2, 3, 4]),  # type: ignore[arg-type]
    )
    plain = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(1.0, 1.0, 1.0), shape=(2, 3, 4))
    assert repr(grid) == repr(plain) and grid == plain and hash(grid) == hash(plain)
    assert {type(v) for v in (*grid.lower_m, *grid.cell_m)} == {float}
    assert {type(v) for v in grid.shape} == {int}


@pytest.mark.parametrize("shape", [(), (2,), (5, 2), (5, 4)], ids=str)
def test_points_have_three_numbers(unchecked: None, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="^points_m: has the shape .*remedy"):
        OCC3D.cell_of(np.zeros(shape))
    with pytest.raises(BadInput, match="^cells: has the shape .*remedy"):
        OCC3D.center_of(np.zeros(shape, np.int64))


@every_preset
def test_messages_name_a_preset(grid: VoxelGrid) -> None:
    assert GRIDS[str(grid)] == grid


def test_messages_say_what_another_grid_is() -> None:
    grid = VoxelGrid(lower_m=(-8.0, -8.0, -1.5), cell_m=(0.25, 0.25, 0.5), shape=(64, 64, 6))
    assert str(grid) == "64 x 64 x 6 cells of 0.25 x 0.25 x 0.5 m from (-8, -8, -1.5)"

"""Areas in cells: exact answers, a slow twin that cuts one triangle by one cell, and laws."""

import subprocess
import sys

import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.geometry.surface import occupancy_from_surfaces, surface_areas
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid

UNIT = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(1.0, 1.0, 1.0), shape=(4, 4, 4))
ODD = VoxelGrid(lower_m=(-2.0, -0.7, 0.3), cell_m=(0.4, 0.7, 0.1), shape=(9, 5, 7))
EVEN = np.ones(256)


def rectangle(corner: list[float], one: list[float], other: list[float]) -> np.ndarray:
    """Two triangles."""
    a, b, c = np.array(corner, float), np.array(one, float), np.array(other, float)
    return np.array([[a, a + b, a + b + c], [a, a + b + c, a + c]])


def ids(triangles: np.ndarray, class_id: int = 5) -> np.ndarray:
    return np.full(len(triangles), class_id, np.uint8)


def dense(triangles: np.ndarray, class_id: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """[x y z class]"""
    found = surface_areas(triangles, class_id, grid)
    table = np.zeros((*grid.shape, 256))
    table[(*found.cell.T, found.class_id)] = found.area_m2
    assert (found.area_m2 > 0).all()
    assert np.count_nonzero(table) == len(found.area_m2)  # none twice
    return table


def area_of(triangles: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(triangles, 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 2


# --- exact answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("grid", [UNIT, ODD], ids=["unit", "odd"])
def test_a_wall_through_a_cell_has_the_area_of_its_face(axis: int, grid: VoxelGrid) -> None:
    low, high = np.array(grid.lower_m), np.array(grid.upper_m)
    sides = [np.eye(3)[a] * (high - low) for a in range(3) if a != axis]
    corner = low.copy()
    corner[axis] = low[axis] + 2.3 * grid.cell_m[axis]
    table = dense(t := rectangle(corner, *sides), ids(t), grid)[..., 5]
    face = np.prod(np.delete(grid.cell_m, axis))
    wall = np.moveaxis(table, axis, 0)
    np.testing.assert_allclose(wall[2], face, rtol=1e-12)
    assert np.delete(wall, 2, axis=0).sum() == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("face", [0, 1, 3, 4, 5])
@pytest.mark.parametrize("grid", [UNIT, ODD], ids=["unit", "odd"])
def test_a_wall_in_a_face_belongs_to_the_upper_cell(axis: int, face: int, grid: VoxelGrid) -> None:
    """In the face below cell 0 it belongs to cell 0, in the grid's upper face to none."""
    face = min(face, grid.shape[axis])
    low, high = np.array(grid.lower_m), np.array(grid.upper_m)
    sides = [np.eye(3)[a] * (high - low) for a in range(3) if a != axis]
    corner = low.copy()
    corner[axis] = grid.faces(axis)[face]
    table = dense(t := rectangle(corner, *sides), ids(t), grid)[..., 5]
    per_cell = np.moveaxis(table, axis, 0).sum(axis=(1, 2))
    expected = np.zeros(grid.shape[axis])
    if face < grid.shape[axis]:
        expected[face] = np.prod(np.delete(high - low, axis))
    np.testing.assert_allclose(per_cell, expected, rtol=1e-12)


def test_a_roof_at_45_degrees_crosses_each_cell_along_its_diagonal() -> None:
    table = dense(t := rectangle([0, 0, 0], [4, 0, 4], [0, 4, 0]), ids(t), UNIT)[..., 5]
    expected = np.zeros(UNIT.shape)
    for i in range(4):
        expected[i, :, i] = np.sqrt(2)
    np.testing.assert_allclose(table, expected, atol=1e-12)


def test_the_plane_x_y_z_cuts_a_regular_hexagon_out_of_the_middle_cell() -> None:
    """x + y + z = 3/2 through the unit cell: a hexagon of side 1/sqrt(2)."""
    one = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(1.0, 1.0, 1.0), shape=(1, 1, 1))
    big = np.array([[[9.0, -4.5, -3.0], [-4.5, 9.0, -3.0], [-3.0, -3.0, 7.5]]])
    assert np.allclose(big.sum(axis=-1), 1.5)
    found = surface_areas(big, ids(big), one)
    np.testing.assert_allclose(found.area_m2, [3 * np.sqrt(3) / 4], rtol=1e-12)


def test_outside_the_grid_nothing_counts() -> None:
    big = rectangle([-100, -100, 0.5], [200, 0, 0], [0, 200, 0])
    assert dense(big, ids(big), UNIT)[..., 5].sum() == pytest.approx(16)
    for shift in ([9, 0, 0], [0, -101, 0], [0, 0, 4], [0, 0, -1]):
        away = rectangle([0, 0, 0.5], [1, 0, 0], [0, 1, 0]) + np.array(shift, float)
        assert not len(surface_areas(away, ids(away), UNIT).area_m2)


def test_two_triangles_may_fill_forty_thousand_cells() -> None:
    ground = rectangle([-50, -50, 0.1], [100, 0, 0], [0, 100, 0])
    found = surface_areas(ground, ids(ground), OCC3D)
    assert len(found.area_m2) == 200 * 200
    assert set(found.cell[:, 2].tolist()) == {2}
    np.testing.assert_allclose(found.area_m2, 0.16, rtol=1e-9)


def test_triangles_without_area_leave_nothing() -> None:
    line = np.array([[[0.5, 0.5, 0.5], [2.5, 0.5, 0.5], [3.5, 0.5, 0.5]], [[1.0, 1, 1]] * 3])
    assert not len(surface_areas(line, ids(line), UNIT).area_m2)
    none = np.zeros((0, 3, 3))
    assert surface_areas(none, ids(none), UNIT).cell.shape == (0, 3)


# --- the slow twin ---------------------------------------------------------------------------


def slow(triangles: np.ndarray, class_id: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """Every triangle cut by the six half spaces of every cell (Sutherland and Hodgman 1974)."""
    table = np.zeros((*grid.shape, 256))
    lower, cell = np.array(grid.lower_m), np.array(grid.cell_m)
    for triangle, kind in zip(triangles, class_id, strict=True):
        low, high = triangle.min(axis=0), triangle.max(axis=0)
        for index in np.ndindex(grid.shape):
            start, end = lower + np.array(index) * cell, lower + (np.array(index) + 1) * cell
            if (high < start).any() or (low > end).any():
                continue
            flat = low == high
            if (flat & ((low < start) | (low >= end))).any():
                continue
            polygon = list(triangle)
            for axis in np.flatnonzero(~flat):
                polygon = cut(polygon, axis, start[axis], 1.0)
                polygon = cut(polygon, axis, end[axis], -1.0)
            if len(polygon) >= 3:
                p = np.array(polygon)
                fan = np.cross(p[1:-1] - p[0], p[2:] - p[0]).sum(axis=0)
                table[(*index, kind)] += np.linalg.norm(fan) / 2
    return table


def cut(polygon: list[np.ndarray], axis: int, value: float, side: float) -> list[np.ndarray]:
    kept = []
    for p, q in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        dp, dq = side * (p[axis] - value), side * (q[axis] - value)
        if dp >= 0:
            kept.append(p)
        if dp * dq < 0:
            kept.append(p + (q - p) * dp / (dp - dq))
    return kept


@pytest.mark.parametrize("size", [0.1, 0.6, 3.0])
@pytest.mark.parametrize("grid", [UNIT, ODD], ids=["unit", "odd"])
def test_areas_equal_the_slow_twin(size: float, grid: VoxelGrid) -> None:
    rng = np.random.default_rng(int(size * 10))
    low, high = np.array(grid.lower_m), np.array(grid.upper_m)
    at = low + rng.uniform(-0.1, 1.1, (60, 1, 3)) * (high - low)
    triangles = at + rng.normal(size=(60, 3, 3)) * size * np.array(grid.cell_m)
    class_id = rng.integers(1, 4, 60).astype(np.uint8)
    table = dense(triangles, class_id, grid)
    assert table.sum() > 0
    np.testing.assert_allclose(table, slow(triangles, class_id, grid), atol=1e-12)


def test_corners_on_the_lattice_equal_the_slow_twin() -> None:
    """Triangles whose corners are corners of cells: flat ones, and edges within faces."""
    rng = np.random.default_rng(3)
    triangles = rng.integers(0, 5, (150, 3, 3)).astype(float)
    assert (np.ptp(triangles, axis=1) == 0).any(axis=1).sum() > 10
    class_id = rng.integers(1, 4, 150).astype(np.uint8)
    np.testing.assert_allclose(
        dense(triangles, class_id, UNIT), slow(triangles, class_id, UNIT), atol=1e-12
    )


# --- laws ------------------------------------------------------------------------------------


def test_areas_add_up_to_the_surface() -> None:
    rng = np.random.default_rng(4)
    at = rng.uniform([-35, -35, 0.5], [35, 35, 4.0], (20_000, 1, 3))
    triangles = at + rng.uniform(-1, 1, (20_000, 3, 3)) * [3.0, 3.0, 1.4]
    class_id = rng.integers(1, 20, 20_000).astype(np.uint8)
    found = surface_areas(triangles, class_id, OCC3D)
    per_class = np.bincount(found.class_id, found.area_m2, minlength=20)
    expected = np.bincount(class_id, area_of(triangles), minlength=20)
    np.testing.assert_allclose(per_class, expected, rtol=1e-10)


def test_order_of_corners_and_of_triangles_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    triangles = rng.uniform(-1, 5, (200, 3, 3))
    class_id = rng.integers(1, 5, 200).astype(np.uint8)
    table = dense(triangles, class_id, UNIT)
    turned = dense(triangles[::-1, [2, 0, 1]], class_id[::-1], UNIT)
    np.testing.assert_allclose(turned, table, atol=1e-12)


def test_a_grid_5000_km_away_gives_the_same() -> None:
    rng = np.random.default_rng(6)
    triangles = rng.uniform(-1, 5, (200, 3, 3))
    move = np.array([5e6, -3e6, 0.0])
    far = VoxelGrid(lower_m=tuple(move), cell_m=UNIT.cell_m, shape=UNIT.shape)
    table = dense(triangles, ids(triangles), UNIT)
    np.testing.assert_allclose(dense(triangles + move, ids(triangles), far), table, atol=1e-7)


def test_same_input_same_bits() -> None:
    triangles = np.random.default_rng(7).uniform(-1, 5, (500, 3, 3))
    first, second = (surface_areas(triangles, ids(triangles), UNIT) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.tobytes() == b.tobytes()


def test_entries_come_sorted() -> None:
    rng = np.random.default_rng(8)
    triangles = rng.uniform(0, 4, (300, 3, 3))
    found = surface_areas(triangles, rng.integers(1, 99, 300).astype(np.uint8), UNIT)
    key = np.ravel_multi_index(tuple(found.cell.T), UNIT.shape) * 256 + found.class_id
    assert (np.diff(key) > 0).all()


# --- labels ----------------------------------------------------------------------------------


def label(
    pieces: list[tuple[np.ndarray, int]], weight: np.ndarray = EVEN, grid: VoxelGrid = UNIT
) -> np.ndarray:
    triangles = np.concatenate([t for t, _ in pieces])
    class_id = np.concatenate([ids(t, c) for t, c in pieces])
    return occupancy_from_surfaces(triangles, class_id, grid, weight)


def patch(area: float, z: float = 0.5) -> np.ndarray:
    """A level rectangle in cell (0, 0, 0)."""
    return rectangle([0.01, 0.01, z], [0.9, 0, 0], [0, area / 0.9, 0])


def test_more_than_three_hundredths_of_a_face_occupies() -> None:
    assert label([(patch(0.0299), 7)])[0, 0, 0] == 0
    assert label([(patch(0.0301), 7)])[0, 0, 0] == 7
    assert label([(patch(0.0301), 7)]).sum() == 7  # and nothing else


def test_grazes_of_several_classes_together_occupy() -> None:
    found = label([(patch(0.018), 7), (patch(0.014, z=0.6), 3)])
    assert found[0, 0, 0] == 7


def test_of_an_oblong_cell_the_smallest_face_counts() -> None:
    flat = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(1.0, 1.0, 0.1), shape=(2, 2, 2))
    assert label([(patch(0.0029, z=0.05), 7)], grid=flat).max() == 0
    assert label([(patch(0.0031, z=0.05), 7)], grid=flat)[0, 0, 0] == 7


def test_the_largest_weighted_area_wins() -> None:
    pole, ground = (patch(0.1), 9), (patch(0.8, z=0.2), 2)
    assert label([pole, ground])[0, 0, 0] == 2
    weight = EVEN.copy()
    weight[9] = 8.1
    assert label([pole, ground], weight)[0, 0, 0] == 9
    weight[9] = 7.9
    assert label([pole, ground], weight)[0, 0, 0] == 2


def test_ties_go_to_the_lower_id_whatever_the_rounding() -> None:
    """Equal areas, one of them in pieces, so that the sums differ in their last digits."""
    wide = 0.7 / 7
    strips = [rectangle([0.1 + i * wide, 0.1, 0.3], [wide, 0, 0], [0, 0.13, 0]) for i in range(7)]
    pieces, whole = np.concatenate(strips), rectangle([0.1, 0.1, 0.6], [0.7, 0, 0], [0, 0.13, 0])
    one, other = (surface_areas(t, ids(t), UNIT).area_m2[0] for t in (pieces, whole))
    assert one != other and one == pytest.approx(other, rel=1e-13)
    for a, b in ((4, 6), (6, 4)):
        assert label([(pieces, a), (whole, b)])[0, 0, 0] == 4


def test_labels_follow_from_the_areas() -> None:
    rng = np.random.default_rng(9)
    triangles = rng.uniform(-0.5, 4.5, (80, 1, 3)) + rng.normal(size=(80, 3, 3)) * 0.2
    class_id = rng.integers(1, 200, 80).astype(np.uint8)
    weight = rng.uniform(0.5, 8, 256)
    table = dense(triangles, class_id, UNIT)
    expected = (table * weight).argmax(axis=-1) * (table.sum(axis=-1) > 0.03)
    found = occupancy_from_surfaces(triangles, class_id, UNIT, weight)
    assert found.dtype == np.uint8
    assert 5 < np.count_nonzero(found) < 64
    assert (found == expected).all()


# --- refusals --------------------------------------------------------------------------------


def test_bad_input_is_refused() -> None:
    good = patch(0.5)
    bad = good.copy()
    bad[1, 2, 0] = np.nan
    with pytest.raises(BadInput, match="triangle 1 is not finite"):
        surface_areas(bad, ids(bad), UNIT)
    with pytest.raises(BadInput, match="class 0 means free"):
        occupancy_from_surfaces(good, ids(good, 0), UNIT, EVEN)
    for wrong in (0.0, -1.0, np.nan, np.inf):
        weight = EVEN.copy()
        weight[5] = wrong
        with pytest.raises(BadInput, match="class 5 has the weight"):
            occupancy_from_surfaces(good, ids(good), UNIT, weight)
        if wrong == 0.0:  # a class that does not occur needs no weight
            occupancy_from_surfaces(good, ids(good, 6), UNIT, weight)
            continue
        with pytest.raises(BadInput, match="class_weight: class 5 has the weight"):
            occupancy_from_surfaces(good, ids(good, 6), UNIT, weight)
    with pytest.raises(BadInput, match="min_area_faces"):
        occupancy_from_surfaces(good, ids(good), UNIT, EVEN, min_area_faces=-0.1)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"triangles": np.zeros((1, 4, 3))}, "triangles"),
        ({"triangles": np.zeros((3, 3))}, "triangles"),
        ({"triangles": np.zeros((1, 3, 3), complex)}, "triangles"),
        ({"class_id": np.ones(5, np.uint8)}, "class_id"),
        ({"class_id": np.ones(0, np.uint8)}, "class_id"),
        ({"class_id": np.ones((2, 1), np.uint8)}, "class_id"),
        ({"class_id": np.array([1, 300])}, "class_id: there is no class 300"),
        ({"class_id": np.array([-1, 1])}, "class_id: there is no class -1"),
        ({"class_id": np.array([1.0, 2.0])}, "class_id: holds float64"),
        ({"class_weight": np.ones(3)}, "class_weight"),
        ({"class_weight": np.full(256, -1.0)}, "class_weight"),
        ({"class_weight": np.full(256, "1")}, "class_weight"),
    ],
    ids=str,
)
def test_arrays_that_do_not_fit_are_refused(
    unchecked: None, wrong: dict[str, np.ndarray], field: str
) -> None:
    """The kernels would read past their ends; 300 would become class 44, and -1 class 255."""
    good = {"triangles": patch(0.5), "class_id": ids(patch(0.5)), "grid": UNIT}
    given = good | {"class_weight": EVEN} | wrong
    with pytest.raises(BadInput, match=f"^{field}.*remedy"):
        occupancy_from_surfaces(**given)
    if "class_weight" not in wrong:
        del given["class_weight"]
        with pytest.raises(BadInput, match=f"^{field}.*remedy"):
            surface_areas(**given)


def test_class_ids_of_wider_integers_are_the_same_classes(unchecked: None) -> None:
    surface = patch(0.5)
    expected = surface_areas(surface, ids(surface, 255), UNIT)
    found = surface_areas(surface, ids(surface, 255).astype(np.int64), UNIT)
    assert (found.class_id == 255).all() and (found.area_m2 == expected.area_m2).all()


def test_huge_triangles_raise_no_warning() -> None:
    found = surface_areas(np.full((1, 3, 3), 1e308), np.ones(1, np.uint8), UNIT)
    assert len(found.area_m2) == 0  # it lies outside


def test_the_module_itself_loads_neither_torch_nor_numba() -> None:
    code = "import sys, roadloom.geometry.surface; assert not {'torch', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

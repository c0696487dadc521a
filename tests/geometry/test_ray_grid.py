"""Rays through grids: exact answers, and three implementations that must agree to the last bit.

The judge is ``slabs``: every cell of the grid tested against every ray, nothing clever.
"""

import subprocess
import sys
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import torch

from roadloom.errors import BadInput
from roadloom.geometry.ray_grid import carve, cast, cast_reference, traverse
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid

UNIT = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(1.0, 1.0, 1.0), shape=(4, 4, 4))
ODD = VoxelGrid(lower_m=(-2.0, -0.7, 0.3), cell_m=(0.4, 0.7, 0.1), shape=(9, 5, 7))
INF = np.inf


class Rays(NamedTuple):
    origins: np.ndarray
    directions: np.ndarray


class Slabs(NamedTuple):
    entry: np.ndarray
    exit: np.ndarray
    """[ray x y z]; a cell is crossed where entry < exit."""
    face: np.ndarray


def slabs(rays: Rays, grid: VoxelGrid, limit: float = INF) -> Slabs:
    """Every ray against every cell: the ray is in a cell while it is in its three slabs."""
    near, far = [], []
    for axis in range(3):
        face = grid.faces(axis)
        o, d = rays.origins[:, axis, None], rays.directions[:, axis, None]
        with np.errstate(divide="ignore", over="ignore"):
            inverse = 1 / d
        moves = np.isfinite(inverse)
        at = (face - o) * np.where(moves, inverse, 0.0)
        within = (face[:-1] <= o) & (o < face[1:])
        near.append(np.where(moves, np.minimum(at[:, :-1], at[:, 1:]), np.where(within, -INF, INF)))
        far.append(np.where(moves, np.maximum(at[:, :-1], at[:, 1:]), np.where(within, INF, -INF)))
    shape = [(slice(None), *(slice(None) if a == b else None for b in range(3))) for a in range(3)]
    cube = np.broadcast_arrays(*(n[s] for n, s in zip(near, shape, strict=True)))
    entry = np.maximum(np.maximum(cube[0], cube[1]), np.maximum(cube[2], 0.0))
    axis = np.where(cube[2] == entry, 2, np.where(cube[1] == entry, 1, 0))
    down = rays.directions[np.arange(len(rays.origins))[:, None, None, None], axis] < 0
    face = np.where(entry > 0, 2 * axis + down, -1)
    leave = np.minimum(np.minimum(far[0][shape[0]], far[1][shape[1]]), far[2][shape[2]])
    return Slabs(entry, np.minimum(leave, limit), face)


def random_rays(count: int, grid: VoxelGrid, seed: int) -> Rays:
    """From inside and from around the grid, in all directions."""
    rng = np.random.default_rng(seed)
    low, high = np.array(grid.lower_m), np.array(grid.upper_m)
    origins = low + rng.uniform(-0.7, 1.7, (count, 3)) * (high - low)
    directions = rng.normal(size=(count, 3))
    half = count // 2  # aimed into the grid
    directions[:half] = low + rng.uniform(0, 1, (half, 3)) * (high - low) - origins[:half]
    return Rays(origins, directions)


def nasty_rays(grid: VoxelGrid) -> Rays:
    """On corners, edges and faces, along axes and diagonals, with zeros of both signs."""
    axes = [grid.faces(a) for a in range(3)]
    places = [
        [
            f[0],
            f[-1],
            f[1],
            f[2],
            (f[1] + f[2]) / 2,
            f[0] - 0.5,
            f[-1] + 0.5,
            np.nextafter(f[2], 9e9),
        ]
        for f in axes
    ]
    origins = np.array(list(product(*places)))
    c = np.array(grid.cell_m)
    steps = [0.0, -0.0, 1.0, -1.0, 1e-12, -1e-300, 1e-320]
    directions = np.array([d for d in product(steps, repeat=3) if any(abs(v) > 0 for v in d)])
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, [len(origins), len(directions)], (6000, 2))
    scaled = directions * np.where(rng.random(len(directions)) < 0.5, 1.0, c[0] / c.max())[:, None]
    diagonal = np.sign(directions) * c  # through corners of cells, exactly
    lattice = np.array(list(product(*(f[:3] for f in axes))))  # from corner to corner
    ends = lattice[rng.integers(0, len(lattice), (1500, 2))]
    ends = ends[(ends[:, 0] != ends[:, 1]).any(axis=1)]
    return Rays(
        np.concatenate([origins[pairs[:, 0]], origins[pairs[:2000, 0]], ends[:, 0]]),
        np.concatenate([scaled[pairs[:, 1]], diagonal[pairs[:2000, 1]], ends[:, 1] - ends[:, 0]]),
    )


CASES = {
    "random, unit cells": (random_rays(3000, UNIT, seed=0), UNIT),
    "random, odd cells": (random_rays(3000, ODD, seed=1), ODD),
    "nasty, unit cells": (nasty_rays(UNIT), UNIT),
    "nasty, odd cells": (nasty_rays(ODD), ODD),
}
every_case = pytest.mark.parametrize("rays, grid", CASES.values(), ids=CASES.keys())
every_limit = pytest.mark.parametrize("limit", [INF, 1.7, 0.0])


@every_case
@every_limit
def test_traverse_lists_just_the_cells_that_the_slab_test_says(
    rays: Rays, grid: VoxelGrid, limit: float
) -> None:
    expected = slabs(rays, grid, limit)
    found = traverse(*rays, grid, max_range=limit)
    ray = np.repeat(np.arange(len(rays.origins)), np.diff(found.offsets))
    at = (ray, *found.cells.T)
    crossed = np.zeros(expected.entry.shape, bool)
    crossed[at] = True
    assert crossed.sum() == len(ray)  # none twice
    assert (crossed == (expected.entry < expected.exit)).all()
    assert (found.entry == expected.entry[at]).all() and (found.exit == expected.exit[at]).all()
    assert (limit == 0) == (not crossed.any())


@every_case
def test_cells_come_near_to_far_without_a_gap(rays: Rays, grid: VoxelGrid) -> None:
    found = traverse(*rays, grid)
    ray = np.repeat(np.arange(len(rays.origins)), np.diff(found.offsets))
    same = ray[1:] == ray[:-1]
    assert same.sum() > 2000
    assert (found.entry[1:] == found.exit[:-1])[same].all()
    assert (found.entry < found.exit).all()


@every_case
@every_limit
@pytest.mark.parametrize("share", [0.03, 0.3])
def test_kernel_twin_and_slab_test_agree_to_the_last_bit(
    rays: Rays, grid: VoxelGrid, limit: float, share: float
) -> None:
    occupied = np.random.default_rng(2).random(grid.shape) < share
    expected = slabs(rays, grid, limit)
    entry = np.where(occupied & (expected.entry < expected.exit), expected.entry, INF)
    entry = entry.reshape(len(entry), -1)
    first = entry.argmin(axis=1)
    distance = entry.min(axis=1)
    cell = np.stack(np.unravel_index(first, grid.shape), axis=-1)
    cell[np.isinf(distance)] = -1
    face = expected.face.reshape(entry.shape)[np.arange(len(first)), first]
    face[np.isinf(distance)] = -1
    for name, found in {
        "numba": cast(*rays, occupied, grid, max_range=limit),
        "uint8, threads": cast(
            *rays, occupied.astype(np.uint8) * 7, grid, max_range=limit, num_threads=3
        ),
        "torch": cast_reference(*rays, occupied, grid, max_range=limit),
    }.items():
        assert (found.distance == distance).all(), name
        assert (found.cell == cell).all(), name
        assert (found.face == face).all(), name
        assert found.face.dtype == np.int8 and found.cell.dtype == np.int64, name
    if limit and share == 0.3:
        assert np.isfinite(distance).sum() > 500 and len(np.unique(face)) == 7


@pytest.mark.parametrize(
    "origin, direction, distance, cell, face",
    [
        ([-3.0, 2.5, 2.5], [1, 0, 0], 5.0, [2, 2, 2], 0),
        ([9.0, 2.5, 2.5], [-1, 0, 0], 6.0, [2, 2, 2], 1),
        ([2.5, 9.0, 2.5], [0, -2, 0], 3.0, [2, 2, 2], 3),
        ([2.5, 2.5, 0.5], [0, 0, 1], 1.5, [2, 2, 2], 4),
        ([2.5, 2.5, 2.5], [0, 0, 1], 0.0, [2, 2, 2], -1),  # from inside
        ([0.0, 2.0, 2.0], [1, 0, 0], 2.0, [2, 2, 2], 0),  # within its lower faces
        ([0.0, 3.0, 2.5], [1, 0, 0], INF, [-1, -1, -1], -1),  # within its upper face
        ([0.0, 0.0, 0.0], [1, 1, 1], 2.0, [2, 2, 2], 4),  # through its corner
        ([2.0, 4.0, 2.5], [1, -1, 0], INF, [-1, -1, -1], -1),  # past its upper edge
        ([3.0, 2.5, 2.5], [1, 0, 0], INF, [-1, -1, -1], -1),  # away from it
        ([2.0, 2.5, 2.5], [1, 0, 0], 0.0, [2, 2, 2], -1),  # from its face, inwards
    ],
)
def test_one_solid_cell(
    origin: list[float], direction: list[float], distance: float, cell: list[int], face: int
) -> None:
    occupied = np.zeros(UNIT.shape, bool)
    occupied[2, 2, 2] = True
    rays = np.array([origin], float), np.array([direction], float)
    for found in (cast(*rays, occupied, UNIT), cast_reference(*rays, occupied, UNIT)):
        assert found.distance.tolist() == [distance]
        assert found.cell.tolist() == [cell]
        assert found.face.tolist() == [face]


def test_range_ends_before_the_face_it_reaches() -> None:
    occupied = np.zeros(UNIT.shape, bool)
    occupied[2] = True
    rays = np.tile([[0.0, 0.5, 0.5]], (3, 1)), np.tile([[1.0, 0, 0]], (3, 1))
    found = cast(*rays, occupied, UNIT, max_range=np.array([2.0, np.nextafter(2, 3), 0.0]))
    assert found.distance.tolist() == [INF, 2.0, INF]


def test_a_street_seen_from_5000_km_away_is_the_same_street() -> None:
    """The grid itself in world coordinates: planes are known to a nanometre there."""
    rays = random_rays(2000, ODD, seed=3)
    occupied = np.random.default_rng(4).random(ODD.shape) < 0.2
    move = np.array([5e6, -3e6, 0.0])
    far = VoxelGrid(lower_m=tuple(np.add(ODD.lower_m, move)), cell_m=ODD.cell_m, shape=ODD.shape)
    near = cast(*rays, occupied, ODD)
    found = cast(rays.origins + move, rays.directions, occupied, far)
    same = (found.cell == near.cell).all(axis=1)
    assert same.mean() > 0.999
    np.testing.assert_allclose(found.distance[same], near.distance[same], atol=1e-6)
    again = slabs(Rays(rays.origins + move, rays.directions), far)
    entry = np.where(occupied & (again.entry < again.exit), again.entry, INF)
    assert (found.distance == entry.reshape(len(entry), -1).min(axis=1)).all()


def test_total_length_in_cells_is_the_length_in_the_grid() -> None:
    rays = random_rays(500, OCC3D, seed=5)
    found = traverse(*rays, OCC3D)
    ray = np.repeat(np.arange(500), np.diff(found.offsets))
    length = np.bincount(ray, found.exit - found.entry, minlength=500)
    whole = VoxelGrid(lower_m=OCC3D.lower_m, cell_m=(80.0, 80.0, 6.4), shape=(1, 1, 1))
    box = slabs(rays, whole)
    expected = np.maximum(box.exit - box.entry, 0).ravel()
    np.testing.assert_allclose(length, expected, rtol=1e-9, atol=1e-9)


# --- carving ---------------------------------------------------------------------------------


def test_carving_counts_the_way_and_the_end() -> None:
    origins = np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [3.5, 0.5, 0.5]])
    ends = np.array([[2.5, 0.5, 0.5], [9.0, 0.5, 0.5], [0.5, 0.5, 0.5], [1.0, 0.5, 0.5]])
    found = carve(origins, ends, UNIT)
    assert found.crossed[:, 0, 0].tolist() == [2, 2, 2, 2]  # the last ray ends on a face of 1
    assert found.hits[:, 0, 0].tolist() == [1, 1, 1, 0]
    assert found.crossed.sum() == 8 and found.hits.sum() == 3
    silent = carve(origins, ends, UNIT, returned=np.array([True, True, False, True]))
    assert silent.hits[:, 0, 0].tolist() == [0, 1, 1, 0]
    assert (silent.crossed == found.crossed).all()


@every_case
def test_carving_equals_the_slab_test_up_to_the_end(rays: Rays, grid: VoxelGrid) -> None:
    ends = rays.origins + rays.directions
    kept = (ends != rays.origins).any(axis=1)
    rays, ends = Rays(rays.origins[kept], (ends - rays.origins)[kept]), ends[kept]
    found = carve(rays.origins, ends, grid)
    box = slabs(rays, grid, limit=1.0)
    crossed = box.entry < box.exit
    cell, inside = grid.cell_of(ends)
    rows = np.flatnonzero(inside)
    # Beyond its end's cell a ray may only be by a rounding of its last step.
    end_entry = np.full(len(ends), INF)
    end_entry[rows] = box.entry[(rows, *cell[rows].T)]
    crossed &= box.entry < end_entry[:, None, None, None]
    crossed[(rows, *cell[rows].T)] = False
    assert (found.crossed == crossed.sum(axis=0)).all()
    assert (found.hits.sum()) == inside.sum()
    where = np.zeros(grid.shape, int)
    np.add.at(where, tuple(cell[rows].T), 1)
    assert (found.hits == where).all()


# --- the door --------------------------------------------------------------------------------


def test_tensors_in_tensors_out_with_the_gradient_of_the_plane() -> None:
    """d(distance)/d(origin) along the entered axis is -1/direction, and nothing across it."""
    rays = random_rays(300, ODD, seed=6)
    occupied = np.random.default_rng(7).random(ODD.shape) < 0.3
    plain = cast(*rays, occupied, ODD)
    grads = []
    for function in (cast, cast_reference):
        o, d = (torch.tensor(a, requires_grad=True) for a in rays)
        found = function(o, d, torch.tensor(occupied), ODD)
        assert (found.distance.detach().numpy() == plain.distance).all()
        assert (found.cell.numpy() == plain.cell).all()
        entered = found.face >= 0
        found.distance[entered].sum().backward()
        grads.append((o.grad, d.grad))
    rows = np.flatnonzero(plain.face >= 0)
    axis = plain.face[rows] // 2
    speed = rays.directions[rows, axis]
    expected_o, expected_d = np.zeros_like(rays.origins), np.zeros_like(rays.origins)
    expected_o[rows, axis] = -1 / speed
    expected_d[rows, axis] = -plain.distance[rows] / speed
    for o_grad, d_grad in grads:
        np.testing.assert_allclose(o_grad, expected_o, rtol=1e-12)
        np.testing.assert_allclose(d_grad, expected_d, rtol=1e-12)


def test_traverse_and_carve_answer_tensors_with_tensors() -> None:
    rays = random_rays(50, ODD, seed=8)
    tensors = tuple(torch.tensor(a) for a in rays)
    for a, b in zip(traverse(*tensors, ODD), traverse(*rays, ODD), strict=True):
        assert isinstance(a, torch.Tensor) and (a.numpy() == b).all()
    for a, b in zip(carve(*tensors, ODD), carve(*rays, ODD), strict=True):
        assert isinstance(a, torch.Tensor) and (a.numpy() == b).all()


def test_float32_rays_are_widened_not_rounded() -> None:
    rays = [a.astype(np.float32) for a in random_rays(500, ODD, seed=9)]
    occupied = np.ones(ODD.shape, bool)
    wide = cast(*(a.astype(np.float64) for a in rays), occupied, ODD)
    found = cast(*rays, occupied, ODD)
    assert found.distance.dtype == np.float64
    assert (found.distance == wide.distance).all()


def test_read_only_and_strided_arrays_are_taken() -> None:
    rays = random_rays(20, ODD, seed=10)
    occupied = np.random.default_rng(11).random(ODD.shape[::-1]).transpose() < 0.3
    origins = np.repeat(rays.origins, 2, axis=0)[::2]
    origins.setflags(write=False)
    plain = cast(*rays, np.ascontiguousarray(occupied), ODD)
    for function in (cast, cast_reference):
        found = function(origins, rays.directions[:, ::-1][:, ::-1], occupied, ODD)
        assert (found.distance == plain.distance).all()


def test_no_rays_no_answers() -> None:
    none = np.zeros((0, 3))
    assert cast(none, none, np.ones(UNIT.shape, bool), UNIT).cell.shape == (0, 3)
    assert cast(none, none, np.ones(UNIT.shape, bool), UNIT, num_threads=2).distance.shape == (0,)
    assert traverse(none, none, UNIT).offsets.tolist() == [0]
    assert carve(none, none, UNIT).crossed.sum() == 0


@pytest.mark.parametrize(
    "spoil, field",
    [
        (lambda o, d: (o * np.nan, d), "origins"),
        (lambda o, d: (o + np.array([0, INF, 0]), d), "origins"),
        (lambda o, d: (o, d * np.nan), "directions"),
        (lambda o, d: (o, d * -0.0), "directions"),
        (lambda o, d: (o, d * -INF), "directions"),
    ],
)
def test_bad_rays_are_refused(spoil: object, field: str) -> None:
    good = random_rays(5, UNIT, seed=12)
    bad = spoil(*good)  # type: ignore[operator]
    rays = [np.concatenate([g, b]) for g, b in zip(good, bad, strict=True)]
    occupied = np.ones(UNIT.shape, bool)
    with np.errstate(invalid="ignore"):
        for call in (
            lambda: cast(*rays, occupied, UNIT),
            lambda: cast_reference(*rays, occupied, UNIT),
            lambda: traverse(*rays, UNIT),
        ):
            with pytest.raises(BadInput, match=f"{field}: ray 5"):
                call()


def test_bad_grids_ranges_and_endpoints_are_refused() -> None:
    rays = random_rays(5, UNIT, seed=13)
    for function in (cast, cast_reference):
        with pytest.raises(BadInput, match="occupied"):
            function(*rays, np.ones((4, 4, 5), bool), UNIT)
        for bad in (np.nan, -1.0):
            with pytest.raises(BadInput, match="max_range"):
                function(*rays, np.ones(UNIT.shape, bool), UNIT, max_range=bad)
    with pytest.raises(BadInput, match="endpoints"):
        carve(rays.origins, rays.origins * np.nan, UNIT)


def every_walk(origins: object, directions: object, **limit: object) -> list[Callable[[], object]]:
    occupied = np.ones(UNIT.shape, bool)
    return [
        lambda: cast(origins, directions, occupied, UNIT, **limit),
        lambda: cast(origins, directions, occupied, UNIT, num_threads=2, **limit),
        lambda: cast_reference(origins, directions, occupied, UNIT, **limit),
        lambda: traverse(origins, directions, UNIT, **limit),
    ]


@pytest.mark.parametrize("counts", [(5, 1), (1, 5), (0, 1), (1, 0), (100_000, 1)], ids=str)
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor], ids=["numpy", "torch"])
def test_as_many_directions_as_origins(
    unchecked: None, counts: tuple[int, int], kind: Callable[[np.ndarray], object]
) -> None:
    """The kernels do not look where arrays end: with one direction they read past it."""
    o, d = (kind(np.ones((n, 3))) for n in counts)
    for walk in every_walk(o, d):
        with pytest.raises(BadInput, match=r"^directions: there are .* origins \(remedy: give one"):
            walk()
    with pytest.raises(BadInput, match="^endpoints: there are .* origins .*remedy"):
        carve(o, d, UNIT)


@pytest.mark.parametrize("shape", [(3,), (1, 2), (1, 4), (1, 1, 3), ()], ids=str)
def test_rays_of_another_shape_are_refused(unchecked: None, shape: tuple[int, ...]) -> None:
    good, bad = np.ones((1, 3)), np.ones(shape)
    for rays, field in (((bad, good), "origins"), ((good, bad), "directions")):
        for walk in every_walk(*rays):
            with pytest.raises(BadInput, match=f"^{field}: has the shape .*remedy"):
                walk()
    with pytest.raises(BadInput, match="^endpoints: has the shape"):
        carve(good, bad, UNIT)


@pytest.mark.parametrize("dtype", [complex, object, bool, "U4"])
def test_rays_of_no_real_numbers_are_refused(unchecked: None, dtype: object) -> None:
    for walk in every_walk(np.ones((1, 3)).astype(dtype), np.ones((1, 3)))[:2]:
        with pytest.raises(BadInput, match="^origins: holds"):
            walk()


@pytest.mark.parametrize("limit", [np.ones(7), np.ones(1), np.ones((2, 1)), np.ones(0)])
def test_one_range_for_all_or_one_for_each(unchecked: None, limit: np.ndarray) -> None:
    for walk in every_walk(np.ones((2, 3)), np.ones((2, 3)), max_range=limit):
        with pytest.raises(BadInput, match="^max_range: has the shape .* 2 rays .*remedy"):
            walk()


@pytest.mark.parametrize("returned", [np.ones(3, bool), np.ones(2, int), np.ones((2, 1), bool)])
def test_one_bool_for_each_ray_that_returned(unchecked: None, returned: np.ndarray) -> None:
    with pytest.raises(BadInput, match="^returned: .*remedy"):
        carve(np.zeros((2, 3)), np.ones((2, 3)), UNIT, returned=returned)


def test_a_tensor_and_an_array_do_not_go_together() -> None:
    o, d = np.zeros((1, 3)), torch.ones((1, 3), dtype=torch.float64)
    occupied = np.ones(UNIT.shape, bool)
    for rays in ((o, d), (d, o)):
        for walk in (
            lambda rays=rays: cast(*rays, occupied, UNIT),
            lambda rays=rays: traverse(*rays, UNIT),
            lambda rays=rays: carve(*rays, UNIT),
        ):
            with pytest.raises(TypeError, match="a tensor met a NumPy array"):
                walk()


def test_the_module_itself_loads_neither_torch_nor_numba() -> None:
    code = (
        "import sys, roadloom.geometry.ray_grid, roadloom.geometry.rays, roadloom.geometry.box;"
        "assert not {'torch', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""Resampling: exact where it can be, equal to a plain twin, nothing lost, nothing made up."""

import math
from pathlib import Path

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.pose import Pose, rotation_from_quaternion, rotation_from_yaw
from roadloom.geometry.voxel_grid import LIDAR_50M, OCC3D, VoxelGrid
from roadloom.scene.class_weights import class_weights
from roadloom.scene.classes import FREE, UNKNOWN, class_id
from roadloom.scene.occ3d_file import read_occ3d
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.regrid import SHARE, regrid, samples_of, to_ego_frame, to_lidar_frame
from roadloom.sensors.presets import preset

GRID = VoxelGrid(lower_m=(-4.0, -4.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(20, 20, 8))
CAR, ROAD, POLE = (class_id(n) for n in ("vehicle.car", "flat.road", "structure.pole"))
RIG = preset("nuscenes")
LIDAR = RIG.lidar_names[0]


def some(seed: int, grid: VoxelGrid = GRID, full: float = 0.2) -> Occupancy:
    rng = np.random.default_rng(seed)
    labels = rng.choice([CAR, ROAD, POLE, UNKNOWN], grid.shape).astype(np.uint8)
    labels[rng.random(grid.shape) > full] = FREE
    return Occupancy(
        grid=grid,
        labels=labels,
        mask_lidar=rng.random(grid.shape) < 0.5,
        mask_camera=rng.random(grid.shape) < 0.3,
    )


def slow(old: Occupancy, grid: VoxelGrid, new_from_old: Pose, share: float) -> Occupancy:
    """The definition, cell by cell, with nothing but ``VoxelGrid``."""
    count = samples_of(old.grid, grid)
    back, weights = new_from_old.inverse(), class_weights()
    labels = np.zeros(grid.shape, np.uint8)
    masks = [np.zeros(grid.shape, bool) for _ in range(2)]
    inner = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in count], indexing="ij"), -1)
    for cell in np.ndindex(*grid.shape):
        points = np.array(grid.lower_m) + (np.array(cell) + inner.reshape(-1, 3)) * grid.cell_m
        r, t = back.rotation, back.translation
        x, y, z = points.T
        moved = np.stack(
            [r[a, 0] * x + r[a, 1] * y + r[a, 2] * z + t[a] for a in range(3)], axis=-1
        )
        place, inside = old.grid.cell_of(moved)
        found = np.full(len(points), UNKNOWN)
        found[inside] = old.labels[tuple(place[inside].T)]
        known = found[found != UNKNOWN]
        filled = known[known != FREE]
        if len(filled) and len(filled) >= share * len(points):
            kinds, votes = np.unique(filled, return_counts=True)
            labels[cell] = kinds[np.argmax(votes * weights[kinds])]
        else:
            labels[cell] = FREE if 2 * len(known) >= len(points) else UNKNOWN
        for mask, held in zip(masks, (old.mask_lidar, old.mask_camera), strict=True):
            assert held is not None
            mask[cell] = 2 * held[tuple(place[inside].T)].sum() >= len(points)
    return Occupancy(grid=grid, labels=labels, mask_lidar=masks[0], mask_camera=masks[1])


def tilted() -> Pose:
    turn = rotation_from_quaternion(np.array([0.9, 0.05, -0.1, 0.4]))
    return Pose(turn, np.array([0.3, -0.7, 0.2]))


@pytest.mark.parametrize("cell", [(0.25, 0.3, 0.2), (0.5, 0.5, 0.5), (0.8, 0.4, 1.0)])
@pytest.mark.parametrize("pose", [Pose.identity(), tilted()], ids=["straight", "tilted"])
@pytest.mark.parametrize("share", [0.0, SHARE])
def test_the_kernel_is_the_definition(cell: tuple, pose: Pose, share: float) -> None:
    grid = VoxelGrid(lower_m=(-3.1, -2.0, -1.3), cell_m=cell, shape=(8, 7, 6))
    old = some(1)
    fast = regrid(old, grid, frame="ego", new_from_old=pose, share=share)
    assert fast.same_as(slow(old, grid, pose, share))
    assert len(np.unique(fast.labels)) > 3  # all kinds of cells were compared


def test_the_same_grid_gives_the_same_cells() -> None:
    old = some(2)
    assert regrid(old, GRID, frame="ego", new_from_old=Pose.identity()).same_as(old)


@pytest.mark.parametrize("cells", [(1, 0, 0), (-3, 2, 1), (0, 0, -2)])
@pytest.mark.parametrize("quarter", range(4))
def test_shifts_and_quarter_turns_are_exact_there_and_back(cells: tuple, quarter: int) -> None:
    old = some(3)
    turn = rotation_from_yaw(np.array(quarter * np.pi / 2))
    pose = Pose(turn, np.array(cells) * 0.4)
    wide = VoxelGrid(lower_m=(-8.0, -8.0, -3.0), cell_m=GRID.cell_m, shape=(40, 40, 20))
    there = regrid(old, wide, frame="world", new_from_old=pose)
    assert there.frame == "world"
    assert there.occupied.sum() == old.occupied.sum()
    assert (there.labels == UNKNOWN).sum() == wide.shape[0] * 40 * 20 - (
        old.labels != UNKNOWN
    ).sum()
    assert regrid(there, GRID, frame="ego", new_from_old=pose.inverse()).same_as(old)


def test_a_shift_on_the_same_grid_moves_every_cell() -> None:
    old = some(4)
    moved = regrid(old, GRID, frame="ego", new_from_old=Pose(np.eye(3), np.array([0.8, -0.4, 0.4])))
    np.testing.assert_array_equal(moved.labels[2:, :-1, 1:], old.labels[:-2, 1:, :-1])
    assert (moved.labels[:2] == UNKNOWN).all() and (moved.labels[:, -1] == UNKNOWN).all()
    assert moved.mask_lidar is not None and not moved.mask_lidar[:2].any()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_occupied_is_lost_however_it_is_turned(seed: int) -> None:
    """With share 0: a cell's ball of half an edge holds a middle of the new grid's parts."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(GRID.shape, np.uint8)
    cell = rng.integers(0, GRID.shape)
    labels[tuple(cell)] = POLE
    pose = Pose(rotation_from_quaternion(rng.normal(size=4)), rng.normal(size=3))
    for edge in (0.25, 0.4, 0.5, 1.3):
        size = math.ceil(20 / edge)
        grid = VoxelGrid(lower_m=(-10.0,) * 3, cell_m=(edge,) * 3, shape=(size,) * 3)
        new = regrid(
            Occupancy(grid=GRID, labels=labels), grid, frame="world", new_from_old=pose, share=0.0
        )
        filled = np.argwhere(new.occupied)
        assert len(filled) and (new.labels[new.occupied] == POLE).all()
        away = grid.center_of(filled) - pose.apply(GRID.center_of(cell[None]))
        assert np.linalg.norm(away, axis=-1).max() <= (0.4 + edge) * math.sqrt(3) / 2


def test_thin_things_win_and_ties_go_to_the_lower_id() -> None:
    fine = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(0.2, 0.2, 0.2), shape=(2, 2, 2))
    coarse = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(0.4, 0.4, 0.4), shape=(1, 1, 1))

    def shown(*ids: int) -> int:
        labels = np.array(ids, np.uint8).reshape(2, 2, 2)
        old = Occupancy(grid=fine, labels=labels)
        return int(regrid(old, coarse, frame="ego", new_from_old=Pose.identity()).labels[0, 0, 0])

    assert shown(ROAD, ROAD, ROAD, POLE, *[FREE] * 4) == POLE  # 4 x 1 against 3
    assert shown(*[ROAD] * 5, POLE, FREE, FREE) == ROAD
    assert shown(ROAD, CAR, *[FREE] * 6) == min(ROAD, CAR)
    assert shown(ROAD, *[FREE] * 7) == FREE  # an eighth is below the share
    assert shown(*[FREE] * 4, *[UNKNOWN] * 4) == FREE
    assert shown(*[FREE] * 3, *[UNKNOWN] * 5) == UNKNOWN
    assert shown(ROAD, ROAD, *[UNKNOWN] * 6) == ROAD


def there_and_back(ego: Occupancy) -> tuple[float, float]:
    """Share of the occupied cells that are so again, and of the new ones that were."""
    lidar = to_lidar_frame(ego, RIG, LIDAR, LIDAR_50M)
    assert lidar.frame == "lidar" and lidar.grid == LIDAR_50M
    back = to_ego_frame(lidar, RIG, LIDAR, OCC3D)
    middles = RIG.lidar(LIDAR).ego_from_lidar.inverse().apply(OCC3D.centers().reshape(-1, 3))
    reached = LIDAR_50M.cell_of(middles)[1].reshape(OCC3D.shape)
    before, after = ego.occupied & reached, back.occupied & reached
    return (before & after).sum() / before.sum(), (before & after).sum() / after.sum()


def test_ego_to_lidar_and_back_keeps_the_real_scene(real_data: Path) -> None:
    real = read_occ3d(next((real_data / "occ3d_nuscenes").rglob("labels.npz")))
    recall, precision = there_and_back(real)
    assert recall > 0.97 and precision > 0.5


def test_a_wall_of_cells_stays_closed_in_the_lidar_frame() -> None:
    """Moving the middles of cells, as published scripts do, leaves holes."""
    labels = np.zeros(OCC3D.shape, np.uint8)
    labels[:, :, 3] = ROAD
    lidar = to_lidar_frame(Occupancy(grid=OCC3D, labels=labels), RIG, LIDAR, LIDAR_50M)
    mount = RIG.lidar(LIDAR).ego_from_lidar
    place = OCC3D.center_of(np.argwhere(labels == ROAD))
    inner = place[(np.abs(place[:, :2]) < 38).all(axis=-1)]
    cells, inside = LIDAR_50M.cell_of(mount.inverse().apply(inner))
    assert inside.all()
    column = lidar.occupied.any(axis=2)
    assert column[tuple(cells[:, :2].T)].all()


def test_frames_and_numbers_are_checked() -> None:
    old = some(5)
    with pytest.raises(BadInput, match="'car' is no frame"):
        regrid(old, GRID, frame="car", new_from_old=Pose.identity())
    with pytest.raises(BadInput, match="share"):
        regrid(old, GRID, frame="ego", new_from_old=Pose.identity(), share=1.5)
    with pytest.raises(BadInput, match="not orthonormal"):
        regrid(old, GRID, frame="ego", new_from_old=Pose(2 * np.eye(3), np.zeros(3)))
    coarse = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(9.0, 9.0, 9.0), shape=(1, 1, 1))
    with pytest.raises(BadInput, match="too coarse"):
        regrid(old, coarse, frame="ego", new_from_old=Pose.identity())
    with pytest.raises(BadInput, match="not in the lidar frame"):
        to_ego_frame(old, RIG, LIDAR, OCC3D)
    with pytest.raises(MissingInput, match="no LiDAR 'X'"):
        to_lidar_frame(old, RIG, "X", LIDAR_50M)

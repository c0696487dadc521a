"""At which index of z each data set holds the road: Occ3D's real file, ours, and the rest."""

from pathlib import Path

import numpy as np
import pytest
from tests.town.toy import toy_world

import roadloom
from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.voxel_grid import CARLA_SC, OCC3D, SEMANTICKITTI, VoxelGrid
from roadloom.scene.classes import UNKNOWN, class_id
from roadloom.scene.heights import OCC3D_ROAD_BELOW, ground_index, raised_by_cells, road_index
from roadloom.scene.occ3d_file import read_occ3d
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.readers import carla_sc, semantickitti
from roadloom.town.occupancy.labels import occupancy

GRID = VoxelGrid(lower_m=(0.0, 0.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(2, 2, 5))


def test_in_the_real_occ3d_file_the_road_lies_two_cells_below_the_ground(real_data: Path) -> None:
    real = read_occ3d(next((real_data / "occ3d_nuscenes").rglob("labels.npz")))
    drivable = np.argwhere(real.labels == class_id("flat.drivable"))
    assert len(drivable) == 8_433 and (drivable[:, 2] == 0).all()
    assert OCC3D.center_of(drivable[:1])[0, 2] == pytest.approx(-0.8)
    assert road_index(real) == 0
    assert ground_index(OCC3D) - road_index(real) == OCC3D_ROAD_BELOW == 2
    assert road_index(raised_by_cells(real, OCC3D_ROAD_BELOW)) == ground_index(OCC3D)


def test_in_the_town_the_road_lies_in_the_cell_of_the_ground() -> None:
    world = toy_world()
    assert road_index(occupancy(world, world.start_ns, OCC3D)) == ground_index(OCC3D) == 2


def test_in_a_real_scan_of_semantickitti_the_road_lies_at_the_ground(real_data: Path) -> None:
    """By its point labels: the real piece has voxels without classes."""
    clip = roadloom.open(f"semantickitti:{real_data / 'semantickitti'}")[0]
    sweep = clip[0].lidar()
    road = sweep.label == class_id("flat.road")
    near = road & (np.hypot(*sweep.points[:, :2].T) < 10)
    assert abs(np.median(sweep.points[near, 2])) < 0.1
    cells, _ = semantickitti.EGO_GRID.cell_of(sweep.points[near].astype(np.float64))
    assert np.bincount(cells[:, 2]).argmax() == ground_index(semantickitti.EGO_GRID) == 2
    assert ground_index(SEMANTICKITTI, -semantickitti.HEIGHT_M) == 2


def test_in_carla_sc_the_ground_is_assumed_in_the_lowest_cells() -> None:
    assert ground_index(CARLA_SC, -carla_sc.HEIGHT_M) == 0
    assert ground_index(CARLA_SC) == 5  # where a clip in the ego frame holds it on this grid


def test_raising_moves_labels_and_masks_together() -> None:
    labels = np.arange(20, dtype=np.uint8).reshape(GRID.shape)
    seen = labels % 2 == 0
    old = Occupancy(grid=GRID, labels=labels, mask_lidar=seen)
    up = raised_by_cells(old, 2)
    np.testing.assert_array_equal(up.labels[:, :, 2:], labels[:, :, :3])
    assert (up.labels[:, :, :2] == UNKNOWN).all()
    assert up.mask_lidar is not None and up.mask_camera is None
    np.testing.assert_array_equal(up.mask_lidar[:, :, 2:], seen[:, :, :3])
    assert not up.mask_lidar[:, :, :2].any()
    down = raised_by_cells(up, -2)
    np.testing.assert_array_equal(down.labels[:, :, :3], labels[:, :, :3])
    assert raised_by_cells(old, 0).same_as(old)
    for cells in (5, -5):
        with pytest.raises(BadInput, match="cells"):
            raised_by_cells(old, cells)


def test_without_a_road_nothing_is_said() -> None:
    free = Occupancy(grid=GRID, labels=np.zeros(GRID.shape, np.uint8))
    with pytest.raises(NotRecorded, match="no cell shows the road"):
        road_index(free)

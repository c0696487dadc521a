"""What cameras observe: the slow twin, laws of sight, and the real Occ3D file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.ray_grid import traverse
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.io.npz import Field, read_npz
from roadloom.label.camera_mask import camera_mask
from roadloom.scene.classes import UNKNOWN, class_id
from roadloom.scene.occupancy import Occupancy
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera
from roadloom.sensors.grid_rays import camera_rays
from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedCamera, Rig

CAR = class_id("vehicle.car")
GRID = VoxelGrid(lower_m=(-4.0, -4.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(20, 20, 8))
AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
FRONT = MountedCamera(
    name="FRONT",
    camera=PinholeCamera(width=160, height=90, fx=100.0, fy=100.0, cx=79.5, cy=44.5),
    ego_from_camera=Pose(AHEAD, np.array([0.1, 0.1, 0.5])),
)
LEFT = MountedCamera(
    name="LEFT",
    camera=FisheyeCamera(width=120, height=120, fx=40.0, fy=40.0, cx=59.5, cy=59.5),
    ego_from_camera=Pose(rotation_from_yaw(np.array(1.6)) @ AHEAD, np.array([0.3, 0.4, 0.7])),
)
RIG = Rig(name="two", cameras=(FRONT, LEFT), lidars=())
ALONE = Rig(name="one", cameras=(FRONT,), lidars=())


def made(labels: np.ndarray, **fields: object) -> Occupancy:
    return Occupancy(grid=GRID, labels=labels, **fields)  # type: ignore[arg-type]


def scattered(seed: int) -> Occupancy:
    rng = np.random.default_rng(seed)
    share = rng.random(GRID.shape)
    labels = np.where(share < 0.05, CAR, np.where(share < 0.15, UNKNOWN, 0)).astype(np.uint8)
    return made(labels, mask_lidar=rng.random(GRID.shape) < 0.7)


def slow(rig: Rig, occupancy: Occupancy, grid_from_ego: Pose) -> np.ndarray:
    """Every cell that a ray crosses, listed near to far, and cut after the first solid one."""
    seen = np.zeros(GRID.shape, bool)
    for mount in rig.cameras:
        pose = grid_from_ego @ mount.ego_from_camera
        directions = pose.rotate(camera_rays(mount.camera, GRID))
        origins = np.tile(pose.translation, (len(directions), 1))
        crossed = traverse(origins, directions, GRID)
        for ray in range(len(directions)):
            cells = crossed.cells[crossed.offsets[ray] : crossed.offsets[ray + 1]]
            solid = np.flatnonzero(occupancy.occupied[tuple(cells.T)])
            seen[tuple(cells[: solid[0] + 1 if len(solid) else None].T)] = True
    seen &= occupancy.labels != UNKNOWN
    return seen if occupancy.mask_lidar is None else seen & occupancy.mask_lidar


@pytest.mark.parametrize("seed", range(3))
def test_the_mask_is_that_of_the_slow_twin(seed: int) -> None:
    occupancy = scattered(seed)
    found = camera_mask(RIG, occupancy)
    assert (found == slow(RIG, occupancy, Pose.identity())).all()
    assert 100 < found.sum() < occupancy.mask_lidar.sum()


def test_a_grid_in_another_frame_is_looked_at_from_where_the_cameras_are_in_it() -> None:
    pose = Pose(rotation_from_yaw(np.array(-1.5)), np.array([0.5, -0.2, 0.1]))
    occupancy = replace(scattered(3), frame="lidar")
    found = camera_mask(RIG, occupancy, pose)
    assert (found == slow(RIG, occupancy, pose)).all() and found.any()
    with pytest.raises(BadInput, match="lidar frame"):
        camera_mask(RIG, occupancy)


def test_a_wall_is_seen_and_hides_what_is_behind_it() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[15] = CAR
    labels[12, 10, 3] = UNKNOWN
    free = camera_mask(ALONE, made(np.zeros(GRID.shape, np.uint8)))
    found = camera_mask(ALONE, made(labels))
    known = labels != UNKNOWN
    assert (found[:15] == (free & known)[:15]).all()
    assert found[15].sum() > 40 and free[16:].any() and not found[16:].any()
    assert not found[12, 10, 3] and found[13, 10, 3]  # what is unknown hides nothing


def test_more_matter_never_shows_more_of_the_free_space() -> None:
    first = scattered(5)
    labels = first.labels.copy()
    labels[np.random.default_rng(0).random(GRID.shape) < 0.05] = CAR
    more = replace(first, labels=labels)
    free = labels == 0
    assert not (camera_mask(RIG, more) & ~camera_mask(RIG, first) & free).any()
    assert (camera_mask(RIG, first) & ~camera_mask(RIG, more) & free).any()


def test_only_what_the_lidar_reached_is_observed_where_that_is_known() -> None:
    occupancy = scattered(6)
    bare = camera_mask(RIG, replace(occupancy, mask_lidar=None))
    assert (camera_mask(RIG, occupancy) == (bare & occupancy.mask_lidar)).all()


def test_cameras_add_up_and_a_rig_without_any_sees_nothing() -> None:
    occupancy = scattered(7)
    other = Rig(name="other", cameras=(LEFT,), lidars=())
    union = camera_mask(ALONE, occupancy) | camera_mask(other, occupancy)
    assert (camera_mask(RIG, occupancy) == union).all()
    assert not camera_mask(Rig(name="none", cameras=(), lidars=()), occupancy).any()


def test_the_real_mask_lies_within_that_of_the_lidar_and_holds_ours(real_data: Path) -> None:
    """Occ3D's own file, which made its masks on finer voxels: ours is stricter, and within it
    but for a few cells."""
    path = next((real_data / "occ3d_nuscenes").rglob("labels.npz"))
    cells = Field("|u1", ("x", "y", "z"))
    read = read_npz(path, dict.fromkeys(("semantics", "mask_lidar", "mask_camera"), cells))
    lidar, camera = read["mask_lidar"] > 0, read["mask_camera"] > 0
    assert not (camera & ~lidar).any()
    labels = np.where(read["semantics"] == 17, 0, CAR).astype(np.uint8)
    found = camera_mask(
        preset("nuscenes"), Occupancy(grid=OCC3D, labels=labels, mask_lidar=lidar)
    )  # fmt: skip
    assert (found & camera).sum() > 0.98 * found.sum()
    assert (found & camera).sum() / (found | camera).sum() > 0.55

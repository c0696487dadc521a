"""Conditions out of drives: layouts against a slow twin, laws of mirrors, a known circle."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.datasets.made_drive import RADIUS, SPEED, made_clip, path
from torch import Tensor

from roadloom.datasets.crops import CropWindows
from roadloom.datasets.drive_conditions import (
    COMMANDS,
    PUBLISHED_LAYOUT,
    DriveWindows,
    command_of,
    command_shares,
    layout_of,
    trajectory_of,
)
from roadloom.datasets.flips import Flip
from roadloom.datasets.windows import OccupancyWindows
from roadloom.geometry.pose import Pose, rotation_from_quaternion, rotation_from_yaw

ALL_FLIPS = [Flip(x, y, t) for x in (False, True) for y in (False, True) for t in (False, True)]


def name(trajectory: Tensor, *, compat: bool = False) -> str:
    return COMMANDS[command_of(trajectory, compat=compat)]


# -- layout ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [1, 2, 4])
def test_a_layout_cell_says_whether_the_class_is_in_its_column(pool: int) -> None:
    voxels = torch.randint(0, 40, (2, 3, 8, 12, 4), generator=torch.manual_seed(0)).byte()
    layout = layout_of(voxels, (6, 10), pool)
    assert layout.shape == (2, 3, 2, 8 // pool, 12 // pool) and layout.dtype == torch.bool
    for place in np.ndindex(*layout.shape):
        b, t, k, x, y = place
        column = voxels[b, t, x * pool : (x + 1) * pool, y * pool : (y + 1) * pool]
        assert bool(layout[place]) == bool((column == (6, 10)[k]).any())
    assert 0 < layout.float().mean() < 1


def test_what_cannot_be_pooled() -> None:
    with pytest.raises(ValueError, match="pooled by 3"):
        layout_of(torch.zeros(1, 8, 9, 2, dtype=torch.uint8), (6,), 3)


def test_the_published_layout(prepared: Path) -> None:
    windows = DriveWindows(OccupancyWindows(prepared), **PUBLISHED_LAYOUT)
    example = windows.read(4, 0)
    assert example["layout"].shape == (16, 1, 32, 32)
    vehicle = (example["voxels"] == 10).any(-1).float()
    pooled = torch.nn.functional.max_pool2d(vehicle, 4)
    assert torch.equal(example["layout"][:, 0], pooled > 0)


# -- trajectory ------------------------------------------------------------------------------------


def test_a_circle() -> None:
    """Half a metre a frame along a circle of 10 m to the left."""
    found = trajectory_of(path("circle", 16))
    angle = SPEED / RADIUS * np.arange(16)
    exact = np.stack([RADIUS * np.sin(angle), RADIUS * (1 - np.cos(angle)), angle], axis=1)
    np.testing.assert_allclose(found, exact, atol=1e-6)
    assert name(found) == "left" and name(trajectory_of(path("right", 16))) == "right"
    assert name(trajectory_of(path("straight", 16))) == "forward"
    assert name(trajectory_of(path("still", 16))) == "static"


def test_the_axes_of_the_world_do_not_matter() -> None:
    """They do in the published form."""
    rng = np.random.default_rng(3)
    poses = path("circle", 16)
    for _ in range(5):
        turn = Pose(rotation_from_quaternion(rng.normal(size=4)), 1000 * rng.normal(size=3))
        moved = turn @ poses
        np.testing.assert_allclose(trajectory_of(moved), trajectory_of(poses), atol=1e-5)
    level = Pose(rotation_from_yaw(np.array(1.0)), np.array([5.0, 6.0, 0.0])) @ poses
    assert not np.allclose(
        trajectory_of(level, compat=True), trajectory_of(poses, compat=True), atol=0.1
    )


def test_the_published_trajectory() -> None:
    poses = Pose(rotation_from_yaw(np.array(0.5)), np.array([5.0, 6.0, 0.0])) @ path("circle", 16)
    found = trajectory_of(poses, compat=True)
    np.testing.assert_allclose(found[:, :2], (poses.translation - poses.translation[0])[:, :2])
    np.testing.assert_allclose(found[:, 2], 0.5 + SPEED / RADIUS * np.arange(16), atol=1e-6)
    with pytest.raises(ValueError, match="cannot be flipped"):
        trajectory_of(poses, Flip(y=True), compat=True)


def wobbling() -> Pose:
    """A drive with pitch, roll and turns."""
    rng = np.random.default_rng(5)
    turns = np.cumsum(0.05 * rng.normal(size=(16, 3)), axis=0)
    quaternions = np.concatenate([np.ones((16, 1)), turns], axis=1)
    return Pose(rotation_from_quaternion(quaternions), np.cumsum(rng.normal(size=(16, 3)), axis=0))


@pytest.mark.parametrize("flip", ALL_FLIPS, ids=str)
def test_a_flipped_trajectory_is_that_of_the_mirrored_drive(flip: Flip) -> None:
    """Against the drive built with mirrored rotations: M R M of every relative pose."""
    poses = wobbling()
    poses_in_time = poses[::-1] if flip.time else poses
    first = poses_in_time[0].inverse() @ poses_in_time
    mirror = np.diag([-1.0 if flip.x else 1.0, -1.0 if flip.y else 1.0, 1.0])
    built = Pose(mirror @ first.rotation @ mirror, first.translation @ mirror)
    np.testing.assert_allclose(trajectory_of(poses, flip), trajectory_of(built), atol=1e-6)


# -- command ---------------------------------------------------------------------------------------


def test_a_mirror_swaps_left_and_right() -> None:
    swapped = {"left": "right", "right": "left", "forward": "forward", "static": "static"}
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        row = np.cumsum(rng.normal(size=(16, 3)) * rng.choice([0.0, 0.003, 0.05], size=3), axis=0)
        row[0] = 0
        plain = torch.from_numpy(row.astype(np.float32))
        mirrored = plain * torch.tensor([1.0, -1.0, -1.0])
        assert name(mirrored) == swapped[name(plain)]
        seen.add(name(plain))
    assert seen == set(COMMANDS)


@pytest.mark.parametrize(
    ("yaw", "way", "ours", "published"),
    [
        (0.039, 0.0, "static", "left"), (0.041, 9.0, "left", "left"),
        (-0.039, 0.5, "forward", "right"), (-0.041, 0.0, "right", "right"),
        (0.0, 0.47, "static", "forward"), (0.0, 0.49, "forward", "forward"),
        (0.002, 0.02, "static", "static"),
    ],
)  # fmt: skip
def test_thresholds(yaw: float, way: float, ours: str, published: str) -> None:
    """0.04 rad and 0.48 m at 16 frames; the published code leaves out the 16."""
    row = torch.zeros(16, 3)
    row[7] = torch.tensor([way, 0.0, yaw])
    assert (name(row), name(row, compat=True)) == (ours, published)


def test_the_turn_is_counted_across_the_seam() -> None:
    row = torch.zeros(16, 3)
    row[:, 2] = torch.linspace(math.pi - 0.05, math.pi + 0.05, 16)
    row[:, 2] = torch.where(row[:, 2] > math.pi, row[:, 2] - 2 * math.pi, row[:, 2])
    assert name(row, compat=True) == "left" and name(row) == "left"
    assert name(row.flip(0)) == "right"


def test_a_turn_to_both_sides() -> None:
    """The larger angle decides; the published rule asks for left first."""
    row = torch.zeros(16, 3)
    row[3, 2], row[9, 2] = 0.05, -0.3
    assert name(row) == "right" and name(row, compat=True) == "left"


def test_shares_of_commands() -> None:
    clips = [made_clip(way, 20, way) for way in ("straight", "circle", "still", "right")]
    clips.append(made_clip("z", 35, "still"))
    shares = command_shares(OccupancyWindows(clips))
    assert shares == pytest.approx(
        {"static": 25 / 40, "forward": 5 / 40, "left": 5 / 40, "right": 5 / 40}
    )


# -- examples --------------------------------------------------------------------------------------


def test_conditions_follow_flips_and_crops(prepared: Path) -> None:
    plain = OccupancyWindows(prepared, frames=8, flips=True)
    windows = DriveWindows(CropWindows(plain, size=(64, 32), frames=6))
    seen = set()
    for seed in range(24):
        index = 17 + seed
        example, flip = windows.read(index, seed), plain.flip(seed)
        assert torch.equal(example["layout"], layout_of(example["voxels"], (6, 8, 10), 2))
        first = int(example["offset"][0])
        poses = plain.poses(index)
        poses = poses[::-1] if flip.time else poses
        expected = trajectory_of(poses[first : first + 6], Flip(flip.x, flip.y))
        assert torch.equal(example["trajectory"], expected)
        assert int(example["command"]) == command_of(expected)
        assert example["trajectory"][0].abs().max() == 0
        seen.add(COMMANDS[int(example["command"])])
    assert {"left", "right"} <= seen


def test_a_mirrored_drive_turns_to_where_its_voxels_are(prepared: Path) -> None:
    """The scene b is a circle to the left: mirrored at y its command is right, and its left half
    shows what the right half showed."""
    windows = OccupancyWindows(prepared, frames=16, scenes=["b"], flips=True)
    seed = next(s for s in range(99) if windows.flip(s) == Flip(y=True))
    stay = next(s for s in range(99) if windows.flip(s) == Flip())
    mirrored, plain = (DriveWindows(windows).read(0, s) for s in (seed, stay))
    assert COMMANDS[int(plain["command"])] == "left"
    assert COMMANDS[int(mirrored["command"])] == "right"
    assert torch.equal(mirrored["layout"], plain["layout"].flip(-1))

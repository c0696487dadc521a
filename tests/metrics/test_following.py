"""Motion read from occupancy against true motion, layouts, commands and continuity."""

import math

import numpy as np
import pytest
import torch

from roadloom.datasets.drive_conditions import COMMANDS, command_of, layout_of
from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.metrics.following import (
    carry,
    command_followed,
    continuity,
    layout_overlap,
    read_trajectory,
    trajectory_error,
)
from roadloom.metrics.odometry import chained, ego_motion, static_ids

VIEW = "dynamiccity12"
ROAD, SIDEWALK, BUILDING, VEHICLE = 6, 8, 1, 10
GRID = VoxelGrid(lower_m=(-16.0, -16.0, -1.0), cell_m=(0.5, 0.5, 1.0), shape=(64, 64, 2))


def street(poses: list[tuple[float, float, float]]) -> torch.Tensor:
    """A made street, seen from planar poses: a road, sidewalks with gaps, blocks of houses."""
    frames = []
    axis = -16.0 + (np.arange(64) + 0.5) * 0.5
    ahead, left = np.meshgrid(axis, axis, indexing="ij")
    for x0, y0, yaw in poses:
        x = x0 + math.cos(yaw) * ahead - math.sin(yaw) * left
        y = y0 + math.sin(yaw) * ahead + math.cos(yaw) * left
        ground = np.where(np.abs(y) < 4, ROAD, SIDEWALK)
        ground[(np.abs(y) > 4) & (np.mod(x, 11.3) < 3)] = ROAD
        high = np.where((np.abs(y) > 8) & (np.mod(x + 3, 9.1) < 5), BUILDING, 0)
        frames.append(np.stack([ground, high], axis=-1))
    return torch.from_numpy(np.stack(frames).astype(np.uint8))


def way(count: int, step: float, turn: float) -> list[tuple[float, float, float]]:
    motion = torch.tensor([step, 0.0, turn]).expand(count - 1, 3)
    return [tuple(row) for row in chained(motion).tolist()]


@pytest.mark.parametrize("step, turn", [(0.0, 0.0), (0.9, 0.0), (1.4, 0.03), (0.5, -0.05)])
def test_motion_is_read_from_occupancy(step: float, turn: float) -> None:
    """Within a fifth of a cell a step, over 8 frames; yaw within 5 mrad."""
    poses = way(8, step, turn)
    asked = torch.tensor(poses)
    error = trajectory_error(asked, read_trajectory(street(poses), VIEW, GRID))
    assert error.final_m < 7 * 0.1
    assert error.mean_rad < 0.01


def test_what_moves_is_not_looked_at() -> None:
    labels = street(way(4, 0.8, 0.0))
    with_cars = labels.clone()
    for t in range(4):
        with_cars[t, 20 + 6 * t : 26 + 6 * t, 30:33, 1] = VEHICLE
    cell = (0.5, 0.5)
    assert torch.equal(
        ego_motion(labels, static_ids(VIEW), cell), ego_motion(with_cars, static_ids(VIEW), cell)
    )


def test_nothing_static_gives_no_motion_and_follows_no_command() -> None:
    empty = torch.zeros(3, 64, 64, 2, dtype=torch.uint8)
    found = read_trajectory(empty, VIEW, GRID)
    assert found[1:].isnan().all()
    assert not any(command_followed(number, found) for number in range(len(COMMANDS)))
    with pytest.raises(BadInput, match="stand still"):
        static_ids("det10")
    with pytest.raises(ValueError, match="2 apart"):
        ego_motion(empty[:2], static_ids(VIEW), (0.5, 0.5), gap=2)


def test_a_gap_reads_the_motion_over_it() -> None:
    labels = street(way(5, 0.4, 0.01))
    once = ego_motion(labels, static_ids(VIEW), (0.5, 0.5))
    twice = ego_motion(labels, static_ids(VIEW), (0.5, 0.5), gap=2)
    assert twice.shape == (3, 3)
    assert twice[:, 0].mean() == pytest.approx(2 * float(once[:, 0].mean()), abs=0.15)


def test_chained_motions_of_a_circle_close() -> None:
    quarter = torch.tensor([[2.0, 0.0, torch.pi / 2]]).expand(4, 3)
    poses = chained(quarter)
    corners = torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0], [0.0, 0.0]])
    assert torch.allclose(poses[:, :2], corners, atol=1e-6)


def test_trajectory_error_by_hand() -> None:
    asked = torch.tensor([[0.0, 0, 0], [1, 0, 3.1], [2, 0, 0]])
    made = torch.tensor([[0.0, 0, 0], [1, 1, -3.1], [2, 3, 0.2]])
    error = trajectory_error(asked, made)
    assert (error.mean_m, error.final_m) == (2, 3)
    assert error.mean_rad == pytest.approx((2 * math.pi - 6.2 + 0.2) / 2, abs=1e-6)


@pytest.mark.parametrize("step, turn, name", [
    (0.0, 0.0, "static"), (0.8, 0.0, "forward"), (0.8, 0.04, "left"), (0.8, -0.04, "right"),
])  # fmt: skip
def test_commands_are_read(step: float, turn: float, name: str) -> None:
    poses = way(8, step, turn)
    assert command_of(torch.tensor(poses)) == COMMANDS.index(name)
    found = read_trajectory(street(poses), VIEW, GRID)
    followed = [command_followed(number, found) for number in range(len(COMMANDS))]
    assert [COMMANDS[n] for n, yes in enumerate(followed) if yes] == [name]


def test_layout_overlap_by_hand() -> None:
    labels = torch.zeros(2, 8, 8, 2, dtype=torch.uint8)
    labels[:, :4, :, 0] = ROAD
    labels[0, 6, 6, 1] = VEHICLE
    asked = layout_of(labels, (ROAD, SIDEWALK, VEHICLE))
    made = labels.clone()
    made[1, :2] = 0
    found = layout_overlap(asked, layout_of(made, (ROAD, SIDEWALK, VEHICLE)))
    assert found.iou[0] == 12 / 16
    assert np.isnan(found.iou[1])
    assert found.iou[2] == 1
    twice = found + layout_overlap(asked, asked)
    assert (twice.both[0], twice.either[0]) == (28, 32)


def test_carry_is_the_world_seen_from_the_next_pose() -> None:
    first, second = street([(0.0, 0.0, 0.0), (2.0, -1.0, 0.0)])
    carried, inside = carry(first, torch.tensor([2.0, -1.0, 0.0]), GRID)
    assert int(inside.sum()) == (64 - 4) * (64 - 2) * 2
    assert torch.equal(carried[inside], second[inside])


def test_continuity() -> None:
    poses = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.02)]
    last, first = street(poses)
    told = continuity(last, first, VIEW, GRID, 12, torch.tensor([1.0, 0.0, 0.02]))
    read = continuity(last, first, VIEW, GRID, 12)
    jump = continuity(last, street([(6.0, 0.0, 0.0)])[0], VIEW, GRID, 12, torch.zeros(3))
    assert told.scores().miou > 0.9
    assert read.scores().miou > 0.85
    assert jump.scores().miou < 0.7
    same = continuity(last, last, VIEW, GRID, 12, torch.zeros(3))
    assert same.scores().miou == 1

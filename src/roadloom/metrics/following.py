"""Does a generated film do what was asked? One score for each condition, from labels alone.

    layout       what stands where, read again from the generated labels: IoU per channel
    trajectory   the vehicle's way, read from the generated labels (``odometry``): m and rad
    command      the command that this way amounts to, against the one asked for
    past         the last frame before, carried to the first generated one: IoU and mIoU

Each is meant to be read beside two others: the same score of real films against their own
conditions (what reading alone costs), and against conditions of other films (chance).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from roadloom.datasets.drive_conditions import command_of
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.metrics.odometry import chained, ego_motion, static_ids
from roadloom.metrics.reconstruction import Confusion


@dataclass(frozen=True, eq=False)
class Overlap:
    """Cells in both and in either, per channel; added over windows before the ratio is taken."""

    both: Int64[np.ndarray, " channel"]
    either: Int64[np.ndarray, " channel"]

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(self.both + other.both, self.either + other.either)

    @property
    def iou(self) -> Float[np.ndarray, " channel"]:
        """NaN where neither holds anything."""
        out = np.full(len(self.both), np.nan)
        return np.divide(self.both, self.either, out=out, where=self.either > 0)


def layout_overlap(
    asked: Bool[Tensor, "time channel x y"], made: Bool[Tensor, "time channel x y"]
) -> Overlap:
    """Of two layouts, as ``datasets.drive_conditions.layout_of`` reads them from labels."""
    if asked.shape != made.shape:
        raise ValueError(f"layouts of {tuple(asked.shape)} and {tuple(made.shape)}")
    both = (asked & made).sum(dim=(0, 2, 3))
    either = (asked | made).sum(dim=(0, 2, 3))
    return Overlap(both.cpu().numpy(), either.cpu().numpy())


def read_trajectory(
    labels: UInt8[Tensor, "time x y z"], class_view: str, grid: VoxelGrid
) -> Float[Tensor, "time 3"]:
    """x, y [m] and yaw [rad] of each frame in the first one's ego frame, from labels alone."""
    motions = ego_motion(labels, static_ids(class_view), (grid.cell_m[0], grid.cell_m[1]))
    return chained(motions)


@dataclass(frozen=True, kw_only=True)
class TrajectoryError:
    mean_m: float
    """Distance between the two ways, mean over the frames after the first."""
    final_m: float
    mean_rad: float
    """Angle between the two headings, mean over the frames after the first."""


def trajectory_error(
    asked: Float[Tensor, "time 3"], made: Float[Tensor, "time 3"]
) -> TrajectoryError:
    distance = torch.linalg.vector_norm(made[1:, :2] - asked[1:, :2], dim=1)
    turned = torch.remainder(made[1:, 2] - asked[1:, 2] + torch.pi, 2 * torch.pi) - torch.pi
    return TrajectoryError(
        mean_m=float(distance.mean()),
        final_m=float(distance[-1]),
        mean_rad=float(turned.abs().mean()),
    )


def command_followed(asked: int, made: Float[Tensor, "time 3"]) -> bool:
    """Whether the way that was read amounts to the command; never, if no way could be read."""
    return bool(torch.isfinite(made).all()) and command_of(made) == asked


def continuity(
    last: UInt8[Tensor, "x y z"],
    first: UInt8[Tensor, "x y z"],
    class_view: str,
    grid: VoxelGrid,
    classes: int,
    motion: Float[Tensor, "3"] | None = None,
) -> Confusion:
    """Counts of the first generated frame against the last one before it, carried along.

    Args:
        motion: of the ego vehicle between the two: forward, left [m], yaw [rad]; None: as read
            from the two frames.
    """
    if motion is None:
        pair, cell = torch.stack([last, first]), (grid.cell_m[0], grid.cell_m[1])
        motion = ego_motion(pair, static_ids(class_view), cell)[0]
        if not torch.isfinite(motion).all():
            motion = torch.zeros(3)  # nothing static to go by: the frames meet as they are
    carried, inside = carry(last, motion, grid)
    counts = Confusion(classes, 1)
    counts.update(first[None, None], carried[None, None], inside[None, None])
    return counts


def carry(
    labels: UInt8[Tensor, "x y z"], motion: Float[Tensor, "3"], grid: VoxelGrid
) -> tuple[UInt8[Tensor, "x y z"], Bool[Tensor, "x y z"]]:
    """A frame as it would look after a motion, and which of its cells the old grid held."""
    forward, left, yaw = (float(value) for value in motion)
    lower, edge = np.array(grid.lower_m), np.array(grid.cell_m)
    x, y = (lower[axis] + (np.arange(grid.shape[axis]) + 0.5) * edge[axis] for axis in (0, 1))
    new_x, new_y = np.meshgrid(x, y, indexing="ij")
    old_x = forward + np.cos(yaw) * new_x - np.sin(yaw) * new_y
    old_y = left + np.sin(yaw) * new_x + np.cos(yaw) * new_y
    column = [
        np.floor((old - lower[axis]) / edge[axis] + 1e-9).astype(np.int64)
        for axis, old in enumerate((old_x, old_y))
    ]
    held = np.ones(old_x.shape, bool)
    for axis in (0, 1):
        held &= (column[axis] >= 0) & (column[axis] < grid.shape[axis])
    at = [
        torch.from_numpy(np.clip(column[axis], 0, grid.shape[axis] - 1)).to(labels.device)
        for axis in (0, 1)
    ]
    inside = torch.from_numpy(held).to(labels.device)
    carried = torch.where(inside[..., None], labels[at[0], at[1]], 0)
    return carried, inside[..., None].expand(labels.shape)

"""What a window of occupancy is generated from: layout, trajectory and command, out of the drive.

    voxels [T X Y Z]    -> layout_of     -> bool [T K X/p Y/p]   road, sidewalk, vehicle
    poses [T]           -> trajectory_of -> [T 3]                x, y [m], yaw [rad]
    trajectory [T 3]    -> command_of    -> index of COMMANDS

After DynamicCity (arXiv 2410.18084, section 3.4 and appendix). ``compat`` gives the published
forms with their quirks: a layout of vehicles alone (``PUBLISHED_LAYOUT``), a trajectory along the
axes of the sequence with absolute yaw, and thresholds that were meant to be multiplied by T.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from roadloom.datasets.crops import Windows
from roadloom.datasets.flips import NO_FLIP, Flip
from roadloom.geometry.pose import Pose
from roadloom.io.progress import show_progress

COMMANDS = ("static", "forward", "left", "right")
LAYOUT_CLASSES = ("Road", "Sidewalk", "Vehicle")
"""Names of the view ``dynamiccity12`` behind the channels of a layout."""
PUBLISHED_LAYOUT = {"classes": ("Vehicle",), "pool": 4}
"""Arguments of ``DriveWindows`` for the published layout, T x 1 x 32 x 32 on CarlaSC's grid."""
TURN_RAD, MOVE_M = 0.0025, 0.03
"""Thresholds of the commands, per frame of the window; for CarlaSC's ten frames a second."""


def layout_of(
    voxels: UInt8[Tensor, "*batch time x y z"], classes: Sequence[int], pool: int = 2
) -> Bool[Tensor, "*batch time layout x_pooled y_pooled"]:
    """Where each class stands at any height, in cells of ``pool`` x ``pool`` (any of them).

    Raises:
        ValueError: x or y is no multiple of ``pool``.
    """
    *first, x, y, _ = voxels.shape
    if pool < 1 or x % pool or y % pool:
        raise ValueError(f"{x} x {y} cells cannot be pooled by {pool}")
    seen = torch.stack([(voxels == number).any(-1) for number in classes], dim=-3)
    cells = seen.reshape(*first, len(classes), x // pool, pool, y // pool, pool)
    return cells.any(-1).any(-2)


def trajectory_of(
    world_from_ego: Pose, flip: Flip = NO_FLIP, *, compat: bool = False
) -> Float32[Tensor, "time 3"]:
    """x, y [m] and yaw [rad, -pi to pi] of every frame of a window.

    Ours are poses in the first frame's ego frame, so that they do not depend on the world's axes.
    With ``compat`` x and y are differences in the world frame, and the yaw is the world's.

    Args:
        flip: as the voxels were flipped: the same motion, seen in the mirror or backwards.

    Raises:
        ValueError: a flip with ``compat``, whose world has no place for a mirror.
    """
    if compat:
        if flip != NO_FLIP:
            raise ValueError("a trajectory in the frame of the sequence cannot be flipped")
        moved = world_from_ego.translation[:, :2] - world_from_ego.translation[0, :2]
        rows = np.concatenate([moved, world_from_ego.yaw[:, None]], axis=1)
        return torch.from_numpy(rows.astype(np.float32))
    poses = world_from_ego[::-1] if flip.time else world_from_ego
    first = poses[0].inverse() @ poses
    rows = np.concatenate([first.translation[:, :2], first.yaw[:, None]], axis=1)
    rows[0] = 0  # to the last bit
    if flip.x:
        rows *= (-1, 1, -1)
    if flip.y:
        rows *= (1, -1, -1)
    return torch.from_numpy(rows.astype(np.float32))


def command_of(trajectory: Float[Tensor, "time 3"], *, compat: bool = False) -> int:
    """Index of ``COMMANDS``: a turn if the yaw leaves its first value by more than a threshold.

    Where it does so to both sides, the larger angle decides; the published rule says left.
    Below, ``forward`` if the way from the first place is ever longer than a threshold.

    Args:
        compat: the published rule, whose thresholds are not multiplied by the frames.
    """
    turned = trajectory[:, 2] - trajectory[0, 2]
    turned = torch.pi - torch.remainder(torch.pi - turned, 2 * torch.pi)  # (-pi, pi]
    frames = 1 if compat else len(trajectory)
    left, right = float(turned.max()), float(-turned.min())
    if max(left, right) > TURN_RAD * frames:
        to_left = left > TURN_RAD if compat else left >= right
        return COMMANDS.index("left" if to_left else "right")
    way = torch.linalg.vector_norm(trajectory[:, :2] - trajectory[0, :2], dim=-1)
    return COMMANDS.index("forward" if float(way.max()) > MOVE_M * frames else "static")


class DriveWindows:
    """``Examples``: windows with their conditions, flipped and cropped along with them.

    Adds ``layout`` (bool [T K X/p Y/p]), ``trajectory`` (float32 [T 3]) and ``command`` (int64).

    Args:
        windows: occupancy, whole or cropped.
        classes: names of the view's classes, one per channel of the layout.
        pool: cells along x and y that one cell of the layout covers.
        compat: the published trajectory and command.
    """

    def __init__(
        self,
        windows: Windows,
        *,
        classes: Sequence[str] = LAYOUT_CLASSES,
        pool: int = 2,
        compat: bool = False,
    ) -> None:
        self.windows, self.pool, self.compat = windows, pool, compat
        self.classes = tuple(classes)
        self.class_ids = tuple(windows.view.names.index(name) for name in classes)

    def __len__(self) -> int:
        return len(self.windows)

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        example = self.windows.read(index, seed)
        flip, poses = self.windows.flip(seed), self.windows.poses(index)
        whole = poses[::-1] if flip.time else poses
        first = int(example["offset"][0]) if "offset" in example else 0
        seen = whole[first : first + len(example["voxels"])]
        mirror = Flip(flip.x, flip.y)
        trajectory = trajectory_of(seen, mirror if not self.compat else flip, compat=self.compat)
        return example | {
            "layout": layout_of(example["voxels"], self.class_ids, self.pool),
            "trajectory": trajectory,
            "command": torch.tensor(command_of(trajectory, compat=self.compat)),
        }


def command_shares(windows: Windows, *, compat: bool = False) -> dict[str, float]:
    """Share of each command over all windows, as they were driven."""
    rows = map(partial(trajectory_of, compat=compat), map(windows.poses, range(len(windows))))
    every = show_progress(rows, total=len(windows), desc="commands", unit="window")
    counts = Counter(COMMANDS[command_of(row, compat=compat)] for row in every)
    return {name: counts[name] / len(windows) for name in COMMANDS}

"""The ego vehicle's motion through a window: how the standing world is held still.

Occupancy lies in the ego frame, so while the vehicle drives, all that stands moves through the
grid, and a map of the ground that all frames share (XY) would be a smear. Ours is a map in the
frame of the window's middle: the encoder carries every frame's labels there, and the decoder
carries the map back to every frame.

    motion [B T 3]: x, y [cells] and yaw [rad] of each frame's ego in the middle frame

The decoder has no other input than the planes, so the motion is part of them: the first channels
of TZ, constant over height. Grids must lie evenly around the ego.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from roadloom.geometry.pose import Pose
from roadloom.metrics.odometry import chained, ego_motion, static_ids

CHANNELS = 3
"""Of TZ, taken by the motion."""
SCALES = (16.0, 4.0, 0.25)
"""Of x, y [cells] and yaw [rad]: about what half a window of town driving holds."""
LOGVAR = -8.0
"""Of those channels' posterior."""
OUTSIDE = 254
"""Label of what the carried frame does not show: no class, and not ignored either."""


def middle(frames: int) -> int:
    """Number of the frame in whose coordinates the world is held."""
    return frames // 2


def motion_of(world_from_ego: Pose, cell_m: tuple[float, float]) -> Float[np.ndarray, "time 3"]:
    """From the poses of a window's frames."""
    local = world_from_ego[middle(len(world_from_ego.translation))].inverse() @ world_from_ego
    yaw = np.arctan2(local.rotation[:, 1, 0], local.rotation[:, 0, 0])
    return np.stack((*(local.translation[:, :2] / cell_m).T, yaw), axis=-1).astype(np.float32)


def centred(motion: Float[Tensor, "batch time 3"]) -> Float[Tensor, "batch time 3"]:
    """Poses in any one frame's coordinates, seen from the middle frame."""
    x, y, yaw = (motion - motion[:, middle(motion.shape[1])][:, None]).unbind(-1)
    turn = motion[:, middle(motion.shape[1]), 2][:, None]
    cos, sin = turn.cos(), turn.sin()
    return torch.stack((cos * x + sin * y, cos * y - sin * x, yaw), dim=-1)


@torch.no_grad()
def estimated_motion(voxels: UInt8[Tensor, "batch time x y z"]) -> Float[Tensor, "batch time 3"]:
    """From what stands still in the voxels (view dynamiccity12), where poses are unknown."""
    static = static_ids("dynamiccity12")
    with torch.autocast(voxels.device.type, enabled=False):
        found = [chained(ego_motion(window, static, (1.0, 1.0))) for window in voxels]
    return centred(torch.stack(found).nan_to_num())


def write_motion(
    mean: Float[Tensor, "batch channel step z"], motion: Float[Tensor, "batch time 3"]
) -> Float[Tensor, "batch channel step z"]:
    """Means of TZ with the motion in its first channels."""
    scales = torch.tensor(SCALES, device=motion.device)
    steps = (motion / scales).unflatten(1, (mean.shape[2], -1)).mean(dim=2)  # [B step 3]
    told = steps.transpose(1, 2)[..., None].expand(-1, -1, -1, mean.shape[3])
    return torch.cat((told.to(mean.dtype), mean[:, CHANNELS:]), dim=1)


def read_motion(
    tz: Float[Tensor, "batch channel step z"], frames: int
) -> Float[Tensor, "batch time 3"]:
    """The motion that TZ tells, on straight lines between its steps and past the ends."""
    steps = tz[:, :CHANNELS].float().mean(dim=3).transpose(1, 2)  # [B step 3]
    steps = steps * torch.tensor(SCALES, device=tz.device)
    count = steps.shape[1]
    if count == frames:
        return steps
    if count == 1:
        return steps.expand(-1, frames, -1)
    place = (torch.arange(frames, device=tz.device) + 0.5) * (count / frames) - 0.5
    below = place.floor().clamp(0, count - 2).long()
    part = (place - below)[:, None]
    return steps[:, below] * (1 - part) + steps[:, below + 1] * part


def carry_labels(
    voxels: UInt8[Tensor, "batch time x y z"], motion: Float[Tensor, "batch time 3"]
) -> UInt8[Tensor, "batch time x y z"]:
    """Each frame's columns, the nearest ones, in the middle frame's grid."""
    b, t, x, y, _ = voxels.shape
    across, along = _cells(x, y, voxels.device)
    dx, dy, yaw = (part[..., None, None] for part in motion.unbind(-1))  # [B T 1 1]
    cos, sin = yaw.cos(), yaw.sin()
    column = (cos * (along - dx) + sin * (across - dy) + (x - 1) / 2).round().long()
    row = (cos * (across - dy) - sin * (along - dx) + (y - 1) / 2).round().long()
    inside = (column >= 0) & (column < x) & (row >= 0) & (row < y)
    batch = torch.arange(b, device=voxels.device)[:, None, None, None]
    time = torch.arange(t, device=voxels.device)[:, None, None]
    carried = voxels[batch, time, column.clamp(0, x - 1), row.clamp(0, y - 1)]
    return carried.masked_fill(~inside[..., None], OUTSIDE)


def carry_map(
    still: Float[Tensor, "batch channel x y"], motion: Float[Tensor, "batch frame 3"]
) -> Float[Tensor, "batch_frame channel x y"]:
    """The middle frame's map as frames see it, between cells by straight lines, zero outside."""
    x, y = still.shape[2:]
    across, along = _cells(x, y, still.device)
    dx, dy, yaw = (part[..., None, None] for part in motion.unbind(-1))  # [B F 1 1]
    cos, sin = yaw.cos(), yaw.sin()
    column = cos * along - sin * across + dx
    row = sin * along + cos * across + dy
    where = torch.stack((row * (2 / y), column * (2 / x)), dim=-1).flatten(0, 1)  # [B F X Y 2]
    many = still[:, None].expand(-1, motion.shape[1], -1, -1, -1).flatten(0, 1)
    return F.grid_sample(many, where.to(many.dtype), align_corners=False)


def _cells(x: int, y: int, device: Any) -> tuple[Tensor, Tensor]:
    """Places of the cells' centres along y and x, from the middle of the grid [cells]."""
    along = torch.arange(x, device=device, dtype=torch.float32) - (x - 1) / 2
    across = torch.arange(y, device=device, dtype=torch.float32) - (y - 1) / 2
    return across, along[:, None]

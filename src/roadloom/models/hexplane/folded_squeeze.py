"""Expansion and squeeze for the folded decoder: six maps to a volume by broadcast products.

    planes -> own convolutions, time made whole -> broadcast to [T X Y Z], multiplied

With motion, the product of XY, XZ and YZ lies in the middle frame and is carried to each frame,
at full resolution, before it meets the others.
Each plane speaks of the axes that it lacks by its channels: XY, TX and TY give every height
features of its own. All factors but XY are one plus what their net says, so that a new network
passes XY through and each plane learns what to switch.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.folded import Residual
from roadloom.models.hexplane.motion import carry_map, read_motion
from roadloom.models.hexplane.parts import Volume
from roadloom.models.hexplane.planes import NAMES, Planes


class PlaneDecoder(nn.Module):
    """One plane of the latent to factors of the product; the time axis grows back."""

    def __init__(self, inputs: int, width: int, outputs: int, blocks: int, stretch: int) -> None:
        super().__init__()
        self.stretch = stretch
        self.inward = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.out = nn.Conv2d(width, outputs * stretch, 1)

    def forward(self, plane: Tensor) -> Tensor:
        """[B C first second] to channels last: [B stretch*first second outputs]."""
        cells = self.out(F.silu(self.blocks(self.inward(plane)))).permute(0, 2, 3, 1)
        cells = cells.unflatten(-1, (self.stretch, -1))  # [B first second stretch C]
        return cells.transpose(2, 3).flatten(1, 2)


class Factors(NamedTuple):
    """What all frames share, channels last but for the first."""

    still: Float[Tensor, "batch channel x y"]
    """XY, XZ and YZ multiplied: with motion at full resolution, else with the heights folded."""
    tx: Float[Tensor, "batch time x z channel"]
    ty: Float[Tensor, "batch time y z channel"]
    tz: Float[Tensor, "batch time z channel"]
    motion: Float[Tensor, "batch time 3"] | None


class FoldedSqueeze(nn.Module):
    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.heights, self.frames = config.size.z, config.frames
        self.patch = tuple(2**k for k in config.halvings[1:3])
        channels = config.query_channels
        folded = channels * config.size.z
        self.nets = nn.ModuleList(
            PlaneDecoder(
                config.channels,
                config.ground_width if name == "xy" else config.plane_width,
                channels if "z" in name else folded,
                config.ground_blocks if name == "xy" else config.plane_blocks,
                2 ** config.halvings[0] if "t" in name else 1,
            )
            for name in NAMES
        )
        self.motion = config.carries
        if config.carries:
            self.lift = nn.Linear(folded, folded)
            nn.init.orthogonal_(self.lift.weight)

    def expand(self, planes: Planes) -> Factors:
        """The costly part, the same for all frames."""
        maps = [net(plane) for net, plane in zip(self.nets, planes, strict=True)]
        xy, xz, yz, tx, ty, tz = (
            m if "z" in name else m.unflatten(-1, (self.heights, -1))
            for name, m in zip(NAMES, maps, strict=True)
        )
        still = (xy * (1 + xz)[:, :, None] * (1 + yz)[:, None]).flatten(-2)  # [B X Y Z*C]
        motion = read_motion(planes.tz, self.frames) if self.motion else None
        if self.motion:
            fine = self.lift(still).unflatten(-1, (*self.patch, -1)).transpose(2, 3)
            still = fine.flatten(1, 2).flatten(2, 3)  # at full resolution
        return Factors(still.permute(0, 3, 1, 2), 1 + tx, 1 + ty, 1 + tz, motion)

    def product(self, factors: Factors, frames: Int64[Tensor, "batch frame"]) -> Volume:
        """Multiply what ``expand`` gave, for the frames of those numbers."""
        examples = torch.arange(len(frames), device=frames.device)[:, None]
        tx, ty, tz = (factor[examples, frames] for factor in factors[1:4])
        moving = (tx * tz[:, :, None])[:, :, :, None] * ty[:, :, None]  # [B F X Y Z C]
        if factors.motion is None:
            still = factors.still.permute(0, 2, 3, 1)[:, None]
        else:
            fine = carry_map(factors.still, factors.motion[examples, frames])  # [BF c X Y]
            px, py = self.patch
            cells = fine.permute(0, 2, 3, 1).unflatten(2, (-1, py)).unflatten(1, (-1, px))
            still = cells.transpose(2, 3).flatten(3).unflatten(0, frames.shape)
        return (still.unflatten(-1, (self.heights, -1)) * moving).permute(0, 5, 1, 2, 3, 4)

"""Expansion and squeeze for the folded decoder: six maps to a volume by broadcast products.

    planes -> own convolutions, time made whole -> broadcast to [T X Y Z], multiplied

Each plane speaks of the axes that it lacks by its channels: XY, TX and TY give every height
features of its own. All factors but XY are one plus what their net says, so that a new network
passes XY through and each plane learns what to switch.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor, nn

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.folded import Residual
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


class FoldedSqueeze(nn.Module):
    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.heights, channels = config.size.z, config.query_channels
        self.nets = nn.ModuleList(
            PlaneDecoder(
                config.channels,
                config.ground_width if name == "xy" else config.plane_width,
                channels if "z" in name else channels * config.size.z,
                config.plane_blocks,
                2 ** config.halvings[0] if "t" in name else 1,
            )
            for name in NAMES
        )

    def expand(self, planes: Planes) -> Planes:
        """The factors, channels last, with whole time; the costly part, the same for all frames."""
        maps = [net(plane) for net, plane in zip(self.nets, planes, strict=True)]
        xy, xz, yz, tx, ty, tz = (
            m if "z" in name else m.unflatten(-1, (self.heights, -1))
            for name, m in zip(NAMES, maps, strict=True)
        )
        return Planes(xy, 1 + xz, 1 + yz, 1 + tx, 1 + ty, 1 + tz)

    def product(self, factors: Planes, frames: Int64[Tensor, "batch frame"]) -> Volume:
        """Multiply what ``expand`` gave, for the frames of those numbers."""
        xy, xz, yz, tx, ty, tz = factors  # [B X Y Z C] [B X Z C] [B Y Z C] [B T . Z C] [B T Z C]
        examples = torch.arange(len(frames), device=frames.device)[:, None]
        tx, ty, tz = (factor[examples, frames] for factor in (tx, ty, tz))
        still = xy * xz[:, :, None] * yz[:, None]
        moving = (tx * tz[:, :, None])[:, :, :, None] * ty[:, :, None]  # [B T X Y Z C]
        return (still[:, None] * moving).permute(0, 5, 1, 2, 3, 4)

"""Expansion and squeeze for the folded decoder: six maps to a volume by broadcast products.

    planes -> own convolutions, time made whole -> broadcast to [T X Y Z], multiplied

With motion, the product of XY, XZ and YZ lies in the middle frame and is carried to each frame,
at full resolution, before it meets the others.
Each plane speaks of axes that it lacks by its channels: XY, TX and TY give every height features
of its own, and XY every frame, so that what moves has its place in each. All factors but XY are
one plus what their net says, so that a new network passes XY through and each plane learns what
to switch.
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
        return self.read(self.trunk(plane))

    def trunk(self, plane: Tensor) -> Tensor:
        """[B width first second]"""
        return F.silu(self.blocks(self.inward(plane)))

    def read(self, hidden: Tensor) -> Tensor:
        cells = self.out(hidden).permute(0, 2, 3, 1)
        cells = cells.unflatten(-1, (self.stretch, -1))  # [B first second stretch C]
        return cells.transpose(2, 3).flatten(1, 2)


class Factors(NamedTuple):
    """What all frames share; channels last."""

    xy: Float[Tensor, "batch x y z channel"]
    lines: Float[Tensor, "batch x y z channel"]
    """XZ times YZ."""
    tx: Float[Tensor, "batch time x z channel"]
    ty: Float[Tensor, "batch time y z channel"]
    tz: Float[Tensor, "batch time z channel"]
    slots: Float[Tensor, "batch x y time slot"] | None
    """What XY says of each frame."""
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
        self.slot_width, self.motion = config.slot_width, config.carries
        if config.slot_width:
            self.slots = nn.Linear(config.ground_width, config.frames * config.slot_width)
            self.slot_out = nn.Linear(config.slot_width, folded)
            nn.init.zeros_(self.slot_out.weight)
            nn.init.zeros_(self.slot_out.bias)
        if config.carries:
            self.lift = nn.Linear(folded, folded)
            nn.init.orthogonal_(self.lift.weight)

    def expand(self, planes: Planes) -> Factors:
        """The costly part, the same for all frames."""
        ground, *others = self.nets
        hidden = ground.trunk(planes.xy)
        maps = [net(plane) for net, plane in zip(others, planes[1:], strict=True)]
        xz, yz, tx, ty, tz = (
            m if "z" in name else m.unflatten(-1, (self.heights, -1))
            for name, m in zip(NAMES[1:], maps, strict=True)
        )
        slots = None
        if self.slot_width:
            slots = self.slots(hidden.permute(0, 2, 3, 1)).unflatten(-1, (self.frames, -1))
        return Factors(
            xy=ground.read(hidden).unflatten(-1, (self.heights, -1)),
            lines=(1 + xz)[:, :, None] * (1 + yz)[:, None],
            tx=1 + tx, ty=1 + ty, tz=1 + tz, slots=slots,
            motion=read_motion(planes.tz, self.frames) if self.motion else None,
        )  # fmt: skip

    def product(self, factors: Factors, frames: Int64[Tensor, "batch frame"]) -> Volume:
        """Multiply what ``expand`` gave, for the frames of those numbers."""
        examples = torch.arange(len(frames), device=frames.device)[:, None]
        tx, ty, tz = (factor[examples, frames] for factor in factors[2:5])
        moving = (tx * tz[:, :, None])[:, :, :, None] * ty[:, :, None]  # [B F X Y Z C]
        still = self._still(factors, frames)
        if factors.motion is not None:
            still = self._carried(still, factors.motion[examples, frames])
        return (still * moving).permute(0, 5, 1, 2, 3, 4)

    def _still(self, factors: Factors, frames: Tensor) -> Tensor:
        """XY times XZ times YZ, [B F X Y Z C]."""
        xy = factors.xy[:, None]
        if factors.slots is None:
            return (xy * factors.lines[:, None]).expand(-1, frames.shape[1], -1, -1, -1, -1)
        examples = torch.arange(len(frames), device=frames.device)[:, None]
        own = self.slot_out(factors.slots.movedim(3, 1)[examples, frames])  # [B F X Y Z*C]
        return (xy + own.unflatten(-1, (self.heights, -1))) * factors.lines[:, None]

    def _carried(self, still: Tensor, motion: Tensor) -> Tensor:
        """From the middle frame to each frame, by maps of full resolution."""
        px, py = self.patch
        fine = self.lift(still.flatten(-2)).unflatten(-1, (px, py, -1)).transpose(3, 4)
        fine = fine.flatten(2, 3).flatten(3, 4).flatten(0, 1).permute(0, 3, 1, 2)  # [BF c X Y]
        seen = carry_map(fine, motion.flatten(0, 1)[:, None])
        cells = seen.permute(0, 2, 3, 1).unflatten(2, (-1, py)).unflatten(1, (-1, px))
        return (
            cells.transpose(2, 3)
            .flatten(3)
            .unflatten(0, still.shape[:2])
            .unflatten(-1, (self.heights, -1))
        )

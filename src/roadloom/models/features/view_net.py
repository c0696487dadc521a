"""A rendered view of one frame to one feature vector: what the 2-D generation scores look at.

    RGB [B 3 H W] -> strided convolutions [B 96 H/16 W/16] -> mean and deviation -> features [B 48]

The views are those of ``roadloom.metrics.oblique``: fixed camera, fixed colours. Features are
whitened by numbers kept with the weights, as those of ``scene_net``.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class ViewFeatureConfig:
    widths: tuple[int, int, int, int] = (24, 48, 64, 96)
    """Channels after each halving of the picture."""
    features: int = 48

    def __post_init__(self) -> None:
        if any(width % 8 for width in self.widths):
            raise ValueError(f"widths must be multiples of 8, got {self.widths}")


class ViewFeatures(nn.Module):
    def __init__(self, config: ViewFeatureConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after, 5 if before == 3 else 3, stride=2, padding=1 + (before == 3))
            for before, after in zip((3, *config.widths), config.widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in config.widths)
        self.blocks = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1) for width in config.widths[1:]
        )
        self.readout = nn.Linear(2 * config.widths[-1], config.features)
        self.register_buffer("center", torch.zeros(config.features))
        self.register_buffer("whiten", torch.eye(config.features))

    def forward(self, image: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch f"]:
        return (self.raw(image) - self.center) @ self.whiten

    def raw(self, image: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch f"]:
        """Features before they are whitened."""
        seen = image.to(self.readout.weight.dtype) / 127.5 - 1
        for number, (stage, norm) in enumerate(zip(self.stages, self.norms, strict=True)):
            seen = F.silu(norm(stage(seen)))
            if number:
                seen = seen + F.silu(self.blocks[number - 1](seen))
        seen = seen.flatten(2)
        deviation = (seen.var(dim=2, correction=0) + 1e-5).sqrt()
        return self.readout(torch.cat([seen.mean(dim=2), deviation], dim=1))

"""From numbers to vectors of a transformer's width: patches, positions, the noise level."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

PERIOD = 10000.0
"""Longest wavelength of the sinusoids, over 2 pi."""
TIME_WAVES = 256


class PatchEmbed(nn.Module):
    """A linear layer over patches, its weight shaped as that of a strided convolution."""

    def __init__(self, channels: int, patch: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, channels, patch, patch))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.xavier_uniform_(self.weight.view(width, -1))

    def forward(
        self, tokens: Float[Tensor, "batch token cell"]
    ) -> Float[Tensor, "batch token width"]:
        """Embed patches as ``layouts.cut`` orders them: the channel fastest."""
        return F.linear(tokens, self.weight.permute(0, 2, 3, 1).flatten(1), self.bias)


class TimeEmbed(nn.Module):
    """The noise level on the scale 0 to 1000, as waves through a small perceptron."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(TIME_WAVES, width), nn.SiLU(), nn.Linear(width, width))
        for linear in (self.mlp[0], self.mlp[2]):
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
        # in single precision: at 1000 its rounding moves the angle by 1e-4, and networks that
        # were trained elsewhere saw these angles
        self.register_buffer("rates", _rates(TIME_WAVES // 2, torch.float32), persistent=False)

    def forward(self, time: Tensor) -> Float[Tensor, "batch width"]:
        angles = time[:, None].float() * self.rates
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))


def wave_table(grid: Sequence[int], width: int) -> Float[Tensor, "cell width"]:
    """Fixed position vectors of every cell of a grid, its first axis slowest.

    The width is shared out among the axes, the last axis first; an axis has its sines, then its
    cosines (Vaswani et al., arXiv 1706.03762, section 3.5, on two axes).
    """
    axes = [torch.arange(cells, dtype=torch.float64) for cells in grid]
    places = torch.meshgrid(*axes, indexing="ij")
    parts = []
    for place in reversed(places):
        angles = place.reshape(-1, 1) * _rates(width // (2 * len(grid)), torch.float64)
        parts += [angles.sin(), angles.cos()]
    return torch.cat(parts, dim=1).float()


def _rates(count: int, dtype: torch.dtype) -> Float[Tensor, " wave"]:
    return torch.exp(-math.log(PERIOD) * torch.arange(count, dtype=dtype) / count)

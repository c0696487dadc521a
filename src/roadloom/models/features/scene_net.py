"""A short film of occupancy to one feature vector: what the 3-D generation scores look at.

    labels [B T X Y Z] -> patches of 4 x 4 columns [B T X/4 Y/4 32]
      -> 2-D and 1-D convolutions [B T X/8 Y/8 48] [B T X/16 Y/16 64]
      -> of each: how much is there, and how much it changes over 1, 2 and 4 frames, as logarithms
      -> features [B 48], or [B 11] with pace [B 6] -> whitened

The first layer is linear in the one-hot labels of a patch, height included; free voxels add
nothing, so it costs as much as there is to see. Logarithms, because scenes hold a thousand
voxels of road for one of a pedestrian.

Trained with 48 features; those that scores look at are fewer, as the distance of real to real
windows grows with their number: the amounts of the classes that ``totals`` reads from the 48,
and the ``pace``. Each is brought to mean 0 and deviation 1 over training windows by numbers kept
with the weights.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

LEAST_SHARE = 1e-3
"""Of the largest variance: directions with less are not stretched any further."""
LAGS = (1, 2, 4)
"""Frames between which change is pooled."""
PLACES = 4
"""Parts of the ground along x and y that the last layer is pooled in."""
LEAST_POOLED = 1e-3
"""Added before logarithms."""


@dataclass(frozen=True, kw_only=True)
class SceneFeatureConfig:
    classes: int = 12
    """View ids 0 (free) to ``classes - 1``; 255 has a row of its own."""
    height: int = 8
    """Cells along z."""
    patch: int = 4
    """Cells along x and y that the first layer takes together."""
    widths: tuple[int, int, int] = (32, 48, 64)
    features: int = 48
    pace: bool = False
    """Add to the features how the change of each layer over 1 and 2 frames compares with that
    over 4: for films in their order less, and the more so the steadier things move."""

    def __post_init__(self) -> None:
        if not 2 <= self.classes <= 254:
            raise ValueError(f"classes must lie in 2 to 254, got {self.classes}")
        if self.height < 1 or self.patch < 1:
            raise ValueError(f"height {self.height} and patch {self.patch} must be positive")
        if any(width % 8 for width in self.widths):
            raise ValueError(f"widths must be multiples of 8, got {self.widths}")


class SceneFeatures(nn.Module):
    def __init__(self, config: SceneFeatureConfig) -> None:
        super().__init__()
        self.config = config
        narrow, middle, wide = config.widths
        rows = config.patch**2 * config.height * (config.classes + 1)
        self.table = nn.Parameter(torch.randn(rows, narrow) / 4)
        self.first_bias = nn.Parameter(torch.zeros(narrow))
        self.down = nn.Conv2d(narrow, middle, 3, stride=2, padding=1)
        self.middle = Block(middle)
        self.down_again = nn.Conv2d(middle, wide, 3, stride=2, padding=1)
        self.wide = Block(wide)
        pooled = (1 + len(LAGS)) * sum(config.widths) + (PLACES**2 - 1) * wide
        self.readout = nn.Linear(pooled, config.features)
        count = config.features + 2 * len(config.widths) * config.pace
        self.register_buffer("center", torch.zeros(count))
        self.register_buffer("whiten", torch.eye(count))

    def forward(self, labels: UInt8[Tensor, "batch time x y z"]) -> Float[Tensor, "batch feature"]:
        return (self.raw(labels) - self.center) @ self.whiten

    def raw(self, labels: UInt8[Tensor, "batch time x y z"]) -> Float[Tensor, "batch feature"]:
        """Features before they are whitened."""
        patches = self.embed(labels)  # [B T X Y C]
        batch, time = patches.shape[:2]
        fine = patches.flatten(0, 1).permute(0, 3, 1, 2)
        coarse = self.middle(self.down(F.silu(fine)), time)
        coarsest = self.wide(self.down_again(coarse), time)
        pooled = [
            pool_film(level.unflatten(0, (batch, time)), places)
            for level, places in ((fine, 1), (coarse, 1), (coarsest, PLACES))
        ]
        found = self.readout(torch.cat(pooled, dim=1))
        if not self.config.pace:
            return found
        widths = self.config.widths
        paces = [pace_of(part, width) for part, width in zip(pooled, widths, strict=True)]
        return torch.cat([found, *paces], dim=1)

    def embed(self, labels: UInt8[Tensor, "batch time x y z"]) -> Tensor:
        """The linear layer on one-hot patches [B T X/p Y/p C], as sums of table rows."""
        c, p = self.config, self.config.patch
        batch, time, x, y, z = labels.shape
        if z != c.height or x % p or y % p:
            raise ValueError(f"cells {x} x {y} x {z} do not fit patches of {p} x {p} x {c.height}")
        ids = labels.unflatten(3, (y // p, p)).unflatten(2, (x // p, p)).transpose(3, 4)
        ids = ids.reshape(-1, p * p * z)  # [patch voxel]
        if ((ids >= c.classes) & (ids != 255)).any():
            raise ValueError(f"an id is neither below {c.classes} nor 255")
        filled = ids != 0
        ids = ids.clamp(max=c.classes).int()  # 255 is the last row of its voxel
        rows = ids + (c.classes + 1) * torch.arange(p * p * z, device=ids.device).int()
        ends = filled.sum(dim=1, dtype=torch.int32).cumsum(0, dtype=torch.int32)
        starts = F.pad(ends[:-1], (1, 0))
        bags = F.embedding_bag(rows[filled], self.table, starts, mode="sum") + self.first_bias
        return bags.reshape(batch, time, x // p, y // p, -1)


class Block(nn.Module):
    """One residual step over the ground, one over time, both of three cells' reach."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ground_norm = nn.GroupNorm(8, width)
        self.ground = nn.Conv2d(width, width, 3, padding=1)
        self.time_norm = nn.GroupNorm(8, width)
        self.time = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, frames: Tensor, time: int) -> Tensor:
        frames = frames + self.ground(F.silu(self.ground_norm(frames)))  # [B*T C X Y]
        mixed = F.silu(self.time_norm(frames)).unflatten(0, (-1, time))
        mixed = mixed.permute(0, 3, 4, 2, 1)  # [B X Y C T]
        mixed = self.time(mixed.flatten(0, 2)).unflatten(0, mixed.shape[:3])
        return frames + mixed.permute(0, 4, 3, 1, 2).flatten(0, 1)


def pool_film(
    film: Float[Tensor, "batch time channel x y"], places: int
) -> Float[Tensor, "batch pooled"]:
    """Logarithms of how much there is in each place, and of how much changes over ``LAGS``."""
    present = F.adaptive_avg_pool2d(F.relu(film).mean(dim=1), places).flatten(1)
    changes = []
    for lag in LAGS:
        if lag < film.shape[1]:
            changes.append((film[:, lag:] - film[:, :-lag]).abs().mean(dim=(1, 3, 4)))
        else:
            changes.append(film.new_zeros(film.shape[0], film.shape[2]))
    return (torch.cat([present, *changes], dim=1) + LEAST_POOLED).log()


def pace_of(pooled: Float[Tensor, "batch pooled"], width: int) -> Float[Tensor, "batch 2"]:
    """Mean over channels of log (change over 1 frame / over 4), and of 2 frames / 4."""
    one, two, four = pooled[:, -len(LAGS) * width :].unflatten(1, (len(LAGS), width)).unbind(1)
    return torch.stack([(one - four).mean(dim=1), (two - four).mean(dim=1)], dim=1)


@torch.no_grad()
def whiten(net: nn.Module, batches: Iterable[Tensor], *, correlated: bool = False) -> None:
    """Set ``center`` and ``whiten`` of a feature network from inputs of its training.

    Args:
        correlated: bring each feature to deviation 1 and leave what they share.
    """
    raw = torch.cat([net.raw(batch) for batch in batches]).double()
    covariance = torch.cov(raw.T)
    if correlated:
        covariance = covariance.diag().diag()
    values, vectors = torch.linalg.eigh(covariance)
    spread = values.clamp(min=float(values[-1]) * LEAST_SHARE).sqrt()
    net.center.copy_(raw.mean(dim=0))
    net.whiten.copy_((vectors / spread) @ vectors.T)  # the symmetric one: nothing is turned

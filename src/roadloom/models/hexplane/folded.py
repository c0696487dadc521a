"""The cheap nets of our autoencoder: 2-D convolutions over the ground, heights in the channels.

    voxels -> FoldedExtractor -> volume        volume -> FoldedHead -> logits

A frame of a driving scene is a shallow box, so one map of the ground holds it: the channels of a
map cell are its heights times their features. Every net works frame by frame, and normalises each
map cell by itself, so that what it says of a place never depends on places out of its reach, nor
on how large the map is. Tensors are laid out channels last: folding heights costs no copy.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.parts import Volume


class CellNorm(nn.Module):
    """Layer norm of each map cell over its channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(
        self, maps: Float[Tensor, "map channel first second"]
    ) -> Float[Tensor, "map channel first second"]:
        cells = maps.permute(0, 2, 3, 1)
        return F.layer_norm(cells, cells.shape[-1:], self.weight, self.bias).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """x + conv(SiLU(conv(norm(x)))), the identity at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = CellNorm(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(
        self, maps: Float[Tensor, "map channel first second"]
    ) -> Float[Tensor, "map channel first second"]:
        return maps + self.second(F.silu(self.first(self.norm(maps))))


def fold(volume: Volume) -> Float[Tensor, "frame folded x y"]:
    """Frames to the batch, heights to the channels (height-major)."""
    cells = volume.permute(0, 2, 3, 4, 5, 1)  # [B T X Y Z C]
    return cells.flatten(4).flatten(0, 1).permute(0, 3, 1, 2)


def unfold(maps: Float[Tensor, "frame folded x y"], frames: int, heights: int) -> Volume:
    """Undo ``fold``: ``frames`` of each example, ``heights`` of each map cell."""
    cells = maps.permute(0, 2, 3, 1).unflatten(-1, (heights, -1)).unflatten(0, (-1, frames))
    return cells.permute(0, 5, 1, 2, 3, 4)


class FoldedExtractor(nn.Module):
    """Labels to features: each column of voxels is looked up whole, then residual convolutions.

    Both volumes are one: what differs between the kinds of planes is left to the projection.
    """

    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.classes = config.classes
        self.patch = tuple(2**k for k in config.halvings[1:3])
        self.heights = config.size.z
        column = self.patch[0] * self.patch[1] * config.shape[2]
        self.table = nn.Parameter(torch.randn(column * config.classes, config.width) / column**0.5)
        self.blocks = nn.ModuleList(Residual(config.width) for _ in range(config.extractor_blocks))
        self.out = nn.Conv2d(config.width, config.size.z * config.volume_channels, 1)

    def forward(
        self, voxels: UInt8[Tensor, "batch time x_full y_full z_full"]
    ) -> tuple[Volume, Volume]:
        maps = self.look_up(voxels)
        for block in self.blocks:
            maps = block(maps)
        volume = unfold(self.out(maps), voxels.shape[1], self.heights)
        return volume, volume

    def look_up(
        self, voxels: UInt8[Tensor, "batch time x_full y_full z_full"]
    ) -> Float[Tensor, "frame width x_low y_low"]:
        """The sum over a column's voxels of a vector by place and class; zero for no class."""
        b, t, x, y, z = voxels.shape
        px, py = self.patch
        columns = voxels.reshape(b * t, x // px, px, y // py, py, z).transpose(2, 3)
        columns = columns.flatten(3)  # [BT X' Y' px*py*Z]
        dtype = _dtype(self.table)
        # A product with ones and zeros is faster than a bag of rows, both ways; and bytes become
        # floats faster than truth values do.
        ids = torch.arange(self.classes, dtype=torch.uint8, device=columns.device)
        hot = (columns[..., None] == ids).view(torch.uint8).to(dtype)
        return (hot.flatten(-2) @ self.table.to(dtype)).permute(0, 3, 1, 2)


class FoldedHead(nn.Module):
    """A squeezed volume to logits: residual convolutions, then each map cell's voxels at once."""

    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.patch = tuple(2**k for k in config.halvings[1:3])
        self.shape = (config.shape[2], config.classes)
        self.inward = nn.Conv2d(config.size.z * config.query_channels, config.width, 1)
        self.blocks = nn.ModuleList(Residual(config.width) for _ in range(config.head_blocks))
        self.norm = CellNorm(config.width)
        voxels = self.patch[0] * self.patch[1] * config.shape[2]
        self.out = nn.Conv2d(config.width, voxels * config.classes, 1)

    def forward(
        self, volume: Volume, first: int = 0
    ) -> Float[Tensor, "batch time x_full y_full z_full class"]:
        frames = volume.shape[2]
        maps = self.inward(fold(volume))
        for block in self.blocks:
            maps = block(maps)
        cells = self.out(F.silu(self.norm(maps))).permute(0, 2, 3, 1)  # [BT X' Y' px*py*Z*K]
        cells = cells.unflatten(-1, (*self.patch, *self.shape)).transpose(2, 3)
        return cells.flatten(1, 2).flatten(2, 3).unflatten(0, (-1, frames))


def _dtype(weight: Tensor) -> torch.dtype:
    """What a matrix product would compute in here."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype

"""Labels to feature volumes by two 3-D convolution nets, each frame by itself.

    voxels [B T X Y Z] -> label table -> net -> volume [B C T X' Y' Z'], one per net

The temporal net also sees the frame's number, one-hot. Its convolutions repeat the border and
each is followed, sooner or later, by instance normalisation, so an input that is constant over
space adds a constant to each channel, which the normalisation takes away: with at least one
halving the frame's number changes nothing, and the cheap way leaves it out.
"""

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.frame_norm import frame_norm
from roadloom.models.hexplane.parts import Volume

SLOPE = 0.1
"""Of the leaky steps everywhere in the published networks."""


class VolumeExtractor(nn.Module):
    """``reference``: compute as published, every channel and operation real."""

    checkpointing = False
    """Keep no activations of the nets; compute them again in the backward pass."""
    frames_at_once = 4
    """While checkpointing."""

    def __init__(self, config: HexPlaneConfig, *, reference: bool = False) -> None:
        super().__init__()
        self.config, self.reference = config, reference
        width = config.volume_channels
        self.table = nn.Embedding(config.classes, width)
        self.spatial = FrameNet(width, width, config.halvings[1:])
        self.temporal = FrameNet(width + config.frames, width, config.halvings[1:])

    def forward(
        self, voxels: UInt8[Tensor, "batch time x_full y_full z_full"]
    ) -> tuple[Volume, Volume]:
        if self.reference:
            return self._as_published(voxels)
        frames = voxels.flatten(0, 1)  # [N X Y Z]
        step = self.frames_at_once if self.checkpointing else len(frames)
        parts = [self._cells(chunk) for chunk in frames.split(step)]
        batch, time = voxels.shape[:2]
        both = (torch.cat(part) if len(parts) > 1 else part[0] for part in zip(*parts, strict=True))
        first, second = (
            cells.unflatten(0, (batch, time)).permute(0, 5, 1, 2, 3, 4) for cells in both
        )
        if not self.temporal.stages:
            first_conv = self.temporal.first.weight[:, self.config.volume_channels :]
            second = second + first_conv.sum(dim=(2, 3, 4))[None, :, :time, None, None, None]
        return first, second

    def _cells(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        if self.checkpointing and torch.is_grad_enabled():
            out: tuple[Tensor, Tensor] = checkpoint(self._nets, frames, use_reentrant=False)
            return out
        return self._nets(frames)

    def _nets(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Both nets on frames [N X Y Z]: cells [N X' Y' Z' C] each."""
        hot = one_hot(frames, self.config.classes, self._dtype(frames))  # [N X Y Z K]
        hot = repeat_border(hot)
        spatial, temporal = self.spatial, self.temporal
        table = self.table.weight
        return spatial.cheap(hot, table), temporal.cheap(hot, table)

    def _dtype(self, frames: Tensor) -> torch.dtype:
        kind = frames.device.type
        if torch.is_autocast_enabled(kind):
            return torch.get_autocast_dtype(kind)
        return self.table.weight.dtype

    def _as_published(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        batch, time = voxels.shape[:2]
        features = self.table(voxels.long()).flatten(0, 1).movedim(-1, 1)  # [N C X Y Z]
        number = torch.arange(time, device=voxels.device).repeat(batch)
        code = F.one_hot(number, self.config.frames).to(features)  # [N T]
        code = code[:, :, None, None, None].expand(-1, -1, *features.shape[2:])
        temporal = self.temporal(torch.cat([features, code], dim=1))
        volumes = (self.spatial(features), temporal)
        first, second = (v.unflatten(0, (batch, time)).transpose(1, 2) for v in volumes)
        return first, second


class FrameNet(nn.Module):
    """Convolution, residual unit, then per halving a strided convolution and a unit."""

    def __init__(self, inputs: int, width: int, halvings: tuple[int, ...]) -> None:
        super().__init__()
        self.first = conv3(inputs, width)
        self.unit = Unit(width)
        self.stages = nn.ModuleList(
            Stage(width, tuple(2 if times > done else 1 for times in halvings))
            for done in range(max(halvings))
        )

    def forward(self, x: Tensor) -> Tensor:
        """As published: [N C X Y Z] to [N C X' Y' Z']."""
        x = self.unit(self.first(x))
        for stage in self.stages:
            x = stage(x)
        return x

    def cheap(self, hot: Tensor, table: Tensor) -> Tensor:
        """The same from one-hot labels [N X+2 Y+2 Z+2 K], border repeated, cells last.

        Table and first convolution are both linear, so they are one; no gradient flows into
        its input then, and both nets share it.
        """
        weight = self.first.weight[:, : table.shape[1]]
        weight = torch.einsum("oixyz,ki->okxyz", weight, table)
        x = conv_cells(hot, weight, self.first.bias)
        x = self.unit.cheap(x)
        for stage in self.stages:
            x = stage.cheap(x)
        return x


class Unit(nn.Module):
    """x + [conv3 - norm - leaky - conv3 - norm]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv3(width, width), conv3(width, width)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.leaky_relu(F.instance_norm(self.first(x)), SLOPE)
        return x + F.instance_norm(self.second(inner))

    def cheap(self, x: Tensor) -> Tensor:
        inner = conv_cells(repeat_border(x), self.first.weight, self.first.bias)
        inner = repeat_border(frame_norm(inner, SLOPE))
        return x + frame_norm(conv_cells(inner, self.second.weight, self.second.bias))


class Stage(nn.Module):
    """A convolution with kernel and stride of ``factors``, normalised, then a unit."""

    def __init__(self, width: int, factors: tuple[int, ...]) -> None:
        super().__init__()
        self.factors = factors
        self.down = nn.Conv3d(width, width, factors, stride=factors)
        self.unit = Unit(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.unit(F.instance_norm(self.down(x)))

    def cheap(self, x: Tensor) -> Tensor:
        blocks = to_blocks(x, self.factors)  # [N X' Y' Z' (x y z C)]
        weight = self.down.weight.permute(0, 2, 3, 4, 1).flatten(1)
        return self.unit.cheap(frame_norm(F.linear(blocks, weight, self.down.bias)))


def conv3(inputs: int, outputs: int) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, 3, padding=1, padding_mode="replicate")


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """[...] to [... classes], without a copy of 8-byte numbers."""
    classes_of = torch.arange(classes, dtype=labels.dtype, device=labels.device)
    return (labels[..., None] == classes_of).to(dtype)


def repeat_border(cells: Tensor) -> Tensor:
    """One more cell around each frame [N X Y Z C], the nearest's copy."""
    padded = F.pad(cells.movedim(-1, 1), (1, 1, 1, 1, 1, 1), mode="replicate")
    return padded.movedim(1, -1)


def conv_cells(cells: Tensor, weight: Tensor, bias: Tensor | None, padding: int = 0) -> Tensor:
    """3-D convolution of channels-last cells [N X Y Z C]."""
    weight = weight.contiguous(memory_format=torch.channels_last_3d)
    return F.conv3d(cells.movedim(-1, 1), weight, bias, padding=padding).movedim(1, -1)


def to_blocks(cells: Tensor, factors: tuple[int, ...]) -> Tensor:
    """Cells [N X Y Z C] to blocks [N X/f Y/f Z/f (f f f C)]."""
    n, *shape, channels = cells.shape
    fx, fy, fz = factors
    x, y, z = (cell // factor for cell, factor in zip(shape, factors, strict=True))
    split = cells.reshape(n, x, fx, y, fy, z, fz, channels)
    return split.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(n, x, y, z, fx * fy * fz * channels)

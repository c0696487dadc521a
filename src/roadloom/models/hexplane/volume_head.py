"""Squeezed volume to logits by 3-D convolutions, each frame by itself.

    [B Q T X' Y' Z'] -> 1x1 -> two residual units -> x2 -> with the position code -> logits

The published order of operations is that of ``reference``. The cheap way is the same function:
the transposed convolution and the 1x1 after it are both linear, so they are one matrix product
straight to the classes; the position code is a sum of one term per axis; and the term of time is
constant over a frame, so the normalisation that follows takes it away.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.frame_norm import frame_norm
from roadloom.models.hexplane.parts import Volume
from roadloom.models.hexplane.volume_extractor import SLOPE, conv_cells

FREQUENCIES = (1, 2, 4)
"""Of the position code, times the raw cell and frame numbers."""


class VolumeHead(nn.Module):
    """``reference``: compute as published, the position code as 24 real channels."""

    def __init__(self, config: HexPlaneConfig, *, reference: bool = False) -> None:
        super().__init__()
        self.reference = reference
        low, high = config.head_channels
        self.factors = tuple(2**times for times in config.halvings[1:])
        self.enter = nn.Conv3d(config.query_channels, low, 1)
        self.wide, self.narrow = HeadUnit(low, 3), HeadUnit(low, 1)
        self.rise = nn.ConvTranspose3d(low, high, self.factors, stride=self.factors)
        code = len(FREQUENCIES) * 2 * 4
        self.mix = nn.Conv3d(high + code, config.classes, 1)
        self.last = nn.Conv3d(config.classes, config.classes, 1)

    def forward(
        self, volume: Volume, first: int = 0
    ) -> Float[Tensor, "batch time x_full y_full z_full class"]:
        batch, time = volume.shape[0], volume.shape[2]
        if self.reference:
            frames = volume.transpose(1, 2).flatten(0, 1)  # [N Q X' Y' Z']
            logits = self._as_published(frames, first + torch.arange(time).repeat(batch))
            return logits.movedim(1, -1).unflatten(0, (batch, time))
        cells = volume.permute(0, 2, 3, 4, 5, 1).flatten(0, 1)  # [N X' Y' Z' Q]
        return self._cheap(cells).unflatten(0, (batch, time))

    def _as_published(self, x: Tensor, number: Tensor) -> Tensor:
        x = F.leaky_relu(self.enter(x), SLOPE)
        x = self.rise(self.narrow(self.wide(x)))
        code = position_code(number, x.shape[2:]).to(x)
        x = F.instance_norm(self.mix(torch.cat([x, code], dim=1)))
        return self.last(F.leaky_relu(x, SLOPE))

    def _cheap(self, cells: Tensor) -> Tensor:
        n, *shape = cells.shape[:4]
        x = F.linear(cells, self.enter.weight.flatten(1), self.enter.bias)
        x = self.narrow.cheap(self.wide.cheap(F.leaky_relu(x, SLOPE, inplace=True)))
        x = F.linear(x, self._rise_and_mix())  # [N X' Y' Z' (fx fy fz K)]
        blocks = x.unflatten(-1, (*self.factors, -1))  # [N X' Y' Z' fx fy fz K]
        blocks = blocks + self._positions(shape).to(blocks)
        blocks = frame_norm(blocks, SLOPE)
        logits = F.linear(blocks, self.last.weight.flatten(1), self.last.bias)
        full = [cell * factor for cell, factor in zip(shape, self.factors, strict=True)]
        return logits.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(n, *full, -1)

    def _rise_and_mix(self) -> Tensor:
        """The transposed convolution and the 1x1 after it as one matrix [(fx fy fz K), low]."""
        mix = self.mix.weight[:, : self.rise.out_channels].flatten(1)  # [K H]
        return torch.einsum("lhxyz,kh->xyzkl", self.rise.weight, mix).flatten(0, 3)

    def _positions(self, shape: Sequence[int]) -> Tensor:
        """What the code of x, y and z adds to the classes, [X' Y' Z' fx fy fz K].

        The biases before the normalisation go with it, for they are constant over a frame too.
        """
        high = self.rise.out_channels
        weight = self.mix.weight.flatten(1)
        code = weight[:, high:].unflatten(1, (len(FREQUENCIES), 2, 4))  # [K F 2 axes]
        total = weight[:, :high] @ self.rise.bias + self.mix.bias
        for axis, (cells, factor) in enumerate(zip(shape, self.factors, strict=True)):
            waves = _waves(torch.arange(cells * factor)).to(weight)  # [n F 2]
            term = torch.einsum("nfs,kfs->nk", waves, code[..., axis + 1])
            size = [1] * 6
            size[axis], size[axis + 3] = cells, factor
            total = total + term.view(*size, -1)
        return total


class HeadUnit(nn.Module):
    """x + [conv - norm - leaky - conv - norm - leaky], zeros past the border."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width, width, kernel, padding=kernel // 2)
        self.second = nn.Conv3d(width, width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        inner = x
        for conv in (self.first, self.second):
            inner = F.leaky_relu(F.instance_norm(conv(inner)), SLOPE)
        return x + inner

    def cheap(self, x: Tensor) -> Tensor:
        inner = x
        for conv in (self.first, self.second):
            if conv.kernel_size[0] == 1:
                inner = F.linear(inner, conv.weight.flatten(1), conv.bias)
            else:
                inner = conv_cells(inner, conv.weight, conv.bias, padding=conv.padding[0])
            inner = frame_norm(inner, SLOPE)
        return x + inner


def position_code(number: Tensor, shape: Sequence[int]) -> Tensor:
    """Sines and cosines of frame, x, y and z, [N 24 X Y Z]: by frequency, sines, then cosines."""
    axes = [number, *(torch.arange(cells) for cells in shape)]
    waves = torch.stack(
        [
            _waves(axis)
            .view([len(axis) if i == at else 1 for i in range(4)] + [3, 2])
            .expand(len(number), *shape, 3, 2)
            for at, axis in enumerate(axes)
        ],
        dim=-1,
    )  # [N X Y Z F 2 axes]
    return waves.flatten(-3).movedim(-1, 1)


def _waves(number: Tensor) -> Tensor:
    """Sine and cosine at each frequency, [n F 2]."""
    angle = number[:, None].float() * torch.tensor(FREQUENCIES)
    return torch.stack([angle.sin(), angle.cos()], dim=-1)

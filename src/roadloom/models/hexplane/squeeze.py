"""Planes to the volume: lift their channels, restore time, expand by broadcasting, multiply.

    planes [B C ..] -> plane block -> upsamplers -> six features -> product [B Q T X' Y' Z']

Expansion and squeeze of DynamicCity (arXiv 2410.18084, section 3.2): no coordinate is sampled.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.parts import Volume
from roadloom.models.hexplane.planes import NAMES, Planes

SLOPE, NORM_EPS = 0.1, 1e-6
"""Leaky steps; and the epsilon of the plane block's norms, unlike 1e-5 elsewhere."""


class Squeeze(nn.Module):
    """``reference``: planes padded and stacked for grouped convolutions, multiplied one by one."""

    def __init__(
        self, config: HexPlaneConfig, *, product: bool = True, reference: bool = False
    ) -> None:
        """``product``: multiply the expansions; else add them."""
        super().__init__()
        self.product, self.reference = product, reference
        width = config.query_channels
        self.block = PlaneBlock(config.channels, width, reference=reference)
        times = 2 ** config.halvings[0]
        self.upsamplers = nn.ModuleList(
            Upsampler(width, (times if name[0] == "t" else 1, 1)) for name in NAMES
        )

    def forward(self, planes: Planes) -> Volume:
        return self.volume(self.features(planes))

    def features(self, planes: Planes) -> Planes:
        """The six features [B Q ..] at the volume's resolution; small, and of all frames."""
        lifted = self.block(planes)
        pairs = zip(self.upsamplers, lifted, strict=True)
        return Planes(*(upsampler(plane) for upsampler, plane in pairs))

    def volume(self, features: Planes, first: int = 0, stop: int | None = None) -> Volume:
        """Frames ``first`` to ``stop`` of the squeezed volume, [B Q T X' Y' Z']."""
        part = features._replace(
            tx=features.tx[:, :, first:stop],
            ty=features.ty[:, :, first:stop],
            tz=features.tz[:, :, first:stop],
        )
        if self.reference:
            return self._one_by_one(part)
        # Channels last, and the still part before it meets time: two passes over the volume.
        xy, xz, yz, tx, ty, tz = (plane.permute(0, 2, 3, 1) for plane in part)
        still = self._meet(xy[:, :, :, None], xz[:, :, None], yz[:, None])  # [B X Y Z Q]
        moving = self._meet(tx[:, :, :, None], ty[:, :, None])  # [B T X Y Q]
        column = self._meet(still[:, None], tz[:, :, None, None])
        return self._meet(column, moving[:, :, :, :, None]).permute(0, 5, 1, 2, 3, 4)

    def _one_by_one(self, features: Planes) -> Tensor:
        out: Tensor | None = None
        for name, plane in zip(NAMES, features, strict=True):
            shape = [length if axis in name else 1 for axis, length in _lengths(features)]
            wide = plane.reshape(*plane.shape[:2], *shape)
            out = wide if out is None else self._meet(out, wide)
        assert out is not None
        return out

    def _meet(self, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = first * other if self.product else first + other
        return first


def _lengths(planes: Planes) -> list[tuple[str, int]]:
    return list(zip("txyz", planes.size, strict=True))


class PlaneBlock(nn.Module):
    """Residual block over the three spatial and the three temporal planes, channels raised.

    The planes never mix: the grouped convolutions are three independent ones, and the zeros
    that fill a stack are those that a convolution sees past its border. So the cheap way takes
    each plane by itself, unpadded.
    """

    def __init__(self, inputs: int, width: int, *, reference: bool = False) -> None:
        super().__init__()
        self.reference = reference
        self.lift = nn.ModuleList(_grouped(inputs, width, 3) for _ in "st")
        self.norms = nn.ModuleList(nn.InstanceNorm2d(width, NORM_EPS, affine=True) for _ in NAMES)
        self.out = nn.ModuleList(_grouped(width, width, 3) for _ in "st")
        self.shortcut = nn.ModuleList(_grouped(inputs, width, 1) for _ in "st")
        for conv in self.out:
            nn.init.zeros_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, planes: Planes) -> Planes:
        if self.reference:
            return Planes(*self._stacked(planes, 0), *self._stacked(planes, 1))
        return Planes(*(self._alone(plane, index) for index, plane in enumerate(planes)))

    def _alone(self, plane: Tensor, index: int) -> Tensor:
        half, group = divmod(index, 3)

        def conv(layer: nn.Module, x: Tensor) -> Tensor:
            weight, bias = layer.weight.chunk(3)[group], layer.bias.chunk(3)[group]
            return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

        inner = F.silu(self.norms[index](conv(self.lift[half], plane)))
        return conv(self.out[half], inner) + conv(self.shortcut[half], plane)

    def _stacked(self, planes: Planes, half: int) -> list[Tensor]:
        """Three planes as published: padded at the right and bottom, stacked, cropped."""
        three = list(planes[3 * half : 3 * half + 3])
        stack = _stack(three)
        inner = _crop(self.lift[half](stack), three)
        norms = self.norms[3 * half : 3 * half + 3]
        inner = [norm(plane) for norm, plane in zip(norms, inner, strict=True)]
        return _crop(self.out[half](F.silu(_stack(inner))) + self.shortcut[half](stack), three)


def _grouped(inputs: int, width: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(3 * inputs, 3 * width, kernel, padding=kernel // 2, groups=3)


def _stack(planes: list[Tensor]) -> Tensor:
    rows, columns = (max(plane.shape[axis] for plane in planes) for axis in (2, 3))
    return torch.cat(
        [F.pad(p, (0, columns - p.shape[3], 0, rows - p.shape[2])) for p in planes], dim=1
    )


def _crop(stack: Tensor, like: list[Tensor]) -> list[Tensor]:
    parts = zip(stack.chunk(3, dim=1), like, strict=True)
    return [part[:, :, : plane.shape[2], : plane.shape[3]] for part, plane in parts]


class Upsampler(nn.Module):
    """Transposed convolution by ``factors``, then a 3x3 one, each normalised and leaky."""

    def __init__(self, width: int, factors: tuple[int, int]) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(width, width, factors, stride=factors)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, plane: Tensor) -> Tensor:
        up = F.leaky_relu(F.instance_norm(self.up(plane)), SLOPE)
        return F.leaky_relu(F.instance_norm(self.conv(up)), SLOPE)

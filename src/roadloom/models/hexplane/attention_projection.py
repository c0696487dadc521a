"""Volumes to planes by seven small transformers, each of which squeezes some axes away.

    spatial volume --T--> XYZ --Z--> XY, --Y--> XZ, --X--> YZ
    temporal volume --YZ--> TX, --XZ--> TY, --XY--> TZ

The reduced axes become a sequence, with a learned token at its end; one position is read out
(DynamicCity, arXiv 2410.18084, section 3.2). We read the token; the published code reads
position 0 (``compat``). As one position of the last layer is used, only that one is computed:
its query q meets the keys W n of the normalised sequence n as q W n = (W^T q) n, so that neither
keys nor values of the whole sequence are made.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.parts import Volume
from roadloom.models.hexplane.planes import Planes


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Of each squeezer; the defaults are the published ones. A head is width / heads wide."""

    depth: int = 2
    heads: int = 2
    hidden: int = 32
    """Width of the perceptrons."""
    dropout: float = 0.0
    """Of rows, in training (published: 0.1); attention itself has none."""

    def __post_init__(self) -> None:
        if min(self.depth, self.heads, self.hidden) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"no such transformer: {self}")


class AttentionProjection(nn.Module):
    """``reference``: compute every position of every layer."""

    checkpointing = False
    """Keep no activations of the squeezers; compute them again in the backward pass."""

    def __init__(
        self,
        config: HexPlaneConfig,
        *,
        reference: bool = False,
        transformer: TransformerConfig | None = None,
    ) -> None:
        super().__init__()
        transformer = transformer or TransformerConfig()
        t = config.frames
        x, y, z = (n >> k for n, k in zip(config.shape, config.halvings[1:], strict=True))
        lengths = {"xyz": t, "xy": z, "xz": y, "yz": x, "tx": y * z, "ty": x * z, "tz": x * y}
        first = config.compat
        self.squeezers = nn.ModuleDict(
            {
                name: Squeezer(
                    config.volume_channels, length, transformer,
                    first=first, reference=reference, axes=len(name),
                )
                for name, length in lengths.items()
            }
        )  # fmt: skip

    def forward(self, spatial: Volume, temporal: Volume) -> Planes:
        xyz = self._squeeze("xyz", spatial, "bxyztc")  # [B X Y Z C]
        volume = xyz.movedim(-1, 1)[:, :, None]  # [B C 1 X Y Z]
        planes = {name: self._squeeze(name, volume, order) for name, order in _SPATIAL.items()}
        planes |= {name: self._squeeze(name, temporal, order) for name, order in _TIME.items()}
        return Planes(**{name: plane.movedim(-1, 1) for name, plane in planes.items()})

    def _squeeze(self, name: str, volume: Tensor, order: str) -> Tensor:
        """Kept axes, then channels last."""
        axes = volume.permute(*("bctxyz".index(axis) for axis in order))
        kept = axes.shape[: 1 + len(name)]
        sequence = axes.reshape(kept.numel(), -1, volume.shape[1])  # [N L C]
        squeezer = self.squeezers[name]
        if self.checkpointing and torch.is_grad_enabled():
            out: Tensor = checkpoint(squeezer, sequence, use_reentrant=False)
        else:
            out = squeezer(sequence)
        return out.unflatten(0, kept)


_SPATIAL = {"xy": "bxyztc", "xz": "bxzytc", "yz": "byzxtc"}
_TIME = {"tx": "btxyzc", "ty": "btyxzc", "tz": "btzxyc"}
"""Plane -> axes kept, then axes reduced, the last fastest; a frame axis of one is no matter."""


class Squeezer(nn.Module):
    """A sequence to one vector: token and positions, two layers, one position, two 1x1 convs."""

    def __init__(
        self, width: int, length: int, transformer: TransformerConfig, *, first: bool = False,
        reference: bool = False, axes: int = 2,
    ) -> None:  # fmt: skip
        """``axes``: of the kept map, which gives the read-out's weights their shape."""
        super().__init__()
        self.read, self.reference = 0 if first else length, reference
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, length + 1, width))
        self.layers = nn.ModuleList(Layer(width, transformer) for _ in range(transformer.depth))
        conv = nn.Conv3d if axes == 3 else nn.Conv2d
        self.mix, self.out = conv(width, width, 1), conv(width, width, 1)

    def forward(
        self, sequence: Float[Tensor, "sequence length width"]
    ) -> Float[Tensor, "sequence width"]:
        token = self.token.expand(len(sequence), -1, -1)
        x = torch.cat([sequence, token.to(sequence)], dim=1) + self.positions
        *layers, last = self.layers
        for layer in layers:
            x = layer(x)
        one = last(x)[:, self.read] if self.reference else last.one(x, self.read)
        hidden = torch.tanh(F.linear(one, self.mix.weight.flatten(1), self.mix.bias))
        return F.linear(hidden, self.out.weight.flatten(1), self.out.bias)


class Layer(nn.Module):
    """Pre-norm attention and perceptron."""

    def __init__(self, width: int, config: TransformerConfig) -> None:
        super().__init__()
        if width % config.heads:
            raise ValueError(f"width {width} is not a multiple of {config.heads} heads")
        self.dropout, self.heads = config.dropout, config.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, config.hidden), nn.Linear(config.hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N L C] to the same; queries, keys and values packed in this order, heads within."""
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1))  # [N L 3 H D]
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)  # [N H L D]
        return self._perceptron(x + self._drop(self.proj(mixed.transpose(1, 2).flatten(2))))

    def one(self, x: Tensor, position: int) -> Tensor:
        """Row ``position`` of what ``forward`` returns, [N C]."""
        n = self.norm1(x)  # [N L C]
        wq, wk, wv = self.qkv.weight.to(n.dtype).unflatten(0, (3, self.heads, -1))  # [H D C]
        q = torch.einsum("nc,hdc->nhd", n[:, position], wq) * wq.shape[1] ** -0.5
        scores = torch.einsum("nhd,hdc->nhc", q, wk) @ n.mT  # [N H L]
        seen = scores.softmax(dim=-1).to(n.dtype) @ n  # [N H C]
        mixed = torch.einsum("nhc,hdc->nhd", seen, wv).flatten(1)
        return self._perceptron(x[:, position] + self._drop(self.proj(mixed)))

    def _perceptron(self, x: Tensor) -> Tensor:
        hidden = self._drop(F.gelu(self.fc1(self.norm2(x))))
        return x + self._drop(self.fc2(hidden))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x

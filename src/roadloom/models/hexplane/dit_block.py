"""One block of the transformer, and the layer that reads its tokens out.

    x + gate * attention(norm(x) * (1 + scale) + shift), then a perceptron in the same way

Shifts, scales and gates have a token axis of 1 where all tokens of a sample share them.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from roadloom.models.hexplane.dit_config import DitConfig

FEW_TOKENS = 512
"""Up to which scores of all pairs are kept."""


class Block(nn.Module):
    """Attention and a perceptron, both modulated."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        width, hidden = config.width, int(config.width * config.mlp_ratio)
        self.attention = Attention(width, config.heads, config.normalize_heads)
        self.cross = CrossAttention(width, config.heads) if config.cross_attention else None
        self.mlp = nn.Sequential(
            _linear(width, hidden), nn.GELU(approximate="tanh"), _linear(hidden, width)
        )
        if config.modulation == "block":
            self.modulation = _zero_linear(width, 6 * width)
        else:
            self.table = nn.Parameter(torch.zeros(6 * width))

    def forward(
        self,
        tokens: Float[Tensor, "batch token width"],
        vector: Float[Tensor, "batch #token width"],
        shared: Tensor | None,
        image: Tensor | None,
    ) -> Float[Tensor, "batch token width"]:
        """
        Args:
            tokens: of a sample.
            vector: noise level and conditions, activated.
            shared: modulation that all blocks share [B, N or 1, 6D].
            image: tokens for cross-attention [B or 1, N, D].
        """
        own = self.modulation(vector) if hasattr(self, "modulation") else self.table
        modulation = own if shared is None else own + shared
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation.chunk(6, dim=-1)
        tokens = tokens + gate_a * self.attention(_norm(tokens) * (1 + scale_a) + shift_a)
        if self.cross is not None and image is not None:
            tokens = tokens + self.cross(_norm(tokens), image)
        return tokens + gate_m * self.mlp(_norm(tokens) * (1 + scale_m) + shift_m)


class Attention(nn.Module):
    """Every token looks at every token."""

    def __init__(self, width: int, heads: int, normalize: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = _linear(width, 3 * width), _linear(width, width)
        self.norm_q = HeadNorm(width // heads) if normalize else nn.Identity()
        self.norm_k = HeadNorm(width // heads) if normalize else nn.Identity()

    def forward(
        self, tokens: Float[Tensor, "batch token width"]
    ) -> Float[Tensor, "batch token width"]:
        q, k, v = (_heads(part, self.heads) for part in self.qkv(tokens).chunk(3, dim=-1))
        return self.out(_joined(attend(self.norm_q(q), self.norm_k(k), v)))


def attend(
    q: Float[Tensor, "batch head token size"],
    k: Float[Tensor, "batch head token size"],
    v: Float[Tensor, "batch head token size"],
) -> Float[Tensor, "batch head token size"]:
    """Scaled dot-product attention; few tokens in bfloat16 on a CPU by plain matrix products.

    There torch's fused kernel takes two to four times as long (354 tokens, forward and backward),
    and the scores of few tokens fit in memory.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or q.shape[-2] > FEW_TOKENS:
        return F.scaled_dot_product_attention(q, k, v)
    scores = (q * q.shape[-1] ** -0.5).flatten(0, 1) @ k.flatten(0, 1).mT  # [B*H N N]
    return (scores.softmax(dim=-1) @ v.flatten(0, 1)).unflatten(0, q.shape[:2])


class HeadNorm(nn.Module):
    """RMS norm with a learned scale, in the precision of its input."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, heads: Tensor) -> Tensor:
        return F.rms_norm(heads, heads.shape[-1:], self.scale.to(heads.dtype), eps=1e-6)


class CrossAttention(nn.Module):
    """Every token looks at every token of the image conditions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv = _linear(width, width), _linear(width, 2 * width)
        self.out = _linear(width, width)

    def forward(
        self, tokens: Float[Tensor, "batch token width"], image: Tensor
    ) -> Float[Tensor, "batch token width"]:
        q = _heads(self.q(tokens), self.heads)
        keys = self.kv(image).expand(len(tokens), -1, -1).chunk(2, dim=-1)
        k, v = (_heads(part, self.heads) for part in keys)
        return self.out(_joined(F.scaled_dot_product_attention(q, k, v)))


class ReadOut(nn.Module):
    """Tokens to the cells of their patches, zero at the start.

    With ``past_bottleneck``, tokens also say how much of the noisy patch itself goes to the
    output, direction by direction: ``back(gate(token) * into(patch))``, which can be the Wiener
    filter of every noise level. With ``hold_past`` they say the same of the patch of the window
    before.
    """

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        cells = config.patch**2 * config.out_channels
        self.modulation = _zero_linear(config.width, 2 * config.width)
        self.linear = _zero_linear(config.width, cells)
        self.gate: nn.Linear | None = None
        if config.past_bottleneck:
            self.gate = _zero_linear(config.width, cells)
            self.into, self.back = _identity(cells), _identity(cells)
        self.hold = _zero_linear(config.width, cells) if config.hold_past else None

    def forward(
        self,
        tokens: Float[Tensor, "batch token width"],
        vector: Float[Tensor, "batch #token width"],
        extra: Tensor | None,
        patches: Float[Tensor, "batch token cell"],
        past: Float[Tensor, "batch token cell"] | None = None,
    ) -> Float[Tensor, "batch token out_cell"]:
        """
        Args:
            extra: added to the modulation [B, N or 1, 2D].
            patches: what the network saw.
            past: patches of the window before, zero where there is none.
        """
        own = self.modulation(vector)
        shift, scale = (own if extra is None else own + extra).chunk(2, dim=-1)
        read = _norm(tokens) * (1 + scale) + shift
        out = self.linear(read)
        if self.gate is None:
            return out
        through = self.gate(read) * self.into(patches)
        if self.hold is not None and past is not None:
            through = through + self.hold(read) * self.into(past)
        return out + self.back(through)


def _norm(tokens: Tensor) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)


def _heads(tokens: Tensor, heads: int) -> Tensor:
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)  # [B H N d]


def _joined(mixed: Tensor) -> Tensor:
    return mixed.transpose(1, 2).flatten(2)  # [B N D]


def _linear(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _identity(cells: int) -> nn.Linear:
    linear = nn.Linear(cells, cells, bias=False)
    nn.init.eye_(linear.weight)
    return linear


def _zero_linear(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear

"""One block against its formula, written out; values and gradients."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from roadloom.models.hexplane.dit_block import FEW_TOKENS, Attention, Block, attend
from roadloom.models.hexplane.dit_config import DitConfig, dit_dc2


def block_of(name: str) -> Block:
    """Random weights, none of them zero."""
    sizes = {"width": 16, "heads": 2}
    block = Block(DitConfig(**sizes) if name == "ours" else dit_dc2(**sizes))  # type: ignore[arg-type]
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=source))
    return block.double()


def slow_attention(attention: Attention, tokens: Tensor) -> Tensor:
    """One sample, written out head by head."""
    width = tokens.shape[-1]
    size = width // attention.heads
    q, k, v = attention.qkv(tokens).split(width, dim=-1)
    mixed = []
    for head in range(attention.heads):
        part = slice(head * size, (head + 1) * size)
        a, b = q[:, part], k[:, part]
        if not isinstance(attention.norm_q, torch.nn.Identity):
            a = a / (a.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * attention.norm_q.scale
            b = b / (b.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * attention.norm_k.scale
        mixed.append(torch.softmax(a @ b.T / math.sqrt(size), dim=-1) @ v[:, part])
    return attention.out(torch.cat(mixed, dim=-1))


def slow_block(block: Block, tokens: Tensor, vector: Tensor, shared: Tensor | None) -> Tensor:
    """Token by token but for the attention (Peebles and Xie, figure 3)."""

    def norm(x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()

    rows = []
    for own in vector.expand(len(tokens), -1):
        rows.append(block.modulation(own) if hasattr(block, "modulation") else block.table)
    modulation = torch.stack(rows)
    if shared is not None:
        modulation = modulation + shared
    shift, scale, gate, shift2, scale2, gate2 = modulation.split(tokens.shape[-1], dim=-1)
    tokens = tokens + gate * slow_attention(block.attention, norm(tokens) * (1 + scale) + shift)
    hidden = F.gelu(block.mlp[0](norm(tokens) * (1 + scale2) + shift2), approximate="tanh")
    return tokens + gate2 * block.mlp[2](hidden)


@pytest.mark.parametrize("name", ["ours", "compat"])
def test_a_block_equals_its_formula_with_gradients(name: str) -> None:
    block = block_of(name)
    source = torch.Generator().manual_seed(1)
    tokens = torch.randn(1, 7, 16, generator=source, requires_grad=True, dtype=torch.float64)
    vector = torch.randn(1, 7 if name == "compat" else 1, 16, generator=source, dtype=torch.float64)
    shared = (
        None if name == "compat" else torch.randn(1, 7, 96, generator=source, dtype=torch.float64)
    )
    weights = [tokens, *block.parameters()]
    fast = block(tokens, vector, shared, None)
    slow = slow_block(block, tokens[0], vector[0], None if shared is None else shared[0])
    torch.testing.assert_close(fast[0], slow)
    direction = torch.randn(7, 16, generator=source, dtype=torch.float64)
    ours = torch.autograd.grad((fast[0] * direction).sum(), weights)
    theirs = torch.autograd.grad((slow * direction).sum(), weights)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("tokens", [20, FEW_TOKENS + 1])
def test_attention_in_16_bits_is_that_of_32_to_rounding(tokens: int) -> None:
    """Values and gradients; rounding is 2^-8 of numbers of size 1."""
    torch.manual_seed(0)
    parts = [torch.randn(2, 3, tokens, 8) for _ in range(3)]
    exact = [part.clone().requires_grad_() for part in parts]
    rounded = [part.bfloat16().requires_grad_() for part in parts]
    weights = torch.randn(2, 3, tokens, 8)
    wanted = F.scaled_dot_product_attention(*exact)
    found = attend(*rounded)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, atol=0.03, rtol=0.03)
    (wanted * weights).sum().backward()
    (found.float() * weights).sum().backward()
    for mine, right in zip(rounded, exact, strict=True):
        assert mine.grad is not None and right.grad is not None
        error = (mine.grad.float() - right.grad).norm() / right.grad.norm()
        assert error < 0.02

"""Instance normalisation of channels-last cells, with the leaky step after it in one.

    y = leaky((x - mean) / sqrt(variance + eps)), mean and variance over one frame's cells

The gradient needs only ``y`` and the scale: the leaky step is undone from ``y``. As the next
convolution keeps ``y`` too, a normalisation costs no memory of its own.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

EPS = 1e-5


def frame_norm(
    cells: Float[Tensor, "frame *cell channel"], slope: float = 1.0
) -> Float[Tensor, "frame *cell channel"]:
    """Normalise each channel of each frame; ``slope`` of values below zero, 1 for no step."""
    if slope <= 0:
        raise ValueError(f"a slope of {slope} cannot be undone")
    flat = cells.reshape(len(cells), -1, cells.shape[-1])
    out: Tensor = _FrameNorm.apply(flat, slope)
    return out.view(cells.shape)


class _FrameNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:  # [N S C]
        mean = x.mean(dim=1, keepdim=True, dtype=_wide(x))
        y = x - mean  # [N S C], wide
        variance = y.square().mean(dim=1, keepdim=True)
        scale = (variance + EPS).rsqrt()
        y.mul_(scale)
        if slope != 1.0:
            torch.nn.functional.leaky_relu(y, slope, inplace=True)
        y = y.to(x.dtype)
        ctx.save_for_backward(y, scale)
        ctx.slope = slope
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        y, scale = ctx.saved_tensors
        hat = y.to(scale.dtype)
        grad = grad.to(scale.dtype)
        if ctx.slope != 1.0:
            grad = torch.ops.aten.leaky_relu_backward(grad, hat, ctx.slope, False)
            hat = torch.nn.functional.leaky_relu(hat, 1 / ctx.slope)
        along = (grad * hat).mean(dim=1, keepdim=True)
        out = grad - grad.mean(dim=1, keepdim=True)
        out.addcmul_(hat, along, value=-1).mul_(scale)
        return out.to(y.dtype), None


def _wide(x: Tensor) -> torch.dtype:
    """Half precision is summed in single."""
    return torch.promote_types(x.dtype, torch.float32)

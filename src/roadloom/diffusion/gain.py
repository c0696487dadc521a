"""Clean samples made a little larger or smaller on the way: what a sampler lost, put back.

A network that has not learned its data to the end foresees clean samples that vary too little,
and each step takes it further from what it saw in training (the exposure bias of Ning et al. 2023,
arXiv 2308.15321, who scale the predicted noise instead). One sample hardly shows it. Where each
sample is made from the one before, as in a drive, the loss adds up; a network with strong guidance
gains instead.

    x_0 = x - t v -> gain x_0, so v' = gain v + (1 - gain) x / t

The mean of the data must be 0, which normalised latents have. A channel whose size means something,
as a speed does, must keep a gain of 1: it would grow from sample to sample.
"""

from math import isfinite

import torch
from torch import Tensor

from roadloom.diffusion.denoiser import Denoiser
from roadloom.diffusion.schedules import LEVELS, per_sample
from roadloom.errors import BadInput

_LEAST = 1e-6
"""Time below which ``x`` is the clean sample."""


def check_gain(gain: object, field: str = "gain") -> None:
    """
    Raises:
        BadInput: it is no finite positive number.
    """
    if type(gain) not in (int, float) or not isfinite(gain) or gain <= 0:  # type: ignore[arg-type, operator]
        raise BadInput(
            f"must be a finite positive int or float, got {gain!r}", field=field,
            remedy="leave it out, or take one near 1",
        )  # fmt: skip


def amplified(denoise: Denoiser, gain: float | Tensor) -> Denoiser:
    """A flow's denoiser whose clean samples are multiplied by ``gain``; at time 0 it is as it was.

    Args:
        gain: of all, or of each value, in a shape that broadcasts against the state.

    Raises:
        BadInput: a gain is not finite and positive, or, once called, does not fit the state.
    """
    if isinstance(gain, Tensor):
        if not gain.numel():
            raise BadInput("holds no number", field="gain")
        check_gain(float(gain.min()))
        check_gain(float(gain.max()))
    else:
        check_gain(gain)
        if gain == 1:
            return denoise

    def scaled(x: Tensor, times: Tensor) -> Tensor:
        if isinstance(gain, Tensor) and not _fits(gain, x):
            raise BadInput(
                f"of shape {tuple(gain.shape)} does not fit {tuple(x.shape)}", field="gain",
                remedy="give a number, or a tensor that broadcasts against the state",
            )  # fmt: skip
        velocity = denoise(x, times)
        share = per_sample(times / LEVELS, x)
        more = gain * velocity + ((1 - gain) * x / share).to(velocity.dtype)
        return torch.where(share > _LEAST, more, velocity)

    return scaled


def _fits(gain: Tensor, x: Tensor) -> bool:
    """Whether ``gain`` broadcasts against ``x`` without making it larger."""
    sizes = zip(reversed(gain.shape), reversed(x.shape), strict=False)
    return gain.ndim <= x.ndim and all(size in (1, whole) for size, whole in sizes)

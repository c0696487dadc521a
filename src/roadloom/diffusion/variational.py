"""The variational bound's term at one time, with which a network learns its step's variance.

Nichol & Dhariwal 2021 (arXiv 2102.09672). The network's variance channels ``v``, from -1 to 1,
place the logarithm of the variance between its two known bounds (eq. 15): at -1 the variance of
the step back when the data are known, at 1 the step's own ``beta``. Values are in bits per number.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from roadloom.diffusion.schedules import LinearTables, at

Decoder = Literal["gaussian", "discretized"]


def learned_log_variance(
    tables: LinearTables, v: Float[Tensor, "batch *sample"], index: Int64[Tensor, " batch"]
) -> Float[Tensor, "batch *sample"]:
    """Equation 15, its share of 0..1 written as the channels' -1..1."""
    share = (v + 1) / 2
    low = at(tables.posterior_log_variance, index, v)
    high = at(tables.beta.log(), index, v)
    return share * high + (1 - share) * low


def step_mean(
    tables: LinearTables,
    x: Float[Tensor, "batch *sample"],
    noisy: Float[Tensor, "batch *sample"],
    index: Int64[Tensor, " batch"],
) -> Float[Tensor, "batch *sample"]:
    """Mean of the step back from ``noisy`` when the data are ``x`` (DDPM eq. 7)."""
    return at(tables.mean_of_data, index, x) * x + at(tables.mean_of_noisy, index, x) * noisy


def data_of(
    tables: LinearTables,
    epsilon: Float[Tensor, "batch *sample"],
    noisy: Float[Tensor, "batch *sample"],
    index: Int64[Tensor, " batch"],
) -> Float[Tensor, "batch *sample"]:
    """The data that a predicted noise means."""
    signal = at(tables.kept.sqrt(), index, noisy)
    amount = at((1 - tables.kept).sqrt(), index, noisy)
    return (noisy - amount * epsilon) / signal


def gaussian_kl(
    mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor
) -> Tensor:
    """KL divergence [nats] of the first normal distribution from the other, element by element."""
    ratio = torch.exp(log_variance - other_log_variance)
    distance = (mean - other_mean) ** 2 * torch.exp(-other_log_variance)
    return 0.5 * (other_log_variance - log_variance + ratio + distance - 1)


def log_likelihood(
    x: Tensor, mean: Tensor, log_variance: Tensor, decoder: Decoder = "gaussian"
) -> Tensor:
    """Log probability [nats] of data under the last step, element by element.

    Args:
        decoder: ``gaussian`` is the density. ``discretized`` is the mass of one of 256 equal
            cells of [-1, 1] whose outer two reach to infinity (DDPM eq. 13), meant for pictures.
    """
    if decoder == "gaussian":
        squared = (x - mean) ** 2 * torch.exp(-log_variance)
        return -0.5 * (squared + log_variance + math.log(2 * math.pi))
    inverse = torch.exp(-0.5 * log_variance)
    far, half = -(x - mean).abs() * inverse, inverse / 255
    # The lower tail on both sides: next to 1 small masses would be lost.
    mass = _below(far + half) - _below(far - half)
    # The outer cells begin at the borders of the last ones: 0.999 lies between two centres.
    outer = _below(half - (x.abs() - x.sign() * mean) * inverse)
    return torch.where(x.abs() > 0.999, outer, mass).clamp(min=1e-12).log()


def _below(z: Tensor) -> Tensor:
    """Mass of the standard normal below z; ``ndtr`` loses the lower tail in 32 bits."""
    return 0.5 * torch.erfc(-z * math.sqrt(0.5))


def variational_bits(
    tables: LinearTables,
    epsilon: Float[Tensor, "batch *sample"],
    v: Float[Tensor, "batch *sample"],
    x: Float[Tensor, "batch *sample"],
    noisy: Float[Tensor, "batch *sample"],
    index: Int64[Tensor, " batch"],
    decoder: Decoder = "gaussian",
) -> Float[Tensor, "batch *sample"]:
    """The bound's term, element by element [bits] (DDPM eq. 5): the divergence of the network's
    step from the true one, and at index 0 the negative log likelihood of the data."""
    mean = step_mean(tables, data_of(tables, epsilon, noisy, index), noisy, index)
    log_variance = learned_log_variance(tables, v, index)
    true_mean = step_mean(tables, x, noisy, index)
    true_log_variance = at(tables.posterior_log_variance, index, x)
    divergence = gaussian_kl(true_mean, true_log_variance, mean, log_variance)
    last = -log_likelihood(x, mean, log_variance, decoder)
    is_last = (index == 0).reshape(-1, *[1] * (x.ndim - 1))
    return torch.where(is_last, last, divergence) / math.log(2)

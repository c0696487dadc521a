"""The noise from which a sampler would make given data.

Deterministic samplers can be walked backwards: ``ddim`` without added noise (Song et al. 2021,
arXiv 2010.02502, section 4.3) and ``flow_euler``. A step back needs the network's answer at the
noisier end, which is not known yet. The first guess asks the network about the ``x`` at hand;
each further iteration asks about the end just found (fixed-point inversion, Pan et al. 2023,
arXiv 2309.04907). With one iteration, inverting and then sampling returns the data up to an error
that falls with the number of steps; with several, the steps themselves are inverted.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from roadloom.diffusion.courses import SamplerConfig, course
from roadloom.diffusion.denoiser import Denoiser, split_variance
from roadloom.diffusion.schedules import Level
from roadloom.errors import BadInput


@torch.no_grad()
def invert(
    denoise: Denoiser,
    data: Float[Tensor, "batch channel *cells"],
    sampler: SamplerConfig,
    *,
    iterations: int = 1,
) -> Float[Tensor, "batch channel *cells"]:
    """Noise that ``sample`` with the same denoiser and sampler turns into ``data``.

    Args:
        iterations: network calls per step.

    Raises:
        BadInput: the sampler cannot be inverted.
        MissingExtra: diffusers is not installed.
    """
    if sampler.name not in ("ddim", "flow_euler") or (sampler.name == "ddim" and sampler.eta > 0):
        raise BadInput(
            f"{sampler.name} with eta {sampler.eta} cannot be inverted",
            remedy="use flow_euler, or ddim with eta 0",
        )
    if iterations < 1:
        raise BadInput(f"iterations must be at least 1, got {iterations}", field="iterations")
    back = _flow_back if sampler.objective == "flow" else _linear_back
    levels = course(sampler).levels
    x = data
    for noisier, level in zip(levels[-2::-1], levels[:0:-1], strict=True):
        time = torch.full((len(x),), noisier.time, dtype=torch.float32, device=x.device)
        end = x
        for _ in range(iterations):
            prediction, _ = split_variance(denoise(end, time).to(x), x.shape[1])
            end = back(x, prediction, level, noisier)
        x = end
    return x


def _flow_back(x: Tensor, velocity: Tensor, level: Level, noisier: Level) -> Tensor:
    return x + (noisier.noise - level.noise) * velocity


def _linear_back(x: Tensor, epsilon: Tensor, level: Level, noisier: Level) -> Tensor:
    """DDIM's step (eq. 12) solved for its start: x over signal moves with noise over signal."""
    ratio = noisier.signal / level.signal
    return ratio * x + (noisier.noise - ratio * level.noise) * epsilon

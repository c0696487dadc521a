"""Sampling with part of the answer known: in-painting, out-painting, forecasting.

At every level the known cells are replaced by the known data, corrupted to that level, and the
network completes the rest (Lugmayr et al. 2022, arXiv 2201.09865, eq. 8). The network never saw
such mixtures, so the parts agree only roughly; taking each step several times, with noise in
between (``repeats``; the same paper, section 4.2), makes them agree better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.denoiser import Denoiser
from roadloom.diffusion.sample import Callback, Edit, sample
from roadloom.diffusion.schedules import Level
from roadloom.diffusion.seeds import draw_noise, generators
from roadloom.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class MaskedConfig:
    repeats: int = 1
    """How often each step is taken; 1: no resampling."""
    noise: Literal["fresh", "start"] = "fresh"
    """With which known data are corrupted: new noise at every level, as the paper does, or the
    noise that the sample starts from, which keeps known cells on one straight path."""
    exact_end: bool = True
    """The known cells of the result are the known data, bit for bit; False leaves what the last
    step made of them."""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}")


def sample_masked(
    denoise: Denoiser,
    noise: Float[Tensor, "batch channel *cells"],
    known: Float[Tensor, "batch channel *cells"],
    mask: Bool[Tensor, "..."],
    sampler: SamplerConfig,
    seeds: Sequence[int],
    config: MaskedConfig | None = None,
    *,
    callback: Callback | None = None,
) -> Float[Tensor, "batch channel *cells"]:
    """``sample``, given the data of some cells.

    Args:
        known: read where ``mask`` is True; anything finite elsewhere.
        mask: True where known; broadcasts against ``known``.
        seeds: one per sample.

    Raises:
        BadInput: known cells do not fit the noise or are not finite, the mask does not fit them,
            or as ``sample``.
    """
    _check_known(known, mask, noise)
    config = MaskedConfig() if config is None else config
    edit = keep_known(known, mask, noise, seeds, config)
    return sample(
        denoise, noise, sampler, seeds, edit=edit, callback=callback, repeats=config.repeats
    )


def _check_known(known: Tensor, mask: Tensor, noise: Tensor) -> None:
    if known.shape != noise.shape:
        raise BadInput(f"{tuple(known.shape)}, the noise {tuple(noise.shape)}", field="known")
    try:
        fits = mask.expand(known.shape) if mask.dtype == torch.bool else None
    except RuntimeError:
        fits = None
    if fits is None:
        raise BadInput(
            f"{mask.dtype} {tuple(mask.shape)} are no booleans that broadcast to "
            f"{tuple(known.shape)}", field="mask",
        )  # fmt: skip
    if not bool((known.isfinite() | ~fits.to(known.device)).all()):
        raise BadInput("holds NaN or infinity where the mask is set", field="known")


def keep_known(
    known: Float[Tensor, "batch channel *cells"],
    mask: Bool[Tensor, "..."],
    noise: Float[Tensor, "batch channel *cells"],
    seeds: Sequence[int],
    config: MaskedConfig,
) -> Edit:
    """The hook of ``sample`` that puts corrupted known data into known cells. Good for one pass."""
    sources = generators(seeds, "known")

    def edit(x: Tensor, level: Level) -> Tensor:
        if level.noise == 0:
            return torch.where(mask, known.to(x), x) if config.exact_end else x
        if config.noise == "start":
            amount = noise
        else:
            amount = draw_noise(sources, x.shape[1:], device=x.device, dtype=x.dtype)
        return torch.where(mask, (level.signal * known + level.noise * amount).to(x), x)

    return edit

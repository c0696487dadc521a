"""What does not fit a sampler is refused by name: no silent broadcasting, no NaN handed on."""

import math
from collections.abc import Callable, Iterator

import jaxtyping
import pytest
import torch
from torch import Tensor

from roadloom.diffusion.courses import MOST_STEPS, SamplerConfig
from roadloom.diffusion.guidance import GuidanceConfig, guide
from roadloom.diffusion.masked import sample_masked
from roadloom.diffusion.sample import sample
from roadloom.diffusion.seeds import noise_like
from roadloom.errors import BadInput

WAY = SamplerConfig(steps=2)
NOISE = noise_like((1, 2), (3, 4, 4))
KEEP = torch.ones(4, 4, dtype=torch.bool)


@pytest.fixture(autouse=True)
def as_users_run_it() -> Iterator[None]:
    """Without the checks of shapes that only tests turn on."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def half(x: Tensor, times: Tensor) -> Tensor:
    return x / 2


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, math.nan, "3", None, MOST_STEPS + 1])
def test_steps_that_are_no_count(steps: object) -> None:
    with pytest.raises(ValueError, match="steps"):
        SamplerConfig(steps=steps)  # type: ignore[arg-type]


@pytest.mark.parametrize("shift", [math.nan, math.inf, 0.0])
def test_shifts_that_are_none(shift: float) -> None:
    with pytest.raises(ValueError, match="shift"):
        SamplerConfig(shift=shift)


@pytest.mark.parametrize(
    "noise",
    [NOISE.long(), NOISE[:0], torch.ones(3), torch.full_like(NOISE, math.nan)],
    ids=["integers", "empty", "one axis", "nan"],
)
def test_noise_that_is_none(noise: Tensor) -> None:
    with pytest.raises(BadInput, match="noise"):
        sample(half, noise, WAY)


@pytest.mark.parametrize(
    "denoise",
    [
        lambda x, t: x[:1], lambda x, t: x[..., :1], lambda x, t: x[:, :2],
        lambda x, t: x * math.nan,
    ],
    ids=["batch", "cells", "channels", "nan"],
)  # fmt: skip
def test_a_denoiser_that_answers_something_else(denoise: Callable[..., Tensor]) -> None:
    with pytest.raises(BadInput, match="denoise"):
        sample(denoise, NOISE, WAY)


@pytest.mark.parametrize("seeds", [(), (1,), (1, 2, 3)])
def test_not_one_seed_for_each_sample(seeds: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="seeds"):
        sample(half, NOISE, WAY, seeds)
    with pytest.raises(BadInput, match="seeds"):
        sample_masked(half, NOISE, NOISE, KEEP, WAY, seeds)


@pytest.mark.parametrize(
    ("known", "mask", "field"),
    [
        (NOISE[:, :2], KEEP, "known"),
        (NOISE[:1], KEEP, "known"),
        (NOISE * math.inf, KEEP, "known"),
        (NOISE, KEEP.float(), "mask"),
        (NOISE, KEEP[:3], "mask"),
        (NOISE, KEEP.expand(5, 2, 3, 4, 4), "mask"),
    ],
)
def test_known_cells_that_do_not_fit(known: Tensor, mask: Tensor, field: str) -> None:
    with pytest.raises(BadInput, match=field):
        sample_masked(half, NOISE, known, mask, WAY, (1, 2))


def test_what_is_not_known_may_be_anything() -> None:
    keep = KEEP.clone()
    keep[0] = False
    known = torch.where(keep, NOISE, torch.tensor(math.nan))
    made = sample_masked(half, NOISE, known, keep, WAY, (1, 2))
    assert torch.equal(made[..., 1:, :], NOISE[..., 1:, :]) and bool(made.isfinite().all())


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_guidance_that_is_no_number(scale: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        GuidanceConfig(scales=(scale,))
    with pytest.raises(BadInput, match="scales"):
        guide(lambda x, t, c: x, [{}], {}, GuidanceConfig(), scales=torch.full((1, 2), scale))


def test_guidance_of_other_samples() -> None:
    guided = guide(lambda x, t, c: x, [{}], {}, GuidanceConfig(), scales=torch.ones(1, 5) * 2)
    with pytest.raises(BadInput, match="scales"):
        sample(guided, NOISE, WAY)
    with pytest.raises(BadInput, match="scales"):
        guide(lambda x, t, c: x, [{}], {}, GuidanceConfig(), scales=torch.ones(1))

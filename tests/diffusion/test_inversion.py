"""Inverting, then sampling, is to do nothing; more steps or iterations make it truer."""

import pytest
import torch
from tests.diffusion.gaussians import ideal
from tests.diffusion.test_guidance import FIRST, NULL, Counted
from tests.diffusion.test_sample import with_variance

from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.inversion import invert
from roadloom.diffusion.sample import sample
from roadloom.diffusion.seeds import noise_like
from roadloom.errors import BadInput

MEAN, STD = 0.3, 0.5
DATA = MEAN + STD * noise_like((1, 2, 3, 4), (1, 8, 8), dtype=torch.float64, stream="data")
SAMPLERS = [
    {"name": "ddim", "objective": "epsilon"},
    {"name": "flow_euler"},
    {"name": "flow_euler", "shift": 3.0},
]


def round_trip(settings: dict, steps: int, iterations: int = 1) -> float:
    sampler = SamplerConfig(**settings, steps=steps)
    denoise = ideal(sampler.objective, MEAN, STD)
    noise = invert(denoise, DATA, sampler, iterations=iterations)
    return float((sample(denoise, noise, sampler) - DATA).abs().max())


@pytest.mark.parametrize("settings", SAMPLERS)
def test_the_round_trip_gets_truer_with_steps(settings):
    errors = [round_trip(settings, steps) for steps in (25, 100, 500)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]  # first order: 4 and 5 times
    assert errors[2] < 0.02


@pytest.mark.parametrize("settings", SAMPLERS)
def test_iterations_invert_the_steps_themselves(settings):
    errors = [round_trip(settings, 25, iterations) for iterations in (1, 3, 30)]
    assert errors[0] > 3 * errors[1]
    assert errors[2] < 1e-5  # the schedulers compute flow steps in 32 bits


@pytest.mark.parametrize("settings", SAMPLERS)
def test_noise_of_the_data_is_standard_normal(settings):
    sampler = SamplerConfig(**settings, steps=500)
    noise = invert(ideal(sampler.objective, MEAN, STD), DATA, sampler)
    torch.testing.assert_close(noise, (DATA - MEAN) / STD, rtol=0, atol=0.03)


def test_what_a_condition_made_another_condition_makes_anew():
    """Inversion under one condition, sampling under another: the noise carries over."""
    sampler = SamplerConfig(name="flow_euler", steps=500)
    data = DATA[:, 0]
    noise = invert(lambda x, t: Counted()(x, t, NULL), data, sampler)
    end = sample(lambda x, t: Counted()(x, t, FIRST), noise, sampler)
    want = data + (FIRST["mean"] - NULL["mean"])[:, None, None]
    torch.testing.assert_close(end, want, rtol=0, atol=0.02)


def test_variance_channels_are_not_needed():
    sampler = SamplerConfig(name="ddim", objective="epsilon", steps=10)
    plain = ideal("epsilon", MEAN, STD)
    assert torch.equal(invert(plain, DATA, sampler), invert(with_variance(plain), DATA, sampler))


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "ddpm", "objective": "epsilon"},
        {"name": "flow_heun"},
        {"name": "ddim", "objective": "epsilon", "eta": 0.5},
    ],
)
def test_samplers_without_an_inverse_are_refused(settings):
    sampler = SamplerConfig(**settings, steps=10)
    with pytest.raises(BadInput, match="inverted"):
        invert(ideal(sampler.objective), DATA, sampler)


def test_no_iterations_are_refused():
    with pytest.raises(BadInput, match="iterations"):
        invert(ideal("flow"), DATA, SamplerConfig(), iterations=0)

"""Sampling with known cells: they stay, and the others follow them."""

import pytest
import torch
from tests.diffusion.gaussians import ideal

from roadloom.diffusion.courses import SamplerConfig, course
from roadloom.diffusion.masked import MaskedConfig, keep_known, sample_masked
from roadloom.diffusion.sample import sample
from roadloom.diffusion.schedules import DATA
from roadloom.diffusion.seeds import noise_like

SEEDS = tuple(range(8))
RHO = 0.8
KNOWN = 1.5
EVERY = [
    SamplerConfig(name="ddpm", objective="epsilon", steps=10, variance="small"),
    SamplerConfig(name="ddim", objective="epsilon", steps=10),
    SamplerConfig(name="dpm++", steps=10),
    SamplerConfig(name="flow_euler", steps=10),
    SamplerConfig(name="flow_heun", steps=10),
]


def correlated(objective: str):
    """Ideal denoiser of pairs of correlated cells [batch 1 2 pair]."""

    # Turned by 45 degrees, the two numbers of a pair are independent.
    along, across = (ideal(objective, 0.0, (1 + sign * RHO) ** 0.5) for sign in (1, -1))

    def denoise(x, times):
        first, second = x[:, :, :1], x[:, :, 1:]
        same = along((first + second) * 0.5**0.5, times)
        other = across((first - second) * 0.5**0.5, times)
        return torch.cat([same + other, same - other], 2) * 0.5**0.5

    return denoise


def second_cells(sampler: SamplerConfig, config: MaskedConfig) -> tuple[float, float]:
    """Mean and spread of the second cell of each pair when the first is known."""
    shape = (1, 2, 400)
    noise = noise_like(SEEDS, shape, dtype=torch.float64)
    known = torch.full_like(noise, KNOWN)
    mask = torch.tensor([True, False])[:, None]
    end = sample_masked(correlated(sampler.objective), noise, known, mask, sampler, SEEDS, config)
    assert end[:, :, 0].eq(KNOWN).all()
    return float(end[:, :, 1].mean()), float(end[:, :, 1].std())


def test_without_a_mask_the_pairs_are_correlated():
    noise = noise_like(SEEDS, (1, 2, 400), dtype=torch.float64)
    end = sample(correlated("flow"), noise, SamplerConfig(name="flow_heun", steps=30))
    # Standard error of a correlation of 3200 pairs: (1 - rho^2) / 57 = 0.006.
    measured = torch.corrcoef(end[:, 0].transpose(0, 1).flatten(1))
    assert abs(measured[0, 1] - RHO) < 0.03


@pytest.mark.parametrize(
    "sampler",
    [
        SamplerConfig(name="ddpm", objective="epsilon", steps=50, variance="large"),
        SamplerConfig(name="ddim", objective="epsilon", steps=50),
        SamplerConfig(name="flow_euler", steps=50),
    ],
    ids=lambda sampler: sampler.name,
)
def test_the_rest_is_drawn_given_the_known(sampler):
    """The conditional distribution has mean rho * known and variance 1 - rho^2."""
    mean, std = second_cells(sampler, MaskedConfig(repeats=10))
    assert abs(mean - RHO * KNOWN) < 0.12
    assert abs(std - (1 - RHO**2) ** 0.5) < 0.08
    once, _ = second_cells(sampler, MaskedConfig(repeats=1))
    assert abs(mean - RHO * KNOWN) < abs(once - RHO * KNOWN)
    assert once > 0.3  # even one pass hears what is known


@pytest.mark.parametrize("noise_kind", ["fresh", "start"])
@pytest.mark.parametrize("sampler", EVERY, ids=lambda sampler: f"{sampler.name}")
def test_known_cells_are_returned_bit_for_bit(sampler, noise_kind):
    noise = noise_like(SEEDS, (2, 4, 5))
    known = noise_like(SEEDS, (2, 4, 5), stream="data")
    mask = noise_like(SEEDS, (1, 4, 5), stream="mask") > 0
    denoise = ideal(sampler.objective, 0.2, 0.7)
    end = sample_masked(denoise, noise, known, mask, sampler, SEEDS, MaskedConfig(noise=noise_kind))
    mask = mask.expand_as(end)
    assert torch.equal(end[mask], known[mask])
    free = MaskedConfig(noise=noise_kind, exact_end=False)
    end = sample_masked(denoise, noise, known, mask, sampler, SEEDS, free)
    assert not torch.equal(end[mask], known[mask])


def test_an_empty_mask_changes_nothing_and_a_full_one_everything():
    noise = noise_like(SEEDS, (2, 3))
    known = torch.where(noise > 0, 3.0, torch.nan)
    for sampler in EVERY:
        denoise = ideal(sampler.objective, 0.2, 0.7)
        none = torch.zeros(3, dtype=torch.bool)
        end = sample_masked(denoise, noise, known, none, sampler, SEEDS)
        assert torch.equal(end, sample(denoise, noise, sampler, SEEDS))
        whole = sample_masked(denoise, noise, noise + 3, ~none, sampler, SEEDS)
        assert torch.equal(whole, noise + 3)


def test_known_cells_have_the_noise_of_their_level():
    shape = (1, 40, 40)
    noise = noise_like(SEEDS, shape)
    known = torch.full_like(noise, KNOWN)
    mask = torch.ones(40, 40, dtype=torch.bool)
    for sampler in EVERY:
        edit = keep_known(known, mask, noise, SEEDS, MaskedConfig())
        for level in course(sampler).levels:
            got = edit(noise, level)
            assert abs(got.mean() - level.signal * KNOWN) < 0.04  # 4.5 standard errors
            assert abs(got.std() - level.noise) < 0.03
            if level.noise:
                assert not torch.equal(got, edit(noise, level))
        same = keep_known(known, mask, noise, SEEDS, MaskedConfig(noise="start"))
        level = course(sampler).levels[3]
        torch.testing.assert_close(same(noise, level), level.signal * known + level.noise * noise)
        assert torch.equal(same(noise, DATA), known)


def test_masked_samples_do_not_depend_on_their_batch():
    noise, known = (noise_like(SEEDS, (2, 4), stream=s, dtype=torch.float64) for s in ("a", "b"))
    mask = torch.tensor([True, False, True, False])
    sampler = SamplerConfig(name="ddpm", objective="epsilon", steps=8, variance="small")
    config = MaskedConfig(repeats=3)
    denoise = ideal("epsilon", 0.2, 0.7)
    whole = sample_masked(denoise, noise, known, mask, sampler, SEEDS, config)
    alone = sample_masked(denoise, noise[5:6], known[5:6], mask, sampler, SEEDS[5:6], config)
    torch.testing.assert_close(whole[5:6], alone, rtol=0, atol=1e-12)


def test_wrong_masking_is_refused():
    with pytest.raises(ValueError, match="repeats"):
        MaskedConfig(repeats=0)

"""Guidance between normal distributions of one width moves the mean, and nothing else."""

import pytest
import torch
from tests.diffusion.gaussians import exact_end, ideal

from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.guidance import GuidanceConfig, guide, join_tensors
from roadloom.diffusion.sample import sample
from roadloom.diffusion.seeds import noise_like
from roadloom.errors import BadInput

STD = 0.5
SEEDS = (1, 2, 3, 4)


def means(*values: float) -> dict[str, torch.Tensor]:
    return {"mean": torch.tensor(values)}


NULL = means(0.1, 0.1, 0.1, 0.1)
FIRST = means(0.4, -0.2, 0.0, 1.0)
SECOND = means(-0.3, 0.5, 0.2, 0.2)


class Counted:
    """A conditional denoiser, its condition being the data's mean, that remembers its batches."""

    def __init__(self, objective="flow", variance=False):
        self.objective, self.variance, self.batches = objective, variance, []

    def __call__(self, x, times, condition):
        self.batches.append(len(x))
        mean = condition["mean"].reshape(-1, 1, 1)
        output = ideal(self.objective, mean, STD)(x, times)
        if not self.variance:
            return output
        return torch.cat([output, mean.expand_as(output)], 1)  # any per-sample number will do


def ends(conditions, config, **more):
    noise = noise_like(SEEDS, (2, 6), dtype=torch.float64)
    denoise = Counted()
    sampler = SamplerConfig(name="flow_heun", steps=100)
    end = sample(guide(denoise, conditions, NULL, config, **more), noise, sampler)
    return noise, end, denoise.batches


@pytest.mark.parametrize("scale", [-0.5, 2.0, 4.0])
def test_guided_samples_are_exact(scale):
    noise, end, batches = ends([FIRST], GuidanceConfig(scales=(scale,)))
    mean = NULL["mean"] + scale * (FIRST["mean"] - NULL["mean"])
    want = exact_end(noise, "flow", mean[:, None, None], STD)
    # Heun at 100 steps is good to 5e-4.
    torch.testing.assert_close(end, want, rtol=0, atol=1e-3)
    assert set(batches) == {8}


@pytest.mark.parametrize("scale, of", [(1.0, FIRST), (0.0, NULL)])
def test_scales_one_and_zero_cost_one_evaluation(scale, of):
    noise, end, batches = ends([FIRST], GuidanceConfig(scales=(scale,)))
    plain = ideal("flow", of["mean"][:, None, None], STD)
    assert torch.equal(end, sample(plain, noise, SamplerConfig(name="flow_heun", steps=100)))
    assert set(batches) == {4}


def test_composed_conditions_add_their_differences():
    noise, end, batches = ends([FIRST, SECOND], GuidanceConfig(scales=(2.0, 0.5)))
    null = NULL["mean"]
    mean = null + 2 * (FIRST["mean"] - null) + 0.5 * (SECOND["mean"] - null)
    want = exact_end(noise, "flow", mean[:, None, None], STD)
    torch.testing.assert_close(end, want, rtol=0, atol=1e-3)
    assert set(batches) == {12}
    # Weights 0.5 and 0.5 leave nothing for the null, and scale 0 drops a condition.
    assert set(ends([FIRST, SECOND], GuidanceConfig(scales=(0.5, 0.5)))[2]) == {8}
    assert set(ends([FIRST, SECOND], GuidanceConfig(scales=(0.0, 1.0)))[2]) == {4}


def test_a_scale_for_every_sample():
    scales = torch.tensor([[1.0, 0.0, 3.0, -1.0]])
    noise, end, _ = ends([FIRST], GuidanceConfig(), scales=scales)
    mean = NULL["mean"] + scales[0] * (FIRST["mean"] - NULL["mean"])
    want = exact_end(noise, "flow", mean[:, None, None], STD)
    torch.testing.assert_close(end, want, rtol=0, atol=1e-3)


def test_guidance_acts_in_its_interval_only():
    x = noise_like(SEEDS, (2, 6), dtype=torch.float64)
    times = torch.tensor([100.0, 300.0, 700.0, 701.0])
    config = GuidanceConfig(scales=(3.0,), interval=(300.0, 700.0))
    got = guide(Counted(), [FIRST], NULL, config)(x, times)
    guided = guide(Counted(), [FIRST], NULL, GuidanceConfig(scales=(3.0,)))(x, times)
    plain = Counted()(x, times, FIRST)
    assert torch.equal(got[1:3], guided[1:3])
    torch.testing.assert_close(got[[0, 3]], plain[[0, 3]], rtol=1e-12, atol=0)
    assert not torch.allclose(guided, plain)
    outside = Counted()
    guide(outside, [FIRST], NULL, config)(x, 0 * times)
    assert outside.batches == [4]


def test_outside_the_interval_several_conditions_are_averaged_by_their_scales():
    x = noise_like(SEEDS, (2, 6), dtype=torch.float64)
    config = GuidanceConfig(scales=(3.0, 1.0), interval=(300.0, 700.0))
    times = torch.full((4,), 100.0)
    got = guide(Counted(), [FIRST, SECOND], NULL, config)(x, times)
    parts = [Counted()(x, times, condition) for condition in (FIRST, SECOND)]
    torch.testing.assert_close(got, 0.75 * parts[0] + 0.25 * parts[1])
    silent = GuidanceConfig(scales=(0.0, 0.0), interval=(300.0, 700.0))
    got = guide(Counted(), [FIRST, SECOND], NULL, silent)(x, times)
    assert torch.equal(got, Counted()(x, times, NULL))


@pytest.mark.parametrize("scale", [3.0, 0.0])
def test_variance_channels_guided_or_left_alone(scale):
    x, times = noise_like(SEEDS, (2, 6), dtype=torch.float64), torch.full((4,), 400.0)
    condition, null = (Counted("epsilon", True)(x, times, c) for c in (FIRST, NULL))
    for guided in (True, False):
        config = GuidanceConfig(scales=(scale,), guide_variance=guided)
        got = guide(Counted("epsilon", True), [FIRST], NULL, config)(x, times)
        want = null + scale * (condition - null)
        torch.testing.assert_close(got[:, :2], want[:, :2])
        left_alone = condition if scale else null
        torch.testing.assert_close(got[:, 2:], want[:, 2:] if guided else left_alone[:, 2:])


def test_own_conditions_bring_their_own_join():
    x, times = noise_like(SEEDS, (2, 6)), torch.full((4,), 400.0)

    def denoise(x, times, names):
        return x * torch.tensor([len(name) for name in names])[:, None, None]

    guided = guide(
        denoise, [["abc"] * 4], [""] * 4, GuidanceConfig(scales=(2.0,)),
        join=lambda parts: [name for part in parts for name in part],
    )  # fmt: skip
    torch.testing.assert_close(guided(x, times), 6 * x)


def test_wrong_guidance_is_refused():
    with pytest.raises(ValueError, match="scale"):
        GuidanceConfig(scales=())
    with pytest.raises(ValueError, match="interval"):
        GuidanceConfig(interval=(5.0, 1.0))
    with pytest.raises(BadInput, match="scales"):
        guide(Counted(), [FIRST, SECOND], NULL, GuidanceConfig())
    with pytest.raises(BadInput, match="names"):
        join_tensors([NULL, {"other": torch.zeros(4)}])

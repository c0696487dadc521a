"""The gain of a flow's clean samples, on data whose answers are known."""

import pytest
import torch
from torch import Tensor

from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.gain import amplified
from roadloom.diffusion.sample import sample
from roadloom.diffusion.schedules import LEVELS, per_sample
from roadloom.errors import BadInput

WAYS = [
    SamplerConfig(name=name, objective="flow", steps=12, shift=shift)  # type: ignore[arg-type]
    for name in ("dpm++", "flow_euler", "flow_heun") for shift in (1.0, 3.0)
]  # fmt: skip


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def sure_of(known: Tensor):  # type: ignore[no-untyped-def]
    """Takes every state for ``known`` with noise."""
    return lambda x, times: (x - known) / per_sample(times / LEVELS, x)


def normal_of(spread: float):  # type: ignore[no-untyped-def]
    """The exact velocity for normal data of mean 0."""

    def velocity(x: Tensor, times: Tensor) -> Tensor:
        t = per_sample(times / LEVELS, x)
        variance = (1 - t) ** 2 * spread**2 + t**2
        clean = (1 - t) * spread**2 / variance * x
        return (x - clean) / t

    return velocity


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.name} {way.shift:g}")
@pytest.mark.parametrize("gain", [0.9, 1.0, 1.1])
def test_a_known_sample_comes_out_gain_times_as_large(way: SamplerConfig, gain: float) -> None:
    known = noise(2, 3, 4)
    made = sample(amplified(sure_of(known), gain), noise(2, 3, 4) + 1, way, [0, 1])
    torch.testing.assert_close(made, gain * known, atol=2e-5, rtol=2e-5)


def test_the_velocity_is_that_of_the_scaled_clean_sample() -> None:
    x, times = noise(3, 2, 5), torch.tensor([0.0, 250.0, 1000.0])
    plain = lambda x, times: torch.sin(3 * x) + per_sample(times / LEVELS, x)  # noqa: E731
    said, scaled = plain(x, times), amplified(plain, 1.2)(x, times)
    assert torch.equal(scaled[0], said[0]) or torch.allclose(scaled[0], said[0])
    for i, t in ((1, 0.25), (2, 1.0)):
        torch.testing.assert_close(x[i] - t * scaled[i], 1.2 * (x[i] - t * said[i]))
    assert amplified(plain, 1.0) is plain


def test_more_gain_more_spread() -> None:
    """Of normal data; with gain 1 their own."""
    way = SamplerConfig(name="flow_heun", steps=60)
    start = noise(4000, 1)
    spreads = [
        float(sample(amplified(normal_of(0.5), gain), start, way, [0] * 4000).std())
        for gain in (0.9, 1.0, 1.1)
    ]
    assert spreads[1] == pytest.approx(0.5, rel=0.03)
    assert spreads[0] < 0.9 * spreads[1] and spreads[2] > 1.1 * spreads[1]


def test_each_value_may_have_a_gain_of_its_own() -> None:
    known, way = noise(2, 3, 4), SamplerConfig(steps=3)
    gains = torch.tensor([1.0, 0.5, 2.0])[:, None]
    made = sample(amplified(sure_of(known), gains), noise(2, 3, 4) + 1, way, [0, 1])
    torch.testing.assert_close(made, gains * known, atol=2e-5, rtol=2e-5)
    with pytest.raises(BadInput, match="gain"):
        amplified(sure_of(known), torch.tensor([1.0, -0.5]))
    with pytest.raises(BadInput, match="holds no number"):
        amplified(sure_of(known), torch.ones(0))
    for shape in ((5, 2, 3, 4), (7, 1, 1), (3,)):
        with pytest.raises(BadInput, match="does not fit"):
            amplified(sure_of(known), torch.full(shape, 1.1))(known, torch.tensor([500.0, 500.0]))


@pytest.mark.parametrize("gain", [0.0, -1.0, float("nan"), float("inf")])
def test_no_gain_without_sense(gain: float) -> None:
    with pytest.raises(BadInput, match="gain"):
        amplified(sure_of(noise(1, 1)), gain)

"""Noise belongs to its seed, not to its batch."""

import torch

from roadloom.diffusion.seeds import draw_noise, generators, noise_like


def test_noise_does_not_depend_on_the_batch():
    whole = noise_like((5, 9, -3, 2**70), (3, 4))
    parts = torch.cat([noise_like((5, 9), (3, 4)), noise_like((-3, 2**70), (3, 4))])
    assert whole.shape == (4, 3, 4)
    assert torch.equal(whole, parts)


def test_streams_and_seeds_differ():
    draws = [noise_like((seed,), (8,), stream=stream) for seed in (0, 1) for stream in ("a", "b")]
    for i, first in enumerate(draws):
        for second in draws[:i]:
            assert not torch.equal(first, second)


def test_noise_is_standard_normal():
    noise = noise_like(range(100), (1000,), dtype=torch.float64)
    # Standard errors of mean and standard deviation of 1e5 draws: 0.0032 and 0.0022.
    assert abs(noise.mean()) < 0.013
    assert abs(noise.std() - 1) < 0.009
    assert noise.dtype == torch.float64


def test_generators_go_on():
    sources = generators((1, 2), "walk")
    first, second = draw_noise(sources, (6,)), draw_noise(sources, (6,))
    assert not torch.equal(first, second)
    assert torch.equal(first, noise_like((1, 2), (6,), stream="walk"))

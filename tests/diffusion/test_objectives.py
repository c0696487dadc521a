"""Losses against slow twins, and against what is known of normal distributions."""

import math

import pytest
import torch

from roadloom.diffusion.objectives import (
    EpsilonObjective,
    FlowObjective,
    masked_mean,
    published,
)
from roadloom.diffusion.schedules import FlowSchedule, LinearSchedule
from roadloom.diffusion.seeds import noise_like
from roadloom.diffusion.variational import gaussian_kl, learned_log_variance, log_likelihood
from roadloom.errors import BadInput

SEEDS = (11, 12, 13)
TIMES = torch.tensor([0.0, 1.0, 640.0])


def some_batch(channels_out: int):
    def draw(name: str, channels: int) -> torch.Tensor:
        return noise_like(SEEDS, (channels, 3, 4), dtype=torch.float64, stream=name)

    mask = draw("mask", 1)[:, 0] > -0.5
    return draw("data", 2), draw("noise", 2), draw("output", channels_out), mask


def twin_bits(epsilon, v, x, noise, index, decoder):
    """One number of the variational term, written from the definitions with plain numbers."""
    betas = [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(index + 1)]
    before = math.prod(1 - beta for beta in betas[:-1])
    beta, kept = betas[-1], before * (1 - betas[-1])
    noisy = math.sqrt(kept) * x + math.sqrt(1 - kept) * noise
    said = (noisy - math.sqrt(1 - kept) * epsilon) / math.sqrt(kept)

    def mean(data):
        a = math.sqrt(before) * beta / (1 - kept)
        return a * data + math.sqrt(1 - beta) * (1 - before) / (1 - kept) * noisy

    if index:
        low = beta * (1 - before) / (1 - kept)
    else:
        first, second = 1e-4, 1e-4 + (0.02 - 1e-4) / 999
        low = second * first / (1 - (1 - first) * (1 - second))
    deviation = math.exp((v + 1) / 4 * math.log(beta) + (1 - v) / 4 * math.log(low))
    if index:
        distance = (mean(x) - mean(said)) ** 2
        nats = math.log(deviation / math.sqrt(low)) + (low + distance) / (2 * deviation**2) - 0.5
    elif decoder == "gaussian":
        density = (
            math.exp(-(((x - said) / deviation) ** 2) / 2) / deviation / math.sqrt(2 * math.pi)
        )
        nats = -math.log(density)
    else:
        up = 1.0 if x > 0.999 else _cdf((x + 1 / 255 - said) / deviation)
        down = 0.0 if x < -0.999 else _cdf((x - 1 / 255 - said) / deviation)
        nats = -math.log(max(up - down, 1e-12))
    return nats / math.log(2)


def _cdf(z):
    return (1 + math.erf(z / math.sqrt(2))) / 2


def twin_loss(objective, output, x, noise, mask):
    losses = []
    for b, time in enumerate(TIMES.long().tolist()):
        squares, bits = [], []
        for c in range(2):
            for i in range(3):
                for j in range(4):
                    number = (b, c, i, j)
                    live = bool(mask[b, i, j])
                    if live:
                        squares.append(float(output[number] - noise[number]) ** 2)
                    if live or not objective.mask_variational:
                        channel = float(output[b, 2 + c, i, j])
                        bits.append(
                            twin_bits(
                                float(output[number]), channel, float(x[number]),
                                float(noise[number]), time, objective.decoder,
                            )
                        )  # fmt: skip
        weight = objective.variational_weight
        losses.append(sum(squares) / len(squares) + weight * sum(bits) / len(bits))
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("objective", [EpsilonObjective(variational_weight=0.3), published()])
def test_learned_variance_loss_equals_its_slow_twin(objective):
    x, noise, output, mask = some_batch(4)
    # At time 0 the density is narrow: near the truth it does not underflow in the twin.
    output[0, :2] = noise[0] + 0.3 * output[0, :2]
    x = x.clamp(-1, 1)
    got = objective.loss(output, x, noise, TIMES, mask)
    torch.testing.assert_close(got, twin_loss(objective, output, x, noise, mask))


@pytest.mark.parametrize("objective", [FlowObjective(), EpsilonObjective(learned_variance=False)])
def test_weights_multiply_the_squares(objective):
    x, noise, output, mask = some_batch(2)
    weights = torch.rand(x.shape[1:], dtype=x.dtype)
    got = objective.loss(output, x, noise, TIMES, mask, weights)
    target = noise - x if isinstance(objective, FlowObjective) else noise
    rows = []
    squares = (output - target) ** 2 * weights
    for square, live in zip(squares, mask.expand(len(x), *x.shape[2:]), strict=True):
        rows.append(square[:, live].sum() / (len(square) * live.sum()))
    torch.testing.assert_close(got, torch.stack(rows))
    with pytest.raises(BadInput, match="weights of shape"):
        objective.loss(output, x, noise, TIMES, mask, weights[:1])


def test_published_objective_is_the_specified_one():
    assert published() == EpsilonObjective(
        learned_variance=True, variational_weight=1.0, mask_variational=False,
        decoder="discretized",
    )  # fmt: skip


def test_variance_channels_learn_from_the_bound_and_the_noise_from_the_square():
    x, noise, output, mask = some_batch(4)
    objective = EpsilonObjective()
    epsilon, v = output[:, :2].clone(), output[:, 2:].clone().requires_grad_()

    def of_variance(v):
        return objective.loss(torch.cat([epsilon, v], 1), x, noise, TIMES, mask)

    assert torch.autograd.gradcheck(of_variance, (v,))
    epsilon.requires_grad_()
    whole = objective.loss(torch.cat([epsilon, v], 1), x, noise, TIMES, mask).sum()
    square = masked_mean((epsilon - noise) ** 2, mask).sum()
    got, want = (torch.autograd.grad(loss, epsilon)[0] for loss in (whole, square))
    torch.testing.assert_close(got, want)


def test_flow_loss_and_its_gradient():
    x, noise, output, mask = some_batch(2)
    objective = FlowObjective()
    output.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda output: objective.loss(output, x, noise, TIMES, mask), (output,)
    )
    output = output.detach()
    loss = objective.loss(output, x, noise, TIMES, mask)
    for b in range(3):
        total = live = 0.0
        for i in range(3):
            for j in range(4):
                if mask[b, i, j]:
                    live += 1
                    for c in range(2):
                        at = (b, c, i, j)
                        total += float(output[at] - noise[at] + x[at]) ** 2
        assert math.isclose(loss[b], total / (2 * live), rel_tol=1e-12)


@pytest.mark.parametrize("objective", [FlowObjective(), EpsilonObjective(learned_variance=False)])
def test_the_truth_has_no_loss_and_padding_does_not_count(objective):
    x, noise, _, mask = some_batch(2)
    truth = noise - x if isinstance(objective, FlowObjective) else noise
    assert objective.loss(truth, x, noise, TIMES).eq(0).all()
    wrong = torch.where(mask[:, None], truth, torch.nan)
    assert objective.loss(wrong, x, noise, TIMES, mask).eq(0).all()
    assert objective.channels_out(7) == 7


def test_one_mask_for_all_samples():
    error = some_batch(2)[0]
    mask = torch.tensor([[True, False, True, False]] * 3)
    want = torch.stack([error[:, :, :, 0], error[:, :, :, 2]]).mean((0, 2, 3))
    torch.testing.assert_close(masked_mean(error, mask), want)
    torch.testing.assert_close(masked_mean(error, mask.expand(3, 3, 4)), want)
    with pytest.raises(BadInput, match="mask"):
        masked_mean(error, mask[:2])


def test_corruption_mixes_as_the_schedules_say():
    x, noise, _, _ = some_batch(2)
    times = torch.tensor([0.0, 250.0, 1000.0])
    mixed = FlowObjective().corrupt(x, noise, times)
    torch.testing.assert_close(mixed[0], x[0])
    torch.testing.assert_close(mixed[1], 0.75 * x[1] + 0.25 * noise[1])
    torch.testing.assert_close(mixed[2], noise[2])
    level = LinearSchedule().level(640)
    mixed = EpsilonObjective().corrupt(x, noise, TIMES)
    torch.testing.assert_close(mixed[2], level.signal * x[2] + level.noise * noise[2])


def test_half_precision_outputs_are_widened():
    x, noise, output, mask = some_batch(4)
    for objective, channels in ((FlowObjective(), 2), (EpsilonObjective(), 4)):
        half = output[:, :channels].bfloat16()
        loss = objective.loss(half, x.float(), noise.float(), TIMES, mask)
        want = objective.loss(half.float(), x.float(), noise.float(), TIMES, mask)
        assert loss.dtype == torch.float32
        assert torch.equal(loss, want)


def test_times_are_drawn_per_seed():
    for objective in (EpsilonObjective(), FlowObjective(schedule=FlowSchedule(shift=2.0))):
        whole = objective.draw(range(50))
        assert torch.equal(
            whole, torch.cat([objective.draw(range(20)), objective.draw(range(20, 50))])
        )
        assert whole.dtype == torch.float32
    indices = EpsilonObjective().draw(range(4000))
    assert torch.equal(indices, indices.round())
    assert indices.min() >= 0
    assert indices.max() <= 999
    # Mean 499.5, standard error 288.7 / sqrt(4000) = 4.6.
    assert abs(indices.mean() - 499.5) < 20


def test_wrong_channels_are_refused():
    x, noise, output, _ = some_batch(4)
    with pytest.raises(BadInput, match="channels"):
        EpsilonObjective().loss(output[:, :3], x, noise, TIMES)
    with pytest.raises(BadInput, match="learned_variance"):
        EpsilonObjective().loss(output[:, :2], x, noise, TIMES)
    with pytest.raises(BadInput, match="learned_variance"):
        EpsilonObjective(learned_variance=False).loss(output, x, noise, TIMES)
    assert EpsilonObjective().channels_out(7) == 14


def test_learned_variance_lies_between_its_bounds():
    tables = LinearSchedule().tables()
    index = torch.tensor([0, 1, 500, 999])
    ones = torch.ones(4, 1, dtype=torch.float64)
    high = learned_log_variance(tables, ones, index)[:, 0]
    low = learned_log_variance(tables, -ones, index)[:, 0]
    torch.testing.assert_close(high, tables.beta[index].log())
    torch.testing.assert_close(low, tables.posterior_log_variance[index])
    middle = learned_log_variance(tables, 0 * ones, index)[:, 0]
    torch.testing.assert_close(middle, (high + low) / 2)
    assert (low < high).all()


def test_divergence_of_equal_distributions_is_zero_and_else_positive():
    mean, log_variance, other, other_log = torch.randn(
        4, 50, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    assert gaussian_kl(mean, log_variance, mean, log_variance).abs().max() < 1e-15
    divergence = gaussian_kl(mean, log_variance, other, other_log)
    assert (divergence > 0).all()
    first, second = (
        torch.distributions.Normal(m, (v / 2).exp())
        for m, v in ((mean, log_variance), (other, other_log))
    )
    torch.testing.assert_close(divergence, torch.distributions.kl_divergence(first, second))


@pytest.mark.parametrize("mean", [-1.3, 0.1, 0.99])
def test_discretized_cells_share_all_the_mass(mean):
    centres = torch.linspace(-1, 1, 256, dtype=torch.float64)
    logs = log_likelihood(
        centres, torch.full_like(centres, mean), torch.full_like(centres, -3.0), "discretized"
    )
    assert math.isclose(logs.exp().sum(), 1, rel_tol=1e-9)
    width = 2 / 255
    density = log_likelihood(
        centres, torch.full_like(centres, mean), torch.full_like(centres, -3.0)
    )
    # A cell's mass is density times width, up to the square of the width over the variance.
    inner = (centres.abs() < 0.999) & (logs > math.log(1e-10))  # masses have a floor of 1e-12
    assert inner.sum() > 100
    torch.testing.assert_close(logs[inner], density[inner] + math.log(width), rtol=0, atol=2e-3)
    single = log_likelihood(
        centres.float(), torch.full((256,), mean), torch.full((256,), -3.0), "discretized"
    )
    torch.testing.assert_close(single.double()[inner], logs[inner], rtol=0, atol=1e-3)

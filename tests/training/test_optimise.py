"""Learning rate and averaged weights: exact laws."""

import math

import pytest
import torch
from torch import nn

from roadloom.training.config import TrainConfig
from roadloom.training.optimise import (
    Ema,
    build_optimizer,
    cycle_of,
    decay_after,
    learning_rate,
    local,
    trained,
)


def rates(**settings: object) -> list[float]:
    config = TrainConfig(steps=10, learning_rate=2.0, warmup_steps=4, **settings)  # type: ignore[arg-type]
    return [learning_rate(step, config) for step in range(10)]


def test_the_warm_up_is_a_line_to_the_full_rate() -> None:
    for schedule in ("constant", "cosine", "linear"):
        assert rates(schedule=schedule)[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]


def test_schedules_after_the_warm_up() -> None:
    assert rates(schedule="constant")[4:] == [2.0] * 6
    assert rates(schedule="linear")[4:] == pytest.approx([2 * (1 - k / 6) for k in range(6)])
    cosine = [1 + math.cos(math.pi * k / 6) for k in range(6)]
    assert rates(schedule="cosine")[4:] == pytest.approx(cosine)


def test_every_cycle_is_a_run_of_its_own() -> None:
    config = TrainConfig(steps=10, cycles=3, learning_rate=2.0, warmup_steps=1, schedule="linear")
    parts = [cycle_of(step, 10, 3) for step in range(10)]
    assert parts == [(0, 0, 4)] * 4 + [(1, 4, 7)] * 3 + [(2, 7, 10)] * 3
    alone = [
        learning_rate(step, TrainConfig(steps=n, learning_rate=2.0, warmup_steps=1,
                                        schedule="linear"))
        for n in (4, 3, 3) for step in range(n)
    ]  # fmt: skip
    assert [learning_rate(step, config) for step in range(10)] == alone


def test_the_average_follows_its_law() -> None:
    module = nn.Linear(3, 2)
    ema = Ema(module, 0.7)
    expected = {name: p.detach().double() for name, p in module.named_parameters()}
    for step in range(1, 40):
        with torch.no_grad():
            for p in module.parameters():
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(step)))
        ema.update(step)
        decay = min(0.7, step / (step + 9))
        for name, p in module.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * p.detach().double()
    for name, average in ema.average.items():
        assert average.dtype == torch.float32
        torch.testing.assert_close(average.double(), expected[name], rtol=1e-6, atol=1e-6)


def test_the_decay_rises_to_its_limit() -> None:
    assert [decay_after(n, 0.5) for n in (1, 3, 9, 10)] == [0.1, 0.25, 0.5, 0.5]


def test_the_average_is_in_the_module_only_inside() -> None:
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    ema = Ema(module, 0.9)
    assert ema.average.keys() == {"weight"} == trained(module).keys()
    with torch.no_grad():
        module.weight.mul_(3)
    own = module.weight.detach().clone()
    with pytest.raises(ArithmeticError), ema.in_place():
        assert torch.equal(module.weight, ema.average["weight"])
        raise ArithmeticError
    assert torch.equal(module.weight, own)


@pytest.mark.parametrize(("name", "decays"), [("adam", False), ("adamw", True)])
def test_the_optimiser_is_the_named_one(name: str, decays: bool) -> None:
    """With no gradient AdamW shrinks the weights; Adam adds the decay to the gradient."""
    module = nn.Linear(2, 2)
    frozen = module.bias.requires_grad_(False)
    before = module.weight.detach().clone()
    config = TrainConfig(steps=1, optimizer=name, learning_rate=0.1, weight_decay=0.5)  # type: ignore[arg-type]
    optimizer = build_optimizer(module, config)
    module.weight.grad = torch.zeros_like(before)
    optimizer.step()
    assert frozen.grad is None
    shrunk = torch.allclose(module.weight, before * 0.95)
    assert shrunk == decays


def test_the_local_part_of_a_whole_tensor_is_itself() -> None:
    tensor = torch.ones(2)
    assert local(tensor) is tensor

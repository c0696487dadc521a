"""Pasts that the network makes anew: which, from what, and what a training on them is."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.recipes.in_parts import train_in_parts
from tests.recipes.toy_latents import MICRO
from torch import Tensor, nn

from roadloom.diffusion.objectives import published
from roadloom.diffusion.schedules import LEVELS, per_sample
from roadloom.errors import BadInput
from roadloom.models.hexplane.conditions import NAMES as CONDITIONS
from roadloom.models.hexplane.generator import HexPlaneGenerator
from roadloom.models.store import load_model
from roadloom.recipes.hexplane_dit import DitTask, hexplane_drive_tiny, save_generator
from roadloom.recipes.hexplane_student import StudentTask, save_student
from roadloom.recipes.own_past import MOST, STEPS, own_pasts, there_and_back
from roadloom.recipes.registry import find_recipe
from roadloom.training.task import Step

SEEDS = tuple(range(100, 164))


class Sure(nn.Module):
    """Knows one map and takes every state for it with noise: velocity (state - map) / t."""

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.known, self.times = known, list[Tensor]()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, state: Tensor, times: Tensor, conditions: Any) -> Tensor:
        assert conditions is None
        self.times.append(times)
        share = per_sample(times / LEVELS, state)
        # at time 0 nothing moves, whatever is said
        moved = torch.where(share > 0, (state - self.known) / share.clamp_min(1e-9), 0.0)
        return self.weight * moved


def some_batch(count: int = len(SEEDS)) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(0)
    return {
        "latent": torch.randn(count, 2, 4, 6, generator=source),
        "previous": torch.randn(count, 2, 4, 6, generator=source),
        "given.previous": torch.arange(count) % 3 > 0,
    }


def test_the_network_brings_back_what_it_knows() -> None:
    """From any noise, its times falling from where the noise put the state."""
    source = torch.Generator().manual_seed(1)
    x, noise, known = torch.randn(3, 3, 2, 4, 6, generator=source)
    start = torch.tensor([0.0, 0.4, 0.9])
    sure = Sure(known)
    made = there_and_back(sure, x, noise, start)
    torch.testing.assert_close(made[0], x[0])  # without noise nothing is lost
    torch.testing.assert_close(made[1:], known[1:], atol=1e-5, rtol=1e-5)
    assert len(sure.times) == STEPS
    assert torch.equal(sure.times[0], LEVELS * start)
    assert all((a[1:] > b[1:]).all() for a, b in zip(sure.times, sure.times[1:], strict=False))
    assert not made.requires_grad


class Still(nn.Module):
    """Moves nothing."""

    def forward(self, state: Tensor, times: Tensor, conditions: Any) -> Tensor:
        return torch.zeros_like(state)


def test_what_the_network_leaves_alone_stays_noised() -> None:
    x, noise = torch.randn(2, 2, 2, 4, 6, generator=torch.Generator().manual_seed(2))
    still = there_and_back(Still(), x, noise, torch.tensor([0.3, 0.6]))
    torch.testing.assert_close(still[0], 0.7 * x[0] + 0.3 * noise[0])
    torch.testing.assert_close(still[1], 0.4 * x[1] + 0.6 * noise[1])


def test_a_share_of_pasts_is_made_anew_each_by_its_own_seed() -> None:
    batch = some_batch()
    sure = Sure(torch.full((2, 4, 6), 7.0))
    made = own_pasts(sure, batch, SEEDS, 0.5)
    anew = (made["previous"] != batch["previous"]).flatten(1).any(1)
    assert 20 <= int(anew.sum()) <= 44
    torch.testing.assert_close(made["previous"][anew], torch.full_like(made["previous"][anew], 7.0))
    assert made.keys() == batch.keys()
    assert all(made[name] is batch[name] for name in ("latent", "given.previous"))
    assert float(sure.times[0].max()) <= MOST * LEVELS
    order = torch.arange(len(SEEDS)).flip(0)
    flipped = {name: value[order] for name, value in batch.items()}
    again = own_pasts(sure, flipped, SEEDS[::-1], 0.5)
    torch.testing.assert_close(again["previous"], made["previous"][order])
    every = own_pasts(sure, batch, SEEDS, 1.0)["previous"]
    torch.testing.assert_close(every, torch.full_like(every, 7.0))


def test_without_a_share_the_network_is_not_asked() -> None:
    batch, sure = some_batch(), Sure(torch.zeros(2, 4, 6))
    assert own_pasts(sure, batch, SEEDS, 0.0)["previous"] is batch["previous"]
    none = {"latent": batch["latent"]}
    assert own_pasts(sure, none, SEEDS, 0.5) == none and not sure.times


def test_every_process_asks_the_network_as_often() -> None:
    """Also one of whose samples none is made anew."""
    batch, sure = some_batch(2), Sure(torch.zeros(2, 4, 6))
    seeds = next((a, a + 1) for a in range(100) if _none_chosen(a))
    made = own_pasts(sure, batch, seeds, 0.05)
    assert torch.equal(made["previous"], batch["previous"]) and len(sure.times) == STEPS


def _none_chosen(first: int) -> bool:
    made = own_pasts(Sure(torch.full((2, 4, 6), 9.0)), some_batch(2), (first, first + 1), 0.05)
    return torch.equal(made["previous"], some_batch(2)["previous"])


ALL = dataclasses.replace(MICRO, conditions=CONDITIONS)


@pytest.fixture
def start(data: Path, tmp_path: Path) -> Path:
    """An untrained network with all conditions, as a model folder."""
    torch.manual_seed(3)
    task = DitTask(data=data, dit=ALL)
    module = task.build()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    folder = tmp_path / "start"
    folder.mkdir()
    save_generator(module, folder, task.card() | {"recipe": "first", "steps": 5})
    return folder


def test_training_goes_on_from_the_start(data: Path, start: Path) -> None:
    task = DitTask(data=data, dit=ALL, own_past=0.5, start=start)
    module, before = task.build(), load_model(start)[0]
    assert isinstance(module, HexPlaneGenerator) and module.config == before.config
    assert all(map(torch.equal, module.parameters(), before.parameters()))
    told = task.card()["start"]
    assert told["recipe"] == "first" and told["steps"] == 5 and len(told["weights_sha256"]) == 64


def test_pasts_of_its_own_change_the_loss_and_pass_no_gradient(data: Path, start: Path) -> None:
    own, plain = (DitTask(data=data, dit=ALL, own_past=share, start=start) for share in (1.0, 0.0))
    module = own.build()
    examples = own.examples()
    batch = [examples.read(index, 0) for index in range(8, 16)]
    every = {name: torch.stack([one[name] for one in batch]) for name in batch[0]}
    step = Step(number=0, seeds=tuple(range(8)), micro_batches=1)
    asked = []
    module.register_forward_hook(lambda *_: asked.append(torch.is_grad_enabled()))
    losses = [task.loss(module, every, step)[0] for task in (own, plain, own)]
    assert losses[0].isfinite() and losses[0] == losses[2] != losses[1]
    assert asked == [*[False] * STEPS, True, True, *[False] * STEPS, True]


def test_a_run_on_own_pasts_that_was_stopped_ends_with_the_same_bits(
    data: Path, start: Path, tmp_path: Path
) -> None:
    task = DitTask(data=data, dit=ALL, own_past=0.5, start=start)
    train_in_parts(task, (3,), save_generator, tmp_path)
    card = load_model(tmp_path / "whole" / "model")[1]
    assert card["own_past"] == 0.5 and card["start"]["recipe"] == "first"


def test_what_cannot_be_gone_on_with_is_told(data: Path, start: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--start"):
        find_recipe("hexplane_drive_tiny", data)
    with pytest.raises(BadInput, match="no such choice.*--start|--start.*no such choice"):
        find_recipe("hexplane_dit_paper", data, start=start)
    named = find_recipe("hexplane_drive_tiny", data, start=start).task
    assert isinstance(named, DitTask) and named.own_past > 0
    assert hexplane_drive_tiny(None).task.build() is not None
    with pytest.raises(ValueError, match="own_past needs the flow"):
        DitTask(data=data, flow=None, epsilon=published(), own_past=0.5)
    student = StudentTask(data=data, teacher=start, steps=1, rounds=1)
    (tmp_path / "student").mkdir()
    save_student(student.build(), tmp_path / "student", student.card())
    with pytest.raises(BadInput, match="is a student itself.*--start|--start.*student itself"):
        DitTask(data=data, dit=ALL, start=tmp_path / "student").build()
    with pytest.raises(BadInput, match="no transformer over latents"):
        DitTask(data=data, dit=ALL, start="hexplane_vae_v1").build()


def test_the_shipped_transformer_says_where_it_began() -> None:
    _, card = load_model("hexplane_dit_v1")
    assert card["recipe"] == "hexplane_drive_tiny" and card["own_past"] > 0
    assert card["start"]["recipe"] == "hexplane_dit_tiny"

"""The gain that is chosen, and that it reaches the model."""

from argparse import Namespace
from pathlib import Path

import torch
from studies.hexplane_gain import APART, best, drives_of, write
from tests.pipelines.micro import micro_world, save_micro

from roadloom.io.read import read_json
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.store import load_model


def test_the_least_sum_wins() -> None:
    both = {1.0: (3.0, 2.0), 1.1: (1.0, 3.5), 1.2: (4.0, 1.0)}
    assert best(both) == 1.1


def test_windows_that_follow_are_the_ones_looked_at() -> None:
    """Of two drives of three windows told nothing; by hand the same."""
    world, gain = micro_world(), 1.3
    asked = Namespace(chunks=3, steps=2, seed=5, bf16=False)
    places = [[0, 1, 2], [3, 4, 5]]
    made = list(drives_of(world, None, places, gain, asked, alone=True))  # type: ignore[arg-type]
    way, past, expected = world.sampler(2), None, []
    for k in range(3):
        seeds = [5 + k, 5 + APART + k]
        own = gain if k else 1.0
        planes = world.sample(seeds, past and Conditions(previous=past[0]), sampler=way, gain=own)
        past = (world.generator.past_of(planes),)
        expected += [planes] if k else []
    assert len(made) == len(expected) == 2
    for one, other in zip(made, expected, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_it_is_written_into_the_model(tmp_path: Path) -> None:
    model, _ = save_micro(tmp_path)
    before = load_model(model)[0].config
    write(str(model), 1.05, "--gains 1 1.1")
    module, card = load_model(model)
    assert before.follow_gain == 1 and module.config.follow_gain == 1.05
    assert card["follow_gain"] == 1.05 == read_json(model / "card.json")["follow_gain"]
    assert "1.05" in (model / "README.md").read_text()

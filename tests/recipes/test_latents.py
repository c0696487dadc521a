"""What the transformer's recipes share: weights of the loss, disturbed past, what is left out."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.pipelines.micro import generator_config as micro_config
from tests.recipes.toy_latents import (
    MICRO,
)
from torch import Tensor

from roadloom.diffusion.objectives import FlowObjective
from roadloom.diffusion.seeds import noise_like
from roadloom.models.hexplane.conditions import NAMES as CONDITIONS
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.generator import (
    GeneratorConfig,
    HexPlaneGenerator,
    as_past,
    plain_statistics,
)
from roadloom.models.hexplane.rollout import unroll
from roadloom.recipes.hexplane_dit import DitTask
from roadloom.recipes.latents import (
    DROPS,
    chosen_windows,
    conditions_of,
    disturb_past,
    drop_some,
    generator_config,
    loss_weights,
    read_batch,
    training_conditions,
    validation_losses,
    windows_of,
)


def test_validation_gives_and_swaps_what_it_says(data: Path) -> None:
    """Seen through a network that only remembers what it is asked."""
    task = DitTask(data=data, dit=dataclasses.replace(MICRO, conditions=CONDITIONS))
    windows, asked = windows_of(task.val_folder, task.config), []

    class Asked(HexPlaneGenerator):
        def forward(self, latent: Tensor, time: Tensor, conditions: Any = None) -> Tensor:
            asked.append((latent, time, conditions))
            return torch.zeros_like(latent)

    scores = validation_losses(Asked(task.config), windows, limit=6)
    assert len(set(scores.values())) == 1  # the network heeds no condition
    chosen = [0, 14, 27, 41, 54, 68]
    assert chosen_windows(69, 6) == chosen and chosen_windows(3, None) == [0, 1, 2]
    own, others = (
        Conditions.from_tensors(read_batch(windows, [chosen[(i + k) % 6] for i in range(6)]))
        for k in (0, 3)
    )
    for name, (latent, time, told) in zip(scores, asked, strict=True):
        assert torch.equal(latent, asked[0][0])
        assert time.tolist() == [50, 150, 250, 350, 450, 550]
        for known in CONDITIONS:
            source = others if name == f"loss_shuffled_{known}" else own
            assert torch.equal(told.values()[known], source.values()[known]), name
            none = name == "loss_without" or name.startswith("loss_only_")
            given = source.mask(known) & (name == f"loss_only_{known}" or not none)
            assert torch.equal(told.mask(known), given), name


def test_weights_of_the_loss_share_it_out_among_planes(data: Path) -> None:
    config = DitTask(data=data, dit=MICRO).config
    size, live = config.dit.size, config.mask
    assert loss_weights(config, balance=0.0, motion=1.0) is None
    for balance in (0.5, 1.0):
        weights = loss_weights(config, balance=balance, motion=1.0)
        assert weights is not None and weights.shape == config.shape
        assert float(weights[:, live].mean()) == pytest.approx(1)
        assert not weights[:, ~live].any()
        shares = [float(plane.sum() / weights.sum()) for plane in unroll(weights[None], size)]
        cells = [(a * b) ** (1 - balance) for a, b in size.shapes()]
        assert shares == pytest.approx([c / sum(cells) for c in cells])
    wide = GeneratorConfig(
        dit=dataclasses.replace(config.dit, channels=5), flow=FlowObjective(),
        statistics=plain_statistics(5),
    )  # fmt: skip
    plain, more = (loss_weights(wide, balance=0.5, motion=factor) for factor in (1.0, 4.0))
    assert plain is not None and more is not None
    ratio = unroll((more / plain)[None], size).tz[0, :, 0, 0]
    assert (ratio[:3] / ratio[3]).tolist() == pytest.approx([4.0] * 3)
    rest = unroll((more / plain)[None], size)
    assert torch.allclose(rest.xy, ratio[3].expand_as(rest.xy))


def test_the_past_is_moved_where_latents_tell_the_motion(data: Path) -> None:
    dit = dataclasses.replace(MICRO, conditions=("previous",))
    task = DitTask(data=data, dit=dit)
    folder = task.train_folder
    assert (
        folder is not None and not task.config.carry_past and DitTask(data=None).config.carry_past
    )
    folder.manifest["motion"] = True
    with pytest.raises(ValueError, match="channels that tell the motion"):  # it has two
        generator_config(folder, dit, FlowObjective(), None)
    assert not generator_config(folder, dit, FlowObjective(), None, carry_past=False).carry_past


def test_the_past_of_a_batch_is_moved() -> None:
    """And then disturbed."""
    config = micro_config(carry_past=True)
    past = noise_like((3, 4), config.shape)
    batch = {"previous": past, "given.previous": torch.tensor([True, False])}
    seen = conditions_of(batch, config)
    assert seen.mask("previous").tolist() == [True, False]
    assert seen.previous is not None and not torch.equal(seen.previous, past)
    assert torch.equal(seen.previous, as_past(config, past))
    told = training_conditions(batch, config, (1, 2), ((1.0, 0.0),), 0.6)
    assert told.previous is not None
    assert torch.equal(told.previous, disturb_past(seen, (1, 2), 0.6).previous)


def test_the_past_is_disturbed_by_each_samples_own_share() -> None:
    count = 400
    past = 2.0 + torch.zeros(count, 3, 10, 10)
    known = Conditions(previous=past, command=torch.zeros(count, dtype=torch.int64))
    seen = disturb_past(known, tuple(range(count)), 0.6)
    assert seen.previous is not None and seen.command is known.command
    noise = seen.previous.flatten(1).std(dim=1)
    assert 0.57 < float(noise.max()) < 0.7 and float(noise.min()) < 0.03
    assert float(noise.mean()) == pytest.approx(0.3, abs=0.03)  # uniform from 0 to 0.6
    kept = seen.previous.flatten(1).mean(dim=1) / 2
    torch.testing.assert_close(kept**2 + noise**2, torch.ones(count), atol=0.15, rtol=0)
    again = disturb_past(known.select(torch.tensor([9])), (9,), 0.6)
    assert again.previous is not None and torch.equal(again.previous[0], seen.previous[9])
    assert disturb_past(known, tuple(range(count)), 0.0) is known
    assert disturb_past(Conditions(), (), 0.6) == Conditions()


def test_conditions_are_left_out_in_their_shares() -> None:
    count = 4000
    conditions = Conditions(
        command=torch.zeros(count, dtype=torch.int64), trajectory=torch.zeros(count, 4, 3),
        given={"trajectory": torch.arange(count) % 2 == 0},
    )  # fmt: skip
    seeds = tuple(range(count))
    left = drop_some(conditions, seeds, DROPS)
    share = sum(part * chance for part, chance in DROPS)
    assert sum(part for part, _ in DROPS) == pytest.approx(1)
    assert float((~left.mask("command")).float().mean()) == pytest.approx(share, abs=0.025)
    assert not left.mask("trajectory")[1::2].any()
    both = ~left.mask("command") & ~left.mask("trajectory")
    none = sum(part * chance**2 for part, chance in DROPS)
    assert float(both[::2].float().mean()) == pytest.approx(none, abs=0.025)
    alone = drop_some(conditions.select(torch.tensor([9])), (9,), DROPS)
    assert alone.mask("command")[0] == left.mask("command")[9]
    assert drop_some(Conditions(), (), DROPS) == Conditions()

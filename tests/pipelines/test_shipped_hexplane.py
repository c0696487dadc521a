"""The models of 4-D cities that ship: their cards, their size, and that they do what they say."""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from roadloom.metrics.following import (
    continuity,
    layout_overlap,
    read_trajectory,
    trajectory_error,
)
from roadloom.metrics.reconstruction import Confusion, mean_iou
from roadloom.models.hexplane.conditions import COMMANDS, Conditions
from roadloom.models.hexplane.generator import join_all
from roadloom.models.hexplane.rollout import unroll
from roadloom.models.store import CARD, CONFIG, README, WEIGHTS, find_model, load_model, shipped
from roadloom.pipelines.generate import default_model
from roadloom.pipelines.hexplane import HexPlaneWorld, load_world
from roadloom.pipelines.real_windows import RealWindow, RealWindows

VAE, DIT, STUDENT = "hexplane_vae_v1", "hexplane_dit_v1", "hexplane_student_v1"
WINDOWS = ("town-v1:val:3@4", "town-v1:val:20@6")
"""Of clips that no model was trained on."""


@cache
def world() -> HexPlaneWorld:
    return load_world(default_model())


@cache
def drive(number: int) -> RealWindows:
    return RealWindows(world(), WINDOWS[number])


@cache
def recorded(number: int, window: int = 0) -> RealWindow:
    return drive(number).read(window)


@cache
def asked(name: str) -> list[Conditions]:
    return [drive(number).conditions(0, (name,)) for number in range(len(WINDOWS))]


@pytest.mark.parametrize("name", [VAE, DIT, STUDENT])
def test_the_card_is_complete(name: str) -> None:
    assert name in shipped()
    folder = find_model(name)
    assert {path.name for path in folder.iterdir()} == {CARD, CONFIG, README, WEIGHTS}
    net, card = load_model(name)
    assert card["weights_sha256"] == sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert card["parameters"] == sum(p.numel() for p in net.parameters()) <= 4_000_000
    assert card["licence"] == "Apache-2.0" and "town-v1:train" in card["data"]
    for told in ("about", "recipe", "steps", "seed", "scores", "settings"):
        assert card[told] not in (None, "", {}), told


def test_they_fit_each_other_and_the_budget() -> None:
    shelf = Path(str(find_model(VAE))).parent
    assert sum(path.stat().st_size for path in shelf.rglob("*") if path.is_file()) <= 10_000_000
    assert default_model() == STUDENT
    student, teacher = world(), load_world(DIT)
    assert student.names["vae"] == teacher.names["vae"] == VAE
    assert student.sampler().steps == 4
    assert set(student.config.dit.conditions) == {"layout", "trajectory", "command", "previous"}


def test_the_autoencoder_rebuilds_what_it_never_saw() -> None:
    counts = Confusion(12, 16)
    for window in map(recorded, range(len(WINDOWS))):
        assert window.motion is not None
        rebuilt = world().labels(world().encode(window.voxels[None], window.motion[None]))
        counts.update(rebuilt, window.voxels[None], torch.ones_like(window.voxels[None]).bool())
    assert float(mean_iou(counts.counts.sum(0))) > 0.6  # 0.75 over all of val, see its card


def test_the_window_before_is_moved_to_where_the_next_one_lies() -> None:
    """By the correlation of the ground, XY, with that of the next window."""
    lay, ahead = [], []
    for number in range(len(WINDOWS)):
        planes = []
        for window in (recorded(number, -1), recorded(number)):
            assert window.motion is not None
            planes.append(world().encode(window.voxels[None], window.motion[None]))
        net = world().generator
        assert net.config.carry_past
        for found, canvas in ((lay, net.map_of(planes[0])), (ahead, net.past_of(planes[0]))):
            maps = torch.stack([canvas, net.map_of(planes[1])])[:, 0]
            ground = [unroll(one[None], net.config.dit.size).xy.flatten() for one in maps]
            found.append(float(torch.corrcoef(torch.stack(ground))[0, 1]))
    assert np.mean(ahead) > np.mean(lay) + 0.15


def test_the_other_command_turns_the_other_way() -> None:
    turned = []
    for command in ("left", "right"):
        given = Conditions(command=torch.full((4,), COMMANDS.index(command)))
        motion = world().motion(world().sample(range(4), given))
        assert motion is not None
        turned.append(float((motion[:, -1, 2] - motion[:, 0, 2]).mean()))
    assert turned[0] > 0 > turned[1]


def layout_score(labels: Tensor, number: int) -> float:
    layout = asked("layout")[number].layout
    assert layout is not None
    return float(np.nanmean(layout_overlap(layout[0].bool(), world().layout(labels[None])[0]).iou))


def way_score(labels: Tensor, number: int) -> float:
    rows = asked("trajectory")[number].trajectory
    assert rows is not None
    shown = read_trajectory(labels, world().config.class_view, world().box)
    return -trajectory_error(rows[0], shown).mean_m


def past_score(labels: Tensor, number: int) -> float:
    before = recorded(number, -1).voxels
    counts = continuity(before[-1], labels[0], world().config.class_view, world().box, 12)
    return float(torch.nan_to_num(mean_iou(counts.counts[0])))


@pytest.mark.parametrize(
    ("name", "score"),
    [("layout", layout_score), ("trajectory", way_score), ("previous", past_score)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_windows_condition_changes_and_worsens(
    name: str, score: Callable[[Tensor, int], float]
) -> None:
    own, seeds = asked(name), list(range(len(WINDOWS)))
    true = world().labels(world().sample(seeds, join_all(own)))
    other = world().labels(world().sample(seeds, join_all([*own[1:], own[0]])))
    assert all((a != b).any() for a, b in zip(true, other, strict=True))
    told = [[score(labels, n) for n, labels in enumerate(made)] for made in (true, other)]
    assert np.nanmean(told[0]) > np.nanmean(told[1])

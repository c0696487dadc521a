"""Scores over made drives, with stand-ins for the networks: floors, order, refusals, protocols."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.datasets.made_drive import made_clip

from roadloom.datasets.drive_conditions import command_of, layout_of, trajectory_of
from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.metrics.protocol import read_scores, write_scores
from roadloom.metrics.reconstruction import Confusion
from roadloom.models.features.scene_net import SceneFeatureConfig, SceneFeatures
from roadloom.models.features.view_net import ViewFeatureConfig, ViewFeatures
from roadloom.models.store import save_model
from roadloom.pipelines.evaluate import (
    Described,
    Networks,
    describe,
    evaluate_generation,
    evaluate_reconstruction,
    load_networks,
    protocol_of,
    real_halves,
    score_generation,
)
from roadloom.pipelines.evaluate_following import Asked, evaluate_following, shuffled


@pytest.fixture(scope="module")
def windows() -> OccupancyWindows:
    """Four drives, windows of four frames."""
    ways = (("a", "straight"), ("b", "circle"), ("c", "right"), ("d", "still"))
    clips = [made_clip(name, 24, way) for name, way in ways]
    return OccupancyWindows(clips, frames=4, stride=4)


class Shares(torch.nn.Module):
    """A stand-in: how much of each class or colour there is, early and late."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        parts = [seen[:, 0], seen[:, -1]]
        return torch.stack([(p == k).flatten(1).float().mean(1) for p in parts for k in (6, 10)], 1)


NETWORKS = Networks(Shares(), Shares(), (("scene", "ab"), ("view", "cd")))


def made(windows: OccupancyWindows, numbers) -> list[torch.Tensor]:
    return [windows.read(number, 0)["voxels"] for number in numbers]


def test_halves_are_of_different_clips(windows: OccupancyWindows) -> None:
    halves = real_halves(windows, 8, 10)
    scenes = [{windows.locate(i)[0] for i in half} for half in (halves.reference, halves.floor)]
    assert scenes == [{0, 2}, {1, 3}]
    assert (len(set(halves.reference)), len(set(halves.floor))) == (8, 10)
    with pytest.raises(BadInput, match="12 windows in one half"):
        real_halves(windows, 13, 8)


def test_the_floor_itself_scores_the_floor(windows: OccupancyWindows, tmp_path) -> None:
    halves = real_halves(windows, 12, 12)
    protocol = replace(protocol_of(windows, halves, NETWORKS, hz=10.0), draws=20)
    found = [
        labels.masked_fill(~windows.read(number, 0)["valid"], 255)
        for number, labels in zip(halves.floor, made(windows, halves.floor), strict=True)
    ]
    scores = evaluate_generation(iter(found), windows, halves, NETWORKS, protocol)
    assert len(scores) == 13
    for score in scores:
        assert score.value == pytest.approx(score.floor), score.name
        assert score.protocol == protocol.protocol_id
    frechet = scores[0]
    assert frechet.low <= frechet.value <= frechet.high
    write_scores(tmp_path / "s.json", scores, protocol)
    assert read_scores(tmp_path / "s.json") == (scores, protocol)
    with pytest.raises(BadInput, match="the protocol counts 12"):
        evaluate_generation(found[:5], windows, halves, NETWORKS, protocol)


def test_what_is_scored_is_in_the_protocol(windows: OccupancyWindows) -> None:
    halves = real_halves(windows, 8, 8)
    first = protocol_of(windows, halves, NETWORKS, hz=10.0)
    ids = {
        first.protocol_id,
        protocol_of(windows, real_halves(windows, 8, 9), NETWORKS, hz=10.0).protocol_id,
        protocol_of(windows, halves, NETWORKS, hz=10.0, seed=1).protocol_id,
        protocol_of(
            windows, halves, replace(NETWORKS, hashes=(("scene", "x"),)), hz=10.0
        ).protocol_id,
    }
    assert len(ids) == 4
    assert first.protocol_id == protocol_of(windows, halves, NETWORKS, hz=10.0).protocol_id


def described(seed: int, shift: float = 0.0, blink: int = 1) -> Described:
    random = np.random.default_rng(seed)
    draw = random.normal(size=(2, 60, 4)).astype(np.float32) + np.float32(shift)
    blinks = np.zeros((60, 2, 12), np.int64)
    blinks[:, 0, 1:4], blinks[:, 1, 1:4] = blink, 10
    return Described(draw[0], draw[1], blinks, np.repeat(np.arange(12), 5))


def test_worse_sets_score_worse(windows: OccupancyWindows) -> None:
    protocol = protocol_of(windows, real_halves(windows, 8, 8), NETWORKS, hz=10.0)
    protocol = replace(protocol, draws=40)
    good, bad = (
        {s.name: s for s in score_generation(one, described(1), described(2), protocol)}
        for one in (described(3), described(4, shift=3.0, blink=6))
    )
    for name in ("frechet, scene", "kernel, scene", "frechet, view", "kernel, view"):
        assert bad[name].low > good[name].high
        assert good[name].floor == bad[name].floor
    for name in ("precision, scene", "recall, view", "density, view", "coverage, scene"):
        assert bad[name].high < good[name].low
    assert good["blinking"].value == good["blinking"].floor == pytest.approx(0.1)
    assert bad["blinking"].value == pytest.approx(0.6)
    assert bad["blinking"].better == "floor"


def test_networks_come_from_folders(windows: OccupancyWindows, tmp_path) -> None:
    scene, view = SceneFeatureConfig(), ViewFeatureConfig()
    save_model(tmp_path / "s", SceneFeatures(scene), "features_scene", scene, {}, half=True)
    save_model(tmp_path / "v", ViewFeatures(view), "features_view", view, {}, half=True)
    networks = load_networks(str(tmp_path / "s"), str(tmp_path / "v"))
    assert [name for name, _ in networks.hashes] == ["scene", "view"]
    grid = windows.scenes[0].drive.grid
    found = describe(made(windows, [0, 1]), networks, grid, "dynamiccity12", [4, 4])
    assert (found.scene.shape, found.view.shape, found.clips.tolist()) == ((2, 48), (2, 48), [4, 4])
    with pytest.raises(BadInput, match="no windows"):
        describe([], networks, grid, "dynamiccity12")


def test_reconstruction(windows: OccupancyWindows) -> None:
    scores, counts, protocol = evaluate_reconstruction(lambda v, _: v, windows, limit=8)
    assert [(s.value, s.low, s.high) for s in scores] == [(1, 1, 1), (1, 1, 1)]
    assert counts.counts.sum() == 8 * 4 * (128 - 1) * 128 * 8  # one row of x is never observed
    assert protocol.count == 8

    def carless(voxels: torch.Tensor, _: Pose | None = None) -> torch.Tensor:
        return voxels.masked_fill(voxels == 10, 0)

    scores, counts, other = evaluate_reconstruction(carless, windows, limit=8)
    expected = Confusion(12, 4)
    for number in np.linspace(0, len(windows) - 1, 8).round().astype(int):
        example = windows.read(int(number), 0)
        voxels = example["voxels"][None]
        expected.update(carless(voxels), voxels, example["valid"][None])
    assert torch.equal(counts.counts, expected.counts)
    assert scores[1].value == expected.scores().miou < 1
    assert scores[1].low <= scores[1].value <= scores[1].high
    assert other.protocol_id == protocol.protocol_id


def test_another_windows_conditions_come_from_another_clip() -> None:
    clips = [0, 0, 1, 1, 2]
    other = shuffled(clips, 0)
    assert all(clips[a] != clips[b] for a, b in enumerate(other))
    assert shuffled(clips, 0) == other
    alone = shuffled([0, 0, 0], 0)
    assert all(a != b for a, b in enumerate(alone))


def test_following(windows: OccupancyWindows) -> None:
    """What follows its conditions scores as the real windows; what repeats one scene does not."""
    numbers = [number for scene in (0, 3) for number in range(6 * scene + 1, 6 * scene + 5)]
    real, classes = made(windows, numbers), (6, 8, 10)
    asked = []
    for number, labels in zip(numbers, real, strict=True):
        way = trajectory_of(windows.poses(number))
        asked.append(
            Asked(
                layout=layout_of(labels, classes), layout_classes=classes, trajectory=way,
                command=command_of(way), past=windows.read(windows.previous(number), 0)["voxels"],
            )
        )  # fmt: skip
    clips = [windows.locate(number)[0] for number in numbers]
    protocol = protocol_of(windows, real_halves(windows, 8, 8), NETWORKS, hz=10.0)
    protocol = replace(protocol, draws=40)
    grid = windows.scenes[0].drive.grid
    scores = {s.name: s for s in evaluate_following(real, real, asked, clips, grid, protocol)}
    assert len(scores) == 10
    for name in ("layout IoU", "way m", "way rad", "command followed", "past mIoU"):
        assert scores[name].value == scores[name].floor
    assert scores["layout IoU"].value == 1
    assert scores["layout IoU, others' conditions"].high < 1
    ignoring = {
        s.name: s for s in evaluate_following(real[:1] * 8, real, asked, clips, grid, protocol)
    }
    assert ignoring["layout IoU"].value < 1
    only_layout = [Asked(layout=one.layout, layout_classes=classes) for one in asked]
    few = evaluate_following(real, real, only_layout, clips, grid, protocol)
    assert [s.name for s in few] == ["layout IoU", "layout IoU, others' conditions"]
    with pytest.raises(BadInput, match="conditions"):
        evaluate_following(real, real, asked, clips[:3], grid, protocol)

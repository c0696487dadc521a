"""Both feature recipes over a made folder: examples, losses, and the model that comes out."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.datasets.made_drive import RADIUS, SPEED

from roadloom.datasets.windows import OccupancyWindows
from roadloom.models.features.targets import PLAYBACKS, TURN_SCALE_RAD
from roadloom.models.store import load_model
from roadloom.prepare import Request
from roadloom.prepare.run import prepare
from roadloom.recipes.features import (
    PER_SCENE,
    SceneExamples,
    ViewExamples,
    features_scene_tiny,
    features_view_tiny,
)
from roadloom.recipes.recipe import Recipe
from roadloom.recipes.registry import find_recipe
from roadloom.scene.registry import KINDS
from roadloom.training.task import Step

STEP = Step(number=0, seeds=(0, 0), micro_batches=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drives of 34 frames: straight, round a circle, standing still."""
    place = tmp_path_factory.mktemp("prepared")
    KINDS["made"] = "tests.datasets.made_drive:MadeSource"
    try:
        prepare(Request(source="made:34", occupancy=("carla_sc",)), place / "train")
    finally:
        del KINDS["made"]
    return place


def batch(recipe: Recipe, count: int = 2) -> dict[str, torch.Tensor]:
    examples = recipe.task.examples()
    read = [examples.read(index, seed=index) for index in range(count)]
    return {name: torch.stack([one[name] for one in read]) for name in read[0]}


def test_motion_and_playback_agree_with_the_drive(folder: Path) -> None:
    examples = SceneExamples(OccupancyWindows(folder / "train", frames=31))
    assert len(examples) == 3 * PER_SCENE
    seen, turns = set(), set()
    for scene, turn in ((0, 0.0), (1, SPEED / RADIUS)):
        for seed in range(12):
            example = examples.read(scene * PER_SCENE, seed)
            every, backwards = PLAYBACKS[int(example["playback"])]
            signed = -every if backwards else every
            forward, _, yaw = example["motion"].tolist()
            assert forward == pytest.approx(signed * SPEED, abs=0.01)
            assert abs(yaw) * TURN_SCALE_RAD == pytest.approx(every * turn, abs=1e-5)
            seen.add((every, backwards))
            turns.add(yaw * signed > 0)
    assert len(seen) == len(PLAYBACKS)
    assert turns == {False, True}  # a left turn, and it in the mirror


def test_plain_examples_are_the_windows_themselves(folder: Path) -> None:
    windows = OccupancyWindows(folder / "train", frames=31)
    examples = SceneExamples(windows, plain=True)
    labels = examples.read(1, seed=5)["labels"]
    starts = [
        start
        for start in range(34 - 15)
        if np.array_equal(windows.frame(0, start)[0], labels[0].numpy())
    ]
    assert len(starts) == 1
    for step in range(16):
        assert np.array_equal(windows.frame(0, starts[0] + step)[0], labels[step].numpy())


def test_examples_depend_on_the_seed_alone(folder: Path) -> None:
    for examples in (
        SceneExamples(OccupancyWindows(folder / "train", frames=31)),
        ViewExamples(OccupancyWindows(folder / "train", frames=1)),
    ):
        first = examples.read(0, seed=1)
        again = pickle.loads(pickle.dumps(examples)).read(0, seed=1)
        other = examples.read(0, seed=2)
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)
    with pytest.raises(ValueError, match="31 frames"):
        SceneExamples(OccupancyWindows(folder / "train", frames=16))


@pytest.mark.parametrize("recipe_of", [features_scene_tiny, features_view_tiny])
def test_from_folder_to_model(folder: Path, tmp_path: Path, recipe_of) -> None:
    recipe = recipe_of(folder)
    task = recipe.task
    torch.manual_seed(0)
    module = task.build()
    found = batch(recipe)
    loss, parts = task.loss(module, found, STEP)
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    assert loss.isfinite()
    assert set(parts) == set(found) - {"labels", "image"}
    assert task.validate(module, 2) == {}  # the folder holds no val
    (tmp_path / "model").mkdir()
    module.requires_grad_(False).eval()
    recipe.save(module, tmp_path / "model", task.card())
    net, card = load_model(tmp_path / "model")
    assert card["licence"] == "CC0"
    assert card["clips"] == 3
    given = found["labels"] if "labels" in found else found["image"]
    if recipe_of is features_scene_tiny:
        told = (net.raw(given)[:, :11], module(given)["totals"])
        assert net.config.pace
    else:
        told = (net(given), module.net(given))
    assert torch.allclose(*told, rtol=0.02, atol=0.3)
    assert not torch.equal(net.whiten, torch.eye(len(net.center)))


@pytest.mark.parametrize("name", ["features_scene_tiny", "features_view_tiny"])
def test_made_up_examples_have_the_real_shapes(folder: Path, name: str) -> None:
    real, made = batch(find_recipe(name, folder)), batch(find_recipe(name, None))
    assert {k: (v.shape, v.dtype) for k, v in real.items()} == {
        k: (v.shape, v.dtype) for k, v in made.items()
    }


def test_validation_scores_held_out_clips(folder: Path) -> None:
    (folder / "val").symlink_to(folder / "train")
    try:
        task = features_view_tiny(folder).task
        torch.manual_seed(0)
        scores = task.validate(task.build(), 3)
    finally:
        (folder / "val").unlink()
    assert set(scores) == {"counts", "totals", "thumbnail"}
    assert all(value > 0 for value in scores.values())

"""Recipes of the autoencoder: they build, step, validate, save; the task's loss is what it says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.datasets.made_drive import SPEED

from roadloom.datasets.class_counts import class_counts
from roadloom.datasets.windows import OccupancyWindows
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.losses import LossConfig, divergence, segmentation_loss
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import load_model
from roadloom.prepare import Request
from roadloom.prepare.run import prepare
from roadloom.recipes.hexplane_vae import (
    VaeTask,
    hexplane_vae_base,
    hexplane_vae_paper,
    hexplane_vae_small,
    hexplane_vae_tiny,
)
from roadloom.recipes.registry import find_recipe
from roadloom.scene.registry import KINDS
from roadloom.training.loop import train
from roadloom.training.task import Step

MODEL = HexPlaneConfig(
    frames=4, width=8, ground_width=8, plane_width=8, query_channels=8, heads=2, head_blocks=1
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drives of 6 frames, to train and to validate on."""
    place = tmp_path_factory.mktemp("prepared")
    KINDS["made"] = "tests.datasets.made_drive:MadeSource"
    try:
        for split in ("train", "val"):
            prepare(Request(source="made:6", occupancy=("carla_sc",)), place / split)
    finally:
        del KINDS["made"]
    return place


def task(data: Path | None) -> VaeTask:
    return VaeTask(data=data, model=MODEL, decode=2, count_every=2)


def test_examples_bring_the_motion_of_their_poses(data: Path) -> None:
    examples = task(data).examples()
    motion = examples.read(0, seed=1)["motion"]
    # The first drive goes straight; cells are 0.4 m, the middle of four frames is the third.
    steps = (torch.arange(4.0) - 2) * (SPEED / 0.4)
    torch.testing.assert_close(motion[:, 0], steps, atol=1e-3, rtol=0)
    torch.testing.assert_close(motion[:, 1:], torch.zeros(4, 2), atol=1e-3, rtol=0)


def test_loss_is_its_parts_on_the_decoded_frames(data: Path) -> None:
    ours = task(data)
    torch.manual_seed(0)
    module = ours.build()
    pair = [ours.examples().read(i, seed=0) for i in (0, 4)]
    batch = {name: torch.stack([example[name] for example in pair]) for name in pair[0]}
    batch["valid"][0, :, :5] = False
    step = Step(number=0, seeds=(3, 4), micro_batches=1)
    loss, logged = ours.loss(module, batch, step)
    voxels = batch["voxels"].masked_fill(~batch["valid"], 255)
    found = module(voxels, (3, 4), 2, batch["motion"])
    targets = torch.stack([v[f] for v, f in zip(voxels, found.frames, strict=True)])
    counted = OccupancyWindows(data / "train", frames=1, skip=1)
    weights = class_counts(counted).weights()
    wanted = segmentation_loss(found.logits, targets, weights, LossConfig())
    spread = divergence(*found.posterior)
    torch.testing.assert_close(loss, wanted[0] + 0.0015 * spread)
    torch.testing.assert_close(logged["cross_entropy"], wanted[1])
    torch.testing.assert_close(logged["lovasz"], wanted[2])
    torch.testing.assert_close(logged["kl"], spread.detach())


def test_a_run_from_data_to_a_model_folder(data: Path, tmp_path: Path) -> None:
    recipe = hexplane_vae_tiny(data)
    config = replace(recipe.train, steps=2, save_every=1, validate_every=0, validate_limit=2)
    ended = train(recipe.name, task(data), config, tmp_path / "run", device="cpu", save=recipe.save)
    each = [score for name, score in ended.scores.items() if name.startswith("iou_")]
    assert ended.finished and len(each) > 2
    assert ended.scores["miou"] == pytest.approx(sum(each) / len(each))
    assert 0 <= ended.scores["iou"] <= 100
    module, card = load_model(tmp_path / "run" / "model")
    assert isinstance(module, HexPlaneVae) and module.config == MODEL
    assert card["clips"] == 3 and card["class_view"] == "dynamiccity12"
    assert card["steps"] == 2


@pytest.mark.parametrize(
    "recipe", [hexplane_vae_tiny, hexplane_vae_small, hexplane_vae_base, hexplane_vae_paper]
)
def test_recipes_go_by_their_name_and_stand_without_data(recipe: object) -> None:
    assert callable(recipe)
    made = find_recipe(recipe.__name__, None)
    assert made.name == recipe.__name__ and made.save is not None
    example = made.task.examples().read(3, seed=3)
    again = made.task.examples().read(3, seed=3)
    assert example["voxels"].shape == (16, 128, 128, 8)
    assert all(torch.equal(example[name], again[name]) for name in example)


def test_parameters_of_the_recipes() -> None:
    counts = {
        recipe: sum(p.numel() for p in find_recipe(recipe, None).task.build().parameters())
        for recipe in ("hexplane_vae_tiny", "hexplane_vae_paper")
    }
    assert counts["hexplane_vae_paper"] == 1_699_288  # specification, section 2.6
    assert counts["hexplane_vae_tiny"] == 1_767_392  # measured


def test_without_a_val_folder_nothing_is_validated(data: Path) -> None:
    assert task(data / "train").validate(HexPlaneVae(MODEL), None) == {}

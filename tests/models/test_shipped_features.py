"""The two feature networks that ship: they load, say what they are, and are what was pinned."""

from hashlib import sha256

import pytest
import torch

from roadloom.models.store import CARD, CONFIG, README, WEIGHTS, find_model, load_model, shipped
from roadloom.pipelines.evaluate import load_networks

TRAINED_ON = "town-v1:train"
NAMES = ("features_scene_v1", "features_view_v1")


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_its_card_is_complete(name: str) -> None:
    assert name in shipped()
    folder = find_model(name)
    assert {path.name for path in folder.iterdir()} == {CARD, CONFIG, README, WEIGHTS}
    assert (folder / WEIGHTS).stat().st_size < 1_500_000
    net, card = load_model(name)
    assert card["weights_sha256"] == sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert card["recipe"] == name.replace("_v1", "_tiny")
    assert card["data"] == TRAINED_ON
    assert card["licence"] == "Apache-2.0"
    for told in ("about", "data_sha256", "clips", "view", "steps", "seed", "scores", "settings"):
        assert card[told] not in (None, "", {}), told
    assert card["parameters"] == sum(p.numel() for p in net.parameters())


def test_protocols_pin_the_shipped_weights() -> None:
    hashes = dict(load_networks().hashes)
    assert hashes == {name.split("_")[1]: load_model(name)[1]["weights_sha256"] for name in NAMES}


def test_they_tell_a_street_from_noise() -> None:
    """Features of made windows: 20 % noise moves them by more than one deviation of real ones."""
    labels = torch.zeros(1, 16, 128, 128, 8, dtype=torch.uint8)
    labels[..., 40:90, 0] = 7
    labels[:, :, 60:68, 50:54, 1:4] = 10
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(12, labels.shape, generator=generator, dtype=torch.uint8)
    hit = torch.rand(labels.shape, generator=generator) < 0.2
    net, _ = load_model("features_scene_v1")
    moved = net(labels.where(~hit, noise)) - net(labels)
    assert moved.norm() > 1
    assert torch.equal(net(labels), net(labels.clone()))

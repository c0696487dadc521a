"""The first layer against one-hot arithmetic, invariances, whitening, targets by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from roadloom.geometry.pose import rotation_from_quaternion
from roadloom.models.features.pretext import ScenePretext, ViewPretext, pretext_loss, thumbnail
from roadloom.models.features.scene_net import (
    SceneFeatureConfig,
    SceneFeatures,
    pace_of,
    pool_film,
    whiten,
)
from roadloom.models.features.targets import (
    LOG_SCALE,
    TURN_SCALE_RAD,
    change_counts,
    ground_counts,
    mean_motion,
    total_counts,
)
from roadloom.models.features.view_net import ViewFeatureConfig, ViewFeatures
from roadloom.models.store import load_model, save_model

CONFIG = SceneFeatureConfig(classes=5, height=2, widths=(8, 8, 16), features=6)


def net() -> SceneFeatures:
    torch.manual_seed(0)
    return SceneFeatures(CONFIG).eval()


def window(seed: int = 0, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(5, (count, 4, 16, 16, 2), generator=generator, dtype=torch.uint8)


def one_hot_twin(own: SceneFeatures, labels: torch.Tensor) -> torch.Tensor:
    """The first layer as a dense product with one-hot patches; free has no row."""
    batch, time, x, y, z = labels.shape
    ids = labels.long().clamp(max=5)
    hot = F.one_hot(ids, 6).float()
    hot[..., 0] = 0
    table = own.table.reshape(4, 4, z, 6, -1)
    hot = hot.reshape(batch, time, x // 4, 4, y // 4, 4, z, 6)
    return torch.einsum("btxiyjzc,ijzco->btxyo", hot, table) + own.first_bias


def test_first_layer_slow_twin() -> None:
    own, labels = net(), window()
    labels[0, 0, :4, :4] = 0  # a patch of free voxels alone
    labels[1, 2, 3, 3, 0] = 255
    fast, slow = own.embed(labels), one_hot_twin(own, labels)
    assert torch.allclose(fast, slow, atol=1e-5)
    assert torch.equal(fast[0, 0, 0, 0], own.first_bias)
    both = []
    for layer in (own.embed, lambda ids: one_hot_twin(own, ids)):
        own.zero_grad()
        layer(labels).square().sum().backward()
        both.append(own.table.grad.clone())
    assert torch.allclose(both[0], both[1], rtol=1e-4, atol=1e-4)
    assert both[0].abs().sum() > 0


def test_windows_of_a_batch_do_not_mix() -> None:
    own, labels = net(), window(1, 3)
    whole = own(labels)
    for number in range(3):
        assert torch.allclose(own(labels[number : number + 1])[0], whole[number], atol=1e-5)


def test_features_see_time_but_not_which_cells_a_thing_left_free() -> None:
    own, labels = net(), window(2, 1)
    assert not torch.allclose(own(labels), own(labels.flip(1)), atol=1e-4)
    still = labels[:, :1].expand(-1, 4, -1, -1, -1).contiguous()
    assert torch.allclose(own(still), own(still.flip(1)), atol=1e-5)


def test_whitened_on_what_it_saw() -> None:
    """Uncorrelated, of deviation 1, and not turned: each still goes with its own raw feature."""
    own, batches = net().requires_grad_(False), [window(seed, 8) for seed in range(6)]
    whiten(own, batches)
    seen = torch.cat([own(batch) for batch in batches])
    assert torch.allclose(seen.mean(dim=0), torch.zeros(6), atol=1e-3)
    values = torch.linalg.eigvalsh(torch.cov(seen.T))
    raw = torch.linalg.eigvalsh(torch.cov(torch.cat([own.raw(b) for b in batches]).T))
    expected = raw / raw.clamp(min=float(raw[-1]) * 1e-3)  # the smallest stay below 1
    assert torch.allclose(values, expected.sort().values, atol=1e-2)
    assert torch.allclose(own.whiten, own.whiten.T)
    whiten(own, batches, correlated=True)
    assert own.whiten.count_nonzero() == 6
    assert own.whiten.diag().count_nonzero() == 6


def test_a_film_pooled_by_hand() -> None:
    """Two places along x; one channel that rises by 1 a frame in the second one alone."""
    film = torch.zeros(1, 5, 1, 2, 2)
    film[0, :, 0, 1] = torch.arange(5.0)[:, None] - 2
    present = [0, 0, 3 / 5, 3 / 5]
    expected = torch.tensor([*present, 0.5, 1.0, 2.0])
    assert torch.allclose(pool_film(film, 2)[0].exp() - 1e-3, expected, atol=1e-6)
    short = pool_film(film[:, :2], 1)[0].exp() - 1e-3
    assert torch.allclose(short, torch.tensor([0, 0.5, 0, 0]), atol=1e-6)


def test_pace_is_how_change_grows_with_time() -> None:
    """Of things that move steadily 4 frames hold more change than 1; of shuffled ones not."""
    torch.manual_seed(5)
    own = SceneFeatures(replace(CONFIG, pace=True)).eval()
    assert own.center.shape == (6 + 6,)
    moving = torch.zeros(1, 16, 64, 16, 2, dtype=torch.uint8)
    for time in range(16):
        moving[0, time, 2 * time : 2 * time + 16, 4:12] = 3
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    pace, shuffled, still = (
        own.raw(film)[0, 6:] for film in (moving, moving[:, order], moving[:, :1].expand_as(moving))
    )
    assert (pace[::2] < shuffled[::2] - 0.2).all()
    assert torch.equal(still[:2], torch.zeros(2))  # above, convolutions see the ends
    pooled = torch.tensor([[9.0, 9.0, 1.0, 3.0, 2.0, 4.0, 5.0, 6.0]])  # two channels, three lags
    assert torch.equal(pace_of(pooled, 2), torch.tensor([[-3.5, -2.5]]))


def test_wrong_ids_and_sizes_are_refused() -> None:
    own = net()
    with pytest.raises(ValueError, match="neither below 5 nor 255"):
        own(window().clamp(min=9))
    with pytest.raises(ValueError, match="do not fit patches"):
        own(window()[:, :, :, :14])
    with pytest.raises(ValueError, match="multiples of 8"):
        SceneFeatureConfig(widths=(4, 8, 8))
    with pytest.raises(ValueError, match="multiples of 8"):
        ViewFeatureConfig(widths=(4, 8, 8, 8))
    with pytest.raises(ValueError, match="classes"):
        SceneFeatureConfig(classes=255)


@pytest.mark.parametrize("system", ["features_scene", "features_view"])
def test_shipped_size_and_way_back(tmp_path, system: str) -> None:
    """In half precision below 2 MB, and the same features from disk."""
    torch.manual_seed(1)
    if system == "features_scene":
        config = SceneFeatureConfig()
        own = SceneFeatures(config).eval()
        batch = torch.randint(12, (1, 4, 16, 16, 8), dtype=torch.uint8)
    else:
        config = ViewFeatureConfig()
        own = ViewFeatures(config).eval()
        batch = torch.randint(256, (1, 3, 32, 32), dtype=torch.uint8)
    save_model(tmp_path / "net", own, system, config, {"licence": "Apache-2.0"}, half=True)
    assert (tmp_path / "net" / "model.safetensors").stat().st_size < 2_000_000
    back, card = load_model(tmp_path / "net")
    assert card["system"] == system
    assert torch.allclose(back(batch), own(batch), atol=0.02)


def test_views_of_a_batch_do_not_mix() -> None:
    torch.manual_seed(2)
    own = ViewFeatures(ViewFeatureConfig(widths=(8, 8, 8, 16), features=5)).eval()
    images = torch.randint(256, (3, 3, 32, 48), dtype=torch.uint8)
    whole = own(images)
    assert whole.shape == (3, 5)
    assert torch.allclose(own(images[1:2])[0], whole[1], atol=1e-5)


def test_counts_and_changes_by_hand() -> None:
    labels = np.zeros((2, 8, 8, 2), np.uint8)
    labels[:, 7, 0, :] = 3
    labels[0, 0, 0, 0] = 1
    labels[:, 4, 4, 0] = 255
    counts = ground_counts(labels, 4)
    expected = np.zeros((3, 4, 4))
    expected[2, 3, 0] = math.log(3) / LOG_SCALE
    expected[0, 0, 0] = math.log(1.5) / LOG_SCALE
    assert np.allclose(counts, expected)
    totals = [math.log(1.5) / LOG_SCALE, 0, math.log(3) / LOG_SCALE]
    assert np.allclose(total_counts(labels, 4), totals)
    none = [0, 0, 0]  # two frames have no pair that is 2 or 4 apart
    assert np.allclose(change_counts(labels, 4), [[math.log(2) / LOG_SCALE, 0, 0], none, none])
    longer = np.concatenate([labels, labels[1:]])
    assert np.allclose(change_counts(longer, 4)[:2, 0] * LOG_SCALE, np.log1p([1 / 2, 1]))


def test_motion_is_read_in_the_earlier_frame() -> None:
    """Driving a circle: the same step every frame, whatever the world's axes."""
    step = rotation_from_quaternion(np.array([math.cos(0.01), 0, 0, math.sin(0.01)]))
    start = rotation_from_quaternion(np.array([math.cos(0.7), 0, 0, math.sin(0.7)]))
    rotation, translation = [start], [np.array([5.0, 3.0, 1.0])]
    for _ in range(4):
        translation.append(translation[-1] + rotation[-1] @ np.array([0.8, 0.1, 0.0]))
        rotation.append(rotation[-1] @ step)
    motion = mean_motion(np.stack(rotation), np.stack(translation))
    assert np.allclose(motion, [0.8, 0.1, 0.02 / TURN_SCALE_RAD], atol=1e-6)


def test_both_pretexts_learn_one_batch() -> None:
    """A few steps on one batch take a good part off every loss."""
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(4)

    def rand(*size: int) -> torch.Tensor:
        return torch.rand(*size, generator=generator)

    image = torch.randint(256, (4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    view = ViewPretext(ViewFeatureConfig(widths=(8, 8, 16, 16), features=16), classes=5)
    scene = ScenePretext(CONFIG)
    scene_batch = {
        "labels": window(5, 4), "counts": rand(4, 4, 4, 4), "totals": rand(4, 4),
        "changes": rand(4, 3, 4), "motion": rand(4, 3), "playback": torch.arange(4),
    }  # fmt: skip
    view_batch = {
        "image": image, "counts": rand(4, 4, 4, 4), "totals": rand(4, 4),
        "thumbnail": thumbnail(image),
    }  # fmt: skip
    for module, batch in ((scene, scene_batch), (view, view_batch)):
        optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
        given = batch["labels"] if "labels" in batch else batch["image"]
        first = pretext_loss(module(given), batch)[1]
        for _ in range(60):
            loss, parts = pretext_loss(module(given), batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert set(parts) == set(batch) - {"labels", "image"}
        for name in parts:
            assert parts[name] < 0.7 * first[name], name

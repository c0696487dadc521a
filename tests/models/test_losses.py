"""Losses against plain twins: values and gradients by every way of cutting them up."""

import pytest
import torch
from torch import Tensor

from roadloom.models.hexplane import losses
from roadloom.models.hexplane.losses import (
    LossConfig,
    divergence,
    segmentation_loss,
    weight_sum,
)
from roadloom.models.hexplane.lovasz import falling, jaccard_steps
from roadloom.models.hexplane.planes import PlaneSize, random_planes

CLASSES = 5


def sample(seed: int, ignored: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Logits [2 3 4 5 K], targets with one class absent and some ignored, weights."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 3, 4, 5, CLASSES, generator=generator, dtype=torch.float32)
    targets = torch.randint(0, CLASSES - 1, (2, 3, 4, 5), generator=generator, dtype=torch.uint8)
    if ignored:
        targets[0, 0, :2], targets[1, 2, 1, 3] = 255, 255
    return logits.requires_grad_(), targets, torch.tensor([1.0, 4.5, 4.7, 8.0, 19.0])


def plain_entropy(logits: Tensor, targets: Tensor, weights: Tensor, focus: float) -> Tensor:
    """Weighted mean, focal factor and all, as its definition says."""
    known = targets < CLASSES
    ids = targets[known].long()
    logs = logits[known].log_softmax(-1).gather(1, ids[:, None])[:, 0]
    weight = weights[ids]
    return -(weight * (1 - logs.exp()) ** focus * logs).sum() / weight.sum()


def plain_lovasz(logits: Tensor, targets: Tensor) -> Tensor:
    """The Lovasz extension by its definition: each Jaccard loss from the sets themselves."""
    known = targets < CLASSES
    probability, ids = logits[known].softmax(-1), targets[known]
    found = []
    for number in ids.unique().tolist():
        true = ids == number
        errors = (true.float() - probability[:, number]).abs()
        order = errors.argsort(descending=True, stable=True)
        wrong, before, total = torch.zeros_like(true), 0.0, torch.zeros(())
        for voxel in order.tolist():
            wrong[voxel] = True
            guess = true ^ wrong
            jaccard = 1 - float((guess & true).sum()) / float((guess | true).sum())
            total = total + errors[voxel] * (jaccard - before)
            before = jaccard
        found.append(total)
    return torch.stack(found).mean()


def plain(logits: Tensor, targets: Tensor, weights: Tensor, config: LossConfig) -> Tensor:
    if config.count_ignored:
        targets = targets.masked_fill(targets == 255, 0)
    groups = [slice(None)] if config.lovasz_together else range(len(logits))
    hull = torch.stack([plain_lovasz(logits[g], targets[g]) for g in groups]).mean()
    entropy = plain_entropy(logits, targets, weights, config.focus)
    return config.cross_entropy * entropy + config.lovasz * hull


@pytest.mark.parametrize("chunk", [7, 1 << 16])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lovasz_together": True},
        {"count_ignored": True},
        {"focus": 2.0},
        {"cross_entropy": 0.5, "lovasz": 2.0},
        {"cross_entropy": 0.0},
    ],
)
def test_loss_equals_its_plain_twin(
    chunk: int, changes: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "CHUNK", chunk)
    config = LossConfig(**changes)
    logits, targets, weights = sample(1)
    loss, entropy, hull = segmentation_loss(logits, targets, weights, config)
    (3 * loss).backward()
    ours, logits.grad = logits.grad, None
    twin = plain(logits, targets, weights, config)
    (3 * twin).backward()
    assert ours is not None and logits.grad is not None
    torch.testing.assert_close(loss, twin, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours, logits.grad, rtol=1e-4, atol=1e-6)
    whole = config.cross_entropy * entropy + config.lovasz * hull
    torch.testing.assert_close(whole, loss.detach())


def test_chunks_change_no_bit_of_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for chunk in (8, 16, 1 << 16):
        monkeypatch.setattr(losses, "CHUNK", chunk)
        logits, targets, weights = sample(2)
        segmentation_loss(logits, targets, weights, LossConfig(lovasz=0.0))[0].backward()
        found.append(logits.grad)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_without_lovasz_it_is_torchs_cross_entropy() -> None:
    logits, targets, weights = sample(3)
    ids = targets.flatten().long()
    wanted = torch.nn.functional.cross_entropy(
        logits.flatten(0, -2), ids, weight=weights, ignore_index=255
    )
    loss, entropy, _ = segmentation_loss(logits, targets, weights, LossConfig(lovasz=0.0))
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(entropy, wanted.detach())


def test_ignored_voxels_have_no_gradient() -> None:
    logits, targets, weights = sample(4)
    segmentation_loss(logits, targets, weights, LossConfig())[0].backward()
    assert logits.grad is not None
    assert not logits.grad[targets == 255].any()
    assert logits.grad[targets != 255].abs().sum(-1).all()


def test_examples_are_independent_of_each_other() -> None:
    """With the weights' sum given, the loss of a batch is what its halves give."""
    logits, targets, weights = sample(5)
    total = weight_sum(targets, weights)
    whole = segmentation_loss(logits, targets, weights, LossConfig(), total)
    halves = [
        segmentation_loss(logits[i : i + 1], targets[i : i + 1], weights, LossConfig(), total)
        for i in range(2)
    ]
    torch.testing.assert_close(whole[1], halves[0][1] + halves[1][1])
    torch.testing.assert_close(whole[2], (halves[0][2] + halves[1][2]) / 2)


def test_floor_leaves_the_loss_short_by_less_than_itself() -> None:
    logits, targets, weights = sample(6)
    exact = segmentation_loss(logits, targets, weights, LossConfig())[2]
    for floor in (1e-3, 1e-2, 0.1):
        short = segmentation_loss(logits, targets, weights, LossConfig(lovasz_floor=floor))[2]
        assert 0 <= float(exact - short) < floor
    assert float(exact - short) > 0  # the last floor drops something


def test_jaccard_steps_of_a_known_case() -> None:
    # Two true voxels of four, order: true, false, true, false.
    # Jaccard losses: 1/2, 2/3, 1, 1.
    steps = jaccard_steps(torch.tensor([True, False, True, False]), torch.tensor(2))
    torch.testing.assert_close(steps, torch.tensor([1 / 2, 1 / 6, 1 / 3, 0.0]))


def test_falling_is_a_stable_descending_sort() -> None:
    generator = torch.Generator().manual_seed(0)
    errors = (torch.rand(5000, generator=generator) * 50).round() / 50  # with many ties
    errors[:3] = torch.tensor([0.0, 1e-38, 1.0])
    chosen = (errors < 0.9).nonzero()[:, 0]
    ordered, order = falling(errors, chosen)
    wanted = errors[chosen].sort(descending=True, stable=True)
    assert torch.equal(ordered, wanted.values)
    assert torch.equal(order, chosen[wanted.indices])


def test_weight_sum_leaves_out_ignored() -> None:
    targets = torch.tensor([[0, 1, 255], [1, 1, 254]], dtype=torch.uint8)
    assert float(weight_sum(targets, torch.tensor([1.0, 10.0]))) == 31.0


def test_divergence_is_that_of_normals() -> None:
    generator = torch.Generator().manual_seed(0)
    size = PlaneSize(t=2, x=3, y=4, z=2)
    mean, logvar = (random_planes(2, 3, size, generator) for _ in "ab")
    normal = torch.distributions.Normal
    wanted = torch.cat(
        [
            torch.distributions.kl_divergence(normal(m, (v / 2).exp()), normal(0.0, 1.0)).flatten()
            for m, v in zip(mean, logvar, strict=True)
        ]
    ).mean()
    torch.testing.assert_close(divergence(mean, logvar), wanted)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_same_loss_on_a_gpu() -> None:
    logits, targets, weights = sample(7)
    here = segmentation_loss(logits, targets, weights, LossConfig())[0]
    there = segmentation_loss(logits.detach().cuda(), targets.cuda(), weights.cuda(), LossConfig())[
        0
    ]
    torch.testing.assert_close(here.detach(), there.cpu())

"""Counts by hand, masks and ignored voxels, frames apart, and parts that join."""

import math

import pytest
import torch

from roadloom.metrics.reconstruction import Confusion, binary_iou, class_iou, mean_iou
from roadloom.scene.class_views import IGNORE


def windows(seed: int, count: int = 3):
    generator = torch.Generator().manual_seed(seed)

    def draw():
        return torch.randint(4, (count, 2, 5, 4, 3), generator=generator, dtype=torch.uint8)

    return draw(), draw()


def row(*ids):
    return torch.tensor(ids, dtype=torch.uint8).reshape(1, 1, -1, 1, 1)


def test_by_hand() -> None:
    counts = Confusion(4, 1)
    truth = row(0, 0, 1, 1, 1, 2, 2, IGNORE)
    guess = row(0, 1, 1, 1, 2, 2, 0, 3)
    counts.update(guess, truth)
    scores = counts.scores()
    assert scores.iou == 4 / 6  # filled in both: 1 1 1->2 2; in either: one more on each side
    assert scores.per_class[:3] == (1 / 3, 2 / 4, 1 / 3)
    assert math.isnan(scores.per_class[3])  # guessed under an ignored voxel, without truth
    assert scores.miou == pytest.approx((2 / 4 + 1 / 3) / 2, abs=1e-15)


def test_a_class_that_is_only_guessed_is_not_averaged_but_costs_the_others() -> None:
    counts = Confusion(4, 1)
    counts.update(row(3, 1), row(1, 1))
    assert counts.scores().miou == 0.5


def test_perfect_and_empty() -> None:
    counts = Confusion(4, 2)
    assert math.isnan(counts.scores().iou)
    truth, _ = windows(0)
    counts.update(truth, truth)
    scores = counts.scores()
    assert (scores.iou, scores.miou, scores.per_frame_miou) == (1, 1, (1, 1))


def test_masked_voxels_do_not_count() -> None:
    truth, guess = windows(1)
    mask = torch.rand(truth.shape, generator=torch.Generator().manual_seed(2)) < 0.5
    masked, ignored = Confusion(4, 2), Confusion(4, 2)
    masked.update(guess, truth, mask)
    ignored.update(guess, truth.masked_fill(~mask, IGNORE))
    assert torch.equal(masked.counts, ignored.counts)
    assert int(masked.counts.sum()) == int(mask.sum())


def test_parts_join_to_the_whole_and_frames_stay_apart() -> None:
    truth, guess = windows(3, 4)
    whole, first, second = Confusion(4, 2), Confusion(4, 2), Confusion(4, 2)
    whole.update(guess, truth)
    first.update(guess[:1], truth[:1])
    second.update(guess[1:], truth[1:])
    assert torch.equal(first.merge(second).counts, whole.counts)
    alone = Confusion(4, 1)
    alone.update(guess[:, 1:], truth[:, 1:])
    assert whole.scores().per_frame_miou[1] == alone.scores().miou
    assert whole.scores().per_frame_iou[1] == alone.scores().iou


def test_counts_beyond_float_precision_are_exact() -> None:
    counts = torch.zeros(2, 2, dtype=torch.int64)
    counts[1, 1] = 2**53 + 1
    counts[0, 1] = 1
    assert int(counts.sum() - counts[0, 0]) == 2**53 + 2
    assert float(binary_iou(counts)) == pytest.approx(1)
    assert float(mean_iou(counts)) == float(class_iou(counts)[1])


def test_wrong_ids_and_shapes_are_refused() -> None:
    counts = Confusion(4, 1)
    with pytest.raises(ValueError, match="guess holds 9"):
        counts.update(row(9), row(1))
    with pytest.raises(ValueError, match="truth holds 7"):
        counts.update(row(1), row(7))
    with pytest.raises(ValueError, match="of 2 frames"):
        Confusion(4, 2).update(row(1), row(1))
    with pytest.raises(ValueError, match="cannot add"):
        counts.merge(Confusion(4, 2))

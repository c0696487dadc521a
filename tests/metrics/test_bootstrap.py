"""Intervals cover as often as they say, draw whole clips, and keep pairs together."""

import numpy as np
import pytest

from roadloom.metrics.bootstrap import Interval, interval, least_half


def mean(values: np.ndarray) -> float:
    return float(values.mean())


@pytest.mark.parametrize("draw", ["bootstrap", "half"])
def test_coverage_of_a_mean(draw: str) -> None:
    """Of 90 % intervals of 40 normal numbers, 83 to 96 % hold the truth (200 tries)."""
    random = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        sample = random.normal(size=40)
        found = interval(mean, [sample], draw=draw, level=0.9, rounds=120, seed=seed)
        held += found.low <= 0 <= found.high
    assert 0.83 <= held / 200 <= 0.96


def test_windows_of_a_clip_are_drawn_together() -> None:
    """Clips of 10 equal windows: as wide as with one window each, not sqrt(10) narrower."""
    clips = np.random.default_rng(1).normal(size=60)
    windows, groups = np.repeat(clips, 10), np.repeat(np.arange(60), 10)
    alone = interval(mean, [clips], rounds=2000)
    grouped = interval(mean, [windows], groups=[groups], rounds=2000)
    naive = interval(mean, [windows], rounds=2000)
    width = alone.high - alone.low
    assert grouped.high - grouped.low == pytest.approx(width, rel=0.1)
    assert naive.high - naive.low == pytest.approx(width / np.sqrt(10), rel=0.1)


def test_groups_need_not_be_sorted_or_equal() -> None:
    values = np.array([1.0, 5.0, 1.0, 1.0])
    seen = set()

    def note(drawn: np.ndarray) -> float:
        seen.add(tuple(sorted(drawn)))
        return 0.0

    interval(note, [values], groups=[np.array(["b", "a", "b", "b"])], rounds=60)
    assert seen == {(1, 1, 1, 5), (5, 5), (1, 1, 1, 1, 1, 1)}


def test_pairs_stay_together() -> None:
    sample = np.random.default_rng(2).normal(size=30)

    def difference(left: np.ndarray, right: np.ndarray) -> float:
        return float((left - right).mean())

    paired = interval(difference, [sample, sample - 1], paired=True)
    assert paired.low == pytest.approx(1)
    assert paired.high == pytest.approx(1)
    free = interval(difference, [sample, sample - 1])
    assert free.high - free.low > 0.3


def test_halves_hold_no_sample_twice() -> None:
    def check(drawn: np.ndarray) -> float:
        assert len(np.unique(drawn)) == len(drawn)
        return float(len(drawn))

    found = interval(check, [np.arange(9.0)], draw="half")
    assert (found.value, found.low, found.high) == (9, 4, 4)


def test_centered_interval_holds_a_biased_value() -> None:
    def distinct(drawn: np.ndarray) -> float:  # falls in every draw with replacement
        return float(len(np.unique(drawn)))

    plain = interval(distinct, [np.arange(50)])
    centered = interval(distinct, [np.arange(50)], kind="centered")
    assert plain.high < plain.value
    assert centered.low < centered.value < centered.high
    assert centered.high - centered.low == pytest.approx(plain.high - plain.low)


def test_seed_and_refusals() -> None:
    sample = np.arange(10.0)
    assert interval(mean, [sample], seed=3) == interval(mean, [sample], seed=3)
    assert interval(mean, [sample], seed=3) != interval(mean, [sample], seed=4)
    with pytest.raises(ValueError, match="one group alone"):
        interval(mean, [sample], groups=[np.zeros(10)])
    with pytest.raises(ValueError, match="one length"):
        interval(lambda a, b: 0.0, [sample, sample[1:]], paired=True)
    with pytest.raises(ValueError, match="group numbers"):
        interval(mean, [sample], groups=[np.zeros(3)])


def test_apart() -> None:
    low, high = (Interval(value=v, low=v - 1, high=v + 1) for v in (0.0, 2.5))
    touching = Interval(value=1.0, low=1.0, high=2.0)
    assert low.apart_from(high)
    assert high.apart_from(low)
    assert not low.apart_from(touching)


def test_the_smallest_half_of_groups() -> None:
    """Of clips with 5, 1, 2 windows a draw takes one clip; of five clips it takes two."""
    assert least_half(np.repeat([7, 8, 9], [5, 1, 2])) == 1
    assert least_half(np.repeat([0, 1, 2, 3, 4], [5, 1, 2, 4, 3])) == 3
    assert least_half(np.zeros(10)) == 0

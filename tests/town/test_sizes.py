"""Sizes against the measured ones, and within their ranges."""

import numpy as np
import pytest

from roadloom.town.dice import Dice
from roadloom.town.kinds import KINDS
from roadloom.town.plan.sizes import SIZES, bell, draw_car, draw_size


@pytest.fixture(scope="module")
def cars():
    dice = Dice(1)
    return np.array([draw_size(dice, draw_car(dice)) for _ in range(3000)]) / 1000


def test_cars_are_as_large_as_real_ones(cars):
    mean, spread = cars.mean(axis=0), cars.std(axis=0)
    assert np.abs(mean - (4.49, 1.87, 1.79)).max() < 0.04
    assert np.abs(spread - (0.41, 0.15, 0.20)).max() < 0.04
    correlation = np.corrcoef(cars.T)
    assert 0.62 < correlation[0, 1] < 0.82
    assert 0.10 < correlation[0, 2] < 0.42


@pytest.mark.parametrize(
    ("kind", "mean", "tolerance"),
    [
        ("adult", (0.73, 0.68, 1.76), 0.03),
        ("cone", (0.38, 0.36, 0.95), 0.03),
        ("barrier", (0.69, 1.99, 1.08), 0.01),
        ("bicycle", (1.68, 0.56, 1.24), 0.15),
        ("bollard", (0.28, 0.22, 0.98), 0.06),
        ("truck.box", (8.0, 2.54, 3.35), 0.1),
    ],
)
def test_other_kinds_are_as_large_as_real_ones(kind, mean, tolerance):
    dice = Dice(2)
    drawn = np.array([draw_size(dice, kind) for _ in range(600)]) / 1000
    assert np.abs(drawn.mean(axis=0) - mean).max() < tolerance


def test_every_size_is_whole_and_in_range():
    dice = Dice(3)
    for kind, size in SIZES.items():
        assert kind in KINDS
        for _ in range(100):
            drawn = draw_size(dice, kind)
            assert all(type(v) is int for v in drawn)
            assert all(a <= v <= b for a, v, b in zip(size.low, drawn, size.high, strict=True))


def test_everything_that_moves_has_a_size():
    families = ("vehicle", "two_wheeler", "person")
    assert all(name in SIZES for name, k in KINDS.items() if k.family in families and name != "ego")


def test_bells_have_the_spread_they_are_asked_for():
    dice = Dice(4)
    drawn = np.array([bell(dice, 5000, 300) for _ in range(4000)])
    assert abs(drawn.mean() - 5000) < 20
    assert abs(drawn.std() - 300) < 12


def test_the_same_dice_give_the_same_size():
    assert draw_size(Dice(5), "car.suv") == draw_size(Dice(5), "car.suv")

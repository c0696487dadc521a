"""Frechet, kernel and neighbour scores: closed forms, slow twins, symmetry and limits."""

import numpy as np
import pytest

from roadloom.metrics.frechet import frechet_distance, frechet_of_moments, moments
from roadloom.metrics.kernel import kernel_distance
from roadloom.metrics.precision_recall import (
    chi_square_quantile,
    gaussian_scores,
    neighbour_scores,
    squared_distances,
)


def draw(count: int, dim: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)) + shift


def rotation(dim: int, seed: int) -> np.ndarray:
    return np.linalg.qr(draw(dim, dim, seed))[0]


def test_gaussians_with_one_set_of_axes_have_a_closed_form() -> None:
    turn = rotation(5, 0)
    first, second = np.array([0.0, 1, 2, 3, 4]), np.array([1.0, 1, 0, 5, 0.25])
    shift = np.arange(5.0)
    found = frechet_of_moments(np.zeros(5), turn * first @ turn.T, shift, turn * second @ turn.T)
    exact = (shift**2).sum() + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert found == pytest.approx(exact, abs=1e-6)  # a root near 0 keeps half the digits


def test_root_is_that_of_the_product() -> None:
    """A general pair: the eigenvalues of the unsymmetric product itself."""
    mean, left = moments(draw(50, 6, 1) @ draw(6, 6, 2))
    other, right = moments(draw(60, 6, 3) @ draw(6, 6, 4))
    roots = np.sqrt(np.linalg.eigvals(left @ right).astype(complex)).real.sum()
    exact = ((mean - other) ** 2).sum() + np.trace(left) + np.trace(right) - 2 * roots
    assert frechet_of_moments(mean, left, other, right) == pytest.approx(exact, rel=1e-9)


def test_frechet_laws() -> None:
    real, made = draw(40, 8, 5), draw(30, 8, 6, 0.3)
    turn = rotation(8, 7)
    there = frechet_distance(real, made)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(made, real) == pytest.approx(there, rel=1e-9)
    assert frechet_distance(real @ turn + 3, made @ turn + 3) == pytest.approx(there, rel=1e-9)
    assert frechet_distance(2 * real, 2 * made) == pytest.approx(4 * there, rel=1e-9)


def test_frechet_of_sets_smaller_than_their_dimension() -> None:
    """In the plane that holds all samples it is the same number."""
    flat, other = draw(4, 2, 8), draw(5, 2, 9)
    into = rotation(12, 10)[:2]
    wide = frechet_distance(flat @ into, other @ into)
    assert wide == pytest.approx(frechet_distance(flat, other), rel=1e-6)


def test_frechet_refuses() -> None:
    with pytest.raises(ValueError, match="two samples"):
        moments(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="not finite"):
        moments(np.full((3, 3), np.nan))


def test_kernel_slow_twin() -> None:
    real, made = draw(6, 3, 11), draw(5, 3, 12, 1.0)

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    within = [
        np.mean([k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j])
        for s in (real, made)
    ]
    between = np.mean([k(x, y) for x in real for y in made])
    assert kernel_distance(real, made) == pytest.approx(sum(within) - 2 * between, rel=1e-12)


def test_kernel_is_unbiased() -> None:
    """Halves of one distribution: the mean over many draws is zero, single ones are below too."""
    values = [kernel_distance(draw(8, 2, s), draw(8, 2, 1000 + s)) for s in range(400)]
    error = np.std(values) / np.sqrt(len(values))
    assert min(values) < 0
    assert abs(np.mean(values)) < 4 * error


def test_kernel_subsets() -> None:
    real, made = draw(30, 4, 13), draw(40, 4, 14, 0.5)
    whole = kernel_distance(real, made)
    some = kernel_distance(real, made, subset=15, subsets=200, seed=1)
    assert some == pytest.approx(whole, rel=0.2)
    assert some == kernel_distance(real, made, subset=15, subsets=200, seed=1)
    assert some != kernel_distance(real, made, subset=15, subsets=200, seed=2)
    with pytest.raises(ValueError, match="subsets of 31"):
        kernel_distance(real, made, subset=31)


def test_distances_far_from_the_origin() -> None:
    left, right = draw(20, 5, 15), draw(10, 5, 16)
    exact = ((left[:, None] - right) ** 2).sum(axis=2)
    assert squared_distances(left + 1e6, right + 1e6) == pytest.approx(exact, rel=1e-6)


def test_neighbours_by_hand() -> None:
    """On a line with k = 1: real balls reach from 0 to 2 and from 9 to 11."""
    real = np.array([[0.0], [1.0], [9.5], [10.0]])
    made = np.array([[1.9], [0.5], [5.0], [20.0]])
    scores = neighbour_scores(real, made, k=1)
    # 1.9 lies in the ball of 1; 0.5 in those of 0 and 1. Generated balls: 1.9 and 0.5 with 1.4,
    # 5 with 3.1, 20 with 15: it reaches 9.5 and 10.
    assert scores.precision == 2 / 4
    assert scores.density == 3 / 4
    assert scores.coverage == 2 / 4
    assert scores.recall == 4 / 4


def test_neighbours_limits() -> None:
    real = draw(50, 4, 17)
    same = neighbour_scores(real, real, k=5)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    far = neighbour_scores(real, real + 100, k=5)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)
    few = neighbour_scores(real, np.repeat(real[:1], 50, axis=0), k=3)
    assert few.precision == 1
    assert few.recall < 0.1
    with pytest.raises(ValueError, match="k = 50"):
        neighbour_scores(real, real, k=50)


def test_chi_square_quantiles() -> None:
    # Two degrees of freedom have the closed form -2 log(1 - p); the others are from tables of
    # chi square: 3.841 (1 degree), 18.307 (10), 124.342 (100), all at 0.95.
    assert chi_square_quantile(0.9, 2) == pytest.approx(-2 * np.log(0.1), rel=1e-9)
    assert chi_square_quantile(0.95, 1) == pytest.approx(3.841, abs=5e-4)
    assert chi_square_quantile(0.95, 10) == pytest.approx(18.307, abs=5e-4)
    assert chi_square_quantile(0.95, 100) == pytest.approx(124.342, abs=5e-4)


def test_gaussian_precision() -> None:
    real, made = draw(4000, 3, 18), draw(4000, 3, 19)
    precision, recall = gaussian_scores(real, made, 0.9)
    assert precision == pytest.approx(0.9, abs=0.02)
    assert recall == pytest.approx(0.9, abs=0.02)
    narrow = gaussian_scores(real, made * 0.1, 0.9)
    assert narrow[0] == 1  # all plausible,
    assert narrow[1] < 0.02  # little of the real world
    turn = 5 * rotation(3, 20) + 0.1
    assert gaussian_scores(real @ turn, made @ turn, 0.9) == pytest.approx((precision, recall))
    with pytest.raises(ValueError, match="full covariance"):
        gaussian_scores(real[:3], made[:3])

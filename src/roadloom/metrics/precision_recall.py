"""Are generated scenes like real ones (precision), and are all real ones reached (recall)?

By neighbours: a set's region is the union of balls about its samples, each as wide as the
distance to its k-th nearest neighbour (Kynkaanniemi et al. 2019). Density and coverage count
the same balls more robustly (Naeem et al. 2020). By a Gaussian, as DynamicCity does it: a sample
is inside if its squared Mahalanobis distance is below a quantile of chi square; the paper does
not state the quantile.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64

from roadloom.errors import BadInput
from roadloom.metrics.feature_sets import check_sets


@dataclass(frozen=True, kw_only=True)
class Manifold:
    precision: float
    """Share of generated samples in the region of the real ones."""
    recall: float
    """Share of real samples in the region of the generated ones."""
    density: float
    """Mean number of real balls about a generated sample, over k; may exceed 1."""
    coverage: float
    """Share of real balls that hold a generated sample."""


def neighbour_scores(
    real: Float[np.ndarray, "real feature"], made: Float[np.ndarray, "made feature"], k: int = 3
) -> Manifold:
    check_sets(real, made)
    if not 1 <= k < min(len(real), len(made)):
        raise ValueError(f"k = {k} needs more samples than {len(real)} and {len(made)}")
    between = squared_distances(real, made)
    in_real = between <= _radii(real, k)[:, None]
    in_made = between <= _radii(made, k)[None, :]
    return Manifold(
        precision=float(in_real.any(axis=0).mean()),
        recall=float(in_made.any(axis=1).mean()),
        density=float(in_real.sum(axis=0).mean() / k),
        coverage=float(in_real.any(axis=1).mean()),
    )


def gaussian_scores(
    real: Float[np.ndarray, "real feature"],
    made: Float[np.ndarray, "made feature"],
    quantile: float = 0.95,
) -> tuple[float, float]:
    """(precision, recall) by Mahalanobis distance."""
    check_sets(real, made)
    limit = chi_square_quantile(quantile, real.shape[1])
    return _inside(real, made, limit), _inside(made, real, limit)


def squared_distances(
    left: Float[np.ndarray, "left feature"], right: Float[np.ndarray, "right feature"]
) -> Float64[np.ndarray, "left right"]:
    left, right = left.astype(np.float64), right.astype(np.float64)
    center = left.mean(axis=0)  # near the origin the expanded square loses no digits
    left, right = left - center, right - center
    sums = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    return np.maximum(sums - 2 * left @ right.T, 0)


def chi_square_quantile(probability: float, dimension: int) -> float:
    """Where the distribution function of chi square reaches ``probability``, by bisection."""
    if not 0 < probability < 1 or dimension < 1:
        raise ValueError(f"no quantile {probability} in {dimension} dimensions")
    half = torch.tensor(dimension / 2, dtype=torch.float64)

    def below(value: float) -> float:
        return float(torch.special.gammainc(half, torch.tensor(value / 2, dtype=torch.float64)))

    low, high = 0.0, float(dimension)
    while below(high) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < probability else (low, middle)
    return (low + high) / 2


def _radii(samples: np.ndarray, k: int) -> Float64[np.ndarray, " sample"]:
    distances = squared_distances(samples, samples)
    np.fill_diagonal(distances, np.inf)
    return np.partition(distances, k - 1, axis=1)[:, k - 1]


def _inside(reference: np.ndarray, samples: np.ndarray, limit: float) -> float:
    """Share of samples within the Gaussian of the reference."""
    if not len(samples):
        raise ValueError("no samples to count")
    if len(reference) <= reference.shape[1]:
        raise ValueError(
            f"{len(reference)} samples give no full covariance in {reference.shape[1]} dimensions"
        )
    centered = samples.astype(np.float64) - reference.astype(np.float64).mean(axis=0)
    covariance = np.cov(reference.astype(np.float64), rowvar=False).reshape(2 * reference.shape[1:])
    try:
        squared = (centered * np.linalg.solve(covariance, centered.T).T).sum(axis=1)
    except np.linalg.LinAlgError as error:
        raise BadInput(
            "features that are constant or follow from others have no Gaussian", field="features",
            remedy="leave such features out",
        ) from error  # fmt: skip
    return float((squared <= limit).mean())

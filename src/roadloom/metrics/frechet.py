"""Frechet distance between two sets of features, each taken as a Gaussian.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))       (Dowson, Landau 1982; Heusel et al. 2017)

The trace of the root is that of the symmetric ``S1^(1/2) S2 S1^(1/2)``, from eigenvalues in
float64; sets smaller than their dimension, whose covariance lacks rank, need nothing special.

The estimate is too large by about 1/N of a number that depends on both sets (Chong and Forsyth
2020): compare only at equal counts, and beside a floor of real against real at that count.
"""

import numpy as np
from jaxtyping import Float, Float64

from roadloom.metrics.feature_sets import check_sets


def frechet_distance(
    real: Float[np.ndarray, "real feature"], made: Float[np.ndarray, "made feature"]
) -> float:
    check_sets(real, made)
    return frechet_of_moments(*moments(real), *moments(made))


def moments(
    features: Float[np.ndarray, "sample feature"],
) -> tuple[Float64[np.ndarray, " feature"], Float64[np.ndarray, "feature feature"]]:
    """Mean and unbiased covariance."""
    if len(features) < 2:
        raise ValueError(f"a covariance needs two samples, got {len(features)}")
    values = features.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("features are not finite")
    mean = values.mean(axis=0)
    centered = values - mean
    return mean, centered.T @ centered / (len(values) - 1)


def frechet_of_moments(
    mean: Float64[np.ndarray, " feature"],
    covariance: Float64[np.ndarray, "feature feature"],
    other_mean: Float64[np.ndarray, " feature"],
    other_covariance: Float64[np.ndarray, "feature feature"],
) -> float:
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.linalg.eigvalsh(root @ other_covariance @ root)
    overlap = np.sqrt(np.maximum(shared, 0)).sum()
    spread = np.trace(covariance) + np.trace(other_covariance) - 2 * overlap
    return float(((mean - other_mean) ** 2).sum() + max(spread, 0.0))

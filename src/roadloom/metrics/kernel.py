"""Kernel distance: squared maximum mean discrepancy under a polynomial kernel, unbiased.

    k(x, y) = (x.y / dim + 1)^3          (Binkowski et al. 2018; Gretton et al. 2012, eq. 3)

No Gaussian is assumed, and the estimate is unbiased at any count, so it may be below zero.
"""

import numpy as np
from jaxtyping import Float, Float64

from roadloom.metrics.feature_sets import check_sets


def kernel_distance(
    real: Float[np.ndarray, "real feature"],
    made: Float[np.ndarray, "made feature"],
    *,
    subset: int | None = None,
    subsets: int = 100,
    seed: int = 0,
) -> float:
    """All pairs at once, or, as is customary, the mean over random subsets.

    Args:
        subset: samples of each set in a subset; None: all of them, once.
    """
    check_sets(real, made)
    if min(len(real), len(made)) < 2:
        raise ValueError(f"two samples of each are needed, got {len(real)} and {len(made)}")
    real, made = real.astype(np.float64), made.astype(np.float64)
    if subset is None:
        return _unbiased(real, made)
    if not 2 <= subset <= min(len(real), len(made)) or subsets < 1:
        raise ValueError(f"{subsets} subsets of {subset} out of {len(real)} and {len(made)}")
    random = np.random.default_rng(seed)
    values = [
        _unbiased(
            real[random.choice(len(real), subset, replace=False)],
            made[random.choice(len(made), subset, replace=False)],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(values))


def polynomial_kernel(
    left: Float64[np.ndarray, "left feature"], right: Float64[np.ndarray, "right feature"]
) -> Float64[np.ndarray, "left right"]:
    return (left @ right.T / left.shape[1] + 1) ** 3


def _unbiased(real: np.ndarray, made: np.ndarray) -> float:
    def within(samples: np.ndarray) -> float:
        kernel, n = polynomial_kernel(samples, samples), len(samples)
        return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))

    return float(within(real) + within(made) - 2 * polynomial_kernel(real, made).mean())

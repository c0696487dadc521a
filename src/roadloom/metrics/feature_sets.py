"""Sets of features, checked before a score is computed: NaN and gaps give numbers too."""

import numpy as np
from jaxtyping import Float

from roadloom.errors import BadInput

LARGEST = 1e30
"""Of a feature: its square times a thousand stays far from the end of float64."""


def check_sets(
    real: Float[np.ndarray, "real feature"], made: Float[np.ndarray, "made feature"]
) -> None:
    """
    Raises:
        BadInput: not two tables of the same features, or a number that is NaN, infinite or
            beyond ``LARGEST``.
    """
    for name, features in (("real", real), ("made", made)):
        if features.ndim != 2 or not features.shape[1]:
            raise BadInput(f"{features.shape} is no table [sample feature]", field=name)
        if not (np.abs(features) <= LARGEST).all():
            raise BadInput(
                "features are not finite", field=name,
                remedy="look at the windows and at the network that they come from",
            )  # fmt: skip
    if real.shape[1] != made.shape[1]:
        raise BadInput(f"{real.shape[1]} and {made.shape[1]} features", field="features")

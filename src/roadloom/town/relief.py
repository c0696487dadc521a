"""Height of the ground: a biquadratic B-spline over the plan's lattice, smooth and slow.

The spline follows its control heights without touching them; gradients are continuous, so what
drives over it pitches smoothly. Sums and products only: the same on every machine.
"""

import numpy as np
from jaxtyping import Float

from roadloom.town.plan.types import EXTENT_MM, Relief


def height(
    relief: Relief, x_m: Float[np.ndarray, "*place"], y_m: Float[np.ndarray, "*place"]
) -> Float[np.ndarray, "*place"]:
    """Metres above the town's origin; places outside the plan take its border's height."""
    return _spline(relief, x_m, y_m)[0]


def gradient(
    relief: Relief, x_m: Float[np.ndarray, "*place"], y_m: Float[np.ndarray, "*place"]
) -> tuple[Float[np.ndarray, "*place"], ...]:
    """Slope along x and along y, metres per metre."""
    return _spline(relief, x_m, y_m)[1:]


def _spline(relief: Relief, x_m: np.ndarray, y_m: np.ndarray) -> tuple[np.ndarray, ...]:
    lattice = np.array(relief.heights, np.float64) / 1000
    step, extent = relief.step / 1000, EXTENT_MM / 1000
    column, wx, dx = _weights(np.clip(np.asarray(x_m, np.float64), -extent, extent), step)
    row, wy, dy = _weights(np.clip(np.asarray(y_m, np.float64), -extent, extent), step)
    column = np.minimum(column, lattice.shape[0] - 3)
    row = np.minimum(row, lattice.shape[1] - 3)
    z, along_x, along_y = (np.zeros(column.shape) for _ in range(3))
    for i in range(3):
        for j in range(3):
            control = lattice[column + i, row + j]
            z += wx[i] * wy[j] * control
            along_x += dx[i] * wy[j] * control
            along_y += wx[i] * dy[j] * control
    return z, along_x / step, along_y / step


def _weights(value: np.ndarray, step: float) -> tuple[np.ndarray, tuple, tuple]:
    """First of three controls, their weights and the weights' slopes (uniform quadratic)."""
    at = (value + EXTENT_MM / 1000) / step + 0.5
    cell = np.floor(at).astype(np.int64)
    t = at - cell
    weights = ((1 - t) ** 2 / 2, 0.5 + t * (1 - t), t**2 / 2)
    slopes = (t - 1, 1 - 2 * t, t)
    return cell, weights, slopes


FLAT = Relief(step=EXTENT_MM, heights=((0,) * 5,) * 5)
"""A plane at height 0, for tests."""

"""Occupied cells as 3-D Gaussians, one each: UniScene, "Occupancy to Gaussians" (2025).

    occupancy -> centre of every occupied cell, covariance, opacity, class

The standard deviation along an axis is half a cell, so 0.2 m for cells of 0.4 m, as in the paper;
neighbours then overlap. Centres are the true centres of the cells. Interior cells are kept: a
Gaussian lets some light through at its cell's borders, so what lies behind the first layer shows.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array
from roadloom.scene.occupancy import Occupancy

SPREAD = 0.5
"""Standard deviation as a share of the cell's edge."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaussians:
    """Many Gaussians in one frame; arrays or, to differentiate, tensors."""

    centers: Float[Array, "gaussian 3"]
    """[m]"""
    covariances: Float[Array, "gaussian 3 3"]
    """[m^2], symmetric."""
    opacities: Float[Array, " gaussian"]
    """0 to 1: how much of the light the middle stops; blending caps it at 0.99."""
    classes: UInt8[np.ndarray, " gaussian"]
    """Ids of our class list, or of a view."""

    def __len__(self) -> int:
        return int(self.centers.shape[0])


def gaussians_of(
    occupancy: Occupancy, *, spread: float = SPREAD, opacity: float = 1.0
) -> Gaussians:
    """One Gaussian per occupied cell, in the occupancy's own frame and in index order.

    Args:
        spread: standard deviation as a share of the cell's edge, axis by axis.
        opacity: of all of them.

    Raises:
        BadInput: the spread is not positive, or the opacity is not in (0, 1].
    """
    check_look(spread, opacity)
    centers, classes = occupancy.points()
    covariance = np.diag((spread * np.array(occupancy.grid.cell_m)) ** 2)
    return Gaussians(
        centers=centers,
        covariances=np.broadcast_to(covariance, (len(centers), 3, 3)),
        opacities=np.full(len(centers), float(opacity)),
        classes=classes,
    )


def check_look(spread: float, opacity: float) -> None:
    """Refuse what ``gaussians_of`` refuses, before any work.

    Raises:
        BadInput: the spread is not positive, or the opacity is not in (0, 1].
    """
    if not 0 < spread < float("inf"):
        raise BadInput(f"is {spread}", field="spread", remedy="give a positive share of a cell")
    if not 0 < opacity <= 1:
        raise BadInput(f"is {opacity}", field="opacity", remedy="give more than 0, at most 1")

"""An axis-aligned box cut into equal cells, indexed [..., X, Y, Z] everywhere.

Cell ``(i, j, k)`` covers ``lower + (i, j, k) * cell`` up to, but not including, its far
faces. A point on the grid's upper face is outside.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, like, namespace
from roadloom.geometry.checks import MOST_CELLS, check_last, finite, whole


@dataclass(frozen=True, kw_only=True)
class VoxelGrid:
    """Ego frame unless said otherwise: x forward, y left, z up [m].

    Holds plain floats and integers, whatever kind of numbers it is made of.
    """

    lower_m: tuple[float, float, float]
    """Corner with the smallest coordinates; it belongs to cell (0, 0, 0)."""
    cell_m: tuple[float, float, float]
    """Edge lengths of one cell."""
    shape: tuple[int, int, int]
    """Cells along x, y and z."""

    def __post_init__(self) -> None:
        for name, plain in (("lower_m", finite), ("cell_m", finite), ("shape", whole)):
            given = getattr(self, name)
            if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != 3:
                raise ValueError(f"{name} must have three numbers, for x, y and z, got {given!r}")
            object.__setattr__(self, name, tuple(plain(value, name) for value in given))
        if min(self.cell_m) <= 0:
            raise ValueError(f"cell_m must be positive, got {self.cell_m}")
        if min(self.shape) <= 0 or max(self.shape) > MOST_CELLS:
            raise ValueError(f"shape must be positive and at most 2**53, got {self.shape}")
        if not np.isfinite(self.upper_m).all():
            raise ValueError(f"cell_m {self.cell_m} times shape {self.shape} must be finite")

    def __str__(self) -> str:
        """For messages: the name of a preset, else its numbers."""
        for name, preset in GRIDS.items():
            if preset == self:
                return name
        cells, cell, lower = (
            between.join(f"{n:g}" for n in numbers)
            for between, numbers in (
                (" x ", self.shape),
                (" x ", self.cell_m),
                (", ", self.lower_m),
            )
        )
        return f"{cells} cells of {cell} m from ({lower})"

    @property
    def upper_m(self) -> tuple[float, float, float]:
        return tuple(
            low + c * n for low, c, n in zip(self.lower_m, self.cell_m, self.shape, strict=True)
        )  # type: ignore[return-value]

    def faces(self, axis: int) -> Float[np.ndarray, " face"]:
        """Coordinates [m] of the ``shape[axis] + 1`` planes between cells, rising.

        Everything that walks the grid compares with these very numbers.
        """
        return self.lower_m[axis] + np.arange(self.shape[axis] + 1) * self.cell_m[axis]

    def cell_of(
        self, points_m: Float[Array, "*point 3"]
    ) -> tuple[Int64[Array, "*point 3"], Bool[Array, "*point"]]:
        """Return each point's cell index and whether that cell is inside the grid.

        Points that are not finite are outside; their index is -1.

        Raises:
            BadInput: the last axis does not have three numbers.
        """
        check_last(points_m, 3, "points_m")
        xp = namespace(points_m)
        points = xp.astype(points_m, xp.float64)
        lower, size = like(np.array(self.lower_m), points), like(np.array(self.cell_m), points)
        cell = xp.floor((points - lower) / size)
        # The division rounds, so a point on a face may land one cell off: the faces decide.
        cell = cell + xp.astype(points >= lower + (cell + 1) * size, xp.float64)
        cell = cell - xp.astype(points < lower + cell * size, xp.float64)
        shape = like(np.array(self.shape), points)
        inside = xp.all((cell >= 0) & (cell < shape), axis=-1)
        far = xp.abs(cell) < 2.0**62  # NaN too
        return xp.astype(xp.where(far, cell, -xp.ones_like(cell)), xp.int64), inside

    def center_of(self, cells: Int64[Array, "*cell 3"]) -> Float[Array, "*cell 3"]:
        """Centre [m] of each cell, float64."""
        check_last(cells, 3, "cells")
        xp = namespace(cells)
        return like(np.array(self.lower_m), cells) + (xp.astype(cells, xp.float64) + 0.5) * like(
            np.array(self.cell_m), cells
        )

    def centers(self) -> Float[np.ndarray, "x y z 3"]:
        """Centres [m] of all cells."""
        return self.center_of(np.moveaxis(np.indices(self.shape, dtype=np.int64), 0, -1))


OCC3D = VoxelGrid(lower_m=(-40.0, -40.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(200, 200, 16))
"""Occ3D on nuScenes: the grid of the 2023 occupancy challenge, ego frame."""
PRETRAIN_BEVFORMER = VoxelGrid(
    lower_m=(-51.2, -51.2, -5.0), cell_m=(0.512, 0.512, 0.5), shape=(200, 200, 16)
)
"""UniScene pre-training of BEVFormer and DETR3D."""
PRETRAIN_LSS = VoxelGrid(lower_m=(-51.2, -51.2, -5.0), cell_m=(0.8, 0.8, 0.5), shape=(128, 128, 16))
"""UniScene pre-training of BEVDet, BEVDepth and BEVStereo."""
CARLA_SC = VoxelGrid(lower_m=(-25.6, -25.6, -2.0), cell_m=(0.4, 0.4, 0.375), shape=(128, 128, 8))
"""CarlaSC, the grid of DynamicCity."""
BEV_VAE = VoxelGrid(lower_m=(-51.2, -51.2, -5.0), cell_m=(0.8, 0.8, 1.0), shape=(128, 128, 8))
"""BEV-VAE's lifted volume; its latent has 32 x 32 cells of 3.2 m."""
SEMANTICKITTI = VoxelGrid(lower_m=(0.0, -25.6, -2.2), cell_m=(0.2, 0.2, 0.2), shape=(256, 256, 32))
"""SemanticKITTI's scene completion, in the frame of its LiDAR; that the lower bound in z is
-2.2 m was measured: only there do a real scan and its voxels agree."""
LIDAR_50M = VoxelGrid(lower_m=(-50.0, -50.0, -5.0), cell_m=(0.5, 0.5, 0.5), shape=(200, 200, 16))
"""UniScene's labels at 12 Hz, in the LiDAR frame, which SurroundOcc's labels share."""

GRIDS = {
    "occ3d": OCC3D,
    "pretrain_bevformer": PRETRAIN_BEVFORMER,
    "pretrain_lss": PRETRAIN_LSS,
    "carla_sc": CARLA_SC,
    "bev_vae": BEV_VAE,
    "semantickitti": SEMANTICKITTI,
    "lidar_50m": LIDAR_50M,
}


def grid_named(name: str, field: str = "--grid") -> VoxelGrid:
    """One of ``GRIDS``.

    Raises:
        BadInput: there is none of this name; says that ``field`` is wrong.
    """
    if name not in GRIDS:
        raise BadInput(f"no grid {name!r}", field=field, remedy=f"use {', '.join(GRIDS)}")
    return GRIDS[name]

"""Free space by exact rays: which cells were crossed, of those that are still open."""

import numpy as np
from jaxtyping import Bool, Float

from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.label.sweeps import Rays

BLOCK = (8, 8, 1)
"""Cells of a block. Flat ones: the layers over a road are soon seen through, what lies below it
never is."""


class FreeSpace:
    """Marks what rays cross on their way, as ``geometry.ray_grid.carve`` does: not their ends.

    Cells that are settled from the start are never marked, and blocks without an open cell cost
    next to nothing.
    """

    def __init__(self, grid: VoxelGrid, settled: Bool[np.ndarray, "x y z"]) -> None:
        self._grid = grid
        self._state = np.where(settled, np.uint8(2), np.uint8(0))
        edges = [np.arange(0, n, width) for n, width in zip(grid.shape, BLOCK, strict=True)]
        left = (~settled).astype(np.int32)
        for axis, edge in enumerate(edges):
            left = np.add.reduceat(left, edge, axis=axis)
        self._left = np.ascontiguousarray(left, np.int32)

    def add(
        self, rays: Rays, poses: Float[np.ndarray, "run 12"], *, carve_ground: bool = True
    ) -> None:
        """Mark what rays cross; run r is moved through ``poses[r]``.

        Args:
            carve_ground: False leaves out, of rays that end on the ground, the cells in the layer
                of their end.
        """
        from roadloom.label.free_kernels import mark_crossed

        short = np.zeros_like(rays.ground) if carve_ground else rays.ground
        mark_crossed(
            rays.starts, rays.ends, short, rays.offsets, poses, self._grid.lower_m,
            self._grid.cell_m, BLOCK, self._state, self._left,
        )  # fmt: skip

    @property
    def crossed(self) -> Bool[np.ndarray, "x y z"]:
        """Cells that were open and that a ray crossed."""
        marked: np.ndarray = self._state == 1
        return marked

"""Points counted in cells: what is occupied, and by what.

A cell's class is the one with the most points times the class's weight, as areas are weighed in
the exact occupancy of made worlds (``class_weights``); ties go to the lower id. Points of no
known class count only where no other lies.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8

from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.label.sweeps import OCCUPIED, Rays
from roadloom.scene.class_weights import class_weights
from roadloom.scene.classes import CLASSES, FREE


class Votes:
    """Counts of points per cell and class; the order of adding changes nothing."""

    def __init__(self, grid: VoxelGrid, *, semantic: bool) -> None:
        self._grid, self._width = grid, len(CLASSES) if semantic else 0
        self._slots = np.full(grid.shape, -1, np.int32)
        self._hits = np.empty(0, np.uint32)
        self._votes = np.empty((0, self._width), np.uint32)
        self._used = 0

    def add(self, rays: Rays, poses: Float[np.ndarray, "run 12"]) -> None:
        """Count the ends of rays that carry a class; run r is moved through ``poses[r]``."""
        from roadloom.label.vote_kernels import count_points

        self._make_room(len(rays.ends))
        self._used = count_points(
            rays.ends, rays.classes, rays.offsets, poses, self._grid.lower_m, self._grid.cell_m,
            self._slots, self._hits, self._votes, self._used,
        )  # fmt: skip

    def _make_room(self, more: int) -> None:
        needed = min(self._used + more, self._slots.size)
        if needed <= len(self._hits):
            return
        room = max(needed, 2 * len(self._hits))
        hits, votes = np.empty(room, np.uint32), np.empty((room, self._width), np.uint32)
        hits[: self._used], votes[: self._used] = (
            self._hits[: self._used],
            self._votes[: self._used],
        )
        self._hits, self._votes = hits, votes

    def at_least(self, count: int) -> Bool[np.ndarray, "x y z"]:
        """Cells with so many points or more; ``count`` is 1 or more."""
        enough = np.append(self._hits[: self._used] >= count, False)
        return enough[self._slots]  # -1, no point, takes the last

    def classes(self) -> UInt8[np.ndarray, "x y z"]:
        """Class of each cell that holds a point; free where none does."""
        weights = class_weights()[: self._width]
        best = np.full(self._used + 1, OCCUPIED, np.uint8)
        if self._width:
            weights[OCCUPIED] = 0
            score = self._votes[: self._used] * weights
            some = np.flatnonzero(score.any(axis=1))
            best[some] = score[some].argmax(axis=1)  # the first of equals: the lower id
        best[self._used] = FREE
        return best[self._slots]

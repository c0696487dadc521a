"""Does a generated film hold together in time?

Without poses: *blinking*, the share of voxels that are of a class, are not one frame later, and
are again one frame after that (A-B-A). Real films blink too, where thin things cross cell
borders, so the score is a rate beside the real rate.

With poses: *persistence*, the share of voxels of static classes that are found again, as the
same class, where the next frame's ego motion puts them. Cells are rounded, hence a tolerance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from roadloom.geometry.voxel_grid import VoxelGrid


@dataclass(frozen=True, eq=False)
class Share:
    """Counts that are added over films before the ratio is taken."""

    hits: Int64[np.ndarray, " class"]
    tries: Int64[np.ndarray, " class"]

    def __add__(self, other: "Share") -> "Share":
        return Share(self.hits + other.hits, self.tries + other.tries)

    @property
    def per_class(self) -> Float[np.ndarray, " class"]:
        """NaN for classes that were never tried."""
        return np.divide(
            self.hits, self.tries, out=np.full(len(self.tries), np.nan), where=self.tries > 0
        )

    def mean(self, classes: Sequence[int]) -> float:
        """Mean over those of the classes that were tried: a rare class counts like a frequent."""
        found = self.per_class[list(classes)]
        return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def blinking(labels: UInt8[np.ndarray, "time x y z"], classes: int) -> Share:
    """Of voxels that hold a class in frames t - 1 and t + 1, those that do not in frame t."""
    before, now, after = labels[:-2], labels[1:-1], labels[2:]
    framed = before == after
    held = np.bincount(before[framed], minlength=256)[:classes]
    blinked = np.bincount(before[framed & (now != before)], minlength=256)[:classes]
    return Share(blinked.astype(np.int64), held.astype(np.int64))


def persistence(
    labels: UInt8[np.ndarray, "time x y z"],
    motions: Float[np.ndarray, "step 3"],
    grid: VoxelGrid,
    static: Sequence[int],
    *,
    tolerance: int = 1,
) -> Share:
    """Of static voxels that stay within the grid, those found again one frame later.

    Args:
        motions: forward [m], left [m] and yaw [rad] of the ego vehicle from each frame to the
            next, in the earlier frame's ego frame.
        tolerance: cells along every axis within which finding counts.
    """
    if len(motions) != len(labels) - 1:
        raise ValueError(f"{len(motions)} motions for {len(labels)} frames")
    if min(static) < 1 or max(static) > 254:
        raise ValueError(f"static classes must be filled ones, got {static}")
    hits, tries = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for before, after, motion in zip(labels[:-1], labels[1:], motions, strict=True):
        cells = np.argwhere(np.isin(before, np.array(static, np.uint8)))
        ids = before[tuple(cells.T)]
        moved, inside = _moved(cells, motion, grid)
        tries += np.bincount(ids[inside], minlength=256)
        found = _found(after, moved[inside], ids[inside], tolerance)
        hits += np.bincount(ids[inside][found], minlength=256)
    size = max(static) + 1
    return Share(hits[:size], tries[:size])


def _moved(
    cells: np.ndarray, motion: np.ndarray, grid: VoxelGrid
) -> tuple[Int64[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """The cells in the next frame, and which lie in the grid."""
    edge, lower = np.array(grid.cell_m), np.array(grid.lower_m)
    centers = lower + (cells + 0.5) * edge
    forward, left, yaw = motion
    x, y = centers[:, 0] - forward, centers[:, 1] - left
    centers[:, 0] = np.cos(yaw) * x + np.sin(yaw) * y
    centers[:, 1] = np.cos(yaw) * y - np.sin(yaw) * x
    # A whole-cell step must not fall to either side by rounding.
    index = np.floor((centers - lower) / edge + 1e-9).astype(np.int64)
    return index, ((index >= 0) & (index < np.array(grid.shape))).all(axis=1)


def _found(after: np.ndarray, cells: np.ndarray, ids: np.ndarray, tolerance: int) -> np.ndarray:
    padded = np.pad(after, tolerance)
    reach = range(2 * tolerance + 1)
    found = np.zeros(len(cells), bool)
    for x in reach:
        for y in reach:
            for z in reach:
                found |= padded[cells[:, 0] + x, cells[:, 1] + y, cells[:, 2] + z] == ids
    return found

"""Paint as thin pieces on the relief, for those who count its area."""

import numpy as np
from jaxtyping import Float

from roadloom.town.plan.types import TownPlan
from roadloom.town.relief import height

PIECE_M = 2.0
"""Longest piece: straight across it, paint stays within a millimetre of the relief."""


def paint_triangles(plan: TownPlan) -> Float[np.ndarray, "triangle 3 3"]:
    """Every rectangle of paint in the town's frame, lifted onto the relief, facing up."""
    paint = plan.roads.paint
    at = np.array([p.at for p in paint], np.float64).reshape(-1, 2) / 1000
    half = np.array([p.half for p in paint], np.float64).reshape(-1, 2) / 1000
    wide = np.array([p.half_width for p in paint], np.float64) / 1000
    length = np.sqrt((half**2).sum(axis=1))
    side = np.stack([-half[:, 1], half[:, 0]], axis=1) * (wide / length)[:, None]
    count = np.ceil(2 * length / PIECE_M).astype(np.int64)
    row = np.repeat(np.arange(len(paint)), count)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    ends = [(2 * (nth + k) / count[row] - 1)[:, None] for k in (0, 1)]
    ring = [
        at[row] + t * half[row] + s * side[row]
        for t, s in ((ends[0], -1), (ends[1], -1), (ends[1], 1), (ends[0], 1))
    ]
    flat = np.concatenate(
        [np.stack([ring[i] for i in pick], axis=1) for pick in ((0, 1, 2), (0, 2, 3))]
    )
    z = height(plan.relief, flat[..., 0], flat[..., 1])
    return np.concatenate([flat, z[..., None]], axis=2)

"""How somebody weaves between what stands on a pavement: the cheapest row of sideways steps."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

SLOT_M = 0.1
"""Sideways places are this far apart; from one sample to the next one moves by one at most."""
BLOCKED = 1e6
MOVE_COST = 0.4
OVER_M = 0.35
"""So far beyond a walk's half width they go for what stands there."""


def weave(
    at: Float[np.ndarray, "sample 2"],
    heading: Float[np.ndarray, "sample 2"],
    keep: Float[np.ndarray, " sample"],
    half: Float[np.ndarray, " sample"],
    rects: Float[np.ndarray, "thing 6"],
    spare: float,
    beside: float,
) -> Float[np.ndarray, " sample"] | None:
    """Metres to the left of a way at each sample: near ``keep``, within ``half``, at least
    ``spare`` from all rectangles (x, y, unit direction, half sizes), and so also ``beside`` metres
    to its right. None where there is no room. Dynamic programming over samples and places."""
    slots = int((float(half.max()) + OVER_M) / SLOT_M)
    offsets = np.arange(-slots, slots + 1) * SLOT_M
    cost = np.abs(offsets[None, :] - keep[:, None])
    cost += np.where(np.abs(offsets)[None, :] > half[:, None] + 0.01, 3.0, 0.0)
    cost += np.where(np.abs(offsets)[None, :] > half[:, None] + OVER_M, BLOCKED, 0.0)
    _block(cost, at, heading, offsets, rects, spare, 0.0)
    if beside > 0.0:
        _block(cost, at, heading, offsets, rects, spare, beside)
    chosen, total = _cheapest(cost)
    return offsets[chosen] if total < BLOCKED else None


@njit(cache=True, nogil=True)
@no_type_check
def _block(cost, at, heading, offsets, rects, spare, beside):
    for k in range(len(rects)):
        x, y, ux, uy, length, width = rects[k]
        reach = length + width + spare + abs(offsets[0]) + beside
        for i in range(len(at)):
            dx, dy = at[i, 0] - x, at[i, 1] - y
            if abs(dx) > reach or abs(dy) > reach:
                continue
            for j in range(len(offsets)):
                left = offsets[j] - beside
                px, py = dx - left * heading[i, 1], dy + left * heading[i, 0]
                if (
                    abs(px * ux + py * uy) < length + spare
                    and abs(py * ux - px * uy) < width + spare
                ):
                    cost[i, j] = BLOCKED


@njit(cache=True, nogil=True)
@no_type_check
def _cheapest(cost):
    count, places = cost.shape
    came = np.zeros((count, places), np.int64)
    best = cost[0].copy()
    for i in range(1, count):
        after = np.empty(places)
        for j in range(places):
            pick, value = j, best[j]
            if j > 0 and best[j - 1] + MOVE_COST < value:
                pick, value = j - 1, best[j - 1] + MOVE_COST
            if j + 1 < places and best[j + 1] + MOVE_COST < value:
                pick, value = j + 1, best[j + 1] + MOVE_COST
            came[i, j] = pick
            after[j] = value + cost[i, j]
        best = after
    at = int(np.argmin(best))
    total = best[at]
    chosen = np.zeros(count, np.int64)
    for i in range(count - 1, -1, -1):
        chosen[i] = at
        at = came[i, at]
    return chosen, total

"""The numba kernel behind ``camera_mask``."""

from math import inf
from typing import no_type_check

from numba import njit

from roadloom.geometry.ray_kernels import advance, enter


@njit(cache=True, nogil=True)
@no_type_check
def mark_until_solid(origin, directions, lower, size, solid, seen):
    """Set every cell that a ray from ``origin`` crosses, up to and with its first solid one."""
    shape = solid.shape
    o = (origin[0], origin[1], origin[2])
    for ray in range(directions.shape[0]):
        d = (directions[ray, 0], directions[ray, 1], directions[ray, 2])
        within, t, _, cell, ahead, step, inverse = enter(o, d, lower, size, shape, inf)
        while within:
            leave = min(ahead[0], min(ahead[1], ahead[2]))
            if leave > t:
                seen[cell[0], cell[1], cell[2]] = True
                if solid[cell[0], cell[1], cell[2]]:
                    break
            t = leave
            within, _, cell, ahead = advance(
                leave, cell, ahead, step, inverse, o, lower, size, shape
            )

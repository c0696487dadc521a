"""What textures hand to the light: one float32 row of these columns per ray."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32
from numba import njit

RED, MIRROR, SHEEN, GLOW, OPEN, THIN = 0, 3, 4, 5, 8, 9
"""Diffuse colour 3; share mirrored head on; how far that rises at grazing views (0 not, 1 fully);
own light 3; share of the sun that reaches the place within the surface's own relief; share of
light that comes through from behind."""
WATER = 10
"""Share covered by standing water, which lies flat."""
SKIN = 11


def skins_of(count: int) -> Float32[np.ndarray, "ray 11"]:
    return np.empty((count, SKIN), np.float32)


@njit("void(f4[:, ::1], i8, f8, f8, f8, f8, f8, f8, f8, f8, f8, f8, f8)", cache=True, nogil=True)
@no_type_check
def put(skin, k, r, g, b, mirror, sheen, glow_r, glow_g, glow_b, sun_share, thin, water):
    """Store a row; colours are kept between black and fresh snow."""
    skin[k, 0], skin[k, 1], skin[k, 2] = (
        min(max(r, 0.003), 0.9),
        min(max(g, 0.003), 0.9),
        min(max(b, 0.003), 0.9),
    )
    skin[k, 3], skin[k, 4] = mirror, sheen
    skin[k, 5], skin[k, 6], skin[k, 7] = glow_r, glow_g, glow_b
    skin[k, 8], skin[k, 9], skin[k, 10] = sun_share, thin, water

"""Mirror images of a window: another drive that could have been, at no cost.

Vehicles keep no side of the road under a mirror, and a drive backwards in time is no drive that a
driver makes: use them where more shapes matter more than that.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

_STREAM = 1
"""Of an example's seed; crops have another."""


@dataclass(frozen=True)
class Flip:
    """What is turned round; all mirrors are taken in the ego frame."""

    x: bool = False
    """Front and back."""
    y: bool = False
    """Left and right."""
    time: bool = False

    def volume(
        self, cells: Shaped[Tensor, "*batch time x y z"]
    ) -> Shaped[Tensor, "*batch t x y z"]:
        """Voxels, masks or anything else with these last axes."""
        axes = [axis for axis, on in ((-4, self.time), (-3, self.x), (-2, self.y)) if on]
        return cells.flip(axes) if axes else cells


NO_FLIP = Flip()


def flip_of(seed: int) -> Flip:
    """One of the eight, each as likely."""
    x, y, time = np.random.default_rng((seed, _STREAM)).integers(0, 2, 3).tolist()
    return Flip(bool(x), bool(y), bool(time))

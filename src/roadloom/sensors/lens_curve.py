"""The curve of a lens: a polynomial ``d(t) = t (1 + c1 t^2 + c2 t^4 + ...)``, or of all powers.

    t (radius or angle of a direction)  <->  d (distorted radius in the image)

Brown-Conrady has it in the radius, Kannala-Brandt in the angle, f-theta in every power of
the angle. Where the curve stops rising the lens folds: two directions would share a pixel.
Everything past that first turning point is refused.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from roadloom.geometry.arrays import Array, like, namespace

TABLE_KNOTS = 2048
MAX_STEPS = 30
"""Newton needs three or four steps from the table, and up to twenty close to the fold."""


@dataclass(frozen=True, kw_only=True)
class LensCurve:
    """A lens curve on ``[0, limit]``, on which it rises strictly."""

    coefficients: tuple[float, ...]
    """c1, c2, ...: all zero is a lens without distortion."""
    largest: float = float("inf")
    """No t beyond this is wanted; the limit is this or the fold, whichever comes first."""
    step: int = 2
    """The powers of t in the brackets rise by this: 2, or 1 for every power."""

    def power(self, t: Array) -> Array:
        """What ``ratio`` and ``slope`` take: t to the ``step``."""
        return t * t if self.step == 2 else t

    @cached_property
    def fold(self) -> float:
        """The smallest t > 0 at which the curve stops rising; infinite if it never does."""
        rise = [1.0, *((self.step * (i + 1) + 1) * c for i, c in enumerate(self.coefficients))]
        roots = np.roots(rise[::-1])
        # A double root touches zero and counts too; rounding lifts it off the real axis.
        real = roots.real[(abs(roots.imag) <= 1e-7 * abs(roots)) & (roots.real > 0)]
        return float(real.min() ** (1 / self.step)) if len(real) else float("inf")

    @property
    def limit(self) -> float:
        return min(self.fold, self.largest)

    def value(self, t: Array) -> Array:
        """d(t), without regard to the limit."""
        return t * self.ratio(self.power(t))

    def ratio(self, power: Array) -> Array:
        """d(t) / t, given ``power(t)``."""
        total = 0.0 * power
        for c in reversed(self.coefficients):
            total = power * (total + c)
        return 1.0 + total

    def slope(self, power: Array) -> Array:
        """Derivative of d by t, given ``power(t)``."""
        total = 0.0 * power
        for i, c in reversed(list(enumerate(self.coefficients))):
            total = power * (total + (self.step * (i + 1) + 1) * c)
        return 1.0 + total

    def reach(self, wanted: float) -> float:
        """The t whose d is ``wanted``, or the limit where the curve does not get so far."""
        low, high = 0.0, 1.0
        while high < self.limit and self.value(high) < wanted:
            low, high = high, 2 * high
        high = min(high, self.limit)
        if self.value(high) <= wanted:
            return high
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.value(middle) < wanted else (low, middle)
        return high

    def invert(
        self, d: Float[Array, "*point"], *, largest_d: float, tolerance: float
    ) -> tuple[Float[Array, "*point"], Bool[Array, "*point"]]:
        """Return t with ``d(t) = d`` to ``tolerance``, and whether there is one.

        Carries no gradient: the callers take one last Newton step that does. Works up to
        ``largest_d``, which bounds the table from which Newton's method starts; each start lies
        below its root, and on the falling slope towards a fold Newton then climbs without ever
        stepping over it.
        """
        xp = namespace(d)
        knots = np.linspace(0.0, self.reach(largest_d), TABLE_KNOTS)
        heights = np.maximum.accumulate(self.value(knots))
        found = (d >= 0) & (d <= float(heights[-1]) * (1 + 1e-15))
        d = xp.where(found, d, xp.zeros_like(d))
        below = xp.searchsorted(like(heights, d), xp.reshape(d, (-1,)), side="right") - 1
        below = xp.clip(below, 0, TABLE_KNOTS - 1)
        t = xp.reshape(xp.take(like(knots, d), below, axis=0), d.shape)
        for _ in range(MAX_STEPS):
            error = self.value(t) - d
            if bool(xp.all(xp.abs(error) <= tolerance)):
                break
            slope = self.slope(self.power(t))
            t = t - error / xp.where(slope > 1e-12, slope, xp.ones_like(slope))
            t = xp.clip(t, 0.0, float(knots[-1]))
        return t, found & (xp.abs(self.value(t) - d) <= tolerance)

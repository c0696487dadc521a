"""A street as those see it who place things along it: distance along, distance to the side."""

from bisect import bisect_right
from functools import cached_property
from math import sqrt

from roadloom.town.plan.things_rect import Number, Place
from roadloom.town.plan.things_site import Site
from roadloom.town.plan.types import EXTENT_MM, Street

LEFT, RIGHT = 0, 1


class Way:
    """(s, left): along the axis and to its left [mm]; beyond its ends it goes on straight."""

    def __init__(self, street: Street, site: Site) -> None:
        self.street = street
        self.kind = street.kind
        self._site = site
        self._axis = [(float(x), float(y)) for x, y in street.axis]
        self._starts = [0.0]
        for (x0, y0), (x1, y1) in zip(self._axis, self._axis[1:], strict=False):
            size = sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
            self._starts.append(self._starts[-1] + size)
        self.length = self._starts[-1]

    def _piece(self, s: Number) -> int:
        return min(max(bisect_right(self._starts, s) - 1, 0), len(self._axis) - 2)

    def ahead(self, s: Number) -> Place:
        """Unit direction of the axis."""
        i = self._piece(s)
        (x0, y0), (x1, y1) = self._axis[i], self._axis[i + 1]
        size = self._starts[i + 1] - self._starts[i]
        return (x1 - x0) / size, (y1 - y0) / size

    def at(self, s: Number, left: Number) -> Place:
        i = self._piece(s)
        ux, uy = self.ahead(s)
        x, y = self._axis[i]
        on = s - self._starts[i]
        return x + on * ux - left * uy, y + on * uy + left * ux

    def from_origin(self, s: Number) -> float:
        """Distance from the middle of the town."""
        x, y = self.at(s, 0)
        return sqrt(x * x + y * y)

    @cached_property
    def nearest_to_origin(self) -> float:
        count = max(int(self.length // 10_000), 1)
        return min(self.from_origin(self.length * i / count) for i in range(count + 1))

    def numbers(self, side: int) -> tuple[int, int, int, int]:
        return self.street.left if side == LEFT else self.street.right

    def sign(self, side: int) -> int:
        return 1 if side == LEFT else -1

    def kerb(self, s: Number, side: int) -> Number:
        """Distance of the kerb from the axis: where no strip is, it stands nearer."""
        kerb, _, _, strip = self.numbers(side)
        if strip == 0:
            return kerb
        for share in (0, 1, 2, 3):  # the pavement widens in steps where a strip ends
            out = kerb - strip * share / 4
            place = self.at(s, self.sign(side) * (out - 60))
            if self._site.kind_at(*place) == "parking":
                return out
        return kerb - strip

    def margin(self, end: int, clear: Number) -> Number:
        """``clear`` at ends with a junction, 0 where the street leaves the plan."""
        x, y = self._axis[-1 if end else 0]
        return 0.0 if max(abs(x), abs(y)) > EXTENT_MM - 2000 else clear

    def onward(self, s: Number, side: int) -> Place:
        """Unit direction of traffic on a side: people drive on the right."""
        ux, uy = self.ahead(s)
        return (ux, uy) if side == RIGHT else (-ux, -uy)

    def inward(self, s: Number, side: int) -> Place:
        """Unit direction from a side's pavement to the road."""
        ux, uy = self.ahead(s)
        return (-uy, ux) if side == RIGHT else (uy, -ux)

    def project(self, x: Number, y: Number) -> Place:
        """(s, left) of the nearest place on the axis."""
        best = (0.0, 0.0, float("inf"))
        for i, start in enumerate(self._starts[:-1]):
            x0, y0 = self._axis[i]
            ux, uy = self.ahead(start)
            along = (x - x0) * ux + (y - y0) * uy
            along = min(max(along, 0.0), self._starts[i + 1] - start)
            dx, dy = x - x0 - along * ux, y - y0 - along * uy
            apart = dx * dx + dy * dy
            if apart < best[2]:
                best = (start + along, ux * dy - uy * dx, apart)
        return best[0], best[1]

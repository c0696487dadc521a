"""Curves of the road net in float64 millimetres: sums, products, quotients and roots only.

Every point is rounded to whole millimetres where it enters the plan, always by the same call, so
neighbours that ask for the same place get the same vertex.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from math import floor, sqrt

from roadloom.town.plan.types import Line, Point

Place = tuple[float, float]
Number = float | int


def whole(x: Number, y: Number) -> Point:
    return floor(x + 0.5), floor(y + 0.5)


def unit(x: Number, y: Number) -> Place:
    norm = sqrt(x * x + y * y)
    return x / norm, y / norm


def tidy(points: list[Point]) -> Line:
    """A ring without repeated neighbours."""
    kept = [p for i, p in enumerate(points) if p != points[i - 1]]
    return tuple(kept)


def meeting(p: Place, d: Place, q: Place, e: Place) -> tuple[float, float]:
    """How far along two lines (places p, q, unit directions d, e) they meet."""
    cross = d[0] * e[1] - d[1] * e[0]
    dx, dy = q[0] - p[0], q[1] - p[1]
    return (dx * e[1] - dy * e[0]) / cross, (dx * d[1] - dy * d[0]) / cross


def arc(start: Place, corner: Place, end: Place, pieces: int) -> list[tuple[Place, Place]]:
    """Places and unit headings of the circle that touches both legs at their ends.

    The legs have the same length. A rational quadratic Bezier curve with the weight
    cos(turn / 2) is that circle exactly.
    """
    ax, ay = unit(corner[0] - start[0], corner[1] - start[1])
    bx, by = unit(end[0] - corner[0], end[1] - corner[1])
    weight = sqrt(max(0.0, (1 + ax * bx + ay * by) / 2))
    found = []
    for i in range(pieces + 1):
        u = i / pieces
        a, b, c = (1 - u) * (1 - u), 2 * u * (1 - u) * weight, u * u
        total = a + b + c
        x = (a * start[0] + b * corner[0] + c * end[0]) / total
        y = (a * start[1] + b * corner[1] + c * end[1]) / total
        # The derivative of a rational curve, but for its length.
        da, db, dc = -2 * (1 - u), 2 * (1 - 2 * u) * weight, 2 * u
        slope = da + db + dc
        tx = da * start[0] + db * corner[0] + dc * end[0] - slope * x
        ty = da * start[1] + db * corner[1] + dc * end[1] - slope * y
        found.append(((x, y), unit(tx, ty)))
    return found


@dataclass(frozen=True, eq=False)
class Axis:
    """A street's middle: cubic Hermite pieces through places with given directions."""

    places: tuple[Place, ...]
    directions: tuple[Place, ...]

    _CUTS = 48

    @cached_property
    def _table(self) -> tuple[list[float], list[float]]:
        """Distance at each parameter of a fine subdivision; parameter k + t lies on piece k."""
        distances, parameters = [0.0], [0.0]
        last = self.places[0]
        for piece in range(len(self.places) - 1):
            for i in range(1, self._CUTS + 1):
                at = self._point(piece, i / self._CUTS)
                dx, dy = at[0] - last[0], at[1] - last[1]
                distances.append(distances[-1] + sqrt(dx * dx + dy * dy))
                parameters.append(piece + i / self._CUTS)
                last = at
        return distances, parameters

    @cached_property
    def length(self) -> float:
        return self._table[0][-1]

    @cached_property
    def _pieces(self) -> list[tuple[Place, Place, Place, Place]]:
        """Ends of each piece and the slopes there."""
        return [self._piece(i) for i in range(len(self.places) - 1)]

    def _piece(self, piece: int) -> tuple[Place, Place, Place, Place]:
        p, q = self.places[piece], self.places[piece + 1]
        dx, dy = q[0] - p[0], q[1] - p[1]
        chord = sqrt(dx * dx + dy * dy)
        a, b = self.directions[piece], self.directions[piece + 1]
        return p, q, (a[0] * chord, a[1] * chord), (b[0] * chord, b[1] * chord)

    def _point(self, piece: int, t: float) -> Place:
        p, q, a, b = self._pieces[piece]
        s = 1 - t
        h0, h1, h2, h3 = s * s * (1 + 2 * t), s * s * t, t * t * (3 - 2 * t), -t * t * s
        return (
            h0 * p[0] + h1 * a[0] + h2 * q[0] + h3 * b[0],
            h0 * p[1] + h1 * a[1] + h2 * q[1] + h3 * b[1],
        )

    def _heading(self, piece: int, t: float) -> Place:
        p, q, a, b = self._pieces[piece]
        s = 1 - t
        h0, h1, h3 = -6 * t * s, s * (1 - 3 * t), t * (3 * t - 2)
        return unit(
            h0 * (p[0] - q[0]) + h1 * a[0] + h3 * b[0], h0 * (p[1] - q[1]) + h1 * a[1] + h3 * b[1]
        )

    def frame(self, s: Number) -> tuple[Place, Place]:
        """Place and unit heading at a distance [mm]; the ends are exact."""
        distances, parameters = self._table
        if s <= 0:
            return self.places[0], self.directions[0]
        if s >= self.length:
            return self.places[-1], self.directions[-1]
        i = bisect_right(distances, s)
        share = (s - distances[i - 1]) / (distances[i] - distances[i - 1])
        at = parameters[i - 1] + share * (parameters[i] - parameters[i - 1])
        piece = min(int(at), len(self.places) - 2)
        return self._point(piece, at - piece), self._heading(piece, at - piece)

    @cached_property
    def tightest(self) -> float:
        """Smallest radius [mm], by differences of heading every few metres."""
        found, step = 1e9, self.length / 40
        before = self.frame(0.0)[1]
        for i in range(1, 41):
            now = self.frame(i * step)[1]
            turn = abs(before[0] * now[1] - before[1] * now[0])
            found = min(found, step / turn) if turn > 1e-9 else found
            before = now
        return found

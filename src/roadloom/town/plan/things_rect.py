"""Upright rectangles on the plan: whether two of them, or one and a line, share ground.

Float64 with + - * / and square roots only, so the answers are the same on every machine.
"""

from collections.abc import Iterator
from math import sqrt
from typing import NamedTuple

Number = int | float
Place = tuple[Number, Number]
CELL = 8000
"""Of the hash [mm]."""


class Rect(NamedTuple):
    """A turned rectangle [mm]: middle, unit direction of its length, half length, half width."""

    x: Number
    y: Number
    ux: Number
    uy: Number
    half_length: Number
    half_width: Number

    @property
    def radius(self) -> float:
        return sqrt(self.half_length * self.half_length + self.half_width * self.half_width)

    def grown(self, by: Number) -> "Rect":
        return self._replace(half_length=self.half_length + by, half_width=self.half_width + by)

    def corners(self) -> list[tuple[float, float]]:
        """Counter-clockwise."""
        found = []
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            along, across = a * self.half_length, b * self.half_width
            found.append(
                (
                    self.x + along * self.ux - across * self.uy,
                    self.y + along * self.uy + across * self.ux,
                )
            )
        return found


def rect(at: Place, heading: Place, length: Number, width: Number) -> Rect:
    """From a middle, a direction of any length, and full sizes [mm]."""
    hx, hy = heading
    size = sqrt(hx * hx + hy * hy)
    return Rect(at[0], at[1], hx / size, hy / size, length / 2, width / 2)


def overlap(a: Rect, b: Rect) -> bool:
    """By the separating axis theorem; rectangles that merely touch do not overlap."""
    dx, dy = b.x - a.x, b.y - a.y
    cos = abs(a.ux * b.ux + a.uy * b.uy)
    sin = abs(a.ux * b.uy - a.uy * b.ux)
    return (
        abs(dx * a.ux + dy * a.uy) < a.half_length + cos * b.half_length + sin * b.half_width
        and abs(dy * a.ux - dx * a.uy) < a.half_width + sin * b.half_length + cos * b.half_width
        and abs(dx * b.ux + dy * b.uy) < b.half_length + cos * a.half_length + sin * a.half_width
        and abs(dy * b.ux - dx * b.uy) < b.half_width + sin * a.half_length + cos * a.half_width
    )


def crosses(r: Rect, x0: Number, y0: Number, x1: Number, y1: Number) -> bool:
    """Whether a segment runs through a rectangle's inside (Liang and Barsky, 1984)."""
    dx, dy = x0 - r.x, y0 - r.y
    ax, ay = dx * r.ux + dy * r.uy, dy * r.ux - dx * r.uy
    dx, dy = x1 - r.x, y1 - r.y
    bx, by = dx * r.ux + dy * r.uy - ax, dy * r.ux - dx * r.uy - ay
    low, high = 0.0, 1.0
    for start, step, half in ((ax, bx, r.half_length), (ay, by, r.half_width)):
        if step == 0.0:
            if abs(start) >= half:
                return False
            continue
        a, b = (-half - start) / step, (half - start) / step
        if a > b:
            a, b = b, a
        low, high = max(low, a), min(high, b)
    return low < high


def distance(r: Rect, x: Number, y: Number) -> float:
    """From a place to the nearest of a rectangle; 0 inside."""
    dx, dy = x - r.x, y - r.y
    ax = max(abs(dx * r.ux + dy * r.uy) - r.half_length, 0.0)
    ay = max(abs(dy * r.ux - dx * r.uy) - r.half_width, 0.0)
    return sqrt(ax * ax + ay * ay)


def cells(x: Number, y: Number, reach_x: Number, reach_y: Number) -> Iterator[tuple[int, int]]:
    """Cells of the hash that an upright box around a place touches."""
    i0, i1 = int((x - reach_x) // CELL), int((x + reach_x) // CELL)
    j0, j1 = int((y - reach_y) // CELL), int((y + reach_y) // CELL)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            yield i, j


def cells_of(r: Rect) -> Iterator[tuple[int, int]]:
    ux, uy = abs(r.ux), abs(r.uy)
    return cells(
        r.x,
        r.y,
        ux * r.half_length + uy * r.half_width,
        uy * r.half_length + ux * r.half_width,
    )


class Hash:
    """Rectangles found by where they are."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[Rect]] = {}

    def add(self, r: Rect) -> None:
        for cell in cells_of(r):
            self._cells.setdefault(cell, []).append(r)

    def hits(self, r: Rect) -> bool:
        known = self._cells
        return any(overlap(r, other) for cell in cells_of(r) for other in known.get(cell, ()))

    def nearest(self, x: Number, y: Number, reach: Number) -> Number:
        """Distance to the nearest rectangle, or ``reach``."""
        for cell in cells(x, y, reach, reach):
            for other in self._cells.get(cell, ()):
                reach = min(reach, distance(other, x, y))
        return reach

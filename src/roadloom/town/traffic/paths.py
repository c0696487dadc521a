"""Paths of whole millimetres and how fast they may be driven: + - * / and square roots only.

Distances along a path are chords between its whole vertices, as ``tracks.on_path`` measures them;
a distance in a simulation is a distance in the track.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from math import floor, sqrt

import numpy as np

from roadloom.town.plan.types import Line, Point
from roadloom.town.tracks import on_path

BEND_STEP_M = 0.7
"""Vertices on bends are at most this far apart."""
STRAIGHT = 0.004
"""Turn [rad] of a piece below which it needs no more vertices."""
HALF_WINDOW_M = 0.75
"""Curvature is a turn over twice this length, unless a shorter one is asked for."""


@dataclass(frozen=True, eq=False)
class Way:
    """A path with its distances [m]."""

    vertices: Line

    @cached_property
    def starts(self) -> list[float]:
        """Distance of each vertex."""
        found, last = [0.0], self.vertices[0]
        for x, y in self.vertices[1:]:
            dx, dy = (x - last[0]) / 1000, (y - last[1]) / 1000
            found.append(found[-1] + sqrt(dx * dx + dy * dy))
            last = (x, y)
        return found

    @property
    def length(self) -> float:
        return self.starts[-1]

    @cached_property
    def _metres(self) -> np.ndarray:
        return np.array(self.vertices, np.float64) / 1000

    def at(self, along: np.ndarray) -> np.ndarray:
        """x, y and unit heading at distances, [step 4]."""
        return np.stack(on_path(self._metres, along), axis=-1)

    def bend(self, half_window: float = HALF_WINDOW_M) -> np.ndarray:
        """Curvature [1/m] at each whole metre from 0 to the end, unsigned, rounded."""
        count = int(self.length) + 2
        along = np.arange(2 * count) / 2
        before = self.at(np.clip(along - half_window, 0.0, self.length))
        after = self.at(np.clip(along + half_window, 0.0, self.length))
        turn = before[:, 2] * after[:, 3] - before[:, 3] * after[:, 2]
        back = before[:, 2] * after[:, 2] + before[:, 3] * after[:, 3] < 0
        fine = np.where(back, 2 - np.abs(turn), np.abs(turn)) / (2 * half_window)
        worst = np.maximum(fine, np.maximum(np.append(fine[1:], 0.0), np.append(0.0, fine[:-1])))
        return worst[::2]

    def cut(self, first: float, last: float) -> tuple[Line, float]:
        """The vertices that cover a stretch, and how far from the start they begin."""
        low = max(0, bisect_right(self.starts, first) - 2)
        high = min(len(self.starts), bisect_right(self.starts, last) + 2)
        return self.vertices[low:high], self.starts[low]


def speed_profile(
    bend: np.ndarray, limits: list[float], sideways: float, braking: float
) -> list[float]:
    """Highest speed [m/s] at each metre, so that bends ahead are met without hard braking."""
    curve = np.sqrt(sideways / np.maximum(bend, 1e-6))
    found = [min(c, m) for c, m in zip(curve.tolist(), limits, strict=True)]
    for i in range(len(found) - 2, -1, -1):
        found[i] = min(found[i], sqrt(found[i + 1] * found[i + 1] + 2 * braking))
    return found


def without_repeats(points: list[Point], least_mm: int = 30) -> list[Point]:
    """Vertices that are closer than a few centimetres to the one before fall out."""
    kept = [points[0]]
    for p in points[1:]:
        if abs(p[0] - kept[-1][0]) + abs(p[1] - kept[-1][1]) >= least_mm:
            kept.append(p)
    return kept


def refined(points: list[Point]) -> Line:
    """The same smooth curve through more vertices: a few decimetres apart where it bends."""
    raw = np.array(without_repeats(points), np.float64) / 1000
    chord = raw[1:] - raw[:-1]
    length = np.sqrt(chord[:, 0] * chord[:, 0] + chord[:, 1] * chord[:, 1])
    unit = chord / length[:, None]
    turn = np.abs(unit[:-1, 0] * unit[1:, 1] - unit[:-1, 1] * unit[1:, 0])
    bent = np.maximum(np.append(0.0, turn), np.append(turn, 0.0)) > STRAIGHT
    starts = [0.0]
    for step in length.tolist():
        starts.append(starts[-1] + step)
    along: list[float] = []
    for start, step, bends in zip(starts, length.tolist(), bent.tolist(), strict=False):
        pieces = floor(step / BEND_STEP_M) + 1 if bends else 1
        along.extend(start + step * i / pieces for i in range(pieces))
    along.append(starts[-1])
    x, y, _, _ = on_path(raw, np.array(along))
    found = [
        (floor(a * 1000 + 0.5), floor(b * 1000 + 0.5))
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    ]
    return tuple(without_repeats(found))

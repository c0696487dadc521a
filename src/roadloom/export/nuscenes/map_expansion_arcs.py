"""A lane's middle as nuScenes stores it: straights and circular arcs, ``arcline_path_3``.

    points -> records of three pieces each (left or right, straight, left or right)

A record is used for one straight or one arc; its other two pieces have no length. Every record
begins and ends at a vertex. No point of the path is farther than ``ARC_OFF_M`` from the line
through the points, and no vertex farther than ``VERTEX_OFF_M`` from the path.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

VERTEX_OFF_M = 0.02
ARC_OFF_M = 0.05
NO_BEND_M = 1000.0
"""Radius that is written with a straight, where it means nothing."""


def arc_path(points: Float[np.ndarray, "vertex 2"]) -> list[dict[str, Any]]:
    """Records from the first vertex to the last; none where no two vertices differ."""
    moved = np.any(np.diff(points, axis=0) != 0, axis=1)
    line = points[np.concatenate([[True], moved])] if len(points) else points
    records, start = [], 0
    while start < len(line) - 1:
        end, bend = start + 1, 0.0
        for further in range(start + 2, len(line)):
            found = _bend(line[start : further + 1])
            if found is None:
                break
            end, bend = further, found
        records.append(_record(line[start], line[end], bend))
        start = end
    return records


def _bend(run: Float[np.ndarray, "vertex 2"]) -> float | None:
    """Curvature [1/m], left positive, of the straight (0) or arc that fits a run of vertices."""
    chord = run[-1] - run[0]
    length = float(np.hypot(*chord))
    if length == 0:
        return None
    along, left = chord / length, np.array([-chord[1], chord[0]]) / length
    way, off = (run - run[0]) @ along, (run - run[0]) @ left
    if (np.diff(way) <= 0).any():  # runs back: more than half a circle, or a kink
        return None
    if np.abs(off).max() <= VERTEX_OFF_M:
        return 0.0
    a, b, c = run[0], run[len(run) // 2], run[-1]
    sides = np.hypot(*(b - a)) * np.hypot(*(c - b)) * length
    bend = float(2 * ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) / sides)
    if abs(bend) < 1e-9 or abs(bend) * length / 2 >= 1:
        return None
    radius = 1 / abs(bend)
    # The arc turns left where its middle lies right of the chord, and its centre left of it.
    rise = np.copysign(np.sqrt(radius**2 - length**2 / 4), bend)
    centre = (run[0] + run[-1]) / 2 + left * rise
    sagitta = radius - np.sqrt(np.maximum(radius**2 - _squares(run) / 4, 0))
    off_arc = np.abs(np.hypot(*(run - centre).T) - radius)
    fits = off_arc.max() <= VERTEX_OFF_M and sagitta.max() + off_arc.max() <= ARC_OFF_M
    return bend if fits else None


def _squares(run: np.ndarray) -> np.ndarray:
    return np.sum(np.diff(run, axis=0) ** 2, axis=1)


def _record(start: np.ndarray, end: np.ndarray, bend: float) -> dict[str, Any]:
    chord = end - start
    length, heading = float(np.hypot(*chord)), float(np.arctan2(chord[1], chord[0]))
    half = float(np.arcsin(bend * length / 2))
    way = length if half == 0 else 2 * half / bend
    straight = bend == 0
    return {
        "start_pose": [float(start[0]), float(start[1]), heading - half],
        "end_pose": [float(end[0]), float(end[1]), heading + half],
        "shape": "RSL" if bend < 0 else "LSR",
        "radius": NO_BEND_M if straight else 1 / abs(bend),
        "segment_length": [0.0, way, 0.0] if straight else [way, 0.0, 0.0],
    }

"""The lines of a map near a drive: outlines of areas, painted lines, middles of lanes."""

import numpy as np

from roadloom.export.ply_shapes import Placing
from roadloom.scene.clip import Clip
from roadloom.scene.layout import CHANNELS
from roadloom.viewer.colors import layer_colors

LANES = "lanes"
GREY = (140, 146, 156)
ABOVE_GROUND_M = 0.02
"""Lines without a height lie this far above the nearest place of the path."""
PATH_STEPS = 400

Lines = list[np.ndarray]


def map_lines(
    clip: Clip, placing: Placing, reach_m: float
) -> dict[str, tuple[Lines, tuple[int, int, int]]]:
    """Layer -> lines [vertex 3] less the file's origin, and a colour.

    Raises:
        NotRecorded: the source has no map.
    """
    road_map = clip.map
    layers: dict[str, Lines] = {}
    for layer, areas in road_map.polygons.items():
        rings = [ring for area in areas for ring in (area.exterior, *area.holes)]
        layers.setdefault(layer, []).extend(np.concatenate([r, r[:1]]) for r in rings)
    for layer, painted in road_map.lines.items():
        layers.setdefault(layer, []).extend(painted)
    layers.setdefault(LANES, []).extend(
        lane.centerline for lane in road_map.lanes if len(lane.centerline)
    )
    path = clip.ego.world_from_ego.translation
    path = path[np.unique(np.linspace(0, len(path) - 1, PATH_STEPS).round().astype(int))]
    low, high = path[:, :2].min(axis=0) - reach_m, path[:, :2].max(axis=0) + reach_m
    known = dict(zip(CHANNELS, map(tuple, layer_colors().tolist()), strict=True))
    origin = np.array(placing.origin_m)
    found = {}
    for layer, lines in layers.items():
        near = [line for line in lines if _touches(line, low, high)]
        if near:
            placed = [_with_heights(line, path) - origin for line in near]
            found[layer] = (placed, known.get(layer, GREY))
    return found


def _touches(line: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether the bounds of a line meet those of the path."""
    return bool((line[:, :2].max(axis=0) >= low).all() and (line[:, :2].min(axis=0) <= high).all())


def _with_heights(line: np.ndarray, path: np.ndarray) -> np.ndarray:
    flat = np.isnan(line[:, 2])
    if not flat.any():
        return line
    away = ((line[flat, None, :2] - path[None, :, :2]) ** 2).sum(axis=-1)
    raised = line.copy()
    raised[flat, 2] = path[away.argmin(axis=1), 2] + ABOVE_GROUND_M
    return raised

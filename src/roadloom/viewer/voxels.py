"""Semantic occupancy as a picture: cubes seen from behind, above and to the right.

    occupied cells -> visible faces -> back to front -> shaded rhombi on paper

The projection is isometric: x runs to the upper right, y to the upper left, z up. Of a cube only
the roof, the rear (-x) and the right side (-y) can be seen, and only where no cube hides them.
"""

import numpy as np
from PIL import Image, ImageDraw

from roadloom.scene.occupancy import Occupancy
from roadloom.viewer.colors import class_colors
from roadloom.viewer.draw import FINE, Picture

PAPER = (16, 18, 23)
_AXES = np.array([[0.866, -0.5], [-0.866, -0.5], [0.0, -1.0]])
"""Steps (u, v) on paper of one metre along x, y and z."""
_FACES = (
    (2, 1, np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]), 1.0),
    (0, -1, np.array([[0, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]]), 0.62),
    (1, -1, np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]]), 0.8),
)
"""Axis and side of each visible face, its corners, its light."""


def voxel_picture(occupancy: Occupancy, width: int = 1400) -> Picture:
    """Draw every occupied cell; the grid's whole floor fits, with the vehicle at its place."""
    grid, size = occupancy.grid, np.array(occupancy.grid.cell_m)
    extent = size * grid.shape
    reach = _AXES * extent[:, None]
    low = np.minimum(reach, 0).sum(axis=0)
    span = np.maximum(reach, 0).sum(axis=0) - low
    margin = 0.02 * width
    scale = (width - 2 * margin) / span[0]
    height = round(span[1] * scale + 2 * margin)

    def on_paper(cells: np.ndarray) -> np.ndarray:
        return (((cells * size) @ _AXES - low) * scale + margin) * FINE

    sheet = Image.new("RGB", (width * FINE, height * FINE), PAPER)
    pen = ImageDraw.Draw(sheet)
    floor = on_paper(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]) * np.array(grid.shape))
    pen.polygon([tuple(p) for p in floor.tolist()], fill=(24, 27, 34), outline=(52, 58, 70))
    outlines, colors = _visible_faces(occupancy)
    flat = on_paper(outlines.reshape(-1, 3)).reshape(-1, 8).tolist()
    for outline, color in zip(flat, colors.tolist(), strict=True):
        pen.polygon(outline, fill=tuple(color))
    return np.asarray(sheet.reduce(FINE))


def _visible_faces(occupancy: Occupancy) -> tuple[np.ndarray, np.ndarray]:
    """Corners [face 4 3] in cells and colours [face 3], in painter's order."""
    occupied = occupancy.occupied
    padded = np.pad(occupied, 1)
    all_cells, all_corners, all_colors = [], [], []
    for axis, side, corners, light in _FACES:
        window = [slice(1, -1)] * 3
        window[axis] = slice(2, None) if side > 0 else slice(0, -2)
        cells = np.argwhere(occupied & ~padded[tuple(window)])
        base = class_colors(occupancy.labels[tuple(cells.T)]).astype(float)
        # A little lighter with height, so that equal classes keep their shape.
        rise = 0.88 + 0.24 * cells[:, 2:] / max(1, occupied.shape[2] - 1)
        all_cells.append(cells)
        all_corners.append(cells[:, None] + corners)
        all_colors.append(np.clip(base * light * rise, 0, 255).astype(np.uint8))
    cells = np.concatenate(all_cells)
    # The eye looks along (+1, +1, -1): what has more x, more y and less z lies behind.
    depth = cells @ np.array([1, 1, -1])
    order = np.argsort(-depth, kind="stable")
    return np.concatenate(all_corners)[order], np.concatenate(all_colors)[order]

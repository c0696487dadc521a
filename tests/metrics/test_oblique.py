"""The view against a ray that is walked in small steps, its shading and its camera."""

import numpy as np
import pytest

from roadloom.metrics.oblique import WHITE, ObliqueCamera, camera_rays, oblique_view
from roadloom.scene.palette import view_colors

SHAPE, CELL = (12, 10, 4), (0.4, 0.5, 0.3)
CAMERA = ObliqueCamera(height=24, width=20)
COLORS = np.array([[0, 0, 0], [200, 100, 50], [40, 80, 240]], np.uint8)


def walked(labels: np.ndarray) -> np.ndarray:
    """Id of the first filled voxel per pixel, found by steps of a hundredth of a cell."""
    eye, rays = camera_rays(SHAPE, CELL, CAMERA)
    seen = np.zeros(len(rays), np.uint8)
    for pixel, ray in enumerate(rays):
        ray = ray / np.abs(ray).max()
        places = eye + np.arange(0, 45, 0.01)[:, None] * ray
        cells = np.floor(places).astype(int)
        inside = ((cells >= 0) & (cells < np.array(SHAPE))).all(axis=1)
        ids = labels[tuple(cells[inside].T)]
        seen[pixel] = ids[ids != 0][0] if ids.any() else 0
    return seen


def test_slow_twin() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(3, size=SHAPE, dtype=np.uint8) * (random.random(SHAPE) < 0.1)
    picture = oblique_view(SHAPE, CELL, CAMERA).draw(labels[None].astype(np.uint8), COLORS)[0]
    expected = walked(labels)
    hue = picture.reshape(-1, 3).astype(int)
    found = np.where((hue == WHITE).all(axis=1), 0, np.where(hue[:, 0] > hue[:, 2], 1, 2))
    assert (expected != 0).sum() > 50
    assert (found != expected).mean() < 0.01  # corners that small steps cut


def test_faces_are_shaded() -> None:
    labels = np.zeros((1, *SHAPE), np.uint8)
    labels[0, 4:8, 3:7, :3] = 1
    picture = oblique_view(SHAPE, CELL, ObliqueCamera()).draw(labels, COLORS)[0]
    tones = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
    assert (200, 100, 50) in tones  # from above
    assert (156, 78, 39) in tones  # from behind
    assert (WHITE, WHITE, WHITE) in tones


def test_left_is_left_and_far_is_above() -> None:
    labels = np.zeros((2, *SHAPE), np.uint8)
    labels[0, 6, 9, 0] = labels[1, 6, 0, 0] = 1
    view = oblique_view(SHAPE, CELL, CAMERA)
    left, right = (np.argwhere((p != WHITE).any(axis=2)).mean(axis=0) for p in view.draw(
        labels, COLORS))  # fmt: skip
    assert left[1] < 9.5 < right[1]
    labels[:] = 0
    labels[0, 11, 5, 0] = labels[1, 0, 5, 0] = 1
    far, near = (np.argwhere((p != WHITE).any(axis=2)).mean(axis=0) for p in view.draw(
        labels, COLORS))  # fmt: skip
    assert far[0] < near[0]


def test_free_and_ignored_voxels_are_seen_through() -> None:
    labels = np.full((1, *SHAPE), 255, np.uint8)
    view = oblique_view(SHAPE, CELL, CAMERA)
    assert (view.draw(labels, view_colors("dynamiccity12")) == WHITE).all()
    with pytest.raises(ValueError, match="frames of"):
        view.draw(np.zeros((1, 3, 3, 3), np.uint8), COLORS)
    with pytest.raises(ValueError, match="positive"):
        ObliqueCamera(focal=0.0)

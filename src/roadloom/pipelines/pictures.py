"""Pictures and films of windows: an oblique view of shaded cubes, frame by frame."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.image import write_image
from roadloom.io.video import write_video
from roadloom.metrics.oblique import ObliqueCamera, ObliqueView, oblique_view
from roadloom.scene.classes import UNKNOWN
from roadloom.scene.clip import Clip
from roadloom.scene.palette import PALETTE

SIZE = (192, 256)
"""Height and width of one view [px]."""
TWICE = 2
"""Pixels of a film are this often repeated along both sides."""
GAP = 4
"""White pixels between views."""

Picture = UInt8[np.ndarray, "_height _width 3"]


@lru_cache(maxsize=2)
def _view(grid: VoxelGrid) -> ObliqueView:
    x, y, z = grid.cell_m
    return oblique_view(grid.shape, (x, y, z), ObliqueCamera(height=SIZE[0], width=SIZE[1]))


def views(clip: Clip, keys: Sequence[int] | None = None) -> Iterator[Picture]:
    """Key frames of a clip, drawn on the first grid that it holds."""
    grid = clip.occupancy_grids[0]
    for key in range(len(clip)) if keys is None else keys:
        yield draw_labels(clip[key].occupancy(grid).labels, grid)


def draw_labels(labels: UInt8[np.ndarray, "x y z"], grid: VoxelGrid) -> Picture:
    """One frame of class ids; what is unknown is left out."""
    seen = np.where(labels == UNKNOWN, 0, labels).astype(np.uint8)
    return _view(grid).draw(seen[None], PALETTE)[0]


def write_look(clips: Sequence[Clip], path: Path, across: int = 4, down: int = 6) -> None:
    """One row of moments per clip, evenly spread from its first to its last frame."""
    rows = []
    for clip in clips[:down]:
        keys = np.linspace(0, len(clip) - 1, across).round().astype(int).tolist()
        rows.append(side_by_side(list(views(clip, keys))))
    write_image(path, side_by_side(rows, axis=0))


def write_film(clips: Sequence[Clip], path: Path, hz: float, *, most: int = 4) -> None:
    """The first clips beside each other, as long as the shortest; needs the extra ``video``."""
    write_video(path, _film(clips[:most]), Fraction(hz).limit_denominator(1000))


def _film(clips: Sequence[Clip]) -> Iterator[Picture]:
    for frames in zip(*map(views, clips), strict=False):
        yield enlarged(side_by_side(frames))


def side_by_side(pictures: Iterable[Picture], axis: int = 1) -> Picture:
    """Of one height (or, along axis 0, one width), with white between."""
    parts: list[np.ndarray] = []
    for picture in pictures:
        shape = (picture.shape[0], GAP, 3) if axis == 1 else (GAP, picture.shape[1], 3)
        parts += [np.full(shape, 255, np.uint8), picture]
    return np.concatenate(parts[1:], axis=axis)


def enlarged(picture: Picture) -> Picture:
    return picture.repeat(TWICE, 0).repeat(TWICE, 1)

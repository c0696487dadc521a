"""Occupancy from surfaces: how much of each class's area lies in each cell, exactly.

    triangles, class ids, grid -> area per (cell, class) -> one label per cell

Each triangle is cut along the faces of the grid, so areas are exact up to rounding and add up to
the area of the surface. Cells own their lower faces and not their upper ones: a triangle that lies
in a face belongs to the cell above it, and one in the grid's upper face to none. NumPy only.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.checks import all_finite, check_numbers, check_shape
from roadloom.geometry.voxel_grid import VoxelGrid

FREE = 0
"""Label of a cell without surface; no surface may have this class."""
TIE = 1e-9
"""Two weighted areas that differ by less than this share are equal: rounding must not decide."""


class SurfaceAreas(NamedTuple):
    """Sorted by cell, then by class; only pairs that occur."""

    cell: Int64[np.ndarray, "entry 3"]
    class_id: UInt8[np.ndarray, " entry"]
    area_m2: Float[np.ndarray, " entry"]


def surface_areas(
    triangles: Float[np.ndarray, "triangle 3 3"],
    class_id: UInt8[np.ndarray, " triangle"],
    grid: VoxelGrid,
) -> SurfaceAreas:
    """Measure the area of every class in every cell.

    Args:
        triangles: corners [m] in the grid's frame. Both sides are one surface.

    Raises:
        BadInput: a corner that is not finite, arrays of other shapes, or ids outside 0 to 255.
    """
    cell, kind, area = _entries(*_checked(triangles, class_id), grid)
    return SurfaceAreas(np.stack(np.unravel_index(cell, grid.shape), axis=-1), kind, area)


def occupancy_from_surfaces(
    triangles: Float[np.ndarray, "triangle 3 3"],
    class_id: UInt8[np.ndarray, " triangle"],
    grid: VoxelGrid,
    class_weight: Float[np.ndarray, "256"],
    min_area_faces: float = 0.03,
) -> UInt8[np.ndarray, "x y z"]:
    """Label each cell with the class whose surface fills it most, or 0.

    A cell is occupied if surfaces of more than ``min_area_faces`` times its smallest face cross
    it, whatever their classes: less is a graze. Its class is the one with the largest area times
    weight; ties go to the lower id.

    Args:
        triangles: corners [m] in the grid's frame.
        class_weight: finite, and positive for each class that occurs; lets thin things stand up
            to the ground.

    Raises:
        BadInput: a corner or weight that is not finite, arrays of other shapes, ids outside 0 to
            255, a surface of class 0 or of a class without weight.
    """
    from roadloom.geometry.surface_kernels import choose

    corners, kinds = _checked(triangles, class_id)
    present = np.flatnonzero(np.bincount(kinds, minlength=256))
    if FREE in present:
        raise BadInput(
            f"class {FREE} means free", field="class_id", remedy="give surfaces a class of matter"
        )
    weight = _weights(class_weight, present)
    if not 0 <= min_area_faces < np.inf:
        raise BadInput(f"{min_area_faces} is no share of a face", field="min_area_faces")
    x, y, z = grid.cell_m
    labels = np.full(int(np.prod(grid.shape)), FREE, np.uint8)
    least = min_area_faces * min(x * y, y * z, z * x)
    choose(*_entries(corners, kinds, grid), weight, least, TIE, labels)
    return labels.reshape(grid.shape)


def _checked(triangles: np.ndarray, class_id: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as the kernels want them; they do not ask how long arrays are."""
    corners, kinds = np.asarray(triangles), np.asarray(class_id)
    check_numbers(corners, "triangles")
    check_shape(corners, (None, 3, 3), "triangles", "three corners of x, y, z for each triangle")
    corners = np.ascontiguousarray(corners, np.float64)
    if not all_finite(corners):
        bad = ~np.isfinite(corners).all(axis=(1, 2))
        raise BadInput(f"triangle {int(bad.argmax())} is not finite", field="triangles")
    check_shape(kinds, (len(corners),), "class_id", f"one for each of {len(corners)} triangles")
    remedy = "give whole numbers from 0 to 255"
    if kinds.dtype.kind not in "iu":
        raise BadInput(f"holds {kinds.dtype}", field="class_id", remedy=remedy)
    if kinds.dtype != np.uint8 and kinds.size and not 0 <= kinds.min() <= kinds.max() <= 255:
        worst = kinds.min() if kinds.min() < 0 else kinds.max()
        raise BadInput(f"there is no class {int(worst)}", field="class_id", remedy=remedy)
    return corners, np.ascontiguousarray(kinds, np.uint8)


def _weights(class_weight: np.ndarray, present: np.ndarray) -> np.ndarray:
    weight = np.asarray(class_weight)
    check_numbers(weight, "class_weight")
    check_shape(weight, (256,), "class_weight", "one weight for each of 256 class ids")
    weight = weight.astype(np.float64)
    good = np.isfinite(weight) & (weight >= 0)
    good[present] &= weight[present] > 0
    if not good.all():
        first = int(good.argmin())
        raise BadInput(
            f"class {first} has the weight {float(weight[first])}",
            field="class_weight",
            remedy="give finite weights, 0 only to classes that do not occur",
        )
    return weight


def _entries(
    corners: np.ndarray, kinds: np.ndarray, grid: VoxelGrid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat cell index, class and area of each entry."""
    from roadloom.geometry.surface_kernels import add_areas, in_order

    cell, kind, area = in_order(*add_areas(corners, kinds, grid.lower_m, grid.cell_m, grid.shape))
    return cell, kind, area

"""Padded rollout: six planes laid out as one map, so that neighbours in it share an axis.

                Y' columns        Z' columns      T' columns
    X' rows     XY                XZ              TX transposed
    T' rows     TY                TZ              padding
    Z' rows     YZ transposed     padding         padding

DynamicCity (arXiv 2410.18084, section 3.3). Every band of rows shares x, t or z and every band of
columns y, z or t. The map is the one form in which latents are stored and generated.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from roadloom.errors import BadInput
from roadloom.models.hexplane.planes import Planes, PlaneSize


def map_shape(size: PlaneSize) -> tuple[int, int]:
    """Height and width of the map of planes of this size."""
    return size.x + size.t + size.z, size.y + size.z + size.t


def corners(size: PlaneSize) -> tuple[tuple[int, int], ...]:
    """Row and column of the first cell of each plane (XZ's is right of XY, and so on)."""
    t, x, y, z = size
    return (0, 0), (0, y), (x + t, 0), (0, y + z), (x, 0), (x, y)


TRANSPOSED = (False, False, True, True, False, False)
"""Planes that lie in the map with their axes swapped: YZ and TX."""


def turned(planes: Planes) -> tuple[Tensor, ...]:
    """The planes as they lie in the map; the same function turns them back."""
    return tuple(
        plane.mT if swap else plane for plane, swap in zip(planes, TRANSPOSED, strict=True)
    )


def roll_out(planes: Planes) -> Float[Tensor, "batch channel height width"]:
    """The map of six planes; its padding is zero."""
    size = planes.size
    batch, channels = planes.xy.shape[:2]
    canvas = planes.xy.new_zeros(batch, channels, *map_shape(size))
    for (row, column), plane in zip(corners(size), turned(planes), strict=True):
        height, width = plane.shape[-2:]
        canvas[..., row : row + height, column : column + width] = plane
    return canvas


def unroll(canvas: Float[Tensor, "batch channel height width"], size: PlaneSize) -> Planes:
    """The six planes of a map; its padding is not read."""
    if tuple(canvas.shape[-2:]) != map_shape(size):
        raise BadInput(
            f"a map of {tuple(canvas.shape[-2:])} cells does not hold planes of size "
            f"{tuple(size)}, which need {map_shape(size)}",
            field="latent",
        )
    cut = []
    for (row, column), shape, swap in zip(corners(size), size.shapes(), TRANSPOSED, strict=True):
        height, width = shape[::-1] if swap else shape
        plane = canvas[..., row : row + height, column : column + width]
        cut.append(plane.mT if swap else plane)
    return Planes(*cut)


def live_cells(size: PlaneSize, patch: int = 1) -> Bool[Tensor, "height width"]:
    """Where the map holds a plane, per patch of ``patch`` x ``patch`` cells."""
    check_patch(size, patch)
    return _live(PlaneSize(*(cells // patch for cells in size)))


def _live(size: PlaneSize) -> Bool[Tensor, "height width"]:
    ones = Planes(*(torch.ones(1, 1, *shape) for shape in size.shapes()))
    return roll_out(ones)[0, 0] > 0


def check_patch(size: PlaneSize, patch: int) -> None:
    """Refuse patches that would straddle two planes."""
    if patch < 1 or any(cells % patch for cells in size):
        raise BadInput(
            f"patches of {patch} cells do not divide planes of (T, X, Y, Z) = {tuple(size)}",
            field="patch",
            remedy="choose a patch size that divides all four",
        )

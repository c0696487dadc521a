"""Ways to lay six planes out as a sequence of tokens: what a token's position says of it.

A token is a square patch of one plane, whatever the layout; attention does not see their order.
So the layouts differ in the position that each token is told, and in whether two planes are
transposed (table 5 of DynamicCity, arXiv 2410.18084):

    rollout    row and column in the padded rollout: planes that share an axis are aligned
    unfold     place in one line of all tokens
    vertical   row and column with the planes stacked one above another: columns not aligned
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from roadloom.errors import BadInput
from roadloom.models.hexplane.planes import Planes, PlaneSize
from roadloom.models.hexplane.rollout import TRANSPOSED, check_patch, corners, map_shape

NAMES = ("rollout", "unfold", "vertical")


@dataclass(frozen=True, eq=False)
class Layout:
    """Tokens of six planes, plane after plane, row by row, and back."""

    size: PlaneSize
    patch: int
    grid: tuple[int, ...]
    """Patches of the area that positions lie in, padding included; one axis or two."""
    positions: Int64[Tensor, "token axis"]
    """Of every token in ``grid``."""
    swapped: tuple[bool, ...]
    """Planes that are transposed before they are cut."""

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Patches along both axes of each plane, as it is cut."""
        return _patches(self.size, self.patch, self.swapped)

    def tokens(self, planes: Planes) -> Float[Tensor, "batch token cell"]:
        """Cells of each patch, row by row, the channel fastest."""
        if planes.size != self.size:
            raise BadInput(f"planes of size {tuple(planes.size)}, expected {tuple(self.size)}")
        return torch.cat(
            [
                cut(plane.mT if swap else plane, self.patch)
                for plane, swap in zip(planes, self.swapped, strict=True)
            ],
            dim=1,
        )

    def planes(self, tokens: Float[Tensor, "batch token cell"]) -> Planes:
        """The planes whose ``tokens`` these are."""
        counts = [first * second for first, second in self.shapes]
        if tokens.shape[1] != sum(counts):
            raise BadInput(f"{tokens.shape[1]} tokens, expected {sum(counts)}")
        made = []
        parts = tokens.split(counts, dim=1)
        for part, shape, swap in zip(parts, self.shapes, self.swapped, strict=True):
            plane = _paste(part, shape, self.patch)
            made.append(plane.mT if swap else plane)
        return Planes(*made)


def layout(name: str, size: PlaneSize, patch: int) -> Layout:
    """The layout of this name (``NAMES``) for planes of this size."""
    check_patch(size, patch)
    if name == "rollout":
        shapes = _patches(size, patch, TRANSPOSED)
        starts = [(row // patch, column // patch) for row, column in corners(size)]
        height, width = map_shape(size)
        grid: tuple[int, ...] = height // patch, width // patch
        return Layout(size, patch, grid, _places(shapes, starts), TRANSPOSED)
    shapes = _patches(size, patch, (False,) * 6)
    if name == "vertical":
        heights = [shape[0] for shape in shapes]
        starts = [(sum(heights[:plane]), 0) for plane in range(6)]
        grid = sum(heights), max(shape[1] for shape in shapes)
        return Layout(size, patch, grid, _places(shapes, starts), (False,) * 6)
    if name == "unfold":
        count = sum(first * second for first, second in shapes)
        return Layout(size, patch, (count,), torch.arange(count)[:, None], (False,) * 6)
    raise BadInput(f"no token layout {name!r}", remedy=f"one of {', '.join(NAMES)}")


def _patches(size: PlaneSize, patch: int, swapped: Sequence[bool]) -> tuple[tuple[int, int], ...]:
    shapes = ((first // patch, second // patch) for first, second in size.shapes())
    return tuple(
        (second, first) if swap else (first, second)
        for (first, second), swap in zip(shapes, swapped, strict=True)
    )


def _places(
    shapes: Sequence[tuple[int, int]], starts: Sequence[tuple[int, int]]
) -> Int64[Tensor, "token 2"]:
    places = []
    for (height, width), start in zip(shapes, starts, strict=True):
        rows, columns = torch.arange(height), torch.arange(width)
        places.append(torch.cartesian_prod(rows, columns) + torch.tensor(start))
    return torch.cat(places)


def cut(
    plane: Float[Tensor, "batch channel row column"], patch: int
) -> Float[Tensor, "batch token cell"]:
    """Square patches of a plane, row by row; cells of a patch likewise, the channel fastest."""
    batch, channels, height, width = plane.shape
    cells = plane.reshape(batch, channels, height // patch, patch, width // patch, patch)
    cells = cells.permute(0, 2, 4, 3, 5, 1)  # [B C h p w p] -> [B h w p p C]
    return cells.reshape(batch, -1, patch * patch * channels)


def _paste(
    tokens: Float[Tensor, "batch token cell"], shape: tuple[int, int], patch: int
) -> Float[Tensor, "batch channel row column"]:
    batch = tokens.shape[0]
    height, width = shape
    cells = tokens.reshape(batch, height, width, patch, patch, -1)
    cells = cells.permute(0, 5, 1, 3, 2, 4)  # [B C h p w p]
    return cells.reshape(batch, -1, height * patch, width * patch)

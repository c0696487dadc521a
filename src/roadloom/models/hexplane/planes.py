"""Six planes that stand for a 4-D volume: XY, XZ, YZ, TX, TY, TZ, in this order everywhere.

Notation and order of DynamicCity (arXiv 2410.18084, section 3.1).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

NAMES = ("xy", "xz", "yz", "tx", "ty", "tz")
"""Of the planes; the letters are a plane's axes in their order."""
SPACE = 3
"""The first so many hold what stands, the others time."""


class Planes(NamedTuple):
    """One map per pair of axes, each [B, C, first axis, second axis]."""

    xy: Float[Tensor, "batch channel x y"]
    xz: Float[Tensor, "batch channel x z"]
    yz: Float[Tensor, "batch channel y z"]
    tx: Float[Tensor, "batch channel t x"]
    ty: Float[Tensor, "batch channel t y"]
    tz: Float[Tensor, "batch channel t z"]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Planes":
        """The planes, each through ``function``."""
        return Planes(*(function(plane) for plane in self))

    @property
    def size(self) -> "PlaneSize":
        t, x = self.tx.shape[-2:]
        y, z = self.yz.shape[-2:]
        return PlaneSize(t=t, x=x, y=y, z=z)


class PlaneSize(NamedTuple):
    """Cells of the six planes along each axis."""

    t: int
    x: int
    y: int
    z: int

    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(first, second) axis of each plane, in the order of ``NAMES``."""
        return tuple((getattr(self, n[0]), getattr(self, n[1])) for n in NAMES)

    def cells(self) -> int:
        """Positions of all six planes."""
        return sum(first * second for first, second in self.shapes())


def compression(volume: tuple[int, int, int, int], size: PlaneSize, channels: int) -> float:
    """Voxels of ``volume`` (T, X, Y, Z) per number of the latent (table 4 of the paper)."""
    t, x, y, z = volume
    return t * x * y * z / (channels * size.cells())


def random_planes(batch: int, channels: int, size: PlaneSize, generator: torch.Generator) -> Planes:
    """Standard normal planes."""
    return Planes(
        *(torch.randn(batch, channels, *shape, generator=generator) for shape in size.shapes())
    )

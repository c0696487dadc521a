"""Rasters of a map: masks that say where a layer is, and the height of the ground.

Pixels follow the image convention: the CENTRE of the first pixel is (0, 0), so a raster covers
[-0.5, columns - 0.5] x [-0.5, rows - 0.5]. ``world_from_pixel`` carries (column, row, 1) to
world x and y [m]; it is 2 x 3 and float64.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from roadloom.errors import BadInput
from roadloom.io.image import read_mask
from roadloom.io.read import read_bytes

FOREGROUND = 128
"""Pixels of this value and above belong to the layer (nuScenes masks hold 0 and 255)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MapRaster:
    """A layer as a mask in an image file, read when first asked for."""

    file: Path
    world_from_pixel: Float[np.ndarray, "2 3"]

    def __post_init__(self) -> None:
        _check_affine(self.world_from_pixel)

    @staticmethod
    def bottom_left(file: str | Path, metres_per_pixel: float) -> "MapRaster":
        """A PNG whose lower left corner is the world's origin, north up, as nuScenes has them."""
        columns, rows = _png_size(Path(file))
        size = float(metres_per_pixel)
        affine = [[size, 0.0, 0.5 * size], [0.0, -size, (rows - 0.5) * size]]
        return MapRaster(file=Path(file), world_from_pixel=np.array(affine))

    def contains(self, xy: Float[np.ndarray, "*point 2"]) -> Bool[np.ndarray, "*point"]:
        """Whether the pixel that holds each world point [m] belongs to the layer.

        False outside the image and for NaN.
        """
        bits, (rows, columns) = _packed_mask(self.file)
        row, column, inside = _pixel_of(self.world_from_pixel, xy, rows, columns)
        byte = bits[row, column >> 3]
        return inside & ((byte >> (7 - (column & 7)).astype(np.uint8)) & 1).astype(bool)

    def same_as(self, other: "MapRaster") -> bool:
        """The same mask at the same place; the files may have different names and codings."""
        if not np.array_equal(self.world_from_pixel, other.world_from_pixel):
            return False
        if self.file == other.file or read_bytes(self.file) == read_bytes(other.file):
            return True
        mine, theirs = _packed_mask(self.file), _packed_mask(other.file)
        return mine[1] == theirs[1] and np.array_equal(mine[0], theirs[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class GroundHeight:
    """Height of the ground over the world's x and y, as a raster; NaN where unknown."""

    heights: Float32[np.ndarray, "row column"]
    """World z [m] at the pixel's centre, taken to hold for the whole pixel."""
    world_from_pixel: Float[np.ndarray, "2 3"]

    def __post_init__(self) -> None:
        _check_affine(self.world_from_pixel)
        if self.heights.ndim != 2 or self.heights.dtype != np.float32:
            raise ValueError(
                f"heights must be float32 [row column], got {self.heights.dtype} "
                f"{self.heights.shape}"
            )

    def height(self, xy: Float[np.ndarray, "*point 2"]) -> Float[np.ndarray, "*point"]:
        """World z [m], float64, of the pixel that holds each world point [m]; NaN if unknown."""
        row, column, inside = _pixel_of(self.world_from_pixel, xy, *self.heights.shape)
        return np.where(inside, self.heights[row, column].astype(np.float64), np.nan)

    def same_as(self, other: "GroundHeight") -> bool:
        return np.array_equal(self.world_from_pixel, other.world_from_pixel) and np.array_equal(
            self.heights, other.heights, equal_nan=True
        )


def _check_affine(world_from_pixel: np.ndarray) -> None:
    if world_from_pixel.shape != (2, 3) or not np.isfinite(world_from_pixel).all():
        raise ValueError(f"world_from_pixel must be finite 2 x 3, got {world_from_pixel.tolist()}")
    if np.linalg.det(world_from_pixel[:, :2]) == 0:
        raise ValueError(f"world_from_pixel is flat: {world_from_pixel.tolist()}")


def _pixel_of(
    world_from_pixel: np.ndarray, xy: np.ndarray, rows: int, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column (0 where outside) and whether inside, of the pixel that holds each point."""
    # The offset goes first: at 5,000 km a product would lose what the difference keeps.
    offset = np.asarray(xy, np.float64) - world_from_pixel[:, 2]
    pixel = np.floor(offset @ np.linalg.inv(world_from_pixel[:, :2]).T + 0.5)
    inside = ((pixel >= 0) & (pixel < (columns, rows))).all(axis=-1)  # False for NaN
    column, row = np.moveaxis(np.where(inside[..., None], pixel, 0).astype(np.int64), -1, 0)
    return row, column, inside


def _packed_mask(file: Path) -> tuple[UInt8[np.ndarray, "row byte"], tuple[int, int]]:
    """One bit a pixel: a city at 0.1 m has 300 million."""
    try:
        state = file.stat()
        stamp = (state.st_mtime_ns, state.st_size)
    except OSError:
        stamp = (0, 0)  # reading it says what is wrong
    return _packed_mask_of(file, stamp)


@lru_cache(maxsize=4)
def _packed_mask_of(file: Path, stamp: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    values = read_mask(file)
    rows, columns = values.shape
    bits = np.empty((rows, (columns + 7) // 8), np.uint8)
    for start in range(0, rows, 1024):  # a strip at a time, to hold no second full image
        strip = values[start : start + 1024]
        bits[start : start + 1024] = np.packbits(strip >= FOREGROUND, axis=1)
    bits.setflags(write=False)
    return bits, (rows, columns)


def _png_size(file: Path) -> tuple[int, int]:
    """Width and height from the header: decoding a whole mask for it takes seconds."""
    head = read_bytes(file)[:24]
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        raise BadInput("is not a PNG image", file=file, remedy="restore the map mask")
    width, height = struct.unpack(">II", head[16:24])
    return width, height

"""The mask of a city: one PNG with a pixel every 0.1 m, white where vehicles may drive.

    RoadMap, Tile -> tile_mask -> one file per scene -> write_mask: strips of tiles -> maps/*.png

The lower left corner of the mask is the origin of the root's world. nuScenes describes its masks
as drivable surface and sidewalk. Ours holds the layer ``drivable_area`` alone: that is what
``scene/readers/nuscenes_map`` reads of a mask, and of 30 adults in the recorded frame of
scene-0061, 14 stand off the official mask, so footpaths are not generally part of it. Footpaths
are in the expansion's layer ``walkway``.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Bool, UInt8

from roadloom.errors import BadInput
from roadloom.export.nuscenes.map_tiles import Tile
from roadloom.export.nuscenes.tokens import token
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.atomic import atomic_file
from roadloom.io.image import read_mask
from roadloom.scene.layout_raster import FlatGrid, fill_polygons, fill_raster
from roadloom.scene.road_map import RoadMap

PIXELS_PER_M = 10
LAYER = "drivable_area"
WHITE = 255
SLAB = 64
"""Columns of pixels that are looked up in a mask at a time."""
FILES = {
    "boston-seaport": "maps/36092f0b03a857c6a3403e25b4b7aab3.png",
    "singapore-onenorth": "maps/53992ee3023e5494b90c316c183be829.png",
    "singapore-queenstown": "maps/93406b464a165eaba6d9de76ca09f5da.png",
    "singapore-hollandvillage": "maps/37819e65e09e5547b8a3ceaefba56bb2.png",
}
"""City -> the mask's name in nuScenes v1.0: the devkit's ``BitMap`` opens no other."""


def map_row(city: str, logs: Sequence[str]) -> dict[str, Any]:
    """Row of the table ``map``: the mask of a city and the tokens of its logs."""
    return {
        "category": "semantic_prior",
        "token": token("map", city),
        "filename": FILES[city],
        "log_tokens": list(logs),
    }


def tile_mask(road_map: RoadMap, tile: Tile) -> UInt8[np.ndarray, "row column"]:
    """Pixels of a tile, 0 or 255, the northern row first.

    A pixel is white where its centre lies in a polygon or a mask of the layer, and within the
    part of the map that the tile keeps.

    Args:
        road_map: the clip's own, in the clip's world.
        tile: of the scene.
    """
    window = _window(tile)
    grid = FlatGrid(window)
    found = grid.empty()
    # The tile's corner takes the place of the ego: cells count from it.
    world_from_tile = Pose(np.eye(3), np.array([*tile.corner, 0.0]) - tile.shift * [1, 1, 0])
    fill_polygons(found, road_map.polygons.get(LAYER, ()), world_from_tile, grid)
    if LAYER in road_map.rasters:
        for x, slab in _slabs(window):
            part = found[x : x + slab.shape[0]]
            fill_raster(part, road_map.rasters[LAYER], world_from_tile, FlatGrid(slab))
    found &= _kept(tile, grid)
    pixels = np.zeros((round(tile.edge_m * PIXELS_PER_M),) * 2, np.uint8)
    first = np.round(np.array(window.lower_m[:2]) * PIXELS_PER_M).astype(int)
    pixels[first[1] : first[1] + found.shape[1], first[0] : first[0] + found.shape[0]] = (
        found.T * np.uint8(WHITE)
    )
    return np.ascontiguousarray(pixels[::-1])


def _window(tile: Tile) -> VoxelGrid:
    """Pixels that what is kept of the map may touch, counted from the tile's corner."""
    low = np.floor((tile.low - tile.corner) * PIXELS_PER_M)
    size = np.ceil((tile.high - tile.corner) * PIXELS_PER_M) - low
    x, y = (low / PIXELS_PER_M).tolist()
    pixel = 1 / PIXELS_PER_M
    return VoxelGrid(
        lower_m=(x, y, 0.0), cell_m=(pixel, pixel, 1.0), shape=(int(size[0]), int(size[1]), 1)
    )


def _slabs(window: VoxelGrid) -> Iterator[tuple[int, VoxelGrid]]:
    """The window in pieces along x, each with its first column: a mask is asked point by point."""
    x, y, z = window.lower_m
    for first in range(0, window.shape[0], SLAB):
        count = min(SLAB, window.shape[0] - first)
        lower = (x + first / PIXELS_PER_M, y, z)
        shape = (count, *window.shape[1:])
        yield first, VoxelGrid(lower_m=lower, cell_m=window.cell_m, shape=shape)


def _kept(tile: Tile, grid: FlatGrid) -> Bool[np.ndarray, "x y"]:
    low, high = tile.low - tile.corner, tile.high - tile.corner
    in_x, in_y = (grid.x >= low[0]) & (grid.x <= high[0]), (grid.y >= low[1]) & (grid.y <= high[1])
    return in_x[:, None] & in_y[None, :]


def write_tile(path: Path, pixels: UInt8[np.ndarray, "row column"]) -> None:
    """One tile as a PNG, whole or not at all."""
    _write(path, pixels.shape[1], pixels.shape[0], iter([pixels]))


def write_mask(path: Path, tiles: Mapping[tuple[int, int], Path], edge_m: float) -> None:
    """Join the tiles of a city into its mask; places without a tile are black.

    Only one row of tiles is in memory at a time. The same tiles give the same bytes.

    Args:
        path: of the mask.
        tiles: (column, row) -> what ``write_tile`` wrote.
        edge_m: of a tile.

    Raises:
        BadInput: a tile is damaged or of another size.
    """
    side = round(edge_m * PIXELS_PER_M)
    columns = max(column for column, _ in tiles) + 1
    rows = max(row for _, row in tiles) + 1
    _write(path, columns * side, rows * side, _strips(tiles, columns, rows, side))


def _strips(
    tiles: Mapping[tuple[int, int], Path], columns: int, rows: int, side: int
) -> Iterator[np.ndarray]:
    for row in reversed(range(rows)):
        strip = np.zeros((side, columns * side), np.uint8)
        for column in range(columns):
            if (column, row) not in tiles:
                continue
            file = tiles[column, row]
            pixels = read_mask(file)
            if pixels.shape != (side, side):
                raise BadInput(
                    f"is {pixels.shape[1]}x{pixels.shape[0]} pixels, not {side}x{side}",
                    file=file, remedy="export the scene again",
                )  # fmt: skip
            strip[:, column * side : (column + 1) * side] = pixels
        yield strip


def _write(path: Path, width: int, height: int, strips: Iterator[np.ndarray]) -> None:
    """An 8-bit grey PNG (ISO/IEC 15948), rows unfiltered, compressed as they come."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        packer = zlib.compressobj(6)
        for strip in strips:
            for start in range(0, len(strip), 256):
                rows = strip[start : start + 256]
                filtered = np.zeros((len(rows), width + 1), np.uint8)  # a leading 0: no filter
                filtered[:, 1:] = rows
                if packed := packer.compress(filtered.tobytes()):
                    _chunk(file, b"IDAT", packed)
        _chunk(file, b"IDAT", packer.flush())
        _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind + data)
    file.write(struct.pack(">I", zlib.crc32(kind + data)))

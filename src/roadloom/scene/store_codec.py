"""One label as few bytes, and back: planes of one bit a cell, and a class for occupied cells only.

    Occupancy -> known | occupied | mask_lidar | mask_camera, 8 cells a byte, in index order
              -> followed by one byte for each occupied cell: its class
              -> LZMA2

The planes resemble each other over distances beyond the 32 kB that deflate looks back:
LZMA2 needs half of its bytes. The coder's settings are part of the format.
"""

import lzma
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.classes import FREE, KNOWN_IDS, UNKNOWN
from roadloom.scene.occupancy import Occupancy

MOST_CELLS = 2**28
"""Of one grid: 200 x 200 x 16 are 2**19.3. More is a damaged or a hostile file."""
MASK_LIDAR, MASK_CAMERA = 1, 2
"""Bits of a label's flags: which masks it holds."""
_FILTERS: list[dict[str, Any]] = [
    {
        "id": lzma.FILTER_LZMA2,
        "dict_size": 2**22,
        "lc": 0, "lp": 1, "pb": 1,  # a column of 16 cells is two bytes of a plane
        "mode": lzma.MODE_NORMAL, "mf": lzma.MF_BT4, "nice_len": 64, "depth": 16,
    }
]  # fmt: skip


def pack(occupancy: Occupancy) -> tuple[int, bytes]:
    """Flags and payload of a label; the same label gives the same bytes."""
    known = occupancy.labels != UNKNOWN
    occupied = known & (occupancy.labels != FREE)
    planes, flags = [known, occupied], 0
    for flag, mask in (
        (MASK_LIDAR, occupancy.mask_lidar),
        (MASK_CAMERA, occupancy.mask_camera),
    ):
        if mask is not None:
            planes.append(mask)
            flags |= flag
    raw = b"".join(np.packbits(plane).tobytes() for plane in planes)
    raw += occupancy.labels[occupied].tobytes()
    return flags, lzma.compress(raw, format=lzma.FORMAT_RAW, filters=_FILTERS)


def largest_payload(cells: int) -> int:
    """Bytes that no label of so many cells exceeds: LZMA2 stores what it cannot shrink."""
    return 2 * cells + 4096


def unpack(payload: bytes | memoryview, flags: int, grid: VoxelGrid, frame: str) -> Occupancy:
    """The label that ``pack`` made the payload of.

    Raises:
        ValueError: the payload is no label on this grid. No more memory was taken than such
            a label needs.
    """
    if flags & ~(MASK_LIDAR | MASK_CAMERA):
        raise ValueError(f"has unknown flags {flags:#x}")
    shape, cells = grid.shape, int(np.prod(grid.shape, dtype=object))
    count = 2 + bool(flags & MASK_LIDAR) + bool(flags & MASK_CAMERA)
    size = -(-cells // 8)
    raw = _inflate(payload, count * size + cells)
    if len(raw) < count * size:
        raise ValueError(f"holds {len(raw)} bytes, fewer than {count} planes of {cells} cells")
    planes = [_plane(raw[i * size : (i + 1) * size], cells) for i in range(count)]
    known, occupied = planes[:2]
    classes = raw[count * size :]
    if len(classes) != np.count_nonzero(occupied) or (occupied & ~known).any():
        raise ValueError("holds another number of classes than of occupied cells")
    if not KNOWN_IDS[classes].all() or ((classes == FREE) | (classes == UNKNOWN)).any():
        raise ValueError("holds a class that no occupied cell has")
    labels = np.where(known, np.uint8(FREE), np.uint8(UNKNOWN))
    labels[occupied] = classes
    masks = iter(plane.reshape(shape) for plane in planes[2:])
    return Occupancy(
        grid=grid,
        labels=labels.reshape(shape),
        mask_lidar=next(masks) if flags & MASK_LIDAR else None,
        mask_camera=next(masks) if flags & MASK_CAMERA else None,
        frame=frame,
    )


def _inflate(payload: bytes | memoryview, most: int) -> UInt8[np.ndarray, " byte"]:
    """Unpack at most so many bytes: a small file may speak of a great many."""
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        raw = unpacker.decompress(payload, most + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"cannot be unpacked: {error}") from error
    if len(raw) > most or not unpacker.eof or unpacker.unused_data:
        raise ValueError("does not end where a label of its grid ends")
    return np.frombuffer(raw, np.uint8)


def _plane(packed: UInt8[np.ndarray, " byte"], cells: int) -> Bool[np.ndarray, " cell"]:
    bits = np.unpackbits(packed)
    if bits[cells:].any():
        raise ValueError("has bits beyond its last cell")
    return bits[:cells].view(bool)

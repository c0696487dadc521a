"""Occ3D's ``labels.npz``: read into ``Occupancy`` and written back, byte for byte.

    labels.npz -> read_occ3d -> Occupancy: our ids, boolean masks -> occ3d_bytes -> the same file

The file holds ``semantics``, ``mask_lidar`` and ``mask_camera``, uint8 [200, 200, 16] in the ego
frame; 17 is free (Tian et al., "Occ3D", 2023). It has no value for unknown: Occ3D stores a cell
that no beam reached as free with ``mask_lidar`` 0, and so do we. Read back, such a cell is free
and its mask false, as the file says.

The published files are archives as NumPy's ``savez_compressed`` wrote them under an early Python
3.11: deflate at level 6, a 64-bit extra field in front of each member, its sizes in the plain
fields too. The same is written here, so the bytes depend on nothing but the arrays and zlib.
"""

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.atomic import write_bytes
from roadloom.io.npz import Field, read_npz
from roadloom.io.read import RESTORE
from roadloom.scene.class_maps import ids_from
from roadloom.scene.class_views import IGNORE, view
from roadloom.scene.classes import UNKNOWN
from roadloom.scene.occupancy import Occupancy

LABELS_FILE = "labels.npz"
FREE_NUMBER = 17
"""What ``semantics`` holds where nothing is."""
VIEW = "occ3d18"
_SHAPE = tuple(OCC3D.shape)
_FIELDS = {
    "semantics": Field("|u1", _SHAPE, exact=True),
    "mask_lidar": Field("|u1", _SHAPE, exact=True, optional=True),
    "mask_camera": Field("|u1", _SHAPE, exact=True, optional=True),
}

# PKWARE's APPNOTE 4.3.7, 4.3.12, 4.3.16 and 4.5.3, with the values that NumPy and Python write.
_LEVEL = 6
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _DEFLATED, _DATE_1980, _UNIX = 20, 8, 0x21, 3
_OWNER_ONLY = 0o600 << 16
_EXTRA_64 = 1


def read_occ3d(path: str | Path) -> Occupancy:
    """One ``labels.npz`` on the grid ``OCC3D``; masks that the file lacks are None.

    Raises:
        MissingInput: no such file.
        BadInput: damaged, of another shape or type, a class that Occ3D does not have, or a mask
            that is neither 0 nor 1; names the field.
    """
    arrays = read_npz(path, _FIELDS)
    semantics = arrays["semantics"]
    if (highest := int(semantics.max())) > FREE_NUMBER:
        raise BadInput(
            f"holds {highest}, Occ3D's classes end at {FREE_NUMBER}", file=path,
            field="semantics", remedy=RESTORE,
        )  # fmt: skip
    return Occupancy(
        grid=OCC3D,
        labels=ids_from("occ3d", semantics),
        mask_lidar=_mask(arrays, "mask_lidar", path),
        mask_camera=_mask(arrays, "mask_camera", path),
    )


def _mask(arrays: Mapping[str, np.ndarray], name: str, path: str | Path) -> np.ndarray | None:
    if (mask := arrays.get(name)) is None:
        return None
    if (highest := int(mask.max())) > 1:
        raise BadInput(f"holds {highest}, not 0 and 1", file=path, field=name, remedy=RESTORE)
    return mask.astype(bool)


def occ3d_arrays(occupancy: Occupancy) -> dict[str, np.ndarray]:
    """The arrays of ``labels.npz``.

    Classes go through the view ``occ3d18``. What it does not judge, unknown above all, becomes
    free with ``mask_lidar`` 0. A mask that the occupancy lacks is left out, except that cells
    which are unknown make a ``mask_lidar``, false there and true elsewhere.

    Raises:
        BadInput: the occupancy lies on another grid or in another frame.
    """
    if occupancy.grid != OCC3D or occupancy.frame != "ego":
        raise BadInput(
            f"Occ3D lies on {OCC3D} in the ego frame, this on {occupancy.grid} in the "
            f"{occupancy.frame} frame", field="grid",
            remedy="resample it first with roadloom.scene.regrid",
        )  # fmt: skip
    numbers = occupancy.as_view(view(VIEW))
    unseen = numbers == IGNORE
    arrays = {"semantics": np.where(unseen, np.uint8(FREE_NUMBER), numbers)}
    mask = occupancy.mask_lidar
    if unseen.any():
        mask = ~unseen if mask is None else mask & ~unseen
    if mask is not None:
        arrays["mask_lidar"] = mask.astype(np.uint8)
    if occupancy.mask_camera is not None:
        arrays["mask_camera"] = occupancy.mask_camera.astype(np.uint8)
    return arrays


def occ3d_bytes(occupancy: Occupancy) -> bytes:
    """The file that ``write_occ3d`` writes: the same occupancy, the same bytes."""
    return _archive(occ3d_arrays(occupancy))


def write_occ3d(path: str | Path, occupancy: Occupancy) -> None:
    """Write one ``labels.npz``, whole or not at all; see ``occ3d_arrays``."""
    write_bytes(path, occ3d_bytes(occupancy))


def unseen_as_unknown(occupancy: Occupancy) -> Occupancy:
    """Free cells that no beam reached as unknown, which is how Occ3D defines them.

    Raises:
        BadInput: there is no ``mask_lidar`` to tell them by.
    """
    if occupancy.mask_lidar is None:
        raise BadInput("without it nobody knows what was seen", field="mask_lidar")
    hidden = ~occupancy.mask_lidar & ~occupancy.occupied
    return Occupancy(
        grid=occupancy.grid,
        labels=np.where(hidden, np.uint8(UNKNOWN), occupancy.labels),
        mask_lidar=occupancy.mask_lidar,
        mask_camera=occupancy.mask_camera,
        frame=occupancy.frame,
    )


def _archive(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A zip of .npy members, each header as the published files have it."""
    body, listing = io.BytesIO(), io.BytesIO()
    for name, array in arrays.items():
        member = f"{name}.npy".encode()
        plain = _npy(array)
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(plain) + packer.flush()
        about = struct.pack(
            "<HHHHHIII",
            _VERSION, 0, _DEFLATED, 0, _DATE_1980, zlib.crc32(plain), len(packed), len(plain),
        )  # fmt: skip
        extra = struct.pack("<HHQQ", _EXTRA_64, 16, len(plain), len(packed))
        start = body.tell()
        body.write(_LOCAL + about + struct.pack("<HH", len(member), len(extra)) + member + extra)
        body.write(packed)
        listing.write(_CENTRAL + bytes((_VERSION, _UNIX)) + about)
        listing.write(struct.pack("<HHHHHII", len(member), 0, 0, 0, 0, _OWNER_ONLY, start))
        listing.write(member)
    rows, size = len(arrays), listing.tell()
    end = struct.pack("<HHHHIIH", 0, 0, rows, rows, size, body.tell(), 0)
    return body.getvalue() + listing.getvalue() + _END + end


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    npy.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()

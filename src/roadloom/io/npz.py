"""``.npz`` files that may be damaged, and that come out the same byte for byte each time.

    arrays -> zip of .npy members, fixed date, in the order given
    zip -> checked against ``Field``s: present, dtype, shape, finite -> arrays

Nothing is unpickled: a member that holds Python objects is refused before it is read.
"""

import io
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from roadloom.errors import BadInput
from roadloom.io.atomic import write_bytes
from roadloom.io.read import RESTORE, read_bytes

_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can say: the time of writing would change the bytes."""
_LEVEL = 3
"""Of deflate: sweeps shrink by a fifth at any level, and higher ones only take longer."""

_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
_HEADER_ERRORS = (ValueError, TypeError, tokenize.TokenError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Field:
    """What one array of a file must be."""

    dtype: str
    """NumPy's name for it; a dtype that it holds without loss is widened. ``U``: text."""
    shape: tuple[int | str, ...] = ()
    """A number is exact; a word is any length, the same wherever it stands in one file."""
    optional: bool = False
    finite: bool = False
    """Refuse NaN and infinity."""


def npz_bytes(arrays: Mapping[str, np.ndarray], *, compress: bool = True) -> bytes:
    """The file that ``write_npz`` writes.

    Raises:
        ValueError: an array holds Python objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compresslevel=_LEVEL) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=_DATE)
            member.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
            member.create_system, member.external_attr = 3, 0o644 << 16  # else: of this system
            archive.writestr(member, _npy_bytes(np.asarray(array)))
    return buffer.getvalue()


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray], *, compress: bool = True) -> None:
    """Write arrays so that ``np.load`` reads them; the same arrays give the same bytes."""
    write_bytes(path, npz_bytes(arrays, compress=compress))


def read_npz(path: str | Path, fields: Mapping[str, Field]) -> dict[str, np.ndarray]:
    """Read a whole file and check it; an optional field that is absent is left out.

    Raises:
        MissingInput: no such file.
        BadInput: empty, cut off, altered, a field absent, unknown, twice there, of another
            type or shape, or not finite; the error names the field.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
            names = [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
            _check_names(names, fields, path)
            found = {name: archive.read(f"{name}.npy") for name in names}
    except BadInput:
        raise
    except _ZIP_ERRORS as error:
        raise BadInput(f"is no sound npz file: {error}", file=path, remedy=RESTORE) from error
    sizes: dict[str, int] = {}
    return {
        name: _checked(_array(data, name, path), name, fields[name], sizes, path)
        for name, data in found.items()
    }


def _npy_bytes(array: np.ndarray) -> bytes:
    buffer: IO[bytes] = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    npy.write_array(buffer, little, allow_pickle=False)
    buffer.seek(0)
    return buffer.read()


def _check_names(names: list[str], fields: Mapping[str, Field], path: str | Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise BadInput("is there twice", file=path, field=name, remedy=RESTORE)
        if name not in fields:
            near = get_close_matches(name, fields, n=1)
            raise BadInput(
                "is no field of this file", file=path, field=name,
                remedy=f"did you mean {near[0]!r}?" if near else f"use {', '.join(fields)}",
            )  # fmt: skip
    for name, field in fields.items():
        if not field.optional and name not in names:
            raise BadInput("is missing", file=path, field=name, remedy=RESTORE)


def _array(data: bytes, name: str, path: str | Path) -> np.ndarray:
    """Decode one member, believing its header only as far as the bytes bear it out."""
    stream = io.BytesIO(data)
    try:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, column_order, dtype = read(stream)
    except _HEADER_ERRORS as error:
        raise BadInput(
            f"is no NumPy array: {error}", file=path, field=name, remedy=RESTORE
        ) from error
    if dtype.hasobject:
        raise BadInput(
            "holds Python objects, which are never loaded", file=path, field=name,
            remedy="write it as numbers or text, with allow_pickle=False",
        )  # fmt: skip
    body, count = data[stream.tell() :], 1
    for length in shape:
        count *= length
    if len(body) != count * dtype.itemsize:
        raise BadInput(
            f"{len(body)} bytes, not the {count * dtype.itemsize} of {shape} {dtype}",
            file=path, field=name, remedy=RESTORE,
        )  # fmt: skip
    if not body:
        return np.zeros(shape, dtype)
    flat = np.frombuffer(bytearray(body), dtype=dtype)  # bytearray: writeable
    return flat.reshape(shape, order="F" if column_order else "C")


def _checked(
    array: np.ndarray, name: str, field: Field, sizes: dict[str, int], path: str | Path
) -> np.ndarray:
    """The array in the dtype asked for, once it has passed."""
    wanted = np.dtype(field.dtype)
    fits = (
        array.dtype.kind == "U"
        if wanted.kind == "U"
        else array.dtype.kind in "biuf" and np.can_cast(array.dtype, wanted, "safe")
    )
    if not fits:
        what = "text" if wanted.kind == "U" else str(wanted)
        raise BadInput(
            f"is {array.dtype}, not {what}", file=path, field=name,
            remedy=f"convert it with .astype({field.dtype!r})",
        )  # fmt: skip
    lengths = tuple(
        sizes.setdefault(want, have) if isinstance(want, str) else want
        for want, have in zip(field.shape, array.shape, strict=False)
    )
    if array.ndim != len(field.shape) or array.shape != lengths:
        shape = ", ".join(f"{w} ({sizes[w]})" if w in sizes else str(w) for w in field.shape)
        raise BadInput(
            f"has shape {array.shape}, not ({shape})", file=path, field=name, remedy=RESTORE
        )
    if field.finite and not np.isfinite(array).all():
        raise BadInput("holds NaN or infinity", file=path, field=name, remedy="leave such rows out")
    return array if wanted.kind == "U" else array.astype(wanted, copy=False)

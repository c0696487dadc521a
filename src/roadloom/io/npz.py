"""``.npz`` files that may be damaged, and that come out the same byte for byte each time.

    arrays -> zip of .npy members, fixed date, in the order given
    zip -> checked against ``Field``s: present, dtype, shape, finite -> arrays

Nothing is unpickled, and nothing is unpacked before its header was checked against what is asked
for: a member of Python objects, of another size or beyond ``LARGEST`` is refused unread.
"""

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from roadloom.errors import BadInput
from roadloom.io.atomic import write_bytes
from roadloom.io.read import RESTORE, read_bytes

_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can say: the time of writing would change the bytes."""
_LEVEL = 3
"""Of deflate: sweeps shrink by a fifth at any level, and higher ones only take longer."""

LARGEST = 2**31
"""Bytes of one array: 2 GiB. No sweep, image or grid of ours comes near; a zip bomb does."""
_HEAD = 2**16
"""Bytes in which an array's header ends; NumPy refuses one of more than 10,000 letters."""
_MOST_WORDS = 200
_MOST_AXES, _MOST_CELLS = 32, 2**48

# PKWARE's APPNOTE 4.3.7 and 4.3.9: the header before each member, and what may follow one.
_LOCAL_HEADER, _LENGTHS_AT, _DESCRIPTOR = 30, 26, 24

_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError,
    MemoryError,
)  # fmt: skip
HEADER_ERRORS = (ValueError, TypeError, tokenize.TokenError, RecursionError, MemoryError)
"""What NumPy raises on the header of a damaged .npy."""


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
    exact: bool = False
    """Refuse a narrower dtype too."""


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
            type or shape, beyond ``LARGEST``, or not finite; the error names the field.
    """
    sizes: dict[str, int] = {}
    try:
        data = read_bytes(path)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_nothing_is_hidden(archive, data, path)
            entries = {e.filename.removesuffix(".npy"): e for e in archive.infolist()}
            _check_names([entry.filename for entry in archive.infolist()], fields, path)
            return {
                name: _read(archive, entry, name, fields[name], sizes, path)
                for name, entry in entries.items()
            }
    except BadInput:
        raise
    except _ZIP_ERRORS as error:
        raise BadInput(
            f"is no sound npz file: {_brief(error)}", file=path, remedy=RESTORE
        ) from error


def _check_nothing_is_hidden(archive: zipfile.ZipFile, data: bytes, path: str | Path) -> None:
    """Refuse an archive whose list of members leaves out some of its bytes.

    A damaged list may end early, and an optional array would be gone without a word.
    """
    end = 0
    for entry in sorted(archive.infolist(), key=lambda e: e.header_offset):
        if entry.header_offset - end > _DESCRIPTOR:
            break
        name, extra = struct.unpack_from("<HH", data, entry.header_offset + _LENGTHS_AT)
        end = entry.header_offset + _LOCAL_HEADER + name + extra + entry.compress_size
    if not 0 <= archive.start_dir - end <= _DESCRIPTOR:
        raise BadInput(
            "its list of members is damaged: it leaves out part of the file",
            file=path, remedy=RESTORE,
        )  # fmt: skip


def _npy_bytes(array: np.ndarray) -> bytes:
    buffer: IO[bytes] = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    npy.write_array(buffer, little, allow_pickle=False)
    buffer.seek(0)
    return buffer.read()


def _check_names(members: list[str], fields: Mapping[str, Field], path: str | Path) -> None:
    names = [member.removesuffix(".npy") for member in members]
    for name, member in zip(names, members, strict=True):
        if names.count(name) > 1:
            raise BadInput("is there twice", file=path, field=name, remedy=RESTORE)
        if name not in fields:
            near = get_close_matches(name, fields, n=1)
            raise BadInput(
                "is no field of this file", file=path, field=name,
                remedy=f"did you mean {near[0]!r}?" if near else f"use {', '.join(fields)}",
            )  # fmt: skip
        if name == member:
            raise BadInput(
                "the member has no suffix .npy", file=path, field=name,
                remedy="write the file with np.savez",
            )  # fmt: skip
    for name, field in fields.items():
        if not field.optional and name not in names:
            raise BadInput("is missing", file=path, field=name, remedy=RESTORE)


def _read(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    name: str,
    field: Field,
    sizes: dict[str, int],
    path: str | Path,
) -> np.ndarray:
    """Unpack and check one member, believing it only as far as its bytes bear it out."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadInput(
            f"is packed by method {entry.compress_type}", file=path, field=name,
            remedy="write the file with np.savez or np.savez_compressed",
        )  # fmt: skip
    try:
        with archive.open(entry) as stream:
            head = stream.read(_HEAD)
            shape, column_order, dtype, start = _header(head, name, path)
            _check_kind(shape, dtype, name, field, sizes, path)
            rest = _body_size(shape, dtype, entry.file_size - start, name, path)
            body = bytearray(head[start:])  # writeable
            body += stream.read(max(rest - len(body), 0))
            stream.read(1)  # at the end the sum of all bytes is checked
    except BadInput:
        raise
    except _ZIP_ERRORS as error:
        raise BadInput(
            f"is damaged: {_brief(error)}", file=path, field=name, remedy=RESTORE
        ) from error
    if len(body) != rest:
        raise BadInput(f"{len(body)} bytes, not {rest}", file=path, field=name, remedy=RESTORE)
    if not body:
        return _checked(np.zeros(shape, dtype), name, field, path)
    flat = np.frombuffer(body, dtype=dtype)
    return _checked(flat.reshape(shape, order="F" if column_order else "C"), name, field, path)


def _brief(error: BaseException) -> str:
    """An error's own words, which may hold all of a damaged header."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}..."


def _header(
    head: bytes, name: str, path: str | Path
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns come first, dtype, and where the numbers begin."""
    stream = io.BytesIO(head)
    try:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, column_order, dtype = read(stream)
        shape = tuple(map(int, shape))
        cells = math.prod(max(length, 1) for length in shape)
        if len(shape) > _MOST_AXES or min(shape, default=0) < 0 or cells > _MOST_CELLS:
            raise ValueError(f"its shape is {str(shape)[:60]}")
    except HEADER_ERRORS as error:
        raise BadInput(
            f"is no NumPy array: {_brief(error)}", file=path, field=name, remedy=RESTORE
        ) from error
    return shape, column_order, dtype, stream.tell()


def _body_size(
    shape: tuple[int, ...], dtype: np.dtype[Any], there: int, name: str, path: str | Path
) -> int:
    """Bytes of the numbers, which must be those that the archive speaks of."""
    size = math.prod(shape) * dtype.itemsize
    if size != there or not dtype.itemsize:
        raise BadInput(
            f"{there} bytes, not the {size} of {shape} {dtype}",
            file=path, field=name, remedy=RESTORE,
        )  # fmt: skip
    if size > LARGEST:
        raise BadInput(
            f"{size} bytes are more than the {LARGEST} that an array may have",
            file=path, field=name, remedy="write fewer rows into one file",
        )  # fmt: skip
    return size


def _check_kind(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    name: str,
    field: Field,
    sizes: dict[str, int],
    path: str | Path,
) -> None:
    """Refuse another dtype or shape."""
    if dtype.hasobject:
        raise BadInput(
            "holds Python objects, which are never loaded", file=path, field=name,
            remedy="write it as numbers or text, with allow_pickle=False",
        )  # fmt: skip
    wanted = np.dtype(field.dtype)
    if not _fits(dtype, wanted, exact=field.exact):
        what = "text" if wanted.kind == "U" else str(wanted)
        raise BadInput(
            f"is {dtype}, not {what}", file=path, field=name,
            remedy=f"convert it with .astype({wanted.name!r})",
        )  # fmt: skip
    lengths = tuple(
        sizes.setdefault(want, have) if isinstance(want, str) else want
        for want, have in zip(field.shape, shape, strict=False)
    )
    if len(shape) != len(field.shape) or shape != lengths:
        named = ", ".join(f"{w} ({sizes[w]})" if w in sizes else str(w) for w in field.shape)
        raise BadInput(f"has shape {shape}, not ({named})", file=path, field=name, remedy=RESTORE)


def _fits(dtype: np.dtype[Any], wanted: np.dtype[Any], *, exact: bool) -> bool:
    if "U" in (wanted.kind, dtype.kind) or "b" in (wanted.kind, dtype.kind):
        return dtype.kind == wanted.kind
    if exact:
        return dtype == wanted
    return dtype.kind in "iuf" and np.can_cast(dtype, wanted, "safe")


def _checked(array: np.ndarray, name: str, field: Field, path: str | Path) -> np.ndarray:
    """The array in the dtype asked for, once its values have passed."""
    if array.dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise BadInput(
            "holds bytes that are neither true nor false", file=path, field=name, remedy=RESTORE
        )
    if field.finite and not np.isfinite(array).all():
        raise BadInput("holds NaN or infinity", file=path, field=name, remedy="leave such rows out")
    wanted = np.dtype(field.dtype)
    return array if wanted.kind == "U" else array.astype(wanted, copy=False)

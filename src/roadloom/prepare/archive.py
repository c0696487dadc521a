"""Zip files of arrays, texts and pictures: the same content, the same bytes; damage is told.

Every member carries a checksum, which is compared whenever the member is read.
"""

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from roadloom.errors import BadInput, NotRecorded
from roadloom.io.atomic import atomic_file
from roadloom.io.npz import HEADER_ERRORS
from roadloom.io.read import regular_file

DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can say: the time of writing would change the bytes."""
LEVEL = 1
"""Of deflate: higher levels take several times as long for a tenth less."""
LARGEST = 2**31
"""Bytes of one member, unpacked."""
AGAIN = "delete the file and run `roadloom prepare` again with the same flags"
_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError,
    NotImplementedError, MemoryError,
)  # fmt: skip


class ArchiveWriter:
    """Adds members one after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def data(self, name: str, data: bytes, *, compress: bool = False) -> None:
        member = zipfile.ZipInfo(name, date_time=DATE)
        member.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        member.create_system, member.external_attr = 3, 0o644 << 16  # else: of this system
        self._archive.writestr(member, data, compresslevel=LEVEL)

    def array(self, name: str, array: np.ndarray) -> None:
        """A member ``NAME.npy``, little-endian."""
        buffer = io.BytesIO()
        little = np.asarray(array, order="C").astype(array.dtype.newbyteorder("<"), copy=False)
        npy.write_array(buffer, little, version=(1, 0), allow_pickle=False)
        self.data(f"{name}.npy", buffer.getvalue(), compress=True)

    def json(self, name: str, value: Any) -> None:
        """A member ``NAME.json``: strict JSON, keys in their order."""
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        self.data(f"{name}.json", text.encode(), compress=True)


@contextmanager
def write_archive(path: Path) -> Iterator[ArchiveWriter]:
    """A new file, there whole after a clean exit and not at all otherwise."""
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        yield ArchiveWriter(archive)


@contextmanager
def remedied(remedy: str) -> Iterator[None]:
    """What is wrong with a file that we wrote ourselves is mended by writing it again."""
    try:
        yield
    except BadInput as error:
        raise type(error)(
            error.message, file=error.file, field=error.field, remedy=remedy
        ) from error


def read_member(path: Path, name: str) -> bytes:
    """One member, its checksum compared.

    Raises:
        MissingInput: no such file.
        NotRecorded: no such member.
        BadInput: the file or the member is damaged.
    """
    with remedied(AGAIN):
        regular_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            try:
                member = archive.getinfo(name)
            except KeyError as error:
                raise NotRecorded("there is none for this frame", file=path, field=name) from error
            if member.file_size > LARGEST:
                raise BadInput(
                    f"claims {member.file_size} bytes", file=path, field=name, remedy=AGAIN
                )
            return archive.read(member)
    except (BadInput, NotRecorded):
        raise
    except _ERRORS as error:
        raise BadInput(
            f"is damaged: {error or type(error).__name__}", file=path, field=name, remedy=AGAIN
        ) from error


def read_array(path: Path, name: str, dtype: str, shape: Sequence[int | None]) -> np.ndarray:
    """The array of a member ``NAME.npy``, of this dtype and shape (None: any length).

    Raises:
        NotRecorded: no such member.
        BadInput: damaged, or of another dtype or shape.
    """
    data = read_member(path, f"{name}.npy")
    try:
        array: np.ndarray = npy.read_array(io.BytesIO(data), allow_pickle=False)
    except (*_ERRORS, *HEADER_ERRORS, OverflowError) as error:
        raise BadInput(
            f"is no NumPy array: {error}", file=path, field=name, remedy=AGAIN
        ) from error
    fits = len(array.shape) == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    kind = array.dtype.kind == "U" if dtype == "U" else array.dtype == np.dtype(dtype)
    if not fits or not kind:
        raise BadInput(
            f"is {array.dtype} {array.shape}, not {dtype} {tuple(shape)}",
            file=path, field=name, remedy=AGAIN,
        )  # fmt: skip
    return array


def read_json_member(path: Path, name: str) -> Any:
    """The value of a member ``NAME.json``."""
    data = read_member(path, f"{name}.json")

    def finite(text: str) -> float:
        if not math.isfinite(number := float(text)):
            raise ValueError(f"{text[:40]} is no finite number")
        return number

    try:
        return json.loads(data, parse_float=finite, parse_constant=finite)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"is not JSON: {error}", file=path, field=name, remedy=AGAIN) from error

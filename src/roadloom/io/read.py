"""Reading files that may be damaged: every failure is a ``BadInput`` that names the file."""

import json
import math
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput, MissingInput

RESTORE = "restore the file from where it came from, a data set or a model"

_LARGE = re.compile(r"[eE]\+?[0-9]{3}|[0-9]{300}")
"""What every number beyond float64 holds."""


def is_file(path: str | Path) -> bool:
    """Whether a regular file is there: no folder, pipe or device.

    Raises:
        BadInput: the system cannot tell: the name is too long, holds NUL, or is kept from us.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_dir(path: str | Path) -> bool:
    """Whether a folder is there.

    Raises:
        BadInput: as for ``is_file``.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def exists(path: str | Path) -> bool:
    """Whether anything is there; a link that leads nowhere is not.

    Raises:
        BadInput: as for ``is_file``.
    """
    return _mode(path) is not None


def regular_file(path: str | Path) -> Path:
    """The path, once a regular file is known to be there; a pipe would be waited on for ever.

    Raises:
        MissingInput: nothing is there.
        BadInput: a folder, pipe, socket or device, or as for ``is_file``.
    """
    mode = _mode(path)
    if mode is None:
        raise MissingInput("no such file", file=path, remedy=RESTORE)
    if stat.S_ISDIR(mode):
        raise BadInput("cannot be read: is a folder", file=path, remedy=RESTORE)
    if not stat.S_ISREG(mode):
        raise BadInput("cannot be read: is a pipe, socket or device", file=path, remedy=RESTORE)
    return Path(path)


def _mode(path: str | Path) -> int | None:
    """Of what is there, links followed; None where nothing is."""
    try:
        return Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: NUL, or half of a surrogate pair
        what = error.strerror if isinstance(error, OSError) else error
        shown = ascii(str(path))[1:-1]
        raise BadInput(
            f"cannot be looked up: {what}",
            file=shown if len(shown) <= 200 else f"{shown[:200]}...",
            remedy="name a path that the system can hold and that you may read",
        ) from error  # fmt: skip


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file that must not be empty.

    Raises:
        MissingInput: it is not there.
        BadInput: it is empty, a folder, pipe or device, or cannot be read.
    """
    try:
        data = regular_file(path).read_bytes()
    except FileNotFoundError as error:
        raise MissingInput("no such file", file=path, remedy=RESTORE) from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", file=path, remedy=RESTORE) from error
    if not data:
        raise BadInput("the file is empty", file=path, remedy=RESTORE)
    return data


def read_text(path: str | Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"is not UTF-8: {error}", file=path, remedy=RESTORE) from error


def read_json(path: str | Path, *, nan: bool = False) -> Any:
    """Strict JSON: NaN, numbers beyond float64 and a key that is there twice are refused.

    With ``nan`` a bare NaN, which JSON does not know but many writers write, is read as such.
    """

    def refuse(constant: str) -> Any:
        if nan and constant == "NaN":
            return float("nan")
        raise ValueError(f"{constant} is not JSON")

    def finite(text: str) -> float:
        if math.isinf(number := float(text)):
            raise ValueError(f"{text[:40]} is beyond every float64")
        return number

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise BadInput("is there twice", file=path, field=twice, remedy=RESTORE)
        return made

    try:
        text = read_text(path)
        return json.loads(
            text,
            parse_float=finite if _LARGE.search(text) else None,  # None is many times faster
            parse_constant=refuse,
            object_pairs_hook=unique,
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"is not JSON: {error}", file=path, remedy=RESTORE) from error


def read_array(path: str | Path, dtype: str, columns: int) -> np.ndarray:
    """Read a headless binary table of ``columns`` numbers a row, such as a LiDAR sweep."""
    data = read_bytes(path)
    row = np.dtype(dtype).itemsize * columns
    if len(data) % row:
        raise BadInput(
            f"{len(data)} bytes are no whole number of rows of {row} bytes: the file is cut off",
            file=path, remedy=RESTORE,
        )  # fmt: skip
    return np.frombuffer(data, dtype=dtype).reshape(-1, columns)

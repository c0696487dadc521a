"""Reading files that may be damaged: every failure is a ``BadInput`` that names the file."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput, MissingInput

RESTORE = "restore the file from the original data set"


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file that must not be empty.

    Raises:
        MissingInput: it is not there.
        BadInput: it is empty, a folder, or cannot be read.
    """
    try:
        data = Path(path).read_bytes()
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
    """Strict JSON: NaN, Infinity and a key that an object holds twice are refused.

    With ``nan`` a bare NaN, which JSON does not know but many writers write, is read as such.
    """

    def refuse(constant: str) -> Any:
        if nan and constant == "NaN":
            return float("nan")
        raise ValueError(f"{constant} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise BadInput("is there twice", file=path, field=twice, remedy=RESTORE)
        return made

    try:
        return json.loads(read_text(path), parse_constant=refuse, object_pairs_hook=unique)
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

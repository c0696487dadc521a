"""CSV tables with typed columns, readable by people and by spreadsheets, exact to the bit.

Floats are written as the shortest text that reads back equal; a blank cell means unknown.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import numpy as np

from roadloom.errors import BadInput
from roadloom.io.atomic import write_text
from roadloom.io.read import RESTORE, read_text

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SPECIAL = re.compile(r'[",\r\n]').search
_PLAIN = {
    "integer": re.compile(r"-?[0-9]{1,18}").fullmatch,
    "number": re.compile(r"-?[0-9]{1,99}(\.[0-9]+)?(e-?[0-9]{1,2})?").fullmatch,
}
"""What needs no second look."""


@dataclass(frozen=True)
class Column:
    """What one column of a table must hold."""

    kind: Literal["integer", "number", "text"]
    """int64; finite float64; text of any kind."""
    optional: bool = False
    """The whole column may be absent."""
    blank: int | float | str | None = None
    """What a blank cell, or an absent column, means; None: blank cells are refused."""
    largest: float = float("inf")
    """Numbers farther from zero are refused."""


def table_text(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> str:
    """The file that ``write_table`` writes. NaN and None become blank cells.

    Raises:
        ValueError: columns of different length, or an infinite number.
    """
    lists = [c.tolist() if isinstance(c, np.ndarray) else list(c) for c in columns.values()]
    rows = [list(columns), *([_cell(v) for v in row] for row in zip(*lists, strict=True))]
    return "".join(f"{_line(row)}\n" for row in rows)


def write_table(path: str | Path, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    """Write columns of equal length; the first line holds their names."""
    write_text(path, table_text(columns))


def read_table(
    path: str | Path, columns: Mapping[str, Column] | Callable[[list[str]], Mapping[str, Column]]
) -> dict[str, np.ndarray]:
    """Read a table and check every cell; every column of ``columns`` is in the answer.

    Args:
        path: the file.
        columns: by name; or, where they depend on what is there, a function of the names.

    Raises:
        MissingInput: no such file.
        BadInput: not a table, cut off, a column absent, unknown or twice there, a cell of the
            wrong type, not finite or blank; the error names the column and the line.
    """
    names, lines = _rows(path)
    if callable(columns):
        columns = columns(names)
    _check_names(names, columns, path)
    cells = dict(zip(names, zip(*(row for _, row in lines), strict=True), strict=False))
    numbers = [number for number, _ in lines]
    return {
        name: _column(cells.get(name), name, column, numbers, path)
        if name in names
        else _absent(column, len(lines))
        for name, column in columns.items()
    }


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    if value in (float("inf"), float("-inf")):
        raise ValueError("a table holds no infinity")
    return repr(value) if isinstance(value, float) else str(value)


def _line(cells: Sequence[str]) -> str:
    """Cells with quotes where they are needed; the csv module leaves a lone CR without."""
    if list(cells) == [""]:
        return '""'  # an empty line would be passed over
    return ",".join('"' + c.replace('"', '""') + '"' if _SPECIAL(c) else c for c in cells)


def _rows(path: str | Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Names, and each row with its line number in the file; empty lines are passed over."""
    text = read_text(path).removeprefix("\ufeff")  # spreadsheets put a mark in front
    if not text.endswith(("\n", "\r")):
        raise BadInput("its last line does not end: is it cut off?", file=path, remedy=RESTORE)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        for row in reader:
            if row:
                rows.append((reader.line_num, row))
    except csv.Error as error:
        raise BadInput(
            f"line {reader.line_num} is no CSV: {error}", file=path, remedy=RESTORE
        ) from error
    if not rows:
        raise BadInput("holds no line of column names", file=path, remedy=RESTORE)
    names = rows[0][1]
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise BadInput(
                f"line {number} has {len(row)} cells, not {len(names)}", file=path,
                field=names[min(len(row), len(names) - 1)], remedy=RESTORE,
            )  # fmt: skip
    return names, rows[1:]


def _check_names(names: list[str], columns: Mapping[str, Column], path: str | Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise BadInput("is there twice", file=path, field=name, remedy=RESTORE)
        if name not in columns:
            near = get_close_matches(name, columns, n=1)
            raise BadInput(
                "is no column of this table", file=path, field=name,
                remedy=f"did you mean {near[0]!r}?" if near else f"use {', '.join(columns)}",
            )  # fmt: skip
    for name, column in columns.items():
        if not column.optional and name not in names:
            raise BadInput("the column is missing", file=path, field=name, remedy=RESTORE)


def _absent(column: Column, count: int) -> np.ndarray:
    kind = {"integer": np.int64, "number": np.float64, "text": np.str_}[column.kind]
    blank = {"integer": -1, "number": np.nan, "text": ""}[column.kind]
    return np.full(count, blank if column.blank is None else column.blank, kind)


def _column(
    cells: tuple[str, ...] | None, name: str, column: Column, lines: list[int], path: str | Path
) -> np.ndarray:
    dtype = {"integer": np.int64, "number": np.float64, "text": np.str_}[column.kind]
    if cells is None:
        return _absent(column, 0)
    if column.kind != "text" and all(map(_PLAIN[column.kind], cells)):
        # The common case in one go; no such cell can overflow or be blank.
        values: np.ndarray = np.array(
            list(map(float if column.kind == "number" else int, cells)), dtype
        )
    else:
        cell_lines = zip(cells, lines, strict=True)
        values = np.array([_value(c, name, column, line, path) for c, line in cell_lines], dtype)
    if column.kind == "number" and (far := np.abs(values) > column.largest).any():
        raise BadInput(
            f"line {lines[int(np.argmax(far))]}: {values[far][0]} is beyond {column.largest:g}",
            file=path, field=name, remedy="write SI units: metres, radians, metres per second",
        )  # fmt: skip
    return values


def _value(cell: str, name: str, column: Column, line: int, path: str | Path) -> int | float | str:
    if cell == "":
        if column.blank is None:
            raise BadInput(
                f"line {line}: the cell is blank", file=path, field=name,
                remedy="fill it, or leave the row out",
            )  # fmt: skip
        return column.blank
    if column.kind == "text":
        return cell
    if column.kind == "integer" and _INTEGER.fullmatch(cell) and -(2**63) <= int(cell) < 2**63:
        return int(cell)
    if column.kind == "number" and _NUMBER.fullmatch(cell) and abs(float(cell)) != float("inf"):
        return float(cell)
    raise BadInput(
        f"line {line}: {cell[:40]!r} is no {column.kind}", file=path, field=name,
        remedy="write times as whole nanoseconds, numbers with a point, unknown as a blank cell",
    )  # fmt: skip

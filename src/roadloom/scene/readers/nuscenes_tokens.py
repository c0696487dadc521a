"""One table of a nuScenes root in memory: columns, and rows found by their tokens."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from roadloom.errors import BadInput
from roadloom.io.read import RESTORE
from roadloom.scene.readers.nuscenes_tables import Complain

Column = np.ndarray
NO_ROW = -1
MOST = 20
"""Problems told of one field of one table; the rest are counted."""


class Growing:
    """A column that is read in parts. Doubling one array holds far less than joining the parts
    at the end, and leaves no holes in memory."""

    def __init__(self) -> None:
        self._column, self._count = np.zeros(0), 0

    def add(self, part: Column) -> None:
        if not self._count:
            self._column = np.empty((0, *part.shape[1:]), part.dtype)
        end = self._count + len(part)
        dtype = np.promote_types(self._column.dtype, part.dtype)  # texts may become longer
        if end > len(self._column) or dtype != self._column.dtype:
            wider = np.empty((max(end, 2 * self._count), *part.shape[1:]), dtype)
            wider[: self._count] = self._column[: self._count]
            self._column = wider
        self._column[self._count : end] = part
        self._count = end

    def whole(self) -> Column:
        return self._column[: self._count]


class Tokens:
    """The tokens of one table, sorted: finds the row that a token names."""

    def __init__(self, tokens: Column) -> None:
        self._order = np.argsort(tokens, kind="stable").astype(np.int32)
        self._sorted = tokens[self._order]

    def repeated(self) -> Column:
        """Rows whose token an earlier row has already."""
        return np.sort(self._order[1:][self._sorted[1:] == self._sorted[:-1]])

    def rows_of(self, wanted: Column) -> Column:
        """Row of each token as int32; ``NO_ROW`` where no record has it."""
        if not len(self._sorted):
            return np.full(len(wanted), NO_ROW, np.int32)
        at = np.searchsorted(self._sorted, wanted)
        at[at == len(self._sorted)] = 0
        return np.where(self._sorted[at] == wanted, self._order[at], np.int32(NO_ROW))


@dataclass
class Table:
    """One table in memory."""

    name: str
    path: Path
    number: Column
    """Place of each row in the file."""
    columns: dict[str, Column]
    """Fields; a link holds the row that it names, ``NO_ROW`` where it is empty or dangling."""
    whole: bool = True
    """False after damage: some records are missing here, so links to them prove nothing."""
    tokens: Tokens = field(default_factory=lambda: Tokens(np.zeros(0, "S1")))
    names: dict[str, list[str]] = field(default_factory=dict)
    """Texts that a column of codes stands for."""

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def damaged(self, complain: Complain, problem: BadInput) -> None:
        self.whole = False
        complain(problem)

    def complain_of(
        self, rows: Iterable[int] | Column, name: str, what: str, complain: Complain
    ) -> None:
        """The same problem in ``name`` of several rows."""
        rows = list(rows)
        for row in rows[:MOST]:
            place = f"[{int(self.number[row])}].{name}" if name else f"[{int(self.number[row])}]"
            complain(BadInput(what, file=self.path, field=place, remedy=RESTORE))
        if len(rows) > MOST:
            more = f"the same in {len(rows) - MOST} more records: {what}"
            complain(BadInput(more, file=self.path, field=name, remedy=RESTORE))

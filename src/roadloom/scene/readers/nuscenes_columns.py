"""The tables of a nuScenes root as columns, with every token turned into a row number.

    records of a table -> one array per field -> links found in the tables loaded before

One table is decoded at a time, so that the 2.6 million records of trainval stay well below 2 GB.
Rows count the sound records of a file in its order; ``number`` is a row's place in the file.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from roadloom.errors import BadInput, UnknownClass
from roadloom.io.read import RESTORE
from roadloom.scene.class_maps import ids_from
from roadloom.scene.readers.nuscenes_tables import (
    MAY_BE_ABSENT,
    MAY_BE_EMPTY,
    TABLES,
    Complain,
    Rows,
    read_rows,
    table_path,
)

Column = np.ndarray
NO_ROW = -1

_PLAIN: Mapping[str, Mapping[str, str]] = {
    "sensor": {"channel": "S", "modality": "S"},
    "calibrated_sensor": {"translation": "f8", "rotation": "f8"},
    "log": {"location": "S", "logfile": "S", "vehicle": "S", "date_captured": "S"},
    "map": {"filename": "S", "category": "S"},
    "category": {"name": "S"},
    "attribute": {"name": "S"},
    "visibility": {"level": "S"},
    "scene": {"name": "S", "description": "S", "nbr_samples": "i8"},
    "sample": {"timestamp": "i8"},
    "ego_pose": {"timestamp": "i8", "rotation": "f8", "translation": "f8"},
    "sample_data": {
        "timestamp": "i8",
        "is_key_frame": "?",
        "height": "i4",
        "width": "i4",
        "filename": "S",
    },
    "instance": {"nbr_annotations": "i8"},
    "sample_annotation": {
        "translation": "f8",
        "size": "f8",
        "rotation": "f8",
        "num_lidar_pts": "i4",
        "num_radar_pts": "i4",
    },
    "lidarseg": {"filename": "S"},
}
_LINKS: Mapping[str, Mapping[str, str]] = {
    "calibrated_sensor": {"sensor_token": "sensor"},
    "scene": {"log_token": "log"},
    "sample": {"scene_token": "scene"},
    "sample_data": {
        "sample_token": "sample",
        "ego_pose_token": "ego_pose",
        "calibrated_sensor_token": "calibrated_sensor",
    },
    "instance": {"category_token": "category"},
    "sample_annotation": {
        "sample_token": "sample",
        "instance_token": "instance",
        "visibility_token": "visibility",
    },
    "lidarseg": {"sample_data_token": "sample_data"},
}
"""Fields that name a record of a table loaded before."""
_LATE: Mapping[str, Mapping[str, str]] = {
    "sample_annotation": {"prev": "sample_annotation", "next": "sample_annotation"},
}
"""Fields that name a record of the same table or of a later one."""
_LATE_TO_CHECK: Mapping[str, Mapping[str, str]] = {
    "scene": {"first_sample_token": "sample", "last_sample_token": "sample"},
    "sample": {"prev": "sample", "next": "sample"},
    "sample_data": {"prev": "sample_data", "next": "sample_data"},
    "instance": {
        "first_annotation_token": "sample_annotation",
        "last_annotation_token": "sample_annotation",
    },
}
"""Likewise, but needed only to say whether the tables agree with each other."""
_OPTIONAL = frozenset({"prev", "next", "visibility_token"})
"""Links that may be empty."""
MOST = 20
"""Problems told of one field of one table; the rest are counted."""


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


def load_tables(
    folder: Path,
    complain: Complain,
    *,
    all_links: bool = False,
    progress: Callable[[int], object] = lambda size: None,
) -> dict[str, Table]:
    """Load all tables of a version's folder.

    Args:
        folder: holds the JSON files.
        complain: called with each problem; if it returns, loading goes on with what is sound.
        all_links: also follow links that only a check needs.
        progress: told the bytes read.
    """
    tables: dict[str, Table] = {}
    late = {name: dict(_LATE.get(name, {})) for name in TABLES}
    if all_links:
        for name, links in _LATE_TO_CHECK.items():
            late[name] |= links
    for name in TABLES:
        tables[name] = _load(folder, name, tables, late[name], complain, progress)
    for name, links in late.items():
        table = tables[name]
        for link, target in links.items():
            _follow(table, link, table.columns[link], tables[target], complain)
    return tables


def _load(
    folder: Path,
    name: str,
    tables: dict[str, Table],
    late: Mapping[str, str],
    complain: Complain,
    progress: Callable[[int], object],
) -> Table:
    path = table_path(folder, name)
    table = Table(name, path, np.zeros(0, np.int64), {})

    def damaged(problem: BadInput) -> None:
        table.whole = False
        complain(problem)

    pieces: dict[str, list[Column]] = {}
    special = _SPECIAL[name](tables) if name in _SPECIAL else None
    if name not in MAY_BE_ABSENT or path.exists():
        for rows in read_rows(path, TABLES[name], damaged, progress):
            parts = _parts(name, rows, late)
            if special is not None:
                special(table, rows, parts, complain)
            for link, target in _LINKS.get(name, {}).items():
                table.number = parts["number"]  # of this piece, for the messages
                parts[link] = _column(rows, link, "S")
                _follow(table, link, parts[link], tables[target], complain, parts)
            for key, part in parts.items():
                pieces.setdefault(key, []).append(part)
    if not pieces:
        if table.whole and name not in MAY_BE_EMPTY:
            complain(BadInput("holds no record", file=path, field="[0]", remedy=RESTORE))
        empty = Rows([], [])
        pieces = {key: [part] for key, part in _parts(name, empty, late).items()}
        pieces |= {link: [np.zeros(0, np.int32)] for link in _LINKS.get(name, {})}
        if special is not None:
            more: dict[str, Column] = {}
            special(table, empty, more, complain)
            pieces |= {key: [part] for key, part in more.items()}
    for key in list(pieces):
        table.columns[key] = _joined(pieces.pop(key))
    table.number = table.columns.pop("number")
    table.tokens = Tokens(table.columns["token"])
    table.complain_of(
        table.tokens.repeated(), "token", "an earlier record has the same token", complain
    )
    _check_values(table, complain)
    return table


def _joined(parts: list[Column]) -> Column:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _parts(name: str, rows: Rows, late: Mapping[str, str]) -> dict[str, Column]:
    parts = {"number": np.array(rows.number, np.int64), "token": _column(rows, "token", "S")}
    parts |= {key: _column(rows, key, kind) for key, kind in _PLAIN[name].items()}
    return parts | {key: _column(rows, key, "S") for key in late}


def _column(rows: Rows, name: str, kind: str) -> Column:
    values: list[Any] = [getattr(record, name) for record in rows.records]
    if kind == "S":
        return np.array([value.encode() for value in values], dtype=np.bytes_)
    if not values and kind == "f8":
        return np.zeros((0, {"rotation": 4}.get(name, 3)))
    return np.array(values, dtype=kind)


def _follow(
    table: Table,
    link: str,
    tokens: Column,
    target: Table,
    complain: Complain,
    columns: dict[str, Column] | None = None,
) -> None:
    """Replace the tokens of a link by rows of ``target``."""
    found = target.tokens.rows_of(tokens)
    lost = found == NO_ROW
    if link in _OPTIONAL:
        lost &= tokens != b""
    if target.whole:
        table.complain_of(
            np.flatnonzero(lost), link, f"no record of {target.path.name} has this token", complain
        )
    (table.columns if columns is None else columns)[link] = found


def _logs_of_maps(tables: dict[str, Table]) -> Callable[[Table, Rows, dict, Complain], None]:
    """Column ``map`` of the table of logs: the first map that names the log."""
    logs = tables["log"]
    logs.columns["map"] = np.full(len(logs), NO_ROW, np.int32)

    def take(table: Table, rows: Rows, parts: dict[str, Column], complain: Complain) -> None:
        for row, record in enumerate(rows.records):
            wanted = np.array([b"", *(t.encode() for t in record.log_tokens)], dtype=np.bytes_)
            for i, log in enumerate(logs.tokens.rows_of(wanted)[1:].tolist()):
                if log != NO_ROW and logs["map"][log] == NO_ROW:
                    logs["map"][log] = row
                elif log == NO_ROW and logs.whole:
                    place = f"[{rows.number[row]}].log_tokens[{i}]"
                    what = "no record of log.json has this token"
                    complain(BadInput(what, file=table.path, field=place, remedy=RESTORE))

    return take


def _attributes(tables: dict[str, Table]) -> Callable[[Table, Rows, dict, Complain], None]:
    """Column ``attribute``: a code for each set of attributes, named in ``names``."""
    codes: dict[tuple[str, ...], int] = {(): 0}
    attributes = tables["attribute"]
    known = dict(
        zip(
            (t.decode() for t in attributes["token"].tolist()),
            (n.decode() for n in attributes["name"].tolist()),
            strict=True,
        )
    )
    names = [""]

    def take(table: Table, rows: Rows, parts: dict[str, Column], complain: Complain) -> None:
        column = np.zeros(len(rows.records), np.int32)
        for row, record in enumerate(rows.records):
            key = tuple(record.attribute_tokens)
            if key not in codes:
                lost = [i for i, token in enumerate(key) if token not in known]
                if lost and attributes.whole:
                    place = f"[{rows.number[row]}].attribute_tokens[{lost[0]}]"
                    what = "no record of attribute.json has this token"
                    complain(BadInput(what, file=table.path, field=place, remedy=RESTORE))
                if lost:
                    continue
                codes[key] = len(names)
                names.append(",".join(known[token] for token in key))
            column[row] = codes[key]
        parts["attribute"] = column
        table.names["attribute"] = names

    return take


def _intrinsics(tables: dict[str, Table]) -> Callable[[Table, Rows, dict, Complain], None]:
    """Column ``camera_intrinsic``: fx, fy, cx, cy, and NaN where there is no camera."""

    def take(table: Table, rows: Rows, parts: dict[str, Column], complain: Complain) -> None:
        column = np.full((len(rows.records), 4), np.nan)
        for row, record in enumerate(rows.records):
            if not record.camera_intrinsic:
                continue
            problem = _bad_intrinsic(record.camera_intrinsic)
            if problem:
                place = f"[{rows.number[row]}].camera_intrinsic"
                complain(BadInput(problem, file=table.path, field=place, remedy=RESTORE))
                continue
            (fx, _, cx), (_, fy, cy), _ = record.camera_intrinsic
            column[row] = fx, fy, cx, cy
        parts["camera_intrinsic"] = column

    return take


def _bad_intrinsic(matrix: list[tuple[float, float, float]]) -> str:
    if len(matrix) != 3:
        return f"must have 3 rows, got {len(matrix)}"
    (fx, skew, _), (below, fy, _), last = matrix
    if not (fx > 0 and fy > 0):
        return f"focal lengths must be positive, got {fx} and {fy}"
    if skew or below or last != (0, 0, 1):
        return f"must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {matrix}"
    return ""


def _lidarseg_values(tables: dict[str, Table]) -> Callable[[Table, Rows, dict, Complain], None]:
    """Column ``index``: the category's value in lidarseg files, -1 without one."""

    def take(table: Table, rows: Rows, parts: dict[str, Column], complain: Complain) -> None:
        values = [-1 if r.index is None else r.index for r in rows.records]
        parts["index"] = np.array(values, np.int32)

    return take


_SPECIAL = {
    "map": _logs_of_maps,
    "sample_annotation": _attributes,
    "calibrated_sensor": _intrinsics,
    "category": _lidarseg_values,
}


def _check_values(table: Table, complain: Complain) -> None:
    """What the record types cannot say."""
    if "rotation" in table.columns:
        off = np.abs(np.linalg.norm(table["rotation"], axis=1) - 1) > 0.01
        what = "is no rotation: a quaternion must have length 1"
        table.complain_of(np.flatnonzero(off), "rotation", what, complain)
    if "filename" in table.columns:
        bad = [row for row, name in enumerate(table["filename"].tolist()) if _strays(name)]
        table.complain_of(bad, "filename", "leads out of the data root", complain)
    unique = {"sensor": "channel", "scene": "name", "category": "name"}.get(table.name)
    if unique:
        twice = Tokens(table[unique]).repeated()
        table.complain_of(twice, unique, "an earlier record has the same", complain)
    if table.name == "category":
        for row, name in enumerate(table["name"].tolist()):
            try:
                ids_from("lidarseg", [name.decode()])
            except UnknownClass as error:
                table.complain_of([row], "name", error.message, complain)


def _strays(name: bytes) -> bool:
    if name.startswith(b"/") or b"\\" in name:
        return True
    return b".." in name and ".." in PurePosixPath(name.decode()).parts

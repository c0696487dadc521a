"""Fields of the nuScenes tables that are no plain column, and values that types cannot judge."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

import numpy as np

from roadloom.errors import BadInput, UnknownClass
from roadloom.io.read import RESTORE
from roadloom.scene.class_maps import ids_from
from roadloom.scene.reader import check_scene_name
from roadloom.scene.readers.json_fields import sensor_name_problem, short
from roadloom.scene.readers.nuscenes_tables import Complain, Rows
from roadloom.scene.readers.nuscenes_tokens import NO_ROW, Column, Table, Tokens

LONGEST_PART = 255
"""Bytes of a file's or folder's name, as file systems hold them."""


class Special(ABC):
    """Columns of a table that are more than a field each; lives while the table is read."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self.tables = tables
        """Those loaded before."""

    @abstractmethod
    def columns(self, table: Table, rows: Rows, complain: Complain) -> dict[str, Column]:
        """Of some rows; by name."""


class _Maps(Special):
    """Adds the column ``map`` to the table of logs: the first map that names the log."""

    def __init__(self, tables: dict[str, Table]) -> None:
        super().__init__(tables)
        self.logs = tables["log"]
        self.logs.columns["map"] = np.full(len(self.logs), NO_ROW, np.int32)

    def columns(self, table: Table, rows: Rows, complain: Complain) -> dict[str, Column]:
        maps = self.logs["map"]
        for row, record in enumerate(rows.records):
            wanted = np.array([b"", *(t.encode() for t in record.log_tokens)], dtype=np.bytes_)
            for i, log in enumerate(self.logs.tokens.rows_of(wanted)[1:].tolist()):
                if log != NO_ROW and maps[log] == NO_ROW:
                    maps[log] = row
                elif log == NO_ROW and self.logs.whole:
                    place = f"[{rows.number[row]}].log_tokens[{i}]"
                    what = "no record of log.json has this token"
                    complain(BadInput(what, file=table.path, field=place, remedy=RESTORE))
        return {}


class _Annotations(Special):
    """Column ``attribute``: a code for each set of attributes, which ``names`` spells out."""

    def __init__(self, tables: dict[str, Table]) -> None:
        super().__init__(tables)
        self.attributes = tables["attribute"]
        tokens, names = (self.attributes[key].tolist() for key in ("token", "name"))
        self.known = {t.decode(): n.decode() for t, n in zip(tokens, names, strict=True)}
        self.codes: dict[tuple[str, ...], int] = {(): 0}
        self.names = [""]

    def columns(self, table: Table, rows: Rows, complain: Complain) -> dict[str, Column]:
        table.names["attribute"] = self.names
        column = np.zeros(len(rows.records), np.int32)
        for row, record in enumerate(rows.records):
            key = tuple(record.attribute_tokens)
            if key not in self.codes:
                lost = [i for i, token in enumerate(key) if token not in self.known]
                if lost and self.attributes.whole:
                    place = f"[{rows.number[row]}].attribute_tokens[{lost[0]}]"
                    what = "no record of attribute.json has this token"
                    complain(BadInput(what, file=table.path, field=place, remedy=RESTORE))
                if lost:
                    continue
                self.codes[key] = len(self.names)
                self.names.append(",".join(self.known[token] for token in key))
            column[row] = self.codes[key]
        return {"attribute": column}


class _Calibrations(Special):
    """Column ``camera_intrinsic``: fx, fy, cx, cy; NaN where there is no camera."""

    def columns(self, table: Table, rows: Rows, complain: Complain) -> dict[str, Column]:
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
        return {"camera_intrinsic": column}


def _bad_intrinsic(matrix: list[tuple[float, float, float]]) -> str:
    if len(matrix) != 3:
        return f"must have 3 rows, got {len(matrix)}"
    (fx, skew, _), (below, fy, _), last = matrix
    if not (fx > 0 and fy > 0):
        return f"focal lengths must be positive, got {fx} and {fy}"
    if skew or below or last != (0, 0, 1):
        return f"must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {matrix}"
    return ""


class _Categories(Special):
    """Column ``index``: the category's value in lidarseg files, -1 without one."""

    def columns(self, table: Table, rows: Rows, complain: Complain) -> dict[str, Column]:
        values = [NO_ROW if r.index is None else r.index for r in rows.records]
        return {"index": np.array(values, np.int32)}


SPECIAL: Mapping[str, type[Special]] = {
    "map": _Maps,
    "sample_annotation": _Annotations,
    "calibrated_sensor": _Calibrations,
    "category": _Categories,
}


def check_values(table: Table, complain: Complain) -> None:
    """What the record types cannot say."""
    if "rotation" in table.columns:
        off = np.abs(np.linalg.norm(table["rotation"], axis=1) - 1) > 0.01
        what = "is no rotation: a quaternion must have length 1"
        table.complain_of(np.flatnonzero(off), "rotation", what, complain)
    if "filename" in table.columns:
        names = table["filename"].tolist()
        bad = [row for row, name in enumerate(names) if _strays(name)]
        table.complain_of(bad, "filename", "leads out of the data root", complain)
        bad = [row for row, name in enumerate(names) if len(name) > 200 and _too_long(name)]
        what = f"has a part of more than {LONGEST_PART} bytes"
        table.complain_of(bad, "filename", what, complain)
    unique = {"sensor": "channel", "scene": "name", "category": "name"}.get(table.name)
    if unique:
        twice = Tokens(table[unique]).repeated()
        table.complain_of(twice, unique, "an earlier record has the same", complain)
    if table.name in _NAMES:
        field, problem_of = _NAMES[table.name]
        for row, name in enumerate(table[field].tolist()):
            if problem := problem_of(name.decode()):
                table.complain_of([row], field, problem, complain)


def _category_problem(name: str) -> str:
    try:
        ids_from("lidarseg", [name])
    except UnknownClass as error:
        return error.message
    return ""


def _scene_problem(name: str) -> str:
    try:
        check_scene_name(name, file=None)
    except BadInput as error:
        return error.message
    return ""


def _location_problem(name: str) -> str:
    """Maps are called ``LOCATION.json``."""
    if "/" in name or len(name.encode()) > LONGEST_PART - len(".json"):
        return f"{short(name)} is no name of a map's file"
    return ""


_NAMES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "category": ("name", _category_problem),
    "sensor": ("channel", sensor_name_problem),
    "scene": ("name", _scene_problem),
    "log": ("location", _location_problem),
}
"""Fields whose texts must be names of a kind, and what says what is wrong with one."""


def _too_long(name: bytes) -> bool:
    return max(map(len, name.split(b"/"))) > LONGEST_PART


def _strays(name: bytes) -> bool:
    if name.startswith(b"/") or b"\\" in name:
        return True
    return b".." in name and ".." in PurePosixPath(name.decode()).parts

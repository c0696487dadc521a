"""The tables of a nuScenes root as columns, with every token turned into a row number.

    records of a table -> one array per field -> links found in the tables loaded before

One table is decoded at a time, so that the 2.6 million records of trainval stay well below 2 GB.
Rows count the sound records of a file in its order; ``number`` is a row's place in the file.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput
from roadloom.io.read import RESTORE, exists
from roadloom.scene.readers.nuscenes_fields import SPECIAL, check_values
from roadloom.scene.readers.nuscenes_tables import (
    MAY_BE_ABSENT,
    MAY_BE_EMPTY,
    TABLES,
    Complain,
    Rows,
    read_rows,
    table_path,
)
from roadloom.scene.readers.nuscenes_tokens import NO_ROW, Column, Growing, Table, Tokens

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
_NOT_NAMED_AFTER = {"sample_data": ("ego_pose",)}
"""Tables whose tokens nothing names once another is read: millions need not stay in memory."""
_NO_TOKEN = frozenset({"ego_pose", "sample_data"})
"""Tables whose tokens only serve to be found."""
FAR_FROM_SAMPLE_US = 5_000_000
"""A sensor record belongs to the sample nearest in time; key frames are half a second apart."""


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
        for used_up in _NOT_NAMED_AFTER.get(name, ()):
            tables[used_up].tokens = Tokens(np.zeros(0, "S1"))
    for name, links in late.items():
        table = tables[name]
        for link, target in links.items():
            _follow(table, link, table.columns[link], tables[target], complain)
    _check_times(tables["sample_data"], tables["sample"], complain)
    return tables


def _check_times(record: Table, sample: Table, complain: Complain) -> None:
    known = np.flatnonzero(record["sample_token"] != NO_ROW)
    stamps = sample["timestamp"][record["sample_token"][known]]
    apart = np.abs(record["timestamp"][known] - stamps)
    what = f"is more than {FAR_FROM_SAMPLE_US / 1e6:g} s from that of its sample"
    record.complain_of(known[apart > FAR_FROM_SAMPLE_US], "timestamp", what, complain)


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
    damaged = partial(table.damaged, complain)
    pieces: dict[str, Growing] = {}
    special = SPECIAL[name](tables) if name in SPECIAL else None
    if name not in MAY_BE_ABSENT or exists(path):
        for rows in read_rows(path, TABLES[name], damaged, progress):
            parts = _parts(name, rows, late)
            if special is not None:
                parts |= special.columns(table, rows, complain)
            for link, target in _LINKS.get(name, {}).items():
                table.number = parts["number"]  # of this piece, for the messages
                parts[link] = _column(rows, link, "S")
                _follow(table, link, parts[link], tables[target], complain, parts)
            for key, part in parts.items():
                pieces.setdefault(key, Growing()).add(part)
    if not pieces:
        if table.whole and name not in MAY_BE_EMPTY:
            complain(BadInput("holds no record", file=path, field="[0]", remedy=RESTORE))
        empty = Rows([], [])
        parts = _parts(name, empty, late)
        parts |= {link: np.zeros(0, np.int32) for link in _LINKS.get(name, {})}
        if special is not None:
            parts |= special.columns(table, empty, complain)
        table.columns = parts
    else:
        table.columns = {key: column.whole() for key, column in pieces.items()}
    table.number = table.columns.pop("number")
    table.tokens = Tokens(table.columns["token"])
    table.complain_of(
        table.tokens.repeated(), "token", "an earlier record has the same token", complain
    )
    if name in _NO_TOKEN:
        del table.columns["token"]
    check_values(table, complain)
    return table


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

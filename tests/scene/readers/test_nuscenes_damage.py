"""Damage to every table, field and file of a small nuScenes root: each is named, none slips by.

A case is a kind of damage, the file it is done to, and the field that the error must name. Besides
``problems``, everything is opened and read: nothing but our own errors may come out.
"""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.scene.readers.nuscenes_root import LOCATION, RINGS, VERSION, Root, table_bytes

from roadloom.errors import BadInput, RoadloomError
from roadloom.scene.readers.nuscenes import NuScenesSource
from roadloom.scene.registry import open_source

ROOT = Root(keys=2)
NUMBERS = {
    "calibrated_sensor": ("translation", "rotation", "camera_intrinsic"),
    "scene": ("nbr_samples",),
    "sample": ("timestamp",),
    "ego_pose": ("timestamp", "rotation", "translation"),
    "sample_data": ("timestamp", "height", "width"),
    "instance": ("nbr_annotations",),
    "sample_annotation": ("translation", "size", "rotation", "num_lidar_pts", "num_radar_pts"),
    "category": ("index",),
}
NO_DAMAGE = {("category", "index", "missing")}
"""Only roots with point labels have it."""


@dataclass(frozen=True)
class Case:
    """Damage to one file."""

    kind: str
    file: str
    field: str
    new: Callable[[], bytes | None]
    """What the file holds instead; None: it is gone."""

    def __str__(self) -> str:
        return f"{self.kind}-{self.file}-{self.field}"


def table_file(table: str) -> str:
    return f"{VERSION}/{table}.json"


def changed(table: str, row: int, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The table with one record changed."""
    rows = [dict(record) for record in ROOT.tables[table]]
    change(rows[row])
    return table_bytes(rows)


def row_of(table: str) -> int:
    """A record in the middle: one that has a ``prev`` and every optional value."""
    rows = ROOT.tables[table]
    if table == "calibrated_sensor":
        return next(i for i, r in enumerate(rows) if r["camera_intrinsic"])
    if table == "sample_data":
        return next(i for i, r in enumerate(rows) if r["prev"] and r["width"])
    return next((i for i, r in enumerate(rows) if r.get("prev")), len(rows) // 2)


def tables() -> Iterator[Case]:
    for table, rows in ROOT.tables.items():
        file, data = table_file(table), table_bytes(rows)
        if table != "lidarseg":  # may be absent
            yield Case("missing", file, "", lambda: None)
        yield Case("empty", file, "", lambda: b"")
        for share in (0.3, 0.7):
            yield Case("truncated", file, "", lambda d=data, s=share: d[: int(len(d) * s)])
        yield Case("wrong type", file, "", lambda: b'{"token": "a"}')
        yield Case("wrong type", file, "[0]", lambda: b"[[]]")
        yield Case("not UTF-8", file, "", lambda d=data: d.replace(b"token", b"tok\xff", 1))
        yield Case("duplicate token", file, "token", lambda r=rows: table_bytes([*r, dict(r[0])]))


def fields() -> Iterator[Case]:
    for table, rows in ROOT.tables.items():
        file, row = table_file(table), row_of(table)
        for name in rows[row]:
            place = f"[{row}].{name}"
            if (table, name, "missing") not in NO_DAMAGE:
                new = lambda t=table, r=row, n=name: changed(t, r, lambda x: x.pop(n))  # noqa: E731
                yield Case("missing field", file, place, new)
            yield replaced("wrong type", table, row, name, {"x": 1})
            if name not in ("camera_intrinsic", "index"):
                yield replaced("null", table, row, name, None)
            if name in NUMBERS.get(table, ()):
                yield replaced("NaN", table, row, name, with_nan(rows[row][name]))
                yield replaced("infinite", table, row, name, with_nan(rows[row][name], 1e999))
            if name == "token":
                yield replaced("empty token", table, row, name, "")
                yield replaced("NUL", table, row, name, "a\0b")
            elif name.endswith("_tokens"):
                yield replaced("dangling token", table, row, name, ["nobody"])
            elif name.endswith("_token") or name in ("prev", "next"):
                yield replaced("dangling token", table, row, name, "nobody")


def replaced(kind: str, table: str, row: int, name: str, value: Any) -> Case:
    def new() -> bytes:
        return changed(table, row, lambda record: record.update({name: value})).replace(
            b"Infinity", b"1e999"
        )

    return Case(kind, table_file(table), f"[{row}].{name}", new)


def with_nan(value: Any, nan: float = float("nan")) -> Any:
    return [with_nan(value[0], nan), *value[1:]] if isinstance(value, list) else nan


def meanings() -> Iterator[Case]:
    """Records of the right type that say what cannot be."""
    values: dict[str, dict[str, list[Any]]] = {
        "sensor": {"modality": ["sonar"], "channel": ["LIDAR_TOP", "a/b"]},
        "calibrated_sensor": {
            "rotation": [[0.0] * 4, [2.0, 0, 0, 0], [1.0, 0, 0]],
            "translation": [[1.0, 2.0]],
            "camera_intrinsic": [[], [[1.0, 0, 0]], [[-1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]],
                                 [[9.0, 2, 5], [0, 9.0, 5], [0, 0, 1.0]], [[1.0], [2.0], [3.0]]],
        },
        "category": {"name": ["vehicle.rocket"], "index": [-1, 300]},
        "visibility": {"level": ["v0-100"]},
        "scene": {
            "nbr_samples": [7, -1], "name": ["scene-0001"],
            "first_sample_token": ["sample-0-0", "sample-1-1"],
            "last_sample_token": ["sample-0-1", "sample-1-0"],
        },
        "sample": {"timestamp": [0, -5, 10**18, 1.5], "prev": ["", "sample-1-0"]},
        "ego_pose": {"rotation": [[0.0] * 4], "timestamp": [10**15, 0]},
        "sample_data": {
            "fileformat": ["exe"], "filename": ["/etc/passwd", "../../x", "", "a\\b"],
            "timestamp": [10**15], "width": [0, -3, 2**40], "height": [0, 7],
            "prev": ["", "CAM_FRONT.1"], "is_key_frame": [1],
        },
        "instance": {"nbr_annotations": [9], "first_annotation_token": ["van-0@0"]},
        "sample_annotation": {
            "size": [[0.0, 1, 1], [-1.0, 1, 1], [1.0, 1]], "rotation": [[0.0] * 4],
            "num_lidar_pts": [-4, 0.5], "prev": ["", "van-1@0"], "visibility_token": ["9"],
        },
        "lidarseg": {"sample_data_token": ["LIDAR_TOP.0.1532402927600000"]},
    }  # fmt: skip
    for table, by_name in values.items():
        for name, wrong in by_name.items():
            for i, value in enumerate(wrong):
                row = row_of(table)
                if name in ("width", "height"):
                    name_ = name
                    yield Case(
                        f"no such value {i}", table_file(table), f".{name_}",
                        replaced("", table, row, name, value).new,
                    )  # fmt: skip
                else:
                    field = {"prev": ""}.get(name, f".{name}")
                    new = replaced("", table, row, name, value).new
                    yield Case(f"no such value {i}", table_file(table), field, new)


def sensor_files() -> Iterator[Case]:
    for folder in ("samples", "sweeps"):
        for sensor in ("LIDAR_TOP", "CAM_FRONT", "RADAR_FRONT", "CAM_BACK"):
            names = [n for n in ROOT.files if n.startswith(f"{folder}/{sensor}/")]
            for name in names[-1:]:
                data = ROOT.files[name]
                yield Case("missing", name, "", lambda: None)
                yield Case("empty", name, "", lambda: b"")
                if sensor.startswith("CAM"):
                    yield from images(name, data)
                if sensor == "LIDAR_TOP":
                    yield from sweeps(name, data)
    labels = next(n for n in ROOT.files if n.startswith("lidarseg"))
    data = ROOT.files[labels]
    yield Case("missing", labels, "", lambda: None)
    yield Case("empty", labels, "", lambda: b"")
    yield Case("truncated", labels, "", lambda: data[:-1])
    yield Case("wrong value", labels, "label", lambda: b"\xc8" + data[1:])


def images(name: str, data: bytes) -> Iterator[Case]:
    yield Case("truncated", name, "", lambda: data[: len(data) // 2])
    yield Case("wrong type", name, "", lambda: b"GIF89a" + b"\0" * 40)
    yield Case("wrong size", name, "size", picture)


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9)).save(buffer, format="JPEG")
    return buffer.getvalue()


def sweeps(name: str, data: bytes) -> Iterator[Case]:
    yield Case("truncated", name, "", lambda: data[:-7])
    if "sweeps" not in name:  # a whole number of points less: the labels tell
        file = next(n for n in ROOT.files if n.startswith("lidarseg") and Path(name).stem[:27] in n)
        yield Case("truncated by points", file, "", lambda: ROOT.files[file][:-RINGS])
    for column, field in enumerate(("x", "y", "z", "intensity", "ring")):
        for value in (np.nan, np.inf, -1.0 if column > 2 else -np.inf):
            rows = np.frombuffer(data, "<f4").reshape(-1, 5).copy()
            rows[5, column] = value
            yield Case(f"is {value}", name, field, rows.tobytes)


def maps() -> Iterator[Case]:
    mask = "maps/mask.png"
    yield Case("missing", mask, "", lambda: None)
    yield Case("empty", mask, "", lambda: b"")
    yield Case("truncated", mask, "", lambda: ROOT.files[mask][:-60])
    yield Case("wrong type", mask, "", lambda: b"x" * 500)
    file = f"maps/expansion/{LOCATION}.json"
    data = ROOT.files[file]
    yield Case("empty", file, "", lambda: b"")
    yield Case("truncated", file, "", lambda: data[: len(data) // 2])
    yield Case("wrong type", file, "", lambda: b"[]")
    yield Case("NaN", file, "x", lambda: data.replace(b'"x": 0.0', b'"x": NaN', 1))
    whole = json.loads(data)
    for layer, rows in whole.items():
        if not isinstance(rows, list) or not rows:
            continue
        for name in rows[0]:
            if name in ("is_intersection", "lane_type"):
                continue
            where = f"{layer}[0]"
            for kind, value in (("wrong type", {"a": 1}), ("dangling token", "nobody")):
                if kind == "dangling token" and not name.endswith(("_token", "_tokens")):
                    continue
                value = [value] if name.endswith("_tokens") else value
                wrong = whole | {layer: [{**rows[0], name: value}, *rows[1:]]}
                field = name if layer in ("polygon", "line") else f"{where}.{name}"
                yield Case(kind, file, field, lambda w=wrong: json.dumps(w).encode())
        twice = whole | {layer: [*rows, rows[0]]}
        yield Case("duplicate token", file, f"{layer}[{len(rows)}].token",
                   lambda t=twice: json.dumps(t).encode())  # fmt: skip


CASES = [*tables(), *fields(), *meanings(), *sensor_files(), *maps()]


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 400
    files = {case.file for case in CASES}
    assert {table_file(table) for table in ROOT.tables} <= files


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ROOT.write(tmp_path_factory.mktemp("nuscenes") / "sound")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_damage_is_named(
    case: Case, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADLOOM_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "root"
    shutil.copytree(sound, place, copy_function=os.link)
    (place / case.file).unlink()
    if (data := case.new()) is not None:
        assert data != (sound / case.file).read_bytes()
        (place / case.file).write_bytes(data)
    try:
        problems = list(NuScenesSource(str(place)).problems(None, partial=False))
    except BadInput as error:
        problems = [error]
    named = [p for p in problems if p.file is not None and p.file.endswith(case.file)]
    assert named, f"not one of {[str(p) for p in problems]} names the file"
    assert any(case.field in (p.field or "") for p in named), [str(p) for p in named]
    assert len(str(named[0]).splitlines()) == 1
    with suppress(RoadloomError):
        read_everything(place)


def read_everything(place: Path) -> None:
    for clip in open_source(f"nuscenes:{place}"):
        with suppress(RoadloomError):
            assert clip.map is not None
        for frame in clip:
            with suppress(RoadloomError):
                assert frame.boxes is not None
            with suppress(RoadloomError):
                assert frame.lidar() is not None
            with suppress(RoadloomError):
                assert all(image.pixels is not None for image in frame.images.values())

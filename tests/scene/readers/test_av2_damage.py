"""Damage to every table, column, sensor file and map field of an Argoverse 2 log is named.

Each case damages one thing. ``validate``'s check must name the file (and the field), and using
the damaged log must answer or raise an error of ours, never another one.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from tests.scene.readers import av2_log
from tests.scene.readers.av2_log import START_NS, SWEEP_NS, SWEEPS, SyntheticLog

import roadloom
from roadloom.errors import BadInput, RoadloomError
from roadloom.scene.readers import av2_tables as tables
from roadloom.scene.readers.av2 import Av2Source

Damage = Callable[[SyntheticLog], tuple[Path, str | None]]
"""Damages a log; answers with the file and field that must be named."""

CASES: dict[str, Damage] = {}
KEY = START_NS + 3 * SWEEP_NS
TABLES = {
    "annotations.feather": tables.ANNOTATIONS,
    "city_SE3_egovehicle.feather": tables.POSES,
    "calibration/egovehicle_SE3_sensor.feather": tables.MOUNTS,
    "calibration/intrinsics.feather": tables.INTRINSICS,
    f"sensors/lidar/{KEY}.feather": tables.SWEEP,
}
IMAGE = f"sensors/cameras/ring_front_center/{KEY + 30_000_000}.jpg"
MAP_FILES = ("archive", "heights", "transform")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SyntheticLog:
    return av2_log.write_log(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def contents(sound: SyntheticLog) -> dict[Path, bytes]:
    return {f: f.read_bytes() for f in sound.folder.rglob("*") if f.is_file()}


@pytest.fixture
def log(sound: SyntheticLog, contents: dict[Path, bytes]) -> Iterator[SyntheticLog]:
    """One log for all cases, mended after each."""
    yield sound
    for file in sound.folder.rglob("*"):
        if file.is_file() and file not in contents:
            file.unlink()
    for file, data in contents.items():
        if not file.exists() or file.read_bytes() != data:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    shutil.rmtree(sound.folder / "sensors/cameras/roof", ignore_errors=True)


def _file_damage(what: str, path: Path) -> None:
    data = path.read_bytes()
    if what == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {"empty": b"", "truncated": data[: len(data) * 2 // 3], "text": b"not this\n" * 9}[what]
        )


def _of_file(name: str, what: str) -> Damage:
    def damage(log: SyntheticLog) -> tuple[Path, str | None]:
        path = log.folder / name
        _file_damage(what, path)
        if name == IMAGE and what == "missing":  # no table lists it: the hole is seen
            return path.parent / "*.jpg", None
        return path, None

    return damage


def _of_map_file(name: str, what: str) -> Damage:
    def damage(log: SyntheticLog) -> tuple[Path, str | None]:
        path = getattr(log, name)
        _file_damage(what, path)
        pattern = {
            "archive": "log_map_archive_*.json",
            "heights": "*_ground_height_surface____*.npy",
            "transform": "*___img_Sim2_city.json",
        }[name]
        return (path.parent / pattern if what == "missing" else path), None

    return damage


for _what in ("missing", "empty", "truncated", "text"):
    for _name in (*TABLES, IMAGE):
        CASES[f"file {_name} {_what}"] = _of_file(_name, _what)
    for _name in MAP_FILES:
        CASES[f"map {_name} {_what}"] = _of_map_file(_name, _what)


def _rewrite(
    log: SyntheticLog, name: str, field: str, change: Callable[[pa.Table], pa.Table]
) -> tuple[Path, str]:
    path = log.folder / name
    av2_log.write_table(path, change(av2_log.read_back(path)))
    return path, field


def _with(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), column, values)


def _value(table: pa.Table, column: str, row: int, value: Any) -> pa.Table:
    """One value of a column replaced; its type kept."""
    values = table[column].to_pylist()
    values[row] = value
    kind = table[column].type
    if str(kind) == "halffloat":
        gaps = np.array([v is None for v in values])
        halves = np.array([v or 0.0 for v in values], np.float16)
        return _with(table, column, pa.array(halves, mask=gaps))
    return _with(table, column, pa.array(values, kind))


def _of_column(name: str, column: str, what: str) -> Damage:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        if what == "missing":
            return table.drop_columns([column])
        if what == "empty":
            return _value(table, column, 1, None)
        if what == "wrong type":
            wrong = range(len(values)) if isinstance(values[0], str) else map(str, values)
            return _with(table, column, pa.array(list(wrong)))
        return _value(table, column, 1, what)

    return lambda log: _rewrite(log, name, column, change)


for _name, _columns in TABLES.items():
    for _column, _rule in _columns.items():
        _bad: list[Any] = ["missing", "empty", "wrong type"]
        if _rule.kinds == "f":
            _bad += [float("nan"), float("inf")]
        if _rule.positive:
            _bad += [0.0 if _rule.kinds == "f" else 0]
        for _what in _bad:
            CASES[f"column {_name} {_column} {_what}"] = _of_column(_name, _column, _what)


def _set(name: str, column: str, row: int, value: Any) -> Damage:
    return lambda log: _rewrite(log, name, column, lambda t: _value(t, column, row, value))


def _twice(name: str, column: str, also: str | None = None) -> Damage:
    """A row is there twice; with ``also`` the second differs in that column."""

    def change(table: pa.Table) -> pa.Table:
        extra = table.slice(2, 1)
        if also is not None:
            extra = _value(extra, also, 0, 0.125)
        return pa.concat_tables([table, extra])

    return lambda log: _rewrite(log, name, column, change)


def _no_rotation(name: str) -> Damage:
    def change(table: pa.Table) -> pa.Table:
        for column in tables.QUATERNION:
            table = _value(table, column, 1, 0.0)
        return table

    return lambda log: _rewrite(log, name, "qw qx qy qz", change)


def _no_rows(name: str) -> Damage:
    def damage(log: SyntheticLog) -> tuple[Path, str | None]:
        return _rewrite(log, name, "", lambda t: t.slice(0, 0))[0], None

    return damage


_ANNOTATIONS, _POSES, _MOUNTS, _LENSES, _SWEEP = TABLES
for _name in TABLES:
    CASES[f"rows {_name} none"] = _no_rows(_name)
for _name in (_ANNOTATIONS, _POSES, _MOUNTS):
    CASES[f"rotation {_name} zero"] = _no_rotation(_name)
CASES |= {
    "duplicate track at one time": _twice(_ANNOTATIONS, "track_uuid"),
    "duplicate pose time": _twice(_POSES, "timestamp_ns", also="tx_m"),
    "duplicate mount": _twice(_MOUNTS, "sensor_name"),
    "duplicate lens": _twice(_LENSES, "sensor_name"),
    "dangling annotation time": _set(_ANNOTATIONS, "timestamp_ns", 0, START_NS - 10**12),
    "negative annotation time": _set(_ANNOTATIONS, "timestamp_ns", 0, -5),
    "unknown category": _set(_ANNOTATIONS, "category", 4, "SPACESHIP"),
    "empty category": _set(_ANNOTATIONS, "category", 4, ""),
    "empty track": _set(_ANNOTATIONS, "track_uuid", 4, ""),
    "negative count": _set(_ANNOTATIONS, "num_interior_pts", 4, -1),
    "negative size": _set(_ANNOTATIONS, "width_m", 4, -1.0),
    "dangling lens": _set(_MOUNTS, "sensor_name", 0, "ring_of_nobody"),
    "dangling mount": _set(_LENSES, "sensor_name", 0, "ring_of_nobody"),
    "no upper LiDAR": _set(_MOUNTS, "sensor_name", 3, "side_lidar"),
    "more points than 31 bits hold": _set(_ANNOTATIONS, "num_interior_pts", 4, 2**31),
    "annotation time of 2262": _set(_ANNOTATIONS, "timestamp_ns", 0, 2**63 - 1),
    "pose time of 2262": _set(_POSES, "timestamp_ns", 0, 2**63 - 1),
    "lens named like a LiDAR": _set(_LENSES, "sensor_name", 0, "up_lidar"),
    "image wider than any": lambda log: _rewrite(
        log,
        _LENSES,
        "width_px",
        lambda t: _with(t, "width_px", pa.array([2**31 - 1] * len(t), pa.int64())),
    ),
    "lens named like the stream": _set(_LENSES, "sensor_name", 0, "lidar"),
    "lens of a long name": _set(_LENSES, "sensor_name", 0, "x" * 101),
    "lens of a very long name": _set(_LENSES, "sensor_name", 0, "x" * 5000),
    "lens named like a path": _set(_LENSES, "sensor_name", 0, "../up"),
    "dangling laser": _set(_SWEEP, "laser_number", 5, 64),
    "offset of an hour": _set(_SWEEP, "offset_ns", 5, 2_000_000_000),
}


def _named(file: str, into: str, field: str | None) -> Damage:
    """A sensor file gets another name."""

    def damage(log: SyntheticLog) -> tuple[Path, str | None]:
        target = log.folder / into
        target.parent.mkdir(exist_ok=True)
        shutil.copy(log.folder / file, target)
        return (target if field != "sensor_name" else target.parent), field

    return damage


def _image_of_size(log: SyntheticLog) -> tuple[Path, str | None]:
    Image.new("RGB", (7, 5)).save(log.folder / IMAGE)
    return log.folder / IMAGE, "size"


def _no_images(log: SyntheticLog) -> tuple[Path, str | None]:
    folder = log.folder / "sensors/cameras/stereo_front_left"
    shutil.rmtree(folder)
    return folder / "*.jpg", None


def _no_map(log: SyntheticLog) -> tuple[Path, str | None]:
    shutil.rmtree(log.folder / "map")
    return log.folder / "map" / "log_map_archive_*.json", None


def _two_maps(log: SyntheticLog) -> tuple[Path, str | None]:
    other = log.archive.with_name("log_map_archive_zz____MIA_city_1.json")
    shutil.copy(log.archive, other)
    return other, None


CASES |= {
    "sweep named badly": _named(_SWEEP, "sensors/lidar/monday.feather", "file name"),
    "sweep stamp with a zero": _named(_SWEEP, f"sensors/lidar/0{KEY}.feather", "file name"),
    "sweep without a pose": _named(_SWEEP, "sensors/lidar/1234567.feather", None),
    "image named badly": _named(IMAGE, "sensors/cameras/ring_side_left/x.jpg", "file name"),
    "image without a pose": _named(IMAGE, "sensors/cameras/ring_front_center/12345.jpg", None),
    "image of no camera": _named(IMAGE, "sensors/cameras/roof/5.jpg", "sensor_name"),
    "image of another size": _image_of_size,
    "no image of a camera": _no_images,
    "no map": _no_map,
    "two maps": _two_maps,
}
DROP = object()


def _of_map_field(path: str, value: Any) -> Damage:
    """A field of the archive dropped or replaced: ``lane_segments.101.lane_type``."""

    def damage(log: SyntheticLog) -> tuple[Path, str | None]:
        data = json.loads(log.archive.read_text())
        *parents, last = path.split(".")
        inner = data
        for parent in parents:
            inner = inner[parent]
        if value is DROP:
            del inner[last]
        else:
            inner[last] = value
        log.archive.write_text(json.dumps(data))
        return log.archive, path

    return damage


_LANE = "lane_segments.101"
_POINT = {"x": 5_200.0, "y": 2_410.0, "z": 70.0}
_FIELDS: dict[str, list[Any]] = {
    "lane_segments": [DROP, {}, [], "text"],
    "pedestrian_crossings": [DROP, []],
    "drivable_areas": [DROP, None],
    _LANE: [[], None],
    f"{_LANE}.id": [DROP, "101", 102, None],
    f"{_LANE}.is_intersection": [DROP, "no", 0],
    f"{_LANE}.lane_type": [DROP, "TRAM", 3],
    f"{_LANE}.left_lane_boundary": [DROP, [], [_POINT], "x"],
    f"{_LANE}.right_lane_boundary": [DROP, [], [_POINT], {"x": 1}],
    f"{_LANE}.left_lane_mark_type": [DROP, "DOTTED", None, ["NONE"]],
    f"{_LANE}.right_lane_mark_type": [DROP, "", 1],
    f"{_LANE}.successors": [DROP, None, [101], ["103"], [103, 103], [True]],
    f"{_LANE}.predecessors": [DROP, {}, [101], [1.5]],
    f"{_LANE}.right_neighbor_id": [DROP, "102", 101],
    f"{_LANE}.left_neighbor_id": [DROP, [], 101],
    "pedestrian_crossings.7.edge1": [DROP, [], [_POINT]],
    "pedestrian_crossings.7.edge2": [DROP, None],
    "pedestrian_crossings.7.id": [DROP, 8],
    "drivable_areas.9.area_boundary": [DROP, [], [_POINT, _POINT]],
    "drivable_areas.9.id": [DROP, 9.0],
}
for _field, _values in _FIELDS.items():
    for _value_ in _values:
        _said = "missing" if _value_ is DROP else repr(_value_)[:30]
        CASES[f"map {_field} {_said}"] = _of_map_field(_field, _value_)


def _of_point(axis: str, text: str) -> Damage:
    """A coordinate of a boundary spoilt in the text of the file."""

    def damage(log: SyntheticLog) -> tuple[Path, str | None]:
        whole = log.archive.read_text()
        where = whole.index(f'"{axis}": ', whole.index("left_lane_boundary"))
        end = min(whole.index(mark, where) for mark in (",", "}") if mark in whole[where:])
        log.archive.write_text(f'{whole[:where]}"{axis}": {text}{whole[end:]}')
        named = None if text == "NaN" else f"{_LANE}.left_lane_boundary[0].{axis}"
        return log.archive, named

    return damage


def _of_transform(field: str, value: Any) -> Damage:
    def damage(log: SyntheticLog) -> tuple[Path, str | None]:
        data = json.loads(log.transform.read_text())
        if value is DROP:
            del data[field]
        else:
            data[field] = value
        log.transform.write_text(json.dumps(data))
        return log.transform, field

    return damage


def _heights(array: np.ndarray) -> Damage:
    def damage(log: SyntheticLog) -> tuple[Path, str | None]:
        np.save(log.heights, array)
        return log.heights, None

    return damage


def _key_twice(log: SyntheticLog) -> tuple[Path, str | None]:
    text = log.archive.read_text()
    log.archive.write_text(text.replace('"102": {', '"101": {'))
    return log.archive, "101"


for _axis in "xyz":
    for _text in ("NaN", '"5"', "null", "1e300", "true"):
        CASES[f"map point {_axis} {_text}"] = _of_point(_axis, _text)
for _field, _values in {
    "R": [DROP, [1, 0, 0], [2.0, 0, 0, 2.0], ["1", 0, 0, 1], None],
    "t": [DROP, [1.0], 5],
    "s": [DROP, 0.0, -1.0, "3", [3.0]],
}.items():
    for _value_ in _values:
        _said = "missing" if _value_ is DROP else repr(_value_)
        CASES[f"transform {_field} {_said}"] = _of_transform(_field, _value_)
CASES |= {
    "map point beyond float64": lambda log: (_of_point("x", "1e999")(log)[0], None),
    "heights whole numbers": _heights(np.ones((4, 4), np.int32)),
    "heights flat": _heights(np.ones(16, np.float16)),
    "heights all unknown": _heights(np.full((4, 4), np.nan, np.float16)),
    "heights infinite": _heights(np.full((4, 4), np.inf, np.float16)),
    "heights text": _heights(np.array([["a"]])),
    "map key twice": _key_twice,
}


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 80


@pytest.mark.parametrize("case", CASES)
def test_damage_is_named(case: str, log: SyntheticLog) -> None:
    file, field = CASES[case](log)
    reader = roadloom.open(f"av2:{log.folder}").reader
    found: list[BadInput] = list(reader.problems(None, partial=False))
    told = [(p.file, p.field) for p in found]
    assert told
    if field is None:
        assert str(file) in [name for name, _ in told], told
    else:
        assert (str(file), field) in told, told
    assert all("\n" not in str(p) for p in found)
    _use(log.folder)


def _use(folder: Path) -> None:
    """Read what there is; only errors of ours may come."""
    try:
        clip = roadloom.open(f"av2:{folder}")[0]
    except RoadloomError:
        return
    for read in (
        lambda: clip.map,
        lambda: clip[2].boxes,
        lambda: clip[3].lidar(),
        lambda: clip[3].image("ring_front_center").pixels,
        lambda: clip[2].world_from_ego,
    ):
        try:
            read()
        except RoadloomError:
            continue


@pytest.mark.parametrize("name", list(TABLES))
@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_raise_nothing_else(
    name: str, seed: int, sound: SyntheticLog, tmp_path: Path
) -> None:
    """Whatever bytes a table holds, it is read or refused."""
    path = tmp_path / "t.feather"
    random = np.random.default_rng(seed)
    for _ in range(12):
        data = bytearray((sound.folder / name).read_bytes())
        for at in random.integers(0, len(data), 1 + seed * 3):
            data[at] ^= int(random.integers(1, 256))
        path.write_bytes(data)
        tables.read_checked(path, TABLES[name])


def test_long_places_are_refused() -> None:
    for place in ("a" * 5000, "a" * 300):
        with pytest.raises(BadInput):
            Av2Source(place)


def test_a_log_folder_needs_a_plain_name(sound: SyntheticLog, tmp_path: Path) -> None:
    shutil.copytree(sound.folder, tmp_path / "split" / "a\tb")
    with pytest.raises(BadInput, match="is no name"):
        Av2Source(str(tmp_path / "split"))


@pytest.mark.parametrize("name", [*TABLES, IMAGE])
def test_a_pipe_is_not_waited_for(name: str, log: SyntheticLog) -> None:
    (log.folder / name).unlink()
    os.mkfifo(log.folder / name)
    reader = Av2Source(str(log.folder))
    found = list(reader.problems(None, partial=True))
    (log.folder / name).unlink()
    assert any(p.file == str(log.folder / name) and "pipe" in p.message for p in found)


def test_the_undamaged_log_passes(sound: SyntheticLog) -> None:
    assert len(sound.sweep_times) == SWEEPS
    reader = roadloom.open(f"av2:{sound.folder}").reader
    assert list(reader.problems(None, partial=False)) == []

"""The index of a nuScenes root: its tables sorted by scene, as columns mapped from disk.

    tables -> (once, under a lock) -> CACHE/nuscenes/ROOT/STATE/*.npy -> columns, read as needed

The index lies outside the data root, in ``roadloom.io.cache.cache_folder()``. STATE stands for
the sizes and dates of the tables: a changed root gets a new index, and the old one goes. Columns
are named ``table.field``:

    scene    in the order of scene.json; ``scene.samples`` [scene + 1] counts up their key frames
    sample   by scene, then time; ``sample.annotations`` [sample + 1] counts up their boxes
    record   sample_data with its ego pose, by scene, sensor and time;
             ``record.start`` [scene * sensor + 1] counts up the records of each sensor
    box      sample_annotation, by sample
    points   lidarseg, by record

``*.number`` is the place in the JSON file, for messages. A file that was cut off, or a format of
another version, is noticed by the manifest and the index is built again, and so are other
contents: of files up to ``ALWAYS_SUMMED`` bytes and of those whose date has changed.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any
from zlib import crc32

import numpy as np
from filelock import FileLock

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_folder, write_json
from roadloom.io.cache import cache_folder
from roadloom.io.progress import show_progress
from roadloom.io.read import exists
from roadloom.scene.readers.nuscenes_columns import load_tables
from roadloom.scene.readers.nuscenes_tables import TABLES, table_path
from roadloom.scene.readers.nuscenes_tokens import NO_ROW, Table

FORMAT = 2
"""Raised whenever the columns change."""
ALWAYS_SUMMED = 1 << 20
"""Files up to this size [bytes] are read and compared each time that a source is opened."""
_MANIFEST = "manifest.json"
_LEVELS = {b"v0-40": 1, b"v40-60": 2, b"v60-80": 3, b"v80-100": 4}


class Index:
    """The columns of one root and version. Picklable: a copy opens the files itself."""

    def __init__(self, folder: Path, tables: Path) -> None:
        self.folder, self.tables = folder, tables
        self._columns: dict[str, np.ndarray] = {}
        self._texts: dict[str, list[str]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Index, (self.folder, self.tables)

    @staticmethod
    def open(root: Path, version: str) -> "Index":
        """Open the index, after building it if there is none for the tables as they are.

        Raises:
            BadInput: a table is damaged (names file and field), or the cache cannot be written.
        """
        tables = root / version
        home = cache_folder() / "nuscenes" / _name_of(tables)
        folder = home / _state_of(tables)
        if not _is_whole(folder):
            try:
                home.mkdir(parents=True, exist_ok=True)
                with FileLock(home.with_suffix(".lock")):
                    if not _is_whole(folder):
                        _make_room(home)
                        with atomic_folder(folder) as temporary:
                            _build(tables, temporary)
            except OSError as error:
                raise BadInput(
                    f"the index of {tables} cannot be written: {error.strerror}", file=home,
                    remedy="set ROADLOOM_CACHE to a folder that can be written and has room",
                ) from error  # fmt: skip
        return Index(folder, tables)

    def __getitem__(self, name: str) -> np.ndarray:
        """A column, mapped: only what is used of it is read."""
        if name not in self._columns:
            try:
                self._columns[name] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
            except (OSError, ValueError) as error:
                raise BadInput(
                    f"the index of {self.tables} has changed: {error}", file=self.folder,
                    field=name, remedy=f"delete {self.folder} and open the source again",
                ) from error  # fmt: skip
        return self._columns[name]

    def texts(self, name: str) -> list[str]:
        """A short column of text, whole."""
        if name not in self._texts:
            self._texts[name] = [value.decode() for value in self[name].tolist()]
        return self._texts[name]

    def place(self, table: str, name: str, row: int, field: str) -> dict[str, Any]:
        """``file`` and ``field`` of an error about row ``row`` of the index table ``name``."""
        number = int(self[f"{name}.number"][row])
        return {"file": table_path(self.tables, table), "field": f"[{number}].{field}"}


def _name_of(tables: Path) -> str:
    return sha256(str(tables.resolve()).encode()).hexdigest()[:24]


def _state_of(tables: Path) -> str:
    state: list[Any] = [FORMAT]
    for table in TABLES:
        path = table_path(tables, table)
        if exists(path):
            stat = path.stat()
            state.append((table, stat.st_size, stat.st_mtime_ns))
    return sha256(json.dumps(state).encode()).hexdigest()[:24]


def _is_whole(folder: Path) -> bool:
    """Whether every file of the index is there in full."""
    try:
        files = json.loads((folder / _MANIFEST).read_bytes())["files"]
        return all(_is_as_noted(folder / name, *facts) for name, facts in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _is_as_noted(path: Path, size: int, date_ns: int, checksum: int) -> bool:
    stat = path.stat()
    if stat.st_size != size:
        return False
    if stat.st_mtime_ns == date_ns and size > ALWAYS_SUMMED:
        return True
    return _checksum(path) == checksum


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = crc32(block, checksum)
    return checksum


def _make_room(home: Path) -> None:
    """Remove indexes of former states and what a killed build left; the lock is held."""
    for old in home.iterdir():
        rmtree(old, ignore_errors=True)


def _build(tables: Path, folder: Path) -> None:
    with progress_bar(tables, f"indexing {tables.name} (once)") as progress:
        loaded = load_tables(tables, _refuse, progress=progress)
    files = {}
    for name, column in _columns(loaded):
        np.save(folder / f"{name}.npy", column)
        path = folder / f"{name}.npy"
        files[path.name] = (path.stat().st_size, path.stat().st_mtime_ns, _checksum(path))
    write_json(folder / _MANIFEST, {"format": FORMAT, "tables": str(tables), "files": files})


def _refuse(problem: BadInput) -> None:
    raise problem


@contextmanager
def progress_bar(tables: Path, what: str) -> Iterator[Callable[[int], object]]:
    """A bar on stderr over the bytes of all tables, shown after two seconds."""
    paths = [table_path(tables, table) for table in TABLES]
    total = sum(path.stat().st_size for path in paths if exists(path))
    with show_progress(total=total, desc=what, unit="B", unit_scale=True) as bar:
        yield bar.update


def _columns(tables: dict[str, Table]) -> Iterator[tuple[str, np.ndarray]]:
    """The index, a column at a time; each table is dropped once it is written."""
    yield from _small(tables)
    sample, ego_pose, record = (tables[name] for name in ("sample", "ego_pose", "sample_data"))
    scenes, sensors = len(tables["scene"]), len(tables["sensor"])

    order = np.lexsort((sample["timestamp"], sample["scene_token"]))
    new_sample = _inverse(order)
    scene_of_sample = sample["scene_token"]
    yield "sample.number", sample.number[order]
    yield "sample.token", sample["token"][order]
    yield "sample.timestamp", sample["timestamp"][order]
    yield "scene.samples", _counted_up(scene_of_sample, scenes)

    sensor = tables["calibrated_sensor"]["sensor_token"][record["calibrated_sensor_token"]]
    group = scene_of_sample[record["sample_token"]].astype(np.int64) * sensors + sensor
    order = np.lexsort((record["timestamp"], group))
    new_record = _inverse(order)
    yield "record.start", _counted_up(group, scenes * sensors)
    yield "record.number", record.number[order]
    yield "record.sample", new_sample[record["sample_token"][order]]
    yield "record.calibration", record["calibrated_sensor_token"][order]
    for name in ("timestamp", "is_key_frame", "height", "width", "filename"):
        yield f"record.{name}", record.columns.pop(name)[order]
    pose = record["ego_pose_token"][order]
    yield "record.rotation", ego_pose["rotation"][pose]
    yield "record.translation", ego_pose["translation"][pose]

    points = tables["lidarseg"]
    by_record = np.argsort(new_record[points["sample_data_token"]], kind="stable")
    yield "points.number", points.number[by_record]
    yield "points.record", new_record[points["sample_data_token"]][by_record]
    yield "points.filename", points["filename"][by_record]
    del tables["ego_pose"], tables["sample_data"], record, ego_pose
    yield from _boxes(tables, new_sample)


def _small(tables: dict[str, Table]) -> Iterator[tuple[str, np.ndarray]]:
    for table, names in {
        "scene": ("token", "name", "description", "log_token"),
        "sensor": ("channel", "modality"),
        "calibrated_sensor": ("sensor_token", "translation", "rotation", "camera_intrinsic"),
        "log": ("location", "logfile", "vehicle", "date_captured", "map"),
        "map": ("filename",),
        "category": ("name", "index"),
    }.items():
        yield f"{table}.number", tables[table].number
        for name in names:
            yield f"{table}.{name}", tables[table][name]
    attributes = tables["sample_annotation"].names["attribute"]
    yield "attribute.name", np.array([name.encode() for name in attributes], dtype=np.bytes_)


def _boxes(tables: dict[str, Table], new_sample: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    box, instance = tables["sample_annotation"], tables["instance"]
    sample = new_sample[box["sample_token"]]
    order = np.argsort(sample, kind="stable")
    new_box = np.append(_inverse(order), np.int32(NO_ROW))  # so that NO_ROW stays NO_ROW
    yield "sample.annotations", _counted_up(sample, len(new_sample))
    yield "box.number", box.number[order]
    yield "box.sample", sample[order]
    yield "box.prev", new_box[box["prev"][order]]
    yield "box.next", new_box[box["next"][order]]
    for name in (
        "token", "translation", "size", "rotation", "num_lidar_pts", "num_radar_pts", "attribute",
    ):  # fmt: skip
        yield f"box.{name}", box[name][order]
    yield "box.instance", box["instance_token"][order]
    levels = [_LEVELS[level] for level in tables["visibility"]["level"].tolist()]
    yield "box.visibility", np.array([*levels, 0], np.uint8)[box["visibility_token"][order]]
    yield "instance.token", instance["token"]
    yield "instance.category", instance["category_token"]


def _inverse(order: np.ndarray) -> np.ndarray:
    """Where each old row went."""
    inverse = np.empty(len(order), np.int32)
    inverse[order] = np.arange(len(order), dtype=np.int32)
    return inverse


def _counted_up(group: np.ndarray, groups: int) -> np.ndarray:
    """First row of each group in sorted order, and at the end the number of all rows."""
    return np.concatenate([[0], np.cumsum(np.bincount(group, minlength=groups))])

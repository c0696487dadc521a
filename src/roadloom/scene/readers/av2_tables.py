"""Files of an Argoverse 2 sensor log, and its feather tables as checked NumPy columns.

    file -> Arrow table -> columns, each of the right type, complete and in range

Arrow is given the bytes and no threads: no file stays open or mapped, and loader workers start
no pools.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput, MissingInput
from roadloom.io.extras import need
from roadloom.io.read import RESTORE, exists, is_dir, read_bytes
from roadloom.scene.readers.json_fields import END_OF_TIMES_US, MOST_PIXELS

Columns = dict[str, np.ndarray]
"""Name -> one value per row: float, int64 or uint8 and the like, or text (dtype ``<U``)."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """What one column may hold. No column may have gaps or NaN."""

    kinds: str
    """NumPy kinds of its values: f real, i and u whole, U text."""
    lowest: int | float = -np.inf
    highest: int | float = np.inf
    positive: bool = False


TIME = Column(kinds="iu", lowest=1, highest=END_OF_TIMES_US * 1000)
TEXT = Column(kinds="U")
REAL = Column(kinds="f", lowest=-1e9, highest=1e9)
"""No coordinate or calibration is larger."""
POSITIVE = Column(kinds="f", highest=1e9, positive=True)
COUNT = Column(kinds="iu", lowest=0, highest=2**31 - 1)

QUATERNION = ("qw", "qx", "qy", "qz")
TRANSLATION = ("tx_m", "ty_m", "tz_m")
_POSE = dict.fromkeys((*QUATERNION, *TRANSLATION), REAL)

ANNOTATIONS: Mapping[str, Column] = {
    "timestamp_ns": TIME,
    "track_uuid": TEXT,
    "category": TEXT,
    **dict.fromkeys(("length_m", "width_m", "height_m"), POSITIVE),
    **_POSE,
    "num_interior_pts": COUNT,
}
POSES: Mapping[str, Column] = {"timestamp_ns": TIME, **_POSE}
MOUNTS: Mapping[str, Column] = {"sensor_name": TEXT, **_POSE}
INTRINSICS: Mapping[str, Column] = {
    "sensor_name": TEXT,
    **dict.fromkeys(("fx_px", "fy_px"), POSITIVE),
    **dict.fromkeys(("cx_px", "cy_px", "k1", "k2", "k3"), REAL),
    **dict.fromkeys(
        ("height_px", "width_px"), Column(kinds="iu", highest=MOST_PIXELS, positive=True)
    ),
}
UNITS = ("up_lidar", "down_lidar")
LASERS = 64
"""Lasers 0 to 31 are the upper unit's, 32 to 63 the lower one's."""
SWEEP: Mapping[str, Column] = {
    **dict.fromkeys(("x", "y", "z"), REAL),
    "intensity": Column(kinds="iu", lowest=0, highest=255),
    "laser_number": Column(kinds="iu", lowest=0, highest=LASERS - 1),
    "offset_ns": Column(kinds="iu", lowest=-1e9, highest=1e9),
}


@dataclass(frozen=True)
class LogFiles:
    """Where one log keeps what."""

    folder: Path

    @property
    def annotations(self) -> Path:
        return self.folder / "annotations.feather"

    @property
    def poses(self) -> Path:
        return self.folder / "city_SE3_egovehicle.feather"

    @property
    def mounts(self) -> Path:
        return self.folder / "calibration" / "egovehicle_SE3_sensor.feather"

    @property
    def intrinsics(self) -> Path:
        return self.folder / "calibration" / "intrinsics.feather"

    @property
    def map(self) -> Path:
        return self.folder / "map"

    @property
    def sweeps(self) -> Path:
        return self.folder / "sensors" / "lidar"

    @property
    def cameras(self) -> Path:
        return self.folder / "sensors" / "cameras"

    def sweep(self, time_ns: int) -> Path:
        return self.sweeps / f"{time_ns}.feather"

    def image(self, camera: str, time_ns: int) -> Path:
        return self.cameras / camera / f"{time_ns}.jpg"

    def sweep_times(self) -> np.ndarray:
        """Stamps [ns] of the sweep files on disk, rising."""
        return _times_in(self.sweeps, ".feather")

    def image_times(self, camera: str) -> np.ndarray:
        """Stamps [ns] of one camera's images on disk, rising."""
        return _times_in(self.cameras / camera, ".jpg")

    def is_log(self) -> bool:
        """Whether anything in the folder belongs to a sensor log."""
        marks = (self.poses, self.annotations, self.mounts, self.intrinsics, self.sweeps)
        return any(exists(mark) for mark in marks)


def _times_in(folder: Path, suffix: str) -> np.ndarray:
    found = [stamp_of(f) for f in folder.glob(f"*{suffix}")] if is_dir(folder) else []
    return np.array(sorted(found), np.int64)


def stamp_of(file: Path) -> int:
    """The time [ns] that a sensor file is named after."""
    name = file.stem
    if not (name.isascii() and name.isdigit() and len(name) <= 18 and str(int(name)) == name):
        raise BadInput(
            "is not named after its time in nanoseconds",
            file=file, field="file name", remedy="restore the name, or take the file away",
        )  # fmt: skip
    return int(name)


def read_table(path: Path, columns: Mapping[str, Column]) -> Columns:
    """Read the named columns.

    Raises:
        MissingInput: there is no such file.
        BadInput: it is no feather file, has no rows, or a column is missing, of another type,
            incomplete or out of range; names the column.
        MissingExtra: pyarrow is not installed.
    """
    good, problems = read_checked(path, columns)
    if problems:
        raise problems[0]
    return good


def read_checked(path: Path, columns: Mapping[str, Column]) -> tuple[Columns, list[BadInput]]:
    """The columns that are sound, and what is wrong with the others or with the whole file."""
    good: Columns = {}
    problems: list[BadInput] = []
    try:
        table = _arrow_table(path)
    except BadInput as problem:
        return {}, [problem]
    for name, rule in columns.items():
        try:
            good[name] = _column(table, name, rule, path)
        except BadInput as problem:
            problems.append(problem)
    if all(name in good for name in QUATERNION):
        problems.extend(_rotation_problems(good, path))
    return good, problems


def _arrow_table(path: Path) -> Any:
    arrow, ipc = need("pyarrow"), need("pyarrow.ipc")
    data = read_bytes(path)
    try:
        options = ipc.IpcReadOptions(use_threads=False)
        with ipc.open_file(arrow.BufferReader(data), options=options) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (arrow.ArrowException, OSError, ValueError, MemoryError) as error:
        raise BadInput(
            f"is no readable feather file: {error}", file=path, remedy=RESTORE
        ) from error
    if table.num_rows == 0:
        raise BadInput("the table has no rows", file=path, remedy=RESTORE)
    return table


def _column(table: Any, name: str, rule: Column, path: Path) -> np.ndarray:
    count = table.schema.names.count(name)
    if count != 1:
        raise _bad(
            path, name, "the table has no such column" if not count else "the table has it twice"
        )
    arrow_column = table.column(name)
    if arrow_column.null_count:
        empty = arrow_column.is_null().to_pylist().index(True)
        raise _bad(path, name, f"row {empty} has no value")
    values = _to_numpy(arrow_column)
    if values.dtype.kind not in rule.kinds:
        kinds = {"f": "real numbers", "iu": "whole numbers", "U": "text"}[rule.kinds]
        raise _bad(path, name, f"holds {arrow_column.type}, not {kinds}")
    wrong = _wrong(values, rule)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _bad(path, name, f"row {row} holds {values[row].item()!r}")
    return values


def _bad(path: Path, name: str, what: str) -> BadInput:
    return BadInput(what, file=path, field=name, remedy=RESTORE)


def _to_numpy(column: Any) -> np.ndarray:
    kind = str(column.type)
    if kind in ("string", "large_string"):
        return np.array(column.to_pylist(), dtype=np.str_)
    if kind in ("halffloat", "float", "double") or kind.lstrip("u").startswith("int"):
        return np.asarray(column.to_numpy())
    return np.zeros(len(column), dtype=object)  # of no kind that a column may have


def _wrong(values: np.ndarray, rule: Column) -> np.ndarray:
    if rule.kinds == "U":
        return values == ""
    wide = values.astype(np.float64) if rule.kinds == "f" else values  # the limits outdo float16
    wrong = ~((wide >= rule.lowest) & (wide <= rule.highest))  # NaN too
    return wrong | (values <= 0) if rule.positive else wrong


def _rotation_problems(columns: Columns, path: Path) -> Iterator[BadInput]:
    length = np.linalg.norm(quaternions(columns), axis=1)
    wrong = abs(length - 1) > 1e-3
    if wrong.any():
        row = int(np.argmax(wrong))
        yield BadInput(
            f"row {row} has a quaternion of length {length[row]:.6g}, which is no rotation",
            file=path, field=" ".join(QUATERNION), remedy=RESTORE,
        )  # fmt: skip


def quaternions(columns: Columns) -> np.ndarray:
    """[row 4], scalar first, float64."""
    return np.stack([columns[name] for name in QUATERNION], axis=1).astype(np.float64)


def translations(columns: Columns) -> np.ndarray:
    """[row 3], metres, float64."""
    return np.stack([columns[name] for name in TRANSLATION], axis=1).astype(np.float64)


def unique_rows(columns: Columns, keys: tuple[str, ...], path: Path) -> None:
    """Raise BadInput, naming the last key as its field, if two rows share all ``keys``."""
    rows = np.stack([np.unique(columns[k], return_inverse=True)[1].ravel() for k in keys], axis=1)
    _, first, count = np.unique(rows, axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        row = int(first[count > 1].min())
        said = ", ".join(f"{key} {columns[key][row].item()}" for key in keys)
        raise BadInput(
            f"{int(count[count > 1][0])} rows have {said}",
            file=path, field=keys[-1], remedy=RESTORE,
        )  # fmt: skip


def missing_folder(folder: Path) -> MissingInput:
    return MissingInput("no such folder", file=folder, remedy="name the folder of a log or split")

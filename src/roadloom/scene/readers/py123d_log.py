"""One log of the 123D format through py123d's scene API, with its errors turned into ours.

py123d finds the class of a log's labels by a module's name that the log holds, and imports it.
A name outside the package is refused here before py123d sees it: a file of data must not say
what code runs. What py123d skips with a warning is refused too.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from struct import error as StructError
from typing import Any

import numpy as np
from jaxtyping import Int64

from roadloom.errors import BadInput, MissingInput, RoadloomError
from roadloom.io.extras import need
from roadloom.io.read import RESTORE, is_file

SYNC = "sync.arrow"
PACKAGE = "py123d"
NOT_SENSORS = (SYNC, "map.arrow")
LONGEST_US = (2**63 - 1) // 1000
_ERRORS: tuple[type[Exception], ...] = (
    ValueError, TypeError, LookupError, AttributeError, AssertionError, OSError, RuntimeError,
    ArithmeticError, EOFError, StructError,
)  # fmt: skip
"""What py123d raises of a file that is damaged."""
_FOREIGN = {
    "cv2": "error",
    "msgpack": "UnpackException",
    "pyarrow": "ArrowException",
    "shapely.errors": "ShapelyError",
}
"""Errors of the packages under it that are of no kind above."""


@contextmanager
def reading(file: Path, field: str | None = None) -> Iterator[None]:
    """Turn what py123d raises of damaged data into BadInput; our own errors pass."""
    try:
        yield
    except RoadloomError:
        raise
    except _errors() as error:
        raise BadInput(
            f"py123d cannot read it: {type(error).__name__}: {error}", file=file, field=field,
            remedy="convert the log again; where it names files of the data set, set py123d's "
            "variable of that root, such as NUSCENES_DATA_ROOT",
        ) from error  # fmt: skip


def _errors() -> tuple[type[Exception], ...]:
    loaded = ((sys.modules.get(module), name) for module, name in _FOREIGN.items())
    return (*_ERRORS, *(getattr(module, name) for module, name in loaded if module is not None))


class Log:
    """A log folder. Opens files only when asked; py123d keeps their memory maps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not is_file(folder / SYNC):
            raise MissingInput("no such file", file=folder / SYNC, remedy=RESTORE)

    def file(self, key: str) -> Path:
        return self.folder / f"{key}.arrow"

    @cached_property
    def scene(self) -> Any:
        """py123d's own view of the whole log."""
        module = need("py123d.api.scene.arrow.arrow_scene_api")
        for file in sorted(self.folder.glob("*.arrow")):
            _check_table(file)
        with reading(self.folder):
            scene = module.ArrowSceneAPI(self.folder, None, self._maps())
            known = scene.get_all_modality_metadatas()
        for file in sorted(self.folder.glob("*.arrow")):
            if file.name not in NOT_SENSORS and file.stem not in known:
                raise BadInput(
                    "py123d does not know what it holds, or its description is damaged",
                    file=file, field="metadata", remedy="convert the log again",
                )  # fmt: skip
        return scene

    def _maps(self) -> Path | None:
        """``ROOT/maps`` beside ``ROOT/logs``, where there is one."""
        for parent in self.folder.resolve().parents:
            if parent.name == "logs":
                return parent.parent / "maps"
        return None

    @cached_property
    def about(self) -> Any:
        """Data set, split, name and location."""
        with reading(self.folder / SYNC, "metadata"):
            return self.scene.get_log_metadata()

    def metadata(self, kind: str) -> Any:
        """What is said of a kind of record, None where the log has none."""
        with reading(self.folder):
            return self.scene.get_modality_metadata(kind)

    def of_type(self, kind: str) -> dict[str, Any]:
        """Descriptions of all sensors of a kind, by their 123D names."""
        with reading(self.folder):
            found = self.scene.get_all_modality_metadatas()
        prefix = f"{kind}."
        return {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}

    def sync_times(self) -> Int64[np.ndarray, " key"]:
        """Time [ns] of each row of the sync table."""
        with reading(self.folder / SYNC, "timestamp_us"):
            found = self.scene.get_all_iteration_timestamps()
        return _ns(found)

    def times(self, kind: str, name: str) -> Int64[np.ndarray, " record"]:
        """Times [ns] of a sensor's records."""
        if name not in self.of_type(kind):
            return np.zeros(0, np.int64)
        with reading(self.file(f"{kind}.{name}"), "timestamp_us"):
            return _ns(self.scene.get_all_modality_timestamps(kind, name))

    def synced_times(self, kind: str, name: str) -> Int64[np.ndarray, " key"]:
        """Time [ns] of the record that each row of the sync table names; -1 where it names none."""
        count = len(self.sync_times())
        if name not in self.of_type(kind):
            return np.full(count, -1, np.int64)
        with reading(self.file(f"{kind}.{name}"), "timestamp_us"):
            found = [
                self.scene.get_modality_column_at_iteration(i, "timestamp_us", kind, name)
                for i in range(count)
            ]
            return np.array([-1 if t is None else int(t) * 1000 for t in found], np.int64)

    def synced(self, kind: str, row: int) -> Any:
        """The record that a row of the sync table names, None where it names none."""
        with reading(self.file(kind), "data"):
            return self.scene.get_modality_at_iteration(row, kind)

    def all_of(self, kind: str) -> list[Any]:
        """Every record of a kind, in the order of the file."""
        with reading(self.file(kind)):
            return list(
                self.scene.get_modality_between_timestamps(
                    -LONGEST_US, LONGEST_US, kind, inclusive="both"
                )
            )

    def one_of(self, kind: str, sensor: Any, time_ns: int) -> Any:
        """The record of a sensor at exactly this time, None where its data is absent."""
        with reading(self.file(f"{kind}.{sensor.serialize()}"), "data"):
            return self.scene.get_modality_at_timestamp(time_ns // 1000, kind, sensor)


def _ns(stamps: list[Any]) -> Int64[np.ndarray, " record"]:
    return np.array([int(s.time_us) for s in stamps], np.int64) * 1000


def _check_table(file: Path) -> None:
    """Refuse a table that is damaged, or that names a module outside of py123d.

    Arrow ends the process at an offset that leads out of a table; asked before, it says so. That
    reads offsets, not what they lead to.
    """
    arrow, msgpack = need("pyarrow"), need("msgpack")
    with reading(file, "metadata"), arrow.memory_map(str(file), "rb") as source:
        table = arrow.ipc.open_file(source).read_all()
        table.validate(full=True)
        facts = table.schema.metadata or {}
        about = msgpack.unpackb(facts[b"metadata"], raw=False, strict_map_key=False)
    for name in _class_names(about):
        if "." in name and name.partition(".")[0] != PACKAGE:
            raise BadInput(
                f"its labels are of the class {name!r}, which is none of py123d's", file=file,
                field="metadata", remedy="convert the log with a label class of py123d",
            )  # fmt: skip


def _class_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if str(key).endswith("class") and isinstance(inner, str):
                yield inner
            else:
                yield from _class_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _class_names(inner)

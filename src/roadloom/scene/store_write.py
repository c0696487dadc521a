"""Appending labels to a scene's file, by one process at a time.

    with SceneWriter(path, scene) as writer:      waits for the file's lock, drops a torn tail
        writer.add(time_ns, occupancy)

The lock is the system's (``flock``) and goes with the process, however it ends. A record is one
write at the end of the file, so that a killed writer leaves whole records and at most one torn.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from zlib import crc32

from roadloom.errors import BadInput
from roadloom.io.file_lock import locked, try_lock, wait
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.store_codec import MOST_CELLS, pack
from roadloom.scene.store_format import MOST_OFFSET, Header, Record, remedy
from roadloom.scene.store_read import Index, Place, index_of_open, opened

PATIENCE_S = 120.0
"""For another process that writes the scene; one that was orphaned ends after its frame."""
_LOCK = ".labels.lock"
_WRITING = "writing this scene"


class SceneWriter:
    """The only writer of a scene's file, from ``with`` to its end."""

    def __init__(self, path: Path, scene_id: str) -> None:
        self.path, self.scene_id = path, scene_id

    def __enter__(self) -> "SceneWriter":
        """Lock the file, making it if need be.

        Raises:
            RoadloomError: another process keeps writing it.
            BadInput: what it holds is damaged, or it cannot be written.
        """
        self._file = _locked_scene(self.path)
        try:
            index = index_of_open(self._file, self.path, self.scene_id, fresh=True)
            check_payloads(self._file, index, self.path)
            os.ftruncate(self._file, index.end)
        except BaseException:
            os.close(self._file)
            raise
        self._header, self._end = index.header, index.end
        self._keys = dict.fromkeys(index.places)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if not self._end:  # still locked: nobody else has begun with it
                self.path.unlink(missing_ok=True)
        finally:
            os.close(self._file)

    @property
    def keys(self) -> Sequence[tuple[int, int]]:
        """(time [ns], offset) of every label in the file, in its order."""
        return tuple(self._keys)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._end

    def add(self, time_ns: int, occupancy: Occupancy, offset: int = 0) -> None:
        """Append one label, whole or not at all.

        Raises:
            BadInput: there is one already, the grid or frame is not that of the scene's other
                labels, or the disk is full.
        """
        key = (int(time_ns), int(offset))
        self._check(key, occupancy)
        header = Header(scene_id=self.scene_id, grid=occupancy.grid, frame=occupancy.frame)
        flags, payload = pack(occupancy)
        record = Record(
            time_ns=key[0], offset=key[1], flags=flags, size=len(payload),
            payload_crc=crc32(payload),
        )  # fmt: skip
        begin = b"" if self._header is not None else header.to_bytes()
        self._append(begin + record.to_bytes() + payload)
        self._header, self._keys[key] = header, None

    def _check(self, key: tuple[int, int], occupancy: Occupancy) -> None:
        if not (-(2**63) <= key[0] < 2**63 and 0 <= key[1] <= MOST_OFFSET):
            raise BadInput(f"{key[0]} ns, offset {key[1]} is no key of a label", field="time_ns")
        if key in self._keys:
            raise BadInput(
                f"there is a label of scene {self.scene_id} at {key[0]} ns, offset {key[1]}",
                file=self.path, field="time_ns",
                remedy="labels are never replaced: write the new ones into a new folder",
            )  # fmt: skip
        if self._header is not None and self._header.class_hash != CLASS_HASH:
            raise BadInput(
                "its labels follow an earlier, shorter list of classes", file=self.path,
                field="class_hash", remedy="write the new ones into a new folder",
            )  # fmt: skip
        x, y, z = occupancy.grid.shape
        if x * y * z > MOST_CELLS:
            raise BadInput(
                f"{x * y * z} cells are more than {MOST_CELLS}", file=self.path, field="grid",
                remedy="use larger cells or a smaller box",
            )  # fmt: skip
        for name in ("grid", "frame"):
            ours, theirs = getattr(occupancy, name), getattr(self._header or occupancy, name)
            if ours != theirs:
                raise BadInput(
                    f"{ours} is not {theirs}, that of the scene's other labels",
                    file=self.path, field=name, remedy="write it into another folder",
                )  # fmt: skip

    def _append(self, data: bytes) -> None:
        written, view = 0, memoryview(data)
        try:
            while written < len(data):
                written += os.pwrite(self._file, view[written:], self._end + written)
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise BadInput(
                f"cannot be written: {error.strerror}", file=self.path,
                remedy="make room on the disk, then run the same command again",
            ) from error  # fmt: skip
        self._end += len(data)

    def flush(self) -> None:
        """Wait until the disk holds everything."""
        os.fsync(self._file)


def check_payloads(file: int, index: Index, path: Path) -> None:
    """Compare every label's checksum.

    Raises:
        BadInput: one differs; it names the first.
    """
    for place in index.places.values():
        if crc32(_payload(file, place)) != place.record.payload_crc:
            raise BadInput(
                f"the label at {place.record.time_ns} ns is damaged: its checksum differs",
                file=path, field="labels", remedy=remedy(path),
            )  # fmt: skip


def _payload(file: int, place: Place) -> bytes:
    size = place.record.size
    return os.pread(file, size, place.end - size)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """One process at a time begins with a folder, or with one of its scenes.

    So a folder is never bound to other facts between a scene's beginning and its first label. The
    file that is locked goes when it is released.

    Raises:
        RoadloomError: another process holds it for too long.
        BadInput: the folder cannot be written.
    """
    with locked(folder / _LOCK, patience_s=PATIENCE_S, what=_WRITING):
        yield


def _locked_scene(path: Path) -> int:
    """The open file of a scene, once its lock is ours; meanwhile the folder stays free."""
    until = time.monotonic() + PATIENCE_S
    while True:
        with folder_lock(path.parent):
            file = try_lock(path)
        if file is not None:
            return file
        wait(path, until, _WRITING)


def in_use(path: Path) -> bool:
    """Whether a scene's file holds anything, or some process is about to write it."""
    import fcntl

    with opened(path) as file:
        if os.fstat(file).st_size:
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

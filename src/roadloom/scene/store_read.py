"""Reading a scene's file of labels: an index of its records, and one label of it.

    path -> index_of -> {(time, offset): place} -> read_label -> Occupancy

The index is built by hopping from record to record, and continued where it ended when the file
has grown, so that a reader sees what another process appends. A record that is not whole yet, at
the end of the file, is not there; anything else that is wrong is an error.
"""

import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from zlib import crc32

from roadloom.errors import BadInput
from roadloom.io.read import RESTORE, is_file
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.store_codec import unpack
from roadloom.scene.store_format import (
    HEADER_BYTES,
    RECORD_BYTES,
    Header,
    Record,
    check_magic,
    remedy,
)

_MOST_KEPT = 1024
"""Scenes whose index is remembered."""
_CHUNK = 2**20


@dataclass(frozen=True)
class Place:
    """Where a record lies in its file."""

    start: int
    record: Record

    @property
    def end(self) -> int:
        return self.start + RECORD_BYTES + self.record.size


@dataclass(frozen=True)
class Index:
    """The whole records of a file at one moment."""

    header: Header | None
    """None as long as the file has no whole one."""
    places: Mapping[tuple[int, int], Place]
    end: int
    """Byte after the last whole record; what follows is torn."""
    file: tuple[int, int, int, int]
    """Device, inode, bytes and time of change that this was read from."""
    last: Place | None = None


_KEPT: dict[str, Index] = {}


def index_of(path: Path, scene_id: str, *, fresh: bool = False) -> Index | None:
    """The records of a scene's file as it is now; None where there is no file.

    Args:
        fresh: believe nothing that is remembered, as bytes may change without a trace.

    Raises:
        BadInput: damaged, or no such file at all.
    """
    if not is_file(path):
        return None
    with opened(path) as file:
        return index_of_open(file, path, scene_id, fresh=fresh)


def index_of_open(file: int, path: Path, scene_id: str, *, fresh: bool = False) -> Index:
    """The same of a file that is open already."""
    name, stat = str(path.absolute()), os.fstat(file)
    identity = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    kept = _KEPT.pop(name, None)
    if kept is None or kept.file != identity or fresh:
        begun = (
            kept if kept is not None and not fresh and _continues(file, kept, identity) else None
        )
        kept = _scan(file, path, scene_id, begun, identity)
    _KEPT[name] = kept
    while len(_KEPT) > _MOST_KEPT:
        _KEPT.pop(next(iter(_KEPT)), None)
    return kept


def _continues(file: int, kept: Index, identity: tuple[int, int, int, int]) -> bool:
    """Whether a file has grown and still begins with what was indexed."""
    if kept.file[:2] != identity[:2] or identity[2] <= kept.file[2] or kept.header is None:
        return False
    if os.pread(file, HEADER_BYTES, 0) != kept.header.to_bytes():
        return False
    last = kept.last
    return last is None or os.pread(file, RECORD_BYTES, last.start) == last.record.to_bytes()


def _scan(
    file: int, path: Path, scene_id: str, begun: Index | None, identity: tuple[int, int, int, int]
) -> Index:
    size = identity[2]
    if begun is None:
        start = os.pread(file, HEADER_BYTES, 0)
        if not any(start) and _is_blank(file, 0, size):
            return Index(None, MappingProxyType({}), 0, identity)
        check_magic(start, path)
        if len(start) < HEADER_BYTES:
            return Index(None, MappingProxyType({}), 0, identity)
        header, places, end = Header.from_bytes(start, path, scene_id), {}, HEADER_BYTES
    else:
        assert begun.header is not None
        header, places, end = begun.header, dict(begun.places), begun.end
    last = None if begun is None else begun.last
    while end + RECORD_BYTES <= size:
        data = os.pread(file, RECORD_BYTES, end)
        record = Record.from_bytes(data, header) if len(data) == RECORD_BYTES else None
        if record is None or record.key in places:
            if record is None and _is_blank(file, end, size):
                break
            where = (
                "the first record"
                if last is None
                else f"the record after that of {last.record.time_ns} ns"
            )
            raise BadInput(
                f"{where}, at byte {end}, is damaged", file=path, field="time_ns",
                remedy=remedy(path),
            )  # fmt: skip
        place = Place(end, record)
        if place.end > size:
            break
        places[record.key], last, end = place, place, place.end
    return Index(header, MappingProxyType(places), end, identity, last)


def _is_blank(file: int, start: int, end: int) -> bool:
    """Whether nothing but zeros follows: a file that grew just before the power went."""
    while start < end:
        data = os.pread(file, min(_CHUNK, end - start), start)
        if not data:
            return True
        if data.count(0) != len(data):
            return False
        start += len(data)
    return True


def read_label(path: Path, header: Header, place: Place) -> Occupancy:
    """Read one label through a memory map: of the file only its pages are touched.

    Raises:
        BadInput: the record is damaged.
    """
    record = place.record

    def damaged(what: str) -> BadInput:
        offset = f", offset {record.offset}" if record.offset else ""
        return BadInput(
            f"the label at {record.time_ns} ns{offset} {what}", file=path, field="labels",
            remedy=remedy(path),
        )  # fmt: skip

    with opened(path) as file:
        if os.fstat(file).st_size < place.end:
            raise damaged("is cut off: the file became shorter")
        with (
            mmap.mmap(file, place.end, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[place.start : place.start + RECORD_BYTES] as before,
            whole[place.start + RECORD_BYTES : place.end] as payload,
        ):
            if bytes(before) != record.to_bytes():
                raise damaged("is no longer where it was: the file was changed")
            if crc32(payload) != record.payload_crc:
                raise damaged("is damaged: its checksum differs")
            try:
                return unpack(payload, record.flags, header.grid, header.frame)
            except ValueError as error:
                raise damaged(str(error)) from error


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A file descriptor; what the system refuses becomes BadInput."""
    try:
        file = os.open(path, flags, 0o666)
    except OSError as error:
        raise BadInput(f"cannot be opened: {error.strerror}", file=path, remedy=RESTORE) from error
    try:
        yield file
    finally:
        os.close(file)

"""The tables of a nuScenes root as typed records, read a few megabytes at a time.

    sample_data.json (1 GB) -> blocks of whole records -> list[SampleData] -> the caller

The record types state what each field must be; what is not so is a ``BadInput`` that names the
table and, as in ``[17].ego_pose_token``, the record and its field. Layout of the tables: Caesar
et al., "nuScenes", 2020, and https://www.nuscenes.org/nuscenes#data-format.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from roadloom.errors import BadInput, MissingInput
from roadloom.io.read import RESTORE, regular_file
from roadloom.scene.readers.json_fields import END_OF_TIMES_US, LARGEST, MOST_PIXELS

Complain = Callable[[BadInput], None]
"""What to do with a problem: raise it, or note it and go on."""

BLOCK = 8 << 20
"""Bytes decoded at a time: their records take about 20 times as much while in memory."""

Token = Annotated[str, Meta(min_length=1, max_length=120)]
Link = Annotated[str, Meta(max_length=120)]
"""A token that may be empty: there is none."""
FileName = Annotated[str, Meta(min_length=1, max_length=400)]
Time = Annotated[int, Meta(gt=0, lt=END_OF_TIMES_US)]
"""Microseconds since 1970."""
Count = Annotated[int, Meta(ge=0, lt=2**31)]
Pixels = Annotated[int, Meta(ge=0, le=MOST_PIXELS)]
Positive = Annotated[float, Meta(gt=0, le=LARGEST)]
Real = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Vector = tuple[Real, Real, Real]
Quaternion = tuple[Real, Real, Real, Real]


class Sensor(Struct, gc=False):
    token: Token
    channel: Token
    modality: Literal["camera", "lidar", "radar"]


class CalibratedSensor(Struct, gc=False):
    token: Token
    sensor_token: Token
    translation: Vector
    rotation: Quaternion
    camera_intrinsic: list[Vector]


class Log(Struct, gc=False):
    token: Token
    logfile: str
    vehicle: str
    date_captured: str
    location: str


class Map(Struct, gc=False):
    token: Token
    log_tokens: list[Token]
    category: str
    filename: FileName


class Category(Struct, gc=False):
    token: Token
    name: Token
    description: str
    index: Annotated[int, Meta(ge=0, le=254)] | None = None
    """Value in lidarseg files; only roots with lidarseg have it."""


class Attribute(Struct, gc=False):
    token: Token
    name: Token
    description: str


class Visibility(Struct, gc=False):
    token: Token
    level: Literal["v0-40", "v40-60", "v60-80", "v80-100"]
    description: str


class Scene(Struct, gc=False):
    token: Token
    log_token: Token
    nbr_samples: Count
    first_sample_token: Token
    last_sample_token: Token
    name: Token
    description: str


class Sample(Struct, gc=False):
    token: Token
    timestamp: Time
    scene_token: Token
    prev: Link
    next: Link


class EgoPose(Struct, gc=False):
    token: Token
    timestamp: Time
    rotation: Quaternion
    translation: Vector


class SampleData(Struct, gc=False):
    token: Token
    sample_token: Token
    ego_pose_token: Token
    calibrated_sensor_token: Token
    timestamp: Time
    fileformat: Literal["jpg", "png", "pcd"]
    is_key_frame: bool
    height: Pixels
    width: Pixels
    filename: FileName
    prev: Link
    next: Link


class Instance(Struct, gc=False):
    token: Token
    category_token: Token
    nbr_annotations: Count
    first_annotation_token: Token
    last_annotation_token: Token


class SampleAnnotation(Struct, gc=False):
    token: Token
    sample_token: Token
    instance_token: Token
    visibility_token: Link
    attribute_tokens: list[Token]
    translation: Vector
    size: tuple[Positive, Positive, Positive]
    rotation: Quaternion
    num_lidar_pts: Count
    num_radar_pts: Count
    prev: Link
    next: Link


class Lidarseg(Struct, gc=False):
    token: Token
    sample_data_token: Token
    filename: FileName


TABLES: dict[str, type[Struct]] = {
    "sensor": Sensor,
    "calibrated_sensor": CalibratedSensor,
    "log": Log,
    "map": Map,
    "category": Category,
    "attribute": Attribute,
    "visibility": Visibility,
    "scene": Scene,
    "sample": Sample,
    "ego_pose": EgoPose,
    "sample_data": SampleData,
    "instance": Instance,
    "sample_annotation": SampleAnnotation,
    "lidarseg": Lidarseg,
}
"""In an order in which most tokens are known before another table names them."""
MAY_BE_ABSENT = frozenset({"lidarseg"})
"""Roots without point labels have no such file."""
MAY_BE_EMPTY = frozenset(
    {"map", "category", "attribute", "visibility", "instance", "sample_annotation", "lidarseg"}
)
"""The test split has no annotations, and a cut-down root may lack the rest. All other tables
must hold a record."""


@dataclass(frozen=True)
class Rows:
    """Some records, each with its number in the file (damaged ones are left out)."""

    number: list[int]
    records: list


def table_path(folder: Path, table: str) -> Path:
    return folder / f"{table}.json"


def read_rows(
    path: Path,
    kind: type[Struct],
    complain: Complain,
    progress: Callable[[int], object] = lambda size: None,
    block: int = BLOCK,
) -> Iterator[Rows]:
    """Yield the records of one table in the file's order.

    Args:
        path: a JSON list of records.
        kind: what a record must be.
        complain: called with each ``BadInput``; a record that it concerns is left out, and
            damage to the JSON itself ends the table.
        progress: told the bytes read.
        block: bytes to read at a time.
    """
    try:
        with regular_file(path).open("rb") as file:
            yield from _blocks(file, path, kind, complain, progress, block)
    except MissingInput:
        complain(MissingInput("no such table", file=path, remedy=RESTORE))
    except BadInput as error:
        complain(error)
    except OSError as error:
        complain(BadInput(f"cannot be read: {error.strerror}", file=path, remedy=RESTORE))


def _blocks(
    file: IO[bytes],
    path: Path,
    kind: type[Struct],
    complain: Complain,
    progress: Callable[[int], object],
    block: int,
) -> Iterator[Rows]:
    decoder = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
    buffer, size, done, end = b"", block, 0, False
    while not end:
        data = file.read(size)
        progress(len(data))
        end = len(data) < size
        buffer += data
        body, rest = (buffer, b"") if end else _cut(buffer)
        if not body and not end:
            size *= 2
            continue
        try:
            count, rows = _decode(body, decoder, kind, done, path, complain)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if end:
                complain(_damage(body, error, done, path))
            size *= 2  # the cut may have met a "},{" inside a text: with more, it falls elsewhere
            continue
        if rows.records:
            yield rows
        buffer, size, done = b"[" + rest, block, done + count


_BETWEEN = re.compile(rb"\}\s*,\s*(?=\{)")
_KEY = re.compile(rb'"([A-Za-z_]+)"\s*:')


def _cut(buffer: bytes) -> tuple[bytes, bytes]:
    """Split at the last place that looks like one between two records; nothing if none does."""
    at = len(buffer)
    while (at := buffer.rfind(b"}", 0, at)) >= 0:
        if found := _BETWEEN.match(buffer, at):
            return buffer[: at + 1] + b"]", buffer[found.end() :]
    return b"", buffer


def _decode(
    body: bytes,
    decoder: msgspec.json.Decoder,
    kind: type[Struct],
    done: int,
    path: Path,
    complain: Complain,
) -> tuple[int, Rows]:
    """Records in the list ``body``, and those of them that are sound.

    Raises:
        msgspec.DecodeError and others: ``body`` is no JSON.
    """
    try:
        records = decoder.decode(body)
        if b"\\u0000" not in body and not _may_repeat_a_key(body, kind, len(records)):
            return len(records), Rows(list(range(done, done + len(records))), records)
    except msgspec.ValidationError as error:
        if not _RECORD.search(str(error)):  # not a list
            complain(BadInput(str(error), file=path, remedy=RESTORE))
            return 0, Rows([], [])
    raws = msgspec.json.decode(body, type=list[msgspec.Raw])
    one, rows = msgspec.json.Decoder(kind), Rows([], [])
    for number, raw in enumerate(raws, start=done):
        try:
            before, nul, _ = bytes(raw).partition(b"\\u0000")
            if nul:
                key = _KEY.findall(before)[-1].decode()
                raise msgspec.ValidationError(f"a text holds the character NUL - at `$.{key}`")
            record = one.decode(raw)
            if twice := _repeated_key(bytes(raw)):
                raise msgspec.ValidationError(f"is there twice - at `$.{twice}`")
        except msgspec.ValidationError as error:
            complain(_wrong(error, number, path))
        else:
            rows.number.append(number)
            rows.records.append(record)
    return len(raws), rows


def _may_repeat_a_key(body: bytes, kind: type[Struct], records: int) -> bool:
    """Whether a record may hold a key twice, of which msgspec would take the last.

    Cheap and never wrong in denying it, unless colons stand apart from their keys: it counts
    keys. What else holds as many (escaped letters, texts equal to a key) is looked at closely.
    """
    if b"\\u00" in body:
        return True
    names = kind.__struct_fields__
    if not kind.__struct_defaults__ and body.count(b'":') == len(names) * records:
        return False
    return any(body.count(f'"{name}"'.encode()) > records for name in names)


def _repeated_key(record: bytes) -> str:
    """The first key that a record holds twice, or nothing."""
    pairs: list[str] = json.loads(record, object_pairs_hook=lambda found: [key for key, _ in found])
    return next((key for i, key in enumerate(pairs) if key in pairs[:i]), "")


_RECORD = re.compile(r" - at `\$\[")


def _wrong(error: msgspec.ValidationError, number: int, path: Path) -> BadInput:
    """A record that is JSON, but not what the table's type says."""
    message, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`")
    if missing := re.search(r"missing required field `(\w+)`", message):
        place += f".{missing[1]}"
    return BadInput(message, file=path, field=f"[{number}]{place}", remedy=RESTORE)


def _damage(body: bytes, error: Exception, done: int, path: Path) -> BadInput:
    """A place that is no JSON: say in which record and after which key it lies."""
    if not body.strip():
        return BadInput("the file is empty", file=path, remedy=RESTORE)
    byte = re.search(r"\(byte (\d+)\)", str(error))
    before = body[: int(byte[1])] if byte else body
    start, whole = 0, 0
    for between in reversed(list(_BETWEEN.finditer(before))):
        try:
            raws = msgspec.json.decode(before[: between.start() + 1] + b"]", type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        start, whole = between.end(), len(raws)
        break
    keys = _KEY.findall(before, start)
    field = f"[{done + whole}]" + (f".{keys[-1].decode()}" if keys else "")
    return BadInput(f"is not JSON: {error}", file=path, field=field, remedy=RESTORE)

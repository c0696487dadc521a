"""Whether the parts of a folder of latents are what their names say, before they are believed."""

import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from jaxtyping import Int64
from safetensors import SafetensorError, safe_open

from roadloom.errors import BadInput

AGAIN = "delete the file and encode the windows again with the same encoder"
_Kind = TypeVar("_Kind")
_LARGEST = 2**16
_Length = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Layout(msgspec.Struct):
    classes: list[str]
    pool: _Length


class _Manifest(msgspec.Struct):
    """Fields that the readers rely on."""

    encoder: str
    data: str
    sources: list[str]
    view: str
    grid: str
    cells: tuple[_Length, _Length, _Length]
    frames: _Length
    stride: Annotated[int, msgspec.Meta(ge=1)]
    skip: _Count
    layout: _Layout
    motion: bool
    licence: str
    scenes: list[str]


class _Record(msgspec.Struct):
    """Of one scene."""

    scene: str
    windows: Annotated[int, msgspec.Meta(ge=1)]
    bytes: _Count
    sha256: str
    latents: dict[str, tuple[_Length, _Length, _Length]]
    sums: dict[str, list[float]]
    squares: dict[str, list[float]]
    noise: dict[str, list[float]]


def _converted(found: Any, kind: type[_Kind], what: str, path: Path) -> _Kind:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        named = re.search(r"\$\.(\w+)", str(error)) or re.search(r"field `(\w+)`", str(error))
        field = None if named is None else named[1]
        raise BadInput(f"{what}: {error}", file=path, field=field, remedy=AGAIN) from error


def check_manifest(found: dict[str, Any], path: Path) -> None:
    """
    Raises:
        BadInput: a field is missing, of another type or out of range.
    """
    manifest = _converted(found, _Manifest, "is no manifest of latents", path)
    if len(set(manifest.scenes)) < len(manifest.scenes):
        raise BadInput("names a scene twice", file=path, field="scenes", remedy=AGAIN)


def check_record(found: Any, scene: str, path: Path) -> None:
    """
    Raises:
        BadInput: it is of another scene, or its parts do not go together.
    """
    record = _converted(found, _Record, "is no record of a scene", path)
    if record.scene != scene:
        raise BadInput(f"is of scene {record.scene}", file=path, field="scene", remedy=AGAIN)
    channels = {name: shape[0] for name, shape in record.latents.items()}
    for field, complete in (("sums", True), ("squares", True), ("noise", False)):
        widths = {name: len(row) for name, row in getattr(record, field).items()}
        if (widths != channels) if complete else (widths.items() - channels.items()):
            raise BadInput("does not fit the latents", file=path, field=field, remedy=AGAIN)


def check_tensors(file: Path, record: dict[str, Any], prefix: str) -> None:
    """Compare the head of a file of tensors with its record; the numbers are not read.

    Args:
        prefix: before the names of latents.

    Raises:
        BadInput: damaged, or a tensor is missing or of another type or length.
    """
    windows = record["windows"]
    wanted: dict[str, tuple[str, list[int]]] = {
        prefix + name: ("F16", [windows, *shape]) for name, shape in record["latents"].items()
    }
    wanted["start"] = ("I64", [windows])
    per_frame = {"time_ns": "I64", "layout": "U8", "rotation": "F64", "translation": "F64"}
    try:
        with safe_open(file, framework="pt") as opened:
            there = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            kinds = {n: (str(s.get_dtype()), list(s.get_shape())) for n, s in there.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"is damaged: {error}", file=file, remedy=AGAIN) from error
    frames = kinds.get("time_ns", ("", [0]))[1][:1]
    for name, kind in per_frame.items():
        shape = kinds.get(name, ("", []))[1]
        wanted[name] = (kind, frames + shape[1:])
    for name, want in wanted.items():
        if kinds.get(name) != want:
            told = kinds.get(name, "missing")
            raise BadInput(f"is {told}, not {want}", file=file, field=name, remedy=AGAIN)


def check_times(
    starts: Int64[np.ndarray, " window"],
    times_ns: Int64[np.ndarray, " frame"],
    frames: int,
    file: Path,
) -> None:
    """
    Raises:
        BadInput: times or starts do not rise, or a window reaches beyond the last frame.
    """
    if (np.diff(times_ns) <= 0).any():
        raise BadInput("does not rise", file=file, field="time_ns", remedy=AGAIN)
    if (np.diff(starts) <= 0).any() or starts[0] < 0 or starts[-1] + frames > len(times_ns):
        raise BadInput(
            f"has windows of {frames} frames beyond {len(times_ns)} frames", file=file,
            field="start", remedy=AGAIN,
        )  # fmt: skip

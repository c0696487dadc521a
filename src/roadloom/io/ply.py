"""Point clouds as PLY files: binary, little-endian, one row per point, read by every 3-D viewer.

float x y z [m], uchar red green blue, float intensity, uchar label; all but xyz optional
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from roadloom.errors import BadInput
from roadloom.io.atomic import write_bytes
from roadloom.io.read import read_bytes

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2",
    "ushort": "<u2", "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4",
    "uint32": "<u4", "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip
_FIRST, _LAST = b"ply\n", b"end_header\n"
_REMEDY = "write it again, or convert it to binary little-endian PLY"


@dataclass(frozen=True, kw_only=True, eq=False)
class PointCloud:
    """What a PLY file holds; None where it lacks a column."""

    points: Float[np.ndarray, "point 3"]
    """float32 [m]; the file's comments say in which frame."""
    colors: UInt8[np.ndarray, "point 3"] | None = None
    """sRGB."""
    intensity: Float[np.ndarray, " point"] | None = None
    """float32; NaN means unknown."""
    label: UInt8[np.ndarray, " point"] | None = None
    """Class ids."""
    comments: tuple[str, ...] = ()
    """One line each: frame, source, licence."""

    def __post_init__(self) -> None:
        for name in ("colors", "intensity", "label"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.points):
                raise ValueError(f"{name} has {len(column)} rows, not {len(self.points)}")


def write_ply(path: str | Path, cloud: PointCloud) -> None:
    """Write the columns that ``cloud`` has, whole or not at all."""
    columns: list[tuple[str, str, np.ndarray]] = [
        (name, "float", cloud.points[:, i]) for i, name in enumerate("xyz")
    ]
    if cloud.colors is not None:
        columns += [
            (name, "uchar", cloud.colors[:, i]) for i, name in enumerate(("red", "green", "blue"))
        ]
    if cloud.intensity is not None:
        columns.append(("intensity", "float", cloud.intensity))
    if cloud.label is not None:
        columns.append(("label", "uchar", cloud.label))
    rows = np.empty(len(cloud.points), [(name, _TYPES[kind]) for name, kind, _ in columns])
    for name, _, values in columns:
        rows[name] = values
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {_one_line(text)}" for text in cloud.comments),
        f"element vertex {len(rows)}",
        *(f"property {kind} {name}" for name, kind, _ in columns),
        "end_header",
    ]
    write_bytes(path, "\n".join(lines).encode() + b"\n" + rows.tobytes())


def read_ply(path: str | Path) -> PointCloud:
    """Read a binary little-endian PLY whose only rows are points; unknown columns are dropped.

    Raises:
        MissingInput: no such file.
        BadInput: not such a PLY, or cut off.
    """
    data = read_bytes(path)
    end = data.find(_LAST)
    if not data.startswith(_FIRST) or end < 0:
        raise BadInput("is not a PLY file, or its header is cut off", file=path, remedy=_REMEDY)
    try:
        header = data[:end].decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"its header is not UTF-8: {error}", file=path, remedy=_REMEDY) from error
    count, fields, comments = _parse(header, path)
    body = data[end + len(_LAST) :]
    row = np.dtype(fields)
    if len(body) != count * row.itemsize:
        raise BadInput(
            f"holds {len(body)} bytes of points where {count} points need {count * row.itemsize}",
            file=path, field="vertex", remedy=_REMEDY,
        )  # fmt: skip
    rows = np.frombuffer(body, row)
    names = set(row.names or ())
    if not {"x", "y", "z"} <= names:
        raise BadInput("lacks x, y or z", file=path, field="property", remedy=_REMEDY)
    colored = {"red", "green", "blue"} <= names
    return PointCloud(
        points=np.stack([rows[c] for c in "xyz"], axis=-1).astype(np.float32),
        colors=_bytes(np.stack([rows[c] for c in ("red", "green", "blue")], -1), "red", path)
        if colored
        else None,
        intensity=rows["intensity"].astype(np.float32) if "intensity" in names else None,
        label=_bytes(rows["label"], "label", path) if "label" in names else None,
        comments=comments,
    )


def _parse(header: str, path: str | Path) -> tuple[int, list[tuple[str, str]], tuple[str, ...]]:
    """Number of points, (name, dtype) of each column, comments."""
    fields: list[tuple[str, str]] = []
    comments: list[str] = []
    count, little = -1, False
    for line in header.splitlines()[1:]:
        match line.split():
            case ["format", "binary_little_endian", "1.0"]:
                little = True
            case ["comment", *_]:
                comments.append(line.removeprefix("comment").strip())
            case ["element", "vertex", number] if number.isdecimal() and count < 0:
                count = int(number)
            case ["property", kind, name] if (
                kind in _TYPES and count >= 0 and name not in (f[0] for f in fields)
            ):
                fields.append((name, _TYPES[kind]))
            case _:
                raise BadInput(
                    f"its header line {line!r} is not one of a cloud of points",
                    file=path, field="header", remedy=_REMEDY,
                )  # fmt: skip
    if not little or count < 0:
        raise BadInput("lacks its format or its number of points", file=path, remedy=_REMEDY)
    return count, fields, tuple(comments)


def _bytes(values: np.ndarray, field: str, path: str | Path) -> np.ndarray:
    if values.dtype != np.uint8:
        raise BadInput(f"must be uchar, is {values.dtype}", file=path, field=field, remedy=_REMEDY)
    return values


def _one_line(text: str) -> str:
    return " ".join(text.split())

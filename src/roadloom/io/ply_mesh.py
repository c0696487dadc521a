"""Meshes as PLY files: coloured corners with triangles or lines between them.

float x y z [m], uchar red green blue, uchar label; list uchar int vertex_indices; int vertex1
vertex2. Binary, little-endian: read by MeshLab, CloudCompare, Blender, Open3D and trimesh.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from roadloom.errors import BadInput
from roadloom.io.atomic import write_bytes
from roadloom.io.read import read_bytes

_VERTEX = np.dtype(
    [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
    + [("label", "u1")]
)
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
_EDGE = np.dtype([("ends", "<i4", 2)])
_FIRST, _LAST = b"ply\n", b"\nend_header\n"  # a comment may end in the same words
_REMEDY = "write it again with roadloom"


@dataclass(frozen=True, kw_only=True, eq=False)
class PlyMesh:
    """Corners, each with a colour and a class, joined by triangles, by lines, or by both."""

    vertices: Float32[np.ndarray, "vertex 3"]
    """[m]; the file's comments say in which frame."""
    colors: UInt8[np.ndarray, "vertex 3"]
    """sRGB."""
    label: UInt8[np.ndarray, " vertex"]
    """Class ids."""
    faces: Int32[np.ndarray, "face 3"]
    """Corners of triangles, counter-clockwise seen from outside."""
    edges: Int32[np.ndarray, "edge 2"]
    """Ends of lines."""
    comments: tuple[str, ...] = ()
    """One line each: frame, source, licence."""

    def __post_init__(self) -> None:
        count = len(self.vertices)
        for name in ("colors", "label"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name} has {len(getattr(self, name))} rows, not {count}")
        for name in ("faces", "edges"):
            rows = getattr(self, name)
            if rows.size and not (rows.min() >= 0 and rows.max() < count):
                raise ValueError(f"{name} names a corner that is none of {count}")


def write_mesh(path: str | Path, mesh: PlyMesh) -> None:
    """Write whole or not at all; the same mesh, the same bytes."""
    vertices = np.empty(len(mesh.vertices), _VERTEX)
    for i, axis in enumerate("xyz"):
        vertices[axis] = mesh.vertices[:, i]
    for i, color in enumerate(("red", "green", "blue")):
        vertices[color] = mesh.colors[:, i]
    vertices["label"] = mesh.label
    faces = np.empty(len(mesh.faces), _FACE)
    faces["count"], faces["corners"] = 3, mesh.faces
    edges = np.empty(len(mesh.edges), _EDGE)
    edges["ends"] = mesh.edges
    header = _header(mesh.comments, len(vertices), len(faces), len(edges))
    body = vertices.tobytes() + faces.tobytes() + edges.tobytes()
    write_bytes(path, header.encode() + body)


def _header(comments: tuple[str, ...], vertices: int, faces: int, edges: int) -> str:
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {' '.join(text.split())}" for text in comments),
        f"element vertex {vertices}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {name}" for name in ("red", "green", "blue", "label")),
        f"element face {faces}",
        "property list uchar int vertex_indices",
        f"element edge {edges}",
        "property int vertex1",
        "property int vertex2",
        "end_header\n",
    ]
    return "\n".join(lines)


def read_mesh(path: str | Path) -> PlyMesh:
    """Read what ``write_mesh`` wrote.

    Raises:
        MissingInput: no such file.
        BadInput: another PLY, or damaged.
    """
    data = read_bytes(path)
    end = data.find(_LAST)
    if not data.startswith(_FIRST) or end < 0:
        raise BadInput("is not a PLY file, or its header is cut off", file=path, remedy=_REMEDY)
    try:
        header = data[: end + len(_LAST)].decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"its header is not UTF-8: {error}", file=path, remedy=_REMEDY) from error
    lines = header.splitlines()
    comments = tuple(x.removeprefix("comment ") for x in lines if x.startswith("comment "))
    counts = [x.rpartition(" ")[2] for x in lines if x.startswith("element ")]
    numbers = [int(x) for x in counts if x.isdecimal()]
    if len(numbers) != 3 or header != _header(comments, *numbers):
        raise BadInput(
            "its header is not that of our meshes", file=path, field="header", remedy=_REMEDY
        )
    vertices, faces, edges = _tables(data[end + len(_LAST) :], numbers, path)
    try:
        return PlyMesh(
            vertices=np.stack([vertices[axis] for axis in "xyz"], axis=-1),
            colors=np.stack([vertices[c] for c in ("red", "green", "blue")], axis=-1),
            label=vertices["label"].copy(),
            faces=faces["corners"].copy(),
            edges=edges["ends"].copy(),
            comments=comments,
        )
    except ValueError as error:
        raise BadInput(str(error), file=path, field="face", remedy=_REMEDY) from error


def _tables(body: bytes, counts: list[int], path: str | Path) -> list[np.ndarray]:
    kinds = (_VERTEX, _FACE, _EDGE)
    need = sum(count * kind.itemsize for count, kind in zip(counts, kinds, strict=True))
    if len(body) != need:
        raise BadInput(
            f"holds {len(body)} bytes where its header needs {need}",
            file=path, field="vertex", remedy=_REMEDY,
        )  # fmt: skip
    found, at = [], 0
    for count, kind in zip(counts, kinds, strict=True):
        found.append(np.frombuffer(body, kind, count, at))
        at += count * kind.itemsize
    if (found[1]["count"] != 3).any():
        raise BadInput("has a face that is no triangle", file=path, field="face", remedy=_REMEDY)
    return found

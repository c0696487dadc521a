"""Meshes as PLY: read back equal, and damage is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingInput
from roadloom.io.ply_mesh import PlyMesh, read_mesh, write_mesh


def mesh(points: int = 6) -> PlyMesh:
    rng = np.random.default_rng(points)
    return PlyMesh(
        vertices=rng.normal(size=(points, 3)).astype(np.float32),
        colors=rng.integers(0, 256, (points, 3), dtype=np.uint8),
        label=rng.integers(0, 256, points, dtype=np.uint8),
        faces=rng.integers(0, max(points, 1), (4 if points else 0, 3)).astype(np.int32),
        edges=rng.integers(0, max(points, 1), (2 if points else 0, 2)).astype(np.int32),
        comments=("a scene", "licence CC0"),
    )


@pytest.mark.parametrize("points", [0, 1, 6])
def test_read_back_equal(tmp_path: Path, points: int) -> None:
    wrote = mesh(points)
    write_mesh(tmp_path / "a.ply", wrote)
    found = read_mesh(tmp_path / "a.ply")
    for name in ("vertices", "colors", "label", "faces", "edges"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wrote, name))
        assert getattr(found, name).dtype == getattr(wrote, name).dtype
    assert found.comments == wrote.comments
    write_mesh(tmp_path / "b.ply", found)
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()


def test_a_comment_may_say_what_ends_a_header(tmp_path: Path) -> None:
    wrote = replace(mesh(), comments=("end_header", "element face 7", ""))
    write_mesh(tmp_path / "a.ply", wrote)
    found = read_mesh(tmp_path / "a.ply")
    assert found.comments == wrote.comments
    np.testing.assert_array_equal(found.faces, wrote.faces)


def test_corners_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="faces"):
        PlyMesh(**{**vars(mesh()), "faces": np.array([[0, 1, 6]], np.int32)})


def test_every_cut_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    write_mesh(path, mesh())
    data = path.read_bytes()
    for end in (0, 3, 40, data.index(b"end_header"), len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(BadInput, match=r"a\.ply"):
            read_mesh(path)
    with pytest.raises(MissingInput):
        read_mesh(tmp_path / "none.ply")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"element face 4", b"element face 5"),
        (b"float x", b"double x"),
        (b"vertex1", b"\xff\xffrtex1"),
        (b"\x03", b"\x04"),
    ],
)
def test_damage_is_named(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "a.ply"
    write_mesh(path, mesh())
    head, _, body = path.read_bytes().partition(b"end_header\n")
    if old == b"\x03":  # how many corners the first face has
        at = 6 * 16
        body = body[:at] + new + body[at + 1 :]
    else:
        head = head.replace(old, new)
    path.write_bytes(head + b"end_header\n" + body)
    with pytest.raises(BadInput, match=r"a\.ply"):
        read_mesh(path)

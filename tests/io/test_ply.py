"""PLY: what is written reads back equal, and every damage is named."""

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingInput
from roadloom.io.ply import PointCloud, read_ply, write_ply


def cloud(count: int = 50, **changes) -> PointCloud:
    rng = np.random.default_rng(3)
    values = {
        "points": rng.normal(size=(count, 3)).astype(np.float32),
        "colors": rng.integers(0, 256, (count, 3), dtype=np.uint8),
        "intensity": rng.random(count, dtype=np.float32),
        "label": rng.integers(0, 256, count, dtype=np.uint8),
        "comments": ("frame ego", "licence CC BY-NC-SA 4.0"),
    }
    return PointCloud(**(values | changes))


@pytest.mark.parametrize("absent", [(), ("colors",), ("intensity", "label"), ("label", "colors")])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_round_trip(tmp_path, absent, count) -> None:
    wrote = cloud(count, **dict.fromkeys(absent))
    write_ply(tmp_path / "a.ply", wrote)
    read = read_ply(tmp_path / "a.ply")
    assert read.comments == wrote.comments
    for name in ("points", "colors", "intensity", "label"):
        mine, theirs = getattr(wrote, name), getattr(read, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert theirs.dtype == mine.dtype
            np.testing.assert_array_equal(theirs, mine)


def test_exact_bytes(tmp_path) -> None:
    one = PointCloud(
        points=np.array([[1, 2, -3]], np.float32), colors=np.array([[255, 0, 7]], np.uint8)
    )
    write_ply(tmp_path / "a.ply", one)
    assert (tmp_path / "a.ply").read_bytes() == (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1\n"
        b"property float x\nproperty float y\nproperty float z\n"
        b"property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
        b"\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\xc0\xff\x00\x07"
    )


def test_unknown_intensity_stays_unknown(tmp_path) -> None:
    write_ply(tmp_path / "a.ply", cloud(2, intensity=np.array([np.nan, 1], np.float32)))
    np.testing.assert_array_equal(read_ply(tmp_path / "a.ply").intensity, [np.nan, 1])


def test_comment_cannot_break_the_header(tmp_path) -> None:
    write_ply(tmp_path / "a.ply", cloud(4, comments=("scene\nend_header\nx", "ä")))
    assert read_ply(tmp_path / "a.ply").comments == ("scene end_header x", "ä")


def test_rows_must_agree() -> None:
    with pytest.raises((ValueError, TypeError)):  # whichever of the two guards comes first
        cloud(label=np.zeros(3, np.uint8))


def test_absent_file(tmp_path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        read_ply(tmp_path / "none.ply")


def test_every_cut_is_refused(tmp_path) -> None:
    path = tmp_path / "a.ply"
    write_ply(path, cloud(3))
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BadInput, match=r"a\.ply"):
            read_ply(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"binary_little_endian", b"ascii"),
        (b"format binary_little_endian 1.0\n", b""),
        (b"element vertex 3", b"element vertex -3"),
        (b"element vertex 3", b"element vertex 3\nelement face 1"),
        (b"property float x", b"property list uchar int x"),
        (b"property float x", b"property float y"),
        (b"property float x", b"property float q"),
        (b"property uchar label", b"property char label"),
        (b"ply\n", b"plx\n"),
        (b"comment frame", b"comment \xff\xfe"),
    ],
)
def test_bad_header_is_refused(tmp_path, old, new) -> None:
    path = tmp_path / "a.ply"
    write_ply(path, cloud(3))
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(BadInput, match=r"a\.ply"):
        read_ply(path)

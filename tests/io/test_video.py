"""Films: read back by PyAV they hold every frame, at its size, rate and colour."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingExtra
from roadloom.io.video import write_video

av = pytest.importorskip("av", reason="the video extra is not installed")

ACCURATE = 0x4 | 0x2000 | 0x40000
"""libswscale: bicubic, full chroma, accurate rounding; its default is 1.3 levels too dark."""


def moving(count: int = 7, height: int = 120, width: int = 208) -> list[np.ndarray]:
    """Soft colours that drift, as chroma is halved."""
    y, x = np.mgrid[:height, :width] / 40.0
    return [
        np.stack(
            [128 + 100 * np.sin(x + i / 5), 128 + 90 * np.cos(y), 60 + 50 * np.sin(x + y)], -1
        ).astype(np.uint8)
        for i in range(count)
    ]


def read(path) -> tuple[list[np.ndarray], SimpleNamespace]:
    """Frames, and what the stream says of itself, asked while the file is open."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [
            f.reformat(format="rgb24", interpolation=ACCURATE).to_ndarray()
            for f in container.decode(video=0)
        ]
        context = stream.codec_context
        tags = context.colorspace, context.color_primaries, context.color_trc, context.color_range
        facts = SimpleNamespace(
            rate=stream.average_rate, format=context.pix_fmt, codec=context.codec.name,
            tags=tuple(map(int, tags)),
        )  # fmt: skip
        return frames, facts


@pytest.mark.parametrize(("height", "width"), [(120, 208), (121, 207), (60, 33)])
def test_read_back(tmp_path, height, width) -> None:
    frames = moving(height=height, width=width)
    assert write_video(tmp_path / "a.mp4", iter(frames), Fraction(30000, 1001)) == 7
    found, stream = read(tmp_path / "a.mp4")
    assert len(found) == len(frames)
    assert stream.rate == Fraction(30000, 1001)
    assert stream.format == "yuv420p"
    assert stream.codec == "h264"
    for mine, theirs in zip(frames, found, strict=True):
        assert theirs.shape == (height + height % 2, width + width % 2, 3)
        error = theirs[:height, :width].astype(float) - mine
        assert abs(error.mean(axis=(0, 1))).max() < 2
        assert 10 * np.log10(255**2 / (error**2).mean()) > 36


@pytest.mark.parametrize(
    "color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (90, 140, 60)]
)
def test_flat_colors_are_kept(tmp_path, color) -> None:
    frame = np.full((32, 32, 3), color, np.uint8)
    write_video(tmp_path / "a.mp4", [frame] * 2, 10)
    found, stream = read(tmp_path / "a.mp4")
    np.testing.assert_allclose(found[1].mean(axis=(0, 1)), color, atol=2)
    assert stream.tags == (1, 1, 13, 1)  # BT.709, BT.709, sRGB, limited


def test_index_comes_first(tmp_path) -> None:
    write_video(tmp_path / "a.mp4", moving(3), 10)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_same_frames_same_bytes(tmp_path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, moving(5), 10)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_refusals_leave_nothing(tmp_path) -> None:
    with pytest.raises(BadInput, match="no frames"):
        write_video(tmp_path / "a.mp4", [], 10)
    with pytest.raises(BadInput, match="frame 1 is 10x20, the first was 208x120"):
        write_video(tmp_path / "a.mp4", [*moving(1), np.zeros((20, 10, 3), np.uint8)], 10)
    with pytest.raises(ValueError, match=r"\.mp4"):
        write_video(tmp_path / "a.avi", moving(1), 10)
    with pytest.raises(ValueError, match="rate must be positive"):
        write_video(tmp_path / "a.mp4", moving(1), 0)
    assert list(tmp_path.iterdir()) == []


def test_absent_extra_is_named(tmp_path, monkeypatch) -> None:
    def refuse(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("roadloom.io.extras.import_module", refuse)
    with pytest.raises(MissingExtra, match=r"pip install 'roadloom\[video\]'"):
        write_video(tmp_path / "a.mp4", moving(1), 10)

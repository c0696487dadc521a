"""Films as MP4: H.264 in yuv420p, which every browser plays, with its colours declared.

frames uint8 [H W 3] sRGB -> even size -> BT.709 yuv420p -> libx264 -> MP4, index first
"""

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_file
from roadloom.io.extras import need

THREADS = 2
"""Fixed, so that the same frames give the same bytes on every machine."""

# ITU-T H.273 code points: what the stream says of its colours.
_PRIMARIES_BT709 = 1
_TRANSFER_SRGB = 13
_MATRIX_BT709 = 1
_RANGE_LIMITED = 1

_SCALING = 0x4 | 0x4000 | 0x40000
"""libswscale's bicubic with full chroma input and accurate rounding: colours keep their mean."""


def write_video(
    path: str | Path,
    frames: Iterable[UInt8[np.ndarray, "height width 3"]],
    rate: Fraction | int,
    *,
    crf: int = 20,
) -> int:
    """Write sRGB frames, all of one size, one by one; return how many there were.

    Odd heights and widths grow by one repeated row or column, as yuv420p halves both.

    Args:
        path: ends in ``.mp4``.
        frames: may be a generator; one frame is held at a time.
        rate: frames per second.
        crf: x264's quality, 0 (lossless) to 51; 18 to 23 is usual.

    Raises:
        MissingExtra: PyAV is not installed.
        BadInput: no frame, or frames of different sizes.
    """
    if Path(path).suffix.lower() != ".mp4":
        raise ValueError(f"a film ends in .mp4, not {Path(path).name}")
    if rate <= 0:
        raise ValueError(f"rate must be positive, got {rate}")
    av = need("av")
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise BadInput("a film of no frames", file=path, remedy="give at least one frame")
    with atomic_file(path) as temporary:
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(temporary), "w", format="mp4", options=options) as container:
            stream = _open_stream(container, first, Fraction(rate), crf)
            count = 0
            for frame in chain([first], rest):
                if frame.shape != first.shape:
                    raise BadInput(
                        f"frame {count} is {frame.shape[1]}x{frame.shape[0]}, the first was "
                        f"{first.shape[1]}x{first.shape[0]}",
                        file=path, field="size", remedy="give frames of one size",
                    )  # fmt: skip
                picture = _converted(av, frame)
                picture.pts = count
                container.mux(stream.encode(picture))
                count += 1
            container.mux(stream.encode(None))
    return count


def _open_stream(container, first, rate: Fraction, crf: int):  # type: ignore[no-untyped-def]
    stream = container.add_stream("libx264", rate=rate)
    context = stream.codec_context
    height, width = (side + side % 2 for side in first.shape[:2])
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = 1 / rate
    context.thread_count = THREADS
    # x264's macroblock tree reads beyond the picture's edge: with it, bytes differ run by run.
    context.options = {
        "crf": str(crf), "preset": "medium", "flags": "+bitexact", "x264-params": "mbtree=0",
    }  # fmt: skip
    context.color_primaries, context.color_trc = _PRIMARIES_BT709, _TRANSFER_SRGB
    context.colorspace, context.color_range = _MATRIX_BT709, _RANGE_LIMITED
    return stream


def _converted(av, frame: np.ndarray):  # type: ignore[no-untyped-def]
    height, width = frame.shape[:2]
    even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
    # Without the destination's matrix the scaler takes BT.601, and greens turn.
    return picture.reformat(
        format="yuv420p", dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG",
        interpolation=_SCALING,
    )  # fmt: skip

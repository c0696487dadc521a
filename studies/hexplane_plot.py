"""A chart of lines with intervals over a logarithmic axis, drawn with Pillow."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from roadloom.io.image import write_image

WIDTH, HEIGHT = 560, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 48
GREY, BLACK = (205, 205, 205), (30, 30, 30)
COLORS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189))


@dataclass(frozen=True)
class Line:
    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def chart(title: str, lines: Sequence[Line], levels: dict[str, float], across: str) -> np.ndarray:
    """Both axes logarithmic; ``levels`` are dashed and named."""
    sheet = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    values = [v for line in lines for v in (*line.y, *line.low, *line.high) if v > 0]
    values += [v for v in levels.values() if v > 0]
    x_low, x_high = _ends([v for line in lines for v in line.x])
    y_low, y_high = _ends(values)

    def place(x: float, y: float) -> tuple[float, float]:
        along = (log10(x) - x_low) / (x_high - x_low)
        up = (log10(max(y, 10**y_low)) - y_low) / (y_high - y_low)
        return (
            LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)
        )  # fmt: skip

    pen.text((LEFT, 8), title, fill=BLACK, font=ImageFont.load_default(15))
    for y in _ticks(y_low, y_high):
        at = place(10**x_low, y)
        pen.line([at, place(10**x_high, y)], fill=GREY)
        pen.text((LEFT - 6, at[1]), f"{y:g}", fill=BLACK, font=font, anchor="rm")
    for x in sorted({x for line in lines for x in line.x}):
        at = place(x, 10**y_low)
        pen.line([at, (at[0], at[1] + 4)], fill=BLACK)
        pen.text((at[0], at[1] + 6), f"{x:g}", fill=BLACK, font=font, anchor="mt")
    pen.rectangle([place(10**x_low, 10**y_high), place(10**x_high, 10**y_low)], outline=BLACK)
    pen.text((WIDTH / 2, HEIGHT - 8), across, fill=BLACK, font=font, anchor="mb")
    for name, level in levels.items():
        (start, y), (end, _) = place(10**x_low, level), place(10**x_high, level)
        for dash in np.arange(start, end, 10):
            pen.line([(dash, y), (min(dash + 5, end), y)], fill=BLACK)
        pen.text((end - 4, y - 2), name, fill=BLACK, font=font, anchor="rb")
    for number, (line, color) in enumerate(zip(lines, COLORS, strict=False)):
        points = [place(x, y) for x, y in zip(line.x, line.y, strict=True)]
        if len(points) > 1:
            pen.line(points, fill=color, width=2)
        for (x, y), low, high in zip(points, line.low, line.high, strict=True):
            ends = [place(line.x[0], v)[1] for v in (low, high)]
            pen.line([(x, ends[0]), (x, ends[1])], fill=color, width=1)
            for end in ends:
                pen.line([(x - 4, end), (x + 4, end)], fill=color)
            pen.ellipse([x - 4, y - 4, x + 4, y + 4], fill=color)
        pen.text(
            (WIDTH - RIGHT - 8, TOP + 6 + 16 * number), line.name, fill=color, font=font,
            anchor="ra",
        )  # fmt: skip
    return np.asarray(sheet)


def write_charts(path: Path, charts: Sequence[np.ndarray]) -> None:
    write_image(path, np.concatenate(charts, axis=1))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = log10(min(values)), log10(max(values))
    room = max(0.08 * (high - low), 0.1)
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    every = [m * 10.0**e for e in range(floor(low) - 1, ceil(high) + 1) for m in (1, 2, 5)]
    return [tick for tick in every if low <= log10(tick) <= high]

"""Lines, dots and words on pictures, smooth at the edges, and a ramp of colours for range.

Shapes are drawn on a sheet of twice the size and averaged down. Pixel centres are whole numbers,
as everywhere: (0, 0) is the middle of the top-left pixel.
"""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

FINE = 2
"""Pixels of the drawing sheet per pixel of the picture, each way."""
COLOR_RANGE_M = (2.0, 60.0)
"""Nearer and farther points take the colours at the ramp's ends."""
_RAMP = np.array(
    [
        [255, 236, 92],
        [255, 158, 44],
        [240, 78, 110],
        [170, 84, 235],
        [70, 150, 255],
        [90, 220, 255],
    ],
    float,
)
"""Near to far. All are bright, to stand out on photographs, and differ in hue at every step."""

_LUMA = np.array([0.2126, 0.7152, 0.0722])
DARK = 80
"""Colours below this brightness (0 to 255) get a light rim."""

Picture = UInt8[np.ndarray, "_ _ 3"]
"""sRGB [height width 3]; pictures of different sizes meet in one call."""


def range_colors(range_m: Float[np.ndarray, " point"]) -> UInt8[np.ndarray, "point 3"]:
    """Colour of each distance from the camera, on a scale of equal ratios."""
    low, high = np.log(COLOR_RANGE_M)
    share = (np.log(np.clip(range_m, *COLOR_RANGE_M)) - low) / (high - low)
    return ramp_colors(share)


def ramp_colors(share: Float[np.ndarray, " point"]) -> UInt8[np.ndarray, "point 3"]:
    """Colours along the ramp, 0 to 1; NaN becomes grey."""
    knots = np.linspace(0, 1, len(_RAMP))
    channels = [np.interp(np.nan_to_num(share), knots, _RAMP[:, c]) for c in range(3)]
    colors = np.round(np.stack(channels, axis=-1)).astype(np.uint8)
    colors[np.isnan(share)] = 128
    return colors


def draw_lines(
    picture: Picture,
    ends: Float[np.ndarray, "line 2 2"],
    colors: UInt8[np.ndarray, "line 3"],
    width_px: float,
) -> Picture:
    """Lines on a rim, dark under light colours and light under dark ones, so that they show on
    any ground; later ones lie on top."""
    sheet = Image.new("RGBA", (picture.shape[1] * FINE, picture.shape[0] * FINE))
    pen = ImageDraw.Draw(sheet)
    at = _on_sheet(ends)
    wide = max(1, round((width_px + max(1.2, 0.8 * width_px)) * FINE))
    dark = colors @ _LUMA < DARK
    for (start, end), is_dark in zip(at.tolist(), dark.tolist(), strict=True):
        rim = (255, 255, 255, 130) if is_dark else (0, 0, 0, 120)
        pen.line([tuple(start), tuple(end)], fill=rim, width=wide)
    for (start, end), color in zip(at.tolist(), colors.tolist(), strict=True):
        pen.line([tuple(start), tuple(end)], fill=(*color, 255), width=round(width_px * FINE))
    return _laid_over(picture, sheet)


def draw_dots(
    picture: Picture,
    centers: Float[np.ndarray, "point 2"],
    colors: UInt8[np.ndarray, "point 3"],
    radius_px: float,
) -> Picture:
    """Round dots; later ones lie on top."""
    sheet = Image.new("RGBA", (picture.shape[1] * FINE, picture.shape[0] * FINE))
    pen = ImageDraw.Draw(sheet)
    radius = radius_px * FINE
    for (u, v), color in zip(_on_sheet(centers).tolist(), colors.tolist(), strict=True):
        pen.ellipse((u - radius, v - radius, u + radius, v + radius), fill=(*color, 255))
    return _laid_over(picture, sheet)


def draw_polygons(
    picture: Picture,
    outlines: list[Float[np.ndarray, "corner 2"]],
    colors: UInt8[np.ndarray, "polygon 3"],
    opacity: float,
) -> Picture:
    """Filled areas."""
    sheet = Image.new("RGBA", (picture.shape[1] * FINE, picture.shape[0] * FINE))
    pen = ImageDraw.Draw(sheet)
    for outline, color in zip(outlines, colors.tolist(), strict=True):
        corners = [tuple(corner) for corner in _on_sheet(outline).tolist()]
        pen.polygon(corners, fill=(*color, round(255 * opacity)))
    return _laid_over(picture, sheet)


def draw_label(picture: Picture, text: str, size_px: int, corner: tuple[int, int]) -> Picture:
    """Words in white on a dark plate whose upper left corner is ``corner`` (u, v)."""
    image = Image.fromarray(picture).convert("RGBA")
    sheet = Image.new("RGBA", image.size)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size_px)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = size_px // 2
    u, v = corner
    plate = (u, v, u + right - left + 2 * pad, v + bottom - top + 2 * pad)
    pen.rounded_rectangle(plate, radius=pad, fill=(0, 0, 0, 150))
    pen.text((u + pad - left, v + pad - top), text, font=font, fill=(255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(image, sheet).convert("RGB"))


def draw_words(picture: Picture, text: str) -> Picture:
    """Grey words on a dark plate in the middle, over a third of the width or more."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    middle = (image.width / 2, image.height / 2)
    font = ImageFont.load_default(max(8, round(image.width / (1.5 * len(text)))))
    left, top, right, bottom = pen.textbbox(middle, text, font=font, anchor="mm")
    pen.rectangle((left - 4, top - 3, right + 4, bottom + 3), fill=(20, 22, 26))
    pen.text(middle, text, font=font, fill=(170, 170, 170), anchor="mm")
    return np.asarray(image)


def resized(picture: Picture, width: int, height: int) -> Picture:
    """Another size; made smaller without aliasing."""
    if picture.shape[:2] == (height, width):
        return picture
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _on_sheet(pixels: np.ndarray) -> np.ndarray:
    """The middle of pixel (0, 0) is (0.5, 0.5) from the corner, on the sheet too."""
    return (pixels + 0.5) * FINE - 0.5


def _laid_over(picture: Picture, sheet: Image.Image) -> Picture:
    under = Image.fromarray(picture).convert("RGBA")
    return np.asarray(Image.alpha_composite(under, sheet.reduce(FINE)).convert("RGB"))

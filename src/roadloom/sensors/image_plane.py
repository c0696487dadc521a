"""What every camera shares: the image's size, focal lengths and principal point.

Pixels are (u right, v down). The centre of the top-left pixel is (0, 0), so the image covers
``[-0.5, width - 0.5] x [-0.5, height - 0.5]``. Camera frame: x right, y down, z forward.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, like, namespace
from roadloom.geometry.checks import LARGEST, check_last, finite, shown, whole

BORDER_PX = 1e-6
"""Pixels this far past the border still count as in the image: what rounding may add."""

NEAREST_M = 1e-12
"""What is nearer is the camera itself: its derivatives would overflow."""

Plane = TypeVar("Plane", bound="ImagePlane")


@dataclass(frozen=True, kw_only=True)
class ImagePlane:
    """Base of the cameras; use ``PinholeCamera`` or ``FisheyeCamera``."""

    width: int
    height: int
    fx: float
    """Focal length along the rows [px]."""
    fy: float
    cx: float
    """Principal point [px]; (0, 0) is the centre of the top-left pixel."""
    cy: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("width", "height"):
                object.__setattr__(self, field.name, whole(value, field.name))
            finite(value, field.name, LARGEST)
        if self.width < 1 or self.height < 1:
            raise ValueError(f"width and height must be positive, got {self.width}, {self.height}")
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"fx and fy must be positive, got {self.fx}, {self.fy}")

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """The calibration matrix K (float64, no skew)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def contains(self, pixels: Float[Array, "*point 2"]) -> Bool[Array, "*point"]:
        """Whether each pixel lies in the image, its border included; NaN does not."""
        xp = namespace(pixels)
        size = max(self.width, self.height)
        slack = max(BORDER_PX, 8 * float(xp.finfo(pixels.dtype).eps) * size)
        u, v = pixels[..., 0], pixels[..., 1]
        inside_u = (u >= -0.5 - slack) & (u <= self.width - 0.5 + slack)
        return inside_u & (v >= -0.5 - slack) & (v <= self.height - 0.5 + slack)

    def pixel_centers(self) -> Float[np.ndarray, "height width 2"]:
        """(u, v) of every pixel's centre, float64."""
        u, v = np.arange(float(self.width)), np.arange(float(self.height))
        return np.stack(np.meshgrid(u, v, indexing="xy"), axis=-1)

    def crop(self: Plane, left: int, top: int, width: int, height: int) -> Plane:
        """The camera of a window of the image: its pixels are ours minus (left, top).

        Raises:
            BadInput: the window does not lie in the image, or not on whole pixels.
        """
        names = ("left", "top", "width", "height")
        left, top, width, height = map(_pixels, (left, top, width, height), names)
        inside = left >= 0 and left + width <= self.width and top >= 0
        if not (inside and top + height <= self.height and width > 0 and height > 0):
            raise BadInput(
                f"the window {width} x {height} at ({left}, {top}) does not lie in the image of "
                f"{self.width} x {self.height} pixels",
                field="window",
                remedy="give left, top, width, height [px] of a part of the image",
            )
        cx, cy = self.cx - left, self.cy - top
        return replace(self, width=width, height=height, cx=cx, cy=cy)

    def resize(self: Plane, width: int, height: int) -> Plane:
        """The camera of the image scaled to a new size: ``u' = (u + 0.5) s - 0.5``.

        Raises:
            BadInput: a side is not a whole number of pixels, 1 or more.
        """
        width, height = _pixels(width, "width"), _pixels(height, "height")
        for side, name in ((width, "width"), (height, "height")):
            if not 1 <= side <= LARGEST:
                raise BadInput(
                    f"{shown(side)} pixels make no image",
                    field=name,
                    remedy="give a whole number of pixels, 1 or more",
                )
        s, t = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * s,
            fy=self.fy * t,
            cx=(self.cx + 0.5) * s - 0.5,
            cy=(self.cy + 0.5) * t - 0.5,
        )

    def flip(self: Plane) -> Plane:
        """The camera of the image mirrored left to right: ``u' = width - 1 - u``.

        It is right for a world mirrored in x: ``flip().project((-x, y, z))`` is the mirrored
        pixel of ``(x, y, z)``. Poses and boxes must be mirrored along with the image.
        """
        return replace(self, cx=self.width - 1 - self.cx)

    def _pixels(self, x: Array, y: Array, seen: Array) -> Array:
        """Pixels of distorted coordinates; NaN where there is none."""
        xp = namespace(x)
        pixels = xp.stack([self.fx * x + self.cx, self.fy * y + self.cy], axis=-1)
        return xp.where(seen[..., None], pixels, xp.full_like(pixels, float("nan")))

    def _plane(self, pixels: Array) -> tuple[Array, Array]:
        """Distorted coordinates of pixels, float64."""
        wide = namespace(pixels).astype(pixels, namespace(pixels).float64, copy=False)
        return (wide[..., 0] - self.cx) / self.fx, (wide[..., 1] - self.cy) / self.fy

    def _farthest(self) -> float:
        """Distance of the image's farthest corner from the axis in distorted coordinates."""
        x = max(self.cx + 1, self.width - self.cx) / self.fx
        y = max(self.cy + 1, self.height - self.cy) / self.fy
        return float(np.hypot(x, y))


def floating(values: Array, width: int, field: str) -> Array:
    """Integers become float64; floating arrays stay. The last axis must have ``width`` numbers."""
    check_last(values, width, field)
    xp = namespace(values)
    if xp.isdtype(values.dtype, "real floating"):
        return values
    return xp.astype(values, xp.float64)


def _pixels(value: int, field: str) -> int:
    try:
        return whole(value, field)
    except ValueError as error:
        raise BadInput(str(error), field=field, remedy="give whole pixels") from error


def directions_or_nan(vectors: Array, seen: Array, reference: Array) -> Array:
    """Vectors scaled to length one, in the reference's dtype; NaN where nothing is seen."""
    xp = namespace(vectors)
    unit = vectors / xp.linalg.vector_norm(vectors, axis=-1)[..., None]
    unit = xp.where(seen[..., None], unit, like(float("nan"), unit))
    return xp.astype(unit, reference.dtype, copy=False)

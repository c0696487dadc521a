"""Lenses by angle: Kannala and Brandt's fisheye, and the f-theta lens of automotive cameras.

    point -> angle t from the axis -> t (1 + ...), a polynomial -> pixel

The image radius grows with the angle, so directions at and behind 90 degrees are seen too. What
lies past the polynomial's turning point is refused.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Real

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, detached, namespace
from roadloom.sensors.image_plane import (
    NEAREST_M,
    ImagePlane,
    directions_or_nan,
    floating,
)
from roadloom.sensors.lens_curve import LensCurve

TOLERANCE_PX = 1e-8
"""To this the distortion is inverted (float64)."""
ON_AXIS = 1e-8
"""Angles below this [rad] are their own tangent; it also keeps derivatives finite there."""

FARTHEST = 1e4
"""No pixel so many focal lengths away is anybody's; its square stays finite."""


@dataclass(frozen=True, kw_only=True)
class AngleLens(ImagePlane, ABC):
    """Base of both. Focal lengths in pixels per radian, principal point in pixels."""

    max_angle_rad: float = math.pi
    """The lens sees nothing further from its axis: half its field of view."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.max_angle_rad <= math.pi:
            raise ValueError(f"max_angle_rad must lie in (0, pi], got {self.max_angle_rad}")

    @property
    def limit_rad(self) -> float:
        """The largest angle that is seen: ``max_angle_rad``, or the fold where that is nearer."""
        return self._curve.limit

    def project(
        self, points_camera: Real[Array, "*point 3"]
    ) -> tuple[Float[Array, "*point 2"], Bool[Array, "*point"]]:
        """Pixels of points in the camera frame, and whether each is seen.

        Seen is what lies within ``limit_rad`` of the axis and in the image (borders included).
        Points within the limit keep their pixel when it lies outside the image; all others, and
        the camera's own centre and what is exactly behind it, get NaN.
        """
        points = floating(points_camera, 3, "points_camera")
        xp = namespace(points)
        finite = xp.all(xp.isfinite(points), axis=-1)
        points = xp.where(finite[..., None], points, xp.ones_like(points))
        # Only the direction counts: at this scale no square over- or underflows.
        size = xp.max(xp.abs(detached(points)), axis=-1, keepdims=True)
        there = finite & (size[..., 0] >= NEAREST_M)
        points = points / xp.where(there[..., None], size, xp.ones_like(size))
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        square = x * x + y * y
        near_axis = square <= (ON_AXIS * z) ** 2
        off_axis = xp.sqrt(xp.where(near_axis, xp.ones_like(square), square))
        angle = xp.atan2(off_axis, z)
        seen = there & xp.where(near_axis, z > 0, angle <= self.limit_rad)
        # On the axis z is the largest coordinate, which is 1 by now.
        scale = xp.where(near_axis, xp.ones_like(z), self._curve.value(angle) / off_axis)
        pixels = self._pixels(x * scale, y * scale, seen)
        return pixels, self.contains(pixels)

    def unproject(
        self, pixels: Real[Array, "*point 2"]
    ) -> tuple[Float[Array, "*point 3"], Bool[Array, "*point"]]:
        """Unit directions through pixels, in the camera frame, and whether each is valid.

        Valid pixels lie in the image and within ``limit_rad``. A pixel outside the image, up to
        twice as far from the axis as the image reaches, keeps its direction where the lens has
        one; a pixel without any gets NaN. Computed in float64 and given in the pixels' dtype;
        first derivatives are exact, second ones are not given.
        """
        pixels = floating(pixels, 2, "pixels")
        xp = namespace(pixels)
        x, y = self._plane(pixels)
        near = xp.maximum(xp.abs(x), xp.abs(y)) <= FARTHEST
        x, y = (xp.where(near, a, xp.zeros_like(a)) for a in (x, y))
        square = x * x + y * y
        near_axis = square <= ON_AXIS**2
        d = xp.sqrt(xp.where(near_axis, xp.ones_like(square), square))
        t, found = self._curve.invert(
            xp.where(near_axis, xp.zeros_like(d), detached(d)),
            largest_d=2 * self._farthest(),
            tolerance=TOLERANCE_PX / max(self.fx, self.fy),
        )
        # One more step of Newton's, through which the derivative by the pixel passes.
        slope = self._curve.slope(self._curve.power(t))
        usable = slope > 1e-9
        step = (d - self._curve.value(t)) / xp.where(usable, slope, xp.ones_like(slope))
        t = t + xp.where(usable, step, xp.zeros_like(step))
        scale = xp.where(near_axis, xp.ones_like(d), xp.sin(t) / d)
        ahead = xp.where(near_axis, xp.ones_like(d), xp.cos(t))
        seen = near & found
        directions = directions_or_nan(xp.stack([x * scale, y * scale, ahead], -1), seen, pixels)
        return directions, seen & self.contains(pixels)

    def rays(self) -> tuple[Float[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]]:
        """Unit directions through all pixel centres (float64), and which of them exist."""
        return self.unproject(self.pixel_centers())

    @property
    @abstractmethod
    def _curve(self) -> LensCurve: ...


@dataclass(frozen=True, kw_only=True)
class FisheyeCamera(AngleLens):
    """Kannala and Brandt, "A generic camera model" (2006), with OpenCV's polynomial.

    ``d(t) = t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8)``; distortion is 0 unless given.
    """

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0

    @cached_property
    def _curve(self) -> LensCurve:
        return LensCurve(
            coefficients=(self.k1, self.k2, self.k3, self.k4), largest=self.max_angle_rad
        )


@dataclass(frozen=True, kw_only=True)
class FThetaCamera(AngleLens):
    """A polynomial of every power of the angle, as NVIDIA's DriveWorks describes its lenses.

    ``d(t) = t (1 + p1 t + p2 t^2 + p3 t^3 + p4 t^4 + p5 t^5)``. Where a calibration gives the
    polynomial from angles to pixels, ``r(t) = c1 t + c2 t^2 + ...``, use ``from_pixels``. Of
    DriveWorks' linear map of pixels (c, d, e) a plain stretch is ``fx / fy``; d and e, which
    shear, have no place here.
    """

    p1: float = 0.0
    p2: float = 0.0
    p3: float = 0.0
    p4: float = 0.0
    p5: float = 0.0

    @staticmethod
    def from_pixels(
        angle_to_pixels: Sequence[float],
        *,
        width: int,
        height: int,
        cx: float,
        cy: float,
        max_angle_rad: float = math.pi,
    ) -> "FThetaCamera":
        """From the coefficients c0, c1, ... of ``r(t)`` in pixels; c0 must be 0, c1 positive.

        Raises:
            BadInput: no such polynomial, or one of a higher degree than 6.
        """
        c = [float(value) for value in angle_to_pixels]
        if not 2 <= len(c) <= 7 or c[0] != 0 or not c[1] > 0:
            raise BadInput(
                f"{c} is no polynomial of angles: it needs 0, then 1 to 6 coefficients, the first "
                "positive",
                field="angle_to_pixels",
                remedy="give [0, c1, c2, ...] in pixels per power of a radian",
            )
        shares = {f"p{i}": value / c[1] for i, value in enumerate(c[2:], start=1)}
        return FThetaCamera(
            width=width, height=height, fx=c[1], fy=c[1], cx=cx, cy=cy,
            max_angle_rad=max_angle_rad, **shares,
        )  # fmt: skip

    @cached_property
    def _curve(self) -> LensCurve:
        return LensCurve(
            coefficients=(self.p1, self.p2, self.p3, self.p4, self.p5),
            largest=self.max_angle_rad,
            step=1,
        )

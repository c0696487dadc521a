"""Pinhole camera with Brown-Conrady distortion.

    point (x, y, z) -> (x/z, y/z) -> distorted by k1, k2, k3 (radial), p1, p2 (tangential) -> pixel

Symbols follow D. C. Brown, "Close-range camera calibration" (1971), in the order and signs in
which OpenCV, nuScenes and Argoverse 2 give them. What the lens cannot see is refused: what lies
behind it, and what lies past the fold, where the distorted radius stops growing.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Real

from roadloom.geometry.arrays import Array, detached, like, namespace
from roadloom.sensors.image_plane import (
    NEAREST_M,
    ImagePlane,
    directions_or_nan,
    floating,
)
from roadloom.sensors.lens_curve import LensCurve

TOLERANCE_PX = 1e-8
"""To this the distortion is inverted (float64)."""
MAX_STEPS = 30
SECTORS = 720
"""Directions in which the fold of a lens with tangential distortion is looked for."""
SHALLOWEST = 1e-4
"""Least z as a share of |x| and of |y|: nothing is seen within 0.006 degrees of the lens's own
plane, and the seventh power of what is left stays finite in float32."""


@dataclass(frozen=True, kw_only=True)
class PinholeCamera(ImagePlane):
    """Focal lengths and principal point in pixels; distortion 0 unless given."""

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    p1: float = 0.0
    p2: float = 0.0

    def project(
        self, points_camera: Real[Array, "*point 3"]
    ) -> tuple[Float[Array, "*point 2"], Bool[Array, "*point"]]:
        """Pixels of points in the camera frame, and whether each is seen.

        Seen is what lies in front, inside the fold and in the image (borders included). Points
        in front and inside the fold keep their pixel when it lies outside the image; all others
        get NaN. Depth is ``points_camera[..., 2]``.
        """
        points = floating(points_camera, 3, "points_camera")
        xp = namespace(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        sideways = xp.maximum(xp.abs(x), xp.abs(y))
        front = (z >= NEAREST_M) & (z >= SHALLOWEST * sideways) & xp.isfinite(z)
        z = xp.where(front, z, xp.ones_like(z))
        x, y = (xp.where(front, a / z, xp.zeros_like(a)) for a in (x, y))
        seen = front & self._unfolded(x, y)
        pixels = self._pixels(*self._distort(x, y), seen)
        return pixels, self.contains(pixels)

    def unproject(
        self, pixels: Real[Array, "*point 2"]
    ) -> tuple[Float[Array, "*point 3"], Bool[Array, "*point"]]:
        """Unit directions through pixels, in the camera frame, and whether each is valid.

        Valid pixels lie in the image and inside the fold. A pixel outside the image, up to twice
        as far from the axis as the image reaches, keeps its direction where the lens has one; a
        pixel without any gets NaN. Computed in float64 and given in the pixels' dtype; first
        derivatives are exact, second ones are not given.
        """
        pixels = floating(pixels, 2, "pixels")
        xp = namespace(pixels)
        x_d, y_d = self._plane(pixels)
        seen = xp.maximum(xp.abs(x_d), xp.abs(y_d)) <= 1 / SHALLOWEST
        x_d, y_d = (xp.where(seen, a, xp.zeros_like(a)) for a in (x_d, y_d))
        x, y = x_d, y_d
        if self._distorted:
            x, y, found = self._undistort(detached(x_d), detached(y_d))
            x, y = self._newton_step(x, y, x_d, y_d)
            seen = seen & found
        vectors = xp.stack([x, y, xp.ones_like(x)], axis=-1)
        directions = directions_or_nan(vectors, seen, pixels)
        return directions, seen & self.contains(pixels)

    def rays(self) -> tuple[Float[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]]:
        """Unit directions through all pixel centres (float64), and which of them exist."""
        return self.unproject(self.pixel_centers())

    def flip(self) -> "PinholeCamera":
        return replace(super().flip(), p2=-self.p2)

    @property
    def _distorted(self) -> bool:
        return any((self.k1, self.k2, self.k3, self.p1, self.p2))

    @cached_property
    def _curve(self) -> LensCurve:
        return LensCurve(coefficients=(self.k1, self.k2, self.k3))

    def _distort(self, x: Array, y: Array) -> tuple[Array, Array]:
        square = x * x + y * y
        g = self._curve.ratio(square)
        q = self.p1 * y + self.p2 * x
        return x * g + 2 * x * q + self.p2 * square, y * g + 2 * y * q + self.p1 * square

    def _jacobian(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """d x_d/dx, d x_d/dy (= d y_d/dx: the matrix is symmetric) and d y_d/dy."""
        square = x * x + y * y
        g = self._curve.ratio(square)
        g_slope = self.k1 + square * (2 * self.k2 + 3 * self.k3 * square)  # dg / d(r^2)
        xx = g + 2 * x * x * g_slope + 2 * self.p1 * y + 6 * self.p2 * x
        xy = 2 * x * y * g_slope + 2 * self.p1 * x + 2 * self.p2 * y
        yy = g + 2 * y * y * g_slope + 6 * self.p1 * y + 2 * self.p2 * x
        return xx, xy, yy

    def _unfolded(self, x: Array, y: Array) -> Array:
        """Whether undistorted coordinates lie inside the fold."""
        xp = namespace(x)
        limits = self._fold_limits
        if len(limits) == 1:
            limit = float(limits[0])
        else:
            share = (xp.atan2(y, x) + np.pi) / (2 * np.pi)
            sector = xp.astype(xp.clip(share * len(limits), 0, len(limits) - 1), xp.int64)
            flat = xp.take(like(limits, x), xp.reshape(sector, (-1,)), axis=0)
            limit = xp.reshape(flat, x.shape)
        inside = x * x + y * y <= limit * limit
        if not (self.p1 or self.p2):
            return inside
        xx, xy, yy = self._jacobian(x, y)
        return inside & (xx * yy - xy * xy > 0) & (xx + yy > 0)

    @cached_property
    def _fold_limits(self) -> np.ndarray:
        """Radii within which a positive definite Jacobian means: inside the fold.

        Without tangential terms that is the fold itself. With them the fold is no circle: going
        outwards the Jacobian loses its definiteness there, and may regain it further out, where
        the image is folded over. One radius that lies between the two in every direction, or
        where there is none, one for each sector from -pi on.
        """
        if not (self.p1 or self.p2):
            return np.array([self._curve.limit])
        angles = np.linspace(-np.pi, np.pi, SECTORS + 1)
        lost, regained = np.array([self._definite_until(float(a)) for a in angles]).T
        if lost.max() < regained.min():
            return (lost.max(keepdims=True) + regained.min()) / 2
        between = (lost + regained) / 2
        return np.minimum(between[1:], between[:-1])

    def _definite_until(self, angle: float) -> tuple[float, float]:
        """Radii at which the Jacobian along one direction is definite no more, and is again.

        In axes along and across that direction it is ((g + 2 s g' + 6 r a, 2 r b), (2 r b,
        g + 2 r a)), with s = r^2, a = p1 sin + p2 cos and b = p1 cos - p2 sin.
        """
        a = self.p1 * np.sin(angle) + self.p2 * np.cos(angle)
        b = self.p1 * np.cos(angle) - self.p2 * np.sin(angle)
        radial = np.poly1d([7 * self.k3, 0, 5 * self.k2, 0, 3 * self.k1, 6 * a, 1])
        across = np.poly1d([self.k3, 0, self.k2, 0, self.k1, 2 * a, 1])
        determinant = radial * across - np.poly1d([4 * b * b, 0, 0])
        roots = determinant.roots
        real = np.sort(roots.real[(abs(roots.imag) < 1e-9 * abs(roots)) & (roots.real > 0)])
        definite = True
        changes = [float("inf"), float("inf")]
        edges = [*real, 2 * real[-1] if len(real) else 1.0]
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            middle = (low + high) / 2
            now = determinant(middle) > 0 and radial(middle) + across(middle) > 0
            if definite and not now:
                changes[0], definite = low, False
            elif not definite and now:
                changes[1] = low
                break
        return changes[0], changes[1]

    def _undistort(self, x_d: Array, y_d: Array) -> tuple[Array, Array, Array]:
        """Undistorted coordinates and whether there are any; carries no gradient.

        The radial lens is inverted exactly. From there tangential terms take Newton's method:
        the Jacobian is symmetric and definite inside the fold, so each step goes downhill on a
        convex function; a step that would leave the fold is shortened instead.
        """
        xp = namespace(x_d)
        tolerance = TOLERANCE_PX / max(self.fx, self.fy)
        radius = xp.hypot(x_d, y_d)
        r, found = self._curve.invert(radius, largest_d=2 * self._farthest(), tolerance=tolerance)
        scale = r / xp.where(radius > 0, radius, xp.ones_like(radius))
        x, y = x_d * scale, y_d * scale
        if not (self.p1 or self.p2):
            return x, y, found
        start = found & self._unfolded(x, y)
        x, y = (xp.where(start, a, xp.zeros_like(a)) for a in (x, y))
        share = xp.ones_like(x)
        for _ in range(MAX_STEPS):
            if bool(xp.all(self._error(x, y, x_d, y_d) <= tolerance)):
                break
            x_full, y_full = self._newton_step(x, y, x_d, y_d)
            x_next, y_next = x + share * (x_full - x), y + share * (y_full - y)
            stays = self._unfolded(x_next, y_next)
            x, y = xp.where(stays, x_next, x), xp.where(stays, y_next, y)
            share = xp.where(stays, xp.clip(2 * share, None, 1.0), share / 4)
        return x, y, self._error(x, y, x_d, y_d) <= tolerance

    def _error(self, x: Array, y: Array, x_d: Array, y_d: Array) -> Array:
        x_now, y_now = self._distort(x, y)
        xp = namespace(x)
        return xp.maximum(xp.abs(x_now - x_d), xp.abs(y_now - y_d))

    def _newton_step(self, x: Array, y: Array, x_d: Array, y_d: Array) -> tuple[Array, Array]:
        """One step; with x and y detached its derivative by x_d, y_d is the inverse Jacobian."""
        xp = namespace(x)
        xx, xy, yy = self._jacobian(x, y)
        determinant = xx * yy - xy * xy
        usable = xp.abs(determinant) > 1e-9
        determinant = xp.where(usable, determinant, xp.ones_like(determinant))
        x_now, y_now = self._distort(x, y)
        dx, dy = x_d - x_now, y_d - y_now
        step_x = (yy * dx - xy * dy) / determinant
        step_y = (xx * dy - xy * dx) / determinant
        zero = xp.zeros_like(dx)
        return x + xp.where(usable, step_x, zero), y + xp.where(usable, step_y, zero)

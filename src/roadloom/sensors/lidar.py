"""A spinning LiDAR as a table of beams: where, and when, every ray of a turn is fired.

    column c, beam b  ->  time c * turn / columns + firing offset of b
                      ->  azimuth  start +- 2 pi * time / turn + azimuth offset of b

Directions are in the sensor's own frame at the moment of firing (z along the spin axis, azimuth
from x towards y); the motion of the vehicle during the turn is the caller's to add, by each
ray's time.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from roadloom.geometry.arrays import Array, like, namespace
from roadloom.geometry.checks import LARGEST, check_shape, finite, whole

Direction = Literal["clockwise", "counter-clockwise"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SpinningLidar:
    """Beams are numbered as the recording numbers its rings."""

    name: str
    """The kind of device."""
    elevations_rad: Float64[np.ndarray, " beam"]
    """Angle of each beam above the plane of spin."""
    azimuth_offsets_rad: Float64[np.ndarray, " beam"]
    """Where each beam's laser sits, counter-clockwise from the housing's azimuth."""
    firing_offsets_s: Float64[np.ndarray, " beam"]
    """When each beam fires after the start of its column."""
    columns: int
    """Firing cycles a turn: the azimuth step is 2 pi / columns."""
    turn_s: float
    """Duration of a turn."""
    direction: Direction
    """Seen from the sensor's own +z: a unit mounted upside down turns the other way to the
    eye above the road."""
    start_azimuth_rad: float
    """Housing's azimuth in the sensor frame at the start of the turn."""
    min_range_m: float
    max_range_m: float

    def __post_init__(self) -> None:
        beams = np.shape(self.elevations_rad)
        for name in ("elevations_rad", "azimuth_offsets_rad", "firing_offsets_s"):
            value = np.array(getattr(self, name), dtype=np.float64)
            if value.ndim != 1 or len(value) == 0 or value.shape != beams:
                raise ValueError(f"{name} needs one number a beam {beams}, got shape {value.shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} must be finite, got {value[~np.isfinite(value)][0]}")
            if abs(value).max() > LARGEST:
                raise ValueError(f"{name} must be at most {LARGEST:g}, got {abs(value).max()}")
            object.__setattr__(self, name, value)
        if self.direction not in ("clockwise", "counter-clockwise"):
            raise ValueError(f"direction {self.direction!r} is no clockwise, counter-clockwise")
        object.__setattr__(self, "columns", whole(self.columns, "columns"))
        for name in ("turn_s", "start_azimuth_rad", "min_range_m", "max_range_m"):
            finite(getattr(self, name), name, LARGEST)
        if not 1 <= self.columns <= LARGEST:
            raise ValueError(f"columns must be positive, got {self.columns}")
        if self.turn_s <= 0:
            raise ValueError(f"turn_s must be positive, got {self.turn_s}")
        if not 0 <= self.min_range_m < self.max_range_m:
            raise ValueError(
                f"need 0 <= min_range_m < max_range_m, got {self.min_range_m}, {self.max_range_m}"
            )
        first, last = self.firing_offsets_s.min(), self.firing_offsets_s.max()
        if first < 0 or last >= self.turn_s:
            raise ValueError(f"firing_offsets_s must lie in [0, turn_s), got {first} to {last}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpinningLidar):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in _FIELDS)

    def __hash__(self) -> int:
        return hash((self.name, self.columns, self.turn_s, self.start_azimuth_rad, self.beams))

    @property
    def beams(self) -> int:
        return len(self.elevations_rad)

    @property
    def azimuth_step_rad(self) -> float:
        """From a column to the next, without sign."""
        return 2 * np.pi / self.columns

    def rays(
        self,
    ) -> tuple[Float64[np.ndarray, "column beam 3"], Int64[np.ndarray, "column beam"]]:
        """Unit directions in the sensor frame, and nanoseconds from the start of the turn."""
        time_s = self._times_s()
        azimuth = self._azimuth_at(time_s) + self.azimuth_offsets_rad
        flat, rise = np.cos(self.elevations_rad), np.sin(self.elevations_rad)
        directions = np.stack(
            [flat * np.cos(azimuth), flat * np.sin(azimuth), np.broadcast_to(rise, azimuth.shape)],
            axis=-1,
        )
        return directions, np.rint(time_s * 1e9).astype(np.int64)

    def nearest_column(
        self, points_lidar: Float[Array, "point 3"], ring: Int[Array, " point"]
    ) -> Int64[Array, " point"]:
        """The column whose ray of that ring points nearest in azimuth.

        For recordings that keep the ring of a point but not its column. Points are in the
        sensor frame as fired, that is before any compensation of motion.

        Raises:
            ValueError: a ring is not one of the beams, or rings are not as many as points.
        """
        xp = namespace(points_lidar)
        self._check(ring, self.beams, "ring", points_lidar)
        offset = self.azimuth_offsets_rad + self._sign * (
            2 * np.pi * self.firing_offsets_s / self.turn_s
        )
        points = xp.astype(points_lidar, xp.float64, copy=False)
        azimuth = xp.atan2(points[..., 1], points[..., 0]) - xp.take(
            like(offset, points), xp.astype(ring, xp.int64), axis=0
        )
        turned = self._sign * (azimuth - self.start_azimuth_rad)
        column = xp.astype(xp.round(turned / self.azimuth_step_rad), xp.int64)
        return column % self.columns

    def range_image(
        self,
        points_lidar: Float[Array, "point 3"],
        ring: Int[Array, " point"],
        column: Int[Array, " point"],
    ) -> Float[Array, "column beam"]:
        """Range [m] of each ray's nearest point; NaN where a ray returned nothing.

        Points are in the sensor frame as fired; the image is in their dtype and, for tensors,
        differentiable. Points nearer than ``min_range_m`` or farther than ``max_range_m`` are
        left out.

        Raises:
            ValueError: a ring or column is not one of the device's, or they are not as many as
                points.
        """
        xp = namespace(points_lidar)
        self._check(ring, self.beams, "ring", points_lidar)
        self._check(column, self.columns, "column", points_lidar)
        cell = xp.astype(column, xp.int64) * self.beams + xp.astype(ring, xp.int64)
        ranges = xp.linalg.vector_norm(points_lidar, axis=-1)
        kept = (ranges >= self.min_range_m) & (ranges <= self.max_range_m)
        cell, ranges = cell[kept], ranges[kept]
        # Near to far, then stably by ray: the first of each ray is its nearest point.
        order = xp.argsort(ranges, stable=True)
        order = xp.take(order, xp.argsort(xp.take(cell, order, axis=0), stable=True), axis=0)
        cell, ranges = xp.take(cell, order, axis=0), xp.take(ranges, order, axis=0)
        nearest = xp.ones_like(cell, dtype=xp.bool)
        nearest[1:] = cell[1:] != cell[:-1]
        image = like(np.full(self.columns * self.beams, np.nan), ranges)
        image = xp.astype(image, ranges.dtype)
        image[cell[nearest]] = ranges[nearest]
        return xp.reshape(image, (self.columns, self.beams))

    def points_of(
        self, range_image: Float[Array, "column beam"]
    ) -> tuple[Float[Array, "point 3"], Int64[Array, " point"], Int64[Array, " point"]]:
        """Points in the sensor frame as fired, their ring and their column; NaN gives no point.

        The reverse of ``range_image``: a point comes back on the device's own ray, column by
        column in the order of rings.

        Raises:
            ValueError: the image is not columns x beams.
        """
        xp = namespace(range_image)
        if tuple(range_image.shape) != (self.columns, self.beams):
            raise ValueError(
                f"the range image needs shape {(self.columns, self.beams)}, "
                f"got {tuple(range_image.shape)}"
            )
        column, ring = xp.nonzero(~xp.isnan(range_image))
        directions = like(self.rays()[0], range_image)[column, ring]
        ranges = range_image[column, ring]
        points = ranges[..., None] * xp.astype(directions, ranges.dtype, copy=False)
        return points, xp.astype(ring, xp.int64), xp.astype(column, xp.int64)

    @property
    def _sign(self) -> float:
        return -1.0 if self.direction == "clockwise" else 1.0

    def _times_s(self) -> np.ndarray:
        column = np.arange(self.columns, dtype=np.float64)[:, None]
        return column * (self.turn_s / self.columns) + self.firing_offsets_s

    def _azimuth_at(self, time_s: np.ndarray) -> np.ndarray:
        return self.start_azimuth_rad + self._sign * (2 * np.pi) * (time_s / self.turn_s)

    def _check(self, index: Array, count: int, what: str, points: Array) -> None:
        check_shape(points, (None, 3), "points_lidar", "one row of x, y, z for each point")
        check_shape(index, tuple(points.shape[:1]), what, f"one {what} for each point")
        xp = namespace(index)
        wrong = index[(index < 0) | (index >= count)]
        if wrong.shape[0]:
            first = int(wrong[0])
            raise ValueError(f"{what} {first} of {self.name} does not lie in 0 to {count - 1}")
        if xp.isdtype(index.dtype, "real floating"):
            raise ValueError(f"{what} must be whole numbers")


_FIELDS = fields(SpinningLidar)

"""Bundles of rays, and where they meet oriented boxes.

origins, directions -> turned into each box's frame -> three slabs -> entry, exit
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64

from roadloom.geometry.arrays import Array, namespace, promote
from roadloom.geometry.pose import Pose

UNIT_TOLERANCE = 1e-5
"""How far from one a direction's length may be: room for float32 arithmetic, not for mistakes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RayBundle:
    """Rays in one frame. Each may have left at its own time, as a spinning LiDAR's do."""

    origins: Float[Array, "ray 3"]
    """Where each ray starts [m]."""
    directions: Float[Array, "ray 3"]
    """Unit vectors."""
    frame: str
    """Name of the frame, as in pose names: ``ego``, ``world``, ``lidar``."""
    time_ns: Int64[Array, " ray"] | None = None
    """When each ray was shot."""

    def __post_init__(self) -> None:
        if not self.frame:
            raise ValueError("frame must be named, got ''")
        rows = tuple(self.origins.shape)
        if len(rows) != 2 or rows[1] != 3:
            raise ValueError(f"origins must be rows of x, y, z, got the shape {rows}")
        if tuple(self.directions.shape) != rows:
            raise ValueError(
                f"directions must be as many as origins, got the shape "
                f"{tuple(self.directions.shape)} for {rows}"
            )
        if self.time_ns is not None and tuple(self.time_ns.shape) != rows[:1]:
            raise ValueError(
                f"time_ns must have one time per ray, got the shape {tuple(self.time_ns.shape)}"
            )
        xp = namespace(self.origins, self.directions)
        if not bool(xp.all(xp.isfinite(self.origins))):
            raise ValueError("origins must be finite")
        length = xp.linalg.vector_norm(self.directions, axis=-1)
        good = xp.abs(length - 1) < UNIT_TOLERANCE
        if not bool(xp.all(good)):  # NaN too
            raise ValueError(
                f"directions must be unit vectors, got length {float(length[~good][0])}"
            )

    def __len__(self) -> int:
        return int(self.origins.shape[0])

    def __getitem__(self, rays: object) -> "RayBundle":
        """Pick rays by a slice, a mask or an array of indices."""
        return replace(
            self,
            origins=self.origins[rays],
            directions=self.directions[rays],
            time_ns=None if self.time_ns is None else self.time_ns[rays],
        )

    def at(self, distance: Float[Array, " ray"]) -> Float[Array, "ray 3"]:
        """Points [m] at a distance along each ray."""
        return self.origins + self.directions * distance[..., None]

    def moved(self, other_from_frame: Pose, frame: str) -> "RayBundle":
        """The same rays seen from another frame, by one pose or by one pose per ray."""
        return replace(
            self,
            origins=_rowwise(other_from_frame.apply, self.origins, other_from_frame),
            directions=_rowwise(other_from_frame.rotate, self.directions, other_from_frame),
            frame=frame,
        )


def _rowwise(move: object, rows: Array, pose: Pose) -> Array:
    if pose.translation.ndim == 1:
        return move(rows)  # type: ignore[operator]
    return move(rows[:, None, :])[:, 0, :]  # type: ignore[operator]


def ray_box(
    origins: Float[Array, "*#batch ray 3"],
    directions: Float[Array, "*#batch ray 3"],
    pose: Pose,
    size: Float[Array, "*#batch box 3"],
) -> tuple[Float[Array, "*batch ray box"], Float[Array, "*batch ray box"]]:
    """Where each ray enters and leaves each box, in lengths of its direction.

    Boxes are closed: a ray that only touches one enters and leaves at the same place. Missed
    boxes, boxes behind the start and rays that are NaN give infinity twice. A ray that starts
    inside enters at 0.

    Slab method (Kay and Kajiya 1986). Differentiable in all four arguments where a box is hit.
    """
    xp = namespace(origins, directions, size)
    center, rotation, origins, directions, size = promote(
        pose.translation, pose.rotation, origins, directions, size
    )
    offset = origins[..., :, None, :] - center[..., None, :, :]  # [... R B 3]
    zero = xp.zeros_like(offset[..., 0])
    near, far = zero, zero + float("inf")
    for axis in range(3):
        column = rotation[..., None, :, :, axis]
        at = xp.sum(offset * column, axis=-1)
        speed = xp.sum(directions[..., :, None, :] * column, axis=-1)
        half = size[..., None, :, axis] / 2 + zero
        first, last = _slab(at, speed, half)
        near, far = xp.maximum(near, first), xp.minimum(far, last)
    hit = near <= far
    missed = zero + float("inf")
    return xp.where(hit, near, missed), xp.where(hit, far, missed)


def _slab(at: Array, speed: Array, half: Array) -> tuple[Array, Array]:
    """When a coordinate that starts ``at`` and moves with ``speed`` is within ``half``."""
    xp = namespace(at)
    still = speed == 0
    safe = xp.where(still, xp.ones_like(speed), speed)
    one, other = (-half - at) / safe, (half - at) / safe
    always = xp.where(xp.abs(at) <= half, -np.inf, np.inf)
    return (
        xp.where(still, always, xp.minimum(one, other)),
        xp.where(still, -always, xp.maximum(one, other)),
    )

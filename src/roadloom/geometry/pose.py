"""Rigid transforms between named coordinate frames.

A pose that carries points from frame ``b`` into frame ``a`` lives in a variable named
``a_from_b``. A chain is correct when the inner names match:

    world_from_camera = world_from_ego @ ego_from_camera

Rotations and translations are float64 unless a network needs otherwise: at 5,000 km from the
world's origin float32 resolves half a metre.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, detached, like, namespace, promote
from roadloom.geometry.checks import check_last

LONG = 100.0
"""A quaternion with a larger component is scaled down first, lest its square overflow."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Rotation, then translation [m]. Leading axes are batch axes and broadcast.

    Holds NumPy arrays or tensors, both of one kind; every method answers in that kind.
    """

    rotation: Float[Array, "*batch 3 3"]
    translation: Float[Array, "*batch 3"]

    @staticmethod
    def identity() -> "Pose":
        return Pose(np.eye(3), np.zeros(3))

    @staticmethod
    def from_quaternion(wxyz: Array | Sequence[float], translation: Array) -> "Pose":
        """From a quaternion, scalar first; it is normalised, a zero one is refused."""
        wxyz = like(wxyz, translation)
        return Pose(rotation_from_quaternion(wxyz), translation)

    @staticmethod
    def stack(poses: Sequence["Pose"]) -> "Pose":
        """Join poses along a new first axis."""
        xp = namespace(poses[0].translation)
        return Pose(xp.stack([p.rotation for p in poses]), xp.stack([p.translation for p in poses]))

    @property
    def quaternion(self) -> Float[Array, "*batch 4"]:
        """Unit quaternion, scalar first and not negative."""
        return quaternion_from_rotation(self.rotation)

    @property
    def yaw(self) -> Float[Array, "*batch"]:
        """Angle [rad] of the turned x axis about z, left positive."""
        xp = namespace(self.rotation)
        return xp.atan2(self.rotation[..., 1, 0], self.rotation[..., 0, 0])

    def __matmul__(self, other: "Pose") -> "Pose":
        """Compose: ``(a_from_b @ b_from_c)`` is ``a_from_c``."""
        left, right = promote(self.rotation, other.rotation)
        return Pose(left @ right, self.apply(other.translation[..., None, :])[..., 0, :])

    def __getitem__(self, index: object) -> "Pose":
        """Pick from the batch axes."""
        return Pose(self.rotation[index], self.translation[index])

    def __len__(self) -> int:
        if self.translation.ndim < 2:
            raise TypeError("a single pose has no length")
        return int(self.translation.shape[0])

    def inverse(self) -> "Pose":
        rotation, translation = promote(self.rotation, self.translation)
        return Pose(rotation.mT, -(rotation.mT @ translation[..., None])[..., 0])

    def apply(self, points: Float[Array, "*#batch point 3"]) -> Float[Array, "*batch point 3"]:
        """Move points [m] from the right-hand frame into the left-hand frame."""
        rotation, translation, points = promote(self.rotation, self.translation, points)
        return points @ rotation.mT + translation[..., None, :]

    def rotate(self, vectors: Float[Array, "*#batch point 3"]) -> Float[Array, "*batch point 3"]:
        """Turn directions from the right-hand frame into the left-hand frame."""
        rotation, vectors = promote(self.rotation, vectors)
        return vectors @ rotation.mT


def rotation_from_yaw(yaw: Array) -> Float[Array, "*batch 3 3"]:
    """Left turn by ``yaw`` [rad] about z."""
    xp = namespace(yaw)
    cos, sin, zero, one = xp.cos(yaw), xp.sin(yaw), xp.zeros_like(yaw), xp.ones_like(yaw)
    flat = xp.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], axis=-1)
    return xp.reshape(flat, (*yaw.shape, 3, 3))


def rotation_from_quaternion(wxyz: Float[Array, "*batch 4"]) -> Float[Array, "*batch 3 3"]:
    """Rotation matrix of a quaternion, scalar first, of any finite length above 1e-6.

    Raises:
        BadInput: a quaternion is not finite or (nearly) zero, or the last axis is not four long.
    """
    xp = namespace(wxyz)
    check_last(wxyz, 4, "quaternion")
    size = xp.max(xp.abs(detached(wxyz)), axis=-1, keepdims=True)
    finite = bool(xp.all(xp.isfinite(size)))
    if finite and bool(xp.any(size > LONG)):
        wxyz = wxyz / xp.where(size > LONG, size, xp.ones_like(size))
    length = xp.linalg.vector_norm(wxyz, axis=-1) if finite else size[..., 0]
    if not (finite and bool(xp.all(length > 1e-6))):
        raise BadInput(
            "a quaternion of length zero, infinity or NaN is no rotation",
            field="quaternion",
            remedy="give w, x, y, z, finite and not all zero",
        )
    unit = wxyz / length[..., None]
    w, x, y, z = (unit[..., i] for i in range(4))
    flat = xp.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ],
        axis=-1,
    )  # fmt: skip
    return xp.reshape(flat, (*wxyz.shape[:-1], 3, 3))


def quaternion_from_rotation(rotation: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 4"]:
    """Unit quaternion, scalar first and not negative, of a rotation matrix.

    Each of the four candidates divides by one component; the largest is chosen, so the
    division is always by at least a half (Shepperd 1978).
    """
    xp = namespace(rotation)
    m = rotation
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    yx, zx, zy = m[..., 1, 0], m[..., 2, 0], m[..., 2, 1]
    xy, xz, yz = m[..., 0, 1], m[..., 0, 2], m[..., 1, 2]
    candidates = xp.stack(
        [
            xp.stack([1 + xx + yy + zz, zy - yz, xz - zx, yx - xy], axis=-1),
            xp.stack([zy - yz, 1 + xx - yy - zz, yx + xy, xz + zx], axis=-1),
            xp.stack([xz - zx, yx + xy, 1 - xx + yy - zz, zy + yz], axis=-1),
            xp.stack([yx - xy, xz + zx, zy + yz, 1 - xx - yy + zz], axis=-1),
        ],
        axis=-2,
    )
    diagonal = xp.stack([candidates[..., i, i] for i in range(4)], axis=-1)
    best = xp.argmax(diagonal, axis=-1)
    one_hot = xp.astype(best[..., None] == like(np.arange(4), rotation), rotation.dtype)
    chosen = xp.sum(candidates * one_hot[..., None], axis=-2)
    unit = chosen / xp.linalg.vector_norm(chosen, axis=-1)[..., None]
    return xp.where(unit[..., :1] < 0, -unit, unit)

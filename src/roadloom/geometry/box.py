"""Oriented boxes: corners, the points inside, overlap.

A box is a pose ``frame_from_box`` (origin at the box's centre, x along its length, y to its
left, z up) and a size: length (x), width (y), height (z) [m]. Poses carry batch axes, sizes the
same ones and a last axis of three. Written against the array API: readers call these without
torch, and tensors get gradients.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int64

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, like, namespace
from roadloom.geometry.checks import check_last, check_shape
from roadloom.geometry.pose import Pose

CORNER_SIGNS = np.array(
    [
        [1.0, 1.0, -1.0],
        [-1.0, 1.0, -1.0],
        [-1.0, -1.0, -1.0],
        [1.0, -1.0, -1.0],
        [1.0, 1.0, 1.0],
        [-1.0, 1.0, 1.0],
        [-1.0, -1.0, 1.0],
        [1.0, -1.0, 1.0],
    ]
)
"""The floor counter-clockwise seen from above (front left, rear left, rear right, front right),
then the roof in the same order."""
EDGES = np.array(
    [[i, (i + 1) % 4] for i in range(4)]
    + [[4 + i, 4 + (i + 1) % 4] for i in range(4)]
    + [[i, i + 4] for i in range(4)]
)
"""Pairs of corners: floor, roof, uprights. Edge 3 and edge 7 are the front's."""


def corners(pose: Pose, size: Float[Array, "*batch 3"]) -> Float[Array, "*batch 8 3"]:
    """Corners [m] of each box, in the order of ``CORNER_SIGNS``."""
    _check_size(size)
    signs = namespace(size).astype(like(CORNER_SIGNS, size), size.dtype)
    return pose.apply(signs * (size[..., None, :] / 2))


def inside(
    points: Float[Array, "point 3"], pose: Pose, size: Float[Array, "box 3"]
) -> Bool[Array, "box point"]:
    """Which points lie in which box; a point on a face is inside. NaN points are in none.

    Raises:
        BadInput: other numbers of poses and sizes, or a size that is none.
    """
    _check_boxes(points, pose, size)
    xp = namespace(points, size)
    found = xp.zeros((size.shape[0], points.shape[0]), dtype=xp.bool, device=_device(points))
    for i, members in enumerate(_members(points, pose, size)):
        found[i, members] = True
    return found


def points_in_boxes_count(
    points: Float[Array, "point 3"], pose: Pose, size: Float[Array, "box 3"]
) -> Int64[Array, " box"]:
    """Number of points in each box, faces included.

    Raises:
        BadInput: other numbers of poses and sizes, or a size that is none.
    """
    _check_boxes(points, pose, size)
    counts = [members.shape[0] for members in _members(points, pose, size)]
    return like(np.array(counts, dtype=np.int64), points)


def bev_iou(
    pose_a: Pose,
    size_a: Float[Array, "*batch a 3"],
    pose_b: Pose,
    size_b: Float[Array, "*batch b 3"],
) -> Float[Array, "*batch a b"]:
    """Intersection over union of the footprints seen from above, each with each.

    Exact for boxes turned about z. Of a box that also rolls or pitches the heading counts and
    the tilt does not. Two boxes without area have IoU 0.

    Raises:
        BadInput: other numbers of poses and sizes, a size that is none, a pose that is not finite.
    """
    _check_pairs(pose_a, size_a, pose_b, size_b)
    both = footprint_intersection(pose_a, size_a, pose_b, size_b)
    area_a, area_b = size_a[..., 0] * size_a[..., 1], size_b[..., 0] * size_b[..., 1]
    return _ratio(both, area_a[..., :, None] + area_b[..., None, :] - both)


def iou_3d(
    pose_a: Pose,
    size_a: Float[Array, "*batch a 3"],
    pose_b: Pose,
    size_b: Float[Array, "*batch b 3"],
) -> Float[Array, "*batch a b"]:
    """Intersection over union of the volumes, each with each.

    Exact for boxes turned about z: the footprints' intersection times the overlap in height.
    Roll and pitch are passed over, as in ``bev_iou``.

    Raises:
        BadInput: other numbers of poses and sizes, a size that is none, a pose that is not finite.
    """
    _check_pairs(pose_a, size_a, pose_b, size_b)
    xp = namespace(size_a, size_b)
    rise = pose_b.translation[..., None, :, 2] - pose_a.translation[..., :, None, 2]
    half_a, half_b = size_a[..., :, None, 2] / 2, size_b[..., None, :, 2] / 2
    overlap = xp.minimum(half_a, rise + half_b) - xp.maximum(-half_a, rise - half_b)
    footprint = footprint_intersection(pose_a, size_a, pose_b, size_b)
    both = footprint * xp.maximum(overlap, xp.zeros_like(overlap))
    volume_a, volume_b = xp.prod(size_a, axis=-1), xp.prod(size_b, axis=-1)
    return _ratio(both, volume_a[..., :, None] + volume_b[..., None, :] - both)


def footprint_intersection(
    pose_a: Pose,
    size_a: Float[Array, "*batch a 3"],
    pose_b: Pose,
    size_b: Float[Array, "*batch b 3"],
) -> Float[Array, "*batch a b"]:
    """Area [m^2] that two footprints share, each with each.

    In the frame of ``a`` its footprint is ``|x| <= l, |y| <= w``, and the area shared with the
    polygon ``b`` is the integral of ``clip(y, -w, w) d clip(x, -l, l)`` around ``b``. Each edge
    gives its share in closed form, so the result is continuous (no polygon is assembled and no
    tolerance is needed) and piecewise smooth.
    """
    xp = namespace(size_a, size_b)
    forward = _heading(pose_a)[..., :, None, None, :]
    left = xp.stack([-forward[..., 1], forward[..., 0]], axis=-1)
    at_b = _outline(pose_b, size_b)[..., None, :, :, :]  # [... 1 b 4 2], about b's centre
    offset = pose_b.translation[..., None, :, :2] - pose_a.translation[..., :, None, :2]
    at_a = at_b + offset[..., None, :]
    x, y = xp.sum(at_a * forward, axis=-1), xp.sum(at_a * left, axis=-1)  # [... a b 4]
    half = (size_a / 2)[..., :, None, None, :]
    x_next, y_next = (xp.roll(v, -1, axis=-1) for v in (x, y))

    enter = _crossings(x, x_next, half[..., 0])
    y_in, y_out = (y + t * (y_next - y) for t in enter)
    x_in, x_out = (_clip(x + t * (x_next - x), half[..., 0]) for t in enter)
    first, second = _crossings(y_in, y_out, half[..., 1])
    mid_first, mid_second = (
        _clip(y_in + t * (y_out - y_in), half[..., 1]) for t in (first, second)
    )
    y_in, y_out = _clip(y_in, half[..., 1]), _clip(y_out, half[..., 1])
    mean = (
        first * (y_in + mid_first)
        + (second - first) * (mid_first + mid_second)
        + (1 - second) * (mid_second + y_out)
    ) / 2
    area = -xp.sum(mean * (x_out - x_in), axis=-1)  # counter-clockwise, so the integral is < 0
    return xp.maximum(area, xp.zeros_like(area))


def _members(points: Array, pose: Pose, size: Array) -> Iterator[Array]:
    """Indices of the points in each box.

    Sorted along x, the points near a box are a short slice: only those are turned into its frame.
    Differences are taken first and in float64, so far-off worlds cost nothing.
    """
    xp = namespace(points, size)
    points = xp.astype(points, xp.float64)
    order = xp.nonzero(xp.all(xp.isfinite(points), axis=-1))[0]
    order = order[xp.argsort(points[order, 0])]
    ordered = points[order, :]
    center = xp.astype(pose.translation, xp.float64)
    rotation = xp.astype(pose.rotation, xp.float64)
    half = xp.astype(size, xp.float64) / 2
    # A little more than the half diagonal, for the rounding of centre plus radius.
    radius = xp.linalg.vector_norm(half, axis=-1) * (1 + 1e-9) + 1e-9 + xp.abs(center[:, 0]) * 1e-15
    along = xp.asarray(ordered[:, 0], copy=True)  # torch searches contiguous memory only
    low = xp.searchsorted(along, center[:, 0] - radius)
    high = xp.searchsorted(along, center[:, 0] + radius, side="right")
    for i in range(size.shape[0]):
        near = slice(int(low[i]), int(high[i]))
        local = (ordered[near, :] - center[i, :]) @ rotation[i, :, :]
        yield order[near][xp.all(xp.abs(local) <= half[i, :], axis=-1)]


def _heading(pose: Pose) -> Array:
    """Unit vector of the x axis seen from above; a box standing on end heads along x."""
    xp = namespace(pose.rotation)
    x_axis = pose.rotation[..., :2, 0]
    length = xp.linalg.vector_norm(x_axis, axis=-1)[..., None]
    upright = like(np.array([1.0, 0.0]), x_axis)
    upright = xp.astype(upright, x_axis.dtype)
    safe = xp.where(length > 0, length, xp.ones_like(length))
    return xp.where(length > 0, x_axis / safe, upright)


def _outline(pose: Pose, size: Array) -> Array:
    """Corners of the footprint about its centre, counter-clockwise: [*batch box 4 2]."""
    xp = namespace(size)
    forward = _heading(pose)[..., None, :]
    left = xp.stack([-forward[..., 1], forward[..., 0]], axis=-1)
    signs = xp.astype(like(CORNER_SIGNS[:4, :2], size), size.dtype)
    half = size[..., None, :2] / 2 * signs
    return half[..., :1] * forward + half[..., 1:] * left


def _crossings(start: Array, end: Array, half: Array) -> tuple[Array, Array]:
    """Where on an edge (0 to 1) a coordinate enters and leaves ``[-half, half]``."""
    xp = namespace(start)
    run = end - start
    level = run == 0
    safe = xp.where(level, xp.ones_like(run), run)
    one, zero = xp.ones_like(run), xp.zeros_like(run)
    at = [xp.where(level, zero, (side - start) / safe) for side in (-half, half)]
    first, second = xp.minimum(*at), xp.maximum(*at)
    return tuple(xp.minimum(xp.maximum(t, zero), one) for t in (first, second))


def _clip(value: Array, half: Array) -> Array:
    xp = namespace(value)
    return xp.minimum(xp.maximum(value, -half), half)


def _ratio(part: Array, whole: Array) -> Array:
    xp = namespace(part)
    some = whole > 0
    return xp.where(some, part / xp.where(some, whole, xp.ones_like(whole)), xp.zeros_like(part))


def _device(array: Array) -> object:
    return getattr(array, "device", None)


def _check_boxes(points: Array, pose: Pose, size: Array) -> None:
    check_shape(points, (None, 3), "points", "one row of x, y, z for each point")
    check_shape(size, (None, 3), "size", "one row of length, width, height for each box")
    _check_count(pose, size)
    _check_size(size)


def _check_pairs(pose_a: Pose, size_a: Array, pose_b: Pose, size_b: Array) -> None:
    """Refuses what would get an overlap all the same: NaN compares as neither in nor out."""
    for pose, size in ((pose_a, size_a), (pose_b, size_b)):
        _check_size(size)
        _check_count(pose, size)
        xp = namespace(pose.translation)
        if not bool(xp.all(xp.isfinite(pose.translation)) & xp.all(xp.isfinite(pose.rotation))):
            raise BadInput("a box has a pose that is not finite", field="pose")


def _check_count(pose: Pose, size: Array) -> None:
    """Boxes lie along the last batch axis: as many rotations and translations as sizes."""
    count = tuple(size.shape[-2:-1])
    if tuple(pose.translation.shape[-2:]) != (*count, 3) or tuple(pose.rotation.shape[-3:]) != (
        *count, 3, 3,
    ):  # fmt: skip
        raise BadInput(
            f"rotations {tuple(pose.rotation.shape)} and translations "
            f"{tuple(pose.translation.shape)} do not fit sizes {tuple(size.shape)}",
            field="pose",
            remedy="give one pose and one size for each box",
        )


def _check_size(size: Array) -> None:
    check_last(size, 3, "size")
    xp = namespace(size)
    good = (size >= 0) & xp.isfinite(size)
    if not bool(xp.all(good)):
        worst = xp.reshape(size[~good], (-1,))[0]
        raise BadInput(
            f"a box has the size {float(worst)}",
            field="size",
            remedy="give length, width and height in metres, finite and not negative",
        )

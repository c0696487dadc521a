"""3-D Gaussians to ellipses in an image, through any camera: EWA splatting.

    centres, covariances, camera -> means [px], covariances [px^2], depths, sorted near to far

Zwicker et al., "EWA Splatting" (2002), as 3-D Gaussian splatting (Kerbl et al. 2023) uses it: the
projection is linear about each centre, ``J W S W^T J^T``, and 0.3 px^2 on the diagonal stands for
the pixel's own width. J is the exact derivative of ``camera.project``, distortion included.

- A Gaussian counts wherever its ellipse reaches into the image, its centre inside or not.
- One whose centre the lens cannot see (behind a pinhole, past the fold, beyond a fisheye's angle)
  does not count.
- Near and far are depths z of a pinhole and distances from a fisheye, which sees where z is not
  positive. The same number sorts. Depth itself is z for all cameras.
- Far outside a pinhole's image the linear form breaks down: what lies beside the camera would
  smear over all of it. J is taken no further out than 15 % of the image's width and height.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, is_tensor, like, namespace
from roadloom.geometry.checks import all_finite
from roadloom.geometry.pose import Pose
from roadloom.sensors.camera import Camera, FisheyeCamera, PinholeCamera
from roadloom.sensors.lens_curve import LensCurve

NEAR_M, FAR_M = 0.2, 200.0
LOW_PASS_PX2 = 0.3
LEAST_ALPHA = 1 / 255
"""Below this a Gaussian does not count at a pixel."""
REACH = float(np.sqrt(2 * np.log(1 / LEAST_ALPHA)))
"""Standard deviations at which a Gaussian of opacity 1 falls to that: 3.33."""
MARGIN = 0.15
"""Share of the image's size, on either side, within which J is exact."""
_BORDER_SAMPLES = 33
_ON_AXIS = 1e-7
"""Nearer to the axis [rad] a lens by angle is the pinhole of its centre; J is off by its square."""


_Slopes = tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]


class Footprints(NamedTuple):
    """Ellipses in an image, near to far. What the image cannot show is left out."""

    means: Float[Array, "footprint 2"]
    """(u, v) [px]; may lie outside the image."""
    covariances: Float[Array, "footprint 3"]
    """uu, uv, vv [px^2], low-pass included."""
    depths: Float[Array, " footprint"]
    """z in the camera frame [m]."""
    rows: Int64[np.ndarray, " footprint"]
    """Which Gaussian each of them is."""


def project_gaussians(
    centers: Float[Array, "gaussian 3"],
    covariances: Float[Array, "gaussian 3 3"],
    camera: Camera,
    camera_from_grid: Pose,
    *,
    near_m: float = NEAR_M,
    far_m: float = FAR_M,
) -> Footprints:
    """The ellipses of those Gaussians that reach into the image, sorted near to far.

    Equal depths are ordered by u, then v, so that the order of the input does not matter; only
    Gaussians with one and the same centre keep their order. Tensors give tensors, differentiable
    in centres and covariances; which are kept, and their order, carry no gradient.

    Args:
        camera_from_grid: from the frame of the centres; NumPy.

    Raises:
        BadInput: near and far are no range, or a Gaussian is not finite.
    """
    if not 0 < near_m < far_m:
        raise BadInput(
            f"{near_m} to {far_m} m is no range", field="near_m",
            remedy="give 0 < near_m < far_m",
        )  # fmt: skip
    mean, spread = _numpy(centers), _numpy(covariances)
    if not spread.strides[0]:
        spread = spread[:1]  # one for all
    if not (all_finite(mean) and all_finite(spread)):
        raise BadInput("a Gaussian is not finite", field="centers", remedy="leave such rows out")
    points = _moved(camera_from_grid, mean)
    key = sort_key(camera, points)
    rows = np.flatnonzero((key >= near_m) & (key <= far_m))
    pixels, _ = camera.project(points[rows])
    seen = np.isfinite(pixels[:, 0])
    rows, pixels = rows[seen], pixels[seen]
    shared = len(spread) < len(mean)
    ellipse = _ellipses(points[rows], spread if shared else spread[rows], camera, camera_from_grid)
    half_u, half_v = (REACH * np.sqrt(ellipse[:, i]) for i in (0, 2))
    u, v = pixels[:, 0], pixels[:, 1]
    across = (u + half_u >= 0) & (u - half_u <= camera.width - 1)
    kept = np.flatnonzero(across & (v + half_v >= 0) & (v - half_v <= camera.height - 1))
    kept = kept[np.lexsort((v[kept], u[kept], key[rows[kept]]))]
    rows = rows[kept]
    if not is_tensor(centers):
        return Footprints(pixels[kept], ellipse[kept], points[rows, 2], rows)
    index = like(rows, centers)
    chosen = camera_from_grid_like(camera_from_grid, centers).apply(centers[index])
    ellipses = _ellipses(chosen, covariances[index], camera, camera_from_grid)
    return Footprints(camera.project(chosen)[0], ellipses, chosen[:, 2], rows)


def _moved(pose: Pose, points: Float[np.ndarray, "gaussian 3"]) -> Float[np.ndarray, "gaussian 3"]:
    """As ``pose.apply``, without BLAS, whose threads spin between the threads of the cameras."""
    x, y, z = points.T
    rows = (
        r[0] * x + r[1] * y + r[2] * z + t
        for r, t in zip(pose.rotation, pose.translation, strict=True)
    )
    return np.stack(list(rows), axis=-1)


def sort_key(camera: Camera, points: Float[Array, "gaussian 3"]) -> Float[Array, " gaussian"]:
    """What near, far and front-to-back mean: z of a pinhole, distance from a lens by angle."""
    if isinstance(camera, PinholeCamera):
        return points[:, 2]
    return namespace(points).linalg.vector_norm(points, axis=-1)


def projection_jacobian(
    camera: Camera, points: Float[Array, "gaussian 3"]
) -> Float[Array, "gaussian 2 3"]:
    """Derivative of ``camera.project`` by the point, in closed form [px/m].

    Of a pinhole it is taken at the point moved sideways to within ``MARGIN`` of the image. The
    points must be ones that the lens sees.
    """
    xp = namespace(points)
    return xp.stack([xp.stack(row, axis=-1) for row in _slopes(camera, points)], axis=-2)


def camera_from_grid_like(pose: Pose, reference: Array) -> Pose:
    """The pose in the kind of numbers of ``reference``."""
    xp = namespace(reference)
    rotation, translation = (
        xp.astype(like(a, reference), reference.dtype, copy=False)
        for a in (pose.rotation, pose.translation)
    )
    return Pose(rotation, translation)


def _ellipses(points: Array, spread: Array, camera: Camera, pose: Pose) -> Array:
    """uu, uv, vv of each projected covariance, low-pass included; one ``spread`` may serve all."""
    turn = camera_from_grid_like(pose, points).rotation
    seen = turn @ spread @ turn.mT if is_tensor(turn) else turn @ spread @ turn.T
    u, v = _slopes(camera, points)
    carried = [sum(u[i] * seen[:, i, j] for i in range(3)) for j in range(3)]
    uu = sum(carried[j] * u[j] for j in range(3)) + LOW_PASS_PX2
    uv = sum(carried[j] * v[j] for j in range(3))
    carried = [sum(v[i] * seen[:, i, j] for i in range(3)) for j in range(3)]
    vv = sum(carried[j] * v[j] for j in range(3)) + LOW_PASS_PX2
    return namespace(points).stack([uu, uv, vv], axis=-1)


def _slopes(camera: Camera, points: Array) -> _Slopes:
    """Derivatives of u by x, y, z, then those of v."""
    if isinstance(camera, PinholeCamera):
        return _pinhole_slopes(camera, points)
    return _angle_slopes(camera, points)


def _pinhole_slopes(camera: PinholeCamera, points: Array) -> _Slopes:
    xp = namespace(points)
    left, right, top, bottom = _window(camera)
    z = points[:, 2]
    x, y = xp.clip(points[:, 0] / z, left, right), xp.clip(points[:, 1] / z, top, bottom)
    square = x * x + y * y
    g = 1 + square * (camera.k1 + square * (camera.k2 + square * camera.k3))
    rise = camera.k1 + square * (2 * camera.k2 + 3 * camera.k3 * square)  # dg / d(r^2)
    p1, p2 = camera.p1, camera.p2
    xx = g + 2 * x * x * rise + 2 * p1 * y + 6 * p2 * x
    xy = 2 * x * y * rise + 2 * p1 * x + 2 * p2 * y
    yy = g + 2 * y * y * rise + 6 * p1 * y + 2 * p2 * x
    fx, fy = camera.fx / z, camera.fy / z
    u = fx * xx, fx * xy, -fx * (xx * x + xy * y)
    return u, (fy * xy, fy * yy, -fy * (xy * x + yy * y))


@lru_cache(maxsize=256)
def _window(camera: PinholeCamera) -> tuple[float, float, float, float]:
    """Least and largest x/z, then y/z, that the image shows, ``MARGIN`` wider on every side."""
    u = np.linspace(-0.5, camera.width - 0.5, _BORDER_SAMPLES)
    v = np.linspace(-0.5, camera.height - 0.5, _BORDER_SAMPLES)
    rim = [np.stack([u, np.full_like(u, side)], -1) for side in (v[0], v[-1])]
    rim += [np.stack([np.full_like(v, side), v], -1) for side in (u[0], u[-1])]
    ways, _ = camera.unproject(np.concatenate(rim))
    ways = ways[np.isfinite(ways[:, 2])]
    if not len(ways):  # the image's rim lies past the fold: the lens bounds it, not the image
        return -np.inf, np.inf, -np.inf, np.inf
    x, y = ways[:, 0] / ways[:, 2], ways[:, 1] / ways[:, 2]
    wide, high = MARGIN * (x.max() - x.min()), MARGIN * (y.max() - y.min())
    return x.min() - wide, x.max() + wide, y.min() - high, y.max() + high


def _angle_slopes(camera: Camera, points: Array) -> _Slopes:
    """In polar form: along the radius d' z / (r^2 + z^2), across it d / r."""
    xp = namespace(points)
    curve = _curve(camera)
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    axial = x * x + y * y <= (_ON_AXIS * z) ** 2
    one, zero = xp.ones_like(x), xp.zeros_like(x)
    x, y = xp.where(axial, one, x), xp.where(axial, zero, y)
    radius = xp.sqrt(x * x + y * y)
    cos, sin = x / radius, y / radius
    angle = xp.atan2(xp.where(axial, zero, radius), z)
    square = xp.where(axial, zero, radius * radius) + z * z
    slope = curve.slope(curve.power(angle))
    along = slope * z / square
    across = xp.where(axial, along, curve.value(angle) / radius)
    ahead = -slope * xp.where(axial, zero, radius) / square
    mixed = cos * sin * (along - across)
    fx, fy = camera.fx, camera.fy
    u = fx * (cos**2 * along + sin**2 * across), fx * mixed, fx * cos * ahead
    return u, (fy * mixed, fy * (sin**2 * along + cos**2 * across), fy * sin * ahead)


def _curve(camera: Camera) -> LensCurve:
    if isinstance(camera, FisheyeCamera):
        return LensCurve(coefficients=(camera.k1, camera.k2, camera.k3, camera.k4))
    assert not isinstance(camera, PinholeCamera)
    return LensCurve(coefficients=(camera.p1, camera.p2, camera.p3, camera.p4, camera.p5), step=1)


def _numpy(values: Array) -> np.ndarray:
    if is_tensor(values):
        values = values.detach().cpu().numpy()
    return np.asarray(values, np.float64)

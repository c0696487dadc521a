"""Closed shapes from which builders put things together.

All return meshes wound counter-clockwise seen from outside. ``uv`` is in metres: around or along
first, then up. No triangle without area is made.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from roadloom.town.mesh.mesh import Mesh

Number = float | int
Vector = Sequence[Number] | np.ndarray
_BOX_FACES = ((3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
BOX_SIDES = ("bottom", "top", "right", "front", "left", "rear")
"""Names of a box's faces: y low is right, x high is front."""
_BOX_CORNERS = np.array(
    [[x, y, z] for z in (0, 1) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))], bool
)
_BOX_WHERE = _BOX_CORNERS[np.array(_BOX_FACES)[:, [0, 1, 2, 0, 2, 3]]].reshape(6, 2, 3, 3)
"""High (or low) along each axis: face, triangle, corner, axis."""
_BOX_U, _BOX_V = np.array([0, 0, 0, 1, 0, 1]), np.array([1, 1, 2, 2, 2, 2])
_BOX_SIGN = np.array([1, 1, 1, 1, -1, -1])
_LEAST_AREA_M2 = 1e-9


class Finish(NamedTuple):
    """What a surface is made of."""

    material: int
    tint: tuple[Number, Number, Number]
    """Linear."""
    class_id: int
    style: tuple[Number, ...] = ()


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product along the last axis, several times as quick as NumPy's on short arrays."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    x = ay * bz - az * by
    out = np.empty((*x.shape, 3), x.dtype)
    out[..., 0], out[..., 1], out[..., 2] = x, az * bx - ax * bz, ax * by - ay * bx
    return out


def triangles(
    corners: Float[np.ndarray, "triangle 3 3"],
    finish: Finish,
    uv: np.ndarray | None = None,
    normals: np.ndarray | None = None,
) -> Mesh:
    """Triangles as given, those without area left out."""
    span = cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    square = (span * span).sum(axis=1)
    real = square > (2 * _LEAST_AREA_M2) ** 2
    if not real.all():
        corners, span, square = corners[real], span[real], square[real]
        uv = None if uv is None else uv[real]
        normals = None if normals is None else normals[real]
    if normals is None:
        normals = np.empty(corners.shape, np.float32)
        normals[:] = (span / np.sqrt(square)[:, None])[:, None]
    return Mesh.make(
        corners,
        material=finish.material,
        class_id=finish.class_id,
        tint=np.asarray(finish.tint, np.float32),
        style=np.asarray(finish.style, np.float32),
        uv=uv,
        normals=normals,
    )


def polygon(points: Float[np.ndarray, "point 3"] | Sequence[Vector], finish: Finish) -> Mesh:
    """A flat convex face, counter-clockwise seen from outside. u runs along its first edge."""
    points = np.asarray(points, np.float64)
    fan = np.array([(0, i, i + 1) for i in range(1, len(points) - 1)])
    along = points[1] - points[0]
    along = along / np.sqrt((along * along).sum())
    normal = cross(along, points[2] - points[0])
    across = cross(normal / np.sqrt((normal * normal).sum()), along)
    uv = np.stack([(points - points[0]) @ along, (points - points[0]) @ across], axis=-1)
    return triangles(points[fan], finish, uv[fan])


def quad(a: Vector, b: Vector, c: Vector, d: Vector, finish: Finish) -> Mesh:
    """Two triangles; u runs from a to b."""
    return polygon([a, b, c, d], finish)


def box(low: Vector, high: Vector, finish: Finish, *, skip: Sequence[str] = ()) -> Mesh:
    """A box along the axes without the faces in ``skip`` (names of BOX_SIDES).

    On upright faces u runs to the right seen from outside and v is z; on the others uv is x, y.
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    kept = [i for i, name in enumerate(BOX_SIDES) if name not in skip]
    where = _BOX_WHERE[kept]
    corners = np.where(where, high, low)
    uv = np.where(_BOX_U[kept][:, None, None] == 0, corners[..., 0], corners[..., 1])
    up = np.where(_BOX_V[kept][:, None, None] == 1, corners[..., 1], corners[..., 2])
    both = np.stack([uv * _BOX_SIGN[kept][:, None, None], up], axis=-1)
    return triangles(corners.reshape(-1, 3, 3), finish, both.reshape(-1, 3, 2))


def loft(
    rings: Float[np.ndarray, "ring point 3"],
    finish: Finish,
    *,
    smooth: bool = True,
    caps: tuple[bool, bool] = (True, True),
) -> Mesh:
    """A skin over closed rings, closed by the fans of its first and last ring.

    Points run counter-clockwise seen from the last ring's end. A ring may be a single place. Caps
    are flat; they close convex rings only.
    """
    rings = np.asarray(rings, np.float64)
    beside = _next(rings)
    square = np.stack([rings[:-1], beside[:-1], beside[1:], rings[1:]], axis=2)
    uv = _loft_uv(rings)
    parts = [_halves(square), _fan(rings[0][::-1])[: caps[0] * 99], _fan(rings[-1])[: caps[1] * 99]]
    uvs = [_halves(uv), parts[1][..., :2], parts[2][..., :2]]
    whole = np.concatenate(parts)
    normals = _flat(whole)
    if smooth:
        normals[: len(parts[0])] = _halves(_ring_normals(square))
    return triangles(whole, finish, np.concatenate(uvs), normals)


def _flat(corners: Float[np.ndarray, "triangle 3 3"]) -> Float[np.ndarray, "triangle 3 3"]:
    """Each face's own normal at its corners; 0 where it has no area."""
    span = cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    span /= np.sqrt(np.maximum((span * span).sum(axis=1), 1e-300))[:, None]
    return np.repeat(span[:, None], 3, axis=1)


def _halves(square: Float[np.ndarray, "ring point 4 k"]) -> Float[np.ndarray, "triangle 3 k"]:
    return square[:, :, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, square.shape[-1])


def _next(rings: np.ndarray) -> np.ndarray:
    """Each point's neighbour on its ring."""
    return np.concatenate([rings[:, 1:], rings[:, :1]], axis=1)


def _fan(ring: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "triangle 3 3"]:
    count = len(ring)
    first = np.broadcast_to(ring[0], (count - 2, 3))
    return np.stack([first, ring[1:-1], ring[2:]], axis=1)


def _loft_uv(rings: Float[np.ndarray, "ring point 3"]) -> Float[np.ndarray, "ring_1 point 4 2"]:
    """u around each ring, v along the mean line."""
    edge = np.sqrt(((_next(rings) - rings) ** 2).sum(axis=-1))
    u = np.concatenate([np.zeros((len(rings), 1)), np.cumsum(edge, axis=1)], axis=1)
    step = np.sqrt((np.diff(rings.mean(axis=1), axis=0) ** 2).sum(axis=-1))
    v = np.broadcast_to(np.concatenate([[0.0], np.cumsum(step)])[:, None], u.shape)
    uv = np.stack([u, v], axis=-1)
    return np.stack([uv[:-1, :-1], uv[:-1, 1:], uv[1:, 1:], uv[1:, :-1]], axis=2)


def _ring_normals(
    square: Float[np.ndarray, "ring point 4 3"],
) -> Float[np.ndarray, "ring point 4 3"]:
    """At each corner the mean of the faces around it."""
    face = cross(square[:, :, 2] - square[:, :, 0], square[:, :, 3] - square[:, :, 1])
    pair = face + np.concatenate([face[:, -1:], face[:, :-1]], axis=1)
    at = np.zeros((len(face) + 1, *face.shape[1:]))
    at[:-1] += pair
    at[1:] += pair
    at /= np.maximum(np.sqrt((at * at).sum(axis=-1, keepdims=True)), 1e-300)
    beside = _next(at)
    return np.stack([at[:-1], beside[:-1], beside[1:], at[1:]], axis=2)


@lru_cache
def circle(sides: int, turn: float = 0.0) -> Float[np.ndarray, "side 2"]:
    """Unit circle, counter-clockwise, its first corner ``turn`` sides on."""
    angle = (np.arange(sides) + turn) * (2 * np.pi / sides)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def cylinder(
    radius: Number,
    z0: Number,
    z1: Number,
    sides: int,
    finish: Finish,
    *,
    at: tuple[Number, Number] = (0.0, 0.0),
    top_radius: Number | None = None,
    smooth: bool = True,
    caps: tuple[bool, bool] = (True, True),
) -> Mesh:
    """Upright, or a cone with ``top_radius``; ``caps`` are its bottom and its top."""
    radii = (radius, radius if top_radius is None else top_radius)
    rings = [
        np.column_stack([circle(sides, 0.5) * r + at, np.full(sides, z)])
        for r, z in zip(radii, (z0, z1), strict=True)
    ]
    return loft(np.stack(rings), finish, smooth=smooth, caps=caps)


def prism(ring: Float[np.ndarray, "point 2"], z0: Number, z1: Number, finish: Finish) -> Mesh:
    """An upright prism over a convex outline, counter-clockwise from above; flat faces."""
    ring = np.asarray(ring, np.float64)
    rings = [np.column_stack([ring, np.full(len(ring), z)]) for z in (z0, z1)]
    return loft(np.stack(rings), finish, smooth=False)


def limb(
    a: Vector,
    b: Vector,
    radius_a: Number,
    radius_b: Number,
    sides: int,
    finish: Finish,
    *,
    caps: tuple[bool, bool] = (True, True),
    smooth: bool = True,
) -> Mesh:
    """A tapered tube between two places."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return tube(np.stack([a, b]), (radius_a, radius_b), sides, finish, caps=caps, smooth=smooth)


def tube(
    line: Float[np.ndarray, "place 3"] | Sequence[Vector],
    radii: Vector,
    sides: int,
    finish: Finish,
    *,
    caps: tuple[bool, bool] = (True, True),
    smooth: bool = True,
) -> Mesh:
    """A tube along a bent line with a radius at each place; mitred."""
    line = np.asarray(line, np.float64)
    step = np.diff(line, axis=0)
    step /= np.sqrt((step * step).sum(axis=1, keepdims=True))
    along = np.concatenate([step[:1], step[:-1] + step[1:], step[-1:]])
    along /= np.sqrt((along * along).sum(axis=1, keepdims=True))
    side = np.eye(3)[np.argmin(np.abs(along).sum(axis=0))]
    first = cross(side, along)
    first /= np.sqrt((first * first).sum(axis=1, keepdims=True))
    second = cross(along, first)
    unit = circle(sides)
    rings = first[:, None] * unit[:, :1] + second[:, None] * unit[:, 1:]
    rings = line[:, None] + rings * np.asarray(radii, np.float64)[:, None, None]
    return loft(rings, finish, smooth=smooth, caps=caps)


def ellipsoid(
    middle: Vector, radii: Vector, finish: Finish, *, sides: int = 8, rings: int = 5
) -> Mesh:
    """Radii along the axes; ``rings`` bands from pole to pole."""
    unit = _unit_sphere(sides, rings)
    radii = np.asarray(radii, np.float64)
    normals = unit / radii
    normals /= np.sqrt((normals * normals).sum(axis=-1, keepdims=True))
    return triangles(unit * radii + np.asarray(middle, np.float64), finish, None, normals)


@lru_cache
def _unit_sphere(sides: int, rings: int) -> Float[np.ndarray, "triangle 3 3"]:
    tilt = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    cos = np.cos(tilt)
    cos[0] = cos[-1] = 0.0
    at = np.concatenate(
        [
            circle(sides)[None] * cos[:, None, None],
            np.broadcast_to(np.sin(tilt)[:, None, None], (rings + 1, sides, 1)),
        ],
        axis=-1,
    )
    beside = _next(at)
    unit = _halves(np.stack([at[:-1], beside[:-1], beside[1:], at[1:]], axis=2))
    span = cross(unit[:, 1] - unit[:, 0], unit[:, 2] - unit[:, 0])
    return unit[(span * span).sum(axis=1) > 1e-20]


def scaled(mesh: Mesh, factor: Vector, shift: Vector = (0.0, 0.0, 0.0)) -> Mesh:
    """Scaled along the axes by positive factors, then shifted."""
    factor = np.asarray(factor, np.float64)
    normals = mesh.normals / factor
    normals /= np.sqrt((normals * normals).sum(axis=-1, keepdims=True))
    corners = mesh.corners * factor + np.asarray(shift, np.float64)
    return replace(mesh, corners=corners, normals=normals.astype(np.float32))


def fitted(mesh: Mesh, size: Vector, floor: Number) -> Mesh:
    """Scaled and shifted so that it fills ``size`` from ``z = floor`` up to its height."""
    size = np.asarray(size, np.float64)
    low = mesh.corners.min(axis=(0, 1))
    high = mesh.corners.max(axis=(0, 1))
    want_low = np.array([-size[0] / 2, -size[1] / 2, floor])
    want_high = np.array([size[0] / 2, size[1] / 2, size[2]])
    factor = (want_high - want_low) / (high - low)
    return scaled(mesh, factor, want_low - low * factor)


def turned(mesh: Mesh, cos: Number, sin: Number, at: Vector = (0.0, 0.0, 0.0)) -> Mesh:
    """Turned about z by a cosine and sine, then shifted."""
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return replace(
        mesh,
        corners=mesh.corners @ turn.T + np.asarray(at, np.float64),
        normals=(mesh.normals @ turn.T).astype(np.float32),
    )


def shifted(mesh: Mesh, at: Vector) -> Mesh:
    return replace(mesh, corners=mesh.corners + np.asarray(at, np.float64))


def mirrored(mesh: Mesh) -> Mesh:
    """With left and right exchanged; still wound outward."""
    flip = np.array([1.0, -1.0, 1.0])
    return replace(
        mesh,
        corners=(mesh.corners * flip)[:, ::-1],
        normals=(mesh.normals * flip.astype(np.float32))[:, ::-1],
        uv=mesh.uv[:, ::-1],
    )


def creased(mesh: Mesh, least_cos: float = 0.75) -> Mesh:
    """Corner normals averaged over the faces that meet there within an angle of each other.

    Faces meet where their corners agree to 0.1 mm.
    """
    span = cross(mesh.corners[:, 1] - mesh.corners[:, 0], mesh.corners[:, 2] - mesh.corners[:, 0])
    unit = span / np.sqrt((span * span).sum(axis=1, keepdims=True))
    cell = np.rint(mesh.corners.reshape(-1, 3) * 1e4).astype(np.int64) + (1 << 20)
    key = (cell[:, 0] << 42) + (cell[:, 1] << 21) + cell[:, 2]
    order = np.argsort(key, kind="stable")
    start = np.flatnonzero(np.diff(key[order], prepend=-1))
    size = np.diff(start, append=len(key))
    corner_group = np.repeat(np.arange(len(start)), size)
    # Every pair of corners at one place: each corner against all of its group.
    repeats = size[corner_group]
    first = np.repeat(np.arange(len(key)), repeats)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    second = start[corner_group[first]] + offset
    face_a, face_b = order[first] // 3, order[second] // 3
    near = (unit[face_a] * unit[face_b]).sum(axis=1) >= least_cos
    total = np.zeros((len(key), 3))
    for axis in range(3):
        total[:, axis] = np.bincount(
            order[first[near]], weights=span[face_b[near], axis], minlength=len(key)
        )
    total /= np.sqrt((total * total).sum(axis=1, keepdims=True))
    return replace(mesh, normals=total.reshape(-1, 3, 3).astype(np.float32))

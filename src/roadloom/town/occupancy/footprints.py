"""The ground that buildings stand on: nobody sees it, so it is cut out of the surfaces.

A building's outline is taken from its own mesh, whose walls end on one level below the ground.
"""

from typing import NamedTuple

import numpy as np
import shapely
from jaxtyping import Float, Int64

from roadloom.town.kinds import KINDS
from roadloom.town.mesh.mesh import Mesh
from roadloom.town.world import World

LEVEL_M = 1e-3
"""Corners within this of a building's lowest one lie on its outline."""
SLIVER_M2 = 1e-6


class Cut(NamedTuple):
    """What replaces some ground."""

    gone: Int64[np.ndarray, " row"]
    """Rows of the standing mesh that are cut."""
    corners: Float[np.ndarray, "piece 3 3"]
    """What is left of them."""
    of: Int64[np.ndarray, " piece"]
    """The row that each piece was cut from."""


def cut_ground(world: World) -> Cut:
    """Cut the ground along the outlines of buildings.

    Where it slopes it rises above the slabs in front of some: what lies above a slab stays.
    """
    mesh = world.standing_mesh
    covers = [cover for cover in _covers(world, mesh) if not cover.outline.is_empty]
    ground = np.flatnonzero(mesh.owner < 0)
    flat = mesh.corners[ground][..., :2]
    edges = flat[:, 1:] - flat[:, :1]
    level = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]) > SLIVER_M2
    ground, flat = ground[level], flat[level]
    triangles = shapely.polygons(flat)
    outlines = np.array([cover.outline for cover in covers], object)
    pairs = shapely.STRtree(triangles).query(outlines, predicate="intersects")
    gone, corners, of = [], [], []
    for row in np.unique(pairs[1]):
        over = [covers[i] for i in pairs[0][pairs[1] == row]]
        hidden = shapely.union_all([_hidden(mesh.corners[ground[row]], cover) for cover in over])
        rest = shapely.difference(triangles[row], hidden)
        gone.append(ground[row])
        for piece in shapely.get_parts(shapely.constrained_delaunay_triangles(rest)):
            if piece.area > SLIVER_M2:
                corners.append(lifted(mesh.corners[ground[row]], shapely.get_coordinates(piece)))
                of.append(ground[row])
    return Cut(
        np.array(gone, np.int64),
        np.array(corners, np.float64).reshape(-1, 3, 3),
        np.array(of, np.int64),
    )


class Cover(NamedTuple):
    """A part of a building on the plan."""

    outline: shapely.Geometry
    level_m: float
    """The lowest surface over it: a roof, or a slab before the door; infinite without any."""


def _covers(world: World, mesh: Mesh) -> list[Cover]:
    """Of every building near enough to matter."""
    return [
        cover
        for row, thing in enumerate(world.plan.things)
        if KINDS[thing.kind].family == "building" and thing.kind != "skyline"
        for cover in covers_of(mesh.corners[mesh.owner == row])
    ]


def covers_of(corners: Float[np.ndarray, "triangle 3 3"]) -> list[Cover]:
    """What the lowest edges of upright walls enclose, ring by ring."""
    if not len(corners):
        return []
    low = corners[..., 2] < corners[..., 2].min() + LEVEL_M
    edges = [corners[low[:, i] & low[:, j]][:, [i, j], :2] for i, j in ((0, 1), (1, 2), (2, 0))]
    lines = np.round(np.concatenate(edges), 4)
    lines = lines[(lines[:, 0] != lines[:, 1]).any(axis=1)]
    # Walls that end on another one miss it by rounding.
    rings = shapely.polygonize([shapely.union_all(shapely.linestrings(lines), grid_size=LEVEL_M)])
    return [Cover(ring, _lowest_over(corners, ring)) for ring in shapely.get_parts(rings)]


def _lowest_over(corners: Float[np.ndarray, "triangle 3 3"], ring: shapely.Geometry) -> float:
    """Height of the lowest surface above a place inside a ring."""
    place = shapely.get_coordinates(shapely.point_on_surface(ring))[0]
    a, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    whole = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    lies = np.abs(whole) > SLIVER_M2
    a, u, v, whole, at = a[lies], u[lies], v[lies], whole[lies], place - a[lies, :2]
    s = (at[:, 0] * v[:, 1] - at[:, 1] * v[:, 0]) / whole
    t = (u[:, 0] * at[:, 1] - u[:, 1] * at[:, 0]) / whole
    height = a[:, 2] + s * u[:, 2] + t * v[:, 2]
    over = (s >= 0) & (t >= 0) & (s + t <= 1) & (height > corners[..., 2].min() + LEVEL_M)
    return float(height[over].min(initial=np.inf))


def _hidden(triangle: Float[np.ndarray, "3 3"], cover: Cover) -> shapely.Geometry:
    """What of a cover lies over a triangle of the ground, on the plan."""
    if triangle[:, 2].max() <= cover.level_m:
        return cover.outline
    ring = []
    for a, b in zip(triangle, np.roll(triangle, -1, axis=0), strict=True):
        if a[2] < cover.level_m:
            ring.append(a[:2])
        if (a[2] < cover.level_m) != (b[2] < cover.level_m):
            ring.append((a + (cover.level_m - a[2]) / (b[2] - a[2]) * (b - a))[:2])
    return shapely.intersection(cover.outline, shapely.Polygon(ring))


def lifted(triangle: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Three places on the plan, put on the plane of a triangle."""
    a, u, v = triangle[0], triangle[1] - triangle[0], triangle[2] - triangle[0]
    at = ring[:3] - a[:2]
    whole = u[0] * v[1] - u[1] * v[0]
    s = (at[:, 0] * v[1] - at[:, 1] * v[0]) / whole
    t = (u[0] * at[:, 1] - u[1] * at[:, 0]) / whole
    return np.concatenate([ring[:3], (a[2] + s * u[2] + t * v[2])[:, None]], axis=1)

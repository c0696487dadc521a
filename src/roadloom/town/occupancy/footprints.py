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
    """Cut the ground along the outlines of buildings."""
    mesh = world.standing_mesh
    outlines = [outline for outline in _outlines(world, mesh) if not outline.is_empty]
    ground = np.flatnonzero(mesh.owner < 0)
    flat = mesh.corners[ground][..., :2]
    edges = flat[:, 1:] - flat[:, :1]
    level = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]) > SLIVER_M2
    ground, flat = ground[level], flat[level]
    triangles = shapely.polygons(flat)
    pairs = shapely.STRtree(triangles).query(np.array(outlines, object), predicate="intersects")
    gone, corners, of = [], [], []
    for row in np.unique(pairs[1]):
        covers = shapely.union_all([outlines[i] for i in pairs[0][pairs[1] == row]])
        rest = shapely.difference(triangles[row], covers)
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


def _outlines(world: World, mesh: Mesh) -> list[shapely.Geometry]:
    """Of every building near enough to matter, on the plan."""
    return [
        outline(mesh.corners[mesh.owner == row])
        for row, thing in enumerate(world.plan.things)
        if KINDS[thing.kind].family == "building" and thing.kind != "skyline"
    ]


def outline(corners: Float[np.ndarray, "triangle 3 3"]) -> shapely.Geometry:
    """What the lowest edges of upright walls enclose."""
    if not len(corners):
        return shapely.Polygon()
    low = corners[..., 2] < corners[..., 2].min() + LEVEL_M
    edges = [corners[low[:, i] & low[:, j]][:, [i, j], :2] for i, j in ((0, 1), (1, 2), (2, 0))]
    lines = np.round(np.concatenate(edges), 4)
    lines = lines[(lines[:, 0] != lines[:, 1]).any(axis=1)]
    rings = shapely.polygonize([shapely.union_all(shapely.linestrings(lines))])
    return shapely.union_all(shapely.get_parts(rings))


def lifted(triangle: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Three places on the plan, put on the plane of a triangle."""
    a, u, v = triangle[0], triangle[1] - triangle[0], triangle[2] - triangle[0]
    at = ring[:3] - a[:2]
    whole = u[0] * v[1] - u[1] * v[0]
    s = (at[:, 0] * v[1] - at[:, 1] * v[0]) / whole
    t = (u[0] * at[:, 1] - u[1] * at[:, 0]) / whole
    return np.concatenate([ring[:3], (a[2] + s * u[2] + t * v[2])[:, None]], axis=1)

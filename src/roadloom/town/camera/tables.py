"""Everything about triangles that shading needs, in one table per world.

World.tables (Mesh columns) -> one float32 row per triangle, in the triangle's own frame
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from roadloom.town.camera.paint import GroundGrid, grid_of, ground_grid
from roadloom.town.mesh import materials
from roadloom.town.mesh.mesh import flat_normals
from roadloom.town.world import World

FLAT, SMOOTH, UV, GRAD_U, GRAD_V, TINT, STYLE, WIDTH = 0, 3, 12, 18, 21, 24, 27, 33
"""Columns: flat normal 3, corner normals 9, corner uv 6, gradients of u and of v 3 + 3, tint 3,
style 6."""

LAMP_REACH_M = 24.0


class Surfaces(NamedTuple):
    """All arrays of one world that the kernels read."""

    rows: Float32[np.ndarray, "triangle 33"]
    material: UInt8[np.ndarray, " triangle"]
    class_id: UInt8[np.ndarray, " triangle"]
    owner: Int32[np.ndarray, " triangle"]
    ground: GroundGrid
    lamps: Float[np.ndarray, "lamp 3"]
    """Heads of street lamps, in the town."""
    lamp_grid: GroundGrid
    """Which of them are near a place."""


def surfaces_of(world: World) -> Surfaces:
    """The table of one world; computed once and kept with it."""
    kept = world.__dict__.get("_camera_surfaces")
    if kept is None:
        kept = _build(world)
        world.__dict__["_camera_surfaces"] = kept
    return kept


def _build(world: World) -> Surfaces:
    mesh = world.tables
    rows = np.empty((len(mesh), WIDTH), np.float32)
    rows[:, FLAT : FLAT + 3] = flat_normals(mesh.corners)
    rows[:, SMOOTH:UV] = mesh.normals.reshape(-1, 9)
    rows[:, UV:GRAD_U] = mesh.uv.reshape(-1, 6)
    gradient_u, gradient_v = _gradients(mesh.corners, mesh.uv.astype(np.float64))
    rows[:, GRAD_U:GRAD_V], rows[:, GRAD_V:TINT] = gradient_u, gradient_v
    rows[:, TINT:STYLE], rows[:, STYLE:WIDTH] = mesh.tint, mesh.style
    standing = np.arange(len(world.standing_mesh))
    heads = standing[mesh.material[standing] == materials.STREET_LAMP]
    lamps = [
        mesh.corners[heads[mesh.owner[heads] == owner]].mean(axis=(0, 1))
        for owner in np.unique(mesh.owner[heads])
    ]
    heads_m = np.array(lamps, np.float64).reshape(-1, 3)
    squares = np.zeros((len(heads_m), 7))
    squares[:, :2], squares[:, 2], squares[:, 4:6] = heads_m[:, :2], 1.0, LAMP_REACH_M
    return Surfaces(
        rows=rows,
        material=mesh.material,
        class_id=mesh.class_id,
        owner=mesh.owner,
        ground=ground_grid(world),
        lamps=heads_m,
        lamp_grid=grid_of(squares),
    )


def _gradients(
    corners: Float[np.ndarray, "triangle 3 3"], uv: Float[np.ndarray, "triangle 3 2"]
) -> tuple[np.ndarray, np.ndarray]:
    """How u and v grow per metre on the surface; 0 for triangles without area."""
    e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    aa, bb, ab = (e1 * e1).sum(1), (e2 * e2).sum(1), (e1 * e2).sum(1)
    area = aa * bb - ab * ab
    scale = np.where(area > 1e-14, 1 / np.where(area > 1e-14, area, 1), 0.0)[:, None]
    dual1 = (bb[:, None] * e1 - ab[:, None] * e2) * scale
    dual2 = (aa[:, None] * e2 - ab[:, None] * e1) * scale
    d1, d2 = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    both = tuple(d1[:, k : k + 1] * dual1 + d2[:, k : k + 1] * dual2 for k in range(2))
    return both[0], both[1]

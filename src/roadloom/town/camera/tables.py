"""Everything about triangles that shading needs, in one table per world.

World.tables (Mesh columns) -> one float32 row per triangle, in the triangle's own frame
"""

import math
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8
from numba import njit

from roadloom.town.camera.paint import GroundGrid, grid_of, ground_grid
from roadloom.town.mesh import materials
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
    rows[:, SMOOTH:UV] = mesh.normals.reshape(-1, 9)
    rows[:, UV:GRAD_U] = mesh.uv.reshape(-1, 6)
    _flats(mesh.corners, mesh.uv, rows)
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


@njit(cache=True, nogil=True)
@no_type_check
def _flats(corners, uv, rows):
    """Flat normals, and how u and v grow per metre on the surface; 0 for triangles without
    area."""
    for t in range(len(corners)):
        p = corners[t]
        ax, ay, az = p[1, 0] - p[0, 0], p[1, 1] - p[0, 1], p[1, 2] - p[0, 2]
        bx, by, bz = p[2, 0] - p[0, 0], p[2, 1] - p[0, 1], p[2, 2] - p[0, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        if length > 0:
            rows[t, FLAT], rows[t, FLAT + 1], rows[t, FLAT + 2] = (
                nx / length, ny / length, nz / length,
            )  # fmt: skip
        else:
            rows[t, FLAT], rows[t, FLAT + 1], rows[t, FLAT + 2] = 0.0, 0.0, 1.0
        aa, bb = ax * ax + ay * ay + az * az, bx * bx + by * by + bz * bz
        ab = ax * bx + ay * by + az * bz
        area = aa * bb - ab * ab
        scale = 1 / area if area > 1e-14 else 0.0
        for k in range(2):
            start = np.float64(uv[t, 0, k])
            d1, d2 = (uv[t, 1, k] - start) * scale, (uv[t, 2, k] - start) * scale
            one, two = d1 * bb - d2 * ab, d2 * aa - d1 * ab
            column = GRAD_U + 3 * k
            rows[t, column] = one * ax + two * bx
            rows[t, column + 1] = one * ay + two * by
            rows[t, column + 2] = one * az + two * bz

"""Buildings stand on slopes: their walls go down to the lowest ground under them, no farther."""

from dataclasses import replace

import numpy as np

from roadloom.town.mesh.build import SUNK_M
from roadloom.town.mesh.mesh import Mesh
from roadloom.town.plan.types import Relief
from roadloom.town.relief import height

SPARE_M = 0.1
SAMPLES = 9


def footed(mesh: Mesh, depth_m: float) -> Mesh:
    """Faces that end ``SUNK_M`` below a thing's ground end ``depth_m`` below it; their textures
    go on as they were."""
    low = np.abs(mesh.corners[..., 2] + SUNK_M) < 1e-6
    rows = np.flatnonzero(low.any(axis=1))
    corners, uv = mesh.corners.copy(), mesh.uv.copy()
    a, b = (corners[rows, k] - corners[rows, 0] for k in (1, 2))
    aa, ab, bb = ((p * q).sum(axis=1) for p, q in ((a, a), (a, b), (b, b)))
    whole = aa * bb - ab * ab
    s, t = (a[:, 2] * bb - b[:, 2] * ab) / whole, (b[:, 2] * aa - a[:, 2] * ab) / whole
    up = s[:, None] * (uv[rows, 1] - uv[rows, 0]) + t[:, None] * (uv[rows, 2] - uv[rows, 0])
    fall = (depth_m - SUNK_M) * low[rows]
    uv[rows] -= (fall[..., None] * up[:, None]).astype(np.float32)
    corners[rows, :, 2] -= fall
    return replace(mesh, corners=corners, uv=uv)


def depth_under(relief: Relief, footprint_m: np.ndarray, ground_m: float) -> float:
    """How far the ground falls below ``ground_m`` under a footprint [4 corner, xy], and a bit."""
    share = np.linspace(0, 1, SAMPLES)[:, None]
    left = footprint_m[0] + share * (footprint_m[1] - footprint_m[0])
    right = footprint_m[3] + share * (footprint_m[2] - footprint_m[3])
    places = left[:, None] + share * (right - left)[:, None]
    lowest = float(height(relief, places[..., 0], places[..., 1]).min())
    return max(ground_m - lowest, 0.0) + SPARE_M

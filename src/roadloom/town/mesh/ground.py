"""The ground as triangles: roads, pavements, lawns on the relief, and kerbs between them.

Ground under buildings is not left out here: buildings need not fill their footprints, and what
they hide is cut by those who count surfaces.
"""

import numpy as np
from jaxtyping import Float, Int64

from roadloom.scene.classes import class_id
from roadloom.town.kinds import GROUND_CLASS
from roadloom.town.mesh import ground_paint
from roadloom.town.mesh.ears import triangles_of
from roadloom.town.mesh.ground_cells import QUANTUM, Edges, cell_sides, cut_areas, split_edges
from roadloom.town.mesh.ground_skin import Skin, skin_of
from roadloom.town.mesh.materials import KERB
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.plan.types import KERB_MM, Area, TownPlan
from roadloom.town.relief import gradient, height
from roadloom.town.tracks import track_of

LOW = ("road", "junction", "parking")
"""Kinds of areas at the relief's own height; all others lie a kerb above it."""
KERB_TINT = (0.30, 0.295, 0.28)

paint_triangles = ground_paint.paint_triangles


def ground_mesh(plan: TownPlan) -> Mesh:
    """All areas and kerbs, owner -1. Neighbours share their vertices to the bit.

    Cells are 4 m wide near the ego's way, where the surface follows the relief to 2 mm, and wider
    farther away (``ground_cells.LEVELS``).
    """
    areas = plan.roads.areas
    path = track_of(plan.ego, plan.relief).pose[::50, :2]
    sides = cell_sides(path)
    edges = split_edges(areas, sides)
    pieces = cut_areas(areas, edges, sides)
    rows, ring = triangles_of(pieces.points, pieces.begin)
    flat, area = pieces.points[rows], pieces.area[ring]
    skin = skin_of(plan.roads)
    return join([_surfaces(plan, skin, flat, area), _kerbs(plan, edges)]).owned_by(-1)


def raised_of(areas: tuple[Area, ...]) -> Float[np.ndarray, " area"]:
    """Height of each area above the relief [m]."""
    return np.array([0.0 if area.kind in LOW else KERB_MM / 1000 for area in areas])


def _surfaces(
    plan: TownPlan,
    skin: Skin,
    flat: Float[np.ndarray, "triangle 3 2"],
    area: Int64[np.ndarray, " triangle"],
) -> Mesh:
    places, back = _unique(flat.reshape(-1, 2))
    x, y = places.T
    z = height(plan.relief, x, y)
    gx, gy = gradient(plan.relief, x, y)
    up = np.stack([-gx, -gy, np.ones_like(gx)], axis=1)
    up /= np.sqrt((up**2).sum(axis=1, keepdims=True))
    raised = raised_of(plan.roads.areas)[area]
    corners = np.concatenate([flat, z[back].reshape(-1, 3, 1) + raised[:, None, None]], axis=2)
    classes = np.array([class_id(GROUND_CLASS[a.kind]) for a in plan.roads.areas], np.uint8)
    return Mesh(
        corners=corners,
        normals=up[back].reshape(-1, 3, 3).astype(np.float32),
        uv=skin.uv(flat, area).astype(np.float32),
        material=skin.material[area],
        tint=skin.tint[area],
        style=skin.style[area],
        class_id=classes[area],
        owner=np.zeros(len(area), np.int32),
    )


def _unique(
    points: Float[np.ndarray, "point 2"],
) -> tuple[Float[np.ndarray, "place 2"], Int64[np.ndarray, " point"]]:
    """Different places, and the row of each point's own."""
    whole = np.rint(points / QUANTUM).astype(np.int64)
    keys, back = np.unique((whole[:, 0] << 32) + whole[:, 1], return_inverse=True)
    y = ((keys + (1 << 31)) & ((1 << 32) - 1)) - (1 << 31)
    return np.stack([(keys - y) >> 32, y], axis=1) * QUANTUM, back


def _kerbs(plan: TownPlan, edges: Edges) -> Mesh:
    """Upright faces where low ground meets raised ground, seen from the low side."""
    raised = raised_of(plan.roads.areas)[edges.area]
    low = raised == 0
    step = edges.end - edges.start
    length = np.sqrt((step**2).sum(axis=1))
    along = np.cumsum(length) - length
    mine = _edge_keys(edges.start, edges.end)
    high = _edge_keys(edges.end[~low], edges.start[~low])
    is_kerb = low & np.isin(mine, high)
    a, b = edges.start[is_kerb], edges.end[is_kerb]
    u = along[is_kerb]
    v = u + length[is_kerb]
    z_a, z_b = (height(plan.relief, p[:, 0], p[:, 1]) for p in (a, b))
    top = KERB_MM / 1000
    corner = [
        np.concatenate([p, z[:, None]], axis=1)
        for p, z in ((b, z_b), (a, z_a), (a, z_a + top), (b, z_b + top))
    ]
    place = [
        np.stack([s, np.full(len(s), t)], axis=1)
        for s, t in ((v, 0.0), (u, 0.0), (u, top), (v, top))
    ]
    pick = ((0, 1, 2), (0, 2, 3))
    return Mesh.make(
        np.concatenate([np.stack([corner[i] for i in p], axis=1) for p in pick]),
        material=KERB,
        class_id=class_id("flat.sidewalk"),
        tint=KERB_TINT,
        uv=np.concatenate([np.stack([place[i] for i in p], axis=1) for p in pick]),
    )


def _edge_keys(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Directed edges as values that can be compared; exact."""
    whole = np.rint(np.concatenate([a, b], axis=1) / QUANTUM).astype(np.int64) + (1 << 24)
    found = np.empty(len(whole), [("a", np.int64), ("b", np.int64)])
    found["a"] = (whole[:, 0] << 32) + whole[:, 1]
    found["b"] = (whole[:, 2] << 32) + whole[:, 3]
    return found

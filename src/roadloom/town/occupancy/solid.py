"""Which free cells lie inside closed things: houses, vehicles, furniture, people.

A cell's middle is inside a thing if most of five rays from it, along both horizontal axes and up
the thing, first meet the thing's surface from behind. That needs no watertight mesh and no closed
underside, and the air under awnings, balconies and roofs on posts stays free.
"""

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, UInt8, UInt16

from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.classes import FREE
from roadloom.town.kinds import KINDS
from roadloom.town.world import World

HOLLOW = ("tree", "bush", "hill", "fence", "guard_rail", "bicycle_rack", "bus_shelter")
"""Kinds that enclose nothing."""
RAYS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]], np.float32)
MOST = 3
"""So many rays must meet the surface from behind."""


def fill(
    world: World,
    time_ns: int,
    grid: VoxelGrid,
    labels: UInt8[np.ndarray, "x y z"],
    bodies: UInt16[np.ndarray, "x y z"],
) -> None:
    """Give free cells whose middle lies in a thing that thing's class; the first thing wins."""
    time_s = float(world.seconds(np.array([time_ns], np.int64))[0])
    town_from_ego = world.town_from_ego(np.array([time_ns], np.int64))[0]
    things = world.town_from_thing(time_s)
    reach = np.abs(np.array([grid.lower_m, grid.upper_m])).max(axis=0)
    apart = np.sqrt(((things.translation - town_from_ego.translation) ** 2).sum(axis=1))
    middle, size = world.box
    near = apart < np.sqrt((reach**2).sum()) + np.sqrt((size**2).sum(axis=1))
    shapes = _Shapes(world, time_s)
    for row in np.flatnonzero(near).tolist():
        if world.things[row].kind in HOLLOW or KINDS[world.things[row].kind].family == "plant":
            continue
        thing_from_ego = things[row].inverse() @ town_from_ego
        cells = _inside_box(thing_from_ego, middle[row], size[row], grid)
        cells = cells[labels[tuple(cells.T)] == FREE]
        if not len(cells):
            continue
        places = thing_from_ego.apply(grid.center_of(cells))
        filled = tuple(cells[inside(shapes.of(row, things[row]), places)].T)
        labels[filled] = world.class_ids[row]
        bodies[filled] = max(row + 1 - world.standing, 0)


class _Shapes:
    """The triangles of one thing in its own frame."""

    def __init__(self, world: World, time_s: float) -> None:
        self._mesh, self._tables, self._standing = world.standing_mesh, world.tables, world.standing
        self._order = np.argsort(self._mesh.owner, kind="stable")
        self._starts = np.searchsorted(self._mesh.owner[self._order], np.arange(self._standing + 1))
        self._moving = {part.actor: part for part in world.instances(time_s, time_s)}

    def of(self, row: int, town_from_thing: Pose) -> Float[np.ndarray, "triangle 3 3"]:
        if row >= self._standing:
            part = self._moving[row - self._standing]
            return self._tables.corners[part.start : part.stop]
        rows = self._order[self._starts[row] : self._starts[row + 1]]
        return town_from_thing.inverse().apply(self._mesh.corners[rows])


def inside(
    corners: Float[np.ndarray, "triangle 3 3"], places: Float[np.ndarray, "place 3"]
) -> Bool[np.ndarray, " place"]:
    """Whether each place lies behind most of the surface around it."""
    if not len(corners):
        return np.zeros(len(places), bool)
    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, np.ascontiguousarray(corners, np.float32))
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    origins = np.ascontiguousarray(places, np.float32)
    votes = np.zeros(len(places), int)
    for ray in RAYS:
        met = scene.run(origins, np.broadcast_to(ray, origins.shape).copy())
        votes += (met >= 0) & (normals[met] @ ray > 0)
    return votes >= MOST


def _inside_box(
    thing_from_ego: Pose, middle: np.ndarray, size: np.ndarray, grid: VoxelGrid
) -> np.ndarray:
    """Cells whose middle lies in a thing's box, [cell 3]."""
    ego_from_thing = thing_from_ego.inverse()
    at = ego_from_thing.apply(middle[None])[0]
    reach = np.abs(ego_from_thing.rotation) @ size / 2
    lower, cell = np.array(grid.lower_m), np.array(grid.cell_m)
    first = np.maximum(np.floor((at - reach - lower) / cell), 0).astype(np.int64)
    last = np.minimum(np.ceil((at + reach - lower) / cell), grid.shape).astype(np.int64)
    if (first >= last).any():
        return np.zeros((0, 3), np.int64)
    cells = np.moveaxis(np.indices(last - first), 0, -1).reshape(-1, 3) + first
    within = np.abs(thing_from_ego.apply(grid.center_of(cells)) - middle) <= size / 2
    return cells[within.all(axis=1)]

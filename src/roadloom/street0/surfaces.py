"""All surfaces of a scene as rectangles, cut so that none is hidden inside another thing.

Rectangles are cut in whole millimetres, where every edge lies along an axis: of the object for
its parts, of the street for the ground. Left out are faces where parts of one object touch, the
undersides of what stands on the ground, and the ground under buildings.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.classes import CLASSES, FREE, class_id
from roadloom.scene.occupancy import Occupancy
from roadloom.street0.ground import GROUND_CLASSES, LANES, LAWN, MARKING, PARKING, PAVEMENT
from roadloom.street0.plan import KERB_MM, Section, StreetPlan
from roadloom.street0.shapes import CLEAR_MM, Part
from roadloom.street0.world import World

MIN_AREA_FACES = 0.03
"""A cell counts as occupied from this share of its smallest face on."""
THIN_WEIGHT = 4.0
THIN_GROUPS = ("human", "two_wheeler")
THIN_NAMES = (
    "structure.pole",
    "structure.traffic_sign",
    "structure.fence",
    "object.traffic_cone",
    "object.barrier",
)
"""What a cell shows although the ground in it has the larger area: these count four times."""
FAR_MM = 1_500_000

Rectangle = tuple[int, int, int, int]
"""Low x, low y, high x, high y of whichever two axes it lies along [mm]."""


def class_weights() -> Float[np.ndarray, "256"]:
    """Weight of each class id's area when a cell chooses its class; 1 unless listed above."""
    weights = np.ones(256)
    for row in CLASSES:
        if row.group in THIN_GROUPS or row.name in THIN_NAMES:
            weights[row.id] = THIN_WEIGHT
    return weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Quads:
    """Flat rectangles with a class each."""

    corners: Float[np.ndarray, "quad 4 3"]
    """Around each rectangle [m], in the street's frame or in its object's."""
    class_id: UInt8[np.ndarray, " quad"]
    owner: np.ndarray
    """[quad] row of its object, or -1 for the ground."""


def occupancy(world: World, time_ns: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
    """What stands in each cell, in the ego frame of ``time_ns``.

    Surfaces only, by the definition of ``geometry/surface.py``; ``solid`` adds the cells without
    any surface whose middle lies in a part. The ground is no solid.
    """
    from roadloom.geometry.surface import occupancy_from_surfaces

    triangles, ids = triangles_near(world, time_ns, grid)
    labels = occupancy_from_surfaces(triangles, ids, grid, class_weights(), MIN_AREA_FACES)
    if solid:
        _fill(world, time_ns, grid, labels)
    return Occupancy(grid=grid, labels=labels)


def _fill(world: World, time_ns: int, grid: VoxelGrid, labels: UInt8[np.ndarray, "x y z"]) -> None:
    """Give free cells whose middle lies in a part that part's class; the first part wins."""
    street_from_ego = world.street_from_ego(np.array([time_ns], np.int64))[0]
    poses = world.street_from_object(world.second(time_ns))
    ego_from_object = street_from_ego.inverse() @ poses
    lower, cell = np.array(grid.lower_m), np.array(grid.cell_m)
    for row, parts in enumerate(world.parts):
        pose = ego_from_object[row]
        for part in parts:
            low, high = np.array(part.low) / 1000, np.array(part.high) / 1000
            middle = pose.apply((low + high)[None] / 2)[0]
            reach = np.abs(pose.rotation) @ (high - low) / 2
            first = np.maximum(np.floor((middle - reach - lower) / cell), 0).astype(np.int64)
            last = np.minimum(np.ceil((middle + reach - lower) / cell), grid.shape).astype(np.int64)
            if (first >= last).any():
                continue
            window = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
            cells = np.moveaxis(np.indices(last - first), 0, -1).reshape(-1, 3) + first
            inside = pose.inverse().apply(grid.center_of(cells))
            filled = ((inside >= low) & (inside <= high)).all(axis=1).reshape(last - first)
            labels[window][filled & (labels[window] == FREE)] = class_id(part.cls)


def triangles_near(
    world: World, time_ns: int, grid: VoxelGrid
) -> tuple[Float[np.ndarray, "triangle 3 3"], UInt8[np.ndarray, " triangle"]]:
    """Two triangles for each rectangle that may reach into the grid, in the ego frame."""
    quads = quads_of(world)
    ego_from_street = world.street_from_ego(np.array([time_ns], np.int64))[0].inverse()
    corners = quads.corners.copy()
    own = np.flatnonzero(quads.owner >= 0)
    poses = world.street_from_object(world.second(time_ns))[quads.owner[own]]
    corners[own] = poses.apply(corners[own])
    corners = _trimmed(corners, quads.owner < 0, ego_from_street.inverse(), grid)
    corners = ego_from_street.apply(corners)
    low, high = corners.min(axis=1), corners.max(axis=1)
    near = ((low <= np.array(grid.upper_m)) & (high >= np.array(grid.lower_m))).all(axis=1)
    corners = corners[near]
    triangles = np.stack([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]], axis=1)
    return triangles.reshape(-1, 3, 3), np.repeat(quads.class_id[near], 2)


def _trimmed(
    corners: np.ndarray, ground: np.ndarray, street_from_ego: Pose, grid: VoxelGrid
) -> np.ndarray:
    """Ground, which reaches very far, cut to what may lie in the grid."""
    reach = float(np.abs([*grid.lower_m[:2], *grid.upper_m[:2]]).max()) * 1.5 + 1
    center = street_from_ego.translation[:2]
    corners = corners.copy()
    corners[ground, :, :2] = np.clip(corners[ground, :, :2], center - reach, center + reach)
    return corners


@lru_cache(maxsize=4)
def quads_of(world: World) -> Quads:
    """Every rectangle of a world; parts in their objects' frames."""
    corners, names, owner = [], [], []
    for row, parts in enumerate(world.parts):
        for rectangle, name in visible_faces(parts):
            corners.append(rectangle)
            names.append(name)
            owner.append(row)
    for rectangle, name in ground_faces(world.plan, world.parts):
        corners.append(rectangle)
        names.append(name)
        owner.append(-1)
    return Quads(
        corners=np.array(corners, np.float64) / 1000,
        class_id=np.array([class_id(name) for name in names], np.uint8),
        owner=np.array(owner, np.int64),
    )


def visible_faces(parts: list[Part]) -> Iterable[tuple[list[list[int]], str]]:
    """Faces of parts of one object less what its other parts cover."""
    for index, part in enumerate(parts):
        for axis in range(3):
            a, b = [i for i in range(3) if i != axis]
            for upper in (False, True):
                at = (part.high if upper else part.low)[axis]
                if axis == 2 and not upper and at <= CLEAR_MM:
                    continue
                whole = (part.low[a], part.low[b], part.high[a], part.high[b])
                covers = [
                    (q.low[a], q.low[b], q.high[a], q.high[b])
                    for j, q in enumerate(parts)
                    if j != index and _covers(q, axis, at, upper, first=j < index)
                ]
                for x0, y0, x1, y1 in subtract(whole, covers):
                    yield _corners(axis, at, a, b, (x0, y0, x1, y1)), part.cls


def _covers(part: Part, axis: int, at: int, upper: bool, first: bool) -> bool:
    """Whether a part lies right outside a plane, or has the same plane and came first."""
    low, high = part.low[axis], part.high[axis]
    if upper:
        return low <= at < high or (first and at == high)
    return low < at <= high or (first and at == low)


def _corners(axis: int, at: int, a: int, b: int, rectangle: Rectangle) -> list[list[int]]:
    x0, y0, x1, y1 = rectangle
    corners = []
    for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)):
        corner = [0, 0, 0]
        corner[axis], corner[a], corner[b] = at, x, y
        corners.append(corner)
    return corners


def ground_faces(
    plan: StreetPlan, parts: list[list[Part]]
) -> Iterable[tuple[list[list[int]], str]]:
    """Road, paint, pavements and lawns around the buildings, and the kerbs' faces."""
    buildings = [
        (t.x + p.low[0], t.y + p.low[1], t.x + p.high[0], t.y + p.high[1])
        for t, own in zip(plan.things, parts, strict=True)
        if t.kind == "building"
        for p in own[:1]
    ]
    paint = _disjoint([(*p.low, *p.high) for p in plan.paint])
    for kind, z, strip in _strips(plan.section):
        covers = buildings + (paint if z == 0 else [])
        for rectangle in subtract(strip, covers):
            yield _corners(2, z, 0, 1, rectangle), GROUND_CLASSES[kind]
    for rectangle in paint:
        yield _corners(2, 0, 0, 1, rectangle), GROUND_CLASSES[MARKING]
    for y in plan.section.kerb:
        yield _corners(1, y, 0, 2, (-FAR_MM, 0, FAR_MM, KERB_MM)), GROUND_CLASSES[PAVEMENT]


def _strips(section: Section) -> list[tuple[int, int, Rectangle]]:
    """Kind, height and rectangle of everything that runs along the street."""
    edge, (right, left) = section.lanes * section.lane, section.kerb
    far_right, far_left = right - section.pavement[0], left + section.pavement[1]
    bands = [
        (LAWN, KERB_MM, -FAR_MM, far_right),
        (PAVEMENT, KERB_MM, far_right, right),
        (PARKING, 0, right, -edge),
        (LANES, 0, -edge, edge),
        (PARKING, 0, edge, left),
        (PAVEMENT, KERB_MM, left, far_left),
        (LAWN, KERB_MM, far_left, FAR_MM),
    ]
    return [(kind, z, (-FAR_MM, low, FAR_MM, high)) for kind, z, low, high in bands if low < high]


def _disjoint(rectangles: list[Rectangle]) -> list[Rectangle]:
    """The same area without overlaps."""
    result: list[Rectangle] = []
    for rectangle in rectangles:
        result += subtract(rectangle, result)
    return result


def subtract(whole: Rectangle, covers: Iterable[Rectangle]) -> list[Rectangle]:
    """What is left of a rectangle, in pieces that do not overlap."""
    pieces = [whole]
    for x0, y0, x1, y1 in covers:
        rest: list[Rectangle] = []
        for piece in pieces:
            a0, b0, a1, b1 = piece
            if x0 >= a1 or x1 <= a0 or y0 >= b1 or y1 <= b0:
                rest.append(piece)
                continue
            low, high = max(x0, a0), min(x1, a1)
            rest += [
                (a0, b0, low, b1), (high, b0, a1, b1), (low, b0, high, max(y0, b0)),
                (low, min(y1, b1), high, b1),
            ]  # fmt: skip
        pieces = [p for p in rest if p[0] < p[2] and p[1] < p[3]]
    return pieces

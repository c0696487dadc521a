"""Where rays first meet a town: numba kernels over boxes that may move, and the ground.

    sort objects into a tree of boxes  ->  walk each ray down it, nearer branch first
    ->  turn the ray into each object's frame at the ray's own time  ->  slabs of its parts

A hit is a distance, a part and a face. Ground is no part: its hits are the negative numbers
below. The kernels are compiled on first use and kept on disk; ``tests/town/test_caster.py``
has the same in plain NumPy. All coordinates are the street's [m], all times seconds since tick 0.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64
from numba import njit

from roadloom.street0.world import Tables

SKY, ROAD, VERGE, KERB_RIGHT, KERB_LEFT = -1, -2, -3, -4, -5
ROUNDING_M = 1e-6
GROUND_REACH_M = 1500.0
"""The ground ends this far from the street's origin, along and across."""


class Tree(NamedTuple):
    """Boxes of boxes around all objects, as far as they sweep during some span of time."""

    nodes: np.ndarray
    """[node 6] lowest and highest corner [m]; node 0 is the root."""
    kids: np.ndarray
    """[node 2] two nodes, or for a leaf: -1 minus its first row of ``member``, and how many."""
    member: np.ndarray
    """[object] rows of objects."""
    stack: np.ndarray
    """Room for the walk: a tree serves one thread at a time."""
    entered: np.ndarray


class Hits(NamedTuple):
    distance: Float[np.ndarray, " ray"]
    """[m]; infinite where nothing is hit."""
    part: Int32[np.ndarray, " ray"]
    """Row of the part, or one of ``SKY``, ``ROAD``, ``VERGE``, ``KERB_RIGHT``, ``KERB_LEFT``."""
    face: Int8[np.ndarray, " ray"]
    """0 to 5: -x, +x, -y, +y, -z, +z of the part's own axes; of the street's for the ground."""


def build_tree(tables: Tables, first_s: float, last_s: float) -> Tree:
    """Enclose all that objects sweep over from the first to the last time."""
    bounds = tables.boxes[tables.spans[:, 0] - 1]
    reach = np.maximum(np.abs(bounds[:, :2]), np.abs(bounds[:, 3:5]))
    cos, sin = np.abs(tables.moving[:, 5]), np.abs(tables.moving[:, 6])
    half = np.stack(
        [cos * reach[:, 0] + sin * reach[:, 1], sin * reach[:, 0] + cos * reach[:, 1]], axis=1
    )
    ends = [tables.moving[:, :2] + tables.moving[:, 3:5] * t for t in (first_s, last_s)]
    swept = tables.moving[:, [0, 1, 2, 0, 1, 2]]
    swept[:, :2], swept[:, 3:5] = np.minimum(*ends) - half, np.maximum(*ends) + half
    swept[:, [2, 5]] += bounds[:, [2, 5]]
    swept += np.array([-ROUNDING_M] * 3 + [ROUNDING_M] * 3)
    count = len(swept)
    tree = Tree(
        nodes=np.empty((2 * count, 6)),
        kids=np.zeros((2 * count, 2), np.int64),
        member=np.arange(count),
        stack=np.empty(128, np.int64),
        entered=np.empty(128),
    )
    _build(swept, tree.nodes, tree.kids, tree.member, tree.stack)
    return tree


def cast(
    tables: Tables,
    tree: Tree,
    origins: Float[np.ndarray, "ray 3"],
    directions: Float[np.ndarray, "ray 3"],
    time_s: Float[np.ndarray, " ray"],
) -> Hits:
    """First hit of each ray. ``time_s`` must lie in the span that the tree was built for."""
    count = len(origins)
    hits = Hits(np.empty(count), np.empty(count, np.int32), np.empty(count, np.int8))
    _cast(tables, tree, origins, directions, time_s, *hits)
    return hits


def count_alone(
    tables: Tables,
    row: int,
    origins: Float[np.ndarray, "ray 3"],
    directions: Float[np.ndarray, "ray 3"],
    time_s: Float[np.ndarray, " ray"],
) -> int:
    """How many rays would hit object ``row`` if it were alone in the world."""
    return int(_count_alone(tables, row, origins, directions, time_s))


@njit(cache=True, nogil=True)
@no_type_check
def _build(swept, nodes, kids, member, stack):
    """Split the longest spread of middles at its median until two objects are left."""
    stack[0], stack[1], stack[2] = 0, 0, len(member)
    depth, used = 3, 1
    while depth > 0:
        depth -= 3
        node, first, last = stack[depth], stack[depth + 1], stack[depth + 2]
        spread_axis, spread = 0, -1.0
        for axis in range(3):
            least, most, middle_least, middle_most = np.inf, -np.inf, np.inf, -np.inf
            for m in range(first, last):
                o = member[m]
                least, most = min(least, swept[o, axis]), max(most, swept[o, 3 + axis])
                middle = swept[o, axis] + swept[o, 3 + axis]
                middle_least, middle_most = min(middle_least, middle), max(middle_most, middle)
            nodes[node, axis], nodes[node, 3 + axis] = least, most
            if middle_most - middle_least > spread:
                spread_axis, spread = axis, middle_most - middle_least
        if last - first <= 2:
            kids[node, 0], kids[node, 1] = -1 - first, last - first
            continue
        for m in range(first + 1, last):  # insertion sort: stable, and compiles at once
            o, at = member[m], m
            middle = swept[o, spread_axis] + swept[o, 3 + spread_axis]
            while at > first:
                before = member[at - 1]
                if swept[before, spread_axis] + swept[before, 3 + spread_axis] <= middle:
                    break
                member[at] = before
                at -= 1
            member[at] = o
        half = (first + last) // 2
        for kid, start, end in ((used, first, half), (used + 1, half, last)):
            stack[depth], stack[depth + 1], stack[depth + 2] = kid, start, end
            depth += 3
        kids[node, 0], kids[node, 1] = used, used + 1
        used += 2


@njit(cache=True, nogil=True)
@no_type_check
def _cast(tables, tree, origins, directions, time_s, distance, part, face):
    moving, spans, boxes, kerb = tables
    nodes, kids, member, stack, entered = tree
    for r in range(len(origins)):
        distance[r], part[r], face[r] = nearest(
            moving, spans, boxes, kerb, nodes, kids, member, stack, entered,
            origins[r, 0], origins[r, 1], origins[r, 2],
            directions[r, 0], directions[r, 1], directions[r, 2],
            time_s[r], np.inf, False,
        )  # fmt: skip


@njit(cache=True, nogil=True)
@no_type_check
def _count_alone(tables, row, origins, directions, time_s):
    moving, spans, boxes, _ = tables
    count = 0
    for r in range(len(origins)):
        found = object_hit(
            moving, spans, boxes, row,
            origins[r, 0], origins[r, 1], origins[r, 2],
            directions[r, 0], directions[r, 1], directions[r, 2],
            time_s[r], np.inf,
        )  # fmt: skip
        count += found[1] >= 0
    return count


@njit(cache=True, nogil=True)
@no_type_check
def nearest(  # noqa: C901
    moving, spans, boxes, kerb, nodes, kids, member, stack, entered,
    ox, oy, oz, dx, dy, dz, t, far, any_will_do,
):  # fmt: skip
    """Distance, part and face of the first hit nearer than ``far``, or of any such hit.

    One long function: a call that passes these arrays on costs as much as a box.
    """
    best, part, face = ground_hit(kerb, ox, oy, oz, dx, dy, dz)
    if best > far:
        best, part, face = far, SKY, 0
    if any_will_do and part != SKY:
        return best, part, face
    u, v, w = _inverse(dx), _inverse(dy), _inverse(dz)
    depth, node = 0, 0
    while True:
        first, second = kids[node, 0], kids[node, 1]
        if first < 0:
            for m in range(-1 - first, -1 - first + second):
                d, p, f = object_hit(
                    moving, spans, boxes, member[m], ox, oy, oz, dx, dy, dz, t, best
                )
                if p >= 0:
                    best, part, face = d, p, f
                    if any_will_do:
                        return best, part, face
        else:
            near = reach(nodes, first, ox, oy, oz, u, v, w)
            other = reach(nodes, second, ox, oy, oz, u, v, w)
            if other < near:
                first, second, near, other = second, first, other, near
            if other < best:
                stack[depth], entered[depth] = second, other
                depth += 1
            if near < best:
                node = first
                continue
        while depth > 0 and entered[depth - 1] >= best:
            depth -= 1
        if depth == 0:
            break
        depth -= 1
        node = stack[depth]
    if part == SKY:
        best = np.inf
    return best, part, face


@njit(cache=True, nogil=True)
@no_type_check
def object_hit(moving, spans, boxes, o, ox, oy, oz, dx, dy, dz, t, far):
    """Distance, part and face of the first part of one object nearer than ``far``; else -1."""
    cos, sin = moving[o, 5], moving[o, 6]
    rx = ox - (moving[o, 0] + moving[o, 3] * t)
    ry = oy - (moving[o, 1] + moving[o, 4] * t)
    z = oz - moving[o, 2]
    x, y = cos * rx + sin * ry, cos * ry - sin * rx
    u, v = _inverse(cos * dx + sin * dy), _inverse(cos * dy - sin * dx)
    w = _inverse(dz)
    best, part, face = far, -1, 0
    first, last = spans[o, 0], spans[o, 1]
    # The row before an object's parts holds its bounds.
    if reach(boxes, first - 1, x, y, z, u, v, w) >= best:
        return best, part, face
    for p in range(first, last):
        if reach(boxes, p, x, y, z, u, v, w) < best:
            d, f = entry(boxes, p, x, y, z, u, v, w)
            if 0 <= d < best:  # nothing is seen from within
                best, part, face = d, p, f
    return best, part, face


@njit(cache=True, nogil=True)
@no_type_check
def _inverse(speed):
    """One over it; so large for zero that a slab is either always or never left."""
    return 1.0 / speed if speed != 0.0 else 1e300


@njit(cache=True, nogil=True)
@no_type_check
def reach(boxes, row, x, y, z, u, v, w):
    """Distance at which a ray is first in the box of one row, 0 at once; infinite if never."""
    # Comparisons instead of min and max: those mind NaN, and cost twice as much.
    a, b = (boxes[row, 0] - x) * u, (boxes[row, 3] - x) * u
    enter, leave = (a, b) if a < b else (b, a)
    a, b = (boxes[row, 1] - y) * v, (boxes[row, 4] - y) * v
    first, last = (a, b) if a < b else (b, a)
    enter, leave = (first if first > enter else enter), (last if last < leave else leave)
    a, b = (boxes[row, 2] - z) * w, (boxes[row, 5] - z) * w
    first, last = (a, b) if a < b else (b, a)
    enter, leave = (first if first > enter else enter), (last if last < leave else leave)
    enter = enter if enter > 0.0 else 0.0
    return enter if enter <= leave else np.inf


@njit(cache=True, nogil=True)
@no_type_check
def entry(boxes, row, x, y, z, u, v, w):
    """Distance and face at which a ray that reaches a box enters it; x before y before z."""
    a, b = (boxes[row, 0] - x) * u, (boxes[row, 3] - x) * u
    enter, face = min(a, b), (0 if a < b else 1)
    a, b = (boxes[row, 1] - y) * v, (boxes[row, 4] - y) * v
    if min(a, b) > enter:
        enter, face = min(a, b), (2 if a < b else 3)
    a, b = (boxes[row, 2] - z) * w, (boxes[row, 5] - z) * w
    if min(a, b) > enter:
        enter, face = min(a, b), (4 if a < b else 5)
    return enter, face


@njit(cache=True, nogil=True)
@no_type_check
def ground_hit(kerb, ox, oy, oz, dx, dy, dz):
    """The road at z = 0 between the kerbs, the verge above and beyond them, and their faces."""
    right, left, height = kerb[0], kerb[1], kerb[2]
    best, part, face = np.inf, SKY, 0
    if dz < 0:
        for z, code in ((height, VERGE), (0.0, ROAD)):
            d = (z - oz) / dz
            if d < 0 or d >= best:
                continue
            x, y = ox + dx * d, oy + dy * d
            between = right <= y <= left
            if between == (code == ROAD) and max(abs(x), abs(y)) <= GROUND_REACH_M:
                best, part, face = d, code, 5
    if dy != 0:
        y = left if dy > 0 else right
        d = (y - oy) / dy
        if 0 < d < best and 0 <= oz + dz * d <= height and abs(ox + dx * d) <= GROUND_REACH_M:
            best, part, face = d, (KERB_LEFT if dy > 0 else KERB_RIGHT), (2 if dy > 0 else 3)
    return best, part, face


def in_object_frame(
    tables: Tables, row: Int64[np.ndarray, " ray"], points: np.ndarray, time_s: np.ndarray
) -> Float[np.ndarray, "ray 3"]:
    """Points of the street's frame in the frame of an object each, at each point's time."""
    moving = tables.moving[row]
    offset = points - moving[:, :3]
    offset[:, :2] -= moving[:, 3:5] * time_s[:, None]
    x = (moving[:, 5:7] * offset[:, :2]).sum(axis=1)
    y = moving[:, 5] * offset[:, 1] - moving[:, 6] * offset[:, 0]
    return np.stack([x, y, offset[:, 2]], axis=1)


def normals(tables: Tables, owner: Int64[np.ndarray, " box"], hits: Hits) -> np.ndarray:
    """Outward unit normal [ray 3] of each hit in the street's frame; zero for the sky."""
    normal = np.zeros((len(hits.part), 3))
    hit = np.flatnonzero(hits.part != SKY)
    normal[hit, hits.face[hit] // 2] = hits.face[hit] % 2 * 2.0 - 1.0
    own = np.flatnonzero(hits.part >= 0)
    cos, sin = tables.moving[owner[hits.part[own]], 5:7].T
    x, y = normal[own, 0], normal[own, 1]
    normal[own, 0], normal[own, 1] = cos * x - sin * y, sin * x + cos * y
    return normal

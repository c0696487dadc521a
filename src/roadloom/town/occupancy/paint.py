"""Paint as area that is added to the road's markings and taken from the ground below it."""

from typing import NamedTuple

import numpy as np
import shapely
from jaxtyping import Float, Int32

from roadloom.scene.classes import class_id
from roadloom.town.kinds import GROUND_CLASS
from roadloom.town.mesh.ground_paint import paint_triangles
from roadloom.town.occupancy.footprints import SLIVER_M2, lifted
from roadloom.town.plan.types import TownPlan

MARKING = "marking.road_line"


class Painted(NamedTuple):
    """Pieces of paint that lie on one kind of ground each."""

    corners: Float[np.ndarray, "piece 3 3"]
    below: Int32[np.ndarray, " piece"]
    """Class of the ground that a piece covers."""


def painted(plan: TownPlan) -> Painted:
    """All paint, cut where the ground below it changes its class. Painted twice is painted once."""
    triangles = paint_triangles(plan)
    if not len(triangles):
        return Painted(triangles, np.zeros(0, np.int32))
    corners, areas = _once(triangles), plan.roads.areas
    flat = shapely.polygons(corners[..., :2])
    names = [GROUND_CLASS[area.kind] for area in areas]
    below = np.full(len(corners), class_id("flat.road"), np.int32)
    other = [row for row, name in enumerate(names) if name != "flat.road"]
    rings = np.array(
        [
            shapely.Polygon(
                np.array(areas[row].ring) / 1000, [np.array(h) / 1000 for h in areas[row].holes]
            )
            for row in other
        ],
        object,
    )
    pieces, kinds, cut = [], [], np.zeros(len(corners), bool)
    pairs = shapely.STRtree(flat).query(rings, predicate="intersects")
    for paint in np.unique(pairs[1]):
        mine = pairs[0][pairs[1] == paint]
        left = flat[paint]
        parts = []
        for ring in mine:
            part = shapely.intersection(left, rings[ring])
            if part.area > SLIVER_M2:
                parts.append((part, class_id(names[other[ring]])))
                left = shapely.difference(left, rings[ring])
        if parts:
            cut[paint] = True
            for shape, kind in [*parts, (left, class_id("flat.road"))]:
                for piece in _pieces(shape):
                    pieces.append(lifted(corners[paint], piece))
                    kinds.append(kind)
    if not pieces:
        return Painted(corners, below)
    return Painted(
        np.concatenate([corners[~cut], np.array(pieces)]),
        np.concatenate([below[~cut], np.array(kinds, np.int32)]),
    )


def _once(triangles: Float[np.ndarray, "piece 3 3"]) -> Float[np.ndarray, "piece2 3 3"]:
    """The same surface without overlaps: of two that overlap the later gives way."""
    flat = shapely.polygons(triangles[..., :2])
    first, later = shapely.STRtree(flat).query(flat, predicate="intersects")
    both = first < later
    first, later = first[both], later[both]
    shared = shapely.area(shapely.intersection(flat[first], flat[later])) > SLIVER_M2
    first, later = first[shared], later[shared]
    kept = np.ones(len(triangles), bool)
    kept[later] = False
    found = [triangles[kept]]
    for row in np.unique(later):
        rest = shapely.difference(flat[row], shapely.union_all(flat[first[later == row]]))
        found += [lifted(triangles[row], piece)[None] for piece in _pieces(rest)]
    return np.concatenate(found)


def _pieces(shape: shapely.Geometry) -> list[np.ndarray]:
    """A flat shape as triangles, [3 2] each; slivers are left out."""
    if shape.is_empty:
        return []
    parts = shapely.get_parts(shapely.constrained_delaunay_triangles(shape))
    return [shapely.get_coordinates(p)[:3] for p in parts if p.area > SLIVER_M2]

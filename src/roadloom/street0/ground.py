"""What the ground is made of at each place, and the class of whatever a ray hits."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float, UInt8
from numba import njit

from roadloom.scene.classes import class_id
from roadloom.street0.caster import KERB_LEFT, KERB_RIGHT, ROAD, SKY, VERGE, Hits
from roadloom.street0.textures import on_paint
from roadloom.street0.world import World

GROUND_CLASSES = (
    "flat.road",
    "flat.parking",
    "marking.road_line",
    "flat.sidewalk",
    "nature.terrain",
)
LANES, PARKING, MARKING, PAVEMENT, LAWN = range(len(GROUND_CLASSES))


def class_of_hits(
    world: World, hits: Hits, points: Float[np.ndarray, "ray 3"]
) -> UInt8[np.ndarray, " ray"]:
    """Class id of each hit; ``points`` are where the rays end, in the street's frame."""
    section = world.plan.section
    widths = np.array([section.lanes * section.lane, *section.pavement]) / 1000
    paint, bins = world.paint
    kinds = np.empty(len(points), np.uint8)
    _ground_kinds(points, hits.part, world.tables.kerb, widths, paint, bins, kinds)
    ids = np.array([class_id(name) for name in GROUND_CLASSES], np.uint8)[kinds]
    ids[hits.part == SKY] = class_id("sky")
    own = hits.part >= 0
    ids[own] = world.materials.class_id[hits.part[own]]
    return ids


@njit(cache=True, nogil=True)
@no_type_check
def _ground_kinds(points, part, kerb, widths, paint, bins, kinds):
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        if part[i] == ROAD:
            kinds[i] = PARKING if abs(y) > widths[0] else LANES
            if on_paint(paint, bins, x, y):
                kinds[i] = MARKING
        elif part[i] == VERGE:
            out, pavement = (kerb[0] - y, widths[1]) if y < kerb[0] else (y - kerb[1], widths[2])
            kinds[i] = PAVEMENT if out < pavement else LAWN
        elif part[i] == KERB_RIGHT or part[i] == KERB_LEFT:
            kinds[i] = PAVEMENT
        else:
            kinds[i] = LANES  # not ground: replaced by the part's own class

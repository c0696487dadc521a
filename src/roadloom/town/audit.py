"""The laws of a town, checked on one clip from the outside: on its tracks, not on how it was made.

``benchmarks/town_audit.py`` runs it over whole splits.
"""

import numpy as np

from roadloom.town.audit_movers import Movers
from roadloom.town.audit_rules import (
    Ground,
    ground_used,
    heights_off,
    lines_passed,
    outside,
    people_at_red,
)
from roadloom.town.audit_solids import overlaps
from roadloom.town.tracks import STEP_S
from roadloom.town.world import World

HALF_WINDOW = 25
"""Steps: accelerations are second differences over 0.5 s."""
EVERY = 5
VEHICLE_M_S2, PERSON_M_S2 = 5.0, 3.0
HEADING_COS, HEADING_M_S = float(np.cos(np.radians(3.0))), 0.5


def audit(world: World) -> list[str]:
    """Every broken law of one clip in words, with names, places [m, town frame] and times [s].

    Solids overlap (quarter seconds; boxes with heights; of trees the trunk); accelerations of 5
    m/s2 (people 3) over 0.5 s; headings more than 3 degrees off the velocity above 0.5 m/s; lines
    passed at red or without standing at a stop sign; ground that one may not use; people who step
    off at red; tracks outside the plan; heights more than 5 mm off the ground.
    """
    movers = Movers(world)
    ground = Ground(world.plan)
    return [
        *overlaps(movers),
        *accelerations(movers),
        *headings(movers),
        *lines_passed(movers),
        *ground_used(movers, ground),
        *people_at_red(movers, ground),
        *outside(movers),
        *heights_off(movers, ground),
    ]


def accelerations(movers: Movers) -> list[str]:
    """Turning points (rear axles) that are pushed too hard, in any direction."""
    at, h = movers.turning, HALF_WINDOW
    second = (at[:, 2 * h :] - 2 * at[:, h:-h] + at[:, : -2 * h])[:, ::EVERY]
    push = np.linalg.norm(second, axis=-1) / (h * STEP_S) ** 2
    limit = np.where(movers.people, PERSON_M_S2, VEHICLE_M_S2)
    found = []
    for row in (push.max(axis=1) >= limit).nonzero()[0].tolist():
        step = int(push[row].argmax())
        where = movers.at(row, h + step * EVERY)
        found.append(f"{movers.name(row)} accelerates by {push[row, step]:.2f} m/s2 {where}")
    return found


def headings(movers: Movers) -> list[str]:
    """Who moves in another direction than it points."""
    reach = 5
    moved = movers.turning[:, 2 * reach :, :2] - movers.turning[:, : -2 * reach, :2]
    way = np.linalg.norm(moved, axis=-1)
    cos = (moved * movers.heading[:, reach:-reach]).sum(axis=-1) / np.maximum(way, 1e-9)
    wrong = (cos < HEADING_COS) & (way > HEADING_M_S * 2 * reach * STEP_S)
    return [
        f"{movers.name(row)} moves {np.degrees(np.arccos(np.clip(cos[row].min(), -1, 1))):.1f} "
        f"degrees off its heading {movers.at(row, int(wrong[row].argmax()) + reach)}"
        for row in wrong.any(axis=1).nonzero()[0].tolist()
    ]

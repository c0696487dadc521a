"""What is known of: seen at some time, carried through moments in which it is hidden."""

from dataclasses import replace

import numpy as np
from tests.town.toy import ToyWorld, toy_plan

from roadloom.town.annotations import annotate
from roadloom.town.sight import HELD_S, known, spans

WALL = replace(
    toy_plan().things[0], at=(20_130, 5_620), size=(30_000, 900, 6_000), heading=(1, 0), shape=(2,)
)
"""Between the street and whatever stands behind it."""
BEHIND = replace(toy_plan().things[3], at=(20_130, 12_310))


def world_with(*things) -> ToyWorld:
    return ToyWorld(plan=replace(toy_plan(), things=things))


def test_a_cone_in_the_open_is_known_and_one_behind_a_wall_is_not() -> None:
    open_ = world_with(BEHIND)
    hidden = world_with(BEHIND, replace(WALL, size=(120_000, 900, 6_000)))
    assert known(open_, 3.0)[0]
    assert not np.isfinite(spans(hidden)[0]).any() and not known(hidden, 3.0)[0]


def test_what_was_seen_once_is_held_for_a_while() -> None:
    world = world_with(BEHIND, WALL)
    first, last = spans(world)[0]
    assert np.isfinite(first)
    assert known(world, last + 0.9 * HELD_S)[0] and not known(world, last + 1.1 * HELD_S)[0]


def test_boxes_leave_out_what_is_not_known_and_hold_all_when_asked() -> None:
    world = world_with(BEHIND, replace(WALL, size=(120_000, 900, 6_000)))
    time_ns = world.start_ns + 3_000_000_000
    every = annotate(world, time_ns, 200.0, -1, (), ())
    told = annotate(world, time_ns, 200.0, -1, (), (), hidden=False)
    cone = "cone-0"
    assert cone in every.track_id.tolist() and cone not in told.track_id.tolist()
    assert set(told.track_id.tolist()) < set(every.track_id.tolist()) and len(told) > 0

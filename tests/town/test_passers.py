"""People who come towards one another have room to pass; those who are stuck are found."""

import numpy as np
import pytest

from roadloom.town.traffic.meetings import Meetings
from roadloom.town.traffic.paths import Way
from roadloom.town.traffic.people import LONGEST_TICKS, QUEUE_M, Over
from roadloom.town.traffic.walkers import add_partner, make_person

SIZE = (700, 700, 1_750)
HALF = (0.35, 0.35)


def walker(start, end, s=0.0, overs=()):
    (ax, ay), (bx, by) = start, end
    way = Way(
        tuple((round(ax + (bx - ax) * i / 60), round(ay + (by - ay) * i / 60)) for i in range(61))
    )
    return make_person("adult", SIZE, 1, way, list(overs), s, 1.3)


@pytest.mark.parametrize(
    ("aside", "refused"), [(0, True), (500, True), (-600, True), (850, False), (-850, False)]
)
def test_opposite_ways_need_room_between_them(aside, refused):
    meetings = Meetings(40.0)
    meetings.add(walker((0, 0), (60_000, 0)), HALF)
    assert meetings.head_on(walker((60_000, aside), (0, aside)), HALF) is refused


def test_the_same_way_and_another_time_are_no_meeting():
    meetings = Meetings(40.0)
    meetings.add(walker((0, 0), (60_000, 0)), HALF)
    assert not meetings.head_on(walker((0, 0), (60_000, 0), s=3.0), HALF)
    # One walks away from the other; one crosses the way.
    assert not meetings.head_on(walker((-12_000, 0), (-60_000, 0)), HALF)
    assert not meetings.head_on(walker((20_000, -30_000), (20_000, 30_000)), HALF)


def test_whoever_walks_beside_takes_room_on_the_right():
    meetings = Meetings(40.0)
    meetings.add(walker((0, 0), (60_000, 0)), (0.35, 1.1))
    back = walker((60_000, -1_000), (0, -1_000))  # to the first one's right
    other = walker((60_000, 1_000), (0, 1_000))
    assert meetings.head_on(back, HALF)
    assert not meetings.head_on(other, HALF)


def test_partners_walk_to_the_right():
    person = walker((0, 0), (60_000, 0))
    add_partner(person, "adult", SIZE, 2, 0.9)
    assert person.partners[0].table[20][1] == pytest.approx(-0.9, abs=0.01)


def test_standing_is_being_stuck_unless_a_kerb_is_near():
    over = Over(0, 20.0, 30.0, True)
    for place, stuck in ((19.5, False), (20.0 - QUEUE_M - 0.5, True), (31.0, True)):
        person = walker((0, 0), (60_000, 0), overs=[over])
        person.log = [place] * (LONGEST_TICKS + 1)
        person.speeds = [0.0] * (LONGEST_TICKS + 1)
        assert person.stuck() is stuck
        person.speeds = np.full(LONGEST_TICKS + 1, 0.5).tolist()
        assert not person.stuck()

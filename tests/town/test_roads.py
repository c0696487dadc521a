"""Laws of a drawn net of roads: ground without gaps, lanes that join, rights of way, walks."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import shapely

from roadloom.town.plan.draw import dice_of
from roadloom.town.plan.roads import draw_roads
from roadloom.town.plan.roads_lattice import FORECOURT
from roadloom.town.plan.types import EXTENT_MM, KERB_MM, RoadNet

INDICES = (0, 4)
HARD = ("road", "junction", "parking")


@lru_cache(maxsize=len(INDICES))
def net_of(index):
    return draw_roads(dice_of("val", index, 2))


@pytest.fixture(params=INDICES)
def net(request) -> RoadNet:
    return net_of(request.param)


def polygons(areas):
    return np.array([shapely.Polygon(a.ring, a.holes) for a in areas])


def length_of(line):
    return sum(np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(line))


# -- ground ----------------------------------------------------------------------------------------


def test_areas_are_simple_and_counter_clockwise(net):
    for area, polygon in zip(net.areas, polygons(net.areas), strict=True):
        assert polygon.is_valid, area
        assert shapely.LinearRing(area.ring).is_ccw, area
        assert len(set(area.ring)) == len(area.ring)


def test_areas_fill_the_plan_without_overlap(net):
    found = polygons(net.areas)
    # Shoelace sums in whole numbers: no rounding at all.
    twice = sum(
        x0 * y1 - x1 * y0
        for a in net.areas
        for (x0, y0), (x1, y1) in zip(a.ring, (*a.ring[1:], a.ring[0]), strict=True)
    )
    assert twice == 2 * (2 * EXTENT_MM) ** 2
    tree = shapely.STRtree(found)
    one, two = tree.query(found, predicate="intersects")
    pairs = one < two
    shared = shapely.area(shapely.intersection(found[one[pairs]], found[two[pairs]]))
    assert shared.max() == 0


def test_every_edge_has_two_sides_or_lies_on_the_plans_edge(net):
    """Areas that touch share their vertices exactly, so a mesh of them has no cracks."""
    edges = {}
    for area in net.areas:
        for a, b in zip(area.ring, (*area.ring[1:], area.ring[0]), strict=True):
            assert (a, b) not in edges
            edges[a, b] = area.kind
    for a, b in edges:
        on_border = any(abs(a[k]) == EXTENT_MM and a[k] == b[k] for k in (0, 1))
        assert ((b, a) in edges) != on_border, (a, b)


def test_paint_lies_on_the_road(net):
    road = shapely.union_all(polygons([a for a in net.areas if a.kind in HARD]))
    shapely.prepare(road)
    boxes = []
    for paint in net.paint:
        half = np.array(paint.half, float)
        wide = np.array([-half[1], half[0]]) / np.hypot(*half) * paint.half_width
        at = np.array(paint.at)
        boxes.append(
            shapely.Polygon(
                [at - half - wide, at + half - wide, at + half + wide, at - half + wide]
            )
        )
    inside = shapely.contains(road, np.array(boxes))
    assert inside.all(), [net.paint[i] for i in np.flatnonzero(~inside)[:5]]


def test_crossings_and_stop_lines_lie_on_the_road(net):
    road = shapely.union_all(polygons([a for a in net.areas if a.kind in HARD]))
    rings = [*(c.ring for c in net.crossings), *net.stop_lines]
    outside = shapely.area(shapely.difference(np.array([shapely.Polygon(r) for r in rings]), road))
    assert outside.max() < 0.1e6  # where bends' outlines have a vertex between
    for crossing in net.crossings:
        assert shapely.Polygon(crossing.ring).exterior.is_ccw
        assert 2_400 <= crossing.width <= 3_900
        assert 5_900 <= length_of(crossing.path) <= 19_100


# -- lanes -----------------------------------------------------------------------------------------


def test_lanes_join_end_to_begin(net):
    for lane in net.lanes:
        assert net.lanes[lane.id] is lane
        for other in lane.successors:
            following = net.lanes[other]
            assert lane.id in following.predecessors
            for name in ("centre", "left", "right"):
                assert getattr(lane, name)[-1] == getattr(following, name)[0]
            a = np.subtract(lane.centre[-1], lane.centre[-2]).astype(float)
            b = np.subtract(following.centre[1], following.centre[0]).astype(float)
            cross = (a[0] * b[1] - a[1] * b[0]) / np.hypot(*a) / np.hypot(*b)
            assert abs(cross) < np.sin(np.deg2rad(4)), (lane.id, other, np.rad2deg(cross))
        for other in lane.predecessors:
            assert lane.id in net.lanes[other].successors


def test_lanes_end_only_at_the_plans_edge(net):
    for lane in net.lanes:
        for end, others in (
            (lane.centre[-1], lane.successors),
            (lane.centre[0], lane.predecessors),
        ):
            assert bool(others) != (max(map(abs, end)) == EXTENT_MM), lane.id


def test_lanes_keep_to_the_right_and_on_the_road(net):
    road = shapely.union_all(polygons([a for a in net.areas if a.kind in HARD]))
    shapely.prepare(road)
    centres = np.array([shapely.LineString(lane.centre) for lane in net.lanes])
    assert shapely.covers(shapely.buffer(road, 30), centres).all()
    bodies = shapely.buffer(centres, 950, cap_style="flat")
    vehicles = np.array([lane.kind == "vehicle" for lane in net.lanes])
    outside = shapely.area(shapely.difference(bodies[vehicles], road))
    assert outside.max() < 0.05e6
    for lane in net.lanes:
        ring = shapely.Polygon([*lane.right, *reversed(lane.left)])
        assert ring.is_valid
        assert ring.exterior.is_ccw


def test_vertices_are_close_enough_to_drive_on(net):
    for lane in net.lanes:
        steps = [np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(lane.centre)]
        assert max(steps) <= 2_150
        assert min(steps) > 250


def test_sizes_are_those_of_real_maps(net):
    inside = [lane for lane in net.lanes if lane.junction >= 0 and lane.kind == "vehicle"]
    lengths = np.array([length_of(lane.centre) for lane in inside])
    assert lengths.min() > 5_000
    assert lengths.max() < 36_000
    assert 10_000 < lengths.mean() < 21_000
    widths = {lane.width for lane in net.lanes if lane.kind == "vehicle" and lane.street >= 0}
    assert min(widths) >= 3_000
    assert max(widths) <= 4_900
    for lane in inside:
        if lane.turn != "straight":
            assert tightest_radius(lane.centre) > 3_500, lane.id


def tightest_radius(line):
    points = np.array(line, float)
    a, b = points[1:-1] - points[:-2], points[2:] - points[1:-1]
    la, lb = np.hypot(*a.T), np.hypot(*b.T)
    turn = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / la / lb
    return ((la + lb) / 2 / np.maximum(turn, 1e-9)).min()


def test_streets_bend_gently(net):
    for lane in net.lanes:
        if lane.street >= 0:
            assert tightest_radius(lane.centre) > 45_000


def test_vehicles_stop_before_the_line(net):
    for lane in net.lanes:
        assert (lane.stop >= 0) == (lane.control != "none")
        assert (lane.signal >= 0) == (lane.control == "signal")
        if lane.stop >= 0:
            assert lane.junction < 0
            assert 20_000 < lane.stop < length_of(lane.centre) - 500
            for crossing in net.crossings:
                for other, low, _ in crossing.lanes:
                    near_end = other == lane.id and crossing.junction >= 0
                    assert not near_end or low < 15_000 or lane.stop + 1_000 < low


def test_a_change_in_lanes_is_mutual(net):
    for lane in net.lanes:
        if lane.left_neighbor >= 0:
            assert net.lanes[lane.left_neighbor].right_neighbor == lane.id
            assert net.lanes[lane.left_neighbor].right == lane.left


# -- right of way ----------------------------------------------------------------------------------


def test_conflicts_are_mutual_and_settled(net):
    for lane in net.lanes:
        assert set(lane.gives_way_to) <= set(lane.conflicts)
        for other in lane.conflicts:
            rival = net.lanes[other]
            assert lane.id in rival.conflicts
            assert lane.junction == rival.junction >= 0
            assert not (other in lane.gives_way_to and lane.id in rival.gives_way_to)
            before = net.lanes[lane.predecessors[0]], net.lanes[rival.predecessors[0]]
            if before[0].signal < 0 or before[0].signal == before[1].signal:
                assert other in lane.gives_way_to or lane.id in rival.gives_way_to


def test_lanes_that_overlap_conflict(net):
    """By polygons, where the plan's code goes by distances of centres."""
    for number in range(len(net.junctions)):
        inside = [lane for lane in net.lanes if lane.junction == number]
        bodies = [shapely.LineString(lane.centre).buffer(900, cap_style="flat") for lane in inside]
        for i, a in enumerate(inside):
            for j in range(i):
                b = inside[j]
                if a.predecessors != b.predecessors and bodies[i].intersects(bodies[j]):
                    assert b.id in a.conflicts


def test_conflicting_lanes_are_never_green_together(net):
    for signal in net.signals:
        assert 800 <= sum(length for length, _ in signal.phases) <= 1_600
    for lane in net.lanes:
        for other in lane.conflicts:
            rival = net.lanes[other]
            a, b = (net.lanes[x.predecessors[0]].signal for x in (lane, rival))
            if a < 0 or a == b or other < lane.id:
                continue
            one, two = net.signals[a], net.signals[b]
            cycle = sum(length for length, _ in one.phases)
            for tick in range(0, cycle, 5):
                states = {one.state(tick), two.state(tick)}
                assert "red" in states


def test_lights_turn_green_amber_red(net):
    for signal in net.signals:
        cycle = sum(length for length, _ in signal.phases)
        shown = [signal.state(tick) for tick in range(cycle + 1)]
        changes = {(a, b) for a, b in pairwise(shown) if a != b}
        people = any(c.signal >= 0 and net.signals[c.signal] is signal for c in net.crossings)
        if people:
            assert changes == {("green", "red"), ("red", "green")}
        else:
            assert changes == {("green", "amber"), ("amber", "red"), ("red", "green")}
            assert shown[:cycle].count("amber") == 60


def test_people_never_walk_before_green_traffic_that_goes_straight(net):
    for crossing in net.crossings:
        if crossing.signal < 0:
            continue
        walk = net.signals[crossing.signal]
        clear = length_of(crossing.path) / 1200 * 20
        for lane, _, _ in crossing.lanes:
            into = net.lanes[lane].signal
            if into < 0 or net.signals[into].junction != crossing.junction:
                continue
            drive = net.signals[into]
            cycle = sum(length for length, _ in drive.phases)
            for tick in range(0, cycle, 4):
                if walk.state(tick) == "green":
                    assert drive.state(tick) == "red"
                    # Who starts now is over before the traffic starts.
                    assert all(drive.state(tick + t) == "red" for t in range(0, int(clear), 8))


# -- people ----------------------------------------------------------------------------------------


def test_ways_on_foot_are_one_net(net):
    seen, front = {0}, [0]
    while front:
        for other in net.walks[front.pop()].links:
            if other not in seen:
                seen.add(other)
                front.append(other)
    assert len(seen) == len(net.walks)
    for walk in net.walks:
        ends = {walk.path[0], walk.path[-1]}
        for other in walk.links:
            assert walk.id in net.walks[other].links
            assert ends & {net.walks[other].path[0], net.walks[other].path[-1]}
    assert {walk.crossing for walk in net.walks} == {-1, *range(len(net.crossings))}


def test_ways_on_foot_lie_on_pavements(net):
    pavement = shapely.buffer(
        shapely.union_all(polygons([a for a in net.areas if a.kind == "pavement"])), 40
    )
    shapely.prepare(pavement)
    for walk in net.walks:
        if walk.crossing < 0:
            assert pavement.covers(shapely.LineString(walk.path)), walk
        else:
            over = net.crossings[walk.crossing]
            assert walk.path[1:-1] == over.path


# -- the whole -------------------------------------------------------------------------------------


def test_a_net_is_drawn_the_same_again():
    assert draw_roads(dice_of("val", 3, 2)) == net_of(3)
    assert net_of(3) != net_of(4)


def test_there_is_a_wide_main_street_near_the_middle(net):
    mains = [s for s in net.streets if s.kind == "main"]
    near = min(np.hypot(*np.array(s.axis, float).T).min() for s in mains)
    assert near < 40_000
    assert any(signal.junction >= 0 for signal in net.signals)


def test_drivable_share_is_near_the_measured():
    found = {20: [], 50: []}
    for index in INDICES:
        net = net_of(index)
        road = shapely.union_all(polygons([a for a in net.areas if a.kind in HARD]))
        for street in net.streets:
            if street.kind == "main":
                for at in street.axis[::8]:
                    if max(map(abs, at)) < 200_000:
                        for reach, shares in found.items():
                            disc = shapely.Point(at).buffer(reach * 1000)
                            shares.append(disc.intersection(road).area / disc.area)
    assert np.mean(found[50]) == pytest.approx(0.25, abs=0.05)
    assert np.mean(found[20]) == pytest.approx(0.49, abs=0.09)


def test_kerb_is_off_the_occupancy_lattice():
    assert KERB_MM % 400 not in (0, 1, 399)


def test_forecourts_lie_between_pavements_and_blocks(net):
    """As wide as they say, along the pavement, and round corners in one piece."""
    courts = polygons([a for a in net.areas if a.kind == "forecourt"])
    pavement = shapely.union_all(polygons([a for a in net.areas if a.kind == "pavement"]))
    assert len(courts) > 6
    for court in courts:
        assert shapely.distance(court, pavement) == 0
        far = shapely.distance(shapely.points(shapely.get_coordinates(court)), pavement)
        assert 0.9 * FORECOURT < far.max() < 2 * FORECOURT
    green = [s for s in net.streets if s.kind == "lane"]
    for street in green:
        for side, sign in ((street.left, 1), (street.right, -1)):
            x, y = street.axis[len(street.axis) // 2]
            dx, dy = (street.axis[len(street.axis) // 2 + 1][i] - (x, y)[i] for i in (0, 1))
            norm = (dx * dx + dy * dy) ** 0.5
            out = sign * (side[1] + 1_200)
            place = shapely.Point(x - dy / norm * out, y + dx / norm * out)
            assert not shapely.intersects(place, courts).any()

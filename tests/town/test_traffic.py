"""Traffic: whole numbers that repeat, followers that keep off, lines that hold, slow twins."""

import subprocess
import sys
from hashlib import sha256
from itertools import product

import numpy as np
import pytest
import shapely

from roadloom.town.plan.draw import dice_of
from roadloom.town.plan.look import draw_look
from roadloom.town.plan.roads import draw_roads
from roadloom.town.plan.things import draw_things
from roadloom.town.plan.types import CLIP_TICKS, MARGIN_TICKS, TRACK_TICKS
from roadloom.town.traffic.clear import overlap
from roadloom.town.traffic.drive import MOST, drive
from roadloom.town.traffic.network import Net
from roadloom.town.traffic.paths import Way, refined, speed_profile
from roadloom.town.traffic.people import Crowd
from roadloom.town.traffic.simulate import Simulation
from roadloom.town.traffic.standing import inside
from roadloom.town.traffic.vehicles import (
    COMFORT,
    HARDEST,
    STANDING_GAP,
    STEP_S,
    Car,
    before_wall,
    build_route,
    following,
    free_drive,
)
from roadloom.town.traffic.weave import MOVE_COST, OVER_M, SLOT_M, weave


@pytest.fixture(scope="module")
def town():
    roads = draw_roads(dice_of("val", 3, 2))
    things = draw_things(dice_of("val", 3, 3), roads, draw_look(dice_of("val", 3, 0)))
    return roads, things


@pytest.fixture(scope="module")
def traffic(town):
    return drive(dice_of("val", 3, 4), *town)


def digest(traffic):
    return sha256(repr(traffic).encode()).hexdigest()


def test_a_fresh_process_makes_the_same_traffic(traffic):
    code = (
        "from hashlib import sha256; from roadloom.town.plan.draw import draw_plan;"
        "from roadloom.town.traffic.drive import Traffic; plan = draw_plan('val', 3);"
        "traffic = Traffic(plan.actors, plan.ego, plan.commands);"
        "print(sha256(repr(traffic).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(traffic)


def test_tables_are_whole_rise_and_stay_on_their_paths(traffic):
    for actor in (traffic.ego, *traffic.actors):
        assert len(actor.along) == TRACK_TICKS
        assert all(type(v) is int for v in actor.along)
        assert all(a <= b for a, b in zip(actor.along, actor.along[1:], strict=False))
        assert actor.along[0] >= 0 and actor.along[-1] <= Way(actor.path).length * 1e6
        assert all(type(v) is int for point in actor.path for v in point)
    assert len(traffic.actors) <= MOST


def test_lanes_of_cars_follow_one_another(town, traffic):
    lanes = town[0].lanes
    keepers = [a for a in (traffic.ego, *traffic.actors) if a.lanes]
    assert len(keepers) > 5
    for actor in keepers:
        starts = [at for at, _ in actor.lanes]
        assert starts == sorted(starts)
        for (_, a), (_, b) in zip(actor.lanes, actor.lanes[1:], strict=False):
            assert b in lanes[a].successors


def test_commands_and_attributes_rise_and_tell_turns(town, traffic):
    ticks = [tick for tick, _ in traffic.commands]
    assert ticks[0] == -MARGIN_TICKS and ticks == sorted(set(ticks))
    assert all(
        a != b for (_, a), (_, b) in zip(traffic.commands, traffic.commands[1:], strict=False)
    )
    turns = {town[0].lanes[lane].turn for _, lane in traffic.ego.lanes} - {""}
    assert {c for _, c in traffic.commands} <= turns | {"follow", "left", "right", "straight"}
    for actor in traffic.actors:
        rises = [tick for tick, _ in actor.attributes]
        assert rises == sorted(set(rises)) and all(t < CLIP_TICKS + MARGIN_TICKS + 1 for t in rises)


# -- following -------------------------------------------------------------------------------------


def lone_car(net, lane, s, v=0.0, more=()):
    route = build_route(net, [lane, *more], "car")
    return Car("car.sedan", (4600, 1850, 1500), 1, "car", route, s, v, 0.9)


def long_lane(net):
    return max(
        (x for x in net.lanes if x.junction < 0 and x.kind == "vehicle"),
        key=lambda x: net.length[x.id],
    ).id


def test_follower_settles_at_the_model_s_gap(town):
    net = Net(town[0], ())
    car = lone_car(net, long_lane(net), 20.0)
    # A standing leader: the interaction alone balances the free pull at the standing gap.
    assert following(car, free_drive(car), STANDING_GAP * 1.5, 0.0) > 0
    assert following(car, free_drive(car), STANDING_GAP * 0.7, 0.0) < 0
    car.v = 10.0
    assert following(car, 0.0, 40.0, 10.0) > following(car, 0.0, 20.0, 10.0)
    assert following(car, 0.0, 30.0, 5.0) < following(car, 0.0, 30.0, 10.0)


@pytest.mark.parametrize("speed", [2.0, 7.0, 13.0])
def test_walls_hold_by_comfortable_braking(town, speed):
    net = Net(town[0], ())
    car = lone_car(net, long_lane(net), 5.0, speed)
    wall = 5.0 + speed * speed / (2 * COMFORT) + 6.0
    hardest = 0.0
    for _ in range(400):
        a = max(min(1.5, before_wall(car, wall - car.s)), -car.v / STEP_S)
        hardest = min(hardest, a)
        car.s += car.v * STEP_S + a * STEP_S**2 / 2
        car.v = max(0.0, car.v + a * STEP_S)
        assert car.s < wall
    assert car.v < 0.05 and wall - car.s < 0.6
    assert hardest > -COMFORT - 0.3 > -HARDEST


def test_red_holds_and_green_lets_go(town):
    """A lone car comes to its line, stands while the light is red, and passes after."""
    net = Net(town[0], ())
    lane = next(
        x for x in net.lanes
        if x.control == "signal" and x.kind == "vehicle" and net.length[x.id] > 40 and x.stop > 0
    )  # fmt: skip
    signal = town[0].signals[lane.signal]
    red = next(t for t in range(2000) if signal.state(t) == "red" and signal.state(t - 1) != "red")
    green = next(t for t in range(red, 4000) if signal.state(t) == "green")
    onward = lane.successors[0]
    more = (onward, net.lanes[onward].successors[0])
    car = lone_car(net, lane.id, lane.stop / 1000 - 30.0, 5.0, more)
    nobody = Crowd(town[0], [], np.zeros((0, 2)))
    simulation = Simulation(net, [car], nobody, red)
    simulation.run(green)
    nose = car.s + car.front
    assert car.v < 0.1 and 0.0 <= lane.stop / 1000 - nose < 1.0
    simulation.run(green + 120)
    assert car.s + car.front > lane.stop / 1000 + 3.0


def test_stop_signs_are_stood_at(town):
    net = Net(town[0], ())
    lanes = [x for x in net.lanes if x.control == "stop" and net.length[x.id] > 40]
    assert lanes
    for lane in lanes:
        onward = lane.successors[0]
        more = (onward, net.lanes[onward].successors[0])
        car = lone_car(net, lane.id, lane.stop / 1000 - 30.0, 5.0, more)
        simulation = Simulation(net, [car], Crowd(town[0], [], np.zeros((0, 2))), 0)
        slowest, passed = 99.0, False
        for step in range(1, 150):
            simulation.run(2 * step)
            if 0.0 < lane.stop / 1000 - car.s - car.front < 3.0:
                slowest = min(slowest, car.v)
            passed |= car.s + car.front > lane.stop / 1000 + 1.0
        assert slowest < 0.2 and passed


def test_zones_agree_from_either_side(town):
    net = Net(town[0], ())
    pairs = [(x.id, y) for x in net.lanes for y in x.conflicts][:60]
    assert any(net.zone(a, "car", b, "car") for a, b in pairs)
    for a, b in pairs:
        mine, theirs = net.zone(a, "car", b, "car"), net.zone(b, "car", a, "car")
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert (mine.first, mine.last) == (theirs.other_first, theirs.other_last)


def test_bends_are_met_slowly_enough():
    radius, count = 8.0, 13
    angle = np.linspace(0, np.pi / 2, count)
    arc = [(round(40_000 + 8000 * np.sin(a)), round(8000 - 8000 * np.cos(a))) for a in angle]
    way = Way(refined([(0, 0), (20_000, 0), (30_000, 0), (38_000, 0), *arc, (48_000, 40_000)]))
    bend = way.bend()
    speed = speed_profile(bend, [13.9] * len(bend), 2.0, 1.3)
    corner = int(40 + radius * np.pi / 4)
    assert bend[corner] == pytest.approx(1 / radius, rel=0.1)
    assert speed[corner] == pytest.approx((2.0 * radius) ** 0.5, rel=0.06)
    for v, after in zip(speed, speed[1:], strict=False):
        assert v * v <= after * after + 2 * 1.3 + 1e-9


# -- slow twins ------------------------------------------------------------------------------------


def test_overlap_agrees_with_shapely():
    chance = np.random.default_rng(5)
    n = 400
    at, other = chance.uniform(-3, 3, (n, 2)), chance.uniform(-3, 3, (n, 2))
    angles = chance.uniform(0, 7, (2, n))
    heads = [np.stack([np.cos(a), np.sin(a)], axis=-1) for a in angles]
    mine, theirs = np.array([2.0, 0.9]), np.array([1.2, 0.4])
    found = overlap(at, heads[0], mine, other, heads[1], theirs)

    def box(p, h, half):
        side = np.array([-h[1], h[0]])
        return shapely.Polygon(
            [
                p + a * half[0] * h + b * half[1] * side
                for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))
            ]
        )

    slow = [
        box(p, h, mine).intersection(box(q, g, theirs)).area > 0
        for p, h, q, g in zip(at, heads[0], other, heads[1], strict=True)
    ]
    assert 50 < sum(slow) < 350
    assert found.tolist() == slow


def test_inside_agrees_with_shapely():
    ring = ((0, 0), (50, 10), (90, -5), (70, 40), (95, 80), (40, 60), (5, 90), (20, 45))
    polygon = shapely.Polygon(ring)
    for x, y in product(range(-7, 100, 3), range(-11, 100, 3)):
        point = shapely.Point(x, y)
        if polygon.boundary.distance(point) > 0:
            assert inside((x, y), ring) == polygon.contains(point)


def test_weaving_is_the_cheapest_row_of_steps():
    """Against all rows there are, on a short way beside a post."""
    count = 5
    at = np.stack([np.arange(count) * 0.5, np.zeros(count)], axis=1)
    heading = np.tile([1.0, 0.0], (count, 1))
    keep, half = np.full(count, -0.1), np.full(count, 0.05)
    post = np.array([[1.0, -0.2, 1.0, 0.0, 0.1, 0.1]])
    found = weave(at, heading, keep, half, post, 0.15, 0.0)
    slots = int((0.05 + OVER_M) / SLOT_M)
    places = np.arange(-slots, slots + 1) * SLOT_M

    def cost(row):
        total = 0.0
        for i, place in enumerate(row):
            blocked = abs(at[i, 0] - 1.0) < 0.25 and abs(place + 0.2) < 0.25
            wide = abs(place) > 0.05 + 0.01
            total += abs(place + 0.1) + 3.0 * wide + 1e6 * blocked
            total += 1e6 * (abs(place) > 0.05 + OVER_M)
            if i:
                step = abs(round((place - row[i - 1]) / SLOT_M))
                total += MOVE_COST if step == 1 else 1e9 if step else 0.0
        return total

    best = min(product(places, repeat=count), key=cost)
    assert cost(found) == pytest.approx(cost(best))
    assert found[2] > 0.05 - 1e-9  # past the post on the left
    walls = np.array([[1.0, 0.0, 1.0, 0.0, 0.1, 5.0]])
    assert weave(at, heading, keep, half, walls, 0.15, 0.0) is None

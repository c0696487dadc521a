"""What stands in a town: nothing in anything else, all on its own ground, lights for every lane."""

from math import hypot

import numpy as np
import pytest

from roadloom.town.kinds import KINDS
from roadloom.town.plan.draw import dice_of
from roadloom.town.plan.look import draw_look
from roadloom.town.plan.roads import draw_roads
from roadloom.town.plan.sizes import SIZES
from roadloom.town.plan.things import draw_things
from roadloom.town.plan.things_rect import Rect, crosses, distance, overlap, rect
from roadloom.town.plan.things_site import ground_rect
from roadloom.town.plan.types import KERB_MM, _absorb

CLIPS = (("val", 0), ("val", 3))


def _draw(split, index):
    roads = draw_roads(dice_of(split, index, 2))
    return roads, draw_things(dice_of(split, index, 3), roads, draw_look(dice_of(split, index, 0)))


@pytest.fixture(scope="module")
def drawn():
    return [_draw(*clip) for clip in CLIPS]


@pytest.fixture(params=range(len(CLIPS)), ids=[f"{split}:{index}" for split, index in CLIPS])
def town(request, drawn):
    return drawn[request.param]


def _family(thing):
    return KINDS[thing.kind].family


def _solid(thing):
    return ground_rect(thing) is not None


# -- an independent twin: corners and sampled places, with NumPy ---------------------------------


def _corners(things):
    return np.array([ground_rect(t).corners() for t in things])


def _samples(thing, shrink=0.999):
    """25 places on the ground that it takes."""
    r = ground_rect(thing)
    grid = np.linspace(-shrink, shrink, 5)
    a, b = (v.ravel() for v in np.meshgrid(grid * r.half_length, grid * r.half_width))
    return np.stack([r.x + a * r.ux - b * r.uy, r.y + a * r.uy + b * r.ux], axis=-1)


def _within(ring, places):
    """By the winding number."""
    ring = np.array(ring, float)
    a, b = ring[None] - places[:, None], np.roll(ring, -1, axis=0)[None] - places[:, None]
    turn = np.arctan2(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], (a * b).sum(-1))
    return np.abs(turn.sum(axis=1)) > np.pi


def _kinds_at(roads, places):
    found = np.full(len(places), "terrain", dtype="<U9")
    low, high = places.min(axis=0), places.max(axis=0)
    for area in roads.areas:
        if area.kind == "terrain":
            continue
        ring = np.array(area.ring)
        if (ring.min(axis=0) > high).any() or (ring.max(axis=0) < low).any():
            continue
        inside = (places >= ring.min(axis=0)).all(1) & (places <= ring.max(axis=0)).all(1)
        at = np.flatnonzero(inside)
        if len(at):
            found[at[_within(area.ring, places[at])]] = area.kind
    return found


def _apart(a, b):
    """Whether two convex outlines are apart, by projecting both on all edge normals."""
    for ring in (a, b):
        edge = np.roll(ring, -1, axis=0) - ring
        normal = np.stack([-edge[:, 1], edge[:, 0]], axis=-1)
        p, q = a @ normal.T, b @ normal.T
        if ((p.max(axis=0) <= q.min(axis=0)) | (q.max(axis=0) <= p.min(axis=0))).any():
            return True
    return False


# -- laws ----------------------------------------------------------------------------------------


def test_no_two_things_share_ground(town):
    things = [t for t in town[1] if _solid(t)]
    corners = _corners(things)
    middle = corners.mean(axis=1)
    radius = np.sqrt(((corners - middle[:, None]) ** 2).sum(-1)).max(axis=1)
    apart = np.sqrt(((middle[:, None] - middle[None]) ** 2).sum(-1))
    close = np.argwhere(np.triu(apart < radius[:, None] + radius[None], 1))
    assert len(close) > 100
    for i, j in close:
        assert _apart(corners[i], corners[j]), (things[i], things[j])


def test_everything_stands_on_its_ground(town):
    roads, things = town
    things = [t for t in things if _solid(t)]
    kinds = _kinds_at(roads, np.concatenate([_samples(t) for t in things])).reshape(-1, 25)
    for thing, found in zip(things, kinds, strict=True):
        here = set(found.tolist())
        if thing.raised == 0:
            assert here == {"parking"}, thing
        else:
            assert thing.raised == KERB_MM
            assert not here & {"road", "junction", "parking"}, thing
        if _family(thing) == "building":
            assert here <= {"terrain", "forecourt"}, thing
        if _family(thing) == "vehicle":
            assert thing.raised == 0


def test_walks_stay_free(town):
    roads, things = town
    walks = [w for w in roads.walks if w.crossing < 0]
    places = np.array([p for w in walks for p in _along(w.path)])
    for thing in things:
        if not _solid(thing):
            continue
        r = ground_rect(thing)
        d = places - (r.x, r.y)
        local = np.abs(np.stack([d @ (r.ux, r.uy), d @ (-r.uy, r.ux)], axis=-1))
        gap = np.maximum(local - (r.half_length, r.half_width), 0)
        assert (gap**2).sum(-1).min() > 590**2, thing


def _along(path):
    for (x0, y0), (x1, y1) in zip(path, path[1:], strict=False):
        count = int(hypot(x1 - x0, y1 - y0) // 300) + 1
        for i in range(count + 1):
            yield x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count


def test_parked_vehicles_keep_away_from_crossings_and_junctions(town):
    roads, things = town
    parked = [t for t in things if t.attribute == "vehicle.parked"]
    rings = [*(c.ring for c in roads.crossings), *roads.junctions]
    places = np.array([p for ring in rings for p in _along((*ring, ring[0]))])
    for thing in parked:
        r = ground_rect(thing)
        near = places[np.abs(places - (r.x, r.y)).max(axis=1) < 14_000]
        assert all(distance(r, x, y) >= 5_900 for x, y in near), thing


def test_parked_vehicles_stand_along_a_lane(town):
    roads, things = town
    starts, ways = [], []
    for lane in roads.lanes:
        line = np.array(lane.centre, float)
        if lane.junction < 0 and lane.kind == "vehicle":
            starts.append(line[:-1])
            ways.append(np.diff(line, axis=0))
    start, way = np.concatenate(starts), np.concatenate(ways)
    against, count = 0, 0
    for thing in things:
        if thing.attribute == "vehicle.parked":
            nearest = np.argmin(((start + way / 2 - thing.at) ** 2).sum(-1))
            a, b = way[nearest], np.array(thing.heading, float)
            sine = (a[0] * b[1] - a[1] * b[0]) / np.hypot(*a) / np.hypot(*b)
            assert abs(sine) < np.sin(np.radians(5)), thing  # 2 degrees, and the street's bend
            against += a @ b < 0
            count += 1
    assert count > 10
    assert against < 0.15 * count


def test_every_lane_that_waits_sees_what_for(town):
    """A light of its own signal, or a stop sign, faces the end of each such lane."""
    roads, things = town
    kind_of = {"signal": "traffic_light", "stop": "stop_sign", "yield": "sign"}
    seen = 0
    for lane in roads.lanes:
        if lane.street < 0 or lane.kind != "vehicle" or lane.control == "none":
            continue
        end = np.array(lane.centre[-1], float)
        if np.hypot(*end) > 200_000:
            continue
        way = end - lane.centre[-2]
        way /= np.hypot(*way)
        found = False
        for thing in things:
            if thing.kind != kind_of[lane.control] or thing.signal != lane.signal:
                continue
            if lane.control == "yield" and thing.shape[0] != 1:
                continue
            there = thing.at - end
            facing = np.array(thing.heading) / np.hypot(*thing.heading)
            found |= np.hypot(*there) < 22_000 and facing @ way < -0.99
        assert found, lane
        seen += 1
    assert seen > 10


def test_crossings_with_lights_have_one_at_each_end(town):
    roads, things = town
    lights = [t for t in things if t.kind == "people_light"]
    for crossing in roads.crossings:
        if crossing.signal < 0:
            continue
        for end, other in ((0, -1), (-1, 0)):
            here, there = np.array(crossing.path[end], float), np.array(crossing.path[other], float)
            near = [
                t
                for t in lights
                if t.signal == crossing.signal
                and np.hypot(*(t.at - here)) < crossing.width / 2 + 2_500
                and np.array(t.heading) @ (there - here) > 0
            ]
            assert len(near) == 1


def test_arms_and_lamps_reach_over_the_road(town):
    roads, things = town
    for thing in things:
        hx, hy = np.array(thing.heading) / np.hypot(*thing.heading)
        length, width, _ = thing.size
        if thing.kind == "lamp_post":
            tip = np.array(thing.at) + (length / 2 - 100) * np.array((hx, hy))
        elif thing.kind == "traffic_light" and width > 1000:
            tip = np.array(thing.at) - (width / 2 - 300) * np.array((-hy, hx))
        else:
            continue
        assert _kinds_at(roads, tip[None])[0] in ("road", "parking", "junction"), thing


def test_leaves_stay_out_of_walls(town):
    walls = [rect(t.at, t.heading, *t.size[:2]) for t in town[1] if _family(t) == "building"]
    for tree in town[1]:
        if tree.kind == "tree":
            gap = min(distance(r, *map(float, tree.at)) for r in walls)
            assert gap > max(tree.size[:2]) / 2 - 100, tree


def test_fronts_look_at_streets(town):
    """Going out from the front's middle one comes to a pavement before anything else."""
    roads, things = town
    lined = [t for t in things if _family(t) == "building" and t.kind != "skyline"]
    reached = 0
    for thing in lined:
        hx, hy = np.array(thing.heading) / np.hypot(*thing.heading)
        out = thing.size[1] / 2 + np.arange(50, 12_000, 400)
        places = np.array(thing.at) + out[:, None] * np.array((hy, -hx))
        reached += "pavement" in _kinds_at(roads, places)
    assert reached > 0.98 * len(lined)


def test_views_end_in_woods_all_around(town):
    hills = [t for t in town[1] if t.kind == "hill"]
    for turn in np.linspace(0, 2 * np.pi, 180, endpoint=False):
        x, y = float(600_000 * np.cos(turn)), float(600_000 * np.sin(turn))
        rects = [rect(t.at, t.heading, *t.size[:2]) for t in hills]
        assert any(crosses(r, 0.0, 0.0, x, y) for r in rects)


def test_counts_are_those_of_a_street(town):
    kinds = [t.kind for t in town[1]]
    lined = sum(kinds.count(k) for k in ("shop", "building", "office", "house", "hall"))
    near = [t for t in town[1] if np.hypot(*t.at) < 150_000]
    assert 700 <= len(kinds) <= 1100
    assert 80 <= lined <= 180
    assert 35 <= sum(t.kind == "tree" for t in near) <= 120
    assert sum(t.kind == "tree" for t in town[1]) <= 200
    assert kinds.count("lamp_post") > 40


def test_only_whole_numbers_within_ranges(town):
    words = []
    _absorb(words.append, town[1])
    assert len(words) > 10_000
    for thing in town[1]:
        assert thing.kind in KINDS
        assert 0 <= thing.seed < 2**32
        assert min(thing.size) > 0 and thing.heading != (0, 0)
        if thing.kind in SIZES and _family(thing) == "furniture":
            size = SIZES[thing.kind]
            assert all(v <= high for v, high in zip(thing.size, size.high, strict=True))


def test_trees_know_the_season(drawn):
    for clip, (_, things) in zip(CLIPS, drawn, strict=True):
        autumn = draw_look(dice_of(*clip, 0)).season == "autumn"
        assert {t.shape for t in things if t.kind == "tree"} == {(int(autumn),)}


def test_clips_are_drawn_again_the_same_and_differ(drawn):
    assert _draw(*CLIPS[0]) == drawn[0]
    assert drawn[0][1] != drawn[1][1]


def _two(rng, low, high):
    return rng.uniform(low, high, 2).tolist()


def test_rectangles_against_their_corners():
    rng = np.random.default_rng(5)
    both = 0
    for _ in range(400):
        a, b = (
            Rect(*_two(rng, -900, 900), float(np.cos(t)), float(np.sin(t)), *_two(rng, 50, 800))
            for t in rng.uniform(0, 7, 2)
        )
        expected = not _apart(np.array(a.corners()), np.array(b.corners()))
        assert overlap(a, b) == expected
        corners = np.array(b.corners())
        inside = _within(a.corners(), np.linspace(corners[0], corners[1], 500)).any()
        assert crosses(a, *corners[0].tolist(), *corners[1].tolist()) == inside or not inside
        both += expected
    assert 50 < both < 350

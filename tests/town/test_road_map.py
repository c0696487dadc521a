"""The town's map: layers cover what the plan says, lanes join, heights are the ground's."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from tests.town.toy import toy_plan

from roadloom.scene.road_map import MAP_LAYERS, RoadMap
from roadloom.town.plan.draw import dice_of
from roadloom.town.plan.relief import draw_relief
from roadloom.town.plan.roads import draw_roads
from roadloom.town.plan.types import KERB_MM
from roadloom.town.relief import height
from roadloom.town.road_map import road_map
from roadloom.town.world import World

KERB = KERB_MM / 1000


@pytest.fixture(scope="module")
def world():
    net, relief = draw_roads(dice_of("val", 0, 2)), draw_relief(dice_of("val", 0, 1))
    return World(plan=replace(toy_plan(), roads=net, relief=relief))


@pytest.fixture(scope="module")
def found(world):
    return road_map(world)


def in_town(world, line):
    return world.world_from_town.inverse().apply(line)


def shape_of(world, polygon):
    rings = [in_town(world, ring)[:, :2] for ring in (polygon.exterior, *polygon.holes)]
    return shapely.Polygon(rings[0], rings[1:])


def test_all_layers_are_recorded(found):
    assert set(MAP_LAYERS) <= found.layers
    assert all(found.polygons[name] for name in found.polygons)
    assert all(found.lines[name] for name in found.lines)


@pytest.mark.parametrize(
    ("layer", "kinds"),
    [
        ("drivable_area", ("road", "junction", "parking")),
        ("walkway", ("pavement", "forecourt")),
        ("carpark_area", ("parking",)),
    ],
)
def test_areas_cover_what_the_plan_says(world, found, layer, kinds):
    want = sum(shapely.Polygon(a.ring).area for a in world.plan.roads.areas if a.kind in kinds)
    shapes = np.array([shape_of(world, polygon) for polygon in found.polygons[layer]])
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes).sum() == pytest.approx(want / 1e6, rel=1e-9)


def test_heights_are_those_of_the_surface(world, found):
    for layer, raised in (("drivable_area", 0.0), ("walkway", KERB), ("ped_crossing", 0.0)):
        for polygon in found.polygons[layer]:
            x, y, z = in_town(world, polygon.exterior).T
            assert np.abs(z - height(world.plan.relief, x, y) - raised).max() < 1e-8


def test_the_raster_has_the_grounds_height_at_its_pixels_middles(world, found):
    at = np.array([(-399.5, 12.5), (0.5, 0.5), (150.5, -220.5), (321.5, 399.5)])
    ground = height(world.plan.relief, at[:, 0], at[:, 1])
    areas = world.plan.roads.areas
    shapes = [shapely.Polygon(area.ring) for area in areas]
    for (x, y), z in zip(at, ground, strict=True):
        point = shapely.Point(1000 * x, 1000 * y)
        kind = next(a.kind for a, s in zip(areas, shapes, strict=True) if s.contains(point))
        raised = 0.0 if kind in ("road", "junction", "parking") else KERB
        town = np.array([x, y, z + raised])
        want = world.world_from_town.apply(town[None])[0]
        assert found.ground.height(want[None, :2])[0] == pytest.approx(want[2], abs=1e-4)
    outside = world.world_from_town.apply(np.array([[401.0, 0.0, 0.0]]))[:, :2]
    assert np.isnan(found.ground.height(outside)).all()


def test_lanes_keep_the_plans_order(world, found):
    by_id = {lane.id: lane for lane in found.lanes}
    assert len(by_id) == len(world.plan.roads.lanes)
    for lane in found.lanes:
        assert shape_of(world, lane.polygon).is_valid
        for other in lane.successors:
            following = by_id[other]
            assert lane.id in following.predecessors
            assert np.array_equal(lane.centerline[-1], following.centerline[0])
        if lane.right_neighbor:
            assert by_id[lane.right_neighbor].left_neighbor == lane.id
    assert {lane.kind for lane in found.lanes} <= {"vehicle", "bike"}
    assert {lane.is_intersection for lane in found.lanes} == {False, True}


def test_dividers_part_lanes(world, found):
    plan = world.plan.roads
    # Each street has one line in its middle, or two beside a median.
    middles = sum(2 if street.median else 1 for street in plan.streets)
    assert len(found.lines["road_divider"]) == middles
    sides = {(lane.street, lane.left) for lane in plan.lanes if lane.street >= 0}
    inner = 2 * len(plan.streets)
    assert len(found.lines["lane_divider"]) == len(sides) - inner
    assert len(found.polygons["road_block"]) == inner
    road = shapely.union_all([shape_of(world, p) for p in found.polygons["drivable_area"]])
    # Lanes' edges bend more finely than the ground's outlines.
    wide = road.buffer(0.04)
    assert all(wide.covers(shape_of(world, p)) for p in found.polygons["road_block"])


def test_a_map_survives_json(found):
    again = RoadMap.from_dict(found.to_dict(), found.arrays())
    assert again.same_as(found)

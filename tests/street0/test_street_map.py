"""The map and what the sensors see are of one street."""

import numpy as np
import pytest

from roadloom.scene.classes import class_id
from roadloom.scene.clip import Clip
from roadloom.scene.road_map import Polygon
from roadloom.street0.config import StreetConfig
from roadloom.street0.source import TownReader

KEY = 6


@pytest.fixture(scope="module", params=[0, 3])
def clip(request: pytest.FixtureRequest) -> Clip:
    return Clip(TownReader("val", request.param, StreetConfig(image_scale=0.05)))


def inside(points: np.ndarray, polygon: Polygon) -> np.ndarray:
    """Points of the plane in a convex ring, by the side of each edge on which they lie."""
    ring = polygon.exterior[:, :2]
    edges = np.roll(ring, -1, axis=0) - ring
    to = points[:, None, :2] - ring
    side = edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0]
    return (side > -1e-6).all(axis=1) | (side < 1e-6).all(axis=1)


def in_layer(clip: Clip, layer: str, points: np.ndarray) -> np.ndarray:
    return np.any([inside(points, p) for p in clip.map.polygons[layer]], axis=0)


def world_points(clip: Clip, *names: str) -> np.ndarray:
    frame = clip[KEY]
    sweep = frame.lidar()
    mine = np.isin(sweep.label, [class_id(n) for n in names])
    points = sweep.points[mine].astype(np.float64)
    world = frame.world_from_ego.apply(points)
    street = np.abs(points[:, 0]) < 60
    return world[street]


def test_ground_points_lie_in_the_area_of_their_class(clip: Clip) -> None:
    road = world_points(clip, "flat.road", "flat.parking", "marking.road_line")
    assert len(road) > 3000 and in_layer(clip, "drivable_area", road).mean() > 0.999
    assert not in_layer(clip, "walkway", road).any(axis=0) or (
        in_layer(clip, "walkway", road).mean() < 1e-3
    )
    walk = world_points(clip, "flat.sidewalk")
    assert len(walk) > 500 and in_layer(clip, "walkway", walk).mean() > 0.95  # kerbs' faces
    parking = world_points(clip, "flat.parking")
    assert in_layer(clip, "carpark_area", parking).mean() > 0.999
    lawn = world_points(clip, "nature.terrain")
    assert not in_layer(clip, "walkway", lawn).any()


def test_the_map_lies_at_the_height_of_the_ground(clip: Clip) -> None:
    road = world_points(clip, "flat.road")[:, 2]
    for layer, height in (("drivable_area", 0.0), ("ped_crossing", 0.0), ("walkway", 0.15)):
        for polygon in clip.map.polygons[layer]:
            np.testing.assert_allclose(polygon.exterior[:, 2], np.median(road) + height, atol=1e-4)


def test_paint_of_the_crossing_lies_in_the_crossing(clip: Clip) -> None:
    """Where the ego has not reached it yet: white bars, a half of its area."""
    reader = clip.reader
    assert isinstance(reader, TownReader)
    plan = reader.world.plan
    bars = [p for p in plan.paint if p.low[0] == plan.zebra[0] and p.high[0] == plan.zebra[1]]
    assert len(bars) >= 5
    middle = np.array([[(p.low[0] + p.high[0]) / 2, (p.low[1] + p.high[1]) / 2, 0] for p in bars])
    world = reader.world.world_from_street.apply(middle / 1000)
    assert in_layer(clip, "ped_crossing", world).all()


def test_moving_vehicles_follow_the_lanes(clip: Clip) -> None:
    frame = clip[KEY]
    boxes = frame.boxes
    centers = frame.world_from_ego.apply(boxes.pose.translation)
    heading = frame.world_from_ego.rotate(boxes.pose.rotation[:, :, 0])
    moving = boxes.attribute == "vehicle.moving"
    assert moving.any()
    for center, way in zip(centers[moving], heading[moving], strict=True):
        lanes = [n for n in clip.map.lanes if n.polygon and inside(center[None], n.polygon)[0]]
        assert len(lanes) == 1
        along = lanes[0].centerline[-1] - lanes[0].centerline[0]
        assert along @ way / np.linalg.norm(along) > 0.99
    ego = clip[KEY].world_from_ego
    lane = [n for n in clip.map.lanes if inside(ego.translation[None], n.polygon)[0]]
    assert lane[0].id.startswith("right")


def test_boundaries_lie_on_their_own_sides(clip: Clip) -> None:
    for lane in clip.map.lanes:
        along = lane.centerline[-1] - lane.centerline[0]
        aside = lane.left[0] - lane.right[0]
        assert along[0] * aside[1] - along[1] * aside[0] > 0
        np.testing.assert_allclose((lane.left + lane.right) / 2, lane.centerline, atol=1e-6)
        for neighbour, mine in ((lane.left_neighbor, lane.left), (lane.right_neighbor, lane.right)):
            if neighbour:
                other = next(n for n in clip.map.lanes if n.id == neighbour)
                theirs = other.right if mine is lane.left else other.left
                np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_the_layout_is_drawn_from_it(clip: Clip) -> None:
    from roadloom.geometry.voxel_grid import OCC3D

    layout = clip[KEY].layout(OCC3D)
    assert layout is not None
    layers = clip.map.layers
    assert {"drivable_area", "ped_crossing", "walkway", "lane_divider", "road_divider"} <= layers

"""The layout raster against a point-in-polygon loop, exact pictures, its laws, real maps."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.class_maps import ids_from
from roadloom.scene.class_views import IGNORE, view
from roadloom.scene.classes import CLASSES, class_id
from roadloom.scene.layout import CHANNELS, Layout, rasterise
from roadloom.scene.layout_raster import FlatGrid, draw_lines, fill_rings, to_ego
from roadloom.scene.map_raster import MapRaster
from roadloom.scene.road_map import MAP_LAYERS, Polygon, RoadMap, with_height

UNIT = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(1.0, 1.0, 1.0), shape=(8, 6, 1))
SMALL = VoxelGrid(lower_m=(-6.0, -6.0, -1.0), cell_m=(0.5, 0.5, 1.0), shape=(24, 24, 2))
ODD = VoxelGrid(lower_m=(-3.1, 2.2, 0.0), cell_m=(0.37, 0.81, 1.0), shape=(17, 11, 1))


def test_channels_are_uniscenes() -> None:
    assert CHANNELS == (
        "drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area", "road_divider",
        "lane_divider", "road_block", "car", "truck", "construction_vehicle", "bus", "trailer",
        "barrier", "motorcycle", "bicycle", "pedestrian", "traffic_cone",
    )  # fmt: skip


# Areas


def slow_inside(x: float, y: float, ring: np.ndarray) -> bool:
    """Count the edges below the point, one at a time."""
    below = 0
    for (x0, y0), (x1, y1) in zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True):
        if x0 > x1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        if (x0 <= x) != (x1 <= x) and y0 + (x - x0) * ((y1 - y0) / (x1 - x0)) <= y:
            below += 1
    return below % 2 == 1


def slow_fill(rings: list[np.ndarray], grid: VoxelGrid) -> np.ndarray:
    centers = grid.centers()[:, :, 0, :2]
    return np.array(
        [
            [
                slow_inside(*c, rings[0]) and not any(slow_inside(*c, r) for r in rings[1:])
                for c in row
            ]
            for row in centers.tolist()
        ]
    )


def filled(rings: list[np.ndarray], grid: VoxelGrid) -> np.ndarray:
    flat = FlatGrid(grid)
    mask = flat.empty()
    fill_rings(mask, rings, flat)
    return mask


@pytest.mark.parametrize("grid", [UNIT, SMALL, ODD])
def test_fill_equals_its_slow_twin(grid: VoxelGrid) -> None:
    rng = np.random.default_rng(1)
    low, size = np.array(grid.lower_m[:2]), np.array(grid.upper_m[:2]) - grid.lower_m[:2]
    held = 0
    for trial in range(120):
        rings = [
            low + size * rng.uniform(-0.4, 1.4, (rng.integers(3, 9), 2))
            for _ in range(1 + trial % 3)
        ]
        if trial % 4 == 0:  # vertices and edges exactly on centres
            rings = [np.round(2 * ring) / 2 for ring in rings]
        mask = filled(rings, grid)
        np.testing.assert_array_equal(mask, slow_fill(rings, grid))
        held += mask.sum()
    assert held > 1000


def test_boundary_belongs_to_the_area_on_its_plus_side() -> None:
    square = np.array([[1.5, 1.5], [4.5, 1.5], [4.5, 3.5], [1.5, 3.5]])  # through centres
    expected = np.zeros((8, 6), bool)
    expected[1:4, 1:3] = True
    np.testing.assert_array_equal(filled([square], UNIT), expected)
    np.testing.assert_array_equal(filled([square[::-1]], UNIT), expected)


def test_areas_that_share_edges_share_no_cell_and_leave_none_out() -> None:
    rng = np.random.default_rng(2)
    for trial in range(50):
        middle = rng.uniform(-2, 2, 2)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
        corners = middle + 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        if trial % 2:
            middle, corners = np.round(4 * middle) / 4, np.round(4 * corners) / 4
        slices = [
            np.array([middle, corners[k - 1], corners[k]])[:: 1 if k % 2 else -1] for k in range(7)
        ]
        count = np.sum([filled([s], SMALL) for s in slices], axis=0)
        np.testing.assert_array_equal(count % 2 == 1, filled([corners], SMALL))


def test_hole_is_left_out_and_an_island_in_it_may_be_filled_by_another() -> None:
    ring = np.array([[0.0, 0], [6, 0], [6, 6], [0, 6]])
    hole = np.array([[2.0, 2], [4, 2], [4, 4], [2, 4]])
    mask = filled([ring, hole], UNIT)
    expected = np.zeros((8, 6), bool)
    expected[:6, :6] = True
    expected[2:4, 2:4] = False
    np.testing.assert_array_equal(mask, expected)


def test_hole_that_sticks_out_adds_nothing() -> None:
    ring = np.array([[0.0, 0], [3, 0], [3, 3], [0, 3]])
    hole = np.array([[2.0, 2], [6, 2], [6, 6], [2, 6]])
    mask = filled([ring, hole], UNIT)
    expected = np.zeros((8, 6), bool)
    expected[:3, :3] = True
    expected[2, 2] = False
    np.testing.assert_array_equal(mask, expected)


# Lines


def slow_lines(lines: list[np.ndarray], half_width: float, grid: VoxelGrid) -> np.ndarray:
    mask, centers = np.zeros(grid.shape[:2], bool), grid.centers()[:, :, 0, :2]
    for i, j in np.ndindex(mask.shape):
        c = centers[i, j]
        for line in lines:
            for a, b in zip(line[:-1], line[1:], strict=True):
                d = b - a
                t = float(np.clip((c - a) @ d / (d @ d), 0, 1)) if d @ d else 0.0
                mask[i, j] |= bool(np.hypot(*(c - a - t * d)) <= half_width)
    return mask


def test_lines_equal_their_slow_twin() -> None:
    rng = np.random.default_rng(3)
    flat = FlatGrid(ODD)
    for trial in range(12):
        low, high = np.array(ODD.lower_m[:2]), np.array(ODD.upper_m[:2])
        lines = [rng.uniform(low - 3, high + 3, (n, 2)) for n in (2, 4)]
        lines.append(np.repeat(rng.uniform(low, high, (1, 2)), 2, axis=0))  # of length zero
        width = rng.uniform(0.2, 1.5)
        mask = flat.empty()
        draw_lines(mask, lines, width, flat)
        np.testing.assert_array_equal(mask, slow_lines(lines, width, ODD), err_msg=str(trial))


def test_a_divider_has_its_stated_thickness_and_no_gaps() -> None:
    straight = RoadMap(
        lines={"road_divider": (with_height(np.array([[-50.0, 0.25], [50, 0.25]])),)}
    )
    mask = rasterise(None, straight, Pose.identity(), OCC3D).channel("road_divider")
    # Centres at y = 0.2 and 0.6 are within 0.4 m of it; those at -0.2 and 1.0 are not.
    assert mask[:, 100:102].all() and mask.sum() == 400
    coarse = VoxelGrid(lower_m=(-12.0, -12.0, 0.0), cell_m=(3.0, 3.0, 1.0), shape=(8, 8, 1))
    slanted = RoadMap(lines={"lane_divider": (with_height(np.array([[-11.0, -10], [11, 9.5]])),)})
    mask = rasterise(None, slanted, Pose.identity(), coarse).channel("lane_divider")
    for share in np.linspace(0, 1, 500):
        cell, _ = coarse.cell_of(np.array([-11 + 22 * share, -10 + 19.5 * share, 0.5]))
        assert mask[cell[0], cell[1]]


# Boxes


def boxes_of(rows: list[tuple[str, float, float, float, float, float]]) -> Boxes:
    """Rows of class name, x, y, yaw, length, width."""
    numbers = np.array([r[1:] for r in rows], np.float64).reshape(-1, 5)
    translation = np.concatenate([numbers[:, :2], np.full((len(rows), 1), 0.7)], axis=1)
    size = np.concatenate([numbers[:, 3:], np.full((len(rows), 1), 1.4)], axis=1)
    ids = np.array([class_id(r[0]) for r in rows], np.uint8)
    return Boxes.make(0, ids, Pose(rotation_from_yaw(numbers[:, 2]), translation), size)


def test_a_car_is_exactly_its_bottom_face() -> None:
    layout = rasterise(
        boxes_of([("vehicle.car", 1.0, -2.0, 0.0, 4.0, 2.0)]), None, Pose.identity(), SMALL
    )
    expected = np.zeros((24, 24), bool)
    expected[10:18, 6:10] = True  # x from -1 to 3, y from -3 to -1
    np.testing.assert_array_equal(layout.channel("car"), expected)
    assert layout.channels.sum() == expected.sum()


def test_a_left_turn_points_left() -> None:
    boxes = boxes_of([("vehicle.truck", 0.0, 0.0, np.pi / 4, 10.0, 0.6)])
    mask = rasterise(boxes, None, Pose.identity(), SMALL).channel("truck")
    cells = np.argwhere(mask)
    assert len(cells) > 10
    assert (cells[:, 0] == cells[:, 1]).all()  # x forward = y left


def test_small_things_do_not_vanish() -> None:
    boxes = boxes_of(
        [
            ("object.traffic_cone", 0.0, 0.0, 0.3, 0.2, 0.2),
            ("human.child", 2.0, 3.0, 1.0, 0.3, 0.3),
            ("two_wheeler.bicycle", 5.999, -6.0, 0.0, 0.1, 0.1),
            ("two_wheeler.bicycle", 6.0, 0.0, 0.0, 0.1, 0.1),  # on the upper face: outside
        ]
    )
    layout = rasterise(boxes, None, Pose.identity(), SMALL)
    assert np.argwhere(layout.channel("traffic_cone")).tolist() == [[12, 12]]
    assert np.argwhere(layout.channel("pedestrian")).tolist() == [[16, 18]]
    assert np.argwhere(layout.channel("bicycle")).tolist() == [[23, 0]]


def test_each_class_goes_to_the_channel_of_its_detection_class() -> None:
    det10 = view("det10")
    for info in CLASSES[1:]:  # all but free
        boxes = boxes_of([(info.name, 0.0, 0.0, 0.0, 1.0, 1.0)])
        layout = rasterise(boxes, None, Pose.identity(), SMALL)
        found = [CHANNELS[k] for k in np.flatnonzero(layout.channels.any(axis=(1, 2)))]
        kind = int(det10.apply(boxes.class_id)[0])
        assert found == ([] if kind == IGNORE else [det10.names[kind]]), info.name


def test_a_tilted_box_leaves_the_shadow_of_its_bottom_face() -> None:
    cos, sin = np.cos(0.4), np.sin(0.4)
    tilted = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])  # nose down
    boxes = replace(
        boxes_of([("vehicle.car", 0.0, 0.0, 0.0, 4.0, 2.0)]),
        pose=Pose(tilted[None], np.array([[0.0, 0.0, 1.0]])),
    )
    mask = rasterise(boxes, None, Pose.identity(), SMALL).channel("car")
    x = SMALL.centers()[:, 0, 0, 0]
    middle = -0.7 * sin
    np.testing.assert_array_equal(mask[:, 12], np.abs(x - middle) < 2.0 * cos)


# Map


def some_map(rng: np.random.Generator, heights: bool = True) -> RoadMap:
    def ring(count: int) -> np.ndarray:
        angles = np.sort(rng.uniform(0, 2 * np.pi, count))
        xy = rng.uniform(-5, 5, 2) + rng.uniform(1, 4, (count, 1)) * np.stack(
            [np.cos(angles), np.sin(angles)], axis=1
        )
        z = rng.uniform(-1, 1, (count, 1)) if heights else np.full((count, 1), np.nan)
        # Steps of 1/1024 m: moved by whole kilometres they keep every bit.
        return np.round(np.concatenate([xy, z], axis=1) * 1024) / 1024

    return RoadMap(
        polygons={
            layer: tuple(Polygon(exterior=ring(6), holes=(ring(4),)) for _ in range(3))
            for layer in MAP_LAYERS
            if "divider" not in layer
        },
        lines={layer: (ring(5), ring(2)) for layer in MAP_LAYERS if "divider" in layer},
    )


def moved_map(road_map: RoadMap, new_from_old: Pose) -> RoadMap:
    def move(points: np.ndarray) -> np.ndarray:
        flat = np.isnan(points[:, 2])
        moved = new_from_old.apply(np.where(np.isnan(points), 0.0, points))
        moved[flat, 2] = np.nan
        return moved

    return RoadMap(
        polygons={
            k: tuple(Polygon(exterior=move(p.exterior), holes=tuple(map(move, p.holes))) for p in v)
            for k, v in road_map.polygons.items()
        },
        lines={k: tuple(map(move, v)) for k, v in road_map.lines.items()},
    )


def some_boxes(rng: np.random.Generator) -> Boxes:
    names = ("vehicle.car", "human.adult", "object.barrier", "vehicle.bus.rigid")
    return boxes_of(
        [(names[k % 4], *rng.uniform(-5, 5, 2), *rng.uniform(0.2, 4, 3)) for k in range(12)]
    )


def tilted_pose(rng: np.random.Generator) -> Pose:
    wxyz = np.array([np.cos(0.6), 0.02, -0.03, np.sin(0.6)])
    return Pose.from_quaternion(wxyz, rng.uniform(-2, 2, 3))


def test_each_map_channel_equals_its_slow_twin() -> None:
    rng = np.random.default_rng(4)
    cut = 0
    for pose in (Pose.identity(), tilted_pose(rng)):
        road_map = some_map(rng)
        layout = rasterise(None, road_map, pose, SMALL)
        for layer, polygons in road_map.polygons.items():
            rings = [[to_ego(r, pose) for r in (p.exterior, *p.holes)] for p in polygons]
            expected = np.any([slow_fill(r, SMALL) for r in rings], axis=0)
            np.testing.assert_array_equal(layout.channel(layer), expected, err_msg=layer)
            cut += not np.array_equal(expected, np.any([slow_fill(r[:1], SMALL) for r in rings], 0))
        for layer, lines in road_map.lines.items():
            expected = slow_lines([to_ego(line, pose) for line in lines], 0.4, SMALL)
            np.testing.assert_array_equal(layout.channel(layer), expected, err_msg=layer)
    assert cut > 3  # layers that look otherwise without their holes


@pytest.mark.parametrize("heights", [True, False])
def test_moving_the_world_by_5000_km_moves_nothing(heights: bool) -> None:
    rng = np.random.default_rng(5)
    road_map, boxes, pose = some_map(rng, heights), some_boxes(rng), tilted_pose(rng)
    pose = Pose(pose.rotation, np.round(pose.translation * 1024) / 1024)
    near = rasterise(boxes, road_map, pose, SMALL)
    far_from_near = Pose(np.eye(3), np.array([5.0e6, -5.0e6, 0.0]))
    far = rasterise(boxes, moved_map(road_map, far_from_near), far_from_near @ pose, SMALL)
    assert far.same_as(near)
    assert near.channels.any(axis=(1, 2))[:8].all()


def test_turning_the_world_turns_nothing() -> None:
    rng = np.random.default_rng(6)
    road_map, boxes, pose = some_map(rng), some_boxes(rng), tilted_pose(rng)
    new_from_old = Pose(rotation_from_yaw(np.array(1.1)), np.array([100.0, 7.0, 3.0]))
    turned = rasterise(boxes, moved_map(road_map, new_from_old), new_from_old @ pose, SMALL)
    assert turned.same_as(rasterise(boxes, road_map, pose, SMALL))


def test_turning_the_ego_by_90_degrees_turns_the_layout() -> None:
    rng = np.random.default_rng(7)
    road_map, boxes, pose = some_map(rng), some_boxes(rng), tilted_pose(rng)
    before = rasterise(boxes, road_map, pose, SMALL)
    old_from_new = Pose(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.zeros(3))
    turned_boxes = boxes.moved(old_from_new.inverse(), 0)
    after = rasterise(turned_boxes, road_map, pose @ old_from_new, SMALL)
    # What was on the left (y) is now ahead (x): new [i, j] is old [-y, x] = [last - j, i].
    expected = np.stack([c.T[:, ::-1] for c in before.channels])
    assert not np.array_equal(expected, before.channels)
    np.testing.assert_array_equal(after.channels, expected)


def test_unknown_heights_lie_on_the_egos_plane() -> None:
    rng = np.random.default_rng(8)
    pose = tilted_pose(rng)
    ego = np.concatenate([rng.uniform(-40, 40, (50, 2)), np.zeros((50, 1))], axis=1)
    world = pose.apply(ego)
    np.testing.assert_allclose(to_ego(world.copy(), pose), ego[:, :2], atol=1e-12)
    world[:, 2] = np.nan
    np.testing.assert_allclose(to_ego(world, pose), ego[:, :2], atol=1e-12)
    assert np.isnan(world[:, 2]).all()  # the map itself is left alone


def test_an_ego_on_its_side_is_refused() -> None:
    side = Pose(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), np.zeros(3))
    with pytest.raises(ValueError, match="does not point up"):
        rasterise(None, some_map(np.random.default_rng(0)), side, SMALL)


def test_what_was_not_recorded_is_said() -> None:
    nothing = rasterise(None, None, Pose.identity(), SMALL)
    assert not nothing.recorded.any() and not nothing.channels.any()
    road_map = RoadMap(polygons={"walkway": (), "lane": ()}, lines={"lane_divider": ()})
    layout = rasterise(Boxes.empty(0), road_map, Pose.identity(), SMALL)
    names = [n for n, r in zip(layout.names, layout.recorded, strict=True) if r]
    assert names == ["walkway", "lane_divider", *CHANNELS[8:]]
    with pytest.raises(ValueError, match="not recorded"):
        Layout(channels=~layout.channels, recorded=layout.recorded, grid=SMALL)


def test_a_raster_layer_is_sampled_at_cell_centres(tmp_path: Path) -> None:
    pixels = np.zeros((40, 60), np.uint8)
    pixels[-13, 20] = 255  # x from 2.0 to 2.1, y from 1.2 to 1.3
    pixels[-14, 21] = 127
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    raster = MapRaster.bottom_left(tmp_path / "mask.png", 0.1)
    grid = VoxelGrid(lower_m=(-1.0, -1.0, 0.0), cell_m=(0.1, 0.1, 1.0), shape=(20, 20, 1))
    pose = Pose(rotation_from_yaw(np.array(np.pi / 2)), np.array([2.5, 1.1, 0.0]))
    layout = rasterise(None, RoadMap(rasters={"drivable_area": raster}), pose, grid)
    # The pixel's centre (2.05, 1.25) is 0.15 ahead (+y) and 0.45 to the left (-x) of the ego.
    assert np.argwhere(layout.channel("drivable_area")).tolist() == [[11, 14]]
    assert layout.recorded[0] and layout.recorded.sum() == 1


# Real recordings


def test_real_nuscenes_cars_stand_on_its_drivable_area(real_data: Path) -> None:
    root = real_data / "nuscenes"
    tables = {
        name: json.loads((root / "v1.0-mini" / f"{name}.json").read_text())
        for name in ("category", "instance", "sample_annotation", "sample_data", "ego_pose", "map")
    }
    lidar = next(r for r in tables["sample_data"] if "LIDAR_TOP" in r["filename"])
    record = next(r for r in tables["ego_pose"] if r["token"] == lidar["ego_pose_token"])
    world_from_ego = Pose.from_quaternion(record["rotation"], np.array(record["translation"]))
    category = {r["token"]: r["name"] for r in tables["category"]}
    kind = {r["token"]: category[r["category_token"]] for r in tables["instance"]}
    rows = tables["sample_annotation"]
    world_from_box = Pose.from_quaternion(
        np.array([r["rotation"] for r in rows]), np.array([r["translation"] for r in rows])
    )
    size = np.array([r["size"] for r in rows])[:, [1, 0, 2]]
    ids = ids_from("nuscenes", [kind[r["instance_token"]] for r in rows])
    boxes = Boxes.make(0, ids, world_from_ego.inverse() @ world_from_box, size)
    mask = MapRaster.bottom_left(root / tables["map"][0]["filename"], 0.1)
    road_map = RoadMap(rasters={"drivable_area": mask})
    layout = rasterise(boxes, road_map, world_from_ego, OCC3D)

    drivable = layout.channel("drivable_area")
    assert drivable[95:110, 98:102].all()  # the road under and just ahead of the car
    vehicles = layout.channel("car") | layout.channel("truck") | layout.channel("bus")
    pedestrians = layout.channel("pedestrian")
    assert (drivable & vehicles).sum() > 0.9 * vehicles.sum() > 50
    assert (drivable & pedestrians).sum() < 0.5 * pedestrians.sum()
    # In the LiDAR's frame, or mirrored, cars would leave the road.
    mirrored = layout.channels[8:12, :, ::-1].any(axis=0)
    assert (drivable & mirrored).sum() < 0.9 * mirrored.sum()


def test_real_av2_crossings_and_lanes_lie_on_the_drivable_area(real_data: Path) -> None:
    log = next((real_data / "av2" / "sensor" / "val").iterdir())
    archive = json.loads(next((log / "map").glob("log_map_archive_*.json")).read_text())

    def xyz(points: list[dict[str, float]]) -> np.ndarray:
        return np.array([[p["x"], p["y"], p["z"]] for p in points])

    lanes = list(archive["lane_segments"].values())
    crossings = [
        np.concatenate([xyz(c["edge1"]), xyz(c["edge2"])[::-1]])
        for c in archive["pedestrian_crossings"].values()
    ]
    road_map = RoadMap(
        polygons={
            "drivable_area": tuple(
                Polygon.make(xyz(a["area_boundary"])) for a in archive["drivable_areas"].values()
            ),
            "ped_crossing": tuple(Polygon.make(c) for c in crossings),
        },
        lines={"lane_divider": tuple(xyz(lane["left_lane_boundary"]) for lane in lanes)},
    )
    here = xyz(lanes[0]["left_lane_boundary"])[0]
    layout = rasterise(None, road_map, Pose(np.eye(3), here), OCC3D)
    drivable = layout.channel("drivable_area")
    for name in ("ped_crossing", "lane_divider"):
        mask = layout.channel(name)
        assert mask.sum() > 100
        assert (mask & drivable).sum() > 0.85 * mask.sum() > (mask[:, ::-1] & drivable).sum()
    assert 0.05 < drivable.mean() < 0.9

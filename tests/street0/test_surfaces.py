"""Occupancy of a town: exact surfaces, none of them hidden, and every LiDAR point in it."""

import numpy as np
import pytest

from roadloom.geometry.surface import surface_areas
from roadloom.geometry.voxel_grid import CARLA_SC, OCC3D, PRETRAIN_LSS, VoxelGrid
from roadloom.scene.classes import FREE, class_id
from roadloom.street0.config import StreetConfig
from roadloom.street0.plan import Thing
from roadloom.street0.shapes import box, car, tree
from roadloom.street0.source import TownReader
from roadloom.street0.surfaces import (
    MIN_AREA_FACES,
    class_weights,
    quads_of,
    subtract,
    triangles_near,
    visible_faces,
)

KEY = 5
FINE = VoxelGrid(lower_m=(-12.03, -9.02, -1.01), cell_m=(0.2, 0.25, 0.3), shape=(120, 72, 20))


def reader_of(index: int = 0) -> TownReader:
    return TownReader("val", index, StreetConfig())


def area_of(rectangles: list) -> float:
    corners = np.array([rectangle for rectangle, _ in rectangles], float) / 1000
    return float(
        np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]), axis=1
        ).sum()
    )


def test_one_box_on_the_ground_shows_five_faces_and_a_raised_one_six() -> None:
    standing = [box("vehicle.car", (9, 9, 9), (0, 2000), (0, 1000), (10, 1010))]
    raised = [box("vehicle.car", (9, 9, 9), (0, 2000), (0, 1000), (500, 1500))]
    assert area_of(list(visible_faces(standing))) == pytest.approx(2 + 2 * 2 + 2 * 1)
    assert area_of(list(visible_faces(raised))) == pytest.approx(2 * 2 + 2 * 2 + 2 * 1)


def test_touching_and_overlapping_boxes_show_the_surface_of_their_union() -> None:
    below = box("vehicle.car", (9, 9, 9), (0, 2000), (0, 2000), (500, 1500))
    above = box("vehicle.car", (9, 9, 9), (500, 1500), (0, 1000), (1500, 2500))
    assert area_of(list(visible_faces([below, above]))) == pytest.approx(16 + 4)
    through = box("vehicle.car", (9, 9, 9), (500, 1500), (0, 1000), (600, 2500))
    # The face at y = 0 is common to both: it counts once, as does one at the other side.
    assert area_of(list(visible_faces([below, through]))) == pytest.approx(16 + 4)
    across = box("vehicle.car", (9, 9, 9), (500, 1500), (1000, 2000), (600, 2500))
    assert area_of(list(visible_faces([below, across]))) == pytest.approx(16 + 4)


@pytest.mark.parametrize("shape", [car, tree])
def test_what_is_left_of_a_shape_is_what_its_other_parts_leave_open(shape: object) -> None:
    """Random points on faces: kept just where no other part holds the space before them."""
    thing = Thing(kind="car", x=0, y=0, z=0, size=(4400, 1820, 7400 if shape is tree else 1500))
    parts = shape(thing, "vehicle.car")  # type: ignore[operator]
    kept = list(visible_faces(parts))
    low = np.array([p.low for p in parts])
    high = np.array([p.high for p in parts])
    rng = np.random.default_rng(0)
    for index, part in enumerate(parts):
        for face in range(6):
            axis, upper = face // 2, face % 2
            if axis == 2 and not upper and part.low[2] <= 10:
                continue
            point = rng.uniform(part.low, part.high) + 0.0
            point[axis] = (part.high if upper else part.low)[axis]
            before = point.copy()
            before[axis] += 0.5 if upper else -0.5
            others = np.arange(len(parts)) != index
            hidden = ((before > low) & (before < high)).all(axis=1)[others].any()
            on = 0
            for corners, _ in kept:
                a, b = np.min(corners, axis=0), np.max(corners, axis=0)
                flat = a[axis] == b[axis] == point[axis]
                on += flat and bool(((point >= a) & (point <= b)).all())
            assert (on == 0) == hidden, (index, face)


def test_subtract_gives_pieces_that_fill_the_rest() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        covers = [
            (int(x), int(y), int(x + w), int(y + h))
            for x, y, w, h in rng.integers(0, 12, (4, 4)) + [0, 0, 1, 1]
        ]
        pieces = subtract((2, 2, 12, 12), covers)
        count = np.zeros((30, 30), int)
        for x0, y0, x1, y1 in pieces:
            count[x0:x1, y0:y1] += 1
        expected = np.zeros((30, 30), int)
        expected[2:12, 2:12] = 1
        for x0, y0, x1, y1 in covers:
            expected[x0:x1, y0:y1] = 0
        np.testing.assert_array_equal(count, expected)


def test_ground_is_tiled_without_gaps_overlaps_or_anything_under_buildings() -> None:
    world = reader_of().world
    quads = quads_of(world)
    flat = (quads.owner < 0) & (np.ptp(quads.corners[..., 2], axis=1) == 0)
    low, high = quads.corners[flat].min(axis=1), quads.corners[flat].max(axis=1)
    rng = np.random.default_rng(2)
    points = rng.uniform([-200, -60], [300, 60], (4000, 2)) + 1e-5
    tiles = ((points[:, None] >= low[:, :2]) & (points[:, None] < high[:, :2])).all(axis=2).sum(1)
    under = np.zeros(len(points), bool)
    for thing, parts in zip(world.plan.things, world.parts, strict=True):
        if thing.kind == "building":
            middle = np.array([thing.x, thing.y]) / 1000
            half = np.array(parts[0].high[:2]) / 1000
            under |= (np.abs(points - middle) < half).all(axis=1)
    assert 0.1 < under.mean() < 0.9
    np.testing.assert_array_equal(tiles, np.where(under, 0, 1))


@pytest.mark.parametrize("grid", [OCC3D, CARLA_SC, PRETRAIN_LSS, FINE], ids=lambda g: str(g.shape))
@pytest.mark.parametrize("index", [0, 3])
def test_every_standing_point_lies_in_an_occupied_cell(grid: VoxelGrid, index: int) -> None:
    """Or, exactly, in a cell that its surface only grazes. A point on a face counts for either
    side. Points of movers lie where those were at the point's own time, so they are left out."""
    reader = reader_of(index)
    points = standing_points(reader, KEY)
    check_points(reader, points, grid, KEY)


def test_points_of_the_next_key_frame_lie_in_this_ones_cells() -> None:
    """The same street from another place: carried by the clip's own poses in the world."""
    reader = reader_of(1)
    poses = reader.world.world_from_ego(reader.meta.key_times_ns)
    carry = poses[KEY].inverse() @ poses[KEY + 1]
    points = carry.apply(standing_points(reader, KEY + 1))
    assert np.linalg.norm(carry.translation) > 1
    check_points(reader, points, OCC3D, KEY)


def standing_points(reader: TownReader, key: int) -> np.ndarray:
    """Points of a sweep that hit what never moves, float64."""
    sweep = reader.sweep("LIDAR_TOP", key * 10)
    moving = np.zeros(256, bool)
    for row, speed in enumerate(reader.world.tables.moving[:, 3:5]):
        if speed.any():
            start = reader.world.tables.spans[row, 0]
            moving[reader.world.materials.class_id[start]] = True
    return sweep.points[~moving[sweep.label]].astype(np.float64)


def check_points(reader: TownReader, points: np.ndarray, grid: VoxelGrid, key: int) -> None:
    labels = reader.occupancy(key, grid).labels
    low, high = np.array(grid.lower_m), np.array(grid.upper_m)
    points = points[((points > low + 1e-3) & (points < high - 1e-3)).all(axis=1)]
    assert len(points) > 5000
    found = np.zeros(len(points), bool)
    grazed = np.zeros(len(points), bool)
    time_ns = int(reader.meta.key_times_ns[key])
    areas = surface_areas(*triangles_near(reader.world, time_ns, grid), grid)
    total = np.zeros(grid.shape)
    np.add.at(total, tuple(areas.cell.T), areas.area_m2)
    faces = np.array(grid.cell_m)
    smallest = (np.prod(faces) / faces).min()
    for step in np.array(np.meshgrid(*[(-1e-5, 1e-5)] * 3)).reshape(3, -1).T:
        cell, inside = grid.cell_of(points + step)
        assert inside.all()
        found |= labels[tuple(cell.T)] != FREE
        area = total[tuple(cell.T)]
        grazed |= (area > 0) & (area <= MIN_AREA_FACES * smallest)
    assert (found | grazed).all()
    assert found.mean() > 0.995


def test_thin_things_survive_beside_the_ground() -> None:
    """Cells where a pole or a person is hit by the LiDAR show it, mostly."""
    reader = reader_of(0)
    occupancy = reader.occupancy(KEY, OCC3D)
    sweep = reader.sweep("LIDAR_TOP", KEY * 10)
    cell, inside = OCC3D.cell_of(sweep.points.astype(np.float64))
    for name in ("structure.pole", "structure.building", "flat.road"):
        mine = inside & (sweep.label == class_id(name))
        assert mine.sum() > 20
        assert (occupancy.labels[tuple(cell[mine].T)] == class_id(name)).mean() > 0.75, name
    weights = class_weights()
    assert weights[class_id("structure.pole")] == 4 and weights[class_id("human.adult")] == 4
    assert MIN_AREA_FACES == 0.03
    assert weights[class_id("flat.road")] == 1 and weights[class_id("vehicle.car")] == 1


def test_solid_fills_interiors_and_changes_no_surface() -> None:
    reader = reader_of(0)
    hollow = reader.occupancy(KEY, OCC3D).labels
    solid = reader.occupancy(KEY, OCC3D, solid=True).labels
    np.testing.assert_array_equal(solid[hollow != FREE], hollow[hollow != FREE])
    building = class_id("structure.building")
    assert (solid == building).sum() > 3 * (hollow == building).sum()
    # A cell whose whole neighbourhood is building lies inside one.
    world = reader.world
    time_ns = int(reader.meta.key_times_ns[KEY])
    street = world.street_from_ego(np.array([time_ns], np.int64))[0].apply(
        OCC3D.center_of(np.argwhere((solid == building) & (hollow == FREE)))
    )
    inside = np.zeros(len(street), bool)
    for thing, parts in zip(world.plan.things, world.parts, strict=True):
        if thing.kind == "building":
            for part in parts:
                local = street - np.array([thing.x, thing.y, thing.z]) / 1000
                inside |= (
                    (local >= np.array(part.low) / 1000) & (local <= np.array(part.high) / 1000)
                ).all(axis=1)
    assert inside.all()


def test_occupancy_is_the_same_again() -> None:
    first = reader_of(2).occupancy(KEY, OCC3D)
    quads_of.cache_clear()
    assert reader_of(2).occupancy(KEY, OCC3D).same_as(first)

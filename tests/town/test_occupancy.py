"""Occupancy of a town: equal to the slow definition, at any yaw, and true to what is there."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import pytest
from tests.town.toy import ToyWorld, box_mesh, toy_plan, toy_world

from roadloom.geometry.pose import Pose, rotation_from_quaternion, rotation_from_yaw
from roadloom.geometry.surface import surface_areas
from roadloom.geometry.voxel_grid import BEV_VAE, CARLA_SC, OCC3D, VoxelGrid
from roadloom.scene.class_weights import class_weights
from roadloom.scene.classes import FREE, class_id
from roadloom.sensors.grid_rays import camera_rays
from roadloom.sensors.pinhole import PinholeCamera
from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedCamera, Rig
from roadloom.town.cast.caster import Caster, Hits
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.occupancy.flow import occupancy_flow
from roadloom.town.occupancy.footprints import covers_of, cut_ground
from roadloom.town.occupancy.labels import MIN_AREA_FACES, areas, matter, occupancy
from roadloom.town.occupancy.masks import visibility
from roadloom.town.occupancy.paint import MARKING, painted
from roadloom.town.occupancy.solid import inside
from roadloom.town.occupancy.surfaces import visible
from roadloom.town.world import World

SECOND = 1_000_000_000
SMALL = VoxelGrid(lower_m=(-6.1, -7.3, -1.0), cell_m=(0.31, 0.4, 0.27), shape=(50, 41, 20))


class TiltedWorld(ToyWorld):
    """The ego stands where and how it is told, and leaves litter the wind the trees."""

    def town_from_ego(self, time_ns):
        pose = super().town_from_ego(time_ns)
        turn = rotation_from_quaternion(np.array(self.turn, float))
        return Pose(pose.rotation @ turn, pose.translation + np.array([0.017, 0.031, 0.023]))

    @cached_property
    def standing_mesh(self):
        rng = np.random.default_rng(4)
        at = rng.uniform((-30, -20, 0.2), (40, 20, 6), (4000, 3))
        leaves = at[:, None] + rng.normal(0, 0.15, (4000, 3, 3))
        mesh = Mesh.make(
            leaves, material=0, class_id=class_id("nature.vegetation"), tint=(0.0, 1.0, 0.0)
        )
        return join([super().standing_mesh, mesh.owned_by(2)])


def tilted(turn) -> TiltedWorld:
    world = TiltedWorld(plan=toy_plan())
    object.__setattr__(world, "turn", turn)
    return world


def everything(world: World, time_ns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All surfaces, their classes and how their area counts, one thing after the other."""
    time_s = float(world.seconds(np.array([time_ns]))[0])
    ego_from_town = world.town_from_ego(np.array([time_ns]))[0].inverse()
    corners, kinds, weight = visible(world)
    parts, classes = [ego_from_town.apply(corners)], [kinds]
    poses = world.town_from_thing(time_s)
    for mover in world.instances(time_s, time_s):
        rows = slice(mover.start, mover.stop)
        pose = ego_from_town @ poses[world.standing + mover.actor]
        parts.append(pose.apply(world.tables.corners[rows]))
        classes.append(world.tables.class_id[rows])
    whole = np.concatenate(parts)
    weight = np.append(weight, np.ones(len(whole) - len(weight)))
    return whole, np.concatenate(classes).astype(np.uint8), weight


def slow_areas(world: World, time_ns: int, grid: VoxelGrid) -> dict[int, np.ndarray]:
    """Area of each class in each cell, by the definition: what is added less what is taken."""
    triangles, kinds, weight = everything(world, time_ns)
    sums = {int(kind): np.zeros(grid.shape) for kind in np.unique(kinds)}
    for sign in (1, -1):
        rows = weight == sign
        part = surface_areas(triangles[rows], kinds[rows], grid)
        for kind, dense in sums.items():
            mine = part.class_id == kind
            np.add.at(dense, tuple(part.cell[mine].T), sign * part.area_m2[mine])
    return sums


def slow_labels(world: World, time_ns: int, grid: VoxelGrid) -> np.ndarray:
    """The largest weighted area wins, the lower class of two equal ones."""
    sums, (x, y, z) = slow_areas(world, time_ns, grid), grid.cell_m
    best, labels = np.zeros(grid.shape), np.zeros(grid.shape, np.uint8)
    for kind in sorted(sums):
        score = sums[kind] * class_weights()[kind]
        wins = score > best * (1 + 1e-9)
        labels[wins], best[wins] = kind, score[wins]
    least = MIN_AREA_FACES * min(x * y, y * z, z * x)
    return np.where(sum(sums.values()) > least, labels, FREE)


TURNS = [(1, 0, 0, 0), (0.9, 0.01, -0.02, 0.43), (0.1, 0.03, 0.0, -1.0), (1.0, -0.05, 0.04, 1.0)]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("grid", [OCC3D, CARLA_SC, SMALL], ids=["occ3d", "carla", "small"])
def test_equal_to_the_definition_at_any_turn(turn: tuple[float, ...], grid: VoxelGrid) -> None:
    world = tilted(turn)
    time_ns = world.start_ns + 3_210_000_000
    slow = slow_labels(world, time_ns, grid)
    fast = occupancy(world, time_ns, grid)
    assert (slow != FREE).sum() > 1000
    np.testing.assert_array_equal(fast.labels, slow)


def test_areas_are_those_of_the_definition_and_add_up() -> None:
    world = tilted((0.9, 0.01, -0.02, 0.43))
    time_ns = world.start_ns + SECOND
    grid = VoxelGrid(lower_m=(-250.0, -250.0, -30.0), cell_m=(7.3, 9.1, 5.0), shape=(70, 60, 12))
    triangles, _, weight = everything(world, time_ns)
    slow = slow_areas(world, time_ns, grid)
    _, kind, area, _, used = areas(world, time_ns, grid)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    whole = (0.5 * weight * np.sqrt((normals**2).sum(axis=1))).sum()
    assert area[:used].sum() == pytest.approx(whole, rel=1e-9)
    by_class = np.bincount(kind[:used] & 255, area[:used], minlength=256)
    for number in range(256):
        assert by_class[number] == pytest.approx(slow.get(number, np.zeros(1)).sum(), rel=1e-9)
    assert by_class[class_id(MARKING)] == pytest.approx(22 * 3 * 0.15, rel=1e-6)


def test_movers_are_where_they_are_and_the_ego_is_not_there() -> None:
    world = toy_world()
    car, moving = class_id("vehicle.car"), world.standing
    for second in (0.0, 4.3, 9.77):
        time_ns = world.start_ns + round(second * SECOND)
        found = matter(world, time_ns, OCC3D)
        ego_from_town = world.town_from_ego(np.array([time_ns]))[0].inverse()
        for actor in range(len(world.plan.actors)):
            cells = np.argwhere(found.bodies == actor + 1)
            pose = ego_from_town @ world.town_from_thing(second)[moving + actor]
            middle, size = (v[moving + actor] for v in world.box)
            if np.abs(pose.translation[:2]).max() > 35:
                continue
            assert len(cells) > 20
            apart = np.abs(pose.inverse().apply(OCC3D.center_of(cells)) - middle)
            assert (apart <= size / 2 + 0.2 + 1e-9).all()
        assert not (found.labels[95:108, 97:104, 4:8] == car).any(), "the ego is no obstacle"


def test_a_thin_pole_shows_beside_more_ground() -> None:
    world = toy_world()
    time_ns = world.start_ns + SECOND
    at = (
        world.town_from_ego(np.array([time_ns]))[0]
        .inverse()
        .apply(world.town_from_standing.translation[4][None])
    )
    cell, _ = OCC3D.cell_of(at + (0, 0, 0.03))
    labels = occupancy(world, time_ns, OCC3D).labels
    i, j, k = cell[0]
    assert class_id("structure.pole") in labels[i - 1 : i + 2, j - 1 : j + 2, k]


# -- ground under buildings, paint -----------------------------------------------------------------


def test_ground_ends_at_the_walls() -> None:
    world = toy_world()
    cut = cut_ground(world)
    corners, kinds, _ = visible(world)
    terrain = corners[kinds == class_id("nature.terrain")]
    normals = np.cross(terrain[:, 1] - terrain[:, 0], terrain[:, 2] - terrain[:, 0])
    assert 0.5 * np.abs(normals[:, 2]).sum() == pytest.approx(
        200 * 53 * 2 - 18 * 9 - 22 * 10, abs=1e-2
    )
    assert len(cut.gone) and np.abs(cut.corners[..., 2] - 0.147).max() < 1e-9
    labels = occupancy(world, world.start_ns, OCC3D).labels
    solid = occupancy(world, world.start_ns, OCC3D, solid=True).labels
    assert (labels == class_id("structure.building")).sum() > 3000
    column = (solid == class_id("structure.building")).sum(axis=2)
    assert column.max() >= 13, "filled from the ground to the grid's top"


def test_the_outline_of_a_corner_house() -> None:
    ring = np.array([(0, 0), (9, 0), (9, 4), (3, 4), (3, 8), (0, 8)], float)
    walls = []
    for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        low, high = np.array([*a, -0.6]), np.array([*b, -0.6])
        walls += [[low, high, high + (0, 0, 5)], [low, high + (0, 0, 5), low + (0, 0, 5)]]
    (cover,) = covers_of(np.array(walls))
    assert cover.outline.area == pytest.approx(9 * 4 + 3 * 4) and cover.level_m == np.inf


def test_ground_that_rises_above_a_slab_stays() -> None:
    """A house 8 m square has a slab 2 m deep before it, 3 cm high, on ground that rises by 0.2."""
    house = box_mesh((8, 8, 5), low_z=-0.6)
    slab = box_mesh((8, 2, 0.03), low_z=-0.6).moved(Pose(np.eye(3), np.array([0.0, -5.0, 0.0])))
    ground = np.array([[[-50, -50, -10], [50, -50, 10], [50, 50, 10]],
                       [[-50, -50, -10], [50, 50, 10], [-50, 50, -10]]], float)  # fmt: skip
    mesh = join([
        Mesh.make(
            ground, material=0, class_id=class_id("nature.terrain"), tint=(0.0, 0.0, 0.0)
        ).owned_by(-1),
        join([house, slab]).owned_by(0),
    ])  # fmt: skip
    world = toy_world()
    assert world.plan.things[0].kind in ("building", "shop", "house", "office")
    object.__setattr__(world, "standing_mesh", mesh)
    cut = cut_ground(world)
    assert len(cut.gone) == 2
    u, v = cut.corners[:, 1] - cut.corners[:, 0], cut.corners[:, 2] - cut.corners[:, 0]
    area = 0.5 * np.abs(np.cross(u, v)[:, 2]).sum()
    # Ground is hidden up to x = 0.15, where it passes the slab's top.
    assert area == pytest.approx(100 * 100 - 8 * 8 - (4 + 0.15) * 2, abs=1e-3)


def test_paint_takes_its_area_from_the_ground() -> None:
    from roadloom.town.occupancy.kernels import settle, sum_areas

    ground = np.array([[[-2, -2, 0.05], [6, -2, 0.05], [-2, 6, 0.05]]], float)
    paint = np.array([[[0.1, 0.1, 0.05], [0.3, 0.1, 0.05], [0.1, 0.38, 0.05]]], float)
    grid = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(0.4, 0.4, 0.4), shape=(2, 2, 2))
    rows = [np.array([0]), np.array([3]), np.eye(3)[None], np.zeros((1, 3)), np.zeros(1, np.int32)]
    lists = sum_areas(
        np.concatenate([ground, paint, paint]), np.array([52, 58, 52], np.int32),
        np.array([1.0, 1.0, -1.0]), *rows, grid.lower_m, grid.cell_m, grid.shape,
    )  # fmt: skip
    head, kind, area, following, used = lists
    assert area[:used].sum() == pytest.approx(4 * 0.16)
    row, found = head[0], {}
    while row >= 0:
        found[int(kind[row])] = float(area[row])
        row = following[row]
    assert found == {52: pytest.approx(0.16 - 0.028), 58: pytest.approx(0.028)}
    labels, bodies = np.zeros(8, np.uint8), np.zeros(8, np.uint16)
    weights = np.ones(256)
    weights[58] = 5.0
    settle(*lists, weights, 0.0048, 1e-9, labels, bodies)
    assert labels.reshape(2, 2, 2)[..., 0].tolist() == [[58, 52], [52, 52]]
    assert not labels.reshape(2, 2, 2)[..., 1].any() and not bodies.any()


def test_paint_lies_once_and_on_the_right_ground() -> None:
    """Two stripes cross on the edge of a parking strip: no place is painted twice."""
    plan = toy_plan()
    parking = replace(plan.roads.areas[0], kind="parking", ring=(
        (-100_000, 2000), (100_000, 2000), (100_000, 4000), (-100_000, 4000)))  # fmt: skip
    road = replace(plan.roads.areas[0], ring=(
        (-100_000, -4000), (100_000, -4000), (100_000, 2000), (-100_000, 2000)))  # fmt: skip
    stripe = replace(plan.roads.paint[0], at=(0, 2000), half=(0, 1500), half_width=100)
    across = replace(stripe, at=(0, 1000), half=(1000, 0))
    areas_of = (road, parking, *plan.roads.areas[1:])
    pieces = painted(
        replace(plan, roads=replace(plan.roads, areas=areas_of, paint=(stripe, across)))
    )
    normals = np.cross(
        pieces.corners[:, 1] - pieces.corners[:, 0], pieces.corners[:, 2] - pieces.corners[:, 0]
    )
    area = 0.5 * np.sqrt((normals**2).sum(axis=1))
    on_parking = pieces.below == class_id("flat.parking")
    assert area[on_parking].sum() == pytest.approx(1.5 * 0.2, rel=1e-6)
    assert area[~on_parking].sum() == pytest.approx(1.5 * 0.2 + 2 * 0.2 - 0.2 * 0.2, rel=1e-6)
    assert len(painted(replace(plan, roads=replace(plan.roads, paint=()))).corners) == 0


# -- interiors -------------------------------------------------------------------------------------


def test_solid_only_adds() -> None:
    world = toy_world()
    time_ns = world.start_ns + 2 * SECOND
    hollow, solid = (matter(world, time_ns, OCC3D, solid=flag) for flag in (False, True))
    there = hollow.labels != FREE
    np.testing.assert_array_equal(solid.labels[there], hollow.labels[there])
    np.testing.assert_array_equal(solid.bodies[there], hollow.bodies[there])
    added = np.argwhere(~there & (solid.labels != FREE))
    town = world.town_from_ego(np.array([time_ns]))[0].apply(OCC3D.center_of(added))
    poses = world.town_from_thing(2.0)
    middle, size = world.box
    within = [
        (np.abs(poses[row].inverse().apply(town) - middle[row]) <= size[row] / 2).all(axis=1)
        for row in range(len(world.things))
    ]
    assert len(added) > 5000 and np.any(within, axis=0).all()


def test_air_under_an_awning_is_free_and_a_room_is_not() -> None:
    rng = np.random.default_rng(2)
    house = box_mesh((8, 6, 5), -0.6).corners
    awning = np.array(
        [[[-3, 3, 2.4], [3, 3, 2.4], [3, 5, 2.2]], [[-3, 3, 2.4], [3, 5, 2.2], [-3, 5, 2.2]]]
    )
    places = rng.uniform((-6, -5, 0), (6, 6, 6), (2000, 3))
    found = inside(np.concatenate([house, awning]), places)
    truth = (np.abs(places[:, :2]) < (4, 3)).all(axis=1) & (places[:, 2] < 5)
    np.testing.assert_array_equal(found, truth)
    open_below = box_mesh((8, 6, 5), 0.3).corners[2:]
    np.testing.assert_array_equal(inside(open_below, places), truth & (places[:, 2] > 0.3))


# -- flow ------------------------------------------------------------------------------------------


def test_flow_of_constant_speed_and_of_what_stands() -> None:
    world = toy_world()
    time_ns = world.start_ns + SECOND
    found = matter(world, time_ns, OCC3D)
    flow = occupancy_flow(world, time_ns, time_ns + SECOND // 10, OCC3D)
    assert np.isnan(flow[found.labels == FREE]).all()
    assert (flow[(found.labels != FREE) & (found.bodies == 0)] == 0).all()
    for actor, speed in enumerate((-7.0, 8.0, 1.3)):
        mine = flow[found.bodies == actor + 1]
        if len(mine):
            np.testing.assert_allclose(
                mine, np.broadcast_to((0.1 * speed, 0, 0), mine.shape), atol=1e-6
            )
    assert (found.bodies > 0).sum() > 100


def test_matter_flows_into_cells_that_it_fills_later() -> None:
    """The ego's motion, which flow leaves out, is put back to look up the later frame."""
    world = tilted((0.9, 0.0, 0.0, 0.3))
    first, later = world.start_ns + SECOND, world.start_ns + SECOND + SECOND // 2
    found, then = matter(world, first, SMALL), matter(world, later, SMALL)
    flow = occupancy_flow(world, first, later, SMALL)
    poses = world.town_from_ego(np.array([first, later]))
    carry = poses[1].inverse() @ poses[0]
    for body in np.unique(found.bodies[found.bodies > 0]):
        cells = np.argwhere(found.bodies == body)
        there = carry.apply(SMALL.center_of(cells) + flow[tuple(cells.T)].astype(float))
        cell, in_grid = SMALL.cell_of(there)
        near = [
            then.bodies[tuple(np.clip(cell + step, 0, np.array(SMALL.shape) - 1).T)] == body
            for step in np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 3)
        ]
        if in_grid.sum() > 20:
            assert np.any(near, axis=0)[in_grid].mean() > 0.97


def test_flow_of_a_turn() -> None:
    """A car on a bend: its cells turn about its own place, front and back by different ways."""
    plan = toy_plan()
    angle = np.linspace(0, np.pi / 2, 60)
    arc = tuple((int(v[0]), int(v[1])) for v in np.stack(
        [11_000 + 9_000 * np.sin(angle), 9_000 - 9_000 * np.cos(angle)], axis=-1))  # fmt: skip
    path = ((-60_000, 0), *arc, (20_000, 60_000))
    along = plan.actors[0].along
    speed = tuple(74_500_000 + (a - along[20]) for a in along)
    turning = replace(plan.actors[0], path=path, along=speed)
    world = ToyWorld(plan=replace(plan, things=(), actors=(turning,)))
    time_ns, later = world.start_ns + SECOND // 2, world.start_ns + SECOND // 2 + 50_000_000
    found = matter(world, time_ns, OCC3D)
    flow = occupancy_flow(world, time_ns, later, OCC3D)
    cells = np.argwhere(found.bodies == 1)
    assert len(cells) > 50
    at = OCC3D.center_of(cells)
    velocity = flow[tuple(cells.T)].astype(float) / 0.05
    # v = v0 + w x r: fit the turning rate and compare it with the change of heading.
    columns = np.concatenate([at[:, :2], np.ones((len(at), 1))], axis=1)
    fit = np.linalg.lstsq(columns, velocity[:, :2], rcond=None)[0]
    rate = fit[0, 1]
    assert rate == pytest.approx(-fit[1, 0], rel=1e-3)
    poses = [world.town_from_thing(t).rotation[0] for t in (0.5, 0.55)]
    yaw = [np.arctan2(r[1, 0], r[0, 0]) for r in poses]
    assert abs(rate) > 0.3 and rate == pytest.approx((yaw[1] - yaw[0]) / 0.05, rel=2e-3)


# -- visibility ------------------------------------------------------------------------------------


class SlowCaster(Caster):
    """Every ray against every triangle (Moeller and Trumbore 1997); a twin for tests."""

    def __init__(self, world: World, time_ns: int) -> None:
        triangles = everything(world, time_ns)[0]
        self.triangles = world.town_from_ego(np.array([time_ns]))[0].apply(triangles)

    def cast(self, origins, directions, time_s):
        a, u, v = (
            self.triangles[:, 0],
            *np.moveaxis(self.triangles[:, 1:] - self.triangles[:, :1], 1, 0),
        )
        best = np.full(len(origins), np.inf, np.float64)
        for ray, (o, d) in enumerate(zip(origins, directions, strict=True)):
            p = np.cross(d, v)
            det = (u * p).sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                s = ((o - a) * p).sum(axis=1) / det
                q = np.cross(o - a, u)
                t, w = (q @ d) / det, (v * q).sum(axis=1) / det
            hit = (det != 0) & (s >= 0) & (t >= 0) & (s + t <= 1) & (w > 1e-6)
            best[ray] = w[hit].min() if hit.any() else np.inf
        none = np.full(len(origins), -1, np.int32)
        zero = np.zeros(len(origins), np.float32)
        return Hits(best, none, none, zero, zero)


def test_rays_end_in_occupied_cells_and_cross_free_ones() -> None:
    """Every end of a ray lies in an occupied cell (or in its neighbour, on a face)."""
    world = toy_world()
    time_ns = world.start_ns + SECOND
    rng = np.random.default_rng(0)
    caster = SlowCaster(world, time_ns)
    pose = world.town_from_ego(np.array([time_ns]))[0]
    way = rng.normal(size=(1500, 3)) * (1, 1, 0.2)
    way /= np.sqrt((way**2).sum(axis=1, keepdims=True))
    start = np.array([[0.9, 0.0, 1.8]])
    distance = caster.cast(pose.apply(np.repeat(start, 1500, 0)), pose.rotate(way), 1.0).distance
    ends = start + way * np.where(np.isfinite(distance), distance, 0)[:, None]
    labels = occupancy(world, time_ns, OCC3D).labels
    inside_grid = np.isfinite(distance) & OCC3D.cell_of(ends)[1]
    assert inside_grid.sum() > 800
    held = np.zeros(len(ends), bool)
    for step in np.stack(np.meshgrid(*[[-1e-5, 0, 1e-5]] * 3), axis=-1).reshape(-1, 3):
        cell, within = OCC3D.cell_of(ends + step)
        held |= within & (labels[tuple(np.where(within[:, None], cell, 0).T)] != FREE)
    # What is missed are grazes: corners of cells with less than 0.03 of a face.
    assert held[inside_grid].mean() > 0.985
    bare = surface_areas(*everything(world, time_ns)[:2], OCC3D).cell
    touched = np.zeros(OCC3D.shape, bool)
    touched[tuple(bare.T)] = True
    held = np.zeros(len(ends), bool)
    for step in np.stack(np.meshgrid(*[[-1e-5, 0, 1e-5]] * 3), axis=-1).reshape(-1, 3):
        cell, within = OCC3D.cell_of(ends + step)
        held |= within & touched[tuple(np.where(within[:, None], cell, 0).T)]
    assert held[inside_grid].all()


def test_masks_hold_what_is_hit_and_nothing_behind_it() -> None:
    world = toy_world()
    time_ns = world.start_ns + SECOND
    full = preset("nuscenes")
    cameras = tuple(
        replace(m, camera=m.camera.resize(32, 18))
        for m in full.cameras
        if "front" in m.name.lower()
    )
    few = replace(
        full.lidars[0].lidar, columns=60, elevations_rad=full.lidars[0].lidar.elevations_rad[::4],
        azimuth_offsets_rad=np.zeros(8), firing_offsets_s=np.zeros(8),
    )  # fmt: skip
    rig = Rig(name="few", cameras=cameras, lidars=(replace(full.lidars[0], lidar=few),))
    lidar, camera = visibility(world, time_ns, rig, OCC3D, SlowCaster(world, time_ns))
    assert lidar is not None and camera is not None
    labels = occupancy(world, time_ns, OCC3D, masks=(lidar, camera))
    assert labels.mask_lidar is lidar and labels.mask_camera is camera
    occupied = labels.labels != FREE
    assert (lidar & occupied).sum() > 100 and (lidar & ~occupied).sum() > 1000
    behind = OCC3D.centers()[..., 0] < 0
    assert not camera[behind].any(), "these cameras look ahead"
    below = OCC3D.centers()[..., 2] < -0.5
    assert not (lidar | camera)[below].any(), "nobody looks through the road"
    nobody = Rig(name="none", cameras=(), lidars=())
    assert visibility(world, time_ns, nobody, OCC3D, SlowCaster(world, time_ns)) == (None, None)


@pytest.mark.parametrize("grid", [OCC3D, BEV_VAE], ids=["occ3d", "bev_vae"])
def test_camera_rays_leave_no_cell_out(grid: VoxelGrid) -> None:
    mount: MountedCamera = preset("nuscenes").cameras[0]
    assert isinstance(mount.camera, PinholeCamera)
    rays = camera_rays(mount.camera, grid)
    pixels, _ = mount.camera.project(rays)
    x = np.unique(np.round(pixels[:, 0]))
    assert x[0] == 0 and x[-1] == mount.camera.width - 1
    farthest = np.sqrt((np.abs([grid.lower_m, grid.upper_m]).max(axis=0) ** 2).sum())
    step = np.diff(x).max()
    assert step > 1, "no ray is cast in vain"
    assert farthest * step / mount.camera.fx <= min(grid.cell_m) / 2 * 1.3


def test_yaw_alone_changes_nothing_but_axes() -> None:
    """Half a turn of the ego about its own axis mirrors the grid's x and y."""
    here, there = tilted((1, 0, 0, 0)), tilted((0, 0, 0, 1))
    grid = VoxelGrid(lower_m=(-20.0, -20.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(100, 100, 16))
    time_ns = here.start_ns + SECOND
    one = occupancy(here, time_ns, grid).labels
    other = occupancy(there, time_ns, grid).labels[::-1, ::-1]
    assert (one != other).mean() < 1e-5  # but for surfaces within a face
    assert rotation_from_yaw(np.array(np.pi))[0, 0] == -1

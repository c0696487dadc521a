"""Pictures and labels of cameras: what geometry says, and what light must do."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from roadloom.geometry.pose import Pose
from roadloom.scene.classes import class_id
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera
from roadloom.sensors.rig import MountedCamera
from roadloom.town.camera import tables
from roadloom.town.camera.ground_textures import skin_ground
from roadloom.town.camera.light import light_of
from roadloom.town.camera.lighting import BRIGHTEST, average
from roadloom.town.camera.object_textures import skin_objects
from roadloom.town.camera.paint import WHITE, grid_of, ground_at, on_paint
from roadloom.town.camera.view import View
from roadloom.town.camera.wall_textures import skin_walls
from roadloom.town.cast.caster import caster_of
from roadloom.town.mesh import materials
from roadloom.town.mesh.mesh import join

_SPEC = importlib.util.spec_from_file_location("toy", Path(__file__).with_name("toy.py"))
toy = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(toy)

AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Ego from a camera that looks ahead."""
PINHOLE = PinholeCamera(width=96, height=64, fx=60.0, fy=60.0, cx=47.5, cy=31.5, k1=-0.1)
FISHEYE = FisheyeCamera(width=72, height=72, fx=24.0, fy=24.0, cx=35.5, cy=35.5, max_angle_rad=1.4)


def mounted(camera, **more):
    pose = Pose(AHEAD, np.array([1.5, 0.0, 1.53]))
    return MountedCamera(name="front", camera=camera, ego_from_camera=pose, **more)


def with_look(world, **look):
    return toy.ToyWorld(plan=replace(world.plan, look=replace(world.plan.look, **look)))


@pytest.fixture(scope="module")
def world():
    return toy.toy_world()


def rays_of(world, mount, time_ns):
    directions, valid = mount.camera.rays()
    pose = world.town_from_ego(np.array([time_ns]))[0] @ mount.ego_from_camera
    turned = pose.rotate(directions[valid])
    origins = np.tile(pose.translation, (len(turned), 1))
    second = float(world.seconds(np.array([time_ns]))[0])
    return directions, valid, caster_of(world).cast(origins, turned, second)


@pytest.mark.parametrize("camera", [PINHOLE, FISHEYE], ids=["pinhole", "fisheye"])
def test_labels_are_those_of_the_centre_ray(world, camera):
    mount, time_ns = mounted(camera), world.start_ns + 1_230_000_000
    view = View.of(world, mount, time_ns)
    directions, valid, hits = rays_of(world, mount, time_ns)
    hit = hits.triangle >= 0
    assert 0.3 < hit.mean() < 1
    expected = np.where(hit, hits.distance, np.inf) * np.where(hit, directions[valid][:, 2], 1)
    np.testing.assert_allclose(view.depth[valid], expected, rtol=1e-6)
    owner = np.where(hit, world.tables.owner[hits.triangle], -1)
    np.testing.assert_array_equal(view.instance[valid], owner)
    cls = np.where(hit, world.tables.class_id[hits.triangle], class_id("sky"))
    paint = view.semantic[valid] == class_id("marking.road_line")
    assert paint.any()
    assert (cls[paint] == class_id("flat.road")).all()
    np.testing.assert_array_equal(view.semantic[valid][~paint], cls[~paint])
    assert (view.semantic[~valid] == 255).all()
    assert np.isinf(view.depth[~valid]).all()
    assert (view.instance[~valid] == -1).all()
    assert (view.pixels(4)[~valid] == 0).all()


def test_paint_is_where_the_plan_says(world):
    mount, time_ns = mounted(PINHOLE), world.start_ns
    view = View.of(world, mount, time_ns)
    directions, valid, hits = rays_of(world, mount, time_ns)
    pose = world.town_from_ego(np.array([time_ns]))[0] @ mount.ego_from_camera
    places = pose.translation + pose.rotate(directions[valid]) * hits.distance[:, None]
    inside = np.zeros(len(places), bool)
    for paint in world.plan.roads.paint:
        x, y = places[:, 0] - paint.at[0] / 1000, places[:, 1] - paint.at[1] / 1000
        inside |= (np.abs(x) <= paint.half[0] / 1000) & (np.abs(y) <= paint.half_width / 1000)
    road = np.zeros(len(places), bool)
    road[hits.triangle >= 0] = world.tables.class_id[hits.triangle[hits.triangle >= 0]] == class_id(
        "flat.road"
    )
    painted = view.semantic[valid] == class_id("marking.road_line")
    np.testing.assert_array_equal(painted, inside & road)


def test_normals_are_the_geometry_s(world):
    mount, time_ns = mounted(PINHOLE), world.start_ns
    view = View.of(world, mount, time_ns)
    normal = view.normal
    assert np.isnan(normal[np.isinf(view.depth)]).all()
    assert np.isfinite(normal[np.isfinite(view.depth)]).all()
    towards = (normal * -PINHOLE.rays()[0]).sum(axis=-1)
    assert (towards[np.isfinite(view.depth)] > 0).all()
    road = view.semantic == class_id("flat.road")
    np.testing.assert_allclose(normal[road], np.tile([0.0, -1.0, 0.0], (road.sum(), 1)), atol=1e-6)


def test_coverage_of_paint_adds_up_to_its_area():
    rectangle = np.array([[1.23, -0.77, 0.6, 0.8, 1.7, 0.21, WHITE]])
    grid = grid_of(rectangle)
    step = 0.031
    for ax, ay, bx, by in ((step, 0.0, 0.0, step), (0.4, 0.1, -0.02, 0.08)):
        steps = np.arange(-4.0, 6.0, step)
        total = sum(ground_at(grid, x, y, ax, ay, bx, by)[0] for x in steps for y in steps - 2)
        assert total * step**2 == pytest.approx(4 * 1.7 * 0.21, rel=5e-3)
    along = 1.23 + 0.6 * 1.6999, -0.77 + 0.8 * 1.6999
    beyond = 1.23 + 0.6 * 1.7001, -0.77 + 0.8 * 1.7001
    x, y = np.array([along, beyond]).T
    assert on_paint(grid, x.copy(), y.copy()).tolist() == [True, False]


def test_the_shadow_of_a_box_falls_where_geometry_says(world):
    """A camera above the road, looking down; the box is 2 m high, the sun 45 degrees up. The ego,
    which would cast a shadow too, stands aside."""

    class Bare(toy.ToyWorld):
        @cached_property
        def standing_mesh(self):
            box = toy.box_mesh((2.0, 2.0, 2.0))
            ground = toy.ground_of(self.plan)
            return join([ground[ground.material == 1], box.owned_by(0)])

    plan = replace(
        world.plan, actors=(), roads=replace(world.plan.roads, paint=()),
        look=replace(world.plan.look, sun=(-1000, 0, 1000), cloud_permille=0),
        ego=replace(
            world.plan.ego, path=((-50_000, -20_000), (60_000, -20_000)),
            along=toy.straight(0.0, 50.0),
        ),
    )  # fmt: skip
    bare = Bare(plan=plan)
    camera = PinholeCamera(width=160, height=64, fx=80.0, fy=80.0, cx=79.5, cy=31.5)
    down = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    height = 8.0
    mount = MountedCamera(
        name="above", camera=camera, ego_from_camera=Pose(down, np.array([3.0, 20.0, height]))
    )
    grey = View.of(bare, mount, bare.start_ns).pixels(1).astype(float).mean(axis=2)
    u = np.arange(camera.width)
    x = 3.0 + (u - camera.cx) / camera.fx * height
    row = grey[28:36].mean(axis=0)
    sunny, shade = row[x > 4.0].mean(), row[(x > 1.6) & (x < 2.7)].mean()
    assert sunny > 1.5 * shade
    # Behind the box, which ends at x = 1, the shadow is 2 m long.
    edge = x[(x > 1.6) & (row > (sunny + shade) / 2)].min()
    assert edge == pytest.approx(3.0, abs=0.12)


def test_samples_are_clamped_and_never_nan(world):
    radiance = np.array([[1e9, 0, 0], [0.5, 0.5, 0.5], [np.nan] * 3, [np.nan] * 3], np.float32)
    picture = np.zeros((2, 3), np.float32)
    average(radiance, 1.0, 2, picture)
    np.testing.assert_allclose(picture[0], [(BRIGHTEST + 0.5) / 2, 0.25, 0.25])
    assert (picture[1] == 0).all()
    for look in ({}, {"time_of_day": "dusk"}, {"wet_permille": 900, "cloud_permille": 1000}):
        light = light_of(with_look(world, **look).plan.look)
        assert np.isfinite(light.panorama).all()
        assert (light.panorama >= 0).all()
        assert (light.cube > 0).all()


def test_a_rolling_shutter_shifts_what_moves(world):
    """Every row of a rolling picture is that row of a global one at the row's own time."""
    row_time_ns, time_ns = 2_000_000, world.start_ns
    camera = replace(PINHOLE, k1=0.0)
    rolling = View.of(world, mounted(camera, row_time_ns=row_time_ns), time_ns)
    still = View.of(world, mounted(camera), time_ns)
    moving = still.instance >= world.standing
    assert moving.any()
    assert (rolling.instance != still.instance).any()
    for row in (20, 34, 47):
        single = View.of(world, mounted(camera), time_ns + row * row_time_ns)
        np.testing.assert_array_equal(rolling.instance[row], single.instance[row])
        np.testing.assert_allclose(rolling.depth[row], single.depth[row], rtol=1e-6)
        np.testing.assert_allclose(rolling.normal[row], single.normal[row], atol=1e-5)


def test_pictures_are_the_same_on_any_number_of_threads(world):
    mounts = [mounted(PINHOLE), mounted(FISHEYE), mounted(PINHOLE, row_time_ns=50_000)]

    def picture(mount):
        return View.of(world, mount, world.start_ns).pixels(4)

    alone = [picture(mount) for mount in mounts]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(picture, mounts))
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.std() > 10


def test_light_follows_the_look(world):
    mount = mounted(PINHOLE)

    def picture(**look):
        return View.of(with_look(world, **look), mount, world.start_ns).pixels(4).astype(float)

    day, dusk = picture(), picture(time_of_day="dusk", sun=(60, -100, 6))
    assert dusk.mean() < day.mean() - 10
    far = slice(28, 31)  # rows just above the horizon and houses far away
    thin, thick = picture(haze_ppm=500), picture(haze_ppm=20_000)
    assert thick[far].std() < 0.7 * thin[far].std()
    view = View.of(world, mount, world.start_ns)
    road = view.semantic == class_id("flat.road")
    near = road & (view.depth < 5)
    dry = picture(cloud_permille=1000)
    wet = picture(cloud_permille=1000, wet_permille=900)
    assert not np.array_equal(dry, wet)
    assert wet[near].std() > dry[near].std()


@pytest.mark.parametrize("dusk", [0.0, 1.0])
def test_every_material_has_a_texture(world, dusk):
    """One ray on a triangle of each kind: exactly one of the kernels says what it looks like."""
    rows = np.full((materials.COUNT, tables.WIDTH), 0.4, np.float32)
    kinds = np.arange(materials.COUNT, dtype=np.uint8)
    triangle = np.arange(materials.COUNT, dtype=np.int32)
    points = np.full((materials.COUNT, 20), 0.3, np.float32)
    signals = np.zeros(1, np.int32)
    grid = tables.surfaces_of(world).ground
    skins = [np.full((materials.COUNT, 11), np.nan, np.float32) for _ in range(3)]
    skin_ground(rows, kinds, grid, 0.5, 7, triangle, points, skins[0])
    skin_walls(rows, kinds, dusk, 0.5, triangle, points, skins[1])
    skin_objects(
        rows, kinds, dusk, 0.5, dusk, triangle > 3, signals, triangle, triangle, points, skins[2]
    )
    said = np.array([np.isfinite(skin).all(axis=1) for skin in skins])
    assert (said.sum(axis=0) == 1).all(), np.flatnonzero(said.sum(axis=0) != 1)
    assert all(
        (np.isnan(skin).all(axis=1) | done).all() for skin, done in zip(skins, said, strict=True)
    )


def test_one_ray_and_four_agree_on_average(world):
    view = View.of(world, mounted(PINHOLE), world.start_ns)
    one, four = view.pixels(1).astype(float), view.pixels(4).astype(float)
    assert abs(one.mean() - four.mean()) < 2
    with pytest.raises(ValueError, match="rays_per_pixel"):
        view.pixels(3)

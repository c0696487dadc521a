"""Boxes: around their things, with the speed they have, and counted as they are seen."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.town.toy import ToyWorld, toy_plan, toy_world

from roadloom.geometry.box import corners, inside
from roadloom.geometry.pose import Pose
from roadloom.scene.classes import class_name
from roadloom.sensors.presets import preset
from roadloom.town.annotations import LEVELS, annotate
from roadloom.town.cast.alone import shown_pixels, window
from roadloom.town.cast.caster import caster_of
from roadloom.town.lidar.see import hits_of, see
from roadloom.town.rays import camera_rays

S = 1_000_000_000


@pytest.fixture(scope="module")
def world():
    return toy_world()


@pytest.fixture(scope="module")
def rig():
    """Small pictures."""
    rig = preset("nuscenes")
    return replace(
        rig,
        cameras=tuple(replace(m, camera=m.camera.resize(320, 180)) for m in rig.cameras),
    )


def view_of(world, mount, time_ns):
    """Instances of every pixel by the caster alone."""
    directions, valid = mount.camera.rays()
    rows = np.flatnonzero(valid) // mount.camera.width
    hits = caster_of(world).cast(*camera_rays(world, mount, time_ns, directions[valid], rows))
    instance = np.full(valid.shape, -1, np.int32)
    instance[valid] = np.where(hits.triangle >= 0, world.tables.owner[hits.triangle], -1)
    return SimpleNamespace(mount=mount, time_ns=time_ns, instance=instance)


def only(world, thing):
    """The same town with one thing in it, and where that thing is now."""
    plan, standing = world.plan, world.standing
    keep_things = plan.things[thing : thing + 1]
    keep_actors = plan.actors[thing - standing : thing - standing + 1] if thing >= standing else ()
    return ToyWorld(plan=replace(plan, things=keep_things, actors=keep_actors))


def test_boxes_are_where_things_are(world):
    time_ns = world.start_ns + 2 * S
    boxes = annotate(world, time_ns, 60.0, 4, (), ())
    assert [class_name(c) for c in boxes.class_id] == [
        "vehicle.car", "object.traffic_cone", "vehicle.car", "vehicle.car", "human.adult",
    ]  # fmt: skip
    assert list(boxes.track_id) == [
        "car.sedan-2", "cone-3", "car.hatchback-5", "car.suv-6", "adult-7",
    ]  # fmt: skip
    assert list(boxes.attribute) == [
        "vehicle.parked", "", "vehicle.moving", "vehicle.moving", "pedestrian.moving",
    ]  # fmt: skip
    assert list(boxes.token) == [f"val-0-4-{row}" for row in (2, 3, 5, 6, 7)]
    # The ego drives at 4 m/s along y = -1.97 from x = -12; the parked car stands at 11.31, 3.09.
    np.testing.assert_allclose(
        boxes.pose.translation[0, :2], (11.31 - (-12 + 8), 3.09 + 1.97), atol=1e-6
    )
    np.testing.assert_allclose(boxes.velocity[0], 0, atol=1e-9)
    np.testing.assert_allclose(boxes.velocity[2], (-7, 0, 0), atol=1e-6)
    np.testing.assert_allclose(boxes.velocity[3], (8, 0, 0), atol=1e-6)
    np.testing.assert_allclose(boxes.velocity[4], (1.3, 0, 0), atol=1e-6)
    assert (boxes.num_lidar_points == -1).all() and (boxes.visibility == 0).all()
    assert (boxes.num_radar_points == -1).all()
    near = annotate(world, time_ns, 20.1, -1, (), ())
    assert list(near.track_id) == ["car.sedan-2", "adult-7"] and set(near.token) == {""}


def test_velocity_is_how_the_box_moves(world):
    """Also in a bend, where a car's middle does not go where its rear axle goes."""
    plan = toy_plan()
    bend = (
        (0, 0),
        (10_000, 0),
        (14_000, 1_000),
        (17_000, 4_000),
        (18_000, 8_000),
        (18_000, 90_000),
    )
    actors = (replace(plan.actors[1], path=bend, along=plan.actors[2].along), *plan.actors[1:])
    bent = ToyWorld(plan=replace(plan, actors=actors))
    turned = 0.0
    for time_s in (1.003, 2.5, 4.013):
        time_ns = bent.start_ns + round(time_s * S)
        h = S // 100
        boxes = annotate(bent, time_ns, 100.0, 0, (), ())
        world_at = [
            bent.town_from_ego(np.array([t], np.int64)) @ annotate(bent, t, 100.0, 0, (), ()).pose
            for t in (time_ns - h, time_ns + h)
        ]
        moved = (world_at[1].translation - world_at[0].translation) / 0.02
        ego = bent.town_from_ego(np.array([time_ns], np.int64))[0]
        np.testing.assert_allclose(ego.rotate(boxes.velocity), moved, atol=1e-6)
        turned += abs(world_at[1].yaw - world_at[0].yaw).max()
    assert turned > 1e-3


def test_boxes_hold_the_whole_mesh(world):
    for time_s in (0.0, 2.013, 7.77):
        pose = world.town_from_thing(time_s)
        middle, size = world.box
        for thing in np.flatnonzero(world.boxed):
            box = Pose(np.eye(3)[None], middle[thing][None])
            if thing < world.standing:
                points = world.standing_mesh.corners[world.standing_mesh.owner == thing]
                points = pose[int(thing)].inverse().apply(points.reshape(-1, 3))
            else:
                points = world.tables.corners[world.tables.owner == thing].reshape(-1, 3)
            assert inside(points, box, size[thing][None]).all()
            assert (np.abs(points).max(axis=0)[:2] * 2 > size[thing][:2] - 0.05).all()


def test_points_are_counted_where_they_were_measured(world, rig):
    time_ns = world.start_ns + 2 * S
    mount = rig.lidars[0]
    frozen = see(world, mount, time_ns, frozen=True)
    boxes = annotate(world, time_ns, 60.0, 4, (frozen,), ())
    shots = hits_of(world, mount, time_ns, frozen=True)
    owned = np.bincount(shots.thing[(shots.fate == 0) & (shots.thing >= 0)], minlength=8)
    np.testing.assert_array_equal(boxes.num_lidar_points, owned[[2, 3, 5, 6, 7]])
    assert boxes.num_lidar_points.max() > 100
    twice = annotate(world, time_ns, 60.0, 4, (frozen, frozen), ())
    np.testing.assert_array_equal(twice.num_lidar_points, 2 * boxes.num_lidar_points)


@pytest.mark.parametrize("row_time_ns", [0, 20_000])
def test_visibility_equals_counting_in_a_town_of_one_thing(world, rig, row_time_ns):
    time_ns = world.start_ns + 2 * S
    views = [
        view_of(world, replace(m, row_time_ns=row_time_ns), time_ns + m.trigger_offset_ns)
        for m in rig.cameras
    ]
    boxes = annotate(world, time_ns, 60.0, 4, (), views)
    sure = 0
    rows = [int(name.rpartition("-")[2]) for name in boxes.track_id]
    for i, row in enumerate(rows):
        seen = sum((v.instance == row).sum() for v in views)
        lonely = only(world, row)
        mine = lonely.standing if row >= world.standing else 0
        count = sum((view_of(lonely, v.mount, v.time_ns).instance == mine).sum() for v in views)
        share = seen / max(count, 1)
        if all(abs(share - level) > 0.02 for level in LEVELS):  # large things are sampled
            assert boxes.visibility[i] == 1 + sum(share >= level for level in LEVELS), (row, share)
            sure += 1
    assert sure >= len(rows) - 1
    assert len(set(boxes.visibility)) > 1


def test_pixels_of_a_thing_alone_need_only_its_window(world, rig):
    """What lies outside the window would not show it: the whole image gives the same."""
    time_ns = world.start_ns + 2 * S
    middle, size = world.box
    pose = world.town_from_thing(2.0) @ Pose(np.broadcast_to(np.eye(3), (8, 3, 3)), middle)
    outlines = corners(pose, size)
    some = 0
    for mount in rig.cameras:
        view = SimpleNamespace(
            mount=mount, time_ns=time_ns, instance=np.zeros((180, 320), np.int32)
        )
        lens = mount.camera.rays()
        everywhere = np.repeat(np.arange(mount.camera.height), mount.camera.width)
        rays = camera_rays(world, mount, time_ns, lens[0].reshape(-1, 3), everywhere)
        for thing in range(len(world.things)):
            outline = outlines[thing]
            if not world.boxed[thing]:
                outline = outline - (0, 0, 1)  # they reach into the ground
            found = shown_pixels(world, view, thing, outline, lens)[1]
            whole = int(caster_of(world).meets(thing, *rays).sum())
            if world.boxed[thing]:
                assert abs(found - whole) <= (0 if whole < 400 else 0.03 * whole)
            some += found > 0
    assert some > 6
    front = rig.cameras[0].camera
    behind = np.array([[x, y, -5.0 - z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    assert window(front, behind) == (0, 0, 0, 0)
    assert window(front, behind + (0, 0, 5.5)) == (0, 0, front.width, front.height)

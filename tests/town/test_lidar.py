"""LiDAR sweeps: on the surfaces at each shot's own time, in order, and lost for a reason."""

from dataclasses import replace

import numpy as np
import pytest
from tests.town.slow_cast import cast_reference
from tests.town.toy import ToyWorld, straight, toy_plan, toy_world

from roadloom.errors import NotRecorded
from roadloom.geometry.box import inside
from roadloom.geometry.pose import Pose
from roadloom.scene.classes import class_id
from roadloom.sensors.presets import preset
from roadloom.town.cast.caster import caster_of
from roadloom.town.lidar.kernels import light, mix, normal
from roadloom.town.lidar.physics import EXACT, Fate, LidarPhysics, material_table
from roadloom.town.lidar.see import hits_of, see
from roadloom.town.mesh import materials
from roadloom.town.tracks import poses_at
from roadloom.town.world import build_world

TURN_NS = 50_000_000


@pytest.fixture(scope="module")
def world():
    return toy_world()


@pytest.fixture(scope="module")
def mount():
    return preset("nuscenes").lidars[0]


def stamp_of(world, tick):
    return world.start_ns + tick * TURN_NS


def own_frame(world, sweep):
    """Points where they were measured, in the town."""
    pose = world.town_from_ego(np.array([sweep.time_ns], np.int64))[0]
    return pose.apply(sweep.points.astype(np.float64))


def apart_from_sight(world, mount, tick, eye):
    """How far, along sight lines from a place on the ego, frozen points lie off what is seen
    there; only of those that a shadow ray shows visible."""
    stamp = stamp_of(world, tick)
    points = own_frame(world, see(world, mount, stamp, frozen=True))
    pose = world.town_from_ego(np.array([stamp], np.int64))[0]
    origins = np.tile(pose.apply(np.array([eye])), (len(points), 1))
    apart = np.sqrt(((points - origins) ** 2).sum(axis=1))
    directions, time_s = (points - origins) / apart[:, None], tick * 0.05
    caster = caster_of(world)
    visible = ~caster.blocked(origins, directions, time_s, apart - 1e-3, ego=False)
    return np.abs(caster.cast(origins, directions, time_s).distance - apart)[visible]


def test_frozen_points_lie_on_what_a_camera_sees(world, mount):
    for tick in (0, 37, 160):
        for eye in ((1.7, 0.0, 1.51), (0.03, 0.0, 1.58), (1.5, 4.0, 6.0)):
            apart = apart_from_sight(world, mount, tick, eye)
            assert len(apart) > 3000 and apart.max() < 1e-3


def test_frozen_points_of_a_drawn_town_lie_on_what_a_camera_sees(mount):
    apart = apart_from_sight(build_world("val", 0), mount, 120, (1.7, 0.0, 1.51))
    assert len(apart) > 10_000
    assert (apart < 1e-3).mean() > 0.9999  # a ray may pass the very edge of a leaf


def test_rolling_shots_equal_the_slow_twin_at_their_own_times(world, mount):
    shots = hits_of(world, mount, stamp_of(world, 60), physics=LidarPhysics(chance_loss=0.0))
    rng = np.random.default_rng(1)
    aimed = np.flatnonzero(shots.hits.actor >= 0)
    some = np.concatenate([rng.choice(len(shots.fate), 150), rng.choice(aimed, 100)])
    wrong = on_ego = 0
    for row in some:
        ray = [a[row : row + 1] for a in shots.rays]
        distance, triangle, actor = cast_reference(world, ray[0], ray[1], float(ray[2][0]))
        found = shots.hits.distance[row]
        wrong += triangle[0] != shots.hits.triangle[row] or actor[0] != shots.hits.actor[row]
        assert found == distance[0] or abs(found - distance[0]) < 1e-6
        with_ego = cast_reference(world, ray[0], ray[1], float(ray[2][0]), ego=True)[2][0] == -2
        assert with_ego == (shots.fate[row] == Fate.EGO)
        on_ego += with_ego
    assert wrong <= 1  # through an edge
    assert on_ego > 5


def test_rolling_rays_leave_the_sensor_where_it_is_then(world, mount):
    stamp = stamp_of(world, 60)
    shots = hits_of(world, mount, stamp)
    directions, offset_ns = mount.lidar.rays()
    time_ns = stamp + mount.trigger_offset_ns + offset_ns.ravel()
    np.testing.assert_array_equal(shots.time_ns, time_ns)
    town_from_lidar = world.town_from_ego(time_ns) @ mount.ego_from_lidar
    turned = (town_from_lidar.rotation @ directions.reshape(-1, 3, 1))[..., 0]
    np.testing.assert_allclose(shots.rays.origins, town_from_lidar.translation, atol=1e-11)
    np.testing.assert_allclose(shots.rays.directions, turned, atol=1e-14)
    np.testing.assert_allclose(shots.rays.time_s, world.seconds(time_ns), atol=0)
    moved = shots.rays.origins[-1] - shots.rays.origins[0]
    assert 0.15 < np.sqrt((moved**2).sum()) < 0.25  # 4 m/s for 50 ms


def points_in_boxes(world, mount, tick, frozen):
    """How many points things with boxes have; each must lie in its box, where that is then."""
    shots = hits_of(world, mount, stamp_of(world, tick), frozen=frozen, physics=EXACT)
    back = shots.fate == Fate.RETURNED
    (middle, size), still = world.box, world.town_from_standing
    met = 0
    for thing in np.unique(shots.thing[back]):
        rows = np.flatnonzero(back & (shots.thing == thing))
        if thing < 0 or not world.boxed[thing]:
            continue
        if thing < world.standing:
            pose = still[np.full(len(rows), thing)]
        else:
            pose = poses_at(world.tracks[thing - world.standing], shots.rays.time_s[rows])
        ends = shots.rays.origins[rows] + shots.rays.directions[rows] * shots.range_m[rows, None]
        local = pose.inverse().apply(ends[:, None])[:, 0]
        box = Pose(np.eye(3)[None], middle[thing][None])
        assert inside(local, box, size[thing][None]).all(), world.things[thing].kind
        met += len(rows)
    return met


def test_points_lie_in_their_boxes_at_their_own_time(world, mount):
    drawn = build_world("val", 0)
    for frozen in (True, False):
        assert points_in_boxes(world, mount, 60, frozen) > 500
        assert sum(points_in_boxes(drawn, mount, tick, frozen) for tick in (10, 120, 330)) > 500


def test_sweeps_are_in_the_order_of_firing(world, mount):
    stamp = stamp_of(world, 40)
    sweep = see(world, mount, stamp)
    shots = hits_of(world, mount, stamp)
    column = (sweep.point_time_ns - shots.time_ns[0] + 20) * mount.lidar.columns // TURN_NS
    assert (np.diff(column * 32 + sweep.ring) > 0).all()
    first, last = stamp - TURN_NS, stamp
    assert first <= sweep.point_time_ns.min() < first + 1_000_000
    assert last - 1_000_000 < sweep.point_time_ns.max() <= last
    assert sweep.motion_compensated and sweep.returned.all() and (sweep.origin_id == 0).all()
    assert sweep.intensity.dtype == np.float32 and sweep.points.dtype == np.float32
    assert ((sweep.intensity >= 0) & (sweep.intensity <= 1)).all()
    np.testing.assert_allclose(sweep.intensity * 255, np.rint(sweep.intensity * 255), atol=1e-4)
    assert len(sweep) == (shots.fate == Fate.RETURNED).sum()


def test_points_travel_with_the_ego_alone(world, mount):
    """At the stamp the town stands where rays met it, though the ego has driven on."""
    shots = hits_of(world, mount, stamp_of(world, 40), physics=EXACT)
    sweep = see(world, mount, stamp_of(world, 40), physics=EXACT)
    kept = shots.fate == Fate.RETURNED
    ends = shots.rays.origins[kept] + shots.rays.directions[kept] * shots.hits.distance[kept, None]
    np.testing.assert_allclose(own_frame(world, sweep), ends, atol=2e-5)
    ground = np.isin(sweep.label, [class_id("flat.road"), class_id("marking.road_line")])
    assert np.abs(ends[ground, 2]).max() < 1e-9
    assert (sweep.label == class_id("marking.road_line")).sum() > 20
    assert not (sweep.label == class_id("vehicle.ego")).any()


def test_paint_is_labelled_where_the_plan_has_it(world, mount):
    shots = hits_of(world, mount, stamp_of(world, 0), frozen=True)
    road = (shots.fate == Fate.RETURNED) & (shots.thing == -1)
    road &= world.tables.material[shots.hits.triangle] == materials.ROAD
    distance = np.where(road, shots.range_m, 0.0)
    x, y = (shots.rays.origins + shots.rays.directions * distance[:, None])[:, :2].T
    dash = (np.abs((x + 96) % 9 - 4.5) >= 3.0) & (np.abs(y) <= 0.075) & (np.abs(x) < 97.5)
    marked = shots.label == class_id("marking.road_line")
    np.testing.assert_array_equal(marked[road], dash[road])
    assert marked[road].sum() > 20 and not marked[~road].any()


def test_standing_still_a_turn_equals_a_moment(mount):
    plan = toy_plan()
    actors = tuple(replace(a, along=straight(0.0, 60.0)) for a in plan.actors)
    still = ToyWorld(
        plan=replace(plan, actors=actors, ego=replace(plan.ego, along=straight(0.0, 87.0)))
    )
    rolling = see(still, mount, stamp_of(still, 100), physics=EXACT)
    frozen = see(still, mount, stamp_of(still, 100), frozen=True)
    np.testing.assert_array_equal(rolling.ring, frozen.ring)
    np.testing.assert_array_equal(rolling.label, frozen.label)
    np.testing.assert_allclose(rolling.points, frozen.points, atol=1e-5)
    np.testing.assert_allclose(rolling.intensity, frozen.intensity, rtol=1e-4)
    assert (frozen.point_time_ns == stamp_of(still, 100)).all()


def test_the_same_sweep_again_and_other_noise_at_another_stamp(world, mount):
    stamp = stamp_of(world, 21)
    once = see(world, mount, stamp)
    see(world, mount, stamp_of(world, 3))
    assert once.same_as(see(toy_world(), mount, stamp))
    apart = []
    for tick in (21, 22):
        shots = hits_of(world, mount, stamp_of(world, tick))
        back = shots.fate == Fate.RETURNED
        errors = np.full(len(back), 0.0)
        errors[back] = shots.range_m[back] - shots.hits.distance[back]
        apart.append(errors)
    both = (apart[0] != 0) & (apart[1] != 0)
    assert abs(np.corrcoef(apart[0][both], apart[1][both])[0, 1]) < 0.05


def test_noise_has_the_stated_size(world, mount):
    physics = LidarPhysics(noise_m=0.01, noise_per_m=0.0, step_m=0.0)
    shots = hits_of(world, mount, stamp_of(world, 10), physics=physics)
    back = shots.fate == Fate.RETURNED
    error = shots.range_m[back] - shots.hits.distance[back]
    assert abs(error.mean()) < 5e-4 and 0.0095 < error.std() < 0.0105
    draws = np.array([normal(np.uint64(mix(np.uint64(k * 7919)))) for k in range(20_000)])
    assert abs(draws.mean()) < 0.02 and abs(draws.std() - 1) < 0.02
    stepped = hits_of(world, mount, stamp_of(world, 10))
    ranges = stepped.range_m[stepped.fate == Fate.RETURNED] / 0.002
    np.testing.assert_allclose(ranges, np.rint(ranges), atol=1e-6)


def test_every_loss_has_its_reason(world, mount):
    stamp = stamp_of(world, 10)
    free = hits_of(world, mount, stamp, physics=EXACT)
    assert set(np.unique(free.fate)) <= {Fate.RETURNED, Fate.SKY, Fate.RANGE}
    np.testing.assert_array_equal(free.fate == Fate.SKY, free.hits.triangle < 0)
    lossy = replace(EXACT, chance_loss=0.1)
    shots = hits_of(world, mount, stamp, physics=lossy)
    chance = (shots.fate == Fate.CHANCE).sum() / np.isin(shots.fate, [0, Fate.CHANCE]).sum()
    assert 0.09 < chance < 0.11
    weak = hits_of(world, mount, stamp, physics=replace(EXACT, weakest=0.1))
    lost = weak.fate == Fate.WEAK
    assert lost.any() and not (weak.fate == Fate.MIRRORED).any()  # nothing there is a mirror
    road = weak.label == class_id("flat.road")
    limit = weak.hits.distance[lost & road].min()
    assert 35 < limit < 80  # where grazed asphalt falls silent; neighbouring beams are far apart
    assert not (weak.fate[road & (weak.hits.distance > limit + 1)] == Fate.RETURNED).any()
    short = replace(mount, lidar=replace(mount.lidar, max_range_m=12.0, min_range_m=4.0))
    ranged = hits_of(world, short, stamp, physics=EXACT)
    back = ranged.fate == Fate.RETURNED
    assert ranged.range_m[back].min() >= 4 and ranged.range_m[back].max() <= 12
    assert np.isinf(ranged.range_m[~back]).all() and np.isnan(ranged.points[~back]).all()


def test_wet_roads_lose_far_shots():
    plan = toy_plan()
    mount = preset("nuscenes").lidars[0]
    road, far = class_id("flat.road"), []
    for wet in (0, 1000):
        world = ToyWorld(plan=replace(plan, look=replace(plan.look, wet_permille=wet)))
        shots = hits_of(world, mount, world.start_ns, physics=replace(EXACT, weakest=0.1))
        back = (shots.label == road) & (shots.fate == Fate.RETURNED)
        far.append(float(shots.range_m[back].max()))
        mirrored = (shots.fate == Fate.MIRRORED).sum()
        assert (mirrored > 50) == (wet > 0)
    assert far[1] < 0.8 * far[0]


def test_light_by_material():
    table, white, black = material_table(), np.full(3, 0.6), np.full(3, 0.01)
    style = np.zeros(6)

    def back(material, tint, cosine, paint=False, wet=0.0):
        return light(table, material, tint, style, paint, wet, cosine)[1]

    assert back(materials.PAINTWORK, white, 0.7) > 5 * back(materials.PAINTWORK, black, 0.7)
    assert back(materials.GLASS, black, 0.9) < 0.005 < 0.5 < back(materials.GLASS, black, 1.0)
    assert back(materials.SIGN_FACE, white, 0.8) > 10 * back(materials.PLAIN, white, 0.8)
    assert back(materials.ROAD, black, 0.2, paint=True) > 2 * back(materials.ROAD, black, 0.2)
    assert back(materials.ROAD, black, 0.2, wet=1.0) < 0.3 * back(materials.ROAD, black, 0.2)
    for material in range(materials.COUNT):
        shares = [back(material, white, c) for c in (0.05, 0.3, 0.6, 0.98)]
        assert (np.diff(shares) > 0).all(), material


def test_unknown_beams_are_refused(world, mount):
    with pytest.raises(NotRecorded, match="beams"):
        see(world, replace(mount, lidar=None), world.start_ns)

"""The caster: equal to the slow definition at any moment, to a nanometre, and always the same."""

from dataclasses import replace

import numpy as np
import pytest
from tests.town.slow_cast import cast_reference
from tests.town.toy import toy_world

from roadloom.sensors.presets import preset
from roadloom.town.cast import kernels
from roadloom.town.cast.caster import caster_of
from roadloom.town.cast.embree import first_hits, scene_of
from roadloom.town.rays import camera_rays
from roadloom.town.tracks import FIRST_S, LAST_S, poses_at
from roadloom.town.world import build_world

TIMES = (-0.4, 0.05, 1.2345, 3.3, 9.87)


@pytest.fixture(scope="module")
def world():
    return toy_world()


def rays_around(world, time_s, count, seed):
    """From above the ego, from afar and towards the movers."""
    rng = np.random.default_rng(seed)
    ego = poses_at(world.ego_track.pose, np.array([time_s])).translation[0]
    origins = ego + (0, 0, 1.8) + rng.normal(size=(count, 3)) * (0.3, 0.3, 0.05)
    directions = rng.normal(size=(count, 3)) * (1, 1, 0.2)
    if len(world.tracks):
        places = poses_at(world.tracks, np.array([time_s])).translation[:, 0]
        aimed = np.arange(0, count, 2)
        target = places[rng.integers(len(places), size=len(aimed))]
        target = target + (0, 0, 0.8) + rng.normal(size=(len(aimed), 3)) * (1.0, 0.8, 0.5)
        directions[aimed] = target - origins[aimed]
    directions /= np.sqrt((directions**2).sum(axis=1, keepdims=True))
    return origins, directions


def test_equals_the_slow_twin(world):
    for seed, time_s in enumerate(TIMES):
        origins, directions = rays_around(world, time_s, 2000, seed)
        hits = caster_of(world).cast(origins, directions, time_s)
        distance, triangle, actor = cast_reference(world, origins, directions, time_s)
        same = (triangle == hits.triangle) & (actor == hits.actor)
        # Rays through an edge may fall to either side of it.
        assert same.mean() > 0.998
        assert (np.isfinite(distance) == np.isfinite(hits.distance)).mean() > 0.9995
        both = same & np.isfinite(distance)
        np.testing.assert_allclose(hits.distance[both], distance[both], rtol=0, atol=1e-9)
        assert (hits.actor >= 0).sum() > 200


def test_equals_the_slow_twin_in_a_drawn_town():
    """Real meshes: thin leaves, long triangles, walkers in mid-step."""
    drawn, time_s = build_world("val", 0), 6.07
    origins, directions = rays_around(drawn, time_s, 400, 11)
    hits = caster_of(drawn).cast(origins, directions, time_s)
    distance, triangle, actor = cast_reference(drawn, origins, directions, time_s)
    hit = np.isfinite(distance)
    np.testing.assert_array_equal(hit, np.isfinite(hits.distance))
    apart = np.abs(distance[hit] - hits.distance[hit])
    assert (apart < 1e-6).mean() > 0.99 and (apart < 1e-3).mean() > 0.995
    assert ((triangle == hits.triangle) & (actor == hits.actor)).mean() > 0.99
    assert (hits.actor >= 0).sum() > 20


def test_every_ray_has_its_own_time(world):
    rng = np.random.default_rng(3)
    time_s = rng.uniform(0, 3, 4000)
    origins, directions = rays_around(world, 1.0, len(time_s), 4)
    together = caster_of(world).cast(origins, directions, time_s)
    for row in range(0, len(time_s), 40):
        alone = caster_of(world).cast(
            origins[row : row + 1], directions[row : row + 1], float(time_s[row])
        )
        assert alone.distance[0] == together.distance[row]
        assert alone.triangle[0] == together.triangle[row]
    assert (together.actor >= 0).sum() > 50


def test_hits_lie_where_the_weights_say(world):
    origins, directions = rays_around(world, 2.0, 3000, 5)
    hits = caster_of(world).cast(origins, directions, 2.0)
    hit = np.flatnonzero(np.isfinite(hits.distance))
    corners = world.tables.corners[hits.triangle[hit]]
    u, v = hits.u[hit, None].astype(float), hits.v[hit, None].astype(float)
    points = corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v
    movers = np.flatnonzero(hits.actor[hit] >= 0)
    poses = poses_at(world.tracks, np.array([2.0]))[hits.actor[hit[movers]], 0]
    points[movers] = (poses.rotation @ points[movers, :, None])[..., 0] + poses.translation
    ends = origins[hit] + directions[hit] * hits.distance[hit, None]
    assert np.abs(points - ends).max() < 2e-3  # of weights in float32 on triangles of 200 m


def test_shadows_equal_the_first_hit_and_the_ego_throws_one(world):
    caster = caster_of(world)
    for seed, time_s in enumerate(TIMES[:3]):
        origins, directions = rays_around(world, time_s, 1500, 20 + seed)
        first = cast_reference(world, origins, directions, time_s, ego=True)[0]
        for far in (np.inf, 20.0):
            blocked = caster.blocked(origins, directions, time_s, far)
            assert (blocked == (first < far)).mean() > 0.999
    ego = poses_at(world.ego_track.pose, np.array([1.0])).translation[0]
    under = ego + np.array([[1.0, 0, 0.1], [1.0, 3.0, 0.1]])
    assert caster.blocked(under, np.array([0.0, 0.0, 1.0]), 1.0).tolist() == [True, False]
    assert not np.isfinite(caster.cast(under, np.array([[0.0, 0, 1]] * 2), 1.0).distance).any()


def test_poses_equal_those_of_the_tracks(world):
    times = np.concatenate(
        [np.random.default_rng(6).uniform(FIRST_S - 0.1, LAST_S + 0.1, 300), [FIRST_S, LAST_S, 0.0]]
    )
    for track in (world.ego_track.pose, *world.tracks):
        expected = poses_at(track, times)
        for row, time_s in enumerate(times):
            found = np.array(kernels.pose_at(track, time_s))
            np.testing.assert_array_equal(found[:3], expected.translation[row])
            np.testing.assert_array_equal(found[3:].reshape(3, 3), expected.rotation[row])


def test_rows_of_a_rolling_shutter_have_their_own_times(world):
    mount = replace(preset("nuscenes").cameras[3], row_time_ns=30_000)
    rows = np.repeat(np.arange(0, mount.camera.height, 50), 3)
    directions = np.random.default_rng(2).normal(size=(len(rows), 3))
    directions /= np.sqrt((directions**2).sum(axis=1, keepdims=True))
    stamp = world.start_ns + 3 * 10**9
    rays = camera_rays(world, mount, stamp, directions, rows)
    time_ns = stamp + rows * 30_000
    town_from_camera = world.town_from_ego(time_ns) @ mount.ego_from_camera
    turned = (town_from_camera.rotation @ directions[..., None])[..., 0]
    np.testing.assert_array_equal(rays.time_s, world.seconds(time_ns))
    np.testing.assert_allclose(rays.origins, town_from_camera.translation, atol=1e-11)
    np.testing.assert_allclose(rays.directions, turned, atol=1e-14)
    at_once = camera_rays(world, replace(mount, row_time_ns=0), stamp, directions, rows)
    assert (at_once.time_s == 3.0).all() and (at_once.origins == at_once.origins[0]).all()


def test_no_block_of_rays_loses_a_mover(world):
    """Blocks are culled by balls and cones: one ray at a time must give the same."""
    origins, directions = rays_around(world, 1.5, 3000, 8)
    order = np.argsort(np.arctan2(directions[:, 1], directions[:, 0]), kind="stable")
    narrow = caster_of(world).cast(origins[order], directions[order], 1.5)
    wide = caster_of(world).cast(origins, directions, 1.5)
    np.testing.assert_array_equal(narrow.triangle, wide.triangle[order])
    np.testing.assert_array_equal(narrow.distance, wide.distance[order])
    threads = caster_of(world).cast(origins, directions, 1.5, threads=2)
    for one, other in zip(threads, wide, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_ray_leaks_through_an_edge(world):
    """From inside a house, at points of its edges; without Embree's robust mode 6 % leak."""
    mesh = world.standing_mesh
    house = mesh.corners[mesh.owner == 0]
    rng = np.random.default_rng(9)
    share = rng.uniform(size=(20_000, 1))
    triangle, side = rng.integers(len(house), size=20_000), rng.integers(3, size=20_000)
    ends = house[triangle, side] * (1 - share) + house[triangle, (side + 1) % 3] * share
    origins = np.broadcast_to(house.mean(axis=(0, 1)), ends.shape)
    apart = np.sqrt(((ends - origins) ** 2).sum(axis=1))
    distance = caster_of(world).cast(origins, (ends - origins) / apart[:, None], 0.0).distance
    assert (distance > apart + 1e-4).mean() < 1e-4


def test_no_rays(world):
    none = np.zeros((0, 3))
    assert len(caster_of(world).cast(none, none, 0.0).distance) == 0
    assert len(caster_of(world).blocked(none, none, 0.0)) == 0


def test_thousands_of_scenes_live_side_by_side() -> None:
    """With a device for each, Embree crashes at about a thousand."""
    triangle = np.array([[[1.0, -1, -1], [1.0, 1, -1], [1.0, 0, 1]]])
    scenes = [scene_of(triangle) for _ in range(3000)]
    hit = first_hits(scenes[-1], np.zeros((1, 3)), np.array([[1.0, 0, 0]]), None)
    assert hit["primID"][0] == 0

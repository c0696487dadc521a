"""Cameras and LiDAR of a town see the same world: to a millimetre, each at its own time."""

from dataclasses import replace

import numpy as np
import pytest

from roadloom.errors import NotRecorded
from roadloom.geometry.box import points_in_boxes_count
from roadloom.geometry.pose import Pose
from roadloom.scene.classes import class_id, class_name
from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedLidar, Rig
from roadloom.street0.annotations import LEVELS
from roadloom.street0.camera_view import View
from roadloom.street0.caster import SKY, build_tree, cast, count_alone
from roadloom.street0.config import StreetConfig
from roadloom.street0.lidar_view import see
from roadloom.street0.plan import KERB_MM
from roadloom.street0.source import TownReader
from roadloom.street0.world import World, build_world

MM = 1e-3
SCENES = [("val", 0), ("test", 4)]
KEY = 6


def reader_of(scene: tuple[str, int], **config: object) -> TownReader:
    return TownReader(*scene, StreetConfig(**config))  # type: ignore[arg-type]


def stamp_of(reader: TownReader) -> int:
    return int(reader.meta.key_times_ns[KEY])


def in_street(reader: TownReader, points: np.ndarray, time_ns: int) -> np.ndarray:
    pose = reader.world.street_from_ego(np.array([time_ns], np.int64))[0]
    return pose.apply(points.astype(np.float64))


def surface_distances(world: World, points: np.ndarray, time_s: np.ndarray) -> tuple:
    """Distance of each point to the nearest surface at its own time, and whose surface it is."""
    right, left, height = world.tables.kerb
    road = (points[:, 1] >= right) & (points[:, 1] <= left)
    best = np.abs(points[:, 2] - np.where(road, 0.0, height))
    low = (points[:, 2] > -MM) & (points[:, 2] < height + MM)
    for y in (right, left):
        best = np.where(low, np.minimum(best, np.abs(points[:, 1] - y)), best)
    owner = np.full(len(points), -1)
    for row, (x, y, z, vx, vy, cos, sin) in enumerate(world.tables.moving):
        start, end = world.tables.spans[row]
        offset = points - [x, y, z] - np.stack([vx * time_s, vy * time_s, 0 * time_s], axis=1)
        local = offset @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
        bounds = world.tables.boxes[start - 1]
        near = np.flatnonzero(((local > bounds[:3] - MM) & (local < bounds[3:] + MM)).all(axis=1))
        for box in world.tables.boxes[start:end]:
            middle, half = (box[:3] + box[3:]) / 2, (box[3:] - box[:3]) / 2
            q = np.abs(local[near] - middle) - half
            outside = np.linalg.norm(np.maximum(q, 0), axis=1)
            distance = np.where((q > 0).any(axis=1), outside, -q.max(axis=1, initial=-np.inf))
            closer = distance < best[near]
            best[near[closer]], owner[near[closer]] = distance[closer], row
    return best, owner


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_every_point_lies_on_a_surface_at_its_own_time(scene: tuple[str, int]) -> None:
    reader = reader_of(scene)
    sweep = reader.sweep("LIDAR_TOP", KEY * 10)
    points = in_street(reader, sweep.points, sweep.time_ns)
    distance, owner = surface_distances(
        reader.world, points, reader.world.seconds(sweep.point_time_ns)
    )
    assert distance.max() < MM
    # The labels are those of the owners, and movers prove that the time is each point's own.
    own = owner >= 0
    classes = [class_name(int(i)) for i in np.unique(sweep.label[own])]
    assert "structure.building" in classes and "vehicle.car" in classes
    speed = np.linalg.norm(reader.world.tables.moving[owner[own], 3:5], axis=1)
    assert (speed > 1).sum() > 20
    frozen, _ = surface_distances(
        reader.world, points, np.full(len(points), reader.world.second(sweep.time_ns))
    )
    assert (frozen[own][speed > 1] > MM).mean() > 0.05


def test_the_sweep_is_a_turn_that_ends_at_its_stamp() -> None:
    reader = reader_of(SCENES[0])
    sweep = reader.sweep("LIDAR_TOP", KEY * 10)
    lidar = reader.rig.lidar("LIDAR_TOP")
    assert sweep.time_ns == stamp_of(reader) and sweep.motion_compensated
    assert sweep.point_time_ns.max() <= sweep.time_ns + 1_000_000
    assert np.ptp(sweep.point_time_ns) > 0.9e9 * lidar.lidar.turn_s
    assert (np.diff(sweep.point_time_ns.reshape(-1)) > -lidar.lidar.turn_s * 1e9 / 100).all()
    assert set(sweep.ring.tolist()) == set(range(32))
    assert 0.8 < len(sweep) / (32 * lidar.lidar.columns) <= 1
    assert sweep.intensity.min() >= 0 and sweep.intensity.max() <= 1
    again = reader_of(SCENES[0]).sweep("LIDAR_TOP", KEY * 10)
    assert again.same_as(sweep)


def test_a_ray_cast_again_from_where_it_was_shot_ends_at_its_point() -> None:
    """With the sweep's own fields alone: origin, time and the clip's path."""
    reader = reader_of(SCENES[0])
    world = reader.world
    sweep = reader.sweep("LIDAR_TOP", KEY * 10)[::37]
    street_from_ego = world.street_from_ego(sweep.point_time_ns)
    mounts = street_from_ego @ sweep.origins[0].ego_from_lidar
    ends = in_street(reader, sweep.points, sweep.time_ns)
    ways = ends - mounts.translation
    ranges = np.linalg.norm(ways, axis=1)
    time_s = world.seconds(sweep.point_time_ns)
    tree = build_tree(world.tables, float(time_s.min()), float(time_s.max()))
    hits = cast(world.tables, tree, mounts.translation, ways / ranges[:, None], time_s)
    # A point on an edge may slip past it by a rounding of float32.
    assert (np.abs(hits.distance - ranges) < MM).mean() > 0.995
    lidar = reader.rig.lidars[0].lidar
    assert ranges.min() >= lidar.min_range_m and ranges.max() <= lidar.max_range_m


@pytest.mark.parametrize("camera", ["CAM_FRONT", "CAM_BACK_LEFT"])
def test_static_points_lie_on_the_depth_image(camera: str) -> None:
    """Inverse depth is linear in the pixel over a plane, so four neighbours give it exactly."""
    reader = reader_of(SCENES[0])
    world, mount = reader.world, reader.rig.camera(camera)
    view = View.of(world, mount, stamp_of(reader) + mount.trigger_offset_ns)
    sweep = reader.sweep("LIDAR_TOP", KEY * 10)
    points = in_street(reader, sweep.points, sweep.time_ns)
    _, owner = surface_distances(world, points, world.seconds(sweep.point_time_ns))
    still = (owner < 0) | (world.tables.moving[owner, 3:5] == 0).all(axis=1)
    street_from_camera = (
        world.street_from_ego(np.array([view.time_ns], np.int64))[0] @ mount.ego_from_camera
    )
    local = street_from_camera.inverse().apply(points[still])
    pixels, seen = mount.camera.project(local)
    seen &= (pixels >= 0).all(axis=1)
    seen &= (pixels < [mount.camera.width - 1, mount.camera.height - 1]).all(axis=1)
    local, pixels, owner = local[seen], pixels[seen], owner[still][seen]
    corner = np.floor(pixels).astype(int)
    u, v = (pixels - corner).T
    surface = np.stack([view.hits.part, view.hits.face], -1).reshape(*view.valid.shape, 2)
    inverse, same = np.zeros(len(u)), np.ones(len(u), bool)
    first = surface[corner[:, 1], corner[:, 0]]
    for right, down, weight in (
        (0, 0, (1 - u) * (1 - v)), (1, 0, u * (1 - v)), (0, 1, (1 - u) * v), (1, 1, u * v),
    ):  # fmt: skip
        at = (corner[:, 1] + down, corner[:, 0] + right)
        same &= (surface[at] == first).all(axis=1)
        inverse += weight / view.depth[at].astype(np.float64)
    shown = first[:, 0]
    owned = np.where(shown >= 0, world.owner[np.maximum(shown, 0)], -1)
    # Neighbours of one face, and of the thing the point is on: then the point is on that face
    # unless it is on another of its faces, which lies behind.
    same &= owned == owner
    behind = local[:, 2] - 1 / np.where(same, inverse, 1.0)
    flush = same & (np.abs(behind) < MM)
    assert flush.sum() > 500
    assert flush.sum() / same.sum() > 0.9
    assert (behind[same] > -MM).all(), "a point in front of the surface that hides it"


def test_a_shadow_ray_from_the_camera_ends_at_the_point_or_before_it() -> None:
    """Never behind: then the LiDAR would have hit something that the camera cannot see."""
    reader = reader_of(SCENES[1])
    world, mount = reader.world, reader.rig.camera("CAM_FRONT")
    sweep = reader.sweep("LIDAR_TOP", KEY * 10)[::5]
    points = in_street(reader, sweep.points, sweep.time_ns)
    _, owner = surface_distances(world, points, world.seconds(sweep.point_time_ns))
    still = (owner < 0) | (world.tables.moving[owner, 3:5] == 0).all(axis=1)
    time_ns = stamp_of(reader) + mount.trigger_offset_ns
    eye = (world.street_from_ego(np.array([time_ns], np.int64))[0] @ mount.ego_from_camera)[...]
    ways = points[still] - eye.translation
    ranges = np.linalg.norm(ways, axis=1)
    t = np.full(len(ways), world.second(time_ns))
    hits = cast(
        world.tables, build_tree(world.tables, float(t[0]), float(t[0])),
        np.tile(eye.translation, (len(ways), 1)), ways / ranges[:, None], t,
    )  # fmt: skip
    late = hits.distance > ranges + MM
    assert late.mean() < 0.004  # on edges a float32 point may be slipped past
    assert (np.abs(hits.distance - ranges) < MM).mean() > 0.4


def test_depth_and_semantics_are_of_one_ray() -> None:
    reader = reader_of(SCENES[0], image_scale=0.1)
    world = reader.world
    for camera in reader.rig.camera_names:
        index = int(reader.records(camera).key[KEY])
        mount, time_ns = reader.rig.camera(camera), int(reader.records(camera).time_ns[index])
        depth = reader.extra_image("depth", camera, index)
        semantic = reader.extra_image("semantic", camera, index)
        assert depth.dtype == np.float32 and semantic.dtype == np.uint8
        assert ((semantic == class_id("sky")) == np.isinf(depth)).all()
        rays, _ = mount.camera.rays()
        hit = np.isfinite(depth)
        ends = rays[hit] / rays[hit][:, 2:] * depth[hit][:, None]
        points = in_street(reader, mount.ego_from_camera.apply(ends), time_ns)
        t = np.full(len(points), world.second(time_ns))
        distance, owner = surface_distances(world, points, t)
        assert distance.max() < MM
        on_ground = np.isin(
            semantic[hit],
            [class_id(n) for n in ("flat.road", "flat.parking", "flat.sidewalk", "nature.terrain",
                                   "marking.road_line")],
        )  # fmt: skip
        # A foot on the ground is within rounding of both.
        assert (on_ground == (owner < 0)).mean() > 0.998


def test_ground_classes_are_where_the_section_says() -> None:
    reader = reader_of(SCENES[0])
    section = reader.world.plan.section
    sweep = reader.sweep("LIDAR_TOP", KEY * 10)
    y = in_street(reader, sweep.points, sweep.time_ns)[:, 1] * 1000
    right, left = section.kerb
    edge = section.lanes * section.lane
    name = np.array([class_name(i) for i in range(80)])[sweep.label]
    assert (np.abs(y[name == "flat.road"]) <= edge + 1).all()
    parked = y[name == "flat.parking"]
    assert ((np.abs(parked) >= edge - 1) & (parked <= left + 1) & (parked >= right - 1)).all()
    walked = y[name == "flat.sidewalk"]
    assert ((walked <= right + 1) | (walked >= left - 1)).all()
    lawn = y[name == "nature.terrain"]
    out = np.maximum(lawn - left - section.pavement[1], right - section.pavement[0] - lawn)
    assert (out >= -1).all()
    assert (name == "marking.road_line").sum() > 50


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_boxes_hold_their_points_and_no_others(scene: tuple[str, int]) -> None:
    """Of things that stand still; of movers a point is where it was at its own time."""
    reader = reader_of(scene)
    boxes, sweep = reader.boxes(KEY), reader.sweep("LIDAR_TOP", KEY * 10)
    counts = points_in_boxes_count(sweep.points, boxes.pose, boxes.size)
    np.testing.assert_array_equal(boxes.num_lidar_points, counts)
    points = in_street(reader, sweep.points, sweep.time_ns)
    _, owner = surface_distances(reader.world, points, reader.world.seconds(sweep.point_time_ns))
    rows = [int(track.split("-")[1]) for track in boxes.track_id]
    checked = 0
    for row, count in zip(rows, boxes.num_lidar_points, strict=True):
        if reader.world.plan.things[row].speed == 0:
            assert count == (owner == row).sum(), reader.world.plan.things[row]
            checked += int(count)
    assert checked > 100


def test_boxes_follow_their_things() -> None:
    """The box of a mover a key frame later is the box moved by its velocity."""
    reader = reader_of(SCENES[0])
    world_from_ego = reader.world.world_from_ego(reader.meta.key_times_ns)
    yaw = reader.world.street_from_ego(reader.meta.key_times_ns).yaw
    key = int(np.abs(yaw[:-1]).argmax())
    assert abs(yaw[key]) > 2e-3  # turned, so that street and ego axes differ
    first, second = reader.boxes(key), reader.boxes(key + 1)
    second_row = {track: row for row, track in enumerate(second.track_id)}
    moving = 0
    for row, track in enumerate(first.track_id):
        if track not in second_row:
            continue
        later = second_row[track]
        a = world_from_ego[key].apply(first.pose.translation[row][None])[0]
        b = world_from_ego[key + 1].apply(second.pose.translation[later][None])[0]
        velocity = world_from_ego[key].rotate(first.velocity[row][None])[0]
        np.testing.assert_allclose(b - a, velocity * 0.5, atol=1e-6)
        moving += np.linalg.norm(velocity) > 0.5
        assert first.class_id[row] == second.class_id[later]
        heading = first.pose.rotation[row][:, 0]
        if np.linalg.norm(velocity) > 0:
            np.testing.assert_allclose(first.velocity[row], heading * np.linalg.norm(velocity),
                                       atol=1e-9)  # fmt: skip
    assert moving > 5
    assert np.hypot(*first.pose.translation[:, :2].T).max() <= reader.config.box_range_m
    assert len(set(first.token) | set(second.token)) == len(first) + len(second)


def test_visibility_is_the_share_of_pixels_that_nothing_hides() -> None:
    """Counted a second way: pixels that show a thing, and rays cast at that thing alone."""
    assert LEVELS == (0.4, 0.6, 0.8)
    reader = reader_of(SCENES[0], image_scale=0.15)
    boxes = reader.boxes(KEY)
    views = [
        View.of(reader.world, m, stamp_of(reader) + m.trigger_offset_ns) for m in reader.rig.cameras
    ]
    assert set(boxes.visibility.tolist()) >= {1, 4}
    for row, track in enumerate(boxes.track_id):
        thing = int(track.split("-")[1])
        seen = sum(
            int((reader.world.owner[v.hits.part[v.hits.part >= 0]] == thing).sum()) for v in views
        )
        alone = sum(_alone(view, thing) for view in views)
        share = seen / max(alone, 1)
        assert 0 <= share <= 1
        expected = 1 + (share >= 0.4) + (share >= 0.6) + (share >= 0.8)
        assert boxes.visibility[row] == expected


def _alone(view: View, row: int) -> int:
    return count_alone(view.world.tables, row, view.origins, view.directions, view.time_s)


def test_a_rolling_shutter_sees_each_row_at_its_own_time() -> None:
    """Row r equals row r of a global shutter that fires ``r`` row times later."""
    reader = reader_of(SCENES[0], image_scale=0.1)
    world, mount = reader.world, reader.rig.camera("CAM_FRONT_LEFT")
    rolling = View.of(world, replace(mount, row_time_ns=400_000), stamp_of(reader))
    for row in (0, 37, mount.camera.height - 1):
        single = View.of(world, mount, stamp_of(reader) + row * 400_000)
        np.testing.assert_allclose(rolling.depth[row], single.depth[row], rtol=1e-6)
        np.testing.assert_array_equal(rolling.semantic[row], single.semantic[row])
    assert (rolling.depth != View.of(world, mount, stamp_of(reader)).depth).any()


def test_pixels_are_the_same_again_and_edges_are_smooth() -> None:
    reader = reader_of(SCENES[0], image_scale=0.1)
    index = int(reader.records("CAM_FRONT").key[KEY])
    first = reader.image("CAM_FRONT", index)
    assert first.dtype == np.uint8 and first.std() > 25 and 60 < first.mean() < 200
    np.testing.assert_array_equal(reader_of(SCENES[0], image_scale=0.1).image("CAM_FRONT", index),
                                  first)  # fmt: skip
    rough = reader_of(SCENES[0], image_scale=0.1, edge_samples=1).image("CAM_FRONT", index)
    fine = reader_of(SCENES[0], image_scale=0.8, edge_samples=2).image("CAM_FRONT", index)
    truth = fine.reshape(90, 8, 160, 8, 3).mean(axis=(1, 3))
    assert np.abs(first - truth).mean() < 0.8 * np.abs(rough - truth).mean()


def test_the_sun_casts_shadows_away_from_itself() -> None:
    """A road pixel in shadow has something between it and the sun, a lit one has not."""
    reader = reader_of(SCENES[0], image_scale=0.1)
    world, mount = reader.world, reader.rig.camera("CAM_FRONT")
    view = View.of(world, mount, stamp_of(reader))
    sun = np.array(world.plan.sun, float)
    sun /= np.linalg.norm(sun)
    road = view.hits.part == -2
    origins = view.points[road] + [0, 0, 1e-4]
    hits = cast(
        world.tables, view.tree, origins, np.tile(sun, (len(origins), 1)), view.time_s[road]
    )
    shaded = hits.part != SKY
    brightness = view.pixels(1)[view.valid][road].mean(axis=1)
    assert 0.005 < shaded.mean() < 0.995
    assert brightness[~shaded].mean() > 1.3 * brightness[shaded].mean()


def test_other_rigs_see_the_same_world() -> None:
    """AV2's seven cameras and two LiDARs, one of them upside down; no beam table, no sweep."""
    rig = preset("av2")
    reader = TownReader("val", 0, StreetConfig(rig=rig, image_scale=0.05, lidar_hz=10))
    assert reader.rig.camera_names == rig.camera_names
    for lidar in reader.rig.lidar_names:
        sweep = reader.sweep(lidar, KEY * 5)
        points = in_street(reader, sweep.points, sweep.time_ns)
        distance, _ = surface_distances(
            reader.world, points, reader.world.seconds(sweep.point_time_ns)
        )
        assert len(sweep) > 5000 and distance.max() < MM
    boxes = reader.boxes(KEY)
    counted = sum(
        points_in_boxes_count(reader.sweep(n, KEY * 5).points, boxes.pose, boxes.size)
        for n in rig.lidar_names
    )
    np.testing.assert_array_equal(boxes.num_lidar_points, counted)
    unknown = MountedLidar(name="X", lidar=None, ego_from_lidar=Pose.identity())
    with pytest.raises(NotRecorded, match="X"):
        see(reader.world, unknown, stamp_of(reader))
    blind = TownReader("val", 0, StreetConfig(rig=Rig(name="none", cameras=(), lidars=())))
    assert blind.meta.lidar is None and len(blind.boxes(KEY)) > 10


def test_a_world_5000_km_away_gives_the_same_points_and_boxes() -> None:
    near = build_world("val", 0)
    far = World(plan=replace(near.plan, offset=(5_000_000_000, -3_000_000_000, 8_000)))
    reader = reader_of(SCENES[0], image_scale=0.05)
    lidar, stamp = reader.rig.lidars[0], stamp_of(reader)
    first, second = see(near, lidar, stamp), see(far, lidar, stamp)
    np.testing.assert_array_equal(first.points, second.points)
    shift = second.world_from_ego.translation - first.world_from_ego.translation
    expected = np.subtract(far.plan.offset, near.plan.offset) / 1000
    np.testing.assert_allclose(shift, expected, atol=1e-8)
    # Carried through the world, a point keeps its place to what float64 resolves out there.
    world = second.world_from_ego.apply(second.points.astype(np.float64))
    back = second.world_from_ego.inverse().apply(world)
    assert np.abs(back - second.points).max() < 1e-6


def test_heights_are_those_of_the_plan() -> None:
    world = build_world("val", 0)
    assert world.tables.kerb[2] == KERB_MM / 1000

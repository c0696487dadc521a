"""Any rig drives through a town: lenses wider than a half-space, no LiDAR, no camera, own size."""

from dataclasses import replace

import numpy as np
import pytest

import roadloom
from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.box import CORNER_SIGNS, corners
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.scene.clip import Clip
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera
from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig
from roadloom.town.camera.view import View, lens
from roadloom.town.cast import alone
from roadloom.town.cast.alone import shown_pixels, window
from roadloom.town.cast.caster import caster_of
from roadloom.town.config import TownConfig
from roadloom.town.rays import Rays, camera_rays
from roadloom.town.source import TownReader, TownSource

LOOKING = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
KEY = 6


def mounted(camera: FisheyeCamera | PinholeCamera, yaw: float = 0.0, **changes) -> MountedCamera:
    turn = rotation_from_yaw(np.array(yaw))
    pose = Pose(turn @ LOOKING, np.array([1.0, 0.0, 1.6]))
    return MountedCamera(name="EYE", camera=camera, ego_from_camera=pose, **changes)


def fisheye(degrees: float, size: int = 120) -> FisheyeCamera:
    """A round picture that reaches so far from the axis."""
    limit, middle = np.radians(degrees), (size - 1) / 2
    f = size / 2 / limit
    return FisheyeCamera(
        width=size, height=size, fx=f, fy=f, cx=middle, cy=middle, max_angle_rad=float(limit)
    )


def bent(k1: float) -> PinholeCamera:
    return PinholeCamera(width=120, height=80, fx=55.0, fy=55.0, cx=59.5, cy=39.5, k1=k1)


def rig_of(*cameras: MountedCamera, lidars: tuple[MountedLidar, ...] = ()) -> Rig:
    return Rig(name="own", cameras=cameras, lidars=lidars)


def reader_of(rig: Rig, **options) -> TownReader:
    return TownReader("val", 0, TownConfig(**({"rig": rig, "image_scale": 1.0} | options)))


def view_of(reader: TownReader) -> View:
    time_ns = int(reader.meta.key_times_ns[KEY])
    return View.of(reader.world, reader.rig.cameras[0], time_ns)


def rays_of(view: View) -> Rays:
    """Of all pixels that the lens has a direction for."""
    directions, valid = lens(view.mount.camera)
    rows = np.flatnonzero(valid) // view.mount.camera.width
    return camera_rays(view.world, view.mount, view.time_ns, directions[valid], rows)


def boxed_near(view: View, reach_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxed things around the ego: rows, and corners of their boxes in the town."""
    world = view.world
    poses = world.town_from_thing(float(world.seconds(np.array([view.time_ns]))[0]))
    middle, size = world.box
    boxes = poses @ Pose(np.broadcast_to(np.eye(3), poses.rotation.shape), middle)
    ego = world.town_from_ego(np.array([view.time_ns]))[0].translation
    apart = np.sqrt(((boxes.translation - ego)[:, :2] ** 2).sum(axis=1))
    rows = np.flatnonzero(world.boxed & (apart < reach_m))
    return rows, corners(boxes[rows], size[rows])


@pytest.mark.parametrize(
    ("camera", "row_time_ns", "yaw"),
    [
        (fisheye(60), 0, 0.0),
        (fisheye(97), 0, 1.9),
        (fisheye(115), 0, 0.0),
        (fisheye(179), 0, 1.9),
        (fisheye(100), 1_400_000, 0.0),
        (bent(-0.25), 0, 0.0),
        (bent(0.2), 0, 1.9),
        (bent(0.0), 2_200_000, 0.0),
    ],
    ids=["120", "194", "230", "358", "200-rolling", "barrel", "cushion", "rolling"],
)
def test_pixels_of_a_lone_thing_are_found_by_any_lens(
    camera, row_time_ns, yaw, monkeypatch
) -> None:
    """The search in a window around a thing misses no ray: all rays cast at it say the same."""
    monkeypatch.setattr(alone, "LATTICE", 10**9)
    view = view_of(reader_of(rig_of(mounted(camera, yaw, row_time_ns=row_time_ns))))
    rays, caster, found = rays_of(view), caster_of(view.world), 0
    for row, outline in zip(*boxed_near(view, 45.0), strict=True):
        quick = shown_pixels(view.world, view, int(row), outline, lens(camera))[1]
        every = int(caster.meets(int(row), *rays).sum())
        assert quick == every, view.world.things[row]
        found += every > 0
    assert found > 3


@pytest.mark.parametrize("pieces", [2, 16])
@pytest.mark.parametrize("height", [-6.0, 0.0, 4.0])
def test_a_wall_that_the_lens_bends_is_found_whole(pieces, height, monkeypatch) -> None:
    """Its upper edge bulges far past its corners; however coarsely, no ray at it is missed."""
    monkeypatch.setattr(alone, "PIECES", pieces)
    camera = fisheye(97, 720)
    half, middle = np.array([7.0, 1.0, 0.5]), np.array([3.5, height, 7.0])
    directions, valid = lens(camera)
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = (middle + np.array([[-1.0], [1.0]]) * half)[:, None, None] / directions
    enters, leaves = sides.min(axis=0).max(axis=-1), sides.max(axis=0).min(axis=-1)
    down, right = np.nonzero(valid & (enters <= leaves) & (leaves > 0))
    x0, y0, x1, y1 = window(camera, middle + CORNER_SIGNS * half)
    assert len(down) > 500
    assert x0 <= right.min() and right.max() < x1 and y0 <= down.min() and down.max() < y1
    assert (x1 - x0) * (y1 - y0) < valid.sum()


def test_what_a_wide_lens_sees_behind_its_plane_has_its_visibility(monkeypatch) -> None:
    """Behind the plane of a 230 degree lens things are hidden by others as anywhere else."""
    monkeypatch.setattr(alone, "LATTICE", 10**9)
    reader = reader_of(rig_of(mounted(fisheye(115), 1.4)))
    boxes, view = reader.boxes(KEY), view_of(reader)
    ego_from_camera = reader.rig.cameras[0].ego_from_camera
    near = corners(ego_from_camera.inverse() @ boxes.pose, boxes.size)
    behind = (near[..., 2] < 0).all(axis=1)
    rows = np.array([int(track.rpartition("-")[2]) for track in boxes.track_id])
    rays, caster = rays_of(view), caster_of(reader.world)
    every = np.array([int(caster.meets(row, *rays).sum()) for row in rows.tolist()])
    share = view.object_pixels()[rows] / np.maximum(every, 1)
    np.testing.assert_array_equal(
        boxes.visibility, 1 + np.searchsorted((0.4, 0.6, 0.8), share, side="right")
    )
    assert (behind & (every > 0)).sum() > 3
    assert (behind & (every > 0) & (share < 0.8)).any()


def test_depth_behind_the_plane_of_a_wide_lens_is_negative() -> None:
    view = view_of(reader_of(rig_of(mounted(fisheye(115)))))
    axis = view.mount.camera.rays()[0][..., 2]
    hit = np.isfinite(view.depth) & view.valid
    assert (view.depth[hit & (axis < -0.05)] < 0).all()
    assert (view.depth[hit & (axis > 0.05)] > 0).all()
    assert (hit & (axis < -0.05)).sum() > 250


def test_a_lidar_without_beams_is_refused_by_name() -> None:
    unknown = MountedLidar(name="ROOF", lidar=None, ego_from_lidar=Pose.identity())
    with pytest.raises(BadInput, match="'ROOF' are arranged") as caught:
        TownConfig(rig=rig_of(lidars=(unknown,)))
    assert caught.value.field == "ROOF" and "beam table" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("key_hz", (0, -1, 3, 7, None, "2", True, 2.0, float("nan"), 2**70)),
        ("camera_hz", (0, -2, 3, 11, 14, None, "10", True, 10.0)),
        ("lidar_hz", (0, -2, 3, 14, "20", True, 20.0)),
        ("image_scale", (0, -1, 4.1, float("nan"), float("inf"), None, "1", True, 1j)),
        ("duration_s", (0, -1, 20.1, float("nan"), None, "3", True)),
        ("box_range_m", (0, -1, float("nan"), None, "80", True)),
        ("rays_per_pixel", (0, 2, 25, 4.0, True, None, "4", [4])),
        ("hidden_boxes", (1, None, "yes")),
        ("frozen", (0, None, "no")),
        ("lidar_physics", (None, 1, "none")),
        ("rig", ("nuscenes", 1, preset)),
    ],
)
def test_a_config_that_cannot_be_is_refused_by_field(field, values) -> None:
    for value in values:
        with pytest.raises(BadInput, match=field) as caught:
            TownConfig(**{field: value})
        assert caught.value.field == field and caught.value.remedy, value


def test_rates_that_do_not_fit_each_other_are_both_named() -> None:
    with pytest.raises(BadInput, match="camera_hz") as caught:
        TownConfig(key_hz=4)
    assert caught.value.field == "camera_hz" and "key_hz (4)" in str(caught.value)
    with pytest.raises(BadInput, match="camera_hz") as caught:
        TownConfig(key_hz=3)
    assert caught.value.field == "key_hz"
    assert TownConfig(key_hz=4, camera_hz=20, lidar_hz=np.int64(40), image_scale=1)


EARLY = {"trigger_offset_ns": -1_000_000_001}
LONG = {"trigger_offset_ns": 900_000_000, "row_time_ns": 1_000_000}


@pytest.mark.parametrize("changes", [EARLY, LONG])
def test_a_sensor_that_fires_off_the_path_is_refused(changes) -> None:
    with pytest.raises(BadInput, match="within 1000 ms"):
        TownConfig(rig=rig_of(mounted(fisheye(90), **changes)))
    assert TownConfig(rig=rig_of(mounted(fisheye(90), trigger_offset_ns=-990_000_000)))


def test_a_rig_without_a_lidar() -> None:
    reader = reader_of(rig_of(mounted(bent(0.0))), image_scale=0.5)
    clip = Clip(reader)
    assert clip.meta.lidar is None and len(clip) == 40
    assert (np.diff(clip.times_ns) == 500_000_000).all()
    frame = clip[KEY]
    assert frame.image("EYE").pixels.shape == (40, 60, 3)
    assert frame.image("EYE").time_ns == frame.time_ns
    assert len(frame.boxes) > 10 and set(frame.boxes.visibility.tolist()) >= {1, 4}
    # Nothing counted points, so their number is unknown, not nought.
    assert (frame.boxes.num_lidar_points == -1).all()
    assert (frame.boxes.num_radar_points == -1).all()


def test_a_rig_without_a_camera() -> None:
    lidar = preset("nuscenes").lidars[0]
    clip = Clip(reader_of(rig_of(lidars=(lidar,))))
    frame = clip[KEY]
    assert frame.images == {} and len(frame.lidar()) > 15_000
    assert (frame.boxes.visibility == 0).all()  # unknown: nobody looked
    assert frame.boxes.num_lidar_points.max() > 50
    assert (frame.boxes.num_radar_points == -1).all()


def test_images_have_the_scale_that_was_asked_for() -> None:
    rig = rig_of(mounted(fisheye(100), row_time_ns=100_000))
    half = reader_of(rig, image_scale=0.5).rig.camera("EYE")
    assert (half.camera.width, half.camera.height) == (60, 60)
    assert half.row_time_ns == 200_000
    assert half.camera.limit_rad == rig.cameras[0].camera.limit_rad
    assert reader_of(rig).rig == rig
    whole = view_of(reader_of(rig_of(mounted(fisheye(100)))))
    small = view_of(reader_of(rig_of(mounted(fisheye(100))), image_scale=0.5))
    same = (whole.semantic[::2, ::2] == small.semantic).mean()
    assert same > 0.9


def test_every_model_of_camera_gives_a_picture() -> None:
    f_theta = replace(preset("hyperion").cameras[0].camera.resize(160, 100))
    for camera in (fisheye(110), bent(-0.2), replace(bent(0.0), width=61, height=47), f_theta):
        picture = view_of(reader_of(rig_of(mounted(camera)))).pixels(4)
        assert picture.shape == (camera.height, camera.width, 3)
        assert picture.std() > 15


def test_rows_of_a_rolling_shutter_see_their_own_moments() -> None:
    """Each row is that of a picture taken at once when the row was exposed."""
    row_time_ns = 900_000
    rolling = view_of(reader_of(rig_of(mounted(bent(0.0), row_time_ns=row_time_ns))))
    at_once = reader_of(rig_of(mounted(bent(0.0))))
    differ = 0
    for row in (0, 41, 79):
        view = View.of(at_once.world, at_once.rig.cameras[0], rolling.time_ns + row * row_time_ns)
        np.testing.assert_array_equal(rolling.depth[row], view.depth[row])
        np.testing.assert_array_equal(rolling.instance[row], view.instance[row])
        first = View.of(at_once.world, at_once.rig.cameras[0], rolling.time_ns)
        differ += (first.depth[row] != view.depth[row]).any()
    assert differ == 2


def test_extra_images_fit_the_picture() -> None:
    clip = Clip(reader_of(rig_of(mounted(fisheye(100, 60)))))
    frame = clip[KEY]
    shape = frame.image("EYE").pixels.shape[:2]
    outside = np.isnan(lens(clip.rig.cameras[0].camera)[0]).any(axis=-1)
    depth, semantic, instance, normal = (
        frame.extra_image(kind, "EYE") for kind in ("depth", "semantic", "instance", "normal")
    )
    assert depth.shape == semantic.shape == instance.shape == shape
    assert normal.shape == (*shape, 3)
    assert np.isinf(depth[outside]).all() and (semantic[outside] == 255).all()
    assert (instance[outside] == -1).all() and np.isnan(normal[outside]).all()
    hit = np.isfinite(depth)
    np.testing.assert_allclose(np.sqrt((normal[hit] ** 2).sum(axis=1)), 1, atol=1e-5)
    assert set(np.unique(instance)) - {-1}


def test_the_rig_of_argoverse_2_turns_at_10_hz() -> None:
    clip = Clip(reader_of(preset("av2"), image_scale=0.05))
    assert len(clip) == 40 and set(clip.sweeps) == {"up_lidar", "down_lidar"}
    for name, sweeps in clip.sweeps.items():
        assert (np.diff(sweeps.records.time_ns) == 100_000_000).all() and len(sweeps) == 200
        sweep = clip[KEY].lidar(name)
        offset = clip.rig.lidar(name).trigger_offset_ns
        spans = sweep.point_time_ns - sweep.time_ns - offset
        assert spans.min() >= 0 and spans.max() < 100_000_000
        assert len(sweep) > 15_000
    assert clip[KEY].boxes.num_lidar_points.max() > 50


@pytest.mark.parametrize("scene", ["99999", "-1", "1e3", "٣", "03", " 3", ""])
def test_checking_a_scene_that_is_not_there_says_so(scene) -> None:
    source = TownSource("val")
    with pytest.raises(MissingInput, match="no scene") as opened:
        source.open_scene(scene)
    problems = list(source.problems(scene, partial=False))
    assert [str(p) for p in problems] == [str(opened.value)]
    assert isinstance(problems[0], MissingInput)
    if scene:
        with pytest.raises(MissingInput):
            roadloom.open(f"town-v1:val:{scene}")


def test_a_scene_that_is_there_is_sound() -> None:
    source = TownSource("val")
    assert not list(source.problems("0", partial=False))

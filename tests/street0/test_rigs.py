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
from roadloom.street0 import camera_view
from roadloom.street0.camera_view import View
from roadloom.street0.caster import count_alone
from roadloom.street0.config import StreetConfig
from roadloom.street0.source import TownReader, TownSource

LOOKING = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
KEY = 6


def mounted(camera: FisheyeCamera | PinholeCamera, yaw: float = 0.0, **changes) -> MountedCamera:
    turn = rotation_from_yaw(np.array(yaw))
    pose = Pose(turn @ LOOKING, np.array([1.0, 0.0, 1.6]))
    return MountedCamera(name="EYE", camera=camera, ego_from_camera=pose, **changes)


def fisheye(degrees: float) -> FisheyeCamera:
    """A round picture that reaches so far from the axis."""
    size, limit = 240, np.radians(degrees)
    f = size / 2 / limit
    return FisheyeCamera(
        width=size, height=size, fx=f, fy=f, cx=119.5, cy=119.5, max_angle_rad=float(limit)
    )


def bent(k1: float) -> PinholeCamera:
    return PinholeCamera(width=240, height=160, fx=110.0, fy=110.0, cx=119.5, cy=79.5, k1=k1)


def rig_of(*cameras: MountedCamera, lidars: tuple[MountedLidar, ...] = ()) -> Rig:
    return Rig(name="own", cameras=cameras, lidars=lidars)


def reader_of(rig: Rig, **options) -> TownReader:
    return TownReader("val", 0, StreetConfig(**({"rig": rig, "image_scale": 1.0} | options)))


def view_of(reader: TownReader) -> View:
    time_ns = int(reader.meta.key_times_ns[KEY])
    return View.of(reader.world, reader.rig.cameras[0], time_ns)


@pytest.mark.parametrize("yaw", [0.0, 1.9])
@pytest.mark.parametrize(
    ("camera", "row_time_ns"),
    [
        (fisheye(60), 0),
        (fisheye(97), 0),
        (fisheye(115), 0),
        (fisheye(179), 0),
        (fisheye(100), 700_000),
        (bent(-0.25), 0),
        (bent(0.2), 0),
        (bent(0.0), 1_100_000),
    ],
    ids=["120", "194", "230", "358", "200-rolling", "barrel", "cushion", "rolling"],
)
def test_pixels_of_a_lone_object_are_found_by_any_lens(camera, row_time_ns, yaw) -> None:
    """The quick search around an object misses no ray: all rays cast at it say the same."""
    reader = reader_of(rig_of(mounted(camera, yaw, row_time_ns=row_time_ns)))
    view, world = view_of(reader), reader.world
    poses = world.street_from_object(world.second(view.time_ns))
    middle, size = world.annotation
    boxes = poses @ Pose(np.broadcast_to(np.eye(3), poses.rotation.shape), middle)
    found = 0
    for row in world.annotated.tolist():
        quick = view.alone_pixels(row, corners(boxes[row], size[row]))
        every = count_alone(world.tables, row, view.origins, view.directions, view.time_s)
        assert quick == every, world.plan.things[row]
        found += every > 0
    assert found > 3


@pytest.mark.parametrize("pieces", [2, 16])
@pytest.mark.parametrize("height", [-6.0, 0.0, 4.0])
def test_a_wall_that_the_lens_bends_is_found_whole(pieces, height, monkeypatch) -> None:
    """Its upper edge bulges far past its corners; however coarsely, no ray at it is missed."""
    monkeypatch.setattr(camera_view, "PIECES", pieces)
    view = view_of(reader_of(rig_of(mounted(fisheye(97).resize(720, 720)))))
    half, middle = np.array([7.0, 1.0, 0.5]), np.array([3.5, height, 7.0])
    directions = view.mount.camera.rays()[0][view.valid]
    with np.errstate(divide="ignore"):
        sides = (middle + np.array([[-1.0], [1.0]]) * half)[:, None] / directions
    enters, leaves = sides.min(axis=0).max(axis=1), sides.max(axis=0).min(axis=1)
    hits = np.flatnonzero((enters <= leaves) & (leaves > 0))
    rays = view._rays_around(middle + CORNER_SIGNS * half)
    assert len(hits) > 500 and set(hits.tolist()) <= set(rays.tolist())
    assert len(rays) < len(directions)


def test_what_a_wide_lens_sees_behind_its_plane_has_its_visibility() -> None:
    """Behind the plane of a 230 degree lens things are hidden by others as anywhere else."""
    reader = reader_of(rig_of(mounted(fisheye(115), 1.4)))
    boxes, view = reader.boxes(KEY), view_of(reader)
    ego_from_camera = reader.rig.cameras[0].ego_from_camera
    near = corners(ego_from_camera.inverse() @ boxes.pose, boxes.size)
    behind = (near[..., 2] < 0).all(axis=1)
    seen = view.object_pixels()
    rows = np.array([int(track.split("-")[1]) for track in boxes.track_id])
    alone = np.array([
        count_alone(reader.world.tables, row, view.origins, view.directions, view.time_s)
        for row in rows.tolist()
    ])  # fmt: skip
    share = seen[rows] / np.maximum(alone, 1)
    np.testing.assert_array_equal(
        boxes.visibility, 1 + np.searchsorted((0.4, 0.6, 0.8), share, side="right")
    )
    assert (behind & (alone > 0)).sum() > 3
    assert (behind & (alone > 0) & (share < 0.8)).any()


def test_depth_behind_the_plane_of_a_wide_lens_is_negative() -> None:
    view = view_of(reader_of(rig_of(mounted(fisheye(115)))))
    axis = view.mount.camera.rays()[0][..., 2]
    hit = np.isfinite(view.depth) & view.valid
    assert (view.depth[hit & (axis < -0.05)] < 0).all()
    assert (view.depth[hit & (axis > 0.05)] > 0).all()
    assert (hit & (axis < -0.05)).sum() > 1000


def test_a_lidar_without_beams_is_refused_by_name() -> None:
    unknown = MountedLidar(name="ROOF", lidar=None, ego_from_lidar=Pose.identity())
    with pytest.raises(BadInput, match="'ROOF' are arranged") as caught:
        StreetConfig(rig=rig_of(lidars=(unknown,)))
    assert caught.value.field == "ROOF" and "beam table" in str(caught.value.remedy)


EARLY = {"trigger_offset_ns": -300_000_000}
LONG = {"trigger_offset_ns": 90_000_000, "row_time_ns": 500_000}


@pytest.mark.parametrize("changes", [EARLY, LONG])
def test_a_sensor_that_fires_off_the_path_is_refused(changes) -> None:
    with pytest.raises(BadInput, match="within 200 ms"):
        StreetConfig(rig=rig_of(mounted(fisheye(90), **changes)))
    assert StreetConfig(rig=rig_of(mounted(fisheye(90), trigger_offset_ns=-190_000_000)))


def test_a_rig_without_a_lidar() -> None:
    reader = reader_of(rig_of(mounted(bent(0.0))), image_scale=0.5)
    clip = Clip(reader)
    assert clip.meta.lidar is None and len(clip) == 20
    assert (np.diff(clip.times_ns) == 500_000_000).all()
    frame = clip[KEY]
    assert frame.image("EYE").pixels.shape == (80, 120, 3)
    assert frame.image("EYE").time_ns == frame.time_ns
    assert len(frame.boxes) > 10 and set(frame.boxes.visibility.tolist()) >= {1, 4}
    # Nothing counted points, so their number is unknown, not nought.
    assert (frame.boxes.num_lidar_points == -1).all()
    assert (frame.boxes.num_radar_points == -1).all()


def test_a_rig_without_a_camera() -> None:
    lidar = preset("nuscenes").lidars[0]
    clip = Clip(reader_of(rig_of(lidars=(lidar,))))
    frame = clip[KEY]
    assert frame.images == {} and len(frame.lidar()) > 20_000
    assert (frame.boxes.visibility == 0).all()  # unknown: nobody looked
    assert frame.boxes.num_lidar_points.max() > 50
    assert (frame.boxes.num_radar_points == -1).all()


def test_images_have_the_scale_that_was_asked_for() -> None:
    rig = rig_of(mounted(fisheye(100), row_time_ns=100_000))
    half = reader_of(rig, image_scale=0.5).rig.camera("EYE")
    assert (half.camera.width, half.camera.height) == (120, 120)
    assert half.row_time_ns == 200_000
    assert half.camera.limit_rad == rig.cameras[0].camera.limit_rad
    assert reader_of(rig).rig == rig
    whole = view_of(reader_of(rig_of(mounted(fisheye(100)))))
    small = view_of(reader_of(rig_of(mounted(fisheye(100))), image_scale=0.5))
    same = (whole.semantic[::2, ::2] == small.semantic).mean()
    assert same > 0.9


def test_every_model_of_camera_gives_a_picture() -> None:
    for camera in (fisheye(110), bent(-0.2), replace(bent(0.0), width=61, height=47)):
        picture = view_of(reader_of(rig_of(mounted(camera)))).pixels(2)
        assert picture.shape == (camera.height, camera.width, 3)
        assert picture.std() > 15


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
            roadloom.open(f"town-v0:val:{scene}")


def test_a_scene_that_is_there_is_sound() -> None:
    source = TownSource("val")
    assert not list(source.problems("3", partial=False))
    assert not list(source.problems(None, partial=True))

"""Places in images against exact pinhole arithmetic, at each image's own time."""

from dataclasses import replace

import numpy as np
import pytest

from roadloom.geometry.box import CORNER_SIGNS
from roadloom.scene.image import CameraImage
from roadloom.sensors.camera import FisheyeCamera
from roadloom.sensors.rig import Rig
from roadloom.viewer.projection import (
    NEAR_M,
    at_time,
    box_lines,
    project,
    still_points,
)
from roadloom.viewer.ring import points_in_image

F, CX, CY = 100.0, 79.5, 44.5  # of every camera in the arithmetic clip
MOUNT = np.array([1.0, 0.0, 1.5])
LATE_M = 0.04 * 8.0
"""How far the ego has come when the cameras fire."""


def pinhole(points: np.ndarray) -> np.ndarray:
    """By hand: the front camera, from where the ego is when it fires."""
    x, y, z = (points - MOUNT - [LATE_M, 0, 0]).T
    return np.stack([CX - F * y / x, CY - F * z / x], axis=-1)


@pytest.mark.parametrize("origin", [0.0, 5e6])
def test_still_points_are_seen_from_where_the_camera_fires(make_clip, origin) -> None:
    frame = make_clip(origin=origin)[1]
    points = np.array([[12.0, 1.0, 0.5], [6.0, -2.0, 3.0], [30.0, 0.0, 1.5]])
    pixels, away, seen = project(points, frame.world_from_ego, frame.image("FRONT"))
    np.testing.assert_allclose(pixels, pinhole(points), atol=1e-6)
    np.testing.assert_allclose(
        away, np.linalg.norm(points - MOUNT - [LATE_M, 0, 0], axis=1), atol=1e-7
    )
    assert seen.all()


@pytest.mark.parametrize("origin", [0.0, 5e6])
def test_box_corners_are_exact(make_clip, origin) -> None:
    """The car moves with the ego, so its box is carried; the person's velocity is unknown."""
    frame = make_clip(origin=origin)[1]
    lines = box_lines(frame.boxes, frame.world_from_ego, frame.image("FRONT"))
    for row, carried in ((0, LATE_M), (1, 0.0)):
        middle = frame.boxes.pose.translation[row] + [carried, 0, 0]
        expected = pinhole(middle + CORNER_SIGNS * frame.boxes.size[row] / 2)
        drawn = lines.ends[lines.box == row].reshape(-1, 2)
        for corner in expected:
            assert np.linalg.norm(drawn - corner, axis=1).min() < 1e-5
        # 12 edges and the line to the front, all straight without distortion
        assert (lines.box == row).sum() == 13


def test_far_boxes_come_first(make_clip) -> None:
    frame = make_clip()[0]  # the car is at 10 m, the person at 18 m
    lines = box_lines(frame.boxes, frame.world_from_ego, frame.image("FRONT"))
    assert lines.box.tolist() == [1] * 13 + [0] * 13


def test_boxes_are_carried_by_their_velocity(make_clip) -> None:
    boxes = make_clip()[1].boxes
    later = at_time(boxes, boxes.time_ns + 250_000_000)
    np.testing.assert_allclose(later.pose.translation[0] - boxes.pose.translation[0], [2, 0, 0])
    np.testing.assert_array_equal(later.pose.translation[1], boxes.pose.translation[1])


def test_what_lies_behind_is_not_drawn(make_clip) -> None:
    frame = make_clip()[1]
    image = frame.image("BACK")
    lines = box_lines(frame.boxes, frame.world_from_ego, image)
    assert len(lines.ends) == 0
    pixels, _, seen = project(np.array([[10.0, 0, 1]]), frame.world_from_ego, image)
    assert not seen.any()
    assert np.isnan(pixels).all()


def test_edges_are_cut_in_front_of_the_lens(make_clip) -> None:
    """A box around the camera: lines run out of the picture along their true direction."""
    frame = make_clip()[0]
    boxes = frame.boxes[[0]]
    around = replace(boxes, size=np.array([[60.0, 6.0, 8.0]]), velocity=boxes.velocity * np.nan)
    lines = box_lines(around, frame.world_from_ego, frame.image("FRONT"))
    assert np.isfinite(lines.ends).all()
    # Along x every edge aims at the vanishing point, which is the principal point.
    far = pinhole(np.array([[40.0, 3.0, 4.75], [40.0, -3.0, -3.25]]))
    for corner in far:
        towards = [e for e in lines.ends if np.linalg.norm(e - corner, axis=1).min() < 1e-5]
        outward = [
            e for e in towards if abs(np.linalg.det([e[1] - e[0], corner - [CX, CY]])) < 1e-3
        ]
        assert outward, "no edge leads from the far corner away from the vanishing point"
        reach = max(np.linalg.norm(e - [CX, CY], axis=1).max() for e in outward)
        assert reach > 55  # past the picture, whose rows end 45 px from its middle
    depth = 1 / NEAR_M
    assert abs(lines.ends).max() < F * 10 * depth  # and not off to infinity


def test_a_lens_bends_edges(make_clip, make_camera) -> None:
    straight = make_clip()
    bent_rig = Rig(
        name="bent",
        cameras=(make_camera("FRONT", 0.0, k1=-0.3, k2=0.1),),
        lidars=straight.rig.lidars,
    )
    frame = make_clip(rig=bent_rig)[0]
    image = frame.image("FRONT")
    wide = replace(frame.boxes[[0]], size=np.array([[0.5, 9.0, 5.0]]))
    lines = box_lines(wide, frame.world_from_ego, image)
    assert len(lines.ends) > 13
    # Every end lies where the camera itself projects a point of the edge: the nearest vertical.
    box = at_time(wide, image.time_ns)
    camera_from_ego = image.world_from_camera.inverse() @ frame.world_from_ego
    edge = box.pose.translation[0] + np.stack(
        [np.full(2001, -0.25), np.full(2001, 4.5), np.linspace(-2.5, 2.5, 2001)], -1
    )
    pixels, _ = image.mount.camera.project(camera_from_ego.apply(edge))
    near = [e for e in lines.ends.reshape(-1, 2) if np.linalg.norm(pixels - e, axis=1).min() < 0.05]
    assert len(near) >= 16
    rows = np.array(near)
    assert np.ptp(rows[:, 0]) > 0.5  # upright in the world, curved in the picture


def test_row_time(make_clip, make_camera) -> None:
    """A pixel's row must be the row at whose time the point was projected."""
    row_time = 300_000
    mount = replace(make_camera("FRONT", 0.0), row_time_ns=row_time)
    clip = make_clip(rig=Rig(name="rolling", cameras=(mount,), lidars=make_clip().rig.lidars))
    frame = clip[1]
    image = frame.image("FRONT")
    points = np.array([[5.0, 1.0, 0.2], [5.0, 1.0, 2.5], [7.0, -2.0, 1.0]])
    pixels, away, seen = project(points, frame.world_from_ego, image, clip.ego)
    assert seen.all()
    late = (40e6 + pixels[:, 1] * row_time) * 1e-9 * 8.0
    depth = points[:, 0] - 1 - late
    across = np.hypot(points[:, 1], points[:, 2] - 1.5)
    np.testing.assert_allclose(away, np.hypot(depth, across), atol=1e-4)
    exact = CY - F * (points[:, 2] - 1.5) / depth
    np.testing.assert_allclose(pixels[:, 1], exact, atol=1e-4)
    without, _, _ = project(points, frame.world_from_ego, image)
    assert abs(without - pixels).max() > 0.5


def test_points_are_moved_from_their_own_time(make_clip) -> None:
    clip = make_clip()
    sweep = clip[1].lidar()
    raw = replace(
        sweep,
        motion_compensated=False,
        point_time_ns=sweep.time_ns - np.arange(len(sweep), dtype=np.int64) * 100_000,
    )
    moved = still_points(raw, clip.ego)
    kept = raw[raw.returned]
    expected = kept.points.astype(float)
    expected[:, 0] -= (sweep.time_ns - kept.point_time_ns) * 1e-9 * 8.0
    np.testing.assert_allclose(moved, expected, atol=1e-9)
    np.testing.assert_array_equal(still_points(sweep, clip.ego), sweep.points[sweep.returned])


def test_nothing_to_draw(make_clip) -> None:
    frame = make_clip()[0]
    image: CameraImage = frame.image("FRONT")
    assert len(box_lines(frame.boxes[[]], frame.world_from_ego, image).ends) == 0
    pixels, _, _ = project(np.zeros((0, 3)), frame.world_from_ego, image)
    assert pixels.shape == (0, 2)


def test_a_fisheye_sees_to_the_side(make_clip, make_camera) -> None:
    """Edges of a wide lens bend; each end lies where the lens itself puts a point of the box."""
    lens = FisheyeCamera(width=160, height=160, fx=50.0, fy=50.0, cx=79.5, cy=79.5)
    mount = replace(make_camera("FRONT", 0.0), camera=lens)
    frame = make_clip(rig=Rig(name="wide", cameras=(mount,), lidars=()))[0]
    image = frame.image("FRONT")
    around = replace(frame.boxes[[0]], size=np.array([[30.0, 12.0, 6.0]]))
    lines = box_lines(around, frame.world_from_ego, image)
    assert len(lines.ends) > 40
    assert np.isfinite(lines.ends).all()
    box = at_time(around, image.time_ns)
    share = np.linspace(-1, 1, 4001)
    edges = [
        np.stack(np.broadcast_arrays(*(share if i == axis else s for i, s in enumerate(signs))), -1)
        for axis in range(3)
        for signs in ((a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1))
    ]
    surface = box.pose.translation[0] + np.concatenate(edges) * around.size[0] / 2
    floor = box.pose.translation[0] + [0, 0, -3] + share[:, None] * [15, 0, 0]
    camera_from_ego = image.world_from_camera.inverse() @ frame.world_from_ego
    pixels, _ = lens.project(camera_from_ego.apply(np.concatenate([surface, floor])))
    for end in lines.ends.reshape(-1, 2):
        assert np.nanmin(np.linalg.norm(pixels - end, axis=1)) < 0.5


def test_range_counts_behind_the_plane_of_a_wide_lens(make_clip, make_camera) -> None:
    """Depth along the axis is negative there; colour and order go by the way to the camera."""
    lens = FisheyeCamera(width=160, height=160, fx=35.0, fy=35.0, cx=79.5, cy=79.5)
    mount = replace(make_camera("FRONT", 0.0), camera=lens)
    clip = make_clip(rig=Rig(name="wide", cameras=(mount,), lidars=make_clip().rig.lidars))
    frame = clip[0]
    image = frame.image("FRONT")
    points = np.array([[-4.0, 9.0, 1.5], [1.32, 6.0, 1.5], [5.0, 0.0, 1.5]])
    _, away, seen = project(points, frame.world_from_ego, image)
    assert seen.all()
    np.testing.assert_allclose(
        away, np.linalg.norm(points - MOUNT - [LATE_M, 0, 0], axis=1), atol=1e-7
    )
    _, ranges = points_in_image(frame, frame.lidar(), image)
    assert (np.diff(ranges) <= 0).all()
    assert ranges.min() > 1.4 and ranges.max() > 20.0

"""Rings, views from above and cubes: every thing at its place and in its colour."""

from dataclasses import replace

import numpy as np
import pytest

from roadloom.errors import BadInput, NotRecorded
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.palette import colors_of
from roadloom.sensors.rig import Rig
from roadloom.viewer.bev import (
    bev_picture,
    draw_scale,
    layer_picture,
    on_picture,
    path_in_ego,
    top_picture,
)
from roadloom.viewer.colors import layer_colors
from roadloom.viewer.ring import chosen_key, overlay, ring_picture, ring_rows
from roadloom.viewer.voxels import voxel_picture

CAR, BUILDING = 19, 61


def color(own: int) -> np.ndarray:
    return colors_of(np.array([own], np.uint8))[0].astype(int)


def share_of(picture: np.ndarray, wanted: np.ndarray, tolerance: int = 6) -> float:
    return float((abs(picture.astype(int) - wanted).max(axis=-1) <= tolerance).mean())


def test_box_is_drawn_where_the_camera_sees_it(make_clip) -> None:
    """The car's near lower left corner, projected by hand (see test_projection)."""
    frame = make_clip()[1]
    picture = overlay(frame, "FRONT", lidar=False)
    x, y, z = 8.0 - 1.0, 0.9, 0.0 - 1.5  # carried along with the ego, so time falls out
    u, v = 79.5 - 100 * y / x, 44.5 - 100 * z / x
    near = picture[round(v) - 1 : round(v) + 2, round(u) - 1 : round(u) + 2].astype(int)
    assert abs(near - color(CAR)).max(axis=-1).min() < 25
    untouched = overlay(frame, "FRONT", boxes=False, lidar=False)
    assert (untouched == untouched[0, 0]).all()
    assert (overlay(frame, "BACK", lidar=False) == frame.image("BACK").pixels).all()


def test_overlay_of_another_size_shows_the_same(make_clip) -> None:
    frame = make_clip()[1]
    full, half = overlay(frame, "FRONT"), overlay(frame, "FRONT", size=(80, 45))
    assert half.shape == (45, 80, 3)
    shrunk = full.reshape(45, 2, 80, 2, 3).mean(axis=(1, 3))
    assert abs(shrunk - half).mean() < 12


def test_absent_photograph_is_grey(make_clip) -> None:
    for lacks in (("images",), ("FRONT",)):
        clip = make_clip(lacks=lacks)
        picture = overlay(clip[0], "FRONT", lidar=False)
        assert (picture[0, 0] == 34).all()
        bare = overlay(clip[0], "FRONT", lidar=False, boxes=False)
        words = np.argwhere((bare > 100).all(axis=-1))
        assert len(words) > 60 and abs(words.mean(axis=0) - [44.5, 79.5]).max() < 4
        assert share_of(picture, color(CAR), 20) > 0.002


def test_ring_order(make_clip, make_camera) -> None:
    assert ring_rows(make_clip().rig) == (("LEFT", "FRONT", "RIGHT"), ("BACK",))
    yaws = {"a": 100, "b": 153, "c": -153, "d": -100, "e": 45, "f": 0, "g": -45}
    cameras = tuple(make_camera(name, np.radians(yaw)) for name, yaw in sorted(yaws.items()))
    rig = Rig(name="seven", cameras=cameras, lidars=())
    assert ring_rows(rig) == (("e", "f", "g"), ("a", "b", "c", "d"))
    # A stereo pair that looks along the middle camera stands behind the ring, not within it.
    pair = tuple(
        replace(
            cameras[5],
            name=f"stereo_{side}",
            ego_from_camera=replace(
                cameras[5].ego_from_camera, translation=np.array([1.0, y, 1.5])
            ),
        )
        for side, y in (("right", -0.25), ("left", 0.25))
    )
    rig = Rig(name="nine", cameras=(*pair, *cameras), lidars=())
    assert ring_rows(rig)[0] == ("e", "f", "g", "stereo_left", "stereo_right")
    # Two that look ahead: the one that sits further left comes first.
    seat = replace(cameras[5].ego_from_camera, translation=np.array([1.0, 0.3, 1.5]))
    left = replace(cameras[5], name="x", ego_from_camera=seat)
    assert ring_rows(Rig(name="two", cameras=(cameras[5], left), lidars=())) == (("x", "f"),)


def test_ring_picture_shows_every_camera(make_clip) -> None:
    clip = make_clip()
    picture = ring_picture(clip[0], 600, boxes=False, lidar=False)
    height = len(picture)
    for name, u, v in (
        ("LEFT", 0.2, 0.3),
        ("FRONT", 0.5, 0.3),
        ("RIGHT", 0.8, 0.3),
        ("BACK", 0.5, 0.9),
    ):
        shade = clip[0].image(name).pixels[0, 0, 0]
        assert picture[round(v * height), round(u * 600), 0] == shade


def test_ring_needs_a_camera(make_clip) -> None:
    clip = make_clip(rig=Rig(name="none", cameras=(), lidars=make_clip().rig.lidars))
    with pytest.raises(NotRecorded, match="no camera"):
        ring_picture(clip[0])


@pytest.mark.parametrize("origin", [0.0, 5e6])
def test_view_from_above(make_clip, small_grid, origin) -> None:
    frame = make_clip(origin=origin)[1]
    picture = bev_picture(frame, small_grid, 400)  # 40 m: ten pixels a metre, forward is up
    assert picture.shape == (400, 400, 3)
    road = layer_colors()[0].astype(int)
    assert abs(picture[395, 200 - 30] - road).max() <= 6  # behind, 3 m to the left: on the road
    assert abs(picture[200, 60] - road).max() > 20  # 14 m to the left: off it
    car = picture[200 - 105 : 200 - 95, 196:205].astype(int).reshape(-1, 3)  # 10 m ahead
    assert (car[:, 2] - car[:, 0]).mean() > 40  # cars are blue
    assert picture[195, 200].min() > 235  # the vehicle itself


def test_scale_bar_is_ten_metres(small_grid) -> None:
    dark = np.full((400, 400, 3), 18, np.uint8)
    picture = draw_scale(dark, 10.0)
    white = np.argwhere((picture > 200).all(axis=-1))
    bar = white[white[:, 0] >= 390]
    assert bar[:, 1].min() == pytest.approx(8, abs=1) and np.ptp(bar[:, 1]) == pytest.approx(
        100, abs=2
    )
    assert (picture[:360] == 18).all() and (picture[:, 120:] == 18).all()
    np.testing.assert_array_equal(draw_scale(dark, 30.0), dark)  # too long for it


def test_places_on_the_picture(small_grid) -> None:
    spots = on_picture(np.array([[20.0, 20.0], [0.0, 0.0], [10.0, -5.0]]), small_grid, 10.0)
    np.testing.assert_allclose(spots, [[-0.5, -0.5], [199.5, 199.5], [249.5, 99.5]])


def test_layout_is_turned_forward_up(make_clip, small_grid) -> None:
    layout = make_clip()[0].layout(small_grid)
    channels = np.zeros_like(layout.channels)
    channels[0, 79, 79] = channels[8, 70, 10] = True
    picture = layer_picture(replace(layout, channels=channels))
    drawn = np.argwhere((picture != (18, 21, 27)).any(axis=-1)).tolist()
    assert drawn == [[0, 0], [9, 69]]  # far left; ahead and to the right
    np.testing.assert_array_equal(picture[0, 0], layer_colors()[0])
    np.testing.assert_array_equal(picture[9, 69], layer_colors()[8])


def test_columns_from_above_show_their_highest_cell(small_grid) -> None:
    labels = np.zeros(small_grid.shape, np.uint8)
    labels[79, 79, :2] = CAR  # far left: a low one
    labels[70, 10] = BUILDING  # ahead and to the right, up to the roof
    labels[70, 10, 0] = CAR
    labels[5, 5] = 255
    picture = top_picture(Occupancy(grid=small_grid, labels=labels))
    drawn = np.argwhere((picture != (18, 21, 27)).any(axis=-1)).tolist()
    assert drawn == [[0, 0], [9, 69]]
    assert abs(picture[9, 69] - color(BUILDING)).max() <= 1
    assert abs(picture[0, 0] - color(CAR) * (0.5 + 1 / labels.shape[2])).max() <= 1


@pytest.mark.parametrize("origin", [0.0, 5e6])
def test_path_lies_in_the_ego_frame(make_clip, origin) -> None:
    clip = make_clip(origin=origin)
    path = path_in_ego(clip, clip[1].world_from_ego)
    times = clip.ego.time_ns
    expected = np.stack([(times - clip.times_ns[1]) * 8e-9, 0 * times], -1)
    np.testing.assert_allclose(path, expected, atol=1e-6)


def test_view_from_above_of_a_bare_frame(make_clip, small_grid) -> None:
    bare = make_clip(lacks=("lidar", "boxes", "map", "occupancy"))[0]
    picture = bev_picture(bare, small_grid, 200)
    assert share_of(picture, np.array([18, 21, 27]), 1) > 0.9
    held = make_clip(lacks=("lidar", "boxes", "map"))[0]
    picture = bev_picture(held, small_grid, 240)
    cells = top_picture(held.occupancy(small_grid))
    np.testing.assert_array_equal(picture[:30, :30], cells.repeat(3, 0).repeat(3, 1)[:30, :30])


def test_cubes(make_clip, small_grid) -> None:
    occupancy = make_clip()[0].occupancy(small_grid)
    picture = voxel_picture(occupancy, 400)
    building = color(BUILDING)
    shades = [share_of(picture, building * light, 40) for light in (1.0, 0.8, 0.62)]
    assert all(share > 0.001 for share in shades)
    empty = replace(occupancy, labels=np.zeros_like(occupancy.labels))
    assert share_of(voxel_picture(empty, 400), building, 40) == 0


def test_near_cubes_hide_far_ones(small_grid) -> None:
    """Behind and to the right is near: a wall there hides what stands ahead and to the left."""
    labels = np.zeros(small_grid.shape, np.uint8)
    labels[45, 45, 0] = CAR
    alone = voxel_picture(Occupancy(grid=small_grid, labels=labels.copy()), 500)
    labels[40:44, 40:44, :] = BUILDING
    hidden = voxel_picture(Occupancy(grid=small_grid, labels=labels.copy()), 500)
    labels[40:44, 40:44, :] = 0
    labels[47:51, 47:51, :] = BUILDING
    seen = voxel_picture(Occupancy(grid=small_grid, labels=labels), 500)
    blue = [((p[..., 2].astype(int) - p[..., 0]) > 60).sum() for p in (alone, hidden, seen)]
    assert blue[0] > 20
    assert blue[1] == 0
    assert blue[2] == blue[0]


def test_key_frame_is_chosen(make_clip) -> None:
    clip = make_clip(count=4)
    assert chosen_key(clip, None) == 0
    assert chosen_key(clip, -1) == 3
    assert chosen_key(make_clip(lacks=("lidar",)), None) == 0
    with pytest.raises(BadInput, match="no key frame 4 among 4"):
        chosen_key(clip, 4)

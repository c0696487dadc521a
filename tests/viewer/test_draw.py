"""What is drawn lies where it was asked for, to the pixel, and leaves the rest alone."""

import numpy as np
import pytest

from roadloom.viewer.draw import (
    draw_dots,
    draw_label,
    draw_lines,
    draw_polygons,
    draw_words,
    ramp_colors,
    range_colors,
    resized,
)

GREY = np.full((40, 60, 3), 90, np.uint8)
RED = np.array([[255, 0, 0]], np.uint8)


def changed(picture: np.ndarray) -> np.ndarray:
    """(u, v) of the pixels that differ from grey."""
    return np.argwhere((picture != GREY).any(axis=-1))[:, ::-1]


def weight_centre(picture: np.ndarray) -> np.ndarray:
    """Centre of the drawn shape, each pixel by how red it became."""
    weight = picture[..., 0].astype(float) - 90
    v, u = np.indices(weight.shape)
    return np.array([(weight * u).sum(), (weight * v).sum()]) / weight.sum()


@pytest.mark.parametrize("centre", [(20.0, 10.0), (33.5, 21.25), (0.0, 0.0)])
def test_dot_lies_on_its_pixel(centre) -> None:
    picture = draw_dots(GREY, np.array([centre]), RED, 3.0)
    if centre != (0.0, 0.0):
        np.testing.assert_allclose(weight_centre(picture), centre, atol=0.3)
    reach = np.linalg.norm(changed(picture) - np.array(centre), axis=1)
    assert 2.5 < reach.max() < 4.2
    assert (picture[round(centre[1]), round(centre[0])] == RED[0]).all()


def test_line_runs_through_its_pixels() -> None:
    picture = draw_lines(GREY, np.array([[[10.0, 12.0], [40.0, 12.0]]]), RED, 1.0)
    assert (picture[12, 12:39, 0] > 200).all()
    assert (picture[12, 12:39, 1] < 60).all()
    spots = changed(picture)
    assert abs(spots[:, 1] - 12).max() <= 2
    assert spots[:, 0].min() >= 8
    assert spots[:, 0].max() <= 42


def test_later_shapes_lie_on_top() -> None:
    ends = np.array([[[5.0, 20.0], [55.0, 20.0]], [[30.0, 5.0], [30.0, 35.0]]])
    colors = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    assert draw_lines(GREY, ends, colors, 2.0)[20, 30].tolist() == [0, 255, 0]
    assert draw_lines(GREY, ends[::-1], colors[::-1], 2.0)[20, 30].tolist() == [255, 0, 0]


def test_rim_is_light_under_dark_lines() -> None:
    ends = np.array([[[5.0, 20.0], [55.0, 20.0]]])
    for color, brighter in ((np.array([[20, 0, 60]]), True), (np.array([[255, 230, 60]]), False)):
        picture = draw_lines(GREY, ends, color.astype(np.uint8), 1.0).astype(int)
        rim = picture[18:23, 30].mean(axis=-1)
        assert (rim.max() > 95) if brighter else (rim.min() < 85)


def test_polygon_covers_its_area() -> None:
    square = np.array([[9.5, 9.5], [29.5, 9.5], [29.5, 19.5], [9.5, 19.5]])
    picture = draw_polygons(GREY, [square], RED, 0.5)
    inside = picture[10:20, 10:30]
    np.testing.assert_allclose(inside[2:-2, 2:-2].reshape(-1, 3), [[172, 45, 45]] * 96, atol=2)
    assert abs(len(changed(picture)) - 200) < 40


def test_nothing_changes_where_nothing_is_drawn() -> None:
    none = np.zeros((0, 2))
    for picture in (
        draw_dots(GREY, none, np.zeros((0, 3), np.uint8), 2.0),
        draw_lines(GREY, none[:, None].repeat(2, 1), np.zeros((0, 3), np.uint8), 2.0),
        draw_dots(GREY, np.array([[-50.0, 500.0]]), RED, 2.0),
    ):
        np.testing.assert_array_equal(picture, GREY)


def test_label_is_readable_and_in_place() -> None:
    picture = draw_label(GREY, "CAM", 12, (4, 3))
    spots = changed(picture)
    assert spots.min(axis=0).tolist() == [4, 3]
    assert picture.max() > 230
    assert spots[:, 0].max() < 55


def test_words_lie_in_the_middle() -> None:
    spots = changed(draw_words(GREY, "none"))
    np.testing.assert_allclose((spots.min(axis=0) + spots.max(axis=0)) / 2, [30, 20], atol=3)
    assert 20 < np.ptp(spots[:, 0]) < 60
    assert (draw_words(GREY, "none")[0, 0] == 90).all()


def test_ramp() -> None:
    ends = ramp_colors(np.array([0.0, 1.0, np.nan]))
    assert ends.tolist() == [[255, 236, 92], [90, 220, 255], [128, 128, 128]]
    near, far = range_colors(np.array([2.0, 60.0]))
    np.testing.assert_array_equal([near, far], ends[:2])
    np.testing.assert_array_equal(range_colors(np.array([0.1, 900.0])), [near, far])
    middle = range_colors(np.array([np.sqrt(2.0 * 60.0)]))
    np.testing.assert_array_equal(middle, ramp_colors(np.array([0.5])))


def test_resize_keeps_the_mean() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    small = resized(noise, 30, 20)
    assert small.shape == (20, 30, 3)
    np.testing.assert_allclose(small.mean(axis=(0, 1)), noise.mean(axis=(0, 1)), atol=1.5)
    assert resized(noise, 120, 80) is noise

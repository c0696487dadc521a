"""Laws that every camera obeys: there and back, crops, gradients, refusals."""

import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from roadloom.errors import BadInput
from roadloom.sensors.camera import Camera, FisheyeCamera, PinholeCamera

GridMaker = Callable[[Camera], np.ndarray]


def seen_points(camera: Camera, count: int = 200, seed: int = 0) -> np.ndarray:
    """Points at random depths through random pixels that the lens sees."""
    rng = np.random.default_rng(seed)
    pixels = rng.uniform([0, 0], [camera.width - 1, camera.height - 1], (count, 2))
    directions, valid = camera.unproject(pixels)
    return (directions * rng.uniform(0.5, 80, (count, 1)))[valid]


def test_projecting_undoes_unprojecting_on_every_pixel(
    camera: Camera, grid_with_borders: GridMaker
) -> None:
    pixels = grid_with_borders(camera)
    directions, valid = camera.unproject(pixels)
    back, seen = camera.project(directions)
    assert valid.mean() > 0.2
    assert seen[valid].all() and not seen[~valid].any()
    assert abs(back - pixels)[valid].max() < 1e-6
    assert abs(np.linalg.norm(directions[valid], axis=-1) - 1).max() < 1e-12


def test_unprojecting_undoes_projecting(camera: Camera) -> None:
    points = seen_points(camera)
    pixels, seen = camera.project(points)
    directions, valid = camera.unproject(pixels)
    assert seen.all() and valid.all()
    unit = points / np.linalg.norm(points, axis=-1, keepdims=True)
    np.testing.assert_allclose(directions, unit, atol=1e-6)


def test_distance_does_not_matter(camera: Camera) -> None:
    points = seen_points(camera)
    for scale in (1e-6, 7.0, 1e9):
        np.testing.assert_allclose(
            camera.project(points * scale)[0], camera.project(points)[0], atol=1e-9
        )


def test_rays_go_through_pixel_centres(small_camera: Camera) -> None:
    directions, valid = small_camera.rays()
    assert directions.shape == (small_camera.height, small_camera.width, 3)
    assert directions.dtype == np.float64
    v, u = np.nonzero(valid)
    pixels, _ = small_camera.project(directions[v, u])
    np.testing.assert_allclose(pixels, np.stack([u, v], -1), atol=1e-6)


def test_matrix_is_what_a_lens_without_distortion_does(small_pinhole: PinholeCamera) -> None:
    plain = replace(small_pinhole, k1=0.0, k2=0.0, k3=0.0, p1=0.0, p2=0.0)
    points = np.random.default_rng(0).uniform([-2, -2, 1], [2, 2, 9], (50, 3))
    homogeneous = points @ small_pinhole.matrix.T
    expected = homogeneous[:, :2] / homogeneous[:, 2:]
    np.testing.assert_allclose(plain.project(points)[0], expected, atol=1e-9)


def test_a_crop_shifts_pixels(small_camera: Camera) -> None:
    left, top = small_camera.width // 2 - 20, small_camera.height // 2 - 30
    window = small_camera.crop(left, top, 30, 50)
    points = seen_points(small_camera)
    pixels, _ = small_camera.project(points)
    cropped, seen = window.project(points)
    np.testing.assert_allclose(cropped, pixels - [left, top], atol=1e-9)
    inside = ((cropped >= -0.5) & (cropped <= [29.5, 49.5])).all(-1)
    assert inside.any() and not inside.all()
    np.testing.assert_array_equal(seen, inside)


@pytest.mark.parametrize("size", [(80, 60), (333, 100), (1, 1)], ids=str)
def test_resizing_scales_pixels_about_the_corner_of_the_image(
    small_camera: Camera, size: tuple[int, int]
) -> None:
    resized = small_camera.resize(*size)
    scale = np.array(size) / [small_camera.width, small_camera.height]
    points = seen_points(small_camera)
    expected = (small_camera.project(points)[0] + 0.5) * scale - 0.5
    pixels, seen = resized.project(points)
    np.testing.assert_allclose(pixels, expected, atol=1e-9)
    assert seen.all()
    assert (resized.width, resized.height) == size


def test_flipping_mirrors_pixels_of_the_mirrored_world(small_camera: Camera) -> None:
    flipped = small_camera.flip()
    points = seen_points(small_camera)
    pixels, _ = small_camera.project(points)
    mirrored, seen = flipped.project(points * [-1, 1, 1])
    expected = np.stack([small_camera.width - 1 - pixels[:, 0], pixels[:, 1]], -1)
    np.testing.assert_allclose(mirrored, expected, atol=1e-9)
    assert seen.all()
    twice = flipped.flip()
    np.testing.assert_allclose(twice.matrix, small_camera.matrix, atol=1e-12)


def test_gradients_of_project(small_camera: Camera) -> None:
    points = torch.tensor(seen_points(small_camera, 12), requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: small_camera.project(p)[0], points)


def test_gradients_of_unproject(small_camera: Camera) -> None:
    pixels = small_camera.project(seen_points(small_camera, 12))[0]
    pixels[0] = [small_camera.cx, small_camera.cy]  # on the axis, where radii have no slope
    leaf = torch.tensor(pixels, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda p: small_camera.unproject(p)[0], leaf, eps=1e-5, atol=1e-6, rtol=1e-4
    )


def test_gradient_of_project_on_the_axis(small_camera: Camera) -> None:
    leaf = torch.tensor([[0.0, 0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: small_camera.project(p)[0], leaf)


HOPELESS = np.array(
    [
        [np.nan, 0, 1], [0, np.nan, 1], [0, 0, np.nan], [np.inf, 0, 1], [0, 0, -np.inf],
        [0, 0, 0], [0, 0, -1], [1e-320, 0, 0], [0, 0, -1e300], [np.inf, np.inf, np.inf],
    ]
)  # fmt: skip
FAR_OUT = np.array([[1e300, 0, 1], [1e308, 1e308, 1e308], [1, 1, 1e-300], [3, 4, 0], [1e20, 1, -1]])


def test_what_cannot_be_seen_has_no_pixel(camera: Camera) -> None:
    """And raises no warning: they are errors here."""
    pixels, seen = camera.project(HOPELESS)
    assert not seen.any() and np.isnan(pixels).all()
    camera.project(FAR_OUT)
    camera.project(FAR_OUT.clip(-1e30, 1e30).astype(np.float32))
    directions, valid = camera.unproject(np.array([[np.nan, 1], [np.inf, 2], [1e300, 3]]))
    assert not valid.any() and np.isnan(directions).all()


def test_what_cannot_be_seen_has_no_gradient(camera: Camera) -> None:
    points = torch.tensor(np.concatenate([HOPELESS, seen_points(camera, 5)]), requires_grad=True)
    pixels, seen = camera.project(points)
    pixels[seen].sum().backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
    assert (points.grad[: len(HOPELESS)] == 0).all() and (points.grad[-1] != 0).any()


def test_pixels_outside_the_image_are_not_valid(camera: Camera) -> None:
    w, h = camera.width, camera.height
    outside = np.array([[-0.51, 5], [w - 0.49, 5], [5, -0.51], [5, h - 0.49]])
    assert not camera.unproject(outside)[1].any()
    directions, _ = camera.unproject(outside)
    exists = ~np.isnan(directions[:, 0])
    pixels, seen = camera.project(directions[exists])
    np.testing.assert_allclose(pixels, outside[exists], atol=1e-6)
    assert not seen.any()


@pytest.mark.parametrize("batch", [(), (0,), (5,), (2, 3)], ids=str)
def test_tensors_give_what_arrays_give_in_any_batch(
    small_camera: Camera, batch: tuple[int, ...]
) -> None:
    points = np.random.default_rng(1).normal(size=(*batch, 3)) + [0, 0, 2]
    pixels, seen = small_camera.project(points)
    t_pixels, t_seen = small_camera.project(torch.tensor(points))
    assert pixels.shape == (*batch, 2) and seen.shape == batch
    np.testing.assert_allclose(t_pixels.numpy(), pixels, atol=1e-10)
    np.testing.assert_array_equal(t_seen.numpy(), seen)
    directions, valid = small_camera.unproject(pixels)
    t_directions, t_valid = small_camera.unproject(torch.tensor(pixels))
    assert directions.shape == (*batch, 3) and valid.shape == batch
    np.testing.assert_allclose(t_directions.numpy(), directions, atol=1e-10)
    np.testing.assert_array_equal(t_valid.numpy(), valid)


def test_single_precision_stays_single_and_near(camera: Camera) -> None:
    points = seen_points(camera)
    pixels, _ = camera.project(points.astype(np.float32))
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, camera.project(points)[0], atol=0.02)
    directions, valid = camera.unproject(pixels)
    assert directions.dtype == np.float32 and valid.all()


def test_whole_numbers_are_welcome(small_camera: Camera) -> None:
    u, v = int(small_camera.cx), int(small_camera.cy)
    whole, valid = small_camera.unproject(np.array([[u, v]]))
    assert valid.all()
    np.testing.assert_array_equal(whole, small_camera.unproject(np.array([[u, v]], float))[0])
    assert small_camera.project(np.array([[0, 0, 3]]))[1].all()


def test_cameras_compare_and_travel(camera: Camera) -> None:
    camera.rays() if camera.width < 1000 else camera.project(np.ones((1, 3)))
    there = pickle.loads(pickle.dumps(camera))
    assert there == camera and hash(there) == hash(camera)
    assert replace(camera, cx=camera.cx + 1e-12) != camera


PINHOLE = {"width": 8, "height": 6, "fx": 5.0, "fy": 5.0, "cx": 3.5, "cy": 2.5}


@pytest.mark.parametrize("kind", [PinholeCamera, FisheyeCamera])
@pytest.mark.parametrize(
    "wrong",
    [{"width": 0}, {"height": -1}, {"fx": 0.0}, {"fy": -2.0}, {"cx": np.nan}, {"k1": np.inf}],
    ids=str,
)
def test_impossible_numbers_are_refused_by_name(kind: type, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} .*{next(iter(wrong.values()))}"):
        kind(**{**PINHOLE, **wrong})


@pytest.mark.parametrize("window", [(-1, 0, 4, 4), (0, 3, 4, 4), (5, 0, 4, 4), (0, 0, 0, 2)])
def test_a_window_outside_the_image_is_refused(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="does not lie in the image"):
        PinholeCamera(**PINHOLE).crop(*window)


@pytest.mark.parametrize("kind", [PinholeCamera, FisheyeCamera])
@pytest.mark.parametrize(
    "wrong",
    [{"width": 1.5}, {"width": 8.0}, {"height": True}, {"width": 10**30}, {"height": "6"},
     {"fx": 1e10}, {"cx": -1e10}, {"k1": 10**400}, {"cy": None}],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_what_is_no_fitting_number_is_refused_by_name(
    unchecked: None, kind: type, wrong: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be"):
        kind(**{**PINHOLE, **wrong})


@pytest.mark.parametrize("kind", [PinholeCamera, FisheyeCamera])
def test_sides_are_kept_as_plain_integers(unchecked: None, kind: type) -> None:
    camera = kind(**{**PINHOLE, "width": np.int64(8)})
    assert type(camera.width) is int and type(camera.resize(np.int32(4), 3).width) is int


@pytest.mark.parametrize("kind", [PinholeCamera, FisheyeCamera])
def test_windows_and_sizes_are_whole_pixels(unchecked: None, kind: type) -> None:
    camera = kind(**PINHOLE)
    for size in ((1.5, 2), (0, 2), (-5, 5), (np.nan, 4), (True, 4), (10**30, 1)):
        with pytest.raises(BadInput, match="^width: .*remedy"):
            camera.resize(*size)
        with pytest.raises(BadInput, match="^height: .*remedy"):
            camera.resize(*size[::-1])
    for window in ((0.5, 0, 4, 4), (np.nan, 0, 1, 1), (True, 0, 4, 4)):
        with pytest.raises(BadInput, match="^left: .*whole.*remedy"):
            camera.crop(*window)
    with pytest.raises(BadInput, match="^window: .*does not lie in the image.*remedy"):
        camera.crop(0, 0, 10**6, 4)


@pytest.mark.parametrize("width", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.ones, torch.ones], ids=["numpy", "torch"])
def test_points_have_three_numbers_and_pixels_two(
    unchecked: None, camera: Camera, width: int, kind: Callable[[tuple[int, int]], object]
) -> None:
    if width != 3:
        with pytest.raises(BadInput, match="^points_camera: has the shape .*remedy"):
            camera.project(kind((4, width)))
    if width != 2:
        with pytest.raises(BadInput, match="^pixels: has the shape .*remedy"):
            camera.unproject(kind((4, width)))


def test_lists_are_no_arrays(unchecked: None, camera: Camera) -> None:
    with pytest.raises(
        TypeError, match="points_camera must be a NumPy array or a tensor, got list"
    ):
        camera.project([[1.0, 1.0, 5.0]])

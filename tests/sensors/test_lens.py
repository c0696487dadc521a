"""Distortion against the textbook formulas, and the fold against a slow walk outwards."""

from pathlib import Path

import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.sensors.camera import FisheyeCamera, FThetaCamera, PinholeCamera
from roadloom.sensors.lens_curve import LensCurve


def brown_conrady(c: PinholeCamera, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Straight from the formula, as OpenCV's documentation of ``projectPoints`` writes it."""
    r2 = x**2 + y**2
    radial = 1 + c.k1 * r2 + c.k2 * r2**2 + c.k3 * r2**3
    x_d = x * radial + 2 * c.p1 * x * y + c.p2 * (r2 + 2 * x**2)
    y_d = y * radial + c.p1 * (r2 + 2 * y**2) + 2 * c.p2 * x * y
    return np.stack([c.fx * x_d + c.cx, c.fy * y_d + c.cy], axis=-1)


def rises_all_the_way(c: PinholeCamera, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Walk from the axis to (x, y): is the lens right way round and not folded at every step?

    The Jacobian by central differences; its determinant and trace must stay positive.
    """
    share = np.linspace(0, 1, 400)[:, None]
    x, y, h = share * x, share * y, 1e-6
    scale = np.array([c.fx, c.fy])
    dx = (brown_conrady(c, x + h, y) - brown_conrady(c, x - h, y)) / (2 * h) / scale
    dy = (brown_conrady(c, x, y + h) - brown_conrady(c, x, y - h)) / (2 * h) / scale
    determinant = dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0]
    return ((determinant > 0) & (dx[..., 0] + dy[..., 1] > 0)).all(axis=0)


def test_pinhole_is_the_textbook_formula_and_folds_where_a_walk_does(
    small_pinhole: PinholeCamera,
) -> None:
    x, y = np.random.default_rng(0).uniform(-3, 3, (2, 4000))
    pixels, seen = small_pinhole.project(np.stack([x, y, np.ones_like(x)], -1))
    expected = brown_conrady(small_pinhole, x, y)
    unfolded = rises_all_the_way(small_pinhole, x, y)
    there = ~np.isnan(pixels[:, 0])
    np.testing.assert_allclose(pixels[there], expected[there], atol=1e-9)
    np.testing.assert_array_equal(there, unfolded)
    np.testing.assert_array_equal(seen, unfolded & small_pinhole.contains(expected))


def test_every_pixel_inside_the_fold_is_valid_and_no_other(small_pinhole: PinholeCamera) -> None:
    directions, valid = small_pinhole.rays()
    reached = directions[valid][::5]
    x, y = reached[:, 0] / reached[:, 2], reached[:, 1] / reached[:, 2]
    assert len(x) > 500 and rises_all_the_way(small_pinhole, x, y).all()
    # Conversely: every pixel that some unfolded direction falls close to is valid.
    radius, angle = np.meshgrid(np.linspace(0, 3, 700), np.linspace(0, 2 * np.pi, 700))
    x, y = (radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()
    inside = rises_all_the_way_quickly(small_pinhole, radius, angle)
    hit = brown_conrady(small_pinhole, x, y)[inside]
    nearest = np.rint(hit).astype(int)
    close = (abs(hit - nearest).max(-1) < 0.02) & small_pinhole.contains(nearest.astype(float))
    assert close.sum() > 20
    u, v = nearest[close].T
    assert valid[v, u].mean() > 0.999  # a pixel next to the fold may itself lie past it


def rises_all_the_way_quickly(
    c: PinholeCamera, radius: np.ndarray, angle: np.ndarray
) -> np.ndarray:
    """The same walk for a whole polar grid, whose rows are walks."""
    x, y, h = radius * np.cos(angle), radius * np.sin(angle), 1e-6
    dx = brown_conrady(c, x + h, y) - brown_conrady(c, x - h, y)
    dy = brown_conrady(c, x, y + h) - brown_conrady(c, x, y - h)
    determinant = dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0]
    good = (determinant > 0) & (dx[..., 0] / c.fx + dy[..., 1] / c.fy > 0)
    return np.logical_and.accumulate(good, axis=1).ravel()


@pytest.mark.parametrize("k1", [-0.3, -0.02])
def test_a_barrel_folds_at_the_root_of_its_slope(k1: float) -> None:
    """d/dr (r + k1 r^3) = 0 at r = 1 / sqrt(-3 k1)."""
    fold = 1 / np.sqrt(-3 * k1)
    camera = PinholeCamera(width=2000, height=2000, fx=50.0, fy=50.0, cx=1e3, cy=1e3, k1=k1)
    points = np.array([[fold - 1e-9, 0, 1], [fold + 1e-9, 0, 1], [5 * fold, 0, 1]])
    assert camera.project(points)[1].tolist() == [True, False, False]
    rim = 50.0 * (fold + k1 * fold**3)
    pixels = np.array([[1e3 + rim - 1e-6, 1e3], [1e3 + rim + 1e-6, 1e3]])
    assert camera.unproject(pixels)[1].tolist() == [True, False]


@pytest.mark.parametrize(
    ("coefficients", "fold"),
    [
        ((0.0,), np.inf),
        ((0.5, 0.3), np.inf),
        ((-1 / 3,), 1.0),
        ((-1.0, 0.3), np.sqrt((3 - np.sqrt(3.0)) / 3)),  # 1 - 3 s + 1.5 s^2, the nearer root
        ((-2 / 3, 0.2), 1.0),  # 1 - 2 s + s^2: it only touches zero, and stops rising there
    ],
    ids=str,
)
def test_fold_of_a_curve(coefficients: tuple[float, ...], fold: float) -> None:
    assert LensCurve(coefficients=coefficients).fold == pytest.approx(fold, rel=1e-6)


@pytest.mark.parametrize("degrees", [0.0, 1e-7, 30.0, 89.0, 90.0, 91.0, 95.0, 120.0, 179.0])
def test_a_fisheye_without_distortion_maps_angle_to_radius(degrees: float) -> None:
    camera = FisheyeCamera(width=800, height=800, fx=100.0, fy=80.0, cx=400.0, cy=400.0)
    t, turn = np.radians(degrees), 0.7
    point = 3 * np.array([np.sin(t) * np.cos(turn), np.sin(t) * np.sin(turn), np.cos(t)])
    pixel, seen = camera.project(point)
    expected = [400 + 100 * t * np.cos(turn), 400 + 80 * t * np.sin(turn)]
    np.testing.assert_allclose(pixel, expected, atol=1e-9)
    assert seen
    np.testing.assert_allclose(camera.unproject(pixel)[0], point / 3, atol=1e-9)


def test_a_fisheye_ends_at_its_angle_and_at_its_fold() -> None:
    size = {"width": 4000, "height": 4000, "fx": 100.0, "fy": 100.0, "cx": 2e3, "cy": 2e3}
    for camera, limit in (
        (FisheyeCamera(**size, max_angle_rad=1.6), 1.6),
        (FisheyeCamera(**size, k1=-0.1), np.sqrt(1 / 0.3)),
        (FisheyeCamera(**size, k1=-0.1, max_angle_rad=1.2), 1.2),
    ):
        angles = limit + np.array([-1e-9, 1e-9])
        points = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], -1)
        assert camera.project(points)[1].tolist() == [True, False]
        assert camera.limit_rad == pytest.approx(limit)
    with pytest.raises(ValueError, match="max_angle_rad.*4"):
        FisheyeCamera(**size, max_angle_rad=4.0)


def test_a_pinhole_never_sees_behind(small_pinhole: PinholeCamera) -> None:
    behind = np.random.default_rng(0).normal(size=(2000, 3))
    behind[:, 2] = -abs(behind[:, 2])
    pixels, seen = small_pinhole.project(behind)
    assert not seen.any() and np.isnan(pixels).all()


def test_every_pixel_of_the_real_av2_lenses_is_valid(real_data: Path) -> None:
    """They bend strongly (k1 -0.28) but none of the nine folds inside its image."""
    feather = pytest.importorskip("pyarrow.feather")
    tables = sorted(real_data.glob("av2/sensor/*/*/calibration/intrinsics.feather"))
    if not tables:
        pytest.skip(f"no AV2 log under {real_data}")
    rows = feather.read_table(tables[0]).to_pylist()
    assert len(rows) == 9
    for i, row in enumerate(rows):
        camera = PinholeCamera(
            width=row["width_px"], height=row["height_px"],
            fx=row["fx_px"], fy=row["fy_px"], cx=row["cx_px"], cy=row["cy_px"],
            k1=row["k1"], k2=row["k2"], k3=row["k3"],
        )  # fmt: skip
        step = 1 if i == 0 else 3  # one of them pixel by pixel
        u = np.append(np.arange(-0.5, camera.width - 0.5, step), camera.width - 0.5)
        v = np.append(np.arange(-0.5, camera.height - 0.5, step), camera.height - 0.5)
        pixels = np.stack(np.meshgrid(u, v), axis=-1)
        directions, valid = camera.unproject(pixels)
        assert valid.all(), row["sensor_name"]
        back, seen = camera.project(directions)
        assert seen.all() and abs(back - pixels).max() < 1e-6, row["sensor_name"]


def test_f_theta_is_its_polynomial_of_pixels() -> None:
    c = [0.0, 950.0, 12.5, -31.0, 4.0, -0.7, 0.02]
    camera = FThetaCamera.from_pixels(c, width=1920, height=1208, cx=958.3, cy=601.2)
    angle, turn = np.linspace(0.01, 0.9, 40), np.linspace(0, 6, 40)
    points = np.stack(
        [np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], axis=-1
    )
    pixels, _ = camera.project(7.3 * points)
    radius = sum(value * angle**i for i, value in enumerate(c))
    expected = np.stack([radius * np.cos(turn) + 958.3, radius * np.sin(turn) + 601.2], axis=-1)
    np.testing.assert_allclose(pixels, expected, atol=1e-9)


@pytest.mark.parametrize("c", [[0.0], [1.0, 900.0], [0.0, -900.0], [0.0, float("nan")], [0.0] * 8])
def test_f_theta_refuses_what_is_no_polynomial_of_angles(c: list[float]) -> None:
    with pytest.raises(BadInput, match="angle_to_pixels"):
        FThetaCamera.from_pixels(c, width=10, height=10, cx=4.5, cy=4.5)

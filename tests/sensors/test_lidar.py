"""Where and when a spinning LiDAR fires, by exact answers; range images there and back."""

import pickle
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from roadloom.errors import BadInput
from roadloom.sensors.lidar import SpinningLidar
from roadloom.sensors.presets import preset


def device(**changes: Any) -> SpinningLidar:
    """Four columns of three beams in 0.4 s, clockwise from straight ahead."""
    values: dict[str, Any] = {
        "name": "toy",
        "elevations_rad": np.radians([-30.0, 0.0, 45.0]),
        "azimuth_offsets_rad": np.zeros(3),
        "firing_offsets_s": np.zeros(3),
        "columns": 4,
        "turn_s": 0.4,
        "direction": "clockwise",
        "start_azimuth_rad": 0.0,
        "min_range_m": 1.0,
        "max_range_m": 100.0,
    }
    return SpinningLidar(**{**values, **changes})


DEVICES = {
    "HDL-32E": preset("nuscenes").lidars[0].lidar,
    "VLP-32C": preset("av2").lidars[0].lidar,
    "VLP-32C upside down": preset("av2").lidars[1].lidar,
}


@pytest.fixture(params=DEVICES)
def lidar(request: pytest.FixtureRequest) -> SpinningLidar:
    found = DEVICES[request.param]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("direction", "second"), [("clockwise", [0, -1, 0]), ("counter-clockwise", [0, 1, 0])]
)
def test_a_quarter_of_a_turn_a_column(direction: str, second: list[int]) -> None:
    """Clockwise seen from +z goes from forward (x) to the right (-y)."""
    directions, time_ns = device(direction=direction).rays()
    middle = directions[:, 1]
    np.testing.assert_allclose(middle[0], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(middle[1], second, atol=1e-15)
    np.testing.assert_allclose(middle[2], [-1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(directions[0, 2], [0.5**0.5, 0, 0.5**0.5])
    np.testing.assert_allclose(directions[0, 0, 2], -0.5)
    np.testing.assert_array_equal(time_ns, np.arange(4)[:, None] * 100_000_000 + [0, 0, 0])


def test_a_beam_that_fires_later_points_further_on() -> None:
    """A tenth of the turn later is 36 degrees on; an offset of the laser turns it the other way."""
    toy = device(
        firing_offsets_s=np.array([0.0, 0.04, 0.0]),
        azimuth_offsets_rad=np.radians([0.0, 0.0, 10.0]),
        start_azimuth_rad=np.pi / 2,
    )
    directions, time_ns = toy.rays()
    azimuth = np.degrees(np.arctan2(directions[0, :, 1], directions[0, :, 0]))
    np.testing.assert_allclose(azimuth, [90.0, 54.0, 100.0])
    assert time_ns[0].tolist() == [0, 40_000_000, 0]


def test_rays_turn_evenly_with_time(lidar: SpinningLidar) -> None:
    directions, time_ns = lidar.rays()
    assert directions.shape == (lidar.columns, lidar.beams, 3)
    assert time_ns.dtype == np.int64
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1.0)
    np.testing.assert_allclose(
        np.arcsin(directions[..., 2]), np.tile(lidar.elevations_rad, (lidar.columns, 1))
    )
    sign = -1 if lidar.direction == "clockwise" else 1
    azimuth = np.arctan2(directions[..., 1], directions[..., 0])
    housing = azimuth - lidar.azimuth_offsets_rad - sign * 2 * np.pi * time_ns / 1e9 / lidar.turn_s
    error = np.angle(np.exp(1j * (housing - lidar.start_azimuth_rad)))
    assert abs(error).max() < 1e-6  # half a nanosecond of rounding
    assert time_ns.min() == 0 and time_ns.max() < lidar.turn_s * 1e9


def test_range_image_there_and_back(lidar: SpinningLidar) -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(5, 90, (lidar.columns, lidar.beams))
    image[rng.random(image.shape) < 0.3] = np.nan
    points, ring, column = lidar.points_of(image)
    assert len(points) == np.isfinite(image).sum()
    np.testing.assert_allclose(lidar.range_image(points, ring, column), image, rtol=1e-14)
    np.testing.assert_array_equal(lidar.nearest_column(points, ring), column)
    shuffled = rng.permutation(len(points))
    again = lidar.range_image(points[shuffled], ring[shuffled], column[shuffled])
    np.testing.assert_allclose(again, image, rtol=1e-14)


def test_points_come_column_by_column_on_their_rays() -> None:
    toy = device()
    image = np.arange(1.0, 13.0).reshape(4, 3)
    points, ring, column = toy.points_of(image)
    assert (
        ring.tolist() == [0, 1, 2] * 4 and column.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    )
    np.testing.assert_allclose(points.reshape(4, 3, 3), toy.rays()[0] * image[..., None])


def test_the_nearest_of_two_points_wins_and_the_range_is_kept_to() -> None:
    toy = device()
    ranges = np.array([9.0, 4.0, 6.0, 0.5, 101.0, 1.0, 100.0])
    points = ranges[:, None] * np.array([1.0, 0, 0])
    ring, column = np.array([1, 1, 1, 0, 2, 0, 2]), np.array([0, 0, 0, 0, 0, 3, 3])
    image = toy.range_image(points, ring, column)
    expected = np.full((4, 3), np.nan)
    expected[0, 1], expected[3, 0], expected[3, 2] = 4.0, 1.0, 100.0
    np.testing.assert_array_equal(image, expected)
    assert np.isnan(toy.range_image(points[:0], ring[:0], column[:0])).all()


def test_the_nearest_column_is_the_nearest() -> None:
    toy = device(columns=8)
    angles = -2 * np.pi / 8 * np.array([0.0, 0.4, 0.6, 3.49, 3.51, 7.4, 7.6, -0.4])
    points = 5 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], -1)
    column = toy.nearest_column(points, np.ones(8, int))
    assert column.tolist() == [0, 0, 1, 3, 4, 7, 0, 0]


def test_tensors_in_tensors_out_with_gradients() -> None:
    toy = device()
    image = torch.full((4, 3), float("nan"), dtype=torch.float64)
    image[1, 1], image[2, 0] = 7.0, 9.0
    points, ring, column = toy.points_of(image.requires_grad_())
    assert isinstance(points, torch.Tensor) and ring.dtype == torch.int64
    back = toy.range_image(points, ring, column)
    seen = ~torch.isnan(back)
    back[seen].sum().backward()
    assert image.grad is not None
    np.testing.assert_allclose(image.grad.numpy(), seen.numpy().astype(float))
    np.testing.assert_array_equal(toy.nearest_column(points.detach(), ring), column)
    assert toy.range_image(points.float(), ring, column).dtype == torch.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.range_image(np.ones((1, 3)), np.array([3]), np.array([0])), "ring 3"),
        (lambda d: d.range_image(np.ones((1, 3)), np.array([-1]), np.array([0])), "ring -1"),
        (lambda d: d.range_image(np.ones((1, 3)), np.array([0]), np.array([4])), "column 4"),
        (lambda d: d.nearest_column(np.ones((1, 3)), np.array([9])), "ring 9"),
        (lambda d: d.points_of(np.ones((3, 4))), r"\(4, 3\)"),
    ],
)
def test_what_is_not_the_devices_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(device())


@pytest.mark.parametrize(
    "wrong",
    [
        {"azimuth_offsets_rad": np.zeros(2)},
        {"firing_offsets_s": np.array([0.0, np.nan, 0.0])},
        {"firing_offsets_s": np.array([0.0, 0.4, 0.0])},
        {"firing_offsets_s": np.array([0.0, -0.1, 0.0])},
        {"columns": 0},
        {"turn_s": 0.0},
        {"turn_s": np.inf},
        {"start_azimuth_rad": np.nan},
        {"min_range_m": 100.0},
        {"max_range_m": np.inf},
    ],
    ids=str,
)
def test_impossible_devices_are_refused_by_field(wrong: dict[str, Any]) -> None:
    """The shape checker of the tests is there before us where tables differ in length."""
    with pytest.raises((ValueError, TypeCheckError), match=next(iter(wrong))):
        device(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"elevations_rad": np.float64(0.0)},
        {"elevations_rad": np.zeros((3, 1))},
        {"elevations_rad": np.zeros(0)},
        {"azimuth_offsets_rad": np.zeros(2)},
        {"firing_offsets_s": np.zeros((1, 3))},
        {"firing_offsets_s": 0.0},
        {"azimuth_offsets_rad": np.full(3, 1e10)},
        {"columns": 1.5},
        {"columns": True},
        {"columns": 10**30},
        {"turn_s": "1"},
        {"max_range_m": 10**400},
        {"start_azimuth_rad": 1e300},
        {"min_range_m": np.nan},
    ],
    ids=str,
)
def test_tables_and_numbers_that_do_not_fit_are_refused(
    unchecked: None, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} "):
        device(**wrong)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda d: d.range_image(np.ones((2, 3)), np.zeros(1, int), np.zeros(2, int)), "ring"),
        (lambda d: d.range_image(np.ones((2, 3)), np.zeros(2, int), np.zeros(1, int)), "column"),
        (lambda d: d.range_image(np.ones((2, 2)), np.zeros(2, int), np.zeros(2, int)), "points"),
        (lambda d: d.nearest_column(np.ones((2, 3)), np.zeros(1, int)), "ring"),
        (lambda d: d.nearest_column(np.ones(3), np.zeros(1, int)), "points"),
    ],
)
def test_one_ring_and_column_for_each_point(unchecked: None, call: Any, field: str) -> None:
    with pytest.raises(BadInput, match=f"^{field}.*has the shape.*remedy"):
        call(device())


def test_devices_compare_and_travel(lidar: SpinningLidar) -> None:
    there = pickle.loads(pickle.dumps(lidar))
    assert there == lidar and hash(there) == hash(lidar)
    assert lidar != "HDL-32E"
    for field in fields(lidar):
        value = getattr(lidar, field.name)
        if isinstance(value, np.ndarray):
            changed: Any = value + 1e-9
        elif isinstance(value, str):
            changed = "counter-clockwise" if value == "clockwise" else "clockwise"
        else:
            changed = value * 1.25 if isinstance(value, float) else value + 1
        assert replace(lidar, **{field.name: changed}) != lidar, field.name

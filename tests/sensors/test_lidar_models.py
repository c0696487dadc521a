"""LiDARs of 64 and 128 beams: the makers' rules, and laws of every device."""

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.pose import Pose
from roadloom.sensors.lidar import SpinningLidar
from roadloom.sensors.lidar_models import LIDAR_MODELS, PANDAR64_FIRING, lidar_model, uniform_lidar
from roadloom.sensors.rig import MountedLidar, Rig
from roadloom.sensors.rig_yaml import rig_from_yaml, rig_to_yaml

BEAMS = {"Pandar64": 64, "VLS-128": 128, "OS1-128": 128}


def elevations(name: str) -> np.ndarray:
    return np.degrees(lidar_model(name).elevations_rad)


def us(lidar: SpinningLidar) -> np.ndarray:
    return lidar.firing_offsets_s * 1e6


@pytest.mark.parametrize("name", LIDAR_MODELS)
def test_no_two_beams_are_one(name: str) -> None:
    lidar = lidar_model(name)
    assert lidar.name == name and lidar.beams == BEAMS[name]
    assert len(set(lidar.elevations_rad.tolist())) == lidar.beams
    # A column's shots are over when the next column begins.
    assert lidar.firing_offsets_s.max() < lidar.turn_s / lidar.columns


@pytest.mark.parametrize("name", LIDAR_MODELS)
def test_a_turn_starts_behind_and_goes_over_the_left(name: str) -> None:
    """Clockwise from above; the mean of the beams' offsets is nothing."""
    lidar = lidar_model(name)
    assert abs(np.degrees(lidar.azimuth_offsets_rad.mean())) < 0.3
    beam = int(np.argmin(abs(lidar.elevations_rad) + abs(lidar.azimuth_offsets_rad)))
    rays, time_ns = lidar.rays()
    assert rays[0, beam, 0] < -0.999
    assert rays[lidar.columns // 4, beam, 1] > 0.999
    np.testing.assert_allclose(time_ns[lidar.columns // 4, beam], 25e6, rtol=0, atol=1e5)
    turned = lidar_model(name, start_azimuth_deg=0.0).rays()[0]
    np.testing.assert_allclose(turned[..., :2], -rays[..., :2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [*LIDAR_MODELS, "uniform"])
def test_a_rig_keeps_the_device_in_yaml(name: str) -> None:
    made = uniform_lidar(beams=5, lowest_deg=-9.7, highest_deg=3.1, columns=77)
    lidar = made if name == "uniform" else lidar_model(name)
    mount = MountedLidar(name="ROOF", lidar=lidar, ego_from_lidar=Pose.identity())
    rig = Rig(name="mine", cameras=(), lidars=(mount,))
    assert rig_from_yaml(rig_to_yaml(rig)) == rig


def test_pandar64_by_its_manual() -> None:
    """-25 to +15 degrees, a sixth of a degree apart from -6 to +2; pairs fire together."""
    degrees, lidar = elevations("Pandar64"), lidar_model("Pandar64")
    np.testing.assert_allclose(degrees[[0, -1]], [15, -25], rtol=0, atol=0.12)
    assert (np.diff(degrees) < 0).all()
    np.testing.assert_allclose(np.diff(degrees[5:54]), -0.1685, rtol=0, atol=0.01)
    np.testing.assert_allclose(np.degrees(lidar.azimuth_step_rad), 0.2)
    assert sorted(channel for pair in PANDAR64_FIRING for channel in pair) == list(range(1, 65))
    times, counts = np.unique(us(lidar).round(3), return_counts=True)
    assert len(times) == 32 and (counts == 2).all()
    np.testing.assert_allclose(np.diff(times), [1.968] * 16 + [1.304] * 15, rtol=0, atol=0.002)
    # The driver's largest and least lead: channels 12 and 51, 54.668 - 3.62 us apart.
    np.testing.assert_allclose(us(lidar)[[11, 50]], [0, 51.048], rtol=0, atol=1e-9)
    # Neighbours in elevation look past each other, so that no two fire into one spot.
    assert (abs(np.diff(np.degrees(lidar.azimuth_offsets_rad)[6:54])) > 2).all()


def test_vls128_by_its_manual() -> None:
    """-25 to +15 degrees, 0.11 apart in the middle; sixteen groups of eight in 20 slots."""
    degrees, lidar = np.sort(elevations("VLS-128")), lidar_model("VLS-128")
    np.testing.assert_allclose(degrees[[0, -1]], [-25, 15], rtol=0, atol=1e-9)
    middle = degrees[(degrees > -6.6) & (degrees < 4.9)]
    assert len(middle) == 104
    np.testing.assert_allclose(np.diff(middle), 0.11, rtol=0, atol=1e-9)
    slots, counts = np.unique(np.rint(us(lidar) / 2.665).astype(int), return_counts=True)
    assert slots.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16]
    assert (counts == 8).all()
    assert lidar.columns == 1876  # of 53.3 us
    np.testing.assert_allclose(lidar.azimuth_offsets_rad[:8], -lidar.azimuth_offsets_rad[7::-1])


def test_os1_128_by_its_data_sheet() -> None:
    """45 degrees nominal, a third of a degree apart, in four staggered columns, all at once."""
    degrees, lidar = elevations("OS1-128"), lidar_model("OS1-128")
    np.testing.assert_allclose(np.diff(degrees), -0.337, rtol=0, atol=0.06)
    assert 42 < degrees[0] - degrees[-1] < 45
    assert lidar.columns == 1024 and not lidar.firing_offsets_s.any()
    # Staggered by 8 pixels of 1024 (pixel_shift_by_row in the unit's file), the first row most.
    pixels = -np.degrees(lidar.azimuth_offsets_rad[:4]) / (360 / 1024)
    np.testing.assert_allclose(pixels - pixels[3], [24, 16, 8, 0], rtol=0, atol=0.2)


def test_faster_turns_have_fewer_columns() -> None:
    assert lidar_model("Pandar64", turn_s=0.05).columns == 900
    assert lidar_model("VLS-128", turn_s=0.05).columns == 938
    assert lidar_model("VLS-128", turn_s=0.2).columns == 3752
    assert lidar_model("OS1-128", turn_s=0.05).columns == 1024


def test_uniform_beams_are_where_they_were_asked_for() -> None:
    lidar = uniform_lidar(
        beams=3, lowest_deg=-30.0, highest_deg=30.0, columns=4, turn_s=0.4,
        direction="counter-clockwise", start_azimuth_deg=90.0, min_range_m=0.0, max_range_m=5.0,
    )  # fmt: skip
    assert lidar.name == "uniform 3" and (lidar.min_range_m, lidar.max_range_m) == (0.0, 5.0)
    rays, time_ns = lidar.rays()
    half, root = 0.5, 0.75**0.5
    np.testing.assert_allclose(
        rays[0], [[0, root, half], [0, 1, 0], [0, root, -half]], rtol=0, atol=1e-15
    )
    np.testing.assert_allclose(rays[1, 1], [-1, 0, 0], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(time_ns, np.arange(4)[:, None] * np.full(3, 100_000_000))
    one = uniform_lidar(beams=1, lowest_deg=2.0, highest_deg=2.0, columns=4, name="lone")
    assert one.name == "lone" and one.beams == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"beams": 0}, "beams: a LiDAR has 1 to"),
        ({"beams": 10**9}, "beams: a LiDAR has 1 to"),
        ({"beams": True}, "beams must be a whole number"),
        ({"lowest_deg": 10.0}, "cannot spread"),
        ({"beams": 1}, "equal for one beam"),
        ({"lowest_deg": float("nan")}, "lowest_deg must be finite"),
        ({"lowest_deg": -91.0}, "lowest_deg must be at most 90"),
        ({"columns": 0}, "columns must be positive"),
        ({"max_range_m": 0.1}, "min_range_m"),
    ],
)
def test_impossible_devices_are_refused(change: dict[str, float], says: str) -> None:
    wish = {"beams": 16, "lowest_deg": -15.0, "highest_deg": 10.0, "columns": 900}
    with pytest.raises(ValueError, match=says):
        uniform_lidar(**{**wish, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "turn_s"),
    [("Pandar64", 0.2), ("VLS-128", 0.3), ("OS1-128", 0.01), ("OS1-128", float("nan"))],
)
def test_a_device_turns_as_its_maker_allows(name: str, turn_s: float) -> None:
    with pytest.raises(BadInput, match=f"{name} cannot turn once in {turn_s} s"):
        lidar_model(name, turn_s=turn_s)


def test_an_unknown_device_gets_the_list() -> None:
    with pytest.raises(MissingInput, match="'HDL-64E'.*Pandar64, VLS-128, OS1-128"):
        lidar_model("HDL-64E")

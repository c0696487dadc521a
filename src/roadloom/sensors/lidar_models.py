"""Spinning LiDARs of 64 and 128 beams, from what their makers publish, and evenly spread ones.

    lidar_model("Pandar64")  or  uniform_lidar(...)  ->  SpinningLidar  ->  MountedLidar in a rig

The tables are nominal or one unit's own; each unit is calibrated anew, by up to a tenth of a
degree. Beams are numbered as the makers number their channels, from 0. All lasers sit on the axis
of spin here; in the OS1-128 they sit 16 mm off it.

Sources. Signs: the makers count azimuth clockwise, ours is counter-clockwise.

Pandar64: elevations, azimuth offsets and firing times from Hesai's own driver
(https://github.com/HesaiTechnology/HesaiLidar_General_SDK,
src/PandarGeneralRaw/src/pandarGeneral_internal.cc, the laser that fires first has the largest
offset there; a cycle of 55.56 us is 0.2 degrees at 10 turns a second), range from
https://docs.ros.org/en/jazzy/p/nebula_hesai_decoders/generated/classnebula_1_1drivers_1_1Pandar64.html.

VLS-128 (Alpha Prime): angles, in the signs of the driver, and range from
https://github.com/ros-drivers/velodyne, velodyne_pointcloud/params/VLS128.yaml and
velodyne_pointcloud/config/VLS128-velodyne_transform_node-params.yaml; 16 groups of 8 lasers,
2.665 us apart, with a pause of one group after the eighth, in cycles of 53.3 us at 5 to 20 turns
a second: Velodyne's manual, 8.1 and 8.3 (https://www.easymanua.ls/velodyne/vls-128/manual?p=49).

OS1-128: angles of one unit in mode 1024x10, rounded to 0.01 (elevation) and 0.1 degrees, from
Ouster's own SDK (https://github.com/ouster-lidar/ouster-sdk,
tests/pcaps/OS-1-128_v2.3.0_1024x10.json); one measurement a column for all beams, directions as
in https://docs.ros.org/en/ros2_packages/humble/api/ros2_ouster/generated/program_listing_file_include_ros2_ouster_OS1_OS1_util.hpp.html;
range and 10 to 20 turns a second: Ouster's data sheet
(https://www.scribd.com/document/672435817/Ouster-OS1-Datasheet).
"""

from collections.abc import Sequence

import numpy as np

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.checks import finite, whole
from roadloom.sensors.lidar import Direction, SpinningLidar

LIDAR_MODELS = ("Pandar64", "VLS-128", "OS1-128")
"""What ``lidar_model`` knows."""

MOST_BEAMS = 4096
OS1_COLUMNS = 1024
PANDAR64_CYCLE_S = 55.56e-6
VLS128_CYCLE_S = 53.3e-6
VLS128_GROUP_US = 2.665

PANDAR64_ELEVATIONS_DEG = (
    14.882, 11.032, 8.059, 5.057, 3.040, 2.028, 1.860, 1.688, 1.522, 1.351, 1.184, 1.013, 0.846,
    0.675, 0.508, 0.337, 0.169, 0.000, -0.169, -0.337, -0.508, -0.675, -0.845, -1.013, -1.184,
    -1.351, -1.522, -1.688, -1.860, -2.028, -2.198, -2.365, -2.536, -2.700, -2.873, -3.040, -3.210,
    -3.375, -3.548, -3.712, -3.884, -4.050, -4.221, -4.385, -4.558, -4.720, -4.892, -5.057, -5.229,
    -5.391, -5.565, -5.726, -5.898, -6.061, -7.063, -8.059, -9.060, -9.885, -11.032, -12.006,
    -12.974, -13.930, -18.889, -24.897,
)  # fmt: skip
PANDAR64_FINE_CLOCKWISE_DEG = (1.042, 3.125, 5.208, -5.208, -3.125, -1.042)
"""In turn for channels 7 to 54; all others have -1.042."""
PANDAR64_FIRING = (
    (12, 40), (18, 38), (11, 26), (17, 32), (8, 23), (14, 29), (20, 35), (13, 28), (19, 34),
    (10, 25), (16, 31), (22, 37), (15, 30), (21, 36), (27, 42), (24, 33), (1, 44), (2, 46),
    (3, 52), (4, 50), (5, 48), (6, 54), (41, 58), (47, 62), (53, 64), (7, 56), (43, 59), (49, 63),
    (9, 55), (39, 57), (45, 60), (51, 61),
)  # fmt: skip
"""Channels, from 1, that fire together; first the 16 steps of 1.968 us, then those of 1.304."""

VLS128_ELEVATIONS_DEG = (
    -11.742, -1.99, 3.40, -5.29, -0.78, 4.61, -4.08, 1.31, -6.50, -1.11, 4.28, -4.41, 0.10, 6.48,
    -3.20, 2.19, -3.86, 1.53, -9.244, -1.77, 2.74, -5.95, -0.56, 4.83, -2.98, 2.41, -6.28, -0.89,
    3.62, -5.07, 0.32, 7.58, -0.34, 5.18, -3.64, 1.75, -25.0, -2.43, 2.96, -5.73, 0.54, 9.70,
    -2.76, 2.63, -7.65, -1.55, 3.84, -4.85, 3.18, -5.51, -0.12, 5.73, -4.30, 1.09, -16.042, -2.21,
    4.06, -4.63, 0.76, 15.0, -3.42, 1.97, -6.85, -1.33, -5.62, -0.23, 5.43, -3.53, 0.98, -19.582,
    -2.32, 3.07, -4.74, 0.65, 11.75, -2.65, 1.86, -7.15, -1.44, 3.95, -2.10, 3.29, -5.40, -0.01,
    4.50, -4.19, 1.20, -13.565, -1.22, 4.17, -4.52, 0.87, 6.08, -3.31, 2.08, -6.65, 1.42, -10.346,
    -1.88, 3.51, -6.06, -0.67, 4.72, -3.97, 2.30, -6.39, -1.00, 4.39, -5.18, 0.21, 6.98, -3.09,
    4.98, -3.75, 1.64, -8.352, -2.54, 2.85, -5.84, -0.45, 8.43, -2.87, 2.52, -6.17, -1.66, 3.73,
    -4.96, 0.43,
)  # fmt: skip
VLS128_GROUP_DEG = (-6.354, -4.548, -2.732, -0.911, 0.911, 2.732, 4.548, 6.354)
"""Azimuth offsets, counter-clockwise, of the eight lasers of every group."""

OS1_128_ELEVATIONS_DEG = (
    20.95, 20.67, 20.36, 20.03, 19.73, 19.41, 19.11, 18.76, 18.47, 18.14, 17.82, 17.50, 17.19,
    16.86, 16.53, 16.20, 15.89, 15.56, 15.23, 14.90, 14.57, 14.23, 13.90, 13.57, 13.25, 12.91,
    12.57, 12.22, 11.90, 11.55, 11.20, 10.87, 10.54, 10.18, 9.84, 9.51, 9.15, 8.81, 8.47, 8.11,
    7.78, 7.43, 7.08, 6.74, 6.39, 6.04, 5.70, 5.34, 4.98, 4.64, 4.29, 3.93, 3.58, 3.24, 2.88,
    2.53, 2.17, 1.82, 1.47, 1.12, 0.78, 0.41, 0.07, -0.28, -0.64, -0.99, -1.35, -1.70, -2.07,
    -2.40, -2.75, -3.11, -3.46, -3.81, -4.15, -4.50, -4.86, -5.22, -5.57, -5.90, -6.27, -6.61,
    -6.97, -7.30, -7.67, -8.01, -8.35, -8.69, -9.05, -9.38, -9.71, -10.07, -10.42, -10.76, -11.09,
    -11.43, -11.78, -12.12, -12.46, -12.78, -13.15, -13.46, -13.80, -14.12, -14.48, -14.79, -15.11,
    -15.46, -15.79, -16.12, -16.45, -16.76, -17.11, -17.44, -17.74, -18.06, -18.39, -18.72, -19.02,
    -19.32, -19.67, -19.99, -20.27, -20.57, -20.92, -21.22, -21.54, -21.82,
)  # fmt: skip
OS1_128_CLOCKWISE_DEG = (4.2, 1.4, -1.4, -4.2)
"""In turn for all beams."""


def lidar_model(
    name: str, *, turn_s: float = 0.1, start_azimuth_deg: float = 180.0
) -> SpinningLidar:
    """A device by its maker's name, one of ``LIDAR_MODELS``.

    Args:
        name: the device.
        turn_s: duration of a turn; lasers fire at their own pace, so a faster turn of a
            Pandar64 or a VLS-128 has fewer columns. The OS1-128 always has 1024.
        start_azimuth_deg: where the housing points when a turn starts; straight behind a device
            that stands straight ahead.

    Raises:
        MissingInput: there is no such device; the error names those there are.
        BadInput: the device does not turn so fast or so slowly.
        ValueError: an angle that is not finite.
    """
    if name not in LIDAR_MODELS:
        raise MissingInput(
            f"there is no LiDAR {name!r}", remedy=f"choose one of {', '.join(LIDAR_MODELS)}"
        )
    slowest = 0.2 if name == "VLS-128" else 0.1
    if not 0.05 <= turn_s <= slowest:
        raise BadInput(
            f"{name} cannot turn once in {turn_s} s",
            field="turn_s", remedy=f"choose 0.05 to {slowest} s",
        )  # fmt: skip
    make = {"Pandar64": _pandar64, "VLS-128": _vls128, "OS1-128": _os1_128}[name]
    return make(turn_s, start_azimuth_deg)


def uniform_lidar(
    *,
    beams: int,
    lowest_deg: float,
    highest_deg: float,
    columns: int,
    turn_s: float = 0.1,
    min_range_m: float = 0.5,
    max_range_m: float = 120.0,
    direction: Direction = "clockwise",
    start_azimuth_deg: float = 180.0,
    name: str | None = None,
) -> SpinningLidar:
    """A device of nobody's make: beams evenly spread in elevation, the highest one first, in one
    plane, and all fired at once.

    Args:
        beams, columns: rays a column, columns a turn.
        lowest_deg, highest_deg: elevations of the last beam and of the first; one beam needs
            both to be equal.
        turn_s, min_range_m, max_range_m, direction: as in ``SpinningLidar``.
        start_azimuth_deg: where the housing points when a turn starts.
        name: kind of device; by default "uniform" and the number of beams.

    Raises:
        BadInput: no beam or too many, or elevations that are not in order.
        ValueError: an elevation beyond 90 degrees, and what ``SpinningLidar`` refuses.
    """
    if not 1 <= whole(beams, "beams") <= MOST_BEAMS:
        raise BadInput(f"a LiDAR has 1 to {MOST_BEAMS} beams, got {beams}", field="beams")
    finite(lowest_deg, "lowest_deg", 90.0)
    finite(highest_deg, "highest_deg", 90.0)
    if not (lowest_deg < highest_deg if beams > 1 else lowest_deg == highest_deg):
        raise BadInput(
            f"{beams} beams cannot spread from {lowest_deg} to {highest_deg} degrees",
            field="lowest_deg", remedy="give lowest_deg below highest_deg; equal for one beam",
        )  # fmt: skip
    return _device(
        f"uniform {beams}" if name is None else name,
        np.linspace(highest_deg, lowest_deg, beams),
        np.zeros(beams),
        np.zeros(beams),
        columns=columns,
        turn_s=turn_s,
        start_azimuth_deg=start_azimuth_deg,
        range_m=(min_range_m, max_range_m),
        direction=direction,
    )


def _pandar64(turn_s: float, start_azimuth_deg: float) -> SpinningLidar:
    clockwise = np.full(64, -1.042)
    clockwise[6:54] = np.tile(PANDAR64_FINE_CLOCKWISE_DEG, 8)
    steps = np.concatenate([[0.0], np.full(16, 1.968), np.full(15, 1.304)])
    fired = np.zeros(64)
    fired[np.array(PANDAR64_FIRING) - 1] = np.cumsum(steps)[:, None]
    return _device(
        "Pandar64", PANDAR64_ELEVATIONS_DEG, -clockwise, fired,
        columns=round(turn_s / PANDAR64_CYCLE_S), turn_s=turn_s,
        start_azimuth_deg=start_azimuth_deg, range_m=(0.3, 200.0),
    )  # fmt: skip


def _vls128(turn_s: float, start_azimuth_deg: float) -> SpinningLidar:
    group = np.arange(16)
    fired = np.repeat((group + group // 8) * VLS128_GROUP_US, 8)
    return _device(
        "VLS-128", VLS128_ELEVATIONS_DEG, np.tile(VLS128_GROUP_DEG, 16), fired,
        columns=round(turn_s / VLS128_CYCLE_S), turn_s=turn_s,
        start_azimuth_deg=start_azimuth_deg, range_m=(0.4, 300.0),
    )  # fmt: skip


def _os1_128(turn_s: float, start_azimuth_deg: float) -> SpinningLidar:
    return _device(
        "OS1-128", OS1_128_ELEVATIONS_DEG, -np.tile(OS1_128_CLOCKWISE_DEG, 32), np.zeros(128),
        columns=OS1_COLUMNS, turn_s=turn_s,
        start_azimuth_deg=start_azimuth_deg, range_m=(0.8, 120.0),
    )  # fmt: skip


def _device(
    name: str,
    elevations_deg: Sequence[float] | np.ndarray,
    offsets_deg: np.ndarray,
    fired_us: np.ndarray,
    *,
    columns: int,
    turn_s: float,
    start_azimuth_deg: float,
    range_m: tuple[float, float],
    direction: Direction = "clockwise",
) -> SpinningLidar:
    return SpinningLidar(
        name=name,
        elevations_rad=np.radians(np.asarray(elevations_deg, dtype=np.float64)),
        azimuth_offsets_rad=np.radians(offsets_deg),
        firing_offsets_s=fired_us * 1e-6,
        columns=columns,
        turn_s=turn_s,
        direction=direction,
        start_azimuth_rad=float(np.radians(start_azimuth_deg)),
        min_range_m=range_m[0],
        max_range_m=range_m[1],
    )

"""CAN bus: laws of motion on a straight, on a circle, on a slope, at rest."""

import json

import numpy as np
import pytest
from tests.export.street_clip import SPEED, YAW, street_clip

from roadloom.export.nuscenes.can_bus import RATES_HZ, can_messages, files
from roadloom.export.nuscenes.can_motion import (
    GRAVITY,
    STEERING_RATIO,
    TRACK_WIDTH_M,
    WHEEL_RADIUS_M,
    WHEELBASE_M,
)
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, rotation_from_yaw

START = 1_600_000_000_000_000_000
SHIFT = np.array([100.0, 200.0, -5.0])


def track(
    speed: float = 8.0, bend: float = 0.0, slope: float = 0.0, gain: float = 0.0, hz: int = 100
) -> PoseTrack:
    """At ``speed`` + ``gain`` t along a circle of curvature ``bend``, up a slope [rad]."""
    times = START + np.arange(0, 6 * hz + 1, dtype=np.int64) * (1_000_000_000 // hz)
    t = (times - START) / 1e9
    way = speed * t + 0.5 * gain * t**2
    yaw = bend * way
    if bend:
        flat = np.stack([np.sin(yaw) / bend, (1 - np.cos(yaw)) / bend, 0 * t], axis=-1)
    else:
        flat = np.stack([way * np.cos(slope), 0 * t, way * np.sin(slope)], axis=-1)
    pitch = np.array(
        [[np.cos(slope), 0, -np.sin(slope)], [0, 1, 0], [np.sin(slope), 0, np.cos(slope)]]
    )
    return PoseTrack(time_ns=times, world_from_ego=Pose(rotation_from_yaw(yaw) @ pitch, flat))


def messages(ego: PoseTrack) -> dict:
    return can_messages(ego, SHIFT, START + 2 * 10**9, START + 4 * 10**9)


def column(found: dict, message: str, name: str) -> np.ndarray:
    return np.array([row[name] for row in found[message]])


def test_constant_speed_on_a_straight() -> None:
    found = messages(track(speed=8.0))
    assert np.allclose(column(found, "pose", "vel"), [8, 0, 0], atol=1e-6)
    assert np.allclose(column(found, "pose", "accel"), [0, 0, GRAVITY], atol=1e-4)
    assert np.allclose(column(found, "pose", "rotation_rate"), 0, atol=1e-9)
    assert np.allclose(column(found, "pose", "orientation"), [1, 0, 0, 0])
    assert np.allclose(column(found, "steeranglefeedback", "value"), 0)
    assert np.allclose(column(found, "vehicle_monitor", "vehicle_speed"), 28.8)
    rpm = 8.0 / (2 * np.pi * WHEEL_RADIUS_M) * 60
    for wheel in ("FL", "FR", "RL", "RR"):
        speeds = column(found, "zoe_veh_info", f"{wheel}_wheel_speed")
        assert np.abs(speeds - rpm).max() <= 0.0417 / 2 + 1e-6
    pos = column(found, "pose", "pos")
    seconds = (column(found, "pose", "utime") * 1000 - START) / 1e9
    assert np.allclose(pos, np.stack([8 * seconds, 0 * seconds, 0 * seconds], -1) + SHIFT)


@pytest.mark.parametrize("bend", [0.05, -0.05])
def test_a_circle_turns_steers_and_pulls(bend: float) -> None:
    speed = 6.0
    found = messages(track(speed=speed, bend=bend))
    assert np.allclose(column(found, "ms_imu", "rotation_rate"), [0, 0, speed * bend], atol=1e-6)
    pull = column(found, "ms_imu", "linear_accel")
    assert np.allclose(pull, [0, speed**2 * bend, GRAVITY], atol=2e-3)
    wheel = -STEERING_RATIO * np.arctan(WHEELBASE_M * bend)  # right is positive
    assert np.allclose(column(found, "steeranglefeedback", "value"), wheel, rtol=1e-3)
    per_rpm = 2 * np.pi * WHEEL_RADIUS_M / 60
    speeds = {
        wheel: column(found, "zoe_veh_info", f"{wheel}_wheel_speed") * per_rpm
        for wheel in ("FL", "FR", "RL", "RR")
    }
    for name, side in (("L", -1), ("R", 1)):
        arm = 1 / bend + side * TRACK_WIDTH_M / 2  # from the turning centre to the rear wheel
        assert np.allclose(speeds[f"R{name}"], speed * abs(arm * bend), atol=2e-3)
        front = np.hypot(arm, WHEELBASE_M)
        assert np.allclose(speeds[f"F{name}"], speed * front * abs(bend), atol=2e-3)
    yaw_rate = column(found, "vehicle_monitor", "yaw_rate")
    assert np.allclose(yaw_rate, np.degrees(speed * bend), atol=0.051)
    lateral = column(found, "zoe_veh_info", "transversal_accel")
    assert np.allclose(lateral, speed**2 * bend / GRAVITY, atol=0.0021)


def test_speeding_up_and_a_slope() -> None:
    found = messages(track(speed=3.0, gain=1.5))
    assert np.allclose(column(found, "zoe_veh_info", "longitudinal_accel"), 1.5, atol=1e-3)
    seconds = (column(found, "pose", "utime") * 1000 - START) / 1e9
    assert np.allclose(column(found, "pose", "vel")[:, 0], 3 + 1.5 * seconds, atol=1e-3)
    slope = messages(track(speed=8.0, slope=0.1))
    wanted = [GRAVITY * np.sin(0.1), 0, GRAVITY * np.cos(0.1)]
    assert np.allclose(column(slope, "ms_imu", "linear_accel"), wanted, atol=1e-3)
    assert np.allclose(column(slope, "pose", "vel"), [8, 0, 0], atol=1e-6)


def test_at_rest_the_steering_is_held() -> None:
    found = messages(track(speed=0.0))
    assert np.allclose(column(found, "steeranglefeedback", "value"), 0)
    assert np.allclose(column(found, "pose", "accel"), [0, 0, GRAVITY])


def test_a_vehicle_that_stops_in_a_bend_keeps_its_steering() -> None:
    bend = 0.05
    rolling = track(speed=6.0, bend=bend)
    stop = 300
    row = np.minimum(np.arange(len(rolling.time_ns)), stop)
    found = messages(PoseTrack(time_ns=rolling.time_ns, world_from_ego=rolling.world_from_ego[row]))
    standing = (
        column(found, "steeranglefeedback", "utime") * 1000 > rolling.time_ns[stop] + 2 * 10**8
    )
    wheel = -STEERING_RATIO * np.arctan(WHEELBASE_M * bend)
    held = column(found, "steeranglefeedback", "value")[standing]
    assert len(held) > 50 and np.allclose(held, wheel, rtol=1e-2)
    assert np.allclose(column(found, "zoe_veh_info", "odom_speed")[-50:], 0)


def test_reversing_keeps_speeds_positive_and_the_velocity_negative() -> None:
    found = messages(track(speed=-2.0))
    assert np.allclose(column(found, "pose", "vel")[:, 0], -2)
    assert np.allclose(column(found, "vehicle_monitor", "vehicle_speed"), 7.2)


def test_rates_span_and_statistics() -> None:
    found = messages(track())
    for name, rate in RATES_HZ.items():
        times = column(found, name, "utime")
        assert times.dtype == np.int64
        assert (np.diff(times) == 1_000_000 // rate).all()
        assert times[0] * 1000 == START + 10**9 and times[-1] * 1000 <= START + 5 * 10**9
        meta = found["meta"][name]
        assert meta["message_count"] == len(times)
        assert meta["message_freq"] == pytest.approx(rate)
    stats = found["meta"]["pose"]["var_stats"]["vel"]
    assert stats["mean"] == pytest.approx([8, 0, 0], abs=1e-9)
    assert set(stats) == {f"{p}{n}" for p in ("", "diff_") for n in ("max", "mean", "min", "std")}
    assert found["route"] == [row["pos"][:2] for row in found["pose"]]
    assert set(found) == {"meta", "route", *RATES_HZ}


def test_a_coarse_path_is_judged_over_its_own_steps() -> None:
    found = messages(track(speed=5.0, hz=2))
    assert np.allclose(column(found, "pose", "vel"), [5, 0, 0], atol=1e-9)


def test_a_path_too_short_gives_nothing() -> None:
    whole = track()
    short = PoseTrack(time_ns=whole.time_ns[:10], world_from_ego=whole.world_from_ego[:10])
    assert can_messages(short, SHIFT, START, START + 90_000_000) == {}
    one = PoseTrack(time_ns=whole.time_ns[:1], world_from_ego=whole.world_from_ego[:1])
    assert can_messages(one, SHIFT, START, START) == {}


def test_files_of_a_clip_repeat() -> None:
    found = files(street_clip(), SHIFT)
    assert found == files(street_clip(), SHIFT)
    pose = json.loads(found["pose"])
    assert pose[0]["vel"][0] == pytest.approx(SPEED, abs=1e-3)
    w, _, _, z = pose[0]["orientation"]
    assert 2 * np.arctan2(z, w) == pytest.approx(YAW)

"""The CAN bus expansion of nuScenes, as far as the vehicle's path tells it.

    clip, shift -> files -> can_bus/SCENE_MESSAGE.json

Fields, units and rates follow the expansion's published description. Only what follows from the
path is written: ``zoesensors`` (pedals), battery, signals, gear, brake and torque are not, and
their fields are absent. ``pose`` and ``ms_imu`` hold the specific force (9.8 m/s^2 upwards at
rest), as the published ones do; the IMU is taken to sit at the ego's origin along its axes.
``route`` is the driven way itself, without the 50 m before and after it.
"""

from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float

from roadloom.export.nuscenes.can_motion import (
    GRAVITY,
    STEERING_RATIO,
    WHEEL_RADIUS_M,
    Motion,
    motion_at,
)
from roadloom.geometry.interpolate import PoseTrack
from roadloom.scene.clip import Clip

RATES_HZ = {
    "ms_imu": 100,
    "pose": 50,
    "steeranglefeedback": 100,
    "vehicle_monitor": 2,
    "zoe_veh_info": 100,
}
AROUND_NS = 1_000_000_000
"""Messages begin before the first key frame and end after the last by this much, if the path
does."""
NS_PER_S = 1_000_000_000
KMH = 3.6
RPM_STEP = 0.0417

Message = dict[str, Any]


def can_messages(
    ego: PoseTrack, shift: Float[np.ndarray, "3"], start_ns: int, end_ns: int
) -> dict[str, Any]:
    """Every message that the path tells, by name; none where it is too short to tell a speed.

    Args:
        ego: the vehicle's path in the clip's world.
        shift: from the clip's world to the root's [m].
        start_ns: time of the first key frame.
        end_ns: of the last.
    """
    first = max(int(ego.time_ns[0]), start_ns - AROUND_NS)
    last = min(int(ego.time_ns[-1]), end_ns + AROUND_NS)
    found: dict[str, Any] = {}
    for name, rate in RATES_HZ.items():
        motion = motion_at(ego, np.arange(first, last + 1, NS_PER_S // rate, dtype=np.int64))
        if motion is None:
            return {}
        found[name] = _rows(motion, _COLUMNS[name](motion, shift))
    meta = {name: _statistics(rows) for name, rows in found.items()}
    route = [message["pos"][:2] for message in found["pose"]]
    return {"meta": meta, "route": route, **found}


def files(clip: Clip, shift: Float[np.ndarray, "3"]) -> dict[str, bytes]:
    """Message -> contents of its file; nothing where the path is too short to tell a speed."""
    start, end = int(clip.times_ns[0]), int(clip.times_ns[-1])
    messages = can_messages(clip.ego, shift, start, end)
    return {name: msgspec.json.encode(rows) for name, rows in messages.items()}


def _rows(motion: Motion, columns: dict[str, np.ndarray]) -> list[Message]:
    """One message per time: ``utime`` [us] and the columns."""
    columns = {"utime": motion.time_ns // 1000, **columns}
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]


def _imu(motion: Motion, shift: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "linear_accel": motion.force,
        "q": motion.quaternion,
        "rotation_rate": motion.turning,
    }


def _pose(motion: Motion, shift: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "accel": motion.force,
        "orientation": motion.quaternion,
        "pos": motion.world_from_ego.translation + shift,
        "rotation_rate": motion.turning,
        "vel": motion.velocity,
    }


def _wheel(motion: Motion) -> np.ndarray:
    """Turn of the steering wheel [rad], right positive as the published one."""
    return -STEERING_RATIO * motion.steering


def _feedback(motion: Motion, shift: np.ndarray) -> dict[str, np.ndarray]:
    return {"value": _wheel(motion)}


def _monitor(motion: Motion, shift: np.ndarray) -> dict[str, np.ndarray]:
    wheels = _rpm(motion)
    degrees = np.degrees(_wheel(motion))
    times = motion.time_ns / NS_PER_S
    speed = np.gradient(degrees, times) if len(times) > 1 else np.zeros(len(times))
    return {
        "rear_left_rpm": wheels[:, 2],
        "rear_right_rpm": wheels[:, 3],
        "steering": _to(degrees, 0.1),
        "steering_speed": np.round(speed),
        "vehicle_speed": _to(np.abs(motion.velocity[:, 0]) * KMH, 0.01),
        "yaw_rate": _to(np.degrees(motion.turning[:, 2]), 0.1),
    }


def _vehicle(motion: Motion, shift: np.ndarray) -> dict[str, np.ndarray]:
    names = ("FL_wheel_speed", "FR_wheel_speed", "RL_wheel_speed", "RR_wheel_speed")
    return {
        **{name: _rpm(motion)[:, i] for i, name in enumerate(names)},
        "longitudinal_accel": _to(motion.acceleration[:, 0], 0.05),
        "odom_speed": np.abs(motion.velocity[:, 0]) * KMH,
        "steer_corrected": np.degrees(_wheel(motion)),
        "transversal_accel": _to(motion.acceleration[:, 1] / GRAVITY, 0.004),
    }


_COLUMNS = {
    "ms_imu": _imu,
    "pose": _pose,
    "steeranglefeedback": _feedback,
    "vehicle_monitor": _monitor,
    "zoe_veh_info": _vehicle,
}


def _rpm(motion: Motion) -> np.ndarray:
    """Turns a minute of the four wheels, whichever way they roll."""
    turns = np.abs(motion.wheel_speeds()) / (2 * np.pi * WHEEL_RADIUS_M) * 60
    return _to(turns, RPM_STEP)


def _to(values: np.ndarray, step: float) -> np.ndarray:
    """At the resolution that the bus has."""
    return np.round(np.round(values / step) * step, 6) + 0.0


def _statistics(rows: list[Message]) -> Message:
    """What ``meta`` says of one kind of message."""
    utime = np.array([row["utime"] for row in rows], np.int64)
    timespan = float(utime[-1] - utime[0]) / 1e6
    return {
        "message_count": len(rows),
        "message_freq": (len(rows) - 1) / timespan if timespan else 0.0,
        "timespan": timespan,
        "var_stats": {
            name: _spread(np.array([row[name] for row in rows], np.float64))
            for name in rows[0]
            if name != "utime"
        },
    }


def _spread(values: np.ndarray) -> Message:
    steps = np.diff(values, axis=0) if len(values) > 1 else np.zeros_like(values)
    return {
        f"{prefix}{name}": getattr(column, name)(axis=0).tolist()
        for prefix, column in (("", values), ("diff_", steps))
        for name in ("max", "mean", "min", "std")
    }

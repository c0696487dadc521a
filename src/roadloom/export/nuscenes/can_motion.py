"""What a vehicle would measure of its own motion, from its path alone.

    PoseTrack, times -> motion_at -> velocity, specific force, turning, steering, wheel speeds

Derivatives are centred differences of the path over ``STEP_NS`` on either side; the path bends
little within. Steering and wheels follow the kinematic bicycle model at the rear axle (Rajamani,
Vehicle Dynamics and Control, 2012, section 2.2) with the measures of the car of nuScenes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, quaternion_from_rotation

STEP_NS = 100_000_000
GRAVITY = 9.80665
"""[m/s^2]"""
WHEELBASE_M = 2.588
"""Renault Zoe."""
TRACK_WIDTH_M = 1.5
"""Between the wheels of an axle, Renault Zoe, to the nearest 0.1 m."""
WHEEL_RADIUS_M = 0.31
"""Of a tyre 195/55 R16."""
STEERING_RATIO = 15.0
"""Turn of the steering wheel over turn of the front wheels; a usual figure, not measured."""
STANDING_MPS = 0.5
"""Slower than this the path does not tell the steering angle: the last one is held."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """Columns, one row per time; vectors in the ego frame unless said otherwise."""

    time_ns: Int64[np.ndarray, " time"]
    world_from_ego: Pose
    velocity: Float[np.ndarray, "time 3"]
    """[m/s]"""
    acceleration: Float[np.ndarray, "time 3"]
    """Of the vehicle over ground [m/s^2]."""
    turning: Float[np.ndarray, "time 3"]
    """[rad/s]"""
    steering: Float[np.ndarray, " time"]
    """Of the front wheels [rad], left positive."""

    @property
    def force(self) -> Float[np.ndarray, "time 3"]:
        """What an accelerometer reads: acceleration and what holds the weight [m/s^2]."""
        up = self.world_from_ego.rotation[:, 2, :]
        return self.acceleration + GRAVITY * up

    @property
    def quaternion(self) -> Float[np.ndarray, "time 4"]:
        """world_from_ego, w first."""
        return quaternion_from_rotation(self.world_from_ego.rotation)

    def wheel_speeds(self) -> Float[np.ndarray, "time 4"]:
        """Front left, front right, rear left, rear right [m/s], rolling without slip."""
        side = 0.5 * TRACK_WIDTH_M * self.turning[:, 2]
        forward, sideways = self.velocity[:, 0], WHEELBASE_M * self.turning[:, 2]
        left, right = forward - side, forward + side
        front = [np.copysign(np.hypot(v, sideways), v) for v in (left, right)]
        return np.stack([*front, left, right], axis=-1)


def motion_at(ego: PoseTrack, time_ns: Int64[np.ndarray, " time"]) -> Motion | None:
    """The motion at times within the path; None where the path is too short to tell any.

    At the path's ends, where no difference can be centred, the nearest that can stands in.
    """
    step = _step(ego)
    first, last = int(ego.time_ns[0]), int(ego.time_ns[-1])
    if last - first < 2 * step:
        return None
    middle = np.clip(time_ns, first + step, last - step)
    before, here, after = (ego.at(middle + offset) for offset in (-step, 0, step))
    seconds = step / 1e9
    over = (after.translation - before.translation) / (2 * seconds)
    bend = after.translation - 2 * here.translation + before.translation
    turned = (before.inverse() @ after).rotation
    turning = _rotation_vector(turned) / (2 * seconds)
    velocity = _into(here, over)
    return Motion(
        time_ns=time_ns,
        world_from_ego=ego.at(time_ns),
        velocity=velocity,
        acceleration=_into(here, bend / seconds**2),
        turning=turning,
        steering=_steering(velocity[:, 0], turning[:, 2]),
    )


def _step(ego: PoseTrack) -> int:
    """At least as long as the path's own steps: between two poses it has no second derivative."""
    if len(ego.time_ns) < 2:
        return STEP_NS
    return max(STEP_NS, int(np.median(np.diff(ego.time_ns))))


def _into(world_from_ego: Pose, vectors: np.ndarray) -> Float[np.ndarray, "time 3"]:
    return np.einsum("nji,nj->ni", world_from_ego.rotation, vectors)


def _rotation_vector(rotation: Float[np.ndarray, "time 3 3"]) -> Float[np.ndarray, "time 3"]:
    """Axis times angle [rad]."""
    wxyz = quaternion_from_rotation(rotation)
    wxyz = np.where(wxyz[:, :1] < 0, -wxyz, wxyz)
    sine = np.linalg.norm(wxyz[:, 1:], axis=1)
    angle = 2 * np.arctan2(sine, wxyz[:, 0])
    return wxyz[:, 1:] * np.where(sine > 0, angle / np.where(sine > 0, sine, 1), 2)[:, None]


def _steering(
    speed: Float[np.ndarray, " time"], yaw_rate: Float[np.ndarray, " time"]
) -> Float[np.ndarray, " time"]:
    """tan(angle) = wheelbase x curvature; held, or 0 at first, where the vehicle stands."""
    rolls = np.abs(speed) >= STANDING_MPS
    angle = np.arctan(WHEELBASE_M * yaw_rate / np.where(rolls, speed, 1))
    last = np.maximum.accumulate(np.where(rolls, np.arange(len(speed)), -1))
    return np.where(last >= 0, angle[last], 0.0)

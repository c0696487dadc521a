"""Poses and boxes between time stamps: positions run linearly, rotations along the shorter arc.

NumPy, float64. Nothing is extrapolated unless a tolerance is named.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose, quaternion_from_rotation, rotation_from_quaternion


@dataclass(frozen=True, kw_only=True, eq=False)
class PoseTrack:
    """The path of a vehicle: strictly rising times and a pose at each."""

    time_ns: Int64[np.ndarray, " time"]
    world_from_ego: Pose
    """Batch axis " time", NumPy float64."""

    def __post_init__(self) -> None:
        if not len(self.time_ns):
            raise ValueError("a pose track needs at least one pose")
        if len(self.world_from_ego.translation) != len(self.time_ns):
            raise ValueError("a pose track needs as many poses as times")
        if (np.diff(self.time_ns) <= 0).any():
            raise ValueError("time_ns of a pose track must rise strictly")

    def at(self, query_ns: Int64[np.ndarray, " query"], extrapolate_ns: int = 0) -> Pose:
        """world_from_ego at each query time; see ``interpolate_poses``."""
        return interpolate_poses(self.time_ns, self.world_from_ego, query_ns, extrapolate_ns)


def interpolate_poses(
    time_ns: Int64[np.ndarray, " time"],
    poses: Pose,
    query_ns: Int64[np.ndarray, " query"],
    extrapolate_ns: int = 0,
) -> Pose:
    """Pose at each query time, exact at the given times.

    Args:
        time_ns: strictly rising [ns].
        poses: batch axis " time".
        query_ns: [ns].
        extrapolate_ns: how far outside the range a query may lie. There the nearest two poses
            are continued at constant velocity; with a single pose that pose is held.

    Raises:
        BadInput: a query lies outside the range by more than ``extrapolate_ns``, or the times do
            not rise strictly.
    """
    if not len(time_ns) or (np.diff(time_ns) <= 0).any():
        raise BadInput("the times of poses must rise strictly, and be one or more", field="time_ns")
    early, late = time_ns[0] - query_ns, query_ns - time_ns[-1]
    outside = np.maximum(early, late)
    if len(query_ns) and outside.max() > extrapolate_ns:
        worst = int(query_ns[outside.argmax()])
        raise BadInput(
            f"{worst} ns lies outside the recorded {int(time_ns[0])} to {int(time_ns[-1])} ns",
            field="time_ns",
            remedy="ask for a time within the recording",
        )
    if len(time_ns) == 1:
        return poses[np.zeros(len(query_ns), np.int64)]
    after = np.clip(np.searchsorted(time_ns, query_ns, side="right"), 1, len(time_ns) - 1)
    before = after - 1
    share = (query_ns - time_ns[before]) / (time_ns[after] - time_ns[before])
    between = blend(poses[before], poses[after], share)
    # A query at a given time answers with that very pose, bit for bit.
    exact = np.where(share == 0, before, np.where(share == 1, after, -1))
    hit = exact >= 0
    between.rotation[hit] = poses.rotation[exact[hit]]
    between.translation[hit] = poses.translation[exact[hit]]
    return between


def blend(first: Pose, second: Pose, share: Float[np.ndarray, " batch"] | float) -> Pose:
    """``first`` at share 0, ``second`` at share 1, at constant velocities between and beyond."""
    share = np.asarray(share, np.float64)
    step = second.translation - first.translation
    turn = np.swapaxes(first.rotation, -1, -2) @ second.rotation  # first_from_second
    return Pose(first.rotation @ _power(turn, share), first.translation + share[..., None] * step)


def interpolate_boxes(
    first: Pose,
    first_size: Float[np.ndarray, "box 3"],
    second: Pose,
    second_size: Float[np.ndarray, "box 3"],
    share: Float[np.ndarray, " box"] | float,
) -> tuple[Pose, Float[np.ndarray, "box 3"]]:
    """Poses and sizes of the same boxes ``share`` of the way from the first to the second."""
    weight = np.asarray(share, np.float64)[..., None]
    return blend(first, second, share), (1 - weight) * first_size + weight * second_size


def _power(
    rotation: Float[np.ndarray, "*batch 3 3"], share: np.ndarray
) -> Float[np.ndarray, "*batch 3 3"]:
    """The same axis, ``share`` of the angle (half angle from the quaternion, w >= 0)."""
    wxyz = quaternion_from_rotation(rotation)
    sine = np.linalg.norm(wxyz[..., 1:], axis=-1)
    half = np.arctan2(sine, wxyz[..., 0])
    # sin(s h) / sin(h) tends to s as the angle vanishes.
    small = sine < 1e-12
    ratio = np.where(small, share, np.sin(share * half) / np.where(small, 1.0, sine))
    scaled = np.concatenate(
        [np.cos(share * half)[..., None], ratio[..., None] * wxyz[..., 1:]], axis=-1
    )
    return rotation_from_quaternion(scaled)

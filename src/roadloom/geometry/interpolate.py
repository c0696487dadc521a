"""Poses and boxes between time stamps: positions run linearly, rotations along the shorter arc.

NumPy, float64. Nothing is extrapolated unless a tolerance is named.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose, quaternion_from_rotation, rotation_from_quaternion

LAST_NS = 2**63 - 1
"""The largest time and the longest span that int64 holds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PoseTrack:
    """The path of a vehicle: strictly rising times and a pose at each."""

    time_ns: Int64[np.ndarray, " time"]
    world_from_ego: Pose
    """Batch axis " time", NumPy float64."""

    def __post_init__(self) -> None:
        """Raises ``BadInput``: no time, times that do not rise, or other numbers of poses."""
        _check_path(_times(self.time_ns, "time_ns"), self.world_from_ego)

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
        BadInput: a query lies outside the range by more than ``extrapolate_ns``, the times do not
            rise strictly, are not as many as the poses, or are no whole numbers in one axis.
    """
    time_ns, query_ns = _times(time_ns, "time_ns"), _times(query_ns, "query_ns")
    _check_path(time_ns, poses)
    _check_within(time_ns, query_ns, extrapolate_ns)
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


def _times(value: np.ndarray, field: str) -> np.ndarray:
    """One axis of int64; a float holds no time stamp of today to the nanosecond."""
    times = np.asarray(value)
    if times.ndim != 1 or times.dtype.kind not in "iu":
        raise BadInput(
            f"holds {times.dtype} in the shape {times.shape}",
            field=field,
            remedy="give an array of int64 nanoseconds with one axis",
        )
    if times.dtype == np.uint64 and times.size and int(times.max()) > LAST_NS:
        raise BadInput(f"{int(times.max())} ns is beyond int64", field=field)
    return times.astype(np.int64, copy=False)


def _check_path(time_ns: np.ndarray, poses: Pose) -> None:
    # Elements are compared: a difference may be more than int64 holds.
    if not len(time_ns) or (time_ns[1:] <= time_ns[:-1]).any():
        raise BadInput("the times of poses must rise strictly, and be one or more", field="time_ns")
    if int(time_ns[-1]) - int(time_ns[0]) > LAST_NS:
        raise BadInput("the times of poses span more than 292 years", field="time_ns")
    for part, axes in ((poses.rotation, 3), (poses.translation, 2)):
        if part.ndim != axes or len(part) != len(time_ns):
            raise BadInput(
                f"{part.shape} is the shape for {len(time_ns)} times",
                field="poses",
                remedy="give as many poses as times",
            )


def _check_within(time_ns: np.ndarray, query_ns: np.ndarray, extrapolate_ns: int) -> None:
    if not 0 <= extrapolate_ns <= LAST_NS:
        raise BadInput(
            f"{extrapolate_ns} ns is no tolerance",
            field="extrapolate_ns",
            remedy="give nanoseconds, 0 or more",
        )
    if not len(query_ns):
        return
    first, last = int(time_ns[0]), int(time_ns[-1])
    early, late = int(query_ns.min()), int(query_ns.max())
    worst = early if first - early > late - last else late
    if max(first - early, late - last) > extrapolate_ns:
        raise BadInput(
            f"{worst} ns lies outside the recorded {first} to {last} ns",
            field="time_ns",
            remedy="ask for a time within the recording",
        )
    if max(late - first, last - early) > LAST_NS:
        raise BadInput(
            f"{worst} ns lies more than 292 years from the recorded times", field="query_ns"
        )


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

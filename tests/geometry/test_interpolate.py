"""Poses between time stamps: exact at the knots, true to constant motion, blind to the origin."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.geometry.interpolate import PoseTrack, blend, interpolate_boxes, interpolate_poses
from roadloom.geometry.pose import Pose, rotation_from_quaternion, rotation_from_yaw

PoseMaker = Callable[..., Pose]
START = 1_532_402_927_647_951_000
"""A time stamp of nuScenes [ns]: float64 resolves only 256 ns there."""
TIMES = START + np.array([0, 50_000_000, 50_000_001, 120_000_000, 1_000_000_000])


def ns(*offsets: float) -> np.ndarray:
    return START + np.array(offsets, np.int64)


def track(random_pose: PoseMaker, far_m: np.ndarray | float = 0.0) -> Pose:
    poses = random_pose(0, (5,), spread=30.0)
    return Pose(poses.rotation, poses.translation + far_m)


def turned(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation by a vector of angles about one axis."""
    half = angle[..., None] / 2
    return rotation_from_quaternion(np.concatenate([np.cos(half), np.sin(half) * axis], axis=-1))


def assert_close(found: Pose, expected: Pose, atol: float) -> None:
    np.testing.assert_allclose(found.rotation, expected.rotation, atol=min(atol, 1e-12))
    np.testing.assert_allclose(found.translation, expected.translation, atol=atol)


def test_at_the_knots_it_is_the_knot_bit_for_bit(random_pose: PoseMaker, far_m: np.ndarray) -> None:
    poses = track(random_pose, far_m)
    order = np.array([3, 0, 4, 4, 2, 1])
    found = interpolate_poses(TIMES, poses, TIMES[order])
    assert (found.rotation == poses.rotation[order]).all()
    assert (found.translation == poses.translation[order]).all()


def test_constant_motion_is_reproduced_between_and_beyond(far_m: np.ndarray) -> None:
    """Straight at 30 m/s while turning at 0.7 rad/s about a skew axis."""
    axis = np.array([1.0, -2.0, 2.0]) / 3

    def motion(times: np.ndarray) -> Pose:
        t = (times - START) / 1e9
        return Pose(turned(axis, 0.7 * t), far_m + t[:, None] * np.array([30.0, -4.0, 0.5]))

    query = ns(1, 49_999_999, 50_000_000, 80_000_000, 999_999_999, -90_000_000, 1_100_000_000)
    found = interpolate_poses(TIMES, motion(TIMES), query, extrapolate_ns=100_000_000)
    assert_close(found, motion(query), atol=3e-8)


def test_half_way_is_half_the_turn_along_the_shorter_arc() -> None:
    """From 170 to -170 degrees the short way leads over 180, not over 0."""
    yaw = np.deg2rad([170.0, -170.0])
    poses = Pose(rotation_from_yaw(yaw), np.array([[0.0, 0, 0], [2, 4, 6]]))
    found = interpolate_poses(ns(0, 10), poses, ns(5))
    assert abs(np.rad2deg(found.yaw[0])) == pytest.approx(180)
    np.testing.assert_allclose(found.translation, [[1, 2, 3]])
    quarter = interpolate_poses(ns(0, 8), poses, ns(2))
    assert np.rad2deg(quarter.yaw[0]) == pytest.approx(175)


def test_turns_too_small_to_see_and_half_turns_stay_rotations() -> None:
    axis = np.array([0.0, 0.6, 0.8])
    for angle in (0.0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, np.pi - 1e-9, np.pi):
        ends = Pose(turned(axis, np.array([0.0, angle])), np.zeros((2, 3)))
        middle = interpolate_poses(ns(0, 4), ends, ns(1, 2, 3)).rotation
        np.testing.assert_allclose(middle @ middle.mT, np.tile(np.eye(3), (3, 1, 1)), atol=1e-14)
        if angle < 3:
            expected = turned(axis, angle * np.array([0.25, 0.5, 0.75]))
            np.testing.assert_allclose(middle, expected, rtol=1e-11, atol=1e-15)


def test_moving_the_world_moves_the_answer(random_pose: PoseMaker, far_m: np.ndarray) -> None:
    poses, move = track(random_pose), random_pose(1)
    move = Pose(move.rotation, move.translation + far_m)
    query = ns(*np.random.default_rng(2).integers(0, 1_000_000_000, 50))
    found = interpolate_poses(TIMES, move @ poses, query)
    assert_close(found, move @ interpolate_poses(TIMES, poses, query), atol=1e-8)


def test_a_nanosecond_counts_at_a_time_stamp_of_today(random_pose: PoseMaker) -> None:
    """In float64 seconds, or even nanoseconds, these times would be one."""
    poses = random_pose(0, (2,))
    found = interpolate_poses(ns(0, 4), poses, ns(1, 3))
    step = poses.translation[1] - poses.translation[0]
    np.testing.assert_allclose(found.translation[0], poses.translation[0] + step / 4, atol=1e-12)
    np.testing.assert_allclose(found.translation[1], poses.translation[1] - step / 4, atol=1e-12)


def test_outside_is_refused_with_the_time_and_the_range(random_pose: PoseMaker) -> None:
    poses = track(random_pose)
    for query in (TIMES[0] - 1, TIMES[-1] + 1):
        with pytest.raises(BadInput) as error:
            interpolate_poses(TIMES, poses, np.array([TIMES[1], query]))
        for number in (query, TIMES[0], TIMES[-1]):
            assert str(int(number)) in str(error.value)
        interpolate_poses(TIMES, poses, np.array([query]), extrapolate_ns=1)
    with pytest.raises(BadInput):
        interpolate_poses(TIMES, poses, TIMES[:1] - 11, extrapolate_ns=10)


def test_a_single_pose_holds_within_the_tolerance(random_pose: PoseMaker) -> None:
    pose = random_pose(0, (1,))
    found = interpolate_poses(ns(0), pose, ns(-5, 0, 5), extrapolate_ns=5)
    assert len(found) == 3
    assert (found.translation == pose.translation).all()
    with pytest.raises(BadInput):
        interpolate_poses(ns(0), pose, ns(6), extrapolate_ns=5)


@pytest.mark.parametrize("times", [[0, 0, 1], [0, 2, 1], [2, 1, 0], []], ids=str)
def test_times_that_do_not_rise_are_refused(times: list[int], random_pose: PoseMaker) -> None:
    poses = random_pose(0, (len(times),))
    with pytest.raises(BadInput, match="rise"):
        interpolate_poses(ns(*times), poses, ns(0))
    with pytest.raises(ValueError):
        PoseTrack(time_ns=ns(*times), world_from_ego=poses)


def test_no_query_no_answer(random_pose: PoseMaker) -> None:
    assert len(interpolate_poses(TIMES, track(random_pose), TIMES[:0])) == 0


def test_the_input_is_left_alone(random_pose: PoseMaker) -> None:
    poses = track(random_pose)
    for array in (poses.rotation, poses.translation):
        array.setflags(write=False)
    found = interpolate_poses(TIMES, poses, TIMES)
    found.translation[:] = 0  # a copy, and ours to change
    assert not np.shares_memory(found.rotation, poses.rotation)
    assert poses.translation.any()


# --- boxes and tracks ------------------------------------------------------------------------


def test_boxes_blend_row_by_row(random_pose: PoseMaker, far_m: np.ndarray) -> None:
    first, second = random_pose(0, (6,)), random_pose(1, (6,))
    first, second = (Pose(p.rotation, p.translation + far_m) for p in (first, second))
    sizes = np.random.default_rng(2).uniform(1, 5, (2, 6, 3))
    share = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 0.1])
    pose, size = interpolate_boxes(first, sizes[0], second, sizes[1], share)
    np.testing.assert_allclose(size, sizes[0] + share[:, None] * (sizes[1] - sizes[0]))
    np.testing.assert_allclose(
        pose.translation - first.translation,
        share[:, None] * (second.translation - first.translation),
        atol=1e-8,
    )
    # The part already turned and the part still to turn are the whole turn, about one axis.
    for s, r0, r, r1 in zip(share, first.rotation, pose.rotation, second.rotation, strict=True):
        done, whole = angle_of(r0.T @ r), angle_of(r0.T @ r1)
        assert done == pytest.approx(s * whole, abs=1e-7)
        assert angle_of(r.T @ r1) == pytest.approx((1 - s) * whole, abs=1e-7)


def angle_of(rotation: np.ndarray) -> float:
    return float(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))


def test_blend_takes_one_share_for_single_poses(random_pose: PoseMaker) -> None:
    a, b = random_pose(0), random_pose(1)
    assert_close(blend(a, b, 0.0), a, atol=1e-12)
    assert_close(blend(a, b, 1.0), b, atol=1e-12)
    back_and_forth = blend(blend(a, b, 0.3), b, 0.5)
    assert_close(back_and_forth, blend(a, b, 0.65), atol=1e-12)


def test_track_answers_like_the_function_and_pickles(random_pose: PoseMaker) -> None:
    path = PoseTrack(time_ns=TIMES, world_from_ego=track(random_pose))
    again = pickle.loads(pickle.dumps(path))
    query = ns(7, 90_000_000)
    for found in (path.at(query), again.at(query)):
        expected = interpolate_poses(TIMES, path.world_from_ego, query)
        assert (found.translation == expected.translation).all()
    with pytest.raises(BadInput):
        path.at(ns(-1))
    assert len(path.at(ns(-1), extrapolate_ns=1)) == 1


def test_a_track_needs_a_pose_for_each_time(random_pose: PoseMaker) -> None:
    with pytest.raises(ValueError, match="as many poses as times"):
        PoseTrack(time_ns=TIMES, world_from_ego=random_pose(0, (4,)))


@pytest.mark.parametrize("times", [[2**63 - 1, -(2**63)], [-(2**63), 2**63 - 1]], ids=str)
def test_times_too_far_apart_for_a_difference(times: list[int], random_pose: PoseMaker) -> None:
    poses = random_pose(0, (2,))
    with pytest.raises(BadInput, match="time_ns: the times of poses (must rise|span)"):
        interpolate_poses(np.array(times), poses, np.array([0]))
    with pytest.raises(BadInput, match="time_ns: the times of poses (must rise|span)"):
        PoseTrack(time_ns=np.array(times), world_from_ego=poses)


@pytest.mark.parametrize("query", [-(2**63), 2**63 - 1])
def test_queries_at_the_ends_of_time_are_outside(query: int, random_pose: PoseMaker) -> None:
    """A difference would wrap to the other sign."""
    for times in (np.array([-10, 10]), np.array([0])):
        with pytest.raises(BadInput, match=f"time_ns: {query} ns lies outside"):
            interpolate_poses(times, random_pose(0, (len(times),)), np.array([query]), 1000)
    with pytest.raises(BadInput, match="lies"):
        interpolate_poses(np.array([-10, 10]), random_pose(0, (2,)), np.array([query]), 2**63 - 1)


@pytest.mark.parametrize(
    "query",
    [np.array([np.nan]), np.array([0.5e8]), 5, np.int64(5), np.zeros((1, 1), np.int64),
     np.array([True]), np.array([2**63], np.uint64), None],
    ids=repr,
)  # fmt: skip
def test_a_query_is_one_axis_of_whole_nanoseconds(
    unchecked: None, query: object, random_pose: PoseMaker
) -> None:
    path = PoseTrack(time_ns=TIMES, world_from_ego=track(random_pose))
    with pytest.raises(BadInput, match="^query_ns: "):
        path.at(query)  # type: ignore[arg-type]
    if query is not None and np.ndim(query) == 1:
        with pytest.raises(BadInput, match="^time_ns: "):
            PoseTrack(time_ns=query, world_from_ego=random_pose(0, (1,)))  # type: ignore[arg-type]


def test_other_integers_do_as_times(unchecked: None, random_pose: PoseMaker) -> None:
    poses = random_pose(0, (2,))
    expected = interpolate_poses(ns(0, 9), poses, ns(4)).translation
    for dtype in (np.uint64, np.int32, np.uint8):
        found = interpolate_poses(ns(0, 9).astype(dtype), poses, ns(4).astype(dtype))
        assert (found.translation == expected).all()


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_as_many_poses_as_times(unchecked: None, count: int, random_pose: PoseMaker) -> None:
    with pytest.raises(BadInput, match="^poses: .*as many poses as times"):
        interpolate_poses(ns(0, 1, 2), random_pose(0, (count,)), ns(1))


def test_a_tolerance_is_not_negative(random_pose: PoseMaker) -> None:
    with pytest.raises(BadInput, match="^extrapolate_ns: "):
        interpolate_poses(ns(0, 9), random_pose(0, (2,)), ns(4), extrapolate_ns=-1)

"""Boxes between two moments: exact at both ends, on the way in the world, whatever its origin."""

from dataclasses import replace

import numpy as np
import pytest

from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.scene.box_tracks import boxes_between
from roadloom.scene.boxes import Boxes

START, STEP = 1_600_000_000_000_000_000, 500_000_000
ORIGINS = pytest.mark.parametrize("origin", [0.0, 5e6], ids=["near", "5000km"])
VELOCITY = np.array([[4.0, 1.0, 0.0], [0.0, 0.0, 0.0], [-2.0, 9.0, 0.1]])
START_AT = np.array([[9.0, 2.0, 0.8], [-4.0, 7.0, 0.5], [1.0, -3.0, 0.9]])
YAW, YAW_RATE = np.array([0.1, 3.0, -1.0]), np.array([0.3, 0.0, 0.8])


def ego_at(time_ns: int, origin: float) -> Pose:
    """A left bend, with some pitch to keep rotations from being plain yaws."""
    t = (time_ns - START) / 1e9
    turn = rotation_from_yaw(np.array(0.4 + 0.5 * t))
    pitch = np.array([[np.cos(0.02), 0, np.sin(0.02)], [0, 1, 0], [-np.sin(0.02), 0, np.cos(0.02)]])
    return Pose(turn @ pitch, origin + np.array([8 * t, t * t - 3, 0.1 * t]))


def boxes_at(time_ns: int, origin: float) -> Boxes:
    """Three objects that run straight and turn evenly in the world, in the ego frame."""
    t = (time_ns - START) / 1e9
    world = Pose(rotation_from_yaw(YAW + YAW_RATE * t), origin + START_AT + VELOCITY * t)
    made = Boxes.make(
        time_ns,
        np.array([19, 1, 15], np.uint8),
        world,
        np.array([[4.0, 2.0, 1.5], [1.0, 1.0, 1.0], [2.0, 0.5, 1.7]]) + 0.1 * t,
        velocity=VELOCITY,
        track_id=np.array(["a", "b", "c"]),
        attribute=np.array([f"at {t}"] * 3),
        num_lidar_points=np.array([5, 6, 7], np.int32),
    )
    return made.moved(ego_at(time_ns, origin).inverse(), time_ns)


def between(time_ns: int, origin: float, first: Boxes, second: Boxes) -> Boxes:
    return boxes_between(
        first, ego_at(START, origin), second, ego_at(START + STEP, origin),
        time_ns, ego_at(time_ns, origin),
    )  # fmt: skip


def assert_close(a: Boxes, b: Boxes, metres: float = 1e-8) -> None:
    assert a.track_id.tolist() == b.track_id.tolist() and a.time_ns == b.time_ns
    np.testing.assert_allclose(a.pose.translation, b.pose.translation, rtol=0, atol=metres)
    np.testing.assert_allclose(a.pose.rotation, b.pose.rotation, rtol=0, atol=1e-9)
    np.testing.assert_allclose(a.size, b.size, rtol=0, atol=1e-12)
    np.testing.assert_allclose(a.velocity, b.velocity, rtol=0, atol=1e-9)


@ORIGINS
@pytest.mark.parametrize("share", [0.0, 1e-9, 0.25, 0.5, 0.75, 1.0])
def test_the_truth_is_met_everywhere_the_ends_included(origin: float, share: float) -> None:
    """Straight paths and even turns are what interpolation stands for, so the answer is exact."""
    first, second = boxes_at(START, origin), boxes_at(START + STEP, origin)
    time = START + round(share * STEP)
    # The world's own doubles resolve a nanometre at 5,000 km.
    assert_close(between(time, origin, first, second), boxes_at(time, origin), 1e-8)


def test_it_commutes_with_a_move_of_the_world() -> None:
    time = START + STEP // 3
    near, far = (
        between(time, origin, boxes_at(START, origin), boxes_at(START + STEP, origin))
        for origin in (0.0, 5e6)
    )
    assert_close(near, far, 1e-8)


@ORIGINS
def test_only_tracks_that_both_sides_hold_are_kept_whatever_their_order(origin: float) -> None:
    first, second = boxes_at(START, origin), boxes_at(START + STEP, origin)
    time = START + STEP // 4
    whole = between(time, origin, first, second)
    assert_close(between(time, origin, first, second[[2, 0, 1]]), whole)
    some = between(time, origin, first[[1, 2]], second[[2, 0]])
    assert some.track_id.tolist() == ["c"]
    assert_close(some, whole[[2]])
    assert len(between(time, origin, first[[0]], second[[1]])) == 0
    assert len(between(time, origin, Boxes.empty(START), second)) == 0


def test_boxes_without_a_track_are_never_matched() -> None:
    first, second = boxes_at(START, 0.0), boxes_at(START + STEP, 0.0)
    nameless = np.array(["", "b", ""])
    found = between(
        START + 1, 0.0, replace(first, track_id=nameless), replace(second, track_id=nameless)
    )
    assert found.track_id.tolist() == ["b"]


def test_all_else_is_that_of_the_nearer_side_and_counts_are_unknown() -> None:
    first, second = boxes_at(START, 0.0), boxes_at(START + STEP, 0.0)
    for share, side in ((0.01, first), (0.5, first), (0.51, second), (0.99, second)):
        found = between(START + round(share * STEP), 0.0, first, second)
        assert found.attribute.tolist() == side.attribute.tolist()
        assert (found.num_lidar_points == -1).all() and (found.num_radar_points == -1).all()


def test_a_velocity_that_one_side_does_not_know_is_unknown() -> None:
    first, second = boxes_at(START, 0.0), boxes_at(START + STEP, 0.0)
    blind = replace(first, velocity=np.full((3, 3), np.nan))
    assert np.isnan(between(START + 9, 0.0, blind, second).velocity).all()

"""Boxes as columns: rows go together, frames change by their laws, equality sees every field."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from roadloom.errors import UnknownClass
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import FREE, UNKNOWN


def boxes(count: int = 4, seed: int = 0) -> Boxes:
    rng = np.random.default_rng(seed)
    velocity = rng.normal(size=(count, 3))
    velocity[0] = np.nan
    return Boxes.make(
        7,
        np.arange(1, count + 1).astype(np.uint8),
        Pose(rotation_from_yaw(rng.normal(size=count)), rng.normal(0, 20, (count, 3))),
        rng.uniform(0.5, 4, (count, 3)),
        track_id=np.array([f"t{i}" for i in range(count)]),
        velocity=velocity,
        attribute=np.array(["moving"] * count),
        num_lidar_points=np.arange(count, dtype=np.int32),
    )


def test_columns_that_are_not_given_are_unknown() -> None:
    made = Boxes.make(1, np.array([3]), Pose(np.eye(3)[None], np.zeros((1, 3))), np.ones((1, 3)))
    assert np.isnan(made.velocity).all() and made.velocity.shape == (1, 3)
    assert made.num_lidar_points.tolist() == made.num_radar_points.tolist() == [-1]
    assert made.track_id.tolist() == made.token.tolist() == made.attribute.tolist() == [""]
    assert made.visibility.tolist() == [0]
    with pytest.raises(ValueError, match="speed"):
        Boxes.make(1, np.array([3]), made.pose, made.size, speed=np.zeros(1))


@pytest.mark.parametrize(
    "rows", [[2, 0], slice(1, 3), np.array([True, False, False, True]), np.zeros(0, np.int64)]
)
def test_rows_stay_together(rows: object) -> None:
    whole = boxes()
    picked = whole[rows]  # type: ignore[index]
    numbers = np.arange(4)[rows]  # type: ignore[index]
    assert len(picked) == len(numbers)
    assert picked.class_id.tolist() == (numbers + 1).tolist()
    assert picked.track_id.tolist() == [f"t{i}" for i in numbers]
    assert np.array_equal(picked.pose.translation, whole.pose.translation[numbers])


def test_moving_there_and_back_changes_nothing() -> None:
    whole = boxes()
    there = Pose(rotation_from_yaw(np.array(0.7)), np.array([5e6, -5e6, 2.0]))
    back = whole.moved(there, 9).moved(there.inverse(), 7)
    np.testing.assert_allclose(back.pose.translation, whole.pose.translation, rtol=0, atol=1e-8)
    np.testing.assert_allclose(back.pose.rotation, whole.pose.rotation, rtol=0, atol=1e-12)
    np.testing.assert_allclose(back.velocity, whole.velocity, rtol=0, atol=1e-12)
    assert back.time_ns == 7 and whole.moved(there, 9).time_ns == 9


def test_a_velocity_turns_but_is_not_shifted() -> None:
    made = boxes(1)
    made = replace(made, velocity=np.array([[2.0, 0.0, 0.0]]))
    left = Pose(rotation_from_yaw(np.array(np.pi / 2)), np.array([100.0, 0.0, 0.0]))
    np.testing.assert_allclose(made.moved(left, 7).velocity, [[0.0, 2.0, 0.0]], atol=1e-15)


def test_no_boxes_are_boxes() -> None:
    none = Boxes.empty(3)
    assert len(none) == 0 and none.same_as(none.moved(Pose.identity(), 3))
    assert len(none[np.zeros(0, bool)]) == 0


def changed(value: object) -> object:
    if isinstance(value, Pose):
        return Pose(value.rotation, value.translation + 1e-12)
    if isinstance(value, int):
        return value + 1
    assert isinstance(value, np.ndarray)
    other = value.copy()
    other[-1] = "x" if value.dtype.kind == "U" else value[-1] + 1
    return other


@pytest.mark.parametrize("name", [f.name for f in fields(Boxes)])
def test_equality_sees_every_field(name: str) -> None:
    whole = boxes()
    assert whole.same_as(boxes())
    other = replace(whole, **{name: changed(getattr(whole, name))})
    assert not whole.same_as(other) and not other.same_as(whole)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", np.zeros((4, 3))),
        ("size", np.full((4, 3), np.nan)),
        ("size", np.ones((3, 3))),
        ("track_id", np.array(["a"])),
        ("pose", Pose(np.full((4, 3, 3), np.nan), np.zeros((4, 3)))),
        ("pose", Pose(np.stack([np.eye(3)] * 4), np.full((4, 3), np.inf))),
        ("pose", Pose(np.stack([np.eye(3)] * 3), np.zeros((3, 3)))),
    ],
)
def test_what_no_box_can_be_is_refused(name: str, value: object) -> None:
    with pytest.raises((ValueError, TypeCheckError), match=name):
        replace(boxes(), **{name: value})


@pytest.mark.parametrize("wrong", [300, -1, 250, 1 << 40])
def test_an_id_that_no_class_has_is_refused(wrong: int) -> None:
    pose = Pose(np.eye(3)[None], np.zeros((1, 3)))
    with pytest.raises(UnknownClass, match=f"no class has the id {wrong}") as caught:
        Boxes.make(1, np.array([wrong]), pose, np.ones((1, 3)))
    assert caught.value.field == "class_id" and caught.value.remedy


@pytest.mark.parametrize("wrong", [FREE, UNKNOWN])
def test_free_and_unknown_are_no_objects(wrong: int) -> None:
    with pytest.raises(ValueError, match="no objects"):
        replace(boxes(), class_id=np.full(4, wrong, np.uint8))


PLAIN = """
import sys
from dataclasses import replace
import numpy as np
from tests.scene.test_boxes import boxes
from roadloom.geometry.pose import Pose
made = boxes()
wrong = {
    "size": [np.ones((4, 2)), np.ones(4), np.ones((4, 3, 1))],
    "velocity": [np.ones((4, 2)), np.ones(4)],
    "pose": [Pose(np.eye(3), np.zeros(3)), Pose(np.zeros((4, 1, 3, 3)), np.zeros((4, 1, 3)))],
    "class_id": [np.ones(4), np.ones((4, 1), np.uint8)],
}
for name, values in wrong.items():
    for value in values:
        try:
            replace(made, **{name: value})
        except ValueError as error:
            if name not in str(error):
                sys.exit(f"{name} is not named: {error}")
        else:
            sys.exit(f"{name} {value} passed")
"""


def test_shapes_are_checked_without_a_checker_of_types_too() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PLAIN], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

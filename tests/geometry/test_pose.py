"""A pose is a group element, so test the group laws rather than remembered numbers."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from roadloom.errors import BadInput
from roadloom.geometry.pose import (
    Pose,
    quaternion_from_rotation,
    rotation_from_quaternion,
    rotation_from_yaw,
)

PoseMaker = Callable[..., Pose]
every_batch = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)


def away(pose: Pose, far_m: np.ndarray) -> Pose:
    return Pose(pose.rotation, pose.translation + far_m)


def tensors(pose: Pose) -> Pose:
    return Pose(torch.tensor(pose.rotation), torch.tensor(pose.translation))


@every_batch
def test_inverse_undoes_apply(
    batch: tuple[int, ...], random_pose: PoseMaker, far_m: np.ndarray
) -> None:
    pose = away(random_pose(0, batch), far_m)
    points = np.random.default_rng(1).normal(size=(*batch, 5, 3)) * 50
    np.testing.assert_allclose(pose.inverse().apply(pose.apply(points)), points, atol=1e-8)


@every_batch
def test_compose_applies_the_right_hand_pose_first(
    batch: tuple[int, ...], random_pose: PoseMaker, far_m: np.ndarray
) -> None:
    """Two different poses: a pose composed with itself would hide a swapped order."""
    first, then = random_pose(0, batch), away(random_pose(1, batch), far_m)
    points = np.random.default_rng(2).normal(size=(*batch, 5, 3))
    np.testing.assert_allclose(
        (then @ first).apply(points), then.apply(first.apply(points)), atol=1e-8
    )


def test_compose_is_associative_and_identity_does_nothing(random_pose: PoseMaker) -> None:
    a, b, c = (random_pose(s) for s in range(3))
    left, right = (a @ b) @ c, a @ (b @ c)
    np.testing.assert_allclose(left.rotation, right.rotation, atol=1e-14)
    np.testing.assert_allclose(left.translation, right.translation, atol=1e-12)
    same = Pose.identity() @ a @ Pose.identity()
    assert (same.rotation == a.rotation).all() and (same.translation == a.translation).all()


def test_between_two_far_poses_only_the_difference_counts(
    random_pose: PoseMaker, far_m: np.ndarray
) -> None:
    """a_from_world @ world_from_b, wherever the world's origin is."""
    a, b = random_pose(0), random_pose(1)
    near = a.inverse() @ b
    far = away(a, far_m).inverse() @ away(b, far_m)
    np.testing.assert_allclose(far.translation, near.translation, atol=1e-8)


def test_one_pose_meets_many(random_pose: PoseMaker) -> None:
    one, many = random_pose(0), random_pose(1, (4,))
    for left, right in ((one, many), (many, one)):
        both = left @ right
        assert len(both) == 4
        for i in range(4):
            single = (left if left is one else left[i]) @ (right if right is one else right[i])
            np.testing.assert_allclose(both[i].translation, single.translation, atol=1e-12)
            np.testing.assert_allclose(both[i].rotation, single.rotation, atol=1e-14)


def test_rotate_turns_without_moving(random_pose: PoseMaker, far_m: np.ndarray) -> None:
    pose = away(random_pose(0), far_m)
    points = np.random.default_rng(1).normal(size=(2, 6, 3))
    turned = pose.rotate(points[0] - points[1])
    np.testing.assert_allclose(turned, pose.apply(points[0]) - pose.apply(points[1]), atol=1e-8)


@pytest.mark.parametrize("yaw", [0.0, 0.3, -2.0, 3.1, np.pi / 2])
def test_yaw_turns_left_and_is_read_back(yaw: float) -> None:
    pose = Pose(rotation_from_yaw(np.array(yaw)), np.zeros(3))
    assert pose.yaw == pytest.approx(yaw)
    np.testing.assert_allclose(
        pose.apply(np.array([[1.0, 0, 0]])), [[np.cos(yaw), np.sin(yaw), 0]], atol=1e-15
    )


# --- quaternions -----------------------------------------------------------------------------


def test_quaternion_and_rotation_are_each_others_inverse() -> None:
    """All over the sphere, and at the seams: half turns, no turn, one component zero."""
    rng = np.random.default_rng(3)
    seams = np.array([q for q in np.ndindex(3, 3, 3, 3) if q != (1, 1, 1, 1)], float) - 1
    wxyz = np.concatenate(
        [rng.normal(size=(500, 4)), seams, seams + rng.normal(size=(80, 4)) * 1e-9]
    )
    wxyz /= np.linalg.norm(wxyz, axis=-1, keepdims=True)
    rotation = rotation_from_quaternion(wxyz)
    np.testing.assert_allclose(
        rotation @ rotation.mT, np.broadcast_to(np.eye(3), (660, 3, 3)), atol=1e-14
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)
    back = quaternion_from_rotation(rotation)
    assert (back[:, 0] >= 0).all()
    np.testing.assert_allclose(np.abs(np.sum(back * wxyz, axis=-1)), 1.0, atol=1e-14)


def test_quaternion_product_is_composition() -> None:
    """Hamilton's product written out, scalar first."""
    (aw, ax, ay, az), (bw, bx, by, bz) = np.random.default_rng(4).normal(size=(2, 4))
    product = np.array(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ]
    )
    a, b = np.array([aw, ax, ay, az]), np.array([bw, bx, by, bz])
    np.testing.assert_allclose(
        rotation_from_quaternion(product),
        rotation_from_quaternion(a) @ rotation_from_quaternion(b),
        atol=1e-14,
    )


def test_a_quarter_turn_left_in_exact_numbers() -> None:
    pose = Pose.from_quaternion([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)], np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(pose.apply(np.array([[1.0, 0, 0]])), [[1, 3, 3]], atol=1e-15)
    np.testing.assert_allclose(pose.quaternion, [np.sqrt(0.5), 0, 0, np.sqrt(0.5)], atol=1e-15)


@pytest.mark.parametrize("bad", [[0.0] * 4, [np.nan, 0, 0, 1.0], [1e-9, 0, 0, 0]])
def test_no_quaternion_no_rotation(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="quaternion"):
        Pose.from_quaternion(bad, np.zeros(3))


@pytest.mark.parametrize("bad", [[np.inf, 0, 0, 0], [-np.inf, 1, 0, 0], [np.inf, np.inf, 0, 0]])
@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_infinity_is_no_rotation(bad: list[float], kind: object) -> None:
    batch = kind([[1.0, 0, 0, 0], bad])  # type: ignore[operator]
    with pytest.raises(BadInput, match="quaternion.*remedy"):
        rotation_from_quaternion(batch)


@pytest.mark.parametrize("scale", [1e-5, 0.1, 50.0, 101.0, 1e30, 1e200, 1e308])
def test_length_does_not_matter_however_large(scale: float) -> None:
    """And no square overflows: warnings are errors here."""
    wxyz = np.array([[0.9, 0.1, -0.2, 0.3], [-0.5, 0.5, 0.5, 1.0]])
    expected = rotation_from_quaternion(wxyz)
    np.testing.assert_allclose(rotation_from_quaternion(wxyz * scale), expected, atol=1e-15)
    if scale <= 1e30:
        single = torch.tensor(wxyz * scale, dtype=torch.float32)
        np.testing.assert_allclose(rotation_from_quaternion(single), expected, atol=1e-6)


def test_gradients_pass_a_large_quaternion() -> None:
    wxyz = torch.tensor([900.0, 100.0, -200.0, 300.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_from_quaternion, wxyz)


@pytest.mark.parametrize("shape", [(), (3,), (5,), (4, 3)], ids=str)
def test_a_quaternion_has_four_numbers(unchecked: None, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="^quaternion: has the shape .*remedy"):
        rotation_from_quaternion(np.ones(shape))


# --- kinds of arrays -------------------------------------------------------------------------


def test_tensors_in_tensors_out_equal_to_numpy(random_pose: PoseMaker) -> None:
    a, b = random_pose(0, (3,)), random_pose(1, (3,))
    points = np.random.default_rng(2).normal(size=(3, 4, 3))
    found = (tensors(a) @ tensors(b)).inverse()
    expected = (a @ b).inverse()
    assert isinstance(found.translation, torch.Tensor)
    np.testing.assert_allclose(found.apply(torch.tensor(points)), expected.apply(points))
    np.testing.assert_allclose(found.quaternion, expected.quaternion)
    np.testing.assert_allclose(found.yaw, expected.yaw)


def test_gradients() -> None:
    wxyz, at, points = (
        torch.tensor(v, requires_grad=True)
        for v in np.split(np.random.default_rng(5).normal(size=13), [4, 7])
    )

    def moved(wxyz: torch.Tensor, at: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        pose = Pose.from_quaternion(wxyz, at)
        two = (pose @ pose).inverse()
        return torch.cat([two.apply(points.reshape(2, 3)).ravel(), two.quaternion, two.yaw[None]])

    assert torch.autograd.gradcheck(moved, (wxyz, at, points))


def test_float32_points_are_moved_in_float64(random_pose: PoseMaker) -> None:
    pose = random_pose(0)
    far = Pose(pose.rotation, pose.translation + 5e6)
    point = np.array([[0.125, 0.25, 0.5]], np.float32)
    assert far.apply(point).dtype == np.float64
    np.testing.assert_allclose(far.inverse().apply(far.apply(point)), point, atol=1e-8)


def test_stack_pick_and_pickle(random_pose: PoseMaker) -> None:
    poses = [random_pose(s) for s in range(3)]
    stacked = Pose.stack(poses)
    assert len(stacked) == 3
    again = pickle.loads(pickle.dumps(stacked))
    for i, pose in enumerate(poses):
        assert (stacked[i].rotation == pose.rotation).all()
        assert (again[i].translation == pose.translation).all()
    assert (stacked[np.array([2, 0])].translation[0] == poses[2].translation).all()
    with pytest.raises(TypeError, match="length"):
        len(poses[0])


def test_wrong_shapes_are_refused() -> None:
    """Guards the test set-up: fails if nobody switched the shape checker on."""
    with pytest.raises(TypeCheckError):
        Pose(np.eye(3), np.zeros(2))
    with pytest.raises(TypeCheckError):
        Pose(np.zeros((4, 3, 3)), np.zeros((5, 3)))

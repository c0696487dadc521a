"""Rays against boxes: exact answers, a sampled twin, laws and gradients."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch

from roadloom.geometry.box import inside
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.rays import RayBundle, ray_box

PoseMaker = Callable[..., Pose]

CUBE = Pose(np.eye(3)[None], np.array([[10.0, 0.0, 0.0]]))
SIZE = np.array([[4.0, 2.0, 2.0]])
INF = np.inf


def hit(origin: list[float], direction: list[float]) -> tuple[float, float]:
    entry, leave = ray_box(np.array([origin], float), np.array([direction], float), CUBE, SIZE)
    return float(entry[0, 0]), float(leave[0, 0])


@pytest.mark.parametrize(
    "origin, direction, expected",
    [
        ([0, 0, 0], [1, 0, 0], (8, 12)),
        ([0, 0, 0], [2, 0, 0], (4, 6)),  # in lengths of the direction
        ([0, 0, 0], [-1, 0, 0], (INF, INF)),  # behind
        ([10, 0, 0], [1, 0, 0], (0, 2)),  # from inside
        ([8, 0, 0], [1, 0, 0], (0, 4)),  # from a face, inwards
        ([8, 0, 0], [-1, 0, 0], (0, 0)),  # from a face, outwards
        ([0, 1, 0], [1, 0, 0], (8, 12)),  # along a side
        ([0, 1, 1], [1, 0, 0], (8, 12)),  # along an edge
        ([0, 1.000001, 0], [1, 0, 0], (INF, INF)),
        ([0, -9, 0], [1, 1, 0], (8, 10)),  # in through the front corner region, out at the left
        ([7, 0, 0], [1, 1, 0], (1, 1)),  # touches an upright edge
        ([7, 0, 0], [1, 1, 1], (1, 1)),  # touches a corner
        ([10, 0, 5], [0.0, -0.0, -1], (4, 6)),  # negative zero
        ([np.nan, 0, 0], [1, 0, 0], (INF, INF)),
    ],
)
def test_exact_answers(
    origin: list[float], direction: list[float], expected: tuple[float, float]
) -> None:
    assert hit(origin, direction) == pytest.approx(expected, abs=1e-15)


def test_entry_to_exit_is_the_stretch_inside(random_pose: PoseMaker, far_m: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    pose, size = random_pose(1, batch=(12,), spread=2.0), rng.uniform(1, 6, (12, 3))
    pose = Pose(pose.rotation, pose.translation + far_m)
    origins, directions = rng.normal(size=(40, 3)) * 3 + far_m, rng.normal(size=(40, 3))
    entry, leave = ray_box(origins, directions, pose, size)
    assert 40 < np.isfinite(entry).sum() < entry.size - 40
    assert (entry == 0).any()
    for t in rng.uniform(0, 12, 200):
        within = inside(origins + t * directions, pose, size).T
        clear = (np.abs(entry - t) > 1e-6) & (np.abs(leave - t) > 1e-6)
        assert (within == ((entry <= t) & (t <= leave)))[clear].all()


def test_moving_rays_and_boxes_together_changes_nothing(
    random_pose: PoseMaker, far_m: np.ndarray
) -> None:
    rng = np.random.default_rng(2)
    pose, size, move = random_pose(3, batch=(9,)), rng.uniform(2, 9, (9, 3)), random_pose(4)
    move = Pose(move.rotation, move.translation + far_m)
    directions = rng.normal(size=(20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rays = RayBundle(origins=rng.normal(size=(20, 3)) * 5, directions=directions, frame="ego")
    moved = rays.moved(move, "world")
    assert moved.frame == "world"
    before = ray_box(rays.origins, rays.directions, pose, size)
    after = ray_box(moved.origins, moved.directions, move @ pose, size)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_tensors_and_batches_equal_numpy(random_pose: PoseMaker) -> None:
    rng = np.random.default_rng(5)
    pose, size = random_pose(6, batch=(2, 7), spread=3.0), rng.uniform(1, 6, (2, 7, 3))
    origins, directions = rng.normal(size=(2, 2, 15, 3)) * 3
    tensors = Pose(torch.tensor(pose.rotation), torch.tensor(pose.translation))
    found = ray_box(torch.tensor(origins), torch.tensor(directions), tensors, torch.tensor(size))
    for i in range(2):
        expected = ray_box(origins[i], directions[i], pose[i], size[i])
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a[i].numpy(), b, atol=1e-12)


def test_gradients(random_pose: PoseMaker) -> None:
    """Rays aimed at a box from outside, in general position."""
    rng = np.random.default_rng(7)
    aim = rng.uniform(-0.3, 0.3, (5, 3))
    origins = np.array([8.0, 5.0, 6.0]) + rng.normal(size=(5, 3))
    leaves = [
        torch.tensor(v, requires_grad=True)
        for v in (
            origins,
            aim - origins,
            np.array([0.3]),
            np.zeros((1, 3)),
            np.array([[3.0, 2, 1.5]]),
        )
    ]

    def distances(*values: torch.Tensor) -> torch.Tensor:
        origin, direction, yaw, at, size = values
        return torch.cat(ray_box(origin, direction, Pose(rotation_from_yaw(yaw), at), size))

    assert torch.isfinite(distances(*leaves)).all()
    assert torch.autograd.gradcheck(distances, leaves, eps=1e-6, atol=1e-7)


def test_a_missed_box_beside_a_hit_one_leaves_gradients_finite() -> None:
    direction = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    pose = Pose(torch.eye(3).expand(2, 3, 3), torch.tensor([[5.0, 0.0, 0.0], [5.0, 9.0, 0.0]]))
    entry, _ = ray_box(torch.zeros(1, 3), direction, pose, torch.ones(2, 3))
    entry[torch.isfinite(entry)].sum().backward()
    assert torch.isfinite(direction.grad).all()


# --- bundles ---------------------------------------------------------------------------------


def bundle() -> RayBundle:
    return RayBundle(
        origins=np.zeros((4, 3)),
        directions=np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]]),
        frame="ego",
        time_ns=np.arange(4, dtype=np.int64),
    )


def test_bundle_picks_and_points() -> None:
    rays = bundle()
    assert len(rays) == 4
    picked = rays[np.array([True, False, True, False])]
    assert picked.time_ns is not None and picked.time_ns.tolist() == [0, 2]
    assert picked.at(np.array([2.0, 3.0])).tolist() == [[2, 0, 0], [0, 0, 3]]
    again = pickle.loads(pickle.dumps(rays))
    assert (again.directions == rays.directions).all() and again.frame == "ego"


def test_each_ray_may_have_its_own_pose() -> None:
    yaw, at = np.array([0.0, np.pi / 2, 0.0, np.pi]), np.arange(12.0).reshape(4, 3)
    poses = Pose(rotation_from_yaw(yaw), at)
    moved = bundle().moved(poses, "world")
    np.testing.assert_allclose(moved.origins, at)
    expected = [[1, 0, 0], [-1, 0, 0], [0, 0, 1], [1, 0, 0]]
    np.testing.assert_allclose(moved.directions, expected, atol=1e-15)


@pytest.mark.parametrize(
    "change, name",
    [
        ({"directions": np.ones((1, 3))}, "directions"),
        ({"directions": np.array([[np.nan, 0, 1.0]])}, "directions"),
        ({"directions": np.zeros((1, 3))}, "directions"),
        ({"origins": np.array([[np.inf, 0, 1.0]])}, "origins"),
        ({"frame": ""}, "frame"),
    ],
)
def test_bad_bundles_are_refused(change: dict[str, object], name: str) -> None:
    good = {"origins": np.zeros((1, 3)), "directions": np.array([[1.0, 0, 0]]), "frame": "ego"}
    with pytest.raises(ValueError, match=name):
        RayBundle(**(good | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"origins": np.zeros((2, 3))},
        {"origins": np.zeros(3)},
        {"directions": np.array([[1.0, 0, 0]] * 2)},
        {"directions": np.array([[1.0, 0]])},
        {"time_ns": np.zeros(2, np.int64)},
    ],
    ids=str,
)
def test_parts_of_a_bundle_must_be_as_many(unchecked: None, change: dict[str, np.ndarray]) -> None:
    good = {"origins": np.zeros((1, 3)), "directions": np.array([[1.0, 0, 0]]), "frame": "ego"}
    with pytest.raises(ValueError, match="shape"):
        RayBundle(**(good | change))  # type: ignore[arg-type]

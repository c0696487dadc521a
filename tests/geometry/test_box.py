"""Boxes against exact answers, laws, polygon clipping by hand, and points thrown at random."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from roadloom.errors import BadInput
from roadloom.geometry.box import (
    CORNER_SIGNS,
    EDGES,
    bev_iou,
    corners,
    inside,
    iou_3d,
    points_in_boxes_count,
)
from roadloom.geometry.pose import Pose, rotation_from_yaw

PoseMaker = Callable[..., Pose]


def yaw_boxes(count: int, seed: int, spread: float = 3.0) -> tuple[Pose, np.ndarray]:
    rng = np.random.default_rng(seed)
    pose = Pose(
        rotation_from_yaw(rng.uniform(-np.pi, np.pi, count)),
        rng.uniform(-spread, spread, (count, 3)) * [1, 1, 0.3],
    )
    return pose, rng.uniform(0.5, 5.0, (count, 3))


def box(x: float = 0.0, y: float = 0.0, yaw: float = 0.0) -> Pose:
    return Pose(rotation_from_yaw(np.array([yaw])), np.array([[x, y, 0.0]]))


# --- corners ---------------------------------------------------------------------------------


def test_corners_of_a_turned_box_lie_where_they_must() -> None:
    """Turned left by 90 degrees the front looks along +y and the left side along -x."""
    found = corners(box(10.0, 20.0, np.pi / 2), np.array([[4.0, 2.0, 1.0]]))[0]
    floor = [[9, 22, -0.5], [9, 18, -0.5], [11, 18, -0.5], [11, 22, -0.5]]
    np.testing.assert_allclose(found[:4], floor, atol=1e-12)
    np.testing.assert_allclose(found[4:], np.array(floor) + [0, 0, 1], atol=1e-12)


def test_edges_have_the_lengths_of_the_sides() -> None:
    size = np.array([4.0, 2.0, 1.0])
    at = corners(box(yaw=0.3), size[None])[0]
    length = np.linalg.norm(at[EDGES[:, 0]] - at[EDGES[:, 1]], axis=1)
    np.testing.assert_allclose(length, [4, 2, 4, 2, 4, 2, 4, 2, 1, 1, 1, 1])


def test_floor_and_roof_run_counter_clockwise() -> None:
    for ring in (CORNER_SIGNS[:4, :2], CORNER_SIGNS[4:, :2]):
        x, y = ring.T
        assert np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) > 0


def test_corners_keep_the_kind_and_type_of_tensors() -> None:
    pose = Pose(torch.eye(3).expand(2, 3, 3), torch.zeros(2, 3))
    size = torch.ones(2, 3, requires_grad=True)
    found = corners(pose, size)
    assert found.dtype == torch.float32
    found.abs().sum().backward()
    assert torch.allclose(size.grad, torch.full((2, 3), 4.0))


# --- points in boxes -------------------------------------------------------------------------


def test_inside_equals_the_plain_test(random_pose: PoseMaker, far_m: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    pose, size = random_pose(1, batch=(30,), spread=4.0), rng.uniform(0.2, 8.0, (30, 3))
    points = rng.normal(size=(3000, 3)) * 5
    plain = (np.abs(pose.inverse().apply(points)) <= size[:, None] / 2).all(axis=-1)
    assert 200 < plain.sum() < plain.size / 2
    far = Pose(pose.rotation, pose.translation + far_m)
    found = inside(points + far_m, far, size)
    wrong = found != plain  # 5,000 km away a coordinate is known to 1e-9 m
    edge = np.abs(np.abs(pose.inverse().apply(points)) - size[:, None] / 2).min(axis=-1)
    assert not wrong[edge > 1e-8].any()
    assert (points_in_boxes_count(points + far_m, far, size) == found.sum(axis=1)).all()


def test_faces_edges_and_corners_are_inside_and_a_hair_further_is_not() -> None:
    size = np.array([[4.0, 2.0, 1.0]])
    at = corners(box(), size)[0]
    on = np.concatenate([at, at * [1, 1, 0], at * [1, 0, 0]])
    assert inside(on, box(), size).all()
    assert not inside(on * (1 + 1e-12), box(), size).any()


def test_corners_are_inside_whichever_way_they_point(far_m: np.ndarray) -> None:
    """One box stands on a corner, with another as far out along x as a box can reach."""
    diagonal = np.ones(3) / np.sqrt(3)
    across = np.array([1.0, -1, 0]) / np.sqrt(2)
    standing = np.stack([diagonal, across, np.cross(diagonal, across)])[None]
    pose, size = Pose(standing, far_m[None]), np.full((1, 3), 4.0)
    at = pose.apply(corners(Pose(np.eye(3)[None], np.zeros((1, 3))), size))[0]
    assert np.ptp(at[:, 0]) == pytest.approx(4 * np.sqrt(3))
    inwards = far_m + (at - far_m) * (1 - 1e-8)
    assert inside(inwards, pose, size).all()


def test_points_that_are_not_finite_are_in_no_box() -> None:
    points = np.array(
        [[np.nan, 0, 0], [0, np.nan, 0], [0, 0, np.inf], [-np.inf, 0, 0], [0, 0, 0.0]]
    )
    found = inside(points, box(), np.ones((1, 3)))
    assert found.tolist() == [[False] * 4 + [True]]


def test_inside_takes_float32_and_tensors_alike() -> None:
    pose, size = yaw_boxes(5, seed=1)
    points = np.random.default_rng(2).normal(size=(400, 3)).astype(np.float32) * 3
    expected = inside(points.astype(np.float64), pose, size)
    assert (inside(points, pose, size) == expected).all()
    tensors = Pose(torch.tensor(pose.rotation), torch.tensor(pose.translation))
    found = inside(torch.tensor(points), tensors, torch.tensor(size))
    assert found.dtype == torch.bool
    assert (found.numpy() == expected).all()
    count = points_in_boxes_count(torch.tensor(points), tensors, torch.tensor(size))
    assert count.tolist() == expected.sum(axis=1).tolist()


def test_no_points_and_no_boxes_are_fine() -> None:
    pose, size = yaw_boxes(3, seed=1)
    assert inside(np.zeros((0, 3)), pose, size).shape == (3, 0)
    assert inside(np.zeros((4, 3)), pose[:0], size[:0]).shape == (0, 4)
    assert points_in_boxes_count(np.zeros((0, 3)), pose, size).tolist() == [0, 0, 0]


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_impossible_sizes_are_refused(bad: float) -> None:
    size = np.array([[4.0, bad, 1.0]])
    for call in (
        lambda: corners(box(), size),
        lambda: inside(np.zeros((1, 3)), box(), size),
        lambda: bev_iou(box(), np.ones((1, 3)), box(), size),
        lambda: iou_3d(box(), size, box(), np.ones((1, 3))),
    ):
        with pytest.raises(BadInput, match="size"):
            call()


def test_points_in_boxes_need_no_torch() -> None:
    code = (
        "import sys, numpy as np; from roadloom.geometry.box import inside, bev_iou;"
        "from roadloom.geometry.pose import Pose; p = Pose(np.eye(3)[None], np.zeros((1, 3)));"
        "inside(np.zeros((1, 3)), p, np.ones((1, 3)));"
        "bev_iou(p, np.ones((1, 3)), p, np.ones((1, 3)));"
        "assert not {'torch', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- overlap ---------------------------------------------------------------------------------


def clipped_area(a: np.ndarray, b: np.ndarray) -> float:
    """Slow twin: cut polygon ``a`` by the four sides of ``b`` (Sutherland and Hodgman 1974)."""
    polygon = list(a)
    for start, end in zip(b, np.roll(b, -1, axis=0), strict=True):
        normal = np.array([start[1] - end[1], end[0] - start[0]])
        kept: list[np.ndarray] = []
        for p, q in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            dp, dq = (p - start) @ normal, (q - start) @ normal
            if dp >= 0:
                kept.append(p)
            if dp * dq < 0:
                kept.append(p + (q - p) * dp / (dp - dq))
        polygon = kept
        if not polygon:
            return 0.0
    x, y = np.array(polygon).T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


def test_bev_iou_equals_polygon_clipping() -> None:
    (pose_a, size_a), (pose_b, size_b) = yaw_boxes(25, seed=3), yaw_boxes(30, seed=4)
    found = bev_iou(pose_a, size_a, pose_b, size_b)
    floor_a = corners(pose_a, size_a)[:, :4, :2]
    floor_b = corners(pose_b, size_b)[:, :4, :2]
    both = np.array([[clipped_area(a, b) for b in floor_b] for a in floor_a])
    area_a, area_b = size_a[:, 0] * size_a[:, 1], size_b[:, 0] * size_b[:, 1]
    expected = both / (area_a[:, None] + area_b - both)
    assert 0.2 < (expected > 0).mean() < 0.9
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_iou_3d_equals_points_thrown_at_random() -> None:
    (pose_a, size_a), (pose_b, size_b) = yaw_boxes(6, seed=5), yaw_boxes(6, seed=6)
    points = np.random.default_rng(7).uniform(-6, 6, (200_000, 3))
    in_a, in_b = inside(points, pose_a, size_a), inside(points, pose_b, size_b)
    both = (in_a[:, None] & in_b[None]).sum(axis=-1)
    either = (in_a[:, None] | in_b[None]).sum(axis=-1)
    assert (both > 500).any()
    np.testing.assert_allclose(iou_3d(pose_a, size_a, pose_b, size_b), both / either, atol=0.02)


def test_square_turned_by_45_degrees_shares_a_regular_octagon() -> None:
    size = np.array([[2.0, 2.0, 1.0]])
    octagon = 8 * (np.sqrt(2) - 1)
    found = bev_iou(box(), size, box(yaw=np.pi / 4), size)
    assert found.item() == pytest.approx(octagon / (8 - octagon), abs=1e-14)


def test_shifted_box_shares_the_shift() -> None:
    size = np.array([[4.0, 2.0, 2.0]])
    raised = Pose(np.eye(3)[None], np.array([[1.0, 0.0, 0.5]]))
    assert bev_iou(box(), size, raised, size).item() == pytest.approx(6 / 10)
    assert iou_3d(box(), size, raised, size).item() == pytest.approx(9 / 23)


IOUS = pytest.mark.parametrize("iou", [bev_iou, iou_3d], ids=["bev", "3d"])
Iou = Callable[..., np.ndarray]


@IOUS
def test_a_box_covers_itself_and_the_order_does_not_matter(iou: Iou) -> None:
    pose, size = yaw_boxes(40, seed=8)
    table = iou(pose, size, pose, size)
    np.testing.assert_allclose(np.diag(table), 1.0, atol=1e-14)
    np.testing.assert_allclose(table, table.T, atol=1e-13)
    assert (table >= 0).all() and (table <= 1 + 1e-14).all()


@IOUS
@pytest.mark.parametrize("yaw", [np.pi / 2, np.pi, 1e-9, 1e-15, -1e-12])
def test_quarter_turns_and_hairs_do_not_upset_a_box_on_itself(iou: Iou, yaw: float) -> None:
    size = np.array([[3.0, 3.0, 1.0]])
    assert iou(box(1.0, 2.0, 0.7), size, box(1.0, 2.0, 0.7 + yaw), size).item() == pytest.approx(1)


@IOUS
def test_boxes_apart_or_touching_share_nothing(iou: Iou) -> None:
    size = np.array([[2.0, 2.0, 2.0]])
    assert iou(box(), size, box(2.0), size).item() == 0
    assert iou(box(yaw=0.4), size, box(50.0, yaw=1.0), size).item() == 0
    above = Pose(np.eye(3)[None], np.array([[0.0, 0.0, 2.0]]))
    assert iou_3d(box(), size, above, size).item() == 0


@IOUS
def test_boxes_without_area_give_zero_not_nan(iou: Iou) -> None:
    none = np.zeros((1, 3))
    assert iou(box(), none, box(), none).item() == 0
    assert iou(box(), np.ones((1, 3)), box(), none).item() == 0


@IOUS
def test_rigid_motion_of_the_world_changes_nothing(iou: Iou, far_m: np.ndarray) -> None:
    (pose_a, size_a), (pose_b, size_b) = yaw_boxes(10, seed=9), yaw_boxes(12, seed=10)
    move = Pose(rotation_from_yaw(np.array(1.1)), np.array([3.0, -4.0, 2.0]) + far_m)
    table = iou(pose_a, size_a, pose_b, size_b)
    np.testing.assert_allclose(iou(move @ pose_a, size_a, move @ pose_b, size_b), table, atol=1e-8)


@IOUS
def test_tensors_and_batches_equal_one_by_one(iou: Iou) -> None:
    poses, sizes = zip(*(yaw_boxes(7, seed=s) for s in range(20, 26)), strict=True)
    stacked = Pose.stack(
        [Pose(torch.tensor(p.rotation), torch.tensor(p.translation)) for p in poses]
    )
    size = torch.tensor(np.stack(sizes))
    table = iou(stacked[:3], size[:3], stacked[3:], size[3:])
    assert isinstance(table, torch.Tensor)
    for i in range(3):
        expected = iou(poses[i], sizes[i], poses[i + 3], sizes[i + 3])
        np.testing.assert_allclose(table[i].numpy(), expected, atol=1e-15)


def test_overlap_gradients_are_right_away_from_kinks() -> None:
    """Boxes in general position: no corner lies on another box's side."""

    def table(*leaves: torch.Tensor) -> torch.Tensor:
        yaw_a, at_a, size_a, yaw_b, at_b, size_b = leaves
        poses = [Pose(rotation_from_yaw(y), t) for y, t in ((yaw_a, at_a), (yaw_b, at_b))]
        return torch.cat(
            [iou(poses[0], size_a, poses[1], size_b) for iou in (bev_iou, iou_3d)]  # type: ignore[arg-type]
        )

    rng = np.random.default_rng(11)
    leaves = [
        torch.tensor(values, requires_grad=True)
        for values in (
            rng.uniform(-3, 3, 3), rng.normal(size=(3, 3)), rng.uniform(2, 5, (3, 3)),
            rng.uniform(-3, 3, 2), rng.normal(size=(2, 3)), rng.uniform(2, 5, (2, 3)),
        )
    ]  # fmt: skip
    assert (table(*leaves) > 0).all()
    assert torch.autograd.gradcheck(table, leaves, eps=1e-6, atol=1e-7)


def test_gradients_stay_finite_on_kinks() -> None:
    size = torch.tensor([[2.0, 2.0, 2.0]], requires_grad=True)
    at = torch.zeros(1, 3, requires_grad=True)
    pose = Pose(torch.eye(3)[None], at)
    for iou in (bev_iou, iou_3d):
        (iou(pose, size, pose, size) + iou(pose, size * 0, pose, size)).sum().backward()
    assert torch.isfinite(size.grad).all() and torch.isfinite(at.grad).all()


def test_float32_sizes_meet_float64_poses() -> None:
    pose, size = yaw_boxes(4, seed=12)
    tensors = Pose(torch.tensor(pose.rotation), torch.tensor(pose.translation))
    found = bev_iou(tensors, torch.tensor(size).float(), tensors, torch.tensor(size).float())
    np.testing.assert_allclose(found.numpy(), bev_iou(pose, size, pose, size), atol=1e-6)


def boxes(count: int) -> tuple[Pose, np.ndarray]:
    return Pose(np.stack([np.eye(3)] * count), np.zeros((count, 3))), np.ones((count, 3))


@pytest.mark.parametrize("counts", [(1, 3), (3, 1), (2, 3), (1, 0), (0, 1)], ids=str)
def test_one_size_for_each_pose(unchecked: None, counts: tuple[int, int]) -> None:
    pose, size = (
        Pose(np.zeros((counts[0], 3, 3)), np.zeros((counts[0], 3))),
        np.ones((counts[1], 3)),
    )
    calls = [
        lambda: inside(np.zeros((5, 3)), pose, size),
        lambda: points_in_boxes_count(np.zeros((5, 3)), pose, size),
        lambda: bev_iou(pose, size, *boxes(1)),
        lambda: iou_3d(*boxes(1), pose, size),
    ]
    for call in calls:
        with pytest.raises(BadInput, match="^pose: .*do not fit.*remedy"):
            call()


@pytest.mark.parametrize("shape", [(5, 2), (5, 4), (3,), (5,)], ids=str)
def test_rows_of_another_width_are_refused(unchecked: None, shape: tuple[int, ...]) -> None:
    pose, size = boxes(1)
    for count in (inside, points_in_boxes_count):
        with pytest.raises(BadInput, match="^points: has the shape .*remedy"):
            count(np.zeros(shape), pose, size)
        with pytest.raises(BadInput, match="^size: has the shape .*remedy"):
            count(np.zeros((5, 3)), pose, np.ones(shape))


@pytest.mark.parametrize("part", ["rotation", "translation"])
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor], ids=["numpy", "torch"])
def test_a_pose_of_nan_overlaps_nothing(part: str, kind: object) -> None:
    pose, size = boxes(2)
    getattr(pose, part)[1] = np.nan
    bad = Pose(kind(pose.rotation), kind(pose.translation)), kind(size)  # type: ignore[operator]
    good = Pose(*(kind(v) for v in (np.eye(3)[None], np.zeros((1, 3))))), kind(size[:1])  # type: ignore[operator]
    for overlap in (bev_iou, iou_3d):
        for pair in ((*bad, *good), (*good, *bad)):
            with pytest.raises(BadInput, match="^pose: .*not finite"):
                overlap(*pair)

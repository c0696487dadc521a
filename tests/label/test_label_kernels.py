"""Each kernel of the labeller against plain NumPy."""

import numpy as np
import pytest

from roadloom.geometry.pose import Pose, rotation_from_quaternion
from roadloom.geometry.ray_grid import carve
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.label.free import BLOCK, FreeSpace
from roadloom.label.objects import Objects, cells_within
from roadloom.label.sweeps import OCCUPIED, REACH_M, Rays, pieces_of
from roadloom.label.votes import Votes
from roadloom.scene.class_weights import class_weights

GRIDS = [
    VoxelGrid(lower_m=(-8.0, -6.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(40, 30, 9)),
    VoxelGrid(lower_m=(-3.1, 0.7, -2.0), cell_m=(0.7, 0.31, 1.0), shape=(9, 17, 3)),
]


def rays(rng: np.random.Generator, count: int, runs: int) -> tuple[Rays, np.ndarray, list[Pose]]:
    poses = [
        Pose(rotation_from_quaternion(rng.normal(size=4)), rng.normal(0, 2, 3)) for _ in range(runs)
    ]
    cuts = np.sort(rng.integers(0, count, runs - 1)) if runs > 1 else np.zeros(0, np.int64)
    found = Rays(
        rng.uniform(-9, 9, (count, 3)).astype(np.float32),
        rng.uniform(-9, 9, (count, 3)).astype(np.float32),
        rng.integers(0, 70, count).astype(np.uint8),
        np.concatenate([[0], cuts, [count]]).astype(np.int64),
        rng.random(count) < 0.5,
    )
    twelve = [np.concatenate([p.rotation.ravel(), p.translation]) for p in poses]
    return found, np.array(twelve), poses


def placed(found: Rays, poses: list[Pose]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends in the grid's frame, by the kernel's own order of sums."""

    def one(points: np.ndarray) -> np.ndarray:
        parts = []
        for run, pose in enumerate(poses):
            p = points[found.offsets[run] : found.offsets[run + 1]].astype(np.float64)
            r, t = pose.rotation, pose.translation
            parts.append(np.stack([
                r[k, 0] * p[:, 0] + r[k, 1] * p[:, 1] + r[k, 2] * p[:, 2] + t[k] for k in range(3)
            ], axis=1))  # fmt: skip
        return np.concatenate(parts)

    return one(found.starts), one(found.ends)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("count", [3, 40, 1500])
def test_marking_equals_carving(grid: VoxelGrid, count: int) -> None:
    rng = np.random.default_rng(count)
    found, twelve, poses = rays(rng, count, 3)
    settled = rng.random(grid.shape) < 0.2
    space = FreeSpace(grid, settled)
    space.add(found, twelve)
    once = space.crossed
    want = (carve(*placed(found, poses), grid).crossed > 0) & ~settled
    assert 0 < want.sum() < want.size
    assert np.array_equal(once, want)
    space.add(found, twelve)  # blocks are seen through by now
    assert np.array_equal(space.crossed, once)
    open_ = np.where(space._state == 0, 1, 0)
    for block in np.ndindex(space._left.shape):
        part = tuple(slice(b * w, (b + 1) * w) for b, w in zip(block, BLOCK, strict=True))
        assert space._left[block] == open_[part].sum()


@pytest.mark.parametrize("grid", GRIDS)
def test_rays_to_the_ground_leave_the_layer_of_their_end_alone(grid: VoxelGrid) -> None:
    found, twelve, poses = rays(np.random.default_rng(8), 60, 3)
    space = FreeSpace(grid, np.zeros(grid.shape, bool))
    space.add(found, twelve, carve_ground=False)
    want = np.zeros(grid.shape, bool)
    for start, end, ground in zip(*placed(found, poses), found.ground, strict=True):
        crossed = carve(start[None], end[None], grid).crossed > 0
        layer = int(np.floor((end[2] - grid.lower_m[2]) / grid.cell_m[2]))
        if ground and 0 <= layer < grid.shape[2]:
            crossed[:, :, layer] = False
        want |= crossed
    assert np.array_equal(space.crossed, want)
    space.add(found, twelve)
    assert (space.crossed & ~want).any()


@pytest.mark.parametrize("grid", GRIDS)
def test_marking_along_faces_edges_and_through_nothing(grid: VoxelGrid) -> None:
    """Rays within faces, along axes, of no length, that only touch the grid or pass it by."""
    rng = np.random.default_rng(5)
    faces = [grid.faces(axis) for axis in range(3)]
    corner = np.stack([rng.choice(f, 400) for f in faces], axis=1)
    other = np.stack([rng.choice(f, 400) for f in faces], axis=1)
    starts = np.where(rng.random((400, 3)) < 0.5, corner, other)
    ends = np.where(rng.random((400, 3)) < 0.5, corner, other)
    starts = starts.astype(np.float32)
    found = Rays(starts, ends.astype(np.float32), np.zeros(400, np.uint8), np.array([0, 400]),
                 np.zeros(400, bool))  # fmt: skip
    twelve = np.concatenate([np.eye(3).ravel(), np.zeros(3)])[None]
    for row in range(400):
        a, b, c = (column[row : row + 1] for column in found[:3])
        one = Rays(a, b, c, np.array([0, 1]), found.ground[row : row + 1])
        space = FreeSpace(grid, np.zeros(grid.shape, bool))
        space.add(one, twelve)
        want = carve(one.starts.astype(np.float64), one.ends.astype(np.float64), grid).crossed > 0
        assert np.array_equal(space.crossed, want)


def test_a_run_without_a_place_leads_nowhere() -> None:
    found, twelve, _ = rays(np.random.default_rng(0), 200, 1)
    space = FreeSpace(GRIDS[0], np.zeros(GRIDS[0].shape, bool))
    space.add(found, np.full_like(twelve, np.nan))
    votes = Votes(GRIDS[0], semantic=True)
    votes.add(found, np.full_like(twelve, np.nan))
    assert not space.crossed.any() and not votes.at_least(1).any()


@pytest.mark.parametrize("semantic", [True, False])
def test_counting_equals_a_count(semantic: bool) -> None:
    rng = np.random.default_rng(3)
    grid = GRIDS[1]
    votes = Votes(grid, semantic=semantic)
    tally = np.zeros((*grid.shape, 256), int)
    for count in (5, 900, 4000):
        found, twelve, poses = rays(rng, count, 2)
        votes.add(found, twelve)
        cell, inside = grid.cell_of(placed(found, poses)[1])
        inside &= found.classes > 0
        np.add.at(tally, (*cell[inside].T, found.classes[inside]), 1)
    hits = tally.sum(axis=-1)
    for least in (1, 2, 5):
        assert np.array_equal(votes.at_least(least), hits >= least)
    weights = class_weights()
    weights[OCCUPIED] = 0
    score = tally * weights
    best = np.where(score.any(axis=-1), score.argmax(axis=-1), OCCUPIED)
    want = np.where(hits > 0, best if semantic else OCCUPIED, 0)
    assert np.array_equal(votes.classes(), want)


def test_pieces_equal_their_plain_twin() -> None:
    rng = np.random.default_rng(9)
    count, boxes, margin = 400, 6, 0.15

    def objects(shift: float) -> Objects:
        yaw = np.linspace(0, 3, boxes) + 0.02 * shift
        flat = np.stack([np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)], axis=1)
        places = np.linspace([-4, -3, 0], [4, 3, 1], boxes) + [shift, 0.2 * shift, 0]
        return Objects(
            np.array([f"t{i}" for i in range(boxes)]), np.full(boxes, 19, np.uint8),
            Pose(rotation_from_quaternion(flat), places),
            np.linspace([1, 1, 1], [4, 2, 1.8], boxes),
        )  # fmt: skip

    first, last = objects(0.0), objects(0.5)
    starts, ends = rng.uniform(-6, 6, (2, count, 3))
    ends[: count // 2] = np.repeat(first.pose.translation, count // 2 // boxes + 1, axis=0)[
        : count // 2
    ]
    ends[: count // 2] += rng.normal(0, 0.7, (count // 2, 3))
    ends[5] = starts[5]
    share, rule = rng.random(count), rng.integers(0, 3, count).astype(np.uint8)
    holder, pieces = pieces_of(starts, ends, share, rule, first, last, margin)
    want_holder, want = np.full(count, -1), []
    for i in range(count):
        for b in range(boxes):
            r0, r1 = first.pose.rotation[b], last.pose.rotation[b]
            c0, c1 = first.pose.translation[b], last.pose.translation[b]
            r, c = r0 + share[i] * (r1 - r0), c0 + share[i] * (c1 - c0)
            a, z = r.T @ (starts[i] - c), r.T @ (ends[i] - c)
            half = first.size[b] / 2
            low = np.array([*(-half[:2] - margin), first.floor_m[b] - half[2]])
            if rule[i] == 2:
                low[2] = -half[2] - margin
            inside = (z >= low).all() and (z <= half + margin).all() and rule[i] > 0
            if inside and want_holder[i] < 0:
                want_holder[i] = b
            t = np.linspace(0, 1, 2001)[:, None]
            near = (np.abs(a + t * (z - a)) <= half + REACH_M).all(axis=1)
            if near.any():
                want.append((b, i, t[near][0, 0], t[near][-1, 0], a, z))
    assert np.array_equal(holder, want_holder) and (holder >= 0).sum() > 50
    found = {
        (b, int(pieces.rays[row])): row
        for b in range(boxes)
        for row in range(pieces.offsets[b], pieces.offsets[b + 1])
    }
    assert set(found) >= {(b, i) for b, i, *_ in want}
    for b, i, t0, t1, a, z in want:
        row = found[b, i]
        assert np.allclose(pieces.starts[row], a + t0 * (z - a), atol=0.02)
        assert np.allclose(pieces.ends[row], a + t1 * (z - a), atol=0.02)
        assert pieces.held[row] == (holder[i] == b)
        if holder[i] == b:
            assert np.array_equal(pieces.ends[row], z.astype(np.float32))
    assert len(found) - len(want) <= 10  # grazes that the samples missed


def test_cells_within_boxes() -> None:
    yaw = np.array([0.3, -1.0, 0.0, 0.0])
    flat = np.stack([np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)], axis=1)
    places = np.array([[0.0, 0.0, 0.5], [-7.5, 5.5, 1.0], [50.0, 0.0, 0.0], [8.2, -6.3, 2.6]])
    objects = Objects(
        np.array(list("abcd")), np.full(4, 19, np.uint8),
        Pose(rotation_from_quaternion(flat), places),
        np.array([[4.0, 2.0, 1.6], [3.0, 3.0, 3.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]),
    )  # fmt: skip
    grid = GRIDS[0]
    found = cells_within(objects, 0.1, grid)
    want = np.zeros(grid.shape, bool)
    for b in range(4):
        local = (grid.centers() - places[b]) @ objects.pose.rotation[b]
        half = objects.size[b] / 2
        held = (np.abs(local) <= half + 0.1).all(axis=-1)
        want |= held & (local[..., 2] >= 0.15 - half[2])
    assert np.array_equal(found, want) and want.any()
    assert not cells_within(objects.rows(np.array([2])), 0.1, grid).any()

"""The kernels against a slow twin: every ray against every part, in plain NumPy."""

import numpy as np
import pytest

from roadloom.street0.caster import (
    KERB_LEFT,
    KERB_RIGHT,
    ROAD,
    SKY,
    VERGE,
    Hits,
    build_tree,
    cast,
    count_alone,
    in_object_frame,
    nearest,
    normals,
)
from roadloom.street0.world import World, build_world

NEAR = 1e-9


def twin(world: World, origins: np.ndarray, directions: np.ndarray, time_s: np.ndarray) -> tuple:
    """Distance, part and face by solving for each plane of each part, and of the ground."""
    t = world.tables
    best = np.full(len(origins), np.inf)
    part, face = np.full(len(origins), SKY), np.zeros(len(origins), int)
    bounds_rows = set((t.spans[:, 0] - 1).tolist())
    for row in range(len(t.boxes)):
        if row in bounds_rows:
            continue
        x, y, z, vx, vy, cos, sin = t.moving[world.owner[row]]
        turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1.0]])
        place = np.array([x, y, z]) + np.stack([vx * time_s, vy * time_s, 0 * time_s], axis=1)
        o, d = (origins - place) @ turn.T, directions @ turn.T
        low, high = t.boxes[row, :3], t.boxes[row, 3:]
        for number in range(6):
            axis, upper = number // 2, number % 2
            others = [a for a in range(3) if a != axis]
            facing = d[:, axis] < 0 if upper else d[:, axis] > 0
            safe = np.where(facing, d[:, axis], 1.0)
            distance = ((high if upper else low)[axis] - o[:, axis]) / safe
            at = (o + d * distance[:, None])[:, others]
            on = ((at >= low[others]) & (at <= high[others])).all(axis=1)
            closer = facing & on & (distance >= 0) & (distance < best)
            best = np.where(closer, distance, best)
            part, face = np.where(closer, row, part), np.where(closer, number, face)
    return _ground_twin(world, origins, directions, best, part, face)


def _ground_twin(world, o, d, best, part, face):
    right, left, height = world.tables.kerb
    y_at = lambda s: o[:, 1] + d[:, 1] * s  # noqa: E731
    z_at = lambda s: o[:, 2] + d[:, 2] * s  # noqa: E731
    with np.errstate(divide="ignore", invalid="ignore"):
        down = d[:, 2] < 0
        road, verge = -o[:, 2] / d[:, 2], (height - o[:, 2]) / d[:, 2]
        to_left, to_right = (left - o[:, 1]) / d[:, 1], (right - o[:, 1]) / d[:, 1]
        between = lambda y: (y >= right) & (y <= left)  # noqa: E731
        low = lambda z: (z >= 0) & (z <= height)  # noqa: E731
        candidates = [
            (road, down & (road >= 0) & between(y_at(road)), ROAD, 5),
            (verge, down & (verge >= 0) & ~between(y_at(verge)), VERGE, 5),
            (to_left, (d[:, 1] > 0) & (to_left > 0) & low(z_at(to_left)), KERB_LEFT, 2),
            (to_right, (d[:, 1] < 0) & (to_right > 0) & low(z_at(to_right)), KERB_RIGHT, 3),
        ]
    for distance, valid, code, side in candidates:
        reach = np.abs(o + d * np.where(valid, distance, 0)[:, None])[:, :2].max(axis=1)
        closer = valid & (distance < best) & (reach <= 1500)
        best = np.where(closer, distance, best)
        part, face = np.where(closer, code, part), np.where(closer, side, face)
    return best, part, face


def random_rays(world: World, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From above the road in all directions, a third of them nearly level."""
    rng = np.random.default_rng(seed)
    origins = np.stack(
        [rng.uniform(-20, 90, count), rng.uniform(-3, 3, count), rng.uniform(1.9, 2.6, count)], 1
    )
    directions = rng.normal(size=(count, 3))
    directions[::3, 2] *= 0.05
    directions[::2, 2] *= 0.2
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return origins, directions, rng.uniform(0, 10, count)


@pytest.mark.parametrize("scene", [("val", 0), ("train", 5)], ids=str)
def test_twin_agrees(scene: tuple[str, int]) -> None:
    world = build_world(*scene)
    rays = random_rays(world, 1500, seed=scene[1])
    hits = cast(world.tables, build_tree(world.tables, 0.0, 10.0), *rays)
    distance, part, face = twin(world, *rays)
    close = np.isclose(hits.distance, distance, rtol=0, atol=NEAR) | (hits.distance == distance)
    assert close.all()
    # Where two faces meet either may be named; nowhere else may names differ.
    differs = (hits.part != part) | (hits.face != face)
    assert differs.mean() < 0.002
    assert len(np.unique(part)) > 60 and {ROAD, VERGE, SKY} <= set(part.tolist())


@pytest.mark.parametrize("axis", range(3))
def test_twin_agrees_on_rays_along_an_axis(axis: int) -> None:
    """Two of three slabs are then never entered nor left."""
    world = build_world("val", 0)
    origins, directions, time_s = random_rays(world, 600, seed=3)
    directions = np.zeros_like(directions)
    directions[:, axis] = np.where(np.arange(600) % 2, 1.0, -1.0)
    if axis == 2:
        rng = np.random.default_rng(0)
        origins[:, 1], origins[:, 2] = rng.uniform(-25, 25, 600), rng.choice([0.05, 40.0], 600)
    hits = cast(world.tables, build_tree(world.tables, 0.0, 10.0), origins, directions, time_s)
    distance, _, _ = twin(world, origins, directions, time_s)
    np.testing.assert_allclose(hits.distance, distance, rtol=0, atol=NEAR)
    assert np.isfinite(hits.distance).mean() > 0.2


def test_a_narrow_span_gives_the_same_hits_as_a_wide_one() -> None:
    world = build_world("val", 1)
    origins, directions, _ = random_rays(world, 4000, seed=1)
    time_s = np.full(4000, 4.0)
    narrow = cast(world.tables, build_tree(world.tables, 4.0, 4.0), origins, directions, time_s)
    wide = cast(world.tables, build_tree(world.tables, 0.0, 10.0), origins, directions, time_s)
    np.testing.assert_array_equal(narrow.distance, wide.distance)


def test_hits_lie_on_their_face_and_normals_look_back() -> None:
    world = build_world("val", 2)
    origins, directions, time_s = random_rays(world, 4000, seed=2)
    hits = cast(world.tables, build_tree(world.tables, 0.0, 10.0), origins, directions, time_s)
    own = hits.part >= 0
    points = origins[own] + directions[own] * hits.distance[own, None]
    part, face = hits.part[own], hits.face[own].astype(int)
    local = in_object_frame(world.tables, world.owner[part], points, time_s[own])
    box = world.tables.boxes[part]
    plane = np.where(face % 2 == 1, box[np.arange(len(box)), 3 + face // 2],
                     box[np.arange(len(box)), face // 2])  # fmt: skip
    assert np.abs(local[np.arange(len(local)), face // 2] - plane).max() < NEAR
    assert (local >= box[:, :3] - NEAR).all() and (local <= box[:, 3:] + NEAR).all()
    normal = normals(world.tables, world.owner, hits)
    hit = hits.part != SKY
    np.testing.assert_allclose(np.linalg.norm(normal[hit], axis=1), 1)
    assert ((normal * directions).sum(axis=1)[hit] < 0).all()
    assert not normal[~hit].any()


def test_any_hit_and_nearest_hit_agree_about_blocking() -> None:
    world = build_world("val", 0)
    origins, directions, time_s = random_rays(world, 500, seed=4)
    tree = build_tree(world.tables, 0.0, 10.0)
    hits = cast(world.tables, tree, origins, directions, time_s)
    t = world.tables
    for r in range(500):
        for far in (0.999 * hits.distance[r], 1.001 * hits.distance[r]):
            found = nearest(
                t.moving, t.spans, t.boxes, t.kerb, tree.nodes, tree.kids, tree.member, tree.stack,
                tree.entered, *origins[r], *directions[r], time_s[r], far, True,
            )  # fmt: skip
            assert (found[1] != SKY) == (hits.distance[r] < far)


def test_an_object_alone_is_hit_by_the_rays_that_the_twin_says() -> None:
    world = build_world("val", 0)
    origins, directions, time_s = random_rays(world, 1500, seed=5)
    origins[:], time_s[:] = [10.0, -1.0, 1.6], 1.0
    hits = cast(world.tables, build_tree(world.tables, 1.0, 1.0), origins, directions, time_s)
    owners = world.owner[hits.part[hits.part >= 0]]
    row = int(np.bincount(owners[np.isin(owners, world.annotated)]).argmax())
    start, end = world.tables.spans[row]
    alone = World(plan=world.plan)
    boxes = world.tables.boxes.copy()
    boxes[:start, 2] = boxes[:start, 5] = boxes[end:, 2] = boxes[end:, 5] = -900  # out of sight
    alone.__dict__["tables"] = world.tables._replace(boxes=boxes)
    _, part, _ = twin(alone, origins, directions, time_s)
    expected = int(((part >= start) & (part < end)).sum())
    seen = count_alone(world.tables, row, origins, directions, time_s)
    assert seen == expected > 0


def test_sky_only_where_nothing_is() -> None:
    world = build_world("val", 0)
    up = np.array([[0.0, 0.1, 1.0]]) / np.sqrt(1.01)
    hits: Hits = cast(
        world.tables, build_tree(world.tables, 0.0, 0.0), np.array([[5.0, 0, 1.5]]), up, np.zeros(1)
    )
    assert hits.part[0] == SKY and np.isinf(hits.distance[0])

"""Laws of the ground's mesh: no gap anywhere, on the relief, kerbs where low meets raised."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from tests.town.toy import toy_plan

from roadloom.scene.classes import class_id
from roadloom.town.kinds import GROUND_CLASS
from roadloom.town.mesh import materials
from roadloom.town.mesh.ears import triangles_of
from roadloom.town.mesh.ground import ground_mesh, paint_triangles
from roadloom.town.plan.draw import dice_of
from roadloom.town.plan.relief import draw_relief
from roadloom.town.plan.roads import draw_roads
from roadloom.town.plan.types import EXTENT_MM, KERB_MM
from roadloom.town.relief import gradient, height
from roadloom.town.tracks import track_of

KERB = KERB_MM / 1000


@pytest.fixture(scope="module")
def plan():
    net, relief = draw_roads(dice_of("val", 1, 2)), draw_relief(dice_of("val", 1, 1))
    # The toy's ego drives straight on through the town: enough to say where near is.
    return replace(toy_plan(), roads=net, relief=relief)


@pytest.fixture(scope="module")
def mesh(plan):
    return ground_mesh(plan)


def doubled_area(flat):
    a, b = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def is_kerb(mesh):
    return mesh.material == materials.KERB


def test_every_edge_is_shared_to_the_bit(mesh):
    """In space, kerbs among them: a surface whose only rim is the plan's edge."""
    points = mesh.corners.reshape(-1, 3)
    names = np.unique(points, axis=0, return_inverse=True)[1].reshape(-1, 3)
    edges = {}
    for a, b, c in names:
        for edge in ((a, b), (b, c), (c, a)):
            edges[edge] = edges.get(edge, 0) + 1
    assert max(edges.values()) == 1
    place = dict(zip(names.ravel().tolist(), points, strict=True))
    rim = [edge for edge in edges if edge[::-1] not in edges]
    limit = EXTENT_MM / 1000
    for a, b in rim:
        ends = np.abs(np.stack([place[a], place[b]])[:, :2])
        assert ((ends == limit).all(axis=0)).any(), (place[a], place[b])


def test_areas_add_up_to_the_plan(mesh, plan):
    flat = mesh.corners[~is_kerb(mesh)][..., :2]
    assert doubled_area(flat).min() > 0
    assert doubled_area(flat).sum() / 2 == pytest.approx((2 * EXTENT_MM / 1000) ** 2, rel=1e-12)
    for name in set(GROUND_CLASS.values()):
        same = [k for k, other in GROUND_CLASS.items() if other == name]
        areas = [shapely.Polygon(a.ring).area / 1e6 for a in plan.roads.areas if a.kind in same]
        rows = mesh.class_id[~is_kerb(mesh)] == class_id(name)
        found = doubled_area(flat[rows]).sum() / 2
        # Crossings of the lattice are rounded to 2^-14 m.
        assert found == pytest.approx(sum(areas), abs=0.1)


def test_every_ray_from_above_meets_the_ground(mesh, plan):
    """Through places of all kinds, and exactly through vertices."""
    flat = mesh.corners[~is_kerb(mesh)]
    rng = np.random.default_rng(5)
    places = np.concatenate(
        [rng.uniform(-399, 399, (400, 2)), flat[rng.integers(0, len(flat), 100), 0, :2]]
    )
    tree = shapely.STRtree(shapely.polygons(flat[..., :2]))
    point, hit = tree.query(shapely.points(places), predicate="intersects")
    assert set(point) == set(range(len(places)))


def test_near_the_ego_the_surface_follows_the_relief(mesh, plan):
    path = track_of(plan.ego, plan.relief).pose[::50, :2]
    flat = mesh.corners[~is_kerb(mesh)]
    middle = flat.mean(axis=1)
    apart = np.sqrt(((middle[:, None, :2] - path) ** 2).sum(axis=-1)).min(axis=1)
    worst = {}
    for reach in (60.0, 150.0):
        near = flat[apart < reach]
        sides = (near + np.roll(near, -1, axis=1)) / 2
        off = 0.0
        for places in (near.mean(axis=1), sides.reshape(-1, 3)):
            ground = height(plan.relief, places[:, 0], places[:, 1])
            above = places[:, 2] - ground
            off = max(off, np.minimum(np.abs(above), np.abs(above - KERB)).max())
        worst[reach] = off
    assert worst[60.0] < 0.002
    assert worst[150.0] < 0.008


def test_corners_lie_on_the_relief_or_a_kerb_above(mesh, plan):
    z = height(plan.relief, mesh.corners[..., 0], mesh.corners[..., 1])
    raised = mesh.corners[..., 2] - z
    low = np.isin(mesh.class_id, [class_id(n) for n in ("flat.road", "flat.parking")])
    flat = ~is_kerb(mesh)
    assert np.allclose(raised[flat & low], 0, atol=1e-12)
    assert np.allclose(raised[flat & ~low], KERB, atol=1e-12)
    up = is_kerb(mesh)
    assert set(np.round(raised[up].ravel(), 9)) == {0.0, KERB}
    assert np.allclose(mesh.normals[up][..., 2], 0, atol=1e-5)


def test_kerbs_face_the_road(mesh, plan):
    road = shapely.union_all(
        [shapely.Polygon(np.array(a.ring) / 1000) for a in plan.roads.areas
         if a.kind in ("road", "junction", "parking")]
    )  # fmt: skip
    up = mesh[is_kerb(mesh)]
    # 1 cm before each face is road, 1 cm behind it is not.
    middle, ahead = up.corners.mean(axis=1)[:, :2], up.normals[:, 0, :2].astype(float) * 0.01
    shapely.prepare(road)
    assert shapely.contains(road, shapely.points(middle + ahead)).mean() > 0.999
    assert shapely.contains(road, shapely.points(middle - ahead)).mean() < 0.001
    assert (up.class_id == class_id("flat.sidewalk")).all()


def test_normals_are_the_reliefs(mesh, plan):
    flat = mesh[~is_kerb(mesh)]
    gx, gy = gradient(plan.relief, flat.corners[..., 0], flat.corners[..., 1])
    up = np.stack([-gx, -gy, np.ones_like(gx)], axis=-1)
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    assert np.abs(flat.normals - up).max() < 1e-6


def test_textures_run_along_the_streets(mesh, plan):
    road = mesh[mesh.material == materials.ROAD]
    assert np.abs(road.uv - road.corners[..., :2]).max() < 1e-4
    assert np.allclose((road.style[:, 1:3] ** 2).sum(axis=1), 1, atol=1e-5)
    assert set(road.style[:, 0]) <= {0.0, 1.0, 2.0}
    # Slabs keep their size: uv stretches by little where streets bend.
    slabs = mesh[mesh.material == materials.PAVEMENT]
    sides = slabs.corners[:, 1, :2] - slabs.corners[:, 0, :2]
    long = np.sqrt((sides**2).sum(axis=1))
    in_uv = np.sqrt(((slabs.uv[:, 1] - slabs.uv[:, 0]).astype(float) ** 2).sum(axis=1))
    keep = long > 0.5
    assert np.percentile(np.abs(in_uv / np.maximum(long, 1e-9) - 1)[keep], 97) < 0.12


def test_budget_and_owner(mesh):
    assert len(mesh) < 47_000
    assert (mesh.owner == -1).all()


def test_the_same_plan_gives_the_same_bits(mesh, plan):
    again = ground_mesh(plan)
    assert again.corners.tobytes() == mesh.corners.tobytes()
    assert again.uv.tobytes() == mesh.uv.tobytes()


def test_paint_lies_on_the_relief_with_its_own_area(plan):
    paint = paint_triangles(plan)
    assert paint.shape[1:] == (3, 3)
    sides = np.cross(paint[:, 1] - paint[:, 0], paint[:, 2] - paint[:, 0])
    assert (sides[:, 2] > 0).all()
    want = sum(4 * np.hypot(*p.half) * p.half_width for p in plan.roads.paint) / 1e6
    assert sides[:, 2].sum() / 2 == pytest.approx(want, rel=1e-9)
    middle = paint.mean(axis=1)
    off = np.abs(middle[:, 2] - height(plan.relief, middle[:, 0], middle[:, 1]))
    assert off.max() < 0.001


# -- ears ------------------------------------------------------------------------------------------


def test_ears_fill_a_comb():
    ring = np.array(
        [(0, 0), (9, 0), (9, 5), (7, 5), (7, 1), (5, 1), (5, 5), (3, 5), (3, 1), (0, 1.0)]
    )
    rows, piece = triangles_of(ring, np.array([0, len(ring)]))
    assert len(rows) == len(ring) - 2
    assert (piece == 0).all()
    assert doubled_area(ring[rows]).min() > 0
    assert doubled_area(ring[rows]).sum() / 2 == shapely.Polygon(ring).area


def test_ears_keep_vertices_on_straight_sides():
    ring = np.array([(0, 0), (1, 0), (2, 0), (3, 0), (3, 3), (0, 3.0)])
    rows, _ = triangles_of(ring, np.array([0, 6]))
    assert doubled_area(ring[rows]).min() > 0
    assert doubled_area(ring[rows]).sum() == 18
    assert set(rows.ravel()) == set(range(6))


def test_nothing_becomes_nothing():
    rows, piece = triangles_of(np.zeros((0, 2)), np.zeros(1, np.int64))
    assert rows.shape == (0, 3)
    assert len(piece) == 0


# -- relief ----------------------------------------------------------------------------------------


def test_grades_are_like_the_measured():
    grades, around = [], []
    for index in range(8):
        relief = draw_relief(dice_of("val", index, 1))
        assert abs(height(relief, np.zeros(1), np.zeros(1))[0]) < 1e-3
        at = np.arange(-395.0, 396.0, 10.0)
        x, y = np.meshgrid(at, at)
        z = height(relief, x, y)
        grades.append(np.abs(np.concatenate([np.diff(z, axis=0).ravel(), np.diff(z).ravel()])) / 10)
        near = np.hypot(x, y) < 50
        around.append((z[near].min(), z[near].max()))
    assert np.max(grades) < 0.07
    assert np.percentile(grades, [25, 50, 75]) == pytest.approx([0.023, 0.032, 0.040], abs=0.006)
    low, high = np.mean(around, axis=0)
    assert -3.2 < low < -1.2
    assert 1.2 < high < 3.2


def test_relief_is_drawn_the_same_again():
    assert draw_relief(dice_of("val", 3, 1)) == draw_relief(dice_of("val", 3, 1))
    assert draw_relief(dice_of("val", 3, 1)) != draw_relief(dice_of("val", 4, 1))

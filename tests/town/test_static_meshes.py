"""Laws of everything that stands still: buildings, plants, furniture."""

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from roadloom.scene.classes import class_id
from roadloom.town.kinds import FLOOR_M, KINDS
from roadloom.town.mesh import buildings, furniture, materials, plants
from roadloom.town.mesh.build import FAR, MIDDLE, NEAR, SUNK_M, build_kind
from roadloom.town.mesh.plants_crowns import SPECIES, lumps, template

SIZES = {
    "building": ((17.3, 11.2, 13.05), (23.9, 13.4, 19.1), (12.1, 10.1, 9.9)),
    "shop": ((13.3, 10.7, 7.6), (18.7, 12.9, 13.8), (9.1, 9.5, 16.6)),
    "office": ((24.1, 15.3, 22.8), (18.2, 14.1, 37.1), (29.8, 18.8, 44.4)),
    "house": ((9.1, 8.3, 8.9), (13.3, 10.2, 6.1), (11.2, 9.4, 9.5)),
    "hall": ((26.7, 16.1, 7.1), (33.6, 23.7, 8.6), (20.3, 14.2, 5.5)),
    "skyline": ((31.1, 18.2, 17.3), (43.2, 23.3, 47.8)),
    "tree": ((5.3, 5.2, 8.1), (2.1, 2.0, 7.3), (6.4, 6.3, 7.9), (4.1, 4.3, 8.2)),
    "hedge": ((9.3, 0.7, 1.3), (2.1, 0.6, 0.95)),
    "bush": ((1.3, 1.2, 1.1), (0.8, 0.9, 0.7)),
    "hill": ((131.0, 52.0, 21.0), (113.0, 47.0, 33.0)),
    "barrier": ((0.69, 1.99, 1.08), (0.57, 1.85, 0.9)),
    "cone": ((0.38, 0.37, 0.93), (0.51, 0.48, 1.31)),
    "barrel": ((0.58, 0.57, 1.02),),
    "works_sign": ((0.62, 0.78, 1.45), (0.55, 0.9, 1.2)),
    "bollard": ((0.23, 0.22, 0.98), (0.12, 0.13, 0.8)),
    "bicycle_rack": ((2.6, 0.9, 0.87), (1.7, 0.7, 0.76)),
    "wheelie_bin": ((0.73, 0.58, 1.08),),
    "debris": ((0.82, 0.64, 0.43), (1.4, 1.0, 0.7)),
    "bench": ((1.79, 0.61, 0.83), (1.5, 0.52, 0.76)),
    "hydrant": ((0.33, 0.33, 0.79),),
    "litter_bin": ((0.51, 0.5, 1.01),),
    "mailbox": ((0.51, 0.43, 1.29),),
    "cabinet": ((1.08, 0.38, 1.26), (1.5, 0.44, 1.5)),
    "bus_shelter": ((3.9, 1.43, 2.52), (3.2, 1.28, 2.39)),
    "planter": ((1.13, 0.69, 0.95), (1.5, 0.83, 1.2)),
    "lamp_post": ((2.1, 0.23, 8.1), (1.1, 0.23, 6.2), (1.3, 0.23, 5.801)),
    "pole": ((0.17, 0.17, 3.9),),
    "sign": ((0.11, 0.64, 2.73),),
    "stop_sign": ((0.11, 0.77, 2.69),),
    "traffic_light": ((0.42, 0.42, 3.37), (0.46, 5.6, 6.23)),
    "people_light": ((0.38, 0.38, 2.77),),
    "fence": ((4.2, 0.07, 1.1), (9.6, 0.07, 1.3), (1.1, 0.07, 0.9)),
    "wall": ((6.1, 0.25, 1.0), (1.4, 0.22, 0.7)),
    "guard_rail": ((8.1, 0.5, 0.8), (12.3, 0.2, 0.75)),
}
SHAPES = {
    "building": (4,),
    "shop": (3,),
    "office": (7,),
    "house": (2,),
    "hall": (1,),
    "sign": (2, 50),
    "traffic_light": (3,),
    "people_light": (5,),
}
BUILDERS = {"building": buildings.build, "plant": plants.build, "furniture": furniture.build}
SEEDS = (0, 7, 4_294_967_295)
CASES = [(kind, size) for kind, sizes in SIZES.items() for size in sizes]


def made(kind, size, seed=7, detail=NEAR, shape=None):
    return build_kind(kind, size, seed, detail, SHAPES.get(kind, ()) if shape is None else shape)


def area(mesh):
    span = np.cross(
        mesh.corners[:, 1] - mesh.corners[:, 0], mesh.corners[:, 2] - mesh.corners[:, 0]
    )
    return np.sqrt((span * span).sum(axis=1)) / 2


def test_every_kind_of_the_families_is_covered():
    assert set(SIZES) == {kind for kind, row in KINDS.items() if row.family in BUILDERS}


@pytest.mark.parametrize(("kind", "size"), CASES)
def test_bounds_are_touched_and_triangles_are_sound(kind, size):
    floor = FLOOR_M if KINDS[kind].boxed else -SUNK_M
    for seed in SEEDS:
        for detail in (NEAR, MIDDLE, FAR):
            mesh = made(kind, size, seed, detail)
            low, high = mesh.corners.min(axis=(0, 1)), mesh.corners.max(axis=(0, 1))
            assert np.abs(low - (-size[0] / 2, -size[1] / 2, floor)).max() < 1e-9
            assert np.abs(high - (size[0] / 2, size[1] / 2, size[2])).max() < 1e-9
            lengths = np.sqrt((mesh.normals.astype(np.float64) ** 2).sum(axis=-1))
            assert np.abs(lengths - 1).max() < 1e-5
            assert area(mesh).min() > 1e-9
            assert np.isfinite(mesh.uv).all()
            assert np.isfinite(mesh.style).all()
            assert mesh.material.max() < materials.COUNT
            assert mesh.tint.min() >= 0
            assert mesh.tint.max() <= 0.62


@pytest.mark.parametrize(("kind", "size"), CASES)
def test_less_detail_is_fewer_triangles(kind, size):
    for seed in SEEDS:
        near, middle, far = (len(made(kind, size, seed, d)) for d in (NEAR, MIDDLE, FAR))
        assert near >= middle >= far
        if KINDS[kind].family == "building":
            assert near <= 340
            assert middle <= 160
            assert far <= 45
        elif KINDS[kind].family == "furniture":
            assert near <= 300


@pytest.mark.parametrize(("kind", "size"), CASES)
def test_the_same_arguments_give_the_same_bits(kind, size):
    build = BUILDERS[KINDS[kind].family]
    first = build(kind, size, 11, NEAR, SHAPES.get(kind, ()))
    template.cache_clear()
    again = build(kind, size, 11, NEAR, SHAPES.get(kind, ()))
    for name in ("corners", "normals", "uv", "material", "tint", "style", "class_id"):
        assert np.array_equal(getattr(first, name), getattr(again, name))


def test_buildings_of_different_seeds_differ():
    for kind in ("building", "shop", "house", "office"):
        looks = {len(made(kind, SIZES[kind][0], seed)) for seed in range(12)}
        assert len(looks) >= 5


@pytest.mark.parametrize("kind", ["building", "shop", "office", "house"])
def test_walls_hold_whole_bays_in_metres(kind):
    seen = 0
    for size in SIZES[kind]:
        for seed in range(12):
            mesh = made(kind, size, seed)
            wall = mesh[mesh.material == materials.FACADE]
            seen += len(wall)
            for i, j in ((0, 1), (1, 2), (2, 0)):
                real = np.sqrt(((wall.corners[:, i] - wall.corners[:, j]) ** 2).sum(axis=-1))
                flat = np.sqrt(((wall.uv[:, i] - wall.uv[:, j]) ** 2).sum(axis=-1))
                assert np.abs(real - flat).max() < 1e-5
            bays = wall.uv[..., 0].max(axis=1) / wall.style[:, 0]
            ends = wall.uv[..., 0].max(axis=1) > wall.uv[..., 0].min(axis=1) + 1e-3
            rect = ends & (wall.style[:, 2] % 10 > 0)
            assert np.abs(bays - np.round(bays))[rect].max() < 1e-4
            kinds = wall.style[:, 2]
            assert ((kinds // 10 <= 5) & (kinds % 10 <= 5)).all()
            assert (wall.style[:, :2] > 0.5).all()
            # Seen from outside, u grows to the right: up x normal.
            du = wall.corners[:, 1] - wall.corners[:, 0]
            right = np.cross((0.0, 0.0, 1.0), wall.normals[:, 0])
            grow = (wall.uv[:, 1, 0] - wall.uv[:, 0, 0]) * (du * right).sum(axis=-1)
            assert (grow > -1e-6).all()
    assert seen > 200


def first_hits(mesh, count=3000, seed=0):
    """What rays from all around at the upper half meet: triangles, and the cosine of their
    winding's normal against the viewer."""
    chance = np.random.default_rng(seed)
    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, mesh.corners.astype(np.float32))
    low, high = mesh.corners.min(axis=(0, 1)), mesh.corners.max(axis=(0, 1))
    low[2] = 0.05
    away = chance.normal(size=(count, 3))
    away[:, 2] = np.abs(away[:, 2]) * 0.5
    away /= np.sqrt((away**2).sum(axis=1, keepdims=True))
    aim = chance.uniform(low, high, (count, 3))
    reach = 2 * np.sqrt(((high - low) ** 2).sum())
    found = scene.run(
        (aim + away * reach).astype(np.float32), (-away).astype(np.float32), output=True
    )
    hit = found["primID"] >= 0
    rows = found["primID"][hit]
    span = np.cross(
        mesh.corners[rows, 1] - mesh.corners[rows, 0], mesh.corners[rows, 2] - mesh.corners[rows, 0]
    )
    span /= np.sqrt((span**2).sum(axis=1, keepdims=True))
    return rows, (span * away[hit]).sum(axis=1)


SHEETS = (materials.LEAF, materials.GLASS, materials.AWNING, materials.MESHWORK)
"""Materials of which single sheets are made."""


@pytest.mark.parametrize(("kind", "size"), CASES)
def test_faces_look_outward(kind, size):
    for seed in (3, 8):
        for detail in (NEAR, FAR):
            mesh = made(kind, size, seed, detail)
            rows, cosine = first_hits(mesh)
            solid = ~np.isin(mesh.material[rows], SHEETS)
            if solid.sum() > 50:
                # Visors, railings and open eaves show a few faces from behind.
                assert (cosine[solid] > -1e-3).mean() > 0.985, (seed, detail)


def test_a_clump_is_closed_and_wound_outward():
    clumps = np.array([(0.3, -0.2, 1.0, 0.8, 1.1)])
    mesh = lumps(clumps, 1.0, 0.15, (8, 5), np.random.default_rng(1), (0.5, 0.1))
    a, b, c = np.moveaxis(mesh.corners, 1, 0)
    volume = (np.cross(a, b) * c).sum() / 6
    assert 0.5 < volume / (4 / 3 * np.pi * 0.8 * 0.8 * 1.1) < 1.1
    edges = {}
    for triangle in np.round(mesh.corners, 9):
        for i in range(3):
            edge = (tuple(triangle[i]), tuple(triangle[(i + 1) % 3]))
            edges[edge] = edges.get(edge, 0) + 1
    assert all(count == 1 and edges.get((b, a)) == 1 for (a, b), count in edges.items())


@pytest.mark.parametrize("size", SIZES["tree"])
def test_trees_stand_on_their_trunks(size):
    trunk, green = class_id("nature.trunk"), class_id("nature.vegetation")
    for seed in range(6):
        for detail in (NEAR, MIDDLE, FAR):
            mesh = made("tree", size, seed, detail)
            foot = mesh.corners[mesh.class_id == trunk]
            near_ground = foot[(foot[..., 2] < 0.01)]
            assert np.abs(near_ground[:, :2]).max() < 0.5
            assert np.abs(near_ground[:, :2].mean(axis=0)).max() < 0.1
            assert foot[..., 2].max() < 0.6 * size[2]
            crown = mesh.corners[(mesh.material == materials.LEAF)]
            assert crown[..., 2].max() == pytest.approx(size[2])
            assert set(np.unique(mesh.class_id).tolist()) == {trunk, green}


def test_trees_lose_leaves_with_distance_and_turn_in_autumn():
    size = SIZES["tree"][0]
    counts = [(made("tree", size, 5, d).material == materials.LEAF).sum() for d in range(3)]
    assert counts[0] > 2000
    assert 500 < counts[1] < 1000
    assert counts[2] < 260
    red = []
    for season in ((), (1,)):
        tints = [
            made("tree", size, seed, NEAR, season).tint[-1] for seed in range(20)
        ]  # leaves come last
        red.append(np.mean([t[0] > t[1] for t in tints]))
    assert red[0] < 0.2
    assert red[1] > 0.6
    assert len(SPECIES) == 5


def test_crowns_are_lit_as_bodies():
    """Leaves on the +x side of a crown have normals that lean to +x."""
    mesh = made("tree", SIZES["tree"][0], 2)
    leaf = mesh[mesh.material == materials.LEAF]
    x = leaf.corners.mean(axis=1)[:, 0]
    outer = np.abs(x) > 1.5
    assert (leaf.normals[outer, 0, 0] * np.sign(x[outer]) > 0).mean() > 0.85


@pytest.mark.parametrize("size", SIZES["traffic_light"])
def test_lights_show_their_signal_to_the_front(size):
    mesh = made("traffic_light", size, 1, NEAR, (9,))
    lamp = mesh[mesh.material == materials.SIGNAL_LAMP]
    assert np.allclose(lamp.normals, (1, 0, 0), atol=1e-5)
    assert (lamp.style[:, 0] == 9).all()
    assert (lamp.style[:, 2] == 0).all()
    heads = 2 if size[1] > 1 else 1
    assert len(lamp) == heads * 3 * 10
    height = [lamp.corners[lamp.style[:, 1] == bulb][..., 2].max() for bulb in range(3)]
    assert height[0] > height[1] > height[2]
    if heads == 2:
        post = mesh.corners[mesh.corners[..., 2] < 0.1]
        assert post[:, 1].min() > size[1] / 2 - 0.3
        assert lamp.corners[..., 1].min() < -size[1] / 2 + 0.4


def test_people_lights_have_red_and_green():
    mesh = made("people_light", SIZES["people_light"][0], 1, NEAR, (4,))
    lamp = mesh[mesh.material == materials.SIGNAL_LAMP]
    assert set(lamp.style[:, 1].tolist()) == {0.0, 2.0}
    assert (lamp.style[:, 2] == 1).all()


@pytest.mark.parametrize("plate", range(10))
def test_signs_face_along_x_and_measure_from_their_middle(plate):
    size = SIZES["sign"][0]
    mesh = made("sign", size, 1, NEAR, (plate, 50))
    face = mesh[mesh.material == materials.SIGN_FACE]
    assert np.allclose(face.normals, (1, 0, 0), atol=1e-5)
    assert face.corners[..., 1].max() == pytest.approx(size[1] / 2)
    assert face.corners[..., 2].max() == pytest.approx(size[2])
    assert set(face.style[:, 0].tolist()) == {float(plate)}
    assert (face.style[:, 3] == 50).all()
    assert np.abs(face.uv[..., 0] - face.corners[..., 1]).max() < 0.01
    half = face.style[0, 1:3]
    assert np.abs(np.abs(face.uv).max(axis=(0, 1)) - half).max() < 0.03


def test_lamp_posts_stand_at_one_end_and_shine_at_the_other():
    size = SIZES["lamp_post"][0]
    mesh = made("lamp_post", size)
    assert mesh.corners[mesh.corners[..., 2] < 0.1][:, 0].max() < -size[0] / 2 + 0.3
    bulb = mesh[mesh.material == materials.STREET_LAMP]
    assert (bulb.normals[..., 2] < -0.99).all()
    assert bulb.corners[..., 0].min() > 0


def test_shops_open_to_the_street():
    shown = 0
    for seed in range(10):
        mesh = made("shop", SIZES["shop"][1], seed)
        lettered = mesh[mesh.material == materials.SHOPFRONT]
        hung = lettered.corners[..., 2].min(axis=1) > 0
        assert (lettered[hung].corners[..., 2] > 1.8).all()  # boards on arms
        front = lettered[~hung]
        assert len(front) >= 2
        assert (front.normals[..., 1] < -0.99).all()
        width = front.uv[..., 0].max(axis=1) / front.style[:, 0]
        assert np.abs(width - np.round(width)).max() < 1e-4
        cloth = mesh.corners[mesh.material == materials.AWNING]
        shown += len(cloth) > 0
        assert len(cloth) == 0 or cloth[..., 2].min() > 1.8
    assert shown >= 5


@pytest.mark.parametrize("kind", ["building", "shop", "office", "house", "hall"])
def test_walls_do_not_share_a_place(kind):
    """No two upright faces with one orientation lie in one plane over each other."""
    for size in SIZES[kind]:
        for seed in range(8):
            for detail in (NEAR, MIDDLE, FAR):
                mesh = made(kind, size, seed, detail)
                for axis, other in ((0, 1), (1, 0)):
                    rows = np.flatnonzero(np.abs(mesh.normals[:, 0, axis]) > 0.999)
                    _check_apart(mesh, rows, axis, other)


def _check_apart(mesh, rows, axis, other):
    at = np.round(mesh.corners[rows, 0, axis], 5)
    low, high = mesh.corners[rows].min(axis=1), mesh.corners[rows].max(axis=1)
    middle = mesh.corners[rows].mean(axis=1)
    for plane in np.unique(at):
        here = np.flatnonzero(at == plane)
        corners = mesh.corners[rows[here]][..., [other, 2]]
        for place in middle[here][:, [other, 2]]:
            assert _covering(corners, place) == 1
    assert (low <= high).all()


def _covering(corners, place):
    """How many triangles hold a place inside."""
    d = np.roll(corners, -1, axis=1) - corners
    r = place - corners
    side = d[..., 0] * r[..., 1] - d[..., 1] * r[..., 0]
    return int(((side > 1e-7).all(axis=1) | (side < -1e-7).all(axis=1)).sum())

"""Meshes of vehicles, two-wheelers and people: sizes, closed skins, mirror images, levels."""

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from roadloom.scene.classes import class_id
from roadloom.town.kinds import FLOOR_M, KINDS
from roadloom.town.mesh import materials, solids
from roadloom.town.mesh.build import FAR, MIDDLE, NEAR, PHASES, build_kind
from roadloom.town.mesh.mesh import Mesh, flat_normals

SIZES = {
    "ego": (4.6, 1.9, 1.7),
    "car.sedan": (4.71, 1.86, 1.46),
    "car.hatchback": (4.07, 1.79, 1.52),
    "car.estate": (4.78, 1.85, 1.5),
    "car.suv": (4.63, 1.93, 1.71),
    "car.van": (5.13, 2.0, 2.02),
    "car.pickup": (5.33, 1.95, 1.84),
    "police_car": (4.83, 1.87, 1.63),
    "ambulance": (5.9, 2.05, 2.61),
    "truck.box": (8.5, 2.52, 3.54),
    "truck.flatbed": (6.9, 2.4, 2.81),
    "truck.cab": (6.5, 2.55, 3.21),
    "bus": (11.9, 2.55, 3.17),
    "trailer": (8.1, 2.53, 3.64),
    "excavator": (7.4, 2.6, 3.0),
    "roller": (4.3, 1.9, 2.7),
    "bicycle": (1.71, 0.6, 1.09),
    "cyclist": (1.73, 0.62, 1.77),
    "motorcycle": (2.11, 0.75, 1.22),
    "motorcyclist": (2.13, 0.8, 1.61),
    "adult": (0.81, 0.66, 1.75),
    "child": (0.6, 0.46, 1.21),
    "worker": (0.8, 0.67, 1.79),
    "police_officer": (0.79, 0.66, 1.83),
    "stroller": (1.41, 0.66, 1.71),
    "wheelchair": (1.14, 0.69, 1.34),
    "scooter": (1.16, 0.61, 1.86),
    "dog": (0.91, 0.3, 0.66),
}
CARS = [kind for kind in SIZES if kind.startswith("car.") or kind in ("ego", "police_car")]
PEOPLE = [kind for kind in SIZES if KINDS[kind].family == "person"]
WALKERS = ["adult", "child", "worker", "police_officer", "stroller", "dog"]


def bounds(mesh):
    return mesh.corners.min(axis=(0, 1)), mesh.corners.max(axis=(0, 1))


def wanted(size):
    low = np.array([-size[0] / 2, -size[1] / 2, FLOOR_M])
    return low, np.array([size[0] / 2, size[1] / 2, size[2]])


def volume(mesh):
    """By the divergence theorem; right only for closed outward surfaces."""
    a, b, c = mesh.corners.swapaxes(0, 1)
    return float((a * np.cross(b, c)).sum() / 6)


def hits(mesh, origin, direction):
    """Whether rays hit, and whether they hit a face from its outside."""
    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, mesh.corners.astype(np.float32))
    direction = np.broadcast_to(np.asarray(direction, np.float32), origin.shape)
    found = scene.run(origin.astype(np.float32), np.ascontiguousarray(direction), output=True)
    which = found["primID"]
    outside = (flat_normals(mesh.corners)[which] * direction).sum(axis=1) < 0
    return which >= 0, outside


def test_every_kind_of_the_families_is_tried():
    families = ("vehicle", "two_wheeler", "person")
    assert set(SIZES) == {name for name, kind in KINDS.items() if kind.family in families}


@pytest.mark.parametrize("kind", SIZES)
def test_meshes_fill_their_size_and_are_sound(kind):
    for seed, grow in ((1, 1.0), (77, 0.93), (2**32 - 1, 1.08)):
        size = tuple(edge * grow for edge in SIZES[kind])
        for detail in (NEAR, MIDDLE, FAR):
            mesh = build_kind(kind, size, seed, detail)
            for got, want in zip(bounds(mesh), wanted(size), strict=True):
                np.testing.assert_allclose(got, want, atol=1e-9)
            edge = np.cross(
                mesh.corners[:, 1] - mesh.corners[:, 0], mesh.corners[:, 2] - mesh.corners[:, 0]
            )
            assert np.sqrt((edge**2).sum(axis=1)).min() > 1e-9
            lengths = np.sqrt((mesh.normals.astype(float) ** 2).sum(axis=-1))
            np.testing.assert_allclose(lengths, 1, atol=1e-5)
            lean = (mesh.normals * flat_normals(mesh.corners)[:, None]).sum(axis=-1)
            assert lean.min() > -0.4
            assert np.isfinite(mesh.uv).all()
            assert mesh.tint.min() >= 0 and mesh.tint.max() <= 0.76


@pytest.mark.parametrize("kind", SIZES)
def test_farther_means_fewer_triangles(kind):
    near, middle, far = (len(build_kind(kind, SIZES[kind], 5, detail)) for detail in range(3))
    assert near >= middle > far
    assert near < 2000 and far < 700


@pytest.mark.parametrize("kind", SIZES)
def test_same_arguments_give_the_same_arrays(kind):
    one = build_kind.__wrapped__(kind, SIZES[kind], 9, NEAR, (3,))
    two = build_kind.__wrapped__(kind, SIZES[kind], 9, NEAR, (3,))
    for name in ("corners", "normals", "uv", "material", "tint", "style", "class_id"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_seeds_differ():
    tints = {
        tuple(build_kind("car.sedan", SIZES["car.sedan"], seed, FAR).tint[0]) for seed in range(40)
    }
    assert len(tints) > 8


@pytest.mark.parametrize("kind", SIZES)
def test_classes_are_the_kinds_or_its_riders(kind):
    rider = {"cyclist": "human.rider.bicycle", "motorcyclist": "human.rider.motorcycle"}
    want = {class_id(KINDS[kind].cls)}
    if kind in rider:
        want.add(class_id(rider[kind]))
    assert set(build_kind(kind, SIZES[kind], 4, NEAR).class_id.tolist()) == want


@pytest.mark.parametrize("kind", PEOPLE)
@pytest.mark.parametrize("stretch", [(1.0, 1.0, 1.0), (0.6, 0.7, 0.85), (1.4, 1.45, 1.15)])
def test_every_phase_keeps_to_the_size(kind, stretch):
    size = tuple(a * b for a, b in zip(SIZES[kind], stretch, strict=True))
    low, high = wanted(size)
    for phase in range(PHASES):
        got_low, got_high = bounds(build_kind(kind, size, 6, NEAR, (phase,)))
        np.testing.assert_allclose(got_low[1:], low[1:], atol=1e-9)
        np.testing.assert_allclose(got_high[1:], high[1:], atol=1e-9)
        assert got_low[0] > low[0] - 1e-9 and got_high[0] < high[0] + 1e-9


@pytest.mark.parametrize("kind", WALKERS)
def test_walkers_move_their_limbs_by_little_from_phase_to_phase(kind):
    meshes = [build_kind(kind, SIZES[kind], 6, NEAR, (phase,)) for phase in range(PHASES)]
    for one, two in zip(meshes, [*meshes[1:], meshes[0]], strict=True):
        apart = np.sqrt(((one.corners - two.corners) ** 2).sum(axis=-1))
        assert 0.01 < apart.max() < 0.35
        assert np.array_equal(one.material, two.material)


def test_a_cyclists_pedals_turn_forward():
    size = SIZES["cyclist"]
    rider = class_id("human.rider.bicycle")
    lowest = []
    for phase in range(PHASES):
        mesh = build_kind("cyclist", size, 3, NEAR, (phase,))
        body = mesh.corners[mesh.class_id == rider].reshape(-1, 3)
        left = body[body[:, 1] > 0.03]
        lowest.append(left[left[:, 2].argmin()])
    x, z = np.array(lowest)[:, 0], np.array(lowest)[:, 2]
    # Over the top forward, under the bottom backward: clockwise seen from the right.
    assert x[z.argmax()] - x[z.argmin()] < 0.25 and np.ptp(z) > 0.2
    top = int(z.argmax())
    assert x[(top + 1) % PHASES] > x[top - 1]


@pytest.mark.parametrize("kind", CARS)
@pytest.mark.parametrize("detail", [NEAR, MIDDLE, FAR])
def test_cars_are_mirror_images_and_watertight(kind, detail):
    size = SIZES[kind]
    mesh = build_kind(kind, size, 8, detail)
    corner = np.unique(mesh.corners.reshape(-1, 3).round(7), axis=0)
    apart = np.abs(corner[:, None] - corner * (1, -1, 1)).max(axis=-1).min(axis=1)
    assert apart.max() < 1e-6
    middle = mesh.corners.mean(axis=1)
    edge = mesh.corners[:, 1:] - mesh.corners[:, :1]
    area = np.sqrt((np.cross(edge[:, 0], edge[:, 1]) ** 2).sum(axis=1)) / 2
    for material in np.unique(mesh.material):
        rows = mesh.material == material
        left, right = (area[rows & (sign * middle[:, 1] > 1e-9)].sum() for sign in (1, -1))
        assert left == pytest.approx(right, rel=1e-6)
    # Rays at the box from every side see outsides only.
    rng = np.random.default_rng(3)
    share = rng.uniform(-0.47, 0.47, (4000, 3))
    inner = share * size + (0, 0, size[2] / 2)
    direction = rng.normal(size=(4000, 3))
    direction[:, 2] = -np.abs(direction[:, 2])
    direction /= np.sqrt((direction**2).sum(axis=1, keepdims=True))
    # Farther away wheels are open towards the middle of the car.
    closed = mesh if detail == NEAR else mesh[mesh.material != materials.RUBBER]
    struck, outside = hits(closed, inner - 12 * direction, direction)
    assert struck.mean() > 0.6
    assert outside[struck].mean() > 0.999


@pytest.mark.parametrize("kind", [*CARS, "car.van", "bus", "truck.box", "trailer"])
def test_rays_through_the_middle_hit(kind):
    size = SIZES[kind]
    mesh = build_kind(kind, size, 2, NEAR)
    middle = np.array([0.0, 0.0, size[2] * 0.52])
    for axis in range(3):
        for sign in (1, -1):
            step = np.zeros(3)
            step[axis] = sign
            struck, outside = hits(mesh, (middle - 30 * step)[None], step)
            assert struck[0] and outside[0]


@pytest.mark.parametrize("kind", ["adult", "child", "dog", "car.sedan", "truck.box"])
def test_volumes_are_those_of_bodies(kind):
    """Closed and outward everywhere: parts overlap, but none counts as negative."""
    size = SIZES[kind]
    share = volume(build_kind(kind, size, 2, NEAR)) / (size[0] * size[1] * size[2])
    low, high = {"adult": (0.06, 0.25), "child": (0.06, 0.3), "dog": (0.1, 0.4)}.get(
        kind, (0.4, 0.9)
    )
    assert low < share < high


def test_cars_fronts_and_rears_carry_what_they_should():
    for kind in ("car.sedan", "car.hatchback", "car.estate", "car.suv", "car.van", "car.pickup"):
        for seed in range(12):
            mesh = build_kind(kind, SIZES[kind], seed, NEAR)
            x = mesh.corners[..., 0].mean(axis=1)
            for material, sign in (
                (materials.HEADLAMP, 1), (materials.TAILLAMP, -1),
            ):  # fmt: skip
                rows = mesh.material == material
                assert rows.any() and (x[rows] * sign > 0.3 * SIZES[kind][0]).all()
            plates = x[mesh.material == materials.PLATE]
            assert (plates > 0).any() and (plates < 0).any()
            side = mesh.style[(mesh.material == materials.PAINTWORK), 4]
            assert set(np.unique(side)) == {0.0, 1.0}


# -- shapes --------------------------------------------------------------------------------------

FINISH = solids.Finish(materials.PLAIN, (0.5, 0.5, 0.5), 1)


@pytest.mark.parametrize(
    ("mesh", "want"),
    [
        (solids.box((0, 0, 0), (1, 2, 3), FINISH), 6.0),
        (solids.cylinder(1.0, 0.0, 2.0, 64, FINISH), 2 * np.pi),
        (solids.limb((0, 0, 0), (0, 3, 4), 0.2, 0.1, 64, FINISH), 5 * np.pi * 0.07 / 3),
        (solids.ellipsoid((1, 2, 3), (1, 2, 0.5), FINISH, sides=64, rings=40), 4 * np.pi / 3),
        (solids.prism(np.array([(0, 0), (2, 0), (0, 1)], float), -1, 1, FINISH), 2.0),
        (solids.mirrored(solids.box((0, 1, 0), (1, 2, 3), FINISH)), 3.0),
    ],
)
def test_shapes_are_closed_with_the_volume_of_the_book(mesh: Mesh, want):
    assert volume(mesh) == pytest.approx(want, rel=0.01)


def test_boxes_measure_their_sides():
    mesh = solids.box((0, 0, 0), (1, 2, 3), FINISH)
    span = np.ptp(mesh.uv.astype(float), axis=1)
    want = {(1.0, 2.0), (1.0, 3.0), (2.0, 3.0)}
    assert {tuple(row) for row in span} == want
    # Seen from outside u grows to the right on upright faces.
    normal = flat_normals(mesh.corners)
    upright = normal[:, 2] == 0
    right = np.cross((0, 0, 1.0), normal[upright])
    along = (mesh.corners[upright] * right[:, None]).sum(axis=-1)
    np.testing.assert_allclose(np.diff(along), np.diff(mesh.uv[upright, :, 0]), atol=1e-6)


def test_creased_normals_are_those_of_a_sphere_and_keep_a_boxs_edges():
    ball = solids.ellipsoid((0, 0, 0), (1, 1, 1), FINISH, sides=32, rings=16)
    got = solids.creased(ball).normals
    assert (got * ball.corners).sum(axis=-1).min() > 0.995
    cube = solids.box((0, 0, 0), (1, 1, 1), FINISH)
    np.testing.assert_allclose(solids.creased(cube).normals, cube.normals, atol=1e-6)

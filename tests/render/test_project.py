"""Gaussians through cameras: exact derivatives, the border, what is not seen, and order."""

import numpy as np
import pytest
import torch
from tests.render.splat_cases import CAMERAS, HEIGHT, WIDTH, cloud

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose, rotation_from_quaternion
from roadloom.render.project import (
    LOW_PASS_PX2,
    Footprints,
    project_gaussians,
    projection_jacobian,
)
from roadloom.render.splat import splat
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera

HERE = Pose.identity()
TURNED = Pose(rotation_from_quaternion(np.array([0.9, 0.1, -0.2, 0.3])), np.array([0.3, 0.2, -0.5]))


def differentiated(camera, points):
    """The derivative of ``camera.project``, as torch finds it: each pixel has its own point."""
    leaf = torch.tensor(points, requires_grad=True)
    pixels = camera.project(leaf)[0]
    rows = [torch.autograd.grad(pixels[:, i].sum(), leaf, retain_graph=True)[0] for i in (0, 1)]
    return torch.stack(rows, dim=1).numpy()


def in_view(camera, points):
    return points[camera.project(points)[1]]


@pytest.mark.parametrize("name", CAMERAS)
def test_the_jacobian_is_the_derivative_of_project(name: str) -> None:
    camera = CAMERAS[name]
    points = in_view(camera, cloud(400)[0])
    assert len(points) > 50
    exact = differentiated(camera, points)
    assert np.allclose(projection_jacobian(camera, points), exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["fisheye", "f-theta"])
def test_the_jacobian_on_the_axis_and_behind_the_lens(name: str) -> None:
    camera = CAMERAS[name]
    axis = projection_jacobian(camera, np.array([[0.0, 0.0, 4.0]]))
    pinhole = [[camera.fx / 4, 0, 0], [0, camera.fy / 4, 0]]
    assert np.allclose(axis, [pinhole], atol=1e-12)
    near = projection_jacobian(camera, np.array([[4e-7, 0.0, 4.0], [4e-6, 0.0, 4.0]]))
    assert np.allclose(near, [pinhole] * 2, atol=1e-5)  # no jump
    back = np.array([[3.0, 1.0, -0.7], [-2.0, 3.0, -1.0]])
    assert np.isfinite(camera.project(back)[0]).all()
    assert np.allclose(projection_jacobian(camera, back), differentiated(camera, back), atol=1e-10)


@pytest.mark.parametrize("name", CAMERAS)
def test_covariances_are_j_w_s_w_j(name: str) -> None:
    camera = CAMERAS[name]
    centers, covariances, *_ = cloud(200)
    found = project_gaussians(centers, covariances, camera, TURNED)
    points = TURNED.apply(centers)[found.rows]
    inside = camera.project(points)[1]
    assert inside.sum() > 20
    slope = differentiated(camera, points[inside]) @ TURNED.rotation
    wanted = slope @ covariances[found.rows[inside]] @ slope.transpose(0, 2, 1)
    wanted += LOW_PASS_PX2 * np.eye(2)
    packed = wanted[:, [0, 0, 1], [0, 1, 1]]
    assert np.allclose(found.covariances[inside], packed, rtol=1e-9)
    assert np.allclose(found.means[inside], camera.project(points[inside])[0], rtol=0, atol=1e-9)
    assert np.allclose(found.depths, points[:, 2])


def test_one_covariance_for_all_is_the_same_as_many() -> None:
    centers, covariances, *_ = cloud()
    one = np.broadcast_to(covariances[0], covariances.shape)
    shared = project_gaussians(centers, one, CAMERAS["pinhole"], TURNED)
    many = project_gaussians(centers, one.copy(), CAMERAS["pinhole"], TURNED)
    for field in ("means", "depths", "rows"):
        assert np.array_equal(getattr(shared, field), getattr(many, field))
    assert np.allclose(shared.covariances, many.covariances, rtol=1e-12)


def ball(*centers: list[float], sigma: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    return np.array(centers, float), np.array([np.eye(3) * sigma**2] * len(centers))


def test_near_far_and_behind_of_a_pinhole() -> None:
    gaussians = ball([0, 0, 0.19], [0, 0, 0.21], [0, 0, 30], [0, 0, 31.1], [0, 0, -5])
    found = project_gaussians(*gaussians, CAMERAS["pinhole"], HERE, near_m=0.2, far_m=31.0)
    assert found.rows.tolist() == [1, 2]


def test_a_fisheye_sorts_by_distance_and_sees_behind_itself() -> None:
    wide = FisheyeCamera(width=WIDTH, height=HEIGHT, fx=8.0, fy=8.0, cx=25.0, cy=18.0)
    gaussians = ball([0, 0, 3], [2, 0, -0.5], [0, 0, 0.1], [0, 0, -4])
    found = project_gaussians(*gaussians, wide, HERE)
    assert found.rows.tolist() == [1, 0]  # nearer than the near limit, and straight behind: not
    assert found.depths.tolist() == [-0.5, 3.0]
    narrow = FisheyeCamera(
        width=WIDTH, height=HEIGHT, fx=8.0, fy=8.0, cx=25.0, cy=18.0, max_angle_rad=1.5
    )  # fmt: skip
    assert project_gaussians(*gaussians, narrow, HERE).rows.tolist() == [0]


@pytest.mark.parametrize("name", CAMERAS)
def test_a_footprint_counts_though_its_centre_lies_outside(name: str) -> None:
    camera = CAMERAS[name]
    ways = camera.unproject(np.array([[-1.5, HEIGHT / 2], [-15.0, HEIGHT / 2]]))[0] * 5
    out, far_out = ways.tolist()
    found = project_gaussians(*ball(out), camera, HERE)
    blended = splat(found, np.ones(1), np.ones((1, 1)), WIDTH, HEIGHT)
    assert blended.alpha[:, 0].max() > 0.05
    assert len(project_gaussians(*ball(far_out), camera, HERE).rows) == 0


def test_ground_beside_a_pinhole_does_not_smear_over_the_image() -> None:
    """A centre 1.5 m below the lens and 0.3 m ahead of it: J there would reach to the horizon."""
    camera = PinholeCamera(width=64, height=64, fx=60.0, fy=60.0, cx=31.5, cy=31.5)
    x, z = np.meshgrid(np.arange(-3, 3.1, 0.4), np.arange(0.25, 0.8, 0.1))
    ground = np.stack([x, np.full_like(x, 1.5), z], axis=-1).reshape(-1, 3)
    found = project_gaussians(*ball(*ground.tolist()), camera, HERE)
    assert len(found.rows) == 0


def test_nearer_comes_first_and_the_order_of_the_input_does_not_count() -> None:
    grid = np.stack(np.meshgrid(np.arange(-2, 2.1, 0.4), np.arange(-2, 2.1, 0.4), [5.0, 5.4]), -1)
    centers = grid.reshape(-1, 3)  # many equal depths
    covariances = np.broadcast_to(np.eye(3) * 0.04, (len(centers), 3, 3))
    first = project_gaussians(centers, covariances, CAMERAS["distorted"], HERE)
    assert (np.diff(first.depths) >= 0).all()
    shuffled = np.random.default_rng(1).permutation(len(centers))
    second = project_gaussians(centers[shuffled], covariances, CAMERAS["distorted"], HERE)
    assert np.array_equal(shuffled[second.rows], first.rows)
    assert np.array_equal(first.means, second.means)


def test_tensors_give_the_same_and_gradients_of_the_projection() -> None:
    centers, covariances, *_ = cloud(6, seed=3)
    for camera in CAMERAS.values():
        plain = project_gaussians(centers, covariances, camera, TURNED)
        leaves = [torch.tensor(a, requires_grad=True) for a in (centers, covariances)]
        found = project_gaussians(*leaves, camera, TURNED)
        assert np.array_equal(found.rows, plain.rows) and len(plain.rows) > 1
        for name in ("means", "covariances", "depths"):
            assert np.allclose(
                getattr(found, name).detach().numpy(), getattr(plain, name), rtol=1e-12
            )

        def numbers(*tensors, camera=camera):
            parts: Footprints = project_gaussians(*tensors, camera, TURNED)
            rng = np.random.default_rng(0)
            return sum((p * torch.tensor(rng.normal(size=p.shape))).sum() for p in parts[:3])

        assert torch.autograd.gradcheck(numbers, leaves, atol=1e-4, rtol=1e-4)


def test_what_cannot_be_projected_is_refused() -> None:
    centers, covariances = ball([0, 0, 3])
    with pytest.raises(BadInput, match="no range"):
        project_gaussians(centers, covariances, CAMERAS["pinhole"], HERE, near_m=3.0, far_m=2.0)
    with pytest.raises(BadInput, match="not finite"):
        project_gaussians(centers * np.nan, covariances, CAMERAS["pinhole"], HERE)
    none = project_gaussians(centers[:0], covariances[:0], CAMERAS["fisheye"], HERE)
    assert len(none.rows) == 0 and none.means.shape == (0, 2)

"""Blending: laws, exact answers, the plain twin with gradients, and kernels broken on purpose."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.render.splat_cases import CAMERAS, HEIGHT, WIDTH, cloud, largest_error

from roadloom.errors import BadInput, MissingExtra
from roadloom.geometry.pose import Pose, rotation_from_quaternion
from roadloom.render import splat_kernels
from roadloom.render.project import LEAST_ALPHA, Footprints, project_gaussians
from roadloom.render.splat import Blended, splat, splat_classes
from roadloom.render.splat_gsplat import splat_gsplat
from roadloom.render.splat_reference import splat_reference
from roadloom.sensors.camera import PinholeCamera

HERE = Pose.identity()
SIZE = WIDTH, HEIGHT
AGREED = 1e-9
"""Kernels and twin differ by rounding only."""


def projected(name: str, count: int = 120, seed: int = 0) -> tuple:
    centers, covariances, opacities, features = cloud(count, seed)
    return project_gaussians(centers, covariances, CAMERAS[name], HERE), opacities, features


@pytest.mark.parametrize("name", CAMERAS)
def test_one_voxel_lands_on_its_projection_with_its_covariance(name: str) -> None:
    camera = CAMERAS[name]
    center = camera.unproject(np.array([[27.3, 16.6]]))[0] * 4
    covariance = np.eye(3)[None] * 0.2**2
    found = project_gaussians(center, covariance, camera, HERE)
    alpha = splat(found, np.array([0.98]), np.ones((1, 1)), *SIZE).alpha
    pixels = camera.pixel_centers()
    mass = alpha.sum()
    middle = (alpha[..., None] * pixels).sum(axis=(0, 1)) / mass
    assert abs(middle - camera.project(center)[0]).max() < 0.05
    away = pixels - middle
    spread = np.einsum("yx,yxi,yxj->ij", alpha, away, away) / mass
    # What lies past alpha = 1/255 is cut off: that much narrower is the rest, in two dimensions.
    x = np.log(0.98 / LEAST_ALPHA)
    cut = (1 - (1 + x) * np.exp(-x)) / (1 - np.exp(-x))
    uu, uv, vv = found.covariances[0] * cut
    assert np.allclose(spread, [[uu, uv], [uv, vv]], rtol=0.02, atol=0.02 * uu)


def wall(distance: float, step: float = 0.4, half: float = 4.0) -> np.ndarray:
    side = np.arange(-half, half + step / 2, step)
    x, y = np.meshgrid(side, side)
    return np.stack([x, y, np.full_like(x, distance)], axis=-1).reshape(-1, 3)


def look(centers: np.ndarray, features: np.ndarray, camera=CAMERAS["pinhole"]) -> Blended:
    covariances = np.broadcast_to(np.eye(3) * 0.04, (len(centers), 3, 3))
    found = project_gaussians(centers, covariances, camera, HERE)
    return splat(found, np.ones(len(centers)), features, camera.width, camera.height)


def test_a_wall_reads_its_distance() -> None:
    """Of one layer exactly; of three, less than a cell's edge deeper."""
    one = look(wall(5.0), np.ones((441, 1)))
    depth = one.depth_sum / one.alpha
    assert one.alpha.min() > 0.7
    assert abs(depth - 5.0).max() < 1e-12
    thick = np.concatenate([wall(5.0), wall(5.4), wall(5.8)])
    three = look(thick, np.ones((3 * 441, 1)))
    depth = three.depth_sum / three.alpha
    assert three.alpha.min() > 0.98 and depth.min() >= 5.0 and depth.max() < 5.4


def test_what_is_in_front_hides_what_is_behind() -> None:
    front, behind = np.concatenate([wall(5.0), wall(5.4), wall(5.8)]), wall(9.0, half=8.0)
    both = np.concatenate([front, behind])
    feature = np.repeat([[1.0, 0.0], [0.0, 1.0]], [len(front), len(behind)], axis=0)
    alone, seen = look(front, feature[: len(front)]), look(both, feature)
    assert np.allclose(seen.features[..., 0], alone.features[..., 0], atol=1e-12)  # untouched
    assert (seen.features[..., 1] <= 1 - alone.alpha + 1e-12).all()  # only what light was left
    assert seen.features[..., 1].max() < 0.02


@pytest.mark.parametrize("name", CAMERAS)
def test_what_the_lens_cannot_see_changes_nothing(name: str) -> None:
    centers, covariances, opacities, features = cloud(60)
    behind = np.concatenate([centers, [[0.0, 0.0, -3.0], [0.0, 0.0, 0.1], [0.0, 0.0, 500.0]]])
    more = [np.concatenate([a, a[:3]]) for a in (covariances, opacities, features)]
    camera = CAMERAS[name]
    few = splat(project_gaussians(centers, covariances, camera, HERE), opacities, features, *SIZE)
    all_ = splat(project_gaussians(behind, more[0], camera, HERE), more[1], more[2], *SIZE)
    assert largest_error(few, all_) == 0


@pytest.mark.parametrize("name", CAMERAS)
def test_the_order_of_the_input_does_not_count(name: str) -> None:
    parts = cloud()
    shuffled = [a[np.random.default_rng(5).permutation(len(a))] for a in parts]
    one, other = (
        splat(project_gaussians(c, s, CAMERAS[name], HERE), o, f, *SIZE)
        for c, s, o, f in (parts, shuffled)
    )
    assert largest_error(one, other) == 0


def test_blending_is_linear_in_the_features() -> None:
    found, opacities, features = projected("distorted")
    other = np.random.default_rng(8).normal(size=features.shape)
    mixed = splat(found, opacities, 2.5 * features - other, *SIZE).features
    parts = [splat(found, opacities, f, *SIZE).features for f in (features, other)]
    assert np.allclose(mixed, 2.5 * parts[0] - parts[1], atol=1e-12)


@pytest.mark.parametrize("name", CAMERAS)
def test_a_turned_world_is_a_turned_camera(name: str) -> None:
    centers, covariances, opacities, features = cloud()
    turn = Pose(rotation_from_quaternion(np.array([0.4, -0.5, 0.2, 0.7])), np.array([3.0, -1, 2]))
    moved = turn.apply(centers)
    turned = turn.rotation @ covariances @ turn.rotation.T
    one = project_gaussians(centers, covariances, CAMERAS[name], HERE)
    other = project_gaussians(moved, turned, CAMERAS[name], turn.inverse())
    pair = (splat(found, opacities, features, *SIZE) for found in (one, other))
    assert largest_error(*pair) < 1e-7


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("seed", range(2))
def test_kernels_agree_with_the_twin(name: str, seed: int) -> None:
    case = (*projected(name, 250, seed), *SIZE)
    fast = splat(*case)
    assert largest_error(fast, splat_reference(*case)) < AGREED
    assert fast.alpha.max() > 0.99
    assert largest_error(fast, splat(*case, num_threads=3)) == 0  # to the last bit


def test_classes_are_features_of_ones() -> None:
    found, opacities, _ = projected("pinhole", 250)
    channels = np.arange(250, dtype=np.uint8) % 5
    full = splat(found, opacities, np.eye(5)[channels], *SIZE)
    few = splat_classes(found, opacities, channels, 5, *SIZE)
    assert np.array_equal(few.strongest, full.features.argmax(axis=-1))
    assert np.array_equal(few.alpha, full.alpha) and np.array_equal(few.depth_sum, full.depth_sum)
    with pytest.raises(BadInput, match="channel"):
        splat_classes(found, opacities, channels, 4, *SIZE)


def test_nothing_gives_nothing() -> None:
    found, opacities, features = projected("pinhole", 30)
    none = Footprints(*(part[:0] for part in found))
    for way in (splat, splat_reference):
        empty = way(none, opacities, features, *SIZE)
        assert largest_error(empty, Blended(*(np.zeros_like(part) for part in empty))) == 0
    assert splat_classes(none, opacities, np.zeros(30, int), 1, *SIZE).alpha.max() == 0
    clear = splat(found, np.zeros(30), features, *SIZE)
    assert clear.alpha.max() == 0
    for bad in (opacities + 1, opacities - 1, opacities * np.nan):
        with pytest.raises(BadInput, match="0 to 1"):
            splat(found, bad, features, *SIZE)
    with pytest.raises(BadInput, match="no image"):
        splat(found, opacities, features, 0, 5)


SMALL = PinholeCamera(width=9, height=7, fx=6.0, fy=6.5, cx=4.2, cy=3.1, k1=-0.1, p1=0.01)


def small_leaves(seed: int) -> list[torch.Tensor]:
    """Centres, logarithms of standard deviations, opacities and features of five Gaussians."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-1, 1, (5, 3)) + [0, 0, 3]
    parts = (
        centers,
        rng.uniform(-1.5, -0.5, (5, 3)),
        rng.uniform(0.2, 0.9, 5),
        rng.normal(size=(5, 2)),
    )
    return [torch.tensor(part, requires_grad=True) for part in parts]


@pytest.mark.parametrize("way", [splat_reference, splat])
def test_gradients_are_those_of_finite_differences(way) -> None:
    def numbers(centers, logs, opacities, features):
        covariances = torch.diag_embed(torch.exp(2 * logs))
        found = project_gaussians(centers, covariances, SMALL, HERE)
        blended = way(found, opacities, features, SMALL.width, SMALL.height)
        assert 0.5 < blended.alpha.max() < 0.999
        rng = np.random.default_rng(0)
        return sum((part * torch.tensor(rng.normal(size=part.shape))).sum() for part in blended)

    leaves = small_leaves(2)
    assert torch.autograd.gradcheck(numbers, leaves, eps=1e-7, atol=1e-5, rtol=1e-4)


def gradients(way, found: Footprints, opacities, features, size=SIZE) -> list[np.ndarray]:
    """By means, covariances, depths, opacities and features, of one fixed loss."""
    leaves = [torch.tensor(a, requires_grad=True) for a in (*found[:3], opacities, features)]
    blended = way(Footprints(*leaves[:3], found.rows), *leaves[3:], *size)
    rng = np.random.default_rng(4)
    loss = sum((part * torch.tensor(rng.normal(size=part.shape))).sum() for part in blended)
    return [g.numpy() for g in torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("name", CAMERAS)
def test_gradients_of_the_kernels_are_the_twins(name: str) -> None:
    case = projected(name, 100, seed=1)
    fast, plain = gradients(splat, *case), gradients(splat_reference, *case)
    for one, other in zip(fast, plain, strict=True):
        assert abs(one - other).max() < AGREED * max(1, abs(other).max())
    again = gradients(lambda *a: splat(*a, num_threads=3), *case)
    assert all(np.array_equal(one, other) for one, other in zip(fast, again, strict=True))


# Kernels broken on purpose, run as plain Python: (what the source says, what it is made to say).
FORWARD = [
    ("dx * dx + 2.0 * b * dx * dy + c", "dx * dx - 2.0 * b * dx * dy + c"),
    ("fall = opacity * exp(-0.5 *", "fall = opacity * exp(-"),
    ("step = exp(-a * dx - 0.5 * a - b * dy)", "step = exp(-a * dx - b * dy)"),
    ("shrink = exp(-a)", "shrink = exp(-0.5 * a)"),
    ("near[y - y0, x - x0] += weight * depth", "near[y - y0, x - x0] += alpha * depth"),
    ("k] += weight * features[n, k]", "k] += alpha * features[n, k]"),
    ("MOST_ALPHA = 0.99", "MOST_ALPHA = 1.0"),
    ("LEAST_ALPHA = 1.0 / 255.0", "LEAST_ALPHA = 1.0 / 100.0"),
    ("LEAST_LIGHT = 1e-4", "LEAST_LIGHT = 1e-2"),
    ("middle = u - b * dy / a", "middle = u + b * dy / a"),
    ("half = sqrt(max(root, 0.0)) / a", "half = sqrt(max(root, 0.0))"),
    ("bound * a - dy * dy * (a * c - b * b)", "bound * a - dy * dy * a * c"),
    ("range(x0 // TILE, (x1 - 1) // TILE + 1)", "range(x0 // TILE, x1 // TILE)"),
    ("reach[n] * sqrt(covariances[n, 0])", "reach[n] * covariances[n, 0] ** 0.25"),
]  # fmt: skip
BACKWARD = [
    ("rest / (1.0 - alpha)", "rest"),
    ("rest += to_light[y, x] * light[y, x]", "rest -= to_light[y, x] * light[y, x]"),
    ("slope[0] -= by_power", "slope[0] += by_power"),
    ("slope[1] -= by_power * 2.0 * (b * dx + c * dy)", "slope[1] -= by_power * 2.0 * (c * dy)"),
    ("slope[3] += by_power * 2.0 * dx * dy", "slope[3] += by_power * dx * dy"),
    ("slope[5] += by_alpha * fall", "slope[5] += by_alpha * alpha"),
    ("slope[6] += weight * to_depth[y, x]", "slope[6] += alpha * to_depth[y, x]"),
    ("feature_slope[k] += weight", "feature_slope[k] += alpha"),
    ("if opacity * fall < MOST_ALPHA:", "if True:"),
    ("x0] - weight * worth", "x0] + weight * worth"),
]


def plain_kernels(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """Put the kernels' source, altered, in their place."""
    source = Path(splat_kernels.__file__).read_text()
    assert old in source
    source = source.replace("from numba import njit", "def njit(**_): return lambda f: f")
    made: dict = {}
    exec(compile(source.replace(old, new), "altered kernels", "exec"), made)
    for name in ("count_tiles", "fill_tiles", "blend_tiles", "blend_tiles_backward"):
        monkeypatch.setattr(splat_kernels, name, made[name])


def forward_error() -> float:
    # Dense and opaque enough to fill pixels, few enough for plain Python; also past one tile.
    case = (*projected("distorted", 60, seed=6), 40, 20)
    return largest_error(splat(*case), splat_reference(*case))


def backward_error() -> float:
    case = (*projected("distorted", 20, seed=6), (36, 18))
    pairs = zip(gradients(splat, *case), gradients(splat_reference, *case), strict=True)
    return max(float(abs(a - b).max() / max(1, abs(b).max())) for a, b in pairs)


def test_the_kernels_as_they_are_pass_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_kernels(monkeypatch, "TILE = 16", "TILE = 16")
    assert forward_error() < AGREED and backward_error() < AGREED


@pytest.mark.parametrize(("old", "new"), FORWARD)
def test_a_broken_kernel_is_noticed(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_kernels(monkeypatch, old, new)
    assert forward_error() > 1e3 * AGREED


@pytest.mark.parametrize(("old", "new"), BACKWARD)
def test_a_broken_gradient_is_noticed(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_kernels(monkeypatch, old, new)
    assert backward_error() > 1e3 * AGREED


class StandIn:
    """gsplat's three functions as its documentation describes them, on the CPU, by our twin."""

    @staticmethod
    def isect_tiles(means2d, radii, depths, tile_size, tile_width, tile_height):
        assert means2d.shape[0] == 1 and radii.shape == means2d.shape and radii.dtype == torch.int32
        assert depths.shape == means2d.shape[:2] and (depths.diff() > 0).all()
        assert (tile_width * tile_size >= WIDTH) and (tile_height * tile_size >= HEIGHT)
        return None, torch.zeros(1), torch.zeros(1)

    @staticmethod
    def isect_offset_encode(isect_ids, n_images, tile_width, tile_height):
        assert n_images == 1
        return torch.zeros(1, tile_height, tile_width)

    @staticmethod
    def rasterize_to_pixels(
        means2d, conics, colors, opacities, image_width, image_height, tile_size, isect_offsets,
        flatten_ids,
    ):  # fmt: skip
        a, b, c = conics[0].unbind(-1)
        covariances = torch.stack([c, -b, a], dim=-1) / (a * c - b * b)[:, None]
        found = Footprints(
            means2d[0] - 0.5, covariances, colors[0, :, 0], np.arange(means2d.shape[1])
        )  # pixel centres lie at halves
        blended = splat_reference(found, opacities[0], colors[0], image_width, image_height)
        return blended.features[None], blended.alpha[None, ..., None]


def test_gsplat_is_called_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roadloom.render.splat_gsplat.need", lambda name: StandIn)
    found, opacities, features = projected("distorted", 40)
    tensors = [torch.tensor(a) for a in (*found[:3], opacities[found.rows], features[found.rows])]
    other = splat_gsplat(*tensors, *SIZE)
    assert largest_error(splat(found, opacities, features, *SIZE), other) < 0.005  # float32


@pytest.mark.skipif(find_spec("gsplat") is not None, reason="gsplat is installed")
def test_without_gsplat_the_error_says_how_to_get_it() -> None:
    found, opacities, features = projected("pinhole", 20)
    tensors = [torch.tensor(a) for a in (*found[:3], opacities[found.rows], features[found.rows])]
    with pytest.raises(MissingExtra, match=r"roadloom\[splat\]"):
        splat_gsplat(*tensors, *SIZE)


@pytest.mark.gpu
def test_gsplat_agrees_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: splatting by gsplat was not checked")
    if find_spec("gsplat") is None:
        pytest.skip("gsplat is not installed: splatting on the GPU was not checked")
    for name in CAMERAS:
        found, opacities, features = projected(name, 250)
        on_gpu = Footprints(*(torch.tensor(a).cuda() for a in found[:3]), found.rows)
        rest = [torch.tensor(a).cuda() for a in (opacities, features)]
        other = Blended(*(part.cpu() for part in splat(on_gpu, *rest, *SIZE)))
        ours = splat(found, opacities, features, *SIZE)
        assert abs(ours.alpha - other.alpha.numpy()).max() < 0.02
        assert largest_error(ours, other) < 0.02 * max(found.depths.max(), abs(features).max())

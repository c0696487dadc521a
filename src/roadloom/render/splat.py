"""Ellipses blended front to back into depth, features and opacity of each pixel.

    footprints, opacities, features -> depth_sum, features, alpha of every pixel

    alpha_i = min(0.99, opacity_i exp(-1/2 d^T S_i^-1 d)), passed over below 1/255
    T_i = product of (1 - alpha_j) over those before; a pixel is full once T < 1e-4
    output = sum alpha_i T_i (z_i, features_i),  alpha = 1 - T at the end

The rule of 3-D Gaussian splatting (Kerbl et al. 2023), with one difference: the ellipse that fills
a pixel still counts there, while that paper's program and gsplat leave it out. With cells of
opacity 1 the second of them fills a pixel to within rounding of the limit, and whether it counts
must not hang on that.

Three ways agree: numba kernels (here: arrays, and tensors with gradients), ``splat_reference`` (the
plain twin in torch) and, for tensors on a GPU, gsplat.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int64, Integer

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, is_tensor, like
from roadloom.render.project import LEAST_ALPHA, Footprints

MOST_ALPHA = 0.99
LEAST_LIGHT = 1e-4
"""A pixel with less light left is full."""
PARTS_PER_THREAD = 8
"""Tiles near the horizon hold more than those of the sky: many parts even that out."""


class Blended(NamedTuple):
    """What the pixels of one image hold."""

    depth_sum: Float[Array, "height width"]
    """Sum of weight times z [m], not divided by ``alpha``."""
    features: Float[Array, "height width channel"]
    """Sum of weight times feature."""
    alpha: Float[Array, "height width"]
    """Sum of weights: how much of the light was stopped, 0 to 1."""


class BlendedClasses(NamedTuple):
    """The same with classes for features."""

    depth_sum: Float[np.ndarray, "height width"]
    strongest: Int64[np.ndarray, "height width"]
    """The channel with the largest sum of weights, the first of equals; 0 where there is none."""
    alpha: Float[np.ndarray, "height width"]


class _Tiles(NamedTuple):
    """What kernels take, all float64; rows are ellipses, near to far."""

    offsets: np.ndarray
    entries: np.ndarray
    means: np.ndarray
    conics: np.ndarray
    bounds: np.ndarray
    opacities: np.ndarray
    depths: np.ndarray


def splat(
    footprints: Footprints,
    opacities: Float[Array, " gaussian"],
    features: Float[Array, "gaussian channel"],
    width: int,
    height: int,
    *,
    num_threads: int = 1,
) -> Blended:
    """Blend ellipses that carry features. ``footprints.rows`` picks from opacities and features.

    Arrays give float64 arrays. Tensors on the CPU give float64 tensors, differentiable in means,
    covariances, depths, opacities and features; tensors on a GPU are handed to gsplat, in float32.

    Args:
        num_threads: kernels let go of the interpreter; results are the same.

    Raises:
        BadInput: an opacity is not in [0, 1], or a size is not positive.
        MissingExtra: tensors on a GPU, and gsplat is not installed.
    """
    if is_tensor(footprints.means):
        rows = like(footprints.rows, footprints.means)
        chosen = (*footprints[:3], opacities[rows], features[rows])
        _check(_numpy(chosen[3]), width, height)
        if footprints.means.is_cuda:
            from roadloom.render.splat_gsplat import splat_gsplat

            return splat_gsplat(*chosen, width, height)
        return Blended(*_differentiable().apply(*chosen, width, height, num_threads))
    means, covariances, depths, rows = footprints
    tiles = _bin(means, covariances, depths, opacities[rows], width, height)
    return _blend_features(tiles, _float64(features[rows]), width, height, num_threads)


def splat_classes(
    footprints: Footprints,
    opacities: Float[np.ndarray, " gaussian"],
    channels: Integer[np.ndarray, " gaussian"],
    num_channels: int,
    width: int,
    height: int,
    *,
    num_threads: int = 1,
) -> BlendedClasses:
    """``splat`` where each Gaussian has the feature 1 in one channel and 0 in all others.

    Raises:
        BadInput: as ``splat``, or a channel that there is not.
    """
    means, covariances, depths, rows = footprints
    chosen = channels[rows].astype(np.int64)
    if num_channels < 1 or (len(chosen) and not 0 <= chosen.min() <= chosen.max() < num_channels):
        raise BadInput(
            f"a channel is none of {num_channels}", field="channels", remedy="count them from 0"
        )
    tiles = _bin(means, covariances, depths, opacities[rows], width, height)
    strongest = np.empty((height, width), np.int64)
    # One row keeps the array of classes typed where there is no ellipse: none is read.
    labels = chosen if len(chosen) else np.zeros(1, np.int64)
    none = np.empty((0, num_channels)), np.empty((0, 0, num_channels))
    depth_sum, light = _blend(tiles, labels, *none, strongest, width, height, num_threads)
    return BlendedClasses(depth_sum, strongest, 1 - light)


def _bin(
    means: np.ndarray,
    covariances: np.ndarray,
    depths: np.ndarray,
    opacities: np.ndarray,
    width: int,
    height: int,
) -> _Tiles:
    """Inverse covariances, and which ellipses meet each tile, near to far."""
    from roadloom.render.splat_kernels import TILE, count_tiles, fill_tiles

    _check(opacities, width, height)
    means, covariances, depths, opacities = map(_float64, (means, covariances, depths, opacities))
    uu, uv, vv = covariances.T
    conics = np.stack([vv, -uv, uu], axis=-1) / (uu * vv - uv * uv)[:, None]
    bounds = 2 * np.log(np.maximum(opacities, LEAST_ALPHA) / LEAST_ALPHA)
    shape = (-(-height // TILE), -(-width // TILE))
    counts = np.zeros(shape, np.int64)
    box = (means, covariances, np.sqrt(bounds), width, height)
    count_tiles(*box, counts)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    entries = np.empty(offsets[-1], np.int64)
    fill_tiles(*box, offsets[:-1].reshape(shape).copy(), entries)
    return _Tiles(offsets, entries, means, conics, bounds, opacities, depths)


def _blend(
    tiles: _Tiles,
    channels: np.ndarray,
    features: np.ndarray,
    mixed: np.ndarray,
    strongest: np.ndarray,
    width: int,
    height: int,
    num_threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill ``mixed`` and ``strongest`` unless they are empty; depth sums and what light is left."""
    from roadloom.render import splat_kernels

    depth_sum, light = np.empty((height, width)), np.empty((height, width))
    arrays = (*tiles, channels, features, depth_sum, light, mixed, strongest)
    _share(
        lambda part: splat_kernels.blend_tiles(part, *arrays), len(tiles.offsets) - 1, num_threads
    )
    return depth_sum, light


def _blend_features(
    tiles: _Tiles, features: np.ndarray, width: int, height: int, num_threads: int
) -> Blended:
    mixed = np.empty((height, width, features.shape[1]))
    none = np.empty((0, 0), np.int64)
    channels = np.empty(0, np.int64)
    depth_sum, light = _blend(tiles, channels, features, mixed, none, width, height, num_threads)
    return Blended(depth_sum, mixed, 1 - light)


def _share(work: Callable[[tuple[int, int]], None], count: int, num_threads: int) -> None:
    """Parts of the tiles on several threads, this one among them; each takes the next part."""
    if num_threads <= 1:
        work((0, count))
        return
    bounds = np.linspace(0, count, num_threads * PARTS_PER_THREAD + 1).astype(int).tolist()
    parts = iter(list(zip(bounds[:-1], bounds[1:], strict=True)))  # thread-safe

    def take() -> None:
        for part in parts:
            work(part)

    with ThreadPoolExecutor(num_threads - 1) as pool:
        others = [pool.submit(take) for _ in range(num_threads - 1)]
        take()
        for other in others:
            other.result()


@cache
def _differentiable() -> Any:
    """The autograd function: numba forwards and backwards, on the CPU."""
    import torch

    class Splat(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *arguments: Any) -> tuple[Any, ...]:
            *tensors, width, height, num_threads = arguments
            means, covariances, depths, opacities, features = map(_numpy, tensors)
            features = _float64(features)
            tiles = _bin(means, covariances, depths, opacities, width, height)
            blended = _blend_features(tiles, features, width, height, num_threads)
            ctx.saved = tiles, features, blended, num_threads
            ctx.dtypes = [t.dtype for t in tensors]
            return tuple(torch.from_numpy(a) for a in blended)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
            found = _backward(*ctx.saved, *(_float64(_numpy(g)) for g in gradients))
            pairs = zip(found, ctx.dtypes, strict=True)
            return (*(torch.from_numpy(a).to(dtype) for a, dtype in pairs), None, None, None)

    return Splat


def _backward(
    tiles: _Tiles,
    features: np.ndarray,
    blended: Blended,
    num_threads: int,
    to_depth: np.ndarray,
    to_mixed: np.ndarray,
    to_alpha: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Gradients by means, covariances, depths, opacities and features.

    Every tile writes its own rows, which are then summed in their order: threads change nothing.
    """
    from roadloom.render import splat_kernels

    slopes = np.zeros((len(tiles.entries), 7))
    feature_slopes = np.zeros((len(tiles.entries), features.shape[1]))
    light = 1 - blended.alpha

    def work(part: tuple[int, int]) -> None:
        splat_kernels.blend_tiles_backward(
            part, *tiles, features, blended.depth_sum, light, blended.features,
            to_depth, -to_alpha, to_mixed, slopes, feature_slopes,
        )  # fmt: skip

    _share(work, len(tiles.offsets) - 1, num_threads)
    total = np.zeros((len(tiles.means), 7 + features.shape[1]))
    np.add.at(total, tiles.entries, np.concatenate([slopes, feature_slopes], axis=-1))
    by_a, by_b, by_c = total[:, 2:5].T
    a, b, c = tiles.conics.T
    # The conic is the inverse of the covariance: d(S^-1) = -S^-1 dS S^-1.
    by_uu = -(a * a * by_a + a * b * by_b + b * b * by_c)
    by_uv = -(2 * a * b * by_a + (a * c + b * b) * by_b + 2 * b * c * by_c)
    by_vv = -(b * b * by_a + b * c * by_b + c * c * by_c)
    by_covariances = np.stack([by_uu, by_uv, by_vv], axis=-1)
    parts = total[:, :2], by_covariances, total[:, 6], total[:, 5], total[:, 7:]
    return tuple(map(np.ascontiguousarray, parts))


def _check(opacities: np.ndarray, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise BadInput(
            f"{width} x {height} pixels make no image", field="size",
            remedy="give 1 or more of each",
        )  # fmt: skip
    if not ((opacities >= 0) & (opacities <= 1)).all():  # NaN too
        raise BadInput(
            "an opacity does not lie in 0 to 1", field="opacities",
            remedy="clip them, or pass them through a sigmoid",
        )  # fmt: skip


def _float64(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float64)


def _numpy(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu().numpy())

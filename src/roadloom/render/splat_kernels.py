"""Numba kernels that blend ellipses tile by tile, front to back; ``splat`` is their door.

    ellipses, near to far -> those of each tile of 16 x 16 px -> depth, features and light per pixel

Within a tile each ellipse visits only the pixels of each row that it can reach, found by the root
of its quadratic form; whether it counts there is then decided by its alpha alone, as in the plain
twin ``splat_reference``. All arithmetic is float64.
"""

from math import ceil, exp, floor, sqrt
from typing import no_type_check

import numpy as np
from numba import njit

TILE = 16
MOST_ALPHA = 0.99
LEAST_ALPHA = 1.0 / 255.0
LEAST_LIGHT = 1e-4
"""A pixel with less light left is full."""
_SLACK = 1e-6
"""Pixels by which rounding may misplace the end of a row."""


@njit(cache=True, nogil=True)
@no_type_check
def _first_last(low, high, limit):
    """Whole numbers from ``low`` to ``high`` that lie in [0, limit), the last one excluded."""
    first = max(0.0, min(ceil(low - _SLACK), float(limit)))
    last = max(-1.0, min(floor(high + _SLACK), limit - 1.0))
    return int(first), int(last) + 1


@njit(cache=True, nogil=True)
@no_type_check
def count_tiles(means, covariances, reach, width, height, counts):
    """How many ellipses the bounding box of which meets each tile; ``counts`` is [down, across]."""
    for n in range(means.shape[0]):
        half_u, half_v = reach[n] * sqrt(covariances[n, 0]), reach[n] * sqrt(covariances[n, 2])
        x0, x1 = _first_last(means[n, 0] - half_u, means[n, 0] + half_u, width)
        y0, y1 = _first_last(means[n, 1] - half_v, means[n, 1] + half_v, height)
        if x0 < x1 and y0 < y1:
            for j in range(y0 // TILE, (y1 - 1) // TILE + 1):
                for i in range(x0 // TILE, (x1 - 1) // TILE + 1):
                    counts[j, i] += 1


@njit(cache=True, nogil=True)
@no_type_check
def fill_tiles(means, covariances, reach, width, height, place, entries):
    """List the ellipses of each tile from ``place`` on, which moves; their order is kept."""
    for n in range(means.shape[0]):
        half_u, half_v = reach[n] * sqrt(covariances[n, 0]), reach[n] * sqrt(covariances[n, 2])
        x0, x1 = _first_last(means[n, 0] - half_u, means[n, 0] + half_u, width)
        y0, y1 = _first_last(means[n, 1] - half_v, means[n, 1] + half_v, height)
        if x0 < x1 and y0 < y1:
            for j in range(y0 // TILE, (y1 - 1) // TILE + 1):
                for i in range(x0 // TILE, (x1 - 1) // TILE + 1):
                    entries[place[j, i]] = n
                    place[j, i] += 1


@njit(cache=True, nogil=True)
@no_type_check
def _row(a, b, c, bound, u, dy, x0, x1):
    """Pixels [first, last) of a row where ``a dx^2 + 2 b dx dy + c dy^2 <= bound``."""
    root = bound * a - dy * dy * (a * c - b * b)
    if root < -_SLACK * a * bound:
        return x0, x0
    half = sqrt(max(root, 0.0)) / a
    middle = u - b * dy / a
    first = max(float(x0), ceil(middle - half - _SLACK))
    last = min(x1 - 1.0, floor(middle + half + _SLACK))
    return (int(first), int(last) + 1) if first <= last else (x0, x0)


@njit(cache=True, nogil=True)
@no_type_check
def _rows(v, a, b, c, bound, y0, y1):
    """Rows [first, last) of the tile that the ellipse reaches."""
    half = sqrt(bound * a / (a * c - b * b))
    first, last = _first_last(v - half, v + half, y1)
    return max(first, y0), last


@njit(cache=True, nogil=True)
@no_type_check
def _blend_ellipse(
    n, x0, y0, x1, y1, means, conics, bounds, opacities, depths, channels, features,
    left, near, sums,
):  # fmt: skip
    """Lay one ellipse over a tile; how many pixels it filled.

    Along a row the exponent is quadratic, so each value is the last times a ratio, which itself
    falls by one factor: two products in place of an exponential, good to 1e-13 over a tile.
    """
    a, b, c = conics[n, 0], conics[n, 1], conics[n, 2]
    u, v, opacity, depth = means[n, 0], means[n, 1], opacities[n], depths[n]
    labelled = channels.shape[0] > 0
    filled = 0
    shrink = exp(-a)
    top, bottom = _rows(v, a, b, c, bounds[n], y0, y1)
    for y in range(top, bottom):
        dy = y - v
        first, last = _row(a, b, c, bounds[n], u, dy, x0, x1)
        if first >= last:
            continue
        dx = first - u
        fall = opacity * exp(-0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy))
        step = exp(-a * dx - 0.5 * a - b * dy)
        for x in range(first, last):
            alpha = min(MOST_ALPHA, fall)
            fall *= step
            step *= shrink
            t = left[y - y0, x - x0]
            if t < LEAST_LIGHT or alpha < LEAST_ALPHA:
                continue
            weight = alpha * t
            near[y - y0, x - x0] += weight * depth
            if labelled:
                sums[y - y0, x - x0, channels[n]] += weight
            else:
                for k in range(features.shape[1]):
                    sums[y - y0, x - x0, k] += weight * features[n, k]
            t *= 1.0 - alpha
            left[y - y0, x - x0] = t
            filled += t < LEAST_LIGHT
    return filled


@njit(cache=True, nogil=True)
@no_type_check
def blend_tiles(
    tiles, offsets, entries, means, conics, bounds, opacities, depths, channels, features,
    depth_sum, light, mixed, strongest,
):  # fmt: skip
    """Blend the tiles ``tiles[0]`` to ``tiles[1]``, counted along rows.

    ``channels`` [n] says which one channel each ellipse adds to, with weight 1; where it is empty
    ``features`` [n channel] does. ``light`` ends as what is left. ``mixed`` [H W channel] is
    written unless it is empty, ``strongest`` [H W], the first of the largest channels, likewise.
    """
    height, width = light.shape
    across = (width + TILE - 1) // TILE
    left, near = np.empty((TILE, TILE)), np.empty((TILE, TILE))
    sums = np.empty((TILE, TILE, mixed.shape[2]))
    for tile in range(tiles[0], tiles[1]):
        x0, y0 = (tile % across) * TILE, (tile // across) * TILE
        x1, y1 = min(x0 + TILE, width), min(y0 + TILE, height)
        left[:], near[:], sums[:] = 1.0, 0.0, 0.0
        still_open = (x1 - x0) * (y1 - y0)
        for entry in range(offsets[tile], offsets[tile + 1]):
            if still_open == 0:
                break
            still_open -= _blend_ellipse(
                entries[entry], x0, y0, x1, y1, means, conics, bounds, opacities, depths,
                channels, features, left, near, sums,
            )  # fmt: skip
        depth_sum[y0:y1, x0:x1] = near[: y1 - y0, : x1 - x0]
        light[y0:y1, x0:x1] = left[: y1 - y0, : x1 - x0]
        if mixed.shape[0] > 0:
            mixed[y0:y1, x0:x1] = sums[: y1 - y0, : x1 - x0]
        if strongest.shape[0] > 0:
            for y in range(y0, y1):
                for x in range(x0, x1):
                    strongest[y, x] = np.argmax(sums[y - y0, x - x0])


@njit(cache=True, nogil=True)
@no_type_check
def _ellipse_backward(
    n, x0, y0, x1, y1, means, conics, bounds, opacities, depths, features,
    light, to_depth, to_light, to_mixed, left, behind, slope, feature_slope,
):  # fmt: skip
    """Gradients by one ellipse over a tile; how many pixels it filled.

    With ``q_i`` what ellipse i is worth to the loss per weight, and Q the worth of all behind it,
    ``dL/dalpha_i = T_i q_i - (Q_i + dL/dT T_end) / (1 - alpha_i)``: one walk from the front does,
    as Q is the pixel's total less what has been walked.
    """
    a, b, c = conics[n, 0], conics[n, 1], conics[n, 2]
    u, v, opacity, depth = means[n, 0], means[n, 1], opacities[n], depths[n]
    filled = 0
    top, bottom = _rows(v, a, b, c, bounds[n], y0, y1)
    for y in range(top, bottom):
        dy = y - v
        first, last = _row(a, b, c, bounds[n], u, dy, x0, x1)
        for x in range(first, last):
            t = left[y - y0, x - x0]
            if t < LEAST_LIGHT:
                continue
            dx = x - u
            fall = exp(-0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy))
            alpha = min(MOST_ALPHA, opacity * fall)
            if alpha < LEAST_ALPHA:
                continue
            weight = alpha * t
            worth = to_depth[y, x] * depth
            slope[6] += weight * to_depth[y, x]
            for k in range(features.shape[1]):
                worth += to_mixed[y, x, k] * features[n, k]
                feature_slope[k] += weight * to_mixed[y, x, k]
            rest = behind[y - y0, x - x0] - weight * worth
            behind[y - y0, x - x0] = rest
            rest += to_light[y, x] * light[y, x]
            if opacity * fall < MOST_ALPHA:  # the cap passes no gradient
                by_alpha = t * worth - rest / (1.0 - alpha)
                by_power = -0.5 * by_alpha * alpha
                slope[0] -= by_power * 2.0 * (a * dx + b * dy)
                slope[1] -= by_power * 2.0 * (b * dx + c * dy)
                slope[2] += by_power * dx * dx
                slope[3] += by_power * 2.0 * dx * dy
                slope[4] += by_power * dy * dy
                slope[5] += by_alpha * fall
            t *= 1.0 - alpha
            left[y - y0, x - x0] = t
            filled += t < LEAST_LIGHT
    return filled


@njit(cache=True, nogil=True)
@no_type_check
def blend_tiles_backward(
    tiles, offsets, entries, means, conics, bounds, opacities, depths, features,
    depth_sum, light, mixed, to_depth, to_light, to_mixed, slopes, feature_slopes,
):  # fmt: skip
    """Gradients of ``blend_tiles`` by what each entry brought to its tile.

    ``to_*`` are the gradients of a loss by the outputs. ``slopes`` [entry 7] gets those by u, v,
    the conic's a, b, c, opacity and depth; ``feature_slopes`` [entry channel] those by features.
    """
    height, width = light.shape
    across = (width + TILE - 1) // TILE
    left, behind = np.empty((TILE, TILE)), np.empty((TILE, TILE))
    for tile in range(tiles[0], tiles[1]):
        x0, y0 = (tile % across) * TILE, (tile // across) * TILE
        x1, y1 = min(x0 + TILE, width), min(y0 + TILE, height)
        left[:] = 1.0
        for y in range(y0, y1):
            for x in range(x0, x1):
                total = to_depth[y, x] * depth_sum[y, x]
                for k in range(features.shape[1]):
                    total += to_mixed[y, x, k] * mixed[y, x, k]
                behind[y - y0, x - x0] = total
        still_open = (x1 - x0) * (y1 - y0)
        for entry in range(offsets[tile], offsets[tile + 1]):
            if still_open == 0:
                break
            still_open -= _ellipse_backward(
                entries[entry], x0, y0, x1, y1, means, conics, bounds, opacities, depths,
                features, light, to_depth, to_light, to_mixed, left, behind, slopes[entry],
                feature_slopes[entry],
            )  # fmt: skip

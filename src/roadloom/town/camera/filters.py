"""Patterns averaged over a footprint, and noise: what every texture is made of.

Nothing is sampled at a point: stripes are integrated over the width that a ray stands for, and
noise dies away as that width outgrows its period, so nothing shimmers far away.
"""

import math
from typing import no_type_check

from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def hash01(i, j, seed):
    """A number in [0, 1) for a cell of whole numbers; 32-bit words that wrap."""
    h = (i * 0x27D4EB2F) ^ (j * 0x165667B1) ^ (seed * 0x9E3779B1)
    h = ((h & 0xFFFFFFFF) * 0x2C1B3C6D) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x297A2D39) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@njit(cache=True, nogil=True)
@no_type_check
def noise(x, y, seed):
    """Smooth value noise of period 1 between 0 and 1."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    i, j = int(i), int(j)
    low = hash01(i, j, seed) * (1 - u) + hash01(i + 1, j, seed) * u
    high = hash01(i, j + 1, seed) * (1 - u) + hash01(i + 1, j + 1, seed) * u
    return low * (1 - v) + high * v


@njit(cache=True, nogil=True)
@no_type_check
def fading_noise(x, y, period, width, seed):
    """Noise about 0, +-0.5, that dies away as the footprint outgrows its period."""
    fade = 1.5 - 1.5 * width / period
    if fade <= 0:
        return 0.0
    return (noise(x / period, y / period, seed) - 0.5) * min(1.0, fade)


@njit(cache=True, nogil=True)
@no_type_check
def band(x, low, high, width):
    """Share of the footprint around ``x`` that lies between two places."""
    first, last = max(low, x - width * 0.5), min(high, x + width * 0.5)
    return max(0.0, last - first) / width


@njit(cache=True, nogil=True)
@no_type_check
def pulses(x, period, low, high, width):
    """The same for stripes from ``low`` to ``high`` that come back every ``period``."""
    a, b = x - width * 0.5, x + width * 0.5
    i, j = math.floor(a / period), math.floor(b / period)
    first = i * (high - low) + min(max(a - i * period - low, 0.0), high - low)
    last = j * (high - low) + min(max(b - j * period - low, 0.0), high - low)
    return (last - first) / width


@njit(cache=True, nogil=True)
@no_type_check
def mix(r, g, b, other_r, other_g, other_b, share):
    return r + (other_r - r) * share, g + (other_g - g) * share, b + (other_b - b) * share


@njit(cache=True, nogil=True)
@no_type_check
def clip01(x):
    return min(1.0, max(0.0, x))


@njit(cache=True, nogil=True)
@no_type_check
def ramp(x, low, high):
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)


@njit(cache=True, nogil=True)
@no_type_check
def disc(x, y, radius, width):
    """Share of the footprint inside a disc around the origin, nearly."""
    return min(1.0, max(0.0, (radius - math.sqrt(x * x + y * y)) / width + 0.5))


@njit(cache=True, nogil=True)
@no_type_check
def glyphs(x, y, height, seed, width):
    """Share of ink of a line of made-up letters: ``y`` from 0 to ``height``, any ``x``.

    Letters are strokes on a grid of 4 x 5, two of the rows or columns always drawn, so that they
    read as writing and say nothing.
    """
    if width > height * 0.8:
        return 0.42 * band(y, 0.0, height, width)
    pitch = height * 0.78
    letter = int(math.floor(x / pitch))
    if hash01(letter, 1, seed) < 0.14:
        return 0.0
    u, v = (x - letter * pitch) / (height * 0.6), y / height
    w = width / height
    kind = int(hash01(letter, 2, seed) * 12.0)
    s = 0.2
    ink = 0.0
    if kind != 7 and kind != 10:
        ink = max(ink, band(u, 0.0, s * 1.25, w) * band(v, 0.0, 1.0, w))
    if kind in (0, 3, 5, 8):
        ink = max(ink, band(u, 1 - s * 1.25, 1.0, w) * band(v, 0.0, 1.0, w))
    if kind in (0, 1, 2, 4, 7, 8, 10):
        ink = max(ink, band(u, 0.0, 1.0, w) * band(v, 1 - s, 1.0, w))
    if kind in (1, 2, 3, 5, 9, 11):
        ink = max(ink, band(u, 0.0, 0.95, w) * band(v, 0.42, 0.42 + s, w))
    if kind in (1, 6, 8, 9, 10):
        ink = max(ink, band(u, 0.0, 1.0, w) * band(v, 0.0, s, w))
    if kind in (7, 10):
        ink = max(ink, band(u - (v - 0.5) * 0.5 * (kind - 8.5), 0.38, 0.62, w) * band(v, 0, 1, w))
    if kind in (2, 9, 11):
        ink = max(ink, band(u, 1 - s * 1.25, 1.0, w) * band(v, 0.0 if kind == 9 else 0.5, 0.95, w))
    return ink


@njit(cache=True, nogil=True)
@no_type_check
def digit(x, y, number, width):
    """Share of ink of a seven-segment digit in 0 <= x <= 0.6, 0 <= y <= 1."""
    lit = (0x3F, 0x06, 0x5B, 0x4F, 0x66, 0x6D, 0x7D, 0x07, 0x7F, 0x6F)[number % 10]
    s = 0.16
    ink = 0.0
    if lit & 1:
        ink = max(ink, band(x, 0.0, 0.6, width) * band(y, 1 - s, 1.0, width))
    if lit & 2:
        ink = max(ink, band(x, 0.6 - s, 0.6, width) * band(y, 0.5, 1.0, width))
    if lit & 4:
        ink = max(ink, band(x, 0.6 - s, 0.6, width) * band(y, 0.0, 0.5, width))
    if lit & 8:
        ink = max(ink, band(x, 0.0, 0.6, width) * band(y, 0.0, s, width))
    if lit & 16:
        ink = max(ink, band(x, 0.0, s, width) * band(y, 0.0, 0.5, width))
    if lit & 32:
        ink = max(ink, band(x, 0.0, s, width) * band(y, 0.5, 1.0, width))
    if lit & 64:
        ink = max(ink, band(x, 0.0, 0.6, width) * band(y, 0.5 - s / 2, 0.5 + s / 2, width))
    return ink

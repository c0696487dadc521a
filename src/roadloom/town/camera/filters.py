"""Patterns averaged over a footprint, and noise: what every texture is made of.

Nothing is sampled at a point: stripes are integrated over the width that a ray stands for, and
noise dies away as that width outgrows its period, so nothing shimmers far away. Each
kernel is compiled for one signature, as mixed float widths would compile it again and again.
"""

import math
from typing import no_type_check

from numba import njit


@njit("f8(i8, i8, i8)", cache=True, nogil=True)
@no_type_check
def hash01(i, j, seed):
    """A number in [0, 1) for a cell of whole numbers; 32-bit words that wrap."""
    h = (i * 0x27D4EB2F) ^ (j * 0x165667B1) ^ (seed * 0x9E3779B1)
    h = ((h & 0xFFFFFFFF) * 0x2C1B3C6D) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x297A2D39) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@njit("f8(f8, f8, i8)", cache=True, nogil=True)
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


@njit("f8(f8, f8, f8, f8, i8)", cache=True, nogil=True)
@no_type_check
def fading_noise(x, y, period, width, seed):
    """Noise about 0, +-0.5, that dies away as the footprint outgrows its period."""
    fade = 1.5 - 1.5 * width / period
    if fade <= 0:
        return 0.0
    return (noise(x / period, y / period, seed) - 0.5) * min(1.0, fade)


@njit("f8(f8, f8, f8, f8)", cache=True, nogil=True)
@no_type_check
def band(x, low, high, width):
    """Share of the footprint around ``x`` that lies between two places."""
    first, last = max(low, x - width * 0.5), min(high, x + width * 0.5)
    return max(0.0, last - first) / width


@njit("f8(f8, f8, f8, f8, f8)", cache=True, nogil=True)
@no_type_check
def pulses(x, period, low, high, width):
    """The same for stripes from ``low`` to ``high`` that come back every ``period``."""
    a, b = x - width * 0.5, x + width * 0.5
    i, j = math.floor(a / period), math.floor(b / period)
    first = i * (high - low) + min(max(a - i * period - low, 0.0), high - low)
    last = j * (high - low) + min(max(b - j * period - low, 0.0), high - low)
    return (last - first) / width


@njit("UniTuple(f8, 3)(f8, f8, f8, f8, f8, f8, f8)", cache=True, nogil=True)
@no_type_check
def mix(r, g, b, other_r, other_g, other_b, share):
    return r + (other_r - r) * share, g + (other_g - g) * share, b + (other_b - b) * share


@njit("f8(f8)", cache=True, nogil=True)
@no_type_check
def clip01(x):
    return min(1.0, max(0.0, x))


@njit("f8(f8, f8, f8)", cache=True, nogil=True)
@no_type_check
def ramp(x, low, high):
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)


@njit("f8(f8, f8, f8, f8)", cache=True, nogil=True)
@no_type_check
def disc(x, y, radius, width):
    """Share of the footprint inside a disc around the origin, nearly."""
    return min(1.0, max(0.0, (radius - math.sqrt(x * x + y * y)) / width + 0.5))


@njit("f8(f8, f8, i8, f8)", cache=True, nogil=True)
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


FONT = (
    0x69F99, 0xE9E9E, 0x69896, 0xE999E, 0xF8E8F, 0xF8E88, 0x698B6, 0x99F99, 0xE444E, 0x1119E,
    0x9ACA9, 0x8888F, 0x9FF99, 0x9DB99, 0x69996, 0xE9E88, 0x6996B, 0xE9EA9, 0x7861E, 0xF4444,
    0x99996, 0x99966, 0x99FF9, 0x96669, 0x99622, 0xF248F,
)  # fmt: skip
"""A to Z as 5 rows of 4 dots, the highest bit at the upper left."""


VOWELS = (0, 4, 8, 14, 20, 4)


@njit("f8(f8, f8, f8, i8, f8)", cache=True, nogil=True)
@no_type_check
def glyphs(x, y, height, seed, width):
    """Share of ink of a line of words that say nothing: ``y`` from 0 to ``height``, any ``x``."""
    if width > height * 0.5:
        return 0.42 * band(y, 0.0, height, width)
    dot = height * 0.2
    pitch = height
    first = int(math.floor((x - width * 0.5) / pitch))
    last = int(math.floor((x + width * 0.5) / pitch))
    ink = 0.0
    for place in range(first, last + 1):
        word = hash01(place // 7, 3, seed)
        if place % 7 > 3.0 + 3.0 * word or word < 0.10:
            continue
        # Vowels in every other place make syllables.
        if (place + int(word * 64.0)) & 1:
            bits = FONT[VOWELS[int(hash01(place, 2, seed) * 6.0)]]
        else:
            bits = FONT[int(hash01(place, 2, seed) * 26.0)]
        left = place * pitch
        for row in range(5):
            down = band(y, (4 - row) * dot, (5 - row) * dot, width)
            if down <= 0:
                continue
            for column in range(4):
                if (bits >> (19 - row * 4 - column)) & 1:
                    a = left + column * dot
                    ink += down * band(x, a, a + dot, width)
    return min(1.0, ink)

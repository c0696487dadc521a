"""Walls without their windows: plaster, brick, stone, concrete, planks, rain's dirt."""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import clip01, fading_noise, hash01, mix, noise, pulses, ramp


@njit("UniTuple(f8, 3)(i8, f8, f8, f8, f8, f8, f8, f8, f8, f8, f8, i8)", cache=True, nogil=True)
@no_type_check
def wall_colour(kind, r, g, b, u, v, wu, wv, bay, storey, high, seed):
    """A wall without its windows."""
    w = 0.5 * (wu + wv)
    tone = (
        1.0 + 0.16 * fading_noise(u, v, 3.7, w, seed) + 0.10 * fading_noise(u, v, 0.6, w, seed + 1)
    )
    if kind == 1 or kind == 2:
        tall, wide = (0.075, 0.225) if kind == 1 else (0.36, 0.82)
        course = int(math.floor(v / tall))
        shift = 0.5 * wide * (course & 1)
        i = int(math.floor((u + shift) / wide))
        near = clip01(1.6 - 1.2 * w / tall)
        pick, other = hash01(i, course, seed + 2), hash01(i, course, seed + 3)
        spread = 0.55 if kind == 1 else 0.20
        tone *= 1.0 + spread * (pick - 0.5) * near
        tone += 0.20 * fading_noise(u, v, 0.05, w, seed + 4)
        warm = (0.16 if kind == 1 else 0.05) * (other - 0.5) * near
        r, g, b = r * tone * (1 + warm), g * tone, b * tone * (1 - warm)
        gap = 0.011 if kind == 1 else 0.008
        joint = clip01(pulses(u + shift, wide, 0.0, gap, wu) + pulses(v, tall, 0.0, gap, wv))
        if kind == 1:
            r, g, b = mix(r, g, b, 0.33 * tone, 0.31 * tone, 0.28 * tone, 0.85 * joint)
        else:
            r, g, b = mix(r, g, b, r * 0.55, g * 0.55, b * 0.55, joint)
    elif kind == 3:
        i, j = int(math.floor(u / bay)), int(math.floor(v / storey))
        tone *= 1.0 + 0.12 * (hash01(i, j, seed + 2) - 0.5)
        tone += 0.16 * fading_noise(u, v, 0.09, w, seed + 3)
        joint = clip01(pulses(u, bay, 0.0, 0.025, wu) + pulses(v, storey, 0.0, 0.025, wv))
        tone *= 1.0 - 0.55 * joint
        r, g, b = r * tone, g * tone, b * tone
    elif kind == 5:
        plank = int(math.floor(v / 0.17))
        near = clip01(1.6 - 1.2 * wv / 0.17)
        tone *= (
            1.0 + 0.18 * (hash01(plank, int(math.floor(u / 3.1 + plank * 0.37)), seed) - 0.5) * near
        )
        tone += 0.22 * fading_noise(u * 0.08, v, 0.025, w, seed + 2)
        tone *= 1.0 - 0.5 * pulses(v, 0.17, 0.0, 0.014, wv)
        r, g, b = r * tone, g * tone, b * tone
    else:
        tone += 0.10 * fading_noise(u, v, 0.10, w, seed + 2)
        r, g, b = r * tone, g * tone, b * tone
    if kind != 4:
        # Rain washes dirt down from the top and splashes it up from the ground.
        run = noise(u / 0.21, v / 4.5, seed + 5) * 0.6 + noise(u / 0.9, v / 6.0, seed + 6) * 0.4
        streak = ramp(run, 0.50, 0.85) * (0.25 + 0.55 * ramp(v, 0.45 * high, high))
        low = ramp(0.9 - v, 0.0, 0.9) * (0.35 + 0.6 * noise(u / 0.7, v / 0.4, seed + 7))
        dirt = clip01(0.42 * streak + 0.45 * low)
        r, g, b = mix(r, g, b, r * 0.48, g * 0.46, b * 0.43, dirt)
    return r, g, b

"""From hits to measurements in one loop: what comes back, how bright, and where it is put."""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from roadloom.town.camera.paint import CELL_M, YELLOW
from roadloom.town.lidar import physics
from roadloom.town.lidar.physics import Fate
from roadloom.town.mesh import materials

RETURNED, SKY, RANGE, EGO = int(Fate.RETURNED), int(Fate.SKY), int(Fate.RANGE), int(Fate.EGO)
WEAK, MIRRORED, CHANCE = int(Fate.WEAK), int(Fate.MIRRORED), int(Fate.CHANCE)
ROAD, CLOTH = materials.ROAD, materials.CLOTH
GAIN, FADES_M, NEAR_M, RETRO = physics.GAIN, physics.FADES_M, physics.NEAR_M, physics.RETRO
PAINT_MATT, PAINT_RETRO = physics.PAINT
VEST, TINT_GAIN = physics.VEST, physics.TINT_GAIN
WET_MATT, WET_MIRROR = physics.WET_MATT, physics.WET_MIRROR


@njit(cache=True, nogil=True)
@no_type_check
def labels(
    triangle, distance, origins, directions, material, class_id, sky, marking, ground, out
):  # fmt: skip
    """Class of each hit: its triangle's, lane paint on roads, sky where there is none."""
    rectangles, start, member, low, shape = ground
    for r in range(len(triangle)):
        t = triangle[r]
        if t < 0:
            out[r] = sky
            continue
        out[r] = class_id[t]
        if material[t] != ROAD:
            continue
        x = origins[r, 0] + directions[r, 0] * distance[r]
        y = origins[r, 1] + directions[r, 1] * distance[r]
        i, j = math.floor((x - low[0]) / CELL_M), math.floor((y - low[1]) / CELL_M)
        if i < 0 or j < 0 or i >= shape[0] or j >= shape[1]:
            continue
        cell = int(i) * shape[1] + int(j)
        if cell + 1 >= len(start):
            continue
        for m in range(start[cell], start[cell + 1]):
            k = member[m]
            if rectangles[k, 6] > YELLOW:
                continue
            dx, dy = x - rectangles[k, 0], y - rectangles[k, 1]
            ux, uy = rectangles[k, 2], rectangles[k, 3]
            if abs(ux * dx + uy * dy) > rectangles[k, 4]:
                continue
            if abs(ux * dy - uy * dx) <= rectangles[k, 5]:
                out[r] = marking
                break


@njit(cache=True, nogil=True)
@no_type_check
def light(table, material, tint, style, on_paint, wet, cosine):
    """Shares of the light sent that come back from a surface at one metre: if nothing were
    mirrored away, and in truth."""
    matt, mirrored, retro = table[material, 0], table[material, 1], table[material, 2]
    weight = table[material, 4]
    if weight > 0:
        bright = 0.2126 * tint[0] + 0.7152 * tint[1] + 0.0722 * tint[2]
        matt *= 1 - weight + weight * min(TINT_GAIN * bright + 0.12, 2.5)
    if on_paint:
        matt, retro = PAINT_MATT, PAINT_RETRO
    if material == CLOTH:
        retro = VEST * style[0]
    if table[material, 5] > 0 and wet > 0:
        matt *= 1 - wet * (1 - WET_MATT)
        mirrored = max(mirrored, wet * WET_MIRROR)
    slope = math.sqrt(cosine) if table[material, 3] > 0 else cosine
    glint = max(0.0, (cosine - 0.99) / 0.01)
    home = retro * RETRO * cosine
    return matt * slope + home, matt * (1 - mirrored) * slope + mirrored * glint * glint + home


@njit(cache=True, nogil=True)
@no_type_check
def measure(
    origins, directions, distance, cosine, triangle, label, marking, ego,
    material, tint, style, table, wet, haze_per_m, span, floor, numbers, levels, seed,
    town_from_ego, measured, intensity, fate, points,
):  # fmt: skip
    """``numbers``: noise_m, noise_per_m, step_m, speckle, chance_loss. ``span``: nearest and
    farthest range. ``town_from_ego`` [3 4]: translation and rotation at the sweep's stamp."""
    noise, noise_per_m, step, speckle, chance = numbers
    for r in range(len(triangle)):
        measured[r], intensity[r] = np.inf, 0.0
        for k in range(3):
            points[r, k] = np.nan
        t, d = triangle[r], distance[r]
        if ego[r]:
            fate[r] = EGO
            continue
        if t < 0:
            fate[r] = SKY
            continue
        if d < span[0] or d > span[1]:
            fate[r] = RANGE
            continue
        word = mix(seed + np.uint64(r) * np.uint64(0x9E3779B97F4A7C15))
        clean, share = light(
            table, material[t], tint[t], style[t], label[r] == marking, wet, cosine[r]
        )
        speck = max(0.1, 1 + speckle * normal(word))
        word = mix(word)
        received = math.exp(-2 * haze_per_m * d) / (d * d) * speck
        if share * received < floor:
            fate[r] = WEAK if clean * received < floor else MIRRORED
            continue
        if (word >> np.uint64(40)) * 2.0**-24 < chance:
            fate[r] = CHANCE
            continue
        fate[r] = RETURNED
        near = (NEAR_M / d) ** 4
        level = GAIN * share * speck / (1 + (d / FADES_M) ** 2) / (1 + near)
        level = min(level, 1.0)
        intensity[r] = math.floor(level * levels + 0.5) / levels if levels > 0 else level
        d += (noise + noise_per_m * d) * normal(mix(word))
        if step > 0:
            d = math.floor(d / step + 0.5) * step
        measured[r] = d
        x = origins[r, 0] + directions[r, 0] * d - town_from_ego[0, 0]
        y = origins[r, 1] + directions[r, 1] * d - town_from_ego[1, 0]
        z = origins[r, 2] + directions[r, 2] * d - town_from_ego[2, 0]
        for k in range(3):
            points[r, k] = (
                town_from_ego[0, k + 1] * x
                + town_from_ego[1, k + 1] * y
                + town_from_ego[2, k + 1] * z
            )


@njit(cache=True, nogil=True)
@no_type_check
def mix(word):
    """SplitMix64's finaliser (Steele, Lea, Flood 2014)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@njit(cache=True, nogil=True)
@no_type_check
def normal(word):
    """Nearly normal with variance 1: the sum of four uniform numbers, never beyond 3.5."""
    total = 0.0
    for k in range(4):
        total += ((word >> np.uint64(16 * k)) & np.uint64(0xFFFF)) * 2.0**-16
    return (total - 2.0) * 1.7320508075688772

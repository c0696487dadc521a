"""Sun, sky and air of one clip, worked out once from its Look.

    Look -> sun's colour, sky as a panorama, six ambient colours, haze, exposure

Radiances are relative: 1 is a white wall under a clear sky's diffuse light.
"""

import math
from functools import lru_cache
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32
from numba import njit

from roadloom.town.camera.filters import clip01, noise, ramp
from roadloom.town.plan.types import Look

AZIMUTHS, HEIGHTS = 384, 96
"""Panorama of the sky's upper half; rows are equal steps of the sine of elevation's root."""


class Light(NamedTuple):
    sun: Float[np.ndarray, "3"]
    """Unit vector towards it."""
    sun_rgb: Float[np.ndarray, "3"]
    """Light on a surface that faces it; 0 under cloud."""
    zenith: Float[np.ndarray, "3"]
    horizon: Float[np.ndarray, "3"]
    glow: Float[np.ndarray, "3"]
    """Added around the sun."""
    cloud_rgb: Float[np.ndarray, "3"]
    cube: Float[np.ndarray, "6 3"]
    """Light of the surroundings on surfaces facing -x, x, -y, y, -z, z (ambient cube: McTaggart,
    "Half-Life 2 shading", 2004)."""
    panorama: Float32[np.ndarray, "height azimuth 3"]
    cloud: float
    haze: float
    """Per metre."""
    wet: float
    """0 to 1."""
    dusk: float
    """1 at dusk: lamps are lit."""
    lit: float
    """1 where drivers have their lights on: at dusk, in rain and in fog."""
    exposure: float
    seed: int


@lru_cache(maxsize=2)
def light_of(look: Look) -> Light:
    sun = np.array(look.sun, np.float64)
    sun /= np.sqrt((sun**2).sum())
    dusk = 1.0 if look.time_of_day == "dusk" else 0.0
    cloud = look.cloud_permille / 1000
    grey = ramp_py(cloud, 0.6, 1.0)
    low = ramp_py(0.5 - sun[2], 0.0, 0.45)
    if dusk:
        sun_rgb = np.array([1.15, 0.60, 0.26]) * ramp_py(sun[2], -0.02, 0.25)
        zenith = np.array([0.075, 0.125, 0.26])
        horizon = np.array([0.32, 0.285, 0.29])
        glow = np.array([0.80, 0.34, 0.09])
        cloud_rgb = np.array([0.27, 0.22, 0.25])
    else:
        sun_rgb = np.array([3.45, 2.95, 2.35]) * (1 - low) + np.array([3.3, 2.45, 1.5]) * low
        zenith = np.array([0.24, 0.42, 0.76])
        horizon = np.array([0.82, 0.88, 0.95])
        glow = np.array([0.95, 0.82, 0.60])
        cloud_rgb = np.array([1.12, 1.12, 1.13])
    overcast = np.array([0.86, 0.90, 0.96]) if not dusk else np.array([0.17, 0.19, 0.235])
    zenith = zenith * (1 - grey) + overcast * grey
    horizon = horizon * (1 - grey) + overcast * 0.86 * grey
    cloud_rgb = cloud_rgb * (1 - grey) + overcast * 1.08 * grey
    glow = glow * (1 - 0.9 * grey)
    haze = look.haze_ppm * 1e-6
    thick = ramp_py(haze, 0.002, 0.012)
    veil = horizon * 0.97
    zenith = zenith * (1 - 0.75 * thick) + veil * 0.75 * thick
    sun_rgb = sun_rgb * (1 - ramp_py(cloud, 0.75, 0.97)) * (1 - 0.45 * thick)
    light = Light(
        sun=sun, sun_rgb=sun_rgb, zenith=zenith, horizon=horizon, glow=glow, cloud_rgb=cloud_rgb,
        cube=np.zeros((6, 3)), panorama=np.zeros((1, 1, 3), np.float32),
        cloud=cloud * (1 - 0.5 * thick), haze=haze, wet=look.wet_permille / 1000, dusk=dusk,
        lit=1.0 if dusk or look.wet_permille > 250 or look.haze_ppm > 6000 else 0.0,
        exposure=1.0, seed=look.seed,
    )  # fmt: skip
    panorama = np.zeros((HEIGHTS, AZIMUTHS, 3), np.float32)
    _paint_panorama(light, panorama)
    cube = _cube(light, panorama)
    level = float((cube[5] + sun_rgb * max(sun[2], 0.0)) @ [0.2126, 0.7152, 0.0722])
    # A dark scene is lifted, but not to the light of noon.
    exposure = EXPOSURE * level ** -(0.80 if not dusk else 0.26)
    exposure *= 1 - 0.16 * max(grey, thick)  # nor is grey weather shown as bright as sun
    return light._replace(panorama=panorama, cube=cube, exposure=exposure)


EXPOSURE = 1.28
BETWEEN_HOUSES = 1.25
"""Walls in the sun send light back into the shade."""


def ramp_py(x: float, low: float, high: float) -> float:
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)


def _cube(light: Light, panorama: Float32[np.ndarray, "height azimuth 3"]) -> np.ndarray:
    """Cosine-weighted means of sky and lit ground over six half spaces."""
    step = (np.arange(HEIGHTS) + 0.5) / HEIGHTS
    up = step**2
    weight = np.repeat((2 * step)[:, None], AZIMUTHS, axis=1)  # d(up) of each row
    angle = (np.arange(AZIMUTHS) + 0.5) / AZIMUTHS * 2 * np.pi
    flat = np.sqrt(1 - up**2)[:, None]
    x, y, z = flat * np.cos(angle), flat * np.sin(angle), np.repeat(up[:, None], AZIMUTHS, axis=1)
    sky = panorama.astype(np.float64)
    above = (sky * (z * weight)[..., None]).sum(axis=(0, 1)) / (z * weight).sum()
    above = 0.32 * above + 0.68 * (above @ [0.2126, 0.7152, 0.0722])  # much of it is reflected
    ground = 0.16 * (above + light.sun_rgb * max(float(light.sun[2]), 0.0))
    ground *= np.array([1.04, 1.0, 0.92])
    cube = np.zeros((6, 3))
    for face, axis in enumerate((-x, x, -y, y)):
        share = np.maximum(axis, 0) * weight
        cube[face] = 0.5 * (sky * share[..., None]).sum(axis=(0, 1)) / share.sum() + 0.5 * ground
    cube[4], cube[5] = ground, above
    return cube * BETWEEN_HOUSES


@njit(cache=True, nogil=True)
@no_type_check
def _paint_panorama(light, panorama):
    for i in range(HEIGHTS):
        up = ((i + 0.5) / HEIGHTS) ** 2
        flat = math.sqrt(1 - up * up)
        for j in range(AZIMUTHS):
            angle = (j + 0.5) / AZIMUTHS * 2 * math.pi
            r, g, b = sky(light, flat * math.cos(angle), flat * math.sin(angle), up, False)
            panorama[i, j, 0], panorama[i, j, 1], panorama[i, j, 2] = r, g, b


@njit(cache=True, nogil=True)
@no_type_check
def sky(light, dx, dy, dz, disc):
    """Radiance of the sky in a direction; below the horizon that of the horizon."""
    up = max(dz, 0.0)
    sun = light.sun
    toward = max(0.0, dx * sun[0] + dy * sun[1] + dz * sun[2])
    azimuth = (dx * sun[0] + dy * sun[1]) / max(
        1e-6, math.sqrt((dx * dx + dy * dy) * (sun[0] * sun[0] + sun[1] * sun[1]))
    )
    pale = math.exp(-4.6 * up)
    near = toward * toward
    near = near * near
    wide = near * near
    tight = wide * wide * wide * wide
    tight = tight * tight
    warm = (0.5 + 0.5 * azimuth) ** 2 * math.exp(-up * (7.0 if light.dusk > 0 else 4.0))
    band = warm * (0.75 if light.dusk > 0 else 0.10)
    added = 0.85 * tight + 0.26 * wide + 0.08 * near + band
    r = light.zenith[0] + (light.horizon[0] - light.zenith[0]) * pale + light.glow[0] * added
    g = light.zenith[1] + (light.horizon[1] - light.zenith[1]) * pale + light.glow[1] * added
    b = light.zenith[2] + (light.horizon[2] - light.zenith[2]) * pale + light.glow[2] * added
    if light.cloud > 0.02 and up > 0.0:
        thick, bright = clouds(light, dx, dy, up)
        edge = 0.75 + 0.35 * bright + 0.9 * wide * (1 - 0.6 * thick) + 0.5 * band
        share = thick * (0.30 + 0.64 * ramp(up, 0.0, 0.22))
        r += (light.cloud_rgb[0] * edge + light.glow[0] * 0.25 * band - r) * share
        g += (light.cloud_rgb[1] * edge + light.glow[1] * 0.25 * band - g) * share
        b += (light.cloud_rgb[2] * edge + light.glow[2] * 0.25 * band - b) * share
        toward *= 1 - 0.04 * share
    if disc and toward > 0.99996:
        strong = ramp(toward, 0.99996, 0.99999) * 14.0
        r += light.sun_rgb[0] * strong
        g += light.sun_rgb[1] * strong
        b += light.sun_rgb[2] * strong
    return r, g, b


@njit(cache=True, nogil=True)
@no_type_check
def clouds(light, dx, dy, up):
    """Cover (0 to 1) and brightness of two layers: heaps below, torn veils above."""
    x, y = dx / (up + 0.11), dy / (up + 0.11)
    seed = light.seed & 0xFFFF
    total, weight, step = 0.0, 0.5, 0.62
    turned_x, turned_y = x, y
    for octave in range(5):
        total += weight * noise(turned_x * step, turned_y * step, seed + octave)
        turned_x, turned_y = 0.8 * turned_x - 0.6 * turned_y, 0.6 * turned_x + 0.8 * turned_y
        weight *= 0.5
        step *= 2.15
    cover = 0.70 - light.cloud * 0.56
    heap = ramp(total, cover, cover + 0.20)
    veil = noise(x * 0.35 + 0.2 * total, y * 1.3, seed + 9) * 0.7
    veil += noise(x * 0.9, y * 3.1 + total, seed + 10) * 0.3
    veil = 0.38 * ramp(veil, 0.42, 0.9) * min(1.0, light.cloud * 2.0)
    # Thick parts are darker below, thin edges shine.
    bright = 1.0 - 0.75 * ramp(total, cover + 0.08, cover + 0.36)
    return clip01(heap + veil * (1 - heap)), bright


@njit(cache=True, nogil=True)
@no_type_check
def panorama_at(light, dx, dy, dz):
    """The sky without its disc, from the panorama; below the horizon that of the horizon."""
    up = math.sqrt(clip01(dz)) * HEIGHTS - 0.5
    across = (math.atan2(dy, dx) / (2 * math.pi) + 1.0) * AZIMUTHS - 0.5
    i = min(max(int(up), 0), HEIGHTS - 2)
    j = int(math.floor(across))
    s, t = min(max(up - i, 0.0), 1.0), across - j
    j0, j1 = j % AZIMUTHS, (j + 1) % AZIMUTHS
    p = light.panorama
    r = (p[i, j0, 0] * (1 - t) + p[i, j1, 0] * t) * (1 - s) + (
        p[i + 1, j0, 0] * (1 - t) + p[i + 1, j1, 0] * t
    ) * s
    g = (p[i, j0, 1] * (1 - t) + p[i, j1, 1] * t) * (1 - s) + (
        p[i + 1, j0, 1] * (1 - t) + p[i + 1, j1, 1] * t
    ) * s
    b = (p[i, j0, 2] * (1 - t) + p[i, j1, 2] * t) * (1 - s) + (
        p[i + 1, j0, 2] * (1 - t) + p[i + 1, j1, 2] * t
    ) * s
    return r, g, b


@njit(cache=True, nogil=True)
@no_type_check
def ambient(light, nx, ny, nz):
    """Light of the surroundings on a surface with this normal."""
    c = light.cube
    fx, fy, fz = (1 if nx > 0 else 0), (3 if ny > 0 else 2), (5 if nz > 0 else 4)
    x, y, z = nx * nx, ny * ny, nz * nz
    return (
        c[fx, 0] * x + c[fy, 0] * y + c[fz, 0] * z,
        c[fx, 1] * x + c[fy, 1] * y + c[fz, 1] * z,
        c[fx, 2] * x + c[fy, 2] * y + c[fz, 2] * z,
    )


@njit(cache=True, nogil=True)
@no_type_check
def air(light, dx, dy, dz):
    """Colour of the haze in a direction, warmer towards the sun."""
    sun = light.sun
    toward = max(0.0, dx * sun[0] + dy * sun[1] + dz * sun[2])
    warm = toward * toward * (0.30 if light.dusk < 0.5 else 0.42)
    return (
        light.horizon[0] * 0.90 + light.glow[0] * warm,
        light.horizon[1] * 0.90 + light.glow[1] * warm,
        light.horizon[2] * 0.90 + light.glow[2] * warm,
    )

"""Bodies of vehicles: seams, handles, sills, arches, dust."""

import math
from typing import no_type_check

from numba import njit

from roadloom.town.camera.filters import band, clip01, hash01, mix, noise, pulses, ramp
from roadloom.town.camera.points import WU, WV, U, V
from roadloom.town.camera.signs import ring
from roadloom.town.camera.skin import put
from roadloom.town.camera.tables import STYLE, TINT


@njit(cache=True, nogil=True)
@no_type_check
def paintwork(row, wet, p, skin, k):
    """Seams, handles, sills and arches on the sides; dust below."""
    x, z, w = p[U], p[V], 0.5 * (p[WU] + p[WV])
    r, g, b = row[TINT], row[TINT + 1], row[TINT + 2]
    body, length, high, seed = int(row[STYLE]), row[STYLE + 1], row[STYLE + 2], int(row[STYLE + 3])
    mirror, dark = 0.045, 0.0
    if row[STYLE + 4] > 0.5 and body <= 1:
        radius = 0.225 * high if body == 0 else 0.195 * high
        front, rear = 0.305 * length, -0.300 * length
        belt, sill = 0.62 * high, 0.20 * high
        doors = band(z, sill, 0.66 * high, w)
        hinge, split = 0.175 * length, -0.045 * length
        end = -0.225 * length if body == 0 else -0.19 * length
        # The rear door ends along the arch.
        seam = band(x, hinge - 0.006, hinge + 0.006, w) + band(x, split - 0.006, split + 0.006, w)
        seam += band(x + 0.16 * max(0.0, z / high - 0.35) * length, end - 0.006, end + 0.006, w)
        line = band(z, sill - 0.006, sill + 0.006, w) * band(x, end, hinge, w)
        dark = clip01(seam) * doors + line
        crease = band(z, 0.50 * high, 0.508 * high, w) * band(x, -0.44 * length, 0.40 * length, w)
        r, g, b = mix(r, g, b, r * 0.7, g * 0.7, b * 0.7, crease)
        for first in (split + 0.09, end + 0.10):
            grip = band(x, first, first + 0.17, w) * band(z, 0.555 * high, 0.575 * high, w)
            under = band(x, first - 0.01, first + 0.18, w) * band(z, 0.540 * high, 0.555 * high, w)
            dark += 0.8 * under
            r, g, b = mix(r, g, b, r * 1.2 + 0.02, g * 1.2 + 0.02, b * 1.2 + 0.02, grip)
        flap = ring(x + 0.37 * length, z - 0.52 * high, 0.085, 0.006, w)
        dark += 0.7 * flap * (seed & 1)
        for axle in (front, rear):
            dx, dz = x - axle, z - radius
            out = math.sqrt(dx * dx + dz * dz)
            arch = clip01((radius * 1.17 - out) / w + 0.5)
            lip = band(out, radius * 1.17, radius * 1.17 + 0.03, w)
            dark = max(dark, arch)
            r, g, b = mix(r, g, b, r * 0.75, g * 0.75, b * 0.75, lip)
        plastic = band(z, -1.0, 0.165 * high, w)
        r, g, b = mix(r, g, b, 0.028, 0.028, 0.029, plastic)
        mirror *= 1 - 0.7 * plastic
        if belt < z < 0.66 * high:
            r, g, b = mix(r, g, b, 0.02, 0.02, 0.02, band(z, 0.652 * high, 0.664 * high, w))
    elif row[STYLE + 4] > 0.5:
        joint = pulses(x, 1.45, 0.0, 0.014, w) * (0.5 if body == 2 else 0.3)
        dark = joint
        skirt = band(z, -1.0, 0.13 * high, w)
        r, g, b = mix(r, g, b, r * 0.5, g * 0.5, b * 0.5, skirt)
        if body == 2:
            strip = band(z, 0.32 * high, 0.345 * high, w)
            r, g, b = mix(r, g, b, 0.5, 0.5, 0.48, strip)
    r, g, b = mix(r, g, b, 0.010, 0.010, 0.011, 0.85 * clip01(dark))
    mirror *= 1 - clip01(dark)
    dust = ramp(0.42 * high - z, 0.0, 0.42 * high) * (
        0.25 + 0.5 * noise(x / 0.5, z / 0.2, seed & 1023)
    )
    dust *= 0.20 + 0.35 * hash01(seed, 3, 3)
    r, g, b = mix(r, g, b, 0.13, 0.12, 0.105, clip01(dust))
    mirror *= 1 - 0.6 * clip01(dust)
    put(skin, k, r, g, b, mirror, 0.75 * (1 - 0.6 * clip01(dust)), 0, 0, 0, 1, 0, 0)

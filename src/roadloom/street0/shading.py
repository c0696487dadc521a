"""Light: sun with hard shadows, a sky that fills them, haze, and the curve to sRGB.

hits -> colour of the surface (``textures.py``) -> sun, sky and bounce -> haze -> linear RGB
"""

import math
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, UInt8
from numba import njit

from roadloom.street0.caster import ROAD, SKY, VERGE, Hits, Tree, nearest
from roadloom.street0.textures import noise, part_colour, road_colour, verge_colour
from roadloom.street0.world import Materials, Tables, World

BIAS_M = 1e-4
"""Shadow rays start this far above their surface."""
SUN = (3.2, 2.82, 2.3)
AMBIENT = (0.60, 0.70, 0.92)
BOUNCE = (0.30, 0.285, 0.26)
EXPOSURE = 0.82


class Look(NamedTuple):
    """All that shading needs beside the caster's tables."""

    kind: np.ndarray
    colour: np.ndarray
    style: np.ndarray
    owner: np.ndarray
    section: np.ndarray
    """Half width of the lanes, width of one, of the right and of the left pavement [m]."""
    paint: np.ndarray
    bins: np.ndarray
    sun: np.ndarray
    """Unit vector towards it."""
    haze: float
    """Per metre."""


def look_of(world: World) -> Look:
    materials: Materials = world.materials
    section = world.plan.section
    sun = np.array(world.plan.sun, np.float64)
    paint, bins = world.paint
    return Look(
        kind=materials.kind,
        colour=materials.colour,
        style=materials.style,
        owner=world.owner,
        section=np.array([section.lanes * section.lane, section.lane, *section.pavement]) / 1000,
        paint=paint,
        bins=bins,
        sun=sun / np.sqrt((sun**2).sum()),
        haze=world.plan.haze * 1e-6,
    )


def shade(
    tables: Tables,
    tree: Tree,
    look: Look,
    origins: Float[np.ndarray, "ray 3"],
    directions: Float[np.ndarray, "ray 3"],
    time_s: Float[np.ndarray, " ray"],
    hits: Hits,
    pixel_rad: float,
) -> tuple[Float[np.ndarray, "ray 3"], UInt8[np.ndarray, " ray"]]:
    """Linear colour of each ray, and 1 where its hit lies in shadow."""
    colour = np.empty((len(origins), 3))
    shadow = np.zeros(len(origins), np.uint8)
    _shade(tables, tree, look, origins, directions, time_s, *hits, pixel_rad, colour, shadow)
    return colour, shadow


def srgb(linear: Float[np.ndarray, "*pixel 3"]) -> UInt8[np.ndarray, "*pixel 3"]:
    """A filmic curve (Narkowicz 2015), then the sRGB one (IEC 61966-2-1)."""
    x = np.maximum(linear, 0.0) * EXPOSURE
    x = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)
    x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.rint(x * 255).astype(np.uint8)


@njit(cache=True, nogil=True)
@no_type_check
def sky_colour(dx, dy, dz, sun):
    """Blue above, pale at the horizon, a glow around the sun, some fair-weather clouds."""
    up = max(dz, 0.0)
    pale = math.exp(-5.5 * up)
    r, g, b = 0.24 + 0.58 * pale, 0.44 + 0.44 * pale, 0.88 + 0.10 * pale
    toward = max(0.0, dx * sun[0] + dy * sun[1] + dz * sun[2])
    glow = toward * toward
    wide = glow * glow
    glow = wide * wide
    glow = glow * glow
    glow = glow * glow
    r += 0.9 * glow + 0.16 * wide
    g += 0.8 * glow + 0.11 * wide
    b += 0.6 * glow + 0.04 * wide
    if up > 0.02:
        x, y = dx / (up + 0.08) * 1.3, dy / (up + 0.08) * 1.3
        puff = noise(x, y, 51) * 0.55 + noise(x * 2.1, y * 2.1, 52) * 0.28
        puff += noise(x * 4.3, y * 4.3, 53) * 0.17
        cloud = min(1.0, max(0.0, (puff - 0.52) * 3.2)) * min(1.0, up * 6) * 0.8
        white = 0.98 + 0.5 * wide
        r, g, b = r + (white - r) * cloud, g + (white - g) * cloud, b + (white * 1.02 - b) * cloud
    return r, g, b


@njit(cache=True, nogil=True)
@no_type_check
def mirror_colour(dx, dy, dz, sun):
    """What a mirror shows: the sky above a strip of houses and trees, the street below."""
    if dz < 0.0:
        return 0.16, 0.16, 0.155
    r, g, b = sky_colour(dx, dy, dz, sun)
    houses = min(1.0, max(0.0, (0.30 - dz) / 0.10))
    return r + (0.20 - r) * houses, g + (0.19 - g) * houses, b + (0.18 - b) * houses


@njit(cache=True, nogil=True)
@no_type_check
def _surface(tables, look, px, py, pz, dx, dy, dz, t, part, face, w):
    """Normal, colour and gloss of one hit."""
    nx, ny, nz = 0.0, 0.0, 0.0
    sign = 1.0 if face % 2 else -1.0
    if part < 0:
        if part in (ROAD, VERGE):
            along = w / max(-dz, 0.02)
            flat = math.sqrt(dx * dx + dy * dy)
            cx, cy = (abs(dx) / flat, abs(dy) / flat) if flat > 0 else (1.0, 0.0)
            wx, wy = cx * along + cy * w, cy * along + cx * w
            if part == ROAD:
                r, g, b, gloss = road_colour(
                    look.section, tables.kerb, look.paint, look.bins, px, py, w, wx, wy
                )
            else:
                r, g, b, gloss = verge_colour(look.section, tables.kerb, px, py, w, wx, wy)
            return 0.0, 0.0, 1.0, r, g, b, gloss
        return 0.0, sign, 0.0, 0.30, 0.295, 0.285, 0.0
    o = look.owner[part]
    moving = tables.moving
    cos, sin = moving[o, 5], moving[o, 6]
    rx, ry = px - moving[o, 0] - moving[o, 3] * t, py - moving[o, 1] - moving[o, 4] * t
    x, y, z = cos * rx + sin * ry, cos * ry - sin * rx, pz - moving[o, 2]
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    if face < 2:
        nx, ny = sign * cos, sign * sin
        into, slide = abs(u), v
    elif face < 4:
        nx, ny = -sign * sin, sign * cos
        into, slide = abs(v), u
    else:
        nz = sign
        into, slide = abs(dz), 0.0
    into = max(into, 0.08)
    box = tables.boxes[part]
    r, g, b, gloss = part_colour(
        look.kind[part], look.style[part], face, x, y, z, box[:3], box[3:],
        look.colour[part, 0], look.colour[part, 1], look.colour[part, 2],
        w, slide / into, dz / into, into, o,
    )  # fmt: skip
    return nx, ny, nz, r, g, b, gloss


@njit(cache=True, nogil=True)
@no_type_check
def _blocked(tables, tree, px, py, pz, dx, dy, dz, t, far):
    return nearest(
        tables.moving, tables.spans, tables.boxes, tables.kerb, tree.nodes, tree.kids,
        tree.member, tree.stack, tree.entered, px, py, pz, dx, dy, dz, t, far, True,
    )[1] != SKY  # fmt: skip


@njit(cache=True, nogil=True)
@no_type_check
def _shade(
    tables, tree, look, origins, directions, time_s, distance, part, face, pixel_rad, out, shadow
):
    sun = look.sun
    for k in range(len(origins)):
        dx, dy, dz = directions[k, 0], directions[k, 1], directions[k, 2]
        if part[k] == SKY:
            out[k, 0], out[k, 1], out[k, 2] = sky_colour(dx, dy, dz, sun)
            continue
        d, t = distance[k], time_s[k]
        px, py, pz = origins[k, 0] + dx * d, origins[k, 1] + dy * d, origins[k, 2] + dz * d
        w = max(d * pixel_rad, 1e-4)
        nx, ny, nz, r, g, b, gloss = _surface(
            tables, look, px, py, pz, dx, dy, dz, t, part[k], face[k], w
        )
        sx, sy, sz = px + nx * BIAS_M, py + ny * BIAS_M, pz + nz * BIAS_M
        lit = nx * sun[0] + ny * sun[1] + nz * sun[2]
        if lit > 0 and _blocked(tables, tree, sx, sy, sz, sun[0], sun[1], sun[2], t, np.inf):
            lit, shadow[k] = 0.0, 1
        lit = max(lit, 0.0)
        open_sky = 1.0
        if part[k] in (ROAD, VERGE):
            # The ground under a car sees no sky.
            if _blocked(tables, tree, sx, sy, sz, 0.0, 0.0, 1.0, t, 1.2):
                open_sky = 0.25
        elif nz == 0:
            open_sky = 0.62 + 0.38 * min(1.0, max(0.0, pz) / 1.5)
        above, below = (0.5 + 0.5 * nz) * open_sky, 0.5 - 0.5 * nz
        r *= SUN[0] * lit + AMBIENT[0] * above + BOUNCE[0] * below
        g *= SUN[1] * lit + AMBIENT[1] * above + BOUNCE[1] * below
        b *= SUN[2] * lit + AMBIENT[2] * above + BOUNCE[2] * below
        if gloss > 0:
            cosine = -(dx * nx + dy * ny + dz * nz)
            rise = 1 - max(0.0, min(1.0, cosine))
            gloss = gloss * (0.35 + 0.65 * rise * rise * rise)
            mr, mg, mb = mirror_colour(
                dx + 2 * cosine * nx, dy + 2 * cosine * ny, dz + 2 * cosine * nz, sun
            )
            r, g, b = r + (mr - r) * gloss, g + (mg - g) * gloss, b + (mb - b) * gloss
        haze = 1 - math.exp(-look.haze * d)
        out[k, 0] = r + (0.80 - r) * haze
        out[k, 1] = g + (0.86 - g) * haze
        out[k, 2] = b + (0.94 - b) * haze

"""What vehicles share: colours, finishes, wheels, mirrors, plates."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import NEAR
from roadloom.town.mesh.materials import linear
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, box, circle, loft, mirrored, polygon, quad, scaled

Tint = tuple[float, float, float]
BLACK: Tint = (0.012, 0.012, 0.013)
DARK: Tint = (0.03, 0.03, 0.032)
GREY: Tint = (0.12, 0.12, 0.125)

_PAINTS: tuple[tuple[int, tuple[tuple[int, int, int], ...]], ...] = (
    (25, ((203, 203, 200), (198, 200, 203), (202, 198, 188))),
    (20, ((22, 22, 24), (30, 31, 36), (18, 20, 22))),
    (30, ((158, 161, 164), (112, 115, 119), (84, 87, 92), (134, 136, 136), (60, 64, 69))),
    (9, ((28, 58, 120), (24, 36, 74), (62, 100, 150), (18, 74, 134))),
    (8, ((150, 22, 24), (112, 16, 24), (178, 34, 30))),
    (3, ((34, 62, 48), (74, 92, 62), (120, 136, 110))),
    (3, ((106, 84, 62), (154, 132, 104), (70, 54, 44))),
    (2, ((196, 92, 22), (202, 160, 40))),
)
"""Shares in % of colours [sRGB] of cars as registered in Europe."""


_BRIGHTEST = 0.59
"""Brighter surfaces burn out in the sun."""


def tint_of(red: int, green: int, blue: int) -> Tint:
    """Linear light of an sRGB colour 0-255."""
    r, g, b = (min(float(v), _BRIGHTEST) for v in linear(red, green, blue))
    return r, g, b


def paint_tint(dice: Dice) -> Tint:
    """A car's colour by the shares of real ones."""
    at = dice.between(0, 99)
    for share, colours in _PAINTS:
        if at < share:
            return tint_of(*dice.pick(colours))
        at -= share
    raise AssertionError("shares add up to 100")


def plain(cls: int, tint: Tint = BLACK, gloss: float = 0.05) -> Finish:
    return Finish(materials.PLAIN, tint, cls, (0.1, gloss))


@lru_cache
def _unit_wheel(sides: int, closed: bool, spokes: bool, cls: int) -> Mesh:
    """Radius 1, from y = 0 inside to y = 1 outside."""
    around = circle(sides, 0.5)

    def ring(radius: float, y: float) -> np.ndarray:
        return np.stack([-around[:, 0] * radius, np.full(sides, y), around[:, 1] * radius], axis=-1)

    tyre = Finish(materials.RUBBER, (0.018, 0.018, 0.019), cls)
    if sides < 8:
        return polygon(ring(1.0, 1.0)[::-1], tyre)
    rubber = loft(
        np.stack([ring(0.98, 0.0), ring(1.0, 0.82), ring(0.66, 1.0)]), tyre, caps=(closed, False)
    )
    rim = Finish(materials.METAL, (0.33, 0.33, 0.34) if spokes else (0.2, 0.2, 0.205), cls, (0.5,))
    hub = loft(np.stack([ring(0.66, 1.0), ring(0.0, 0.86)]), rim, smooth=False, caps=(False, False))
    if spokes:
        gap = np.arange(len(hub)) % 2 == 1
        hub.material[gap] = materials.PLAIN
        hub.tint[gap] = BLACK
        hub.style[gap] = 0
    return join([rubber, hub])


def wheel(
    x: float, radius: float, inner_y: float, outer_y: float, detail: int, cls: int, z: float = -1.0
) -> Mesh:
    """A wheel on the ground (or with its middle at z); the rim faces ``outer_y``'s side."""
    sides = (14, 8, 6)[detail]
    unit = _unit_wheel(sides, detail == NEAR, detail == NEAR, cls)
    width = abs(outer_y - inner_y)
    one = scaled(unit, (radius, width, radius), (0.0, abs(inner_y), radius if z < 0 else z))
    one = replace(one, corners=one.corners + (x, 0.0, 0.0))
    return one if outer_y > 0 else mirrored(one)


def both_sides(mesh: Mesh) -> Mesh:
    """A part and its mirror image on the other side."""
    return join([mesh, mirrored(mesh)])


def plate(x: float, z: float, half: float, height: float, sign: int, seed: int, cls: int) -> Mesh:
    """A number plate 6 mm in front of x, looking along ``sign`` * x; z is its lower edge."""
    finish = Finish(materials.PLATE, (0.55, 0.55, 0.52), cls, (float(seed % 65536),))
    x = x + sign * 0.006
    a, b = (x, -half * sign, z), (x, half * sign, z)
    return quad(a, b, (x, b[1], z + height), (x, a[1], z + height), finish)


def painted(mesh: Mesh, tint: Tint, style: tuple[float, float, float, float]) -> Mesh:
    """As PAINTWORK: uv becomes side coordinates; sides are the faces that look left or right."""
    sides = np.abs(mesh.normals[:, :, 1]).mean(axis=1) > 0.6
    styles = np.zeros_like(mesh.style)
    styles[:, :4] = style
    styles[:, 4] = sides
    return replace(
        mesh,
        material=np.full(len(mesh), materials.PAINTWORK, np.uint8),
        tint=np.broadcast_to(np.asarray(tint, np.float32), (len(mesh), 3)).copy(),
        style=styles,
        uv=mesh.corners[..., [0, 2]].astype(np.float32),
    )


def mirror(x: float, y: float, z: float, reach: float, tint: Tint, cls: int) -> Mesh:
    """Two outside mirrors: shells with dark glass to the rear; ``y`` is where they begin."""
    shell = box((x - 0.07, y, z), (x + 0.09, y + reach, z + 0.14), plain(cls, tint, 0.4))
    return both_sides(shell)


def slab(profile: list[tuple[float, float]], half: float, finish: Finish) -> Mesh:
    """A convex side view (x, z), counter-clockwise with x to the right, as wide as 2 ``half``."""
    ring = np.asarray(profile, np.float64)
    sides = [
        np.column_stack([ring[:, 0], np.full(len(ring), y), ring[:, 1]]) for y in (half, -half)
    ]
    return loft(np.stack(sides), finish, smooth=False)


def side_panel(points: list[tuple[float, float]], y: float, finish: Finish) -> Mesh:
    """A flat convex panel on both sides, from its outline (x, z) as in ``slab``; y > 0."""
    ring = [(x, -y, z) for x, z in points]
    return both_sides(polygon(ring, finish))


def end_panel(
    low: tuple[float, float],
    high: tuple[float, float],
    x: float,
    sign: int,
    finish: Finish,
    top_x: float | None = None,
) -> Mesh:
    """A panel that looks along ``sign`` * x, from (y, z) to (y, z); it may lean."""
    top_x = x if top_x is None else top_x
    y0, y1 = (low[0], high[0]) if sign > 0 else (high[0], low[0])
    return quad(
        (x, y0, low[1]), (x, y1, low[1]), (top_x, y1, high[1]), (top_x, y0, high[1]), finish
    )

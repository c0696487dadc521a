"""Cars, vans and pick-ups: one skin over stations along x, materials by its cells.

Half a ring runs from the middle of the underside over sill, waist and belt to the middle of the
roof; the rows of ``BODIES`` say where its upper points are at a few places along the car. Cells of
the skin between given stations are windows and pillars. Both ends are grids whose rows carry
bumper, air intake, plate, grille and lamps, so nothing lies on anything.
"""

import numpy as np
from jaxtyping import Float

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, NEAR
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import box, creased, triangles
from roadloom.town.mesh.vehicles_bodies import (
    BODIES,
    COLUMNS,
    FRONT_ROWS,
    FRONTS,
    REAR_ROWS,
    REARS,
    VAN_REARS,
    Body,
)
from roadloom.town.mesh.vehicles_parts import (
    BLACK,
    DARK,
    Finish,
    Tint,
    both_sides,
    mirror,
    plain,
    wheel,
)

FRONT_AXLE, REAR_AXLE = 0.305, -0.30
"""In lengths of the car from its middle."""


def car(
    body: str,
    size: tuple[float, float, float],
    seed: int,
    detail: int,
    cls: int,
    tint: Tint,
    livery: Tint | None = None,
) -> Mesh:
    """A car of a body form about as large as ``size``; bounds are not yet exact. ``livery`` is the
    colour of stripes along its doors."""
    shape, dice = BODIES[body], Dice(seed, 71)
    skin = _skin(body, shape, size, detail, cls, tint, livery, seed, dice)
    parts = [skin]
    length, width, height = size
    radius = shape.wheel * height
    half = width / 2
    for x in (FRONT_AXLE * length, REAR_AXLE * length):
        for side in (1, -1):
            parts.append(wheel(x, radius, side * (half - 0.27), side * half * 0.965, detail, cls))
    if detail != FAR:
        z = shape.upper[2][1] * height + 0.02
        x = (shape.cowl * 0.75 + shape.roof_front * 0.25) * length
        shell = tint if dice.percent(70) else BLACK
        parts.append(mirror(x, half * 0.84, z, half * 0.16, shell, cls))
    if detail == NEAR:
        parts += _roof_parts(body, shape, size, cls, tint, dice)
    return join(parts)


def _roof_parts(
    body: str, shape: Body, size: tuple[float, float, float], cls: int, tint: Tint, dice: Dice
) -> list[Mesh]:
    length, width, height = size
    parts = []
    roof = shape.upper[5]
    if body in ("estate", "suv") and dice.percent(65):
        y = width / 2 * 0.60
        low = (shape.roof_rear * length + 0.15, y, roof[3] * height - 0.02)
        high = (shape.roof_front * length - 0.25, y + 0.035, height)
        metal = Finish(materials.METAL, (0.3, 0.3, 0.3) if dice.percent(50) else DARK, cls, (0.4,))
        parts.append(both_sides(box(low, high, metal, skip=("bottom",))))
    elif dice.percent(60) and body != "pickup":
        x, z = shape.roof_rear * length + 0.12, roof[4] * height
        fin = np.array([[0, 0.025, -0.02], [0, -0.025, -0.02], [0.2, 0.0, -0.02], [0, 0, 0.06]]) + (
            x,
            0,
            z,
        )
        faces = fin[[[0, 3, 2], [1, 2, 3], [0, 1, 3]]]
        parts.append(triangles(faces, plain(cls, tint, 0.3)))
    return parts


# -- the skin ------------------------------------------------------------------------------------


def _stations(shape: Body, length: float, arch: float, detail: int) -> list[float]:
    """x of all rings in lengths, front first."""
    at = {row[0] for row in shape.upper}
    if detail == FAR:
        return sorted(
            {shape.upper[0][0], shape.cowl, shape.roof_front, shape.roof_rear}
            | {row[0] for row in shape.upper[6:]},
            reverse=True,
        )
    offsets = (-1.0, -0.72, 0.0, 0.72, 1.0) if detail == NEAR else (-1.0, -0.6, 0.6, 1.0)
    fixed = sorted(at)
    if detail == NEAR:
        fixed += [edge for pillar in shape.pillars for edge in pillar]
        fixed.append(shape.cowl + 0.018)
    arches = [a + o * arch / length for a in (FRONT_AXLE, REAR_AXLE) for o in offsets]
    # Rings nearer to each other than 8 mm would make slivers.
    kept = [x for x in arches if min(abs(x - f) for f in fixed) * length > 0.008]
    return sorted([*fixed, *kept], reverse=True)


def _rings(
    shape: Body, size: tuple[float, float, float], detail: int
) -> tuple[Float[np.ndarray, "station 8 3"], Float[np.ndarray, " station"]]:
    """Left halves of all rings and their x in lengths."""
    length, width, height = size
    radius = shape.wheel * height
    arch = radius + 0.075
    share = np.array(_stations(shape, length, arch, detail))
    table = np.array(shape.upper)[::-1]
    belt, rail, edge, roof, wide_rail, wide_edge = (
        np.interp(share, table[:, 0], table[:, k]) for k in range(1, 7)
    )
    x = share * length
    plan = np.interp(np.abs(share), (0.0, 0.30, 0.42, 0.5), (1.0, 0.995, 0.965, 0.90))
    half = width / 2 * 0.965 * plan
    floor = np.full_like(x, shape.floor * height)
    sill = floor + 0.02
    if detail != FAR:
        for axle in (FRONT_AXLE, REAR_AXLE):
            apart = np.abs(x - axle * length) / arch
            lift = radius + (arch + 0.005) * np.sqrt(np.clip(1 - apart * apart, 0, 1))
            # The opening's foot is a step up from the sill.
            sill = np.where(apart < 0.999, np.maximum(sill, lift), sill)
    waist = np.maximum(0.45 * (shape.floor + belt) * height + 0.14 * height, sill + 0.05)
    waist = np.minimum(waist, belt * height - 0.05)
    sill = np.minimum(sill, waist - 0.03)
    zero = np.zeros_like(x)
    y = np.stack(
        [zero, 0.62 * half, 0.955 * half, half, 0.945 * half, wide_rail * half,
         wide_edge * half, zero], axis=1,
    )  # fmt: skip
    z = np.stack(
        [floor, floor, sill, waist, belt * height, rail * height, edge * height, roof * height],
        axis=1,
    )
    rings = np.stack([np.broadcast_to(x[:, None], y.shape), y, z], axis=-1)
    for row, sign, bulge in ((0, 1, shape.bulge[0]), (-1, -1, shape.bulge[1])):
        rings[row, :, 1] = np.array([0, 0.62, 0.955, 1, 0.945, 0.586, 0.284, 0]) * half[row]
        rings[row, :, 0] = sign * _end_x(rings[row, :, 1], rings[row, :, 2], size, bulge, half[row])
    return rings, share


def _end_x(
    y: np.ndarray, z: np.ndarray, size: tuple[float, float, float], bulge: float, half: float
) -> np.ndarray:
    """The skin's x at an end: corners stand back, and so do the lip and what is above the lamps."""
    share = z / size[2]
    back = np.interp(
        share, (0.1, 0.22, 0.34, 0.46, 0.62, 0.72), (0.012, 0.0, 0.0, 0.006, 0.014, 0.02)
    )
    return (0.5 - back - bulge * (y / half) ** 2) * size[0]


_POINTS = ([0, 1, 2, 3, 4, 5, 6, 7], [0, 2, 3, 4, 5, 6, 7], [0, 2, 3, 4, 5, 7])
"""Of the half ring, by detail."""


def _skin(
    body: str,
    shape: Body,
    size: tuple[float, float, float],
    detail: int,
    cls: int,
    tint: Tint,
    livery: Tint | None,
    seed: int,
    dice: Dice,
) -> Mesh:
    rings, share = _rings(shape, size, detail)
    count = len(rings)
    kept = _POINTS[detail]
    front, rear = rings[:-1, kept], rings[1:, kept]
    cells = np.stack([front[:, :-1], rear[:, :-1], rear[:, 1:], front[:, 1:]], axis=2)
    code = _codes(body, shape, share, dice)
    if livery is not None:
        code[2:-2, 3] = "S"
    halves = [cells.reshape(-1, 4, 3)]
    codes = [code[:, [point - 1 for point in kept[1:]]].reshape(-1)]
    fronts = FRONTS[dice.between(0, len(FRONTS) - 1)]
    rears = dice.pick(VAN_REARS if body == "van" else REARS)
    for row, sign, grid, rows, bulge in (
        (0, 1, fronts, FRONT_ROWS, shape.bulge[0]),
        (count - 1, -1, rears, REAR_ROWS, shape.bulge[1]),
    ):
        squares, names = _end(rings[row], sign, grid, rows, size, bulge, detail)
        halves.append(squares)
        codes.append(names)
    squares, names = np.concatenate(halves), np.concatenate(codes)
    mirrored = (squares * (1.0, -1.0, 1.0))[:, ::-1]
    # Split along the other diagonal on the other side: both sides stay mirror images.
    left = squares[:, [[0, 1, 2], [0, 2, 3]]]
    right = mirrored[:, [[3, 0, 1], [3, 1, 2]]]
    corners = np.concatenate([left, right]).reshape(-1, 3, 3)
    names = np.repeat(np.concatenate([names, names]), 2)
    span = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    real = (span * span).sum(axis=1) > 1e-14
    return _finished(corners[real], names[real], shape, size, tint, livery, cls, seed)


def _codes(body: str, shape: Body, share: np.ndarray, dice: Dice) -> np.ndarray:
    """Letter of each cell: station by part of the half ring."""
    middle = (share[:-1] + share[1:]) / 2
    code = np.full((len(middle), 7), "P")
    code[:, :2] = "B"
    cabin = (middle < shape.cowl) & (middle > shape.deck)
    post = np.zeros(len(middle), bool)
    for high, low in shape.pillars:
        post |= (middle < high) & (middle > low)
    glazed = cabin & (middle > shape.side_glass_to)
    if body == "van" and dice.percent(60):
        glazed &= middle > shape.pillars[0][1]
    code[glazed, 4] = "W"
    code[glazed & post, 4] = "B"
    code[cabin & (middle > shape.roof_front), 6] = "W"
    code[cabin & (middle < shape.roof_rear), 6] = "W"
    code[(middle > shape.cowl) & (middle < shape.cowl + 0.018), 5:] = "B"
    if body == "pickup":
        code[(middle < shape.deck), 5:] = "B"
        code[middle < -0.474, 5:] = "P"
    return code


def _end(
    ring: Float[np.ndarray, "8 3"],
    sign: int,
    grid: tuple[str, ...],
    rows: tuple[float, ...],
    size: tuple[float, float, float],
    bulge: float,
    detail: int,
) -> tuple[Float[np.ndarray, "cell 4 3"], np.ndarray]:
    """Left half of nose or tail: cells and their letters."""
    columns: tuple[float, ...] = COLUMNS
    if detail != NEAR:
        # Bumper, plate's row, lamps' rows.
        keep = ((0, 1, 2, 3, 4, 5, 6), (0, 2, 3, 4, 5, 6), (0, 3, 5, 6))[detail]
        grid = ("PPP", grid[4], "PPP") if detail == FAR else grid[1:]
        rows = tuple(rows[k] for k in keep)
    if detail == FAR:
        columns = (0.0, 0.62, 1.0)
        grid = tuple(row[0] + row[2] for row in grid)
    low, high, half = ring[2], ring[4], ring[3, 1]
    side = ring[2:5]
    share = np.array(columns)
    points = np.zeros((len(rows), len(columns), 3))
    for i, row in enumerate(rows[1:-1], start=1):
        lift = 0.022 * size[2] * share**2 * np.interp(row, (0.4, 0.7, 1), (0, 1, 0))
        z = low[2] + row * (high[2] - low[2]) + (lift if sign > 0 else 0 * lift)
        y = share * np.interp(z, side[:, 2], side[:, 1])
        points[i] = np.stack([sign * _end_x(y, z, size, bulge, half), y, z], axis=-1)
        # The outermost lies on the ring, so that no gap opens between end and side.
        points[i, -1, 0] = np.interp(z[-1], side[:, 2], side[:, 0])
    points[1 + np.argmin(np.abs(points[1:-1, -1, 2] - side[1, 2])), -1] = side[1]
    points[0] = ring[0] + (ring[1] - ring[0]) * (share / 0.62)[:, None]
    if detail != NEAR:
        points[0] = ring[0] + (ring[2] - ring[0]) * share[:, None]
    points[0, -1] = ring[2]
    points[-1] = ring[[7, 6, 5, 4] if detail != FAR else [7, 5, 4]]
    a, b = points[:-1, :-1], points[:-1, 1:]
    c, d = points[1:, 1:], points[1:, :-1]
    square = np.stack([a, b, c, d] if sign > 0 else [b, a, d, c], axis=2)
    return square.reshape(-1, 4, 3), np.array([letter for row in grid for letter in row])


_LOOK = {
    "B": (materials.PLAIN, BLACK, (0.1, 0.08)),
    "G": (materials.PLAIN, (0.008, 0.008, 0.009), (0.3, 0.15)),
    "C": (materials.METAL, (0.22, 0.22, 0.225), (0.9,)),
    "W": (materials.GLASS, (0.02, 0.024, 0.026), (0.75,)),
    "L": (materials.HEADLAMP, (0.5, 0.52, 0.55), (0.0,)),
    "T": (materials.TAILLAMP, (0.33, 0.012, 0.012), (0.0,)),
}


def _finished(
    corners: np.ndarray,
    names: np.ndarray,
    shape: Body,
    size: tuple[float, float, float],
    tint: Tint,
    livery: Tint | None,
    cls: int,
    seed: int,
) -> Mesh:
    parts = []
    paint = names == "P"
    style = (shape.style, size[0], size[2], float(seed % 65536))
    skin = creased(triangles(corners[paint], Finish(materials.PAINTWORK, tint, cls, style)))
    skin.style[:, 4] = np.abs(skin.normals[:, :, 1]).mean(axis=1) > 0.6
    skin.uv[:] = skin.corners[..., [0, 2]]
    parts.append(skin)
    for letter, (material, colour, numbers) in _LOOK.items():
        rows = names == letter
        if rows.any():
            parts.append(triangles(corners[rows], Finish(material, colour, cls, numbers)))
    rows = names == "S"
    if livery is not None and rows.any():
        stripes = Finish(materials.STRIPES, livery, cls, (0.3, 1.0))
        parts.append(triangles(corners[rows], stripes, corners[rows][..., [0, 2]]))
    rows = names == "N"
    if rows.any():
        face = corners[rows]
        sign = np.where(face[:, :1, 0] > 0, 1.0, -1.0)
        across = face[..., 1] * sign
        uv = np.stack([across - across.min(), face[..., 2] - face[..., 2].min()], axis=-1)
        finish = Finish(materials.PLATE, (0.55, 0.55, 0.52), cls, (float(seed % 65536),))
        parts.append(triangles(face, finish, uv))
    return join(parts)

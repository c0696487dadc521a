"""Motorcycles and their riders."""

from dataclasses import replace

import numpy as np

from roadloom.scene.classes import class_id
from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.people_figure import HEAD_M, Stance, figure
from roadloom.town.mesh.people_look import look_of
from roadloom.town.mesh.solids import Finish, box, creased, ellipsoid, loft, tube
from roadloom.town.mesh.vehicles_parts import BLACK, both_sides, paint_tint, plain, tint_of, wheel

Size = tuple[float, float, float]
_SHELLS = (
    tint_of(24, 25, 28), tint_of(150, 26, 26), tint_of(28, 70, 130), tint_of(186, 186, 182),
    tint_of(120, 122, 124),
)  # fmt: skip


def motorcycle(size: Size, seed: int, detail: int, cls: int) -> list[Mesh]:
    """A motorcycle about as large as ``size``."""
    dice = Dice(seed, 93)
    length, width, height = size
    half = width / 2
    s = height / 1.2
    radius = min(0.31 * s, 0.16 * length)
    rear, front = -length / 2 + radius, length / 2 - radius
    tint = paint_tint(dice)
    paint = Finish(materials.PAINTWORK, tint, cls, (3.0, length, height, float(seed % 65536)))
    dark, chrome = plain(cls, BLACK, 0.15), Finish(materials.METAL, (0.4, 0.4, 0.41), cls, (0.9,))
    steel = Finish(materials.METAL, (0.16, 0.16, 0.165), cls, (0.4,))
    sides = (8, 5, 3)[detail]
    parts: list[Mesh] = []
    for x, w in ((rear, 0.075), (front, 0.055)):
        for side in (1, -1):
            parts.append(wheel(x, radius, 0.0, side * w, detail, cls))
    mid = (rear + front) / 2
    parts.append(box((mid - 0.20 * s, -0.13, 0.20 * s), (mid + 0.22 * s, 0.13, 0.50 * s), steel))
    if detail != FAR:
        for i in range(3):
            z = (0.34 + 0.05 * i) * s
            parts.append(box((mid + 0.04 * s, -0.15, z), (mid + 0.24 * s, 0.15, z + 0.02), chrome))
        pipe = [
            (mid + 0.22 * s, -0.14, 0.40 * s),
            (mid + 0.24 * s, -0.16, 0.20 * s),
            (mid - 0.1 * s, -0.17, 0.17 * s),
            (rear - 0.05, -0.17, 0.27 * s),
        ]
        parts.append(tube(pipe, (0.025, 0.025, 0.035, 0.05), 6, chrome))
    tank = np.array(
        [(-0.06, 0.07, 0.62, 0.74), (0.06, 0.13, 0.56, 0.82), (0.24, 0.14, 0.58, 0.85),
         (0.36, 0.07, 0.66, 0.80)]
    ) * (s, 1, s, s)  # fmt: skip
    parts.append(_hull(tank + (mid, 0, 0, 0), paint))
    seat = np.array(
        [(-0.62, 0.08, 0.70, 0.78), (-0.36, 0.12, 0.64, 0.74), (-0.05, 0.10, 0.62, 0.71)]
    ) * (s, 1, s, s)
    parts.append(_hull(seat + (mid, 0, 0, 0), dark))
    cowl = np.array(
        [(-0.70, 0.05, 0.70, 0.75), (-0.45, 0.10, 0.56, 0.68), (-0.12, 0.11, 0.44, 0.62)]
    ) * (s, 1, s, s)
    if detail != FAR:
        parts.append(_hull(cowl + (mid, 0, 0, 0), paint))
    head = np.array([front - 0.30 * s, 0.0, 0.88 * s])
    for side in (1, -1):
        y = side * 0.085
        parts.append(tube([(front, y, radius), head + (0, y, 0)], (0.026, 0.024), sides, chrome))
        parts.append(
            tube([(rear, y, radius), (mid - 0.15 * s, y, 0.34 * s)], (0.03, 0.035), sides, steel)
        )
    steps = (6, 5, 3)[detail]
    turn = np.linspace(2.6, 0.7, steps)
    over = radius + 0.022 * s
    rise = radius + over * np.sin(turn)
    guard = np.column_stack([over * np.cos(turn), np.full(steps, 0.068), rise, rise + 0.022 * s])
    parts.append(_hull(guard + (front, 0, 0, 0), paint))
    bend, grip = head + (-0.02, 0.6 * half, 0.10 * s), head + (-0.14 * s, half - 0.016, 0.06 * s)
    line = [grip, bend, head + (0, 0, 0.05 * s), bend * (1, -1, 1), grip * (1, -1, 1)]
    parts.append(tube(line, (0.016,) * 5, sides, dark))
    lamp = Finish(materials.HEADLAMP, (0.5, 0.52, 0.55), cls)
    parts.append(
        ellipsoid(head + (0.10 * s, 0, -0.05 * s), (0.07, 0.09, 0.09), lamp, sides=sides, rings=4)
    )
    red = Finish(materials.TAILLAMP, (0.33, 0.012, 0.012), cls)
    parts.append(box((mid - 0.74 * s, -0.06, 0.66 * s), (mid - 0.695 * s, 0.06, 0.71 * s), red))
    if detail != FAR:
        shield = head + (0.06 * s, 0, 0.04 * s)
        ring = (
            np.array(
                [
                    [(0.10, 0.12, 0), (0.085, 0.12, 0), (0.085, -0.12, 0), (0.10, -0.12, 0)],
                    [
                        (-0.04, 0.09, 0.24),
                        (-0.055, 0.09, 0.24),
                        (-0.055, -0.09, 0.24),
                        (-0.04, -0.09, 0.24),
                    ],
                ]
            )
            * s
        )
        parts.append(
            loft(
                shield + ring,
                Finish(materials.GLASS, (0.03, 0.03, 0.03), cls, (0.5,)),
                smooth=False,
            )
        )
        parts.append(
            both_sides(
                tube(
                    [grip * (1, 0.7, 1), grip * (1, 0.85, 1) + (0.03, 0, 0.13 * s)],
                    (0.008, 0.008),
                    4,
                    dark,
                )
            )
        )
        parts.append(
            both_sides(
                box(
                    grip * (1, 0.85, 1) + (0.02, -0.06, 0.13 * s),
                    grip * (1, 0.85, 1) + (0.045, 0.045, 0.21 * s),
                    dark,
                )
            )
        )
    return parts


def _hull(rows: np.ndarray, finish: Finish) -> Mesh:
    """A body along x from rows of x, half width, low and high; chamfered above."""
    x, w, low, high = rows.T
    z = np.stack([low, low + 0.6 * (high - low), high, high, low + 0.6 * (high - low), low], axis=1)
    y = np.stack([0.8 * w, w, 0.6 * w, -0.6 * w, -w, -0.8 * w], axis=1)
    rings = np.stack([np.broadcast_to(x[:, None], y.shape), y, z], axis=-1)
    mesh = creased(loft(rings, finish, smooth=False), 0.5)
    if finish.material == materials.PAINTWORK:
        return replace(mesh, uv=mesh.corners[..., [0, 2]].astype(np.float32))
    return mesh


def motor_rider(size: Size, height: float, seed: int, detail: int) -> Mesh:
    """The rider of a motorcycle of ``size``, up to ``height``."""
    cls = class_id("human.rider.motorcycle")
    dice = Dice(seed, 94)
    leather = dice.pick(
        (tint_of(22, 22, 24), tint_of(40, 38, 36), tint_of(110, 24, 26), tint_of(34, 44, 70))
    )
    look = look_of(seed)._replace(
        top=leather, legs=tint_of(24, 25, 30), shoes=tint_of(18, 18, 18), lower="trousers",
        hat="", bag="", long_hair=False, slim=1.12,
    )  # fmt: skip
    length, width, tall = size
    s = tall / 1.2
    radius = min(0.31 * s, 0.16 * length)
    k = min(height / 1.66, 1.1)
    pelvis = np.array([-0.22 * s, 0.0, 0.72 * s + 0.09 * k])
    crown = height
    rise = crown - (HEAD_M * 1.2 + 0.05) * k - pelvis[2]
    lean = np.sqrt(max((0.56 * k) ** 2 - rise**2, (0.10 * k) ** 2))
    neck = pelvis + (lean, 0.0, rise)
    front = length / 2 - radius
    head = np.array([front - 0.30 * s, 0.0, 0.88 * s])
    hands = np.array([head + (-0.17 * s, y * (width / 2 - 0.06), 0.08 * s) for y in (1, -1)])
    ankles = np.array([(0.02 * s, y * 0.20, 0.32 * s) for y in (1, -1)])
    stance = Stance(pelvis, neck, hands, ankles, (0.1, 0.1), crown - 0.015)
    body = figure(stance, look, k, detail, cls)
    middle = np.array([neck[0] + 0.045 * k, 0.0, crown - 0.145 * k])
    shell = plain(cls, dice.pick(_SHELLS), 0.5)
    helmet = ellipsoid(
        middle,
        np.array([0.155, 0.130, 0.145]) * k,
        shell,
        sides=(10, 8, 5)[detail],
        rings=(7, 5, 4)[detail],
    )
    parts = [body, helmet]
    if detail != FAR:
        visor = ellipsoid(
            middle + (0.045 * k, 0, 0.005),
            np.array([0.122, 0.118, 0.06]) * k,
            Finish(materials.GLASS, (0.02, 0.02, 0.02), cls, (0.9,)),
            sides=10,
            rings=4,
        )
        parts.append(visor)
    return join(parts)

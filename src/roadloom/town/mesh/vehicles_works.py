"""Machines of road works: excavators and rollers."""

import numpy as np

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, box, circle, cylinder, loft, polygon, shifted
from roadloom.town.mesh.vehicles_large import Size, glass, lamp
from roadloom.town.mesh.vehicles_parts import (
    BLACK,
    DARK,
    both_sides,
    painted,
    plain,
    side_panel,
    slab,
    tint_of,
    wheel,
)

_YELLOW = (tint_of(212, 152, 24), tint_of(204, 112, 26), tint_of(206, 166, 60))


def _beam(line: list[tuple[float, float, float]], half: float, finish: Finish) -> Mesh:
    """A box girder in the plane y = 0 along (x, z, half height)."""
    points = np.array(line)
    step = np.diff(points[:, :2], axis=0)
    step = np.concatenate([step[:1], step[:-1] + step[1:], step[-1:]])
    step /= np.sqrt((step * step).sum(axis=1, keepdims=True))
    up = np.column_stack([-step[:, 1], step[:, 0]]) * points[:, 2:]
    rings = []
    for (x, z, _), (ux, uz) in zip(points, up, strict=True):
        rings.append(
            [(x - ux, half, z - uz), (x + ux, half, z + uz), (x + ux, -half, z + uz),
             (x - ux, -half, z - uz)]
        )  # fmt: skip
    return loft(np.array(rings), finish, smooth=False)


def _beside(mesh: Mesh, y: float) -> Mesh:
    return shifted(mesh, (0.0, y, 0.0))


def excavator(size: Size, seed: int, detail: int, cls: int) -> Mesh:
    """On tracks, its arm ahead and the bucket on the ground."""
    dice = Dice(seed, 75)
    length, width, height = size
    half = width / 2
    tint = dice.pick(_YELLOW)
    style = (3.0, length, height, float(seed % 65536))
    paint = Finish(materials.PAINTWORK, tint, cls)
    dark, rubber = plain(cls, DARK), Finish(materials.RUBBER, (0.03, 0.029, 0.028), cls)
    rear = -length / 2
    track_end, track_high = rear + 0.56 * length, 0.26 * height
    ring = [(rear + 0.16 * track_high, 0.4 * track_high), (rear + 0.5 * track_high, 0.0),
            (track_end - 0.5 * track_high, 0.0), (track_end, 0.5 * track_high),
            (track_end - 0.3 * track_high, track_high),
            (rear + 0.4 * track_high, track_high)]  # fmt: skip
    track = _beside(slab(ring, half * 0.16, rubber), half * 0.84)
    parts = [both_sides(track)]
    mid = (rear + track_end) / 2
    parts.append(
        box(
            (rear + 0.3, -half * 0.67, 0.3 * track_high),
            (track_end - 0.3, half * 0.67, track_high * 0.9),
            dark,
        )
    )
    parts.append(cylinder(half * 0.5, track_high * 0.9, track_high * 1.12, 12, dark, at=(mid, 0.0)))
    if detail != FAR:
        hub = Finish(materials.METAL, (0.2, 0.19, 0.17), cls, (0.1,))
        for x in np.linspace(rear + 0.7 * track_high, track_end - 0.7 * track_high, 4):
            disc = circle(8) * track_high * 0.3
            points = [(x + a, 0.5 * track_high + b) for a, b in disc]
            parts.append(side_panel(points, half + 0.006, hub))
    z0, z1 = track_high * 1.12, 0.60 * height
    house = box(
        (rear + 0.02 * length, -half * 0.88, z0),
        (track_end - 0.10 * length, half * 0.88, z1),
        paint,
    )
    parts.append(painted(house, tint, style))
    tail = box(
        (rear, -half * 0.86, z0 + 0.05), (rear + 0.02 * length, half * 0.86, z1 * 0.93), dark
    )
    parts.append(tail)
    # The cab stands at the left front.
    a, b = track_end - 0.24 * length, track_end - 0.04 * length
    shell = slab([(a, z0), (b, z0), (b, z0 + 0.45 * (height - z0)), (b - 0.06 * length, height),
                  (a, height)], half * 0.21, paint)  # fmt: skip
    parts.append(painted(_beside(shell, half * 0.64), tint, style))
    z2 = z0 + 0.40 * (height - z0)
    pane = [
        (a + 0.06, z2),
        (b - 0.05, z2),
        (b - 0.03 * length - 0.05, height - 0.12),
        (a + 0.06, height - 0.12),
    ]
    window = _beside(side_panel(pane, half * 0.21 + 0.006, glass(cls)), half * 0.64)
    parts.append(window)
    lean = 0.06 * length
    y0, y1 = half * 0.47, half * 0.81
    base, tip = z0 + 0.47 * (height - z0), height - 0.08
    share = (tip - base) / (0.55 * (height - z0))
    front = np.array(
        [
            (b + 0.006, y0, base),
            (b + 0.006, y1, base),
            (b - lean * share + 0.006, y1, tip),
            (b - lean * share + 0.006, y0, tip),
        ]
    )
    parts.append(polygon(front, glass(cls)))
    # Boom, arm and bucket to the right of the cab.
    y = half * 0.10
    boom_foot = (track_end - 0.20 * length, z1 * 0.85)
    knee, tip_at = (
        (track_end + 0.02 * length, 0.93 * height),
        (length / 2 - 0.09 * length, 0.78 * height),
    )
    boom = _beam(
        [(*boom_foot, 0.055 * height), (*knee, 0.075 * height), (*tip_at, 0.04 * height)],
        half * 0.13,
        paint,
    )
    stick_end = (length / 2 - 0.15 * length, 0.17 * height)
    stick = _beam(
        [(tip_at[0] + 0.02, tip_at[1] + 0.07 * height, 0.05 * height), (*stick_end, 0.03 * height)],
        half * 0.10,
        paint,
    )
    bucket = slab(
        [(stick_end[0] - 0.09 * length, 0.02), (stick_end[0] + 0.02 * length, 0.0),
         (length / 2, 0.08 * height), (length / 2 - 0.03 * length, 0.20 * height),
         (stick_end[0] - 0.04 * length, 0.19 * height)],
        half * 0.30, dark,
    )  # fmt: skip
    for mesh in (painted(boom, tint, style), painted(stick, tint, style), bucket):
        parts.append(_beside(mesh, -y))
    if detail != FAR:
        rod = Finish(materials.METAL, (0.4, 0.4, 0.4), cls, (0.9,))
        ram = _beam(
            [
                (boom_foot[0] + 0.13 * length, z1 * 0.7, 0.02 * height),
                (knee[0] + 0.03 * length, 0.83 * height, 0.015 * height),
            ],
            half * 0.19,
            rod,
        )
        parts.append(_beside(ram, -y))
    return join(parts)


def roller(size: Size, seed: int, detail: int, cls: int) -> Mesh:
    """A tandem roller: a drum ahead, wheels behind, a roof on four posts."""
    dice = Dice(seed, 76)
    length, width, height = size
    half, front, rear = width / 2, length / 2, -length / 2
    tint = dice.pick(_YELLOW)
    style = (3.0, length, height, float(seed % 65536))
    paint, dark = Finish(materials.PAINTWORK, tint, cls), plain(cls, DARK)
    radius = min(0.24 * height, 0.2 * length)
    steel = Finish(materials.METAL, (0.28, 0.275, 0.27), cls, (0.45,))
    around = circle((18, 12, 8)[detail], 0.5)

    def ring(r: float, y: float) -> np.ndarray:
        return np.column_stack(
            [front - radius - around[:, 0] * r, np.full(len(around), y), radius + around[:, 1] * r]
        )

    drum_half = half * 0.86
    rings = [
        ring(radius * 0.8, -drum_half * 0.93),
        ring(radius, -drum_half),
        ring(radius, drum_half),
        ring(radius * 0.8, drum_half * 0.93),
    ]
    parts = [loft(np.stack(rings), steel)]
    frame = slab(
        [
            (front - 2.5 * radius, radius * 0.8),
            (front - 0.5 * radius, radius * 0.8),
            (front - 0.5 * radius, radius * 1.25),
            (front - 2.5 * radius, radius * 1.5),
        ],
        half * 0.05,
        paint,
    )
    parts.append(both_sides(_beside(painted(frame, tint, style), half * 0.95)))
    parts.append(
        painted(
            box(
                (front - 2.5 * radius, -half * 0.88, radius * 0.7),
                (front - 2.05 * radius, half * 0.88, radius * 1.6),
                paint,
            ),
            tint,
            style,
        )
    )
    body_top = 0.56 * height
    hood = slab(
        [
            (rear, radius * 1.0),
            (rear + 0.1, radius * 0.7),
            (front - 2.55 * radius, radius * 0.7),
            (front - 2.55 * radius, body_top * 0.8),
            (rear + 0.35 * length, body_top),
            (rear + 0.05, body_top * 0.95),
        ],
        half * 0.62,
        paint,
    )
    parts.append(painted(hood, tint, style))
    for side in (1, -1):
        parts.append(
            wheel(rear + 1.1 * radius, radius * 1.02, side * half * 0.64, side * half, detail, cls)
        )
    post = Finish(materials.PLAIN, BLACK, cls)
    a, b = rear + 0.22 * length, front - 2.7 * radius
    for x in (a, b - 0.08):
        parts.append(
            both_sides(
                box((x, half * 0.52, body_top * 0.7), (x + 0.07, half * 0.58, height - 0.09), post)
            )
        )
    roof = box((a - 0.15, -half * 0.72, height - 0.09), (b + 0.15, half * 0.72, height), paint)
    parts.append(painted(roof, tint, style))
    seat = box((a + 0.25, -0.25, body_top), (a + 0.7, 0.25, body_top + 0.12), dark)
    parts += [
        seat,
        box((a + 0.25, -0.25, body_top + 0.12), (a + 0.37, 0.25, body_top + 0.55), dark),
    ]
    if detail != FAR:
        parts.append(
            both_sides(
                box(
                    (b - 0.05, half * 0.4, body_top * 0.8),
                    (b + 0.04, half * 0.5, body_top * 0.9),
                    lamp(cls),
                )
            )
        )
    return join(parts)

"""Bicycles and motorcycles, alone or with their riders."""

from functools import lru_cache

import numpy as np

from roadloom.scene.classes import class_id
from roadloom.town.dice import Dice
from roadloom.town.kinds import FLOOR_M, KINDS
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, NEAR, PHASES
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.people_figure import (
    ANKLE_M,
    HEAD_M,
    NECK_M,
    Stance,
    figure,
)
from roadloom.town.mesh.people_look import look_of
from roadloom.town.mesh.people_wheels import spoked_wheel
from roadloom.town.mesh.solids import Finish, box, fitted, loft, tube
from roadloom.town.mesh.two_wheelers_motor import motor_rider, motorcycle
from roadloom.town.mesh.vehicles_parts import BLACK, plain, tint_of

Size = tuple[float, float, float]
_FRAMES = (
    tint_of(24, 25, 28), tint_of(150, 26, 26), tint_of(28, 70, 130), tint_of(40, 110, 90),
    tint_of(186, 186, 182), tint_of(120, 122, 124), tint_of(206, 148, 32),
)  # fmt: skip


def build(kind: str, size: Size, seed: int, detail: int, shape: tuple[int, ...]) -> Mesh:
    """The mesh in its own frame, bounds exact; ``shape[0]`` is the phase of a cyclist's pedals."""
    cls = class_id(KINDS[kind].cls)
    phase = shape[0] % PHASES if shape else 0
    ridden = kind in ("cyclist", "motorcyclist")
    motor = kind.startswith("motor")
    # A ridden one is as tall as its rider; the machine itself is not.
    tall = size[2] * (0.60 if not motor else 0.72) if ridden else size[2]
    machine = (size[0], size[1], tall)
    if motor:
        parts = motorcycle(machine, seed, detail, cls)
        if ridden:
            parts.append(motor_rider(machine, size[2], seed, detail))
    else:
        parts = [_bicycle(machine, seed, detail, cls)]
        if detail != FAR:
            parts += _cranks(machine, phase, cls)
        if ridden:
            parts.append(_rider(machine, size[2], seed, detail, phase))
    return fitted(join(parts), size, FLOOR_M)


def _frame_points(size: Size) -> dict[str, np.ndarray]:
    """Places of a bicycle's frame; y = 0."""
    length, _, height = size
    radius = min(0.335 * height / 1.08, 0.2 * length)
    s = height / 1.08
    rear = np.array([-length / 2 + radius, 0.0, radius])
    front = np.array([length / 2 - radius, 0.0, radius])
    base = front[0] - rear[0]
    return {
        "radius": np.array(radius),
        "rear": rear,
        "front": front,
        "crank": rear + (0.42 * base, 0.0, -0.05 * s),
        "seat": np.array([rear[0] + 0.24 * base, 0.0, 0.90 * s]),
        "top": np.array([rear[0] + 0.27 * base, 0.0, 0.80 * s]),
        "head": np.array([rear[0] + 0.84 * base, 0.0, 0.86 * s]),
        "low_head": np.array([rear[0] + 0.865 * base, 0.0, 0.70 * s]),
        "bars": np.array([rear[0] + 0.80 * base, 0.0, 1.03 * s]),
    }


def _pedals(points: dict[str, np.ndarray], size: Size, phase: int) -> np.ndarray:
    """Both pedals, left and right."""
    angle = -2 * np.pi * phase / PHASES
    reach = 0.17 * size[2] / 1.08
    out = min(0.13, 0.3 * size[1])
    return np.array(
        [points["crank"] + (s * reach * np.cos(angle), s * out, s * reach * np.sin(angle))
         for s in (1, -1)]
    )  # fmt: skip


@lru_cache(maxsize=64)
def _bicycle(size: Size, seed: int, detail: int, cls: int) -> Mesh:
    """All of it but cranks and pedals."""
    dice = Dice(seed, 91)
    p = _frame_points(size)
    radius, half = float(p["radius"]), size[1] / 2
    paint = Finish(materials.METAL, dice.pick(_FRAMES), cls, (0.35,))
    dark = plain(cls, BLACK, 0.1)
    sides = (6, 4, 3)[detail]
    t = 0.018
    parts: list[Mesh] = []
    for at in (p["rear"], p["front"]):
        parts.append(spoked_wheel(at[0], 0.0, radius, detail, cls))
    step_through = dice.percent(40)
    upper = p["top"] * 0.55 + p["crank"] * 0.45 if step_through else p["top"]
    for a, b, r in (
        (p["crank"], p["top"], t), (p["low_head"], p["crank"], t * 1.15),
        (p["head"], upper, t), (p["low_head"], p["head"], t * 1.1), (p["head"], p["bars"], t * 0.8),
    ):  # fmt: skip
        parts.append(tube([a, b], (r, r), sides, paint))
    parts.append(tube([p["top"], p["seat"] - (0, 0, 0.03)], (t * 0.8, t * 0.8), sides, dark))
    for side in (1, -1):
        w = np.array([0.0, side * 0.055, 0.0])
        parts.append(
            tube(
                [p["low_head"], p["low_head"] + w - (0, 0, 0.03), p["front"] + w],
                (t * 0.8,) * 3,
                sides,
                paint,
            )
        )
        if detail != FAR:
            parts.append(tube([p["crank"] + w * 0.6, p["rear"] + w], (t * 0.6,) * 2, sides, paint))
            parts.append(tube([p["top"] + w * 0.3, p["rear"] + w], (t * 0.55,) * 2, sides, paint))
    # Handlebar, grips swept back.
    a = p["bars"]
    bend = a + (-0.03, 0.55 * half, 0.01)
    grip = a + (-0.13, half - 0.012, -0.01)
    line = [grip, bend, a, bend * (1, -1, 1), grip * (1, -1, 1)]
    parts.append(tube(line, (0.014,) * 5, sides, dark))
    saddle = np.array(
        [(-0.13, 0.075, -0.02, 0.01), (-0.02, 0.065, -0.03, 0.012), (0.13, 0.022, -0.02, 0.005)]
    )
    rings = [[(x, w, lo), (x, w, hi), (x, -w, hi), (x, -w, lo)] for x, w, lo, hi in saddle]
    parts.append(loft(p["seat"] + np.array(rings), dark, smooth=False))
    if detail != FAR:
        parts += _fittings(p, radius, detail, cls, dice)
    return join(parts)


def _cranks(size: Size, phase: int, cls: int) -> list[Mesh]:
    """Cranks and pedals."""
    p = _frame_points(size)
    steel = Finish(materials.METAL, (0.16, 0.16, 0.165), cls, (0.6,))
    parts = []
    for pedal, side in zip(_pedals(p, size, phase), (1, -1), strict=True):
        y = side * 0.06
        arm = [p["crank"] + (0, y, 0), pedal * (1, 0, 1) + (0, y, 0)]
        parts.append(tube(arm, (0.013, 0.011), 4, steel))
        parts.append(box(pedal - (0.045, 0.035, 0.01), pedal + (0.045, 0.035, 0.01), plain(cls)))
    return parts


def _fittings(
    p: dict[str, np.ndarray], radius: float, detail: int, cls: int, dice: Dice
) -> list[Mesh]:
    """Lamps; sometimes a rack, a basket, mudguards."""
    dark = plain(cls, BLACK, 0.1)
    parts = []
    front = p["head"] + (0.07, 0.0, 0.02)
    parts.append(
        box(
            front - (0.02, 0.03, 0.03),
            front + (0.03, 0.03, 0.03),
            Finish(materials.HEADLAMP, (0.5, 0.5, 0.5), cls),
        )
    )
    red = Finish(materials.TAILLAMP, (0.33, 0.012, 0.012), cls)
    rear = p["rear"] + (-0.10, 0.0, radius + 0.06)
    if dice.percent(60):
        parts.append(
            box(
                p["rear"] + (-0.14, -0.06, radius + 0.04),
                p["rear"] + (0.22, 0.06, radius + 0.055),
                dark,
            )
        )
        parts.append(box(rear - (0.06, 0.03, 0.01), rear + (-0.042, 0.03, 0.03), red))
    if dice.percent(35):
        low = p["front"] * (1, 0, 0) + (-0.12, -0.16, p["bars"][2] - 0.26)
        wire = Finish(materials.MESHWORK, (0.03, 0.03, 0.03), cls)
        parts.append(box(low, low + (0.26, 0.32, 0.20), wire))
    if detail == NEAR and dice.percent(60):
        for at, a, b in ((p["rear"], 0.5, 3.0), (p["front"], 0.9, 2.7)):
            angle = np.linspace(a, b, 7)
            r = radius + 0.022
            line = np.column_stack(
                [at[0] + r * np.cos(angle), np.zeros(7), at[2] + r * np.sin(angle)]
            )
            rings = [
                [(x, 0.026, z), (x, 0.026, z + 0.006), (x, -0.026, z + 0.006), (x, -0.026, z)]
                for x, _, z in line[::-1]
            ]
            parts.append(loft(np.array(rings), dark, smooth=False))
    return parts


def _rider(size: Size, height: float, seed: int, detail: int, phase: int) -> Mesh:
    cls = class_id("human.rider.bicycle")
    p = _frame_points(size)
    dice = Dice(seed, 92)
    look = look_of(seed)
    look = look._replace(
        lower="trousers" if look.lower in ("skirt", "coat") else look.lower,
        hat="helmet" if dice.percent(55) else "",
        hat_tint=dice.pick(_FRAMES),
        bag="backpack" if dice.percent(40) else "",
    )
    k = min(height / 1.82, size[0] / 1.72)
    pelvis = p["seat"] + (0.015, 0.0, 0.075 * k)
    crown = height
    neck = np.array([pelvis[0] + 0.24 * k, 0.0, crown - (HEAD_M + NECK_M) * k])
    # The trunk keeps its length: lean forward until it fits.
    rise = neck[2] - pelvis[2]
    trunk = 0.56 * k
    neck[0] = pelvis[0] + np.sqrt(max(trunk**2 - rise**2, (0.12 * k) ** 2))
    grip = p["bars"] + (-0.11, 0.0, 0.02)
    hands = np.array([grip + (0.0, s * (size[1] / 2 - 0.055), 0.0) for s in (1, -1)])
    tilt = 0.15
    ankles = np.array(
        [
            q + (-0.075 * k, -0.02 * s, (ANKLE_M + 0.012) * k)
            for q, s in zip(_pedals(p, size, phase), (1, -1), strict=True)
        ]
    )
    return figure(Stance(pelvis, neck, hands, ankles, (tilt, tilt), crown), look, k, detail, cls)

"""A human figure: where its joints are, what it wears, and its mesh.

    Stance (pelvis, neck, hands, feet) -> joints by two-link chains -> limbs, torso, head, clothes

Lengths are for a height of 1.75 m; ``k`` scales them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, NEAR
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.people_look import Look
from roadloom.town.mesh.solids import Finish, box, circle, ellipsoid, loft, tube

THIGH, SHANK, ANKLE_M = 0.435, 0.43, 0.085
UPPER_ARM, FOREARM = 0.295, 0.265
HIP_Y, SHOULDER_Y = 0.088, 0.178
HEAD_M = 0.235
"""Chin to crown."""
NECK_M = 0.048
_HANDS = np.array([1.0, -1.0])
"""Left, right."""


class Stance(NamedTuple):
    """Where a body is held; rows are left, right."""

    pelvis: Float[np.ndarray, "3"]
    neck: Float[np.ndarray, "3"]
    """Base of the neck."""
    hands: Float[np.ndarray, "2 3"]
    ankles: Float[np.ndarray, "2 3"]
    pitch: tuple[float, float]
    """Of the feet, toes down positive [rad]."""
    crown: float = -1.0
    """Height of the crown, or straight above the neck."""


def chain(
    a: np.ndarray, b: np.ndarray, first: float, second: float, bend: np.ndarray
) -> np.ndarray:
    """The joint between two links from a to b that gives way towards ``bend``.

    Where b is out of reach the joint lies on the straight line.
    """
    way = b - a
    far = float(np.sqrt((way * way).sum()))
    along = (far * far + first * first - second * second) / (2 * far)
    along = min(max(along, 0.0), first) if far < first + second else far * first / (first + second)
    off = np.sqrt(max(first * first - along * along, 0.0)) if far < first + second else 0.0
    unit = way / far
    side = bend - unit * (bend @ unit)
    return a + unit * along + side / np.sqrt((side * side).sum()) * off


def figure(stance: Stance, look: Look, k: float, detail: int, cls: int) -> Mesh:
    """A dressed body."""
    sides = (8, 5, 4)[detail]
    axis = stance.neck - stance.pelvis
    axis = axis / np.sqrt((axis * axis).sum())
    forward = np.array([axis[2], 0.0, -axis[0]])
    cloth = Finish(materials.CLOTH, look.top, cls, (1.0 if look.vest else 0.0,))
    trousers = Finish(materials.CLOTH, look.legs, cls)
    skin = Finish(materials.SKIN, look.skin, cls)
    parts = _legs(stance, look, k, sides, trousers, skin, cls, detail)
    if detail == NEAR:
        seat = stance.pelvis
        parts.append(
            ellipsoid(
                seat, np.array([0.115, 0.155, 0.12]) * k * look.slim, trousers, sides=8, rings=4
            )
        )
    parts.append(_torso(stance, look, k, detail, forward, cloth))
    sleeves = Finish(materials.CLOTH, look.sleeves or look.top, cls)
    parts += _arms(stance, look, k, sides, axis, forward, sleeves, skin, detail)
    parts += _head(stance, look, k, detail, skin, cls)
    if look.lower in ("skirt", "coat"):
        parts.append(_skirt(stance, look, k, detail, trousers if look.lower == "skirt" else cloth))
    if look.bag and detail != FAR:
        parts.append(_bag(stance, look, k, axis, forward, cls))
    return join(parts)


_TORSO = np.array(
    [(-0.02, 0.124, 0.170), (0.12, 0.122, 0.168), (0.40, 0.104, 0.150), (0.70, 0.120, 0.172),
     (0.89, 0.098, 0.172), (0.965, 0.070, 0.115), (1.00, 0.058, 0.066)]
)  # fmt: skip
"""Place from crotch to neck, half depth, half width [m]."""


def _torso(
    stance: Stance, look: Look, k: float, detail: int, forward: np.ndarray, cloth: Finish
) -> Mesh:
    table = _TORSO if detail == NEAR else _TORSO[[0, 2, 3, 4, 6]]
    around = circle((10, 7, 5)[detail], 0.5)
    bulk = k * look.slim * (1.10 if look.lower == "coat" else 1.0)
    middle = stance.pelvis + (stance.neck - stance.pelvis) * table[:, :1]
    front = forward * (around[:, :1] * table[:, None, 1:2]) * bulk
    side = np.array([0.0, 1.0, 0.0]) * (around[:, 1:] * table[:, None, 2:3]) * bulk
    return loft(middle[:, None] + front + side, cloth)


def _legs(
    stance: Stance,
    look: Look,
    k: float,
    sides: int,
    trousers: Finish,
    skin: Finish,
    cls: int,
    detail: int,
) -> list[Mesh]:
    bare = look.lower in ("skirt", "shorts")
    parts = []
    shoe = Finish(materials.PLAIN, look.shoes, cls, (0.1, 0.15))
    for i, hand in enumerate(_HANDS):
        hip = stance.pelvis + np.array([0.0, HIP_Y * k * hand * look.slim, 0.0])
        ankle = stance.ankles[i]
        knee = chain(hip, ankle, THIGH * k, SHANK * k, np.array([1.0, 0.12 * hand, 0.05]))
        thick = k * look.slim
        calf = knee + (ankle - knee) * 0.35
        line: list[np.ndarray]
        radii: tuple[float, ...]
        if look.lower == "shorts":
            low = hip + (knee - hip) * 0.75
            parts.append(tube([hip, low], (0.088 * thick, 0.076 * thick), sides, trousers))
            line, radii = [low, knee, calf, ankle], (0.056, 0.052, 0.052, 0.036)
        elif bare:
            line, radii = [hip, knee, calf, ankle], (0.075, 0.052, 0.052, 0.034)
        else:
            line, radii = [hip, knee, calf, ankle], (0.088, 0.063, 0.062, 0.052)
        if detail == FAR:
            line, radii = [line[0], line[1], line[-1]], (radii[0], radii[1], radii[-1])
        parts.append(tube(line, [r * thick for r in radii], sides, skin if bare else trousers))
        parts.append(_foot(ankle, stance.pitch[i], k, shoe, detail))
    return parts


def _foot(ankle: np.ndarray, pitch: float, k: float, finish: Finish, detail: int) -> Mesh:
    """A shoe: heel, instep, toe."""
    rows = np.array(
        [(-0.065, 0.032, -0.085, -0.005), (0.03, 0.042, -0.085, 0.012),
         (0.115, 0.046, -0.085, -0.035), (0.18, 0.030, -0.080, -0.055)]
    )  # fmt: skip
    x, half, low, high = (rows if detail == NEAR else rows[[0, 1, 3]]).T
    ring = np.stack(
        [np.stack([x, half, low], -1), np.stack([x, half * 0.8, high], -1),
         np.stack([x, -half * 0.8, high], -1), np.stack([x, -half, low], -1)], axis=1,
    )  # fmt: skip
    cos, sin = np.cos(pitch), np.sin(pitch)
    turned = np.stack(
        [ring[..., 0] * cos + ring[..., 2] * sin, ring[..., 1],
         -ring[..., 0] * sin + ring[..., 2] * cos], axis=-1,
    )  # fmt: skip
    return loft(ankle + turned * k, finish, smooth=False)


def _arms(
    stance: Stance,
    look: Look,
    k: float,
    sides: int,
    axis: np.ndarray,
    forward: np.ndarray,
    cloth: Finish,
    skin: Finish,
    detail: int,
) -> list[Mesh]:
    parts = []
    thick = k * (0.75 + 0.25 * look.slim) * (1.12 if look.lower == "coat" else 1.0)
    shoulder_at = stance.neck - axis * 0.055 * k
    for i, hand in enumerate(_HANDS):
        shoulder = shoulder_at + np.array([0.0, hand * SHOULDER_Y * k * look.slim, 0.0])
        wrist = stance.hands[i]
        bend = -forward * 0.8 + np.array([0.0, 0.5 * hand, -0.2])
        elbow = chain(shoulder, wrist, UPPER_ARM * k, FOREARM * k, bend)
        top = shoulder + np.array([0.0, -0.055 * hand * k, 0.028 * k])
        radii = (0.030 * thick, 0.053 * thick, 0.043 * thick, 0.033 * thick)
        if detail == FAR:
            parts.append(tube([shoulder, elbow, wrist], radii[1:], sides, cloth))
            continue
        parts.append(
            tube([top, shoulder + (elbow - shoulder) * 0.13, elbow, wrist], radii, sides, cloth)
        )
        reach = wrist - elbow
        reach = reach / np.sqrt((reach * reach).sum())
        middle = wrist + reach * 0.045 * k
        palm = np.array([0.034, 0.026, 0.034]) + np.abs(reach) * 0.038
        parts.append(ellipsoid(middle, palm * k, skin, sides=6 - detail, rings=4 - detail))
    return parts


def _head(stance: Stance, look: Look, k: float, detail: int, skin: Finish, cls: int) -> list[Mesh]:
    sides, rings = ((10, 6), (6, 4), (5, 3))[detail]
    size = HEAD_M * k * look.head
    crown = stance.crown if stance.crown > 0 else stance.neck[2] + NECK_M * k + size
    tall = 0.012 * k if look.hat else 0.0
    middle = np.array([stance.neck[0] + 0.035 * k, stance.neck[1], crown - size / 2 - tall])
    radii = np.array([0.40, 0.325, 0.5]) * size
    face = ellipsoid(middle, radii, skin, sides=sides, rings=rings)
    at = (face.corners - middle) / radii
    face.uv[:] = at[..., 1:]
    face.style[:, 0] = at[..., 0].mean(axis=1) > 0.15
    parts = [face]
    throat = [stance.neck - (0, 0, 0.03 * k), middle - (0.012 * k, 0.0, 0.25 * size)]
    girth = (0.056 * k, 0.05 * k)
    parts.append(tube(throat, girth, (7, 5, 3)[detail], skin, caps=(False, False)))
    hair = Finish(materials.PLAIN, look.hair, cls, (0.6, 0.12))
    back, up = -0.055 * size, 0.075 * size
    cover = radii * (1.03, 1.10, 0.93) if look.hat == "" else radii * (1.0, 1.06, 0.80)
    shift = np.array([back - 0.035 * size, 0.0, up])
    parts.append(ellipsoid(middle + shift, cover, hair, sides=sides, rings=rings))
    if detail == NEAR:
        nose = middle + (0.40 * size, 0.0, -0.06 * size)
        parts.append(ellipsoid(nose, np.array([0.05, 0.045, 0.09]) * size, skin, sides=4, rings=2))
    if look.long_hair and detail != FAR:
        fall = middle + (-0.22 * size, 0.0, -0.32 * size)
        parts.append(ellipsoid(fall, np.array([0.20, 0.34, 0.55]) * size, hair, sides=7, rings=4))
    if look.hat and detail != FAR:
        parts += _hat(middle, radii, size, look, cls)
    return parts


def _hat(middle: np.ndarray, radii: np.ndarray, size: float, look: Look, cls: int) -> list[Mesh]:
    hard = look.hat == "helmet"
    finish = Finish(
        materials.PLAIN if hard else materials.CLOTH,
        look.hat_tint,
        cls,
        (0.0, 0.4 if hard else 0.0),
    )
    around = circle(10, 0.5)
    grow = 1.22 if hard else 1.13
    rings = []
    for share, z in ((1.0, 0.10), (0.98, 0.30), (0.72, 0.50), (0.25, 0.575)):
        plan = around * radii[:2] * grow * share
        rings.append(np.column_stack([plan[:, 0] - 0.02 * size, plan[:, 1], np.full(10, z * size)]))
    parts = [loft(middle + np.stack(rings), finish)]
    if look.hat != "beanie":
        brim = box(
            middle + np.array([0.30, -0.22, 0.10]) * size,
            middle + np.array([0.66 if not hard else 0.6, 0.22, 0.145]) * size, finish,
        )  # fmt: skip
        parts.append(brim)
    return parts


def _skirt(stance: Stance, look: Look, k: float, detail: int, finish: Finish) -> Mesh:
    """Cloth around both thighs; it follows the knees."""
    around = circle((10, 7, 5)[detail], 0.5)
    pelvis = stance.pelvis
    low = 0.36 if look.lower == "skirt" else 0.30
    knees = []
    for i, hand in enumerate(_HANDS):
        hip = pelvis + np.array([0.0, HIP_Y * k * hand * look.slim, 0.0])
        knee = chain(
            hip, stance.ankles[i], THIGH * k, SHANK * k, np.array([1.0, 0.12 * hand, 0.05])
        )
        # Where the thigh is at the hem's height.
        share = min(low * k / max(float(hip[2] - knee[2]), 0.2 * k), 1.1)
        knees.append(hip + (knee - hip) * share)
    spread = np.array(knees)[:, 0]
    middle_x, reach = spread.mean(), (spread.max() - spread.min()) / 2
    rings = []
    for z, depth, width, x in (
        (pelvis[2] - low * k, 0.140 * k * look.slim + reach, 0.200 * k * look.slim, middle_x),
        (pelvis[2] - 0.02 * k, 0.142 * k * look.slim, 0.185 * k * look.slim, pelvis[0]),
        (pelvis[2] + 0.16 * k, 0.112 * k * look.slim, 0.162 * k * look.slim,
         pelvis[0] + (stance.neck[0] - pelvis[0]) * 0.3),
    ):  # fmt: skip
        rings.append(
            np.column_stack(
                [x + around[:, 0] * depth, around[:, 1] * width, np.full(len(around), z)]
            )
        )
    return loft(np.stack(rings), finish)


def _bag(
    stance: Stance, look: Look, k: float, axis: np.ndarray, forward: np.ndarray, cls: int
) -> Mesh:
    finish = Finish(materials.CLOTH, look.bag_tint, cls)
    if look.bag == "side":
        at = stance.pelvis + np.array([-0.02, 0.205 * k * look.slim, 0.0])
        return box(
            at - np.array([0.14, 0.045, 0.14]) * k, at + np.array([0.14, 0.045, 0.11]) * k, finish
        )
    at = stance.pelvis + axis * 0.29 * k - forward * 0.175 * k * look.slim
    rings = []
    for z, depth, width in (
        (-0.20, 0.06, 0.13),
        (-0.14, 0.085, 0.15),
        (0.12, 0.075, 0.14),
        (0.20, 0.03, 0.10),
    ):
        plan = circle(6, 0.5)
        rings.append(
            at
            + axis * z * k
            + forward * plan[:, :1] * depth * k
            + np.array([0.0, 1.0, 0.0]) * plan[:, 1:] * width * k
        )
    return loft(np.stack(rings), finish)

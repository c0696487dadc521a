"""People on foot, on wheels of their own, and dogs, each in the phases of its cycle.

Height and width are filled in every phase. The length is filled where the stride is longest, which
is phase 0; in other phases the limbs are nearer to the body, as a walker's are.
"""

from functools import lru_cache

import numpy as np

from roadloom.scene.classes import class_id
from roadloom.town.kinds import FLOOR_M, KINDS
from roadloom.town.mesh.build import PHASES
from roadloom.town.mesh.mesh import Mesh
from roadloom.town.mesh.people_figure import (
    ANKLE_M,
    FOREARM,
    HEAD_M,
    NECK_M,
    SHANK,
    THIGH,
    UPPER_ARM,
    Look,
    Stance,
    figure,
    look_of,
    officer_look,
    worker_look,
)
from roadloom.town.mesh.people_wheels import dog, scooter, stroller, wheelchair
from roadloom.town.mesh.solids import scaled

Size = tuple[float, float, float]
_STATURE = 1.75


def build(kind: str, size: Size, seed: int, detail: int, shape: tuple[int, ...]) -> Mesh:
    """The mesh of a person or dog; ``shape[0]`` is the phase, empty for phase 0."""
    phase = shape[0] % PHASES if shape else 0
    mesh = _raw(kind, size, seed, detail, phase)
    low, high = mesh.corners.min(axis=(0, 1)), mesh.corners.max(axis=(0, 1))
    low[0], high[0] = _reach(kind, size, seed, detail)
    want_low = np.array([-size[0] / 2, -size[1] / 2, FLOOR_M])
    want_high = np.array([size[0] / 2, size[1] / 2, size[2]])
    factor = (want_high - want_low) / (high - low)
    return scaled(mesh, factor, want_low - low * factor)


@lru_cache(maxsize=1024)
def _reach(kind: str, size: Size, seed: int, detail: int) -> tuple[float, float]:
    """How far it reaches to the rear and to the front in phase 0 [m]."""
    x = _raw(kind, size, seed, detail, 0).corners[..., 0]
    return float(x.min()), float(x.max())


def _raw(kind: str, size: Size, seed: int, detail: int, phase: int) -> Mesh:
    cls = class_id(KINDS[kind].cls)
    if kind in _ON_WHEELS:
        return _ON_WHEELS[kind](size, seed, detail, cls, phase)
    look = {"worker": worker_look, "police_officer": officer_look}.get(kind)
    clothes = look(seed) if look else look_of(seed, child=kind == "child")
    return figure(walking(size, clothes, phase), clothes, size[2] / _STATURE, detail, cls)


def walking(size: Size, look: Look, phase: int) -> Stance:
    """Phase 0 is the longest step, left foot ahead."""
    length, width, height = size
    k = height / _STATURE
    stride = min(max((length - 0.245 * k) / 2, 0.03), 0.42 * k)
    turn = 2 * np.pi * phase / PHASES
    ankles, pitch = np.zeros((2, 3)), []
    for i, hand in enumerate((1, -1)):
        at = turn + (0 if i == 0 else np.pi)
        x = stride * np.cos(at) + 0.0
        lifting = max(0.0, -np.sin(at))
        trail = max(0.0, -np.cos(at))
        tilt = (0.55 * trail * min(1.0, stride / (0.25 * k)) + 0.35 * lifting) * 0.8
        z = (
            ANKLE_M * k
            + 0.10 * k * lifting * min(1.0, stride / (0.2 * k))
            + 0.115 * k * np.sin(tilt)
        )
        ankles[i] = (x - 0.055 * k, hand * 0.085 * k, z)
        pitch.append(tilt)
    # The hips ride as high as the straighter leg allows.
    leg = np.sqrt((0.985 * (THIGH + SHANK) * k) ** 2 - ankles[:, 0] ** 2)
    hip = min(0.945 * k, float((ankles[:, 2] + leg).min()))
    neck = height - (HEAD_M * look.head + NECK_M) * k
    pelvis = np.array([0.0, 0.0, hip])
    swing = min(0.75 * stride, 0.28 * k)
    hands = np.zeros((2, 3))
    out = min(max(width / 2 - 0.03 * k, 0.20 * k), 0.42 * k)
    arm = 0.955 * (UPPER_ARM + FOREARM) * k
    for i, hand in enumerate((1, -1)):
        forward = -swing * np.cos(turn + (0 if i == 0 else np.pi)) + 0.05 * k
        drop = float(np.sqrt(max(arm**2 - forward**2 - (out - 0.19 * k) ** 2, 0.04 * k)))
        hands[i] = (forward, hand * out, neck - 0.055 * k - drop)
    return Stance(
        pelvis, np.array([0.015 * k, 0.0, neck]), hands, ankles, (pitch[0], pitch[1]), height
    )


_ON_WHEELS = {"stroller": stroller, "wheelchair": wheelchair, "scooter": scooter, "dog": dog}

"""How a walker holds itself in each phase."""

import numpy as np

from roadloom.town.mesh.build import PHASES
from roadloom.town.mesh.people_figure import (
    ANKLE_M,
    FOREARM,
    HEAD_M,
    NECK_M,
    SHANK,
    THIGH,
    UPPER_ARM,
    Stance,
)
from roadloom.town.mesh.people_look import Look

STATURE_M = 1.75


def walking(size: tuple[float, float, float], look: Look, phase: int) -> Stance:
    """Phase 0 is the longest step, left foot ahead."""
    length, width, height = size
    k = height / STATURE_M
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

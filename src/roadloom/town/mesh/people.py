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
from roadloom.town.mesh.people_dog import dog
from roadloom.town.mesh.people_figure import figure
from roadloom.town.mesh.people_look import look_of, officer_look, worker_look
from roadloom.town.mesh.people_walk import STATURE_M, walking
from roadloom.town.mesh.people_wheels import scooter, stroller, wheelchair
from roadloom.town.mesh.solids import scaled

Size = tuple[float, float, float]


def build(kind: str, size: Size, seed: int, detail: int, shape: tuple[int, ...]) -> Mesh:
    """The mesh of a person or dog; ``shape[0]`` is the phase, empty for phase 0."""
    phase = shape[0] % PHASES if shape else 0
    mesh = _raw(kind, size, seed, detail, phase)
    low, high = mesh.corners.min(axis=(0, 1)), mesh.corners.max(axis=(0, 1))
    rear, front = _reach(kind, size, seed, detail)
    low[0], high[0] = min(low[0], rear), max(high[0], front)
    want_low = np.array([-size[0] / 2, -size[1] / 2, FLOOR_M])
    want_high = np.array([size[0] / 2, size[1] / 2, size[2]])
    factor = (want_high - want_low) / (high - low)
    return scaled(mesh, factor, want_low - low * factor)


@lru_cache(maxsize=64)
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
    return figure(walking(size, clothes, phase), clothes, size[2] / STATURE_M, detail, cls)


_ON_WHEELS = {"stroller": stroller, "wheelchair": wheelchair, "scooter": scooter, "dog": dog}

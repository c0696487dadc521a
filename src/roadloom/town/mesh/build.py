"""From a thing of the plan to its mesh: families of kinds and their builders.

A builder gets kind, size [m], seed, detail and shape and returns a mesh in the thing's own frame:
x along its length, y left, z up, origin in the middle of its footprint at ground level. The mesh
lies within ``|x| <= length / 2``, ``|y| <= width / 2``, ``z <= height`` and touches each of those
bounds; kinds with a box begin at ``z >= FLOOR_M``, those without reach ``SUNK_M`` into the ground.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

from roadloom.town.kinds import KINDS
from roadloom.town.mesh.mesh import Mesh
from roadloom.town.plan.types import Thing

SUNK_M = 0.6
"""Buildings, walls, trees and posts continue into the ground, which may slope."""
NEAR, MIDDLE, FAR = 0, 1, 2
"""Detail: nearer than 40 m to the ego's path, nearer than 120 m, beyond."""

Builder = Callable[[str, tuple[float, float, float], int, int, tuple[int, ...]], Mesh]

BUILDERS = {
    "vehicle": "roadloom.town.mesh.vehicles:build",
    "two_wheeler": "roadloom.town.mesh.two_wheelers:build",
    "person": "roadloom.town.mesh.people:build",
    "furniture": "roadloom.town.mesh.furniture:build",
    "plant": "roadloom.town.mesh.plants:build",
    "building": "roadloom.town.mesh.buildings:build",
}
"""family -> ``module:function(kind, size, seed, detail, shape)``. For people and riders
``shape[0]`` is the phase of the walk, 0 to PHASES - 1. People fill their
height and width in every phase, their length in phase 0, where the stride is longest."""

PHASES = 12
"""Poses of a walk or of turning pedals, one cycle."""
STRIDE_M = 1.4
"""Way of one cycle of the walk; two steps. For pedals ``PEDAL_M``."""
PEDAL_M = 4.5


def build_thing(thing: Thing, detail: int) -> Mesh:
    """The mesh of a standing thing, in its own frame."""
    size = tuple(mm / 1000 for mm in thing.size)
    shape = (thing.signal, *thing.shape) if thing.signal >= 0 else thing.shape
    return build_kind(thing.kind, size, thing.seed, detail, shape)


@lru_cache(maxsize=64)
def build_kind(
    kind: str,
    size: tuple[float, float, float],
    seed: int,
    detail: int,
    shape: tuple[int, ...] = (),
) -> Mesh:
    """The mesh of a kind; the same arguments give the same arrays, which nobody may change."""
    module, _, name = BUILDERS[KINDS[kind].family].partition(":")
    builder: Builder = getattr(import_module(module), name)
    return builder(kind, size, seed, detail, shape)

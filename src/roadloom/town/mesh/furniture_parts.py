"""What builders of street furniture share: the task, finishes, plates."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from roadloom.scene.classes import class_id
from roadloom.town.dice import Dice
from roadloom.town.kinds import KINDS
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, MIDDLE, NEAR
from roadloom.town.mesh.buildings_parts import Tint, srgb
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, loft, triangles

Points = Float[np.ndarray, "point 2"]


class Job(NamedTuple):
    """What is to be built."""

    kind: str
    length: float
    width: float
    height: float
    floor: float
    """Where it begins [m]."""
    seed: int
    detail: int
    shape: tuple[int, ...]
    dice: Dice

    @property
    def cls(self) -> int:
        return class_id(KINDS[self.kind].cls)

    def sides(self, near: int) -> int:
        """Of something round."""
        return {NEAR: near, MIDDLE: max(5, near * 2 // 3)}.get(self.detail, 4)

    @property
    def far(self) -> bool:
        return self.detail == FAR

    def finish(self, material: int, tint: Tint, *style: float) -> Finish:
        return Finish(material, tint, self.cls, style)

    def plain(self, tint: Tint, grain: float = 0.3, gloss: float = 0.1) -> Finish:
        return self.finish(materials.PLAIN, tint, grain, gloss)

    def metal(self, tint: Tint, polish: float = 0.15) -> Finish:
        return self.finish(materials.METAL, tint, polish)


GALVANISED = srgb(138, 142, 146)
BLACK = srgb(38, 39, 41)
GREEN = srgb(40, 58, 48)
WARM_WOOD = srgb(124, 86, 56)
RUBBER_TINT = srgb(40, 40, 42)
LACQUER = (srgb(52, 56, 60), GREEN, srgb(84, 88, 92), srgb(46, 52, 66))


def plate(outline: Points, x: tuple[float, float], face: Finish, back: Finish) -> Mesh:
    """A thin plate that faces +x: ``outline`` in y and z, counter-clockwise seen from +x; uv of
    the face is measured from the middle of the outline's bounds."""
    rings = [np.column_stack([np.full(len(outline), at), outline]) for at in x]
    body = loft(np.stack(rings), back, smooth=False, caps=(True, False))
    middle = (outline.max(axis=0) + outline.min(axis=0)) / 2
    count = len(outline) - 2
    fan = np.stack([np.zeros(count, int), np.arange(1, count + 1), np.arange(2, count + 2)], 1)
    return join([body, triangles(rings[1][fan], face, (outline - middle)[fan])])


def regular(sides: int, half: float, z: float, turn: float = 0.5) -> Points:
    """A regular outline whose bounds are about ``2 * half`` wide."""
    angle = (np.arange(sides) + turn) * (2 * np.pi / sides)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return ring * (half / np.abs(ring[:, 0]).max()) + (0.0, z)


def rectangle(half_width: float, half_height: float, z: float) -> Points:
    corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    return corners * (half_width, half_height) + (0.0, z)

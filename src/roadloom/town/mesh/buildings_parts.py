"""Flat faces gathered into one mesh, and the parts of houses that are made of them."""

from typing import NamedTuple

import numpy as np

from roadloom.scene.classes import class_id
from roadloom.town.mesh import materials
from roadloom.town.mesh.mesh import STYLE, Mesh, flat_normals
from roadloom.town.mesh.solids import Finish

Place = tuple[float, float, float]
Uv = tuple[float, float]
BUILDING = class_id("structure.building")
PAVED = class_id("flat.sidewalk")


class Flat:
    """Gathers flat faces, much faster than joining small meshes."""

    def __init__(self) -> None:
        self._faces: list[tuple[Place, Place, Place, Place]] = []
        self._finish: list[Finish] = []
        self._uv: dict[int, tuple[Uv, Uv, Uv, Uv]] = {}

    def quad(
        self,
        a: Place,
        b: Place,
        c: Place,
        d: Place,
        finish: Finish,
        uv: tuple[Uv, Uv, Uv, Uv] | None = None,
    ) -> None:
        """Counter-clockwise seen from outside; unless given, u runs from a to b, v across."""
        if uv is not None:
            self._uv[len(self._faces)] = uv
        self._faces.append((a, b, c, d))
        self._finish.append(finish)

    def triangle(self, a: Place, b: Place, c: Place, finish: Finish) -> None:
        self.quad(a, b, c, c, finish)

    def box(self, low: Place, high: Place, finish: Finish, skip: str = "") -> None:
        """A box without the faces named in ``skip``: d(own), u(p), f(ront, y low), r(ight, x
        high), b(ack), l(eft)."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        faces = {
            "d": ((x0, y1, z0), (x1, y1, z0), (x1, y0, z0), (x0, y0, z0)),
            "u": ((x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)),
            "f": ((x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)),
            "r": ((x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)),
            "b": ((x1, y1, z0), (x0, y1, z0), (x0, y1, z1), (x1, y1, z1)),
            "l": ((x0, y1, z0), (x0, y0, z0), (x0, y0, z1), (x0, y1, z1)),
        }
        for name, face in faces.items():
            if name not in skip:
                self.quad(*face, finish)

    def mesh(self) -> Mesh:
        points = np.array(self._faces, np.float64)
        along = points[:, 1] - points[:, 0]
        along /= np.sqrt((along * along).sum(axis=1, keepdims=True))
        normal = np.cross(along, points[:, 2] - points[:, 0])
        across = np.cross(normal / np.sqrt((normal * normal).sum(axis=1, keepdims=True)), along)
        reach = points - points[:, :1]
        uv = np.stack(
            [(reach * along[:, None]).sum(axis=-1), (reach * across[:, None]).sum(axis=-1)], axis=-1
        )
        if self._uv:
            uv[list(self._uv)] = np.array(list(self._uv.values()))
        pick = np.array([[0, 1, 2], [0, 2, 3]])
        corners = points[:, pick].reshape(-1, 3, 3)
        real = np.ones(len(corners), bool)
        real[1::2] = (points[:, 2] != points[:, 3]).any(axis=1)
        rows = np.repeat(np.arange(len(points)), 2)[real]
        style = np.zeros((len(points), STYLE), np.float32)
        for row, finish in enumerate(self._finish):
            style[row, : len(finish.style)] = finish.style
        corners = corners[real]
        return Mesh(
            corners=corners,
            normals=np.repeat(flat_normals(corners)[:, None], 3, axis=1).astype(np.float32),
            uv=uv[:, pick].reshape(-1, 3, 2)[real].astype(np.float32),
            material=np.array([f.material for f in self._finish], np.uint8)[rows],
            tint=np.array([f.tint for f in self._finish], np.float32)[rows],
            style=style[rows],
            class_id=np.array([f.class_id for f in self._finish], np.uint8)[rows],
            owner=np.zeros(len(corners), np.int32),
        )


Tint = tuple[float, float, float]


def srgb(red: int, green: int, blue: int) -> Tint:
    r, g, b = materials.linear(red, green, blue)
    return float(r), float(g), float(b)


def plain(tint: Tint, grain: float = 0.4, gloss: float = 0.0) -> Finish:
    return Finish(materials.PLAIN, tint, BUILDING, (grain, gloss))


def metal(tint: Tint, polish: float = 0.15) -> Finish:
    return Finish(materials.METAL, tint, BUILDING, (polish,))


GLAZING = Finish(materials.GLASS, (0.05, 0.06, 0.07), BUILDING, (0.6,))


class Rect(NamedTuple):
    """On the plan, along the axes [m]."""

    x0: float
    x1: float
    y0: float
    y1: float

    def inset(self, left: float, right: float, front: float, back: float) -> "Rect":
        return Rect(self.x0 + left, self.x1 - right, self.y0 + front, self.y1 - back)

    @property
    def ring(self) -> tuple[tuple[float, float], ...]:
        """Front left first, counter-clockwise."""
        return (
            (self.x0, self.y0),
            (self.x1, self.y0),
            (self.x1, self.y1),
            (self.x0, self.y1),
        )


class Wall(NamedTuple):
    """What the walls of one body look like."""

    tint: Tint
    texture: int
    window: int
    bay: float
    """Wanted width of a bay; each wall takes the nearest that divides it."""
    storey: float
    seed: int
    ground: float
    """Height of a ground floor without these windows; 0: none."""
    height: float
    """Of the wall, above ground level."""
    far: bool = False

    def finish(self, length: float) -> Finish:
        if self.far:
            return Finish(materials.FAR_WALL, self.tint, BUILDING, (self.seed,))
        bay = length / max(1, round(length / self.bay))
        kind = self.texture * 10 + self.window
        style = (bay, self.storey, kind, self.seed, self.ground, self.height)
        return Finish(materials.FACADE, self.tint, BUILDING, style)


def wall(
    flat: Flat,
    left: tuple[float, float],
    right: tuple[float, float],
    z0: float,
    z1: float,
    finish: Finish,
) -> None:
    """An upright face from its left to its right end seen from outside; v is z."""
    length = ((right[0] - left[0]) ** 2 + (right[1] - left[1]) ** 2) ** 0.5
    flat.quad(
        (*left, z0),
        (*right, z0),
        (*right, z1),
        (*left, z1),
        finish,
        ((0.0, z0), (length, z0), (length, z1), (0.0, z1)),
    )


SIDES = "frbl"


def walls(
    flat: Flat,
    rect: Rect,
    z0: float,
    z1: float,
    look: Wall,
    skip: str = "",
    blank: str = "",
    ridge: float = 0.0,
) -> None:
    """The sides of a body but those in ``skip`` (f, r, b, l); no windows on ``blank`` ones.

    Under a ``ridge`` the walls r and l go on as gables: no cornice ends them.
    """
    ring = rect.ring
    for i, side in enumerate(SIDES):
        if side not in skip:
            left, right = ring[i], ring[(i + 1) % 4]
            length = abs(right[0] - left[0]) + abs(right[1] - left[1])
            own = look._replace(window=0) if side in blank else look
            if ridge and side in "rl":
                own = own._replace(height=ridge + 1.0)
            wall(flat, left, right, z0, z1, own.finish(length))


def deck(flat: Flat, rect: Rect, z: float, finish: Finish) -> None:
    """A level face that looks up."""
    a, b, c, d = rect.ring
    flat.quad((*a, z), (*b, z), (*c, z), (*d, z), finish)


def slab(flat: Flat, rect: Rect, z: float, low: float, finish: Finish, sides: str = "") -> None:
    """A level face with the upright ones named in ``sides`` (f, r, b, l); nothing if empty."""
    if rect.x1 - rect.x0 < 1e-6 or rect.y1 - rect.y0 < 1e-6:
        return
    deck(flat, rect, z, finish)
    ring = rect.ring
    for i, side in enumerate(SIDES):
        if side in sides:
            wall(flat, ring[i], ring[(i + 1) % 4], low, z, finish)


def gap_decks(flat: Flat, outer: Rect, inner: Rect, z: float, low: float, finish: Finish) -> None:
    """A slab around a body, out to the bounds of the footprint; nothing under the body."""
    slab(flat, Rect(outer.x0, outer.x1, outer.y0, inner.y0), z, low, finish, "lfr")
    slab(flat, Rect(outer.x0, outer.x1, inner.y1, outer.y1), z, low, finish, "rbl")
    slab(flat, Rect(outer.x0, inner.x0, inner.y0, inner.y1), z, low, finish, "l")
    slab(flat, Rect(inner.x1, outer.x1, inner.y0, inner.y1), z, low, finish, "r")

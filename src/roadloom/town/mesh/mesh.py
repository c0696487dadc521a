"""A mesh as columns: one row per triangle, nothing shared, so that rows can be cut and joined."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from roadloom.geometry.pose import Pose

STYLE = 6
"""Numbers that a material may take for each triangle; ``materials.py`` says which."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Mesh:
    """Triangles, counter-clockwise seen from outside. Both sides are seen by every sensor."""

    corners: Float[np.ndarray, "triangle 3 3"]
    """[m], float64."""
    normals: Float32[np.ndarray, "triangle 3 3"]
    """Unit normal for shading at each corner; the flat one where there is nothing to smooth."""
    uv: Float32[np.ndarray, "triangle 3 2"]
    """Place on the surface [m], as the material says."""
    material: UInt8[np.ndarray, " triangle"]
    """A constant of ``materials.py``."""
    tint: Float32[np.ndarray, "triangle 3"]
    """Base colour, LINEAR light (``materials.linear``)."""
    style: Float32[np.ndarray, "triangle 6"]
    class_id: UInt8[np.ndarray, " triangle"]
    owner: Int32[np.ndarray, " triangle"]
    """Builders leave 0. In a world: row of ``World.things``, -1 for the ground."""

    def __post_init__(self) -> None:
        count = len(self.corners)
        for name, column in self.__dict__.items():
            if len(column) != count:
                raise ValueError(f"{name} has {len(column)}, not {count}")

    def __len__(self) -> int:
        return len(self.corners)

    def __repr__(self) -> str:
        return f"Mesh({len(self)} triangles)"

    def __getitem__(self, rows: np.ndarray | slice) -> "Mesh":
        return Mesh(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @staticmethod
    def make(
        corners: np.ndarray,
        *,
        material: int,
        class_id: int,
        tint: Sequence[float] | np.ndarray,
        style: Sequence[float] | np.ndarray = (),
        uv: np.ndarray | None = None,
        normals: np.ndarray | None = None,
    ) -> "Mesh":
        """One material for all triangles; flat normals and uv 0 unless given.

        ``tint`` is [3] or [triangle 3]; ``style`` up to 6 numbers or [triangle 6].
        """
        corners = np.asarray(corners, np.float64).reshape(-1, 3, 3)
        count = len(corners)
        if normals is None:
            normals = np.repeat(flat_normals(corners)[:, None], 3, axis=1)
        styles, tints = np.zeros((count, STYLE), np.float32), np.empty((count, 3), np.float32)
        given = np.asarray(style, np.float32)
        styles[:, : given.shape[-1]] = given
        tints[:] = tint
        places = np.zeros((count, 3, 2), np.float32) if uv is None else np.array(uv, np.float32)
        materials, classes = np.empty(count, np.uint8), np.empty(count, np.uint8)
        materials[:], classes[:] = material, class_id
        return Mesh(
            corners=corners,
            normals=np.asarray(normals, np.float32).reshape(count, 3, 3),
            uv=places.reshape(count, 3, 2),
            material=materials,
            tint=tints,
            style=styles,
            class_id=classes,
            owner=np.zeros(count, np.int32),
        )

    @staticmethod
    def empty() -> "Mesh":
        return Mesh.make(np.zeros((0, 3, 3)), material=0, class_id=0, tint=(0, 0, 0))

    def moved(self, new_from_old: Pose) -> "Mesh":
        """Carried rigidly."""
        turned = self.normals.reshape(-1, 3) @ new_from_old.rotation.T.astype(np.float32)
        placed = self.corners.reshape(-1, 3) @ new_from_old.rotation.T + new_from_old.translation
        return self._with(corners=placed.reshape(-1, 3, 3), normals=turned.reshape(-1, 3, 3))

    def owned_by(self, owner: int) -> "Mesh":
        return self._with(owner=np.full(len(self), owner, np.int32))

    def _with(self, **columns: np.ndarray) -> "Mesh":
        return Mesh(**{**self.__dict__, **columns})


_COLUMNS = tuple(field.name for field in fields(Mesh))


def join(meshes: Sequence[Mesh]) -> Mesh:
    """All rows one after the other."""
    if not meshes:
        return Mesh.empty()
    return Mesh(**{name: np.concatenate([m.__dict__[name] for m in meshes]) for name in _COLUMNS})


def flat_normals(corners: Float[np.ndarray, "triangle 3 3"]) -> Float[np.ndarray, "triangle 3"]:
    """Unit normals by the right hand; z for triangles without area."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.sqrt((normal**2).sum(axis=1, keepdims=True))
    return np.where(length > 0, normal / np.where(length > 0, length, 1), (0.0, 0.0, 1.0))

"""Semantic occupancy: what stands in each cell of a grid, and which cells were seen.

Occupancy -> points()          centres and classes, to draw
          -> as_view(view)     ids of a coarser list, to train on
          -> to_npz(path)      one compressed file; from_npz reads it back equal
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.npz import Field, read_npz, write_npz
from roadloom.scene.class_views import ClassView
from roadloom.scene.classes import CLASS_HASH, FREE, UNKNOWN, check_class_hash, check_ids

SCHEMA = 1
"""Version of the file's layout; a reader refuses any other."""
FRAMES = ("ego", "lidar", "world")

_REMEDY = "write the file again, or restore it from where it came"
_CELLS = ("x", "y", "z")
_FIELDS = {
    "schema": Field("<i8"),
    "class_hash": Field("U"),
    "frame": Field("U"),
    "lower_m": Field("<f8", (3,), exact=True),  # 0.4 in single precision is another grid
    "cell_m": Field("<f8", (3,), exact=True),
    "labels": Field("|u1", _CELLS),
    "mask_lidar": Field("|b1", _CELLS, optional=True),
    "mask_camera": Field("|b1", _CELLS, optional=True),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Occupancy:
    """One moment. Cells are indexed [X, Y, Z] as in ``VoxelGrid``."""

    grid: VoxelGrid
    labels: UInt8[np.ndarray, "x y z"]
    """Ids of our class list; 0 is free, 255 unknown."""
    mask_lidar: Bool[np.ndarray, "x y z"] | None = None
    """Whether a LiDAR beam reached the cell; None where that was not recorded."""
    mask_camera: Bool[np.ndarray, "x y z"] | None = None
    """Whether some camera sees the cell; None where that was not recorded."""
    frame: str = "ego"
    """The frame that the grid lies in: one of ``FRAMES``."""

    def __post_init__(self) -> None:
        if self.frame not in FRAMES:
            raise ValueError(f"frame must be one of {FRAMES}, got {self.frame!r}")
        for name, dtype in (("labels", np.uint8), ("mask_lidar", bool), ("mask_camera", bool)):
            array = getattr(self, name)
            if array is None and name != "labels":
                continue
            if array.dtype != dtype or array.shape != tuple(self.grid.shape):
                raise ValueError(
                    f"{name} must be {np.dtype(dtype)} {tuple(self.grid.shape)}, "
                    f"got {array.dtype} {array.shape}"
                )
        check_ids(self.labels)

    @property
    def occupied(self) -> Bool[np.ndarray, "x y z"]:
        """Whether something is known to be there."""
        return (self.labels != FREE) & (self.labels != UNKNOWN)

    def points(self) -> tuple[Float[np.ndarray, "point 3"], UInt8[np.ndarray, " point"]]:
        """Centres [m] and classes of the occupied cells, in index order."""
        cells = np.argwhere(self.occupied)
        return self.grid.center_of(cells), self.labels[tuple(cells.T)]

    def as_view(self, view: ClassView) -> UInt8[np.ndarray, "x y z"]:
        """The labels as ids of ``view``; unknown becomes its 255."""
        return view.apply(self.labels)

    def same_as(self, other: "Occupancy") -> bool:
        """Equal in grid, frame and every cell."""
        return (
            self.grid == other.grid
            and self.frame == other.frame
            and np.array_equal(self.labels, other.labels)
            and _same_mask(self.mask_lidar, other.mask_lidar)
            and _same_mask(self.mask_camera, other.mask_camera)
        )

    def to_npz(self, path: str | Path) -> None:
        """Write one compressed file, whole or not at all; the same content, the same bytes."""
        arrays: dict[str, np.ndarray] = {
            "schema": np.array(SCHEMA),
            "class_hash": np.array(CLASS_HASH),
            "frame": np.array(self.frame),
            "lower_m": np.array(self.grid.lower_m, np.float64),
            "cell_m": np.array(self.grid.cell_m, np.float64),
            "labels": self.labels,
        }
        for name in ("mask_lidar", "mask_camera"):
            if (mask := getattr(self, name)) is not None:
                arrays[name] = mask
        write_npz(path, arrays)

    @staticmethod
    def from_npz(path: str | Path) -> "Occupancy":
        """Read what ``to_npz`` wrote.

        Raises:
            MissingInput: no such file.
            BadInput: damaged, of another schema or class list, or not such a file at all.
        """
        arrays = read_npz(path, _FIELDS)
        if arrays["schema"] != SCHEMA:
            raise BadInput(
                f"is {arrays['schema']}, this version reads {SCHEMA}",
                file=path, field="schema", remedy=_REMEDY,
            )  # fmt: skip
        check_class_hash(str(arrays["class_hash"]), file=path)
        labels = arrays["labels"]
        check_ids(labels, file=path, field="labels")
        try:
            return Occupancy(
                grid=VoxelGrid(
                    lower_m=tuple(arrays["lower_m"].tolist()),
                    cell_m=tuple(arrays["cell_m"].tolist()),
                    shape=tuple(labels.shape),
                ),
                labels=labels,
                mask_lidar=arrays.get("mask_lidar"),
                mask_camera=arrays.get("mask_camera"),
                frame=str(arrays["frame"]),
            )
        except ValueError as error:
            if isinstance(error, BadInput):
                raise
            first = str(error).partition(" ")[0]  # both types begin with the field's name
            field = "labels" if first == "shape" else first
            raise BadInput(str(error), file=path, field=field, remedy=_REMEDY) from error


def _same_mask(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)

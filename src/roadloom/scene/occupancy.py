"""Semantic occupancy: what stands in each cell of a grid, and which cells were seen.

Occupancy -> points()          centres and classes, to draw
          -> as_view(view)     ids of a coarser list, to train on
          -> to_npz(path)      one compressed file; from_npz reads it back equal
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.atomic import atomic_file
from roadloom.scene.class_views import ClassView
from roadloom.scene.classes import CLASS_HASH, FREE, UNKNOWN, check_class_hash, check_ids

SCHEMA = 1
"""Version of the file's layout; a reader refuses any other."""
FRAMES = ("ego", "lidar", "world")

_REMEDY = "write the file again, or restore it from where it came"


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
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @staticmethod
    def from_npz(path: str | Path) -> "Occupancy":
        """Read what ``to_npz`` wrote.

        Raises:
            MissingInput: no such file.
            BadInput: damaged, of another schema or class list, or not such a file at all.
        """
        arrays = _read_npz(Path(path))
        schema = _scalar(arrays, "schema", "iu", path)
        if schema != SCHEMA:
            raise BadInput(
                f"is {schema}, this version reads {SCHEMA}",
                file=path, field="schema", remedy=_REMEDY,
            )  # fmt: skip
        check_class_hash(str(_scalar(arrays, "class_hash", "U", path)), file=path)
        labels = _array(arrays, "labels", "uint8", 3, path)
        check_ids(labels, file=path, field="labels")
        try:
            return Occupancy(
                grid=VoxelGrid(
                    lower_m=_triple(arrays, "lower_m", path),
                    cell_m=_triple(arrays, "cell_m", path),
                    shape=tuple(labels.shape),
                ),
                labels=labels,
                mask_lidar=_mask(arrays, "mask_lidar", labels.shape, path),
                mask_camera=_mask(arrays, "mask_camera", labels.shape, path),
                frame=str(_scalar(arrays, "frame", "U", path)),
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


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file; every way in which it can be damaged is a BadInput."""
    if not path.exists():
        raise MissingInput("no such file", file=path, remedy=_REMEDY)
    name = None
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {}
            for name in archive.namelist():
                with archive.open(name) as member:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(
                        member, allow_pickle=False
                    )
            return arrays
    except (
        OSError, ValueError, EOFError, MemoryError, RuntimeError, NotImplementedError,
        zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise BadInput(
            f"cannot be read as occupancy: {error or type(error).__name__}",
            file=path, field=name and name.removesuffix(".npy"), remedy=_REMEDY,
        ) from error  # fmt: skip


def _field(arrays: dict[str, np.ndarray], name: str, path: str | Path) -> np.ndarray:
    if name not in arrays:
        raise BadInput("is missing", file=path, field=name, remedy=_REMEDY)
    return arrays[name]


def _array(
    arrays: dict[str, np.ndarray], name: str, dtype: str, axes: int, path: str | Path
) -> np.ndarray:
    array = _field(arrays, name, path)
    if array.dtype != np.dtype(dtype) or array.ndim != axes:
        raise BadInput(
            f"must be {dtype} with {axes} axes, got {array.dtype} {array.shape}",
            file=path, field=name, remedy=_REMEDY,
        )  # fmt: skip
    return array


def _scalar(arrays: dict[str, np.ndarray], name: str, kinds: str, path: str | Path) -> object:
    array = _field(arrays, name, path)
    if array.dtype.kind not in kinds or array.ndim:
        raise BadInput(
            f"has the type {array.dtype} {array.shape}", file=path, field=name, remedy=_REMEDY
        )
    return array.item()


def _triple(
    arrays: dict[str, np.ndarray], name: str, path: str | Path
) -> tuple[float, float, float]:
    array = _array(arrays, name, "float64", 1, path)
    if array.shape != (3,):
        raise BadInput(
            f"must hold 3 numbers, got {array.size}", file=path, field=name, remedy=_REMEDY
        )
    return tuple(array.tolist())


def _mask(
    arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: str | Path
) -> np.ndarray | None:
    if name not in arrays:
        return None
    mask = _array(arrays, name, "bool", 3, path)
    if mask.shape != shape:
        raise BadInput(
            f"is {mask.shape}, the labels are {shape}", file=path, field=name, remedy=_REMEDY
        )
    return mask

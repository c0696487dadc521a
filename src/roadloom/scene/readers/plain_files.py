"""Files of plain numbers that CarlaSC and SemanticKITTI share: poses and times as text, scans.

poses.txt   one 3 x 4 matrix a line, twelve numbers row by row
times.txt   one time a line, in seconds
NNNNNN.bin  points of a scan: x, y, z and one more, float32
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, UInt8

from roadloom.errors import BadInput, NotRecorded, UnknownClass
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.read import RESTORE, is_dir, read_array, read_text
from roadloom.scene.class_maps import ids_from
from roadloom.scene.reader import check_scene_name
from roadloom.scene.readers.json_fields import LARGEST, short
from roadloom.scene.sweep import LidarOrigin, Sweep

ORTHONORMAL = 1e-3
"""How far the printed rotations may be from one: six digits and drift leave less."""
PROPER = 1e-12
LATEST_S = 4_102_444_800.0
_DIGITS = 6
"""Of a metre, in the corners of grids."""
NS_PER_S = 1_000_000_000


def read_rows(path: Path, columns: int) -> Float[np.ndarray, "row column"]:
    """A text of numbers, ``columns`` to a line.

    Raises:
        MissingInput: no such file.
        BadInput: a line with another count, or a word that is no number; names the line.
    """
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        try:
            row = [float(word) for word in words]
        except ValueError as error:
            raise _bad(path, number, f"holds no numbers: {short(line)}") from error
        if len(row) != columns:
            raise _bad(path, number, f"has {len(row)} numbers, not {columns}")
        if not all(abs(value) < max(LARGEST, LATEST_S) for value in row):
            raise _bad(path, number, f"holds a number beyond all bounds: {short(line)}")
        rows.append(row)
    return np.array(rows, np.float64).reshape(-1, columns)


def read_poses(path: Path) -> Pose:
    """Every line of ``poses.txt``; batch axis: lines.

    Raises:
        MissingInput: no such file.
        BadInput: damaged, or a rotation that is none; names the line.
    """
    return matrices(read_rows(path, 12), path)


def matrices(rows: Float[np.ndarray, "row 12"], path: Path) -> Pose:
    """Rows of 3 x 4 matrices as poses.

    Raises:
        BadInput: a left part that is no rotation, or numbers beyond all bounds; names the line.
    """
    beyond = np.flatnonzero(~(np.abs(rows) < LARGEST).all(axis=-1))  # NaN too
    if len(beyond):
        raise _bad(path, int(beyond[0]) + 1, "holds a number beyond all bounds")
    whole = rows.reshape(-1, 3, 4)
    rotation = whole[..., :3]
    away = np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max(axis=(-1, -2))
    wrong = np.flatnonzero((away > ORTHONORMAL) | (np.linalg.det(rotation) < 0))
    if len(wrong):
        raise _bad(path, int(wrong[0]) + 1, "its rotation is none")
    return Pose(np.ascontiguousarray(_nearest(rotation)), np.ascontiguousarray(whole[..., 3]))


def _nearest(rotation: Float[np.ndarray, "row 3 3"]) -> Float[np.ndarray, "row 3 3"]:
    """The rotation nearest to a printed one, of six digits; proper ones stay as they are."""
    left, _, right = np.linalg.svd(rotation)
    away = np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max(axis=(-1, -2))
    exact = away < PROPER
    return np.where(exact[..., None, None], rotation, left @ right)


def read_times(path: Path) -> Int64[np.ndarray, " row"]:
    """Every line of ``times.txt`` [ns].

    Raises:
        MissingInput: no such file.
        BadInput: damaged, or times that do not rise; names the line.
    """
    seconds = read_rows(path, 1)[:, 0]
    if len(early := np.flatnonzero(seconds < 0)):
        raise _bad(path, int(early[0]) + 1, "a time below 0")
    times = np.rint(seconds * NS_PER_S).astype(np.int64)
    if len(wrong := np.flatnonzero(np.diff(times) <= 0)):
        raise _bad(path, int(wrong[0]) + 2, "is not later than the line before")
    return times


def numbers_of_files(folder: Path, suffix: str) -> tuple[int, ...]:
    """Frame numbers of the files ``NNNNNN.suffix`` in a folder, rising.

    Raises:
        BadInput: a file with this suffix that is called otherwise.
    """
    found = []
    for path in folder.glob(f"*{suffix}"):
        if path.name.startswith("."):
            continue  # being written
        if len(path.stem) != 6 or not (path.stem.isascii() and path.stem.isdigit()):
            raise BadInput(
                f"is not called by six digits and {suffix}", file=path, field="name",
                remedy="take the file away",
            )  # fmt: skip
        found.append(int(path.stem))
    return tuple(sorted(found))


def make_scan(
    path: Path,
    label: UInt8[np.ndarray, " point"] | None,
    intensity_known: bool,
    *,
    name: str,
    time_ns: int,
    ego_from_lidar: Pose,
    world_from_ego: Pose,
) -> Sweep:
    """One scan whose points share one time, as far as the files tell.

    Raises:
        MissingInput: no such file.
        BadInput: cut off, or points that are not finite.
    """
    rows = read_array(path, "<f4", 4)
    if not np.isfinite(rows).all():
        raise BadInput("holds NaN or infinity", file=path, field="points", remedy=RESTORE)
    count = len(rows)
    if label is not None and len(label) != count:
        raise BadInput(f"has {count} points, its labels {len(label)}", file=path, remedy=RESTORE)
    intensity = rows[:, 3] if intensity_known else np.full(count, np.nan, np.float32)
    if intensity_known and count and not (intensity.min() >= 0 and intensity.max() <= 1):
        raise BadInput("reflectance is not 0 to 1", file=path, field="intensity", remedy=RESTORE)
    return Sweep(
        points=ego_from_lidar.apply(rows[:, :3].astype(np.float64)).astype(np.float32),
        time_ns=time_ns,
        world_from_ego=world_from_ego,
        motion_compensated=True,
        point_time_ns=np.full(count, time_ns, np.int64),
        ring=np.full(count, -1, np.int16),
        intensity=np.ascontiguousarray(intensity),
        origin_id=np.zeros(count, np.uint8),
        origins=(LidarOrigin(name=name, ego_from_lidar=ego_from_lidar),),
        returned=np.ones(count, bool),
        label=label,
    )


def read_cells(path: Path, dtype: str, shape: tuple[int, int, int]) -> np.ndarray:
    """A grid's cells, one number each, x slowest.

    Raises:
        MissingInput: no such file.
        BadInput: another size.
    """
    cells = read_array(path, dtype, 1)[:, 0]
    if len(cells) != np.prod(shape):
        raise BadInput(
            f"holds {len(cells)} cells, the grid has {' x '.join(map(str, shape))}",
            file=path, remedy=RESTORE,
        )  # fmt: skip
    return cells.reshape(shape)


def ego_grid(grid: VoxelGrid, our_from_lidar: Pose) -> VoxelGrid:
    """The grid of the LiDAR's frame, named in the ego's: the two differ by a shift only."""
    lower = np.round(np.array(grid.lower_m) + our_from_lidar.translation, _DIGITS)
    return replace(grid, lower_m=tuple(lower.tolist()))


def check_grid(grid: VoxelGrid, ego: VoxelGrid, lidar: VoxelGrid, *, solid: bool) -> str:
    """The frame in which a grid that is asked for lies; the labels are the same in both.

    Raises:
        NotRecorded: it is neither of the two, or interiors are asked for.
    """
    check_stored(grid, (ego, lidar), solid=solid)
    return "ego" if grid == ego else "lidar"


def check_stored(grid: VoxelGrid, held: tuple[VoxelGrid, ...], *, solid: bool) -> None:
    """Raise NotRecorded unless stored surfaces on one of these grids are what is asked for."""
    if solid:
        raise NotRecorded("labels hold surfaces, not interiors", field="occupancy")
    if grid not in held:
        raise NotRecorded(
            f"the labels lie on {', '.join(map(str, held))}, not on {grid}", field="grid",
            remedy="ask for that grid, then resample with roadloom.scene.regrid",
        )  # fmt: skip


def names_of_folders(folder: Path) -> tuple[str, ...]:
    """Folders inside a folder, by name; hidden ones are being written or are not data."""
    inside = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".") and is_dir(p))
    return tuple(check_scene_name(name, file=folder / name, field="name") for name in inside)


def classes_of(path: Path, dataset: str, stored: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Our ids of a file's numbers.

    Raises:
        BadInput: a number that the data set does not have; names the file.
    """
    try:
        return ids_from(dataset, stored)
    except UnknownClass as error:
        raise BadInput(error.message, file=path, field="label", remedy=RESTORE) from error


def _bad(path: Path, line: int, what: str) -> BadInput:
    return BadInput(what, file=path, field=f"line {line}", remedy=RESTORE)

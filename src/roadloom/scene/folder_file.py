"""``clip.json``, the first file of a ``folder`` clip: what it must hold, and how it is read.

clip.json -> ClipFile -> readers/folder.py;   folder_writer.py -> ClipFile -> clip.json
"""

import math
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.read import RESTORE, read_json
from roadloom.scene.classes import check_class_hash
from roadloom.scene.folder_tables import LARGEST, check_files, check_rotation
from roadloom.scene.reader import COMMANDS, check_scene_name

SCHEMA = 1
"""Value of ``roadloom_clip``; grows when a clip could no longer be read as before."""
CLIP_FILE, RIG_FILE, EGO_FILE, KEYS_FILE = "clip.json", "rig.yaml", "ego.csv", "keys.csv"

DAY_NS = 86_400 * 10**9
MOST_CELLS = 2**31
"""Of a grid: as many labels as one npz file may hold."""

Triple = tuple[float, float, float]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class PoseFile(_Strict):
    """A pose as rows of its matrix and its translation [m]."""

    rotation: tuple[Triple, Triple, Triple]
    translation_m: Triple


class GridFile(_Strict):
    """A ``VoxelGrid``."""

    lower_m: Triple
    cell_m: Triple
    shape: tuple[int, int, int]


class ClipFile(_Strict):
    """Only the first three are needed; what is left out was not recorded."""

    roadloom_clip: int
    scene_id: str
    licence: str
    source: str | None = None
    """Where the clip came from; None: from this folder."""
    class_hash: str | None = None
    lidar: str | None = None
    our_from_vehicle: PoseFile | None = None
    map: str | None = None
    """File of the road map."""
    grids: dict[str, GridFile] = {}
    """Grids of the columns ``occupancy/NAME`` of keys.csv."""
    commands: list[tuple[int, str]] | None = None
    """(time [ns], command from then on), rising."""
    attributes: dict[str, Any] = {}


def read_clip_file(folder: Path) -> ClipFile:
    """Read and check ``folder / "clip.json"``.

    Raises:
        MissingInput: no such file.
        BadInput: of another schema or class list, or a field is absent, unknown or wrong.
    """
    path = folder / CLIP_FILE
    data = read_json(path)
    version = data.get("roadloom_clip") if isinstance(data, dict) else None
    if version != SCHEMA or isinstance(version, bool):
        raise BadInput(
            f"is {version!r}, this version reads {SCHEMA}", file=path, field="roadloom_clip",
            remedy="update roadloom, or write the clip again",
        )  # fmt: skip
    try:
        found = msgspec.convert(data, ClipFile)
    except msgspec.ValidationError as error:
        raise BadInput(str(error), file=path, field=_field(str(error)), remedy=RESTORE) from error
    check_scene_name(found.scene_id, file=path)
    _check_commands(found.commands or [], path)
    for name in ("licence", "source"):
        check_text(getattr(found, name) or "", path, name)
    if found.class_hash is not None:
        check_class_hash(found.class_hash, file=path)
    if found.map is not None:
        check_files([found.map], path, "map")
    return found


def _check_commands(commands: list[tuple[int, str]], path: Path) -> None:
    begins = [begin for begin, _ in commands]
    if any(b <= a for a, b in zip(begins, begins[1:], strict=False)):
        raise BadInput("times do not rise", file=path, field="commands", remedy="sort them by time")
    if begins and begins[0] < 0:
        raise BadInput(
            f"{begins[0]} ns is no time", file=path, field="commands",
            remedy=f"write nanoseconds of the clock of {KEYS_FILE}",
        )  # fmt: skip
    for _, word in commands:
        if word not in COMMANDS:
            raise BadInput(
                f"unknown command {ascii(word[:40])}", file=path, field="commands",
                remedy=f"use one of {', '.join(COMMANDS)}",
            )  # fmt: skip


def check_command_times(commands: list[tuple[int, str]], keys: np.ndarray, path: Path) -> None:
    """Refuse times of another clock: more than a day from the key frames [ns]."""
    first, last = int(keys[0]) - DAY_NS, int(keys[-1]) + DAY_NS
    for begin, _ in commands:
        if not first <= begin <= last:
            raise BadInput(
                f"{begin} ns lies more than a day from the key frames", file=path,
                field="commands", remedy=f"write nanoseconds of the clock of {KEYS_FILE}",
            )  # fmt: skip


def check_text(text: str, path: Path | None, field: str) -> None:
    """Refuse half of a surrogate pair, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            "holds half of a surrogate pair", file=path, field=field, remedy="write the text again"
        ) from error


def pose_in(pose: PoseFile | None, path: Path) -> Pose:
    """``our_from_vehicle``; without one our frame is the vehicle's own."""
    if pose is None:
        return Pose.identity()
    rotation = np.array(pose.rotation, np.float64)
    check_rotation(rotation[None], path, "our_from_vehicle.rotation")
    return Pose(rotation, np.array(pose.translation_m, np.float64))


def pose_out(pose: Pose) -> PoseFile:
    return PoseFile(rotation=pose.rotation.tolist(), translation_m=pose.translation.tolist())


def grids_in(grids: dict[str, GridFile], path: Path) -> dict[str, VoxelGrid]:
    made = {}
    for name, grid in grids.items():
        check_scene_name(name, file=path, field=f"grids.{ascii(name)[1:-1][:60]}")
        far = max(map(abs, (*grid.lower_m, *grid.cell_m))) > LARGEST
        if far or math.prod(max(n, 1) for n in grid.shape) > MOST_CELLS:
            raise BadInput(
                f"more than {MOST_CELLS} cells, or beyond {LARGEST:g} m", file=path,
                field=f"grids.{name}", remedy="write metres, and a smaller shape",
            )  # fmt: skip
        try:
            made[name] = VoxelGrid(lower_m=grid.lower_m, cell_m=grid.cell_m, shape=grid.shape)
        except ValueError as error:
            raise BadInput(
                str(error), file=path, field=f"grids.{name}",
                remedy="write lower_m, cell_m and shape as VoxelGrid takes them",
            ) from error  # fmt: skip
    return made


def grid_out(grid: VoxelGrid) -> GridFile:
    return GridFile(lower_m=grid.lower_m, cell_m=grid.cell_m, shape=grid.shape)


def _field(message: str) -> str | None:
    """The field that msgspec speaks of: the path at the end, and what is missing or unknown."""
    at = re.search(r"at `(?:key in )?\$\.?([^`]*)`$", message)
    named = re.search(r"field `([^`]*)`", message)
    parts = [match[1] for match in (at, named) if match and match[1]]
    return ".".join(parts) or None

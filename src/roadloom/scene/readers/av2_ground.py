"""The height of the ground in an Argoverse 2 log, as a raster over the city.

    *_ground_height_surface____*.npy + *___img_Sim2_city.json -> GroundHeight

The raster's pixel (i, j) covers [i, i + 1) x [j, j + 1) of ``s (R p + t)``, as the data set's own
code truncates; ours has its centres at whole numbers, hence the half pixel. Heights are float16,
in steps of 3 to 6 cm at the cities' altitude.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from roadloom.errors import BadInput, MissingInput
from roadloom.io.read import RESTORE, is_dir, read_bytes, read_json
from roadloom.scene.map_raster import GroundHeight
from roadloom.scene.readers.json_fields import Fields


def read_ground(folder: Path) -> GroundHeight | None:
    """Height of the ground, float16 widened to float32; None where the log has none."""
    heights_file = only_file(folder, "*_ground_height_surface____*.npy")
    transform_file = only_file(folder, "*___img_Sim2_city.json")
    if heights_file is None or transform_file is None:
        return None
    return GroundHeight(
        heights=_heights(heights_file), world_from_pixel=_world_from_pixel(transform_file)
    )


def ground_problems(folder: Path) -> Iterator[BadInput]:
    for pattern, read in (
        ("*_ground_height_surface____*.npy", _heights),
        ("*___img_Sim2_city.json", _world_from_pixel),
    ):
        try:
            file = only_file(folder, pattern)
            if file is None:
                yield missing(folder, pattern)
            else:
                read(file)
        except BadInput as problem:
            yield problem


def _heights(file: Path) -> np.ndarray:
    try:
        heights = np.load(io.BytesIO(read_bytes(file)), allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, MemoryError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"is no readable npy file: {error}", file=file, remedy=RESTORE) from error
    if not isinstance(heights, np.ndarray) or heights.ndim != 2 or heights.dtype.kind != "f":
        raise BadInput("must hold real numbers [row column]", file=file, remedy=RESTORE)
    if np.isinf(heights).any() or not np.isfinite(heights).any():
        raise BadInput("holds infinite heights, or none at all", file=file, remedy=RESTORE)
    return heights.astype(np.float32)


def _world_from_pixel(file: Path) -> np.ndarray:
    """[2 3] from the similarity ``pixel = s (R p + t)``."""
    data = Fields(file, "", read_json(file))
    rotation, shift = data.numbers("R", 4), data.numbers("t", 2)
    scale = float(data.positive("s"))
    rotation = rotation.reshape(2, 2)
    if abs(rotation @ rotation.T - np.eye(2)).max() > 1e-5:
        raise data.bad("R", f"is no rotation: {rotation.tolist()}")
    origin = rotation.T @ (0.5 / scale - shift)
    return np.concatenate([rotation.T / scale, origin[:, None]], axis=1)


def only_file(folder: Path, pattern: str) -> Path | None:
    found = sorted(folder.glob(pattern)) if is_dir(folder) else []
    if len(found) > 1:
        raise BadInput(
            f"there are {len(found)} files {pattern} in {folder}, and only one belongs to the log",
            file=found[1], remedy="take away those of other logs",
        )  # fmt: skip
    return found[0] if found else None


def missing(folder: Path, pattern: str) -> MissingInput:
    return MissingInput("no such file", file=folder / pattern, remedy=RESTORE)

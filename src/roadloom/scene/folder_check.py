"""What is wrong with a ``folder`` clip: every table, field and file is read in full.

folder -> clip_problems -> BadInput, one for each file at most
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.io.image import read_mask
from roadloom.io.progress import show_progress
from roadloom.io.read import exists
from roadloom.scene.read_all import raised
from roadloom.scene.reader import EXTRA_IMAGES
from roadloom.scene.readers.folder import FolderClip


def clip_problems(folder: Path, *, absent_is_fine: bool) -> Iterator[BadInput]:
    """Read everything and yield what is refused.

    With ``absent_is_fine`` the sensor files that ``absent_sensor_files`` lists are passed over.
    """
    try:
        clip = FolderClip(folder)
    except BadInput as error:
        yield error
        return
    yield from raised(clip.ego)
    for sensor in (*clip.meta.rig.camera_names, *clip.meta.rig.lidar_names):
        broken = list(raised(partial(clip.records, sensor)))
        yield from broken
        if not broken:
            for problem in _sensor_problems(clip, sensor):
                if not (absent_is_fine and isinstance(problem, MissingInput)):
                    yield problem
    yield from _key_problems(clip)
    yield from _map_problems(clip)


def absent_sensor_files(folder: Path) -> Iterator[Path]:
    """Images, depth, semantics and sweeps that tables name and the disk lacks.

    Tables that cannot be read name nothing here: ``clip_problems`` says what is wrong with them.
    """
    try:
        clip = FolderClip(folder)
    except BadInput:
        return
    for sensor in (*clip.meta.rig.camera_names, *clip.meta.rig.lidar_names):
        for index, column in _named_files(clip, sensor):
            path = clip.file(sensor, index, column)
            if not exists(path):
                yield path


def _named_files(clip: FolderClip, sensor: str) -> Iterator[tuple[int, str]]:
    """Record and column of every file that the table of a sensor names."""
    try:
        table = clip.table(sensor)
    except (NotRecorded, BadInput):
        return
    for column in ("file", *EXTRA_IMAGES):
        if column in table:
            for index in np.flatnonzero(table[column] != "").tolist():
                yield index, column


def _sensor_problems(clip: FolderClip, sensor: str) -> Iterator[BadInput]:
    camera = sensor in clip.meta.rig.camera_names
    files = list(_named_files(clip, sensor))
    for index, column in show_progress(files, desc=f"checking {sensor}", unit="file"):
        yield from raised(_reading(clip, sensor, index, column, camera=camera))


def _reading(
    clip: FolderClip, sensor: str, index: int, column: str, *, camera: bool
) -> Callable[[], object]:
    if not camera:
        return partial(clip.sweep, sensor, index)
    if column == "file":
        return partial(clip.image, sensor, index)
    return partial(clip.extra_image, column, sensor, index)


def _key_problems(clip: FolderClip) -> Iterator[BadInput]:
    for key in range(len(clip.meta.key_times_ns)):
        yield from raised(partial(clip.boxes, key))
        for grid in clip.occupancy_grids():
            yield from raised(partial(clip.occupancy, key, grid))


def _map_problems(clip: FolderClip) -> Iterator[BadInput]:
    def read() -> None:
        for raster in clip.road_map().rasters.values():
            read_mask(raster.file)

    yield from raised(read)

"""Read everything that a scene holds: the check for readers that bring none of their own."""

from collections.abc import Callable, Iterator
from functools import partial

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.io.progress import show_progress
from roadloom.scene.reader import ClipReader


def read_problems(
    open_scene: Callable[[], ClipReader], *, absent_is_fine: bool
) -> Iterator[BadInput]:
    """What opening a scene and reading each of its fields raises, one field after the other.

    Args:
        open_scene: opens it.
        absent_is_fine: pass over files of sensors and occupancy that are not there.
    """
    try:
        reader = open_scene()
    except BadInput as error:
        yield error
        return
    sensors: list[Callable[[], object]] = []
    yield from raised(partial(_sensor_reads, reader, sensors))
    for read in show_progress(sensors, desc=f"checking {reader.meta.scene_id}", unit="file"):
        for problem in raised(read):
            if not (absent_is_fine and isinstance(problem, MissingInput)):
                yield problem
    for key in range(len(reader.meta.key_times_ns)):
        yield from raised(partial(reader.boxes, key))
        for grid in reader.occupancy_grids():
            for problem in raised(partial(reader.occupancy, key, grid)):
                if not (absent_is_fine and isinstance(problem, MissingInput)):
                    yield problem
    yield from raised(reader.ego)
    yield from raised(reader.road_map)


def _sensor_reads(reader: ClipReader, reads: list[Callable[[], object]]) -> None:
    rig = reader.meta.rig
    for names, read in ((rig.camera_names, reader.image), (rig.lidar_names, reader.sweep)):
        for name in names:
            try:
                count = len(reader.records(name))
            except NotRecorded:
                continue  # a sensor of the rig without records is no damage
            reads += [partial(read, name, index) for index in range(count)]


def raised(read: Callable[[], object]) -> Iterator[BadInput]:
    """What reading raises; a field that was not recorded is no problem."""
    try:
        read()
    except NotRecorded:
        return
    except BadInput as error:
        yield error

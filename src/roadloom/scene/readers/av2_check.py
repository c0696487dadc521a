"""Looks at every table, field and sensor file of an Argoverse 2 log and says what is wrong.

    tables -> references between them -> sweeps -> images -> map

Sensor files that should be there and are not come from ``absent``, so that a cut-down log can be
told from a damaged one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from roadloom.errors import BadInput, MissingInput, UnknownClass
from roadloom.io.image import check_image
from roadloom.io.progress import show_progress
from roadloom.io.read import RESTORE, exists, is_dir
from roadloom.scene.class_maps import ids_from
from roadloom.scene.readers import av2_tables as tables
from roadloom.scene.readers.av2_calibration import name_problems
from roadloom.scene.readers.av2_map import map_problems
from roadloom.scene.readers.av2_tables import Columns, LogFiles
from roadloom.scene.readers.json_fields import sensor_name_problem

HOLE_NS = 51_000_000
HOLE_SHARE = 0.6
"""A key frame lacks an image if none is nearer than this share of the camera's own period."""


def log_problems(files: LogFiles, *, partial: bool) -> Iterator[BadInput]:
    """Everything that is wrong; with ``partial`` absent sensor files are no problem."""
    mounts, found = tables.read_checked(files.mounts, tables.MOUNTS)
    yield from found
    lenses, found = tables.read_checked(files.intrinsics, tables.INTRINSICS)
    yield from found
    yield from _calibration_problems(files, mounts, lenses)
    poses, found = tables.read_checked(files.poses, tables.POSES)
    yield from found
    yield from _repeated(poses, ("timestamp_ns",), files.poses)
    span = _span(poses)
    annotations: Columns = {}
    if exists(files.annotations) or not is_test(files):
        annotations, found = tables.read_checked(files.annotations, tables.ANNOTATIONS)
        yield from found
        yield from _annotation_problems(files, annotations, span)
    yield from _sweep_problems(files, span)
    yield from _image_problems(files, lenses, span)
    yield from map_problems(files.map)
    if not partial:
        yield from absent(files)


def is_test(files: LogFiles) -> bool:
    """Logs of the split ``test`` are published without annotations."""
    return files.folder.resolve().parent.name == "test"


def absent(files: LogFiles) -> Iterator[MissingInput]:
    """Sensor files that the tables call for and the disk lacks; a damaged table is passed over."""
    annotations, _ = tables.read_checked(
        files.annotations, {"timestamp_ns": tables.ANNOTATIONS["timestamp_ns"]}
    )
    keys = np.unique(annotations.get("timestamp_ns", np.zeros(0, np.int64)))
    for time in keys.tolist():
        if not exists(files.sweep(time)):
            yield MissingInput("no such sweep", file=files.sweep(time), remedy=RESTORE)
    if not len(keys) and not is_dir(files.sweeps):
        yield MissingInput("no such folder", file=files.sweeps, remedy=RESTORE)
    lenses, _ = tables.read_checked(files.intrinsics, {"sensor_name": tables.TEXT})
    for camera in lenses.get("sensor_name", np.zeros(0, np.str_)).tolist():
        if sensor_name_problem(camera):
            continue  # it cannot be a folder's name either
        yield from _absent_images(files, camera, keys)


def _absent_images(files: LogFiles, camera: str, keys: np.ndarray) -> Iterator[MissingInput]:
    """No table lists the images, so a hole shows only against the key frames."""
    folder = files.cameras / camera
    times = np.array([time for time, _ in _named(folder, ".jpg")], np.int64)
    if not len(times):
        yield MissingInput("this camera has no images", file=folder / "*.jpg", remedy=RESTORE)
        return
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    reach = max(HOLE_NS, HOLE_SHARE * period)
    for time in keys[(keys >= times[0]) & (keys <= times[-1])].tolist():
        if abs(times - time).min() > reach:
            yield MissingInput(
                f"no image within {reach / 1e6:.0f} ms of the key frame {time}",
                file=folder / "*.jpg", remedy=RESTORE,
            )  # fmt: skip


def _named(folder: Path, suffix: str) -> Iterator[tuple[int, Path]]:
    """Times, rising, and paths of the files that are properly named after their time."""
    for file in sorted(folder.glob(f"*{suffix}")):
        try:
            yield tables.stamp_of(file), file
        except BadInput:
            continue  # reported by _files_in


def _calibration_problems(files: LogFiles, mounts: Columns, lenses: Columns) -> Iterator[BadInput]:
    yield from _repeated(mounts, ("sensor_name",), files.mounts)
    yield from _repeated(lenses, ("sensor_name",), files.intrinsics)
    if "sensor_name" in lenses:
        yield from name_problems(files, lenses)
    if "sensor_name" not in mounts or "sensor_name" not in lenses:
        return
    placed, cameras = set(mounts["sensor_name"].tolist()), set(lenses["sensor_name"].tolist())
    for name in sorted((cameras | set(tables.UNITS)) - placed):
        yield _unmatched(files.mounts, f"the table does not say where {name} sits")
    for name in sorted(placed - cameras - set(tables.UNITS)):
        yield _unmatched(files.intrinsics, f"the table has no lens for {name}")


def _unmatched(file: Path, what: str) -> BadInput:
    return BadInput(what, file=file, field="sensor_name", remedy=RESTORE)


def _repeated(columns: Columns, keys: tuple[str, ...], file: Path) -> Iterator[BadInput]:
    if all(key in columns for key in keys):
        try:
            tables.unique_rows(columns, keys, file)
        except BadInput as problem:
            yield problem


def _span(poses: Columns) -> tuple[int, int] | None:
    if "timestamp_ns" not in poses:
        return None
    return int(poses["timestamp_ns"].min()), int(poses["timestamp_ns"].max())


def _outside(time: int, span: tuple[int, int] | None) -> bool:
    return span is not None and not span[0] <= time <= span[1]


def _annotation_problems(
    files: LogFiles, columns: Columns, span: tuple[int, int] | None
) -> Iterator[BadInput]:
    yield from _repeated(columns, ("timestamp_ns", "track_uuid"), files.annotations)
    for time in np.unique(columns.get("timestamp_ns", np.zeros(0, np.int64))).tolist():
        if _outside(time, span):
            yield BadInput(
                f"boxes at {time}, for which there is no pose",
                file=files.annotations, field="timestamp_ns", remedy=RESTORE,
            )  # fmt: skip
    for category in np.unique(columns.get("category", np.zeros(0, np.str_))):
        try:
            ids_from("av2", [category])
        except UnknownClass as error:
            yield BadInput(
                error.message, file=files.annotations, field="category", remedy=error.remedy
            )


def _sweep_problems(files: LogFiles, span: tuple[int, int] | None) -> Iterator[BadInput]:
    def look(file: Path) -> Iterator[BadInput]:
        yield from tables.read_checked(file, tables.SWEEP)[1]

    yield from _files_in(files.sweeps, ".feather", span, look)


def _image_problems(
    files: LogFiles, lenses: Columns, span: tuple[int, int] | None
) -> Iterator[BadInput]:
    if not {"sensor_name", "width_px", "height_px"} <= lenses.keys():
        return
    sizes = {
        str(name): (int(width), int(height))
        for name, width, height in zip(
            lenses["sensor_name"], lenses["width_px"], lenses["height_px"], strict=True
        )
        if not sensor_name_problem(str(name))
    }
    folders = sorted(files.cameras.iterdir()) if is_dir(files.cameras) else []
    for folder in folders:
        if is_dir(folder) and folder.name not in sizes:
            yield BadInput(
                f"images of a camera that {files.intrinsics.name} does not hold",
                file=folder, field="sensor_name", remedy="restore the table, or take them away",
            )  # fmt: skip
    for name, size in sizes.items():

        def look(file: Path, size: tuple[int, int] = size) -> Iterator[BadInput]:
            try:
                check_image(file, size)
            except BadInput as problem:
                yield problem

        yield from _files_in(files.cameras / name, ".jpg", span, look)


def _files_in(
    folder: Path,
    suffix: str,
    span: tuple[int, int] | None,
    look: Callable[[Path], Iterator[BadInput]],
) -> Iterator[BadInput]:
    found = sorted(folder.glob(f"*{suffix}")) if is_dir(folder) else []
    for file in show_progress(found, desc=f"checking {folder.name}", unit="file"):
        try:
            time = tables.stamp_of(file)
        except BadInput as problem:
            yield problem
            continue
        if _outside(time, span):
            yield BadInput("there is no pose for its time", file=file, remedy=RESTORE)
        yield from look(file)

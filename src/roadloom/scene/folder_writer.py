"""``clip.save(DIR)``: everything that a clip holds, as a ``folder`` clip that reads back equal.

    Clip -> files, written into a hidden folder beside DIR -> renamed to DIR

Image files are copied as they are; pixels without a file are written as PNG. The same clip gives
the same bytes. ``docs/folder_format.md`` describes the files.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial as bind
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import GRIDS, VoxelGrid
from roadloom.io.atomic import atomic_folder, check_new_folder
from roadloom.io.image import encode_image
from roadloom.io.npz import npz_bytes
from roadloom.io.progress import show_progress
from roadloom.io.table import table_text
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.clip import Clip
from roadloom.scene.equality import same_pose
from roadloom.scene.folder_arrays import extra_image_arrays, sweep_arrays
from roadloom.scene.folder_file import (
    CLIP_FILE,
    EGO_FILE,
    KEYS_FILE,
    RIG_FILE,
    SCHEMA,
    ClipFile,
    check_text,
    grid_out,
    pose_out,
)
from roadloom.scene.folder_map import road_map_files
from roadloom.scene.folder_tables import boxes_table, pose_table
from roadloom.scene.reader import EXTRA_IMAGES, Records, check_scene_name
from roadloom.sensors.rig_yaml import rig_to_yaml

RESERVED = ("time_ns", "boxes")
"""Columns of keys.csv that no sensor may be called."""

Value = TypeVar("Value")


def save_clip(clip: Clip, folder: Path, *, partial: bool = False) -> None:
    """Write ``clip`` as ``folder``, whole or not at all.

    Args:
        clip: any clip; attached labels are written in place of its own occupancy.
        folder: must not exist, or be empty.
        partial: keep the gaps of a cut-down recording: a record whose file is absent is written
            without one.

    Raises:
        BadInput: the folder has something in it, or the clip holds what no file can.
        MissingInput: a sensor file of the clip is absent and ``partial`` is not set.
    """
    folder = folder.absolute()  # "." has no name to put a temporary one beside
    check_new_folder(folder)
    _check(clip)
    sensors = [*clip.rig.camera_names, *clip.rig.lidar_names]
    found = {s: _or_none(bind(clip.reader.records, s)) for s in sensors}
    records = {s: r for s, r in found.items() if r is not None}
    grids = _named(clip.occupancy_grids)
    total = sum(map(len, records.values())) + len(clip) * (1 + len(grids))
    with (
        atomic_folder(folder) as temporary,
        show_progress(total=total, desc=f"saving {clip.scene_id}", unit="file") as progress,
    ):
        writer = _Writer(clip, temporary, partial=partial, done=progress.update)
        for sensor in records:
            writer.sensor(sensor, records[sensor])
        writer.keys(records, grids)
        writer.path_and_rig()
        writer.about(grids, writer.map())


class _Writer:
    """Writes the parts of one clip into one folder."""

    def __init__(
        self, clip: Clip, folder: Path, *, partial: bool, done: Callable[[], object]
    ) -> None:
        self.clip, self.folder, self.partial, self.done = clip, folder, partial, done

    def sensor(self, sensor: str, records: Records) -> None:
        """The table of a camera or LiDAR, and a file per record."""
        camera = sensor in self.clip.rig.camera_names
        columns: dict[str, Any] = {"time_ns": records.time_ns, "file": []}
        kinds = self._extra_kinds(sensor, records) if camera else ()
        columns |= {kind: [] for kind in kinds}
        for index in range(len(records)):
            if camera:
                columns["file"].append(self._image(sensor, index))
            else:
                columns["file"].append(self._sweep(sensor, index, records))
            for kind in kinds:
                columns[kind].append(self._extra_image(kind, sensor, index))
            self.done()
        columns |= pose_table(records.world_from_ego)
        place = "cameras" if camera else "lidars"
        self._write(f"{place}/{sensor}.csv", table_text(columns).encode())

    def keys(self, records: Mapping[str, Records], grids: Mapping[str, VoxelGrid]) -> None:
        """The table of key frames, their boxes and occupancy."""
        columns: dict[str, Any] = {"time_ns": self.clip.times_ns, "boxes": []}
        columns |= {f"occupancy/{grid}": [] for grid in grids}
        for key in range(len(self.clip)):
            columns["boxes"].append(self._boxes(key))
            self.done()
            for name, grid in grids.items():
                columns[f"occupancy/{name}"].append(self._occupancy(key, name, grid))
                self.done()
        for sensor, found in records.items():
            columns[sensor] = [None if i < 0 else i for i in found.key.tolist()]
        self._write(KEYS_FILE, table_text(columns).encode())

    def path_and_rig(self) -> None:
        ego = self.clip.ego
        columns = {"time_ns": ego.time_ns, **pose_table(ego.world_from_ego)}
        self._write(EGO_FILE, table_text(columns).encode())
        self._write(RIG_FILE, rig_to_yaml(self.clip.rig).encode())

    def map(self) -> str | None:
        """Write the map; answer with its file, None where there is none."""
        road_map = _or_none(lambda: self.clip.map)
        if road_map is None:
            return None
        for name, data in road_map_files(road_map).items():
            self._write(f"map/{name}", data)
        return "map/map.json"

    def about(self, grids: Mapping[str, VoxelGrid], road_map: str | None) -> None:
        meta = self.clip.meta
        about = ClipFile(
            roadloom_clip=SCHEMA,
            scene_id=meta.scene_id,
            licence=meta.licence,
            source=meta.source,
            class_hash=CLASS_HASH,
            lidar=meta.lidar,
            our_from_vehicle=pose_out(meta.our_from_vehicle),
            map=road_map,
            grids={name: grid_out(grid) for name, grid in grids.items()},
            commands=_or_none(lambda: list(self.clip.commands)),
            attributes=meta.attributes,
        )
        text = json.dumps(msgspec.to_builtins(about), indent=2, allow_nan=False)
        self._write(CLIP_FILE, f"{_NUMBERS.sub(_one_line, text)}\n".encode())

    def _write(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return name

    def _image(self, camera: str, index: int) -> str:
        name = f"cameras/{camera}/{index:06d}"
        try:
            encoded = self.clip.reader.image_bytes(camera, index)
            if encoded is None:
                pixels = self.clip.reader.image(camera, index)
                encoded = encode_image(pixels, ".png"), ".png"
        except NotRecorded:
            return ""
        except MissingInput as error:
            return self._gap(f"{name}.jpg", error)
        return self._write(f"{name}{encoded[1]}", encoded[0])

    def _sweep(self, lidar: str, index: int, records: Records) -> str:
        name = f"lidars/{lidar}/{index:06d}.npz"
        try:
            sweep = self.clip.reader.sweep(lidar, index)
        except NotRecorded:
            return ""
        except MissingInput as error:
            return self._gap(name, error)
        own = (int(records.time_ns[index]), records.world_from_ego[index])
        if sweep.time_ns != own[0] or not same_pose(sweep.world_from_ego, own[1]):
            raise ValueError(f"sweep {index} of {lidar} and its record differ in time or pose")
        return self._write(name, npz_bytes(sweep_arrays(sweep)))

    def _gap(self, name: str, error: MissingInput) -> str:
        """Name a file that is not written, if gaps are allowed."""
        if not self.partial:
            raise MissingInput(
                error.message, file=error.file, field=error.field,
                remedy="restore the file, or save with partial=True to keep the gap",
            ) from error  # fmt: skip
        return name

    def _extra_kinds(self, camera: str, records: Records) -> tuple[str, ...]:
        """What the source knows of this camera beside colours, judged by its first image."""
        extra = self.clip.reader.extra_image
        return tuple(
            kind
            for kind in EXTRA_IMAGES
            if len(records) and _or_none(bind(extra, kind, camera, 0)) is not None
        )

    def _extra_image(self, kind: str, camera: str, index: int) -> str:
        name = f"cameras/{camera}/{index:06d}_{kind}.npz"
        try:
            image = self.clip.reader.extra_image(kind, camera, index)
        except NotRecorded:
            return ""
        except MissingInput as error:
            return self._gap(name, error)
        return self._write(name, npz_bytes(extra_image_arrays(kind, image)))

    def _boxes(self, key: int) -> str:
        boxes = _or_none(bind(self.clip.reader.boxes, key))
        if boxes is None:
            return ""
        return self._write(f"boxes/{key:06d}.csv", table_text(boxes_table(boxes)).encode())

    def _occupancy(self, key: int, name: str, grid: VoxelGrid) -> str:
        occupancy = _or_none(bind(self.clip[key].occupancy, grid))
        if occupancy is None:
            return ""
        path = f"occupancy/{name}/{key:06d}.npz"
        occupancy.to_npz(self.folder / path)
        return path


_NUMBERS = re.compile(r"\[\n[-+0-9.eE,\s]+\n\s*\]")
"""A list of numbers over several lines: no text in JSON holds a line break."""


def _one_line(numbers: re.Match[str]) -> str:
    return f"[{' '.join(numbers[0][1:-1].split())}]"


def _or_none(read: Callable[[], Value]) -> Value | None:
    try:
        return read()
    except NotRecorded:
        return None


def _named(grids: tuple[VoxelGrid, ...]) -> dict[str, VoxelGrid]:
    """Names for grids: ours where they have one."""
    known = {grid: name for name, grid in GRIDS.items()}
    return {known.get(grid, f"grid{number}"): grid for number, grid in enumerate(grids)}


def _check(clip: Clip) -> None:
    """Refuse, before anything is written, what would not come back equal."""
    source = clip.meta.source
    check_scene_name(clip.scene_id, file=source)
    if not len(clip):
        raise BadInput(
            "has no key frame, and no folder clip is without", file=source, field=clip.scene_id,
            remedy="save another scene",
        )  # fmt: skip
    attributes = clip.attributes
    remedy = "use text, finite numbers, true, false, null, lists, and objects with text as keys"
    try:
        json.dumps(attributes, ensure_ascii=False, allow_nan=False).encode()
        sound = json.loads(json.dumps(attributes, allow_nan=False)) == attributes
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            f"are no JSON values: {error}", file=source, field="attributes", remedy=remedy
        ) from error
    if not sound or any(isinstance(value, tuple) for value in _inside(attributes)):
        raise BadInput(
            "would not come back equal from JSON", file=source, field="attributes", remedy=remedy
        )
    for field in ("licence", "source"):
        check_text(getattr(clip.meta, field), None, field)
    for name in (*clip.rig.camera_names, *clip.rig.lidar_names):
        if name in RESERVED or name.startswith("occupancy/"):
            raise BadInput(
                "a column of keys.csv is called so already", field=name,
                remedy="give the sensor another name",
            )  # fmt: skip


def _inside(value: Any) -> Iterator[Any]:
    """A value and all that it holds."""
    yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _inside(part)

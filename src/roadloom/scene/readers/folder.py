"""Roadloom's own clips: ``folder:DIR``, one clip or a folder of them.

    clip.json, rig.yaml, keys.csv -> opened -> meta
    ego.csv, CAMERA.csv, LIDAR.csv, boxes, images, sweeps, map, occupancy -> read when asked

``docs/folder_format.md`` describes the files; ``clip.save(DIR)`` writes them.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.image import read_image
from roadloom.io.read import exists, is_dir, read_bytes, read_text
from roadloom.io.table import Column, read_table
from roadloom.scene.boxes import Boxes
from roadloom.scene.folder_arrays import read_extra_image, read_occupancy, read_sweep
from roadloom.scene.folder_file import (
    CLIP_FILE,
    EGO_FILE,
    KEYS_FILE,
    RIG_FILE,
    check_command_times,
    grids_in,
    pose_in,
    read_clip_file,
)
from roadloom.scene.folder_map import read_road_map
from roadloom.scene.folder_tables import (
    check_files,
    pose_columns,
    pose_of,
    read_boxes,
    read_times,
)
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import (
    EXTRA_IMAGES,
    HOW_TO_LABEL,
    ClipMeta,
    Records,
    RecordsKeeper,
    SourceReader,
)
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.rig_yaml import rig_from_yaml

REACH_NS = 100_000_000
"""A record farther than this from its key frame does not belong to it."""
OCCUPANCY = "occupancy/"
"""Columns of keys.csv that begin so name files of occupancy; the rest is the grid."""


class FolderSource(SourceReader):
    """A clip, or a folder of clips; their scene ids must differ."""

    def __init__(self, place: str) -> None:
        self.place = Path(place)
        if not is_dir(self.place):
            raise MissingInput(
                "no such folder", file=self.place, remedy="name a folder that clip.save wrote"
            )
        self._folders: dict[str, Path] = {}
        for folder in self._find():
            scene = read_clip_file(folder).scene_id
            if scene in self._folders:
                raise BadInput(
                    f"{scene!r} is that of {self._folders[scene].name} too",
                    file=folder / CLIP_FILE, field="scene_id", remedy="give each clip its own",
                )  # fmt: skip
            self._folders[scene] = folder

    def _find(self) -> list[Path]:
        if exists(self.place / CLIP_FILE):
            return [self.place]
        # A name with a dot in front is a clip that is being written.
        inside = [p for p in sorted(self.place.iterdir()) if not p.name.startswith(".")]
        found = [p for p in inside if exists(p / CLIP_FILE)]
        if not found:
            raise MissingInput(
                f"neither it nor a folder in it holds a {CLIP_FILE}", file=self.place / CLIP_FILE,
                remedy="name a folder that clip.save wrote, or see docs/folder_format.md",
            )  # fmt: skip
        return found

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(self._folders)

    def folder(self, scene: str) -> Path:
        if scene not in self._folders:
            raise MissingInput(
                f"no scene {scene!r}", file=self.place, field="SCENE",
                remedy=f"use one of {', '.join(self.scenes[:6])}",
            )  # fmt: skip
        return self._folders[scene]

    def open_scene(self, scene: str) -> "FolderClip":
        return FolderClip(self.folder(scene))

    def problems(self, scene: str | None, *, partial: bool) -> Iterator[BadInput]:
        from roadloom.scene.folder_check import clip_problems

        for name in self.scenes if scene is None else (scene,):
            yield from clip_problems(self.folder(name), absent_is_fine=partial)

    def absent_files(self, scene: str | None) -> Iterator[str]:
        from roadloom.scene.folder_check import absent_sensor_files

        for name in self.scenes if scene is None else (scene,):
            for path in absent_sensor_files(self.folder(name)):
                yield path.relative_to(self.place).as_posix()


class FolderClip(RecordsKeeper):
    """One clip. A copy in another process holds what was opened, not what was read since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = read_clip_file(folder)
        path = folder / CLIP_FILE
        rig = rig_from_yaml(read_text(folder / RIG_FILE), folder / RIG_FILE)
        if about.lidar is not None and about.lidar not in rig.lidar_names:
            raise BadInput(
                f"{about.lidar!r} is no LiDAR of {RIG_FILE}", file=path, field="lidar",
                remedy=f"use one of {', '.join(rig.lidar_names) or 'none: write null'}",
            )  # fmt: skip
        table = folder / "lidars" / f"{about.lidar}.csv"
        if about.lidar is not None and not exists(table):
            raise MissingInput(
                f"no such file, but {CLIP_FILE} names {about.lidar!r}", file=table, field="lidar",
                remedy=f"restore it, or write null as lidar in {CLIP_FILE}",
            )  # fmt: skip
        self.grids = grids_in(about.grids, path)
        self._map, self._commands = about.map, about.commands
        self._sensors = (*rig.camera_names, *rig.lidar_names)
        self.keys = self._read_keys()
        key_times = read_times(self.keys, folder / KEYS_FILE)
        check_command_times(about.commands or [], key_times, path)
        self.meta = ClipMeta(
            scene_id=about.scene_id,
            source=f"folder:{folder}" if about.source is None else about.source,
            licence=about.licence,
            rig=rig,
            key_times_ns=key_times,
            lidar=about.lidar,
            our_from_vehicle=pose_in(about.our_from_vehicle, path),
            attributes=about.attributes,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_ego", "_tables", "_records")}

    def _read_keys(self) -> dict[str, np.ndarray]:
        """Columns of keys.csv that are there."""
        path = self.folder / KEYS_FILE

        def columns(names: list[str]) -> dict[str, Column]:
            files = ["boxes", *(f"{OCCUPANCY}{grid}" for grid in self.grids)]
            known = {
                "time_ns": Column("integer"),
                **{name: Column("text", optional=True, blank="") for name in files},
                **{name: Column("integer", optional=True, blank=-1) for name in self._sensors},
            }
            return {k: c for k, c in known.items() if k in names or not c.optional} | {
                k: known[k] for k in files
            }

        keys = read_table(path, columns)
        for name in keys.keys() - {"time_ns", *self._sensors}:
            check_files(keys[name].tolist(), path, name)
        if not len(keys["time_ns"]):
            raise BadInput(
                "holds no key frame", file=path, field="time_ns",
                remedy="write at least one row: the moment of a sweep or an image",
            )  # fmt: skip
        return keys

    def ego(self) -> PoseTrack:
        return self._ego

    @cached_property
    def _ego(self) -> PoseTrack:
        path = self.folder / EGO_FILE
        found = read_table(
            path,
            lambda names: {"time_ns": Column("integer"), **pose_columns(names, optional=False)},
        )
        times, pose = read_times(found, path), pose_of(found, path)
        if pose is None or not len(times):
            raise BadInput(
                "holds no row", file=path, field="time_ns", remedy="write the vehicle's path"
            )
        keys = self.meta.key_times_ns
        if len(keys) and (keys[0] < times[0] or keys[-1] > times[-1]):
            raise BadInput(
                f"the path from {times[0]} to {times[-1]} does not reach all key frames",
                file=path, field="time_ns", remedy="the path must begin and end with the clip",
            )  # fmt: skip
        return PoseTrack(time_ns=times, world_from_ego=pose)

    def table_path(self, sensor: str) -> Path:
        kind = "cameras" if sensor in self.meta.rig.camera_names else "lidars"
        return self.folder / kind / f"{sensor}.csv"

    def table(self, sensor: str) -> Mapping[str, np.ndarray]:
        """Times, files and poses of a sensor's records.

        Raises:
            NotRecorded: neither this table nor a column of keys.csv is there.
        """
        if sensor not in self._sensors:
            raise MissingInput(f"the rig has no sensor {sensor!r}", field=sensor)
        if sensor not in self._tables:
            self._tables[sensor] = self._read_table(sensor)
        return self._tables[sensor]

    @cached_property
    def _tables(self) -> dict[str, dict[str, np.ndarray]]:
        return {}

    def _read_table(self, sensor: str) -> dict[str, np.ndarray]:
        path = self.table_path(sensor)
        if sensor not in self.keys and not exists(path):
            raise NotRecorded("this clip has no records of it", field=sensor)
        files = ["file", *(EXTRA_IMAGES if sensor in self.meta.rig.camera_names else ())]

        def columns(names: list[str]) -> dict[str, Column]:
            return {
                "time_ns": Column("integer"),
                **{name: Column("text", optional=True, blank="") for name in files},
                **pose_columns(names, optional=True),
            }

        found = read_table(path, columns)
        read_times(found, path)
        for name in files:
            check_files(found[name].tolist(), path, name)
        return found

    def _find_records(self, sensor: str) -> Records:
        found, path = self.table(sensor), self.table_path(sensor)
        times, pose = found["time_ns"], pose_of(found, path)
        if pose is None:
            pose = self._pose_at(times, path)
        return Records(time_ns=times, world_from_ego=pose, key=self._keys_of(sensor, times))

    def _pose_at(self, times: np.ndarray, path: Path) -> Pose:
        try:
            return self._ego.at(times)
        except BadInput as error:
            if error.file is not None:  # the path itself is damaged
                raise
            raise BadInput(
                error.message, file=path, field="time_ns",
                remedy=f"give {path.name} poses of its own, or a longer {EGO_FILE}",
            ) from error  # fmt: skip

    def _keys_of(self, sensor: str, times: np.ndarray) -> Int64[np.ndarray, " key"]:
        """The record of each key frame; without a column in keys.csv the nearest in time."""
        wanted, path = self.meta.key_times_ns, self.folder / KEYS_FILE
        reach = 0 if sensor == self.meta.lidar else REACH_NS
        if sensor not in self.keys:
            return _nearest(times, wanted, reach)
        key = self.keys[sensor]
        wrong = (key < -1) | (key >= len(times))
        if wrong.any():
            raise BadInput(
                f"row {int(np.argmax(wrong)) + 1}: record {key[wrong][0]} of {len(times)}",
                file=path, field=sensor, remedy="count records from 0",
            )  # fmt: skip
        has = np.flatnonzero(key >= 0)
        far = np.abs(times[key[has]] - wanted[has]) > reach
        if far.any():
            row = int(has[np.argmax(far)])
            raise BadInput(
                f"row {row + 1}: record {key[row]} is of {times[key[row]]} ns, the key frame of "
                f"{wanted[row]}", file=path, field=sensor,
                remedy="key frames have the times of the main LiDAR; others lie within 0.1 s",
            )  # fmt: skip
        return key

    def file(self, sensor: str, index: int, column: str = "file") -> Path:
        """The file of one record.

        Raises:
            NotRecorded: the table leaves it out.
        """
        name = str(self.table(sensor)[column][index])
        if not name:
            what = f"record {index} has no {'file' if column == 'file' else f'{column} image'}"
            raise NotRecorded(what, file=self.table_path(sensor), field=f"{sensor} {column}")
        return self.folder / name

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        return read_image(self.file(camera, index), size=self._size(camera))

    def image_bytes(self, camera: str, index: int) -> tuple[bytes, str]:
        path = self.file(camera, index)
        return read_bytes(path), path.suffix

    def commands(self) -> tuple[tuple[int, str], ...]:
        if self._commands is None:
            return super().commands()
        return tuple(self._commands)

    def extra_image(self, kind: str, camera: str, index: int) -> np.ndarray:
        mounted = self.meta.rig.camera(camera)
        return read_extra_image(self.file(camera, index, kind), kind, mounted.camera)

    def _size(self, camera: str) -> tuple[int, int]:
        lens = self.meta.rig.camera(camera).camera
        return lens.width, lens.height

    def sweep(self, lidar: str, index: int) -> Sweep:
        mount, records = self.meta.rig.lidar(lidar), self.records(lidar)
        return read_sweep(
            self.file(lidar, index),
            int(records.time_ns[index]),
            records.world_from_ego[index],
            LidarOrigin(name=lidar, ego_from_lidar=mount.ego_from_lidar),
        )

    def boxes(self, key: int) -> Boxes:
        return read_boxes(self._key_file("boxes", key), int(self.meta.key_times_ns[key]))

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return tuple(self.grids.values())

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        if solid:
            raise NotRecorded("this clip holds surfaces, not interiors", field="occupancy")
        for name, held in self.grids.items():
            if held == grid:
                return read_occupancy(self._key_file(f"{OCCUPANCY}{name}", key), grid)
        raise NotRecorded(
            f"this clip has no occupancy on {grid}", field="occupancy", remedy=HOW_TO_LABEL
        )

    def _key_file(self, column: str, key: int) -> Path:
        name = str(self.keys[column][key])
        if not name:
            raise NotRecorded(
                f"key frame {key} has none", file=self.folder / KEYS_FILE, field=column
            )
        return self.folder / name

    def road_map(self) -> RoadMap:
        if self._map is None:
            raise NotRecorded("this clip has no map", file=self.folder / CLIP_FILE, field="map")
        return read_road_map(self.folder / self._map)


def _nearest(times: np.ndarray, wanted: np.ndarray, reach_ns: int) -> np.ndarray:
    """Index of the time nearest to each wanted one, the earlier of two; -1 out of reach."""
    if not len(times):
        return np.full(len(wanted), -1, np.int64)
    after = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    before = np.maximum(after - 1, 0)
    closer = np.where(wanted - times[before] <= np.abs(times[after] - wanted), before, after)
    return np.where(np.abs(times[closer] - wanted) <= reach_ns, closer, -1)

"""Argoverse 2 sensor logs, read straight from the files of the data set.

    LOG or SPLIT folder -> Av2Source -> Av2Clip -> rig, key frames, sweeps, images, boxes, map

Decisions:

- **Vehicle frame.** AV2's origin lies over the rear axle, 0.32 m above the ground (measured on
  156 poses of one log against its ground raster, standard deviation 0.03 m). Ours lies on the
  ground, so all moves up by ``av2_calibration.ORIGIN_HEIGHT_M``: mounts, points, boxes, poses.
- **World** is the city frame.
- **Key frames** are the annotated sweeps, whether or not their files are there; a log without
  annotations, as in the test split, has its sweep files for key frames.
- **LiDARs.** One file holds the points of both units. It is the stream ``lidar``, placed where
  the upper unit sits; each point's ``origin_id`` names the unit it came from. Both units stand
  in the rig as ``up_lidar`` and ``down_lidar`` with their exact mounts and without records of
  their own.
- **Sweeps** are in the ego frame of their stamp, motion removed by the data set; a point's time
  is the stamp plus ``offset_ns``. ``ring`` is the laser number as stored: 0 to 31 the upper
  unit, 32 to 63 the lower one, not sorted by elevation. Only shots that hit are stored.
- **Images** belong to the key frame nearest in time if at most 51 ms away: half a turn of the
  LiDAR and a little, as in the data set's own tools.
- **Velocities** are not annotated: see ``av2_boxes``.

Source: Wilson et al., "Argoverse 2", NeurIPS 2021 Datasets and Benchmarks.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.io.image import read_image
from roadloom.io.read import RESTORE, exists, is_dir, read_bytes
from roadloom.scene.boxes import Boxes
from roadloom.scene.reader import ClipMeta, Records, RecordsKeeper, SourceReader, check_scene_name
from roadloom.scene.readers import av2_tables as tables
from roadloom.scene.readers.av2_boxes import Annotations, read_annotations
from roadloom.scene.readers.av2_calibration import LIDAR, OUR_FROM_VEHICLE, read_poses, read_rig
from roadloom.scene.readers.av2_check import absent, log_problems
from roadloom.scene.readers.av2_map import archive_of, city_of, read_map
from roadloom.scene.readers.av2_tables import LogFiles
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import LidarOrigin, Sweep

LICENCE = "CC BY-NC-SA 4.0, Argoverse 2 terms of use"
IMAGE_REACH_NS = 51_000_000


class Av2Source(SourceReader):
    """A log folder, or a folder of logs such as ``sensor/val``; scenes are log ids."""

    def __init__(self, place: str) -> None:
        self.place, self.folder = place, Path(place)
        if not is_dir(self.folder):
            raise tables.missing_folder(self.folder)
        self._logs = self._find_logs()

    def _find_logs(self) -> dict[str, Path]:
        if LogFiles(self.folder).is_log():
            return {_scene_of(self.folder): self.folder}
        logs = {_scene_of(f): f for f in sorted(self.folder.iterdir()) if LogFiles(f).is_log()}
        if not logs:
            raise MissingInput(
                "holds no Argoverse 2 sensor log",
                file=self.folder, remedy="name the folder of a log, or of a split full of logs",
            )  # fmt: skip
        return logs

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(self._logs)

    def open_scene(self, scene: str) -> "Av2Clip":
        return Av2Clip(self._files(scene), scene=scene, source=f"av2:{self.place}")

    def problems(self, scene: str | None, *, partial: bool) -> Iterator[BadInput]:
        for name in self.scenes if scene is None else (scene,):
            yield from log_problems(self._files(name), partial=partial)

    def absent_files(self, scene: str | None) -> Iterator[str]:
        for name in self.scenes if scene is None else (scene,):
            for problem in absent(self._files(name)):
                yield Path(str(problem.file)).relative_to(self.folder).as_posix()

    def _files(self, scene: str) -> LogFiles:
        if scene not in self._logs:
            raise MissingInput(f"no log {scene!r}", file=self.folder, field="SCENE")
        return LogFiles(self._logs[scene])


def _scene_of(log: Path) -> str:
    return check_scene_name(log.resolve().name, file=log)


class Av2Clip(RecordsKeeper):
    """One log."""

    def __init__(self, files: LogFiles, *, scene: str, source: str) -> None:
        self.files = files
        archive = archive_of(files.map)
        self.meta = ClipMeta(
            scene_id=scene,
            source=source,
            licence=LICENCE,
            rig=read_rig(files),
            key_times_ns=_key_times(files),
            lidar=LIDAR,
            our_from_vehicle=OUR_FROM_VEHICLE,
            attributes={
                "data_set": "Argoverse 2 sensor",
                "city": "" if archive is None else city_of(archive),
            },
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "meta": self.meta}  # tables are read again where needed

    def ego(self) -> PoseTrack:
        return self._ego

    @cached_property
    def _ego(self) -> PoseTrack:
        time_ns, city_from_vehicle = read_poses(self.files)
        world_from_ego = city_from_vehicle @ OUR_FROM_VEHICLE.inverse()
        return PoseTrack(time_ns=time_ns, world_from_ego=world_from_ego)

    def _find_records(self, sensor: str) -> Records:
        keys = self.meta.key_times_ns
        if sensor == LIDAR:
            times, reach_ns = self.files.sweep_times(), 0
        elif sensor in self.meta.rig.lidar_names:
            times, reach_ns = np.zeros(0, np.int64), 0
        else:
            times = self.files.image_times(self.meta.rig.camera(sensor).name)
            reach_ns = IMAGE_REACH_NS
        return Records(
            time_ns=times,
            world_from_ego=self._ego_at(times, sensor),
            key=nearest(times, keys, reach_ns),
        )

    def _ego_at(self, times: np.ndarray, sensor: str) -> Pose:
        if not len(times):
            return Pose(np.zeros((0, 3, 3)), np.zeros((0, 3)))
        try:
            return self._ego.at(times)
        except BadInput as error:
            raise BadInput(
                f"{sensor} has records at times without a pose: {error.message}",
                file=self.files.poses, field="timestamp_ns",
                remedy=RESTORE,
            ) from error  # fmt: skip

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        lens = self.meta.rig.camera(camera).camera
        return read_image(self._image_file(camera, index), size=(lens.width, lens.height))

    def image_bytes(self, camera: str, index: int) -> tuple[bytes, str]:
        file = self._image_file(camera, index)
        return read_bytes(file), file.suffix

    def _image_file(self, camera: str, index: int) -> Path:
        return self.files.image(camera, int(self.records(camera).time_ns[index]))

    def sweep(self, lidar: str, index: int) -> Sweep:
        if lidar != LIDAR:
            raise NotRecorded(f"its points are in the stream {LIDAR!r}", field=lidar)
        time_ns = int(self.records(lidar).time_ns[index])
        columns = tables.read_table(self.files.sweep(time_ns), tables.SWEEP)
        points = np.stack([columns[axis] for axis in "xyz"], axis=1).astype(np.float32)
        points += OUR_FROM_VEHICLE.translation.astype(np.float32)
        laser = columns["laser_number"].astype(np.int16)
        return Sweep(
            points=points,
            time_ns=time_ns,
            world_from_ego=self.records(lidar).world_from_ego[index],
            motion_compensated=True,
            point_time_ns=time_ns + columns["offset_ns"].astype(np.int64),
            ring=laser,
            intensity=columns["intensity"].astype(np.float32) / 255,
            origin_id=(laser >= tables.LASERS // 2).astype(np.uint8),
            origins=tuple(
                LidarOrigin(name=name, ego_from_lidar=self.meta.rig.lidar(name).ego_from_lidar)
                for name in tables.UNITS
            ),
            returned=np.ones(len(points), bool),
        )

    def boxes(self, key: int) -> Boxes:
        if not exists(self.files.annotations):
            raise NotRecorded("this log has no annotations", field="boxes")
        time_ns = int(self.meta.key_times_ns[key])
        annotations = self._annotations
        rows = slice(*np.searchsorted(annotations.time_ns, [time_ns, time_ns + 1]))
        return annotations.boxes(rows, time_ns)

    @cached_property
    def _annotations(self) -> Annotations:
        return read_annotations(self.files, self._ego)

    def road_map(self) -> RoadMap:
        return read_map(self.files.map)


def _key_times(files: LogFiles) -> np.ndarray:
    if not exists(files.annotations):
        return files.sweep_times()
    columns = tables.read_table(files.annotations, {"timestamp_ns": tables.TIME})
    return np.unique(columns["timestamp_ns"].astype(np.int64))


def nearest(times: np.ndarray, wanted: np.ndarray, reach_ns: int) -> Int64[np.ndarray, " wanted"]:
    """Index of the time nearest to each wanted one (the earlier of two); -1 if out of reach."""
    if not len(times):
        return np.full(len(wanted), -1, np.int64)
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    closer = np.where(abs(times[before] - wanted) <= abs(times[after] - wanted), before, after)
    return np.where(abs(times[closer] - wanted) <= reach_ns, closer, -1)

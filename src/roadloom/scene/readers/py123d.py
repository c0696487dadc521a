"""Logs of the 123D format, opened by the package ``py123d`` and answered in our types.

    ROOT[@DATASET] -> log folders (sync.arrow) -> Py123dClip -> rig, key frames, sweeps, boxes, map

Decisions:

- **Vehicle frame.** 123D puts mounts, points and poses into the frame of the IMU, and says where
  the rear axle and the middle of the vehicle are in it. Ours has the axes of the rear axle frame
  and lies below it by half of the vehicle's height under its middle: on the ground, as far as the
  stated size is right (``py123d_rig.our_from_imu``).
- **World** is the log's global frame.
- **Times** are whole microseconds in the format.
- **Key frames** are the rows of ``sync.arrow``, at their main LiDAR's time where they have one.
- **Records** are those that the format lists between the first and the last of these rows.
- **Poses** of records are interpolated in the log's path at their own times.
- **Points** stand for one moment, the sweep's stamp: the format does not say whether the
  vehicle's motion was taken out.

Source: py123d 0.7 (Apache-2.0) and the conventions in its documentation.
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
from roadloom.io.read import RESTORE, exists, is_dir
from roadloom.scene.boxes import Boxes
from roadloom.scene.reader import ClipMeta, Records, RecordsKeeper, SourceReader, check_scene_name
from roadloom.scene.readers.py123d_boxes import boxes_of
from roadloom.scene.readers.py123d_log import SYNC, Log, reading
from roadloom.scene.readers.py123d_map import read_map
from roadloom.scene.readers.py123d_rig import camera_ids, our_from_imu, pose_of, read_rig
from roadloom.scene.readers.py123d_sweep import sweep_of
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import Sweep

REACH_NS = 100_000_000
"""Records may lie outside the path by this much; its ends are then carried on."""
LICENCES = {
    "nuscenes": "CC BY-NC-SA 4.0, nuScenes terms of use",
    "nuplan": "CC BY-NC-SA 4.0, nuPlan terms of use",
    "av2-sensor": "CC BY-NC-SA 4.0, Argoverse 2 terms of use",
    "wod-perception": "Waymo Dataset License Agreement for Non-Commercial Use",
    "wod-motion": "Waymo Dataset License Agreement for Non-Commercial Use",
    "kitti360": "CC BY-NC-SA 3.0, KITTI-360",
    "pandaset": "PandaSet terms of use",
    "physical-ai-av": "NVIDIA Autonomous Vehicle Dataset License Agreement",
}


class Py123dSource(SourceReader):
    """A 123D data root, its ``logs``, one split, or one log; ``ROOT@DATASET`` takes the logs of
    one data set. Scenes are names of logs."""

    def __init__(self, place: str) -> None:
        self.place = place
        root, at, dataset = place.rpartition("@")
        named = at and not is_dir(place)
        self.folder, self.dataset = Path(root if named else place), dataset if named else None
        if not is_dir(self.folder):
            raise MissingInput(
                "no such folder", file=self.folder,
                remedy="name a folder that py123d's conversion wrote",
            )  # fmt: skip
        self._logs: dict[str, Path] = {}
        for folder in self._find():
            scene = check_scene_name(folder.resolve().name, file=folder)
            if scene in self._logs:
                raise BadInput(
                    f"{scene!r} is in {self._logs[scene].parent.name} and in {folder.parent.name}",
                    file=self.folder, field="SCENE", remedy="name the folder of one split",
                )  # fmt: skip
            self._logs[scene] = folder

    def _find(self) -> list[Path]:
        logs = self.folder / "logs"
        found = sorted(_log_folders(logs if is_dir(logs) else self.folder))
        if self.dataset is not None:
            found = [f for f in found if Log(f).about.dataset == self.dataset]
        if not found:
            of = f" of {self.dataset}" if self.dataset else ""
            raise MissingInput(
                f"holds no log{of}: no folder with a {SYNC}", file=self.folder,
                remedy="name a folder that py123d's conversion wrote",
            )  # fmt: skip
        return found

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(self._logs)

    def open_scene(self, scene: str) -> "Py123dClip":
        if scene not in self._logs:
            raise MissingInput(f"no log {scene!r}", file=self.folder, field="SCENE")
        return Py123dClip(self._logs[scene], source=f"py123d:{self.place}")


def _log_folders(folder: Path) -> Iterator[Path]:
    """Folders with a sync table; a log holds no others."""
    if exists(folder / SYNC):
        yield folder
        return
    for inner in folder.iterdir():
        if is_dir(inner) and not inner.is_symlink() and not inner.name.startswith("."):
            yield from _log_folders(inner)


class Py123dClip(RecordsKeeper):
    """One log."""

    def __init__(self, folder: Path, *, source: str) -> None:
        self.log, self.source = Log(folder), source
        self._our_from_imu = our_from_imu(self.log)
        rig, left_out = read_rig(self.log, self._our_from_imu)
        lidar = next(iter(rig.lidar_names), None)
        about = self.log.about
        self.meta = ClipMeta(
            scene_id=check_scene_name(folder.resolve().name, file=folder),
            source=source,
            licence=LICENCES.get(about.dataset, f"that of the data set {about.dataset}"),
            rig=rig,
            key_times_ns=self._key_times(lidar),
            lidar=lidar,
            our_from_vehicle=self._our_from_imu,
            attributes={
                "data_set": about.dataset,
                "split": about.split,
                "location": about.location or "",
                "cameras_left_out": left_out,
            },
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.log.folder, self.source)

    def _key_times(self, lidar: str | None) -> Int64[np.ndarray, " key"]:
        times = self.log.sync_times()
        if lidar is not None:
            own = self.log.synced_times("lidar", lidar)
            times = np.where(own >= 0, own, times)
        if (np.diff(times) <= 0).any():
            raise BadInput(
                "its rows do not rise in the main LiDAR's time", file=self.log.folder / SYNC,
                field="timestamp_us", remedy="convert the log again, with that LiDAR as reference",
            )  # fmt: skip
        return times

    def ego(self) -> PoseTrack:
        return self._ego

    @cached_property
    def _ego(self) -> PoseTrack:
        states = self.log.all_of("ego_state_se3")
        file = self.log.file("ego_state_se3")
        times = np.array([s.timestamp.time_us for s in states], np.int64) * 1000
        if not len(states) or (np.diff(times) <= 0).any():
            raise BadInput(
                "must have poses, at times that rise", file=file, field="timestamp_us",
                remedy=RESTORE,
            )  # fmt: skip
        with reading(file, "imu_se3"):
            world_from_imu = Pose.stack([pose_of(s.imu_se3) for s in states])
        if not np.isfinite(world_from_imu.translation).all():
            raise BadInput("has a pose that is not finite", file=file, field="imu_se3")
        return PoseTrack(
            time_ns=times, world_from_ego=world_from_imu @ self._our_from_imu.inverse()
        )

    def _find_records(self, sensor: str) -> Records:
        rig = self.meta.rig
        kind = "lidar" if sensor in rig.lidar_names else "camera"
        if kind == "camera":
            rig.camera(sensor)  # refuses a sensor that is none
        times = self.log.times(kind, sensor)
        if (np.diff(times) <= 0).any():
            raise BadInput(
                "times must rise", file=self.log.file(f"{kind}.{sensor}"), field="timestamp_us",
                remedy=RESTORE,
            )  # fmt: skip
        synced = self.log.synced_times(kind, sensor)
        key = np.searchsorted(times, synced)
        key = np.where(np.isin(synced, times), key, -1)
        try:
            poses = self._ego.at(times, REACH_NS) if len(times) else _no_poses()
        except BadInput as error:
            raise BadInput(
                f"{sensor} has records at times without a pose: {error.message}",
                file=self.log.file("ego_state_se3"), field="timestamp_us", remedy=RESTORE,
            ) from error  # fmt: skip
        return Records(time_ns=times, world_from_ego=poses, key=key)

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        lens = self.meta.rig.camera(camera).camera
        time_ns = int(self.records(camera).time_ns[index])
        file = self.log.file(f"camera.{camera}")
        taken = self.log.one_of("camera", camera_ids()[camera], time_ns)
        if taken is None or taken.image is None:
            raise NotRecorded(f"the log has no image at {time_ns} ns", field=camera)
        pixels: np.ndarray = np.asarray(taken.image)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        if pixels.shape != (lens.height, lens.width, 3) or pixels.dtype != np.uint8:
            raise BadInput(
                f"the image at {time_ns} ns is {pixels.dtype} {pixels.shape}, the calibration says "
                f"{lens.width}x{lens.height}",
                file=file, field="data", remedy=RESTORE,
            )  # fmt: skip
        return pixels

    def sweep(self, lidar: str, index: int) -> Sweep:
        records = self.records(lidar)
        return sweep_of(
            self.log, lidar, int(records.time_ns[index]), records.world_from_ego[index],
            self._our_from_imu, self.meta.rig,
        )  # fmt: skip

    def boxes(self, key: int) -> Boxes:
        found = self.log.synced("box_detections_se3", key)
        if found is None:
            raise NotRecorded("this key frame has no boxes", field="boxes")
        time_ns = int(self.meta.key_times_ns[key])
        world_from_ego = self._world_from_ego(key)
        return boxes_of(found, time_ns, world_from_ego, self.log.file("box_detections_se3"))

    def _world_from_ego(self, key: int) -> Pose:
        if self.meta.lidar is not None:
            records = self.records(self.meta.lidar)
            if records.key[key] >= 0:
                return records.world_from_ego[int(records.key[key])]
        return self._ego.at(self.meta.key_times_ns[key : key + 1], REACH_NS)[0]

    def road_map(self) -> RoadMap:
        return read_map(self.log)


def _opened(folder: Path, source: str) -> Py123dClip:
    return Py123dClip(folder, source=source)


def _no_poses() -> Pose:
    return Pose(np.zeros((0, 3, 3)), np.zeros((0, 3)))

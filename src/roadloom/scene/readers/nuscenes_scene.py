"""One scene in the index: which rows are whose, when the key frames are, and the exact rig.

Index + scene -> SceneRows (rows per sensor, key frames, poses) -> Rig
"""

import numpy as np
from jaxtyping import Int64

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.io.read import RESTORE
from roadloom.scene.reader import Records
from roadloom.scene.readers.nuscenes_index import Index
from roadloom.scene.readers.nuscenes_lidar import TURN_NS
from roadloom.sensors.camera import PinholeCamera
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig

MAIN_LIDAR = "LIDAR_TOP"
NS_PER_US = 1000
REACH_NS = 100_000_000
"""A path is continued this far beyond its first and last record, to key frames without LiDAR."""
_SOURCE = "calibrated_sensor.json"


class SceneRows:
    """Row numbers of one scene. Picklable."""

    def __init__(self, index: Index, scene: int) -> None:
        self.index, self.scene = index, scene
        self.name = index.texts("scene.name")[scene]
        self.first_sample, end = index["scene.samples"][scene : scene + 2].tolist()
        self.count = end - self.first_sample
        """Key frames."""
        if not self.count:
            place = index.place("scene", "scene", scene, "nbr_samples")
            raise BadInput(f"{self.name} has no sample", **place, remedy=RESTORE)
        channels = index.texts("sensor.channel")
        first = scene * len(channels)
        start = index["record.start"][first : first + len(channels) + 1].tolist()
        spans = {c: slice(*start[i : i + 2]) for i, c in enumerate(channels)}
        self.rows = {channel: s for channel, s in spans.items() if s.start < s.stop}
        """Rows of the records of each sensor that has any, radars too."""
        if not self.rows:
            place = index.place("scene", "scene", scene, "token")
            what = f"no record of sample_data.json belongs to {self.name}"
            raise BadInput(what, **place, remedy=RESTORE)
        kinds = dict(zip(channels, index.texts("sensor.modality"), strict=True))
        self.cameras, self.lidars = (
            [channel for channel in self.rows if kinds[channel] == kind]
            for kind in ("camera", "lidar")
        )
        self.main_lidar = MAIN_LIDAR if MAIN_LIDAR in self.rows else next(iter(self.lidars), None)
        """The sensor whose records define the key frames."""

    @property
    def log(self) -> int:
        return int(self.index["scene.log_token"][self.scene])

    @property
    def location(self) -> str:
        """Which map the scene was driven on."""
        return self.index.texts("log.location")[self.log]

    def keys(self, sensor: str) -> Int64[np.ndarray, " key"]:
        """The record of each key frame, counted from the sensor's first; -1 where there is none.

        Raises:
            BadInput: a key frame has two.
        """
        rows = self.rows[sensor]
        marked = np.flatnonzero(self.index["record.is_key_frame"][rows])
        key = self.index["record.sample"][rows][marked] - self.first_sample
        keys = np.full(self.count, -1, np.int64)
        keys[key] = marked
        other = marked[keys[key] != marked]
        if len(other):
            place = self.index.place(
                "sample_data", "record", rows.start + int(other[0]), "is_key_frame"
            )
            what = f"a key frame of {self.name} has two records of {sensor}"
            raise BadInput(what, **place, remedy=RESTORE)
        return keys

    def key_times_ns(self) -> Int64[np.ndarray, " key"]:
        """Of the main LiDAR's records; of the samples where there is no LiDAR.

        Raises:
            BadInput: a key frame has no record of the LiDAR, or times do not rise.
        """
        first = self.first_sample
        times = np.array(self.index["sample.timestamp"][first : first + self.count])
        if self.main_lidar is not None:
            keys = self.keys(self.main_lidar)
            if (keys < 0).any():
                row = first + int(np.argmax(keys < 0))
                place = self.index.place("sample", "sample", row, "token")
                what = f"no key frame record of {self.main_lidar} belongs to it"
                raise BadInput(what, **place, remedy=RESTORE)
            times = self.index["record.timestamp"][self.rows[self.main_lidar]][keys]
        else:
            self._check_reach(times)
        if (np.diff(times) <= 0).any():
            row = first + 1 + int(np.argmax(np.diff(times) <= 0))
            place = self.index.place("sample", "sample", row, "timestamp")
            what = f"two key frames of {self.name} have the same time, or change places"
            raise BadInput(what, **place, remedy=RESTORE)
        return times * NS_PER_US

    def _check_reach(self, times_us: np.ndarray) -> None:
        stamps = self.index["record.timestamp"]
        first = min(int(stamps[rows.start]) for rows in self.rows.values())
        last = max(int(stamps[rows.stop - 1]) for rows in self.rows.values())
        away = np.maximum(first - times_us, times_us - last) * NS_PER_US
        if (away > REACH_NS).any():
            row = self.first_sample + int(np.argmax(away > REACH_NS))
            place = self.index.place("sample", "sample", row, "timestamp")
            what = (
                f"no record of {self.name} is within {REACH_NS / 1e9:g} s, so its pose is unknown"
            )
            raise BadInput(what, **place, remedy=RESTORE)

    def records(self, sensor: str) -> Records:
        rows = self.rows[sensor]
        return Records(
            time_ns=self.index["record.timestamp"][rows] * NS_PER_US,
            world_from_ego=self.poses(rows),
            key=self.keys(sensor),
        )

    def poses(self, rows: slice | np.ndarray) -> Pose:
        """world_from_ego of rows of the index's records."""
        return Pose.from_quaternion(
            np.array(self.index["record.rotation"][rows]),
            np.array(self.index["record.translation"][rows]),
        )

    def around(self, time_ns: int, within_ns: int) -> Int64[np.ndarray, " record"]:
        """Rows of the records of all sensors near a moment, in time order."""
        times = self.index["record.timestamp"]
        low, high = ((time_ns + delta) // NS_PER_US for delta in (-within_ns, within_ns))
        found = []
        for rows in self.rows.values():
            begin, end = np.searchsorted(times[rows], (low, high + 1)).tolist()
            found.append(np.arange(rows.start + begin, rows.start + end))
        near = np.concatenate(found)
        return near[np.argsort(times[near], kind="stable")]

    def path(self) -> tuple[Int64[np.ndarray, " time"], Pose]:
        """Times [ns] and poses of the records of all sensors, rising strictly."""
        rows = np.concatenate([np.arange(s.start, s.stop) for s in self.rows.values()])
        times, first = np.unique(self.index["record.timestamp"][rows], return_index=True)
        return times * NS_PER_US, self.poses(rows[first])


def scene_rig(scene: SceneRows) -> Rig:
    """The calibration of a scene's records, exactly as the tables give it.

    The tables do not say which beams a LiDAR has, so its ``lidar`` is None.

    Raises:
        BadInput: a sensor's calibration or image size changes within the scene.
    """
    index = scene.index
    cameras = []
    for name in scene.cameras:
        row = _calibration(scene, name)
        width, height = (_constant(scene, name, field) for field in ("width", "height"))
        fx, fy, cx, cy = index["calibrated_sensor.camera_intrinsic"][row].tolist()
        if np.isnan(fx):
            place = index.place("calibrated_sensor", "calibrated_sensor", row, "camera_intrinsic")
            raise BadInput(f"{name} is a camera and needs it", **place, remedy=RESTORE)
        cameras.append(
            MountedCamera(
                name=name,
                camera=PinholeCamera(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy),
                ego_from_camera=_mount(index, row),
                trigger_offset_ns=_trigger_offset(scene, name),
                source=_SOURCE,
            )
        )
    lidars = [
        MountedLidar(
            name=name,
            lidar=None,
            ego_from_lidar=_mount(index, _calibration(scene, name)),
            trigger_offset_ns=-TURN_NS,
            source=_SOURCE,
        )
        for name in scene.lidars
    ]
    vehicle = index.texts("log.vehicle")[scene.log]
    return Rig(
        name=f"nuScenes {vehicle}", cameras=tuple(cameras), lidars=tuple(lidars), source=_SOURCE
    )


def _calibration(scene: SceneRows, sensor: str) -> int:
    """The row of the one calibration that all records of a sensor share."""
    index, rows = scene.index, scene.rows[sensor]
    used = index["record.calibration"][rows]
    first = int(used[0])
    for other in np.unique(used).tolist():
        for field in ("translation", "rotation", "camera_intrinsic"):
            column = index[f"calibrated_sensor.{field}"]
            if not np.array_equal(column[first], column[other], equal_nan=True):
                row = rows.start + int(np.argmax(used == other))
                place = index.place("sample_data", "record", row, "calibrated_sensor_token")
                raise BadInput(
                    f"the {field} of {sensor} changes within {scene.name}", **place,
                    remedy="give each scene one calibration per sensor, or split the scene",
                )  # fmt: skip
    return first


def _constant(scene: SceneRows, camera: str, field: str) -> int:
    """Width or height of all images of a camera."""
    rows = scene.rows[camera]
    values = scene.index[f"record.{field}"][rows]
    wrong = (values != values[0]) | (values == 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        place = scene.index.place("sample_data", "record", rows.start + row, field)
        what = f"images of {camera} must have one size in {scene.name}, got {values[row]}"
        raise BadInput(what, **place, remedy=RESTORE)
    return int(values[0])


def _mount(index: Index, row: int) -> Pose:
    return Pose.from_quaternion(
        np.array(index["calibrated_sensor.rotation"][row]),
        np.array(index["calibrated_sensor.translation"][row]),
    )


def _trigger_offset(scene: SceneRows, camera: str) -> int:
    """Median time [ns] of the camera's key records after those of the main LiDAR."""
    if scene.main_lidar is None:
        return 0
    mine, lidar = scene.keys(camera), scene.keys(scene.main_lidar)
    both = (mine >= 0) & (lidar >= 0)
    if not both.any():
        return 0
    times = scene.index["record.timestamp"]
    after = times[scene.rows[camera]][mine[both]] - times[scene.rows[scene.main_lidar]][lidar[both]]
    return int(np.median(after) * NS_PER_US)

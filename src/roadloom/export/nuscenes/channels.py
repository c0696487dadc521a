"""Sensors of a clip as channels of nuScenes: names, calibrations, times, key frames.

trimmed clip -> Channel of each sensor that has records, and of the radars
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from roadloom.errors import BadInput, MissingInput
from roadloom.export.nuscenes.images import plain_camera
from roadloom.export.nuscenes.options import NuScenesOptions, check_channel
from roadloom.export.nuscenes.radar import MOUNTS, ego_from_radar
from roadloom.export.nuscenes.tokens import whole_us
from roadloom.geometry.pose import Pose
from roadloom.scene.clip import Clip
from roadloom.scene.readers.nuscenes_scene import MAIN_LIDAR
from roadloom.sensors.rig import MountedCamera, Rig


@dataclass(frozen=True, kw_only=True, eq=False)
class Channel:
    """One sensor and its records in time order."""

    name: str
    modality: str
    """``camera``, ``lidar`` or ``radar``."""
    sensor: str
    """Its name in the clip; "" for a radar."""
    ego_from_sensor: Pose
    intrinsic: list[list[float]]
    """3 x 3 of a camera, else empty."""
    width: int = 0
    height: int = 0
    times_us: Int64[np.ndarray, " record"]
    world_from_ego: Pose
    """Of each record, in the clip's world."""
    key: Int64[np.ndarray, " record"]
    """Key frame of each record; -1 for those between."""


def channels_of(clip: Clip, options: NuScenesOptions) -> list[Channel]:
    """Cameras, LiDARs and radars; sensors without records have none.

    Raises:
        BadInput: two sensors share a channel, or a name given for one fits none.
    """
    names = dict(options.channels)
    found = [_camera(clip, mount, names) for mount in clip.rig.cameras]
    for mount in clip.rig.lidars:
        main = MAIN_LIDAR if mount.name == clip.meta.lidar else legal(mount.name)
        name = names.get(mount.name, main)
        found.append(_lidar(clip, mount.name, name, mount.ego_from_lidar))
    found = [channel for channel in found if len(channel.times_us)]
    if options.radar:
        found += _radars(clip, {channel.name for channel in found})
    by_name: dict[str, str] = {}
    for channel in found:
        check_channel(channel.name, channel.sensor)
        if channel.name in by_name:
            raise BadInput(
                f"{by_name[channel.name]!r} and {channel.sensor!r} would both be {channel.name}",
                field="--channel", remedy="give one of them another: --channel NAME=CHANNEL",
            )  # fmt: skip
        by_name[channel.name] = channel.sensor
    return found


def check_sensors(clip: Clip, options: NuScenesOptions) -> None:
    """Refuse a channel for a sensor that the whole clip does not have.

    Raises:
        MissingInput: there is none of this name.
    """
    known = {*clip.rig.camera_names, *clip.rig.lidar_names}
    for sensor, _ in options.channels:
        if sensor not in known:
            raise MissingInput(
                f"no sensor {sensor!r} in {clip.scene_id}", field="--channel",
                remedy=f"use one of {', '.join(sorted(known))}",
            )  # fmt: skip


def camera_channels(rig: Rig, options: NuScenesOptions) -> tuple[str, ...]:
    """The channels that the cameras of a rig become; none where no images are written."""
    names = dict(options.channels)
    cameras = rig.camera_names if options.images else ()
    return tuple(names.get(name, legal(name)) for name in cameras)


def legal(name: str) -> str:
    """A sensor's name as a channel: capitals, digits and _."""
    return re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")


def key_times_us(clip: Clip) -> Int64[np.ndarray, " key"]:
    """Of the samples: the main LiDAR's key records, as its file names have them."""
    if clip.meta.lidar is None:
        return whole_us(clip.times_ns, "key frames")
    records = clip.reader.records(clip.meta.lidar)
    return whole_us(records.time_ns, clip.meta.lidar)[records.key]


def _camera(clip: Clip, mount: MountedCamera, names: dict[str, str]) -> Channel:
    plain = plain_camera(mount.camera)
    matrix = [[plain.fx, 0.0, plain.cx], [0.0, plain.fy, plain.cy], [0.0, 0.0, 1.0]]
    return Channel(
        name=names.get(mount.name, legal(mount.name)),
        modality="camera",
        sensor=mount.name,
        ego_from_sensor=mount.ego_from_camera,
        intrinsic=[[float(value) for value in row] for row in matrix],
        width=plain.width,
        height=plain.height,
        **_records(clip, mount.name),
    )


def _lidar(clip: Clip, sensor: str, name: str, ego_from_lidar: Pose) -> Channel:
    return Channel(
        name=name, modality="lidar", sensor=sensor, ego_from_sensor=ego_from_lidar, intrinsic=[],
        **_records(clip, sensor),
    )  # fmt: skip


def _records(clip: Clip, sensor: str) -> dict[str, Any]:
    records = clip.reader.records(sensor)
    return {
        "times_us": whole_us(records.time_ns, sensor),
        "world_from_ego": records.world_from_ego,
        "key": _key_of(records.time_ns, records.key, clip.times_ns),
    }


def _key_of(times: np.ndarray, record_of: np.ndarray, key_times: np.ndarray) -> np.ndarray:
    """Key frame of each record. One that several claim belongs to the nearest in time."""
    key = np.full(len(times), -1, np.int64)
    away = np.full(len(times), np.iinfo(np.int64).max)
    for number, record in enumerate(record_of.tolist()):
        if record >= 0 and abs(int(times[record] - key_times[number])) < away[record]:
            key[record], away[record] = number, abs(int(times[record] - key_times[number]))
    return key


def _radars(clip: Clip, taken: set[str]) -> list[Channel]:
    """A record at every key frame; a radar whose channel another sensor took is left out."""
    times = key_times_us(clip)
    poses = Pose.stack([frame.world_from_ego for frame in clip])
    return [
        Channel(
            name=name, modality="radar", sensor="", ego_from_sensor=ego_from_radar(name),
            intrinsic=[], times_us=times, world_from_ego=poses, key=np.arange(len(times)),
        )
        for name in MOUNTS if name not in taken
    ]  # fmt: skip

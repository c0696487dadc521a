"""The rows of one scene: log, scene, samples, and the records of every channel.

    channels + samples -> sensor, calibrated_sensor, ego_pose, sample_data rows, linked

A record between key frames belongs to the sample that comes next, the last ones to the last, as in
nuScenes, whose tools interpolate boxes from the sample before.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from jaxtyping import Int64

from roadloom.export.nuscenes.channels import Channel
from roadloom.export.nuscenes.tokens import token
from roadloom.scene.clip import Clip

Row = dict[str, Any]
MakeToken = Callable[..., str]
TOLD = ("weather", "time_of_day", "season")
"""Attributes of a clip that go into a scene's description; tools look there for rain and night."""


def log_row(make_token: MakeToken, clip: Clip, key_us: np.ndarray, city: str) -> Row:
    vehicle = str(clip.attributes.get("vehicle") or clip.rig.name or "roadloom")
    begin = datetime.fromtimestamp(int(key_us[0]) // 1_000_000, UTC)
    return {
        "token": make_token("log"),
        "logfile": f"{vehicle.replace(' ', '-')}-{begin:%Y-%m-%d-%H-%M-%S}+0000",
        "vehicle": vehicle,
        "date_captured": f"{begin:%Y-%m-%d}",
        "location": city,
    }


def scene_row(make_token: MakeToken, clip: Clip, name: str, samples: list[Row]) -> Row:
    told = [clip.attributes.get(key) for key in ("description", *TOLD)]
    return {
        "token": make_token("scene"),
        "log_token": make_token("log"),
        "nbr_samples": len(samples),
        "name": name,
        "description": ", ".join(text for text in told if isinstance(text, str) and text),
        "first_sample_token": samples[0]["token"],
        "last_sample_token": samples[-1]["token"],
    }


def sample_rows(make_token: MakeToken, key_us: Int64[np.ndarray, " key"]) -> list[Row]:
    rows = [
        {
            "token": make_token("sample", time),
            "timestamp": time,
            "scene_token": make_token("scene"),
            "prev": "",
            "next": "",
        }
        for time in key_us.tolist()
    ]
    return chained(rows)


def chained(rows: list[Row]) -> list[Row]:
    """The same rows, each with the tokens of its neighbours."""
    for before, after in zip(rows, rows[1:], strict=False):
        before["next"], after["prev"] = after["token"], before["token"]
    return rows


def sensor_row(channel: Channel) -> Row:
    """The same in every scene."""
    return {
        "token": token("sensor", channel.name),
        "channel": channel.name,
        "modality": channel.modality,
    }


def calibration_row(make_token: MakeToken, channel: Channel) -> Row:
    return {
        "token": make_token("calibrated_sensor", channel.name),
        "sensor_token": token("sensor", channel.name),
        "translation": channel.ego_from_sensor.translation.tolist(),
        "rotation": channel.ego_from_sensor.quaternion.tolist(),
        "camera_intrinsic": channel.intrinsic,
    }


def pose_rows(make_token: MakeToken, channel: Channel, shift: np.ndarray) -> list[Row]:
    """One pose per record, under the record's own token."""
    places = (channel.world_from_ego.translation + shift).tolist()
    turns = channel.world_from_ego.quaternion.tolist()
    return [
        {
            "token": make_token("sample_data", channel.name, time),
            "timestamp": time,
            "rotation": turn,
            "translation": place,
        }
        for time, turn, place in zip(channel.times_us.tolist(), turns, places, strict=True)
    ]


def record_rows(
    make_token: MakeToken, channel: Channel, samples: list[Row], files: list[str]
) -> list[Row]:
    """``sample_data`` of a channel; ``files`` names the file of each record."""
    times = np.array([sample["timestamp"] for sample in samples])
    following = np.minimum(np.searchsorted(times, channel.times_us), len(samples) - 1)
    owner = np.where(channel.key >= 0, channel.key, following)
    rows = []
    for i, time in enumerate(channel.times_us.tolist()):
        own = make_token("sample_data", channel.name, time)
        rows.append(
            {
                "token": own,
                "sample_token": samples[int(owner[i])]["token"],
                "ego_pose_token": own,
                "calibrated_sensor_token": make_token("calibrated_sensor", channel.name),
                "timestamp": time,
                "fileformat": "pcd" if channel.modality != "camera" else files[i][-3:],
                "is_key_frame": bool(channel.key[i] >= 0),
                "height": channel.height,
                "width": channel.width,
                "filename": files[i],
                "prev": "",
                "next": "",
            }
        )
    return chained(rows)

"""Occ3D's ``annotations.json``: which frames a scene has, in order, and where the sensors were.

    annotations.json -> Annotations -> one list of ``Occ3dFrame`` per scene

Published fields: ``train_split``, ``val_split`` and ``scene_infos``: scene -> token -> timestamp,
``ego_pose``, ``camera_sensor``, ``gt_path``, ``prev``, ``next``. Timestamps are microseconds, as
text or as a number; rotations are quaternions, scalar first. What our own export adds, so that
nothing is lost, is read where it is there: ``licence``, ``time_ns`` of frames and cameras, and
``name``, ``width`` and ``height`` of cameras.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.io.read import RESTORE, read_json
from roadloom.scene.reader import check_scene_name
from roadloom.scene.readers.json_fields import (
    END_OF_TIMES_US,
    MOST_PIXELS,
    Fields,
    sensor_name_problem,
    short,
)
from roadloom.sensors.pinhole import PinholeCamera

ANNOTATIONS = "annotations.json"
SPLITS = {"train_split": "train", "val_split": "val"}
NUSCENES_SIZE = (1600, 900)
"""Width and height of nuScenes' images, which the file does not tell."""
NS_PER_US = 1000
LARGEST_MOUNT_M = 100.0
FAR_NS = 1_000_000_000
"""No camera of a key frame fires so far from it; key frames are half a second apart."""


@dataclass(frozen=True, kw_only=True)
class Occ3dCamera:
    """One camera of one frame."""

    name: str
    image: str | None
    """Path of its image below the root; None where the file names none."""
    time_ns: int
    lens: PinholeCamera
    ego_from_camera: Pose
    world_from_ego: Pose


@dataclass(frozen=True, kw_only=True)
class Occ3dFrame:
    """One key frame."""

    token: str
    time_ns: int
    world_from_ego: Pose
    cameras: Mapping[str, Occ3dCamera]


class Annotations:
    """The whole file; scenes are looked at one by one.

    Raises:
        MissingInput: no such file.
        BadInput: it is damaged.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._table = Fields(file, "", read_json(file))
        infos = self._table.inner("scene_infos")
        self.scenes = tuple(
            check_scene_name(n, file=file, field="scene_infos") for n in infos.value
        )
        self.splits = {
            scene: split for name, split in SPLITS.items() for scene in self._names(name)
        }

    def _names(self, split: str) -> list[str]:
        names = self._table.items(split) if split in self._table.value else []
        for name in names:
            if not isinstance(name, str) or name not in self.scenes:
                raise self._table.bad(split, f"{short(name)} is no scene of scene_infos")
        return names

    @property
    def licence(self) -> str | None:
        return self._table.text("licence") if "licence" in self._table.value else None

    def frames(self, scene: str) -> list[Occ3dFrame]:
        """The frames of a scene, in time order.

        Raises:
            BadInput: a field is missing or damaged, or the times do not rise.
        """
        table = self._table.inner("scene_infos").inner(scene)
        frames = [_frame(table.inner(token), token) for token in table.value]
        if not frames:
            raise self._table.inner("scene_infos").bad(scene, "holds no frame")
        for before, after in zip(frames, frames[1:], strict=False):
            if after.time_ns <= before.time_ns:
                raise table.bad(after.token, "its time is not later than that of the frame before")
        _check_cameras(table, frames)
        return frames


def _check_cameras(table: Fields, frames: list[Occ3dFrame]) -> None:
    """Cameras fire around their frame, one record after the other."""
    last: dict[str, int] = {}
    for frame in frames:
        for name, camera in frame.cameras.items():
            what = f"the image of {name} "
            if abs(camera.time_ns - frame.time_ns) > FAR_NS:
                raise table.bad(frame.token, f"{what}is over {FAR_NS / 1e9:g} s from its frame")
            if camera.time_ns <= last.get(name, -1):
                raise table.bad(frame.token, f"{what}is not later than that of the frame before")
            last[name] = camera.time_ns


def _frame(table: Fields, token: str) -> Occ3dFrame:
    check_scene_name(token, file=table.file, field=table.where)
    sensors = table.inner("camera_sensor") if "camera_sensor" in table.value else None
    cameras = [] if sensors is None else [_camera(sensors.inner(key)) for key in sensors.value]
    by_name = {camera.name: camera for camera in cameras}
    if len(by_name) != len(cameras):
        raise table.bad("camera_sensor", "holds the same camera twice")
    return Occ3dFrame(
        token=token,
        time_ns=_time(table),
        world_from_ego=_pose(table.inner("ego_pose")),
        cameras=by_name,
    )


def _time(table: Fields) -> int:
    if "time_ns" in table.value:
        return table.whole("time_ns", highest=END_OF_TIMES_US * NS_PER_US)
    stamp = table.get("timestamp")
    if isinstance(stamp, str) and re.fullmatch(r"[0-9]{1,16}", stamp, re.ASCII):
        stamp = int(stamp)
    if isinstance(stamp, bool) or not isinstance(stamp, int) or not 0 <= stamp <= END_OF_TIMES_US:
        raise table.bad("timestamp", f"must be microseconds, got {short(stamp)}")
    return stamp * NS_PER_US


def _pose(table: Fields) -> Pose:
    try:
        return Pose.from_quaternion(table.numbers("rotation", 4), table.numbers("translation", 3))
    except BadInput as error:
        if error.file is not None:
            raise
        raise table.bad("rotation", error.message) from error


def _camera(table: Fields) -> Occ3dCamera:
    image = table.text("img_path") if "img_path" in table.value else None
    if image is not None and ({"..", "/"} & set(PurePosixPath(image).parts) or "\\" in image):
        raise table.bad("img_path", f"leads out of the folder: {short(image)}")
    name = table.text("name") if "name" in table.value else _folder_of(table, image)
    if problem := sensor_name_problem(name):
        raise table.bad("name" if "name" in table.value else "img_path", problem)
    width, height = (
        table.whole(side, lowest=1, highest=MOST_PIXELS) if side in table.value else usual
        for side, usual in zip(("width", "height"), NUSCENES_SIZE, strict=True)
    )
    matrix = table.numbers("intrinsic", 3, 3)
    if min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise table.bad("intrinsic", "focal lengths must be positive")
    if matrix[0, 1] or matrix[1, 0] or matrix[2].tolist() != [0, 0, 1]:
        raise table.bad("intrinsic", "must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    ego_from_camera = _pose(table.inner("extrinsic"))
    if np.abs(ego_from_camera.translation).max() > LARGEST_MOUNT_M:
        raise table.bad("extrinsic", f"no vehicle is {LARGEST_MOUNT_M:g} m long")
    return Occ3dCamera(
        name=name,
        image=image,
        time_ns=_camera_time(table, image),
        lens=PinholeCamera(
            width=width, height=height, fx=float(matrix[0, 0]), fy=float(matrix[1, 1]),
            cx=float(matrix[0, 2]), cy=float(matrix[1, 2]),
        ),
        ego_from_camera=ego_from_camera,
        world_from_ego=_pose(table.inner("ego_pose")),
    )  # fmt: skip


def _folder_of(table: Fields, image: str | None) -> str:
    parts = PurePosixPath(image or "").parts
    if len(parts) < 2:
        raise table.bad("img_path", "names no camera: it must be CAMERA/FILE")
    return parts[-2]


def _camera_time(table: Fields, image: str | None) -> int:
    if "time_ns" in table.value:
        return table.whole("time_ns", highest=END_OF_TIMES_US * NS_PER_US)
    stamp = re.search(r"__([0-9]{1,16})\.\w+$", image or "", re.ASCII)
    if stamp is None or int(stamp[1]) > END_OF_TIMES_US:
        raise BadInput(
            "tells no time: it must end in __MICROSECONDS.jpg", file=table.file,
            field=table.path("img_path"), remedy=RESTORE,
        )  # fmt: skip
    return int(stamp[1]) * NS_PER_US


def lone_numbers(count: int, step_ns: int) -> np.ndarray:
    """Times [ns] of frames that only have an order: 0, one step, two steps, ..."""
    return np.arange(count, dtype=np.int64) * step_ns

"""Moving layouts: nuScenes key frames as one JSON file per scene, without sensor files.

    FILE.json or FOLDER of them -> LayoutsSource -> LayoutsClip -> rig, ego path, boxes

Each frame holds its time, the ego pose, six cameras (calibration, own time and own ego pose) and
boxes in the LiDAR frame: category, middle, length-width-height, yaw to the left of the LiDAR's
x axis, ground velocity along the LiDAR's x and y, LiDAR point count. Decisions:

- nuScenes' vehicle frame is ours: rear axle, on the ground.
- Nothing was kept of what sensors saw, so no camera or LiDAR has records. The times at which
  cameras fired live on as each camera's ``trigger_offset_ns`` (median over the frames), and
  their ego poses make the path finer: seven poses a frame.
- The file does not say how large the images were; nuScenes' cameras give 1600 x 900.
- A velocity has no part along the LiDAR's z axis, which leans forward by up to 3 degrees; it is
  taken to run along the ego frame's ground.
- There are no track ids, so nothing is interpolated between key frames.

Source: Caesar et al., "nuScenes", CVPR 2020.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.io.read import exists, is_dir
from roadloom.scene.boxes import Boxes
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader, check_scene_name
from roadloom.scene.readers.layouts_file import (
    LayoutFrame,
    layout_problems,
    open_layout,
    read_frames,
)
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig

LIDAR = "LIDAR_TOP"
LICENCE = "CC BY-NC-SA 4.0, nuScenes terms of use"


class LayoutsSource(SourceReader):
    """One file, or all ``*.json`` of a folder; scenes are named after the files."""

    def __init__(self, place: str) -> None:
        self.place = Path(place)
        there = exists(self.place)
        files = sorted(self.place.glob("*.json")) if is_dir(self.place) else [self.place]
        if not files or not there:
            raise MissingInput(
                "holds no layouts" if there else "no such file or folder",
                file=self.place, remedy="name a layout's JSON file, or a folder of them",
            )  # fmt: skip
        self._files = {check_scene_name(file.stem, file=file): file for file in files}

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(self._files)

    def open_scene(self, scene: str) -> "LayoutsClip":
        return LayoutsClip(self._file(scene), source=f"layouts:{self.place}")

    def _file(self, scene: str) -> Path:
        if scene not in self._files:
            raise MissingInput(f"no scene {scene!r}", file=self.place, field="SCENE")
        return self._files[scene]

    def problems(self, scene: str | None, *, partial: bool) -> Iterator[BadInput]:
        for name in self.scenes if scene is None else (scene,):
            yield from layout_problems(self._file(name))


class LayoutsClip(ClipReader):
    """One scene."""

    def __init__(self, file: Path, *, source: str) -> None:
        self.file = file
        frames = self._frames
        times = np.array([f.time_ns for f in frames], np.int64)
        self.meta = ClipMeta(
            scene_id=file.stem,
            source=source,
            licence=LICENCE,
            rig=_rig(frames),
            key_times_ns=times,
            lidar=LIDAR,
            our_from_vehicle=Pose.identity(),
            attributes={
                "data_set": "nuScenes",
                "scene": open_layout(file).text("scene"),
                "sample_tokens": [f.token for f in frames],
            },
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file, "meta": self.meta}

    @cached_property
    def _frames(self) -> list[LayoutFrame]:
        return read_frames(self.file)

    def ego(self) -> PoseTrack:
        moments = [(f.time_ns, f.world_from_ego) for f in self._frames]
        moments += [(c.time_ns, c.world_from_ego) for f in self._frames for c in f.cameras.values()]
        times, first = np.unique([time for time, _ in moments], return_index=True)
        world_from_ego = Pose.stack([moments[i][1] for i in first])
        return PoseTrack(time_ns=times.astype(np.int64), world_from_ego=world_from_ego)

    def records(self, sensor: str) -> Records:
        if sensor not in self.meta.rig.lidar_names:
            self.meta.rig.camera(sensor)  # names those there are, if it is unknown
        nowhere = Pose(np.zeros((0, 3, 3)), np.zeros((0, 3)))
        key = np.full(len(self.meta.key_times_ns), -1, np.int64)
        return Records(time_ns=np.zeros(0, np.int64), world_from_ego=nowhere, key=key)

    def boxes(self, key: int) -> Boxes:
        return self._frames[key].boxes()


def _rig(frames: list[LayoutFrame]) -> Rig:
    first = frames[0]
    return Rig(
        name="nuscenes",
        cameras=tuple(
            MountedCamera(
                name=name,
                camera=camera.lens,
                ego_from_camera=camera.ego_from_camera,
                trigger_offset_ns=round(
                    np.median([f.cameras[name].time_ns - f.time_ns for f in frames])
                ),
            )
            for name, camera in first.cameras.items()
        ),
        lidars=(MountedLidar(name=LIDAR, lidar=None, ego_from_lidar=first.ego_from_lidar),),
        source="the layout's own calibration; image size as nuScenes gives it",
    )

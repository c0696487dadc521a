"""Occ3D on nuScenes: ``gts/SCENE/TOKEN/labels.npz``, and ``annotations.json`` where it is there.

    occ3d:ROOT[:SCENE] -> scenes -> key frames with occupancy on the grid ``OCC3D``, ego frame

With ``annotations.json`` come the order of frames, times, ego poses, cameras and the split.
Without it nothing of that is known: scenes and frames come in the order of their names, frames
are counted half a second apart from time 0 (Occ3D's labels are 2 Hz), there are no sensors, and
poses of a scene with several frames raise ``NotRecorded``; ``attributes["not_recorded"]`` says
so. nuScenes' vehicle frame is ours. Labels are given as they are stored: what no beam reached is
free there, with ``mask_lidar`` false. In them the road lies two cells below the ego's ground, see
``docs/conventions.md``. Source: Tian et al., "Occ3D", 2023.
"""

from collections.abc import Iterator
from functools import cached_property
from functools import partial as bind
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.io.image import read_image
from roadloom.io.read import RESTORE, exists, is_dir, is_file, read_bytes
from roadloom.scene.occ3d_file import LABELS_FILE, read_occ3d
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.read_all import read_problems
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader
from roadloom.scene.readers.lone_pose import poses_or_lone
from roadloom.scene.readers.occ3d_annotations import (
    ANNOTATIONS,
    Annotations,
    Occ3dCamera,
    Occ3dFrame,
    lone_numbers,
)
from roadloom.scene.readers.plain_files import check_stored, names_of_folders
from roadloom.sensors.rig import MountedCamera, Rig

LICENCE = "MIT for the labels; nuScenes terms of use, https://www.nuscenes.org/terms-of-use"
GTS = "gts"
STEP_NS = 500_000_000


class Occ3dSource(SourceReader):
    """The scenes of one folder with ``gts``. Picklable; the annotations are read when asked.

    Raises:
        MissingInput: no such folder, or no ``gts`` in it.
    """

    def __init__(self, place: str) -> None:
        self.root = Path(place)
        self.place = place
        if not is_dir(self.root / GTS):
            raise MissingInput(
                "holds no folder gts", file=self.root, remedy="name the folder above gts"
            )
        self._known: Annotations | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_known": None}

    @property
    def annotations(self) -> Annotations | None:
        """``annotations.json``; None where there is none."""
        if self._known is None and exists(self.root / ANNOTATIONS):
            self._known = Annotations(self.root / ANNOTATIONS)
        return self._known

    @property
    def scenes(self) -> tuple[str, ...]:
        return self._folders() if self.annotations is None else self.annotations.scenes

    def _folders(self) -> tuple[str, ...]:
        return names_of_folders(self.root / GTS)

    def open_scene(self, scene: str) -> "Occ3dClip":
        if scene not in self.scenes:
            raise MissingInput(f"no scene {scene!r}", file=self.place, field="SCENE")
        source = f"occ3d:{self.place}"
        known = self.annotations
        if known is None:
            tokens = names_of_folders(self.root / GTS / scene)
            return Occ3dClip(self.root, scene, tokens, None, source=source, licence=LICENCE)
        frames = known.frames(scene)
        tokens = tuple(frame.token for frame in frames)
        split = known.splits.get(scene)
        more = {} if split is None else {"split": split}
        licence = known.licence or LICENCE
        return Occ3dClip(
            self.root, scene, tokens, frames, source=source, licence=licence, more=more
        )

    def problems(self, scene: str | None, *, partial: bool) -> Iterator[BadInput]:
        """What reading everything finds, and folders that the annotations do not name."""
        for name in self.scenes if scene is None else (scene,):
            yield from read_problems(bind(self.open_scene, name), absent_is_fine=partial)
            if self.annotations is None:
                continue
            there = self.root / GTS / name
            listed = {frame.token for frame in self.annotations.frames(name)}
            for token in names_of_folders(there) if is_dir(there) else ():
                if token not in listed:
                    yield _stray(there / token)
        if scene is None:
            for name in set(self._folders()) - set(self.scenes):
                yield _stray(self.root / GTS / name)

    def absent_files(self, scene: str | None) -> Iterator[str]:
        for name in self.scenes if scene is None else (scene,):
            clip = self.open_scene(name)
            for path in clip.files():
                if not exists(path):
                    yield path.relative_to(self.root).as_posix()


def _stray(folder: Path) -> BadInput:
    return BadInput(
        f"is not named by {ANNOTATIONS}", file=folder, remedy="take the folder away, or add it"
    )


class Occ3dClip(ClipReader):
    """One scene.

    Args:
        frames: from the annotations; None without them.
    """

    def __init__(
        self,
        root: Path,
        scene: str,
        tokens: tuple[str, ...],
        frames: list[Occ3dFrame] | None,
        *,
        source: str,
        licence: str,
        more: dict[str, Any] | None = None,
    ) -> None:
        if not tokens:
            raise MissingInput("holds no frame", file=root / GTS / scene, remedy=RESTORE)
        self.root, self.tokens, self._frames = root, tokens, frames
        self._scene = scene
        facts = {"data_set": "Occ3D-nuScenes", "sample_tokens": list(tokens), **(more or {})}
        if frames is None:
            times = lone_numbers(len(tokens), STEP_NS)
            facts["not_recorded"] = ["order", "times", "poses", "sensors"]
        else:
            times = np.array([frame.time_ns for frame in frames], np.int64)
        self.meta = ClipMeta(
            scene_id=scene,
            source=source,
            licence=licence,
            rig=_rig(frames or []),
            key_times_ns=times,
            lidar=None,
            our_from_vehicle=Pose.identity(),
            attributes=facts,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_path"}

    def file(self, key: int) -> Path:
        """The labels of a key frame."""
        return self.root / GTS / self._scene / self.tokens[key] / LABELS_FILE

    def files(self) -> Iterator[Path]:
        """Every file that the scene should have."""
        for key in range(len(self.tokens)):
            yield self.file(key)
        for frame in self._frames or []:
            for camera in frame.cameras.values():
                if camera.image is not None:
                    yield self._image_path(camera.image)

    def ego(self) -> PoseTrack:
        """The poses of the key frames, and of the cameras between them."""
        return self._path

    @cached_property
    def _path(self) -> PoseTrack:
        frames = self._frames
        keys = None if frames is None else Pose.stack([f.world_from_ego for f in frames])
        remedy = f"put {ANNOTATIONS} beside {GTS}"
        keys = poses_or_lone(keys, len(self.tokens), file=self.root, remedy=remedy)
        moments = [(int(t), keys[i]) for i, t in enumerate(self.meta.key_times_ns)]
        for frame in frames or []:
            moments += [(c.time_ns, c.world_from_ego) for c in frame.cameras.values()]
        times, first = np.unique([time for time, _ in moments], return_index=True)
        poses = Pose.stack([moments[i][1] for i in first])
        return PoseTrack(time_ns=times.astype(np.int64), world_from_ego=poses)

    def records(self, sensor: str) -> Records:
        self.meta.rig.camera(sensor)  # names those there are, if it is unknown
        held = [frame.cameras.get(sensor) for frame in self._frames or []]
        key = np.cumsum([camera is not None for camera in held]) - 1
        there = [camera for camera in held if camera is not None]
        return Records(
            time_ns=np.array([camera.time_ns for camera in there], np.int64),
            world_from_ego=Pose.stack([camera.world_from_ego for camera in there]),
            key=np.where([camera is not None for camera in held], key, -1),
        )

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        lens = self.meta.rig.camera(camera).camera
        return read_image(self._image(camera, index), size=(lens.width, lens.height))

    def image_bytes(self, camera: str, index: int) -> tuple[bytes, str]:
        path = self._image(camera, index)
        return read_bytes(path), path.suffix.lower()

    def _image(self, camera: str, index: int) -> Path:
        held = [f.cameras[camera] for f in self._frames or [] if camera in f.cameras][index]
        if held.image is None:
            raise NotRecorded("the annotations name no image", field=camera)
        return self._image_path(held.image)

    def _image_path(self, image: str) -> Path:
        """Below ``imgs``, as the published folders have it, or below the root."""
        inner = self.root / "imgs" / image
        return self.root / image if is_file(self.root / image) else inner

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return (OCC3D,)

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        check_stored(grid, (OCC3D,), solid=solid)
        return read_occ3d(self.file(key))


def _rig(frames: list[Occ3dFrame]) -> Rig:
    """Each camera as the first frame that has it says."""
    first: dict[str, Occ3dCamera] = {}
    for frame in frames:
        for name, camera in frame.cameras.items():
            first.setdefault(name, camera)
    times = {
        name: [f.cameras[name].time_ns - f.time_ns for f in frames if name in f.cameras]
        for name in first
    }
    return Rig(
        name="occ3d",
        cameras=tuple(
            MountedCamera(
                name=name,
                camera=camera.lens,
                ego_from_camera=camera.ego_from_camera,
                trigger_offset_ns=round(np.median(times[name])),
            )
            for name, camera in first.items()
        ),
        lidars=(),
        source=f"{ANNOTATIONS} of Occ3D; where it names no image size, nuScenes' 1600 x 900",
    )

"""Prepared clips read back: any frame of any kind, one small read each.

Only names are held, so copies for the workers of a ``DataLoader`` cost nothing, and no file stays
open between reads.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from functools import partial as bind
from hashlib import file_digest
from io import BytesIO
from pathlib import Path
from typing import Any, overload

import numpy as np
from jaxtyping import Int64, UInt8
from PIL.JpegImagePlugin import JpegImageFile

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.image import DECODING_ERRORS
from roadloom.io.read import is_file, read_json
from roadloom.prepare.archive import AGAIN, read_array, read_json_member, read_member, remedied
from roadloom.prepare.request import MANIFEST, grid_of, read_manifest
from roadloom.prepare.write import CLIP, record_path, shard_path
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import check_ids
from roadloom.scene.image import CameraImage
from roadloom.scene.layout import CHANNELS, Layout
from roadloom.scene.occupancy import FRAMES, Occupancy
from roadloom.scene.sweep import POINT_COLUMNS, LidarOrigin, Sweep
from roadloom.sensors.rig import Rig
from roadloom.sensors.rig_yaml import rig_from_yaml

_COLUMNS: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "points": ("<f4", (None, 3)),
    "point_time_ns": ("<i8", (None,)),
    "ring": ("<i2", (None,)),
    "intensity": ("<f4", (None,)),
    "origin_id": ("|u1", (None,)),
    "returned": ("|b1", (None,)),
    "label": ("|u1", (None,)),
}


MOST_FRAMES = 1_000_000
"""Of a clip: members are numbered by six digits."""
ROTATION_OFF = 1e-4
"""Largest error of a row's length or of an angle between rows."""


class Prepared(Sequence):  # bare, so that a checker of types at run time opens no clip
    """The clips of a prepared folder. Picklable.

    Raises:
        MissingInput: no such folder, or scenes are not prepared yet and ``partial`` is not set.
        BadInput: the manifest or a record is damaged, or of another class list.
    """

    def __init__(self, folder: str | Path, *, partial: bool = False) -> None:
        self.folder, self.manifest = Path(folder), read_manifest(Path(folder))
        there = [s for s in self.manifest["scenes"] if is_file(record_path(self.folder, str(s)))]
        absent = len(self.manifest["scenes"]) - len(there)
        if absent and not partial:
            raise MissingInput(
                f"{absent} of {len(self.manifest['scenes'])} scenes are not prepared yet",
                file=self.folder, field="scenes",
                remedy="let `roadloom prepare` finish, or open it with partial=True",
            )  # fmt: skip
        self.scenes: tuple[str, ...] = tuple(map(str, there))

    def __len__(self) -> int:
        return len(self.scenes)

    def clip(self, scene: str) -> "PreparedClip":
        if scene not in self.scenes:
            raise MissingInput("no such scene, or not prepared yet", file=self.folder, field=scene)
        return PreparedClip(self.folder, self.manifest, scene)

    @overload
    def __getitem__(self, index: int) -> "PreparedClip": ...
    @overload
    def __getitem__(self, index: slice) -> "list[PreparedClip]": ...
    def __getitem__(self, index: int | slice) -> "PreparedClip | list[PreparedClip]":
        if isinstance(index, slice):
            return [self.clip(scene) for scene in self.scenes[index]]
        return self.clip(self.scenes[index])

    def __iter__(self) -> "Iterator[PreparedClip]":
        return map(self.clip, self.scenes)

    def __repr__(self) -> str:
        return f"Prepared({str(self.folder)!r}, {len(self)} clips)"

    @property
    def licence(self) -> str:
        """Of the source; it holds for everything made from it."""
        return str(self.manifest["licence"])

    @property
    def frames(self) -> tuple[int, ...]:
        """How many each clip has."""
        return tuple(len(clip) for clip in self)

    def problems(self) -> Iterator[BadInput]:
        """Compare every file with the checksum in its scene's record; reads everything."""
        for clip in self:
            for kind, facts in clip.record["files"].items():
                path = shard_path(self.folder, kind, clip.scene_id)
                if not is_file(path):
                    yield MissingInput("no such file", file=path, field=kind, remedy=AGAIN)
                    continue
                with path.open("rb") as file:
                    if file_digest(file, "sha256").hexdigest() != facts["sha256"]:
                        yield BadInput("was altered", file=path, field=kind, remedy=AGAIN)


class PreparedClip:
    """One clip; frames are counted from 0. Picklable.

    Every method raises NotRecorded for what was not asked for or is absent in a frame, and
    BadInput for a damaged file.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], scene: str) -> None:
        self.folder, self.manifest, self.scene_id = folder, manifest, scene

    def __reduce__(self) -> tuple[Any, ...]:
        return PreparedClip, (self.folder, self.manifest, self.scene_id)

    def __len__(self) -> int:
        return int(self.record["frames"])

    def __repr__(self) -> str:
        return f"PreparedClip({self.scene_id}, {len(self)} frames)"

    @cached_property
    def record(self) -> dict[str, Any]:
        """Number of frames, sizes and checksums."""
        path = record_path(self.folder, self.scene_id)
        with remedied(AGAIN):
            found = read_json(path)
        sound = (
            isinstance(found, dict)
            and found.get("scene") == self.scene_id
            and type(found.get("frames")) is int
            and 0 <= found["frames"] < MOST_FRAMES
            and isinstance(found.get("files"), dict)
            and all(
                isinstance(facts, dict) and isinstance(facts.get("sha256"), str)
                for facts in found["files"].values()
            )
            and isinstance(lies_in := found.get("occupancy_frames", {}), dict)
            and all(frame in FRAMES for frame in lies_in.values())
        )
        if not sound:
            raise BadInput("is no record of a scene", file=path, field="frames", remedy=AGAIN)
        return dict(found)

    @cached_property
    def times_ns(self) -> Int64[np.ndarray, " frame"]:
        times = self._array(CLIP, "time_ns", "<i8", (len(self),))
        if (times < 0).any() or (np.diff(times) <= 0).any():
            raise BadInput(
                "do not rise from 0 or later", file=self._path(CLIP), field="time_ns", remedy=AGAIN
            )
        return times

    @cached_property
    def keys(self) -> Int64[np.ndarray, " frame"]:
        """Which key frame of the source each frame is, -1 between them."""
        return self._array(CLIP, "key", "<i8", (len(self),))

    @cached_property
    def world_from_ego(self) -> Pose:
        """Poses [frame]."""
        return self._poses(CLIP, "", len(self))

    @cached_property
    def rig(self) -> Rig:
        """The source's rig; with images, the cameras that they were taken by, at their size."""
        path = self._path(CLIP)
        try:
            return rig_from_yaml(read_member(path, "rig.yaml").decode(), file=path)
        except UnicodeDecodeError as error:
            raise BadInput(
                f"is not UTF-8: {error}", file=path, field="rig", remedy=AGAIN
            ) from error

    @cached_property
    def attributes(self) -> dict[str, Any]:
        found = read_json_member(self._path(CLIP), "attributes")
        if not isinstance(found, dict):
            raise BadInput("is no object", file=self._path(CLIP), field="attributes", remedy=AGAIN)
        return found

    def occupancy(self, frame: int, grid: str | None = None) -> Occupancy:
        """Args: grid: its name; may be left out where there is one only."""
        kind, box = self._grid("occupancy", grid)
        labels = self._array(kind, self._number(frame), "|u1", box.shape)
        check_ids(labels, file=self._path(kind), field="labels")
        frames: dict[str, str] = self.record.get("occupancy_frames", {})
        return Occupancy(grid=box, labels=labels, frame=frames.get(kind, "ego"))

    def layout(self, frame: int, grid: str | None = None) -> Layout:
        """Args: grid: its name; may be left out where there is one only."""
        kind, box = self._grid("layout", grid)
        number, (x, y, _) = self._number(frame), box.shape
        packed = self._array(kind, number, "|u1", (len(CHANNELS), x, -(-y // 8)))
        recorded = self._array(kind, f"{number}.recorded", "|b1", (len(CHANNELS),))
        channels = np.unpackbits(packed, axis=-1, count=y).astype(bool)
        return Layout(channels=channels, recorded=recorded, grid=box)

    def boxes(self, frame: int) -> Boxes:
        number = self._number(frame)
        path = self._path("boxes")
        time_ns = int(self.times_ns[frame])
        found = read_json_member(path, number)
        try:
            return boxes_in(found, time_ns)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadInput(
                f"are no boxes: {error}", file=path, field=number, remedy=AGAIN
            ) from error

    def image(self, frame: int, camera: str) -> CameraImage:
        """The camera's image of a frame, with its own time and pose; pixels are read when asked."""
        mount, index = self.rig.camera(camera), self._index(frame)
        stamp = int(self._array("images", f"{camera}.time_ns", "<i8", (len(self),))[index])
        if stamp < 0:
            raise NotRecorded("there is none for this frame", field=f"{camera} {index}")
        poses = self._poses("images", f"{camera}.", len(self))
        name = f"{self._number(frame)}.{camera}.jpg"
        size = (mount.camera.width, mount.camera.height)
        return CameraImage(
            mount=mount,
            time_ns=stamp,
            world_from_ego=poses[index],
            read=bind(_pixels, self._path("images"), name, size),
        )

    def sweep(self, frame: int, lidar: str | None = None) -> Sweep:
        """The sweep of a frame in its ego frame; of the first LiDAR unless one is named."""
        index, path = self._index(frame), self._path("sweeps")
        if lidar is None and not self.rig.lidars:
            raise NotRecorded("the rig has no LiDAR", file=path, field="sweeps")
        name = f"{self._number(frame)}.{lidar or self.rig.lidar_names[0]}"
        columns = {}
        for column in POINT_COLUMNS:
            try:
                columns[column] = self._array("sweeps", f"{name}.{column}", *_COLUMNS[column])
            except NotRecorded:
                if column != "label":
                    raise
        names = self._array("sweeps", f"{name}.origin_name", "U", (None,))
        poses = self._poses("sweeps", f"{name}.origin_", len(names))
        try:
            sweep = Sweep(
                time_ns=int(self.times_ns[index]),
                world_from_ego=self.world_from_ego[index],
                motion_compensated=bool(
                    self._array("sweeps", f"{name}.motion_compensated", "|b1", ())
                ),
                origins=tuple(
                    LidarOrigin(name=str(n), ego_from_lidar=Pose(r, t))
                    for n, r, t in zip(names, poses.rotation, poses.translation, strict=True)
                ),
                **columns,
            )
        except ValueError as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(f"is no sweep: {error}", file=path, field=name, remedy=AGAIN) from error
        if not np.isfinite(sweep.points[sweep.returned]).all():
            raise BadInput("holds NaN or infinity", file=path, field=f"{name}.points", remedy=AGAIN)
        return sweep

    def _index(self, frame: int) -> int:
        """From 0; below zero counts from the end."""
        try:
            return range(len(self))[frame]
        except IndexError as error:
            raise IndexError(f"{self.scene_id}: no frame {frame} of {len(self)}") from error

    def _number(self, frame: int) -> str:
        return f"{self._index(frame):06d}"

    def _path(self, kind: str) -> Path:
        if kind not in self.record["files"]:
            raise NotRecorded(
                "was not prepared", file=self.folder, field=kind,
                remedy=f"there are {', '.join(self.record['files'])}",
            )  # fmt: skip
        return shard_path(self.folder, kind, self.scene_id)

    def _array(self, kind: str, name: str, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray:
        return read_array(self._path(kind), name, dtype, shape)

    def _poses(self, kind: str, prefix: str, count: int) -> Pose:
        """Poses [count] of the members ``PREFIXrotation`` and ``PREFIXtranslation``."""
        poses = Pose(
            self._array(kind, f"{prefix}rotation", "<f8", (count, 3, 3)),
            self._array(kind, f"{prefix}translation", "<f8", (count, 3)),
        )
        try:
            check_poses(poses)
        except ValueError as error:
            raise BadInput(
                str(error), file=self._path(kind), field=f"{prefix}rotation", remedy=AGAIN
            ) from error
        return poses

    def _grid(self, what: str, grid: str | None) -> tuple[str, VoxelGrid]:
        kinds = [k for k in self.record["files"] if k.startswith(f"{what}-")]
        if grid is None and len(kinds) != 1:
            raise BadInput(
                f"there is {what} on {len(kinds)} grids", file=self.folder, field="grid",
                remedy=f"name one of {', '.join(k.partition('-')[2] for k in kinds) or 'none'}",
            )  # fmt: skip
        kind = kinds[0] if grid is None else f"{what}-{grid}"
        self._path(kind)
        return kind, grid_of(self.manifest, kind.partition("-")[2], self.folder / MANIFEST)


def _pixels(path: Path, name: str, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    data = read_member(path, name)
    try:
        image = JpegImageFile(BytesIO(data))  # no other format; its pixels are not read yet
        if image.size != size:
            raise ValueError(f"{image.width}x{image.height}, not {size[0]}x{size[1]}")
        return np.asarray(image.convert("RGB"))
    except DECODING_ERRORS as error:
        raise BadInput(f"is no such JPEG: {error}", file=path, field=name, remedy=AGAIN) from error


def check_poses(poses: Pose) -> None:
    """Refuse what is not finite or no rotation.

    Raises:
        ValueError: which of the two it is.
    """
    if not (np.isfinite(poses.rotation).all() and np.isfinite(poses.translation).all()):
        raise ValueError("a pose is not finite")
    off = np.abs(poses.rotation @ np.swapaxes(poses.rotation, -1, -2) - np.eye(3))
    if (off > ROTATION_OFF).any() or (np.linalg.det(poses.rotation) < 0).any():
        raise ValueError("a rotation is not orthonormal and right-handed")


def _whole(values: Any, dtype: str) -> np.ndarray:
    """Whole numbers that this dtype holds."""
    array, limits = np.array(values), np.iinfo(dtype)
    if array.size and array.dtype.kind != "i":
        raise ValueError(f"not all are whole numbers of {dtype}")
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise ValueError(f"{array.min()} to {array.max()} do not fit {dtype}")
    return array.astype(dtype)


def boxes_in(found: dict[str, Any], time_ns: int) -> Boxes:
    """The reverse of ``write.boxes_out``."""
    velocity = [[np.nan if v is None else v for v in row] for row in found["velocity"]]
    poses = Pose(
        np.array(found["rotation"], np.float64).reshape(-1, 3, 3),
        np.array(found["translation"], np.float64).reshape(-1, 3),
    )
    check_poses(poses)
    return Boxes.make(
        time_ns,
        _whole(found["class_id"], "int64"),
        poses,
        np.array(found["size"], np.float64).reshape(-1, 3),
        track_id=np.array(found["track_id"], np.str_),
        velocity=np.array(velocity, np.float64).reshape(-1, 3),
        attribute=np.array(found["attribute"], np.str_),
        visibility=_whole(found["visibility"], "uint8"),
        num_lidar_points=_whole(found["num_lidar_points"], "int32"),
        num_radar_points=_whole(found["num_radar_points"], "int32"),
        token=np.array(found["token"], np.str_),
    )

"""What every data set becomes once it is read: a ``Clip`` of ``Frame``s.

    clip[i]          the i-th key frame, at the LiDAR's time; its boxes and points are in that
                     frame's ego frame
    clip.at(t)       the same at any time: pose and boxes interpolated, nearest sensor records
    clip.sweeps[L]   every sweep of LiDAR L at its native rate, each in its own ego frame
    clip.images[C]   every image of camera C likewise

Nothing is read until it is asked for. Nothing above this layer knows which data set it was.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from jaxtyping import Float32, Int64

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.box_tracks import boxes_between
from roadloom.scene.boxes import Boxes
from roadloom.scene.image import CameraImage
from roadloom.scene.labels import LabelFolder
from roadloom.scene.moments import span_ns, whole_ns
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import EXTRA_IMAGES, ClipReader, Records
from roadloom.scene.road_map import RoadMap
from roadloom.scene.stream import NS_PER_S, Stream, Streams
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import Rig

if TYPE_CHECKING:
    from roadloom.scene.layout import Layout


class Clip(Sequence):
    """One drive. Picklable: a copy holds the reader, not what was read."""

    def __init__(self, reader: ClipReader, labels: LabelFolder | None = None) -> None:
        self.reader, self.labels, self.meta = reader, labels, reader.meta

    def __reduce__(self) -> tuple[Any, ...]:
        return Clip, (self.reader, self.labels)

    def __repr__(self) -> str:
        m = self.meta
        return (
            f"Clip({m.source}:{m.scene_id}, {len(self)} key frames, {self.duration_s:.1f} s, "
            f"{len(m.rig.cameras)} cameras, {len(m.rig.lidars)} LiDARs)"
        )

    @property
    def scene_id(self) -> str:
        return self.meta.scene_id

    @property
    def rig(self) -> Rig:
        return self.meta.rig

    @property
    def licence(self) -> str:
        return self.meta.licence

    @property
    def attributes(self) -> dict[str, Any]:
        return self.meta.attributes

    @property
    def times_ns(self) -> Int64[np.ndarray, " key"]:
        """Time of each key frame."""
        return self.meta.key_times_ns

    @property
    def duration_s(self) -> float:
        """From the first to the last key frame."""
        return float(self.times_ns[-1] - self.times_ns[0]) / NS_PER_S if len(self) else 0.0

    @cached_property
    def ego(self) -> PoseTrack:
        """The vehicle's path at the source's own rate."""
        return self.reader.ego()

    @cached_property
    def map(self) -> RoadMap:
        """Polygons and lines in the world frame.

        Raises:
            NotRecorded: the source has no map.
        """
        return self.reader.road_map()

    @cached_property
    def commands(self) -> tuple[tuple[int, str], ...]:
        """What the driver is told, each with the time [ns] from which it holds, rising:
        ``follow``, ``straight``, ``left`` or ``right``.

        Raises:
            NotRecorded: the source has no commands.
        """
        return self.reader.commands()

    @cached_property
    def images(self) -> Streams[CameraImage]:
        return Streams(self.rig.camera_names, self._image_stream)

    @cached_property
    def sweeps(self) -> Streams[Sweep]:
        return Streams(self.rig.lidar_names, self._sweep_stream)

    def _image_stream(self, camera: str) -> Stream[CameraImage]:
        records = self.reader.records(camera)
        return Stream(records, partial(_image, self.reader, camera, records))

    def _sweep_stream(self, lidar: str) -> Stream[Sweep]:
        return Stream(self.reader.records(lidar), partial(self.reader.sweep, lidar))

    def __len__(self) -> int:
        return len(self.times_ns)

    @overload
    def __getitem__(self, number: int) -> "Frame": ...
    @overload
    def __getitem__(self, number: slice) -> list["Frame"]: ...
    def __getitem__(self, number: int | slice) -> "Frame | list[Frame]":
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        key = range(len(self))[number]
        return Frame(self, int(self.times_ns[key]), key)

    def __iter__(self) -> "Iterator[Frame]":
        return (self[key] for key in range(len(self)))

    def at(self, time_ns: int) -> "Frame":
        """The scene at any moment [ns] of the vehicle's path; at a key frame's time, that frame.

        Raises:
            BadInput: the moment lies outside the recorded path.
        """
        time_ns = whole_ns(time_ns)
        key = int(np.searchsorted(self.times_ns, time_ns))
        if key < len(self) and self.times_ns[key] == time_ns:
            return self[key]
        frame = Frame(self, time_ns, None)
        _ = frame.world_from_ego  # refuses a moment off the path here, not at first use
        return frame

    @property
    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        """Grids on which occupancy is held: those of the attached labels, else the source's."""
        if self.labels is not None:
            return self.labels.grids(self.scene_id)
        return self.reader.occupancy_grids()

    def save(self, folder: str | Path, *, partial: bool = False) -> None:
        """Write everything this clip holds as a ``folder`` clip, whole or not at all.

        Args:
            folder: must not exist, or be empty.
            partial: let a cut-down recording keep its gaps; without it an absent file is refused.

        Raises:
            BadInput: the folder is not empty, or a file of this clip is absent or damaged.
        """
        from roadloom.scene.folder_writer import save_clip

        save_clip(self, Path(folder), partial=partial)


def _image(reader: ClipReader, camera: str, records: Records, number: int) -> CameraImage:
    return CameraImage(
        mount=reader.meta.rig.camera(camera),
        time_ns=int(records.time_ns[number]),
        world_from_ego=records.world_from_ego[number],
        read=partial(reader.image, camera, number),
    )


class Frame:
    """One moment of a clip. Picklable; fields are read when asked and kept."""

    def __init__(self, clip: Clip, time_ns: int, key: int | None) -> None:
        self.clip, self.time_ns, self.key = clip, time_ns, key

    def __reduce__(self) -> tuple[Any, ...]:
        return Frame, (self.clip, self.time_ns, self.key)

    def __repr__(self) -> str:
        what = "between key frames" if self.key is None else f"key frame {self.key}"
        return f"Frame({self.clip.scene_id}, {what}, {self.time_ns} ns)"

    @cached_property
    def world_from_ego(self) -> Pose:
        if self.key is not None and self.clip.meta.lidar is not None:
            records = self.clip.reader.records(self.clip.meta.lidar)
            if records.key[self.key] >= 0:
                return records.world_from_ego[int(records.key[self.key])]
        return self.clip.ego.at(np.array([self.time_ns], np.int64))[0]

    def image(self, camera: str) -> CameraImage:
        """The camera's image of this frame, with its own time and pose; pixels read lazily."""
        stream = self.clip.images[camera]
        return stream[self._record(camera, stream)]

    @property
    def images(self) -> dict[str, CameraImage]:
        """Every camera that has a record in this frame, by name."""
        found = {}
        for camera in self.clip.images:
            try:
                found[camera] = self.image(camera)
            except NotRecorded:
                continue  # a frame without this camera is legal, and the caller sees it missing
        return found

    def lidar(self, name: str | None = None) -> Sweep:
        """The sweep of this frame in this frame's ego frame; the clip's main LiDAR by default."""
        name = self.clip.meta.lidar if name is None else name
        if name is None:
            raise NotRecorded("this recording has no LiDAR", field="lidar")
        stream = self.clip.sweeps[name]
        sweep = stream[self._record(name, stream)]
        if sweep.time_ns == self.time_ns:
            return sweep
        carry = self.world_from_ego.inverse() @ sweep.world_from_ego
        return sweep.moved(carry, self.time_ns, self.world_from_ego)

    def _record(self, sensor: str, stream: Stream[Any]) -> int:
        if self.key is None:
            return stream.nearest(self.time_ns)
        number = int(stream.records.key[self.key])
        if number < 0:
            raise NotRecorded(f"key frame {self.key} has no record of it", field=sensor)
        return number

    @cached_property
    def boxes(self) -> Boxes:
        """Boxes in this frame's ego frame.

        Between key frames a made world answers exactly, without counts of points and visibility;
        of a recording every object that both neighbours hold is interpolated in the world, and
        one that only a single neighbour holds is left out, as its path is unknown.

        Raises:
            NotRecorded: there are no boxes, or none between key frames: the moment lies outside
                the annotated ones, or the source does not say which boxes are the same object.
        """
        if self.key is not None:
            return self.clip.reader.boxes(self.key)
        with suppress(NotRecorded):
            return self.clip.reader.boxes_at(self.time_ns)
        after = int(np.searchsorted(self.clip.times_ns, self.time_ns))
        if not 0 < after < len(self.clip):
            raise NotRecorded(
                f"{self.time_ns} ns lies outside the annotated key frames", field="boxes"
            )
        before, later = self.clip[after - 1], self.clip[after]
        tracks = [*before.boxes.track_id.tolist(), *later.boxes.track_id.tolist()]
        if tracks and not any(tracks):
            raise NotRecorded(
                "the source does not say which boxes are the same object", field="track_id",
                remedy="ask for boxes at key frames",
            )  # fmt: skip
        return boxes_between(
            before.boxes, before.world_from_ego, later.boxes, later.world_from_ego,
            self.time_ns, self.world_from_ego,
        )  # fmt: skip

    @property
    def command(self) -> str:
        """The command that holds at this moment.

        Raises:
            NotRecorded: the source has no commands, or none so early.
        """
        held = [command for begin, command in self.clip.commands if begin <= self.time_ns]
        if not held:
            raise NotRecorded(f"no command holds at {self.time_ns} ns", field="commands")
        return held[-1]

    def occupancy(self, grid: VoxelGrid, *, solid: bool = False, masks: bool = False) -> Occupancy:
        """Semantic occupancy on ``grid``: attached labels first, else what the source holds.

        Args:
            grid: in the ego frame.
            solid: fill the interiors of solids too, where the source knows them.
            masks: also say which cells LiDAR and cameras observe. Stored masks come anyway.

        Raises:
            NotRecorded: there is none, or not on this grid, or no interiors, or no masks; or the
                moment lies between the key frames of a recording.
            BadInput: attached labels lie in another frame than the ego's, or are damaged.
        """
        found = self._occupancy(grid, solid)
        if masks and found.mask_lidar is None and found.mask_camera is None:
            lidar, camera = self.clip.reader.occupancy_masks(self.time_ns, grid)
            return replace(found, mask_lidar=lidar, mask_camera=camera)
        return found

    def _occupancy(self, grid: VoxelGrid, solid: bool) -> Occupancy:
        if self.clip.labels is None:
            if self.key is None:
                return self.clip.reader.occupancy_at(self.time_ns, grid, solid=solid)
            return self.clip.reader.occupancy(self.key, grid, solid=solid)
        if self.key is None:
            raise NotRecorded("labels are held for key frames only", field="occupancy")
        if solid:
            raise NotRecorded("labels hold surfaces, not interiors", field="occupancy")
        found = self.clip.labels.occupancy(self.clip.scene_id, self.time_ns, grid)
        if found.frame != "ego":
            raise BadInput(
                f"the labels lie in the {found.frame} frame", file=self.clip.labels.folder,
                field="frame", remedy="read them with clip.labels.occupancy, or make them again "
                "in the ego frame",
            )  # fmt: skip
        return found

    def occupancy_flow(
        self, grid: VoxelGrid, *, dt_s: float = 0.5
    ) -> Float32[np.ndarray, "x y z 3"]:
        """Where the matter in each occupied cell goes within ``dt_s`` seconds [m].

        In the axes of this frame's ego frame, with the ego's own motion left out: 0 for what
        stands, NaN in free cells.

        Args:
            grid: in the ego frame.
            dt_s: below 0 for where the matter was; that moment must lie on the path ``clip.ego``.

        Raises:
            NotRecorded: the source does not know it.
            BadInput: ``dt_s`` is not finite, or leads off the path.
        """
        later = self.time_ns + span_ns(dt_s)
        try:
            return self.clip.reader.occupancy_flow(self.time_ns, later, grid)
        except BadInput as error:
            if error.field != "time_ns":
                raise
            raise BadInput(
                f"{dt_s} s from {self.time_ns} ns: {error.message}", file=error.file,
                field="dt_s", remedy=error.remedy,
            ) from error  # fmt: skip

    def layout(self, grid: VoxelGrid) -> "Layout":
        """UniScene's 18 bird's-eye-view channels on the floor of ``grid``.

        Boxes or a map that were not recorded leave their channels empty, and the layout's
        ``recorded`` says so.
        """
        from roadloom.scene.layout import rasterise

        boxes: Boxes | None = None
        road_map: RoadMap | None = None
        with suppress(NotRecorded):
            boxes = self._bare_boxes()
        with suppress(NotRecorded):
            road_map = self.clip.map
        return rasterise(boxes, road_map, self.world_from_ego, grid)

    def _bare_boxes(self) -> Boxes:
        """Boxes without what only sensors can tell, where that is cheaper."""
        try:
            return self.clip.reader.boxes_at(self.time_ns)
        except NotRecorded:
            return self.boxes

    def extra_image(self, kind: str, camera: str) -> np.ndarray:
        """Depth, semantics, normals or instances of a camera, where the source knows them.

        ``EXTRA_IMAGES`` says what each holds.
        """
        if kind not in EXTRA_IMAGES:
            raise BadInput(f"unknown kind {kind!r}", remedy=f"use one of {', '.join(EXTRA_IMAGES)}")
        return self.clip.reader.extra_image(
            kind, camera, self._record(camera, self.clip.images[camera])
        )

"""Clips as recordings of the Rerun viewer: ``DIR/SCENE.rrd``, and a layout ``DIR/SCENE.rbl``.

    world                     z up; all coordinates less ``origin_m``, see ``about``
    world/ego                 the vehicle's pose at the source's own rate
    world/path                its way as a line
    world/cameras/NAME        pose at each image's own time, lens, image as recorded
    fisheyes/NAME             images of lenses by angle, which the viewer cannot place in 3-D
    world/lidar/NAME          pose at each sweep's own time, points in that ego frame
    world/boxes, world/occupancy   of key frames, in their ego frame
    world/map/LAYER           lines near the path
    about                     source, scene, licence, origin

The only time line is ``time``, in nanoseconds. Sensors hang on the world, each with the vehicle's
pose of its own time: under ``world/ego`` an image would move on with the vehicle until the next.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from roadloom.errors import BadInput, NotRecorded
from roadloom.export.ply_shapes import Placing
from roadloom.export.rerun_file import counted_stream, sdk, write_layout
from roadloom.export.rerun_images import Photograph, lens_of, photograph
from roadloom.export.rerun_map import map_lines
from roadloom.export.scenes import Export, ExportJob, Summary, export_scenes
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import grid_named
from roadloom.io.atomic import atomic_file
from roadloom.io.progress import show_progress
from roadloom.io.read import is_file
from roadloom.label.recipe import EgoBox
from roadloom.render.place import ego_from_grid
from roadloom.scene.classes import CLASSES, UNKNOWN, class_name
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.jobs import chosen_grid
from roadloom.scene.palette import colors_of
from roadloom.scene.sweep import Sweep
from roadloom.sensors.camera import PinholeCamera
from roadloom.sensors.rig import MountedCamera
from roadloom.viewer.draw import ramp_colors
from roadloom.viewer.names import short_source
from roadloom.viewer.projection import still_points

TIME = "time"
POINT_RADIUS_PX = 1.5
LINE_RADIUS_PX = 1.0
AROUND_NS = 100_000_000
"""Cameras fire this long before or after their key frame at most."""


@dataclass(frozen=True, kw_only=True)
class RerunOptions:
    """What a recording holds; what the clip lacks is left out."""

    rate: Literal["keys", "native"] = "keys"
    """Images and sweeps of key frames, or all."""
    cameras: bool = True
    lidar: bool = True
    boxes: bool = True
    occupancy: Literal["points", "cubes"] | None = "cubes"
    map: bool = True
    map_range_m: float = 100.0
    """Map lines this near to the path's bounds."""
    image_width: int | None = None
    """Larger images are made smaller; None keeps the recorded files as they are."""
    grid: str | None = None
    """Of the occupancy; None: as for PLY."""

    def __post_init__(self) -> None:
        if self.image_width is not None and not 16 <= self.image_width <= 16_384:
            raise BadInput(
                f"{self.image_width} px", field="--image-width", remedy="give 16 to 16384"
            )
        if not 0 <= self.map_range_m <= 1e6:
            raise BadInput(f"{self.map_range_m} m", field="--map-range-m", remedy="give 0 or more")
        if self.grid is not None:
            grid_named(self.grid)


def export_rerun(
    source: str,
    folder: str | Path,
    options: RerunOptions,
    *,
    labels: str | None = None,
    rig: str | None = None,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write the scenes of a source; see ``export_scenes`` for workers, shards and errors.

    Raises:
        MissingExtra: rerun-sdk is not installed.
    """
    sdk()
    job = ExportJob(source=source, flags=asdict(options), labels=labels, rig=rig)
    export = Export(
        kind="rerun",
        write=partial(_into, options),
        is_whole=_is_whole,
        whole=("*.rrd",),
        parts=("*.rbl",),
    )
    return export_scenes(export, job, folder, workers=workers, shard=shard)


def _into(options: RerunOptions, clip: Clip, folder: Path) -> int:
    return write_recording(clip, folder / f"{clip.scene_id}.rrd", options)


def _is_whole(folder: Path, scene: str) -> bool:
    return is_file(folder / f"{scene}.rrd")  # it is renamed into place


def write_recording(clip: Clip, path: str | Path, options: RerunOptions) -> int:
    """Write one clip, whole or not at all; return the number of its key frames.

    The same clip and options give the same chunks, ids and all, in the same order.

    Raises:
        MissingExtra: rerun-sdk is not installed.
        BadInput: data of the clip is damaged.
    """
    rr = sdk()
    if Path(path).suffix != ".rrd":
        raise ValueError(f"a recording ends in .rrd, not {Path(path).name}")
    path = Path(path)
    with atomic_file(path.with_suffix(".rbl")) as temporary:
        write_layout(clip, temporary)
    with atomic_file(path) as temporary, counted_stream(rr, clip, temporary) as stream:
        _Recording(rr, stream, clip, options).log()
    return len(clip)


class _Recording:
    """One clip on its way into one stream."""

    def __init__(self, rr: Any, stream: Any, clip: Clip, options: RerunOptions) -> None:
        self.rr, self.stream, self.clip, self.options = rr, stream, clip, options
        self.placing = Placing.of(clip, world=True)

    def log(self) -> None:
        self._log_static()
        self._log_ego()
        frames = show_progress(self.clip, desc=f"rerun {self.clip.scene_id}", unit="frame")
        for frame in frames:
            self._log_frame(frame)
        if self.options.rate == "native":
            self._log_streams()

    def _static(self, entity: str, *what: Any) -> None:
        self.stream.log(entity, *what, static=True)

    def _at(self, time_ns: int) -> None:
        self.stream.set_time(TIME, timestamp=np.datetime64(time_ns, "ns"))

    def _placed(self, world_from_here: Pose) -> Any:
        """Where an entity stands, in the file's world."""
        at = world_from_here.translation - np.array(self.placing.origin_m)
        return self.rr.Transform3D(translation=at, mat3x3=world_from_here.rotation)

    def _log_static(self) -> None:
        rr, clip = self.rr, self.clip
        self._static("/", rr.AnnotationContext(_classes(rr)))
        self._static("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP)
        self._static("about", rr.TextDocument(_about(clip, self.placing)))
        path = clip.ego.world_from_ego.translation - np.array(self.placing.origin_m)
        radii = rr.Radius.ui_points(LINE_RADIUS_PX)
        self._static("world/path", rr.LineStrips3D([path], radii=radii, colors=[47, 125, 240]))
        box = EgoBox()
        vehicle = rr.Boxes3D(mins=[box.lower_m], sizes=[np.subtract(box.upper_m, box.lower_m)])
        self._static("world/ego/vehicle", vehicle)
        if self.options.cameras:
            for mount in clip.rig.cameras:
                self._log_lens(mount)
        if self.options.map:
            with suppress(NotRecorded):
                found = map_lines(clip, self.placing, self.options.map_range_m)
                for layer, (lines, color) in found.items():
                    strips = rr.LineStrips3D(lines, radii=radii, colors=[color])
                    self._static(f"world/map/{layer}", strips)

    def _log_lens(self, mount: MountedCamera) -> None:
        camera = lens_of(mount, self.options.image_width)
        if not isinstance(camera, PinholeCamera):
            return
        shifted = camera.matrix
        shifted[:2, 2] += 0.5  # the viewer counts from a pixel's corner, we from its middle
        pinhole = self.rr.Pinhole(
            image_from_camera=shifted,
            resolution=[camera.width, camera.height],
            camera_xyz=self.rr.ViewCoordinates.RDF,
            image_plane_distance=1.5,
        )
        self._static(f"world/cameras/{mount.name}", pinhole)

    def _log_ego(self) -> None:
        rr, track = self.rr, self._shown_track()
        at = track.world_from_ego.translation - np.array(self.placing.origin_m)
        self.stream.send_columns(
            "world/ego",
            indexes=[rr.TimeColumn(TIME, timestamp=track.time_ns.astype("datetime64[ns]"))],
            columns=rr.Transform3D.columns(
                translation=at.astype(np.float32),
                mat3x3=track.world_from_ego.rotation.astype(np.float32),
            ),
        )

    def _shown_track(self) -> PoseTrack:
        """The path, cut to the key frames where nothing else is shown."""
        track, keys = self.clip.ego, self.clip.times_ns
        if self.options.rate == "native" or not len(keys):
            return track
        low, high = int(keys[0]) - AROUND_NS, int(keys[-1]) + AROUND_NS
        rows = np.flatnonzero((track.time_ns >= low) & (track.time_ns <= high))
        if not len(rows):
            return track
        return PoseTrack(time_ns=track.time_ns[rows], world_from_ego=track.world_from_ego[rows])

    def _log_frame(self, frame: Frame) -> None:
        if self.options.rate == "keys":
            if self.options.cameras:
                for name in frame.images:
                    stream = self.clip.images[name]
                    assert frame.key is not None
                    self._log_image(name, int(stream.records.key[frame.key]))
            if self.options.lidar and self.clip.meta.lidar is not None:
                with suppress(NotRecorded):
                    self._log_sweep(self.clip.meta.lidar, frame.lidar())
        self._at(frame.time_ns)
        if self.options.boxes:
            self._log_boxes(frame)
        if self.options.occupancy:
            self._log_occupancy(frame)

    def _log_streams(self) -> None:
        """All sweeps and images at their own rates."""
        if self.options.lidar:
            for name, stream in self.clip.sweeps.items():
                for sweep in self._progress(name, stream):
                    self._log_sweep(name, sweep)
        if self.options.cameras:
            for name, images in self.clip.images.items():
                for number in self._progress(name, range(len(images))):
                    self._log_image(name, number)

    def _progress(self, name: str, items: Any) -> Iterator[Any]:
        return iter(show_progress(items, desc=f"rerun {name}", unit="record"))

    def _log_image(self, name: str, number: int) -> None:
        rr, image = self.rr, self.clip.images[name][number]
        self._at(image.time_ns)
        try:
            taken: Photograph = photograph(self.clip, name, number, self.options.image_width)
        except NotRecorded:
            return  # a record without a file, as cut-down pieces have
        what = rr.EncodedImage(contents=taken.data, media_type=taken.media_type)
        if not isinstance(image.mount.camera, PinholeCamera):
            self.stream.log(f"fisheyes/{name}", what)
            return
        self.stream.log(f"world/cameras/{name}", self._placed(image.world_from_camera), what)

    def _log_sweep(self, name: str, sweep: Sweep) -> None:
        rr, hits = self.rr, sweep[sweep.returned]
        points = still_points(hits, self.clip.ego)
        look: dict[str, Any]
        if hits.label is None:
            look = {"colors": ramp_colors(1 - np.clip((points[:, 2] + 1) / 5, 0, 1))}
        else:
            look = {"class_ids": hits.label.astype(np.uint16)}
        radii = rr.Radius.ui_points(POINT_RADIUS_PX)
        cloud = rr.Points3D(points.astype(np.float32), radii=radii, **look)
        self._at(sweep.time_ns)
        self.stream.log(f"world/lidar/{name}", self._placed(sweep.world_from_ego), cloud)

    def _log_boxes(self, frame: Frame) -> None:
        rr = self.rr
        try:
            boxes = frame.boxes
        except NotRecorded:
            self.stream.log("world/boxes", rr.Clear(recursive=False))
            return
        names = [class_name(i) for i in boxes.class_id.tolist()]
        tracks = boxes.track_id.tolist()
        shapes = rr.Boxes3D(
            centers=boxes.pose.translation,
            half_sizes=boxes.size / 2,
            quaternions=boxes.pose.quaternion[:, [1, 2, 3, 0]],
            class_ids=boxes.class_id.astype(np.uint16),
            labels=[f"{n} {t}".strip() for n, t in zip(names, tracks, strict=True)],
            show_labels=False,
        )
        self.stream.log("world/boxes", self._placed(frame.world_from_ego), shapes)

    def _log_occupancy(self, frame: Frame) -> None:
        rr = self.rr
        try:
            occupancy = frame.occupancy(chosen_grid(self.clip, self.options.grid))
        except NotRecorded:
            if self.clip.occupancy_grids:
                self.stream.log("world/occupancy", rr.Clear(recursive=False))
            return
        centers, classes = occupancy.points()
        ids, size = classes.astype(np.uint16), np.array(occupancy.grid.cell_m)
        shapes: Any
        if self.options.occupancy == "cubes":
            halves = np.broadcast_to(size / 2, centers.shape)
            solid = rr.components.FillMode.Solid
            shapes = rr.Boxes3D(centers=centers, half_sizes=halves, class_ids=ids, fill_mode=solid)
        else:
            shapes = rr.Points3D(centers, radii=float(size.min()) / 2, class_ids=ids)
        pose = frame.world_from_ego @ ego_from_grid(frame, occupancy)
        self.stream.log("world/occupancy", self._placed(pose), shapes)


def _classes(rr: Any) -> list[Any]:
    """Every class of ours with its name and colour."""
    ids = np.array([*(c.id for c in CLASSES), UNKNOWN], np.uint8)
    colors = colors_of(ids).tolist()
    rows = zip(ids.tolist(), colors, strict=True)
    return [rr.AnnotationInfo(id=i, label=class_name(i), color=c) for i, c in rows]


def _about(clip: Clip, placing: Placing) -> str:
    origin = ", ".join(f"{value:g}" for value in placing.origin_m)
    return "\n".join(
        [
            f"source: {short_source(clip.meta.source)}",
            f"scene: {clip.scene_id}",
            f"licence: {clip.licence}",
            f"origin_m: {origin} (add it to get the world's own coordinates)",
        ]
    )

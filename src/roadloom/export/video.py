"""Clips as films, one MP4 a scene: cameras where they look, the view from above, or both.

    moments at a fixed rate -> nearest frame -> ring | view from above -> DIR/SCENE.mp4

A film plays as fast as the drive went. Where a recording skips a frame the one before stays on
the screen, so that its time does not run ahead.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int64

from roadloom.errors import BadInput, NotRecorded
from roadloom.export.scenes import Export, ExportJob, Summary, export_scenes
from roadloom.geometry.voxel_grid import VoxelGrid, grid_named
from roadloom.io.extras import need
from roadloom.io.progress import show_progress
from roadloom.io.read import is_file
from roadloom.io.video import write_video
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.jobs import chosen_grid
from roadloom.scene.stream import NS_PER_S
from roadloom.viewer.bev import bev_picture
from roadloom.viewer.draw import Picture
from roadloom.viewer.held import HeldReader, held
from roadloom.viewer.ring import ring_picture
from roadloom.viewer.write import READERS

SLOWEST = Fraction(1, 60)
FASTEST = Fraction(240)
"""Frames a second that a film may have."""


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """What a film shows."""

    cameras: bool = True
    bev: bool = True
    """The view from above: map, points, boxes, the way."""
    boxes: bool = True
    lidar: bool = False
    """Points on the photographs; the view from above shows them where this is set, too."""
    rate: Literal["keys", "native"] = "keys"
    """Key frames, or every image of the camera that took most."""
    width: int = 1920
    """Width of the cameras [px], or height of the view from above where that is alone."""
    grid: str | None = None
    """Whose floor the view from above covers; None: as for PLY."""
    crf: int = 20
    """x264's quality: 0 loses nothing, 51 is worst."""

    def __post_init__(self) -> None:
        if not (self.cameras or self.bev):
            raise BadInput(
                "a film of nothing", field="--no-cameras", remedy="leave cameras or bev in"
            )
        if not 64 <= self.width <= 8192:
            raise BadInput(f"{self.width} px", field="--width", remedy="give 64 to 8192")
        if not 0 <= self.crf <= 51:
            raise BadInput(f"{self.crf} is no quality", field="--crf", remedy="give 0 to 51")
        if self.grid is not None:
            grid_named(self.grid)


def export_video(
    source: str,
    folder: str | Path,
    options: VideoOptions,
    *,
    labels: str | None = None,
    rig: str | None = None,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write the scenes of a source; see ``export_scenes`` for workers, shards and errors.

    Raises:
        MissingExtra: PyAV is not installed.
    """
    need("av")
    job = ExportJob(source=source, flags=asdict(options), labels=labels, rig=rig)
    export = Export(
        kind="video",
        write=partial(_into, options),
        is_whole=_is_whole,
        whole=("*.mp4",),
    )
    return export_scenes(export, job, folder, workers=workers, shard=shard)


def _into(options: VideoOptions, clip: Clip, folder: Path) -> int:
    return write_film(clip, folder / f"{clip.scene_id}.mp4", options)


def _is_whole(folder: Path, scene: str) -> bool:
    return is_file(folder / f"{scene}.mp4")  # it is renamed into place


def write_film(clip: Clip, path: str | Path, options: VideoOptions) -> int:
    """Write one film; return its number of frames.

    Raises:
        MissingExtra: PyAV is not installed.
        NotRecorded: there is no camera, or no image at all for the native rate.
        BadInput: the clip has no key frame, or data of it is damaged.
    """
    if not len(clip):
        raise BadInput("has no key frame to show", file=clip.meta.source, field=clip.scene_id)
    if options.cameras and not clip.rig.cameras:
        raise NotRecorded(
            "this recording has no camera", file=clip.meta.source, field=clip.scene_id,
            remedy="give --no-cameras",
        )  # fmt: skip
    clip = held(clip)
    times = moments(clip, options.rate)
    rate, shown = ticks(times)
    grid = chosen_grid(clip, options.grid)
    return write_video(path, _pictures(clip, times, shown, grid, options), rate, crf=options.crf)


def moments(clip: Clip, rate: Literal["keys", "native"]) -> Int64[np.ndarray, " moment"]:
    """Times [ns] that a film shows, rising: key frames, or the images of the busiest camera that
    were taken on the recorded path."""
    if rate == "keys":
        return clip.times_ns
    streams = [clip.images[name] for name in clip.images]
    busiest = max(streams, key=len, default=None)
    if busiest is None or not len(busiest):
        raise NotRecorded(
            "this recording has no images", file=clip.meta.source, field=clip.scene_id,
            remedy="use --rate keys",
        )  # fmt: skip
    times = np.unique(busiest.times_ns)
    path = clip.ego.time_ns
    return times[(times >= path[0]) & (times <= path[-1])]


def ticks(times: Int64[np.ndarray, " moment"]) -> tuple[Fraction, Int64[np.ndarray, " tick"]]:
    """Frames a second, and for each frame of the film the moment that it shows.

    The rate is that of the median step. Frame k shows the last moment that is not later than
    half a step after its own time, so a gap holds the picture before it.
    """
    if len(times) < 2:
        return Fraction(1), np.arange(len(times))
    step = float(np.median(np.diff(times)))
    rate = Fraction(NS_PER_S / step).limit_denominator(1001)
    if not SLOWEST <= rate <= FASTEST:
        raise BadInput(
            f"{float(rate):g} frames a second make no film", field="--rate",
            remedy=f"a film has {float(SLOWEST):.2f} to {int(FASTEST)}",
        )  # fmt: skip
    span = int(times[-1] - times[0])
    count = int(Fraction(span, NS_PER_S) * rate + Fraction(1, 2)) + 1
    since = [int(Fraction(2 * k + 1, 2) * NS_PER_S / rate) for k in range(count)]
    shown = np.searchsorted(times - times[0], np.array(since, np.int64), side="right") - 1
    return rate, shown


def _pictures(
    clip: Clip, times: np.ndarray, shown: np.ndarray, grid: VoxelGrid, options: VideoOptions
) -> Iterator[Picture]:
    reader = clip.reader
    assert isinstance(reader, HeldReader)
    last, picture = -1, None
    with ThreadPoolExecutor(READERS) as pool:
        for row in show_progress(shown.tolist(), desc=f"film {clip.scene_id}", unit="frame"):
            if row != last or picture is None:
                frame = clip.at(int(times[row]))
                if options.cameras:
                    reader.read_ahead(frame, pool)
                last, picture = row, film_frame(frame, grid, options)
            yield picture


def film_frame(frame: Frame, grid: VoxelGrid, options: VideoOptions) -> Picture:
    """The cameras, and the view from above beside them at their height."""
    boxes, lidar = options.boxes, options.lidar
    if not options.cameras:
        return bev_picture(frame, grid, options.width, boxes=boxes, lidar=lidar)
    ring = ring_picture(frame, options.width, boxes=boxes, lidar=lidar)
    if not options.bev:
        return ring
    above = bev_picture(frame, grid, len(ring), boxes=boxes, lidar=lidar)
    return np.concatenate([ring, above], axis=1)

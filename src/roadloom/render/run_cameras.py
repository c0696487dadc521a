"""Camera maps of a whole source: by several processes, resumed where it was left.

DIR/cameras.json              source, flags and class list: written first, never changed
DIR/SCENE/CAMERA/TIME.npz     depth, depth_sum, semantic and alpha of the key frame at TIME [ns]
DIR/SCENE/CAMERA/TIME.png     classes in colour beside the depth, to look at

Files are renamed into place, so one that is there is whole, and is kept.
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from roadloom.errors import NotRecorded
from roadloom.io.image import write_image
from roadloom.io.npz import Field, read_npz, write_npz
from roadloom.io.read import is_file
from roadloom.render.blocks import Block, Done, render_blocks
from roadloom.render.cameras import CameraMaps, CameraOptions, render_cameras, render_frame
from roadloom.render.place import ego_from_grid
from roadloom.scene.claimed_folder import ClaimedFolder
from roadloom.scene.class_views import IGNORE
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.jobs import GridJob, ItemSummary, chosen_grid, clip_of, opened
from roadloom.scene.palette import DARK_BACKGROUND, colors_of, view_colors
from roadloom.sensors.rig import Rig
from roadloom.sensors.rig_yaml import read_rig

SCHEMA = 1
FOLDER = ClaimedFolder(
    manifest="cameras.json",
    schema="roadloom_camera_maps",
    command="roadloom render cameras",
    whole=("*/*/*.npz",),
    parts=("*/*/*.png",),
)
Summary = ItemSummary
_WHITE_M, _BLACK_M = 1.0, 80.0
"""Depths of a picture's brightest and darkest grey."""
_PIXELS = ("height", "width")
_FIELDS = {
    "depth": Field("<f4", _PIXELS),
    "depth_sum": Field("<f4", _PIXELS),
    "semantic": Field("|u1", _PIXELS, exact=True),
    "alpha": Field("<f4", _PIXELS),
}


@dataclass(frozen=True, kw_only=True)
class CameraJob(GridJob):
    """What is rendered. Fields are checked when it is made."""

    rig: str | None = None
    """YAML of other cameras to look through, all at the key frame's time; None: the clip's own,
    each from where the vehicle was at the time of its image."""
    options: CameraOptions = field(default_factory=CameraOptions)
    half: bool = False
    """Numbers of 16 bits in the files: half the size, depths good to 0.05 %."""
    pictures: bool = True

    def open_rig(self) -> Rig | None:
        return None if self.rig is None else read_rig(self.rig)

    @property
    def manifest(self) -> dict[str, Any]:
        """What must be equal for two runs to share a folder; their scenes may differ."""
        flags = {k: v for k, v in asdict(self).items() if k != "options"}
        options = {
            k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.options).items()
        }
        return flags | options | self.facts(FOLDER.schema, SCHEMA)


def render_source(
    job: CameraJob,
    folder: str | Path,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write the maps of every key frame that ``folder`` lacks.

    Args:
        folder: created if missing, and bound to the job it was begun with.
        workers: processes; 1 works in this one.
        shard: (i, n): only scenes i, i + n, i + 2n, ...

    Raises:
        BadInput: the folder holds something else, or data is damaged.
        NotRecorded: a scene has no occupancy on this grid, or the vehicle no cameras.
        MissingInput: there is no such camera.
        RoadloomError: a worker was killed.
    """
    folder = Path(folder)
    source, scenes = opened(job.source, job.open, workers=workers, shard=shard)
    rig = job.open_rig() or source[0].rig
    for name in job.options.cameras:
        rig.camera(name)
    if not rig.cameras:
        raise NotRecorded(
            f"{job.rig or source[0].scene_id} has no cameras", field="--rig",
            remedy="look through the cameras of another vehicle: a YAML of it, see "
            "docs/rig_format.md",
        )  # fmt: skip
    FOLDER.claim(folder, job.manifest)
    write = partial(_write_block, job, folder)
    return render_blocks(write, source, scenes, _keys, workers=workers, unit="frame")


def _keys(clip: Clip) -> range:
    return range(len(clip))


def read_maps(path: str | Path) -> CameraMaps:
    """One ``TIME.npz``, in single precision.

    Raises:
        MissingInput: no such file.
        BadInput: it is damaged, or no such file at all.
    """
    return CameraMaps(**read_npz(path, _FIELDS))


def write_maps(path: str | Path, maps: CameraMaps, *, half: bool = False) -> None:
    """The file that ``read_maps`` reads; the same maps give the same bytes."""
    narrow = np.float16 if half else np.float32
    arrays = {
        name: array if array.dtype == np.uint8 else array.astype(narrow)
        for name, array in maps._asdict().items()
    }
    write_npz(path, arrays)


def picture(maps: CameraMaps, view: str | None = None) -> UInt8[np.ndarray, "height columns 3"]:
    """Classes in colour, and to their right the depth: the nearer, the brighter."""
    if view is None:
        classes = colors_of(maps.semantic)
    else:
        table = np.tile(np.array(DARK_BACKGROUND, np.uint8), (IGNORE + 1, 1))
        colors = view_colors(view)
        table[: len(colors)] = colors
        classes = table[maps.semantic]
    hit = np.isfinite(maps.depth)
    depth = np.clip(np.where(hit, np.abs(maps.depth), _BLACK_M), _WHITE_M, _BLACK_M)
    share = 1 - np.log(depth / _WHITE_M) / np.log(_BLACK_M / _WHITE_M)
    grey = np.where(hit, np.round(55 + 200 * share), 0).astype(np.uint8)
    return np.concatenate([classes, np.repeat(grey[..., None], 3, axis=-1)], axis=1)


def _write_block(job: CameraJob, folder: Path, block: Block) -> Done:
    scene, keys = block
    clip, rig = clip_of(job, scene), job.open_rig()
    with FOLDER.writing(folder, job.manifest):
        done = [_write_frame(job, rig, clip[key], folder / scene) for key in keys]
    return Done(done.count("written"), done.count("kept"), done.count("bare"))


def _write_frame(
    job: CameraJob, rig: Rig | None, frame: Frame, folder: Path
) -> Literal["written", "kept", "bare"]:
    """Write what is absent; whether anything was, or no camera looks at this moment."""
    there = frame.images if rig is None else rig.camera_names
    names = [name for name in job.options.cameras or there if name in there]
    ends = (".npz", ".png") if job.pictures else (".npz",)
    if not names:
        return "bare"
    if all(is_file(folder / n / f"{frame.time_ns}{end}") for n in names for end in ends):
        return "kept"
    grid = chosen_grid(frame.clip, job.grid)
    if rig is None:
        found = render_frame(frame, grid, job.options)
    else:
        occupancy = frame.occupancy(grid)
        place = ego_from_grid(frame, occupancy)
        found = render_cameras(occupancy, rig, job.options, ego_from_grid=place)
    for name, maps in found.items():
        path = folder / name / f"{frame.time_ns}.npz"
        if job.pictures:
            write_image(path.with_suffix(".png"), picture(maps, job.options.view))
        write_maps(path, maps, half=job.half)
    return "written"

"""Camera maps of a whole source: by several processes, resumed where it was left.

DIR/cameras.json              source, flags and class list: written first, never changed
DIR/SCENE/CAMERA/TIME.npz     depth, depth_sum, semantic and alpha of the key frame at TIME [ns]
DIR/SCENE/CAMERA/TIME.png     classes in colour beside the depth, to look at

Files are renamed into place, so one that is there is whole, and is kept.
"""

from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from roadloom import __version__
from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import GRIDS, OCC3D, VoxelGrid
from roadloom.io.atomic import write_json
from roadloom.io.image import write_image
from roadloom.io.npz import Field, read_npz, write_npz
from roadloom.io.progress import show_progress
from roadloom.io.read import exists, is_dir, is_file, read_json, read_text
from roadloom.io.workers import check_workers, each, part_of
from roadloom.render.cameras import CameraMaps, CameraOptions, render_cameras, render_frame
from roadloom.scene.class_views import IGNORE
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.palette import DARK_BACKGROUND, colors_of, view_colors
from roadloom.scene.registry import open_source
from roadloom.scene.source import Source, SourceName
from roadloom.sensors.rig import Rig
from roadloom.sensors.rig_yaml import rig_from_yaml

SCHEMA = 1
MANIFEST = "cameras.json"
BLOCK = 8
"""Key frames that a worker takes at a time."""
_WHITE_M, _BLACK_M = 1.0, 80.0
"""Depths of a picture's brightest and darkest grey."""
_PIXELS = ("height", "width")
_FIELDS = {
    "depth": Field("<f4", _PIXELS),
    "depth_sum": Field("<f4", _PIXELS),
    "semantic": Field("|u1", _PIXELS, exact=True),
    "alpha": Field("<f4", _PIXELS),
}


class Summary(NamedTuple):
    """What a run did, in key frames."""

    written: int
    kept: int
    """Whole already."""
    scenes: int


@dataclass(frozen=True, kw_only=True)
class CameraJob:
    """What is rendered. Fields are checked when it is made."""

    source: str
    """KIND:PLACE[:SCENE]."""
    labels: str | None = None
    """Folder of labels to attach."""
    grid: str | None = None
    """Name of one of ``GRIDS``; None: the first that a clip holds, or occ3d where it holds any."""
    rig: str | None = None
    """YAML of other cameras to look through, all at the key frame's time; None: the clip's own,
    each from where the vehicle was at the time of its image."""
    options: CameraOptions = field(default_factory=CameraOptions)
    half: bool = False
    """Numbers of 16 bits in the files: half the size, depths good to 0.05 %."""
    pictures: bool = True

    def __post_init__(self) -> None:
        if self.grid is not None and self.grid not in GRIDS:
            raise BadInput(
                f"no grid {self.grid!r}", field="--grid", remedy=f"use {', '.join(GRIDS)}"
            )

    def open(self) -> Source:
        return open_source(self.source, labels=self.labels)

    def open_rig(self) -> Rig | None:
        return None if self.rig is None else rig_from_yaml(read_text(self.rig), file=self.rig)

    def grid_of(self, clip: Clip) -> VoxelGrid:
        if self.grid is not None:
            return GRIDS[self.grid]
        held = clip.occupancy_grids
        return held[0] if held else OCC3D

    @property
    def manifest(self) -> dict[str, Any]:
        """What must be equal for two runs to share a folder; their scenes may differ."""
        name = SourceName.parse(self.source)
        flags = {k: v for k, v in asdict(self).items() if k not in ("source", "options")}
        options = {
            k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.options).items()
        }
        return {
            "roadloom_camera_maps": SCHEMA,
            "version": __version__,
            "class_hash": CLASS_HASH,
            "source": str(SourceName(name.kind, name.place, None)),
            **flags,
            **options,
        }


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
        NotRecorded: a scene has no occupancy on this grid.
        MissingInput: there is no such camera.
        RoadloomError: a worker was killed.
    """
    check_workers(workers)
    part_of((), shard)
    folder = Path(folder)
    source = job.open()
    if not len(source):
        raise BadInput("the source has no scenes", file=job.source, field="SOURCE")
    rig = job.open_rig() or source.clip(source.scenes[0]).rig
    for name in job.options.cameras:
        rig.camera(name)
    claim(folder, job.manifest)
    scenes = part_of(source.scenes, shard)
    blocks = [
        (scene, tuple(range(first, min(first + BLOCK, count))))
        for scene in scenes
        for count in (len(source.clip(scene)),)
        for first in range(0, count, BLOCK)
    ]
    total, written = sum(len(keys) for _, keys in blocks), 0
    with show_progress(total=total, desc=f"rendering {job.source}", unit="frame") as bar:
        for done, count in each(partial(_write_block, job, folder), blocks, workers):
            written += done
            bar.update(count)
    return Summary(written, total - written, len(scenes))


def claim(folder: Path, manifest: dict[str, Any]) -> None:
    """Make a folder one of this manifest, or find that it is.

    Raises:
        BadInput: it was begun with other flags, or holds other things.
    """
    path = folder / MANIFEST
    if not exists(path):
        if is_dir(folder) and any(not p.name.startswith(".") for p in folder.iterdir()):
            raise BadInput(
                f"is not empty and holds no {MANIFEST}", file=folder, field="--out",
                remedy="name a new folder, or one that `roadloom render cameras` has begun",
            )  # fmt: skip
        write_json(path, manifest)
        return
    found = read_json(path)
    found = found if isinstance(found, dict) else {}
    for name, wanted in manifest.items():
        if found.get(name) != wanted:
            raise BadInput(
                f"the folder was begun with {found.get(name)!r}, now {wanted!r} is asked for",
                file=path, field=name, remedy="use the same flags and version, or a new folder",
            )  # fmt: skip


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


@lru_cache(maxsize=1)
def _clip(job: CameraJob, scene: str) -> tuple[Clip, Rig | None]:
    """The scene that a worker is at; its next block mostly belongs to the same."""
    return job.open().clip(scene), job.open_rig()


def _write_block(
    job: CameraJob, folder: Path, block: tuple[str, tuple[int, ...]]
) -> tuple[int, int]:
    """Key frames that were rendered, and all of the block."""
    scene, keys = block
    clip, rig = _clip(job, scene)
    written = sum(_write_frame(job, rig, clip[key], folder / scene) for key in keys)
    return written, len(keys)


def _write_frame(job: CameraJob, rig: Rig | None, frame: Frame, folder: Path) -> bool:
    """Write what is absent; whether anything was."""
    there = frame.images if rig is None else rig.camera_names
    names = [name for name in job.options.cameras or there if name in there]
    ends = (".npz", ".png") if job.pictures else (".npz",)
    if all(is_file(folder / n / f"{frame.time_ns}{end}") for n in names for end in ends):
        return False
    grid = job.grid_of(frame.clip)
    if rig is None:
        found = render_frame(frame, grid, job.options)
    else:
        found = render_cameras(frame.occupancy(grid), rig, job.options)
    for name, maps in found.items():
        path = folder / name / f"{frame.time_ns}.npz"
        if job.pictures:
            write_image(path.with_suffix(".png"), picture(maps, job.options.view))
        write_maps(path, maps, half=job.half)
    return True

"""Everything there is to look at in a clip, as files in one folder.

    index.html            the page: plays offline
    cameras/NAME.jpg      each photograph of one key frame; NAME_overlay.jpg with boxes and LiDAR
    ring.png              all cameras; bev.png from above; occupancy.png as cubes
    overview.png          the three on one sheet
    points.ply            the LiDAR sweep, coloured; occupancy.npz the cells
    film.mp4              cameras and the view from above, over all key frames

What was not recorded is left out. What an earlier view left in the folder is removed first, and
the page is written last: where there is a page, the view is whole.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.extras import need
from roadloom.io.image import write_image
from roadloom.io.ply import PointCloud, write_ply
from roadloom.io.progress import show_progress
from roadloom.io.video import write_video
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.occupancy import Occupancy
from roadloom.viewer.bev import bev_picture
from roadloom.viewer.colors import class_colors
from roadloom.viewer.draw import Picture, ramp_colors, resized
from roadloom.viewer.held import HeldReader, held
from roadloom.viewer.names import short_source
from roadloom.viewer.options import ViewOptions
from roadloom.viewer.page import Page
from roadloom.viewer.projection import still_points
from roadloom.viewer.ring import overlay, recorded_sweep, ring_picture
from roadloom.viewer.voxels import voxel_picture

__all__ = ["ViewOptions", "write_view"]

OUTPUTS = (
    "index.html", "film.mp4", "points.ply", "occupancy.npz", "bev.png", "ring.png",
    "occupancy.png", "overview.png",
)  # fmt: skip
"""Beside them each camera's pictures."""
OVERLAY = "_overlay.jpg"
JPEG_QUALITY = 93
FILM_WIDTH = 1280
"""Width [px] of the camera ring in the film; the view from above is added beside it."""
FILM_HOLD_S = 2.0
"""A film of fewer seconds is slowed down to last as long."""
SHEET_WIDTH = 1920
PAPER = (16, 18, 23)
READERS = min(len(os.sched_getaffinity(0)), 8) if hasattr(os, "sched_getaffinity") else 2
"""Threads that read a frame's images."""


def write_view(clip: Clip, out_dir: str | Path, options: ViewOptions | None = None) -> list[Path]:
    """Write page, pictures, point cloud, occupancy and film; return the files, the page first.

    Raises:
        MissingExtra: a film is asked for and PyAV is not installed; nothing is written then.
        BadInput: ``out_dir`` is a file, the clip has no key frame, or data of it is damaged;
            there is no page then.
    """
    options, folder = options or ViewOptions(), Path(out_dir)
    if options.film:
        need("av")
    if folder.exists() and not folder.is_dir():
        raise BadInput("is no folder", file=folder, remedy="name another --out, or remove it")
    clip = held(clip)
    reader = clip.reader
    assert isinstance(reader, HeldReader)
    page = Page(clip, options)
    grid = page.grid
    _remove_earlier(folder)
    pictures: list[Path] = []

    def one_pass() -> Iterator[Picture]:
        """Every frame is read once, for page, pictures and film together."""
        keys = range(len(clip)) if options.film else page.keys
        with ThreadPoolExecutor(READERS) as pool:
            for key in show_progress(keys, desc="view", unit="frame"):
                frame = clip[key]
                reader.read_ahead(frame, pool)
                if key in page.keys:
                    page.add(frame)
                if key == page.opening:
                    pictures.extend(_write_pictures(frame, grid, folder))
                if options.film:
                    yield film_picture(frame, grid)

    if options.film:
        write_video(folder / "film.mp4", _held_long(one_pass(), len(clip)), film_rate(clip))
        pictures.append(folder / "film.mp4")
    else:
        deque(one_pass(), maxlen=0)
    return [page.write(folder / "index.html"), *pictures]


def colored_cloud(frame: Frame) -> PointCloud:
    """The sweep of a frame in its ego frame: coloured by class where known, else by height.

    Raises:
        NotRecorded: the frame has no sweep.
    """
    sweep = frame.lidar()
    hits = sweep[sweep.returned]
    points = still_points(hits, frame.clip.ego)
    source = short_source(frame.clip.meta.source)
    if hits.label is not None:
        colors = class_colors(hits.label)
    else:
        colors = ramp_colors(1 - np.clip((points[:, 2] + 1) / 5, 0, 1))
    return PointCloud(
        points=points.astype(np.float32),
        colors=colors,
        intensity=hits.intensity.astype(np.float32),
        label=hits.label,
        comments=(
            f"{source} scene {frame.clip.scene_id} at {frame.time_ns} ns",
            "ego frame: x forward, y left, z up, metres; origin on the ground under the rear axle",
            f"licence {frame.clip.licence}",
        ),
    )


def film_rate(clip: Clip) -> Fraction:
    """Key frames per second as recorded, or fewer, so that the film lasts ``FILM_HOLD_S``."""
    if len(clip) < 2:
        return Fraction(1)
    recorded = 1e9 / float(np.median(np.diff(clip.times_ns)))
    return Fraction(min(recorded, len(clip) / FILM_HOLD_S)).limit_denominator(1001)


def film_picture(frame: Frame, grid: VoxelGrid) -> Picture:
    """The camera ring with boxes, and the view from above beside it."""
    if not frame.clip.rig.cameras:
        return bev_picture(frame, grid, 720)
    ring = ring_picture(frame, FILM_WIDTH, lidar=False)
    return np.concatenate([ring, bev_picture(frame, grid, len(ring))], axis=1)


def _held_long(pictures: Iterator[Picture], count: int) -> Iterator[Picture]:
    """A single picture is shown for ``FILM_HOLD_S``, at one a second."""
    for picture in pictures:
        yield from [picture] * (1 if count > 1 else round(FILM_HOLD_S))


def _remove_earlier(folder: Path) -> None:
    """Remove what an earlier view wrote, the page first; other files stay."""
    drawn = sorted((folder / "cameras").glob(f"*{OVERLAY}"))
    photographs = [path.with_name(path.name.removesuffix(OVERLAY) + ".jpg") for path in drawn]
    for path in (*(folder / name for name in OUTPUTS), *photographs, *drawn):
        if path.is_file() or path.is_symlink():
            path.unlink()


def _write_pictures(frame: Frame, grid: VoxelGrid, folder: Path) -> list[Path]:
    written = _write_cameras(frame, folder) + _write_sheets(frame, grid, folder)
    if recorded_sweep(frame) is not None:
        write_ply(folder / "points.ply", colored_cloud(frame))
        written.append(folder / "points.ply")
    if (occupancy := _occupancy(frame, grid)) is not None:
        occupancy.to_npz(folder / "occupancy.npz")
        written.append(folder / "occupancy.npz")
    return written


def _write_cameras(frame: Frame, folder: Path) -> list[Path]:
    written = []
    for name in frame.clip.rig.camera_names:
        raw, drawn = (folder / "cameras" / f"{name}{end}" for end in (".jpg", OVERLAY))
        # First the overlay: a photograph beside none is not ours, see ``_remove_earlier``.
        write_image(drawn, overlay(frame, name), JPEG_QUALITY)
        written.append(drawn)
        with suppress(NotRecorded):  # the overlay is drawn all the same, on grey
            write_image(raw, frame.image(name).pixels, JPEG_QUALITY)
            written.append(raw)
    return written


def _write_sheets(frame: Frame, grid: VoxelGrid, folder: Path) -> list[Path]:
    sheets = {"bev": bev_picture(frame, grid)}
    if frame.clip.rig.cameras:
        sheets["ring"] = ring_picture(frame)
    if (occupancy := _occupancy(frame, grid)) is not None:
        sheets["occupancy"] = voxel_picture(occupancy)
    sheets["overview"] = overview(sheets)
    for name, picture in sheets.items():
        write_image(folder / f"{name}.png", picture)
    return [folder / f"{name}.png" for name in sheets]


def overview(sheets: dict[str, Picture]) -> Picture:
    """One sheet: the ring over the view from above and the occupancy, as far as there are any."""
    lower = [sheets[name] for name in ("bev", "occupancy") if name in sheets]
    height = round(SHEET_WIDTH / max(2.0, sum(p.shape[1] / p.shape[0] for p in lower)))
    lower = [resized(p, round(p.shape[1] / p.shape[0] * height), height) for p in lower]
    strips = [np.concatenate(lower, axis=1)[:, :SHEET_WIDTH]]
    if "ring" in sheets:
        ring = sheets["ring"]
        strips.insert(0, resized(ring, SHEET_WIDTH, round(len(ring) * SHEET_WIDTH / ring.shape[1])))
    sheet = np.full((sum(map(len, strips)), SHEET_WIDTH, 3), PAPER, np.uint8)
    top = 0
    for strip in strips:
        left = (SHEET_WIDTH - strip.shape[1]) // 2
        sheet[top : top + len(strip), left : left + strip.shape[1]] = strip
        top += len(strip)
    return sheet


def _occupancy(frame: Frame, grid: VoxelGrid) -> Occupancy | None:
    try:
        return frame.occupancy(grid)
    except NotRecorded:
        return None

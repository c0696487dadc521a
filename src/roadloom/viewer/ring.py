"""Photographs with what was annotated and measured drawn over them, alone and as a ring.

frame -> overlay(camera): image + boxes + LiDAR dots
      -> ring_picture:    all cameras, each where it looks: front row, rear row
"""

from functools import partial

import numpy as np

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.image import CameraImage
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import MountedCamera, Rig
from roadloom.viewer.colors import class_colors
from roadloom.viewer.draw import (
    Picture,
    draw_dots,
    draw_label,
    draw_lines,
    draw_words,
    range_colors,
    resized,
)
from roadloom.viewer.projection import BoxLines, box_lines, project, still_points

BLANK = 34
"""Grey level where a photograph was not recorded."""
ABSENT = "no photograph recorded"
"""In its place; the page says the same."""
GAP_PX = 6
SIDE = -0.05
"""Cameras whose optical axis points further back than this (cosine) go to the rear row."""


def overlay(
    frame: Frame,
    camera: str,
    *,
    boxes: bool = True,
    lidar: bool = True,
    size: tuple[int, int] | None = None,
) -> Picture:
    """The image of one camera, on it the frame's boxes and points as far as recorded.

    Where the photograph was not recorded its place is grey and says so. ``size`` is the
    picture's width and height [px], the camera's own if None; the photograph is resized before
    it is drawn on.
    """
    image = camera_view(frame, camera)
    full = image.mount.camera
    width, height = size or (full.width, full.height)
    taken = photograph(image, width, height)
    absent = taken is None
    picture = np.full((height, width, 3), BLANK, np.uint8) if taken is None else taken
    scale = np.array([width / full.width, height / full.height])
    if lidar and (sweep := recorded_sweep(frame)) is not None:
        pixels, away = points_in_image(frame, sweep, image)
        spots = (pixels + 0.5) * scale - 0.5
        picture = draw_dots(picture, spots, range_colors(away), max(0.8, width / 900))
    if boxes and (found := recorded_boxes(frame)) is not None:
        lines = lines_in_image(frame, found, image)
        ends = (lines.ends + 0.5) * scale - 0.5
        colors = class_colors(found.class_id)[lines.box]
        picture = draw_lines(picture, ends, colors, max(1.0, width / 700))
    return draw_words(picture, ABSENT) if absent else picture


def camera_view(frame: Frame, camera: str) -> CameraImage:
    """The frame's image of a camera; without a record, what it would see at the frame's time."""
    try:
        return frame.image(camera)
    except NotRecorded:
        return CameraImage(
            mount=frame.clip.rig.camera(camera),
            time_ns=frame.time_ns,
            world_from_ego=frame.world_from_ego,
            read=partial(_no_photograph, camera),
        )


def _no_photograph(camera: str) -> np.ndarray:
    raise NotRecorded("this frame has no photograph of it", field=camera)


def photograph(image: CameraImage, width: int, height: int) -> Picture | None:
    """The pixels at a size; None where they were not recorded."""
    try:
        return resized(image.pixels, width, height)
    except NotRecorded:
        return None


def recorded_boxes(frame: Frame) -> Boxes | None:
    try:
        return frame.boxes
    except NotRecorded:
        return None


def recorded_sweep(frame: Frame) -> Sweep | None:
    try:
        return frame.lidar()
    except NotRecorded:
        return None


def chosen_key(clip: Clip, wanted: int | None) -> int:
    """The key frame that was asked for, else the first with a LiDAR sweep, else the first.

    Raises:
        BadInput: there is no such key frame.
    """
    if not len(clip):
        raise BadInput("has no key frame to show", file=clip.meta.source, field=clip.scene_id)
    if wanted is None:
        with_sweep = (k for k in range(len(clip)) if recorded_sweep(clip[k]) is not None)
        return 0 if clip.meta.lidar is None else next(with_sweep, 0)
    if not -len(clip) <= wanted < len(clip):
        raise BadInput(
            f"there is no key frame {wanted} among {len(clip)}",
            file=clip.meta.source, field="frame", remedy="choose one that the clip has",
        )  # fmt: skip
    return wanted % len(clip)


def points_in_image(
    frame: Frame, sweep: Sweep, image: CameraImage
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [point 2] of what an image sees and distances [point] from it, the far ones first."""
    points = still_points(sweep, frame.clip.ego)
    pixels, away, seen = project(points, sweep.world_from_ego, image, _path(frame, image))
    rows = np.flatnonzero(seen)
    rows = rows[np.argsort(-away[rows], kind="stable")]
    return pixels[rows], away[rows]


def lines_in_image(frame: Frame, boxes: Boxes, image: CameraImage) -> BoxLines:
    """Edges of the frame's boxes in an image."""
    return box_lines(boxes, frame.world_from_ego, image, _path(frame, image))


def ring_rows(rig: Rig) -> tuple[tuple[str, ...], ...]:
    """Camera names: those that look ahead, then those that look back, left ones to the left.

    Stereo pairs, known by their names, follow the other cameras of their row.
    """
    front = [c for c in rig.cameras if _axis(c)[0] >= SIDE]
    rear = [c for c in rig.cameras if _axis(c)[0] < SIDE]

    def place(camera: MountedCamera) -> tuple[bool, int, float]:
        # A stereo pair would part the ring that it looks along. Cameras that look the same way
        # go by where they sit; 0.02 is about a degree.
        axis, seat = _axis(camera), camera.ego_from_camera.translation
        sideways = np.arctan2(axis[1], abs(axis[0]))
        stereo = camera.name.lower().startswith("stereo")
        return (stereo, -round(float(sideways) / 0.02), -float(seat[1]))

    rows = (tuple(c.name for c in sorted(row, key=place)) for row in (front, rear))
    return tuple(row for row in rows if row)


def ring_picture(
    frame: Frame, width: int = 1920, *, boxes: bool = True, lidar: bool = True
) -> Picture:
    """All cameras of a frame, each labelled with its name.

    Raises:
        NotRecorded: the rig has no camera.
    """
    rows = ring_rows(frame.clip.rig)
    if not rows:
        raise NotRecorded("this recording has no camera", field="cameras")
    height = min(width // 2, *(_height(frame.clip.rig, row, width) for row in rows))
    strips = [_strip(frame, row, (width, height), boxes=boxes, lidar=lidar) for row in rows]
    gap = np.full((GAP_PX, width, 3), BLANK // 2, np.uint8)
    parts = [part for strip in strips for part in (strip, gap)]
    return np.concatenate(parts[:-1])


def _height(rig: Rig, names: tuple[str, ...], width: int) -> int:
    """Height at which a row of cameras fills the width."""
    cameras = [rig.camera(name).camera for name in names]
    free = width - GAP_PX * (len(names) - 1)
    return round(free / sum(c.width / c.height for c in cameras))


def _strip(
    frame: Frame, names: tuple[str, ...], size: tuple[int, int], *, boxes: bool, lidar: bool
) -> Picture:
    """Images side by side, of one height, in the middle of the width."""
    width, height = size
    cameras = [frame.clip.rig.camera(name).camera for name in names]
    strip = np.full((height, width, 3), BLANK // 2, np.uint8)
    widths = [round(c.width / c.height * height) for c in cameras]
    left = (width - sum(widths) - GAP_PX * (len(names) - 1)) // 2
    for name, own in zip(names, widths, strict=True):
        left = max(0, min(left, width - own))  # rounding may add a pixel
        picture = overlay(frame, name, boxes=boxes, lidar=lidar, size=(own, height))
        strip[:, left : left + own] = draw_label(picture, name, max(10, width // 110), (6, 6))
        left += own + GAP_PX
    return strip


def _path(frame: Frame, image: CameraImage) -> PoseTrack | None:
    """The vehicle's path, if the camera needs it."""
    return frame.clip.ego if image.mount.row_time_ns else None


def _axis(camera: MountedCamera) -> np.ndarray:
    """Direction in which the camera looks, in the ego frame."""
    return camera.ego_from_camera.rotation[:, 2]

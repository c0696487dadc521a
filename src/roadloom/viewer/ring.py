"""Photographs with what was annotated and measured drawn over them, alone and as a ring.

frame -> overlay(camera): image + boxes + LiDAR dots
      -> ring_picture:    all cameras, each where it looks: front row, rear row
"""

from functools import partial

import numpy as np
from jaxtyping import UInt8

from roadloom.errors import NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Frame
from roadloom.scene.image import CameraImage
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import MountedCamera, Rig
from roadloom.viewer.colors import class_colors
from roadloom.viewer.draw import (
    Picture,
    depth_colors,
    draw_dots,
    draw_label,
    draw_lines,
    resized,
)
from roadloom.viewer.projection import BoxLines, box_lines, project, still_points

BLANK = 34
"""Grey level where a photograph was not recorded."""
GAP_PX = 6
SIDE = -0.05
"""Cameras whose optical axis points further back than this (cosine) go to the rear row."""


def overlay(frame: Frame, camera: str, *, boxes: bool = True, lidar: bool = True) -> Picture:
    """The image of one camera, on it the frame's boxes and points as far as recorded.

    Where the photograph was not recorded its place is grey.
    """
    image = camera_view(frame, camera)
    picture = photograph(image)
    if lidar and (sweep := recorded_sweep(frame)) is not None:
        picture = _with_points(picture, frame, sweep, image)
    if boxes and (found := recorded_boxes(frame)) is not None:
        lines = box_lines(found, frame.world_from_ego, image, _path(frame, image))
        colors = class_colors(found.class_id)[lines.box]
        picture = draw_lines(picture, lines.ends, colors, max(1.0, picture.shape[1] / 700))
    return picture


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


def photograph(image: CameraImage) -> Picture:
    """The pixels, or a grey sheet of the camera's size where they were not recorded."""
    try:
        return image.pixels
    except NotRecorded:
        camera = image.mount.camera
        return np.full((camera.height, camera.width, 3), BLANK, np.uint8)


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


def points_in_image(
    frame: Frame, sweep: Sweep, image: CameraImage
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [point 2] and depths [point] of what an image sees, the far points first."""
    points = still_points(sweep, frame.clip.ego)
    pixels, depth, seen = project(points, sweep.world_from_ego, image, _path(frame, image))
    rows = np.flatnonzero(seen)
    rows = rows[np.argsort(-depth[rows], kind="stable")]
    return pixels[rows], depth[rows]


def lines_in_image(frame: Frame, boxes: Boxes, image: CameraImage) -> BoxLines:
    """Edges of the frame's boxes in an image."""
    return box_lines(boxes, frame.world_from_ego, image, _path(frame, image))


def ring_rows(rig: Rig) -> tuple[tuple[str, ...], ...]:
    """Camera names: those that look ahead, then those that look back, left ones to the left."""
    front = [c for c in rig.cameras if _axis(c)[0] >= SIDE]
    rear = [c for c in rig.cameras if _axis(c)[0] < SIDE]

    def place(camera: MountedCamera) -> tuple[float, float]:
        # Cameras that look the same way go by where they sit; 0.02 is about a degree.
        axis, seat = _axis(camera), camera.ego_from_camera.translation
        sideways = np.arctan2(axis[1], abs(axis[0]))
        return (-round(float(sideways) / 0.02), -float(seat[1]))

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
    strips = [_strip(frame, row, width, boxes=boxes, lidar=lidar) for row in rows]
    gap = np.full((GAP_PX, width, 3), BLANK // 2, np.uint8)
    parts = [part for strip in strips for part in (strip, gap)]
    return np.concatenate(parts[:-1])


def _strip(
    frame: Frame, names: tuple[str, ...], width: int, *, boxes: bool, lidar: bool
) -> UInt8[np.ndarray, "height width 3"]:
    """Images side by side, of one height, that fill the width together."""
    cameras = [frame.clip.rig.camera(name).camera for name in names]
    free = width - GAP_PX * (len(names) - 1)
    height = min(round(free / sum(c.width / c.height for c in cameras)), width // 2)
    strip = np.full((height, width, 3), BLANK // 2, np.uint8)
    widths = [round(c.width / c.height * height) for c in cameras]
    left = (width - sum(widths) - GAP_PX * (len(names) - 1)) // 2
    for name, own in zip(names, widths, strict=True):
        left = max(0, min(left, width - own))  # rounding may add a pixel
        picture = resized(overlay(frame, name, boxes=boxes, lidar=lidar), own, height)
        strip[:, left : left + own] = draw_label(picture, name, max(10, width // 110), (6, 6))
        left += own + GAP_PX
    return strip


def _with_points(picture: Picture, frame: Frame, sweep: Sweep, image: CameraImage) -> Picture:
    pixels, depth = points_in_image(frame, sweep, image)
    return draw_dots(picture, pixels, depth_colors(depth), max(1.0, picture.shape[1] / 900))


def _path(frame: Frame, image: CameraImage) -> PoseTrack | None:
    """The vehicle's path, if the camera needs it."""
    return frame.clip.ego if image.mount.row_time_ns else None


def _axis(camera: MountedCamera) -> np.ndarray:
    """Direction in which the camera looks, in the ego frame."""
    return camera.ego_from_camera.rotation[:, 2]

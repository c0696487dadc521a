"""One frame as a block of JSON for the page: images as data URIs, all else as typed arrays.

    frame -> arrays by name -> one buffer, each array on a multiple of 4 bytes -> zlib -> base64

Points are whole centimetres in int16 (what lies beyond 327 m is dropped); places in images are
sixteenths of a pixel of the image as it is shown.
"""

import base64
import json
import zlib
from typing import Any

import numpy as np

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.box import corners
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.image import encode_image
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Frame
from roadloom.scene.image import CameraImage
from roadloom.scene.layout import Layout
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import MountedCamera
from roadloom.viewer.bev import path_in_ego
from roadloom.viewer.draw import COLOR_RANGE_M, resized
from roadloom.viewer.options import ViewOptions
from roadloom.viewer.projection import still_points
from roadloom.viewer.ring import (
    camera_view,
    lines_in_image,
    points_in_image,
    recorded_boxes,
    recorded_sweep,
)

Arrays = dict[str, np.ndarray]
SIXTEENTHS = 16
REACH_CM = 32_767
HITS_PER_IMAGE = 4_000
"""Most LiDAR dots that are laid over one image."""
JPEG_QUALITY = 80
_CODES = {"uint8": "u8", "int16": "i16", "uint16": "u16", "uint32": "u32", "float32": "f32"}


def frame_arrays(frame: Frame, grid: VoxelGrid, options: ViewOptions) -> Arrays:
    """Everything but photographs; a field that was not recorded has no entry."""
    boxes, sweep = recorded_boxes(frame), recorded_sweep(frame)
    arrays = {"path": path_in_ego(frame.clip, frame.world_from_ego).astype(np.float32)}
    if sweep is not None:
        arrays |= _point_arrays(frame, sweep, options.max_points)
    if boxes is not None:
        arrays["boxes"] = corners(boxes.pose, boxes.size).astype(np.float32)
        arrays["boxClass"] = boxes.class_id
    arrays |= _occupancy_arrays(frame, grid)
    layout = frame.layout(grid)
    if layout.recorded.any():
        arrays["layout"] = layout_bits(layout)
    for index, name in enumerate(frame.clip.rig.camera_names):
        image = camera_view(frame, name)
        arrays |= _overlay_arrays(frame, image, boxes, sweep, index, options.image_width)
    return arrays


def photographs(frame: Frame, image_width: int) -> list[str | None]:
    """A data URI per camera of the rig; None where there is no photograph."""
    found: list[str | None] = []
    for name in frame.clip.rig.camera_names:
        try:
            image = frame.image(name)
            small = resized(image.pixels, *shown_size(image.mount, image_width))
        except NotRecorded:
            found.append(None)
            continue
        data = base64.b64encode(encode_image(small, ".jpg", JPEG_QUALITY)).decode()
        found.append(f"data:image/jpeg;base64,{data}")
    return found


def packed(images: list[str | None], arrays: Arrays) -> str:
    """The JSON block of one frame."""
    buffer, index = bytearray(), []
    for name, array in arrays.items():
        index.append([name, _CODES[str(array.dtype)], len(buffer), array.size])
        buffer += np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        buffer += bytes(-len(buffer) % 4)
    blob = base64.b64encode(zlib.compress(bytes(buffer), 7)).decode()
    return safe_json({"images": images, "blob": blob, "arrays": index})


def safe_json(value: Any) -> str:
    """JSON that cannot end the script element around it, whatever texts it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def shown_size(mount: MountedCamera, image_width: int) -> tuple[int, int]:
    """Width and height [px] of a camera's image on the page; never larger than recorded."""
    camera = mount.camera
    share = min(1.0, image_width / max(camera.width, camera.height))
    return max(1, round(camera.width * share)), max(1, round(camera.height * share))


def layout_bits(layout: Layout) -> np.ndarray:
    """uint32 [X Y]: bit c is channel c."""
    bits = np.zeros(layout.channels.shape[1:], np.uint32)
    for channel, mask in enumerate(layout.channels):
        bits |= mask.astype(np.uint32) << np.uint32(channel)
    return bits


def _point_arrays(frame: Frame, sweep: Sweep, most: int) -> Arrays:
    hits = sweep[sweep.returned]
    centimetres = np.round(still_points(hits, frame.clip.ego) * 100)
    rows = np.flatnonzero((abs(centimetres) <= REACH_CM).all(axis=1))
    rows = rows[:: -(-len(rows) // most)] if len(rows) else rows
    arrays: Arrays = {"points": centimetres[rows].astype(np.int16)}
    intensity = hits.intensity[rows]
    if len(rows) and np.isfinite(intensity).any():
        # Most of a road returns little, so the square root is shown.
        share = np.sqrt(np.clip(np.nan_to_num(intensity), 0, 1))
        arrays["intensity"] = np.round(share * 255).astype(np.uint8)
    if hits.label is not None:
        arrays["labels"] = hits.label[rows]
    return arrays


def _occupancy_arrays(frame: Frame, grid: VoxelGrid) -> Arrays:
    try:
        occupancy = frame.occupancy(grid)
    except NotRecorded:
        return {}
    if occupancy.frame != "ego":
        raise BadInput(
            f"occupancy on it lies in the {occupancy.frame} frame, pages show that of the ego",
            file=frame.clip.meta.source, field="grid", remedy="take one of clip.occupancy_grids",
        )  # fmt: skip
    cells = np.argwhere(occupancy.occupied)
    narrow = np.uint8 if max(grid.shape) <= 256 else np.uint16
    return {"cells": cells.astype(narrow), "cellClass": occupancy.labels[tuple(cells.T)]}


def _overlay_arrays(
    frame: Frame,
    image: CameraImage,
    boxes: Boxes | None,
    sweep: Sweep | None,
    index: int,
    image_width: int,
) -> Arrays:
    width, height = shown_size(image.mount, image_width)
    camera = image.mount.camera
    scale = np.array([width / camera.width, height / camera.height])
    arrays: Arrays = {}
    if boxes is not None:
        lines = lines_in_image(frame, boxes, image)
        arrays[f"edges{index}"] = _sixteenths(lines.ends, scale)
        arrays[f"edgeClass{index}"] = boxes.class_id[lines.box]
    if sweep is not None:
        pixels, away = points_in_image(frame, sweep, image)
        step = -(-len(pixels) // HITS_PER_IMAGE) or 1
        low, high = np.log(COLOR_RANGE_M)
        share = (np.log(np.clip(away[::step], *COLOR_RANGE_M)) - low) / (high - low)
        arrays[f"hits{index}"] = _sixteenths(pixels[::step], scale)
        arrays[f"range{index}"] = np.round(share * 255).astype(np.uint8)
    return arrays


def _sixteenths(pixels: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Places in the scaled image, whose pixel centres are whole numbers too."""
    scaled = ((pixels + 0.5) * scale - 0.5) * SIXTEENTHS
    return np.clip(np.round(scaled), -32_768, 32_767).astype(np.int16)

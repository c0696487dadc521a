"""Images for nuScenes, whose cameras are pinholes without distortion.

file that fits already   -> its very bytes
pixels of a plain pinhole -> encoded
pixels of any other lens  -> seen again through the plain pinhole -> encoded
"""

import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from roadloom.io.image import encode_image
from roadloom.scene.clip import Clip
from roadloom.sensors.camera import Camera, PinholeCamera

QUALITY = 95
"""Of JPEG, with colour at full size."""
_STEP = 1e-6
_ORIENTATION = 0x0112
"""The EXIF tag that turns an image."""


def plain_camera(camera: Camera) -> PinholeCamera:
    """The pinhole without distortion that takes the place of ``camera``.

    Same size, and the same scale and pixel on the optical axis: what lies there does not move. A
    wide lens loses what no pinhole of this size shows.
    """
    if isinstance(camera, PinholeCamera):
        return PinholeCamera(
            width=camera.width, height=camera.height,
            fx=camera.fx, fy=camera.fy, cx=camera.cx, cy=camera.cy,
        )  # fmt: skip
    rays = np.array([[0.0, 0.0, 1.0], [_STEP, 0.0, 1.0], [0.0, _STEP, 1.0]])
    (middle, right, below), _ = camera.project(rays)
    return PinholeCamera(
        width=camera.width, height=camera.height,
        fx=float(right[0] - middle[0]) / _STEP, fy=float(below[1] - middle[1]) / _STEP,
        cx=float(middle[0]), cy=float(middle[1]),
    )  # fmt: skip


def image_file(clip: Clip, camera: str, index: int, kind: str) -> tuple[bytes, str]:
    """The bytes of one image, and ``jpg`` or ``png``.

    Args:
        clip: that has it.
        camera: its name in the clip.
        index: the record.
        kind: of images that have to be encoded.

    Raises:
        MissingInput: the recording's file is absent.
        NotRecorded: the clip has no images.
    """
    lens = clip.rig.camera(camera).camera
    plain = plain_camera(lens)
    if lens == plain:
        found = clip.reader.image_bytes(camera, index)
        if found is not None and not _is_turned(found[0]):
            return found[0], "png" if found[1] == ".png" else "jpg"
    pixels = clip.reader.image(camera, index)
    if lens != plain:
        pixels = rectified(pixels, lens, plain)
    return encode_image(pixels, f".{kind}", quality=QUALITY), kind


def _is_turned(data: bytes) -> bool:
    """Whether a reader that passes over EXIF would show the image turned."""
    with Image.open(io.BytesIO(data)) as image:
        return image.getexif().get(_ORIENTATION, 1) != 1


def rectified(
    pixels: UInt8[np.ndarray, "height width 3"], lens: Camera, plain: PinholeCamera
) -> UInt8[np.ndarray, "height width 3"]:
    """The image that ``plain`` would have taken: bilinear, black where the lens saw nothing."""
    v, u = np.indices((plain.height, plain.width), dtype=np.float64)
    directions, _ = plain.unproject(np.stack([u, v], axis=-1))
    at, seen = lens.project(directions)
    return _sampled(pixels, np.where(seen[..., None], at, 0.0), seen)


def _sampled(
    pixels: np.ndarray, at: Float[np.ndarray, "height width 2"], seen: np.ndarray
) -> np.ndarray:
    height, width = pixels.shape[:2]
    at = np.clip(at, 0, [width - 1, height - 1])
    low = np.minimum(np.floor(at).astype(np.int64), [max(width - 2, 0), max(height - 2, 0)])
    share = at - low
    (u, v), (du, dv) = np.moveaxis(low, -1, 0), np.moveaxis(share, -1, 0)[..., None]
    u1, v1 = np.minimum(u + 1, width - 1), np.minimum(v + 1, height - 1)
    above = pixels[v, u] * (1 - du) + pixels[v, u1] * du
    below = pixels[v1, u] * (1 - du) + pixels[v1, u1] * du
    mixed = np.rint(above * (1 - dv) + below * dv).astype(np.uint8)
    return np.where(seen[..., None], mixed, np.uint8(0))

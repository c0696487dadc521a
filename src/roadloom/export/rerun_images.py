"""Photographs for a Rerun recording: the recorded file where it will do, else encoded anew."""

import io
from dataclasses import dataclass

from PIL import Image

from roadloom.scene.clip import Clip
from roadloom.sensors.camera import Camera
from roadloom.sensors.rig import MountedCamera
from roadloom.viewer.draw import resized

ORIENTATION = 0x0112
"""EXIF: how a file is to be turned; the viewer does not."""
QUALITY = 92
_MEDIA = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


@dataclass(frozen=True)
class Photograph:
    """An encoded image."""

    data: bytes
    media_type: str


def lens_of(mount: MountedCamera, width: int | None) -> Camera:
    """The lens of the images as they are written."""
    camera = mount.camera
    if width is None or camera.width <= width:
        return camera
    return camera.resize(width, round(camera.height * width / camera.width))


def photograph(clip: Clip, name: str, number: int, width: int | None) -> Photograph:
    """One image of a camera, of the size of ``lens_of``.

    Raises:
        NotRecorded: there is none.
        BadInput: its file is absent or damaged.
    """
    mount = clip.rig.camera(name)
    lens = lens_of(mount, width)
    if lens is mount.camera and (taken := clip.reader.image_bytes(name, number)) is not None:
        data, suffix = taken
        if suffix.lower() in _MEDIA and _as_shown(data):
            clip.reader.image(name, number)  # a damaged file is found here, not in the viewer
            return Photograph(data, _MEDIA[suffix.lower()])
    pixels = resized(clip.images[name][number].pixels, lens.width, lens.height)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return Photograph(buffer.getvalue(), "image/jpeg")


def _as_shown(data: bytes) -> bool:
    """Whether a viewer that heeds neither orientation nor colour profile shows it rightly."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            plain = image.getexif().get(ORIENTATION, 1) == 1
            return plain and image.mode == "RGB" and "icc_profile" not in image.info
    except OSError:
        return False  # reading its pixels says what is wrong

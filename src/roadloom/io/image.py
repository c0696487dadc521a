"""Images as arrays: sRGB, upright as EXIF says, 8 bits a channel."""

import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_file
from roadloom.io.read import read_bytes

MAX_PIXELS = 400_000_000
"""A nuScenes map mask has up to 300 million; more is taken for a damaged header."""


def read_image(
    path: str | Path, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Decode a JPEG or PNG in full.

    Args:
        path: the file.
        size: width and height [px] that the calibration is for; another size is refused.

    Raises:
        MissingInput: no such file.
        BadInput: not an image, cut off, or of another size.
    """
    image = _open(path)
    pixels = np.asarray(_upright_srgb(image, path))
    if size is not None and pixels.shape[1::-1] != tuple(size):
        raise BadInput(
            f"is {pixels.shape[1]}x{pixels.shape[0]}, but its calibration is for {size[0]}x{size[1]}",
            file=path, field="size",
            remedy="give the image its original size, or a rig resized with it",
        )  # fmt: skip
    return pixels


def read_mask(path: str | Path) -> UInt8[np.ndarray, "height width"]:
    """Decode a one-channel image, such as a map mask, as its raw values."""
    image = _open(path)
    try:
        return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError) as error:
        raise _damaged(path, error) from error


def check_image(path: str | Path, size: tuple[int, int] | None = None) -> None:
    """Raise what ``read_image`` would raise, decoding included."""
    read_image(path, size)


def write_image(
    path: str | Path, pixels: UInt8[np.ndarray, "height width 3"], quality: int = 92
) -> None:
    """Write PNG or JPEG by the suffix, whole or not at all."""
    with atomic_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, **_options(temporary, quality))


def encode_image(
    pixels: UInt8[np.ndarray, "height width 3"], suffix: str, quality: int = 92
) -> bytes:
    """The bytes that ``write_image`` would write for a file that ends in ``suffix``."""
    buffer = io.BytesIO()
    kind = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}[suffix]
    Image.fromarray(pixels).save(buffer, format=kind, **_options(Path(f"x{suffix}"), quality))
    return buffer.getvalue()


def _options(path: Path, quality: int) -> dict[str, object]:
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    return {"compress_level": 4}


def _open(path: str | Path) -> Image.Image:
    data = read_bytes(path)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # our own limit is below
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > MAX_PIXELS:
            raise BadInput(f"claims {image.width}x{image.height} pixels", file=path, field="size")
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise _damaged(path, error) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    return image


def _upright_srgb(image: Image.Image, path: str | Path) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if profile and image.mode == "RGB":
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = (
                ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB")) or image
            )
        except (OSError, ImageCms.PyCMSError) as error:
            raise BadInput(f"its colour profile is damaged: {error}", file=path) from error
    return image if image.mode == "RGB" else image.convert("RGB")


def _damaged(path: str | Path, error: BaseException) -> BadInput:
    return BadInput(
        f"cannot be decoded as an image: {error}",
        file=path, remedy="restore the file from the original data set",
    )  # fmt: skip

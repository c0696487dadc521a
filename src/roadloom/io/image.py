"""Images as arrays: sRGB, upright as EXIF says, 8 bits a channel."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_file
from roadloom.io.read import RESTORE, read_bytes

MAX_PIXELS = 1_200_000_000
"""The map mask of Queenstown in nuScenes has 1,190 million; more is taken for a damaged header."""
DECODING_ERRORS = (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, struct.error)
"""What Pillow raises on damaged bytes, by format and place."""


def read_image(
    path: str | Path, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Decode a JPEG or PNG in full.

    Turned upright by its EXIF tag, carried to sRGB by its ICC profile (without one it is taken
    for sRGB); 16 bits a channel are scaled to 8, palettes, greys and CMYK become RGB, and what is
    transparent is laid over black.

    Args:
        path: the file.
        size: width and height [px] that the calibration is for; another size is refused.

    Raises:
        MissingInput: no such file.
        BadInput: not such an image, cut off, or of another size.
    """
    image = _open(path)
    try:
        pixels = np.asarray(_upright_srgb(image, path))
    except DECODING_ERRORS as error:
        raise _damaged(path, error) from error
    if size is not None and pixels.shape[1::-1] != tuple(size):
        raise BadInput(
            f"is {pixels.shape[1]}x{pixels.shape[0]}, "
            f"but its calibration is for {size[0]}x{size[1]}",
            file=path, field="size",
            remedy="give the image its original size, or a rig resized with it",
        )  # fmt: skip
    return pixels


def read_mask(path: str | Path) -> UInt8[np.ndarray, "height width"]:
    """Decode a one-channel image, such as a map mask, as its raw values."""
    image = _open(path)
    try:
        return np.asarray(image if image.mode == "L" else image.convert("L"))
    except DECODING_ERRORS as error:
        raise _damaged(path, error) from error


def check_image(path: str | Path, size: tuple[int, int] | None = None) -> None:
    """Raise what ``read_image`` would raise, decoding included."""
    read_image(path, size)


def write_image(
    path: str | Path, pixels: UInt8[np.ndarray, "height width 3"], quality: int = 92
) -> None:
    """Write PNG or JPEG by the suffix, whole or not at all.

    Raises:
        BadInput: another suffix.
    """
    if Path(path).suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise BadInput(
            "is no name for a PNG or JPEG", file=path, field="suffix",
            remedy="end it in .png, .jpg or .jpeg",
        )  # fmt: skip
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


def _options(path: Path, quality: int) -> dict[str, Any]:
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    return {"compress_level": 4}


def _open(path: str | Path) -> Image.Image:
    """Decode by the signature.

    The format's own class is called, as ``Image.open`` refuses large images by a global limit
    that threads would have to share; ours is ``MAX_PIXELS``.
    """
    data = read_bytes(path)
    kind: type[JpegImageFile] | type[PngImageFile]
    if data.startswith(b"\xff\xd8"):
        kind = JpegImageFile
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = PngImageFile
    else:
        raise _damaged(path, "it begins as neither JPEG nor PNG")
    try:
        image = kind(io.BytesIO(data))
        if image.width * image.height > MAX_PIXELS:
            raise _damaged(path, f"it claims {image.width}x{image.height} pixels")
        image.load()
    except BadInput:
        raise
    except DECODING_ERRORS as error:
        raise _damaged(path, error) from error
    return image


def _upright_srgb(image: Image.Image, path: str | Path) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = _eight_bits(ImageOps.exif_transpose(image))
    if profile:
        image = _to_srgb(image, profile, path)
    if image.mode == "RGBA":
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes, path: str | Path) -> Image.Image:
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    opaque = image if alpha is None else image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        opaque = ImageCms.profileToProfile(opaque, source, target, outputMode="RGB") or opaque
    except (OSError, ImageCms.PyCMSError) as error:
        raise BadInput(
            f"its colour profile is damaged: {error}",
            file=path, field="icc_profile", remedy="save the image again as plain sRGB",
        ) from error  # fmt: skip
    if alpha is not None:
        opaque.putalpha(alpha)
    return opaque


def _eight_bits(image: Image.Image) -> Image.Image:
    """To one of L, RGB, RGBA, CMYK. Pillow would clip 16 bits to 255, not scale them."""
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.round(wide / 257).astype(np.uint8))
    if image.mode in ("LA", "PA") or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "RGBA", "CMYK") else image.convert("RGB")


def _damaged(path: str | Path, error: object) -> BadInput:
    return BadInput(
        f"cannot be decoded as an image: {error}",
        file=path, remedy=RESTORE,
    )  # fmt: skip

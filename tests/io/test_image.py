"""Images: colours, orientation and depth survive; damage is refused by name."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from roadloom.errors import BadInput, MissingInput
from roadloom.io.image import encode_image, read_image, read_mask, write_image

RAMP = np.stack(
    np.broadcast_arrays(
        np.arange(40)[None, :] * 6, np.arange(24)[:, None] * 10, np.full((24, 40), 77)
    ),
    axis=-1,
).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_round_trip(tmp_path, suffix) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, RAMP, quality=97)
    np.testing.assert_allclose(
        read_image(path, (40, 24)).astype(int), RAMP, atol=0 if suffix == ".png" else 4
    )
    assert path.read_bytes() == encode_image(RAMP, suffix, quality=97)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_obeyed(tmp_path, orientation) -> None:
    """Store the picture as each camera grip would, and read it upright."""
    stored = {
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.transpose(1, 0, 2),
        6: np.rot90(RAMP),
        7: RAMP[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(RAMP, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), RAMP)


def test_profile_is_applied(tmp_path) -> None:
    """A profile whose red and blue primaries are swapped must swap them back."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = plain.replace(b"rXYZ", b"tmpX").replace(b"bXYZ", b"rXYZ").replace(b"tmpX", b"bXYZ")
    assert swapped != plain
    for profile, expected in ((plain, RAMP), (swapped, RAMP[..., ::-1])):
        Image.fromarray(RAMP).save(tmp_path / "a.png", icc_profile=profile)
        np.testing.assert_allclose(read_image(tmp_path / "a.png").astype(int), expected, atol=2)


def test_profile_with_alpha(tmp_path) -> None:
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgba = np.dstack([RAMP, np.full(RAMP.shape[:2], 255, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png", icc_profile=plain)
    np.testing.assert_allclose(read_image(tmp_path / "a.png").astype(int), RAMP, atol=2)


def test_damaged_profile_is_named(tmp_path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.png", icc_profile=b"no profile at all")
    with pytest.raises(BadInput, match=r"a\.png: icc_profile: its colour profile is damaged"):
        read_image(tmp_path / "a.png")


def test_sixteen_bits_are_scaled(tmp_path) -> None:
    wide = np.linspace(0, 65535, 24 * 40).round().astype(np.uint16).reshape(24, 40)
    Image.fromarray(wide).save(tmp_path / "a.png")
    expected = np.repeat(np.round(wide / 257)[..., None], 3, axis=-1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_other_kinds_of_png(tmp_path, mode) -> None:
    image = Image.fromarray(RAMP).convert(mode)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_cmyk(tmp_path) -> None:
    Image.fromarray(RAMP).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg").astype(int), RAMP, atol=8)


def test_transparency_lies_over_black(tmp_path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0] = [[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")[0].astype(int)
    np.testing.assert_allclose(found, [[200, 100, 50], [0, 0, 0], [40, 20, 10]], atol=1)
    palette = Image.fromarray(RAMP).quantize(4)
    palette.save(tmp_path / "b.png", transparency=int(np.asarray(palette)[0, 0]))
    assert (read_image(tmp_path / "b.png")[0, 0] == 0).all()


def test_mask_keeps_raw_values(tmp_path) -> None:
    Image.fromarray(RAMP[..., 0]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), RAMP[..., 0])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_every_cut_is_refused(tmp_path, suffix) -> None:
    data = encode_image(RAMP, suffix)
    path = tmp_path / f"a{suffix}"
    # The last bytes (IEND, end of image) come after all the pixels.
    for length in range(1, len(data) - 24, 7):
        path.write_bytes(data[:length])
        with pytest.raises(BadInput, match=rf"a\{suffix}: cannot be decoded"):
            read_image(path)


def test_other_refusals(tmp_path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        read_image(tmp_path / "none.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(BadInput, match="the file is empty"):
        read_image(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(BadInput, match="neither JPEG nor PNG"):
        read_image(tmp_path / "text.png")
    write_image(tmp_path / "a.png", RAMP)
    with pytest.raises(BadInput, match="is 40x24, but its calibration is for 80x48"):
        read_image(tmp_path / "a.png", (80, 48))


def test_huge_claim_is_refused_before_memory_is_taken(tmp_path) -> None:
    data = bytearray(encode_image(RAMP, ".png"))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(BadInput, match="claims 60000x60000 pixels"):
        read_image(tmp_path / "a.png")


def test_large_mask_is_read(tmp_path) -> None:
    """Larger than Pillow's own limit of 89 million pixels, as nuScenes' map masks are."""
    buffer = io.BytesIO()
    Image.new("1", (12_000, 9_000), 1).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert read_mask(tmp_path / "a.png").shape == (9_000, 12_000)


@pytest.mark.parametrize("name", ["a.gif", "a", "a.npz"])
def test_other_formats_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="PNG or JPEG"):
        write_image(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    assert not list(tmp_path.iterdir())

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.errors import InvalidImage
from app.lipsync.picture import MAX_PIXELS, read_header, read_picture

FORMATS = [".jpg", ".png", ".webp"]


def encoded(pixels, suffix=".png") -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def saved(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def gradient(height: int, width: int) -> np.ndarray:
    across = np.linspace(0, 255, width, dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(across[None, :, None], (height, width, 3)))


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_sides_are_in_the_header(suffix):
    header = read_header(encoded(gradient(60, 100), suffix))
    assert (header.width, header.height) == (100, 60)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_every_kind_of_webp_tells_its_sides(mode, lossless):
    header = read_header(saved(Image.new(mode, (70, 50)), "WEBP", lossless=lossless))
    assert (header.width, header.height) == (70, 50)


def test_a_progressive_jpeg_tells_its_sides():
    header = read_header(saved(Image.new("RGB", (70, 50)), "JPEG", progressive=True, comment=b"\xff\xc0" * 9))
    assert (header.width, header.height) == (70, 50)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_picture_is_decoded_to_blue_green_red(suffix):
    pixels = np.full((40, 60, 3), (200, 100, 30), np.uint8)
    decoded = read_picture(encoded(pixels, suffix)).pixels
    assert decoded.shape == (40, 60, 3) and decoded.flags.c_contiguous
    assert np.abs(decoded.astype(int) - pixels).max() <= 8


def test_png_is_exact_and_its_digest_is_that_of_the_file():
    picture = read_picture(encoded(gradient(40, 60)))
    assert np.array_equal(picture.pixels, gradient(40, 60))
    assert (
        picture.digest
        == read_picture(encoded(gradient(40, 60))).digest
        != read_picture(encoded(gradient(42, 60))).digest
    )


@given(st.integers(33, 90), st.integers(33, 90), st.sampled_from([1, 2, 4]))
def test_sides_become_even_and_are_divided(height, width, factor):
    if min(height, width) < 33 * factor:
        return
    pixels = read_picture(encoded(gradient(height, width)), resize_factor=factor).pixels
    assert pixels.shape[0] % 2 == pixels.shape[1] % 2 == 0
    assert abs(pixels.shape[0] - height / factor) < 2 and abs(pixels.shape[1] - width / factor) < 2


def test_a_large_picture_is_shrunk():
    assert read_picture(encoded(gradient(500, 1000)), max_side=200).pixels.shape == (100, 200, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_exif_says(orientation):
    upright = gradient(40, 80)
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2)}
    stored |= {6: np.rot90(upright), 7: np.rot90(upright, 2).transpose(1, 0, 2), 8: np.rot90(upright, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(np.ascontiguousarray(stored[orientation])), "JPEG", exif=exif, quality=95)
    assert np.abs(read_picture(data).pixels.astype(int) - upright).max() < 12


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_what_is_transparent_is_white(format):
    image = Image.new("RGBA", (40, 40), (10, 20, 30, 0))
    image.paste((10, 20, 30, 255), (0, 0, 20, 40))
    pixels = read_picture(saved(image, format, lossless=True)).pixels
    assert pixels[5, 5].tolist() == [30, 20, 10] and pixels[5, 35].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16"])
def test_other_kinds_of_png_are_read(mode):
    image = Image.new(mode, (40, 40), 1 if mode in "1P" else (90, 255) if mode == "LA" else 90)
    assert read_picture(saved(image, "PNG")).pixels.shape == (40, 40, 3)


def bomb(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(InvalidImage, match=f"60000 x 60000 pixels; more than {MAX_PIXELS}"):
        read_picture(bomb(60_000, 60_000))


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + bytes(50), b"<html>", b"\xff\xd8", b"\xff\xd8\xff", bomb(0, 9), bomb(9, 9)]
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(InvalidImage):
        read_picture(data)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_cut_within_its_header_is_refused(suffix):
    with pytest.raises(InvalidImage):
        read_picture(encoded(gradient(60, 100), suffix)[:24])


@given(st.binary(max_size=64), st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]))
def test_no_bytes_make_it_fail_otherwise(data, start):
    with pytest.raises(InvalidImage):
        read_picture(start + data)


def test_a_tiny_picture_is_refused():
    with pytest.raises(InvalidImage, match="least"):
        read_picture(encoded(gradient(20, 200)))


def test_a_factor_below_one_is_refused():
    with pytest.raises(InvalidImage, match="resize_factor 0"):
        read_picture(encoded(gradient(40, 40)), resize_factor=0)

"""Pictures that clients send: checked before they are decoded, upright, not too large, with even sides.

A file of a hundred bytes can announce a picture of gigabytes, so the sides are read out of its header first.
"""

import hashlib
import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidImage

MAX_PIXELS = 16_000_000
MAX_SIDE = 2048
"""Pixels; larger pictures are shrunk. What is drawn costs time in proportion to its area."""
MIN_SIDE = 32
"""Pixels; no face can be told in less."""
BACKGROUND = 255
"""What is behind transparent pixels: white, as on a page."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_WITH_ALPHA = (4, 6)
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers SOF0 to SOF15 (ITU-T T.81, table B.1), which hold the sides."""
_JPEG_ALONE = frozenset(range(0xD0, 0xDA)) | {0x01}
"""Markers without a segment behind them."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture."""

    pixels: NDArray[np.uint8]
    """Shape (height, width, 3), blue-green-red, contiguous; both sides even."""
    digest: str
    """SHA-256 of the file that it was read from, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its picture before it is decoded."""

    width: int
    height: int
    has_alpha: bool


def read_picture(data: bytes, *, max_side: int = MAX_SIDE, resize_factor: int = 1) -> Picture:
    """Decode a JPEG, PNG or WebP file, turned as its EXIF says, and shrunk.

    Args:
        data: the file.
        max_side: pixels that the longer side has at most afterwards.
        resize_factor: both sides are divided by it.

    Raises:
        InvalidImage: not such a file, damaged, or with more than `MAX_PIXELS`.
    """
    header = read_header(data)
    if header.width * header.height > MAX_PIXELS:
        raise InvalidImage(
            f"the picture has {header.width} x {header.height} pixels; more than {MAX_PIXELS} are not read"
        )
    if resize_factor < 1:
        raise InvalidImage(f"resize_factor {resize_factor} is not 1 or more", field="resize_factor")
    shrunk = _shrink(_decode(data, header), max_side, resize_factor)
    height, width = (side - side % 2 for side in shrunk.shape[:2])
    if min(height, width) < MIN_SIDE:
        raise InvalidImage(f"the picture has {width} x {height} pixels; {MIN_SIDE} x {MIN_SIDE} are the least")
    return Picture(np.ascontiguousarray(shrunk[:height, :width]), hashlib.sha256(data).hexdigest())


def read_header(data: bytes) -> Header:
    """Read the sides of a picture without decoding it.

    Raises:
        InvalidImage: not a JPEG, PNG or WebP file, or its header is damaged.
    """
    try:
        if data.startswith(_PNG):
            header = _png_header(data)
        elif data.startswith(b"\xff\xd8"):
            header = _jpeg_header(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            header = _webp_header(data)
        else:
            raise InvalidImage("the picture is not a JPEG, PNG or WebP file")
    except (struct.error, IndexError) as error:
        raise InvalidImage("the picture's file ends within its header") from error
    if header.width < 1 or header.height < 1:
        raise InvalidImage(f"the picture says that it has {header.width} x {header.height} pixels")
    return header


def _png_header(data: bytes) -> Header:
    """Read IHDR, which comes first (PNG 3rd edition, 11.2.1), and look for the transparency of a palette."""
    name, width, height, _, colour_type = struct.unpack_from(">4sIIBB", data, 12)
    if name != b"IHDR":
        raise InvalidImage("the PNG file does not begin with IHDR")
    return Header(width, height, colour_type in _PNG_WITH_ALPHA or b"tRNS" in data[: data.find(b"IDAT")])


def _jpeg_header(data: bytes) -> Header:
    position = 2
    while True:
        if data[position] != 0xFF:
            raise InvalidImage("the JPEG file has no marker where one should be")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _JPEG_ALONE:
            position += 2
        elif marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return Header(width, height, has_alpha=False)
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]


def _webp_header(data: bytes) -> Header:
    """Read the first chunk: VP8 (RFC 6386, 9.1), VP8L or VP8X (RFC 9649, 2.7 and 3.4)."""
    match data[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
            return Header(width, height, bool(data[20] & 0x10))
        case b"VP8L":
            bits = struct.unpack_from("<I", data, 21)[0]
            return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return Header(width & 0x3FFF, height & 0x3FFF, has_alpha=False)
    raise InvalidImage("the WebP file begins with an unknown chunk")


def _decode(data: bytes, header: Header) -> NDArray[np.uint8]:
    """Decode to blue-green-red; what is transparent is laid on the background, and such files are not turned."""
    flags = cv2.IMREAD_UNCHANGED if header.has_alpha else cv2.IMREAD_COLOR
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise InvalidImage("the picture is damaged") from error
    if pixels is None:
        raise InvalidImage("the picture is damaged")
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.uint16)
        blended = (pixels[:, :, :3] * alpha + BACKGROUND * (255 - alpha) + 127) // 255
        return blended.astype(np.uint8)
    return np.asarray(pixels, np.uint8)


def fitted_size(width: int, height: int, max_side: int, factor: int) -> tuple[int, int]:
    """Return what sides become, each divided by `factor` and by what brings the longer one to `max_side`."""
    scale = min(1 / factor, max_side / max(height, width))
    return (width, height) if scale >= 1 else (max(round(width * scale), 1), max(round(height * scale), 1))


def _shrink(pixels: NDArray[np.uint8], max_side: int, factor: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    size = fitted_size(width, height, max_side, factor)
    return pixels if size == (width, height) else np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))

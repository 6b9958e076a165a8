"""Films for tests: of greys that say which number a picture has, or of a face that moves."""

import io
import struct
from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from tests.lipsync.portraits import FACE, astronaut, astronaut_face

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
TICKS = 12_800
"""Of a second."""
TURNS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Matrices by the degrees clockwise by which pictures are to be turned."""

Bgr = NDArray[np.uint8]


def film(
    pictures: Sequence[Bgr],
    *,
    times: Sequence[float] | None = None,
    fps: float = 25,
    codec: str = "libx264",
    form: str = "mp4",
    options: dict[str, str] | None = None,
    is_fragmented: bool = False,
    has_sound: bool = False,
) -> bytes:
    """Encode pictures, shown at these times."""
    sink = io.BytesIO()
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if is_fragmented else {}
    height, width = pictures[0].shape[:2]
    with av.open(sink, "w", format=form, options=flags) as container:
        pixels = "yuv444p" if width % 2 or height % 2 else "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream = container.add_stream(codec, rate=Fraction(fps), options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS)
        sound = container.add_stream("aac", rate=16_000, layout="mono") if has_sound else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame = frame.reformat(format=pixels, interpolation=EXACT)
            frame.pts = round((times[number] if times else number / fps) * TICKS)
            frame.time_base = Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return sink.getvalue()


def greys(count: int, width: int = 64, height: int = 48) -> list[Bgr]:
    """Pictures whose grey says their number; the upper left quarter is white, so that turns are seen."""
    pictures = [np.full((height, width, 3), 16 + 3 * number, np.uint8) for number in range(count)]
    for picture in pictures:
        picture[: height // 2, : width // 2] = 235
    return pictures


def number_of(pixels: Bgr) -> int:
    """Return the number that a picture of `greys` has, by its lower right corner."""
    height, width = pixels.shape[:2]
    return round((float(pixels[-height // 4 :, -width // 4 :].mean()) - 16) / 3)


def turned(data: bytes, degrees: int) -> bytes:
    """Set the matrix of every track's header, as cameras of phones do."""
    a, b, c, d = TURNS[degrees]
    changed, at = bytearray(data), 0
    while (at := data.find(b"tkhd", at + 1)) > 0:
        struct.pack_into(">9i", changed, at + 44, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return bytes(changed)


def moving_face(
    frames: int, *, step: float = 1.5, gone: range = range(0)
) -> tuple[list[Bgr], list[NDArray[np.float32]]]:
    """The astronaut, moving to and fro, and where her landmarks are; in some pictures she is not there."""
    pictures, places = [], []
    for number in range(frames):
        matrix = cv2.getRotationMatrix2D(FACE, 3 * np.sin(number / 9), 1)
        matrix[:, 2] += (step * 8 * np.sin(number / 8), step * 5 * np.cos(number / 7))
        if number in gone:
            pictures.append(np.full((512, 512, 3), 120, np.uint8))
        else:
            pictures.append(cv2.warpAffine(astronaut(), matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE))
        landmarks = astronaut_face().landmarks
        places.append((landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32))
    return pictures, places

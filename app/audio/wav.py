"""RIFF WAVE: headers written for int16, and read for every uncompressed kind.

The chunks and `WAVEFORMATEX` follow Microsoft's Multimedia Programming Interface and Data Specifications 1.0 and
the later WAVE_FORMAT_EXTENSIBLE. Written headers have the canonical 44 bytes. A header of unknown length says
0xFFFFFFFF twice, which the standard library, libsndfile and FFmpeg read to the end of the file; 0 would be read as
an empty file by the first two.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.audio.pcm import SAMPLE_BYTES, Encoding, Samples, unpack
from app.errors import InvalidAudio

HEADER_BYTES = 44
UNKNOWN_BYTES = 0xFFFFFFFF
MAX_DATA_BYTES = UNKNOWN_BYTES - 1 - (HEADER_BYTES - 8)
MAX_CHANNELS = 32
MAX_CHUNKS = 128
"""Chunks before the samples; real files have fewer than ten."""

_PCM_TAG, _FLOAT_TAG, _EXTENSIBLE_TAG = 0x0001, 0x0003, 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_ENCODINGS = {
    (_PCM_TAG, 8): Encoding.U8,
    (_PCM_TAG, 16): Encoding.S16,
    (_PCM_TAG, 24): Encoding.S24,
    (_PCM_TAG, 32): Encoding.S32,
    (_FLOAT_TAG, 32): Encoding.F32,
    (_FLOAT_TAG, 64): Encoding.F64,
}


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a header says, and where the samples begin."""

    sample_rate: int
    """Hz."""
    channels: int
    encoding: Encoding
    data_start: int
    """Offset in bytes of the first sample."""
    data_bytes: int | None
    """As the header declares them, which may be more than there are; None where it does not know."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * self.encoding.sample_bytes

    def payload(self, data: bytes) -> memoryview:
        """Return the samples of a whole file: no more than there are, and whole frames only."""
        present = max(0, len(data) - self.data_start)
        size = present if self.data_bytes is None else min(present, self.data_bytes)
        return memoryview(data)[self.data_start : self.data_start + size - size % self.frame_bytes]

    def mono(self, frames: bytes | memoryview) -> Samples:
        """Read whole frames as float32 in [-1, 1], shape `(n,)`, the mean of the channels."""
        samples = unpack(frames, self.encoding)
        if self.channels == 1:
            return samples
        mixed: Samples = samples.reshape(-1, self.channels).mean(axis=1, dtype=np.float32)
        return mixed


def header(*, sample_rate: int, channels: int = 1, data_bytes: int | None) -> bytes:
    """Write the 44 bytes before int16 samples; `data_bytes` None where the length is not known yet.

    Raises:
        InvalidAudio: not whole frames, or more than the 32-bit sizes of RIFF can say.
    """
    frame_bytes = channels * SAMPLE_BYTES
    if data_bytes is not None and (data_bytes % frame_bytes or not 0 <= data_bytes <= MAX_DATA_BYTES):
        raise InvalidAudio(
            f"data_bytes {data_bytes}: 0 to {MAX_DATA_BYTES}, a multiple of {frame_bytes}", field="audio"
        )
    riff_bytes = UNKNOWN_BYTES if data_bytes is None else HEADER_BYTES - 8 + data_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff_bytes,
        b"WAVE",
        b"fmt ",
        16,
        _PCM_TAG,
        channels,
        sample_rate,
        sample_rate * frame_bytes,
        frame_bytes,
        8 * SAMPLE_BYTES,
        b"data",
        UNKNOWN_BYTES if data_bytes is None else data_bytes,
    )


def encode(pcm: bytes, *, sample_rate: int, channels: int = 1) -> bytes:
    """Put the exact header before int16 little-endian samples; one copy and nothing else.

    Raises:
        InvalidAudio: as `header`.
    """
    return header(sample_rate=sample_rate, channels=channels, data_bytes=len(pcm)) + pcm


def parse_header(data: bytes) -> WavHeader:
    """Read the header of a file that is all there.

    Raises:
        InvalidAudio: not RIFF WAVE, cut off before its samples, or of a kind that is not read.
    """
    found = scan_header(data)
    if found is None:
        raise InvalidAudio(f"wav of {len(data)} bytes ends before its samples", field="audio")
    return found


def scan_header(data: bytes | bytearray) -> WavHeader | None:
    """Read the header of a file that is still arriving; None while it is incomplete.

    Raises:
        InvalidAudio: not RIFF WAVE, or of a kind that is not read.
    """
    if not _is_wave(data):
        return None
    layout: tuple[int, int, Encoding] | None = None
    for name, start, size in _chunks(data):
        if name == b"fmt " and start + size <= len(data):
            layout = _parse_layout(bytes(data[start : start + size]))
        elif name == b"data":
            if layout is None:
                raise InvalidAudio("wav has no 'fmt ' chunk before its 'data' chunk", field="audio")
            sample_rate, channels, encoding = layout
            return WavHeader(sample_rate, channels, encoding, start, _declared(data, size))
    return None


def _is_wave(data: bytes | bytearray) -> bool:
    """Whether the twelve bytes of the RIFF header are there; refuse as soon as they cannot be."""
    if not b"RIFF".startswith(data[:4]) or not b"WAVE".startswith(data[8:12]):
        raise InvalidAudio(f"wav begins with {bytes(data[:12]).hex(' ')}: not RIFF WAVE", field="audio")
    return len(data) >= 12


def _chunks(data: bytes | bytearray) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, offset of the content and declared size of each chunk whose head is there."""
    start = 12
    for _ in range(MAX_CHUNKS):
        if start + 8 > len(data):
            return
        name, size = struct.unpack_from("<4sI", data, start)
        yield name, start + 8, size
        start += 8 + size + size % 2  # chunks begin at even offsets
    raise InvalidAudio(f"wav has more than {MAX_CHUNKS} chunks before its samples", field="audio")


def _parse_layout(fmt: bytes) -> tuple[int, int, Encoding]:
    """Read sample rate, channels and encoding from the content of a `fmt ` chunk."""
    if len(fmt) < 16:
        raise InvalidAudio(f"wav 'fmt ' chunk has {len(fmt)} bytes: at least 16", field="audio")
    tag, channels, sample_rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE_TAG and fmt[26:40] == _SUBFORMAT_TAIL:
        tag = int.from_bytes(fmt[24:26], "little")
    encoding = _ENCODINGS.get((tag, bits))
    if encoding is None:
        raise InvalidAudio(
            f"wav format tag 0x{tag:04x} with {bits} bits: integer of 8 to 32 or float of 32 or 64", field="audio"
        )
    if sample_rate == 0:
        raise InvalidAudio("wav has sample_rate 0: at least 1 Hz", field="audio")
    if not 1 <= channels <= MAX_CHANNELS or frame_bytes != channels * encoding.sample_bytes:
        raise InvalidAudio(
            f"wav has {channels} channels in frames of {frame_bytes} bytes: 1 to {MAX_CHANNELS} channels of "
            f"{encoding.sample_bytes} bytes",
            field="audio",
        )
    return sample_rate, channels, encoding


def _declared(data: bytes | bytearray, size: int) -> int | None:
    """Tell a size from the marks that writers leave when they cannot seek back to fill it in."""
    riff_bytes = int.from_bytes(data[4:8], "little")
    never_filled_in = size == 0 and riff_bytes in (0, UNKNOWN_BYTES)
    return None if size == UNKNOWN_BYTES or never_filled_in else size

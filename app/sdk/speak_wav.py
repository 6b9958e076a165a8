"""The head of a WAV file, as much of it as takes need: uncompressed PCM.

The chunks follow Microsoft's Multimedia Programming Interface and Data Specifications 1.0.
"""

import struct
from dataclasses import dataclass

from app.sdk.errors import BrokenReply

UNKNOWN_BYTES = 0xFFFFFFFF
"""What a header says of audio that is still being made."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a header says, and where the samples begin."""

    sample_rate: int
    """Hz."""
    channels: int
    sample_bytes: int
    """Of one sample of one channel: 2 for 16 bit."""
    data_start: int
    """Bytes before the first sample."""
    data_bytes: int | None
    """Bytes of all samples; None if the header does not know."""

    @property
    def duration(self) -> float | None:
        """Seconds; None if the header does not know."""
        if self.data_bytes is None:
            return None
        return self.data_bytes / (self.sample_rate * self.channels * self.sample_bytes)

    def samples(self, file: bytes) -> bytes:
        """Return the samples of a file that begins with this header, or of its beginning."""
        end = len(file) if self.data_bytes is None else self.data_start + self.data_bytes
        return file[self.data_start : end]


def parse_header(data: bytes) -> WavHeader:
    """Read the header at the beginning of a file.

    Raises:
        BrokenReply: no RIFF WAVE of PCM, or cut off before its samples.
    """
    try:
        return _parse(data)
    except struct.error as error:
        raise BrokenReply(f"audio of {len(data)} bytes ends in the middle of its header") from error


def sized(header: bytes, parsed: WavHeader, data_bytes: int) -> bytes:
    """Return the bytes of a header of unknown length, `header`, as they should be now that the length is known."""
    start = parsed.data_start
    total = struct.pack("<I", min(start - 8 + data_bytes, UNKNOWN_BYTES))
    return header[:4] + total + header[8 : start - 4] + struct.pack("<I", min(data_bytes, UNKNOWN_BYTES))


def _parse(data: bytes) -> WavHeader:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise BrokenReply(f"audio begins with {data[:12].hex(' ')}: no RIFF WAVE")
    layout: tuple[int, int, int] | None = None
    start = 12
    while True:
        name, size = struct.unpack_from("<4sI", data, start)
        start += 8
        if name == b"data":
            if layout is None:
                raise BrokenReply("audio has no 'fmt ' chunk before its samples")
            never_filled_in = size == 0 and data[4:8] in (b"\0\0\0\0", b"\xff\xff\xff\xff")
            return WavHeader(*layout, start, None if size == UNKNOWN_BYTES or never_filled_in else size)
        if name == b"fmt ":
            layout = _layout(data, start)
        start += size + size % 2  # chunks begin at even offsets


def _layout(data: bytes, start: int) -> tuple[int, int, int]:
    """Return sample rate, channels and bytes of a sample."""
    _, channels, sample_rate, _, _, bits = struct.unpack_from("<HHIIHH", data, start)
    if not sample_rate or not channels or not bits or bits % 8:
        raise BrokenReply(f"audio of {sample_rate} Hz, {channels} channels and {bits} bits is none")
    return sample_rate, channels, bits // 8

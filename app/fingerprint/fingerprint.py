"""A fingerprint: all that is kept of a track, a few hundred bytes for each second."""

import struct
from dataclasses import dataclass

import numpy as np

from app.errors import InvalidFingerprint
from app.fingerprint.peaks import Frames, Peaks

VERSION = 1
"""Changes whenever the same sound would give another fingerprint; those of other versions cannot be compared."""

MAGIC = b"CHFP"
_HEADER = struct.Struct("<4sHxxdII")
"""Magic, version, seconds, frames, peaks. The number of peaks of each frame follows, a byte each; then the peaks'
frequencies, two bytes each, and their strengths, one byte each."""
MOST_PER_FRAME = 255


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The peaks of a whole track."""

    version: int
    duration: float
    """Seconds."""
    peaks: Peaks

    def to_bytes(self) -> bytes:
        """Pack it, 4 bytes for each peak."""
        peaks = self.peaks
        counts = np.bincount(peaks.frames).astype(np.uint8)
        header = _HEADER.pack(MAGIC, self.version, self.duration, len(counts), len(peaks))
        strengths = peaks.strengths.tobytes()
        return b"".join((header, counts.tobytes(), peaks.frequencies.astype("<u2").tobytes(), strengths))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Fingerprint":
        """Unpack what `to_bytes` made; versions other than `VERSION` are unpacked as well.

        Raises:
            InvalidFingerprint: it is something else, or damaged.
        """
        if len(data) < _HEADER.size or not data.startswith(MAGIC):
            raise InvalidFingerprint(f"{len(data)} bytes that do not begin as a fingerprint does")
        _, version, duration, frames, count = _HEADER.unpack_from(data)
        if len(data) != _HEADER.size + frames + 3 * count:
            raise InvalidFingerprint(f"a fingerprint of {count} peaks has {len(data)} bytes")
        counts = np.frombuffer(data, np.uint8, frames, _HEADER.size)
        if counts.sum(dtype=np.int64) != count or not 0 <= duration < float("inf"):
            raise InvalidFingerprint(f"a fingerprint of {count} peaks and {duration} s contradicts itself")
        frequencies = np.frombuffer(data, "<u2", count, _HEADER.size + frames).astype(np.uint16, copy=False)
        strengths = np.frombuffer(data, np.uint8, count, len(data) - count)
        return cls(version, duration, Peaks(_frames(counts), frequencies, strengths))


def _frames(counts: np.ndarray) -> Frames:
    return np.repeat(np.arange(len(counts), dtype=np.uint32), counts)

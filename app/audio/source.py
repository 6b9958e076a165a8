"""Encoded bytes in, blocks of mono samples out, at whatever rate the file has; here those that need no codec."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from app.audio import wav
from app.audio.pcm import Encoding, Samples

STEP_FRAMES = 65_536
"""Frames that become floats at a time, so that bounds are checked in between."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive samples."""

    samples: Samples
    """Mono float32 in [-1, 1], shape `(n,)`."""
    sample_rate: int
    """Hz, as the file has it; may change from block to block."""


class Source(Protocol):
    """A way to get blocks out of bytes, one file for each object.

    Damage does not raise while there may be anything left to read.
    """

    damage: str | None
    """What was met that could not be read, for the message if nothing else could be either."""

    def feed(self, data: bytes) -> Iterator[Block]:
        """Take the next bytes and yield what can be decoded now.

        Raises:
            InvalidAudio: this can never become audio.
        """

    def finish(self) -> Iterator[Block]:
        """Yield what is left after the last byte.

        Raises:
            InvalidAudio: as `feed`.
        """


class LayoutSource:
    """Samples of a known layout from the first byte to the declared length; a cut frame at the end is dropped."""

    def __init__(self, layout: wav.WavHeader) -> None:
        self.damage: str | None = None
        self._layout = layout
        self._left = layout.data_bytes
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield all whole frames."""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        data = self._rest + data
        whole = len(data) - len(data) % self._layout.frame_bytes
        self._rest = data[whole:]
        step = STEP_FRAMES * self._layout.frame_bytes
        for start in range(0, whole, step):
            frames = memoryview(data)[start : min(whole, start + step)]
            yield Block(self._layout.mono(frames), self._layout.sample_rate)

    def finish(self) -> Iterator[Block]:
        """Yield nothing: whole frames have gone already."""
        return iter(())


def pcm_source(sample_rate: int) -> LayoutSource:
    """Read raw int16 little-endian mono of a rate in Hz."""
    return LayoutSource(wav.WavHeader(sample_rate, 1, Encoding.S16, data_start=0, data_bytes=None))


class WavSource:
    """Uncompressed RIFF WAVE: the header, then samples to the declared length or to the end."""

    def __init__(self) -> None:
        self.damage: str | None = None
        self._head = bytearray()
        self._samples: LayoutSource | None = None

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield all whole frames that follow the header."""
        if self._samples is None:
            self._head += data
            header = wav.scan_header(self._head)
            if header is None:
                return
            self._samples = LayoutSource(header)
            data = bytes(self._head[header.data_start :])
            self._head.clear()
        yield from self._samples.feed(data)

    def finish(self) -> Iterator[Block]:
        """Yield nothing; note whether the header was never complete."""
        if self._samples is None:
            self.damage = "it ends before its samples"
        return iter(())

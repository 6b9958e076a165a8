"""Any format to mono float32 at the rate that is asked for, whole or as it arrives, and never without bounds.

Everything is decoded block by block and counted before it is kept, so that neither a header that lies nor hours of
silence in a few kilobytes cost more than the bound. CPU-bound, without asyncio and without threads of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from app.audio import demux, wav
from app.audio.demux import ContainerSource, FrameSource
from app.audio.format import Format, sniff
from app.audio.pcm import Samples
from app.audio.resample import Resampler
from app.audio.source import Block, Source, WavSource, pcm_source
from app.errors import InvalidAudio

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 768_000
"""Hz that a file may have; the lower one bounds how much resampling can make of little."""

STEP_BYTES = 262_144
"""Of a whole file that are fed at a time where it is decoded in pieces."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Decoded sound."""

    samples: Samples
    """Mono float32 in [-1, 1], shape `(n,)`, n at least 1."""
    sample_rate: int
    """Hz."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


def decode(
    data: bytes, *, sample_rate: int | None, max_samples: int, max_bytes: int, pcm_rate: int | None = None
) -> Clip:
    """Decode a whole file, its format told by its first bytes; channels are averaged.

    A file that is cut off or damaged gives the sound that can be read. mp3, ogg and webm that tell the encoder's
    padding are decoded without it, m4a without that at the front.

    Args:
        data: wav (integers of 8 to 32 bits, floats), mp3, ogg, flac, ADTS, m4a with AAC, webm; or raw pcm.
        sample_rate: Hz of the result; None keeps the rate of the file (48000 for Opus).
        max_samples: Bound of the result, at its own rate.
        max_bytes: Bound of `data`.
        pcm_rate: Hz; says that `data` is raw int16 little-endian mono, which nothing else can tell.

    Raises:
        InvalidAudio: not audio, nothing in it can be decoded, or beyond a bound.
    """
    _check_bytes(len(data), max_bytes)
    format = sniff(data) if pcm_rate is None else Format.PCM
    source = _source(format, pcm_rate, whole=True)
    outlet = _Outlet(sample_rate, max_samples)
    samples = outlet.pour(_blocks(source, data), last=True)
    return Clip(samples, _check_sound(outlet, source, format))


def decode_pieces(
    data: bytes, *, sample_rate: int | None, max_samples: int, max_bytes: int, pcm_rate: int | None = None
) -> Iterator[Clip]:
    """Decode a whole file as `decode` does, but yield its sound in pieces; memory: a piece, beside `data`.

    The arguments and errors are those of `decode`. No piece is empty, all have one rate; joined, they are the same.
    """
    _check_bytes(len(data), max_bytes)
    format = sniff(data) if pcm_rate is None else Format.PCM
    source = _source(format, pcm_rate, whole=True)
    outlet = _Outlet(sample_rate, max_samples)
    for block in _steps(source, data):
        yield from outlet.clips([block])
    yield from outlet.clips([], last=True)
    _check_sound(outlet, source, format)


def announced_seconds(data: bytes, *, pcm_rate: int | None = None) -> float | None:
    """Return how long a file says that it sounds, without decoding it; None if it does not tell. For estimates.

    Raises:
        InvalidAudio: not audio.
    """
    format = sniff(data) if pcm_rate is None else Format.PCM
    if format is Format.PCM and pcm_rate:
        return len(data) / 2 / pcm_rate
    if format is not Format.WAV:
        return demux.announced_seconds(data, format)
    header = wav.scan_header(data)
    if header is None:
        return None
    there = len(data) - header.data_start
    told = there if header.data_bytes is None else min(header.data_bytes, there)
    return told / header.frame_bytes / header.sample_rate


class Decoder:
    """Decode one file while it arrives, cut anywhere; the pieces, concatenated, are its sound.

    wav, raw pcm, mp3 and aac come out as they go in; flac, ogg, m4a and webm only at `finish`. The arguments are
    those of `decode`, and the format must be named. mp3 and aac are decoded frame by frame, padding included.
    """

    def __init__(
        self,
        format: Format,
        *,
        sample_rate: int | None,
        max_samples: int,
        max_bytes: int,
        pcm_rate: int | None = None,
    ) -> None:
        self._format = format
        self._source = _source(format, pcm_rate, whole=False)
        self._outlet = _Outlet(sample_rate, max_samples)
        self._max_bytes = max_bytes
        self._fed_bytes = 0

    @property
    def sample_rate(self) -> int | None:
        """Hz of what comes out; None until the file has told its own and no other was asked for."""
        return self._outlet.sample_rate

    def feed(self, data: bytes) -> Samples:
        """Take the next bytes and return the samples that are ready: float32 in [-1, 1], shape `(n,)`, n may be 0.

        Raises:
            InvalidAudio: not this format, or beyond a bound.
        """
        self._fed_bytes += len(data)
        _check_bytes(self._fed_bytes, self._max_bytes)
        return self._outlet.pour(self._source.feed(data))

    def finish(self) -> Samples:
        """Return the last samples, as `feed` does; once, after the last byte.

        Raises:
            InvalidAudio: the whole file held nothing that can be decoded, or is beyond a bound.
        """
        samples = self._outlet.pour(self._source.finish(), last=True)
        _check_sound(self._outlet, self._source, self._format)
        return samples


class _Outlet:
    """Brings blocks of any rate to one rate and into [-1, 1], and lets `max_samples` through."""

    def __init__(self, sample_rate: int | None, max_samples: int) -> None:
        self.sample_rate = sample_rate
        self.given = 0
        self._max_samples = max_samples
        self._due = 0.0
        self._rate_in = 0
        self._resampler = Resampler(from_rate=1, to_rate=1)

    def pour(self, blocks: Iterable[Block], *, last: bool = False) -> Samples:
        """Return all that is ready after `blocks`."""
        packed = bytearray()  # a list of arrays would cost a hundred bytes for a block of one sample
        for block in blocks:
            for piece in self._pass(block):
                packed += piece.tobytes()
        if last:
            packed += self._resampler.push(_silence(), last=True).tobytes()
        samples = np.frombuffer(packed, np.float32)
        self.given += len(samples)
        return samples.clip(-1.0, 1.0, out=samples)

    def clips(self, blocks: Iterable[Block], *, last: bool = False) -> Iterator[Clip]:
        """Yield the same, or nothing if nothing is ready."""
        samples = self.pour(blocks, last=last)
        if len(samples) and self.sample_rate is not None:
            yield Clip(samples, self.sample_rate)

    def _pass(self, block: Block) -> Iterator[Samples]:
        rate = self._agree_on_rate(block.sample_rate)
        self._due += len(block.samples) * rate / block.sample_rate
        if self._due > self._max_samples + 0.5:  # the result is rounded
            raise InvalidAudio(f"audio is longer than {self._max_samples} samples at {rate} Hz", field="audio")
        if block.sample_rate != self._rate_in:
            yield self._resampler.push(_silence(), last=True)
            self._rate_in = block.sample_rate
            self._resampler = Resampler(from_rate=block.sample_rate, to_rate=rate)
        yield self._resampler.push(block.samples)

    def _agree_on_rate(self, rate: int) -> int:
        if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
            raise InvalidAudio(
                f"audio has sample rate {rate}: {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz", field="audio"
            )
        if self.sample_rate is None:
            self.sample_rate = rate
        return self.sample_rate


def _source(format: Format, pcm_rate: int | None, *, whole: bool) -> Source:
    match format:
        case Format.PCM:
            if pcm_rate is None:
                raise InvalidAudio("raw pcm without pcm_rate: nothing in it tells its rate", field="sample_rate")
            return pcm_source(pcm_rate)
        case Format.WAV:
            return WavSource()
        case Format.MP3 | Format.AAC if not whole:
            return FrameSource(format)
        case _:
            return ContainerSource(format)


def _blocks(source: Source, data: bytes) -> Iterator[Block]:
    yield from source.feed(data)
    yield from source.finish()


def _steps(source: Source, data: bytes) -> Iterator[Block]:
    """Feed what needs no codec bit by bit: whoever takes it all at once makes copies of it."""
    step = max(len(data), 1) if isinstance(source, ContainerSource) else STEP_BYTES
    for start in range(0, len(data), step):
        yield from source.feed(data[start : start + step])
    yield from source.finish()


def _silence() -> Samples:
    return np.zeros(0, np.float32)


def _check_bytes(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidAudio(f"audio has {size} bytes: at most {max_bytes}", field="audio")


def _check_sound(outlet: _Outlet, source: Source, format: Format) -> int:
    """Return the rate of what came, or say why nothing did."""
    if outlet.given == 0 or outlet.sample_rate is None:
        reason = f": {source.damage}" if source.damage else ""
        raise InvalidAudio(f"{format} holds no sound that can be decoded{reason}", field="audio")
    return outlet.sample_rate

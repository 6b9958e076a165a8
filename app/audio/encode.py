"""int16 mono to any format, whole or as it is made.

CPU-bound, without asyncio and without threads of its own: callers run it in a pool. Lossy formats cost more than the
speech in them, wav and pcm next to nothing.
"""

import io
from dataclasses import dataclass

from app.audio import wav
from app.audio.format import Format
from app.audio.muxer import RECIPES, Muxer, Recipe, SeekableSink, Sink
from app.audio.pcm import Pcm, from_bytes, to_bytes
from app.audio.resample import Resampler, resample
from app.errors import InvalidAudio, InvalidInput

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 48_000
MIN_BITRATE, MAX_BITRATE = 6_000, 320_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """A complete file and the truth about its rate."""

    data: bytes
    sample_rate: int
    """Hz at which the codec was given the sound, so half of it bounds the frequencies within. A decoder gives the
    same rate, except for Opus (ogg, webm), which always decodes at 48 kHz and keeps this one in its header as
    information (RFC 7845 section 5.1)."""


def encode(pcm: bytes, *, sample_rate: int, format: Format, bitrate: int | None = None) -> Encoded:
    """Encode a whole clip.

    Args:
        pcm: int16 little-endian mono.
        sample_rate: Hz of `pcm`, 8000 to 48000. Where the codec does not take it, the clip is resampled to the
            nearest rate above that it does take: mp3, aac and m4a 8/11.025/12/16/22.05/24/32/44.1/48 kHz, ogg and
            webm 8/12/16/24/48 kHz; the result says which.
        format: What to make.
        bitrate: Bits per second, 6000 to 320000, for the lossy formats; a codec takes the nearest that it has.
            None: 64000, or 32000 for Opus.

    Raises:
        InvalidAudio: `pcm` is not whole samples, or is empty and the format cannot say so (wav and pcm can).
        InvalidInput: a rate or bitrate outside its bounds.
    """
    _check(sample_rate, bitrate)
    samples = from_bytes(pcm)
    if format is Format.PCM:
        return Encoded(pcm, sample_rate)
    if format is Format.WAV:
        return Encoded(wav.encode(pcm, sample_rate=sample_rate), sample_rate)
    if not pcm:
        raise InvalidAudio(f"no samples to encode: {format} needs at least one", field="audio")
    return _encode_whole(samples, sample_rate, RECIPES[format], bitrate)


class Encoder:
    """Encode one clip while it is made; the bytes that come out, concatenated, are one playable file.

    The arguments are those of `encode`. A streamed wav has a header of unknown length. Streamed mp3 and aac have no
    place for the length of the encoder's padding, some 50 ms of silence at the front that players play.
    Finish an encoder even if nobody wants its bytes any more: dropped unfinished, it keeps up to 0.6 MB (flac) until
    the next full garbage collection.
    """

    def __init__(self, *, sample_rate: int, format: Format, bitrate: int | None = None) -> None:
        _check(sample_rate, bitrate)
        self._sink = _Drain()
        self._writer: _Header | _Codec
        if format in RECIPES:
            self._writer = _Codec(self._sink, RECIPES[format], sample_rate, bitrate)
        else:
            self._writer = _Header(self._sink, sample_rate, wanted=format is Format.WAV)
        self._finished = False

    @property
    def sample_rate(self) -> int:
        """The real rate in Hz, as in `Encoded`."""
        return self._writer.sample_rate

    def write(self, pcm: bytes) -> bytes:
        """Encode the next int16 little-endian samples and return the bytes that are ready, perhaps none.

        Raises:
            InvalidAudio: not whole samples.
            ValueError: after `finish`.
        """
        self._check_open()
        self._writer.write(from_bytes(pcm))
        return self._sink.take()

    def finish(self) -> bytes:
        """Return the last bytes of the file; a file of no samples is playable as wav or pcm only.

        Raises:
            ValueError: the second time.
        """
        self._check_open()
        self._finished = True
        self._writer.close()
        return self._sink.take()

    def _check_open(self) -> None:
        if self._finished:
            raise ValueError("encoder is finished: take a new one for each file")


class FileEncoder:
    """Encode one clip of any length into a file that can be sought in; in the end its header is complete.

    So players know how long it is and can move about in it, unlike in what `Encoder` makes. Memory stays bounded. The
    arguments are those of `encode`, for the formats with a codec. Finish it even if nobody wants the file any more, as
    an `Encoder`.
    """

    def __init__(self, file: SeekableSink, *, sample_rate: int, format: Format, bitrate: int | None = None) -> None:
        _check(sample_rate, bitrate)
        self._writer = _Codec(file, RECIPES[format], sample_rate, bitrate, streamed=False)

    @property
    def sample_rate(self) -> int:
        """The real rate in Hz, as in `Encoded`."""
        return self._writer.sample_rate

    def write(self, pcm: bytes) -> None:
        """Encode the next int16 little-endian samples; raises what the file raises, too.

        Raises:
            InvalidAudio: not whole samples.
        """
        self._writer.write(from_bytes(pcm))

    def finish(self) -> None:
        """Complete the file; one of no samples may not be playable. Raises what the file raises."""
        self._writer.close()


class _Drain:
    """A sink that cannot seek and is emptied after each write."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def write(self, data: bytes, /) -> int:
        self._buffer += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._buffer)
        self._buffer.clear()
        return taken


class _Header:
    """Samples as they are, behind a wav header or behind nothing."""

    def __init__(self, sink: _Drain, sample_rate: int, *, wanted: bool) -> None:
        self.sample_rate = sample_rate
        self._sink = sink
        if wanted:
            sink.write(wav.header(sample_rate=sample_rate, data_bytes=None))

    def write(self, pcm: Pcm) -> None:
        self._sink.write(to_bytes(pcm))

    def close(self) -> None:
        pass


class _Codec:
    """Samples at a rate that the codec takes, through PyAV."""

    def __init__(
        self, sink: Sink, recipe: Recipe, sample_rate: int, bitrate: int | None, *, streamed: bool = True
    ) -> None:
        self.sample_rate = recipe.rate_for(sample_rate)
        self._resampler = Resampler(from_rate=sample_rate, to_rate=self.sample_rate)
        self._muxer = Muxer(sink, recipe, sample_rate=self.sample_rate, bitrate=bitrate, streamed=streamed)

    def write(self, pcm: Pcm) -> None:
        self._muxer.write(self._resampler.push(pcm))

    def close(self) -> None:
        self._muxer.write(self._resampler.push(from_bytes(b""), last=True))
        self._muxer.close()


def _encode_whole(samples: Pcm, sample_rate: int, recipe: Recipe, bitrate: int | None) -> Encoded:
    real_rate = recipe.rate_for(sample_rate)
    file = io.BytesIO()
    muxer = Muxer(file, recipe, sample_rate=real_rate, bitrate=bitrate, streamed=False)
    muxer.write(resample(samples, from_rate=sample_rate, to_rate=real_rate))
    muxer.close()
    return Encoded(file.getvalue(), real_rate)


def _check(sample_rate: int, bitrate: int | None) -> None:
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise InvalidInput(f"sample_rate {sample_rate}: {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz", field="sample_rate")
    if bitrate is not None and not MIN_BITRATE <= bitrate <= MAX_BITRATE:
        raise InvalidInput(f"bitrate {bitrate}: {MIN_BITRATE} to {MAX_BITRATE} bits per second", field="bitrate")

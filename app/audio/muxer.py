"""One codec in one container through PyAV: what each format is made of, and the one object that writes it.

The options were chosen by measurement (CPU of 3 s of speech on one core): LAME at level 7 takes 18 ms instead of 32
for the same bytes, the fast AAC coder 15 instead of 92, Opus at complexity 5 26 instead of 32.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Literal, Protocol

import av

from app.audio.format import Format
from app.audio.pcm import Pcm

Options = Mapping[str, str]
_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


class Sink(Protocol):
    """Where a container writes; with `seek` and `tell` it may go back to complete its header."""

    def write(self, data: bytes, /) -> int:
        """Take all of `data` and return its length."""


class SeekableSink(Sink, Protocol):
    """A file whose header can be completed in the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place as files do and return it."""

    def tell(self) -> int:
        """Return the place."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a format is made of, in FFmpeg's names."""

    codec: Literal["libmp3lame", "libopus", "flac", "aac"]
    container: str
    rates: tuple[int, ...] | None = None
    """Sample rates in Hz that the codec takes, ascending; None: every rate."""
    bitrate: int | None = None
    """Bits per second if none is asked for; None where the codec is lossless."""
    max_bitrate: int = 320_000
    """The codec refuses more for one channel."""
    codec_options: Options = field(default_factory=dict)
    whole: Options = field(default_factory=dict)
    """Container options for a file that is handed out complete."""
    streamed: Options = field(default_factory=dict)
    """Container options for bytes that are handed out as they come and cannot be changed any more."""

    def rate_for(self, sample_rate: int) -> int:
        """Return the nearest rate that the codec takes, at or above `sample_rate`; the highest if none is above."""
        if self.rates is None:
            return sample_rate
        return next((rate for rate in self.rates if rate >= sample_rate), self.rates[-1])


RECIPES: Mapping[Format, Recipe] = MappingProxyType(
    {
        Format.MP3: Recipe(
            codec="libmp3lame",
            container="mp3",
            rates=_MPEG_RATES,
            bitrate=64_000,
            codec_options={"compression_level": "7"},
            # The Xing frame of a whole file lets players drop the encoder's padding; it is written last, at the front.
            whole={"id3v2_version": "0"},
            streamed={"id3v2_version": "0", "write_xing": "0"},
        ),
        Format.OGG: Recipe(
            codec="libopus",
            container="ogg",
            rates=_OPUS_RATES,
            bitrate=32_000,
            max_bitrate=256_000,
            codec_options={"compression_level": "5"},
            streamed={"page_duration": "20000"},  # microseconds: a page for each packet
        ),
        Format.FLAC: Recipe(
            codec="flac",
            container="flac",
            whole={"metadata_header_padding": "0"},  # else 8 KiB of zeros in every clip
            streamed={"metadata_header_padding": "0"},
        ),
        Format.AAC: Recipe(
            codec="aac",
            container="adts",
            rates=_MPEG_RATES,
            bitrate=64_000,
            codec_options={"aac_coder": "fast"},
        ),
        Format.M4A: Recipe(
            codec="aac",
            container="ipod",
            rates=_MPEG_RATES,
            bitrate=64_000,
            codec_options={"aac_coder": "fast"},
            # `delay_moov` waits for the first packet, whose negative time says how much padding to drop.
            streamed={"movflags": "empty_moov+default_base_moof+delay_moov", "frag_duration": "200000"},
        ),
        Format.WEBM: Recipe(
            codec="libopus",
            container="webm",
            rates=_OPUS_RATES,
            bitrate=32_000,
            max_bitrate=256_000,
            codec_options={"compression_level": "5"},
            streamed={"live": "1", "cluster_time_limit": "200"},  # milliseconds
        ),
    }
)


class Muxer:
    """Encode int16 mono of one rate into a sink. Uses one thread, the caller's, and frees the GIL in FFmpeg."""

    def __init__(self, sink: Sink, recipe: Recipe, *, sample_rate: int, bitrate: int | None, streamed: bool) -> None:
        """`sample_rate` must be one of the recipe's; `bitrate` in bits per second, None for the recipe's."""
        options = {**recipe.streamed, "flush_packets": "1"} if streamed else dict(recipe.whole)
        self._container = av.open(sink, "w", format=recipe.container, options=options)
        stream = self._container.add_stream(
            recipe.codec, rate=sample_rate, options=dict(recipe.codec_options), layout="mono"
        )
        if recipe.bitrate is not None:
            stream.codec_context.bit_rate = min(bitrate or recipe.bitrate, recipe.max_bitrate)
        stream.codec_context.thread_count = 1
        self._stream = stream
        self._sample_rate = sample_rate
        self._written = 0

    def write(self, pcm: Pcm) -> None:
        """Encode int16 samples, shape `(n,)`; what is complete goes to the sink."""
        if len(pcm) == 0:
            return
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._sample_rate
        # Without a time on each frame MP4 and Ogg cannot tell the encoder's padding from sound.
        frame.pts = self._written
        frame.time_base = Fraction(1, self._sample_rate)
        self._written += len(pcm)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Encode what is left and complete the file. Ogg writes its last page only now."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

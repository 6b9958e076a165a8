"""The encoding of speech that goes out while it is made."""

from collections.abc import Callable

from app.audio.encode import Encoder
from app.audio.format import Format
from app.audio.pcm import from_bytes, to_bytes
from app.audio.resample import Resampler
from app.runtime.workers import CODEC_POOL, Workers
from app.tts.output import Output


class Tape:
    """One streamed file: PCM chunks in, bytes of the file out."""

    def __init__(self, output: Output, native_rate: int, workers: Workers) -> None:
        """Begin a file of the given form, from PCM at `native_rate` Hz."""
        self._workers = workers
        self._resampler = Resampler(from_rate=native_rate, to_rate=output.sample_rate, quality=output.resampler)
        self._encoder = Encoder(sample_rate=output.sample_rate, format=output.format, bitrate=output.bitrate)
        self._is_light = output.format in (Format.WAV, Format.PCM)

    async def write(self, pcm: bytes) -> bytes:
        """Add int16 little-endian mono PCM; returns the bytes of the file that are ready, perhaps none."""
        return await self._run(lambda: self._encode(pcm, last=False))

    async def finish(self) -> bytes:
        """Return the last bytes of the file."""
        return await self._run(lambda: self._encode(b"", last=True) + self._encoder.finish())

    def _encode(self, pcm: bytes, *, last: bool) -> bytes:
        return self._encoder.write(to_bytes(self._resampler.push(from_bytes(pcm), last=last)))

    async def _run(self, encode: Callable[[], bytes]) -> bytes:
        return encode() if self._is_light else await self._workers.run(CODEC_POOL, encode)

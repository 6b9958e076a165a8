"""A file as a source of sound: anything that FFmpeg reads where PyAV is installed, else plain WAV."""

import asyncio
import wave
from array import array
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from os import PathLike, fspath
from typing import TYPE_CHECKING, Final

from app.sdk.stream_errors import MissingPackage, SourceFailed
from app.sdk.stream_sound import encode

if TYPE_CHECKING:  # an optional package
    from av import AudioFrame, AudioResampler
    from av.container import InputContainer

BLOCK_FRAMES: Final = 4096


class SoundFile:
    """Plays a file from its beginning to its end. It is decoded in a thread of its own, a little at a time.

    Args:
        path: of an audio or video file.
    """

    is_live = False

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = fspath(path)

    async def blocks(self, sample_rate: int) -> AsyncGenerator[bytes, None]:
        """Yield its sound; what cannot be decoded in the midst of it is left out.

        Raises:
            SourceFailed: it cannot be read.
            MissingPackage: it cannot be read without PyAV.
        """
        loop = asyncio.get_running_loop()
        # One thread, so that closing waits for the decoding that a cancelled task has left behind.
        with ThreadPoolExecutor(1, "sound file") as thread:
            blocks = _decode(self._path, sample_rate)
            try:
                while block := await loop.run_in_executor(thread, next, blocks, b""):
                    yield block
            finally:
                await loop.run_in_executor(thread, blocks.close)


def _decode(path: str, sample_rate: int) -> Generator[bytes, None, None]:
    """Yield the sound of a file; none of the blocks is empty."""
    try:
        import av
    except ImportError:
        yield from _plain_wav(path, sample_rate)
        return
    try:
        with av.open(path) as container:
            yield from filter(None, _sound(container, sample_rate))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceFailed(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _sound(container: "InputContainer", sample_rate: int) -> Iterator[bytes]:
    """Yield what FFmpeg makes of the first audio stream.

    It mixes channels so that their sum stays in range only for integers, which 16 bits are enough for here.
    """
    from av import AudioResampler

    kind, resampler = None, AudioResampler("s16", "mono", sample_rate)
    for frame in _frames(container):
        if kind not in (None, _kind(frame)):  # as where radio stations join files
            yield from _encoded(resampler, None)
            resampler = AudioResampler("s16", "mono", sample_rate)
        kind = _kind(frame)
        yield from _encoded(resampler, frame)
    if kind is not None:
        yield from _encoded(resampler, None)


def _frames(container: "InputContainer") -> "Iterator[AudioFrame]":
    import av

    if not container.streams.audio:
        raise ValueError("there is no sound in it")
    for packet in container.demux(container.streams.audio[0]):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            continue  # a few broken packets end no song
        for frame in frames:
            if isinstance(frame, av.AudioFrame):
                frame.pts = None  # gaps between times are not to be heard
                yield frame


def _kind(frame: "AudioFrame") -> tuple[int, str, str]:
    return frame.sample_rate, frame.format.name, frame.layout.name


def _encoded(resampler: "AudioResampler", frame: "AudioFrame | None") -> Iterator[bytes]:
    for made in resampler.resample(frame):
        yield encode(memoryview(made.planes[0]).cast("B")[: 2 * made.samples].cast("h"))


def _plain_wav(path: str, sample_rate: int) -> Iterator[bytes]:
    try:
        with wave.open(path, "rb") as file:
            if file.getsampwidth() != 2 or file.getframerate() != sample_rate:
                raise MissingPackage(
                    f"{path} has {8 * file.getsampwidth()} bits at {file.getframerate()} Hz; anything but 16 bits at "
                    f"{sample_rate} Hz needs PyAV: pip install av"
                )
            while frames := file.readframes(BLOCK_FRAMES):
                yield encode(_mixed(memoryview(frames).cast("h"), file.getnchannels()))
    except (wave.Error, EOFError) as error:
        raise MissingPackage(f"{path} is no plain WAV file; others need PyAV: pip install av") from error
    except OSError as error:
        raise SourceFailed(f"{path} cannot be read: {error.strerror or error}") from error


def _mixed(samples: memoryview, channels: int) -> memoryview:
    mean = (sum(samples[at : at + channels]) // channels for at in range(0, len(samples), channels))
    return memoryview(array("h", mean)) if channels > 1 else samples

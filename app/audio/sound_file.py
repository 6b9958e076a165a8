"""Files of any kind that FFmpeg reads, block by block: songs, mixes of hours, the sound of films.

What `app.audio.decode` reads is in memory and of a few formats that are safe to take from strangers. Here a file of
any length is read from disk, whatever it is; so this belongs into a process that may die. Nothing else than the file
itself is ever opened: a playlist that names others reads as damaged.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from app.audio.demux import MAX_BARREN, MAX_CHANNELS, mono
from app.audio.pcm import Samples
from app.audio.resample import Resampler
from app.errors import InvalidAudio, NotFound

JOINED_FRAMES: Final = 65_536
"""Samples of each channel that are converted at once: packet by packet, it would take twice the time."""
READ_BYTES: Final = 256 * 1024
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 768_000
"""Hz that a file may have."""

GUARDED_FORMATS: Final = "aac,aiff,asf,au,caf,flac,matroska,mov,mp3,mpegts,ogg,wav"
"""What is read of files from strangers: matroska is webm as well, mov mp4 and m4a, asf wma."""

_OPTIONS: Final = {"protocol_whitelist": "none", "max_streams": "64"}
_LENIENT_TAGS: Final[dict[str, Any]] = {"metadata_errors": "replace"} if av.__version__.startswith("18.") else {}
"""PyAV 18 refuses a file for a tag that is not UTF-8 unless told otherwise; PyAV 19 has no such argument."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says of itself."""

    title: str | None = None
    artist: str | None = None


class SoundFile:
    """An open file. A context manager.

    Raises:
        NotFound: there is no such file, or it may not be read.
        InvalidAudio: there is no sound in it.
    """

    def __init__(self, path: Path, *, guarded: bool = False) -> None:
        """Open a file; one from strangers `guarded`, so that less is tried with it."""
        self.damage: str | None = None
        """What was met that could not be read."""
        with ExitStack() as stack:
            file = stack.enter_context(_open(path))
            self._container = stack.enter_context(_demuxed(file, guarded=guarded))
            self._stream = _sound_of(self._container)
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def tags(self) -> Tags:
        """Title and artist; those of the stream, as in Ogg, before those of the file."""
        said = {name.lower(): text for name, text in self._container.metadata.items()}
        said |= {name.lower(): text for name, text in self._stream.metadata.items()}
        return Tags(said.get("title") or None, said.get("artist") or said.get("album_artist") or None)

    def blocks(self, sample_rate: int, *, max_seconds: float) -> Iterator[Samples]:
        """Yield the sound, once: mono float32, shape `(n,)`, at `sample_rate` Hz; channels are averaged.

        What cannot be decoded is left out, and what cannot be read ends it: see `damage`.

        Raises:
            InvalidAudio: it is longer than `max_seconds`, or there is nothing that can be decoded.
        """
        left = round(max_seconds * sample_rate)
        given = 0
        for samples in self._resampled(sample_rate):
            given += len(samples)
            if given > left:
                raise InvalidAudio(f"the sound is longer than {max_seconds:g} s", field="file")
            if len(samples):
                yield samples
        if not given:
            reason = f": {self.damage}" if self.damage else ""
            raise InvalidAudio(f"there is no sound in it that can be decoded{reason}", field="file")

    def _resampled(self, sample_rate: int) -> Iterator[Samples]:
        rate, resampler = 0, Resampler(from_rate=1, to_rate=1)
        for frame in self._joined_frames():
            if frame.sample_rate != rate:
                yield resampler.push(np.zeros(0, np.float32), last=True)
                rate = _checked_rate(frame.sample_rate)
                resampler = Resampler(from_rate=rate, to_rate=sample_rate)
            yield resampler.push(_mono(frame))
        yield resampler.push(np.zeros(0, np.float32), last=True)

    def _joined_frames(self) -> Iterator[AudioFrame]:
        """Yield frames of `JOINED_FRAMES` each, but for the last one of each kind."""
        joined, kind = AudioFifo(), None
        for frame in self._frames():
            if _kind(frame) != kind:
                yield from _rest(joined)
                joined, kind = AudioFifo(), _kind(frame)
            frame.pts = None  # a fifo insists on times without gaps
            joined.write(frame)
            while (whole := joined.read(JOINED_FRAMES)) is not None:
                yield whole
        yield from _rest(joined)

    def _frames(self) -> Iterator[AudioFrame]:
        """Yield what can be decoded, packet by packet."""
        barren = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = self._stream.codec_context.decode(packet)
                except FFmpegError as error:
                    self.damage = error.strerror
                    frames = []
                yield from frames
                barren = 0 if frames else barren + 1
                if barren > MAX_BARREN:
                    return
        except FFmpegError as error:
            self.damage = error.strerror


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise NotFound(f"it cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _demuxed(file: BinaryIO, *, guarded: bool) -> InputContainer:
    if os.fstat(file.fileno()).st_size == 0:
        raise InvalidAudio("it is empty", field="file")
    options = {**_OPTIONS, "format_whitelist": GUARDED_FORMATS} if guarded else dict(_OPTIONS)
    try:
        container: InputContainer = av.open(
            file, "r", container_options=options, buffer_size=READ_BYTES, **_LENIENT_TAGS
        )
    except (FFmpegError, ValueError) as error:
        raise InvalidAudio(
            f"it is not a sound file: {getattr(error, 'strerror', None) or error}", field="file"
        ) from error
    return container


def _sound_of(container: InputContainer) -> AudioStream:
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream) or getattr(stream, "codec_context", None) is None:
        container.close()
        raise InvalidAudio("there is no sound in it that can be decoded", field="file")
    stream.codec_context.thread_count = 1
    return stream


def _kind(frame: AudioFrame) -> tuple[int, str, int]:
    return frame.sample_rate, frame.format.name, frame.layout.nb_channels


def _mono(frame: AudioFrame) -> Samples:
    """Return the mean of the channels, in [-1, 1]."""
    if frame.layout.nb_channels > MAX_CHANNELS:
        # PyAV must not touch their samples. FFmpeg mixes them; only to integers does it keep the sum in range.
        [frame] = AudioResampler(format="s32p", layout="mono").resample(frame)
    array = frame.to_ndarray()
    return mono(array, channels=frame.layout.nb_channels, is_packed=frame.format.is_packed)


def _checked_rate(rate: int) -> int:
    if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise InvalidAudio(f"sample rate {rate} must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz", field="file")
    return rate


def _rest(joined: AudioFifo) -> Iterator[AudioFrame]:
    if (rest := joined.read(0, partial=True)) is not None:
        yield rest

"""One portrait from sound to video: decoded and heard in a thread, drawn in a second, encoded in the caller's.

The rules of this file:

- Between the stages are short queues, so that memory does not depend on the length of the sound.
- Whatever ends a job, both threads have ended when `close` returns: they look at one event with every batch and
  whenever they wait. An error of theirs is raised in the caller's thread.
- Sound goes the way of the pictures, just before those that belong to it: so they are written side by side.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeAlias

from app.audio.decode import MAX_SAMPLE_RATE, decode_pieces
from app.audio.pcm import Samples
from app.errors import InvalidAudio
from app.lipsync.clip import Order
from app.lipsync.cuts import Batch, Batches, cut
from app.lipsync.encode import StreamedVideo, VideoForm, WholeVideo
from app.lipsync.engine import AHEAD, Drawn, Performance
from app.lipsync.handover import Handover, Stopped

PIECE_SECONDS = 0.4
"""Of sound that is heard at a time."""
STEP_SECONDS = 0.1
"""After which `advance` returns, so that progress can be told."""
_PIECES_AHEAD = 4


class _Sound(NamedTuple):
    samples: Samples
    sample_rate: int


class _Picture(NamedTuple):
    drawn: Drawn


class _End(NamedTuple):
    """Nothing follows."""


_ToDraw: TypeAlias = _Sound | Batch | _End
_ToEncode: TypeAlias = _Sound | _Picture | _End


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one job may be."""

    max_seconds: float
    """Of sound."""
    max_audio_bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """What has come of a while."""

    data: bytes
    """Bytes of the video, perhaps none; of one that is not streamed, all of them at the end."""
    frames: int
    """That are in the video so far."""
    is_last: bool


class Pipeline:
    """One job. Costs nothing before the first step; has to be closed after it.

    Args:
        order: what is asked.
        performance: of the order's picture.
        size: width and height of the video, pixels.
        is_streamed: whether the video comes in fragments.
        bounds: of its sound.
        encoder_threads: that x264 may use.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        order: Order,
        performance: Performance,
        size: tuple[int, int],
        *,
        is_streamed: bool,
        bounds: Bounds,
        encoder_threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._order, self._performance, self._size = order, performance, size
        self._is_streamed = is_streamed
        self._bounds = bounds
        self._encoder_threads = encoder_threads
        self._clock = clock
        self._stop = threading.Event()
        self._asked = threading.Event()
        """The event of the call of `advance` that is going on."""
        self._error: BaseException | None = None
        self._to_draw: Handover[_ToDraw] = Handover(_PIECES_AHEAD)
        self._to_encode: Handover[_ToEncode] = Handover(AHEAD)
        self._threads: list[threading.Thread] = []
        self._work: Iterator[bool] | None = None
        self._video: WholeVideo | StreamedVideo | None = None
        self._samples = self._sample_rate = 0
        self.codecs = ""
        """As MediaSource wants to know them; known with the first bytes."""
        self.frames = 0
        """That are in the video."""
        self.drawing_seconds = 0.0
        """That the engine has worked."""

    @property
    def duration(self) -> float:
        """Seconds of sound so far."""
        return self._samples / self._sample_rate if self._sample_rate else 0.0

    def advance(self, stop: threading.Event) -> Step:
        """Go on for a tenth of a second, or until there are bytes; it blocks.

        Raises:
            Stopped: the event was set.
            ChorusError: what a stage has met.
        """
        if self._work is None:
            self._work = self._encode()
            self._begin(self._hear, "portrait-hear")
            self._begin(self._draw, "portrait-draw")
        self._asked = stop
        until = self._clock() + STEP_SECONDS
        for is_last in self._work:
            data = self._take(is_last)
            if data or is_last or self._clock() >= until:
                return Step(data, self.frames, is_last)
            if stop.is_set():
                raise Stopped
        raise Stopped  # after the last step there is nothing to do

    def close(self) -> None:
        """End the threads, and wait for them: for a batch at most. What is not complete yet is lost."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        if self._video is not None:
            self._video.abandon()
        self._video = None

    def _begin(self, stage: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=self._guarded, args=(stage,), name=name)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except Stopped:
            pass
        except BaseException as error:
            self._error = self._error or error
            self._stop.set()

    def _hear(self) -> None:
        """Decode the sound, and pass on its pieces, each before the batches that it decides."""
        clips = decode_pieces(
            self._order.audio,
            sample_rate=None,
            max_samples=round(self._bounds.max_seconds * MAX_SAMPLE_RATE),
            max_bytes=self._bounds.max_audio_bytes,
            pcm_rate=self._order.pcm_rate,
        )
        first = next(clips)
        self._sample_rate = first.sample_rate
        length = round(PIECE_SECONDS * first.sample_rate)
        pieces = self._counted(cut(chain([first], clips), length))
        batches = Batches(self._performance.batch)
        for cues in self._performance.hear(pieces, first.sample_rate):
            for batch in batches.push(cues):
                self._to_draw.put(batch, self._stop)
        for batch in batches.finish():
            self._to_draw.put(batch, self._stop)
        self._to_draw.put(_End(), self._stop)

    def _counted(self, pieces: Iterator[Samples]) -> Iterator[Samples]:
        for piece in pieces:
            self._samples += len(piece)
            if self.duration > self._bounds.max_seconds:
                raise InvalidAudio(
                    f"audio is longer than {self._bounds.max_seconds:g} s, which is the most that is drawn",
                    field="audio",
                )
            self._to_draw.put(_Sound(piece, self._sample_rate), self._stop)
            yield piece

    def _draw(self) -> None:
        while not isinstance(item := self._to_draw.get(self._stop), _End):
            if isinstance(item, _Sound):
                self._to_encode.put(item, self._stop)
                continue
            for drawn in self._timed(self._performance.draw(item.cues, item.first, self._stop)):
                self._to_encode.put(_Picture(drawn), self._stop)
        self._to_encode.put(_End(), self._stop)

    def _timed(self, pieces: Iterator[Drawn]) -> Iterator[Drawn]:
        """Yield the same, and count the time until each comes."""
        start = self._clock()
        for piece in pieces:
            self.drawing_seconds += self._clock() - start
            yield piece
            start = self._clock()
        self.drawing_seconds += self._clock() - start

    def _encode(self) -> Iterator[bool]:
        """Write what comes, and yield after each frame whether all has come."""
        changed = self._performance.changed
        while not isinstance(item := self._next(), _End):
            if isinstance(item, _Sound):
                self._writing(item.sample_rate).writer.write_sound(item.samples)
                yield False
                continue
            for frame in self._performance.frames(item.drawn):
                self._writing().writer.write_picture(frame, changed)
                self.frames += 1
                yield False
        yield True

    def _next(self) -> _ToEncode:
        try:
            return self._to_encode.get(self._stop, self._asked)
        except Stopped:
            if self._error is not None:
                raise self._error from None
            raise

    def _writing(self, sample_rate: int = 0) -> WholeVideo | StreamedVideo:
        """Return the video, which the first sound begins."""
        if self._video is None:
            width, height = self._size
            order = self._order
            form = VideoForm(width, height, order.fps, sample_rate, crf=order.crf, threads=self._encoder_threads)
            self._video = StreamedVideo(form) if self._is_streamed else WholeVideo(form)
            self.codecs = self._video.writer.codecs
        return self._video

    def _take(self, is_last: bool) -> bytes:
        if self._video is None:
            return b""
        if is_last:
            return self._video.finish()
        return self._video.take() if isinstance(self._video, StreamedVideo) else b""

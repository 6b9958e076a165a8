"""The piece of the mel spectrum that belongs to each frame of a video, as it becomes complete.

Upstream's inference gives frame i the columns from int(80 i / fps) on, and ends with the last whole window, so that its
videos are 0.16 to 0.2 s shorter than the sound. Here the spectrum goes on with its last column until the video is as
long as the sound. Upstream's training took the columns of one frame earlier, so that in its inference the lips are
40 ms early; `offset` -1 makes up for it.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil, floor
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.audio.pcm import Samples
from app.audio.resample import Resampler
from app.lipsync.mel import BANDS, COLUMNS_PER_SECOND, SAMPLE_RATE, Mel, MelStream

Windows: TypeAlias = NDArray[np.float32]
"""Shape `(frames, BANDS, COLUMNS)`, as the networks take them."""

COLUMNS = 16
"""200 ms."""


def frame_count(samples: int, sample_rate: int, fps: float) -> int:
    """Return how many frames are as long as a sound: `ceil(duration * fps)`, without rounding errors."""
    return ceil(Fraction(samples, sample_rate) * Fraction(fps))


def windows_of(pieces: Iterable[Samples], sample_rate: int, *, fps: float, offset: float) -> Iterator[Windows]:
    """Yield the windows of a sound of any rate that comes in pieces, one for each frame that it has begun.

    Raises:
        InvalidAudio: no samples at all, or one that is not a finite number.
    """
    windows, resampler = WindowStream(fps=fps, offset=offset), Resampler(from_rate=sample_rate, to_rate=SAMPLE_RATE)
    samples = 0
    for piece in pieces:
        samples += len(piece)
        yield windows.push(resampler.push(piece))
    yield windows.push(resampler.push(np.empty(0, np.float32), last=True))
    yield windows.finish(frame_count(samples, sample_rate, fps))


class WindowStream:
    """The windows of one sound at 16 kHz, cut anywhere; some 20 KB of memory, whatever the length.

    Args:
        fps: frames per second.
        offset: frames by which the windows are later than upstream's inference has them; -1 is its training.
    """

    def __init__(self, *, fps: float = 25, offset: float = 0) -> None:
        self._mel = MelStream()
        self._columns_per_frame = COLUMNS_PER_SECOND / Fraction(fps)
        self._offset = Fraction(offset)
        self._held: Mel = np.empty((0, BANDS), np.float32)
        self._held_from = 0
        """Index of the first column that is held."""
        self._next = 0

    def push(self, samples: NDArray[np.float32]) -> Windows:
        """Take the next samples, shape `(n,)`, and return the windows that are complete now.

        Raises:
            InvalidAudio: a sample is not a finite number.
        """
        return self._extend(self._mel.push(samples))

    def finish(self, frames: int) -> Windows:
        """Return the last windows, so that there are `frames` of them in all.

        Raises:
            InvalidAudio: there were no samples at all.
        """
        self._hold(self._mel.finish())
        return self._take(frames)

    def _extend(self, columns: Mel) -> Windows:
        """Return the windows that lie within the columns so far, as far as their frames have begun."""
        self._hold(columns)
        end = self._held_from + len(self._held)
        frames = self._next
        while self._start(frames) + COLUMNS <= end and frames * self._columns_per_frame < end:
            frames += 1
        return self._take(frames)

    def _hold(self, columns: Mel) -> None:
        self._held = np.concatenate((self._held, columns))

    def _start(self, frame: int) -> int:
        """Return the index of a window's first column, which may be before the sound."""
        return floor((frame + self._offset) * self._columns_per_frame)

    def _take(self, frames: int) -> Windows:
        """Return the windows up to a frame; the first column and the last go on for ever."""
        starts = np.array([self._start(frame) for frame in range(self._next, frames)], int).reshape(-1, 1)
        last = self._held_from + len(self._held) - 1
        columns = np.clip(starts + np.arange(COLUMNS), self._held_from, last) - self._held_from
        windows = np.ascontiguousarray(self._held[columns].transpose(0, 2, 1))
        self._next += len(windows)
        self._drop(min(self._start(self._next), last))
        return windows

    def _drop(self, until: int) -> None:
        """Forget the columns before one that is still needed."""
        if until > self._held_from:
            self._held = self._held[until - self._held_from :].copy()
            self._held_from = until

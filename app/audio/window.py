"""A window that slides over a stream, counted in samples and never in messages or seconds."""

from dataclasses import dataclass

import numpy as np

from app.audio.pcm import Samples


@dataclass(frozen=True, slots=True)
class Window:
    """One view of the stream."""

    samples: Samples
    """float32, shape `(n,)`, its own memory: may go to a thread while the stream flows on."""
    start: int
    """Index in the stream of the first sample."""

    @property
    def end(self) -> int:
        """Index in the stream of the first sample after the window."""
        return self.start + len(self.samples)


class SlidingWindow:
    """Cut a stream of frames of any size into windows of `length` samples, one every `hop` samples.

    The windows depend on the samples alone, not on how they were cut: with `partial=False` they end at `length`,
    `length + hop`, `length + 2 hop`, …; with `partial=True` at `hop`, `2 hop`, …, and those that end before
    `length` are shorter and start at 0. A `hop` larger than `length` leaves gaps.

    Memory: `2 * length` samples for good, and `length` for each window handed out.
    """

    def __init__(self, *, length: int, hop: int, partial: bool = False) -> None:
        if length < 1 or hop < 1:
            raise ValueError(f"length {length} and hop {hop}: both count samples, at least 1")
        self.length = length
        self.hop = hop
        self._next_end = hop if partial else length
        self._total = 0
        # Twice the length, so that the kept samples are moved once in `length` samples instead of at each push.
        self._buffer = np.zeros(2 * length, np.float32)
        self._stop = 0

    @property
    def total(self) -> int:
        """Samples seen since the start of the stream."""
        return self._total

    @property
    def buffered(self) -> int:
        """Samples held at present: `min(total, length)`."""
        return min(self._total, self.length)

    def push(self, samples: Samples) -> list[Window]:
        """Take the next samples, float32 of shape `(n,)`, and return the windows that they complete, in order."""
        windows = []
        while len(samples):
            wanted = self._next_end - self._total
            self._append(samples[:wanted])
            samples = samples[wanted:]
            if self._total == self._next_end:
                windows.append(self.latest())
                self._next_end += self.hop
        return windows

    def latest(self) -> Window:
        """Return what is buffered, the last `length` samples or all if there are fewer, complete or not."""
        held = self._buffer[self._stop - self.buffered : self._stop]
        return Window(samples=held.copy(), start=self._total - self.buffered)

    def _append(self, samples: Samples) -> None:
        self._total += len(samples)
        samples = samples[-self.length :]
        if self._stop + len(samples) > len(self._buffer):
            kept = self._buffer[self._stop - (self.length - len(samples)) : self._stop]
            self._buffer[: len(kept)] = kept
            self._stop = len(kept)
        self._buffer[self._stop : self._stop + len(samples)] = samples
        self._stop += len(samples)

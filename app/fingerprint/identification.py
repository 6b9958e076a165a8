"""What is heard in a recording of any length: a clip, or a mix of hours.

The recording is looked at through windows that overlap by half; no more than two of them are in memory. The longer it
is, the more windows there are in which chance may look like a track; so a cue of many needs to be surer than a clip.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from app.audio.pcm import Samples
from app.fingerprint.cues import Cue, CueSheet
from app.fingerprint.score import DEFAULT_THRESHOLD, confidence, similarity
from app.fingerprint.spectrum import SAMPLE_RATE

WINDOW_SECONDS: Final = 10.0
HOP_SECONDS: Final = 5.0
LEAST_NEW_SECONDS: Final = 0.5
"""Of a last window: less of it has been seen well enough by the window before."""

Look: TypeAlias = Callable[[Samples], Awaitable[list[Cue]]]
"""Returns what is heard in mono samples at `SAMPLE_RATE`; times count from the first of them."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard."""

    seconds: float
    """That the recording has."""
    cues: list[Cue]
    """In their order; score, confidence and similarity are those of the whole recording."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the recording."""

    first: int
    """Number of its first sample."""
    samples: Samples


async def identify(blocks: AsyncIterator[Samples], look: Look) -> Heard:
    """Return what is heard in a recording.

    Args:
        blocks: the recording, mono at `SAMPLE_RATE`, in pieces of any length; waited for.
        look: looks at one window.
    """
    sheet, windows = CueSheet(WINDOW_SECONDS), Windows()
    async for block in blocks:
        for window in windows.push(block):
            await _look(window, look, sheet)
    if (rest := windows.rest()) is not None:
        await _look(rest, look, sheet)
    return Heard(windows.end / SAMPLE_RATE, _sure(sheet.cues(), windows.count))


class Windows:
    """Cuts a recording into windows."""

    def __init__(self) -> None:
        self._size, self._hop = round(WINDOW_SECONDS * SAMPLE_RATE), round(HOP_SECONDS * SAMPLE_RATE)
        self._kept: Samples = np.empty(0, np.float32)
        self._first = 0
        """Number of the first sample that is kept."""
        self._next = 0
        """Number of the first sample of the next window."""
        self._seen = 0
        """Samples that were in a window."""
        self.count = 0
        """How many windows there were."""

    @property
    def end(self) -> int:
        """How many samples came."""
        return self._first + len(self._kept)

    def push(self, block: Samples) -> Iterator[Window]:
        """Yield the windows that are complete now."""
        self._kept = np.concatenate((self._kept, block))
        while self._first + len(self._kept) >= self._next + self._size:
            start = self._next - self._first
            self.count += 1
            yield Window(self._next, self._kept[start : start + self._size])
            self._kept, self._first = self._kept[start:], self._next
            self._seen = self._next + self._size
            self._next += self._hop

    def rest(self) -> Window | None:
        """Return a last window that ends with the recording; None if there is nothing new in it."""
        if self.end == 0 or (self._seen and self.end - self._seen < LEAST_NEW_SECONDS * SAMPLE_RATE):
            return None
        self.count += 1
        start = max(0, self.end - self._size)
        return Window(start, self._kept[start - self._first :])


async def _look(window: Window, look: Look, sheet: CueSheet) -> None:
    sheet.add(window.first / SAMPLE_RATE, await look(window.samples))


def _sure(cues: list[Cue], windows: int) -> list[Cue]:
    """Return the cues that are sure although so many windows were looked at (Bonferroni)."""
    chances = math.log10(max(1, windows))
    return [_scored(cue, cue.score - chances) for cue in cues if cue.score - chances >= DEFAULT_THRESHOLD]


def _scored(cue: Cue, score: float) -> Cue:
    return replace(cue, score=score, confidence=confidence(score), similarity=similarity(score))

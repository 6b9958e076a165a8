"""The peaks of a sound: where, in time and frequency, it is louder than all around.

They are what survives noise, other voices, codecs and rooms; everything that is known of a track is its peaks.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.spectrum import BINS, FIRST_BIN, Levels

Frames: TypeAlias = npt.NDArray[np.uint32]
Frequencies: TypeAlias = npt.NDArray[np.uint16]
Strengths: TypeAlias = npt.NDArray[np.uint8]

BIN_PARTS = 64
"""Frequencies are counted in 64ths of a bin of the spectrum, 0.084 Hz: finer than a peak can be found."""
QUIETEST = 36.0
"""Level below which a peak is none: 106 dB below full scale."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks in the order of their frames, within a frame in that of their frequencies; all three of shape `(n,)`."""

    frames: Frames
    """Of the spectrum, 43.07 a second."""
    frequencies: Frequencies
    """In 64ths of a bin of the spectrum, from 0 Hz."""
    strengths: Strengths
    """Levels, in half decibels."""

    def __len__(self) -> int:
        """Count them."""
        return len(self.frames)

    def since(self, index: int) -> "Peaks":
        """Return all but the first `index` ones."""
        return Peaks(self.frames[index:], self.frequencies[index:], self.strengths[index:])


NONE = Peaks(np.empty(0, np.uint32), np.empty(0, np.uint16), np.empty(0, np.uint8))


def joined(parts: list[Peaks]) -> Peaks:
    """Return peaks that follow each other as one."""
    if not parts:
        return NONE
    return Peaks(
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.frequencies for part in parts]),
        np.concatenate([part.strengths for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class Reach:
    """How far around it a peak is the loudest."""

    frames: int
    """To either side."""
    bins: int
    """To either side."""


REFERENCE_REACH = Reach(frames=5, bins=24)
"""In tracks: 51 peaks a second of music."""
QUERY_REACH = Reach(frames=2, bins=14)
"""In queries, where noise has peaks too, and the music's may be close to louder ones: 130 a second. With 3 frames there
are 110, and of 100 queries of 3 s that are drowned in speech or noise two more are not looked for where they are."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Frames that follow each other, and the peaks in them."""

    first: int
    """Number of the first frame."""
    levels: Levels
    tops: Levels
    """The highest level within reach of each place, shape as `levels`."""
    peaks: Peaks


class PeakFinder:
    """Finds the peaks of a spectrum that arrives in pieces; the same ones however it is cut.

    A frame is done when the frames within reach are there.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._levels: Levels = np.empty((0, BINS), np.float32)
        """Of the frames that are not done, and of those before them that are within their reach."""
        self._done = 0
        """How many of these are."""
        self._first = 0
        """Number of the first of these."""

    def push(self, levels: Levels, *, last: bool = False) -> Scan:
        """Return the frames that are done with these; with the `last`, all are."""
        known = np.concatenate((self._levels, levels))
        start = self._done
        end = len(known) if last else max(start, len(known) - self._reach.frames)
        tops = np.empty((end - start, BINS), np.float32)
        _find_tops(known, start, end, self._reach.frames, self._reach.bins, tops)
        first = self._first + start
        scan = Scan(first, known[start:end], tops, Peaks(*_pick(known[start:end], tops, first, QUIETEST)))
        dropped = max(0, end - self._reach.frames)
        self._levels, self._done, self._first = known[dropped:].copy(), end - dropped, self._first + dropped
        return scan


@kernel
def _find_tops(levels: Levels, start: int, end: int, reach_frames: int, reach_bins: int, tops: Levels) -> None:
    """Write the highest levels around the places of frames `start` to `end`."""
    bins = levels.shape[1]
    before = max(0, start - reach_frames)
    rows = np.empty((min(len(levels), end + reach_frames) - before, bins), np.float32)
    width = 2 * reach_bins + 1
    line = np.empty(bins + width - 1, np.float32)
    for row in range(len(rows)):
        line[:reach_bins] = -np.inf
        line[reach_bins : reach_bins + bins] = levels[before + row]
        line[reach_bins + bins :] = -np.inf
        span = 1  # line[i] is the highest of the `span` from i on
        while 2 * span <= width:
            for i in range(len(line) - span):
                line[i] = max(line[i], line[i + span])
            span *= 2
        for i in range(bins):
            rows[row, i] = max(line[i], line[i + width - span])
    for frame in range(start, end):
        first, behind = max(before, frame - reach_frames), min(before + len(rows), frame + reach_frames + 1)
        for i in range(bins):
            tops[frame - start, i] = rows[first - before, i]
        for other in range(first + 1, behind):
            for i in range(bins):
                tops[frame - start, i] = max(tops[frame - start, i], rows[other - before, i])


@kernel
def _pick(levels: Levels, tops: Levels, first: int, quietest: float) -> tuple[Frames, Frequencies, Strengths]:
    """Return the places that are the highest within reach, the outermost bins excepted."""
    count = 0
    for row in range(len(levels)):
        for i in range(1, levels.shape[1] - 1):
            count += levels[row, i] >= tops[row, i] and levels[row, i] > quietest
    frames, frequencies, strengths = np.empty(count, np.uint32), np.empty(count, np.uint16), np.empty(count, np.uint8)
    made = 0
    for row in range(len(levels)):
        for i in range(1, levels.shape[1] - 1):
            if levels[row, i] >= tops[row, i] and levels[row, i] > quietest:
                left, right = levels[row, i - 1], levels[row, i + 1]
                curvature = left - 2 * levels[row, i] + right
                # the vertex of the parabola through the three; a plateau's is its middle
                shift = (left - right) / (2 * curvature) if curvature < 0 else 0.0
                frames[made] = first + row
                frequencies[made] = int((i + shift + FIRST_BIN) * BIN_PARTS + 0.5)
                strengths[made] = min(255, int(levels[row, i] + 0.5))
                made += 1
    return frames, frequencies, strengths

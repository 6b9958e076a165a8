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
Line: TypeAlias = npt.NDArray[np.float32]

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
        first = self._first + self._done
        reach = self._reach
        self._levels, self._done, done, tops, peaks = scanned(
            self._levels, levels, self._done, first, last, reach.frames, reach.bins
        )
        self._first = first + len(done) - self._done
        return Scan(first, done, tops, Peaks(*peaks))


@kernel
def scanned(
    before: Levels, levels: Levels, done: int, first: int, last: bool, reach_frames: int, reach_bins: int
) -> tuple[Levels, int, Levels, Levels, tuple[Frames, Frequencies, Strengths]]:
    """Find the peaks of the frames that are done with these.

    Args:
        before: the frames within reach of those that are not done yet, and these.
        levels: what follows on them.
        done: how many of `before` are done.
        first: number of the first that is not.
        last: whether nothing follows.
        reach_frames: to either side.
        reach_bins: to either side.

    Returns:
        What is `before` next time, and how many of it are done; levels and tops of the frames that are done now, and
        their peaks.
    """
    known = np.empty((len(before) + len(levels), levels.shape[1]), np.float32)
    known[: len(before)] = before
    known[len(before) :] = levels
    end = len(known) if last else max(done, len(known) - reach_frames)
    tops = np.empty((end - done, levels.shape[1]), np.float32)
    _find_tops(known, done, end, reach_frames, reach_bins, tops)
    peaks = _pick(known[done:end], tops, first, QUIETEST)
    dropped = max(0, end - reach_frames)
    return known[dropped:].copy(), end - dropped, known[done:end], tops, peaks


@kernel
def _find_tops(levels: Levels, start: int, end: int, reach_frames: int, reach_bins: int, tops: Levels) -> None:
    """Write the highest levels around the places of frames `start` to `end`."""
    # All frames lie in one row, with room between them: so each step is one long loop, which processors are quick at.
    bins = levels.shape[1]
    width = bins + 2 * reach_bins
    first, behind = max(0, start - reach_frames), min(len(levels), end + reach_frames)
    padded = np.full((end - start + 2 * reach_frames, width), np.float32(-np.inf))
    rows = padded[first - start + reach_frames : behind - start + reach_frames]
    rows[:, reach_bins : reach_bins + bins] = levels[first:behind]
    row, spare = padded.reshape(-1), np.empty(padded.size, np.float32)
    row, spare = _spread(row, spare, width, 2 * reach_frames + 1)
    row, spare = _spread(row[: width * (end - start)], spare, 1, 2 * reach_bins + 1)
    for frame in range(end - start):
        tops[frame] = row[frame * width : frame * width + bins]


@kernel
def _spread(row: Line, spare: Line, step: int, width: int) -> tuple[Line, Line]:
    """Let each place have the highest of the `width` from it on, a `step` apart; returns a row, and the other one."""
    span, length = 1, len(row)
    while span < width:
        more = min(span, width - span)
        length -= more * step
        _higher(row[:length], row[more * step : more * step + length], spare[:length])
        row, spare = spare, row
        span += more
    return row, spare


@kernel
def _higher(one: Line, other: Line, out: Line) -> None:
    for i in range(len(out)):
        out[i] = max(one[i], other[i])


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

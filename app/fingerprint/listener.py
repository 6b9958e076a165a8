"""What is known of the last seconds of a sound: its peaks, and how loud each place is beside those around it."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.audio.pcm import Samples
from app.fingerprint.fourier import Tables
from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import MOST_GAP
from app.fingerprint.peaks import NONE, QUERY_REACH, QUIETEST, Frames, Frequencies, Peaks, Strengths, scanned
from app.fingerprint.spectrum import BINS, HOP, TABLES, Levels, heard_on, plain

Map: TypeAlias = npt.NDArray[np.uint8]
"""Half decibels, shape `(frames, BINS)`."""
Marks: TypeAlias = npt.NDArray[np.uint64]
"""64 bits each, the lowest first, shape `(frames, ⌈BINS / 64⌉)`."""

QUERY_REACH_FRAMES, QUERY_REACH_BINS = QUERY_REACH.frames, QUERY_REACH.bins

SILENT: Final = 255
"""Instead of half decibels, where nothing within reach is loud enough to be a peak."""
MATCHED: Final = 2
"""Half decibels below its surroundings at which a place counts as a peak."""
MARK_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Heard:
    """Frames of a query that follow each other; a track's peaks can be looked for in them."""

    first: int
    """Number of the first frame."""
    levels: Map
    below: Map
    """How much lower each place is than the highest within reach: 0 is a peak. `SILENT` where there is no sound."""
    marks: Marks
    """A bit for each place: whether it, or one of its two neighbours in frequency, is a peak."""

    @property
    def end(self) -> int:
        """Number of the frame behind the last."""
        return self.first + len(self.levels)

    def since(self, frame: int) -> "Heard":
        """Return all but the frames before one."""
        rows = max(0, frame - self.first)
        return Heard(self.first + rows, self.levels[rows:], self.below[rows:], self.marks[rows:])


class Listener:
    """Listens to a query or a stream in pieces of any length, and keeps the last of it.

    What it knows does not depend on how the sound is cut; a frame is known 0.23 s after its first sample. It keeps
    1.8 KB a frame and some more room, so that little has to be moved: 3 s take 0.3 MB.

    Args:
        keep: frames that `heard` tells of.
    """

    def __init__(self, *, keep: int) -> None:
        self._rest: Samples = np.empty(0, np.float32)
        """Samples that later frames need."""
        self._known: Levels = np.empty((0, BINS), np.float32)
        """Frames whose peaks are not known yet, and those within their reach."""
        self._done = 0
        """Of how many of these they are."""
        self._keep = keep
        self._levels: Map = np.empty((keep + max(32, keep // 4), BINS), np.uint8)
        self._below: Map = np.empty_like(self._levels)
        self._marks: Marks = np.empty((len(self._levels), -(-BINS // MARK_BITS)), np.uint64)
        self._kept = 0
        self.frames = 0
        """How many are known, from the beginning."""
        self.peaks: Peaks = NONE
        """Those of the kept frames and of `MOST_GAP` frames before them; frames count from the beginning."""
        self.since = 0
        """Index of the first peak that the last `push` found."""
        self.heard = self._last()
        """What is known of the last `keep` frames; valid until the next `push`."""

    def push(self, samples: Samples) -> None:
        """Listen to the next samples: mono float32 at `SAMPLE_RATE`, shape `(n,)`."""
        self._listen(samples, is_last=False)

    def finish(self) -> None:
        """Know the last frames too, though nothing is known of what follows them; nothing may be pushed any more."""
        self._listen(np.empty(0, np.float32), is_last=True)

    def _listen(self, samples: Samples, *, is_last: bool) -> None:
        self._rest, self._known, self._done, found, self._kept, self.since, peaks = _listen(
            self._rest,
            plain(samples),
            TABLES,
            self._known,
            self._done,
            is_last,
            self.frames,
            self._keep,
            self._kept,
            self._levels,
            self._below,
            self._marks,
            self.peaks.frames,
            self.peaks.frequencies,
            self.peaks.strengths,
        )
        self.frames += found
        self.peaks = Peaks(*peaks)
        self.heard = self._last()

    def _last(self) -> Heard:
        start = max(0, self._kept - self._keep)
        kept = slice(start, self._kept)
        first = self.frames - (self._kept - start)
        return Heard(first, self._levels[kept], self._below[kept], self._marks[kept])


def listen(samples: Samples) -> Listener:
    """Listen to a whole query at `SAMPLE_RATE`, shape `(n,)`, and keep all of it."""
    listener = Listener(keep=max(1, len(samples) // HOP))
    listener.push(samples)
    listener.finish()
    return listener


@kernel
def _listen(
    rest: Samples,
    samples: Samples,
    tables: Tables,
    before: Levels,
    done: int,
    is_last: bool,
    frames: int,
    keep: int,
    kept: int,
    rounded: Map,
    below: Map,
    marks: Marks,
    old_frames: Frames,
    old_frequencies: Frequencies,
    old_strengths: Strengths,
) -> tuple[Samples, Levels, int, int, int, int, tuple[Frames, Frequencies, Strengths]]:
    """Do all that a push takes: for a thousand streams, what goes on between kernels is what they wait for.

    Returns what is kept of the samples and of the frames, and how many of these are done; the number of new frames,
    and of kept ones; the index of the first new peak, and all peaks that are kept.
    """
    rest, levels = heard_on(rest, samples, tables)
    before, done, levels, tops, (new_frames, new_frequencies, new_strengths) = scanned(
        before, levels, done, frames, is_last, QUERY_REACH_FRAMES, QUERY_REACH_BINS
    )
    found = len(levels)
    start = int(np.searchsorted(old_frames, max(0, frames + found - keep - MOST_GAP)))
    since = len(old_frames) - start
    levels, tops = levels[max(0, found - keep) :], tops[max(0, found - keep) :]
    if kept + len(levels) > len(rounded):
        first, kept = kept - max(0, keep - len(levels)), max(0, keep - len(levels))
        for row in range(kept):
            rounded[row], below[row], marks[row] = rounded[first + row], below[first + row], marks[first + row]
    behind = kept + len(levels)
    _round(levels, tops, QUIETEST, rounded[kept:behind], below[kept:behind])
    _mark(below[kept:behind], marks[kept:behind])
    return (
        rest,
        before,
        done,
        found,
        behind,
        since,
        (
            np.concatenate((old_frames[start:], new_frames)),
            np.concatenate((old_frequencies[start:], new_frequencies)),
            np.concatenate((old_strengths[start:], new_strengths)),
        ),
    )


@kernel
def _round(levels: Levels, tops: Levels, quietest: float, rounded: Map, below: Map) -> None:
    for row in range(len(levels)):
        for i in range(levels.shape[1]):
            level, top = levels[row, i], tops[row, i]
            rounded[row, i] = int(min(255.0, max(0.0, level + 0.5)))
            below[row, i] = min(SILENT - 1, int(top - level + 0.5)) if top > quietest else SILENT


@kernel
def _mark(below: Map, marks: Marks) -> None:
    marks[:] = 0
    for row in range(len(below)):
        for i in range(1, below.shape[1] - 1):
            if below[row, i] <= MATCHED:
                for near in range(i - 1, i + 2):
                    marks[row, near // MARK_BITS] |= np.uint64(1) << np.uint64(near % MARK_BITS)

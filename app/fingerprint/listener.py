"""What is known of the last seconds of a sound: its peaks, and how loud each place is beside those around it."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.audio.pcm import Samples
from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import MOST_GAP
from app.fingerprint.peaks import NONE, QUERY_REACH, QUIETEST, PeakFinder, Peaks, Scan, joined
from app.fingerprint.spectrum import BINS, HOP, Levels, Spectrum, spectrum

Map: TypeAlias = npt.NDArray[np.uint8]
"""Half decibels, shape `(frames, BINS)`."""

SILENT: Final = 255
"""Instead of half decibels, where nothing within reach is loud enough to be a peak."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Frames of a query that follow each other; a track's peaks can be looked for in them."""

    first: int
    """Number of the first frame."""
    levels: Map
    below: Map
    """How much lower each place is than the highest within reach: 0 is a peak. `SILENT` where there is no sound."""

    @property
    def end(self) -> int:
        """Number of the frame behind the last."""
        return self.first + len(self.levels)


class Listener:
    """Listens to a query or a stream in pieces of any length, and keeps the last of it.

    What it knows does not depend on how the sound is cut; a frame is known 0.23 s after its first sample. It keeps
    1.8 KB a frame and some more room, so that little has to be moved: 3 s take 0.3 MB.

    Args:
        keep: frames that `heard` tells of.
    """

    def __init__(self, *, keep: int) -> None:
        self._spectrum = Spectrum()
        self._finder = PeakFinder(QUERY_REACH)
        self._keep = keep
        self._levels: Map = np.empty((keep + max(32, keep // 4), BINS), np.uint8)
        self._below: Map = np.empty_like(self._levels)
        self._kept = 0
        self.frames = 0
        """How many are known, from the beginning."""
        self.peaks: Peaks = NONE
        """Those of the kept frames and of `MOST_GAP` frames before them; frames count from the beginning."""
        self.since = 0
        """Index of the first peak that the last `push` found."""

    @property
    def heard(self) -> Heard:
        """What is known of the last `keep` frames; valid until the next `push`."""
        start = max(0, self._kept - self._keep)
        first = self.frames - (self._kept - start)
        return Heard(first, self._levels[start : self._kept], self._below[start : self._kept])

    def push(self, samples: Samples) -> None:
        """Listen to the next samples: mono float32 at `SAMPLE_RATE`, shape `(n,)`."""
        self._take(self._finder.push(self._spectrum.push(samples)))

    def finish(self) -> None:
        """Know the last frames too, though nothing is known of what follows them; nothing may be pushed any more."""
        self._take(self._finder.push(spectrum(np.empty(0, np.float32)), last=True))

    def _take(self, scan: Scan) -> None:
        self.frames += len(scan.levels)
        before = self.peaks.since(int(np.searchsorted(self.peaks.frames, self.frames - self._keep - MOST_GAP)))
        self.peaks = joined([before, scan.peaks])
        self.since = len(before)
        self._append(scan.levels[-self._keep :], scan.tops[-self._keep :])

    def _append(self, levels: Levels, tops: Levels) -> None:
        if self._kept + len(levels) > len(self._levels):
            kept = max(0, self._keep - len(levels))
            for map in (self._levels, self._below):
                map[:kept] = map[self._kept - kept : self._kept].copy()
            self._kept = kept
        rows = slice(self._kept, self._kept + len(levels))
        _round(levels, tops, QUIETEST, self._levels[rows], self._below[rows])
        self._kept = rows.stop


def listen(samples: Samples) -> Listener:
    """Listen to a whole query at `SAMPLE_RATE`, shape `(n,)`, and keep all of it."""
    listener = Listener(keep=max(1, len(samples) // HOP))
    listener.push(samples)
    listener.finish()
    return listener


@kernel
def _round(levels: Levels, tops: Levels, quietest: float, rounded: Map, below: Map) -> None:
    for row in range(len(levels)):
        for i in range(levels.shape[1]):
            level, top = levels[row, i], tops[row, i]
            rounded[row, i] = int(min(255.0, max(0.0, level + 0.5)))
            below[row, i] = min(SILENT - 1, int(top - level + 0.5)) if top > quietest else SILENT

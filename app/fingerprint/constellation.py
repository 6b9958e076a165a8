"""The peaks of all tracks of a snapshot, four bytes each, from which any stretch can be had at once."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.peaks import Frames, Frequencies, Peaks, Strengths
from app.fingerprint.postings import frozen

Counts: TypeAlias = npt.NDArray[np.uint8]
Marks: TypeAlias = npt.NDArray[np.uint64]

MARK_FRAMES = 256
"""How many peaks are before a frame is written down for every so many frames; between them they are counted."""


@dataclass(frozen=True, slots=True)
class Constellation:
    """Peaks on the reel."""

    counts: Counts
    """How many peaks each frame has, at most 255."""
    marks: Marks
    """How many peaks are before each 256th frame."""
    frequencies: Frequencies
    strengths: Strengths

    def between(self, first_frame: int, end_frame: int) -> Peaks:
        """Return the peaks of a stretch of the reel; their frames are the reel's."""
        first = min(max(0, first_frame), len(self.counts))
        end = min(max(first, end_frame), len(self.counts))
        start, frames = _frames(self.counts, self.marks, first, end, len(self.strengths))
        stop = start + len(frames)
        return Peaks(frames, self.frequencies[start:stop], self.strengths[start:stop])

    @classmethod
    def none(cls) -> "Constellation":
        """Return one without peaks."""
        return cls(
            frozen(np.empty(0, np.uint8)),
            frozen(np.zeros(1, np.uint64)),
            frozen(np.empty(0, np.uint16)),
            frozen(np.empty(0, np.uint8)),
        )


@kernel
def _frames(counts: Counts, marks: Marks, first: int, end: int, most: int) -> tuple[int, Frames]:
    """Return the number of the first peak and the frames of all."""
    mark = first // MARK_FRAMES
    start = int(np.int64(marks[mark]))  # numba keeps an unsigned number unsigned
    for frame in range(mark * MARK_FRAMES, first):
        start += int(np.int64(counts[frame]))
    found = 0
    for frame in range(first, end):
        found += int(np.int64(counts[frame]))
    start = min(max(0, start), most)  # whatever a damaged file says
    found = min(found, most - start)
    frames = np.empty(found, np.uint32)
    made = 0
    for frame in range(first, end):
        for _ in range(counts[frame]):
            if made < found:
                frames[made] = frame
                made += 1
    return start, frames

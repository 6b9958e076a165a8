"""The fit of a placement: how many of a track's peaks are peaks of the query; a quick look before any is weighed."""

from collections.abc import Sequence

import numpy as np

from app.fingerprint.kernel import kernel
from app.fingerprint.listener import MARK_BITS, Heard, Marks
from app.fingerprint.peaks import Frames, Frequencies, Peaks
from app.fingerprint.placement import Placement, Rows
from app.fingerprint.readings import column_of, row_of
from app.fingerprint.spectrum import BINS


def fits(heard: Heard, peaks: Peaks, placement: Placement) -> int:
    """Count the track's peaks that are peaks of the query: less than what `weigh` tells, at a third of its cost."""
    return _fits(
        heard.marks,
        peaks.frames,
        peaks.frequencies,
        placement.place + heard.first * placement.tempo,
        placement.tempo,
        placement.pitch,
    )


def best_fit(heard: Heard, peaks: Peaks, placements: Sequence[Placement]) -> Placement:
    """Return the placement that `fits` best, the first of those that fit as well; there must be one."""
    return placements[best_of(heard, peaks, np.array([(one.place, one.tempo, one.pitch) for one in placements]))]


def best_of(heard: Heard, peaks: Peaks, rows: Rows) -> int:
    """Return the number of the placement that `fits` best, as `best_fit` does."""
    placements = rows + heard.first * rows[:, 1:2] * (1.0, 0.0, 0.0)
    return best_among(heard.marks, peaks.frames, peaks.frequencies, placements)


@kernel
def _fits(marks: Marks, frames: Frames, frequencies: Frequencies, place: float, tempo: float, pitch: float) -> int:
    found = 0
    for peak in range(len(frames)):
        row = row_of(int(np.int64(frames[peak])), place, tempo)
        middle = int(column_of(int(np.int64(frequencies[peak])), pitch) + 0.5)
        if row < 1 or row >= len(marks) - 1 or middle < 3 or middle >= BINS - 3:
            continue
        word = middle // MARK_BITS
        around = marks[row - 1, word] | marks[row, word] | marks[row + 1, word]
        found += int((around >> np.uint64(middle % MARK_BITS)) & np.uint64(1))
    return found


@kernel
def best_among(marks: Marks, frames: Frames, frequencies: Frequencies, placements: Rows) -> int:
    """Return the number of the placement that fits best; places are those of the first frame that is heard."""
    best, most = 0, -1
    for i in range(len(placements)):
        found = _fits(marks, frames, frequencies, placements[i, 0], placements[i, 1], placements[i, 2])
        if found > most:
            best, most = i, found
    return best

"""Readings: what a query has where a track's peaks are looked for.

Each peak of the track is looked for within a frame and a bin of its place. What is read there is how far below its
surroundings the loudest place is (0: it is a peak of the query as well), how far off its frequency is, how much louder
or quieter it is than in the track, and how late. Of the track itself it matters since when it has had the same note: of
a tone that goes on for long each peak says little that the one before did not.

Each reading falls in a class, a row and a column of a table of weights.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.listener import SILENT, Heard, Map
from app.fingerprint.peaks import BIN_PARTS, Frames, Frequencies, Peaks, Strengths
from app.fingerprint.placement import Placement
from app.fingerprint.spectrum import END_BIN, FIRST_BIN

Readings: TypeAlias = npt.NDArray[np.int16]
"""Of a track's peaks that were looked for: half decibels below the surroundings, 64ths of a bin too high, half decibels
louder than in the track, frame since the first that is heard, bin, 64ths of a frame too late, frames since the track
had the same note, at most `NEW`: `(n, READINGS)`."""
Edges: TypeAlias = npt.NDArray[np.int64]

READINGS: Final = 7
BELOW_STEPS: Final = (1, 5, 12, 24)
"""Half decibels that divide what is read of the first kind."""
OFF_STEPS: Final = (8, 20, 64)
"""64ths of a bin that divide the second."""
LOUDER_STEPS: Final = (-24, -16, -12, -8, -6, -4, -2, 0, 2, 4, 6, 8, 12, 16, 24)
"""Half decibels that divide the third, beside the gain of the query."""
NEW: Final = 32
"""Frames, 0.7 s, after which a note is a new one."""
AGAIN_STEPS: Final = (9, 16, NEW)
"""Frames that divide the last."""
BELOWS: Final = len(BELOW_STEPS) + 1
OFFS: Final = len(OFF_STEPS) + 1
AGAINS: Final = len(AGAIN_STEPS) + 1
COLUMNS: Final = len(LOUDER_STEPS) + 1
ROWS: Final = AGAINS * BELOWS * OFFS
NO_PEAK: Final = 255
"""64ths of a bin that are read where frequencies fall or rise all along."""
FRAME_PARTS: Final = 64
_GAIN_STEP, _GAINS, _GAIN_WIDTH = 3, 170, 4
"""Half decibels, number and half width of the steps in which the gain is looked for."""


def read(heard: Heard, peaks: Peaks, placement: Placement) -> Readings:
    """Read at a track's peaks, in the order of these; those that lie beyond what is heard are left out.

    Args:
        heard: of the query.
        peaks: of the track, at least those that the query covers and those of `NEW` frames before.
        placement: where, in the peaks' frames.
    """
    readings = np.empty((len(peaks), READINGS), np.int16)
    place = placement.place + heard.first * placement.tempo
    sound = (heard.levels, heard.below, peaks.frames, peaks.frequencies, peaks.strengths)
    count = read_at(*sound, place, placement.tempo, placement.pitch, 0, len(heard.levels), 0, readings)
    return readings[:count]


def classes(readings: Readings) -> Edges:
    """Return the row and the column of each reading's weight: `(n, 2)`.

    A row is `(again * BELOWS + below) * OFFS + off`, of the classes of what is read.
    """
    found = np.empty((len(readings), 2), np.int64)
    classify(readings, gain_of(readings), found)
    return found


@kernel
def row_of(frame: int, place: float, tempo: float) -> int:
    """Return the row of a query in which a frame of the track is."""
    return int(np.floor((frame - place) / tempo + 0.5))


@kernel
def column_of(frequency: int, pitch: float) -> float:
    """Return the column in which a frequency of the track is."""
    return frequency * pitch / BIN_PARTS - FIRST_BIN


@kernel
def read_at(
    levels: Map,
    below: Map,
    frames: Frames,
    frequencies: Frequencies,
    strengths: Strengths,
    place: float,
    tempo: float,
    pitch: float,
    first: int,
    end: int,
    turn: int,
    readings: Readings,
) -> int:
    """Read at a track's peaks in rows `first` to `end`, turned by so many rows, and return how many there are."""
    made = 0
    first, end = max(1, first), min(len(levels) - 1, end)
    heard_last = np.full(END_BIN + 2, -NEW, np.int64)
    for peak in range(len(frames)):
        # numba keeps an unsigned number unsigned
        frame, frequency = int(np.int64(frames[peak])), int(np.int64(frequencies[peak]))
        note = min(END_BIN, max(1, (frequency + BIN_PARTS // 2) // BIN_PARTS))
        before = max(heard_last[note - 1], heard_last[note], heard_last[note + 1])
        heard_last[note] = frame
        row = row_of(frame, place, tempo)
        exact = column_of(frequency, pitch)
        middle = int(exact + 0.5)
        if row < first or row >= end or middle < 3 or middle >= levels.shape[1] - 3:
            continue
        if turn:
            row = first + (row - first + turn) % (end - first)
        best_row, best = row, middle
        for y in range(row - 1, row + 2):
            for x in range(middle - 1, middle + 2):
                closer = int(np.int64(below[y, x])) - int(np.int64(below[best_row, best]))
                if closer < 0 or (closer == 0 and levels[y, x] > levels[best_row, best]):
                    best_row, best = y, x
        if below[best_row, best] == SILENT:
            continue
        readings[made, 0] = below[best_row, best]
        readings[made, 1] = _off(levels[best_row], best, middle, exact)
        readings[made, 2] = int(np.int64(levels[best_row, best])) - int(np.int64(strengths[peak]))
        readings[made, 3], readings[made, 4] = row, middle
        late = best_row - (frame - place) / tempo
        readings[made, 5] = int(np.floor(late * FRAME_PARTS + 0.5))
        readings[made, 6] = min(NEW, frame - before)
        made += 1
    return made


@kernel
def _off(line: npt.NDArray[np.uint8], best: int, middle: int, exact: float) -> int:
    """Return by how much the frequency of the maximum at `best`, or beside it, is higher than the exact one."""
    if line[best - 1] > line[best] and best > middle - 1:
        best -= 1
    elif line[best + 1] > line[best] and best < middle + 1:
        best += 1
    top, left, right = np.int64(line[best]), np.int64(line[best - 1]), np.int64(line[best + 1])
    if top < left or top < right:
        return NO_PEAK
    curvature = left - 2 * top + right
    found = best + ((left - right) / (2 * curvature) if curvature < 0 else 0.0)
    return int(np.floor((found - exact) * BIN_PARTS + 0.5))


@kernel
def gain_of(readings: Readings) -> float:
    """Return by how much most of what stands out is louder than in the track."""
    votes = np.zeros(_GAINS)
    for i in range(len(readings)):
        weight = (1.0 if abs(readings[i, 1]) < BIN_PARTS // 2 else 0.4) / (1 + readings[i, 0])
        at = (readings[i, 2] + 255) // _GAIN_STEP
        for step in range(max(0, at - _GAIN_WIDTH + 1), min(_GAINS, at + _GAIN_WIDTH)):
            votes[step] += weight * (_GAIN_WIDTH - abs(step - at))
    return float(np.argmax(votes) * _GAIN_STEP - 255 + _GAIN_STEP / 2)


@kernel
def classify(readings: Readings, gain: float, classes: Edges) -> None:
    """Write the row and the column of each reading."""
    for i in range(len(readings)):
        row = 0
        for step in AGAIN_STEPS:
            row += readings[i, 6] >= step
        row *= BELOWS
        for step in BELOW_STEPS:
            row += readings[i, 0] >= step
        row *= OFFS
        for step in OFF_STEPS:
            row += abs(readings[i, 1]) >= step
        louder, column = readings[i, 2] - gain, 0
        for step in LOUDER_STEPS:
            column += louder >= step
        classes[i, 0], classes[i, 1] = row, column

"""Verification: whether a track's peaks are really heard where votes say they are.

Each peak of the track is looked for in the query within a frame and a bin of its place. Three things are read there:
how far below its surroundings the loudest place is (0: it is a peak of the query as well), how far off its frequency
is, and how much louder or quieter it is than in the track, beside most others. Each combination has a weight: how much
likelier it is at the true place than at one that votes have proposed in vain (`calibration` says how that was learnt).
The sum of the weights is the logarithm of the odds, up to a constant. So a peak that is drowned says little, one that
should be heard and is not speaks against the place, and where the query is silent nothing is said.

What goes on for long, or comes again with every beat, fits at many places: its peaks are not independent, and no count
of them tells. So the query is also compared with the track at places where it is not, by turning it in itself; what
speaks for nine of ten of these is `chance`, and only what is above it means something.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.calibration import WEIGHTS
from app.fingerprint.kernel import kernel
from app.fingerprint.listener import MARK_BITS, MATCHED, SILENT, Heard, Map, Marks
from app.fingerprint.peaks import BIN_PARTS, Frames, Frequencies, Peaks, Strengths
from app.fingerprint.spectrum import BINS, FIRST_BIN

Readings: TypeAlias = npt.NDArray[np.int16]
"""Of a track's peaks that were looked for: half decibels below the surroundings, 64ths of a bin too high, half decibels
louder than in the track, frame since the first that is heard, bin, 64ths of a frame too late: `(n, READINGS)`."""
Weights: TypeAlias = npt.NDArray[np.float32]
Edges: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.float64]
"""Placements as numbers: place, tempo and pitch of each, `(n, 3)`."""

READINGS: Final = 6
BELOW_STEPS: Final = (1, 5, 12, 24)
"""Half decibels that divide what is read of the first kind."""
OFF_STEPS: Final = (8, 20, 64)
"""64ths of a bin that divide the second."""
LOUDER_STEP, LOUDER_CLASSES = 8, 8
"""Half decibels by which the third is divided, around the gain of the query."""
NO_PEAK: Final = 255
"""64ths of a bin that are read where frequencies fall or rise all along."""
FRAME_PARTS: Final = 64
LEAST_TURN, TURNS = 6, 12
"""Frames by which a query is turned at least, and at how many of its frames it is."""
CHANCE: Final = 0.9
"""Fraction of turned queries for which less speaks than what is taken for chance."""
_GAIN_STEP, _GAINS, _GAIN_WIDTH = 3, 170, 4
"""Half decibels, number and half width of the steps in which the gain is looked for."""
_WEIGHTS: Final = np.array(WEIGHTS, np.float32)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a query may be from, and how it is played."""

    place: float
    """Frame of the track, or of all tracks laid end to end, at which frame 0 of the query begins."""
    tempo: float = 1.0
    """Frames of the track for each of the query."""
    pitch: float = 1.0
    """By which the query's frequencies are higher."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a placement."""

    odds: float
    """Their natural logarithm, up to a constant; adds up over stretches of a query that do not overlap."""
    peaks: int
    """Of the track, that were looked for."""
    matched: int
    """Of these, that were found."""
    gain: float
    """Of the query beside the track, in half decibels."""

    @property
    def similarity(self) -> float:
        """Fraction of the track's peaks that are peaks of the query: some 0.3 for anything, 1 for the same sound."""
        return self.matched / self.peaks if self.peaks else 0.0


def weigh(
    heard: Heard,
    peaks: Peaks,
    placement: Placement,
    *,
    first: int = 0,
    end: int | None = None,
    gain: float | None = None,
) -> Evidence:
    """Weigh how well a track's peaks fit what is heard of a query; takes 10 µs for 3 s.

    Args:
        heard: of the query.
        peaks: of the track, at least those that the query covers.
        placement: where, in the peaks' frames.
        first: frame of the query from which on it is looked at.
        end: frame before which that ends; None: with the query.
        gain: of the query beside the track in half decibels; None: the most plausible.
    """
    edges = np.array([max(first, heard.first), heard.end if end is None else min(end, heard.end)])
    return stretches(heard, peaks, placement, edges, gain=gain)[0]


def stretches(
    heard: Heard, peaks: Peaks, placement: Placement, edges: Edges, *, gain: float | None = None
) -> list[Evidence]:
    """Weigh stretches of a query by themselves: those between `edges`, frames of the query in their order.

    Without a `gain` it is the most plausible of all of them together.
    """
    count = len(edges) - 1
    odds, looked, matched = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.int64)
    found = _weigh(
        heard.levels,
        heard.below,
        peaks.frames,
        peaks.frequencies,
        peaks.strengths,
        placement.place + heard.first * placement.tempo,
        placement.tempo,
        placement.pitch,
        edges - heard.first,
        math.nan if gain is None else gain,
        _WEIGHTS,
        odds,
        looked,
        matched,
    )
    rows = zip(odds.tolist(), looked.tolist(), matched.tolist(), strict=True)
    return [Evidence(*row, found) for row in rows]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The placement that fits best, and what speaks for it."""

    placement: Placement
    stretches: list[Evidence]


def fitted(heard: Heard, peaks: Peaks, rows: Rows, edges: Edges, *, least: float) -> Fitted | None:
    """Weigh the placement that fits best as `stretches` does; None if no sum of its last stretches is above `least`.

    It is `best_fit` and `stretches` in one step, of which most end there.
    """
    count = len(edges) - 1
    odds, looked, matched = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.int64)
    best, gain, most = _fitted(
        heard.levels,
        heard.below,
        heard.marks,
        peaks.frames,
        peaks.frequencies,
        peaks.strengths,
        heard.first,
        rows,
        edges - heard.first,
        _WEIGHTS,
        odds,
        looked,
        matched,
    )
    if most <= least:
        return None
    parts = zip(odds.tolist(), looked.tolist(), matched.tolist(), strict=True)
    return Fitted(Placement(*rows[best].tolist()), [Evidence(*part, gain) for part in parts])


def chance(heard: Heard, peaks: Peaks, placement: Placement) -> float:
    """Return the odds that only a tenth of wrong alignments of the same sounds exceed, at least 0.

    The arguments are those of `weigh`. Wrong alignments are made by turning the query in time, its end before its
    beginning, by 0.14 s at least. Takes 0.15 ms for 3 s.
    """
    odds = _turned_odds(
        heard.levels,
        heard.below,
        peaks.frames,
        peaks.frequencies,
        peaks.strengths,
        placement.place + heard.first * placement.tempo,
        placement.tempo,
        placement.pitch,
        _turns(len(heard.levels)),
        _WEIGHTS,
    )
    return max(0.0, float(np.quantile(odds, CHANCE))) if len(odds) else 0.0


def _turns(rows: int) -> Edges:
    most = rows - LEAST_TURN
    return (
        np.unique(np.linspace(LEAST_TURN, most, TURNS).astype(np.int64))
        if most >= LEAST_TURN
        else np.empty(0, np.int64)
    )


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
    return _best_fit(heard.marks, peaks.frames, peaks.frequencies, placements)


def read(heard: Heard, peaks: Peaks, placement: Placement) -> Readings:
    """Return what `weigh` reads."""
    readings = np.empty((len(peaks), READINGS), np.int16)
    place = placement.place + heard.first * placement.tempo
    sound = (heard.levels, heard.below, peaks.frames, peaks.frequencies, peaks.strengths)
    count = _read(*sound, place, placement.tempo, placement.pitch, 0, len(heard.levels), 0, readings)
    return readings[:count]


def classes(readings: Readings) -> Edges:
    """Return the row and the column of each reading's weight: `(n, 2)`."""
    found = np.empty((len(readings), 2), np.int64)
    _classify(readings, _gain(readings), found)
    return found


@kernel
def _row(frame: int, place: float, tempo: float) -> int:
    return int(np.floor((frame - place) / tempo + 0.5))


@kernel
def _column(frequency: int, pitch: float) -> float:
    return frequency * pitch / BIN_PARTS - FIRST_BIN


@kernel
def _read(
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
    for peak in range(len(frames)):
        # numba keeps an unsigned number unsigned
        row = _row(int(np.int64(frames[peak])), place, tempo)
        exact = _column(int(np.int64(frequencies[peak])), pitch)
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
        late = best_row - (int(np.int64(frames[peak])) - place) / tempo
        readings[made, 5] = int(np.floor(late * FRAME_PARTS + 0.5))
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
def _gain(readings: Readings) -> float:
    """Return by how much most of what stands out is louder than in the track."""
    votes = np.zeros(_GAINS)
    for i in range(len(readings)):
        weight = (1.0 if abs(readings[i, 1]) < BIN_PARTS // 2 else 0.4) / (1 + readings[i, 0])
        at = (readings[i, 2] + 255) // _GAIN_STEP
        for step in range(max(0, at - _GAIN_WIDTH + 1), min(_GAINS, at + _GAIN_WIDTH)):
            votes[step] += weight * (_GAIN_WIDTH - abs(step - at))
    return float(np.argmax(votes) * _GAIN_STEP - 255 + _GAIN_STEP / 2)


@kernel
def _classify(readings: Readings, gain: float, classes: Edges) -> None:
    for i in range(len(readings)):
        row = 0
        for step in BELOW_STEPS:
            row += readings[i, 0] >= step
        row *= len(OFF_STEPS) + 1
        for step in OFF_STEPS:
            row += abs(readings[i, 1]) >= step
        louder = int(np.floor((readings[i, 2] - gain) / LOUDER_STEP)) + LOUDER_CLASSES // 2
        classes[i, 0], classes[i, 1] = row, min(LOUDER_CLASSES - 1, max(0, louder))


@kernel
def _weigh(
    levels: Map,
    below: Map,
    frames: Frames,
    frequencies: Frequencies,
    strengths: Strengths,
    place: float,
    tempo: float,
    pitch: float,
    edges: Edges,
    gain: float,
    weights: Weights,
    odds: npt.NDArray[np.float64],
    looked: Edges,
    matched: Edges,
) -> float:
    """Add up by stretches of rows what is read; returns the gain, which is looked for if it is not a number."""
    readings = np.empty((len(frames), READINGS), np.int16)
    count = _read(levels, below, frames, frequencies, strengths, place, tempo, pitch, edges[0], edges[-1], 0, readings)
    readings = readings[:count]
    if np.isnan(gain):
        gain = _gain(readings)
    found = np.empty((count, 2), np.int64)
    _classify(readings, gain, found)
    for i in range(count):
        stretch = 0
        while readings[i, 3] >= edges[stretch + 1]:
            stretch += 1
        odds[stretch] += weights[found[i, 0], found[i, 1]]
        looked[stretch] += 1
        matched[stretch] += readings[i, 0] <= MATCHED
    return gain


@kernel
def _fitted(
    levels: Map,
    below: Map,
    marks: Marks,
    frames: Frames,
    frequencies: Frequencies,
    strengths: Strengths,
    first: int,
    rows: Rows,
    edges: Edges,
    weights: Weights,
    odds: npt.NDArray[np.float64],
    looked: Edges,
    matched: Edges,
) -> tuple[int, float, float]:
    """Return which placement fits best, its gain, and the most that its last stretches have together, at least 0."""
    placements = rows.copy()
    for i in range(len(rows)):
        placements[i, 0] += first * rows[i, 1]
    best = _best_fit(marks, frames, frequencies, placements)
    place, tempo, pitch = placements[best]
    gain = _weigh(
        levels,
        below,
        frames,
        frequencies,
        strengths,
        place,
        tempo,
        pitch,
        edges,
        np.nan,
        weights,
        odds,
        looked,
        matched,
    )
    most = total = 0.0
    for i in range(len(odds) - 1, -1, -1):
        total += odds[i]
        most = max(most, total)
    return best, gain, most


@kernel
def _turned_odds(
    levels: Map,
    below: Map,
    frames: Frames,
    frequencies: Frequencies,
    strengths: Strengths,
    place: float,
    tempo: float,
    pitch: float,
    turns: Edges,
    weights: Weights,
) -> npt.NDArray[np.float64]:
    odds = np.zeros(len(turns))
    readings, found = np.empty((len(frames), READINGS), np.int16), np.empty((len(frames), 2), np.int64)
    for i in range(len(turns)):
        count = _read(
            levels, below, frames, frequencies, strengths, place, tempo, pitch, 0, len(levels), turns[i], readings
        )
        _classify(readings[:count], _gain(readings[:count]), found)
        for j in range(count):
            odds[i] += weights[found[j, 0], found[j, 1]]
    return odds


@kernel
def _fits(marks: Marks, frames: Frames, frequencies: Frequencies, place: float, tempo: float, pitch: float) -> int:
    found = 0
    for peak in range(len(frames)):
        row = _row(int(np.int64(frames[peak])), place, tempo)
        middle = int(_column(int(np.int64(frequencies[peak])), pitch) + 0.5)
        if row < 1 or row >= len(marks) - 1 or middle < 3 or middle >= BINS - 3:
            continue
        word = middle // MARK_BITS
        around = marks[row - 1, word] | marks[row, word] | marks[row + 1, word]
        found += int((around >> np.uint64(middle % MARK_BITS)) & np.uint64(1))
    return found


@kernel
def _best_fit(marks: Marks, frames: Frames, frequencies: Frequencies, placements: npt.NDArray[np.float64]) -> int:
    best, most = 0, -1
    for i in range(len(placements)):
        found = _fits(marks, frames, frequencies, placements[i, 0], placements[i, 1], placements[i, 2])
        if found > most:
            best, most = i, found
    return best

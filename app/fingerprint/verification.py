"""Verification: whether a track's peaks are really heard where votes say they are.

Each class of what is read at a peak of the track (`readings`) has a weight: how much likelier it is at the true place
than at one that votes have proposed in vain (`calibration` says how that was learnt). The sum of the weights is the
logarithm of the odds, up to a constant. So a peak that is drowned says little, one that should be heard and is not
speaks against the place, and where the query is silent nothing is said.

What goes on for long, or comes again with every beat, fits at many places: its peaks are not independent, and no count
of them tells. So the query is also compared with the track at places where it is not, by turning it in itself; what
speaks for nine of ten of these is `chance`, and only what is above it means something.
"""

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from app.fingerprint.calibration import AGAIN, WEIGHTS
from app.fingerprint.fit import best_among
from app.fingerprint.kernel import kernel
from app.fingerprint.listener import MATCHED, Heard, Map, Marks
from app.fingerprint.peaks import Frames, Frequencies, Peaks, Strengths
from app.fingerprint.placement import Placement, Rows
from app.fingerprint.readings import (
    AGAINS,
    BELOWS,
    COLUMNS,
    OFFS,
    READINGS,
    ROWS,
    Edges,
    classify,
    gain_of,
    read_at,
)

Weights: TypeAlias = npt.NDArray[np.float32]

LEAST_TURN, TURNS = 6, 12
"""Frames by which a query is turned at least, and at how many of its frames it is."""
CHANCE: Final = 0.9
"""Fraction of turned queries for which less speaks than what is taken for chance."""


def weights_of(usual: ArrayLike, again: ArrayLike) -> Weights:
    """Return the weight of each row and column of `readings.classes`: the sum of two tables.

    Args:
        usual: by how far below its surroundings and how far off the query is, `(BELOWS * OFFS, COLUMNS)`.
        again: by since when the track has had the note and how far below the query is, `(AGAINS * BELOWS, COLUMNS)`.
    """
    both = np.reshape(usual, (1, BELOWS, OFFS, COLUMNS)) + np.reshape(again, (AGAINS, BELOWS, 1, COLUMNS))
    weights: Weights = both.reshape(ROWS, COLUMNS).astype(np.float32)
    return weights


_WEIGHTS: Final = weights_of(WEIGHTS, AGAIN)


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
    count = read_at(
        levels, below, frames, frequencies, strengths, place, tempo, pitch, edges[0], edges[-1], 0, readings
    )
    readings = readings[:count]
    if np.isnan(gain):
        gain = gain_of(readings)
    found = np.empty((count, 2), np.int64)
    classify(readings, gain, found)
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
    best = best_among(marks, frames, frequencies, placements)
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
        count = read_at(
            levels, below, frames, frequencies, strengths, place, tempo, pitch, 0, len(levels), turns[i], readings
        )
        classify(readings[:count], gain_of(readings[:count]), found)
        for j in range(count):
            odds[i] += weights[found[j, 0], found[j, 1]]
    return odds

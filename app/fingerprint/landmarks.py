"""Landmarks: pairs of peaks, as one number each, by which a track is found among thousands.

The later peak of a pair looks back at the strongest earlier ones: so a stream's landmarks are known as soon as its
peaks are, and do not change with what follows (A. Wang 2003, "An industrial-strength audio search algorithm", pairs
the other way around).

A key is 27 bits:

    | bits   | what                                     | in cells of            |
    |--------|------------------------------------------|------------------------|
    | 26…17  | frequency of the earlier peak            | a bin, 5.4 Hz          |
    | 16…6   | how much higher the later one is, + 1024 | half a bin, 2.7 Hz     |
    | 5…0    | frames between them                      | a frame, 23 ms         |

A reference gives one key for each pair. A query also gives those of the cells next to it where a frequency is close to
a cell's edge, since noise moves peaks a little.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.peaks import BIN_PARTS, Frames, Frequencies, Peaks, Strengths

Keys: TypeAlias = npt.NDArray[np.uint32]

FREQUENCY_BITS, STEP_BITS, GAP_BITS = 10, 11, 6
KEY_BITS = FREQUENCY_BITS + STEP_BITS + GAP_BITS
STEP_ORIGIN = 1 << (STEP_BITS - 1)

LEAST_GAP, MOST_GAP = 2, 30
"""Frames between two peaks of a pair: 46 ms to 0.7 s."""
MOST_RATIO = 2**0.8
"""Between their frequencies: 0.8 octaves."""
REFERENCE_PAIRS = 3
"""Of each peak of a track: 146 landmarks a second. With 5 there are 238, by which nothing more is found."""
QUERY_PAIRS = 24
"""Of each peak of a query."""
FREQUENCY_CELL, STEP_CELL = BIN_PARTS, BIN_PARTS // 2
EDGE = 0.15
"""Fraction of a cell at its edges, where a query tries the next one too."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Keys, and the frames where they are: both of shape `(n,)`, ordered by frame."""

    keys: Keys
    frames: Frames
    """Of the later peak."""


def landmarks(peaks: Peaks) -> Landmarks:
    """Return the landmarks of a track, by which it is looked up."""
    keys, frames = _pair(peaks.frames, peaks.frequencies, peaks.strengths, 0, REFERENCE_PAIRS, 0.0, 1.0)
    return Landmarks(keys, frames)


def probes(peaks: Peaks, *, since: int = 0, pairs: int = QUERY_PAIRS, speed: float = 1.0) -> Landmarks:
    """Return the landmarks of a query, by which it looks a track up; some pairs give several keys.

    Args:
        peaks: those of the query, of a stream at least those of its last `MOST_GAP` frames.
        since: index of the first peak that is new: only pairs whose later peak is new are returned.
        pairs: of each peak, at most.
        speed: how fast the query is supposed to play the track: its frequencies are divided by it, its times,
            counted from frame 0, are multiplied.
    """
    keys, frames = _pair(peaks.frames, peaks.frequencies, peaks.strengths, since, pairs, EDGE, speed)
    return Landmarks(keys, frames)


def pack(frequency: int, step: int, gap: int) -> int:
    """Make a key of the earlier peak's frequency in bins, the step to the later one in half bins, the gap in frames."""
    return _pack.python(frequency, step, gap)


def unpack(key: int) -> tuple[int, int, int]:
    """Return frequency, step and gap of a key, as `pack` takes them."""
    step = (key >> GAP_BITS) % (1 << STEP_BITS) - STEP_ORIGIN
    return key >> (STEP_BITS + GAP_BITS), step, key % (1 << GAP_BITS)


@kernel
def _pack(frequency: int, step: int, gap: int) -> int:
    return ((frequency << STEP_BITS) | (step + STEP_ORIGIN)) << GAP_BITS | gap


@kernel
def _pair(
    frames: Frames,
    frequencies: Frequencies,
    strengths: Strengths,
    since: int,
    most: int,
    edge: float,
    speed: float,
) -> tuple[Keys, Frames]:
    """Pair each peak from `since` on with the `most` strongest earlier ones within reach."""
    count = len(frames)
    room = (count - since) * most * (4 if edge > 0 else 1)
    keys, places = np.empty(room, np.uint32), np.empty(room, np.uint32)
    chosen = np.empty(most, np.int64)
    made = 0
    first = since
    while first > 0 and frames[first - 1] + MOST_GAP >= frames[min(since, count - 1)]:
        first -= 1
    for later in range(since, count):
        while frames[first] + MOST_GAP < frames[later]:
            first += 1
        found = _strongest(frames, frequencies, strengths, first, later, chosen)
        high = frequencies[later] / speed
        for rank in range(found):
            earlier = chosen[rank]
            low = frequencies[earlier] / speed
            gap = int((frames[later] - frames[earlier]) * speed + 0.5)
            if gap > MOST_GAP:
                continue
            place = int(frames[later] * speed + 0.5)
            made = _write(low / FREQUENCY_CELL, (high - low) / STEP_CELL, gap, edge, place, keys, places, made)
    return keys[:made], places[:made]


@kernel
def _strongest(
    frames: Frames,
    frequencies: Frequencies,
    strengths: Strengths,
    first: int,
    later: int,
    chosen: npt.NDArray[np.int64],
) -> int:
    """Write the strongest peaks from `first` on that `later` may be paired with, and return how many there are."""
    frequency = frequencies[later]
    least, most = frequency / MOST_RATIO, frequency * MOST_RATIO
    found = 0
    for earlier in range(first, later):
        if frames[earlier] + LEAST_GAP > frames[later]:
            break
        if frequencies[earlier] < least or frequencies[earlier] > most:
            continue
        if found < len(chosen):
            found += 1
        elif strengths[earlier] <= strengths[chosen[found - 1]]:
            continue
        place = found - 1
        while place > 0 and strengths[chosen[place - 1]] < strengths[earlier]:
            chosen[place] = chosen[place - 1]
            place -= 1
        chosen[place] = earlier
    return found


@kernel
def _write(
    frequency: float, step: float, gap: int, edge: float, frame: int, keys: Keys, places: Frames, made: int
) -> int:
    """Append the keys of a pair, the nearest cell's first, and return how many there are now."""
    column, row = int(np.floor(frequency + 0.5)), int(np.floor(step + 0.5))
    next_column, next_row = column, row
    if abs(frequency - column) > 0.5 - edge:
        next_column += 1 if frequency > column else -1
    if abs(step - row) > 0.5 - edge:
        next_row += 1 if step > row else -1
    for x in range(2 if next_column != column else 1):
        for y in range(2 if next_row != row else 1):
            at = next_row if y else row
            if abs(at) < STEP_ORIGIN:
                keys[made] = _pack(next_column if x else column, at, gap)
                places[made] = frame
                made += 1
    return made

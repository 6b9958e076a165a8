"""Aligns a query with a track exactly, once it is known roughly where it is from.

The peaks that both have are a little late and a little high if the placement is off. The straight line through how late
they are tells place and tempo, the mean of how high they are the pitch: to a third of a frame and a fifth of a percent
within 3 s.
"""

from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.listener import MATCHED, Heard
from app.fingerprint.peaks import BIN_PARTS, Peaks
from app.fingerprint.placement import Placement
from app.fingerprint.readings import FRAME_PARTS, NO_PEAK, Readings, read
from app.fingerprint.spectrum import FIRST_BIN

Scattered: TypeAlias = npt.NDArray[np.float64]

ROUNDS: Final = 4
FEWEST: Final = 8
"""Peaks of which a line is taken to tell something."""
SURE: Final = 3.0
"""Standard errors by which a tempo or a pitch must be off to be changed."""
SAME_SPEED: Final = 0.01
"""Difference of tempo and pitch that is an error of the tempo, which is known less well."""


def aligned(heard: Heard, peaks: Peaks, placement: Placement) -> Placement:
    """Return the placement that fits best nearby."""
    for _ in range(ROUNDS):
        placement = _closer(heard, peaks, placement)
    if abs(placement.tempo - placement.pitch) > SAME_SPEED:
        return placement
    middle = (heard.first + heard.end) / 2
    return turned(placement, placement.pitch, middle)


def turned(placement: Placement, tempo: float, middle: float) -> Placement:
    """Return a placement at another tempo, the same at the `middle` frame of the query."""
    return replace(placement, place=placement.place + middle * (placement.tempo - tempo), tempo=tempo)


def _closer(heard: Heard, peaks: Peaks, placement: Placement) -> Placement:
    count, high, slope, middle, late = _offsets(read(heard, peaks, placement), heard.first)
    if count < FEWEST:
        return placement
    # where the query is late, the track has been played more slowly than supposed
    tempo = placement.tempo * (1 - slope)
    changed = turned(replace(placement, pitch=placement.pitch * (1 + high)), tempo, middle)
    return replace(changed, place=changed.place - late * tempo)


@kernel
def _offsets(readings: Readings, first: int) -> tuple[int, float, float, float, float]:
    """Tell by what the peaks that both have are off.

    Returns how many these are; by how much they are higher, as a part of their frequency; by how many frames they get
    later in each frame; the mean of their frames, and by how many frames they are late there. Arrays of a hundred are
    what this works on, for which numpy takes eight times as long.
    """
    high, times, late = np.empty(len(readings)), np.empty(len(readings)), np.empty(len(readings))
    count = 0
    for i in range(len(readings)):
        if readings[i, 0] <= MATCHED and readings[i, 1] < NO_PEAK:
            high[count] = readings[i, 1] / BIN_PARTS / (readings[i, 4] + FIRST_BIN)
            times[count] = first + readings[i, 3]
            late[count] = readings[i, 5] / FRAME_PARTS
            count += 1
    if count < FEWEST:
        return count, 0.0, 0.0, 0.0, 0.0
    high, times, late = high[:count], times[:count], late[:count]
    middle, spread, lateness = times.mean(), max(times.std(), 1.0), late.mean()
    slope = ((times - middle) * late).mean() / spread**2
    rest = (late - lateness - slope * (times - middle)) / spread
    return count, _sure(np.median(high), high), _sure(slope, rest), middle, lateness


@kernel
def _sure(value: float, scattered: Scattered) -> float:
    """Return a mean, or 0 if it may be one by chance."""
    error = scattered.std() / np.sqrt(len(scattered))
    return value if abs(value) > SURE * error else 0.0

"""Aligns a query with a track exactly, once it is known roughly where it is from.

The peaks that both have are a little late and a little high if the placement is off. The straight line through how late
they are tells place and tempo, the mean of how high they are the pitch: to a third of a frame and a fifth of a percent
within 3 s.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from app.fingerprint.listener import Heard
from app.fingerprint.peaks import BIN_PARTS, Peaks
from app.fingerprint.spectrum import FIRST_BIN
from app.fingerprint.verification import FRAME_PARTS, MATCHED, NO_PEAK, Placement, read

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
    readings = read(heard, peaks, placement).astype(np.float64)
    readings = readings[(readings[:, 0] <= MATCHED) & (readings[:, 1] < NO_PEAK)]
    if len(readings) < FEWEST:
        return placement
    high = readings[:, 1] / BIN_PARTS / (readings[:, 4] + FIRST_BIN)
    pitch = placement.pitch * (1 + _sure(np.median(high), high))
    times, late = heard.first + readings[:, 3], readings[:, 5] / FRAME_PARTS
    middle, spread = times.mean(), times.std()
    slope = ((times - middle) * late).mean() / max(spread, 1.0) ** 2
    rest = late - late.mean() - slope * (times - middle)
    # where the query is late, the track has been played more slowly than supposed
    tempo = placement.tempo * (1 - _sure(slope, rest / max(spread, 1.0)))
    changed = turned(replace(placement, pitch=pitch), tempo, middle)
    return replace(changed, place=changed.place - late.mean() * tempo)


def _sure(value: float, scattered: np.ndarray) -> float:
    """Return a mean, or 0 if it may be one by chance."""
    error = scattered.std() / np.sqrt(len(scattered))
    return float(value) if abs(value) > SURE * error else 0.0

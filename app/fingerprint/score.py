"""A score: how improbable it is that music which is not in the catalogue would fit any of it so well.

The best odds that a query of unknown music reaches, over all places of a catalogue, grow with its length: music that
shares a beat, a chord or a sample with a track goes on doing so. In units of `peaks ** GROWTH` their tail is
exponential (measured; `calibration` has its figures), and there are as many more chances as there are more seconds of
music in the catalogue. So

    score = -log10 p = TAIL + (odds / (peaks / 50) ** GROWTH - ONSET) / DECADE - log10(seconds / CALIBRATED_SECONDS)

A smaller catalogue than that with which it was measured is taken for as large: the places that are looked at are as
many.
"""

import math
from typing import Final

from app.fingerprint.calibration import CALIBRATED_SECONDS, DECADE, GROWTH, ONSET, TAIL

DEFAULT_THRESHOLD: Final = 3.0
"""Score from which on a query is said to be of a track: one of 1,000 of unknown music reaches it."""
_PEAKS_PER_SECOND = 50
_FEWEST_PEAKS = 10


def score(odds: float, peaks: int, catalogue_seconds: float) -> float:
    """Return -log10 of the probability that unknown music fits a catalogue of this size so well; at least 0.

    Args:
        odds: of the best evidence.
        peaks: that were looked for.
        catalogue_seconds: of music that was searched.
    """
    length = math.pow(max(peaks, _FEWEST_PEAKS) / _PEAKS_PER_SECOND, GROWTH)
    chances = max(0.0, math.log10(max(catalogue_seconds, 1.0) / CALIBRATED_SECONDS))
    return max(0.0, TAIL + (odds / length - ONSET) / DECADE - chances)


def confidence(score: float) -> float:
    """Return how sure a hit of this score is, 0…1: of queries of unknown music one in `1 / (1 - c)` reaches `c`."""
    return 1.0 - math.pow(10.0, -score)

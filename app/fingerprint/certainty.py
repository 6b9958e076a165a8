"""Certainty: whether so much speaks for a track that it is told of in a stream, which is asked 7,200 times an hour.

It is the odds of a suspect, as a second of music would have them:

    certainty = (odds - CHANCE * chance) / (peaks / 50) ** GROWTH - DECADE * log10(seconds / CALIBRATED_SECONDS)

Like the score of a query it is less the longer the evidence is, and the larger the catalogue. Unlike that, it takes few
peaks for what they are: telephone sound would be told of half a second later. All was chosen from 600 streams of known
music and 11.4 hours without (`scripts/bench_listening.py`): the bound is a little above the 13.3 that music reached
which is not in the catalogue, by composers and from instruments that are. Tracks that have loops or samples in common
with one of the catalogue reach more.
"""

import math
from typing import Final

from app.fingerprint.calibration import CALIBRATED_SECONDS, DECADE

CERTAIN: Final = 13.5
CHANCE: Final = 0.75
GROWTH: Final = 0.6
PEAKS_PER_SECOND: Final = 50
FEWEST_PEAKS: Final = 10


def certainty(odds: float, chance: float, peaks: int, catalogue_seconds: float) -> float:
    """Return how certain a track is.

    Args:
        odds: that speak for it.
        chance: those of wrong alignments, as `verification.chance` has them.
        peaks: that were looked for.
        catalogue_seconds: of music that is searched.
    """
    length = math.pow(max(peaks, FEWEST_PEAKS) / PEAKS_PER_SECOND, GROWTH)
    larger = math.log10(max(catalogue_seconds, 1.0) / CALIBRATED_SECONDS)
    return (odds - CHANCE * chance) / length - DECADE * max(0.0, larger)

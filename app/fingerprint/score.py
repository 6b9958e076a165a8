"""A score: how improbable it is that music which is not in the catalogue would fit any of it so well.

It is made for a catalogue and a query, not for a place: `p = 10 ** -score` is the fraction of queries of unknown music
that find something which speaks as much for itself, wherever it is. How much speaks for the best place that is wrong
has been measured, under all conditions of `scripts/degradations.py` alike, and is written down in `calibration`:

1. What a longer query finds grows with its length: music that shares a beat, a chord or a sample with a track goes on
   doing so. So odds are divided by `(peaks / FEWEST_PEAKS) ** GROWTH`.
2. Up to one query of fifty, the odds that are exceeded are those that were measured, of the length at which they are
   highest. Beyond it their tail is exponential: a tenth as many exceed `DECADE` more.
3. There are as many more chances as there are more seconds of music in the catalogue. A smaller one than that with
   which it was measured is taken for as large: as many places are looked at.

So a score promises at most, not on average: at many lengths fewer reach it.
"""

import math
from typing import Final

import numpy as np

from app.fingerprint.calibration import CALIBRATED_SECONDS, DECADE, GROWTH, ODDS, SCORES

DEFAULT_THRESHOLD: Final = 2.5
"""Score from which on a query is said to be of a track: of unknown music at most one of 300 queries reaches it."""
FEWEST_PEAKS: Final = 50
"""Those of a second; what tells of less is judged as if it were as much."""


def score(odds: float, peaks: int, catalogue_seconds: float) -> float:
    """Return -log10 of the probability that unknown music fits a catalogue of this size so well; at least 0.

    Args:
        odds: of the best evidence.
        peaks: that were looked for.
        catalogue_seconds: of music that was searched.
    """
    scaled = scaled_odds(odds, peaks)
    beyond = max(0.0, scaled - ODDS[-1]) / DECADE
    chances = max(0.0, math.log10(max(catalogue_seconds, 1.0) / CALIBRATED_SECONDS))
    return max(0.0, float(np.interp(scaled, ODDS, SCORES)) + beyond - chances)


def scaled_odds(odds: float, peaks: int) -> float:
    """Return odds as a query of a second would have them."""
    return odds / math.pow(max(peaks, FEWEST_PEAKS) / FEWEST_PEAKS, GROWTH)


def confidence(score: float) -> float:
    """Return how sure a hit of this score is, 0…1: of queries of unknown music at most one in `1 / (1 - c)` reaches c.

    It says nothing of how often a query is of unknown music.
    """
    return 1.0 - math.pow(10.0, -score)


def similarity(score: float) -> float:
    """Return how well a hit of this score fits, 0…1, on a scale that tells good fits apart.

    Of queries of unknown music at most one in `1 / (1 - s)**2` reaches s: one of a hundred 0.9, one of 400 0.95.
    """
    return 1.0 - math.pow(10.0, -score / 2)

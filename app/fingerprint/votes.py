"""Votes: landmarks that a query shares with tracks, gathered where they agree on one place.

Each shared landmark says: this query began at that frame of all tracks laid end to end. Where many say the same, give
or take a frame, the query may really come from; whether it does is for the verification to tell.

A ballot is one int64: `place * 256 + weight`. A place is the track's frame minus the query's, plus `ORIGIN` so that it
is never negative. A weight is how little chance there was, in eighths of a bit: of a landmark that one in `2**n` frames
has it is `8 n`, within 1…255 (a catalogue of 10,000 tracks has 2**27 frames).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel

Ballots: TypeAlias = npt.NDArray[np.int64]

WEIGHT_BITS = 8
ORIGIN = 1 << 32
"""Added to places: more than any query has frames."""
PARTS_PER_BIT = 8
LEAST_WEIGHT = 4 * PARTS_PER_BIT
"""What chance gives a landmark; only what is above it counts."""
SPREAD = 2
"""Frames within which ballots agree."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Places with most votes, best first; both of shape `(n,)`."""

    places: npt.NDArray[np.int64]
    """Frame of all tracks at which the query begins; may lie a little before a track's first."""
    votes: npt.NDArray[np.float64]
    """Sum of weights above `LEAST_WEIGHT`."""


def count(ballots: Ballots, *, most: int) -> Candidates:
    """Return the `most` best places of sorted ballots; places within `2 SPREAD` of a better one count as the same."""
    places, votes = _count(ballots, most, SPREAD, LEAST_WEIGHT)
    return Candidates(places - ORIGIN, votes)


@kernel
def _count(
    ballots: Ballots, most: int, spread: int, least_weight: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    places, votes = np.zeros(most, np.int64), np.zeros(most, np.float64)
    found = 0
    end, total = 0, 0
    for start in range(len(ballots)):
        if start > 0:
            total -= max(0, (ballots[start - 1] & 255) - least_weight)
        place = ballots[start] >> WEIGHT_BITS
        while end < len(ballots) and (ballots[end] >> WEIGHT_BITS) <= place + spread:
            total += max(0, (ballots[end] & 255) - least_weight)
            end += 1
        if total <= (votes[found - 1] if found == most else 0):
            continue
        # the same hill as a place that is there already, or a new one that pushes the last one out
        at = -1
        for other in range(found):
            if abs(places[other] - place) <= 2 * spread:
                at = other
        if at >= 0 and votes[at] >= total:
            continue
        if at < 0:
            found = min(found + 1, most)
            at = found - 1
        while at > 0 and votes[at - 1] < total:
            places[at], votes[at] = places[at - 1], votes[at - 1]
            at -= 1
        places[at], votes[at] = place, total
    return places[:found], votes[:found]

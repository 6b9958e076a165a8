"""A suspect: a track that may be what plays, and what speaks for it, stretch by stretch.

Odds of stretches add up. A track that has just begun has much against it from before; so what counts is the best of all
sums that end now. What is older than `LONGEST` stretches does not count any more: tracks that are merely alike gain a
little all along, and would have gained enough in the end.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from app.fingerprint.reel import Place
from app.fingerprint.spectrum import FRAMES_PER_SECOND
from app.fingerprint.verification import Evidence, Placement

LONGEST: Final = 10
"""Stretches that count, of a hop each."""
RECENT: Final = 2
"""Stretches by which it is seen whether it still plays."""
NEAR: Final = 4
"""Frames within which two places are one."""


class Suspect:
    """A track at a place of the stream."""

    def __init__(self, track: Place, placement: Placement, stretches: Sequence[Evidence], *, end: int) -> None:
        """Suspect a track.

        Args:
            track: where it is on the reel.
            placement: of the stream, in the track's own frames.
            stretches: what the stream has said so far, the last one last.
            end: frame of the stream before which they end.
        """
        self.track = track
        self.placement = placement
        self.end = end
        self.gain = stretches[-1].gain
        """Of the stream beside the track, in half decibels."""
        self.is_certain = False
        self._stretches = deque(stretches, maxlen=LONGEST)
        self.best = self._best()
        """The most that speaks for it: the sum of its last stretches, of however many that is best."""

    def add(self, stretch: Evidence, *, end: int) -> None:
        """Take what the next stretch says."""
        self._stretches.append(stretch)
        self.end = end
        self.best = self._best()

    @property
    def recent(self) -> Evidence:
        """What the last stretches say together."""
        return _sum(islice(reversed(self._stretches), RECENT))

    @property
    def last(self) -> Evidence:
        """What the last stretch says."""
        return self._stretches[-1]

    @property
    def place(self) -> float:
        """Frame of the reel at frame 0 of the stream."""
        return self.track.first_frame + self.placement.place

    def seconds_at(self, seconds: float) -> float:
        """Return the moment of the track at a moment of the stream."""
        return self.placement.place / FRAMES_PER_SECOND + seconds * self.placement.tempo

    def is_at(self, place: float) -> bool:
        """Tell whether this place of the reel is its own, give or take some frames."""
        return abs(self.place - place) <= NEAR

    def _best(self) -> Evidence:
        odds = best = 0.0
        count = 0
        for number, stretch in enumerate(reversed(self._stretches), 1):
            odds += stretch.odds
            if odds > best:
                best, count = odds, number
        return _sum(islice(reversed(self._stretches), count))


def _sum(stretches: Iterable[Evidence]) -> Evidence:
    odds, peaks, matched, gain = 0.0, 0, 0, 0.0
    for stretch in stretches:
        odds += stretch.odds
        peaks += stretch.peaks
        matched += stretch.matched
        gain = stretch.gain
    return Evidence(odds, peaks, matched, gain)

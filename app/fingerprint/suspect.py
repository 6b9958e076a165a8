"""A suspect: a track that may be what plays, and what speaks for it, stretch by stretch.

Odds of stretches add up. A track that has just begun has much against it from before; so what counts is the best of all
sums that end now. What is older than `LONGEST` does not count any more: tracks that are merely alike gain a
little all along, and would have gained enough in the end.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from app.fingerprint.placement import Placement
from app.fingerprint.reel import Place
from app.fingerprint.spectrum import FRAMES_PER_SECOND
from app.fingerprint.verification import Evidence

LONGEST: Final = 5 * FRAMES_PER_SECOND
"""Frames whose stretches count."""
RECENT: Final = FRAMES_PER_SECOND
"""Frames by whose stretches it is seen whether it still plays."""
UNUSUAL: Final = 3.0
"""Odds against any other speed than that of the catalogue, beforehand."""
USUAL: Final = 0.005
"""By which a speed may be off without being another one."""
NEAR: Final = 4
"""Frames within which two places are one."""


class Suspect:
    """A track at a place of the stream."""

    def __init__(
        self, track: Place, placement: Placement, stretches: Sequence[Evidence], *, end: int, step: int
    ) -> None:
        """Suspect a track.

        Args:
            track: where it is on the reel.
            placement: of the stream, on the reel.
            stretches: what the stream has said so far, the last one last.
            end: frame of the stream before which they end.
            step: frames of a stretch.
        """
        self.track = track
        self.end = end
        self.gain = stretches[-1].gain
        """Of the stream beside the track, in half decibels."""
        self.is_certain = False
        self.trust = 0
        """Frames for which it need not be aligned anew."""
        self.supposed: float | None = None
        """Another tempo, which it seemed to have when it was aligned last."""
        self.chance = 0.0
        """Odds that it would have by chance, as soon as that matters."""
        self._step = step
        self._recent = max(1, round(RECENT / step))
        self._stretches = deque(stretches, maxlen=max(1, round(LONGEST / step)))
        self.move(placement)
        self._count()
        self.begun = end - self._counted * step
        """Frame of the stream at which it seems to have begun to play."""

    def add(self, stretch: Evidence, *, end: int) -> None:
        """Take what the next stretch says."""
        self._stretches.append(stretch)
        self.end = end
        self._count()

    def move(self, placement: Placement) -> None:
        """Take another placement from now on, of the stream on the reel."""
        place = float(placement.place) - self.track.first_frame
        self.placement = Placement(place, float(placement.tempo), float(placement.pitch))
        """In the track's own frames."""
        self.looked = self.end
        """Frame of the stream at which its speed was looked at last."""

    @property
    def worth(self) -> float:
        """The odds that speak for it, less those that are against its speed."""
        return self.best.odds - doubt(self.placement)

    @property
    def recent(self) -> Evidence:
        """What the last stretches say together."""
        return _sum(islice(reversed(self._stretches), self._recent))

    @property
    def last(self) -> Evidence:
        """What the last stretch says."""
        return self._stretches[-1]

    @property
    def on_reel(self) -> Placement:
        """Its placement in the frames of the reel."""
        own = self.placement
        return Placement(self.track.first_frame + own.place, own.tempo, own.pitch)

    def seconds_at(self, seconds: float) -> float:
        """Return the moment of the track at a moment of the stream."""
        return self.placement.place / FRAMES_PER_SECOND + seconds * self.placement.tempo

    def reel_frame(self, frame: int) -> float:
        """Return the frame of the reel at a frame of the stream."""
        return self.track.first_frame + self.placement.place + frame * self.placement.tempo

    def is_at(self, reel_frame: float, frame: int) -> bool:
        """Tell whether a frame of the stream is at this one of the reel, give or take some frames."""
        return abs(self.reel_frame(frame) - reel_frame) <= NEAR

    def _count(self) -> None:
        odds = best = 0.0
        count = 0
        for number, stretch in enumerate(reversed(self._stretches), 1):
            odds += stretch.odds
            if odds > best:
                best, count = odds, number
        self._counted = count
        self.best = _sum(islice(reversed(self._stretches), count))
        """The most that speaks for it: the sum of its last stretches, of however many that is best."""


def doubt(placement: Placement) -> float:
    """Return the odds that are against a speed, beforehand."""
    is_usual = abs(placement.tempo - 1) < USUAL and abs(placement.pitch - 1) < USUAL
    return 0.0 if is_usual else UNUSUAL


def _sum(stretches: Iterable[Evidence]) -> Evidence:
    odds, peaks, matched, gain = 0.0, 0, 0, 0.0
    for stretch in stretches:
        odds += stretch.odds
        peaks += stretch.peaks
        matched += stretch.matched
        gain = stretch.gain
    return Evidence(odds, peaks, matched, gain)

"""A search: one query, a few seconds, against a whole catalogue.

Rules of this file:

1. Votes only propose places. What speaks for each is weighed, and the score alone decides.
2. A query is first looked up as it is, at the places with most votes. Only if nothing is found, more places are looked
   at. Only if nothing is found there, it is supposed to be played faster or slower, higher or lower: `SPEEDS` one after
   another, each with a tenth of the landmarks. So what is found costs what it did, and what is not found costs some
   times as much, and never more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Protocol

from app.fingerprint.alignment import aligned, turned
from app.fingerprint.fit import best_fit
from app.fingerprint.hit import Hit
from app.fingerprint.landmarks import Keys, Landmarks, probes
from app.fingerprint.listener import Listener
from app.fingerprint.peaks import BIN_PARTS, Frames, Peaks
from app.fingerprint.placement import Placement
from app.fingerprint.readings import NEW
from app.fingerprint.reel import Place
from app.fingerprint.score import DEFAULT_THRESHOLD, confidence, score, similarity
from app.fingerprint.spectrum import FRAMES_PER_SECOND
from app.fingerprint.verification import Evidence, chance, weigh
from app.fingerprint.votes import Ballots, count

CANDIDATES: Final = 30
"""Places that are looked at first."""
MORE_CANDIDATES: Final = 70
"""That are looked at if none of these is right: of queries of 1 s in noise or speech the right place is among the best
8 for 62 %, among 30 for 68 %, among 100 for 72 %; of 3 s, for 85, 88 and 90 %."""
STEPS: Final = (0, 1, -1, 2, 3, -2)
"""Frames around a candidate's place at which it is tried."""
MARGIN: Final = 8
"""Frames of a track that are looked at beyond the query's ends."""
WORTH: Final = 3.0
"""Odds from which on it matters what chance has."""
ALIKE: Final = 0.5
"""Of the best hit's odds, which other tracks need to be hits as well: those of the same recording have nearly all."""

SPEEDS: Final = tuple(1 + 0.006 * step for step in (1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7, 8, -8))
"""Supposed one after another: within 0.3 % of any up to 5 % faster or slower."""
SPEED_PAIRS: Final = 6
"""Of each peak, while a speed is supposed."""
SPEED_HIGHEST: Final = 400 * BIN_PARTS
"""Frequency of the highest of these peaks, 2,150 Hz: the higher they are, the further an error of speed moves them."""
SPEED_CANDIDATES: Final = 2
"""Places that are tuned for each speed."""
TUNING: Final = (-0.003, -0.001, 0.001, 0.003)
"""Pitches around a supposed one at which a place is tried."""
TEMPOS: Final = (0.95, 0.96, 0.97, 0.98, 0.99, 1.01, 1.02, 1.03, 1.04, 1.05)
"""At which a place that keeps its pitch is tried."""


class Library(Protocol):
    """What is searched; a `View` of the index."""

    @property
    def seconds(self) -> float:
        """Of all tracks together."""

    def gather(self, keys: Keys, frames: Frames) -> Ballots:
        """Return the sorted ballots of landmarks."""

    def track_at(self, frame: int) -> Place | None:
        """Return the track at a frame of all tracks, laid end to end."""

    def peaks(self, first_frame: int, end_frame: int) -> Peaks:
        """Return the peaks of a stretch of one track; their frames are those of all tracks."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A track, a placement in all tracks laid end to end, and what speaks for it."""

    place: Place
    placement: Placement
    evidence: Evidence
    odds: float
    """Those of the evidence beyond what chance has."""
    score: float

    def hit(self, frames: int) -> Hit:
        """Return it as a hit of a query of so many frames."""
        start = self.placement.place - self.place.first_frame
        end = start + frames * self.placement.tempo
        return Hit(
            track_id=self.place.track_id,
            start=min(max(0.0, start), self.place.frames) / FRAMES_PER_SECOND,
            end=min(max(0.0, end), self.place.frames) / FRAMES_PER_SECOND,
            speed=round(self.placement.tempo, 3),
            score=self.score,
            confidence=confidence(self.score),
            similarity=similarity(self.score),
        )


def search(
    library: Library, query: Listener, *, threshold: float = DEFAULT_THRESHOLD, speeds: bool = True
) -> list[Hit]:
    """Return what a query is from: best first, each track once, none if nothing is known of it.

    Blocks for some 8 ms, without the GIL for most of them; for 17 ms if nothing is found in a query of 3 s.

    Args:
        library: to search.
        query: has listened to the query, and kept all of it.
        threshold: score that a hit needs.
        speeds: whether it may be played faster or slower, higher or lower, by up to 5 %.
    """
    search = Search(library, query)
    found = [search.exact(one) for one in _best_of_tracks(search.all(threshold=threshold, speeds=speeds), threshold)]
    least = ALIKE * max((finding.odds for finding in found), default=0.0)
    hits = [finding.hit(query.frames) for finding in found if finding.odds >= least]
    return sorted(hits, key=lambda hit: -hit.score)


def _best_of_tracks(found: Iterable[Finding], threshold: float) -> list[Finding]:
    """Return the best placement of each track that reaches the threshold."""
    best: dict[int, Finding] = {}
    for finding in sorted(found, key=lambda finding: -finding.odds):
        if finding.score >= threshold:
            best.setdefault(finding.place.track_id, finding)
    return list(best.values())


class Search:
    """One query in one library; it may not be pushed to meanwhile."""

    def __init__(self, library: Library, query: Listener) -> None:
        self._library = library
        self._heard = query.heard
        self._peaks = query.peaks

    def all(self, *, threshold: float, speeds: bool = True) -> list[Finding]:
        """Look further until something reaches the threshold. Returns whatever was weighed."""
        placements = list(self._candidates(probes(self._peaks), CANDIDATES + MORE_CANDIDATES))
        found = self._as_it_is(placements[:CANDIDATES])
        if all(finding.score < threshold for finding in found):
            found += self._as_it_is(placements[CANDIDATES:])
        if speeds and all(finding.score < threshold for finding in found):
            found += self.at_other_speeds(found)
        return found

    def _as_it_is(self, placements: Iterable[Placement]) -> list[Finding]:
        """Look at places, and those beside them, without another speed."""
        found = [
            self.best([replace(placement, place=placement.place + step) for step in STEPS]) for placement in placements
        ]
        return [finding for finding in found if finding is not None]

    def at_other_speeds(self, found: list[Finding]) -> list[Finding]:
        """Look at the best places again at other tempos, and at those that other speeds propose."""
        best = sorted(found, key=lambda finding: -finding.odds)[:SPEED_CANDIDATES]
        tuned = [self._tuned(finding.placement, (1.0,), TEMPOS) for finding in best]
        low = self._peaks.frequencies < SPEED_HIGHEST
        peaks = Peaks(self._peaks.frames[low], self._peaks.frequencies[low], self._peaks.strengths[low])
        for speed in SPEEDS:
            landmarks = probes(peaks, pairs=SPEED_PAIRS, speed=speed)
            for placement in self._candidates(landmarks, SPEED_CANDIDATES):
                pitches = tuple(speed * (1 + step) for step in TUNING)
                supposed = replace(placement, tempo=speed, pitch=speed)
                tuned += [self._tuned(supposed, pitches, tempo) for tempo in ((speed,), (1.0,))]
        return [finding for finding in tuned if finding is not None]

    def exact(self, finding: Finding) -> Finding:
        """Place what was found as exactly as can be."""
        peaks = self.peaks_of(finding.place, [finding.placement])
        return self._weighed(finding.place, aligned(self._heard, peaks, finding.placement), peaks)

    def _candidates(self, landmarks: Landmarks, most: int) -> Iterator[Placement]:
        ballots = self._library.gather(landmarks.keys, landmarks.frames)
        for place in count(ballots, most=most).places.tolist():
            yield Placement(float(place))

    def _tuned(self, placement: Placement, pitches: Iterable[float], tempos: Iterable[float]) -> Finding | None:
        """Weigh the best of some pitches and tempos."""
        middle, placements = (self._heard.first + self._heard.end) / 2, []
        for tempo in tempos:
            there = turned(placement, tempo, middle)
            placements += [Placement(there.place + step, tempo, pitch) for pitch in pitches for step in STEPS]
        return self.best(placements)

    def best(self, placements: list[Placement]) -> Finding | None:
        """Weigh the one that fits best of placements that are close together; None where there is no track."""
        middle = placements[0].place + placements[0].tempo * (self._heard.first + self._heard.end) / 2
        place = self._library.track_at(round(middle))
        if place is None:
            return None
        peaks = self.peaks_of(place, placements)
        return self._weighed(place, best_fit(self._heard, peaks, placements), peaks)

    def _weighed(self, place: Place, placement: Placement, peaks: Peaks) -> Finding:
        evidence = weigh(self._heard, peaks, placement)
        odds = evidence.odds - (chance(self._heard, peaks, placement) if evidence.odds > WORTH else 0)
        return Finding(place, placement, evidence, odds, score(odds, evidence.peaks, self._library.seconds))

    def peaks_of(self, place: Place, placements: list[Placement]) -> Peaks:
        """Return the peaks of a track that the query covers, at any of some placements."""
        starts = [placement.place + self._heard.first * placement.tempo for placement in placements]
        ends = [placement.place + self._heard.end * placement.tempo for placement in placements]
        first = max(place.first_frame, round(min(starts)) - MARGIN - NEW)
        end = min(place.first_frame + place.frames, round(max(ends)) + MARGIN)
        return self._library.peaks(first, max(first, end))

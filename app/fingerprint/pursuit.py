"""The pursuit of what plays in a stream: votes propose tracks, and suspects are followed from hop to hop.

Rules of this file:

1. Each frame is weighed once for each suspect. What a hop says is added to what was known before.
2. Votes only propose. A place that has gained votes in this hop, and is not suspected already, is looked at back to the
   beginning of the window; it is suspected if anything speaks for it.
3. While a track certainly plays it is followed, and others are looked for now and then only. As soon as a hop does not
   speak for it, they are looked for in the same hop, and in the one before.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from app.fingerprint.ballot_box import BallotBox
from app.fingerprint.landmarks import probes
from app.fingerprint.listener import Listener
from app.fingerprint.peaks import Peaks
from app.fingerprint.reel import MOST_FRAMES, Place
from app.fingerprint.suspect import Suspect
from app.fingerprint.verification import Edges, Evidence, Placement, fits, stretches
from app.fingerprint.view import View

MOST_VOTES: Final = 15_000
"""Of a hop; in a catalogue of 10,000 tracks those of three keys of four."""
PAIRS: Final = 12
"""Of each peak of a stream."""
CANDIDATES: Final = 6
"""Places that are looked at in a hop."""
MOST_SUSPECTS: Final = 6
STEPS: Final = (0, 1, -1, 2, -2)
"""Frames around a candidate's place at which it is tried."""
MARGIN: Final = 3
"""Frames of a track that are looked at before and behind a stretch."""
SETTLED: Final = 10.0
"""Odds of one hop from which on others are looked for only now and then."""
PATIENCE: Final = 4
"""Hops after which they are, in any case."""


class Pursuit:
    """What is suspected in one stream; one thread at a time."""

    def __init__(self, *, hops: int, hop_frames: int) -> None:
        """Let votes add up over so many hops, of so many frames."""
        self.suspects: list[Suspect] = []
        """The one that most speaks for first."""
        self._hop_frames = hop_frames
        self._box = BallotBox(hops=hops, most=MOST_VOTES)
        self._view: View | None = None
        self._searched = 0
        """Frame of the stream up to which tracks were looked for."""
        self._idle_hops = 0
        """In which none were."""

    def hear(self, listener: Listener, view: View) -> None:
        """Take in what a listener has heard since the last time."""
        self._look_at(view)
        end = listener.frames - 1  # what follows on the last one is not known yet
        if end <= 0:
            return
        for suspect in self.suspects:
            self._follow(suspect, listener, view, end)
        if self._is_settled() and self._idle_hops < PATIENCE:
            self._idle_hops += 1
            self._box.skip()
        else:
            self._search(listener, view, end)
        plausible = [suspect for suspect in self.suspects if suspect.best.odds > 0]
        self.suspects = sorted(plausible, key=lambda suspect: -suspect.best.odds)[:MOST_SUSPECTS]

    def _is_settled(self) -> bool:
        return any(suspect.is_certain and suspect.last.odds > SETTLED for suspect in self.suspects)

    def _look_at(self, view: View) -> None:
        """Go over to another view: tracks may be gone, or elsewhere on the reel."""
        if view is self._view:
            return
        if self._view is not None and view.epoch != self._view.epoch:
            self._box.clear()
        self._view = view
        found = [(suspect, view.reel.find(suspect.track.track_id)) for suspect in self.suspects]
        self.suspects = [suspect for suspect, track in found if track is not None]
        for suspect, track in found:
            suspect.track = track or suspect.track

    def _follow(self, suspect: Suspect, listener: Listener, view: View, end: int) -> None:
        if end > suspect.end:
            suspect.add(_stretch(suspect, listener, view, end), end=end)

    def _search(self, listener: Listener, view: View, end: int) -> None:
        earliest = max(self._searched, listener.frames - 2 * self._hop_frames)
        since = int(np.searchsorted(listener.peaks.frames, earliest))
        asked = probes(listener.peaks, since=since, pairs=PAIRS)
        votes = view.votes(asked.keys, asked.frames, most=MOST_VOTES)
        self._searched, self._idle_hops = listener.frames, 0
        for place in self._box.cast(votes, most=CANDIDATES).places.tolist():
            self._look_into(place, listener, view, end)

    def _look_into(self, place: int, listener: Listener, view: View, end: int) -> None:
        frame = (place + end) % MOST_FRAMES  # of the reel, that is heard now
        track = view.track_at(frame)
        if track is None or any(suspect.is_at(frame - end) for suspect in self.suspects):
            return
        edges = np.array([*range(end, listener.heard.first, -self._hop_frames), listener.heard.first])[::-1]
        suspect = _suspected(track, frame - end, listener, view, edges)
        if suspect.best.odds > 0:
            self.suspects.append(suspect)


def _suspected(track: Place, place: int, listener: Listener, view: View, edges: Edges) -> Suspect:
    """Look at a track from the first edge on."""
    heard = listener.heard
    peaks = _peaks(view, track, place + heard.first, place + heard.end)
    placements = [Placement(float(place + step)) for step in STEPS]
    best = max(placements, key=lambda placement: fits(heard, peaks, placement))
    found = stretches(heard, peaks, best, edges)
    own = Placement(best.place - track.first_frame)
    return Suspect(track, own, found, end=int(edges[-1]))


def _stretch(suspect: Suspect, listener: Listener, view: View, end: int) -> Evidence:
    placement = replace(suspect.placement, place=suspect.place)
    first, last = (int(placement.place + frame * placement.tempo) for frame in (suspect.end, end))
    peaks = _peaks(view, suspect.track, first, last)
    return stretches(listener.heard, peaks, placement, np.array([suspect.end, end]), gain=suspect.gain)[0]


def _peaks(view: View, track: Place, first: int, end: int) -> Peaks:
    """Return the peaks of a stretch of a track, and some beyond, but none of another track."""
    return view.peaks(first - MARGIN, max(first - MARGIN, min(end + MARGIN, track.end_frame)))

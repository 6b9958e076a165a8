"""The pursuit of what plays in a stream: votes propose tracks, and suspects are followed from hop to hop.

Rules of this file:

1. Each frame is weighed once for each suspect. What a hop says is added to what was known before.
2. Votes only propose. A place that has gained votes in this hop, and is not suspected already, is looked at back to the
   beginning of the window; it is suspected if anything speaks for it.
3. While a track certainly plays it is followed, and others are looked for now and then only. As soon as a hop does not
   speak for it, they are looked for in the same hop, and in the one before.
4. While none does, one other speed a hop is supposed, or one suspect is looked at at other tempos; after a round of all
   speeds that found nothing, only every other hop.
5. A track that plays is aligned anew after 2 s, for no two clocks are the same, and of its tempo a few seconds tell
   little; each time that it is where it was thought to be, after twice as long, at most 16 s.
"""

from typing import Final

import numpy as np

from app.fingerprint.alignment import aligned, turned
from app.fingerprint.ballot_box import BallotBox
from app.fingerprint.fit import best_of
from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import probes
from app.fingerprint.listener import Heard, Listener
from app.fingerprint.peaks import Peaks
from app.fingerprint.placement import Placement, Rows
from app.fingerprint.readings import NEW, Edges
from app.fingerprint.reel import MOST_FRAMES, Place
from app.fingerprint.search import SPEEDS
from app.fingerprint.spectrum import FRAMES_PER_SECOND
from app.fingerprint.suppositions import Suppositions, other_tempos
from app.fingerprint.suspect import Suspect
from app.fingerprint.verification import chance, fitted, stretches, weigh
from app.fingerprint.view import View

MOST_VOTES: Final = 100_000
"""Of a hop. Among 10,000 tracks it has 59,000 on average, and as many hard queries of 3 s find their place as with all
votes: 76 %, with 60,000 at most 74 %, with 15,000 64 %."""
PAIRS: Final = 8
"""Of each peak of a stream."""
CANDIDATES: Final = 4
"""Places that are looked at in a hop."""
MOST_SUSPECTS: Final = 5
STEPS: Final = (0, 1, -1, 2, -2)
"""Frames around a candidate's place at which it is tried."""
MARGIN: Final = 3
"""Frames of a track that are looked at before and behind a stretch."""
SETTLED: Final = 20.0 / FRAMES_PER_SECOND
"""Odds of a frame of one hop from which on others are looked for only now and then."""
PATIENCE: Final = 4
"""Hops after which they are, in any case."""
ROUND_HOPS: Final = 2 * len(SPEEDS)
"""In which all speeds are supposed."""
LEAST_FRAMES: Final = round(2 * FRAMES_PER_SECOND)
"""That are heard before other speeds and tempos are looked at: less tells nothing of them."""
ALIGNED: Final = round(2 * FRAMES_PER_SECOND)
"""Frames after which a suspect that plays is aligned anew, at first."""
MOST_ALIGNED: Final = 8 * ALIGNED
"""At the most."""
SAME_PLACE, SAME_TEMPO = 0.5, 0.001
"""Frames by which it may be elsewhere then, and at another tempo, and is where it was thought to be."""
ANOTHER_TEMPO: Final = 0.008
"""By which tempos differ that are not the same, measured over a window."""
CLEARLY: Final = 10.0
"""Odds by which a tempo is better at once."""
LOOKED_AT: Final = 2.0
"""Odds from which on a suspect is looked at at other tempos."""
PROMISING: Final = 4.0
"""Odds from which on a placement is aligned before it is judged."""


class Pursuit:
    """What is suspected in one stream; one thread at a time."""

    def __init__(self, *, hop_frames: int) -> None:
        """Begin; hops have so many frames."""
        self.suspects: list[Suspect] = []
        """The one that most speaks for first."""
        self._hop_frames = hop_frames
        self._box = BallotBox()
        self._view: View | None = None
        self._searched = 0
        """Frame of the stream up to which tracks were looked for."""
        self._idle_hops = 0
        """In which none were."""
        self._divided: Edges = np.zeros(1, np.int64)
        self._suppositions = Suppositions()
        self._unknown_hops = 0
        """In which speeds could be supposed, since anything was certain."""

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
            self._suppose(listener, view, end)
        self.suspects = self._plausible()

    def chance(self, suspect: Suspect, listener: Listener, view: View) -> float:
        """Return the odds that a wrong place of the same sounds would have."""
        heard, placement = listener.heard, suspect.on_reel
        return chance(heard, _peaks_at(view, suspect.track, placement, heard.first, heard.end), placement)

    def _plausible(self) -> list[Suspect]:
        """Return what is worth following: of a track that certainly plays only the best place."""
        known: set[int] = set()
        plausible = []
        for suspect in sorted(self.suspects, key=lambda suspect: -suspect.worth):
            if suspect.worth > 0 and suspect.track.track_id not in known:
                plausible.append(suspect)
            if suspect.is_certain:
                known.add(suspect.track.track_id)
        return plausible[:MOST_SUSPECTS]

    def _is_settled(self) -> bool:
        least = SETTLED * self._hop_frames
        return any(suspect.is_certain and suspect.last.odds > least for suspect in self.suspects)

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
        if end <= suspect.end:
            return
        if suspect.is_certain and end - suspect.looked >= max(ALIGNED, suspect.trust):
            before, tempo = suspect.reel_frame(end), suspect.placement.tempo
            suspect.move(_followed(suspect, listener.heard, view))
            is_there = abs(suspect.reel_frame(end) - before) < SAME_PLACE and suspect.supposed is None
            is_there = is_there and abs(suspect.placement.tempo - tempo) < SAME_TEMPO
            suspect.trust = min(MOST_ALIGNED, 2 * max(ALIGNED, suspect.trust)) if is_there else 0
        placement = suspect.on_reel
        peaks = _peaks_at(view, suspect.track, placement, suspect.end, end)
        edges = np.array([suspect.end, end])
        suspect.add(stretches(listener.heard, peaks, placement, edges, gain=suspect.gain)[0], end=end)

    def _search(self, listener: Listener, view: View, end: int) -> None:
        earliest = max(self._searched, listener.frames - 2 * self._hop_frames)
        since = int(np.searchsorted(listener.peaks.frames, earliest))
        asked = probes(listener.peaks, since=since, pairs=PAIRS)
        votes = view.votes(asked.keys, asked.frames, most=MOST_VOTES)
        self._searched, self._idle_hops = listener.frames, 0
        for place in self._box.cast(votes, most=CANDIDATES).places.tolist():
            frame = (place + end) % MOST_FRAMES  # of the reel, that is heard now
            if not any(suspect.is_at(frame, end) for suspect in self.suspects):
                self._look_into(_beside(Placement(float(frame - end))), listener, view, end)

    def _suppose(self, listener: Listener, view: View, end: int) -> None:
        """Look at a suspect at other tempos, or for tracks at another speed, by turns."""
        heard = listener.heard
        if any(suspect.is_certain for suspect in self.suspects):
            self._unknown_hops = 0
            return
        if len(heard.levels) < LEAST_FRAMES:
            return
        self._unknown_hops += 1
        way = self._unknown_hops
        if way > ROUND_HOPS:
            if way % 2:
                return
            way //= 2
        if way % 2:
            for rows in self._suppositions.next(listener, view):
                self._look_into(rows, listener, view, end)
        elif promising := [suspect for suspect in self.suspects if suspect.worth > LOOKED_AT]:
            suspect = min(promising, key=lambda suspect: suspect.looked)
            suspect.looked = end
            placement = suspect.on_reel
            self._look_into(_beside(placement), listener, view, end)
            self._look_into(other_tempos(placement, heard), listener, view, end)

    def _look_into(self, rows: Rows, listener: Listener, view: View, end: int) -> None:
        """Suspect a track at the best of some placements, if enough speaks for it."""
        track = view.track_at(round(float(rows[0, 0] + rows[0, 1] * end)))
        if track is None:
            return
        found = self._suspected(track, rows, listener, view, end)
        if found is None:
            return
        middle = (listener.heard.first + end) // 2
        here = found.reel_frame(middle)
        rivals = [suspect for suspect in self.suspects if suspect.is_at(here, middle)]
        if found.worth > max((rival.worth for rival in rivals), default=0.0):
            self.suspects = [suspect for suspect in self.suspects if suspect not in rivals] + [found]

    def _edges(self, first: int, end: int) -> Edges:
        """Divide the window into hops, the first of which may be shorter; the same array as long as it is the same."""
        if (self._divided[0], self._divided[-1]) != (first, end):
            self._divided = np.array([first, *range(end, first, -self._hop_frames)[::-1]])
        return self._divided

    def _suspected(self, track: Place, rows: Rows, listener: Listener, view: View, end: int) -> Suspect | None:
        """Weigh a track at the best of some placements, back to the beginning of the window; None if nothing speaks."""
        heard = listener.heard
        edges = self._edges(heard.first, end)
        best = fitted(heard, _peaks(view, track, rows, heard.first, end), rows, edges, least=0.0)
        if best is None:
            return None
        suspect = Suspect(track, best.placement, best.stretches, end=end, step=self._hop_frames)
        if suspect.best.odds < PROMISING:
            return suspect
        better = _aligned(suspect, heard, view)
        peaks = _peaks_at(view, track, better, heard.first, end)
        return Suspect(track, better, stretches(heard, peaks, better, edges), end=end, step=self._hop_frames)


def _beside(placement: Placement) -> Rows:
    rows = np.empty((len(STEPS), 3))
    rows[:] = placement.place, placement.tempo, placement.pitch
    rows[:, 0] += STEPS
    return rows


def _aligned(suspect: Suspect, heard: Heard, view: View) -> Placement:
    """Return a closer placement at about the same speed, by what is heard since the track has begun to play."""
    since, before = heard.since(suspect.begun), suspect.on_reel
    closer = aligned(since, _peaks_at(view, suspect.track, before, since.first, since.end), before)
    if before.tempo != before.pitch:
        return closer
    # of its speed the pitch tells ten times as much as the time
    return turned(closer, closer.pitch, (since.first + since.end) / 2)


def _followed(suspect: Suspect, heard: Heard, view: View) -> Placement:
    """Return a closer placement; at another tempo if much more speaks for it, or if it has seemed so twice."""
    closer, since = _aligned(suspect, heard, view), heard.since(suspect.begun)
    if len(since.levels) < LEAST_FRAMES:
        return closer
    others = other_tempos(suspect.on_reel, since)
    peaks = _peaks(view, suspect.track, others, since.first, since.end)
    best = Placement(*others[best_of(since, peaks, others)].tolist())
    other = aligned(since, peaks, best)
    if abs(other.tempo - closer.tempo) < ANOTHER_TEMPO:
        suspect.supposed = None
        return closer
    is_supposed = suspect.supposed is not None and abs(other.tempo - suspect.supposed) < ANOTHER_TEMPO
    suspect.supposed = other.tempo
    gain = weigh(since, peaks, other).odds - weigh(since, peaks, closer).odds
    return other if gain > CLEARLY or (is_supposed and gain > -CLEARLY) else closer


def _peaks(view: View, track: Place, rows: Rows, first: int, end: int) -> Peaks:
    """Return the peaks of a track that frames of the stream cover at any of some placements, and some beyond."""
    return view.peaks_of(track, *_span(rows, first, end))


def _peaks_at(view: View, track: Place, at: Placement, first: int, end: int) -> Peaks:
    start, behind = at.place + first * at.tempo, at.place + end * at.tempo
    return view.peaks_of(track, int(start) - MARGIN - NEW, int(behind) + MARGIN)


@kernel
def _span(rows: Rows, first: int, end: int) -> tuple[int, int]:
    """Return where frames of the stream begin and end at any of some placements, and some beyond."""
    start, behind = rows[0, 0] + first * rows[0, 1], rows[0, 0] + end * rows[0, 1]
    for i in range(1, len(rows)):
        start = min(start, rows[i, 0] + first * rows[i, 1])
        behind = max(behind, rows[i, 0] + end * rows[i, 1])
    return int(start) - MARGIN - NEW, int(behind) + MARGIN

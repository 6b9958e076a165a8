"""Recognizes the music of a live stream."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from app.audio.pcm import Samples
from app.audio.resample import Resampler
from app.fingerprint.certainty import CERTAIN, certainty
from app.fingerprint.event import Event, Lost, Matched
from app.fingerprint.halving import Halver
from app.fingerprint.hit import Hit
from app.fingerprint.index import Index
from app.fingerprint.listener import Listener
from app.fingerprint.pursuit import Pursuit
from app.fingerprint.score import confidence, score, similarity
from app.fingerprint.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE
from app.fingerprint.suspect import Suspect
from app.fingerprint.view import View

PLAYS: Final = 1.0
"""Odds of its last stretches from which on a track is heard at this moment."""


class Recognizer:
    """Knows the music of one stream; it blocks, and belongs to one thread at a time.

    Hops are those of the audio: the same audio brings the same events at the same places, however it is cut.

    Args:
        index: is searched as it is at each hop.
        sample_rate: of the stream, in Hz.
        window: seconds that are kept, of which a hit tells, and after which silence is the end of a track.
        hop: seconds from one look to the next.
        certain: certainty from which on a track is told of.
    """

    def __init__(
        self, index: Index, *, sample_rate: int, window: float = 3.0, hop: float = 0.5, certain: float = CERTAIN
    ) -> None:
        self.capacity = round(window * sample_rate)
        """Samples that its window holds."""
        self._index = index
        self._certain = certain
        self._sample_rate = sample_rate
        self._window = window
        self._hop_samples = max(1, round(hop * sample_rate))
        self._hops = max(1, round(window / hop))
        self._pushed = 0
        self._heard = 0
        self._waiting: list[Samples] = []
        self._resampler: Halver | Resampler = Halver()
        if sample_rate != 2 * SAMPLE_RATE:
            self._resampler = Resampler(from_rate=sample_rate, to_rate=SAMPLE_RATE)
        self._listener = Listener(keep=round(window * FRAMES_PER_SECOND))
        self._pursuit = Pursuit(hop_frames=round(hop * FRAMES_PER_SECOND))
        self._view: View | None = None
        self._catalogue_seconds = 0.0
        self._silent_hops: int | None = None
        """Since a match; None if nothing plays."""
        self.nearest = 0.0
        """Certainty of what is suspected most, whether it is told of or not."""

    @property
    def buffered(self) -> int:
        """Samples in its window."""
        return min(self._pushed, self.capacity)

    def push(self, samples: Samples) -> list[Event]:
        """Hear on: mono float32, shape `(n,)`; returns what is new, in its order."""
        return [event for hop in self._cut(samples) if (event := self._hear(hop)) is not None]

    def _cut(self, samples: Samples) -> Iterator[Samples]:
        """Yield the hops that are complete."""
        self._waiting.append(samples)
        self._pushed += len(samples)
        if self._pushed - self._heard < self._hop_samples:
            return
        waiting = np.concatenate(self._waiting)
        whole = len(waiting) - len(waiting) % self._hop_samples
        self._waiting = [waiting[whole:].copy()]
        for start in range(0, whole, self._hop_samples):
            self._heard += self._hop_samples
            yield waiting[start : start + self._hop_samples]

    def _hear(self, samples: Samples) -> Event | None:
        self._listener.push(self._resampler.push(samples))
        view = self._index.view()
        if view is not self._view:
            self._view, self._catalogue_seconds = view, view.seconds
        self._pursuit.hear(self._listener, view)
        hits = self._hits(view)
        if hits:
            self._silent_hops = 0
            return Matched(hits)
        if self._silent_hops is None:
            return None
        self._silent_hops += 1
        if self._silent_hops < self._hops:
            return None
        self._silent_hops = None
        return Lost()

    def _hits(self, view: View) -> tuple[Hit, ...]:
        """Return the tracks that certainly play at this moment, each once."""
        hits: dict[int, Hit] = {}
        self.nearest = 0.0
        for suspect in self._pursuit.suspects:
            reached = self._certainty(suspect, view)
            self.nearest = max(self.nearest, reached)
            suspect.is_certain = reached >= self._certain and suspect.recent.odds >= PLAYS
            if suspect.is_certain:
                hits.setdefault(suspect.track.track_id, self._hit(suspect))
        return tuple(hits.values())

    def _certainty(self, suspect: Suspect, view: View) -> float:
        """Judge a suspect; what chance has is only looked up of one that may be certain, and then stays the same."""
        odds, peaks = suspect.worth, suspect.best.peaks
        at_most = certainty(odds, 0.0, peaks, self._catalogue_seconds)
        if at_most < self._certain:
            return at_most
        if not suspect.is_certain:
            suspect.chance = self._pursuit.chance(suspect, self._listener, view)
        return certainty(odds, suspect.chance, peaks, self._catalogue_seconds)

    def _hit(self, suspect: Suspect) -> Hit:
        best = suspect.best
        found = score(suspect.worth - suspect.chance, best.peaks, self._catalogue_seconds)
        now, length = self._heard / self._sample_rate, suspect.track.frames / FRAMES_PER_SECOND
        start = max(0.0, suspect.seconds_at(now - min(now, self._window)))
        return Hit(
            suspect.track.track_id,
            min(start, length),
            min(max(start, suspect.seconds_at(now)), length),
            speed=round(suspect.placement.tempo, 3),
            score=found,
            confidence=confidence(found),
            similarity=similarity(found),
        )

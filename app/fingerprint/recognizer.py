"""Recognizes the music of a live stream."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from app.audio.pcm import Samples
from app.audio.resample import Resampler
from app.fingerprint.event import Event, Lost, Matched
from app.fingerprint.hit import Hit
from app.fingerprint.index import Index
from app.fingerprint.listener import Listener
from app.fingerprint.pursuit import Pursuit
from app.fingerprint.score import confidence, score
from app.fingerprint.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE
from app.fingerprint.suspect import Suspect

CERTAIN: Final = 7.0
"""Score from which on a track is told of. It is higher than for one query: a stream is asked 7,200 times an hour."""
PLAYS: Final = 1.0
"""Odds of its last stretches from which on a track is heard at this moment."""


class Recognizer:
    """Knows the music of one stream; it blocks, and belongs to one thread at a time.

    Hops are those of the audio: the same audio brings the same events at the same places, however it is cut.

    Args:
        index: is searched as it is at each hop.
        sample_rate: of the stream, in Hz.
        window: seconds over which votes add up, of which a hit tells, and after which silence is the end of a track.
        hop: seconds from one look to the next.
    """

    def __init__(self, index: Index, *, sample_rate: int, window: float = 3.0, hop: float = 0.5) -> None:
        self.capacity = round(window * sample_rate)
        """Samples that its window holds."""
        self._index = index
        self._sample_rate = sample_rate
        self._window = window
        self._hop_samples = max(1, round(hop * sample_rate))
        self._hops = max(1, round(window / hop))
        self._pushed = 0
        self._heard = 0
        self._waiting: list[Samples] = []
        self._resampler = Resampler(from_rate=sample_rate, to_rate=SAMPLE_RATE)
        self._listener = Listener(keep=round(window * FRAMES_PER_SECOND))
        self._pursuit = Pursuit(hops=self._hops, hop_frames=round(hop * FRAMES_PER_SECOND))
        self._silent_hops: int | None = None
        """Since a match; None if nothing plays."""

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
        self._pursuit.hear(self._listener, view)
        hits = self._hits(view.seconds)
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

    def _hits(self, catalogue_seconds: float) -> tuple[Hit, ...]:
        """Return the tracks that certainly play at this moment, each once."""
        hits: dict[int, Hit] = {}
        for suspect in self._pursuit.suspects:
            best = suspect.best
            certainty = score(best.odds, best.peaks, catalogue_seconds)
            suspect.is_certain = certainty >= CERTAIN and suspect.recent.odds >= PLAYS
            if suspect.is_certain:
                hits.setdefault(suspect.track.track_id, self._hit(suspect, certainty))
        return tuple(hits.values())

    def _hit(self, suspect: Suspect, certainty: float) -> Hit:
        now = self._heard / self._sample_rate
        start = max(0.0, suspect.seconds_at(now - min(now, self._window)))
        return Hit(
            suspect.track.track_id,
            start,
            max(start, suspect.seconds_at(now)),
            speed=suspect.placement.tempo,
            score=certainty,
            confidence=confidence(certainty),
            similarity=suspect.best.similarity,
        )

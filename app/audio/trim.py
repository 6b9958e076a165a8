"""Silence around a recording that goes out while it is made, held within bounds."""

import numpy as np

from app.audio.pcm import Pcm
from app.audio.splice import FADE_SECONDS, fade, sounding

LEAD_SECONDS = 0.05
"""Silence that stays before the first sound: breath and the closing of a stop are quieter than sound is taken to be."""
TAIL_SECONDS = 0.25
"""Silence that stays behind the last sound: as much as a reader leaves between two sentences."""


class Trimmer:
    """Cuts the silence at the edges of one recording, int16 of shape (n,), and fades them, so that no cut clicks.

    Only silence is held back, and 10 ms of sound. A recording in which nothing sounds stays as it is.

    Args:
        sample_rate: Hz.
        lead: seconds of silence before the first sound, at most; None leaves them all, and that edge as it is.
        tail: seconds of silence behind the last sound, at least and at most; None leaves them and that edge.
    """

    def __init__(self, *, sample_rate: int, lead: float | None, tail: tuple[float, float] | None) -> None:
        self._rate = sample_rate
        self._lead = lead
        self._tail = tail
        self._reserve = 2 * round(FADE_SECONDS * sample_rate)  # `fade` takes half of what it gets
        self._held: Pcm = np.zeros(0, np.int16)
        self.has_begun = lead is None
        """Whether what comes before the first sound is known."""
        self.dropped = 0
        """Samples that were cut off the beginning."""

    def push(self, pcm: Pcm) -> Pcm:
        """Add samples; returns those that are ready, perhaps none."""
        if self.has_begun:
            return self._pass(pcm)
        self._held = np.concatenate([self._held, pcm])
        begin, _ = sounding(self._held)
        if begin == len(self._held):
            return self._held[:0]
        self.has_begun = True
        self.dropped = max(begin - round((self._lead or 0.0) * self._rate), 0)
        first, self._held = self._held[self.dropped :], self._held[:0]
        return self._pass(fade(first, sample_rate=self._rate, head=True, tail=False))

    def finish(self) -> Pcm:
        """Return the rest."""
        begin, end = sounding(self._held)
        if self._tail is None or begin == len(self._held):  # of those that sound the last ones are always held
            return self._held
        least, most = (round(seconds * self._rate) for seconds in self._tail)
        last = min(end + most, len(self._held))
        faded = fade(self._held[:last], sample_rate=self._rate, head=False, tail=True)
        return np.concatenate([faded, np.zeros(max(end + least - last, 0), np.int16)])

    def _pass(self, pcm: Pcm) -> Pcm:
        """Return what is not the end, even if nothing follows."""
        if self._tail is None:
            return pcm
        held = np.concatenate([self._held, pcm])
        begin, end = sounding(held)
        ready = max(end - self._reserve, 0) if begin < len(held) else 0
        self._held = held[ready:]
        return held[:ready]

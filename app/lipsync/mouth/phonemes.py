"""From phonemes and their times to a mouth, by the dominance of each over its neighbours.

After Cohen and Massaro, "Modeling Coarticulation in Synthetic Visual Speech" (1993): every sound pulls the mouth to its
target, most while it lasts and less before and after, and the mouth is the mean of all targets by their pulls. Where
lips must meet they do, whatever the neighbours want, for a frame at least. Pauses close the mouth.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.lipsync.mouth.visemes import Viseme, visemes_of

Rows = NDArray[np.float32]
"""Shape (n, 3), rows of a `MouthTrack`."""

REACH: Final = 0.4
"""Seconds after a frame by which its mouth is decided."""

_SPREAD = 0.027, 0.055, 0.036
"""Standard deviations in seconds of a pull outside of its sound: lips go round earlier than jaws open."""
_CUT = 0.2
"""Seconds beyond which there is no pull."""
_EDGE = 0.025
"""Seconds at both ends of a sound, a quarter of it at most, in which its pull is not full yet."""
_REST = 0.02
"""Pull of the mouth at rest, all the time."""
_PAUSE = 0.12
"""Seconds of silence that close the mouth; half of them pass on each side until the pull is full."""
_PAUSE_WEIGHT = 0.6
_LONGEST_STOP = 0.09
"""Seconds of silence before a stop that are its own."""
_RELEASE = 0.4
"""What part of a stop's own sound the lips are still closed for: it begins with their opening."""
_BATCH = 100
"""Frames that are drawn at once, which bounds the memory."""
_CLOSING = 0.03
"""Seconds that lips take to meet and to part."""


@dataclass(frozen=True, slots=True)
class TimedPhoneme:
    """When a sound of speech is heard."""

    ipa: str
    """May carry marks of stress, length and tone, and more than one letter: `ˈaɪ`, `tɕʰ`."""
    start: float
    """Seconds."""
    end: float
    """Seconds; not before `start`."""


class SpokenMouth:
    """The mouth of speech whose phonemes are known, as they become known. Memory: the phonemes of the last half second.

    Args:
        fps: frames a second.
        shortest: seconds that lips which meet stay together at least; None: a frame, so that it is seen.
    """

    def __init__(self, fps: float, *, shortest: float | None = None) -> None:
        self._fps = fps
        self._shortest = 1 / fps if shortest is None else shortest
        self._pulls: list[_Pull] = []
        self._ended = -_CUT
        self._given = 0

    def push(self, phonemes: Iterable[TimedPhoneme], *, until: float) -> Rows:
        """Take the next phonemes, in order, and return the frames that are decided.

        `until` is the time in seconds from which phonemes may begin that are not known yet.
        """
        for phoneme in phonemes:
            self._pulls.extend(self._pulls_of(phoneme))
            self._ended = max(self._ended, phoneme.end)
        return self._draw(max(int((until - REACH) * self._fps), self._given), until)

    def finish(self, frames: int) -> Rows:
        """Return the last frames, so many in all."""
        return self._draw(max(frames, self._given), np.inf)

    def _pulls_of(self, phoneme: TimedPhoneme) -> "Iterator[_Pull]":
        visemes = visemes_of(phoneme.ipa)
        if not visemes:
            return
        start, end = phoneme.start, max(phoneme.end, phoneme.start)
        gap = start - self._ended
        if visemes[0].is_stop and 0 < gap <= _LONGEST_STOP:
            start = self._ended
        elif gap > _PAUSE:
            yield _pause(self._ended, start)
        elif visemes[0].is_stop and gap > 0:
            start -= _LONGEST_STOP / 2
        times = np.linspace(start, end, len(visemes) + 1)
        for place, viseme in enumerate(visemes):
            burst = (end - phoneme.start) * (1 - _RELEASE) if place == 0 and len(visemes) == 1 else 0.0
            yield self._pull(viseme, float(times[place]), float(times[place + 1]), burst)

    def _pull(self, viseme: Viseme, start: float, end: float, burst: float) -> "_Pull":
        if viseme.is_stop:
            end -= burst
        middle, half = (start + end) / 2, (end - start) / 2
        full = half - min(_EDGE, half / 2)
        closed = max(full, self._shortest / 2) if viseme.is_closed else 0.0
        return _Pull(middle, max(full, closed), closed, viseme.target, viseme.weight)

    def _draw(self, upto: int, until: float) -> Rows:
        silence = [_pause(self._ended, until)] if until - self._ended > _PAUSE else []
        parts = [np.empty((0, 3), np.float32)]
        while self._given < upto:
            end = min(self._given + _BATCH, upto)
            times = (np.arange(self._given, end, dtype=np.float64) + 0.5) / self._fps
            parts.append(_blend([pull for pull in (*self._pulls, *silence) if pull.begins < times[-1] + _CUT], times))
            self._given = end
            oldest = (end + 0.5) / self._fps - _CUT
            self._pulls = [pull for pull in self._pulls if pull.middle + pull.half > oldest]
        return np.concatenate(parts)


def spoken(phonemes: Iterable[TimedPhoneme], *, fps: float, frames: int) -> Rows:
    """Return the mouth of all phonemes in so many frames; frame i is of the time (i + 0.5) / fps."""
    mouth = SpokenMouth(fps)
    return np.concatenate((mouth.push(phonemes, until=0.0), mouth.finish(frames)))


@dataclass(frozen=True, slots=True)
class _Pull:
    middle: float
    half: float
    """Seconds to both sides for which it is full."""
    closed: float
    """The same, for which the lips meet; 0: they need not."""
    target: tuple[float, float, float]
    weight: tuple[float, float, float]

    @property
    def begins(self) -> float:
        """Return the time from which it is full."""
        return self.middle - self.half


def _pause(start: float, end: float) -> _Pull:
    end = min(end, start + 3600.0)
    middle, half = (start + end) / 2, (end - start - _PAUSE) / 2
    return _Pull(middle, half, 0.0, (0.0, 0.0, 0.0), (_PAUSE_WEIGHT,) * 3)


def _blend(pulls: list[_Pull], times: NDArray[np.float64]) -> Rows:
    """Return the mouth at these times, shape (n, 3)."""
    if not pulls or not len(times):
        return np.zeros((len(times), 3), np.float32)
    middle = np.array([pull.middle for pull in pulls])
    beside = np.abs(times[:, None] - middle)
    away = np.maximum(beside - np.array([pull.half for pull in pulls]), 0)[:, :, None]
    strength = np.maximum(_bell(away) - _bell(_CUT), 0) * np.array([pull.weight for pull in pulls])
    wanted = np.array([pull.target for pull in pulls])
    rows = (strength * wanted).sum(axis=1) / (strength.sum(axis=1) + _REST)
    closed = np.array([pull.closed for pull in pulls])
    apart = np.where(closed > 0, np.clip((beside - closed) / _CLOSING, 0, 1), 1).min(axis=1)
    rows[:, 0] *= apart * apart * (3 - 2 * apart)
    return np.asarray(rows, np.float32)


def _bell(away: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * (away / np.array(_SPREAD)) ** 2))

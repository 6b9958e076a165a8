"""A recognizer for tests: hears what the samples say instead of what they sound like."""

import threading
from collections.abc import Callable

import numpy as np

from app.audio.pcm import Samples
from app.fingerprint.event import Event, Lost, Matched
from app.fingerprint.hit import Hit

SILENCE, MUSIC, STOPS = 0.0, 0.5, -0.5


def hit(track_id: int = 1, *, start: float = 37.3, end: float = 40.3) -> Hit:
    return Hit(track_id, start, end, speed=1.0, score=9.5, confidence=0.92, similarity=0.95)


def sound(samples: int, value: float = SILENCE) -> bytes:
    return np.full(samples, value, "<f4").tobytes()


class FakeRecognizer:
    """Each push whose last sample is `MUSIC` matches, and one that ends in `STOPS` is the end of it."""

    def __init__(self, sample_rate: int = 22_050, *, on_push: Callable[[], None] = lambda: None) -> None:
        self.sample_rate = sample_rate
        self.capacity = 3 * sample_rate
        self.pushed: list[Samples] = []
        self.threads: set[int] = set()
        self.hits = (hit(),)
        self._on_push = on_push

    @property
    def processed(self) -> int:
        return sum(map(len, self.pushed))

    @property
    def buffered(self) -> int:
        return min(self.processed, self.capacity)

    def push(self, samples: Samples) -> list[Event]:
        self.threads.add(threading.get_ident())
        self._on_push()
        self.pushed.append(samples)
        if samples[-1] == MUSIC:
            return [Matched(self.hits)]
        return [Lost()] if samples[-1] == STOPS else []

"""How fast portraits are drawn on this machine: learnt from those that were, told before one is begun."""

import threading

from app.runtime.pace import Pace

LEAST_FRAMES = 25
"""From which a portrait says something about the next."""


class Speeds:
    """Seconds of a frame by engine and size of the picture, of which they are a straight line. For many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paces: dict[str, Pace] = {}

    def learn(self, engine: str, *, pixels: int, frames: int, seconds: float) -> None:
        """Take into account a portrait that was drawn, encoding included."""
        if frames < LEAST_FRAMES:
            return
        with self._lock:
            self._paces.setdefault(engine, Pace()).learn(pixels, seconds / frames)

    def predict(self, engine: str, *, pixels: int) -> float | None:
        """Return the seconds that a frame will probably take; None: nothing is known."""
        with self._lock:
            return self._paces[engine].predict(pixels) if engine in self._paces else None

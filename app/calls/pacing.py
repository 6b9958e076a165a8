"""When sound may go out, so that it is heard without a gap and little of it waits at the peer.

The peer plays what it gets at once, one after another. The clock is the sound's own: what was sent says when the next
is due, and not when it was really sent, so that lateness does not add up. What is late goes out at once until the lead
is there again; where the peer has heard all that it had, its silence is over when the next comes, and nothing is
hurried to make up for it.
"""

import time
from collections.abc import Callable
from typing import Final

LEAD_SECONDS: Final = 0.1
"""Of sound that wait at the peer: what a network may be late without being heard."""


class Pacing:
    """The clock of one listener. Pure: it waits for nobody."""

    __slots__ = ("_clock", "_heard_at", "_lead")

    def __init__(self, *, lead: float = LEAD_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """Let so many seconds of sound wait at the peer; `clock` gives seconds, monotonic."""
        self._lead = lead
        self._clock = clock
        self._heard_at = clock()

    @property
    def heard_at(self) -> float:
        """When all that was sent has been heard, in seconds of the clock; in the past if it has been."""
        return self._heard_at

    def wait_time(self, seconds: float) -> float:
        """Return for how long a piece of so many seconds must not go out yet, 0 if it may.

        A piece that is longer than the lead goes out when all before it has been heard.
        """
        return max(0.0, self._heard_at - max(0.0, self._lead - seconds) - self._clock())

    def until(self, at: float) -> float:
        """Return the seconds until a time of the clock, 0 if it is past."""
        return max(0.0, at - self._clock())

    def sent(self, seconds: float) -> None:
        """Note that a piece of so many seconds goes out now."""
        self._heard_at = max(self._heard_at, self._clock()) + seconds

    def clear(self) -> None:
        """Note that the peer has dropped what it had."""
        self._heard_at = min(self._heard_at, self._clock())

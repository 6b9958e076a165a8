"""When to try again.

Delays double, so that a server in trouble is left alone, and have jitter, so that not all clients return at once.
"""

from dataclasses import dataclass

_MAX_DOUBLINGS = 60  # beyond, 2.0**n overflows long before a client has tried so often


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before each attempt to connect again."""

    first: float = 1.0
    """Seconds before the first attempt."""
    longest: float = 30.0
    """Seconds, where doubling ends. A connection that lasted so long starts the delays anew when it breaks."""
    jitter: float = 0.5
    """Fraction of each delay that is random: 0.5 waits 50 to 100 % of it."""
    attempts: int | None = None
    """Attempts in a row before it is given up; None never gives up, 0 does not try again."""

    def delay(self, failures: int, random: float) -> float:
        """Return the seconds to wait after `failures` failed attempts in a row; `random` is in [0, 1)."""
        delay = min(self.longest, self.first * 2.0 ** min(failures, _MAX_DOUBLINGS))
        return delay * (1.0 - self.jitter * random)

    def gives_up(self, failures: int) -> bool:
        """Tell whether so many failed attempts are enough."""
        return self.attempts is not None and failures >= self.attempts

"""A circuit breaker: leaves a service alone that fails, and tries it again with one attempt at a time.

Rules of this file (no I/O, no tasks, and a clock that is an argument):

1. CLOSED admits everything. `failures` failures without a success between them open it.
2. OPEN admits nothing, for `cool_down` seconds: a refusal costs one reading of the clock.
3. Then it is HALF_OPEN and admits one attempt. Its success closes the breaker; its failure opens it again, each time
   for twice as long, up to `max_cool_down`. An attempt of which nothing is heard for `patience` seconds counts as
   withdrawn, so that one that was lost does not keep everybody out.
4. Any success closes it, also that of an attempt that was admitted before it opened: the service works. Failures of
   such attempts change nothing while it is open.
"""

import math
import time
from collections.abc import Callable
from enum import Enum


class State(Enum):
    """Whether attempts are admitted."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Breaker:
    """Admits attempts at something that may be down.

    Args:
        failures: that open it, at least 1.
        cool_down: seconds that it stays open at first.
        max_cool_down: seconds that it stays open at most.
        patience: seconds that the one attempt of a half-open breaker may take.
        clock: seconds, monotonic.
    """

    __slots__ = (
        "_clock",
        "_cool_down",
        "_failures",
        "_limit",
        "_max_cool_down",
        "_open_until",
        "_patience",
        "_times_opened",
        "_trial_until",
    )

    def __init__(
        self,
        *,
        failures: int = 3,
        cool_down: float = 10.0,
        max_cool_down: float = 300.0,
        patience: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if failures < 1 or cool_down <= 0 or max_cool_down < cool_down or patience <= 0:
            raise ValueError(
                f"failures={failures} must be 1 or more, cool_down={cool_down} and patience={patience} positive, "
                f"and max_cool_down={max_cool_down} not less than cool_down"
            )
        self._limit = failures
        self._cool_down = cool_down
        self._max_cool_down = max_cool_down
        self._patience = patience
        self._clock = clock
        self._failures = 0
        self._times_opened = 0
        self._open_until: float | None = None
        self._trial_until = -math.inf

    @property
    def state(self) -> State:
        """What it is now."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._open_until else State.HALF_OPEN

    @property
    def is_admitting(self) -> bool:
        """Whether `admit` would say yes."""
        if self._open_until is None:
            return True
        now = self._clock()
        return now >= self._open_until and now >= self._trial_until

    @property
    def wait_time(self) -> float:
        """Seconds until the next attempt would be admitted, as far as is known: 0 if now."""
        if self._open_until is None:
            return 0.0
        return max(0.0, max(self._open_until, self._trial_until) - self._clock())

    def admit(self) -> bool:
        """Let an attempt begin, which then tells `succeeded`, `failed` or `withdraw`; False: it must not."""
        if self._open_until is None:
            return True
        if not self.is_admitting:
            return False
        self._trial_until = self._clock() + self._patience
        return True

    def succeeded(self) -> None:
        """Note that the service did its work."""
        self._failures = 0
        self._times_opened = 0
        self._open_until = None
        self._trial_until = -math.inf

    def failed(self) -> None:
        """Note that it did not."""
        match self.state:
            case State.CLOSED:
                self._failures += 1
                if self._failures >= self._limit:
                    self.trip()
            case State.HALF_OPEN:
                self.trip()

    def withdraw(self) -> None:
        """Note that an admitted attempt ended without telling anything about the service: another may try."""
        self._trial_until = -math.inf

    def trip(self) -> None:
        """Open it now, whatever was counted."""
        wait = min(self._cool_down * 2.0**self._times_opened, self._max_cool_down)
        self._times_opened = min(self._times_opened + 1, 60)  # a float overflows at 2 ** 1024
        self._open_until = self._clock() + wait
        self._trial_until = -math.inf

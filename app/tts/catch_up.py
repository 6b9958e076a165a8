"""Speaking faster while many wait."""

STEP = 0.1
"""Speeds differ by this much at least, so that equal lines still find each other in the cache."""
SECONDS_PER_STEP = 1.0
"""Of waiting, for each step."""


def catch_up(wait: float | None, *, most: float) -> float:
    """Return the factor of speed while a round of the waiting line takes so many seconds: 1 below one, `most` at most.

    Half of a wait is gone when everybody before has spoken a third faster; so the steps are small and many.
    """
    if wait is None or most <= 1.0:
        return 1.0
    steps = int(wait / SECONDS_PER_STEP)
    return min(round(1.0 + steps * STEP, 2), most)

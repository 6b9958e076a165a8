"""Speaking faster while many wait."""

STEP = 0.1
"""Speeds differ by this much at least, so that equal lines still find each other in the cache."""
SECONDS_PER_STEP = 1.0
"""Of estimated wait, for each step."""


def catch_up(wait: float | None, *, most: float) -> float:
    """Return the factor of speed for a line that will wait so many seconds: 1 below a second, `most` at the most.

    Half of a wait is gone when everybody before has spoken a third faster; so the steps are small and many.
    """
    if wait is None or most <= 1.0:
        return 1.0
    steps = int(wait / SECONDS_PER_STEP)
    return min(round(1.0 + steps * STEP, 2), most)

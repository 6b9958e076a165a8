"""How the work of a function grows with its input, in processor time of this thread, whatever else runs."""

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")

STEP = 8
"""How many times larger the larger input is: linear work takes 8 times as long, quadratic work 64."""
MOST = 24
ROUNDS = 5


def assert_linear(work: Callable[[T], object], small: T, large: T) -> None:
    """Hold `work` to at most `MOST` times as long for `large`, which is `STEP` times as large as `small`."""
    ratios = []
    for _ in range(ROUNDS):
        ratios.append(_least(partial(work, large), 1) / _least(partial(work, small), 3))
        if ratios[-1] < MOST:
            return
    raise AssertionError(f"{STEP} times the input took {min(ratios):.0f} times as long")


def _least(work: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        gc.collect(0)
        started = time.thread_time()
        work()
        seconds.append(time.thread_time() - started)
    return max(min(seconds), 20e-6)

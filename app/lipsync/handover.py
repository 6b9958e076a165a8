"""Bounded queues between threads that may have to stop at any time."""

import queue
import threading
from typing import Final, Generic, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02
"""After which a thread that waits looks whether it is to stop."""
GO_ON: Final = threading.Event()
"""Never set: for whoever will not change his mind."""


class Stopped(Exception):
    """The thread is to end without a result. Nobody but the threads themselves ever sees it."""


class Handover(Generic[T]):
    """Passes things from one thread to another, which wait for each other.

    Args:
        size: things that may be under way.
    """

    def __init__(self, size: int) -> None:
        self._queue: queue.Queue[T] = queue.Queue(size)

    @property
    def is_full(self) -> bool:
        """Whether who puts the next thing has to wait."""
        return self._queue.full()

    def put(self, thing: T, *stops: threading.Event) -> None:
        """Pass on a thing; blocks while the queue is full.

        Raises:
            Stopped: one of the events is set.
        """
        while True:
            check(*stops)
            try:
                return self._queue.put(thing, timeout=POLL_SECONDS)
            except queue.Full:
                continue

    def get(self, *stops: threading.Event) -> T:
        """Return the next thing; blocks while there is none.

        Raises:
            Stopped: one of the events is set.
        """
        while True:
            check(*stops)
            try:
                return self._queue.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue


def check(*stops: threading.Event) -> None:
    """Go on, unless one of the events is set.

    Raises:
        Stopped: one is.
    """
    if any(stop.is_set() for stop in stops):
        raise Stopped

"""Work that nothing can interrupt, done in threads that nobody has to wait for.

To load a network, or to look for faces in a large picture, takes seconds within calls of others that know of no stop.
Who does not want the result any more leaves at once. The thread ends its work, of which the next one has the use: the
network is loaded, the picture's faces are on the shelf. It keeps its place until then, so that there are never more
threads than places, however many come and leave.
"""

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from app.lipsync.handover import POLL_SECONDS, Stopped

T = TypeVar("T")

THREAD_NAME: Final = "errand-of-portrait"


class Errands:
    """Runs work for many threads.

    Args:
        at_once: places; who finds none waits.
    """

    def __init__(self, at_once: int) -> None:
        self._places = threading.Semaphore(at_once)

    def run(
        self, work: Callable[[], T], stop: threading.Event, *, unwanted: Callable[[T], None] = lambda result: None
    ) -> T:
        """Return what the work returns, or raise what it raises; blocks.

        Args:
            work: is run in a thread of its own, and to its end.
            stop: whether its result is not wanted any more.
            unwanted: gets, in the work's thread, a result that comes too late.

        Raises:
            Stopped: the event was set, some hundredths of a second ago at most.
        """
        while not self._places.acquire(timeout=POLL_SECONDS):
            if stop.is_set():
                raise Stopped
        errand = _Errand(work, unwanted, self._places)
        try:
            threading.Thread(target=errand.do, name=THREAD_NAME).start()
        except BaseException:
            self._places.release()
            raise
        while not errand.done.wait(POLL_SECONDS):
            if stop.is_set() and errand.leave():
                raise Stopped
        return errand.result()


class _Errand(Generic[T]):
    def __init__(self, work: Callable[[], T], unwanted: Callable[[T], None], places: threading.Semaphore) -> None:
        self._work, self._unwanted, self._places = work, unwanted, places
        self._lock = threading.Lock()
        self._is_left = False
        self._results: list[T] = []
        self._error: BaseException | None = None
        self.done = threading.Event()

    def do(self) -> None:
        """Do the work."""
        try:
            try:
                self._results.append(self._work())
            except BaseException as error:
                self._error = error
            with self._lock:
                self.done.set()
            if self._is_left and self._results:
                self._unwanted(self._results.pop())
        finally:
            self._places.release()

    def leave(self) -> bool:
        """Say that nobody waits any more; False: the work has just been done."""
        with self._lock:
            self._is_left = not self.done.is_set()
            return self._is_left

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results.pop()

"""Jobs that draw at the same time, taken together in batches that fit into memory. Pure: knows no torch.

There is no thread of its own. Who wants frames joins the waiting requests and then waits for a free slot of the device;
who gets it runs a batch for all that wait, and the others find theirs done. So a single job never waits for company,
and many jobs fill a GPU.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.errors import Overloaded
from app.lipsync.windows import Windows

Pixels = NDArray[np.uint8]
"""Shape (n, rows, 96, 3), blue-green-red: the lower parts of n faces."""


class Faces(Protocol):
    """What a network knows of one face that all frames share, or of the face of each frame."""

    def part(self, start: int, stop: int) -> Self:
        """Return that of some of the frames."""
        ...


F = TypeVar("F", bound=Faces)


@dataclass(slots=True, eq=False)
class _Request(Generic[F]):
    windows: Windows
    faces: F
    done: threading.Event = field(default_factory=threading.Event)
    pixels: Pixels | None = None
    error: BaseException | None = None


class Batches(Generic[F]):
    """Draws for many threads.

    Args:
        run: draws parts of one batch or several and returns the pixels of each, in order.
        largest: frames in a batch at first; half of it after each lack of memory, for good.
        slots: batches that run at the same time; a GPU has one, a CPU one for each core.
        jobs_per_batch: requests that may share a batch; more than 1 makes sense on a GPU only.
        is_lack_of_memory: tells it from other errors.
        recover: frees what it can after a lack of memory; takes the frames that a batch will have from now on.
    """

    def __init__(
        self,
        run: Callable[[Sequence[tuple[Windows, F]]], list[Pixels]],
        *,
        largest: int,
        slots: int = 1,
        jobs_per_batch: int = 1,
        is_lack_of_memory: Callable[[BaseException], bool] = lambda error: isinstance(error, MemoryError),
        recover: Callable[[int], None] = lambda largest: None,
    ) -> None:
        self._run = run
        self.largest = largest
        self._jobs_per_batch = jobs_per_batch
        self._is_lack_of_memory = is_lack_of_memory
        self._recover = recover
        self._slots = threading.Semaphore(slots)
        self._lock = threading.Lock()
        self._waiting: list[_Request[F]] = []

    def draw(self, windows: Windows, faces: F) -> Pixels:
        """Draw the frames of some windows; blocks until they are drawn, for a batch or two.

        Raises:
            Overloaded: not even a single frame fits into memory.
        """
        request = _Request(windows, faces)
        with self._lock:
            self._waiting.append(request)
        with self._slots:
            if batch := self._take(request):
                self._draw(batch)
        request.done.wait()
        if request.error is not None:
            raise request.error
        assert request.pixels is not None
        return request.pixels

    def _take(self, own: _Request[F]) -> list[_Request[F]]:
        """Return the caller's request and others that fit beside it; none if somebody else has taken the caller's."""
        with self._lock:
            if own not in self._waiting:
                return []
            batch, room = [own], self.largest - len(own.windows)
            for request in self._waiting:
                if len(batch) < self._jobs_per_batch and request is not own and len(request.windows) <= room:
                    batch.append(request)
                    room -= len(request.windows)
            self._waiting = [request for request in self._waiting if request not in batch]
            return batch

    def _draw(self, batch: Sequence[_Request[F]]) -> None:
        """Run a batch; whatever happens, nobody waits for it for ever."""
        try:
            for request, pixels in zip(batch, self._in_memory(batch), strict=True):
                request.pixels = pixels
        except BaseException as error:
            for request in batch:
                request.error = error
        finally:
            for request in batch:
                request.done.set()

    def _in_memory(self, batch: Sequence[_Request[F]]) -> list[Pixels]:
        """Return the pixels of each request, in batches that fit into memory, which may have to be found out."""
        while True:
            try:
                if sum(len(request.windows) for request in batch) <= self.largest:
                    return self._run([(request.windows, request.faces) for request in batch])
                return [self._in_slices(request) for request in batch]
            except BaseException as error:
                if not self._is_lack_of_memory(error):
                    raise
                self._halve(error)

    def _in_slices(self, request: _Request[F]) -> Pixels:
        drawn = []
        for start in range(0, len(request.windows), self.largest):
            stop = start + self.largest
            drawn += self._run([(request.windows[start:stop], request.faces.part(start, stop))])
        return np.concatenate(drawn)

    def _halve(self, error: BaseException) -> None:
        if self.largest == 1:
            raise Overloaded("the memory of the device does not suffice for a single frame") from error
        self.largest //= 2
        self._recover(self.largest)


def distinct(windows: Windows) -> tuple[Windows, NDArray[np.intp]]:
    """Return each window once, and for each of the given ones its place among them.

    All windows of silence are the same, so a pause costs one frame.
    """
    places: dict[bytes, int] = {}
    index = np.array([places.setdefault(window.tobytes(), len(places)) for window in windows], np.intp)
    first = np.unique(index, return_index=True)[1]
    return windows[first], index

"""A process that hears streams, seen from the server.

Rules of this file:

1. Its index is another view of the same folder, mapped into memory once for all, and told of what has changed since
   that was written. Before each batch it is where the server's own is; of many changes at once some are told at a time,
   so that streams are heard meanwhile.
2. A process that ends costs nobody a connection: another one takes its place, the batch is heard again, and streams go
   on without what they had been heard of before. If that one ends as well, the streams of the batch are told.
"""

import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import ChorusError, Unavailable, WorkerLost
from app.fingerprint.ear import Batch, Listened
from app.fingerprint.ear_orders import MAX_BYTES, Answer, Change, Open, Order, decode_answer, encode
from app.fingerprint.index import Index
from app.fingerprint.lane import HearBatch
from app.fingerprint.readers import environment
from app.fingerprint.store import Changes, Store
from app.runtime.processes import Processes

PROGRAM: Final = "app.fingerprint.ear_worker"
JOB_SECONDS: Final = 60.0
START_SECONDS: Final = 120.0
"""With compiling, where nothing is kept of that."""
TRACKS_AT_ONCE: Final = 8
"""Told in one order: some 40 ms of work."""
TELLING_SECONDS: Final = 0.1
"""Before a batch, after which the rest of the changes waits for the next one."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Changes that are told in one order."""

    removed: tuple[int, ...]
    track_ids: list[int]
    generation: int


class EarProcess:
    """Hears batches in a process of its own. Belongs to one event loop; one batch at a time.

    Args:
        index: returns the server's own index.
        store: has what changed.
        folder: of the index.
        window: seconds that a recognizer keeps.
        hop: seconds.
        command: starts the process.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        index: Callable[[], Index],
        store: Store,
        folder: Path,
        *,
        window: float,
        hop: float,
        command: Sequence[str] = (sys.executable, "-m", PROGRAM),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index = index
        self._store = store
        self._folder = folder
        self._window = window
        self._hop = hop
        self._clock = clock
        self._generation: int | None = None
        """That its index has reached; None if it is not open."""
        self._changes: deque[_Part] = deque()
        """That it is to be told."""
        self.processes = Processes(
            command,
            count=1,
            job_timeout=JOB_SECONDS,
            grace=1.0,
            max_frame_bytes=MAX_BYTES,
            start_timeout=START_SECONDS,
            environment=environment(),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[HearBatch]:
        """Have the process, and yield what hears by it."""
        async with self.processes:
            yield self.hear

    async def hear(self, batch: Batch) -> list[Listened]:
        """Hear turns; what goes wrong is in what is returned."""
        error: ChorusError | None = None
        for _ in range(2):
            try:
                with self._patience():
                    await self._catch_up()
                answer = await self._ask(batch)
            except WorkerLost as lost:
                self._generation, error = None, lost
            except ChorusError as failed:
                return _failed(batch, failed)
            else:
                if answer.generation is not None:
                    return answer.listened
                self._generation = None  # it is another process than that which was told
        return _failed(batch, error or Unavailable("no process hears this stream"))

    async def _catch_up(self) -> None:
        """Let its index have what the server's has."""
        deadline = self._clock() + TELLING_SECONDS
        generation = self._index().generation
        if self._generation is None or self._generation > generation:
            await self._open()
        while self._generation is not None and self._generation < generation:
            if not self._changes:
                self._changes = deque(_in_parts(await self._store.changes(self._generation)))
            await self._tell(self._changes.popleft())
            if self._clock() > deadline:
                return

    async def _open(self) -> None:
        self._changes.clear()
        order = Open(str(self._folder), await self._store.origin(), self._window, self._hop)
        self._generation = (await self._ask(order)).generation

    async def _tell(self, part: _Part) -> None:
        stored = tuple(await self._store.fingerprints(part.track_ids)) if part.track_ids else ()
        self._generation = (await self._ask(Change(part.removed, stored, part.generation))).generation
        if self._generation != part.generation:
            self._changes.clear()

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Let streams be heard by what is known, where the store does not answer."""
        try:
            yield
        except Unavailable:
            if self._generation is None:
                raise

    async def _ask(self, order: Order) -> Answer:
        async with aclosing(self.processes.call(encode(order))) as chunks:
            return decode_answer(b"".join([chunk async for chunk in chunks]))


def _in_parts(changes: Changes) -> Iterator[_Part]:
    sounds = changes.sounds
    for start in range(0, max(1, len(sounds)), TRACKS_AT_ONCE):
        end = start + TRACKS_AT_ONCE
        # those of the next generation may be there in part
        generation = changes.generation if end >= len(sounds) else sounds[end].generation - 1
        yield _Part(changes.removed if start == 0 else (), [one.track_id for one in sounds[start:end]], generation)


def _failed(batch: Batch, error: ChorusError) -> list[Listened]:
    return [Listened(error=error) if turn.frames else Listened() for turn in batch.turns]

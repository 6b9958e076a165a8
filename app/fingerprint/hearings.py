"""All live streams that are listened to, and who hears them.

Rules of this file:

1. Up to `AT_HOME` streams are heard by a thread of this process: what a small server needs, and no memory beside it.
2. More are heard by processes, which are started when half of these are there. Recognition takes and gives back the
   interpreter's lock a dozen times a hop: two threads hear hardly more than one, two processes twice as much.
3. A stream stays where it is. Each new one is heard here if there is room, else where fewest are.
4. No turn is taken before the catalogue is open, which is asked for when the first stream comes.
5. Turns become due in no task of anybody's, where anyio does not work: see `app.runtime.session`.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

import anyio

from app.fingerprint.ear import Batch, Ears, Listened, MakeRecognizer
from app.fingerprint.hearing import Heard, Hearing
from app.fingerprint.lane import HearBatch, Lane
from app.fingerprint.sound_form import SoundForm
from app.runtime.workers import Workers

RECOGNITION_POOL: Final = "recognition"
AT_HOME: Final = 64
OPENING_SECONDS: Final = 120.0
"""After which streams have their turns in any case, and are told what is missing."""

Elsewhere = Callable[[], AbstractAsyncContextManager[HearBatch]]
"""Starts a process that hears; it is ready when this is entered, and ended when it is left."""


class Opening(Protocol):
    """What must be open before streams are heard."""

    @property
    def is_open(self) -> bool:
        """Whether it is."""

    async def opened(self) -> None:
        """Have it opened, and wait for it."""


class Hearings:
    """An async context manager: while it is open, streams are heard. Belongs to one event loop."""

    def __init__(
        self,
        workers: Workers,
        make: MakeRecognizer,
        *,
        elsewhere: Sequence[Elsewhere] = (),
        hop: float = 0.5,
        opening: Opening | None = None,
        on_turn: Callable[[float], None] = lambda seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            workers: has the pool `recognition`, of one thread.
            make: makes the recognizer of each stream that is heard here.
            elsewhere: processes that hear the others; without any, all are heard here.
            hop: seconds of audio between two turns of a stream.
            opening: must be open before the first turn; None for nothing.
            on_turn: told how many seconds a turn was over after it became due.
            clock: seconds, monotonic.
        """
        self._hop = hop
        self._opening = opening
        self._wanted = anyio.Event()
        self._many = anyio.Event()
        """Set when there are so many streams that processes are needed."""
        self._begun = anyio.Event()
        """Set when turns are taken."""
        ears = Ears(make)
        self._home = Lane(partial(_hear_in_a_thread, workers, ears), on_turn=on_turn, clock=clock)
        self._others = [_Other(start, partial(Lane, on_turn=on_turn, clock=clock)) for start in elsewhere]
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._begin)
            for other in self._others:
                group.start_soon(self._run, other)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    @property
    def waiting(self) -> int:
        """Streams whose turn is due."""
        return sum(lane.waiting for lane in (self._home, *(other.lane for other in self._others)))

    @property
    def is_open(self) -> bool:
        """Whether a stream that begins now is heard at once."""
        if self._others and self._home.streams >= AT_HOME:
            return any(other.is_ready for other in self._others)
        return self._begun.is_set() or self._opening is None or self._opening.is_open

    def open(self, form: SoundForm, tell: Callable[[Heard], None]) -> Hearing:
        """Begin to listen to a stream; `tell` is told on the event loop what each turn brought."""
        self._wanted.set()
        if not self._others or self._home.streams < AT_HOME:
            lane, is_held = self._home, lambda: not self._begun.is_set()
        else:
            # by chance where as many are, for streams that come by turns may be of two kinds
            shuffled = random.sample(self._others, len(self._others))
            other = min(shuffled, key=lambda other: other.lane.streams)
            lane, is_held = other.lane, lambda: not other.is_ready
        lane.streams += 1
        if 2 * self._home.streams >= AT_HOME:
            self._many.set()
        return Hearing(form, tell, hop=self._hop, due=lane.join, gone=lane.leave, is_held=is_held)

    async def _begin(self) -> None:
        await self._wanted.wait()
        if self._opening is not None:
            with anyio.move_on_after(OPENING_SECONDS):
                await self._opening.opened()
        self._begun.set()
        await self._home.run()

    async def _run(self, other: "_Other") -> None:
        await self._many.wait()
        await self._begun.wait()
        async with other.start() as other.hear:
            other.is_ready = True
            await other.lane.run()


class _Other:
    """A process that hears, or will."""

    def __init__(self, start: Elsewhere, make: Callable[[HearBatch], Lane]) -> None:
        self.start = start
        self.lane = make(self._hear)
        self.is_ready = False
        self.hear: HearBatch

    async def _hear(self, batch: Batch) -> list[Listened]:
        return await self.hear(batch)


async def _hear_in_a_thread(workers: Workers, ears: Ears, batch: Batch) -> list[Listened]:
    return await workers.run(RECOGNITION_POOL, partial(ears.hear, batch))

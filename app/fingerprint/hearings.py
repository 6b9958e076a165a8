"""All live streams that are listened to, and whose turn it is.

Rules of this file:

1. Streams take turns in the order in which theirs became due.
2. Turns go to threads in batches: the way to a thread and back costs the event loop 100 µs. Where few are due, they are
   gathered for `GATHER_SECONDS`, a fiftieth of a hop; where many are, nobody waits for more.
3. One thread works. A hop takes and gives back the interpreter's lock more than a hundred times; two threads that do so
   at once hear 1,150 hops a second on two cores, where one alone hears 1,500.
4. No turn is taken before the catalogue is open, which is asked for when the first stream comes.
5. Turns become due in no task of anybody's, where anyio does not work: see `app.runtime.session`.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

import anyio

from app.fingerprint.hearing import Heard, Hearing, MakeRecognizer
from app.fingerprint.sound_form import SoundForm
from app.runtime.workers import Workers

logger = logging.getLogger(__name__)

RECOGNITION_POOL: Final = "recognition"
GATHER_SECONDS: Final = 0.01
BATCH: Final = 32
"""Turns of less than a millisecond."""

OPENING_SECONDS: Final = 120.0
"""After which streams have their turns in any case, and are told what is missing."""

Turn = tuple[Hearing, Sequence[bytes]]


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
        hop: float = 0.5,
        threads: int = 1,
        opening: Opening | None = None,
        on_turn: Callable[[float], None] = lambda seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            workers: has the pool `recognition`.
            make: makes the recognizer of each stream.
            hop: seconds of audio between two turns of a stream.
            threads: of the pool that may be used: the others help when more than a batch waits.
            opening: must be open before the first turn; None for nothing.
            on_turn: told how many seconds a turn was over after it became due.
            clock: seconds, monotonic.
        """
        self._workers = workers
        self._make = make
        self._hop = hop
        self._threads = threads
        self._opening = opening
        self._wanted = anyio.Event()
        self._begun = anyio.Event()
        """Set when turns are taken."""
        self._on_turn = on_turn
        self._clock = clock
        self._line: deque[tuple[Hearing, float]] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._begin)
            for _ in range(self._threads):
                group.start_soon(self._pump)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    @property
    def waiting(self) -> int:
        """Streams whose turn is due."""
        return len(self._line)

    @property
    def is_open(self) -> bool:
        """Whether a stream that begins now is heard at once."""
        return self._begun.is_set() or self._opening is None or self._opening.is_open

    def open(self, form: SoundForm, tell: Callable[[Heard], None]) -> Hearing:
        """Begin to listen to a stream; `tell` is told on the event loop what each turn brought."""
        self._wanted.set()
        return Hearing(form, self._make, tell, hop=self._hop, due=self._join, is_held=lambda: not self._begun.is_set())

    def _join(self, hearing: Hearing) -> None:
        self._line.append((hearing, self._clock()))
        if self._idle and (len(self._idle) == self._threads or len(self._line) > BATCH):
            self._idle.pop().set_result(None)

    async def _begin(self) -> None:
        await self._wanted.wait()
        if self._opening is not None:
            with anyio.move_on_after(OPENING_SECONDS):
                await self._opening.opened()
        self._begun.set()

    async def _pump(self) -> None:
        await self._begun.wait()
        while True:
            while self._line:
                await self._hear_some()
                if len(self._line) < BATCH:
                    await anyio.sleep(GATHER_SECONDS)
            await self._wait()

    async def _wait(self) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._idle.append(woken)
        try:
            await woken
        finally:
            if woken in self._idle:
                self._idle.remove(woken)
        await anyio.sleep(GATHER_SECONDS)

    async def _hear_some(self) -> None:
        batch: list[Turn] = []
        due_at: list[float] = []
        while self._line and len(batch) < BATCH:
            hearing, at = self._line.popleft()
            batch.append((hearing, hearing.take()))
            due_at.append(at)
        heard = await self._workers.run(RECOGNITION_POOL, partial(_hear, batch))
        now = self._clock()
        for at, (hearing, _), one in zip(due_at, batch, heard, strict=True):
            self._on_turn(now - at)
            _conclude(hearing, one)


def _hear(batch: Sequence[Turn]) -> list[Heard]:
    return [hearing.hear(frames) if frames else Heard() for hearing, frames in batch]


def _conclude(hearing: Hearing, heard: Heard) -> None:
    try:
        hearing.conclude(heard)
    except Exception:
        # A border: what is wrong with one stream's client must not keep the others from being heard.
        logger.exception("a stream is not listened to any longer")
        hearing.close()

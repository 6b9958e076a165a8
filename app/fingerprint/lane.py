"""A lane: streams whose turns are taken by one thread or process, in the order in which they became due.

Turns go there in batches, since each way there and back costs the event loop 100 µs. Where few are due, they are
gathered for `GATHER_SECONDS`, a fiftieth of a hop; where many are, nobody waits for more.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from app.fingerprint.ear import Batch, Listened, Turn
from app.fingerprint.hearing import Hearing

logger = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.01
BATCH: Final = 32
"""Turns of less than a millisecond."""
BATCH_BYTES: Final = 8 << 20
"""Of audio, after which a batch takes no more turns."""

HearBatch = Callable[[Batch], Awaitable[list[Listened]]]
"""Hears turns. Raises nothing but cancellation: what goes wrong is in what it returns."""


class Lane:
    """Belongs to one event loop; `run` takes the turns."""

    def __init__(
        self,
        hear: HearBatch,
        *,
        on_turn: Callable[[float], None] = lambda seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            hear: hears turns.
            on_turn: told how many seconds a turn was over after it became due.
            clock: seconds, monotonic.
        """
        self.streams = 0
        """That are open."""
        self._hear = hear
        self._on_turn = on_turn
        self._clock = clock
        self._line: deque[tuple[Hearing, float]] = deque()
        self._gone: list[int] = []
        self._idle: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> int:
        """Streams whose turn is due."""
        return len(self._line)

    def join(self, hearing: Hearing) -> None:
        """Let a stream have its turn."""
        self._line.append((hearing, self._clock()))
        self._wake()

    def leave(self, hearing: Hearing) -> None:
        """Let the ear of a stream go with the next batch."""
        self.streams -= 1
        self._gone.append(hearing.key)
        self._wake()

    async def run(self) -> None:
        """Take turns for ever."""
        while True:
            while self._line or self._gone:
                await self._hear_some()
                if len(self._line) < BATCH:
                    await anyio.sleep(GATHER_SECONDS)
            await self._wait()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _wait(self) -> None:
        self._idle = asyncio.get_running_loop().create_future()
        await self._idle
        await anyio.sleep(GATHER_SECONDS)

    async def _hear_some(self) -> None:
        heard_by: list[tuple[Hearing, float]] = []
        turns: list[Turn] = []
        size = 0
        while self._line and len(turns) < BATCH and size < BATCH_BYTES:
            heard_by.append(self._line.popleft())
            turns.append(heard_by[-1][0].take())
            size += sum(map(len, turns[-1].frames))
        gone, self._gone = self._gone, []
        listened = await self._hear(Batch(turns, gone))
        now = self._clock()
        for (hearing, at), one in zip(heard_by, listened, strict=True):
            self._on_turn(now - at)
            _conclude(hearing, one)


def _conclude(hearing: Hearing, listened: Listened) -> None:
    try:
        hearing.conclude(listened)
    except Exception:
        # A border between streams: whatever is wrong with one's client, it is not told any more, and the others are.
        logger.exception("a stream is not listened to any longer")
        hearing.close()

"""The statistics that outlive the server: read at the start, written every minute and at the end.

A store that does not answer is told once, and the counting goes on: what could not be written is written later. Only
if the connection breaks in the very moment of a commit may a minute be counted twice, or if the process is killed,
not at all.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Protocol

import anyio
from sqlalchemy.exc import SQLAlchemyError

from app.errors import Unavailable
from app.tts.statistics import Event, Statistics

logger = logging.getLogger(__name__)

WRITE_SECONDS: Final = 60.0


class Store(Protocol):
    """Where counts add up."""

    async def add(self, counts: Mapping[Event, int]) -> Counter[Event]:
        """Add to what is stored, all or nothing, and return everything that is stored now.

        Raises:
            Unavailable: it cannot now; nothing was added.
        """


class KeptStatistics:
    """Statistics and their store. An async context manager: while it is open, the two are brought together."""

    def __init__(
        self, statistics: Statistics, store: Store, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    ) -> None:
        """Keep `statistics` in `store`; `sleep` is what lies between two writes."""
        self._statistics = statistics
        self._store = store
        self._sleep = sleep
        self._is_broken = False
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "KeptStatistics":
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._write)
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            await self._write()
            group.start_soon(self._keep)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    async def _keep(self) -> None:
        while True:
            await self._sleep(WRITE_SECONDS)
            await self._write()

    async def _write(self) -> None:
        # Shielded: who is cancelled in the middle does not know whether it was written.
        with anyio.CancelScope(shield=True):
            taken = self._statistics.take()
            try:
                self._statistics.stored(await self._store.add(taken))
            except (Unavailable, SQLAlchemyError) as error:
                self._statistics.give_back()
                self._note(error)
            else:
                self._note(None)

    def _note(self, error: Exception | None) -> None:
        if error is not None and not self._is_broken:
            logger.warning("the statistics are not stored until the database can do it: %s", error)
        self._is_broken = error is not None

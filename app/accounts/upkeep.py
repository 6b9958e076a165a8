"""What is done about accounts now and then: uses of keys are noted, sessions that expired are forgotten."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Protocol

import anyio
from sqlalchemy.exc import SQLAlchemyError

from app.accounts.standings import Standings
from app.errors import Unavailable

logger = logging.getLogger(__name__)

NOTE_SECONDS: Final = 60.0
PURGE_EVERY: Final = 60
"""So many times the above: an hour."""


class Store(Protocol):
    """What is asked here of `app.accounts.store.Store`."""

    async def note_uses(self, moments: Mapping[str, float]) -> None:
        """Note when keys were last used."""

    async def end_expired(self, now: float) -> int:
        """Forget sessions that expired before `now`."""


class Upkeep:
    """An async context manager; it works while it is open, and notes what is left when it closes.

    A store that does not answer is told once. What could not be noted is lost: it is a convenience.

    Args:
        store: where keys and sessions are.
        standings: know which keys were used.
        clock: seconds since 1970.
        sleep: what lies between two rounds.
    """

    def __init__(
        self,
        store: Store,
        standings: Standings,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._store = store
        self._standings = standings
        self._clock = clock
        self._sleep = sleep
        self._is_broken = False
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "Upkeep":
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._note_last)
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._keep)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    async def _keep(self) -> None:
        while True:
            await self._try(self._purge)
            for _ in range(PURGE_EVERY):
                await self._sleep(NOTE_SECONDS)
                await self._try(self._note)

    async def _note_last(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._try(self._note)

    async def _note(self) -> None:
        await self._store.note_uses(self._standings.take_uses())

    async def _purge(self) -> None:
        await self._store.end_expired(self._clock())

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (Unavailable, SQLAlchemyError) as error:
            if not self._is_broken:
                logger.warning("accounts are not tidied up until the database can do it: %s", error)
            self._is_broken = True
        else:
            self._is_broken = False

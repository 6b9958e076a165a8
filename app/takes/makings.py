"""All takes that this server makes now, and those of its backlog that it will make.

Rules of this file:

1. A take that somebody listens to is made at once. The others wait in the backlog, and at most `at_once` are made.
2. Every take that is here is here once, from the moment it is stored until nothing more happens to it.
3. What stops puts back what it was making, and takes nothing new.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType

import anyio
from anyio.abc import TaskGroup

from app.errors import Draining, Unavailable
from app.takes.backlog import Backlog
from app.takes.making import Making
from app.takes.take import Status

logger = logging.getLogger(__name__)

OUTAGE_SECONDS = 5.0
"""Before a take of the backlog is begun again that the store could not tell about."""


class Makings:
    """What is made, and what waits. An async context manager: while it is open, takes are made."""

    def __init__(
        self,
        backlog: Backlog,
        prepare: Callable[[str, str], Awaitable[Making | None]],
        *,
        at_once: int,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Prepare.

        Args:
            backlog: what waits.
            prepare: makes a take of the backlog ready, from owner and id; None if there is nothing to be made.
            at_once: takes of the backlog that are made at the same time.
            sleep: waits so many seconds.
        """
        self._backlog = backlog
        self._prepare = prepare
        self._at_once = at_once
        self._sleep = sleep
        self._present: dict[str, Making | None] = {}
        self._news: dict[str, anyio.Event] = {}
        self._busy = 0
        self._is_open = False
        self._group: TaskGroup
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "Makings":
        async with AsyncExitStack() as stack:
            self._group = await stack.enter_async_context(anyio.create_task_group())
            self._running = stack.pop_all()
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._group.cancel_scope.cancel()
        await self._running.aclose()
        for take_id in tuple(self._present):
            self._gone(take_id)

    @property
    def waiting(self) -> int:
        """Takes of the backlog."""
        return len(self._backlog)

    @property
    def making(self) -> int:
        """Takes that are made now."""
        return sum(making is not None for making in self._present.values())

    @contextmanager
    def room(self, owner: str, more: int) -> Iterator[None]:
        """Hold room for takes that are to be enqueued within the block.

        Raises:
            Draining: nothing new is taken.
            Overloaded: too much waits.
        """
        if not self._is_open:
            raise Draining("the server is stopping and takes no new takes")
        with self._backlog.room(owner, more):
            yield

    def start(self, making: Making) -> None:
        """Make a take at once.

        Raises:
            Draining: nothing new is taken.
        """
        if not self._is_open:
            raise Draining("the server is stopping and takes no new takes")
        self._present[making.take.id] = making
        self._group.start_soon(self._make, making)

    def enqueue(self, owner: str, take_id: str) -> None:
        """Make a take when its turn comes; it is in the store."""
        self._present[take_id] = None
        self._backlog.add(owner, take_id)
        self._go_on()

    async def end(self, owner: str, take_id: str, status: Status, error: str) -> bool:
        """Make a take no further; returns whether it was being made, and has told how it ended."""
        if self._backlog.discard(owner, take_id):
            self._gone(take_id)
        making = self._present.get(take_id)
        if making is None or making.take.owner != owner:
            return False
        making.end(status, error)
        await making.ended.wait()
        return True

    async def recorded(self, take_id: str) -> None:
        """Wait until some of a take's audio can be read, or none will come from here."""
        while take_id in self._present:
            making = self._present[take_id]
            if making is not None and making.is_recorded:
                return
            await self._news.setdefault(take_id, anyio.Event()).wait()

    async def ended(self, take_id: str) -> None:
        """Wait until nothing more happens to a take here."""
        while take_id in self._present:
            await self._news.setdefault(take_id, anyio.Event()).wait()

    def tell(self, take_id: str) -> None:
        """Let those look again who wait for a take."""
        if event := self._news.pop(take_id, None):
            event.set()

    def _gone(self, take_id: str) -> None:
        self._present.pop(take_id, None)
        self.tell(take_id)

    def _go_on(self) -> None:
        while self._is_open and self._busy < self._at_once and (waiting := self._backlog.pop()):
            self._busy += 1
            self._group.start_soon(self._make_waiting, *waiting)

    async def _make_waiting(self, owner: str, take_id: str) -> None:
        try:
            making = await self._prepare(owner, take_id)
        except Unavailable as error:
            logger.warning("take %s waits until the store answers: %s", take_id, error)
            await self._sleep(OUTAGE_SECONDS)
            self._backlog.add(owner, take_id)
        except Exception:
            # The border of a take before it is made: the next ones must not suffer.
            logger.exception("take %s cannot be made", take_id)
            self._gone(take_id)
        else:
            await self._make_or_leave(take_id, making)
        self._busy -= 1
        self._go_on()

    async def _make_or_leave(self, take_id: str, making: Making | None) -> None:
        if making is None:
            self._gone(take_id)
        else:
            self._present[take_id] = making
            await self._make(making)

    async def _make(self, making: Making) -> None:
        try:
            await making.run()
        finally:
            self._gone(making.take.id)

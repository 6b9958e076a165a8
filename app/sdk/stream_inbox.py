"""What the server has told of a stream and whether it can hear: the listener of the connection of a stream."""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from app.sdk.errors import ClientError, NotConnected
from app.sdk.stream_events import Event, Matched, Problem, Status, read_event

logger = logging.getLogger(__name__)

Told = TypeVar("Told", Matched, Status, Problem)

KEPT_EVENTS: Final = 1000  # some ten minutes of music, which come twice a second

OnMatch = Callable[[Matched], object]
OnStatus = Callable[[Status], object]
OnError = Callable[[Problem], object]
"""Told what has happened, in order; what an asynchronous one does is awaited before the next is told.

What it raises is logged: the stream goes on.
"""


class Inbox:
    """Keeps events until they are taken, the newest thousand, and tells callbacks of each as it comes."""

    def __init__(self, on_match: OnMatch | None, on_status: OnStatus | None, on_error: OnError | None) -> None:
        self._on_match = on_match
        self._on_status = on_status
        self._on_error = on_error
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._news = asyncio.Event()
        self._open = asyncio.Event()  # or at its end
        self._gone = asyncio.Event()  # of the connection that was opened last
        self._wanted = asyncio.Event()
        self._end: ClientError | None = NotConnected("the client is not open: use it in an async with block")
        self._is_closed = False

    def opened(self) -> None:
        """Let sound go out."""
        self._end = None
        self._gone = asyncio.Event()
        self._open.set()

    def received(self, message: str | bytes) -> Awaitable[None] | None:
        """Keep what the server tells."""
        event = read_event(message)
        if event is None:
            return None
        self._events.append(event)
        self._news.set()
        return self._tell(event)

    def lost(self, error: NotConnected, *, for_good: bool) -> None:
        """Hold sound back, or end everything if the connection will not come back."""
        self._gone.set()
        self._wanted.clear()
        if for_good:
            self._end = error
            self._open.set()
            self._news.set()
        else:
            self._open.clear()

    def close(self) -> None:
        """Let whoever waits for events come to an end, without an error."""
        self._is_closed = True

    def wake(self) -> None:
        """Have those that wait for events look whether it is over."""
        self._news.set()

    async def next(self, is_over: Callable[[], bool] = lambda: False) -> Event | None:
        """Return the next event; None if nothing is left and it `is_over`, or the client is closed. Safe to cancel.

        Raises:
            NotConnected: the connection is lost for good.
        """
        while not self._events:
            if is_over() or self._is_closed:
                return None
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()

    async def deliver(self, frame: bytes, send: Callable[[bytes], Awaitable[bool]]) -> None:
        """Send sound, over the next connection if there is none now.

        Raises:
            NotConnected: there will be none.
        """
        while True:
            self._wanted.set()
            if self._end is None:
                await self._open.wait()
            if self._end is not None:
                raise self._end
            gone = self._gone
            if await send(frame):
                return
            await gone.wait()

    async def wanted(self) -> None:
        """Wait until there is sound again that would be sent."""
        await self._wanted.wait()

    def _tell(self, event: Event) -> Awaitable[None] | None:
        match event:
            case Matched():
                return _told(self._on_match, event) if self._on_match else None
            case Status():
                return _told(self._on_status, event) if self._on_status else None
            case Problem():
                return _told(self._on_error, event) if self._on_error else None


async def _told(callback: Callable[[Told], object], event: Told) -> None:
    try:
        done = callback(event)
        if inspect.isawaitable(done):
            await done
    except Exception:
        logger.exception("a callback failed on %r", event)

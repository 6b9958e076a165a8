"""Finds out that a server is gone, though its connection says nothing.

Rules of this file:

1. Anything that arrives is a sign of life, a pong as well as a message.
2. While the client itself does not read, what the server sends waits in the network, pongs too: that says nothing
   about the server. So a client that takes audio as slowly as it sounds is not cut off by its own pings.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager


class Keepalive:
    """Pings one connection.

    Args:
        ping: sends a ping; returns what is done when its pong has arrived.
        interval: seconds from one ping to the next.
        timeout: seconds for a sign of life after a ping.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        ping: Callable[[], Awaitable[asyncio.Future[float]]],
        *,
        interval: float,
        timeout: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ping = ping
        self._interval = interval
        self._timeout = timeout
        self._sleep = sleep
        self._signs = 0
        self._is_held = False

    def received(self) -> None:
        """Note a message of the server."""
        self._signs += 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """Note that nothing is read while this block runs."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            self._signs += 1

    async def run(self) -> None:
        """Return when the server gives no sign of life any more."""
        while True:
            await self._sleep(self._interval)
            signs = self._signs
            pong = await self._ping()
            await self._sleep(self._timeout)
            if not (pong.done() or self._is_held or self._signs > signs):
                return

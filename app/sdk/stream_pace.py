"""How fast sound goes out that could go out at once: as fast as it is heard."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

MAX_LAG_SECONDS: Final = 0.5


class Pace:
    """Waits before each frame of sound until its time has come.

    After a delay, as of the network, frames follow each other faster until what is late has been caught up; what is
    later than half a second stays late, since servers limit what one client may send in a second.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._due: float | None = None

    async def before(self, seconds: float) -> None:
        """Wait for the time of a frame that lasts `seconds`; the first one's is now."""
        now = self._clock()
        due = now if self._due is None else max(self._due, now - MAX_LAG_SECONDS)
        if due > now:
            await self._sleep(due - now)
        self._due = due + seconds

"""What a take's making says, on its way to the one who listens.

The making puts, the listener takes, in one order. It holds at most `AHEAD` parts and a status between each two of them,
because the making waits for room before it makes another part. Once nobody listens, nothing is held and nobody waits.
"""

from collections import deque
from typing import Protocol

import anyio

from app.takes.part import Part
from app.takes.take import Take
from app.takes.voice import Voice

AHEAD = 4
"""Parts that are made, or being made, and not heard to their end."""


class Listener(Protocol):
    """Who follows a take or a voice while it is made. The two methods are never awaited at the same time."""

    async def told(self, item: Take | Voice) -> None:
        """Its status changed; the last one is done. Whatever this raises, the making goes on."""

    async def heard(self, part: Part) -> None:
        """The next part. It may wait as long as it likes: at most four parts are made ahead of what was heard."""


class Feed:
    """One making's words to one listener."""

    def __init__(self, *, is_heard: bool) -> None:
        """Open it; `is_heard` says whether there will be a listener."""
        self._is_heard = is_heard
        self._waiting: deque[Take | Voice | Part] = deque()
        self._unheard = 0
        self._arrival = anyio.Event()
        self._room = anyio.Event()
        self._failure: Exception | None = None

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens."""
        return self._is_heard

    async def room(self) -> None:
        """Wait until another part may be made. Cancelling is safe."""
        while self._is_heard and self._unheard >= AHEAD:
            self._room = anyio.Event()
            await self._room.wait()

    def tell(self, item: Take | Voice) -> None:
        """Say that a status changed; one that is done ends the feed."""
        self._put(item)

    def hand(self, part: Part) -> None:
        """Hand over a part, for which there is room."""
        self._unheard += 1
        self._put(part)

    def break_off(self, error: Exception) -> None:
        """Let the listener raise an error, after what was said before, in place of an end; the first one counts."""
        self._failure = self._failure or error
        self._arrival.set()

    async def follow(self, listener: Listener) -> Take | Voice:
        """Let the listener have everything, in order; returns the last it was told, which is done.

        Whatever ends this, nobody listens afterwards and the making goes on. Raises what the listener raises, and the
        error with which the feed was broken off.
        """
        try:
            while True:
                said = await self._next()
                if isinstance(said, Part):
                    await listener.heard(said)
                    self._unheard -= 1
                    self._room.set()
                    continue
                await listener.told(said)
                if said.status.is_done:
                    return said
        finally:
            self.leave()

    def leave(self) -> None:
        """Listen no more."""
        self._is_heard = False
        self._waiting.clear()
        self._room.set()

    def _put(self, said: Take | Voice | Part) -> None:
        if self._is_heard:
            self._waiting.append(said)
            self._arrival.set()

    async def _next(self) -> Take | Voice | Part:
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._arrival = anyio.Event()
            await self._arrival.wait()
        return self._waiting.popleft()

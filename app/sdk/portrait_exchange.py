"""Portraits that are asked for over one connection, one after another, since that is what a server takes.

A portrait that nobody waits for any more is cancelled. Until the server has said so, what still comes is passed over:
messages of this protocol do not say to what they belong. A ping behind the `cancel` tells when the server has read it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from app.sdk.errors import ClientError, NotConnected

HELD_MESSAGES: Final = 16
"""That wait to be read, beyond which nothing more is taken from the network."""
LONG_CHARACTERS: Final = 64 * 1024
"""Messages that are longer carry a video, and take a thread to be read."""

ENDS: Final = frozenset({"cancelled", "info", "error", "result"})
"""Types of messages with which the server ends what was cancelled."""


class Wire(Protocol):
    """The part of a `Connection` that is used here."""

    def post(self, message: str) -> None:
        """Send a message soon."""


class Turn:
    """One portrait, and what has come of it."""

    def __init__(self) -> None:
        self.is_under_way = False
        self._arrived: asyncio.Queue[str | bytes | ClientError] = asyncio.Queue()
        self._room = asyncio.Event()

    async def next(self) -> str | bytes:
        """Return the next message of the server. Cancelling is safe: none is lost.

        Raises:
            NotConnected: the connection broke, or is gone for good.
        """
        message = await self._arrived.get()
        if self._arrived.qsize() < HELD_MESSAGES:
            self._room.set()
        if isinstance(message, ClientError):
            raise message
        return message

    def take(self, message: str | bytes) -> Awaitable[None] | None:
        """Keep a message; what is returned lasts as long as too many are kept."""
        self._arrived.put_nowait(message)
        if self._arrived.qsize() < HELD_MESSAGES:
            return None
        self._room.clear()
        return self._has_room()

    def fail(self, error: ClientError) -> None:
        """Tell that nothing more will come."""
        self.is_under_way = False
        self._arrived.put_nowait(error)

    def close(self) -> None:
        """Let the connection go on, as nobody reads here any more."""
        self._room.set()

    async def _has_room(self) -> None:
        await self._room.wait()


class Exchange:
    """Who may ask over a connection, and what is answered. Its listener; the connection is to be set as `wire`."""

    def __init__(self) -> None:
        self.wire: Wire | None = None
        self._line = asyncio.Lock()
        self._turn: Turn | None = None
        self._is_open = asyncio.Event()  # or gone for good
        self._is_settled = asyncio.Event()
        self._is_settled.set()
        self._owed: set[str] = set()  # by the server, of a portrait that was cancelled
        self._end: NotConnected | None = NotConnected("the client is not open: use it in an async with block")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait until no other portrait is under way; leaving the block before the end of this one cancels it."""
        async with self._line:
            await self._is_settled.wait()
            turn = self._turn = Turn()
            try:
                yield turn
            finally:
                self._turn = None
                turn.close()
                if turn.is_under_way:
                    self._cancel()

    async def ask(self, turn: Turn, message: str) -> None:
        """Send what a turn asks for, over the next connection if there is none now.

        Raises:
            NotConnected: there will be none.
        """
        if self._end is None:
            await self._is_open.wait()
        if self._end is not None:
            raise self._end
        turn.is_under_way = True
        self._post(message)

    def opened(self) -> None:
        """Let out what waits for a connection."""
        self._end = None
        self._is_open.set()

    def received(self, message: str | bytes) -> Awaitable[None] | None:
        """Hand a message of the server to who waits for it, if anybody does."""
        if self._owed:
            self._settle(message)
        elif self._turn is not None and self._turn.is_under_way:
            return self._turn.take(message)
        return None

    def lost(self, error: NotConnected, *, for_good: bool) -> None:
        """Fail what was under way, or all if the connection will not come back."""
        self._owed.clear()
        self._is_settled.set()
        if for_good:
            self._end = error
            self._is_open.set()
        else:
            self._is_open.clear()
        if self._turn is not None and self._turn.is_under_way:
            self._turn.fail(error)

    def _cancel(self) -> None:
        if self._end is not None or not self._is_open.is_set():
            return
        self._owed = {"end", "pong"}
        self._is_settled.clear()
        self._post(json.dumps({"type": "cancel"}))
        self._post(json.dumps({"type": "ping"}))

    def _settle(self, message: str | bytes) -> None:
        type = _type_of(message)
        self._owed.discard("end" if type in ENDS else type)
        if not self._owed:
            self._is_settled.set()

    def _post(self, message: str) -> None:
        assert self.wire is not None
        self.wire.post(message)


def _type_of(message: str | bytes) -> str:
    """Return the type of a short message; nothing of what has none, which is not worth an end of the connection."""
    if isinstance(message, bytes) or len(message) > LONG_CHARACTERS:
        return ""
    try:
        return str(json.loads(message)["type"])
    except (ValueError, KeyError, TypeError):
        return ""

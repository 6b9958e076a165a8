"""What waits to be written to one socket, bounded in messages and in size.

Rules of this file:

1. Jobs `put`: above the high-water mark they wait. So a peer that reads slowly slows its own jobs, and only those.
2. The reader `post`s: it never waits. Its short replies may go past the mark, up to a hard limit; a peer that makes
   them pile up beyond it does not read and raises `Overflow`.
3. Order is kept. One writer takes.
"""

import asyncio

import anyio

Message = str | bytes
"""A text message or a binary message."""

POSTED_BEYOND_MARK = 256  # messages that may be posted past the mark: replies of about 200 bytes each


class Overflow(Exception):
    """The peer makes the server answer and does not read the answers."""


class Outbox:
    """A bounded queue with a mark at which putters wait."""

    __slots__ = ("_arrival", "_max_messages", "_max_size", "_messages", "_room", "_size")

    def __init__(self, *, max_messages: int, max_size: int) -> None:
        """Make an empty outbox.

        Args:
            max_messages: the mark in messages.
            max_size: the mark in characters of text and bytes of binary messages; one larger message still passes when
                the outbox is below it.
        """
        self._messages: list[Message] = []  # a deque takes 760 bytes before it holds anything
        self._size = 0
        self._max_messages = max_messages
        self._max_size = max_size
        self._arrival: asyncio.Future[None] | None = None
        self._room: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def size(self) -> int:
        """Characters and bytes that wait."""
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether putters wait."""
        return len(self._messages) >= self._max_messages or self._size >= self._max_size

    async def room(self) -> None:
        """Wait until the outbox is below its mark. Cancelling is safe."""
        while self.is_full:
            if self._room is None:
                self._room = anyio.Event()
            await self._room.wait()

    async def put(self, message: Message) -> None:
        """Add a message, waiting for room. Cancelling is safe: the message is in or it is not."""
        await self.room()
        self._add(message)

    def post(self, message: Message) -> None:
        """Add a short message at once.

        Raises:
            Overflow: too many are unread.
        """
        if len(self._messages) >= self._max_messages + POSTED_BEYOND_MARK:
            raise Overflow
        self._add(message)

    def take(self) -> Message | None:
        """Return the first message, None if there is none."""
        if not self._messages:
            return None
        message = self._messages.pop(0)
        self._size -= len(message)
        if self._room is not None and not self.is_full:
            self._room.set()
            self._room = None
        return message

    async def wait(self, timeout: float | None) -> None:
        """Wait for a message or a `wake`, at most `timeout` seconds (None: as long as it takes)."""
        if self._messages:
            return
        # A future and a timer of the loop: an event and a scope would take 1.7 KB more of an idle connection.
        loop = asyncio.get_running_loop()
        self._arrival = loop.create_future()
        timer = None if timeout is None else loop.call_later(timeout, self.wake)
        try:
            await self._arrival
        finally:
            if timer is not None:
                timer.cancel()

    def wake(self) -> None:
        """End a `wait`, so that the writer looks around."""
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _add(self, message: Message) -> None:
        self._messages.append(message)
        self._size += len(message)
        self.wake()

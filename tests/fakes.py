"""What tests put in the place of time and of the network.

`VirtualTime` is a clock that jumps: while anything can run it stands still, and when everything waits it goes to the
next deadline. So a test may sleep for five minutes, takes no time over it, and gets the same result each time. If
everything waits and no deadline comes within a day, the test fails at once instead of hanging.
"""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import anyio

Message = str | bytes

MOMENT = 1e-6
"""Seconds. Sleeping so long in virtual time lets all go on that can, and moves no deadline of a test."""


FOREVER = 24 * 3600
"""Seconds. An event loop never waits longer at once, so a sleep without end looks like this."""


class _JumpingSelector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None or timeout >= FOREVER:
                raise RuntimeError("everything waits and nothing will ever come")
            self.now += timeout
        return ready


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop on virtual time. No threads, no sockets: it does not wait for them."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


VIRTUAL_TIME = ("asyncio", {"loop_factory": VirtualTime})
"""The value of the fixture `anyio_backend` in a module of tests that want virtual time."""


async def settle() -> None:
    """Let every task go on until it waits for something; in virtual time only."""
    await anyio.sleep(MOMENT)


def tasks() -> set[asyncio.Task[Any]]:
    """Return all tasks there are, to compare before and after."""
    return asyncio.all_tasks()


class FakeSocket:
    """An accepted WebSocket in memory: what the peer says is scripted, what it hears is kept."""

    def __init__(self, *said: Message) -> None:
        self.heard: list[Message] = []
        self.closed: tuple[int, str] | None = None
        self.aborted = 0
        self.on_send: Callable[[], object] = lambda: None
        self._incoming: deque[dict[str, Any]] = deque()
        self._arrival = anyio.Event()
        self._reads = anyio.Event()
        self._reads.set()
        self._broken: Exception | None = None
        self.say(*said)

    def say(self, *messages: Message) -> None:
        """The peer sends these."""
        for message in messages:
            # Starlette passes on both keys or one of them, as the server likes.
            text = message if isinstance(message, str) else None
            binary = message if isinstance(message, bytes) else None
            self._come({"type": "websocket.receive", "text": text, "bytes": binary})

    def hang_up(self, code: int | None = 1001, reason: str | None = "") -> None:
        """The peer closes, or its connection breaks."""
        self._come({"type": "websocket.disconnect", "code": code, "reason": reason})

    def stop_reading(self) -> None:
        """From now on nothing goes out: the transport is above its mark."""
        if self._reads.is_set():
            self._reads = anyio.Event()

    def read_again(self) -> None:
        """The peer takes what was held up, and goes on."""
        self._reads.set()

    def break_off(self, error: Exception) -> None:
        """What is being sent, and what is sent from now on, raises this."""
        self._broken = error
        self._reads.set()

    def abort(self) -> None:
        """The server cuts the connection."""
        self.aborted += 1

    async def receive(self) -> MutableMapping[str, Any]:
        while not self._incoming:
            self._arrival = anyio.Event()
            await self._arrival.wait()
        return self._incoming.popleft()

    async def send(self, message: Mapping[str, Any]) -> None:
        self.on_send()
        await self._reads.wait()
        if self._broken is not None:
            raise self._broken
        if self.closed is not None:
            raise RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.")
        if message["type"] == "websocket.close":
            self.closed = (message["code"], message["reason"])
        else:
            self.heard.append(message["text"] if "text" in message else message["bytes"])

    def _come(self, message: dict[str, Any]) -> None:
        self._incoming.append(message)
        self._arrival.set()

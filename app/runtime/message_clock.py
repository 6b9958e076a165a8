"""The one deadline that a message has, however it trickles in."""

import asyncio
from collections.abc import Callable


class MessageClock:
    """Runs from the first byte of a message to its last; calls `late` when that takes longer than `deadline` seconds.

    One timer serves many messages: a message that arrives whole costs none, and a timer whose message came in time is
    left to run out, and set again only if another message is on its way by then. So an idle connection has none.
    """

    __slots__ = ("_began", "_late", "_loop", "_timer", "deadline", "stands_still")

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None]) -> None:
        self._loop = loop
        self._late = late
        self._began: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.deadline = 0.0
        """Seconds; to be set before the first message."""
        self.stands_still = False
        """True while nothing is read, which is not the sender's fault; then the message has its whole time again."""

    def run(self) -> None:
        """Note that a message is on its way; it may have been before."""
        if self._began is None:
            self._began = self._loop.time()
            if self._timer is None:
                self._timer = self._loop.call_later(self.deadline, self._check)

    def reset(self) -> None:
        """Note that a message is complete."""
        self._began = None

    def go_on(self) -> None:
        """Note that reading goes on."""
        self.stands_still = False
        if self._began is not None:
            self._began = self._loop.time()

    def cancel(self) -> None:
        """Stop for good."""
        self._began = None
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        self._timer = None
        if self._began is None:
            return
        left = self.deadline if self.stands_still else self._began + self.deadline - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
        else:
            self._late()

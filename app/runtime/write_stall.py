"""The end of peers that take nothing of what they are sent.

`transport.close()` waits until everything is flushed, which never happens while the peer does not read. The size of the
transport's buffer alone misjudges slow readers: the kernel wakes a writer in steps of megabytes, so a healthy reader of
160 KB/s looks stalled for 20 s. What the kernel holds unacknowledged (Linux: `TIOCOUTQ`) shrinks with every segment.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress

KNOWS_KERNEL_QUEUE = sys.platform == "linux"
CHECKS = 4  # in a timeout, so that a stall is found at most a quarter late
LEAST_BLIND_TIMEOUT = 30.0  # where the kernel's queue is unknown: a step of the kernel may take so long

TCPI_BYTES_ACKED = slice(120, 128)  # in Linux's struct tcp_info, since 4.1

if sys.platform == "linux":  # pragma: no branch
    import fcntl
    import termios
    from socket import IPPROTO_TCP, TCP_INFO


def unacknowledged(transport: asyncio.Transport) -> int:
    """Count the bytes written that the peer has not acknowledged; without the kernel's share where that is hidden."""
    count = transport.get_write_buffer_size()
    socket = transport.get_extra_info("socket")
    if sys.platform == "linux" and socket is not None:
        with suppress(OSError, ValueError):  # closed meanwhile, or no TCP socket
            queued = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
            count += int.from_bytes(queued, sys.byteorder)
    return count


def acknowledged(transport: asyncio.Transport) -> int:
    """Count the bytes that the peer has acknowledged, from an arbitrary beginning: only differences mean anything."""
    socket = transport.get_extra_info("socket")
    if sys.platform == "linux" and socket is not None:
        with suppress(OSError, ValueError):
            info = socket.getsockopt(IPPROTO_TCP, TCP_INFO, TCPI_BYTES_ACKED.stop)
            return int.from_bytes(info[TCPI_BYTES_ACKED], sys.byteorder)
    return -transport.get_write_buffer_size()


class WriteStall:
    """Watches one transport from now on and aborts it when the peer acknowledges nothing for `timeout` seconds.

    Only a count that falls below the least seen so far is progress: the server's own pings make it grow a little, and
    must not keep a stalled peer alive.
    """

    __slots__ = ("_least", "_loop", "_pending", "_since", "_timeout", "_timer", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        timeout: float,
        *,
        pending: Callable[[asyncio.Transport], int] = unacknowledged,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._timeout = timeout if KNOWS_KERNEL_QUEUE else max(timeout, LEAST_BLIND_TIMEOUT)
        self._pending = pending
        self._least = pending(transport)
        self._since = loop.time()
        self._timer = loop.call_later(self._timeout / CHECKS, self._check)

    def cancel(self) -> None:
        """Stop watching."""
        self._timer.cancel()

    def _check(self) -> None:
        pending = self._pending(self._transport)
        if pending < self._least or pending == 0:
            self._since = self._loop.time()
        self._least = min(pending, self._least)
        if self._loop.time() - self._since >= self._timeout:
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(self._timeout / CHECKS, self._check)


class WatchedWrites:
    """The part of a protocol that watches its transport while the peer owes it acknowledgements."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    stall_timeout: float
    _stall: WriteStall | None = None

    def watch_writes(self) -> None:
        """Begin to watch, unless it is watched already."""
        if self._stall is None:
            self._stall = WriteStall(self.transport, self.loop, self.stall_timeout)

    def watch_unsent(self) -> None:
        """Begin to watch if the transport holds bytes, for which `close` would wait without end."""
        if self.transport.get_write_buffer_size() > 0:
            self.watch_writes()

    def unwatch_writes(self) -> None:
        """Stop watching."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

"""The HTTP and WebSocket server: uvicorn, held to limits and drained before it closes.

Faults of stock uvicorn 0.54 are mended, each in the file named: one message size for all routes, connections that are
killed while busy or uploading, peers that never read and are never freed (`guarded_websocket`, `write_stall`), request
heads that never end (`guarded_http`). One is mended here: a signal would close busy connections at once.

How the server ends:

1. A signal, or `stop`, ends the main loop. The listening sockets stay open, so that `/ready` can say 503 while
   `/health` still says 200.
2. `drain` runs, for at most `graceful_timeout` seconds.
3. No new connections. WebSockets that are left get 1012; HTTP responses may end in what is left of `graceful_timeout`,
   at least `CLOSING_SECONDS`.
4. What still runs is cancelled, what is still connected is cut.
5. uvicorn's own shutdown finds nothing left to wait for and ends the lifespan.

A second signal goes to 4 at once, and skips the end of the lifespan.
"""

import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_network
from types import FrameType

import anyio
import uvicorn
from starlette.types import ASGIApp

from app.runtime.guarded_http import GuardedHttp
from app.runtime.guarded_websocket import EXTENSION, GuardedWebSocket
from app.runtime.guards import GuardedConfig, Guards, LimitsFor, SocketLimits

__all__ = ["EXTENSION", "Drain", "LimitsFor", "Server", "SocketLimits", "make_config"]

logger = logging.getLogger(__name__)

Drain = Callable[[], Awaitable[None]]
"""Refuses new work, closes idle WebSockets with 1012 and returns when the busy ones have ended.

It is cancelled when it takes too long, and must not raise.
"""

TICK_SECONDS = 0.1  # uvicorn's own: how late a signal may be seen
TICKS_PER_DAY = 864_000
CLOSING_SECONDS = 5.0
CUT_SECONDS = 1.0  # for cancelled tasks to end


def make_config(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    limits_for: LimitsFor,
    ping_interval: float = 20.0,
    ping_timeout: float = 20.0,
    stall_timeout: float = 20.0,
    head_timeout: float = 10.0,
    keep_alive_timeout: int = 5,
    graceful_timeout: float = 30.0,
    limit_concurrency: int | None = None,
    forwarded_allow_ips: Sequence[str] = (),
) -> GuardedConfig:
    """Configure a server for `app`; times are seconds.

    Args:
        app: served over HTTP and WebSocket; its lifespan runs.
        host: address to listen on.
        port: 0 takes a free one.
        limits_for: from a WebSocket's path to its limits.
        ping_interval: from one ping to the next on a WebSocket.
        ping_timeout: for a sign of life after a ping.
        stall_timeout: for a peer to acknowledge something of what it was sent.
        head_timeout: for a request to be told.
        keep_alive_timeout: for the next request on a connection.
        graceful_timeout: for `drain`.
        limit_concurrency: connections beyond which HTTP requests are answered 503; None for no limit.
        forwarded_allow_ips: addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.

    Raises:
        ValueError: a proxy that is no address, or one that stands for everybody.
    """
    return GuardedConfig(
        app,
        guards=Guards(limits_for=limits_for, stall_timeout=stall_timeout, head_timeout=head_timeout),
        host=host,
        port=port,
        loop="auto",  # uvloop where it is installed, which is everywhere but on Windows
        http=GuardedHttp,
        ws=GuardedWebSocket,
        ws_per_message_deflate=False,  # 27 to 56 times the CPU time on audio, measured
        ws_ping_interval=ping_interval,
        ws_ping_timeout=ping_timeout,
        timeout_keep_alive=keep_alive_timeout,
        timeout_graceful_shutdown=graceful_timeout,
        limit_concurrency=limit_concurrency,
        proxy_headers=bool(forwarded_allow_ips),
        forwarded_allow_ips=_checked_proxies(forwarded_allow_ips),
        server_header=False,
        access_log=False,  # its lines have the query, where credentials travel
        log_config=None,
        workers=1,
    )


def _checked_proxies(proxies: Sequence[str]) -> list[str]:
    """Return the proxies, none of which lets a client choose its own address.

    Raises:
        ValueError: see `make_config`; "*" is no address either.
    """
    for proxy in proxies:
        if ip_network(proxy, strict=False).prefixlen == 0:
            raise ValueError(f"forwarded_allow_ips: '{proxy}' trusts everybody")
    return list(proxies)


class Server(uvicorn.Server):
    """One server; `serve` runs it until a signal, or `stop`."""

    def __init__(self, config: GuardedConfig, *, drain: Drain | None = None) -> None:
        super().__init__(config)
        self.serving = anyio.Event()
        """Set when the application has started and the sockets are open."""
        self._guards = config.guards
        self._drain = drain
        self._stopping = anyio.Event()

    def stop(self) -> None:
        """Begin the shutdown; from the server's own event loop."""
        self.should_exit = True
        self._stopping.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and listen.

        Raises:
            SystemExit: the application did not start, or the address is taken.
        """
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                _limit_unacknowledged(listener, self._guards.stall_timeout)
        self.serving.set()

    async def main_loop(self) -> None:
        """Tick until the server is to end."""
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % TICKS_PER_DAY
            with anyio.move_on_after(TICK_SECONDS):
                await self._stopping.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown, or force it if it has begun."""
        self.force_exit = self.force_exit or self.should_exit
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as this file's head describes."""
        began = anyio.current_time()
        timeout = self.config.timeout_graceful_shutdown or 0.0
        try:
            if self._drain is not None:
                await self._run_drain(self._drain, timeout)
        finally:
            left = timeout - (anyio.current_time() - began)
            await self._close_connections(max(left, CLOSING_SECONDS))
            await super().shutdown(sockets)

    async def _run_drain(self, drain: Drain, timeout: float) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick_until_forced, tasks.cancel_scope)
            with anyio.move_on_after(timeout) as deadline:
                await drain()
            if deadline.cancelled_caught:
                logger.warning("not drained within %g s", timeout)
            tasks.cancel_scope.cancel()

    async def _tick_until_forced(self, scope: anyio.CancelScope) -> None:
        counter = 0
        while not self.force_exit:
            await self.on_tick(counter)  # which keeps the date in the responses true
            counter += 1
            await anyio.sleep(TICK_SECONDS)
        scope.cancel()

    async def _close_connections(self, timeout: float) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with anyio.move_on_after(timeout):
            await self._wait_for_end(forced=lambda: self.force_exit)
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        with anyio.move_on_after(CUT_SECONDS):
            await self._wait_for_end(forced=lambda: False)

    async def _wait_for_end(self, *, forced: Callable[[], bool]) -> None:
        state = self.server_state
        while (state.connections or state.tasks) and not forced():  # noqa: ASYNC110 uvicorn's sets tell nobody
            await anyio.sleep(TICK_SECONDS / 4)


def _limit_unacknowledged(listener: socket.socket, timeout: float) -> None:
    """Let the kernel end connections whose peer acknowledges nothing; accepted sockets inherit it. Linux, tcp(7)."""
    if sys.platform == "linux":  # pragma: no branch
        with suppress(OSError):  # a Unix socket has no such option
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000))

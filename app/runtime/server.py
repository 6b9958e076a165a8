"""The HTTP and WebSocket server: uvicorn, held to limits and drained before it closes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from socket import socket

import anyio
import uvicorn
from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What one WebSocket route takes from a client."""

    max_message_bytes: int
    """Payload of one message, its fragments summed."""
    message_deadline: float
    """Seconds from a message's first byte to its last."""


LimitsFor = Callable[[str], SocketLimits]
"""From a WebSocket's decoded path to its limits."""

Drain = Callable[[], Awaitable[None]]
"""Closes what is idle, refuses what is new and waits for what is busy."""


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
    graceful_timeout: float = 30.0,
    forwarded_allow_ips: Sequence[str] = (),
) -> uvicorn.Config:
    """Settings of a server for `app`."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        ws="websockets-sansio",
        http="httptools",
        ws_per_message_deflate=False,
        ws_ping_interval=ping_interval,
        ws_ping_timeout=ping_timeout,
        timeout_graceful_shutdown=int(graceful_timeout),
        proxy_headers=bool(forwarded_allow_ips),
        forwarded_allow_ips=list(forwarded_allow_ips),
        server_header=False,
        access_log=False,
        log_config=None,
        workers=1,
    )


class Server(uvicorn.Server):
    """A uvicorn server that says when it serves."""

    def __init__(self, config: uvicorn.Config, *, drain: Drain | None = None) -> None:
        super().__init__(config)
        self.serving = anyio.Event()
        self._drain = drain

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start listening and say so."""
        await super().startup(sockets)
        self.serving.set()

"""A real server on a free port of this machine, inside the running event loop."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.types import ASGIApp

from app.runtime.server import Drain, Server, SocketLimits, make_config

GENEROUS = SocketLimits(max_message_bytes=1_048_576, message_deadline=30.0)


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A server that serves, and where."""

    server: Server
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def emptied(self) -> None:
        """Wait until no connection and no request is left.

        Raises:
            TimeoutError: something leaks.
        """
        state = self.server.server_state
        with anyio.fail_after(10):
            while state.connections or state.tasks:  # noqa: ASYNC110 uvicorn's sets tell nobody
                await anyio.sleep(0.01)


@asynccontextmanager
async def live_server(app: ASGIApp, *, drain: Drain | None = None, **limits: Any) -> AsyncIterator[LiveServer]:
    """Serve `app` on a free port of 127.0.0.1; leaving the block shuts the server down.

    Args:
        app: any ASGI application; its lifespan runs.
        drain: what the server awaits before it closes connections.
        limits: keywords of `make_config`; without `limits_for` every WebSocket path takes 1 MiB messages.

    Raises:
        RuntimeError: the application did not start.
    """
    limits.setdefault("limits_for", lambda path: GENEROUS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(make_config(app, host="127.0.0.1", port=0, **limits), drain=drain)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_serve, server, listener)
            await server.serving.wait()
            try:
                yield LiveServer(server, listener.getsockname()[1])
            finally:
                server.stop()


async def _serve(server: Server, listener: socket.socket) -> None:
    try:
        await server.serve(sockets=[listener])
    except SystemExit as exit:
        raise RuntimeError("the application did not start") from exit

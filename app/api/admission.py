"""What every WebSocket door does first: admit the connection, or refuse it in the handshake."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

from fastapi import WebSocket
from starlette.responses import JSONResponse

from app.errors import Draining, Overloaded, Unavailable
from app.runtime.connections import Connection, Gate
from app.runtime.server import EXTENSION


@asynccontextmanager
async def admitted(socket: WebSocket, gate: Gate) -> AsyncIterator[Connection | None]:
    """Accept a socket that the gate admits, while the block runs; or refuse it (429, 503) and give None."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(gate.admit(socket.client.host if socket.client else ""))
        except (Overloaded, Draining) as error:
            await _refuse(socket, error)
            yield None
            return
        await socket.accept()
        yield connection


def abort_of(socket: WebSocket) -> Callable[[], None] | None:
    """Return what cuts this connection without a close frame, None under a server that has no such thing."""
    abort: Callable[[], None] | None = socket.scope.get("extensions", {}).get(EXTENSION, {}).get("abort")
    return abort


async def _refuse(socket: WebSocket, error: Unavailable) -> None:
    headers = {}
    if isinstance(error, Overloaded) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    status = 429 if isinstance(error, Overloaded) else 503
    await socket.send_denial_response(JSONResponse({"detail": str(error)}, status_code=status, headers=headers))

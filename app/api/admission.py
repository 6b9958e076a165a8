"""What every WebSocket door does first: admit the connection, or refuse it in the handshake."""

import math
from collections.abc import Callable

from fastapi import WebSocket
from starlette.responses import JSONResponse

from app.errors import Draining, Overloaded, Unavailable
from app.runtime.connections import Connection, Gate
from app.runtime.server import EXTENSION
from app.runtime.session import Divert, DivertText, SendNow


async def admit(socket: WebSocket, gate: Gate, *, key: str | None = None) -> Connection | None:
    """Let a socket in that the gate admits, or refuse it in the handshake (429, 503) and return None.

    The connection counts until its `with` block ends; the socket is accepted inside it. It counts under `key`, such as
    an account, and without one under its address.
    """
    if key is None:
        key = socket.client.host if socket.client else ""
    try:
        return gate.admit(key)
    except (Overloaded, Draining) as error:
        await _refuse(socket, error)
        return None


def abort_of(socket: WebSocket) -> Callable[[], None] | None:
    """Return what cuts this connection without a close frame, None under a server that has no such thing."""
    abort: Callable[[], None] | None = socket.scope.get("extensions", {}).get(EXTENSION, {}).get("abort")
    return abort


def divert_of(socket: WebSocket) -> Divert | None:
    """Return what gives binary messages to a function as soon as they are read, None under another server."""
    divert: Divert | None = socket.scope.get("extensions", {}).get(EXTENSION, {}).get("divert")
    return divert


def divert_text_of(socket: WebSocket) -> DivertText | None:
    """Return what offers text to a function as soon as it is read, None under another server."""
    divert_text: DivertText | None = socket.scope.get("extensions", {}).get(EXTENSION, {}).get("divert_text")
    return divert_text


def send_now_of(socket: WebSocket) -> SendNow | None:
    """Return what sends a message without a wait, or tells that it cannot, None under another server."""
    send_now: SendNow | None = socket.scope.get("extensions", {}).get(EXTENSION, {}).get("send_now")
    return send_now


def take_text_as_bytes(socket: WebSocket) -> None:
    """Have text of megabytes come as the bytes that it was sent in, where the server can do that."""
    take: Callable[[], None] | None = socket.scope.get("extensions", {}).get(EXTENSION, {}).get("take_text_as_bytes")
    if take is not None:
        take()


async def _refuse(socket: WebSocket, error: Unavailable) -> None:
    headers = {}
    if isinstance(error, Overloaded) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    status = 429 if isinstance(error, Overloaded) else 503
    await socket.send_denial_response(JSONResponse({"detail": str(error)}, status_code=status, headers=headers))

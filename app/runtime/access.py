"""An id for each request and each WebSocket, and one log line when it ends."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.runtime.logs import belonging_to

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log = logging.getLogger("app.access")


class AccessMiddleware:
    """Gives each request and each WebSocket its id, and logs its line.

    A sane `X-Request-ID` of the caller (letters, digits, `.`, `_`, `-`; at most 64) is kept, and HTTP answers
    carry the id back. The id is also in `scope["state"]["request_id"]`. A line tells method, path without query,
    status or close code, duration and client.

    Args:
        app: what stands behind.
        new_id: makes an id.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, and log how it ended, also when it is cancelled or fails."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = self._identify(scope)
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
                message = {**message, "headers": [*headers, (b"x-request-id", request_id.encode())]}
            await send(message)

        started = self._clock()
        with belonging_to(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                self._log("request", scope, started, method=scope["method"], status=status)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection_id = self._identify(scope)
        status: int | None = None
        code: int | None = None

        async def note_receive() -> Message:
            nonlocal code
            message = await receive()
            if message["type"] == "websocket.disconnect" and code is None:
                code = message.get("code", 1005)
            return message

        async def note_send(message: Message) -> None:
            nonlocal code, status
            match message["type"]:
                case "websocket.accept":
                    status = 101
                case "websocket.http.response.start":
                    status = message["status"]
                case "websocket.close" if status is None:
                    status = 403
                case "websocket.close" if code is None:
                    code = message.get("code", 1000)
            await send(message)

        started = self._clock()
        with belonging_to(connection_id=connection_id):
            try:
                await self._app(scope, note_receive, note_send)
            finally:
                self._log("websocket", scope, started, status=status, code=code)

    def _identify(self, scope: Scope) -> str:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        own = given if _SANE_ID.fullmatch(given) else self._new_id()
        scope.setdefault("state", {})["request_id"] = own
        return own

    def _log(self, what: str, scope: Scope, started: float, **fields: object) -> None:
        duration_ms = round((self._clock() - started) * 1000, 3)
        client = scope["client"][0] if scope.get("client") else None
        told = {"path": scope["path"], **fields, "duration_ms": duration_ms, "client": client}
        _log.info(what, extra={"fields": told})

"""A bound on the bodies of requests: a pure ASGI middleware.

A body that announces itself as too large is refused before a byte of it is asked for; one that comes in chunks, when
it has grown too large. The routes behind never hold more than the bound.
"""

import math
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLarge
from app.runtime.refusal import Describe, plainly, refuse, route_path


class BodyLimit:
    """Answers 413 to a request with more than `max_bytes`.

    Args:
        app: what stands behind.
        max_bytes: of one body.
        others: bounds of the paths that have others, as the router sees them; 0 for none.
        describe: what the answer says.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        others: Mapping[str, int] = MappingProxyType({}),
        describe: Describe = plainly,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._others = {path: most or math.inf for path, most in others.items()}
        self._describe = describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._others.get(route_path(scope), self._max_bytes)
        if _announced_bytes(scope) > most:
            await self._refuse(scope, receive, send, most)
            return
        meter = _Meter(receive, send, most)
        try:
            await self._app(scope, meter.receive, meter.send)
        except _Exceeded:
            if meter.has_answered:
                raise
        if meter.is_unanswered:
            await self._refuse(scope, receive, send, most)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, most: float) -> None:
        error = BodyTooLarge(f"the body is larger than {most} bytes", limit=int(most))
        content = self._describe(route_path(scope), error)
        await refuse(scope, receive, send, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, content=content)


class _Exceeded(HTTPException):
    """Ends the reading of a body; frameworks hand an `HTTPException` on and wrap others."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class _Meter:
    """Counts a body, and holds back what is answered after it was too large: that is not for the routes to say."""

    def __init__(self, receive: Receive, send: Send, max_bytes: float) -> None:
        self._receive = receive
        self._send = send
        self._left = max_bytes
        self.has_answered = False

    @property
    def is_unanswered(self) -> bool:
        """Whether the body was too large and nobody said so."""
        return self._left < 0 and not self.has_answered

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _Exceeded
        return message

    async def send(self, message: Message) -> None:
        if not self.is_unanswered:
            self.has_answered = True
            await self._send(message)


def _announced_bytes(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0

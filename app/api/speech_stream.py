"""A response whose body is spoken while it is read: shared by every door that streams speech over HTTP."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import ChorusError
from app.runtime.outbox import Outbox
from app.tts.speech import SpeechRequest
from app.tts.synthesizer import Synthesizer

logger = logging.getLogger(__name__)

WAITING_MESSAGES, WAITING_BYTES = 64, 512 * 1024  # what may be unread before the next piece is spoken


@dataclass(frozen=True, slots=True)
class Wrapping:
    """How the bytes of an audio file lie in a body that is more than this file, such as an event stream."""

    wrap: Callable[[bytes], bytes]
    """Makes a part of the body of some bytes of the file."""
    end: bytes
    """Follows the last part."""
    fail: Callable[[ChorusError], bytes]
    """Stands in place of `end` where the speech failed half-way."""


class SpeechStream(Response):
    """Speaks into the response body. A client that leaves ends the speech; one that reads slowly holds nobody's turn.

    What fails before the first byte is answered as an error. What fails later is told by the wrapping; without one it
    cuts the connection before the end of the body, so that nobody takes half a speech for a whole one.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        request: SpeechRequest,
        *,
        client: str,
        failure: Callable[[ChorusError], Response],
        media_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        wrapping: Wrapping | None = None,
    ) -> None:
        """Prepare; nothing is spoken before the response is called.

        Args:
            synthesizer: speaks.
            request: what is spoken, in which form.
            client: whose turn in the line it takes.
            failure: the door's answer to an error.
            media_type: of the body; None: that of the audio format.
            headers: beside those that every stream has.
            wrapping: None: the body is the file.
        """
        super().__init__(
            media_type=media_type or request.format.content_type,
            headers={"Cache-Control": "no-store", **(headers or {})},
        )
        del self.headers["content-length"]
        self._synthesizer = synthesizer
        self._request = request
        self._client = client
        self._failure = failure
        self._wrapping = wrapping
        self._outbox = Outbox(max_messages=WAITING_MESSAGES, max_size=WAITING_BYTES)
        self._ended = False
        self._error: ChorusError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak and send, side by side."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._speak)
            group.start_soon(cancel_at_disconnect, receive, group.cancel_scope)
            first = await self._next()
            if first is None and self._error is not None:
                await self._failure(self._error)(scope, receive, send)
            else:
                await self._send(first, send)
            group.cancel_scope.cancel()

    async def _speak(self) -> None:
        try:
            await self._synthesizer.stream(self._request, client=self._client, emit=self._emit, room=self._outbox.room)
        except ChorusError as error:
            self._error = error
        finally:
            self._ended = True
            self._outbox.wake()

    def _emit(self, data: bytes) -> None:
        if data:
            self._outbox.post(self._wrapping.wrap(data) if self._wrapping else data)

    async def _next(self) -> bytes | None:
        """Return the next bytes, None at the end."""
        while True:
            data = self._outbox.take()
            if isinstance(data, bytes):
                return data
            if self._ended:
                return None
            await self._outbox.wait(None)

    async def _send(self, first: bytes | None, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        data = first
        while data is not None:
            await send({"type": "http.response.body", "body": data, "more_body": True})
            data = await self._next()
        if self._error is not None:
            logger.warning("a speech stream failed half-way: %s", self._error)
        if self._error is None or self._wrapping is not None:
            await send({"type": "http.response.body", "body": self._ending(), "more_body": False})

    def _ending(self) -> bytes:
        if self._wrapping is None:
            return b""
        return self._wrapping.end if self._error is None else self._wrapping.fail(self._error)


async def cancel_at_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel a scope when the client goes. Whatever else it sends is left out, so nobody may be reading a body."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()

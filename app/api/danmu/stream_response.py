"""The response of `GET /tts/stream`: audio that arrives while it is made."""

import logging

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.danmu.failure import failure
from app.errors import ChorusError
from app.runtime.outbox import Outbox
from app.tts.speech import SpeechRequest
from app.tts.synthesizer import Synthesizer

logger = logging.getLogger(__name__)

WAITING_MESSAGES, WAITING_BYTES = 64, 512 * 1024  # what may be unread before the next piece is spoken


class SpeechStream(Response):
    """Speaks into the response body. A client that leaves ends the speech; one that reads slowly holds nobody's turn.

    What fails before the first byte is answered as an error; what fails later cuts the connection before the end of the
    body, so that nobody takes half a speech for a whole one.
    """

    def __init__(self, synthesizer: Synthesizer, request: SpeechRequest, *, client: str) -> None:
        """Prepare; nothing is spoken before the response is called."""
        super().__init__(
            media_type=request.format.content_type,
            headers={
                "Content-Disposition": f"attachment; filename=tts_audio.{request.format.value}",
                "Cache-Control": "no-store",
            },
        )
        del self.headers["content-length"]
        self._synthesizer = synthesizer
        self._request = request
        self._client = client
        self._outbox = Outbox(max_messages=WAITING_MESSAGES, max_size=WAITING_BYTES)
        self._ended = False
        self._error: ChorusError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak and send, side by side."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._speak)
            group.start_soon(_cancel_at_disconnect, receive, group.cancel_scope)
            first = await self._next()
            if first is None and self._error is not None:
                await failure(self._error)(scope, receive, send)
            else:
                await self._send(first or b"", send)
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
            self._outbox.post(data)

    async def _next(self) -> bytes | None:
        """Return the next bytes, None at the end."""
        while True:
            data = self._outbox.take()
            if isinstance(data, bytes):
                return data
            if self._ended:
                return None
            await self._outbox.wait(None)

    async def _send(self, first: bytes, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        data: bytes | None = first
        while data is not None:
            await send({"type": "http.response.body", "body": data, "more_body": True})
            data = await self._next()
        if self._error is None:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            logger.warning("cutting a speech stream that failed half-way: %s", self._error)


async def _cancel_at_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()

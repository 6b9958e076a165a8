"""The response that sends a wav while it is made."""

import logging

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.speech_stream import cancel_at_disconnect
from app.audio.format import Format
from app.errors import ChorusError
from app.takes.recording import Recording

logger = logging.getLogger(__name__)

READ_BYTES = 64 * 1024


class GrowingAudio(Response):
    """Sends what there is of a recording, then what comes, to its end; its length is not known before.

    A recording that is never finished cuts the connection before the end of the body, so that nobody takes half a take
    for a whole one. Of a client that reads slowly, or leaves, nothing is held but one read.
    """

    def __init__(self, recording: Recording) -> None:
        """Prepare; nothing is read before the response is called."""
        super().__init__(media_type=Format.WAV.content_type, headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._recording = recording

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, until the end or until the client goes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body"})
            return
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_at_disconnect, receive, group.cancel_scope)
            await self._send(send)
            group.cancel_scope.cancel()

    async def _send(self, send: Send) -> None:
        offset = 0
        try:
            while data := await self._recording.read(offset, READ_BYTES):
                await send({"type": "http.response.body", "body": data, "more_body": True})
                offset += len(data)
        except ChorusError as error:
            logger.warning("the audio of a take ended before its end: %s", error)
            return
        await send({"type": "http.response.body"})

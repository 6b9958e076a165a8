"""A response whose body is drawn while it is read."""

import json
import logging
from collections.abc import Hashable
from contextlib import aclosing

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.lipsync.failure import failure
from app.api.speech_stream import cancel_at_disconnect
from app.errors import ChorusError
from app.lipsync.atelier import Atelier, Sitting
from app.lipsync.clip import Opening, Portrayal
from app.lipsync.commission import Commission

logger = logging.getLogger(__name__)

MP4 = "video/mp4"


class VideoStream(Response):
    """Draws into the response body, as fragmented MP4. Who leaves ends the drawing; who reads slowly makes it wait.

    What fails before the first byte is answered as an error. What fails later cuts the connection before the end of the
    body, so that nobody takes half a video for a whole one.
    """

    def __init__(self, atelier: Atelier, commission: Commission, *, client: Hashable) -> None:
        """Prepare; nothing is drawn before the response is called."""
        super().__init__(media_type=MP4)
        self._atelier = atelier
        self._commission = commission
        self._client = client
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Draw and send."""
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_at_disconnect, receive, group.cancel_scope)
            try:
                await self._draw(send)
            except ChorusError as error:
                if not self._has_begun:
                    await failure(error)(scope, receive, send)
                else:
                    logger.warning("a video stream failed half-way: %s", error)
            group.cancel_scope.cancel()

    async def _draw(self, send: Send) -> None:
        async with (
            self._atelier.sitting(self._commission, client=self._client) as sitting,
            aclosing(sitting.stream()) as parts,
        ):
            async for part in parts:
                if isinstance(part, Opening):
                    await self._begin(part, sitting, send)
                else:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self, opening: Opening, sitting: Sitting, send: Send) -> None:
        self._has_begun = True
        described = headers_of(opening, sitting) | {"X-Codecs": opening.codecs, "Cache-Control": "no-store"}
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in described.items()]
        headers.append((b"content-type", MP4.encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def headers_of(made: Opening | Portrayal, sitting: Sitting) -> dict[str, str]:
    """Return what stands beside a file of video."""
    headers = {"X-Model-Used": made.model_used, "X-Requested-Model": made.requested_model}
    if made.fallback_reason is not None:
        headers["X-Fallback-Reason"] = json.dumps(made.fallback_reason)
    if sitting.image_id is not None:
        headers["X-Image-Id"] = sitting.image_id
    return headers

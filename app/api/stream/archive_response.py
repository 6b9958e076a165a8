"""The response that sends a catalogue while it is read."""

import logging
from contextlib import aclosing
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import Unavailable
from app.fingerprint.archive import MEDIA_TYPE
from app.fingerprint.store import Store
from app.fingerprint.transfer import export

logger = logging.getLogger(__name__)

FILE_NAME: Final = "chorus-catalogue.tar"


class ArchiveResponse(Response):
    """Sends all tracks; its length is not known before.

    A store that stops answering cuts the connection before the end of the body, so that nobody takes half a catalogue
    for a whole one. Of a client that reads slowly nothing is held but one track.
    """

    def __init__(self, store: Store) -> None:
        """Prepare; nothing is read before the response is called."""
        disposition = {"Content-Disposition": f'attachment; filename="{FILE_NAME}"', "Cache-Control": "no-store"}
        super().__init__(media_type=MEDIA_TYPE, headers=disposition)
        del self.headers["content-length"]
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, until the end or until the client goes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async with aclosing(export(self._store)) as pieces:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except Unavailable as error:
            logger.warning("an export broke off: %s", error)
            return
        await send({"type": "http.response.body"})

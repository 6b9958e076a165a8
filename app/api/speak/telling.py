"""How one request of the WebSocket is answered: its status changes, its parts, its end."""

from collections.abc import Awaitable, Callable

from app.api.speak import framing, messages
from app.api.speak.framing import Mode, RequestId
from app.takes.part import Part
from app.takes.take import Take
from app.takes.voice import Voice

Send = Callable[[str | bytes], Awaitable[None]]
"""Sends one message, waiting while the peer is slow."""


class Telling:
    """Tells the client of one request everything in order: what the studio calls a listener.

    The audio ends before the last status is told, as clients expect, and exactly once, however the request ends.
    """

    def __init__(self, request_id: RequestId, mode: Mode, send: Send) -> None:
        """Prepare it for one request."""
        self._request_id = request_id
        self._mode = mode
        self._send = send
        self._take_id: str | None = None
        self._parts = 0
        self._has_ended = False

    async def told(self, item: Take | Voice) -> None:
        """Send a status; waits while the peer is slow."""
        self._take_id = item.id if isinstance(item, Take) else item.example_take_id
        if item.status.is_done:
            for message in self._end():
                await self._send(message)
        await self._send(messages.encode_status(self._request_id, item))

    async def heard(self, part: Part) -> None:
        """Send a part; waits while the peer is slow, so that nothing more is made for it."""
        for frame in framing.frames(part, mode=self._mode, request_id=self._request_id, take_id=self._take_id):
            await self._send(frame)
        self._parts = part.index + 1

    def failure(self, error: Exception) -> list[str | bytes]:
        """Return what is sent where an error ends the request."""
        return [messages.encode_failure(self._request_id, error), *self._end()]

    def _end(self) -> list[bytes]:
        if self._has_ended:
            return []
        self._has_ended = True
        return [framing.end(mode=self._mode, request_id=self._request_id, take_id=self._take_id, parts=self._parts)]


def refusal(message: messages.Undecodable, error: Exception) -> list[str | bytes]:
    """Return what is sent to a message that is none; where it names no request, there is no audio to end."""
    told = messages.encode_failure(message.request_id, error)
    if message.request_id is None:
        return [told]
    return [told, framing.end(mode=message.mode, request_id=message.request_id, take_id=None, parts=0)]

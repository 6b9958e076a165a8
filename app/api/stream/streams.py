"""Who streams under which client id.

Rules of this file:

1. The newest connection of a client id has it: a client that comes back after its network broke does not wait until the
   server has noticed that.
2. What somebody streams who has said who he is, only he himself can replace: client ids are no secrets.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from app.api.stream.conversation import Conversation
from app.api.stream.messages import REPLACED
from app.errors import Denied, NotFound

LEAVE_SECONDS = 1.0  # for the old connection to send its last word, before the new one is counted


@dataclass(eq=False, slots=True)
class Stream:
    """A stream that is connected."""

    client_id: str
    owner: str | None
    """Whose it is; None for anybody's."""
    conversation: Conversation
    left: anyio.Event = field(default_factory=anyio.Event)


class Streams:
    """All of them, by client id. Belongs to one event loop."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}

    def __iter__(self) -> Iterator[Stream]:
        """Oldest first."""
        return iter(list(self._streams.values()))

    def find(self, client_id: str) -> Stream:
        """Return a stream.

        Raises:
            NotFound: nobody streams under this id.
        """
        stream = self._streams.get(client_id)
        if stream is None:
            raise NotFound(f"Stream {client_id} not found")
        return stream

    async def make_room(self, client_id: str, owner: str | None) -> None:
        """Send away who has the id, and wait a moment until he has gone. Cancelling is safe.

        Raises:
            Denied: it is somebody else's.
        """
        old = self._streams.get(client_id)
        if old is None:
            return
        if old.owner is not None and old.owner != owner:
            raise Denied(f"stream '{client_id}' belongs to somebody else")
        old.conversation.end(REPLACED, "replaced")
        with anyio.move_on_after(LEAVE_SECONDS):
            await old.left.wait()

    @contextmanager
    def enter(self, client_id: str, owner: str | None, conversation: Conversation) -> Iterator[Stream]:
        """Have the id while the block lasts, or until a newer connection has it."""
        if (old := self._streams.pop(client_id, None)) is not None:
            old.conversation.end(REPLACED, "replaced")
        stream = self._streams[client_id] = Stream(client_id, owner, conversation)
        try:
            yield stream
        finally:
            stream.left.set()
            if self._streams.get(client_id) is stream:
                del self._streams[client_id]

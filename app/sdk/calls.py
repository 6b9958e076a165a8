"""Requests under way over one connection, matched to their replies by id."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from app.sdk.errors import BrokenReply, ClientError, ConnectionLost, NotConnected, RequestFailed

logger = logging.getLogger(__name__)


class Wire(Protocol):
    """The part of a `Connection` that calls use."""

    def post(self, message: str) -> None:
        """Send a message soon."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One message of the server that belongs to a request."""

    type: str
    is_last: bool
    data: Mapping[str, Any]


Failure = Callable[[str, str, Mapping[str, Any]], RequestFailed]
"""Makes the exception of a door from a code, a message and details."""


class Call:
    """One request that waits for replies. What has arrived and is not read is kept, without bound."""

    def __init__(self, id: str, message: str) -> None:
        self.id = id
        self.message = message
        self.is_sent = False
        self.has_begun = False
        self._replies: asyncio.Queue[Reply | ClientError] = asyncio.Queue()

    async def reply(self) -> Reply:
        """Return the next reply. Cancelling is safe: none is lost.

        Raises:
            RequestFailed: the server answered with an error.
            NotConnected: the connection broke, or is gone for good.
        """
        reply = await self._replies.get()
        if isinstance(reply, ClientError):
            raise reply
        return reply

    def take(self, reply: Reply | ClientError) -> None:
        """Keep a reply to be read."""
        self.has_begun = True
        self._replies.put_nowait(reply)


class Calls:
    """All requests under way. A listener of the connection over which they go, which is to be set as `wire`.

    Args:
        failure: makes the exception of an error reply.
        resend: whether a request that waits for its first reply when the connection breaks is sent again over the next
            one, instead of failing.
    """

    def __init__(self, failure: Failure, *, resend: bool = False) -> None:
        self.wire: Wire | None = None
        self._failure = failure
        self._resend = resend
        self._under_way: dict[str, Call] = {}
        self._is_open = False
        self._end: NotConnected | None = NotConnected("the client is not open: use it in a with block")
        self._last_id = 0

    def __len__(self) -> int:
        """Return how many requests have not ended."""
        return len(self._under_way)

    @contextmanager
    def call(self, type: str, data: Mapping[str, Any] | None = None, *, id: str | None = None) -> Iterator[Call]:
        """Send a request; leaving the block before the last reply cancels it on the server.

        Args:
            type: of the message.
            data: its fields; those that are None are left out.
            id: unique among the requests under way; None chooses one.

        Raises:
            NotConnected: the client is closed.
            ValueError: `id` is in use, or a text is no Unicode (it has half a surrogate pair).
        """
        call = self._begin(type, data, id)
        try:
            yield call
        finally:
            if self._under_way.pop(call.id, None) is not None and call.is_sent:
                self._post({"id": self._next_id(), "type": "cancel", "data": {"request_id": call.id}})

    def opened(self) -> None:
        """Send what waits for a connection."""
        self._is_open = True
        self._end = None
        for call in self._under_way.values():
            self._send(call)

    def received(self, message: str | bytes) -> None:
        """Hand a message of the server to the request that it answers; binary ones answer none."""
        if isinstance(message, bytes):
            return
        envelope = _read(message)
        if envelope.get("type") == "heartbeat":
            self._post({"type": "heartbeat_ack", "timestamp": envelope.get("timestamp")})
            return
        id = envelope.get("id")
        call = self._under_way.get(id) if isinstance(id, str) else None
        if call is None:
            # The usual cause is a request that was given up while its answer was on the way.
            logger.debug("no request waits for this message: %.200s", message)
            return
        reply = self._interpret(envelope)
        if not isinstance(reply, Reply) or reply.is_last:
            del self._under_way[call.id]
        call.take(reply)

    def lost(self, error: NotConnected, *, for_good: bool) -> None:
        """Fail what was under way, or all if the connection will not come back."""
        self._is_open = False
        self._end = error if for_good else None
        for call in list(self._under_way.values()):
            if for_good or (call.is_sent and not self._may_resend(call, error)):
                del self._under_way[call.id]
                call.take(error)

    def _may_resend(self, call: Call, error: NotConnected) -> bool:
        blames_us = isinstance(error, ConnectionLost) and error.blames_client
        return self._resend and not call.has_begun and not blames_us

    def _begin(self, type: str, data: Mapping[str, Any] | None, id: str | None) -> Call:
        if self._end is not None:
            raise self._end
        id = self._next_id() if id is None else id
        if id in self._under_way:
            raise ValueError(f"request id '{id}' is in use by a request that has not ended")
        message: dict[str, Any] = {"id": id, "type": type}
        if data is not None:
            message["data"] = {name: value for name, value in data.items() if value is not None}
        text = json.dumps(message, ensure_ascii=False)
        text.encode()  # raises here, at the caller's, what would break the writer: half a surrogate pair
        call = self._under_way[id] = Call(id, text)
        if self._is_open:
            self._send(call)
        return call

    def _send(self, call: Call) -> None:
        assert self.wire is not None
        call.is_sent = True
        self.wire.post(call.message)

    def _post(self, message: Mapping[str, Any]) -> None:
        if self.wire is not None and self._is_open:
            self.wire.post(json.dumps(message))

    def _next_id(self) -> str:
        self._last_id += 1
        return f"sdk-{self._last_id}"

    def _interpret(self, envelope: Mapping[str, Any]) -> Reply | ClientError:
        try:
            if envelope["type"] == "error":
                error = envelope["error"]
                return self._failure(error["code"], error["message"], error.get("details") or {})
            return Reply(envelope["type"], envelope["status"] != "processing", envelope["data"])
        except (KeyError, TypeError, AttributeError) as error:
            return BrokenReply(f"a reply lacks what it should have: {error!r}")


def _read(message: str) -> Mapping[str, Any]:
    try:
        envelope = json.loads(message)
    except ValueError:
        envelope = None
    if not isinstance(envelope, dict):
        logger.warning("the server sent something that is no JSON object: %.200s", message)
        return {}
    return envelope

"""Requests under way over one connection of the speak API, matched to their messages by `request_id`.

Rules of this file:

1. Ids count from 1 and are never used again, not even on the next connection: some clients and servers take 0 for no
   id, and what still comes of a request that was given up must not be taken for another's.
2. What has arrived and is not read yet is bounded in bytes, for all requests together. Above the bound the connection
   is not read, so that the server waits.
3. A message that cannot be read, and an error that names no request, fail all: none could be sure of its own. What
   else names no request under way is passed over.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, Protocol

from app.sdk.errors import BrokenReply, ClientError, NotConnected
from app.sdk.speak_assembly import Assembly, Outcome
from app.sdk.speak_errors import GenerationFailed
from app.sdk.speak_events import ChunkReceived, Ended, Event, Item, PartReceived
from app.sdk.speak_frames import unpack
from app.sdk.speech import Fields

logger = logging.getLogger(__name__)

STATUS_BYTES = 1024  # what a status weighs: about its JSON


class Wire(Protocol):
    """The part of a `Connection` that requests use."""

    def post(self, message: str) -> None:
        """Send a message soon."""


class Buffer:
    """Counts the bytes that wait to be read, and lets one writer wait for room."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def is_full(self) -> bool:
        """Whether `room` waits."""
        return self._size >= self._limit

    def add(self, size: int) -> None:
        """Count what arrived, or with a negative size what was read."""
        self._size += size
        if self.is_full:
            self._has_room.clear()
        else:
            self._has_room.set()

    async def room(self) -> None:
        """Wait until it is not full. Cancelling is safe."""
        await self._has_room.wait()


class Request(Generic[Item]):
    """One request that waits for events."""

    def __init__(self, id: str, message: str, assembly: Assembly[Item], buffer: Buffer) -> None:
        self.id = id
        self.message = message
        self.assembly = assembly
        self.is_sent = False
        self.is_over = False
        """Whether what ends it has arrived."""
        self._buffer = buffer
        self._waiting: deque[Outcome[Item]] = deque()
        self._arrival = asyncio.Event()

    async def event(self) -> Event[Item]:
        """Return the next event. Cancelling is safe: none is lost.

        Raises:
            GenerationFailed: the server could not make it.
            BrokenReply: what the server sent cannot be read.
            NotConnected: the connection broke, or is gone for good.
        """
        while not self._waiting:
            self._arrival.clear()
            await self._arrival.wait()
        outcome = self._waiting.popleft()
        self._buffer.add(-_weight(outcome))
        if isinstance(outcome, ClientError):
            raise outcome
        return outcome

    def take(self, outcomes: Iterable[Outcome[Item]]) -> None:
        """Keep events to be read; one that cannot be made is its end."""
        try:
            for outcome in outcomes:
                self._keep(outcome)
        except BrokenReply as error:
            self._keep(error)

    def discard(self) -> None:
        """Forget what has not been read."""
        self._buffer.add(-sum(map(_weight, self._waiting)))
        self._waiting.clear()

    def _keep(self, outcome: Outcome[Item]) -> None:
        self.is_over = self.is_over or isinstance(outcome, ClientError | Ended)
        self._waiting.append(outcome)
        self._buffer.add(_weight(outcome))
        self._arrival.set()


class Requests:
    """All requests under way. A listener of the connection over which they go, which is to be set as `wire`.

    Args:
        buffer_bytes: the bound of what has arrived and is not read yet.
    """

    def __init__(self, *, buffer_bytes: int) -> None:
        self.wire: Wire | None = None
        self._buffer_bytes = buffer_bytes
        self._buffer = Buffer(buffer_bytes)
        self._under_way: dict[str, Request[Any]] = {}
        self._is_open = False
        self._end: NotConnected | None = NotConnected("the stream is not open: use it in a with block")
        self._last_id = 0

    def __len__(self) -> int:
        """Return how many requests have not ended."""
        return len(self._under_way)

    @contextmanager
    def request(
        self, command: str, data: Fields, read_item: Callable[[Fields], Item], *, is_chunked: bool
    ) -> Iterator[Request[Item]]:
        """Send a request, now or as soon as there is a connection; leaving the block gives it up.

        The server makes what was asked for all the same: the protocol has no way to stop it.

        Args:
            command: `/takes/generate` or `/voices/generate`.
            data: JSON of what is wanted.
            read_item: reads the take or the voice from the answers.
            is_chunked: whether the audio shall come in chunks.

        Raises:
            NotConnected: the stream is closed.
            ValueError: a text is no Unicode (it has half a surrogate pair).
        """
        if self._end is not None:
            raise self._end
        self._last_id += 1
        stream = {"stream": {"mode": "chunks"}} if is_chunked else {}
        envelope = {"command": command, "request_id": self._last_id} | stream | {"data": data}
        message = json.dumps(envelope, ensure_ascii=False)
        message.encode()  # raises here, at the caller's, what would break the writer: half a surrogate pair
        assembly = Assembly(read_item, max_early_bytes=self._buffer_bytes)
        request = Request(str(self._last_id), message, assembly, self._buffer)
        self._under_way[request.id] = request
        try:
            if self._is_open:
                self._send(request)
            yield request
        finally:
            self._under_way.pop(request.id, None)
            request.discard()

    def opened(self) -> None:
        """Send what waits for a connection."""
        self._is_open = True
        self._end = None
        for request in self._under_way.values():
            self._send(request)

    def received(self, message: str | bytes) -> Awaitable[None] | None:
        """Hand a message to its request; returns what is to be awaited before the next one, if they are not read."""
        try:
            if isinstance(message, str):
                self._told(message)
            else:
                self._heard(message)
        except BrokenReply as error:
            logger.warning("%s", error)
            self._fail_all(error)
        return self._buffer.room() if self._buffer.is_full else None

    def lost(self, error: NotConnected, *, for_good: bool) -> None:
        """Fail what was under way, or all if the connection will not come back."""
        self._is_open = False
        self._end = error if for_good else None
        for request in list(self._under_way.values()):
            if for_good or request.is_sent:
                self._pass(request, [error])

    def _told(self, message: str) -> None:
        envelope = _read(message)
        id = envelope.get("request_id")
        if envelope.get("status") == "error":
            self._failed(id, GenerationFailed(str(envelope.get("message") or "the server named no reason")))
        elif "data" in envelope and (request := self._find(id)) is not None:
            self._pass(request, request.assembly.told(envelope["data"]))
        # Else it is a notice of the server about itself, such as `ready`.

    def _heard(self, message: bytes) -> None:
        frame = unpack(message)
        request = self._find(frame.request_id)
        if request is not None:
            self._pass(request, request.assembly.heard(frame))

    def _failed(self, id: object, error: ClientError) -> None:
        if id is None:
            self._fail_all(error)
        elif (request := self._find(id)) is not None:
            self._pass(request, [error])

    def _fail_all(self, error: ClientError) -> None:
        for request in list(self._under_way.values()):
            self._pass(request, [error])

    def _find(self, id: object) -> Request[Any] | None:
        request = self._under_way.get(str(id))
        if request is None:
            # The usual cause is a request that was given up, or that failed before the end of its audio came.
            logger.debug("no request waits for messages of %.50s", id)
        return request

    def _pass(self, request: Request[Any], outcomes: Iterable[Outcome[Any]]) -> None:
        request.take(outcomes)
        if request.is_over:
            del self._under_way[request.id]

    def _send(self, request: Request[Any]) -> None:
        assert self.wire is not None
        request.is_sent = True
        self.wire.post(request.message)


def _weight(outcome: Outcome[Any]) -> int:
    return len(outcome.audio) if isinstance(outcome, PartReceived | ChunkReceived) else STATUS_BYTES


def _read(message: str) -> Mapping[str, Any]:
    try:
        envelope = json.loads(message)
    except ValueError:
        envelope = None
    if not isinstance(envelope, dict):
        raise BrokenReply(f"a text message is no JSON object: {message[:200]}")
    return envelope

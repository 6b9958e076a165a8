"""Puts what arrives of one request into the order in which it happened. Knows no socket and no time.

Rules of this file:

1. Audio is given on in the order of its parts and chunks.
2. A status that is not further than one already told is old, and is dropped.
3. A request ends when both its last audio and the status `ready` are there, whichever comes first.
4. `error` and `timeout` end it at once: a server may or may not send an end of audio after them.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic

from app.sdk.errors import ClientError
from app.sdk.speak_errors import GenerationFailed
from app.sdk.speak_events import ChunkReceived, Ended, Event, Item, PartReceived, StatusChanged
from app.sdk.speak_frames import Frame
from app.sdk.speak_order import Order, Place
from app.sdk.speak_take import Status
from app.sdk.speak_wav import WavHeader, parse_header
from app.sdk.speech import Fields, read

Outcome = Event[Item] | ClientError
"""What a request is told next; an error is the last."""


class Assembly(Generic[Item]):
    """One request's answer.

    Args:
        read_item: reads the take or the voice from its JSON.
        max_early_bytes: of audio that may wait for what belongs before it.
    """

    def __init__(self, read_item: Callable[[Fields], Item], *, max_early_bytes: int) -> None:
        self._read_item = read_item
        self._order = Order(max_bytes=max_early_bytes)
        self._item: Item | None = None
        self._header: WavHeader | None = None

    def told(self, data: Any) -> Iterator[Outcome[Item]]:
        """Take the JSON of a text message.

        Raises:
            BrokenReply: it is none.
        """
        item = read(self._read_item, data)
        if self._item is not None and item.status.rank <= self._item.status.rank:
            return
        self._item = item
        yield StatusChanged(item)
        if item.status in (Status.ERROR, Status.TIMEOUT):
            yield GenerationFailed(item.error or f"it ended in '{item.status}'", item=item)
        elif item.status.is_done:
            yield from self._end()

    def heard(self, frame: Frame) -> Iterator[Outcome[Item]]:
        """Take a binary message.

        Raises:
            BrokenReply: its audio is no WAV, or what belongs before it never came.
        """
        if self._order.is_complete:
            return
        for place, audio in self._order.put(frame.part_id, frame.chunk_id, frame.audio):
            yield self._audio(frame.take_id, place, audio)
        if self._order.is_complete:
            yield from self._end()

    def _end(self) -> Iterator[Ended[Item]]:
        if self._item is not None and self._item.status.is_done and self._order.is_complete:
            yield Ended(self._item)

    def _audio(self, take_id: str, place: Place, audio: bytes) -> PartReceived | ChunkReceived:
        part_id, chunk_id = place
        if not chunk_id:
            self._header = parse_header(audio)
        assert self._header is not None  # a part begins with chunk 0
        if chunk_id is None:
            return PartReceived(take_id, part_id, self._header, audio)
        return ChunkReceived(take_id, part_id, chunk_id, self._header, audio)

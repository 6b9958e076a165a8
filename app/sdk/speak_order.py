"""Parts and chunks in their order, whatever order they arrived in.

Rules of this file:

1. Parts are numbered from 0. Without chunks, the first empty part ends the whole.
2. Chunks are numbered from 0 in each part. An empty chunk ends its part; an empty chunk 0 ends the whole.
3. What comes twice, or after the end, is dropped.
4. What came too early is kept, but not without bound: a gap that is never filled must not eat the memory.
"""

from collections.abc import Iterator

from app.sdk.errors import BrokenReply

Place = tuple[int, int | None]
"""Part and chunk; the chunk is None where whole parts are sent."""


class Order:
    """Restores the order of one request's audio.

    Args:
        max_bytes: that may wait for what belongs before them.
    """

    __slots__ = ("_early", "_early_bytes", "_max_bytes", "_next", "is_complete")

    def __init__(self, *, max_bytes: int) -> None:
        self.is_complete = False
        """Whether the end of the whole has been reached."""
        self._early: dict[Place, bytes] = {}
        self._early_bytes = 0
        self._max_bytes = max_bytes
        self._next: tuple[int, int] = (0, 0)

    def put(self, part_id: int, chunk_id: int | None, audio: bytes) -> Iterator[tuple[Place, bytes]]:
        """Take what arrived, and return what can be given on now: places and their audio, never empty.

        Raises:
            BrokenReply: more than `max_bytes` wait for something that does not come.
        """
        place: Place = (part_id, chunk_id)
        if not self.is_complete and (part_id, chunk_id or 0) >= self._next and place not in self._early:
            self._early[place] = audio
            self._early_bytes += len(audio)
        ready = list(self._in_order(is_chunked=chunk_id is not None))
        if self._early_bytes > self._max_bytes:
            raise BrokenReply(f"part {self._next[0]}, chunk {self._next[1]} is missing, {self._early_bytes} bytes wait")
        return iter(ready)

    def _in_order(self, *, is_chunked: bool) -> Iterator[tuple[Place, bytes]]:
        while not self.is_complete:
            part, chunk = self._next
            place: Place = (part, chunk if is_chunked else None)
            if place not in self._early:
                return
            audio = self._early.pop(place)
            self._early_bytes -= len(audio)
            self._advance(is_chunked=is_chunked, is_empty=not audio)
            if audio:
                yield place, audio

    def _advance(self, *, is_chunked: bool, is_empty: bool) -> None:
        part, chunk = self._next
        if is_empty and chunk == 0:
            self.is_complete = True
            self._early.clear()
            self._early_bytes = 0
        elif is_chunked and not is_empty:
            self._next = (part, chunk + 1)
        else:
            self._next = (part + 1, 0)

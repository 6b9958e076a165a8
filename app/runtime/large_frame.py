"""A WebSocket frame of megabytes, unmasked and put together while it comes.

The parser of `websockets` takes a frame when all of it has come: of 84 MB it then makes three copies in one go, which
stops everybody for 150 ms of a core (measured). Here each portion costs what it costs, and the end nothing.
"""

import io
import struct
from typing import Final

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where there is a compiler

LARGE_BYTES: Final = 1024 * 1024
"""From which on a frame is large; less is copied within a millisecond."""

_TEXT, _BINARY = 0x81, 0x82  # FIN and opcode 1 or 2
_MASKED_AND_EIGHT_BYTES_MORE = 0x80 | 127
_HEADER = struct.Struct("!BBQ4s")  # RFC 6455, 5.2


class LargeFrame:
    """One whole message of text or bytes, in a frame whose header has come."""

    def __init__(self, *, is_text: bool, size: int, mask: bytes) -> None:
        self.is_text = is_text
        self.left = size
        """Bytes that are still to come."""
        self._mask = mask
        self._payload = io.BytesIO()

    def push(self, data: bytes) -> bytes:
        """Take the next bytes of the connection; returns those that are beyond this frame."""
        piece, rest = data[: self.left], data[self.left :]
        turn = self._payload.tell() % 4
        self._payload.write(apply_mask(piece, self._mask[turn:] + self._mask[:turn]))
        self.left -= len(piece)
        return rest

    def take(self) -> bytes:
        """Return the payload, without a copy."""
        return self._payload.getvalue()


def begin(data: bytes, *, most: int) -> tuple[LargeFrame, bytes] | None:
    """Return the large frame that begins with these bytes, and those behind its header.

    None if they begin with anything else, or with a frame of more than `most` bytes: then the parser knows what it is.
    """
    if len(data) < _HEADER.size or data[1] != _MASKED_AND_EIGHT_BYTES_MORE or data[0] not in (_TEXT, _BINARY):
        return None
    kind, _, size, mask = _HEADER.unpack_from(data)
    if not LARGE_BYTES <= size <= most:
        return None
    return LargeFrame(is_text=kind == _TEXT, size=size, mask=mask), data[_HEADER.size :]

"""The binary messages of the speak API: `JSON`, a length, metadata of that length, audio.

bytes 0…3     ASCII `JSON`
bytes 4…7     length L of the metadata, unsigned, little-endian
bytes 8…8+L   {"take_id": …, "part_id": …, "chunk_id": …, "request_id": …} in UTF-8; `chunk_id` only in chunks
the rest      audio; nothing ends a part or the whole
"""

import json
from dataclasses import dataclass

from app.sdk.errors import BrokenReply

MAGIC = b"JSON"
HEAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """One binary message."""

    request_id: str
    """As text, whatever kind of JSON it came as."""
    take_id: str
    part_id: int
    """From 0."""
    chunk_id: int | None
    """From 0 in each part; None where whole parts are sent."""
    audio: bytes


def unpack(message: bytes) -> Frame:
    """Read a binary message.

    Raises:
        BrokenReply: it is none of these.
    """
    start = HEAD_BYTES + int.from_bytes(message[4:HEAD_BYTES], "little")
    if message[:4] != MAGIC or len(message) < max(start, HEAD_BYTES):
        raise BrokenReply(f"a binary message of {len(message)} bytes begins with {message[:8].hex(' ')}")
    try:
        metadata = json.loads(message[HEAD_BYTES:start])
        chunk_id = metadata.get("chunk_id")
        return Frame(
            request_id=str(metadata["request_id"]),
            take_id=str(metadata.get("take_id") or ""),
            part_id=int(metadata["part_id"]),
            chunk_id=None if chunk_id is None else int(chunk_id),
            audio=message[start:],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenReply(f"the metadata of a binary message lack what they should have: {error!r}") from error

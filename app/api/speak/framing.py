"""The binary messages of the speak API's WebSocket. Pure.

Bytes 0 to 3 say `JSON`; bytes 4 to 7 are the length of the JSON that follows, unsigned and little-endian; the rest is
audio. A take's parts are sent in one of two modes:

1. Parts: each one a complete WAV in a message of its own. A message without audio, for the part behind the last one,
   ends the take.
2. Chunks: the WAV of a part in pieces: the header of 44 bytes, which tells the length of the whole part, with the first
   `CHUNK_BYTES` of sound, then `CHUNK_BYTES` in each message, the last one shorter. A message without audio, for the
   chunk behind the last one, ends the part; one for chunk 0 of the part behind the last one ends the take.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from app.audio import wav
from app.errors import InvalidInput
from app.takes.part import Part

RequestId = int | str
"""The client's own; given back as the same kind of JSON value."""

MAGIC = b"JSON"
HEAD_BYTES = 8
CHUNK_BYTES = 4096
"""Sound in one message; even, so that no sample is torn."""


class Mode(StrEnum):
    """In which messages a part is sent."""

    PARTS = "parts"
    CHUNKS = "chunks"


@dataclass(frozen=True, slots=True)
class Frame:
    """One binary message."""

    request_id: RequestId
    take_id: str | None
    """None where a request ends before there is a take."""
    part_id: int
    """From 0."""
    chunk_id: int | None
    """From 0 in each part; None in the mode of parts."""
    audio: bytes
    """Empty at an end."""


def pack(frame: Frame) -> bytes:
    """Write a message."""
    told: dict[str, Any] = {"take_id": frame.take_id, "part_id": frame.part_id}
    if frame.chunk_id is not None:
        told["chunk_id"] = frame.chunk_id
    told["request_id"] = frame.request_id
    metadata = msgspec.json.encode(told)
    return b"".join((MAGIC, struct.pack("<I", len(metadata)), metadata, frame.audio))


def unpack(data: bytes) -> Frame:
    """Read a message.

    Raises:
        InvalidInput: it is none.
    """
    if data[:4] != MAGIC or len(data) < HEAD_BYTES:
        raise InvalidInput(f"a binary message begins with {data[:HEAD_BYTES].hex(' ')}: not JSON and a length")
    end = HEAD_BYTES + int.from_bytes(data[4:HEAD_BYTES], "little")
    if end > len(data):
        raise InvalidInput(f"a binary message of {len(data)} bytes says that its JSON ends at {end}")
    try:
        told = msgspec.json.decode(data[HEAD_BYTES:end], type=_Metadata)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"the JSON of a binary message: {error}") from None
    return Frame(told.request_id, told.take_id, told.part_id, told.chunk_id, data[end:])


def frames(part: Part, *, mode: Mode, request_id: RequestId, take_id: str | None) -> Iterator[bytes]:
    """Write the messages of one part, in order.

    Raises:
        InvalidAudio: the part has half a sample, or more than 4 GiB.
    """
    if mode is Mode.PARTS:
        audio = wav.encode(part.pcm, sample_rate=part.sample_rate)
        yield pack(Frame(request_id, take_id, part.index, None, audio))
        return
    for chunk_id, audio in enumerate(_pieces(part)):
        yield pack(Frame(request_id, take_id, part.index, chunk_id, audio))


def end(*, mode: Mode, request_id: RequestId, take_id: str | None, parts: int) -> bytes:
    """Write the message that ends a take of so many parts."""
    chunk_id = None if mode is Mode.PARTS else 0
    return pack(Frame(request_id, take_id, parts, chunk_id, b""))


def _pieces(part: Part) -> Iterator[bytes]:
    yield wav.header(sample_rate=part.sample_rate, data_bytes=len(part.pcm)) + part.pcm[:CHUNK_BYTES]
    for start in range(CHUNK_BYTES, len(part.pcm), CHUNK_BYTES):
        yield part.pcm[start : start + CHUNK_BYTES]
    yield b""


class _Metadata(msgspec.Struct):
    part_id: int
    request_id: RequestId
    take_id: str | None = None
    chunk_id: int | None = None

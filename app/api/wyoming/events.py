"""The frames of the Wyoming protocol: a line of JSON, then perhaps more JSON, then perhaps bytes. Pure.

    {"type": "audio-chunk", "data": {…}, "data_length": 64, "payload_length": 2048}
    64 bytes of JSON, whose fields are added to those of `data`
    2048 bytes of payload

After the protocol's description in https://github.com/OHF-Voice/wyoming and its package, version 1.10.
"""

from typing import Any

import msgspec
from msgspec import Struct

from app.errors import InvalidInput

MAX_LINE_BYTES = 64 * 1024
MAX_DATA_BYTES = 256 * 1024
MAX_PAYLOAD_BYTES = 1024 * 1024
"""Of one event that comes in; nothing that this server serves has a payload, so it is dropped as it comes."""


class Event(Struct):
    """One event, without its payload."""

    type: str
    data: dict[str, Any] = {}


class _Header(Struct):
    type: str
    data: dict[str, Any] | None = None
    data_length: int | None = None
    payload_length: int | None = None


_header_decoder = msgspec.json.Decoder(_Header)
_data_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


class Decoder:
    """Reads events out of bytes that come in any portions. It holds at most one event and one portion."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: _Header | None = None
        self._searched = 0
        self._to_drop = 0

    def receive(self, data: bytes) -> list[Event]:
        """Take a portion; returns the events that it completed. After an error the decoder cannot go on.

        Raises:
            InvalidInput: no event, or one beyond the bounds of this file.
        """
        self._buffer += data
        events: list[Event] = []
        while (event := self._next()) is not None:
            events.append(event)
        return events

    def _next(self) -> Event | None:
        self._drop()
        if self._header is None and not self._to_drop:
            self._header = self._take_header()
        header = self._header
        length = header.data_length or 0 if header else 0
        if header is None or len(self._buffer) < length:
            return None
        fields = (header.data or {}) | (self._take_data(length) if length else {})
        self._to_drop = header.payload_length or 0
        self._header = None
        return Event(header.type, fields)

    def _drop(self) -> None:
        dropped = min(self._to_drop, len(self._buffer))
        del self._buffer[:dropped]
        self._to_drop -= dropped

    def _take_header(self) -> _Header | None:
        end = self._buffer.find(b"\n", self._searched)
        if end > MAX_LINE_BYTES or (end < 0 and len(self._buffer) > MAX_LINE_BYTES):
            raise InvalidInput(f"a line of more than {MAX_LINE_BYTES} bytes")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return _checked(_decode(_header_decoder, line))

    def _take_data(self, length: int) -> dict[str, Any]:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        fields: dict[str, Any] = _decode(_data_decoder, data)
        return fields


def encode(type: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> bytes:
    """Write an event. Fields go behind the line, because readers bound its length."""
    header: dict[str, Any] = {"type": type}
    fields = _encoder.encode(data) if data else b""
    if fields:
        header["data_length"] = len(fields)
    if payload:
        header["payload_length"] = len(payload)
    return b"".join((_encoder.encode(header), b"\n", fields, payload))


def _checked(header: _Header) -> _Header:
    for name, length, limit in (
        ("data_length", header.data_length, MAX_DATA_BYTES),
        ("payload_length", header.payload_length, MAX_PAYLOAD_BYTES),
    ):
        if length is not None and not 0 <= length <= limit:
            raise InvalidInput(f"{name} {length} must be 0 to {limit}", field=name)
    return header


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"no event: {error}") from None

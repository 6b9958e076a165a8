"""A WebSocket connection of uvicorn's, held to its route's limits.

Rules of this file:

1. Limits are set from the path before a frame is parsed; a frame whose header declares too much ends the connection,
   and so do fragments whose sum is too much, or that are many and tiny.
2. A message has one deadline from its first byte, in whatever portions it comes. Time in which the server itself does
   not read, because the application has not taken the message before, is not the client's.
3. Whatever was received since a ping is as good as its pong: a client inside one long frame cannot send one. And a
   ping behind data that the client still takes has not arrived yet.
4. Who ends a connection for a fault says why, half-closes, and goes on reading into the void for `LINGER` seconds, for
   closing a TCP connection with unread data resets it and may take the close frame with it (RFC 9112, 9.6, for the
   same in HTTP). Then the transport is aborted.
5. After that, and after the end of the application, nothing waits for a peer that does not read (`WatchedWrites`).
6. Bytes are parsed in slices, and no further while the application has a message to take: 256 KiB of tiny frames, which
   one read may bring, parsed in one go stop everybody else for 200 ms (measured).
7. A message of megabytes that is one frame, and begins with a portion, goes past the parser (`large_frame`).

The application finds its own connection in `scope["extensions"][EXTENSION]`, a dictionary of functions:

- `set_max_size(max_message_bytes)` counts for messages that begin after the call: a route starts small and takes more
  from a client that it knows.
- `take_text_as_bytes()` has text that goes past the parser come to `receive` as the bytes that it was sent in, which
  may be no UTF-8: to decode 84 MB takes another 60 ms.
- `abort()` cuts the connection without a close frame.
- `send_now(message)` sends text or bytes if the transport takes them at once, past all that lies between, and tells
  whether it did.
- `divert_text(take)` offers text that came alone and whole, with nothing waiting before it, to `take`, which must not
  wait or raise and tells whether it took it; what it leaves goes to `receive`. So a request costs no parser, no queue
  and no task that is woken.
- `divert(take)` gives binary messages to `take`, which must not wait or raise, as soon as they are read, and no longer
  to `receive`; None undoes it. A frame of audio then costs 22 to 35 µs of which the socket itself takes 13 to 18, and
  else 56 to 84 (measured): no parser that stops and goes on within a frame that has come whole, no queue, no task that
  is woken, no pause of reading. Nothing is overtaken: while a message waits to be received, those behind it wait too.
  Rule 6 does not hold for them: who takes them bounds their rate.

Private parts of uvicorn 0.54 that this file leans on, each with a test that fails when it moves: the overridden
methods, `conn`, `queue`, `frames`, `read_paused`, `writable`, `close_sent`, `close_timer`, `disconnected` and the
timers of the keepalive; of websockets 17: `max_message_size`, `current_size`, `eof_sent`, `writes`, `reader.buffer`
and the nesting of the parser. Without them: one more server on a port of its own for the route with large messages, and
the deadlines in a proxy.
"""

import asyncio
import struct
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, cast

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import (  # type: ignore[attr-defined]  # apply_mask, in C where there is a compiler
    Frame,
    apply_mask,
)
from websockets.http11 import Request
from websockets.protocol import OPEN

from app.runtime.connection_log import logger
from app.runtime.guards import GuardedConfig
from app.runtime.large_frame import LARGE_BYTES, LargeFrame
from app.runtime.large_frame import begin as begin_large
from app.runtime.message_clock import MessageClock
from app.runtime.write_stall import WatchedWrites, acknowledged, unacknowledged

EXTENSION = "chorus.socket"

LINGER = 1.0  # seconds for the peer to read why its connection ends
READ_SLICE = 16_384  # bytes: 2,300 of the smallest messages, 12 ms
FREE_FRAGMENTS = 1_024  # of one message, whatever they carry
LEAST_FRAGMENT = 512  # bytes on the average beyond those: each costs about 60 bytes of memory (Go's clients send 4,096)
MAX_CONTROL_FRAMES = 1_000  # pings and pongs from the peer between two pings of the server

POLICY = 1008
ABNORMAL = 1006
INTERNAL = 1011
SERVICE_RESTART = 1012

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_WHOLE_TEXT, _WHOLE_BINARY = 0x81, 0x82  # FIN and opcode 1 or 2
_IS_MASKED = 0x80
_TWO_BYTES_MORE = 126  # which have the length; RFC 6455, 5.2

_NOTHING = memoryview(b"")
_PARSE_FRAME = Frame.parse.__func__.__code__  # type: ignore[attr-defined]


class GuardedWebSocket(WatchedWrites, WebSocketsSansIOProtocol):
    """One WebSocket connection from its handshake on."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._guards = cast(GuardedConfig, config).guards
        self.stall_timeout = self._guards.stall_timeout
        self.logger = self.conn.logger = logger
        self.conn.debug = False  # which would log the request line and every frame
        self._unparsed = _NOTHING
        self._large: LargeFrame | None = None
        self._takes_text_as_bytes = False
        self._heard = False
        self._control_frames = 0
        self._fragments_size = 0
        self._ahead_of_ping = 0
        self._acknowledged = 0
        self._diverted: Callable[[bytes], None] | None = None
        self._diverted_text: Callable[[str], bool] | None = None
        self._clock = MessageClock(self.loop, self._end_late_message)

    # The handshake

    def handle_connect(self, event: Request) -> None:
        """Answer the handshake and take the limits of its path."""
        super().handle_connect(event)
        if self.response.status_code != 101:
            return
        limits = self._guards.limits_for(self.scope["path"])
        self._clock.deadline = limits.message_deadline
        self._set_max_size(limits.max_message_bytes)
        extensions = cast(dict[str, Any], self.scope["extensions"])
        extensions[EXTENSION] = {
            "set_max_size": self._set_max_size,
            "take_text_as_bytes": self._take_text_as_bytes,
            "abort": self.transport.abort,
            "send_now": self._send_now,
            "divert": self._divert,
            "divert_text": self._divert_text,
        }

    def refuse_handshake(self) -> None:
        """Send what the parser of the handshake has to say of a head that it could not read, and close."""
        self.transport.write(b"".join(self.conn.data_to_send()) or BAD_REQUEST)
        self.handshake_complete = self.close_sent = True
        self.transport.close()

    def _set_max_size(self, max_message_bytes: int) -> None:
        self.conn.max_message_size = max_message_bytes

    def _take_text_as_bytes(self) -> None:
        self._takes_text_as_bytes = True

    def _divert(self, take: Callable[[bytes], None] | None) -> None:
        self._diverted = take

    def _divert_text(self, take: Callable[[str], bool] | None) -> None:
        self._diverted_text = take

    async def run_asgi(self) -> None:
        """Run the application; when it has ended, nothing keeps the connection from ending too."""
        await super().run_asgi()
        cast(dict[str, Any], self.scope["extensions"]).pop(EXTENSION, None)  # it refers back to this connection
        self._diverted = self._diverted_text = None
        self._parse_on()
        self.watch_unsent()

    # Messages and their deadline

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as the application keeps up."""
        self._heard = True
        if self._diverted is not None and self._is_between_messages():
            data = self._take_whole(data)
        elif self._diverted_text is not None and self._is_between_messages() and self._takes_text(data):
            return
        if not data:
            return
        if len(data) <= READ_SLICE and not self._unparsed:
            self._parse(data)
        else:
            self._unparsed = memoryview(b"".join((self._unparsed, data)))
            self._parse_on()

    def _is_between_messages(self) -> bool:
        return not self._unparsed and self._large is None and self._is_before_message()

    def _is_before_message(self) -> bool:
        """Tell whether what is parsed next begins a message."""
        conn = self.conn
        return not (
            conn.reader.buffer
            or conn.current_size is not None
            or conn.state is not OPEN
            or self.read_paused
            or _is_inside_frame(conn.parser)
        )

    def _take_whole(self, data: bytes) -> bytes:
        """Divert the binary messages that `data` begins with and has whole; return what the parser is to have."""
        view, start, most = memoryview(data), 0, self.conn.max_message_size
        assert most is not None
        while (take := self._diverted) is not None and (payload := _payload_at(data, start)) is not None:
            begin, size = payload
            if size > most:
                break
            take(apply_mask(view[begin : begin + size], data[begin - 4 : begin]))
            start = begin + size
        return data[start:] if start else data

    def _takes_text(self, data: bytes) -> bool:
        """Offer the one text message that `data` is, if it is one; tell whether it was taken."""
        payload, most = _payload_at(data, 0, kind=_WHOLE_TEXT), self.conn.max_message_size
        if payload is None or sum(payload) != len(data) or (most is not None and payload[1] > most):
            return False
        begin = payload[0]
        try:
            text = apply_mask(data[begin:], data[begin - 4 : begin]).decode()
        except UnicodeDecodeError:  # which the parser answers
            return False
        return self._diverted_text is not None and self._diverted_text(text)

    def _parse_on(self) -> None:
        while self._unparsed and not self.read_paused:
            data, self._unparsed = bytes(self._unparsed[:READ_SLICE]), self._unparsed[READ_SLICE:]
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        if self._large is None:
            data = self._begin_large(data)
        if self._large is not None:
            self._go_on_with(self._large, data)
            return
        super().data_received(data)
        conn = self.conn
        if conn.reader.buffer or conn.current_size is not None or _is_inside_frame(conn.parser):
            self._clock.run()
        else:
            self._clock.reset()

    def _begin_large(self, data: bytes) -> bytes:
        """Take the header of a large frame, if that comes next; return what is behind it."""
        most = self.conn.max_message_size
        if most is None or most < LARGE_BYTES or not self._is_before_message():
            return data
        begun = begin_large(data, most=most)
        if begun is None:
            return data
        self._large, rest = begun
        return rest

    def _go_on_with(self, large: LargeFrame, data: bytes) -> None:
        rest = large.push(data)
        if large.left:
            self._clock.run()
            return
        self._large = None
        is_text = large.is_text and not self._takes_text_as_bytes
        self.curr_msg_data_type, self.frames = "text" if is_text else "bytes", [large.take()]
        self.send_receive_event_to_app()
        if rest:
            self._unparsed = memoryview(b"".join((rest, self._unparsed)))
            self._parse_on()

    def send_receive_event_to_app(self) -> None:
        """Queue a complete message."""
        self._clock.reset()
        if self._diverted is not None and not self.read_paused and self.curr_msg_data_type == "bytes":
            data, self.frames = b"".join(self.frames), []
            if not self.close_sent:
                self._diverted(data)
            return
        try:
            super().send_receive_event_to_app()
        except InvalidState:  # text that is not UTF-8 before the handshake is answered: no close frame can be sent
            self._fail(ABNORMAL, "")
        self._clock.stands_still = self.read_paused

    async def receive(self) -> Any:
        """Return the next ASGI message and read on when there is none behind it.

        As the parent's, except that the clocks of rules 2 and 3 stand still while nothing is read.
        Cancelling it loses no message.
        """
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            # What is parsed here comes behind the message that is only just being returned.
            diverted, self._diverted = self._diverted, None
            self._resume_reading()
            self._diverted = diverted
        return message

    def _resume_reading(self) -> None:
        self.read_paused = False
        self._heard = True
        self._clock.go_on()
        self._parse_on()
        if not self.read_paused:
            self.transport.resume_reading()

    def handle_text(self, event: Frame) -> None:
        """Take text, which the parser then holds no longer: it keeps each frame until the next one has come."""
        super().handle_text(event)
        event.data = b""

    def handle_bytes(self, event: Frame) -> None:
        """Take bytes, as text."""
        super().handle_bytes(event)
        event.data = b""

    def handle_cont(self, event: Frame) -> None:
        """Take one more fragment, unless there are too many."""
        super().handle_cont(event)
        size, event.data = len(event.data), b""
        if event.fin:
            return
        if len(self.frames) == 2:
            self._fragments_size = len(self.frames[0])
        self._fragments_size += size
        if len(self.frames) > FREE_FRAGMENTS + self._fragments_size // LEAST_FRAGMENT:
            self._fail(POLICY, "too many fragments")

    def _end_late_message(self) -> None:
        self._fail(POLICY, f"message not complete within {self._clock.deadline:g} s")

    # Control frames and the keepalive

    def handle_ping(self) -> None:
        """Answer, unless the peer does not read its answers (RFC 6455, 5.5.3, lets pings go unanswered then)."""
        if self.handshake_complete and not self.close_sent and self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()
        self._count_control_frame()

    def handle_pong(self, event: Frame) -> None:
        """Note that the peer answered."""
        super().handle_pong(event)
        self._count_control_frame()

    def _count_control_frame(self) -> None:
        if not self.frames:
            self._clock.reset()
        self._control_frames += 1
        if self._control_frames > MAX_CONTROL_FRAMES:
            self._fail(POLICY, "too many control frames")

    def send_keepalive_ping(self) -> None:
        """Ask for a sign of life."""
        self._heard = False
        self._control_frames = 0
        self._ahead_of_ping = unacknowledged(self.transport)
        self._acknowledged = acknowledged(self.transport)
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """End a connection from which nothing came since the ping, if the server read and the ping could arrive."""
        self.pong_timer = None
        if self._heard or self.read_paused:
            self.pending_ping_payload = None
            self.schedule_ping()
        elif self._is_catching_up():
            assert self.ping_timeout is not None
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            self._fail(INTERNAL, "keepalive ping timeout")

    def _is_catching_up(self) -> bool:
        """Tell whether the peer has taken something since the last look, and that of what was sent before the ping.

        A reader of 160 KB/s comes to a ping behind the 3 MB that the kernels hold after 20 s.
        """
        if self._ahead_of_ping <= 0:
            return False
        taken = acknowledged(self.transport) - self._acknowledged
        self._acknowledged += taken
        self._ahead_of_ping -= taken
        return taken > 0

    # Writing

    async def send(self, message: Any) -> None:
        """Send an ASGI message, waiting while the transport is above its high-water mark.

        A message on an open connection goes out as it is behind the header of its frame (RFC 6455, 5.2): the parent's
        way makes one more copy of a megabyte, and thirty calls.
        """
        text = message.get("text")
        content = message.get("bytes") if text is None else text
        if content is None or not self._send_now(content):
            await super().send(message)

    def _send_now(self, message: str | bytes) -> bool:
        if not self._is_open():
            return False
        if isinstance(message, str):
            kind, data = _WHOLE_TEXT, message.encode()
        else:
            kind, data = _WHOLE_BINARY, message
        self.transport.writelines((_header(kind, len(data)), data))
        return True

    def _is_open(self) -> bool:
        """Tell whether a message may go out now, and no byte is in its way."""
        ends = self.close_sent or self.disconnected or self.conn.state is not OPEN
        in_the_way = self.conn.writes or self.conn.extensions or not self.writable.is_set()
        return self.handshake_complete and not (ends or in_the_way)

    def pause_writing(self) -> None:
        """Note that the transport is full, and watch that the peer takes some of it."""
        super().pause_writing()
        self.watch_writes()

    def resume_writing(self) -> None:
        """Note that the transport has room again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self.unwatch_writes()

    # The end

    def handle_close(self, event: Frame) -> None:
        """Answer the peer's close frame, or take its answer to ours."""
        super().handle_close(event)
        if not self.handshake_complete:  # there is nobody left to accept
            self.handshake_complete = self.disconnected = True
        self.watch_unsent()

    def handle_parser_exception(self) -> None:
        """End the connection for what the parser found; called again for all that comes after."""
        self._end()

    def eof_received(self) -> None:
        """Let the transport close itself, as far as the peer lets it."""
        self.watch_unsent()

    def shutdown(self) -> None:
        """End the connection because the server ends: 1012, or 500 before the handshake is answered."""
        if self.conn.state is OPEN:
            self._fail(SERVICE_RESTART, "the server restarts")
            return
        if self.close_timer is None:
            self.send_500_response()
            self.handshake_complete = self.disconnected = True
            self.transport.close()
        self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application and forget every timer."""
        self.unwatch_writes()
        self._clock.cancel()
        self._unparsed, self._large = _NOTHING, None
        super().connection_lost(exc)

    def _fail(self, code: int, reason: str) -> None:
        if not self.conn.eof_sent:
            self.conn.fail(code, reason)
        self._end()

    def _end(self) -> None:
        """Send the close frame that `conn` has ready, free the application and linger.

        After the application's own close, or a second time, the first end goes on.
        """
        if self.close_sent or self.transport.is_closing():
            return
        close = self.conn.close_sent
        code, reason = (close.code, close.reason) if close is not None else (ABNORMAL, "")
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        with suppress(OSError, NotImplementedError):  # reset by the peer and not noticed yet; TLS
            self.transport.write_eof()
        self.handshake_complete = self.close_sent = self.disconnected = True
        self._unparsed, self._large = _NOTHING, None
        self.writable.set()
        if self.read_paused:
            self._resume_reading()
        self._linger()

    def _linger(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(LINGER, self.transport.abort)


def _header(kind: int, size: int) -> bytes:
    """Return the header of an unmasked, unfragmented frame of text or bytes."""
    if size < 126:
        return bytes((kind, size))
    if size < 65_536:
        return struct.pack("!BBH", kind, 126, size)
    return struct.pack("!BBQ", kind, 127, size)


def _payload_at(data: bytes, start: int, *, kind: int = _WHOLE_BINARY) -> tuple[int, int] | None:
    """Return where the payload of a whole, masked message of less than 64 KiB begins and its size.

    None if none begins at `start`, or not all of it is there: then the parser knows what it is.
    """
    left = len(data) - start
    if left < 6 or data[start] != kind or data[start + 1] < _IS_MASKED:
        return None
    size, begin = data[start + 1] - _IS_MASKED, start + 6
    if size == _TWO_BYTES_MORE and left >= 8:
        size, begin = data[start + 2] << 8 | data[start + 3], start + 8
    elif size >= _TWO_BYTES_MORE:
        return None
    return (begin, size) if len(data) - begin >= size else None


def _is_inside_frame(parser: Generator[None, None, None]) -> bool:
    """Tell whether the parser has taken a frame's header, or a part of it, and waits for more.

    ServerProtocol.parse delegates to Protocol.parse, which delegates to Frame.parse while a frame is incomplete. Should
    the nesting change, only a client that stops exactly behind a header is not seen.
    """
    frames = parser.gi_yieldfrom  # type: ignore[attr-defined]
    frame = frames.gi_yieldfrom if frames is not None else None
    return frame is not None and frame.gi_code is _PARSE_FRAME

"""An HTTP connection of uvicorn's whose client may not take for ever to say what it wants.

Rules of this file:

1. A request's head is complete `head_timeout` seconds after its first byte, or after the connection was made; else 408,
   or nothing where no byte came. While an earlier request of the connection is being answered, the clock waits.
2. A head has at most `max_head_bytes`; else 431.
3. A body comes with at least `min_body_rate` on the average of each half of `stall_timeout`; two slow halves in a row
   end the connection with 408. So an upload may take as long as it likes, but not be held open with a byte now and
   then. Time in which the server does not read, or has not asked for the body yet (`Expect: 100-continue`), is not
   counted; a body that goes on after the response has two halves left.
4. Nothing waits for a client that does not read (`WatchedWrites`).

Private parts of uvicorn 0.54 that this file leans on, each with a test that fails when it moves: the overridden
methods, `cycle`, `cycle.waiting_for_100_continue`, `flow.read_paused` and `server_state.default_headers`. Without them:
the same deadlines in a proxy before the server (nginx: client_header_timeout, client_body_timeout).
"""

import asyncio
from http import HTTPStatus
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.runtime.guarded_websocket import GuardedWebSocket
from app.runtime.guards import GuardedConfig
from app.runtime.write_stall import WatchedWrites


class GuardedHttp(WatchedWrites, HttpToolsProtocol):
    """One HTTP connection, until it ends or becomes a WebSocket."""

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
        self._in_head = False
        self._in_body = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._slow = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Parse what came and note what is still to come."""
        if self._in_head:
            self._head_bytes += len(data)
        elif self._in_body:
            self._body_bytes += len(data)
        else:
            self._in_head = True
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._in_head:
            self._forget_head()
        elif self._head_bytes > self._guards.max_head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._head_timer is None:
            self._expect_head()
        if self._in_body and self._body_timer is None:
            self._expect_body()

    def handle_websocket_upgrade(self) -> None:
        """Hand the transport over to the WebSocket protocol."""
        self._in_head = self._in_body = False
        self._forget_head()
        self._forget_body()
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]  # a cycle, which would keep both until the next collection
        socket = self.transport.get_protocol()
        if isinstance(socket, GuardedWebSocket) and not socket.handshake_initiated:
            socket.refuse_handshake()

    def eof_received(self) -> None:
        """Let the transport close itself, as far as the peer lets it."""
        self.watch_unsent()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application and forget every timer."""
        self.unwatch_writes()
        self._forget_head()
        self._forget_body()
        super().connection_lost(exc)

    # What the parser says

    def on_message_begin(self) -> None:
        """Note the beginning of a head."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Note the end of a head."""
        self._in_head = False
        self._in_body = True
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note the end of a body, which may be empty."""
        self._in_body = False
        super().on_message_complete()

    # Deadlines

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self._guards.head_timeout, self._check_head)

    def _check_head(self) -> None:
        self._head_timer = None
        if self._is_answering():
            self._expect_head()
        elif self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _expect_body(self) -> None:
        self._body_bytes = 0
        self._body_timer = self.loop.call_later(self._guards.stall_timeout / 2, self._check_body)

    def _check_body(self) -> None:
        self._body_timer = None
        if not self._in_body:
            self._slow = False
            return
        slow = self._is_body_slow()
        if slow and self._slow:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._slow = slow
            self._expect_body()

    def _is_body_slow(self) -> bool:
        if self.cycle.response_complete:
            return True
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            return False
        return self._body_bytes < self._guards.min_body_rate * self._guards.stall_timeout / 2

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _forget_body(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _may_answer(self) -> bool:
        if self._in_body:
            return not self.cycle.response_started and not self.pipeline
        return not self._is_answering()

    def _refuse(self, status: HTTPStatus) -> None:
        """Close the connection, with an answer unless it would fall into another."""
        if self._may_answer():
            lines = [(b"content-length", b"0"), (b"connection", b"close"), *self.server_state.default_headers]
            head = b"".join(b"%b: %b\r\n" % line for line in lines)
            self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n" % (status.value, status.phrase.encode(), head))
        self._close()

    # Writing and the end

    def pause_writing(self) -> None:
        """Note that the transport is full, and watch that the peer takes some of it."""
        super().pause_writing()
        self.watch_writes()

    def resume_writing(self) -> None:
        """Note that the transport has room again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self.unwatch_writes()

    def on_response_complete(self) -> None:
        """Go on to the next request, or end."""
        super().on_response_complete()
        if self.transport.is_closing():
            self.watch_unsent()
        elif self._in_head:
            self._forget_head()
            self._expect_head()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection without a next request; one that has begun has its own deadline."""
        if not self._in_head:
            self._close()

    def shutdown(self) -> None:
        """End the connection, after the response that is being made."""
        super().shutdown()
        if self.transport.is_closing():
            self.watch_unsent()

    def _close(self) -> None:
        self.transport.close()
        self.watch_unsent()

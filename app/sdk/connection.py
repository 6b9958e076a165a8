"""A WebSocket of text messages that is opened again whenever it breaks."""

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.uri import parse_uri

from app.sdk.backoff import Backoff
from app.sdk.errors import ConnectionLost, NotConnected, Refused

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0  # for the server's half of the closing handshake


class Listener(Protocol):
    """Who is told what happens to a connection. Its methods must not block."""

    def opened(self) -> None:
        """Messages can be posted."""

    def received(self, message: str) -> None:
        """Take the next message of the server."""

    def lost(self, error: NotConnected, *, for_good: bool) -> None:
        """Learn that nothing can be posted, until it is opened again; or ever, if lost for good."""


class Connection:
    """Keeps one WebSocket open while its `async with` block runs.

    Args:
        url: `ws://` or `wss://`.
        listener: told what happens.
        token: sent as `Authorization: Bearer`.
        backoff: when to try again.
        wait_for_server: whether a server that is not there yet is waited for, as the backoff says, instead of being an
            error of entering the block.
        tls: for `wss://`; None trusts what the system trusts.
        sleep: waits for seconds.
        clock: seconds, monotonic.
        rng: a number in [0, 1).

    Raises:
        websockets.exceptions.InvalidURI: `url` is none.
    """

    def __init__(
        self,
        url: str,
        listener: Listener,
        *,
        token: str | None,
        backoff: Backoff,
        wait_for_server: bool,
        tls: ssl.SSLContext | None,
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
        rng: Callable[[], float],
    ) -> None:
        parse_uri(url)
        self._url = url
        self._listener = listener
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._backoff = backoff
        self._waits = wait_for_server
        self._tls: dict[str, Any] = {"ssl": tls} if tls else {}
        self._sleep = sleep
        self._clock = clock
        self._rng = rng
        self._group = asyncio.TaskGroup()
        self._outgoing: asyncio.Queue[str] | None = None

    async def __aenter__(self) -> "Connection":
        """Connect.

        Raises:
            Refused: the server does not want this client.
            NotConnected: it cannot be reached.
        """
        self._begin(await self._first())
        await self._group.__aenter__()
        self._keeper = self._group.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it. What was posted and has not gone out is dropped."""
        self._keeper.cancel()
        try:
            # The block's own error is not shown to the group, which would wrap it into an ExceptionGroup.
            await self._group.__aexit__(None, None, None)
            await self._socket.close()
        finally:
            self._end(NotConnected("the client is closed"), for_good=True)

    @property
    def is_open(self) -> bool:
        """Whether messages can be posted now."""
        return self._outgoing is not None

    def post(self, message: str) -> None:
        """Send a message soon, in order; nothing happens while there is no connection."""
        if self._outgoing is not None:
            self._outgoing.put_nowait(message)

    def _begin(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._outgoing = asyncio.Queue()
        self._listener.opened()

    def _end(self, error: NotConnected, *, for_good: bool) -> None:
        self._outgoing = None
        self._listener.lost(error, for_good=for_good)

    async def _keep(self) -> None:
        failures = 0
        while True:
            opened_at = self._clock()
            lost = await self._serve()
            self._end(lost, for_good=False)
            if self._clock() - opened_at >= self._backoff.longest:
                failures = 0
            logger.info("%s; connecting again", lost)
            try:
                self._begin(await self._reopen(failures, lost))
            except NotConnected as error:
                logger.error("connecting again is given up: %s", error)
                self._end(error, for_good=True)
                return
            failures += 1

    async def _serve(self) -> ConnectionLost:
        """Pass messages both ways until the connection ends; returns how it did."""
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._write())
            await self._read()
            writer.cancel()
        await self._socket.close()
        return ConnectionLost(self._socket.close_code or 1006, self._socket.close_reason or "")

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if isinstance(message, str):
                    self._listener.received(message)
        except ConnectionClosed:
            pass

    async def _write(self) -> None:
        assert self._outgoing is not None
        try:
            while True:
                await self._socket.send(await self._outgoing.get())
        except ConnectionClosed:
            pass

    async def _first(self) -> ClientConnection:
        try:
            return await self._open()
        except NotConnected as error:
            if not self._waits:
                raise
            return await self._reopen(0, error)

    async def _reopen(self, failures: int, error: NotConnected) -> ClientConnection:
        """Connect, as often as the backoff says.

        Raises:
            NotConnected: it is given up; `error`, or what the last attempt raised.
        """
        while not (self._backoff.gives_up(failures) or (isinstance(error, Refused) and error.is_final)):
            await self._sleep(self._delay(failures, error))
            failures += 1
            try:
                return await self._open()
            except NotConnected as failed:
                error = failed
        raise error

    def _delay(self, failures: int, error: NotConnected) -> float:
        delay = self._backoff.delay(failures, self._rng())
        wanted = error.retry_after if isinstance(error, Refused) else None
        return max(delay, min(wanted or 0.0, self._backoff.longest))

    async def _open(self) -> ClientConnection:
        try:
            return await connect(
                self._url,
                additional_headers=self._headers,
                compression=None,  # base64 of compressed audio hardly shrinks
                max_size=None,  # the server bounds its replies; the library's 1 MiB would cut the connection
                close_timeout=CLOSE_SECONDS,
                **self._tls,
            )
        except InvalidStatus as error:
            raise _refused(error) from error
        except (OSError, WebSocketException) as error:
            raise NotConnected(f"cannot connect to {self._url.partition('?')[0]}: {error}") from error


def _refused(error: InvalidStatus) -> Refused:
    response = error.response
    try:
        detail = str(json.loads(response.body)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = response.reason_phrase
    seconds = response.headers.get("Retry-After", "")
    return Refused(response.status_code, detail, retry_after=float(seconds) if seconds.isdecimal() else None)

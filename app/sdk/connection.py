"""A WebSocket that is opened again whenever it breaks."""

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.uri import parse_uri

from app.sdk.backoff import Backoff
from app.sdk.errors import ClientError, ConnectionLost, NotConnected, Refused
from app.sdk.keepalive import Keepalive

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0  # for the server's half of the closing handshake
PING_SECONDS = 20.0
FRAME_CHARACTERS = 256 * 1024  # longer messages go out in several frames, so that pings can come between them
QUEUE_FRAMES = (4, 3)  # held by the library above and below which it stops and goes on reading

Url = str | Callable[[], Awaitable[str]]
"""An address, or what is asked for one before each attempt to connect.

It raises NotConnected if it may have one later, and another ClientError if not.
"""

MayReopen = Callable[[ConnectionLost], Awaitable[bool]]
"""Asked after each loss whether to connect again; takes its time if that is not wanted yet."""


async def always(lost: ConnectionLost) -> bool:
    """Say that a connection is to be opened again, whatever ended it."""
    return True


class Listener(Protocol):
    """Who is told what happens to a connection. Its methods must not block."""

    def opened(self) -> None:
        """Messages can be posted."""

    def received(self, message: str | bytes) -> Awaitable[None] | None:
        """Take the next message of the server; what is returned is awaited before another is read."""

    def lost(self, error: NotConnected, *, for_good: bool) -> None:
        """Learn that nothing can be posted, until it is opened again; or ever, if lost for good."""


class Connection:
    """Keeps one WebSocket open while its `async with` block runs.

    Args:
        url: `ws://` or `wss://`, or an asynchronous function that returns one.
        listener: told what happens.
        token: sent as `Authorization: Bearer`.
        backoff: when to try again.
        wait_for_server: whether a server that is not there yet is waited for, as the backoff says, instead of being an
            error of entering the block.
        tls: for `wss://`; None trusts what the system trusts.
        may_reopen: whether to connect again after a loss.
        max_message_bytes: of one message of the server, beyond which the connection is closed; None for no limit.
        ping_interval: seconds from one ping to the next, and for a sign of life after it.
        sleep: waits for seconds.
        clock: seconds, monotonic.
        rng: a number in [0, 1).

    Raises:
        websockets.exceptions.InvalidURI: `url` is none.
    """

    def __init__(
        self,
        url: Url,
        listener: Listener,
        *,
        token: str | None,
        backoff: Backoff,
        wait_for_server: bool,
        tls: ssl.SSLContext | None,
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
        rng: Callable[[], float],
        may_reopen: MayReopen = always,
        max_message_bytes: int | None = None,
        ping_interval: float = PING_SECONDS,
    ) -> None:
        if isinstance(url, str):
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
        self._may_reopen = may_reopen
        self._max_message_bytes = max_message_bytes
        self._ping_interval = ping_interval
        self._group = asyncio.TaskGroup()
        self._outgoing: asyncio.Queue[str] | None = None

    async def __aenter__(self) -> "Connection":
        """Connect.

        Raises:
            Refused: the server does not want this client.
            NotConnected: it cannot be reached.
            ClientError: there is no address.
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

    async def send(self, message: bytes) -> bool:
        """Send a binary message now, and wait while the network does not take it.

        Returns:
            Whether it was sent, as far as is known here; without a connection nothing is. After False the listener
            learns of the loss, if it has not done so already.
        """
        if self._outgoing is None:
            return False
        try:
            await self._socket.send(message)
        except ConnectionClosed:
            return False
        return True

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
            try:
                if not await self._may_reopen(lost):
                    raise lost
                logger.info("%s; connecting again", lost)
                self._begin(await self._reopen(failures, lost))
            except ClientError as error:
                logger.error("connecting again is given up: %s", error)
                self._end(error if isinstance(error, NotConnected) else NotConnected(str(error)), for_good=True)
                return
            failures += 1

    async def _serve(self) -> ConnectionLost:
        """Pass messages both ways until the connection ends; returns how it did."""
        keepalive = Keepalive(self._ping, interval=self._ping_interval, timeout=self._ping_interval)
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self._write()), group.create_task(self._watch(keepalive))]
            await self._read(keepalive)
            for task in beside:
                task.cancel()
        await self._socket.close()
        return ConnectionLost(self._socket.close_code or 1006, self._socket.close_reason or "")

    async def _read(self, keepalive: Keepalive) -> None:
        try:
            async for message in self._socket:
                keepalive.received()
                waiting = self._listener.received(message)
                if waiting is not None:
                    with keepalive.held():
                        await waiting
        except ConnectionClosed:
            pass

    async def _watch(self, keepalive: Keepalive) -> None:
        """Cut the connection when the server is gone."""
        try:
            await keepalive.run()
        except ConnectionClosed:
            return
        logger.warning("the server gave no sign of life for %g s", self._ping_interval)
        self._socket.transport.abort()

    async def _ping(self) -> asyncio.Future[float]:
        pong = await self._socket.ping()
        assert isinstance(pong, asyncio.Future)
        return pong

    async def _write(self) -> None:
        assert self._outgoing is not None
        try:
            while True:
                message = await self._outgoing.get()
                await self._socket.send(message if len(message) <= FRAME_CHARACTERS else _frames(message))
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
            ClientError: there is no address any more.
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
        url = self._url if isinstance(self._url, str) else await self._url()
        try:
            return await connect(
                url,
                additional_headers=self._headers,
                compression=None,  # neither audio nor its base64 shrinks worth the time
                max_size=self._max_message_bytes,  # the library's own 1 MiB would cut the connection
                max_queue=QUEUE_FRAMES,
                ping_interval=None,  # the library's own pings cut off a client that does not read for a while
                close_timeout=CLOSE_SECONDS,
                **self._tls,
            )
        except InvalidStatus as error:
            raise _refused(error) from error
        except (OSError, WebSocketException) as error:
            raise NotConnected(f"cannot connect to {url.partition('?')[0]}: {error}") from error


def _frames(message: str) -> Iterator[str]:
    for start in range(0, len(message), FRAME_CHARACTERS):
        yield message[start : start + FRAME_CHARACTERS]


def _refused(error: InvalidStatus) -> Refused:
    response = error.response
    try:
        detail = str(json.loads(response.body)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = response.reason_phrase
    seconds = response.headers.get("Retry-After", "")
    return Refused(response.status_code, detail, retry_after=float(seconds) if seconds.isdecimal() else None)

"""A client of live recognition."""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypedDict
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from uuid import uuid4

from app.sdk.backoff import Backoff
from app.sdk.connection import Connection
from app.sdk.errors import ConnectionLost
from app.sdk.stream_events import Event
from app.sdk.stream_inbox import Inbox, OnError, OnMatch, OnStatus
from app.sdk.stream_microphone import Microphone
from app.sdk.stream_pace import Pace
from app.sdk.stream_sound import SAMPLE_BYTES, Framer, pieces
from app.sdk.stream_source import Sound, source

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of `collections.abc` since Python 3.12

DEFAULT_URL: Final = "ws://localhost:8000"
SAMPLE_RATE: Final = 22050
FRAME_SECONDS: Final = 0.1  # 600 messages a minute, of the 1000 that servers take
LINGER_SECONDS: Final = 1.0  # two hops, after which all has been told

IDLE: Final = 1000  # the code with which the server ends a stream that sends no sound
REPLACED: Final = 4009  # by another connection of the same client

FOR_EVER: Final = Backoff()


class StreamOptions(TypedDict, total=False):
    """The keywords of `StreamClient`."""

    on_match: OnMatch | None
    on_status: OnStatus | None
    on_error: OnError | None
    backoff: Backoff
    wait_for_server: bool
    tls: ssl.SSLContext | None
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]
    rng: Callable[[], float]


class StreamClient:
    """Sends sound, and hears from the server what plays. Use it in an `async with` block, in one event loop.

    A connection that breaks is opened again as `backoff` says; sound that is not live waits for that. The server then
    begins anew, so it may take some seconds until it tells what plays. It is not opened again where that could only
    repeat what ended it: after a refusal, after being replaced by another client of the same id, after breaking a
    limit. After a pause in which the server hung up, it is opened again when there is sound.

    Whoever iterates over the client, or over `follow`, takes events; callbacks are told of every event beside that.

    Args:
        url: address of the server, `ws://` or `wss://` (or `http://`, `https://`), with the prefix it may have.
        api_key: API key or access token, sent in the header `Authorization`; None if the server asks for none.
        client_id: who this is; the server keeps one connection for each. None makes one up.
        sample_rate: Hz, of what is sent; 8000…48000.
        on_match: told what plays; see `OnMatch` for what callbacks may do.
        on_status: told how it is going.
        on_error: told what went wrong on the server.
        backoff: when to connect again.
        wait_for_server: whether entering the block waits for a server that is not there yet, as `backoff` says.
        tls: for `wss://`; None trusts what the system trusts.
        sleep: waits for seconds: between attempts and between frames.
        clock: seconds, monotonic.
        rng: a number in [0, 1), for jitter.

    Raises:
        websockets.exceptions.InvalidURI: `url` is none.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        client_id: str | None = None,
        sample_rate: int = SAMPLE_RATE,
        *,
        on_match: OnMatch | None = None,
        on_status: OnStatus | None = None,
        on_error: OnError | None = None,
        backoff: Backoff = FOR_EVER,
        wait_for_server: bool = False,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self.client_id = client_id or uuid4().hex
        self.sample_rate = sample_rate
        self._frame_samples = round(FRAME_SECONDS * sample_rate)
        self._sleep = sleep
        self._clock = clock
        self._inbox = Inbox(on_match, on_status, on_error)
        self._connection = Connection(
            stream_url(url, self.client_id, sample_rate),
            self._inbox,
            token=api_key,
            backoff=backoff,
            wait_for_server=wait_for_server,
            tls=tls,
            sleep=sleep,
            clock=clock,
            rng=rng,
            may_reopen=self._may_reopen,
        )
        self._group = asyncio.TaskGroup()
        self._followed: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "StreamClient":
        """Connect.

        Raises:
            Refused: the server does not want this client, for example because of its key.
            NotConnected: it cannot be reached.
        """
        await self._connection.__aenter__()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection, and end what is being followed."""
        for task in self._followed:
            task.cancel()
        self._inbox.close()
        try:
            # The block's own error is not shown to the group, which would wrap it into an ExceptionGroup.
            await self._group.__aexit__(None, None, None)
        finally:
            await self._connection.__aexit__(kind, error, trace)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.is_open

    async def send(self, samples: "Buffer") -> None:
        """Send samples at once; whoever calls it keeps to the pace at which they are heard.

        It waits while there is no connection, and while the network takes no more. Cancelling is safe: whole frames of
        a tenth of a second have been sent, or not.

        Args:
            samples: see `stream_sound.encode`.

        Raises:
            TypeError: they are of another kind.
            ValueError: they are of more than one channel.
            NotConnected: the connection is lost for good.
        """
        for frame in pieces(samples, self._frame_samples):
            await self._inbox.deliver(frame, self._connection.send)

    async def play(self, sound: Sound, *, linger: float = LINGER_SECONDS) -> None:
        """Send sound as fast as it would be heard, to its end; callbacks are told meanwhile what plays.

        Args:
            sound: see `Sound`.
            linger: seconds to wait after its end, in which the server tells of the last of it.

        Raises:
            SourceFailed: the file cannot be read, or there is no microphone.
            NotConnected: the connection is lost for good.
        """
        played = source(sound)
        framer = Framer(self._frame_samples)
        pace = None if played.is_live else Pace(sleep=self._sleep, clock=self._clock)
        async with aclosing(played.blocks(self.sample_rate)) as blocks:
            async for block in blocks:
                for frame in framer.push(block):
                    await self._send(frame, pace)
        for frame in framer.rest():
            await self._send(frame, pace)
        await self._sleep(linger)

    async def listen(self, device: int | str | None = None) -> None:
        """Send what a microphone hears until this is cancelled; callbacks are told meanwhile what plays.

        Args:
            device: see `Microphone`.

        Raises:
            MissingPackage: sounddevice or PortAudio is not installed.
            SourceFailed: there is no microphone, or it has ended.
            NotConnected: the connection is lost for good.
        """
        await self.play(Microphone(device))

    async def follow(self, sound: Sound, *, linger: float = LINGER_SECONDS) -> AsyncGenerator[Event, None]:
        """Send sound as `play` does, and yield meanwhile what the server tells; raises as `play`.

        Closing the generator ends the sound; `contextlib.aclosing` does that at a place of your choice.
        """
        performance = _Performance(self._inbox)
        task = self._group.create_task(performance.of(self.play(sound, linger=linger)))
        self._followed.add(task)
        try:
            while (event := await self._inbox.next(lambda: performance.is_over)) is not None:
                yield event
        finally:
            self._followed.remove(task)
            task.cancel()
        if performance.failure is not None:
            raise performance.failure

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield what the server tells, until the block is left.

        Raises:
            NotConnected: the connection is lost for good.
        """
        while (event := await self._inbox.next()) is not None:
            yield event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events()

    async def _send(self, frame: bytes, pace: Pace | None) -> None:
        if pace is not None:
            await pace.before(len(frame) / SAMPLE_BYTES / self.sample_rate)
        await self._inbox.deliver(frame, self._connection.send)

    async def _may_reopen(self, lost: ConnectionLost) -> bool:
        if lost.blames_client or lost.code == REPLACED:
            return False
        if lost.code == IDLE:
            await self._inbox.wanted()
        return True


class _Performance:
    """Sound that is sent in a task of its own."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.is_over = False
        self.failure: Exception | None = None

    async def of(self, playing: Awaitable[None]) -> None:
        """Play it, and keep what goes wrong: raised here it would end the group."""
        try:
            await playing
        except Exception as error:
            self.failure = error
        finally:
            self.is_over = True
            self._inbox.wake()


def stream_url(url: str, client_id: str, sample_rate: int) -> str:
    """Return the address of a stream at a server."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = f"{parts.path.rstrip('/')}/ws/stream/{quote(client_id, safe='')}"
    # Servers that know neither pass over both.
    query = [*parse_qsl(parts.query), ("sample_rate", str(sample_rate)), ("events", "1")]
    return urlunsplit((scheme, parts.netloc, path, urlencode(query), ""))

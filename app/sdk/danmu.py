"""Clients of the live-speech door, `/ws`: one for asyncio, one for plain code.

Asynchronous:

    async with DanmuClient("ws://localhost:8000/ws") as client:
        speech = await client.speak("你好，欢迎来到直播间！")
        Path("hello.wav").write_bytes(speech.audio)
        async for chunk in client.stream(long_text):
            play(chunk.audio)

Plain:

    with SyncDanmuClient("ws://localhost:8000/ws") as client:
        speech = client.speak("Thank you for the gift!", format="mp3")

Needs the package `websockets`, nothing else.
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import TracebackType
from typing import TypedDict, Unpack

from app.sdk import speech as read
from app.sdk.backoff import Backoff
from app.sdk.calls import Calls
from app.sdk.connection import Connection
from app.sdk.errors import BrokenReply, ClientError, ConnectionLost, NotConnected, Refused, RequestFailed
from app.sdk.portal import Portal
from app.sdk.speech import (
    BackendStatus,
    BackendUnavailable,
    Cancelled,
    Chunk,
    Expired,
    InvalidRequest,
    Metadata,
    Overloaded,
    Queue,
    QueueFull,
    QueueStatus,
    RateLimited,
    ServerFailed,
    Speech,
    TextTooLong,
    Timed,
    Voice,
    VoiceNotFound,
)

__all__ = [
    "Backoff",
    "BackendStatus",
    "BackendUnavailable",
    "BrokenReply",
    "Cancelled",
    "Chunk",
    "ClientError",
    "ConnectionLost",
    "DanmuClient",
    "Expired",
    "InvalidRequest",
    "Metadata",
    "NotConnected",
    "Overloaded",
    "Queue",
    "QueueFull",
    "QueueStatus",
    "RateLimited",
    "Refused",
    "RequestFailed",
    "ServerFailed",
    "Speech",
    "SyncDanmuClient",
    "TextTooLong",
    "Timed",
    "Voice",
    "VoiceNotFound",
]

DEFAULT_URL = "ws://localhost:8000/ws"
FOR_EVER = Backoff()


class _CommonChoices(TypedDict, total=False):
    """The keywords of both ways to speak."""

    voice: str | None
    backend: str | None
    quality: str | None
    format: str | None
    sample_rate: int | None
    speed: float | None
    timestamps: bool
    max_age: float | None
    request_id: str | None


class Choices(_CommonChoices, total=False):
    """The keywords of `DanmuClient.speak`."""

    ssml: bool


class StreamChoices(_CommonChoices, total=False):
    """The keywords of `DanmuClient.stream`."""

    chunk_size: int | None


class Options(TypedDict, total=False):
    """The keywords of `DanmuClient`."""

    token: str | None
    backoff: Backoff
    resend: bool
    wait_for_server: bool
    tls: ssl.SSLContext | None
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]
    rng: Callable[[], float]


class DanmuClient:
    """Speaks texts over one connection, many at a time. Use it in an `async with` block, in one event loop.

    A connection that breaks is opened again as `backoff` says. What was under way fails with `ConnectionLost`, or with
    `resend` is asked once more over the next connection if nothing of its answer had arrived. What is asked while there
    is no connection waits for the next one.

    Args:
        url: `ws://` or `wss://` address of the door.
        token: bearer token or API key, sent in the header `Authorization`.
        backoff: when to connect again.
        resend: see above. Speech has no side effects, so nothing is lost by asking twice but time.
        wait_for_server: whether entering the block waits for a server that is not there yet, as `backoff` says.
        tls: for `wss://`; None trusts what the system trusts.
        sleep: waits for seconds between attempts.
        clock: seconds, monotonic.
        rng: a number in [0, 1), for jitter.

    Raises:
        websockets.exceptions.InvalidURI: `url` is none.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        backoff: Backoff = FOR_EVER,
        resend: bool = False,
        wait_for_server: bool = False,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._calls = Calls(read.failure, resend=resend)
        self._connection = Connection(
            url,
            self._calls,
            token=token,
            backoff=backoff,
            wait_for_server=wait_for_server,
            tls=tls,
            sleep=sleep,
            clock=clock,
            rng=rng,
        )
        self._calls.wire = self._connection

    async def __aenter__(self) -> "DanmuClient":
        """Connect.

        Raises:
            Refused: the server does not want this client, for example because of its token.
            NotConnected: it cannot be reached.
        """
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection; the server drops what was under way."""
        await self._connection.__aexit__(kind, error, trace)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.is_open

    async def speak(
        self,
        text: str,
        *,
        voice: str | None = None,
        backend: str | None = None,
        quality: str | None = None,
        format: str | None = None,
        sample_rate: int | None = None,
        speed: float | None = None,
        ssml: bool = False,
        timestamps: bool = False,
        max_age: float | None = None,
        request_id: str | None = None,
    ) -> Speech:
        """Return a text as speech. Cancelling cancels it on the server too.

        Args:
            text: at most 1000 characters; `stream` takes more.
            voice: id of a voice (`voices`); None lets the server choose one for the language of the text.
            backend: which shall speak; None lets the server choose.
            quality: `low`, `medium` or `high`.
            format: `wav`, `mp3`, `ogg`, `flac` or `aac`.
            sample_rate: Hz, 8000…48000; None takes the quality's.
            speed: 0.25…4; 1 is the pace of the live chat.
            ssml: whether the text is markup.
            timestamps: whether the times of words and phonemes are wanted.
            max_age: seconds after which the server drops the request if its turn has not come.
            request_id: a name for `cancel`, unique among the requests under way.

        Raises:
            RequestFailed: the server answered with an error; see `app.sdk.speech` for its kinds.
            NotConnected: the connection broke, or is gone for good.
        """
        fields = {
            "text": text,
            "voice": voice,
            "backend": backend,
            "quality": quality,
            "format": format,
            "sample_rate": sample_rate,
            "speed": speed,
            "timestamps": timestamps or None,
            "max_age": max_age,
            "ssml": ssml or None,
        }
        with self._calls.call("tts", fields, id=request_id) as call:
            return read.read(read.speech, (await call.reply()).data)

    async def stream(
        self,
        text: str,
        *,
        voice: str | None = None,
        backend: str | None = None,
        quality: str | None = None,
        format: str | None = None,
        sample_rate: int | None = None,
        speed: float | None = None,
        timestamps: bool = False,
        max_age: float | None = None,
        chunk_size: int | None = None,
        request_id: str | None = None,
    ) -> AsyncGenerator[Chunk, None]:
        """Yield a text as speech in chunks, each as soon as it is spoken; the first is short, for an early sound.

        Closing the generator before its end cancels the rest on the server; `contextlib.aclosing` does that at a place
        of your choice. Chunks that are not taken are kept in memory.

        Args:
            text: at most 10,000 characters.
            voice: as for `speak`.
            backend: as for `speak`.
            quality: as for `speak`.
            format: as for `speak`.
            sample_rate: as for `speak`.
            speed: as for `speak`.
            timestamps: as for `speak`; times count from the beginning of each chunk.
            max_age: as for `speak`, of each chunk.
            request_id: as for `speak`.
            chunk_size: characters of text in one chunk, at most; 10…1000.

        Raises:
            RequestFailed: the server answered with an error, possibly after some chunks.
            NotConnected: the connection broke, or is gone for good.
        """
        fields = {
            "text": text,
            "voice": voice,
            "backend": backend,
            "quality": quality,
            "format": format,
            "sample_rate": sample_rate,
            "speed": speed,
            "timestamps": timestamps or None,
            "max_age": max_age,
            "chunk_size": chunk_size,
        }
        with self._calls.call("tts_stream", fields, id=request_id) as call:
            while not (reply := await call.reply()).is_last:
                yield read.read(read.chunk, reply.data)

    async def voices(self, *, backend: str | None = None, language: str | None = None) -> list[Voice]:
        """Return the voices there are, of one backend, of one language (BCP 47), or all."""
        with self._calls.call("get_voices", {"backend": backend, "language": language}) as call:
            return read.read(read.voices, (await call.reply()).data)

    async def backend_status(self, backend: str | None = None) -> BackendStatus:
        """Return how a backend is doing; None asks for the one that speaks if none is named."""
        with self._calls.call("backend_status", {"backend": backend}) as call:
            return read.read(read.backend_status, (await call.reply()).data)

    async def queue_status(self) -> QueueStatus:
        """Return who waits, and where in the line this connection is."""
        with self._calls.call("queue_status") as call:
            return read.read(read.queue_status, (await call.reply()).data)

    async def cancel(self, request_id: str) -> bool:
        """End a request of this client, which then raises `Cancelled`; returns whether it was under way."""
        with self._calls.call("cancel", {"request_id": request_id}) as call:
            return bool((await call.reply()).data["cancelled"])


class SyncDanmuClient:
    """`DanmuClient` for plain code: use it in a `with` block, from any number of threads.

    The connection lives in a thread of its own, so heartbeats are answered while the program does other things.
    Each method takes `timeout` in seconds, after which it raises TimeoutError and the request is cancelled.

    Args:
        url: as for `DanmuClient`.
        options: the keywords of `DanmuClient`.
    """

    def __init__(self, url: str = DEFAULT_URL, **options: Unpack[Options]) -> None:
        self._portal = Portal(lambda: DanmuClient(url, **options), name="danmu client")

    def __enter__(self) -> "SyncDanmuClient":
        """Connect; raises as `DanmuClient` does."""
        self._portal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._portal.__exit__(kind, error, trace)

    def speak(self, text: str, *, timeout: float | None = None, **choices: Unpack[Choices]) -> Speech:
        """Return a text as speech; `choices` are the keywords of `DanmuClient.speak`."""
        return self._portal.call(lambda client: client.speak(text, **choices), timeout=timeout)

    def stream(
        self, text: str, *, timeout: float | None = None, **choices: Unpack[StreamChoices]
    ) -> Generator[Chunk, None, None]:
        """Yield a text as speech in chunks; `choices` are the keywords of `DanmuClient.stream`.

        `timeout` is for each chunk. Closing the generator before its end cancels the rest.
        """
        return self._portal.iterate(lambda client: client.stream(text, **choices), timeout=timeout)

    def voices(
        self, *, backend: str | None = None, language: str | None = None, timeout: float | None = None
    ) -> list[Voice]:
        """Return the voices there are."""
        return self._portal.call(lambda client: client.voices(backend=backend, language=language), timeout=timeout)

    def backend_status(self, backend: str | None = None, *, timeout: float | None = None) -> BackendStatus:
        """Return how a backend is doing."""
        return self._portal.call(lambda client: client.backend_status(backend), timeout=timeout)

    def queue_status(self, *, timeout: float | None = None) -> QueueStatus:
        """Return who waits, and where in the line this connection is."""
        return self._portal.call(lambda client: client.queue_status(), timeout=timeout)

    def cancel(self, request_id: str, *, timeout: float | None = None) -> bool:
        """End a request that another thread waits for; returns whether it was under way."""
        return self._portal.call(lambda client: client.cancel(request_id), timeout=timeout)

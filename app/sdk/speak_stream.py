"""Takes and voices over a WebSocket, heard while they are made."""

import asyncio
import inspect
import random
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Literal, TypedDict, Unpack

from app.sdk.backoff import Backoff
from app.sdk.connection import Connection, Url
from app.sdk.errors import BrokenReply
from app.sdk.speak_events import Audio, Ended, Event, Item, StatusChanged
from app.sdk.speak_requests import Requests
from app.sdk.speak_take import Choices, Take, TakeRequest, read_take, write_take
from app.sdk.speak_voice import Voice, VoiceChoices, VoiceRequest, read_voice, write_voice

TAKE_COMMAND = "/takes/generate"
VOICE_COMMAND = "/voices/generate"

BUFFER_BYTES = 16 * 1024 * 1024  # three minutes of 44.1 kHz
MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # a part is one sentence or so: twelve minutes of 44.1 kHz are none

Mode = Literal["parts", "chunks"]
"""Whether audio comes sentence by sentence or in small pieces."""

OnStatus = Callable[[Item], Awaitable[None] | None]
OnAudio = Callable[[Audio], Awaitable[None] | None]
"""Told what arrived; what an asynchronous one does is awaited before the next is told."""


class StreamOptions(TypedDict, total=False):
    """The keywords of `SpeakStream`."""

    backoff: Backoff
    wait_for_server: bool
    buffer_bytes: int
    tls: ssl.SSLContext | None
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]
    rng: Callable[[], float]


class SpeakStream:
    """Makes takes and voices over one connection. Use it in an `async with` block, in one event loop.

    Requests may be under way at once; the server makes them one after another. The connection may break, and servers
    drop it between requests (1012): it is opened again with a fresh address as `backoff` says. What was under way then
    fails with `ConnectionLost`; what is asked while there is no connection waits for the next one.

    What has arrived and is not taken is kept up to `buffer_bytes`, for all requests together; then the connection is
    not read until something is taken, so that the server waits. So take from every request that you have begun, in
    tasks of their own: one that nobody takes from can hold up the others. A server gives up on a client that reads
    nothing for long (this one after 20 s), so a player that is much slower than the network wants a larger buffer.

    Args:
        url: `ws://` or `wss://` address with its secret, or an asynchronous function that fetches one; addresses serve
            for an hour, so that a stream that is to live longer needs the function. `SpeakClient.stream` gives it.
        backoff: when to connect again.
        wait_for_server: whether entering the block waits for a server that is not there yet, as `backoff` says.
        buffer_bytes: see above.
        tls: for `wss://`; None trusts what the system trusts.
        sleep: waits for seconds between attempts.
        clock: seconds, monotonic.
        rng: a number in [0, 1), for jitter.

    Raises:
        websockets.exceptions.InvalidURI: `url` is a text and no address.
    """

    def __init__(
        self,
        url: Url,
        *,
        backoff: Backoff | None = None,
        wait_for_server: bool = False,
        buffer_bytes: int = BUFFER_BYTES,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._requests = Requests(buffer_bytes=buffer_bytes)
        self._connection = Connection(
            url,
            self._requests,
            token=None,  # the secret is in the address, and the access token is none of the worker's business
            backoff=backoff or Backoff(),
            wait_for_server=wait_for_server,
            tls=tls,
            max_message_bytes=MAX_MESSAGE_BYTES,
            sleep=sleep,
            clock=clock,
            rng=rng,
        )
        self._requests.wire = self._connection

    async def __aenter__(self) -> "SpeakStream":
        """Connect.

        Raises:
            Refused: the server does not want this client, for example because the secret has expired.
            NotConnected: it cannot be reached.
        """
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection; the server makes what was asked for all the same."""
        await self._connection.__aexit__(kind, error, trace)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.is_open

    async def take(
        self, voice_id: str, text: str, *, mode: Mode = "parts", **choices: Unpack[Choices]
    ) -> AsyncGenerator[Event[Take], None]:
        """Make a take, and yield what happens: `StatusChanged`, `PartReceived` or `ChunkReceived`, at last `Ended`.

        Closing the generator before its end gives up the rest of the audio, not the take: the server finishes it, and
        `SpeakClient` can fetch it. `contextlib.aclosing` closes at a place of your choice.

        Args:
            voice_id: who speaks.
            text: what.
            mode: `parts` yields complete WAV files, a sentence each; `chunks` yields small pieces of them.
            choices: how: the fields of `Wording`, and `user_data`.

        Raises:
            GenerationFailed: the take ended in `error` or `timeout`; what was made before has been yielded.
            BrokenReply: the server sent what cannot be read.
            NotConnected: the connection broke (`ConnectionLost`), or is gone for good.
        """
        data = write_take(TakeRequest.of(voice_id, text, **choices))
        with self._requests.request(TAKE_COMMAND, data, read_take, is_chunked=mode == "chunks") as request:
            while not isinstance(event := await request.event(), Ended):
                yield event
            yield event

    async def voice(
        self, name: str, model: str, gender: str, *, mode: Mode = "parts", **choices: Unpack[VoiceChoices]
    ) -> AsyncGenerator[Event[Voice], None]:
        """Make a voice, and yield what happens, as `take` does; the audio is its example.

        Args:
            name: for people.
            model: name of the model.
            gender: of `VoiceGender`.
            mode: as for `take`.
            choices: the other fields of `VoiceRequest`.

        Raises:
            GenerationFailed: as for `take`, and the rest too.
        """
        data = write_voice(VoiceRequest(name, model, gender, **choices))
        with self._requests.request(VOICE_COMMAND, data, read_voice, is_chunked=mode == "chunks") as request:
            while not isinstance(event := await request.event(), Ended):
                yield event
            yield event

    async def generate_take(
        self,
        voice_id: str,
        text: str,
        *,
        mode: Mode = "parts",
        on_status: OnStatus[Take] | None = None,
        on_audio: OnAudio | None = None,
        **choices: Unpack[Choices],
    ) -> Take:
        """Make a take, telling callbacks what happens, and return it when it is ready and all its audio has arrived.

        Callbacks are told in order, one at a time; what they raise ends the request and is raised here.

        Args:
            voice_id: who speaks.
            text: what.
            mode: as for `take`.
            on_status: told the take whenever its status has changed.
            on_audio: told each part or chunk.
            choices: as for `take`.

        Raises:
            GenerationFailed: as for `take`, and the rest too.
        """
        events = self.take(voice_id, text, mode=mode, **choices)
        return await _tell(events, on_status, on_audio)

    async def generate_voice(
        self,
        name: str,
        model: str,
        gender: str,
        *,
        mode: Mode = "parts",
        on_status: OnStatus[Voice] | None = None,
        on_audio: OnAudio | None = None,
        **choices: Unpack[VoiceChoices],
    ) -> Voice:
        """Make a voice, telling callbacks what happens, as `generate_take` does; the audio is its example."""
        events = self.voice(name, model, gender, mode=mode, **choices)
        return await _tell(events, on_status, on_audio)


async def _tell(
    events: AsyncGenerator[Event[Item], None], on_status: OnStatus[Item] | None, on_audio: OnAudio | None
) -> Item:
    async with aclosing(events):
        async for event in events:
            match event:
                case Ended():
                    return event.item
                case StatusChanged():
                    told = on_status(event.item) if on_status else None
                case _:
                    told = on_audio(event) if on_audio else None
            if inspect.isawaitable(told):
                await told
    raise BrokenReply("the stream ended before the take did")  # which `take` and `voice` never do

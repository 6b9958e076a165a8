"""The asynchronous client of the speak API."""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx

from app.sdk.errors import BrokenReply, Refused
from app.sdk.speak_api import Api
from app.sdk.speak_audio import save
from app.sdk.speak_errors import NotFound, Overloaded, ServerFailed
from app.sdk.speak_stream import SpeakStream, StreamOptions
from app.sdk.speak_take import Choices, Take, TakeRequest, read_take, write_take
from app.sdk.speak_tokens import Credentials, OnTokens, Tokens
from app.sdk.speak_voice import (
    Model,
    Voice,
    VoiceChange,
    VoiceChoices,
    VoiceRequest,
    read_model,
    read_voice,
    write_change,
    write_voice,
)
from app.sdk.speak_wait import Waiting
from app.sdk.speech import Fields, read

T = TypeVar("T")

DEFAULT_URL = "http://localhost:8000"
API_SECONDS = 30.0
IDS_PER_REQUEST = 50  # in one address
CHUNK_BYTES = 64 * 1024

Format = Literal["wav", "mp3", "flac", "m4a", "webm"]


class ClientOptions(TypedDict, total=False):
    """The keywords of `SpeakClient`."""

    email: str | None
    password: str | None
    token: str | None
    refresh_token: str | None
    on_tokens: OnTokens | None
    auth_url: str | None
    timeout: float
    tls: ssl.SSLContext | None
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]
    rng: Callable[[], float]


class Filter(TypedDict, total=False):
    """Which part of a list is wanted; the newest come first."""

    length: int | None
    """Items of a page."""
    page: int | None
    """From 1."""
    older: int | None
    """Only those asked for at this time (milliseconds since the epoch) or before."""
    newer: int | None
    """Only those asked for at this time (milliseconds since the epoch) or later."""


class SpeakClient:
    """Makes takes and voices, and fetches their audio. Use it in an `async with` block, in one event loop.

    It signs in when it first has to, renews its token when that expires, and signs out at the end if it signed in with
    a password.

    Args:
        url: of the server; the API is at `/v1/speak/` there.
        email: to sign in with, together with
        password: or instead of both
        token: access token, permanent token or API key; with or without
        refresh_token: which gets the next access token.
        on_tokens: told the access token and the refresh token whenever they change, to be kept for the next run.
        auth_url: where `/auth/` is, if not at `url`.
        timeout: seconds for an answer; audio may take longer.
        tls: for `https://`; None trusts what the system trusts.
        sleep: waits for seconds, between questions whether something is done.
        clock: seconds, monotonic.
        rng: a number in [0, 1), for jitter.

    Every method raises, beside what it says itself:

        NotConnected: the server cannot be reached.
        Denied: it does not take the credentials.
        RequestFailed: it answered with another error; see `app.sdk.speak_errors` for the kinds.
        BrokenReply: its answer lacks what it should have.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        email: str | None = None,
        password: str | None = None,
        token: str | None = None,
        refresh_token: str | None = None,
        on_tokens: OnTokens | None = None,
        auth_url: str | None = None,
        timeout: float = API_SECONDS,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        credentials = Credentials(email, password, token, refresh_token)
        self._tls = tls
        self._http = httpx.AsyncClient(timeout=timeout, verify=tls if tls is not None else True)
        self._tokens = Tokens(self._http, f"{(auth_url or url).rstrip('/')}/auth/", credentials, on_tokens=on_tokens)
        self._api = Api(self._http, f"{url.rstrip('/')}/v1/speak/", self._tokens)
        self._waits_for_takes = Waiting(self._find_takes, lambda take: take.take_id, sleep=sleep, clock=clock, rng=rng)
        self._waits_for_voices = Waiting(
            self._find_voices, lambda voice: voice.voice_id, sleep=sleep, clock=clock, rng=rng
        )
        self._open = AsyncExitStack()

    async def __aenter__(self) -> "SpeakClient":
        """Begin; the server is not asked for anything yet."""
        await self._open.enter_async_context(self._http)
        await self._open.enter_async_context(self._tokens)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sign out, if this client signed in, and close all connections."""
        await self._open.__aexit__(kind, error, trace)

    async def sign_in(self) -> None:
        """Sign in now, to learn whether the credentials are good; else the first request does it."""
        await self._tokens.current()

    async def sign_out(self) -> None:
        """Give the session up at once."""
        await self._tokens.sign_out()

    async def version(self) -> tuple[int, int]:
        """Return the version of the API, major and minor; needs no credentials."""
        return read(lambda data: (int(data["version"]), int(data["minor"])), await self._api.get_openly("version"))

    async def models(self) -> list[Model]:
        """Return what can speak."""
        return _read_all(read_model, await self._api.get("models"))

    async def model(self, name: str) -> Model:
        """Return one model."""
        return read(read_model, await self._api.get(f"models/{quote(name, safe='')}"))

    async def voices(self, **wanted: Unpack[Filter]) -> list[Voice]:
        """Return voices, the newest first."""
        return _read_all(read_voice, await self._api.get("voices", **wanted))

    async def voice(self, voice_id: str) -> Voice:
        """Return one voice."""
        return read(read_voice, await self._api.get(f"voices/{quote(voice_id, safe='')}"))

    async def generate_voice(
        self,
        name: str,
        model: str,
        gender: str,
        *,
        wait: bool = True,
        timeout: float | None = None,
        **choices: Unpack[VoiceChoices],
    ) -> Voice:
        """Make a voice.

        Args:
            name: for people.
            model: name of the model.
            gender: of `VoiceGender`.
            wait: whether to return it when it is ready, or at once.
            timeout: seconds for that.
            choices: the other fields of `VoiceRequest`.

        Raises:
            GenerationFailed: it could not be made.
            TimeoutError: it was not made in time.
        """
        request = write_voice(VoiceRequest(name, model, gender, **choices))
        made = read(read_voice, await self._api.post("voices/generate", request))
        return await self.wait_for_voice(made.voice_id, timeout=timeout) if wait else made

    async def wait_for_voice(
        self, voice_id: str, *, timeout: float | None = None, on_status: Callable[[Voice], object] | None = None
    ) -> Voice:
        """Return a voice when it is ready; as `wait_for_take`."""
        [voice] = await self._waits_for_voices.until_done([voice_id], timeout=timeout, on_status=on_status)
        return voice

    async def update_voice(self, voice_id: str, change: VoiceChange) -> None:
        """Change a voice.

        Raises:
            ValueError: nothing would change.
        """
        if await self._api.post(f"voices/{quote(voice_id, safe='')}", write_change(change)) is not True:
            raise BrokenReply(f"the server did not say that voice {voice_id} has changed")

    async def delete_voice(self, voice_id: str) -> None:
        """Delete a voice; its takes stay."""
        await self._api.delete(f"voices/{quote(voice_id, safe='')}")

    async def generate_take(
        self,
        voice_id: str,
        text: str,
        *,
        wait: bool = True,
        timeout: float | None = None,
        **choices: Unpack[Choices],
    ) -> Take:
        """Make a take.

        Args:
            voice_id: who speaks.
            text: what.
            wait: whether to return it when it is ready, or at once; `audio` gives its WAV while it is made.
            timeout: seconds for that.
            choices: how: the other fields of `Wording`, and `user_data`.

        Raises:
            GenerationFailed: it could not be made.
            TimeoutError: it was not made in time; it goes on on the server.
        """
        request = write_take(TakeRequest.of(voice_id, text, **choices))
        made = read(read_take, await self._api.post("takes/generate", request))
        return await self.wait_for_take(made.take_id, timeout=timeout) if wait else made

    async def generate_takes(
        self, requests: Sequence[TakeRequest], *, wait: bool = True, timeout: float | None = None
    ) -> list[Take]:
        """Make many takes, in one request; returns them in the same order. Raises as `generate_take`."""
        made = _read_all(read_take, await self._api.post("takes/generate", [write_take(one) for one in requests]))
        ids = [take.take_id for take in made]
        return await self.wait_for_takes(ids, timeout=timeout) if wait else made

    async def wait_for_take(
        self, take_id: str, *, timeout: float | None = None, on_status: Callable[[Take], object] | None = None
    ) -> Take:
        """Return a take when it is ready. Cancelling stops the waiting, not the take.

        Args:
            take_id: which.
            timeout: seconds.
            on_status: told the take whenever its status has been found changed.

        Raises:
            GenerationFailed: it ended in `error` or `timeout`.
            TimeoutError: it was not ready in time.
        """
        [take] = await self.wait_for_takes([take_id], timeout=timeout, on_status=on_status)
        return take

    async def wait_for_takes(
        self,
        take_ids: Sequence[str],
        *,
        timeout: float | None = None,
        on_status: Callable[[Take], object] | None = None,
    ) -> list[Take]:
        """Return takes, in the order of their ids, when all are done; as `wait_for_take`."""
        return await self._waits_for_takes.until_done(take_ids, timeout=timeout, on_status=on_status)

    async def take(self, take_id: str) -> Take:
        """Return one take."""
        return read(read_take, await self._api.get(f"takes/{quote(take_id, safe='')}"))

    async def takes(self, **wanted: Unpack[Filter]) -> list[Take]:
        """Return takes, the newest first."""
        return _read_all(read_take, await self._api.get("takes", **wanted))

    async def delete_take(self, take_id: str) -> None:
        """Delete a take and its audio."""
        await self._api.delete(f"takes/{quote(take_id, safe='')}")

    async def audio(self, take_id: str, format: Format = "wav") -> AsyncGenerator[bytes, None]:
        """Yield the audio of a take, WAV while it is still made; other formats are waited for first.

        The header of a WAV that is still made cannot tell its length. Closing the generator ends the download.

        Args:
            take_id: which.
            format: `wav`, `mp3`, `flac`, `m4a` or `webm`.

        Raises:
            GenerationFailed: the take ended in `error` or `timeout`.
            NotConnected: the connection broke in the middle.
        """
        if format != "wav":
            await self.wait_for_take(take_id)
        async with self._api.audio(f"takes/{quote(take_id, safe='')}/{quote(format, safe='')}") as response:
            async for chunk in response.aiter_bytes(CHUNK_BYTES):
                yield chunk

    async def audio_bytes(self, take_id: str, format: Format = "wav") -> bytes:
        """Return the audio of a take as a whole, in memory; as `audio`."""
        async with aclosing(self.audio(take_id, format)) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def download(self, take_id: str, path: str | Path, format: Format = "wav") -> int:
        """Write the audio of a take into a file, without holding it in memory; returns its bytes.

        The file appears when it is complete. A WAV that came while it was made gets the right header. Raises as
        `audio`, and OSError.
        """
        async with aclosing(self.audio(take_id, format)) as chunks:
            return await save(chunks, Path(path))

    async def audio_url(self, take_id: str, format: Format = "wav") -> str:
        """Return an address of the audio that works without credentials for a while, to be given to a player."""
        url = await self._api.location(f"takes/{quote(take_id, safe='')}/{quote(format, safe='')}")
        if url is None:
            raise BrokenReply("the server gave no address of the audio")
        return url

    async def websocket_url(self, *, model: str | None = None, voice_id: str | None = None) -> str:
        """Return the address of a WebSocket, with its secret, for `SpeakStream` here or in a browser; one of both.

        Raises:
            ValueError: neither model nor voice is named.
        """
        if model is None:
            if voice_id is None:
                raise ValueError("a model or a voice must be named")
            model = (await self.voice(voice_id)).model
        try:
            reply = await self._api.get(f"websocket/{quote(model, safe='')}")
        except NotFound:
            reply = await self._api.get("websocket", model=model)  # as the document has it
        return _websocket_url(reply)

    def stream(
        self, *, model: str | None = None, voice_id: str | None = None, **options: Unpack[StreamOptions]
    ) -> SpeakStream:
        """Return a stream of takes, to be used in an `async with` block while this client is open.

        Args:
            model: kept ready for this connection; others may be used on it, more slowly.
            voice_id: whose model is meant, if none is named.
            options: the keywords of `SpeakStream`.
        """

        async def url() -> str:
            try:
                return await self.websocket_url(model=model, voice_id=voice_id)
            except (Overloaded, ServerFailed) as error:  # which may pass, so that the connection tries again
                status, later = error.details["status"], error.details.get("retry_after")
                raise Refused(status, error.message, retry_after=later) from error

        options.setdefault("tls", self._tls)
        return SpeakStream(url, **options)

    async def _find_takes(self, ids: Sequence[str]) -> list[Take]:
        if len(ids) == 1:
            return [await self.take(ids[0])]
        return _read_all(read_take, await self._find("takes", "take_id", ids))

    async def _find_voices(self, ids: Sequence[str]) -> list[Voice]:
        if len(ids) == 1:
            return [await self.voice(ids[0])]
        return _read_all(read_voice, await self._find("voices", "voice_id", ids))

    async def _find(self, route: str, key: str, ids: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(ids), IDS_PER_REQUEST):
            found += await self._api.get(route, **{key: ",".join(ids[start : start + IDS_PER_REQUEST])})
        return found


def _read_all(make: Callable[[Fields], T], data: Any) -> list[T]:
    if not isinstance(data, list):
        raise BrokenReply("an answer is no list")
    return [read(make, item) for item in data]


def _websocket_url(reply: Any) -> str:
    for key in ("worker_websocket_url", "websocket_url"):
        if isinstance(reply, dict) and isinstance(reply.get(key), str):
            url: str = reply[key]
            # wss for https and ws for http, as browsers take it too
            return f"ws{url.removeprefix('http')}" if url.startswith("http") else url
    raise BrokenReply("the server gave no address of a WebSocket")

"""A client of talking portraits."""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, TypedDict, Unpack, cast
from urllib.parse import urlsplit, urlunsplit

from app.sdk.backoff import Backoff
from app.sdk.connection import Connection
from app.sdk.errors import RequestFailed
from app.sdk.portrait_events import IMAGE_ID, Event, Portrait, Progress, read_event
from app.sdk.portrait_exchange import LONG_CHARACTERS, Exchange, Turn
from app.sdk.portrait_request import Drawing, Loaded, Media, Order, Voicing

DEFAULT_URL: Final = "ws://localhost:8000"
PATH: Final = "/ws/lip-sync"
KEPT_NAMES: Final = 1000
"""Of pictures that were sent: a server that has restarted, or needs room, forgets them sooner."""

FOR_EVER: Final = Backoff()

OnProgress = Callable[[Progress], object]
"""Told how far a portrait is; must not block. What it raises ends the portrait."""


class PortraitOptions(TypedDict, total=False):
    """The keywords of `Portraits`."""

    backoff: Backoff
    wait_for_server: bool
    tls: ssl.SSLContext | None
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]
    rng: Callable[[], float]


class Speaking(Voicing, Drawing, total=False):
    """The keywords of `Portraits.speak` and `Portraits.stream`."""

    text: str | None
    image_id: str | None
    video: Media | None
    on_progress: OnProgress | None


class Portraits:
    """Makes pictures speak, one at a time: others wait their turn. Use it in an `async with` block, in one event loop.

    A picture goes over the network once: from then on it is named by its hash, and sent again where the server does not
    have it any more. A connection that breaks is opened again as `backoff` says; the portrait that was under way fails
    with `ConnectionLost`. What is asked while there is no connection waits for the next one.

    Args:
        url: address of the server, `ws://` or `wss://` (or `http://`, `https://`), with the prefix it may have, with or
            without `/ws/lip-sync`.
        token: API key or access token, sent in the header `Authorization`; None if the server asks for none.
        backoff: when to connect again.
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
        token: str | None = None,
        *,
        backoff: Backoff = FOR_EVER,
        wait_for_server: bool = False,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._exchange = Exchange()
        self._connection = Connection(
            portrait_url(url),
            self._exchange,
            token=token,
            backoff=backoff,
            wait_for_server=wait_for_server,
            tls=tls,
            sleep=sleep,
            clock=clock,
            rng=rng,
        )
        self._exchange.wire = self._connection
        self._sent: dict[str, None] = {}  # names of pictures, the oldest first

    async def __aenter__(self) -> "Portraits":
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
        self, image: Media | None = None, audio: Media | None = None, **speaking: Unpack[Speaking]
    ) -> Portrait:
        """Return a picture that speaks, as a video. Cancelling cancels it on the server too.

        Args:
            image: who speaks: the path of a JPEG, PNG or WebP file, or what is in it. Instead of it there may be
                `image_id`, the name of a picture that the server has (`Portrait.image_id`), or `video`, an MP4 or MOV
                of somebody whose lips are drawn anew, which the networks alone can do.
            audio: what is said: the path of a sound file, or what is in it. Instead of it there may be `text`, which
                the server speaks.
            speaking: the above; `on_progress`, told how far it is; and the keywords of `Voicing` and `Drawing`.

        Raises:
            RequestFailed: the server answered with an error; `code` is `validation_error`, `processing_error` (no face,
                no time, too many wait) or `internal_error`.
            NotConnected: the connection broke, or is gone for good.
            OSError: a file cannot be read.
            ValueError: there is not exactly one who speaks, or not exactly one thing to say.
        """
        async with aclosing(self._made(_order(image, audio, speaking, is_streamed=False), speaking)) as events:
            async for event in events:
                if isinstance(event, Portrait):
                    return event
        raise AssertionError("a portrait has ended without a result")

    async def stream(
        self, image: Media | None = None, audio: Media | None = None, **speaking: Unpack[Speaking]
    ) -> AsyncGenerator[Event, None]:
        """Yield the video in fragments while it is drawn: first `Opening`, then each `Fragment`, last the `Portrait`.

        Closing the generator before its end cancels the rest on the server; `contextlib.aclosing` does that at a place
        of your choice. The server is made to wait while fragments are not taken.

        Args:
            image: as for `speak`.
            audio: as for `speak`.
            speaking: as for `speak`.

        Raises:
            RequestFailed: the server answered with an error, possibly after some fragments.
            NotConnected: as `speak`, and so the others.
            OSError: as `speak`.
            ValueError: as `speak`.
        """
        async with aclosing(self._made(_order(image, audio, speaking, is_streamed=True), speaking)) as events:
            async for event in events:
                yield event

    async def _made(self, order: Order, speaking: Speaking) -> AsyncGenerator[Event, None]:
        loaded = await asyncio.to_thread(order.load)
        async with self._exchange.turn() as turn:
            is_known = loaded.image is None or loaded.image_id in self._sent
            await self._ask(turn, loaded, by_name=is_known)
            while True:
                event = await self._next(turn)
                if isinstance(event, RequestFailed):
                    if not (is_known and loaded.image is not None and event.details.get("field") == IMAGE_ID):
                        raise event
                    is_known = False
                    await self._ask(turn, loaded, by_name=False)
                elif isinstance(event, Progress):
                    if on_progress := speaking.get("on_progress"):
                        on_progress(event)
                elif isinstance(event, Portrait):
                    self._note(event.image_id)
                    yield event
                    return
                elif event is not None:
                    yield event

    async def _ask(self, turn: Turn, loaded: Loaded, *, by_name: bool) -> None:
        message = await asyncio.to_thread(loaded.encode, by_name=by_name)
        await self._exchange.ask(turn, message)

    async def _next(self, turn: Turn) -> Event | Progress | RequestFailed | None:
        message = await turn.next()
        is_long = isinstance(message, str) and len(message) > LONG_CHARACTERS
        event = await asyncio.to_thread(read_event, message) if is_long else read_event(message)
        if isinstance(event, Portrait | RequestFailed):
            turn.is_under_way = False
        return event

    def _note(self, image_id: str | None) -> None:
        """Remember that the server has a picture."""
        if image_id is None:
            return
        self._sent.pop(image_id, None)
        self._sent[image_id] = None
        if len(self._sent) > KEPT_NAMES:
            del self._sent[next(iter(self._sent))]


def portrait_url(url: str) -> str:
    """Return the address of the door of a server."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path.rstrip("/").removesuffix(PATH) + PATH
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def _order(image: Media | None, audio: Media | None, speaking: Speaking, *, is_streamed: bool) -> Order:
    return Order(
        image=image,
        image_id=speaking.get("image_id"),
        video=speaking.get("video"),
        audio=audio,
        text=speaking.get("text"),
        voicing=cast("Voicing", _only(Voicing, speaking)),
        drawing=cast("Drawing", _only(Drawing, speaking)),
        is_streamed=is_streamed,
    )


def _only(kind: type, speaking: Speaking) -> dict[str, Any]:
    """Return the keywords that are of a kind."""
    return {name: value for name, value in speaking.items() if name in kind.__annotations__}

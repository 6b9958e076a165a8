"""The one place that touches the edge-tts package, which speaks the protocol of Microsoft Edge's "read aloud".

Rules of this file, each the answer to something that edge-tts 7.3.1 does:

1. Every turn has a connector of its own, closed with it: the client's session closes the connector that it is given,
   so its own second try after a 403 ends in `RuntimeError: Session is closed`. The clock has been corrected by then,
   and the next turn succeeds.
2. A connection that drops in the middle ends the stream as if all were well, or as if there had been no audio. Only
   `state` shows the difference: `cumulative_audio_bytes` is set when `turn.end` has come, and not before. A package
   without that figure would leave it to the boundaries to tell.
3. Its timeouts do not bound a stall, so they are out of the way here; who calls `next` bounds it.
4. After `turn.end` it waits up to ten seconds for the closing handshake, of which nobody has anything: the speech would
   be late by a round trip at the least. So the end is taken as soon as it is told.
5. Its metadata parser, its header parser and its JSON raise what they like; all of it is a reply that cannot be read.
"""

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

import aiohttp
import anyio
import edge_tts
from edge_tts import communicate, voices
from edge_tts.exceptions import EdgeTTSException, NoAudioReceived, SkewAdjustmentError
from edge_tts.typing import CommunicateState

from app.errors import WorkerFailed
from app.tts.backends import edge_voices
from app.tts.backends.edge_turn import Boundary, Fault, Prosody, TurnFailed
from app.tts.speech import Voice

TICKS_PER_SECOND = 10_000_000
LONG = 3600
"""Seconds; stands for no timeout where edge-tts wants a whole number."""
CLOSE_SECONDS = 1.0
END_OF_TURN = "cumulative_audio_bytes"
"""The entry of `Communicate.state` that is set at the end of a turn."""

_UNREADABLE = (EdgeTTSException, ValueError, LookupError, TypeError)
_FAILURES = (aiohttp.ClientError, OSError, RuntimeError, *_UNREADABLE)


class Client:
    """Makes turns and fetches the list of voices.

    Args:
        proxy: URL of an HTTP proxy; None: the one that the environment names (HTTPS_PROXY), if any.
        ca_file: PEM of authorities that are trusted besides the usual ones, for proxies that open TLS.
        connector: makes a fresh connector for each connection.

    Raises:
        OSError: `ca_file` cannot be read, or holds no certificate (`ssl.SSLError`).
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_file: Path | None = None,
        connector: Callable[[], aiohttp.BaseConnector] = aiohttp.TCPConnector,
    ) -> None:
        self._proxy = proxy
        self._connector = connector
        if ca_file is not None:
            for context in trusted_contexts():
                context.load_verify_locations(ca_file)

    def turn(self, text: str, voice_id: str, prosody: Prosody) -> "EdgeTurn":
        """Begin a turn, of at most `MAX_CHARACTERS`.

        Raises:
            WorkerFailed: edge-tts does not take the text or the voice.
        """
        connector = self._connector()
        try:
            speaker = edge_tts.Communicate(
                text,
                voice_id,
                rate=prosody.rate,
                pitch=prosody.pitch,
                volume=prosody.volume,
                boundary="WordBoundary",
                connector=connector,
                proxy=self._proxy,
                connect_timeout=LONG,
                receive_timeout=LONG,
            )
        except ValueError as error:
            raise WorkerFailed(f"edge-tts refuses this text: {error}") from error
        return EdgeTurn(speaker, connector)

    async def list_voices(self) -> list[Voice]:
        """Fetch the list, with two connections at most; also corrects the clock of the token, if that is off.

        Raises:
            TurnFailed: it cannot be had.
        """
        connector = self._connector()
        try:
            return edge_voices.parse(await edge_tts.list_voices(connector=connector, proxy=self._proxy))
        except _FAILURES as error:
            raise explain(error) from error
        finally:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await connector.close()


class EdgeTurn:
    """A `Turn` of the real client."""

    def __init__(self, speaker: edge_tts.Communicate, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector
        self._stream = speaker.stream()
        self._has_begun = False
        self._listening = anyio.CancelScope()
        self._is_complete = END_OF_TURN not in speaker.state
        speaker.state = cast(CommunicateState, _State(speaker.state, self._end))

    @property
    def is_complete(self) -> bool:
        """See rule 2."""
        return self._is_complete

    async def next(self) -> bytes | Boundary | None:
        """See `Turn`."""
        self._has_begun = True
        chunk = None
        try:
            with anyio.CancelScope() as self._listening:
                chunk = await anext(self._stream, None)
        except NoAudioReceived as error:
            if self._is_complete:
                raise explain(error) from error
        except _FAILURES as error:
            raise explain(error) from error
        if chunk is None:
            return None
        if chunk["type"] == "audio":
            return chunk["data"]
        start = chunk["offset"] / TICKS_PER_SECOND
        return Boundary(chunk["text"], start, start + chunk["duration"] / TICKS_PER_SECOND)

    def _end(self) -> None:
        """Listen no longer: rule 4."""
        self._is_complete = True
        self._listening.cancel()

    async def close(self) -> None:
        """See `Turn`.

        Closing the stream would leave its inner generator, and so the socket, to the garbage collector. Without a
        connection it comes to its own end instead, through what it has buffered, and tidies up on the way.
        """
        with anyio.move_on_after(CLOSE_SECONDS, shield=True), suppress(*_FAILURES):
            await self._connector.close()
            if self._has_begun:
                async for _ in self._stream:
                    pass
            await self._stream.aclose()


class _State(dict[str, object]):
    """The `state` of a `Communicate`, which tells when the end of the turn is noted in it."""

    def __init__(self, state: Mapping[str, object], on_end: Callable[[], None]) -> None:
        super().__init__(state)
        self._on_end = on_end

    def __setitem__(self, key: str, value: object) -> None:
        super().__setitem__(key, value)
        if key == END_OF_TURN:
            self._on_end()


def trusted_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts with which edge-tts checks certificates. Private there, and its only place for them."""
    return communicate._SSL_CTX, voices._SSL_CTX


def explain(error: BaseException) -> TurnFailed:
    """Say what an exception of edge-tts or aiohttp means.

    Raises:
        BaseException: `error` itself, if it is a fault of ours.
    """
    match error:
        case NoAudioReceived():
            return TurnFailed(Fault.NO_AUDIO, "the service gave no audio")
        case SkewAdjustmentError():
            return TurnFailed(Fault.REFUSED, "the service refused this client (HTTP 403) without a date", status=403)
        case aiohttp.ClientHttpProxyError(status=status):
            return TurnFailed(Fault.UNREACHABLE, f"the proxy answered HTTP {status}", status=status)
        case aiohttp.ClientResponseError(status=403):
            return TurnFailed(Fault.REFUSED, "the service refused this client (HTTP 403)", status=403)
        case aiohttp.ClientResponseError(status=status):
            return TurnFailed(Fault.REFUSED, f"the service answered HTTP {status}", status=status)
        case aiohttp.ClientConnectorCertificateError(certificate_error=reason):
            return TurnFailed(Fault.UNREACHABLE, f"the service cannot be reached ({reason})")
        case aiohttp.ClientConnectorError(os_error=reason):
            return TurnFailed(Fault.UNREACHABLE, f"the service cannot be reached ({reason})")
        case TimeoutError():
            return TurnFailed(Fault.STALLED, "the service did not answer in time")
        case aiohttp.ClientError() | OSError():
            return TurnFailed(Fault.BROKEN, f"the connection broke ({type(error).__name__}: {error})")
        case RuntimeError():
            if isinstance(error.__context__, aiohttp.ClientResponseError):  # rule 1
                return explain(error.__context__)
            raise error
    return TurnFailed(Fault.BROKEN, f"the service's reply cannot be understood ({type(error).__name__}: {error})")

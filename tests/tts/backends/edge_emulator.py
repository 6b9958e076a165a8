"""Microsoft's "read aloud" service as the edge-tts client accepts it, on 127.0.0.1, with every fault it is known for.

It shows that our client side works. What Microsoft's servers really send can be seen only there.
"""

import json
import re
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum, auto
from types import TracebackType
from typing import Any
from xml.etree import ElementTree

import aiohttp
import anyio
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from anyio import to_thread
from edge_tts.constants import SEC_MS_GEC_VERSION, TRUSTED_CLIENT_TOKEN
from edge_tts.drm import generate_sec_ms_gec_v2

from app.audio.encode import Encoder
from app.audio.format import Format
from app.audio.trim import LEAD_SECONDS as LEAD_KEPT
from app.audio.trim import TAIL_SECONDS as TAIL_KEPT
from app.tts.backends.tone import sine

HOST = "speech.platform.bing.com"
PATH = "/consumer/speech/synthesize/readaloud"
RATE = 24_000
FRAME_BYTES = 720
"""0.12 s."""
WORD_SECONDS = 0.24
LEAD_SECONDS, TAIL_SECONDS = 0.1, 0.875
TICKS = 10_000_000

VOICES = {
    "zh-CN-XiaoxiaoNeural": "Female",
    "zh-CN-XiaoyiNeural": "Female",
    "zh-CN-YunxiNeural": "Male",
    "zh-CN-liaoning-XiaobeiNeural": "Female",
    "en-US-AriaNeural": "Female",
    "en-US-GuyNeural": "Male",
    "ja-JP-NanamiNeural": "Female",
}


class Ill(Enum):
    """What one connection suffers."""

    RESET_HALFWAY = auto()
    CLOSE_1011_HALFWAY = auto()
    STALL_HALFWAY = auto()
    STALL_AT_ONCE = auto()
    TRICKLE = auto()
    SHORT = auto()
    """A quarter of the audio, but all of the metadata and a proper end."""
    SHORT_WITHOUT_METADATA = auto()
    NO_METADATA = auto()
    NO_AUDIO = auto()
    DROP_AT_ONCE = auto()
    NO_CLOSE = auto()
    """The closing handshake is never answered."""
    FORBIDDEN = auto()
    FORBIDDEN_UNDATED = auto()
    HTTP_429 = auto()
    HTTP_503 = auto()
    UNKNOWN_PATH = auto()
    HEADER_BEYOND_END = auto()
    METADATA_NO_JSON = auto()
    AUDIO_NO_MP3 = auto()


@dataclass(frozen=True)
class Heard:
    """What a client asked for."""

    text: str
    voice: str
    rate: str
    pitch: str
    volume: str
    boundary: str


class Emulator:
    """The service; an async context manager.

    `ills` are suffered by the next connections, one each, and `always` by all others. `clock_offset` is how much the
    service's clock is ahead, in seconds.
    """

    def __init__(self, authority: trustme.CA) -> None:
        self.ills: deque[Ill] = deque()
        self.always: Ill | None = None
        self.clock_offset = 0.0
        self.trickle_seconds = 0.05
        self.voices = dict(VOICES)
        self.list_status = 200
        self.list_body: str | None = None
        self.is_list_silent = False
        self.silent_voices: set[str] = set()
        self.heard: list[Heard] = []
        self.calls = 0
        self.list_calls = 0
        self.open_calls = 0
        self.port = 0
        self._leaving = anyio.Event()
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(HOST).configure_cert(self._context)

    async def __aenter__(self) -> "Emulator":
        app = web.Application()
        app.router.add_get(f"{PATH}/edge/v1", self._answer)
        app.router.add_get(f"{PATH}/voices/list", self._list)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        await self._runner.cleanup()

    def connector(self) -> aiohttp.TCPConnector:
        """Return a connector for which the service is here."""
        return aiohttp.TCPConnector(resolver=Resolver(self.port))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self.list_calls += 1
        if self.is_list_silent:
            await self._leaving.wait()
        if not self._has_token(request):
            return self._forbidden()
        if self.list_status != 200:
            return web.Response(status=self.list_status)
        body = json.dumps([_entry(voice, gender) for voice, gender in self.voices.items()])
        return web.Response(text=body if self.list_body is None else self.list_body, content_type="application/json")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        ill = self.ills.popleft() if self.ills else self.always
        match ill:
            case Ill.HTTP_429 | Ill.HTTP_503:
                return web.Response(status=429 if ill is Ill.HTTP_429 else 503)
            case Ill.FORBIDDEN_UNDATED:
                assert request.transport is not None
                request.transport.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]
                request.transport.close()
                return web.Response(status=403)
        if ill is Ill.FORBIDDEN or not self._has_token(request):
            return self._forbidden()
        self.open_calls += 1
        try:
            return await self._speak(request, ill)
        except (aiohttp.WSMessageTypeError, ConnectionResetError):
            raise web.HTTPBadRequest from None  # the client has gone, so nobody hears it
        finally:
            self.open_calls -= 1

    async def _speak(self, request: web.Request, ill: Ill | None) -> web.StreamResponse:
        socket_ = web.WebSocketResponse(autoclose=ill is not Ill.NO_CLOSE)
        await socket_.prepare(request)
        config, ssml = await socket_.receive_str(), await socket_.receive_str()
        heard = _parse(config, ssml)
        self.heard.append(heard)
        if ill is Ill.DROP_AT_ONCE:
            return _reset(request, socket_)
        if ill is Ill.STALL_AT_ONCE:
            return await _wait_for_end(socket_)
        messages = await to_thread.run_sync(lambda: list(self._script(heard, ill)))
        for place, message in enumerate(messages):
            if place >= len(messages) // 2:
                match ill:
                    case Ill.RESET_HALFWAY:
                        return _reset(request, socket_)
                    case Ill.CLOSE_1011_HALFWAY:
                        await socket_.close(code=1011)
                        return socket_
                    case Ill.STALL_HALFWAY:
                        return await _wait_for_end(socket_)
            if ill is Ill.TRICKLE:
                with anyio.move_on_after(self.trickle_seconds):
                    await self._leaving.wait()
            if socket_.closed or request.transport is None:
                return socket_
            await (socket_.send_str(message) if isinstance(message, str) else socket_.send_bytes(message))
        if ill is Ill.NO_CLOSE:
            await self._leaving.wait()
            return socket_
        return await _wait_for_end(socket_)

    def _script(self, heard: Heard, ill: Ill | None) -> Iterator[str | bytes]:
        yield _text_message("turn.start", "{}")
        yield _text_message("response", "{}")
        match ill:
            case Ill.UNKNOWN_PATH:
                yield _text_message("surprise", "{}")
            case Ill.HEADER_BEYOND_END:
                yield b"\xff\xff" + b"Path:audio\r\n"
            case Ill.METADATA_NO_JSON:
                yield _text_message("audio.metadata", "<html>")
        if heard.voice in self.voices and heard.voice not in self.silent_voices and ill is not Ill.NO_AUDIO:
            yield from _speech(heard, ill)
        yield _text_message("turn.end", "{}")

    def _has_token(self, request: web.Request) -> bool:
        query = request.query
        client = query.get("TrustedClientToken") or query.get("trustedclienttoken")
        token = generate_sec_ms_gec_v2(time.time() + self.clock_offset)
        version = query.get("Sec-MS-GEC-Version")
        return client == TRUSTED_CLIENT_TOKEN and query.get("Sec-MS-GEC") == token and version == SEC_MS_GEC_VERSION

    def _forbidden(self) -> web.Response:
        return web.Response(status=403, headers={"Date": formatdate(time.time() + self.clock_offset, usegmt=True)})


class Resolver(AbstractResolver):
    """Finds every name at a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=socket.AF_INET, proto=0, flags=0)
        ]

    async def close(self) -> None:
        pass


class NoName(Resolver):
    """Finds nothing, as without a network."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(-3, "Temporary failure in name resolution")


def words(text: str) -> list[str]:
    """Return what is spoken of a text: a word for each CJK character and each run of others."""
    return re.findall(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]+", text)


def speech_seconds(text: str, pace: float = 1.0) -> float:
    """Return how long the service speaks, silence included; mp3 adds up to 0.1 s."""
    return (LEAD_SECONDS + len(words(text)) * WORD_SECONDS + TAIL_SECONDS) / pace


def heard_seconds(text: str, pace: float = 1.0) -> float:
    """Return how long the same is without most of its silence."""
    return LEAD_KEPT + len(words(text)) * WORD_SECONDS / pace + TAIL_KEPT


def _speech(heard: Heard, ill: Ill | None) -> Iterator[str | bytes]:
    pace = 1 + int(heard.rate.rstrip("%")) / 100
    spoken = words(heard.text)
    starts = [(LEAD_SECONDS + place * WORD_SECONDS) / pace for place in range(len(spoken))]
    mp3 = _mp3(spoken, pace) if ill is not Ill.AUDIO_NO_MP3 else bytes(20 * FRAME_BYTES)
    frames = [mp3[at : at + FRAME_BYTES] for at in range(0, len(mp3), FRAME_BYTES)]
    if ill in (Ill.SHORT, Ill.SHORT_WITHOUT_METADATA):
        frames = frames[: len(frames) // 4]
    marks = deque(zip(spoken, starts, strict=True))
    has_metadata = ill not in (Ill.NO_METADATA, Ill.SHORT_WITHOUT_METADATA)
    for place, frame in enumerate(frames):
        until = (place + 1) * FRAME_BYTES * 8 / 48_000
        while marks and has_metadata and marks[0][1] < until:
            yield _metadata(*marks.popleft(), WORD_SECONDS / pace)
        headers = b"X-RequestId:0\r\nContent-Type:audio/mpeg\r\nX-StreamId:0\r\nPath:audio\r\n"
        yield struct.pack(">H", len(headers)) + headers + frame
    while marks and has_metadata:
        yield _metadata(*marks.popleft(), WORD_SECONDS / pace)
    end = b"X-RequestId:0\r\nX-StreamId:0\r\nPath:audio\r\n"
    yield struct.pack(">H", len(end)) + end


def _mp3(spoken: list[str], pace: float) -> bytes:
    encoder = Encoder(sample_rate=RATE, format=Format.MP3, bitrate=48_000)
    silence = [bytes(2 * round(RATE * seconds / pace)) for seconds in (LEAD_SECONDS, TAIL_SECONDS)]
    count = round(RATE * WORD_SECONDS / pace)
    sound = b"".join(sine(220 * 2 ** (ord(word[0]) % 24 / 12), count, RATE) for word in spoken)
    return encoder.write(silence[0] + sound + silence[1]) + encoder.finish()


def _metadata(word: str, start: float, duration: float) -> str:
    data = {"Offset": round(start * TICKS), "Duration": round(duration * TICKS)}
    text = {"Text": word, "Length": len(word), "BoundaryType": "WordBoundary"}
    body: dict[str, Any] = {"Metadata": [{"Type": "WordBoundary", "Data": data | {"text": text}}]}
    return _text_message("audio.metadata", json.dumps(body))


def _text_message(path: str, body: str) -> str:
    return f"X-RequestId:0\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}\r\n\r\n{body}"


def _parse(config: str, ssml: str) -> Heard:
    wanted = json.loads(config.partition("\r\n\r\n")[2])["context"]["synthesis"]["audio"]
    assert wanted["outputFormat"] == "audio-24khz-48kbitrate-mono-mp3"
    options = wanted["metadataoptions"]
    root = ElementTree.fromstring(ssml.partition("\r\n\r\n")[2])
    namespace = "{http://www.w3.org/2001/10/synthesis}"
    voice, prosody = root.find(f"{namespace}voice"), root.find(f"{namespace}voice/{namespace}prosody")
    assert voice is not None and prosody is not None
    locale, name = re.findall(r"\((.+), (.+)\)", voice.attrib["name"])[0]
    return Heard(
        prosody.text or "",
        f"{locale}-{name}",
        prosody.attrib["rate"],
        prosody.attrib["pitch"],
        prosody.attrib["volume"],
        "word" if options["wordBoundaryEnabled"] == "true" else "sentence",
    )


def _entry(voice: str, gender: str) -> dict[str, str]:
    locale, _, name = voice.rpartition("-")
    friendly = f"Microsoft {name.removesuffix('Neural')} Online (Natural) - {locale}"
    return {"ShortName": voice, "Locale": locale, "Gender": gender, "FriendlyName": friendly, "Status": "GA"}


def _reset(request: web.Request, socket_: web.WebSocketResponse) -> web.StreamResponse:
    """Break the connection off with a TCP RST."""
    transport = request.transport
    assert transport is not None
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()  # type: ignore[attr-defined]
    return socket_


async def _wait_for_end(socket_: web.WebSocketResponse) -> web.StreamResponse:
    async for _ in socket_:
        pass
    return socket_

"""A server of the speak API, played by a test over real sockets, as the facts of that protocol have it."""

import asyncio
import itertools
import json
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.live_server import live_server

EMAIL, PASSWORD = "me@example.com", 'pass "word" ä'

MODEL = {
    "name": "tone",
    "displayname": "Tone",
    "flags": [],
    "languages": ["en-GB", "nl-NL"],
    "genders": ["male", "female"],
    "styles": [["base", "narrator"]],
    "prosody_types": ["simple", "affect"],
    "voice_inputs": ["gender"],
}
VOICE = {"name": "Ada", "model": "tone", "gender": "female", "timestamp_ms": 1_700_000_000_000}
RATE = 22_050


def wav(pcm: bytes, *, data_bytes: int | None = None, rate: int = RATE) -> bytes:
    """A file with the canonical header; `data_bytes` is what it says of its length."""
    size = len(pcm) if data_bytes is None else data_bytes
    total = 0xFFFFFFFF if size == 0xFFFFFFFF else 36 + size
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", total, b"WAVE") + fmt + struct.pack("<4sI", b"data", size) + pcm


def frame(request_id: object, part: int, chunk: int | None, audio: bytes, *, take_id: str = "t1") -> bytes:
    """A binary message."""
    metadata: dict[str, Any] = {"take_id": take_id, "part_id": part, "request_id": request_id}
    if chunk is not None:
        metadata["chunk_id"] = chunk
    head = json.dumps(metadata).encode()
    return b"JSON" + len(head).to_bytes(4, "little") + head + audio


def take(status: str = "waiting", **more: Any) -> dict[str, Any]:
    """A `TakeResponse` with all its keys."""
    made = {"take_id": "t1", "voice_id": "v1", "text": "hello", "status": status, "timestamp_ms": 1, "info": None}
    for key in ("override_language", "style", "prosody", "status_webhook", "done_webhook"):
        made[key] = None
    if status == "ready":
        made["info"] = {"duration": 2 * RATE, "audio_rate": RATE, "normalized_text": ["hello"]}
    return made | more


def voice(status: str = "waiting", **more: Any) -> dict[str, Any]:
    """A `VoiceInfo` with all its keys."""
    made: dict[str, Any] = {"voice_id": "v1", "status": status, "example_take_id": "t1"} | VOICE
    for key in ("description", "default_style", "default_prosody", "example_take", "done_webhook"):
        made[key] = None
    return made | more


class Peer:
    """One accepted WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.headers = socket.headers
        self.heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def hear(self) -> dict[str, Any]:
        """Return the client's next message."""
        async with asyncio.timeout(10):
            message = await self.heard.get()
        assert message is not None, "the client has closed"
        return message

    async def say(self, message: Mapping[str, Any] | str | bytes) -> None:
        if isinstance(message, bytes):
            await self._socket.send_bytes(message)
        else:
            await self._socket.send_text(message if isinstance(message, str) else json.dumps(message))

    async def tell(self, request: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        """Send a status."""
        await self.say({"data": item, "request_id": request["request_id"]})

    async def send(self, request: Mapping[str, Any], part: int, chunk: int | None, audio: bytes) -> None:
        """Send audio."""
        await self.say(frame(request["request_id"], part, chunk, audio))

    async def perform(self, request: Mapping[str, Any], *parts: bytes) -> None:
        """Answer as the vendor's server does: with all statuses, the parts of PCM, and the end."""
        for status in ("waiting", "started"):
            await self.tell(request, take(status))
        is_chunked = request.get("stream") == {"mode": "chunks"}
        for n, pcm in enumerate(parts):
            await self._perform_part(request, n, wav(pcm), is_chunked=is_chunked)
        await self.send(request, len(parts), 0 if is_chunked else None, b"")
        await self.tell(request, take("ready"))

    async def _perform_part(self, request: Mapping[str, Any], part: int, file: bytes, *, is_chunked: bool) -> None:
        if not is_chunked:
            await self.send(request, part, None, file)
            return
        cuts = [0, *range(44 + 4096, len(file), 4096), len(file)]
        for chunk, (start, end) in enumerate(itertools.pairwise(cuts)):
            await self.send(request, part, chunk, file[start:end])
        await self.send(request, part, len(cuts) - 1, b"")

    async def hang_up(self, code: int = 1012, reason: str = "rebalancing") -> None:
        await self._socket.close(code, reason)


class FakeSpeak:
    """The server; REST answers by itself, the WebSocket says what the test says."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, Any]] = []
        """Method, address and JSON of every request."""
        self.failures: list[tuple[int, Any, dict[str, str]]] = []
        """Answered to the next requests, in turn: status, detail and headers."""
        self.takes: dict[str, list[dict[str, Any]]] = {}
        """What each take looks like, one poll after the other; the last stays."""
        self.voices: dict[str, list[dict[str, Any]]] = {}
        self.audio: dict[str, AsyncIterator[bytes] | bytes] = {}
        """By `take_id/format`."""
        self.audio_credentials: list[str | None] = []
        """What the signed addresses were given."""
        self.url_key = "worker_websocket_url"
        self.has_model_route = True
        self.secrets: set[str] = set()
        self.refuses_streams = False
        self.answering = asyncio.Event()
        self.answering.set()
        self.tokens: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self._numbers = itertools.count(1)
        self._accepted: asyncio.Queue[Peer] = asyncio.Queue()

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(1 for _, asked, _ in self.asked if asked.partition("?")[0] == path)

    def expire(self) -> None:
        """No access token is good any more."""
        self.tokens.clear()

    async def accept(self) -> Peer:
        """Return the next WebSocket."""
        async with asyncio.timeout(10):
            return await self._accepted.get()

    def app(self) -> Starlette:
        speak = "/v1/speak"
        return Starlette(
            routes=[
                Route("/auth/login", self._login, methods=["POST"]),
                Route("/auth/refresh", self._refresh, methods=["POST"]),
                Route("/auth/logout", self._logout, methods=["POST"]),
                Route(f"{speak}/version", self._version),
                Route(f"{speak}/models", self._models),
                Route(f"{speak}/models/{{name}}", self._model),
                Route(f"{speak}/takes/generate", self._generate_takes, methods=["POST"]),
                Route(f"{speak}/voices/generate", self._generate_voice, methods=["POST"]),
                Route(f"{speak}/takes/{{id}}/{{format}}", self._redirect),
                Route(f"{speak}/websocket/{{model}}", self._websocket_url),
                Route(f"{speak}/websocket", self._websocket_url),
                Route(f"{speak}/{{kind}}", self._list),
                Route(f"{speak}/{{kind}}/{{id}}", self._one, methods=["GET", "POST", "DELETE"]),
                Route("/signed/{id}/{format}", self._audio),
                WebSocketRoute("/worker", self._worker),
            ]
        )

    async def _login(self, request: Request) -> Response:
        body = await self._note(request)
        if body != {"email": EMAIL, "password": PASSWORD}:
            return JSONResponse({"detail": "Wrong email or password."}, 401)
        return self._issue()

    async def _refresh(self, request: Request) -> Response:
        body = await self._note(request)
        await self.answering.wait()
        if body["refresh_token"] not in self.refresh_tokens:
            return JSONResponse({"detail": "Not a refresh token."}, 401)
        self.refresh_tokens.remove(body["refresh_token"])
        return self._issue()

    async def _logout(self, request: Request) -> Response:
        self.refresh_tokens.discard((await self._note(request))["refresh_token"])
        return Response(status_code=204)

    def _issue(self) -> Response:
        access, refresh = f"access-{next(self._numbers)}", f"refresh-{next(self._numbers)}"
        self.tokens.add(access)
        self.refresh_tokens.add(refresh)
        return JSONResponse({"access_token": access, "refresh_token": refresh})

    async def _version(self, request: Request) -> Response:
        await self._note(request)
        assert "authorization" not in request.headers
        return JSONResponse({"version": 1, "minor": 0})

    async def _models(self, request: Request) -> Response:
        await self._note(request)
        return self._refused(request) or JSONResponse([MODEL])

    async def _model(self, request: Request) -> Response:
        await self._note(request)
        if refused := self._refused(request):
            return refused
        if request.path_params["name"] != "tone":
            return JSONResponse({"detail": "No such model."}, 404)
        return JSONResponse(MODEL)

    async def _generate_takes(self, request: Request) -> Response:
        body = await self._note(request)
        if refused := self._refused(request):
            return refused
        made = [self._make_take(one) for one in (body if isinstance(body, list) else [body])]
        return JSONResponse(made if isinstance(body, list) else made[0])

    def _make_take(self, body: dict[str, Any]) -> dict[str, Any]:
        id = f"t{next(self._numbers)}"
        made = take(**body | {"take_id": id})
        self.takes.setdefault(id, [made | {"status": "started"}, take("ready", **body | {"take_id": id})])
        return made

    async def _generate_voice(self, request: Request) -> Response:
        body = await self._note(request)
        if refused := self._refused(request):
            return refused
        id = f"v{next(self._numbers)}"
        self.voices[id] = [voice("ready", **body | {"voice_id": id})]
        return JSONResponse(voice(**body | {"voice_id": id}))

    async def _list(self, request: Request) -> Response:
        await self._note(request)
        if refused := self._refused(request):
            return refused
        items = self.takes if request.path_params["kind"] == "takes" else self.voices
        ids = request.query_params.get(f"{request.path_params['kind'][:-1]}_id")
        wanted = ids.split(",") if ids else list(items)
        return JSONResponse([_next(items[id]) for id in reversed(wanted) if id in items])

    async def _one(self, request: Request) -> Response:
        await self._note(request)
        if refused := self._refused(request):
            return refused
        items = self.takes if request.path_params["kind"] == "takes" else self.voices
        id = request.path_params["id"]
        if id not in items:
            return JSONResponse({"detail": "Not found."}, 404)
        if request.method == "DELETE":
            del items[id]
        return JSONResponse(_next(items[id]) if request.method == "GET" else True)

    async def _redirect(self, request: Request) -> Response:
        await self._note(request)
        if refused := self._refused(request):
            return refused
        id, format = request.path_params["id"], request.path_params["format"]
        return RedirectResponse(f"/signed/{id}/{format}?sig=1", 307)

    async def _audio(self, request: Request) -> Response:
        self.audio_credentials.append(request.headers.get("authorization"))
        audio = self.audio.get(f"{request.path_params['id']}/{request.path_params['format']}")
        if audio is None:
            return JSONResponse({"detail": "The take failed."}, 409)
        return Response(audio) if isinstance(audio, bytes) else StreamingResponse(audio)

    async def _websocket_url(self, request: Request) -> Response:
        await self._note(request)
        if refused := self._refused(request):
            return refused
        if not self.has_model_route and "model" not in request.query_params:
            return JSONResponse({"detail": "Not Found"}, 404)
        secret = f"secret-{next(self._numbers)}"
        self.secrets.add(secret)
        url = f"{self.url}/worker?secret={secret}".replace("http", "ws", 1)
        return JSONResponse({self.url_key: url})

    async def _worker(self, socket: WebSocket) -> None:
        if self.refuses_streams or socket.query_params["secret"] not in self.secrets:
            await socket.close()
            return
        await socket.accept()
        peer = Peer(socket)
        self._accepted.put_nowait(peer)
        try:
            while True:
                peer.heard.put_nowait(await socket.receive_json())
        except (WebSocketDisconnect, RuntimeError):
            peer.heard.put_nowait(None)

    async def _note(self, request: Request) -> Any:
        body = await request.body()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        content = json.loads(body) if body else None
        self.asked.append((request.method, path, content))
        return content

    def _refused(self, request: Request) -> Response | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return JSONResponse({"detail": "Not authenticated"}, 401)
        if self.failures:
            status, detail, headers = self.failures.pop(0)
            return JSONResponse({"detail": detail}, status, headers)
        return None


def _next(states: list[dict[str, Any]]) -> dict[str, Any]:
    return states.pop(0) if len(states) > 1 else states[0]


@asynccontextmanager
async def fake_speak() -> AsyncIterator[FakeSpeak]:
    """Serve on a free port of this machine."""
    server = FakeSpeak()
    async with live_server(server.app()) as listening:
        server.url = listening.url
        yield server

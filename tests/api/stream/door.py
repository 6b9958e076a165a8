"""The door of live recognition alone, on a real server, with recognizers that a test gives it."""

import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import anyio
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.api.stream.limits import StreamLimits
from app.api.stream.messages import MAX_MESSAGE_BYTES
from app.api.stream.monitoring import monitoring
from app.api.stream.router import router
from app.api.stream.streams import Streams
from app.fingerprint.hearings import RECOGNITION_POOL, Hearings
from app.fingerprint.track import Track
from app.runtime.auth import Authority
from app.runtime.connections import AdmissionLimits, Connections
from app.runtime.credentials import CredentialMiddleware, RequireIdentity
from app.runtime.server import SocketLimits
from app.runtime.session import SessionLimits
from app.runtime.workers import Workers
from tests.fingerprint.fake_recognizer import FakeRecognizer
from tests.live_server import LiveServer, live_server

RATE = 22_050
HOP = RATE // 2
SECRET = b"a secret of thirty-two bytes or more"
UNLIMITED = StreamLimits(
    connections=0, connections_per_address=0, attempts_per_minute=0, bytes_per_second=0, messages_per_minute=0
)


def track(id: int = 1) -> Track:
    return Track(
        id=id,
        video_id="abc123",
        title="Song Title",
        url="https://youtube.com/watch?v=abc123",
        thumbnail_url="https://i.ytimg.com/vi/abc123/default.jpg",
        duration=180.0,
        content_hash="0" * 64,
        version=1,
        added_ms=0,
    )


class Shelf:
    """A catalogue of tracks in memory."""

    def __init__(self) -> None:
        self.tracks = {1: track()}
        self.fault: Exception | None = None

    async def find(self, track_ids: Collection[int]) -> list[Track]:
        if self.fault is not None:
            raise self.fault
        return [self.tracks[id] for id in sorted(set(track_ids)) if id in self.tracks]


class Door:
    """A running door."""

    def __init__(self, live: LiveServer, connections: Connections, streams: Streams, shelf: Shelf) -> None:
        self.live = live
        self.url = live.url
        self.connections = connections
        self.streams = streams
        self.shelf = shelf
        self.authority = Authority(SECRET)

    def token(self, subject: str, *roles: str) -> str:
        return self.authority.issue(subject, expires_in=60, roles=roles)

    @asynccontextmanager
    async def client(self, client_id: str = "client-123", query: str = "", **options: Any) -> AsyncIterator["Client"]:
        url = f"{self.live.ws_url}/ws/stream/{client_id}{query}"
        async with connect(url, **{"compression": None, **options}) as socket:
            yield Client(socket)


class Client:
    """One connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, data: bytes | str) -> None:
        await self.socket.send(data)

    async def receive(self) -> Any:
        with anyio.fail_after(10):
            return json.loads(await self.socket.recv())

    async def begin(self) -> None:
        """Read the greeting."""
        assert (await self.receive())["message"] == "Connected to SoundHash streaming service"

    async def ending(self) -> tuple[list[Any], int, str]:
        """Read to the end; returns what came, and how it closed."""
        came = []
        try:
            while True:
                came.append(await self.receive())
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return came, closed.rcvd.code, closed.rcvd.reason


@asynccontextmanager
async def door(
    make: Callable[[int], Any] = FakeRecognizer,
    *,
    limits: StreamLimits = UNLIMITED,
    now: Callable[[], float] | None = None,
) -> AsyncIterator[Door]:
    connections, streams, shelf = Connections(), Streams(), Shelf()
    gate = connections.gate(
        "/ws/stream", AdmissionLimits(total=limits.connections, per_client=limits.connections_per_address)
    )
    app = FastAPI()
    app.add_middleware(RequireIdentity, authority=Authority(SECRET), required=False)
    app.add_middleware(CredentialMiddleware)
    sizes = SocketLimits(max_message_bytes=MAX_MESSAGE_BYTES, message_deadline=30.0)
    async with Hearings(Workers({RECOGNITION_POOL: 1}), make) as hearings:
        app.include_router(router(hearings, shelf.find, streams, gate, limits))
        app.include_router(monitoring(streams))
        async with live_server(app, drain=connections.drain, limits_for=lambda path: sizes) as live:
            yield Door(live, connections, streams, shelf)


def limited(**bounds: Any) -> StreamLimits:
    """Return limits of which only these are there; `idle` in seconds."""
    idle = bounds.pop("idle", 0.0)
    none = {name: 0 for name in StreamLimits.__slots__ if name != "session"}
    return StreamLimits(**(none | bounds), session=SessionLimits(idle_timeout=idle, heartbeat_interval=0.0))

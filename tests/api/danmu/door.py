"""The door of live speech alone, on a real server, with whatever engine a test gives it."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from app.api.danmu.conversation import DanmuLimits
from app.api.danmu.rest import rest
from app.api.danmu.router import router
from app.runtime.connections import AdmissionLimits, Connections
from app.runtime.workers import Workers
from app.tts.backend import Backend
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer
from tests.live_server import LiveServer, live_server

UNLIMITED = DanmuLimits(messages_per_minute=0)


class Door:
    """A running door."""

    def __init__(self, live: LiveServer, synthesizer: Synthesizer, connections: Connections) -> None:
        self.url = live.url
        self.ws_url = f"{live.ws_url}/ws"
        self.synthesizer = synthesizer
        self.connections = connections

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator["Client"]:
        async with connect(self.ws_url, **{"max_size": 2**20, "compression": None, **options}) as socket:
            yield Client(socket)


class Client:
    """One connection, speaking JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, type: str, data: Any = None, *, id: str = "1") -> None:
        message = {"id": id, "type": type}
        if data is not None:
            message["data"] = data
        await self.socket.send(json.dumps(message))

    async def receive(self) -> Any:
        return json.loads(await self.socket.recv())

    async def ask(self, type: str, data: Any = None, *, id: str = "1") -> Any:
        await self.send(type, data, id=id)
        return await self.receive()


@asynccontextmanager
async def door(
    *backends: Backend,
    limits: DanmuLimits = UNLIMITED,
    admission: AdmissionLimits | None = None,
    queue_depth: int = 100,
    cache_bytes: int = 0,
) -> AsyncIterator[Door]:
    connections = Connections()
    gate = connections.gate("/ws", admission or AdmissionLimits())
    synthesizer = Synthesizer(
        backends,
        workers=Workers({"codec": 2}),
        cache=SpeechCache(max_bytes=cache_bytes),
        queue_depth=queue_depth,
    )
    app = FastAPI()
    app.include_router(router(synthesizer, gate, limits))
    app.include_router(rest(synthesizer, stats=dict))
    async with synthesizer, live_server(app, drain=connections.drain) as live:
        yield Door(live, synthesizer, connections)


def audio(reply: Any) -> bytes:
    return base64.b64decode(reply["data"]["audio_data"], validate=True)


def code(reply: Any) -> Any:
    return reply["error"]["code"]


def ids(replies: Sequence[Any]) -> list[Any]:
    return [reply["id"] for reply in replies]

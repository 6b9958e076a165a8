"""The sockets of calls alone, on a real server, with processors and files that a test gives them."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import numpy as np
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.api.telephony.audio import audio
from app.api.telephony.limits import CallLimits
from app.api.telephony.messages import ECHO_MESSAGE_BYTES
from app.api.telephony.router import router
from app.audio import wav
from app.audio.pcm import Pcm, to_bytes
from app.calls.audio_files import AudioFiles
from app.calls.echo import Echo
from app.calls.processor import MakeProcessor
from app.calls.shared_reads import SharedReads
from app.calls.sounds import Sounds
from app.runtime.connections import AdmissionLimits, Connections
from app.runtime.server import SocketLimits
from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers
from tests.live_server import LiveServer, live_server


def tone(seconds: float, sample_rate: int = 16_000) -> Pcm:
    """Return a tone that fits no whole number of frames into its period, so that no two frames are equal."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (8_000 * np.sin(2 * np.pi * 441.7 * times)).astype(np.int16)


def wav_file(pcm: Pcm, sample_rate: int = 16_000) -> bytes:
    return wav.encode(to_bytes(pcm), sample_rate=sample_rate)


class Door:
    """A running door."""

    def __init__(self, live: LiveServer, connections: Connections, reads: SharedReads, sounds: Sounds) -> None:
        self.live = live
        self.url = live.url
        self.connections = connections
        self.reads = reads
        self.sounds = sounds

    @asynccontextmanager
    async def echo(self, query: str = "", **options: Any) -> AsyncIterator["Caller"]:
        async with connect(f"{self.live.ws_url}/ws/echo{query}", **{"compression": None, **options}) as socket:
            yield Caller(socket)

    @asynccontextmanager
    async def play(self, name: str, query: str = "", *, quoted: bool = True, **options: Any) -> AsyncIterator["Caller"]:
        path = quote(name, safe="") if quoted else name
        async with connect(f"{self.live.ws_url}/ws/play/{path}{query}", **{"compression": None, **options}) as socket:
            yield Caller(socket)


class Caller:
    """One connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, message: bytes | str) -> None:
        await self.socket.send(message)

    async def tell(self, **event: Any) -> None:
        await self.socket.send(json.dumps(event))

    async def receive(self) -> bytes | str:
        with anyio.fail_after(10):
            return await self.socket.recv()

    async def told(self) -> Any:
        """Return the next event, past all sound."""
        while isinstance(message := await self.receive(), bytes):
            pass
        return json.loads(message)

    async def ending(self) -> tuple[list[bytes | str], int, str]:
        """Read to the end; returns what came, and how it closed."""
        came: list[bytes | str] = []
        try:
            while True:
                came.append(await self.receive())
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return came, closed.rcvd.code, closed.rcvd.reason


@asynccontextmanager
async def door(
    folder: Path = Path("nowhere"),
    *,
    processors: Mapping[str, MakeProcessor] | None = None,
    limits: CallLimits | None = None,
    admission: AdmissionLimits | None = None,
    kept_seconds: float = 120.0,
    **server: Any,
) -> AsyncIterator[Door]:
    connections, workers = Connections(), Workers({FILES_POOL: 4, CODEC_POOL: 2})
    reads, sounds = SharedReads(workers), Sounds(workers, kept_seconds=kept_seconds)
    files, gate = AudioFiles(folder, workers), connections.gate("calls", admission or AdmissionLimits())
    app = FastAPI()
    app.include_router(router(processors or {"echo": Echo}, files, reads, sounds, gate, limits or CallLimits()))
    app.include_router(audio(files))
    sizes = SocketLimits(max_message_bytes=ECHO_MESSAGE_BYTES, message_deadline=30.0)
    async with live_server(app, drain=connections.drain, limits_for=lambda path: sizes, **server) as live:
        yield Door(live, connections, reads, sounds)

"""The door of talking portraits alone, on a real server, with an engine that draws next to nothing."""

import base64
import json
import threading
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from app.api.lipsync.images import images
from app.api.lipsync.limits import LipsyncLimits
from app.api.lipsync.messages import MAX_MESSAGE_BYTES
from app.api.lipsync.rest import rest
from app.api.lipsync.router import PATH, router
from app.errors import InvalidInput, Unavailable
from app.lipsync.album import Album
from app.lipsync.atelier import Atelier, Ended
from app.lipsync.commission import COMMISSION_POOL
from app.lipsync.engines import Engines
from app.lipsync.mouth.phonemes import TimedPhoneme
from app.lipsync.network_engine import NetworkEngine
from app.lipsync.portraits import Portraits
from app.lipsync.renderer import PORTRAIT_POOL, Limits, Renderer
from app.lipsync.script import Script, Spoken
from app.runtime.connections import AdmissionLimits, Connections
from app.runtime.queue import WaitingLine
from app.runtime.server import SocketLimits
from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers
from tests.lipsync.performers import FlatEngine, OneFace, png, tone
from tests.live_server import LiveServer, live_server


class Beeper:
    """Speaks a tone of a tenth of a second for each character, when it may."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.may_speak = anyio.Event()
        self.may_speak.set()
        self.is_asked = anyio.Event()
        self.cancelled = 0

    async def speak(self, script: Script, *, client: Hashable) -> Spoken:
        self.scripts.append(script)
        self.is_asked.set()
        if not script.text.strip():
            raise InvalidInput("text has nothing in it that can be spoken", field="text")
        try:
            await self.may_speak.wait()
        except BaseException:
            self.cancelled += 1
            raise
        seconds = len(script.text) / 10
        return Spoken(tone(seconds), (TimedPhoneme("a", 0.0, seconds),), voice="beep", backend="beeper")


class Door:
    """A running door."""

    def __init__(
        self, live: LiveServer, atelier: Atelier, speaker: Beeper, workers: Workers, ended: list[Ended]
    ) -> None:
        self.live = live
        self.atelier = atelier
        self.renderer = atelier.renderer
        self.speaker = speaker
        self.workers = workers
        self.ended = ended

    @asynccontextmanager
    async def client(self) -> AsyncIterator["Client"]:
        """Connect, and read the greeting."""
        async with connect(f"{self.live.ws_url}{PATH}", compression=None, max_size=None) as socket:
            client = Client(socket)
            client.greeting = await client.receive()
            yield client


class Client:
    """One connection."""

    greeting: Any

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, message: Any) -> None:
        await self._socket.send(message if isinstance(message, str) else json.dumps(message))

    async def receive(self) -> Any:
        """Return the next message; what is binary as `{"type": "binary", "data": …}`."""
        with anyio.fail_after(20):
            message = await self._socket.recv()
        return {"type": "binary", "data": message} if isinstance(message, bytes) else json.loads(message)

    async def until(self, *types: str) -> tuple[list[Any], Any]:
        """Read to the first message of these types; returns those before it, and it."""
        before = []
        while (message := await self.receive())["type"] not in types:
            before.append(message)
        return before, message

    async def cut(self) -> None:
        """Break the connection off."""
        self._socket.transport.abort()


class Held:
    """An engine that waits at a frame until it may go on."""

    def __init__(self, number: int = 5) -> None:
        self._there, self._go_on = threading.Event(), threading.Event()
        self._number = number
        self.is_over = False
        """Whether it waits no more."""
        self.engine = FlatEngine(before=self._before)

    def _before(self, number: int) -> None:
        if number == self._number:
            self._there.set()
            self._go_on.wait(20)
            self.is_over = True

    async def there(self) -> None:
        """Wait until it waits."""
        assert await anyio.to_thread.run_sync(self._there.wait, 20)

    def go_on(self) -> None:
        self._go_on.set()

    async def released_after(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        self.go_on()


def process(seconds: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A request; `None` leaves a field out."""
    options = changes.pop("options", {})
    made = {
        "type": "process",
        "audio_base64": base64.b64encode(tone(seconds)).decode(),
        "image_base64": base64.b64encode(png()).decode(),
        "options": {"model_type": "flat", **options},
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


@asynccontextmanager
async def door(
    engine: FlatEngine | None = None,
    *,
    faces: int = 1,
    limits: LipsyncLimits | None = None,
    timeout: float = 60.0,
    album_bytes: int = 10**7,
) -> AsyncIterator[Door]:
    connections = Connections()
    workers = Workers({PORTRAIT_POOL: 2, CODEC_POOL: 4, COMMISSION_POOL: 2, FILES_POOL: 1})
    portraits = Portraits(OneFace(faces), cache_bytes=10**7)
    renderer = Renderer(
        Engines(engine or FlatEngine(), {"nota_wav2lip": NetworkEngine("nota_wav2lip", _no_weights, lambda: None)}),
        portraits,
        workers,
        line=WaitingLine(concurrency=2, depth=2),
        limits=Limits(timeout=timeout),
    )
    album, speaker, limits = Album(max_bytes=album_bytes), Beeper(), limits or LipsyncLimits()
    ended: list[Ended] = []
    atelier = Atelier(renderer, portraits, album, speaker, workers, timeout=timeout, on_end=ended.append)
    gate = connections.gate(PATH, AdmissionLimits())
    app = FastAPI()
    app.include_router(router(atelier, workers, gate, limits))
    app.include_router(rest(atelier, workers, limits))
    app.include_router(images(atelier, limits))
    sizes = SocketLimits(max_message_bytes=MAX_MESSAGE_BYTES, message_deadline=30.0)
    async with live_server(app, drain=connections.drain, limits_for=lambda path: sizes) as live:
        yield Door(live, atelier, speaker, workers, ended)


def _no_weights() -> Any:
    raise Unavailable("nota_wav2lip has no weights")

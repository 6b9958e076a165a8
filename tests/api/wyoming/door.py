"""The Wyoming door alone, on a real port, with whatever engine a test gives it, and the protocol's own client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from wyoming.client import AsyncTcpClient
from wyoming.event import Event

from app.api.wyoming.conversation import WyomingLimits
from app.api.wyoming.server import serve
from app.runtime.connections import AdmissionLimits, Connections
from app.runtime.workers import Workers
from app.tts.backend import Backend
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer


class Door:
    """A running door."""

    def __init__(self, port: int, synthesizer: Synthesizer, connections: Connections) -> None:
        self.port = port
        self.synthesizer = synthesizer
        self.connections = connections

    @asynccontextmanager
    async def client(self) -> AsyncIterator[AsyncTcpClient]:
        async with AsyncTcpClient("127.0.0.1", self.port) as client:
            yield client

    async def ask(self, *events: Event, until: str) -> list[Event]:
        """Send events on a connection of its own; returns what comes, up to an event of that type or the end."""
        async with self.client() as client:
            for event in events:
                await client.write_event(event)
            return await hear(client, until=until)


async def hear(client: AsyncTcpClient, *, until: str) -> list[Event]:
    heard: list[Event] = []
    with anyio.fail_after(20):
        while (event := await client.read_event()) is not None:
            heard.append(event)
            if event.type == until:
                break
    return heard


def audio(events: list[Event]) -> bytes:
    return b"".join(event.payload or b"" for event in events if event.type == "audio-chunk")


@asynccontextmanager
async def door(
    *backends: Backend,
    limits: WyomingLimits | None = None,
    admission: AdmissionLimits | None = None,
    default_language: str = "en-US",
) -> AsyncIterator[Door]:
    connections = Connections()
    synthesizer = Synthesizer(
        backends,
        workers=Workers({"codec": 2}),
        cache=SpeechCache(max_bytes=0),
        queue_depth=100,
        default_language=default_language,
    )
    async with synthesizer, anyio.create_task_group() as group:
        gate = connections.gate("wyoming", admission or AdmissionLimits())

        async def run(*, task_status: anyio.abc.TaskStatus[int]) -> None:
            await serve(
                synthesizer,
                gate,
                limits or WyomingLimits(),
                host="127.0.0.1",
                port=0,
                version="1.2.3",
                task_status=task_status,
            )

        port = await group.start(run)
        yield Door(port, synthesizer, connections)
        group.cancel_scope.cancel()

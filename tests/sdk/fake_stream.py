"""The server's side of `/ws/stream/{client_id}`, played by a test over a real socket, as the document has it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection, serve

from tests.sdk.fake_server import FakeServer, Peer

MATCH = {
    "video_id": "abc123",
    "title": "Song Title",
    "url": "https://youtube.com/watch?v=abc123",
    "thumbnail_url": "https://i.ytimg.com/vi/abc123/default.jpg",
    "start_time": 0.0,
    "end_time": 90.0,
    "similarity_score": 0.95,
    "confidence": 0.92,
}
STATS = {
    "buffer_size": 44100,
    "buffer_capacity": 66150,
    "samples_processed": 352800,
    "total_matches": 3,
    "duration_seconds": 16.0,
}


def match(*matches: Mapping[str, Any]) -> dict[str, Any]:
    """A match message."""
    data = {"matches": list(matches or [MATCH]), "timestamp": 1234567890.123, "stats": STATS}
    return {"type": "match", "data": data}


def status(message: str = "Streaming processor initialized", **more: Any) -> dict[str, Any]:
    """A status message."""
    return {"type": "status", "message": message, **more}


def error(message: str = "Processing error: Invalid audio format", **more: Any) -> dict[str, Any]:
    """An error message."""
    return {"type": "error", "message": message, **more}


LOST = status("Music stopped", event="lost")


class StreamPeer(Peer):
    """One accepted stream."""

    @property
    def path(self) -> str:
        assert self._socket.request is not None
        return self._socket.request.path

    async def frame(self) -> NDArray[np.float32]:
        """Return the client's next frame."""
        async with asyncio.timeout(10):
            frame = await self._socket.recv()
        assert isinstance(frame, bytes)
        return np.frombuffer(frame, "<f4")

    async def frames(self, count: int) -> NDArray[np.float32]:
        """Return the next frames, joined."""
        return np.concatenate([await self.frame() for _ in range(count)])

    async def samples(self, count: int) -> NDArray[np.float32]:
        """Return the next frames, joined, until there are so many samples."""
        heard = await self.frame()
        while len(heard) < count:
            heard = np.concatenate([heard, await self.frame()])
        return heard


class FakeStreams(FakeServer):
    """A listening server; what it says is up to the test."""

    def __init__(self) -> None:
        super().__init__()
        self._streams: asyncio.Queue[StreamPeer] = asyncio.Queue()

    async def accept(self) -> StreamPeer:
        """Return the next stream."""
        async with asyncio.timeout(10):
            return await self._streams.get()

    async def handle(self, socket: ServerConnection) -> None:
        self._streams.put_nowait(StreamPeer(socket))
        await socket.wait_closed()


@asynccontextmanager
async def fake_streams() -> AsyncIterator[FakeStreams]:
    """Listen on a free port of this machine."""
    server = FakeStreams()
    async with serve(server.handle, "127.0.0.1", 0, process_request=server.refuse) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}"
        yield server


def dumped(message: Mapping[str, Any]) -> str:
    """The text of a message."""
    return json.dumps(message)

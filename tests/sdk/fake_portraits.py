"""The server's side of `/ws/lip-sync`, played by a test over a real socket."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from tests.sdk.fake_server import FakeServer, Peer

CONNECTION = {"type": "connection", "status": "connected", "client_id": "1", "message": "Connected"}
OPENING = {"type": "stream", "job_id": "1f0c9a2e", "codecs": "avc1.64001e, mp4a.40.2", "width": 64, "height": 48}
RESULT = {
    "type": "result",
    "job_id": "1f0c9a2e",
    "video_size": 5,
    "processing_time": 0.5,
    "model_used": "warp",
    "inference_fps": 400.0,
    "frames_processed": 50,
}
MORE = {
    "requested_model": "nota_wav2lip",
    "fallback_reason": "nota_wav2lip has no weights",
    "duration": 2.0,
    "fps": 25.0,
    "width": 64,
    "height": 48,
    "codecs": "avc1.64001e, mp4a.40.2",
    "faces": 1,
    "face_is_rough": False,
}


class PortraitPeer(Peer):
    """One accepted connection."""

    @property
    def path(self) -> str:
        assert self._socket.request is not None
        return self._socket.request.path

    async def hear_type(self, type: str) -> dict[str, Any]:
        heard = await self.hear()
        assert heard["type"] == type
        return heard

    async def hear_cancel(self) -> None:
        await self.hear_type("cancel")
        await self.hear_type("ping")

    async def progress(self, percent: float) -> None:
        await self.say({"type": "progress", "progress": percent, "message": f"{percent} %", "timestamp": 1.0})

    async def open_stream(self, **more: Any) -> None:
        await self.say({**OPENING, "fps": 25.0, **more})

    async def finish(self, request: dict[str, Any], video: bytes | None = b"video") -> None:
        """Answer with the result, in which the picture has its name."""
        image = request.get("image_base64")
        named = request.get("image_id") or (image and hashlib.sha256(base64.b64decode(image)).hexdigest())
        encoded = {} if video is None else {"video_base64": base64.b64encode(video).decode()}
        await self.say(RESULT | MORE | encoded | {"image_id": named})

    async def refuse(self, error_type: str, **more: Any) -> None:
        message = {"type": "error", "error_type": error_type, "message": f"it is {error_type}", "timestamp": 1.0}
        await self.say(message | more)

    async def confirm(self, type: str = "cancelled") -> None:
        await self.say({"type": type, "message": type})

    async def pong(self) -> None:
        await self.say({"type": "pong", "timestamp": 1.0})


class FakePortraits(FakeServer):
    """A drawing server; what it says is up to the test."""

    def __init__(self) -> None:
        super().__init__()
        self._peers: asyncio.Queue[PortraitPeer] = asyncio.Queue()

    async def accept(self) -> PortraitPeer:
        """Return the next connection, which has been greeted."""
        async with asyncio.timeout(10):
            return await self._peers.get()

    async def handle(self, socket: ServerConnection) -> None:
        await socket.send(json.dumps(CONNECTION))
        self._peers.put_nowait(PortraitPeer(socket))
        await socket.wait_closed()


@asynccontextmanager
async def fake_portraits() -> AsyncIterator[FakePortraits]:
    """Listen on a free port of this machine."""
    server = FakePortraits()
    async with serve(server.handle, "127.0.0.1", 0, process_request=server.refuse, max_size=None) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}"
        yield server

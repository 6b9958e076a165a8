"""The server's side of `/ws`, played by a test over a real socket."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

METADATA = {
    "backend": "tone",
    "voice": "beep",
    "duration": 1.5,
    "sample_rate": 22050,
    "format": "wav",
    "size_bytes": 4,
}
TIMESTAMPS = {
    "words": [{"text": "hi", "start": 0.0, "end": 0.25}],
    "phonemes": [{"text": "h", "start": 0.0, "end": 0.1}, {"text": "ˈaɪ", "start": 0.1, "end": 0.25}],
}


class Peer:
    """One accepted connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    @property
    def authorization(self) -> str | None:
        assert self._socket.request is not None
        return self._socket.request.headers.get("Authorization")

    async def hear(self) -> dict[str, Any]:
        """Return the client's next message."""
        async with asyncio.timeout(10):
            heard: dict[str, Any] = json.loads(await self._socket.recv())
            return heard

    async def hear_frames(self) -> list[str]:
        """Return the client's next message, as it was cut."""
        async with asyncio.timeout(10):
            return [str(frame) async for frame in self._socket.recv_streaming()]

    async def say(self, message: dict[str, Any] | str | bytes) -> None:
        await self._socket.send(json.dumps(message) if isinstance(message, dict) else message)

    async def answer(self, request: dict[str, Any], type: str, data: Any, *, status: str = "success") -> None:
        await self.say({"id": request["id"], "type": type, "status": status, "data": data})

    async def speak(self, request: dict[str, Any], audio: bytes = b"RIFF", **more: Any) -> None:
        encoded = base64.b64encode(audio).decode()
        data = {"audio_data": encoded, "metadata": METADATA, "cached": True, **more}
        await self.answer(request, "tts_response", data)

    async def send_chunk(self, request: dict[str, Any], index: int, total: int, **more: Any) -> None:
        data = {
            "chunk_index": index,
            "total_chunks": total,
            "audio_data": base64.b64encode(bytes([index])).decode(),
            "text_chunk": f"piece {index}",
            "metadata": METADATA,
            **more,
        }
        await self.answer(request, "tts_chunk", data, status="processing")

    async def complete(self, request: dict[str, Any], chunks: int) -> None:
        await self.answer(request, "tts_complete", {"total_duration": 1.5, "chunks_sent": chunks})

    async def fail(self, request: dict[str, Any], code: str, **details: Any) -> None:
        error = {"code": code, "message": f"it is {code}", "details": details}
        await self.say({"id": request["id"], "type": "error", "status": "error", "error": error})

    async def hang_up(self, code: int = 1012, reason: str = "restarting") -> None:
        await self._socket.close(code, reason)

    def fall_silent(self) -> None:
        """Read nothing more, so that no ping is answered."""
        self._socket.transport.pause_reading()

    def cut(self) -> None:
        """End without a word."""
        self._socket.transport.abort()

    async def end(self) -> tuple[int | None, str | None]:
        """Wait until the client has closed; returns its code and reason."""
        async with asyncio.timeout(10):
            await self._socket.wait_closed()
        return self._socket.close_code, self._socket.close_reason


class FakeServer:
    """A listening server; what it says is up to the test."""

    def __init__(self) -> None:
        self.url = ""
        self.attempts = 0
        self.refusals: list[tuple[HTTPStatus, dict[str, str]]] = []
        """Answered to the next handshakes, in turn."""
        self._accepted: asyncio.Queue[Peer] = asyncio.Queue()

    async def accept(self) -> Peer:
        """Return the next connection."""
        async with asyncio.timeout(10):
            return await self._accepted.get()

    async def handle(self, socket: ServerConnection) -> None:
        self._accepted.put_nowait(Peer(socket))
        await socket.wait_closed()

    def refuse(self, socket: ServerConnection, request: Request) -> Response | None:
        self.attempts += 1
        if not self.refusals:
            return None
        status, headers = self.refusals.pop(0)
        response = socket.respond(status, json.dumps({"detail": f"no: {status.phrase}"}))
        for name, value in headers.items():
            response.headers[name] = value
        return response


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    """Listen on a free port of this machine."""
    server = FakeServer()
    async with serve(server.handle, "127.0.0.1", 0, process_request=server.refuse) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}/ws"
        yield server


class Naps:
    """Sleeps that take no time and are remembered."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)

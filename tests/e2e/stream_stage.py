"""The pages of the server, and a `/ws/stream/{client_id}` whose other side is played by a test in plain code."""

import queue
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.pages import pages
from tests.live_server import live_server

SECONDS = 20.0  # for what a browser does soon


class Listener:
    """One accepted stream."""

    def __init__(self, socket: WebSocket, portal: BlockingPortal) -> None:
        self.client_id = socket.path_params["client_id"]
        self.query = dict(socket.query_params)
        self.frames: queue.Queue[bytes | None] = queue.Queue()
        self._socket = socket
        self._portal = portal

    def samples(self, count: int) -> NDArray[np.float32]:
        """Return what the page sends next, at least so many samples."""
        heard = np.empty(0, np.float32)
        while len(heard) < count:
            frame = self.frames.get(timeout=SECONDS)
            assert frame is not None, "the page has closed"
            heard = np.concatenate([heard, np.frombuffer(frame, "<f4")])
        return heard

    def wait_until_closed(self) -> None:
        while self.frames.get(timeout=SECONDS) is not None:
            pass

    def say(self, message: Mapping[str, Any]) -> None:
        self._portal.call(self._socket.send_json, message)

    def hang_up(self, code: int, reason: str = "") -> None:
        self._portal.call(self._socket.close, code, reason)


class StreamStage:
    """The server."""

    def __init__(self, portal: BlockingPortal) -> None:
        self.url = ""
        self.token: str | None = None
        """Without which nobody comes in, if there is one."""
        self.attempts = 0
        self._portal = portal
        self._accepted: queue.Queue[Listener] = queue.Queue()

    def accept(self) -> Listener:
        """Return the next stream."""
        return self._accepted.get(timeout=SECONDS)

    def app(self) -> FastAPI:
        app = FastAPI(routes=[Route("/stats", self._stats), WebSocketRoute("/ws/stream/{client_id}", self._stream)])
        app.include_router(pages(version="1"))
        return app

    async def _stats(self, request: Any) -> Response:
        allowed = request.headers.get("authorization") == f"Bearer {self.token}" or self.token is None
        return JSONResponse({}, 200 if allowed else 401)

    async def _stream(self, socket: WebSocket) -> None:
        self.attempts += 1
        if self.token is not None and socket.query_params.get("token") != self.token:
            await socket.send_denial_response(Response(status_code=401))
            return
        await socket.accept()
        listener = Listener(socket, self._portal)
        self._accepted.put(listener)
        try:
            while True:
                listener.frames.put(await socket.receive_bytes())
        except (WebSocketDisconnect, RuntimeError):
            listener.frames.put(None)


@contextmanager
def stream_stage() -> Iterator[StreamStage]:
    """Serve on a free port of this machine, in a thread."""
    with start_blocking_portal() as portal:
        stage = StreamStage(portal)
        with portal.wrap_async_context_manager(live_server(stage.app())) as listening:
            stage.url = listening.url
            yield stage

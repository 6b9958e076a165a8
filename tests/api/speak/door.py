"""The door of the speak API alone, on a real server, with a fake studio behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from daisys import DaisysAPI
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect

from app.api.speak.limits import SpeakLimits
from app.api.speak.rest import OPEN_PATHS, rest
from app.api.speak.router import router
from app.runtime.auth import Authority
from app.runtime.connections import AdmissionLimits, Connections
from app.runtime.credentials import CredentialMiddleware, RequireIdentity
from app.runtime.workers import Workers
from app.takes.recordings import Recordings
from tests.api.speak.fake_studio import FakeStudio
from tests.live_server import LiveServer, live_server

ANN = "ann"


class Clock:
    """Seconds since the epoch, at which a test puts them."""

    now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Door:
    """A running door, and who knocks."""

    live: LiveServer
    studio: FakeStudio
    authority: Authority
    clock: Clock
    connections: Connections
    http: httpx.AsyncClient
    """Of Ann, with her token."""
    stranger: httpx.AsyncClient
    """Without any."""

    def token(self, owner: str = ANN) -> str:
        return self.authority.issue(owner, expires_in=3600)

    def api(self, owner: str = ANN) -> DaisysAPI:
        """The vendor's own client."""
        return DaisysAPI("speak", access_token=self.token(owner), daisys_url=self.live.url, auth_url=self.live.url)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(f"/v1/speak{path}", **options)

    async def socket_url(self) -> str:
        return (await self.get("/websocket/espeak")).json()["websocket_url"]

    @asynccontextmanager
    async def socket(self, url: str | None = None) -> AsyncIterator[Any]:
        async with connect(url or await self.socket_url(), compression=None) as socket:
            yield socket


@asynccontextmanager
async def door(
    folder: Path,
    studio: FakeStudio | None = None,
    *,
    limits: SpeakLimits | None = None,
    admission: AdmissionLimits | None = None,
    root_path: str = "",
    **server: Any,
) -> AsyncIterator[Door]:
    """Open the door behind the server's judge of credentials; `folder` takes the recordings."""
    studio, limits, clock, connections = studio or FakeStudio(), limits or SpeakLimits(), Clock(), Connections()
    studio.recordings = Recordings(folder / "takes", workers=Workers({"files": 2, "codec": 2}))
    authority = Authority(b"0" * 32, clock=clock)
    app = FastAPI()
    app.include_router(router(studio, connections.gate("/v1/speak/ws", admission or AdmissionLimits()), limits))
    app.include_router(rest(studio, authority, limits))
    app.add_middleware(RequireIdentity, authority=authority, required=False, open_paths=OPEN_PATHS)
    app.add_middleware(CredentialMiddleware)
    bearer = {"Authorization": f"Bearer {authority.issue(ANN, expires_in=3600)}"}
    async with (
        live_server(_Prefixed(app, root_path), drain=connections.drain, **server) as live,
        httpx.AsyncClient(base_url=live.url, headers=bearer) as http,
        httpx.AsyncClient(base_url=live.url) as stranger,
    ):
        yield Door(live, studio, authority, clock, connections, http, stranger)


class _Prefixed:
    """Tells the application, as uvicorn does, of the prefix that a proxy strips."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, "root_path": self._root_path, "path": self._root_path + scope["path"]}
        await self._app(scope, receive, send)

"""The door of accounts on a real server, with clocks that stand still and a room behind it that needs a credential."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from app.accounts.account import Account
from app.api.accounts.rest import rest
from app.api.accounts.routes import OPEN_PATHS
from app.errors import MissingCredential
from app.runtime.credentials import CredentialMiddleware, RequireIdentity, require
from tests.accounts.engine import PASSWORD, Engine
from tests.live_server import LiveServer, live_server

API = "/api/v1/auth"
LOGIN = {"username": "ann", "password": PASSWORD}


@dataclass(frozen=True, slots=True)
class Door:
    """A running door, the engine behind it, and who knocks."""

    live: LiveServer
    engine: Engine
    http: httpx.AsyncClient
    asked: list[str] = field(default_factory=list)
    """The path of each request, in order."""

    async def post(self, path: str, body: Any = None, *, bearer: str = "") -> httpx.Response:
        return await self.send("POST", path, body, bearer=bearer)

    async def send(self, method: str, path: str, body: Any = None, *, bearer: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return await self.http.request(method, path, json=body, headers=headers)

    async def log_in(self, **body: str) -> dict[str, Any]:
        reply = await self.post(f"{API}/login", LOGIN | body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def ann(self, **values: object) -> Account:
        return await self.engine.ann(**values)


@asynccontextmanager
async def door(engine: Engine | None = None, **limits: Any) -> AsyncIterator[Door]:
    """Open the door; `GET /v1/speak/models` answers those who have a credential, as the speak API does."""
    engine, asked = engine or Engine(), []
    app = FastAPI()
    app.include_router(rest(engine.accounts))

    @app.get("/v1/speak/models")
    async def models(request: Request) -> JSONResponse:
        try:
            require(request.scope)
        except MissingCredential as error:
            return JSONResponse({"detail": str(error)}, status_code=401)
        return JSONResponse([])

    @app.middleware("http")
    async def note(request: Request, call_next):
        asked.append(request.url.path)
        return await call_next(request)

    app.add_middleware(RequireIdentity, authority=engine.authority, required=False, open_paths=OPEN_PATHS)
    app.add_middleware(CredentialMiddleware)
    async with live_server(app, **limits) as live, httpx.AsyncClient(base_url=live.url, trust_env=False) as http:
        yield Door(live, engine, http, asked)

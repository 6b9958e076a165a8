"""The routes of callbacks alone, on a real server, over a store in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from app.accounts.account import ADMIN
from app.api.telephony.callback import PATH, callback
from app.api.telephony.callbacks import callbacks
from app.calls.callbacks import Callbacks, Store
from app.calls.signature import Signature
from app.runtime.auth import Authority
from app.runtime.body_limit import BodyLimit
from app.runtime.credentials import CredentialMiddleware, RequireIdentity
from tests.calls.fake_callbacks import FakeCallbacks
from tests.live_server import live_server

AUTHORITY = Authority(b"a secret of thirty-two bytes or more")


class Reports:
    """A client of the two routes."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, body: bytes = b"", query: str = "", **headers: str) -> httpx.Response:
        return await self.http.post(f"{PATH}{query}", content=body, headers=headers)

    async def get(self, query: str = "", **headers: str) -> httpx.Response:
        return await self.http.get(f"{PATH}{query}", headers=headers)

    async def search(self, query: str = "", *, roles: tuple[str, ...] = (ADMIN,)) -> httpx.Response:
        token = AUTHORITY.issue("ann", expires_in=60, roles=roles)
        return await self.http.get(f"/api/v1/callbacks{query}", headers={"Authorization": f"Bearer {token}"})

    async def found(self, query: str = "") -> Any:
        reply = await self.search(query)
        assert reply.status_code == 200, reply.text
        return reply.json()


@asynccontextmanager
async def reports(
    *,
    store: Store | None = None,
    signature: Signature | None = None,
    keep: int = 0,
    max_waiting: int = 1000,
    clock: Callable[[], float] = lambda: 1_763_650_000.25,
    auth_required: bool = False,
) -> AsyncIterator[Reports]:
    kept = Callbacks(store or FakeCallbacks(), keep=keep, max_waiting=max_waiting)
    app = FastAPI()
    app.include_router(callback(kept, signature, clock=clock))
    app.include_router(callbacks(kept))
    app.add_middleware(BodyLimit, max_bytes=1024 * 1024)
    app.add_middleware(RequireIdentity, authority=AUTHORITY, required=auth_required, open_paths=[PATH])
    app.add_middleware(CredentialMiddleware)
    async with live_server(app) as live, httpx.AsyncClient(base_url=live.url) as http:
        yield Reports(http)

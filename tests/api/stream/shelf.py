"""The routes of the catalogue on a real server, with a store in memory and quick ears."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI

from app.api.stream.tracks import tracks
from app.api.stream.uploads import Uploads
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.follower import INDEX_POOL
from app.fingerprint.intake import Intake
from app.fingerprint.readers import Readers
from app.runtime.auth import Authority
from app.runtime.credentials import CredentialMiddleware, RequireIdentity
from app.runtime.workers import FILES_POOL, Workers
from tests.fingerprint.fake_store import FakeStore
from tests.live_server import LiveServer, live_server

SECRET = b"a secret of thirty-two bytes or more"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A running server, and who asks it."""

    live: LiveServer
    store: FakeStore
    catalogue: Catalogue
    uploads: Path
    admin: httpx.AsyncClient
    user: httpx.AsyncClient
    stranger: httpx.AsyncClient


@asynccontextmanager
async def shelf(folder: Path, readers: Readers) -> AsyncIterator[Shelf]:
    """Open the routes."""
    store, workers, authority = FakeStore(), Workers({INDEX_POOL: 2, FILES_POOL: 2}), Authority(SECRET)
    async with Catalogue(store, folder / "index", workers) as catalogue:
        await catalogue.catch_up()
        app = FastAPI()
        intake = Intake(store, readers, workers, max_seconds=60, clock=lambda: 1.5)
        app.include_router(tracks(catalogue, intake, Uploads(folder / "uploads", workers), workers))
        app.add_middleware(RequireIdentity, authority=authority, required=False)
        app.add_middleware(CredentialMiddleware)
        async with (
            live_server(app) as live,
            httpx.AsyncClient(base_url=live.url, headers=bearer(authority, "admin")) as admin,
            httpx.AsyncClient(base_url=live.url, headers=bearer(authority)) as user,
            httpx.AsyncClient(base_url=live.url) as stranger,
        ):
            yield Shelf(live, store, catalogue, folder / "uploads", admin, user, stranger)


def bearer(authority: Authority, *roles: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {authority.issue('root', expires_in=60, roles=roles)}"}

"""Every store of tracks there is, empty: the fake, SQLite and PostgreSQL (marker `postgres`)."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.fingerprint.labels import Labels
from app.fingerprint.sql import SqlStore
from app.fingerprint.store import Store
from app.fingerprint.track import NewTrack
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.workers import Workers
from tests.databases import postgres_url, sqlite_url
from tests.fingerprint.fake_store import FakeStore


@dataclass(frozen=True)
class Shared:
    """One place, as two servers see it."""

    store: Store
    other: Store


@pytest.fixture(params=["fake", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def shared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shared]:
    if request.param == "fake":
        fake = FakeStore()
        yield Shared(fake, fake)
        return
    with ExitStack() as stack:
        url = sqlite_url(tmp_path) if request.param == "sqlite" else stack.enter_context(postgres_url())
        async with connect(url) as one, connect(url) as other:
            await one.migrate()
            yield Shared(SqlStore(one), SqlStore(other))


@pytest.fixture
def store(shared: Shared) -> Store:
    return shared.store


def connect(url: str) -> Database:
    return Database(url, Workers({READ_POOL: 2, WRITE_POOL: 2}))


def new_track(number: int = 1, *, version: int = 1, sound: bytes | None = None, **labels: str) -> NewTrack:
    """Return a track to be kept: the same number has the same content."""
    return NewTrack(
        labels=Labels(**labels),
        duration=float(number),
        content_hash=hashlib.sha256(b"%d" % number).hexdigest(),
        version=version,
        added_ms=1000 + number,
        fingerprint=b"sound %d of version %d" % (number, version) if sound is None else sound,
    )

"""Every store of callbacks there is, empty: the fake, SQLite and PostgreSQL (marker `postgres`)."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.calls.callback import Arrival, read
from app.calls.callbacks import Store
from app.calls.sql import SqlCallbacks
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.workers import Workers
from tests.calls.fake_callbacks import FakeCallbacks
from tests.databases import postgres_url, sqlite_url


@dataclass(frozen=True)
class Shared:
    """One place, as two servers see it."""

    store: Store
    other: Store


@pytest.fixture(params=["fake", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def shared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shared]:
    if request.param == "fake":
        fake = FakeCallbacks()
        yield Shared(fake, fake)
        return
    with ExitStack() as stack:
        url = sqlite_url(tmp_path) if request.param == "sqlite" else stack.enter_context(postgres_url())
        async with connect(url) as one, connect(url) as other:
            await one.migrate()
            yield Shared(SqlCallbacks(one), SqlCallbacks(other))


@pytest.fixture
def store(shared: Shared) -> Store:
    return shared.store


def connect(url: str) -> Database:
    return Database(url, Workers({READ_POOL: 2, WRITE_POOL: 2}))


def report(body: bytes = b"", *, at: int = 1000, query: bytes = b"", form: bool = False) -> Arrival:
    """Return a report; `at` in ms since the epoch."""
    return read(received_ms=at, method="POST" if body else "GET", query=query, body=body, form=form)

"""Every store there is: the fake one, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.accounts.sql import AccountTables
from app.accounts.store import Store
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.workers import Workers
from tests.accounts.fake_store import FakeStore
from tests.databases import postgres_url, sqlite_url


@pytest.fixture(params=["fake", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    match request.param:
        case "fake":
            yield FakeStore()
        case "sqlite":
            async with opened(sqlite_url(tmp_path)) as tables:
                yield tables
        case _:
            with postgres_url() as url:
                async with opened(url) as tables:
                    yield tables


def connect(url: str) -> Database:
    return Database(url, Workers({READ_POOL: 2, WRITE_POOL: 4}))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AccountTables]:
    """Yield the tables of a migrated database."""
    async with connect(url) as database:
        await database.migrate()
        yield AccountTables(database)

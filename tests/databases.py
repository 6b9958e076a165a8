"""An empty database for each test, once on SQLite and once on PostgreSQL (marker `postgres`)."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

TEST_DATABASE_URL = os.environ.get("TEST_DATABASE_URL", "postgresql://root@127.0.0.1:5432/test")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    with postgres_url() as url:
        yield url


@pytest.fixture
def postgres_database_url() -> Iterator[str]:
    with postgres_url() as url:
        yield url


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'data' / 'chorus.db'}"


@contextmanager
def postgres_url() -> Iterator[str]:
    """Yield the URL of a new schema, dropped afterwards."""
    schema = f"test_{secrets.token_hex(8)}"
    with _connected() as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        try:
            separator = "&" if "?" in TEST_DATABASE_URL else "?"
            yield f"{TEST_DATABASE_URL}{separator}options=-csearch_path%3D{schema}"
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def _connected() -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(TEST_DATABASE_URL, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL for TEST_DATABASE_URL: {error}")

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import InvalidInput
from app.runtime.engines import describe, is_outage, make_engines, parse_url
from tests.databases import postgres_database_url, sqlite_url

__all__ = ["postgres_database_url"]


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg2://u@h/d", "postgresql+psycopg"),
        ("sqlite:///a.db", "sqlite"),
        ("sqlite+pysqlite:////a.db", "sqlite"),
    ],
)
def test_urls_get_the_driver_that_is_here(url: str, driver: str) -> None:
    assert parse_url(url).drivername == driver


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hush@h/d",
        "sqlite+aiosqlite:///hush.db",
        "postgresql+asyncpg://u:hush@h/d",
        "hush",
        "postgresql://u:hush@h:port/d",
        "",
    ],
)
def test_other_urls_are_refused_without_telling_them(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_url(url)
    assert "hush" not in f"{caught.value}{caught.value.__cause__}"
    assert caught.value.field == "DATABASE_URL"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_sqlite_must_be_a_file(url: str) -> None:
    with pytest.raises(InvalidInput, match="file"):
        parse_url(url)


def test_description_has_no_password() -> None:
    url = parse_url("postgresql://ann:hush@db.example:5433/name?password=hush&sslmode=require")
    assert describe(url) == "postgresql+psycopg://ann:***@db.example:5433/name"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_law_no_password_is_described(password: str) -> None:
    url = parse_url("postgresql://u@h/d").set(password=f"<{password}>")
    assert f"<{password}>" not in describe(url)
    assert f"<{password}>" not in repr(make_engines(url, connections=1))


def test_sqlite_connections_are_prepared(tmp_path: Path) -> None:
    engines = make_engines(parse_url(sqlite_url(tmp_path)), connections=1)
    wanted = {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 5000}
    for engine, query_only in ((engines.writer, 0), (engines.reader, 1)):
        with engine.begin() as connection:
            for name, value in {**wanted, "query_only": query_only}.items():
                assert connection.execute(text(f"PRAGMA {name}")).scalar_one() == value
        engine.dispose()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_new_sqlite_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    make_engines(parse_url(sqlite_url(tmp_path)), connections=1)
    assert stat.S_IMODE((tmp_path / "data" / "chorus.db").stat().st_mode) == 0o600


def test_existing_sqlite_file_keeps_its_mode_and_content(tmp_path: Path) -> None:
    path = tmp_path / "data" / "chorus.db"
    path.parent.mkdir()
    path.write_bytes(b"kept")
    path.chmod(0o640)
    make_engines(parse_url(sqlite_url(tmp_path)), connections=1)
    assert path.read_bytes() == b"kept"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.postgres
def test_postgres_connections_have_deadlines(postgres_database_url: str) -> None:
    engine = make_engines(parse_url(f"{postgres_database_url}%20-clock_timeout%3D7s"), connections=1).writer
    settings = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "1min", "lock_timeout": "7s"}
    with engine.begin() as connection:
        for name, value in settings.items():
            assert connection.execute(text(f"SHOW {name}")).scalar_one() == value
    engine.dispose()


def test_options_may_be_given_twice() -> None:
    engine = make_engines(parse_url("postgresql://u@h/d?options=-ca%3D1&options=-cb%3D2"), connections=1).writer
    assert engine.url.query == {}


class Odd(sqlite3.Error):
    """An error of the driver alone, without a code of SQLite."""


class Numbered(sqlite3.OperationalError):
    sqlite_errorcode = sqlite3.SQLITE_IOERR_READ


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (PoolTimeout(), True),
        (ValueError(), False),
        (DBAPIError("", {}, ValueError(), connection_invalidated=True), True),
        (OperationalError("", {}, Numbered()), True),
        (OperationalError("", {}, Odd()), False),
        (OperationalError("", {}, ValueError()), True),
        (DBAPIError("", {}, ValueError()), False),
    ],
)
def test_outages_are_told_from_wrong_statements(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage

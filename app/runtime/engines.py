"""SQLAlchemy engines for the two databases: SQLite in a file, PostgreSQL through psycopg 3."""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.errors import InvalidInput

BUSY_TIMEOUT_MS: Final = 5000
"""How long SQLite waits for the writer of another process."""

_CONNECT_TIMEOUT: Final = 5
"""Seconds, for opening a connection to PostgreSQL or getting one from the pool."""

_POSTGRES_NAMES: Final = frozenset(
    {"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2", "postgres+psycopg"}
)
_SQLITE_NAMES: Final = frozenset({"sqlite", "sqlite+pysqlite"})

_OUTAGES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)


@dataclass(frozen=True, slots=True)
class Engines:
    """The two sides of one database."""

    reader: Engine
    """Its connections refuse to write."""
    writer: Engine


def parse_url(url: str) -> URL:
    """Return the URL of a SQLite file or of a PostgreSQL database, with the driver that this server has.

    Raises:
        InvalidInput: it is neither; the message holds nothing of the URL but its scheme.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidInput("the database URL cannot be read", field="DATABASE_URL") from None
    if parsed.drivername in _POSTGRES_NAMES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in _SQLITE_NAMES:
        message = f"'{parsed.drivername}' is not a database of this server: sqlite, postgresql"
        raise InvalidInput(message, field="DATABASE_URL")
    if parsed.database in (None, "", ":memory:"):
        raise InvalidInput("a SQLite database is a file: sqlite:///data/chorus.db", field="DATABASE_URL")
    return parsed.set(drivername="sqlite")


def describe(url: URL) -> str:
    """Return the URL without its password and without its query, where libpq takes passwords too."""
    return url.set(query={}).render_as_string(hide_password=True)


def make_engines(url: URL, *, connections: int) -> Engines:
    """Make the engines of a database; nothing is connected yet.

    Args:
        url: from `parse_url`.
        connections: how many may be open for reading, and on PostgreSQL for everything.
    """
    if url.drivername == "sqlite":
        return Engines(
            reader=sqlite_engine(url, begin="BEGIN", connections=connections, query_only=True),
            writer=sqlite_engine(url, begin="BEGIN IMMEDIATE", connections=1),
        )
    engine = postgres_engine(url, connections=connections)
    return Engines(reader=engine.execution_options(postgresql_readonly=True), writer=engine)


def sqlite_engine(
    url: URL,
    *,
    begin: str,
    connections: int,
    query_only: bool = False,
    foreign_keys: bool = True,
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
) -> Engine:
    """Make an engine for a SQLite file, in WAL mode; the file and its directory are made if they are missing.

    `begin` is the statement that opens a transaction. A writer takes the lock at once (`BEGIN IMMEDIATE`):
    one that reads first and asks for the lock later may be refused without waiting.
    """
    _make_private(Path(str(url.database)))
    pragmas = {
        "busy_timeout": busy_timeout_ms,
        "foreign_keys": int(foreign_keys),
        "journal_mode": "WAL",
        "synchronous": "NORMAL",
        "query_only": int(query_only),
    }
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_CONNECT_TIMEOUT,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        # The driver would open transactions by itself, late, and not for DDL (sqlalchemy.org, "Serializable
        # isolation / Savepoints / Transactional DDL" of pysqlite).
        connection.isolation_level = None
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name}={value}")

    @event.listens_for(engine, "begin")
    def open_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _make_private(path: Path) -> None:
    """Make an empty database readable by its owner alone, for it will hold password hashes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def postgres_engine(url: URL, *, connections: int, statement_timeout: float = 30.0) -> Engine:
    """Make an engine for PostgreSQL that notices dead connections before it uses them.

    A statement ends after `statement_timeout` seconds (0: never), a lock is awaited for 10, and a transaction
    that does nothing is ended after 60; `?options=-c...` in the URL overrides this. A server that vanished from
    the network is noticed after 30 seconds.
    """
    return create_engine(
        url.set(query={}),
        connect_args=_arguments(url, statement_timeout),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_CONNECT_TIMEOUT,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def listening_arguments(url: URL) -> dict[str, Any]:
    """Return what psycopg needs to connect to a PostgreSQL database, for a connection outside the pool."""
    bare = url.set(query={})
    return {**bare.get_dialect()().create_connect_args(bare)[1], **_arguments(url, statement_timeout=30.0)}


def _arguments(url: URL, statement_timeout: float) -> dict[str, Any]:
    options = [
        f"-c statement_timeout={int(statement_timeout * 1000)}",
        "-c lock_timeout=10000",
        "-c idle_in_transaction_session_timeout=60000",
    ]
    given = url.query.get("options", ())
    options += [given] if isinstance(given, str) else given
    return {
        "connect_timeout": _CONNECT_TIMEOUT,
        "keepalives_idle": 30,
        "tcp_user_timeout": 30_000,
        "options": " ".join(options),
        **{name: value for name, value in url.query.items() if name != "options"},
    }


def is_outage(error: BaseException) -> bool:
    """Tell whether the database cannot work now, as against a statement that is wrong."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        code: int | None = getattr(error.orig, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in _OUTAGES
    return type(error).__name__ == "OperationalError"

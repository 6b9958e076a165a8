"""What the database looks like: the tables that rooms declare, and the revisions that make them.

A room declares its tables in its own `sql.py` on the `metadata` of this file. What really makes them are the
revisions in `app/migrations/versions`, each a plain list of operations that imports no room; so `migrate` knows
nobody, and old revisions keep working when a room changes. `differences` compares the two, for a test.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, MetaData, text
from sqlalchemy.exc import SQLAlchemyError

from app.errors import Unavailable
from app.runtime.engines import describe, is_outage, postgres_engine, sqlite_engine

SCRIPTS: Final = Path(__file__).parents[1] / "migrations"

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the product. The names of constraints must be known, or SQLite cannot drop them."""

_LOCK: Final = int.from_bytes(hashlib.sha256(b"chorus migrations").digest()[:8], "big", signed=True)
"""Key of the advisory lock on PostgreSQL."""

_PATIENCE_MS: Final = 60_000
"""How long a second server waits on SQLite while the first one migrates."""


def migrate(url: URL, *, revision: str = "head") -> None:
    """Bring the database up to `revision`, in one transaction, making it first if it is a SQLite file.

    `url` is from `parse_url`. It blocks. Servers that start together take turns: the others find nothing left to
    do. Logging is left as it is.

    Raises:
        Unavailable: the database does not answer, or was migrated by a newer version of this server.
    """
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            _upgrade(connection, revision)
    except CommandError as error:
        raise Unavailable(f"{describe(url)} cannot be migrated: {error}") from error
    except SQLAlchemyError as error:
        if is_outage(error):
            raise Unavailable(f"{describe(url)} cannot be migrated now") from error
        raise
    finally:
        engine.dispose()


def config() -> Config:
    """Return alembic's configuration, which stands in no file."""
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return made


def differences(connection: Connection) -> list[Any]:
    """Return how the database differs from `metadata`, in alembic's terms; nothing if it does not."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def _engine(url: URL) -> Engine:
    if url.drivername == "sqlite":
        # Without foreign keys: batch mode copies a table and drops the old one, which would delete the rows
        # that refer to it; and the pragma cannot be changed inside a transaction.
        return sqlite_engine(
            url, begin="BEGIN IMMEDIATE", connections=1, foreign_keys=False, busy_timeout_ms=_PATIENCE_MS
        )
    return postgres_engine(url, connections=1, statement_timeout=0)


def _upgrade(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    alembic = config()
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, revision)
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        if broken:
            raise CommandError(f"rows of {sorted({row[0] for row in broken})} would refer to nothing")

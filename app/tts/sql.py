"""The tables of speech, and what is asked of them."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, select
from sqlalchemy.dialects import postgresql, sqlite

from app.runtime.database import Database
from app.runtime.schema import metadata
from app.tts.statistics import Event

speech_statistics = Table(
    "speech_statistics",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)
"""One row for each event that ever happened (`app.tts.statistics`): some hundreds for each backend at most."""


class StatisticsTable:
    """The counts of all servers on one database."""

    def __init__(self, database: Database) -> None:
        """Take a database that is migrated."""
        self._database = database

    async def add(self, counts: Mapping[Event, int]) -> Counter[Event]:
        """Add to what is stored, in one transaction, and return everything that is stored now.

        Raises:
            Unavailable: as `Database.write` does; nothing was added.
        """
        return await self._database.write(lambda connection: _add(connection, counts))


def _add(connection: Connection, counts: Mapping[Event, int]) -> Counter[Event]:
    # In one order, so that servers that add at the same time wait for each other and never in a circle.
    rows = [
        {"backend": backend, "event": event, "bucket": bucket, "count": count}
        for (backend, event, bucket), count in sorted(counts.items())
    ]
    if rows:
        insert = _insert(connection.dialect.name)
        key = list(speech_statistics.primary_key)
        total = {"count": speech_statistics.c.count + insert.excluded.count}
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_=total), rows)
    stored = connection.execute(select(speech_statistics)).all()
    return Counter({(row.backend, row.event, row.bucket): row.count for row in stored})


def _insert(dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(speech_statistics) if dialect == "postgresql" else sqlite.insert(speech_statistics)

"""The tables of what call platforms reported, and what is asked of them."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
)

from app.calls.callback import MAX_KEPT_BYTES, Arrival, Callback, Kind, key_of
from app.calls.callbacks import Found, Wanted
from app.runtime.database import Database
from app.runtime.schema import metadata

MAX_INTEGER: Final = 2**62
"""What databases take for a whole number, and may add to."""

callbacks: Final = Table(
    "callbacks",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("query", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("signed", Boolean, nullable=False),
    Index("ix_callbacks_received_ms", "received_ms"),
)
"""Ids have no gaps, so that the newest so many are known without counting."""

fields: Final = Table(
    "callback_fields",
    metadata,
    Column("callback_id", BigInteger, ForeignKey("callbacks.id", ondelete="CASCADE"), primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_callback_fields_key_callback_id", "key", "callback_id"),
)
"""By which fields a report is found: `app.calls.callback.key_of`."""

_TURN: Final = int.from_bytes(hashlib.sha256(b"chorus callbacks").digest()[:8], "big", signed=True)
"""Key of the advisory lock on PostgreSQL, under which servers take turns at writing."""


class SqlCallbacks:
    """`app.calls.callbacks.Store` on a database that is migrated. Raises and is cancelled as `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, arrivals: Sequence[Arrival], *, keep: int) -> None:
        """Keep reports in one transaction, and forget those beyond `keep`."""
        await self._database.write(lambda connection: _add(connection, arrivals, keep))

    async def search(self, wanted: Wanted) -> Found:
        """Return reports, newest first."""
        return await self._database.read(lambda connection: _search(connection, wanted))


def _add(connection: Connection, arrivals: Sequence[Arrival], keep: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURN})
    last = connection.execute(select(func.max(callbacks.c.id))).scalar_one() or 0
    numbered = list(enumerate(arrivals, last + 1))
    connection.execute(insert(callbacks), [_row(id, arrival) for id, arrival in numbered])
    keys = [{"callback_id": id, "key": key} for id, arrival in numbered for key in _keys(arrival)]
    if keys:
        connection.execute(insert(fields), keys)
    if keep:
        connection.execute(delete(callbacks).where(callbacks.c.id <= last + len(arrivals) - keep))


def _row(id: int, arrival: Arrival) -> dict[str, object]:
    return {
        "id": id,
        "received_ms": arrival.received_ms,
        "method": arrival.method,
        "query": arrival.query[:MAX_KEPT_BYTES],
        "body": arrival.body[:MAX_KEPT_BYTES],
        "size": len(arrival.body),
        "kind": arrival.kind,
        "signed": arrival.signed,
    }


def _keys(arrival: Arrival) -> set[int]:
    return {key_of(name, value) for name, value in arrival.fields}


def _search(connection: Connection, wanted: Wanted) -> Found:
    total = connection.execute(_filtered(select(func.count()).select_from(callbacks), wanted)).scalar_one()
    newest = _filtered(select(callbacks), wanted).order_by(callbacks.c.id.desc())
    rows = connection.execute(newest.limit(wanted.length).offset(min(wanted.offset, MAX_INTEGER)))
    return Found([_callback(row) for row in rows], total)


def _filtered(query: Select[Any], wanted: Wanted) -> Select[Any]:
    for name, value in wanted.fields:
        having = select(fields.c.callback_id).where(fields.c.key == key_of(name, value))
        query = query.where(callbacks.c.id.in_(having))
    if wanted.since_ms is not None:
        query = query.where(callbacks.c.received_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        query = query.where(callbacks.c.received_ms < wanted.until_ms)
    return query


def _callback(row: Row[Any]) -> Callback:
    return Callback(
        id=row.id,
        received_ms=row.received_ms,
        method=row.method,
        query=bytes(row.query),
        body=bytes(row.body),
        size=row.size,
        kind=Kind(row.kind),
        signed=row.signed,
    )

"""What is asked of the table of calls that are owed. Every function runs in a transaction of its caller's."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.takes.deliveries import Delivery, Hook
from app.takes.tables import deliveries, takes, voices

_TOLD_OF: Final = {Hook.STATUS: (takes,), Hook.DONE: (takes, voices)}


def add(connection: Connection, owed: Sequence[Delivery]) -> None:
    """Owe calls, unless their ids are there."""
    if owed:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        unless_there = insert(deliveries).on_conflict_do_nothing(index_elements=["id"])
        connection.execute(unless_there, [_values(delivery) for delivery in owed])


def claim(connection: Connection, now_ms: int, until_ms: int, limit: int, busy: Collection[str]) -> list[Delivery]:
    """Take calls that are due. Servers that do so at once take different ones."""
    due = select(deliveries).where(deliveries.c.next_ms <= now_ms, *_free(busy))
    in_order = due.order_by(deliveries.c.next_ms, deliveries.c.id).limit(limit)
    rows = connection.execute(in_order.with_for_update(skip_locked=True)).all()
    claimed = {"next_ms": until_ms, "attempts": deliveries.c.attempts + 1}
    ids = [row.id for row in rows]
    connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(claimed))
    return [replace(_delivery(row), next_ms=until_ms, attempts=row.attempts + 1) for row in rows]


def settle(
    connection: Connection, delivery: Delivery, timestamp_ms: int, status_code: int | None, retry_ms: int | None
) -> bool:
    """Write down how a call went, unless another server has it now."""
    if retry_ms is None:
        result = connection.execute(delete(deliveries).where(*_held(delivery)))
    else:
        result = connection.execute(update(deliveries).where(*_held(delivery)).values(next_ms=retry_ms))
    if result.rowcount == 0:
        return False
    _note(connection, delivery, timestamp_ms, status_code)
    return True


def give_back(connection: Connection, delivery: Delivery) -> None:
    """Undo a claim."""
    undone = {"next_ms": 0, "attempts": delivery.attempts - 1}
    connection.execute(update(deliveries).where(*_held(delivery)).values(undone))


def next_ms(connection: Connection, busy: Collection[str]) -> int | None:
    """Return when the next call is due."""
    soonest = select(deliveries.c.next_ms).where(*_free(busy)).order_by(deliveries.c.next_ms).limit(1)
    return connection.execute(soonest).scalar_one_or_none()


def _free(busy: Collection[str]) -> list[ColumnElement[bool]]:
    """Be the first of its take and hook, to a receiver that may be called."""
    earlier = deliveries.alias("earlier")
    same = (earlier.c.subject == deliveries.c.subject, earlier.c.hook == deliveries.c.hook)
    first = ~exists().where(*same, earlier.c.id < deliveries.c.id)
    return [first, deliveries.c.receiver.not_in(list(busy))] if busy else [first]


def _held(delivery: Delivery) -> list[ColumnElement[bool]]:
    """Whoever claims a call afterwards counts one attempt more."""
    return [deliveries.c.id == delivery.id, deliveries.c.attempts == delivery.attempts]


def _note(connection: Connection, delivery: Delivery, timestamp_ms: int, status_code: int | None) -> None:
    called = {f"{delivery.hook}_call_ms": timestamp_ms, f"{delivery.hook}_call_code": status_code}
    for table in _TOLD_OF[delivery.hook]:
        told_of = (table.c.id == delivery.subject, table.c.owner == delivery.owner)
        connection.execute(update(table).where(*told_of).values(called))


def _values(delivery: Delivery) -> Mapping[str, Any]:
    return {
        "id": delivery.id,
        "owner": delivery.owner,
        "subject": delivery.subject,
        "hook": delivery.hook,
        "url": delivery.url,
        "receiver": delivery.receiver,
        "body": delivery.body,
        "next_ms": delivery.next_ms,
        "attempts": delivery.attempts,
    }


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        owner=row.owner,
        subject=row.subject,
        hook=Hook(row.hook),
        url=row.url,
        body=row.body,
        next_ms=row.next_ms,
        attempts=row.attempts,
    )

"""What is asked of the table of calls that are owed. Every function runs in a transaction of its caller's.

Rules of this file:

1. The calls of one hook of one take stand in line: all but the first are `is_behind` another, and whoever takes the
   first away lets the next one step forward. Whoever adds one behind others locks them first, so that none of them
   goes meanwhile; the calls of one take are added one after the other, by the server that makes it.
2. What is asked costs as much as there are receivers, whatever each of them is owed: a receiver that hangs, and is owed
   a hundred thousand calls, is stepped over in the index.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Connection, Row, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.takes.deliveries import Delivery, Hook
from app.takes.tables import FIRST, deliveries, takes, voices

_TOLD_OF: Final = {Hook.STATUS: (takes,), Hook.DONE: (takes, voices)}


def add(connection: Connection, owed: Sequence[Delivery]) -> None:
    """Owe calls, unless their ids are there."""
    if not owed:
        return
    lines = _lines(connection, {delivery.subject for delivery in owed})
    rows = []
    for delivery in sorted(owed, key=lambda delivery: delivery.id):
        line = (delivery.subject, str(delivery.hook))
        rows.append({**_values(delivery), "is_behind": line in lines})
        lines.add(line)
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(deliveries).on_conflict_do_nothing(index_elements=["id"]), rows)


def claim(connection: Connection, now_ms: int, until_ms: int, limit: int, busy: Collection[str]) -> list[Delivery]:
    """Take calls that are due. Servers that do so at once take different ones."""
    receivers = _receivers()
    firsts = select(_first_of(receivers, deliveries.c.id, deliveries.c.next_ms <= now_ms))
    ids = connection.execute(firsts.where(*_wanted(receivers, busy))).scalars().all()
    due = select(deliveries).where(deliveries.c.id.in_([id for id in ids if id]), deliveries.c.next_ms <= now_ms)
    in_order = due.order_by(deliveries.c.next_ms, deliveries.c.id).limit(limit)
    rows = connection.execute(in_order.with_for_update(skip_locked=True)).all()
    claimed = {"next_ms": until_ms, "attempts": deliveries.c.attempts + 1}
    connection.execute(update(deliveries).where(deliveries.c.id.in_([row.id for row in rows])).values(claimed))
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
    if retry_ms is None:
        _step_forward(connection, delivery)
    _note(connection, delivery, timestamp_ms, status_code)
    return True


def give_back(connection: Connection, delivery: Delivery) -> None:
    """Undo a claim."""
    undone = {"next_ms": 0, "attempts": delivery.attempts - 1}
    connection.execute(update(deliveries).where(*_held(delivery)).values(undone))


def next_ms(connection: Connection, busy: Collection[str]) -> int | None:
    """Return when the next call is due."""
    receivers = _receivers()
    soonest = select(func.min(_first_of(receivers, deliveries.c.next_ms)))
    found: int | None = connection.execute(soonest.where(*_wanted(receivers, busy))).scalar_one()
    return found


def _receivers() -> CTE:
    """Return all receivers, one step along the index for each (a loose index scan)."""
    found = select(func.min(deliveries.c.receiver).label("receiver")).where(FIRST).cte("receivers", recursive=True)
    beyond = select(func.min(deliveries.c.receiver)).where(FIRST, deliveries.c.receiver > found.c.receiver)
    return found.union_all(select(beyond.correlate(found).scalar_subquery()).where(found.c.receiver.is_not(None)))


def _first_of(receivers: CTE, column: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    """Return a column of the call that is due longest of each receiver."""
    own = select(column).where(FIRST, deliveries.c.receiver == receivers.c.receiver, *conditions)
    in_order = own.order_by(deliveries.c.next_ms, deliveries.c.id).limit(1)
    return in_order.correlate(receivers).scalar_subquery()


def _wanted(receivers: CTE, busy: Collection[str]) -> list[ColumnElement[bool]]:
    return [receivers.c.receiver.is_not(None), receivers.c.receiver.not_in(list(busy))]


def _lines(connection: Connection, subjects: Collection[str]) -> set[tuple[str, str]]:
    """Return in which lines something stands already, after locking it."""
    standing = select(deliveries.c.subject, deliveries.c.hook).where(deliveries.c.subject.in_(list(subjects)))
    # In one order, so that who locks and who steps forward wait for each other and never in a circle.
    rows = connection.execute(standing.order_by(deliveries.c.id).with_for_update())
    return {(row.subject, row.hook) for row in rows}


def _step_forward(connection: Connection, delivery: Delivery) -> None:
    line = (deliveries.c.subject == delivery.subject, deliveries.c.hook == delivery.hook)
    first = select(func.min(deliveries.c.id)).where(*line).scalar_subquery()
    connection.execute(update(deliveries).where(deliveries.c.id == first).values(is_behind=False))


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

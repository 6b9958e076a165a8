"""What is asked of the table of takes. Every function runs in a transaction of its caller's."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from app.takes import delivery_rows
from app.takes.deliveries import Delivery
from app.takes.documents import dump_outcome, dump_take_request, load_outcome, load_take_request
from app.takes.pages import bounded, in_order, storable
from app.takes.store import Page
from app.takes.tables import UNDONE, takes
from app.takes.take import Status, Take, Webhook


def add(connection: Connection, added: Sequence[Take], maker: str, owed: Sequence[Delivery]) -> None:
    """Keep new takes and the calls that tell of them; with none, nothing happens."""
    if added:
        connection.execute(insert(takes), [_values(take, maker) for take in added])
    delivery_rows.add(connection, owed)


def save(connection: Connection, take: Take, owed: Sequence[Delivery]) -> bool:
    """Keep what the making changes, of a take that is not done."""
    changed = {"status": take.status, "outcome": dump_outcome(take.recorded, take.error)}
    own = (takes.c.id == take.id, takes.c.owner == take.owner, UNDONE)
    if connection.execute(update(takes).where(*own).values(changed)).rowcount == 0:
        return False
    delivery_rows.add(connection, owed)
    return True


def find(connection: Connection, owner: str, take_id: str) -> Take | None:
    """Return an account's take."""
    row = connection.execute(select(takes).where(takes.c.id == take_id, takes.c.owner == owner)).one_or_none()
    return _take(row) if row else None


def page(connection: Connection, owner: str, page: Page) -> list[Take]:
    """Return an account's takes, newest first: one walk along the index by owner and time."""
    wanted = in_order(select(takes).where(takes.c.owner == owner), takes, page)
    return [_take(row) for row in connection.execute(wanted.limit(page.length).offset(bounded(page.offset)))]


def remove(connection: Connection, owner: str, take_id: str) -> bool:
    """Forget an account's take."""
    return connection.execute(delete(takes).where(takes.c.id == take_id, takes.c.owner == owner)).rowcount == 1


def known(connection: Connection, take_ids: Collection[str]) -> frozenset[str]:
    """Return those ids that are there."""
    asked = [take_id for take_id in take_ids if storable(take_id)]
    return frozenset(connection.execute(select(takes.c.id).where(takes.c.id.in_(asked))).scalars())


def unfinished(connection: Connection, maker: str, limit: int, after: str) -> list[Take]:
    """Return what a server has not done, by id: one walk along the partial index."""
    mine = select(takes).where(takes.c.maker == maker, takes.c.id > after, UNDONE)
    return [_take(row) for row in connection.execute(mine.order_by(takes.c.id).limit(limit))]


def overdue(connection: Connection, before_ms: int, limit: int) -> list[Take]:
    """Return what nobody has done, oldest first: all of the partial index, which is as long as takes wait."""
    late = select(takes).where(takes.c.timestamp_ms < before_ms, UNDONE)
    return [_take(row) for row in connection.execute(late.order_by(takes.c.timestamp_ms, takes.c.id).limit(limit))]


def _values(take: Take, maker: str) -> Mapping[str, Any]:
    return {
        "id": take.id,
        "owner": take.owner,
        "maker": maker,
        "status": take.status,
        "timestamp_ms": take.timestamp_ms,
        "request": dump_take_request(take.request),
        "outcome": dump_outcome(take.recorded, take.error),
    }


def _take(row: Row[Any]) -> Take:
    request = load_take_request(row.request)
    wording = replace(
        request.wording,
        status_webhook=called(request.wording.status_webhook, row.status_call_ms, row.status_call_code),
        done_webhook=called(request.wording.done_webhook, row.done_call_ms, row.done_call_code),
    )
    recorded, error = load_outcome(row.outcome)
    return Take(
        id=row.id,
        owner=row.owner,
        request=replace(request, wording=wording),
        status=Status(row.status),
        timestamp_ms=row.timestamp_ms,
        recorded=recorded,
        error=error,
    )


def called(webhook: Webhook | None, timestamp_ms: int | None, status_code: int | None) -> Webhook | None:
    """Return a webhook with its last call, if there was one."""
    if webhook is None or timestamp_ms is None:
        return webhook
    return replace(webhook, timestamp_ms=timestamp_ms, status_code=status_code)

"""What is asked of the table of voices. Every function runs in a transaction of its caller's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, or_, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from app.takes import delivery_rows
from app.takes.deliveries import Delivery
from app.takes.documents import dump_design, dump_voice_request, load_design, load_voice_request
from app.takes.pages import bounded, in_order
from app.takes.store import Page
from app.takes.tables import UNDONE, voices
from app.takes.take import Status
from app.takes.take_rows import called
from app.takes.voice import Voice


def add(connection: Connection, voice: Voice, maker: str, owed: Sequence[Delivery]) -> None:
    """Keep a new voice and the calls that tell of it, unless its id is there."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    unless_there = insert(voices).values(_values(voice, maker)).on_conflict_do_nothing(index_elements=["id"])
    if connection.execute(unless_there, execution_options={"preserve_rowcount": True}).rowcount == 1:
        delivery_rows.add(connection, owed)


def save(connection: Connection, voice: Voice, owed: Sequence[Delivery]) -> bool:
    """Keep what the making changes, of a voice that is not done."""
    changed = {"status": voice.status, "example_take_id": voice.example_take_id}
    own = (voices.c.id == voice.id, _owned(voice.owner), UNDONE)
    if connection.execute(update(voices).where(*own).values(changed)).rowcount == 0:
        return False
    delivery_rows.add(connection, owed)
    return True


def change(connection: Connection, owner: str, voice_id: str, change: Callable[[Voice], Voice]) -> Voice | None:
    """Change what was asked for of an account's voice."""
    own = (voices.c.id == voice_id, voices.c.owner == owner)
    row = connection.execute(select(voices).where(*own).with_for_update()).one_or_none()
    if row is None:
        return None
    voice = _voice(row)
    wanted = change(voice)
    values = {"request": dump_voice_request(wanted.request), "design": dump_design(wanted.design)}
    connection.execute(update(voices).where(*own).values(values))
    return replace(voice, request=wanted.request, design=wanted.design)


def find(connection: Connection, owner: str, voice_id: str) -> Voice | None:
    """Return a voice of the account or of everybody."""
    allowed = or_(voices.c.owner == owner, voices.c.owner.is_(None))
    row = connection.execute(select(voices).where(voices.c.id == voice_id, allowed)).one_or_none()
    return _voice(row) if row else None


def page(connection: Connection, owner: str, page: Page) -> list[Voice]:
    """Return the voices of the account and of everybody, newest first: two walks along the index, merged."""
    end = bounded(page.offset + page.length)
    parts = [
        select(in_order(select(voices).where(_owned(each)), voices, page).limit(end).subquery())
        for each in (owner, None)
    ]
    merged = union_all(*parts).subquery()
    newest = select(merged).order_by(merged.c.timestamp_ms.desc(), merged.c.id.desc())
    return [_voice(row) for row in connection.execute(newest.limit(page.length).offset(bounded(page.offset)))]


def remove(connection: Connection, owner: str, voice_id: str) -> bool:
    """Forget an account's voice."""
    return connection.execute(delete(voices).where(voices.c.id == voice_id, voices.c.owner == owner)).rowcount == 1


def unfinished(connection: Connection, maker: str) -> list[Voice]:
    """Return what a server has not done, by id: one walk along the partial index."""
    mine = select(voices).where(voices.c.maker == maker, UNDONE).order_by(voices.c.id)
    return [_voice(row) for row in connection.execute(mine)]


def _owned(owner: str | None) -> ColumnElement[bool]:
    return voices.c.owner.is_(None) if owner is None else voices.c.owner == owner


def _values(voice: Voice, maker: str) -> Mapping[str, Any]:
    return {
        "id": voice.id,
        "owner": voice.owner,
        "maker": maker,
        "status": voice.status,
        "timestamp_ms": voice.timestamp_ms,
        "request": dump_voice_request(voice.request),
        "design": dump_design(voice.design),
        "example_take_id": voice.example_take_id,
    }


def _voice(row: Row[Any]) -> Voice:
    request = load_voice_request(row.request)
    return Voice(
        id=row.id,
        owner=row.owner,
        request=replace(request, done_webhook=called(request.done_webhook, row.done_call_ms, row.done_call_code)),
        design=load_design(row.design),
        status=Status(row.status),
        timestamp_ms=row.timestamp_ms,
        example_take_id=row.example_take_id,
    )

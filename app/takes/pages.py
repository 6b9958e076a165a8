"""Parts of lists, as conditions of a query."""

from typing import Any, Final

from sqlalchemy import Select, Table

from app.takes.store import Page

MAX_INTEGER: Final = 2**62
"""What databases take for a whole number, and may add to; no time and no row lies beyond it."""


def in_order(query: Select[Any], table: Table, page: Page) -> Select[Any]:
    """Return the query with the filters of the page, newest first; which items of them it is, the caller says."""
    if page.ids is not None:
        query = query.where(table.c.id.in_([id for id in page.ids if storable(id)]))
    if page.older is not None:
        query = query.where(table.c.timestamp_ms <= bounded(page.older))
    if page.newer is not None:
        query = query.where(table.c.timestamp_ms >= bounded(page.newer))
    return query.order_by(table.c.timestamp_ms.desc(), table.c.id.desc())


def storable(id: str) -> bool:
    """Tell whether a database can be asked for an id that came from somewhere; ours are all ASCII."""
    return id.isascii() and "\0" not in id


def bounded(value: int) -> int:
    """Return what a database takes in place of a number."""
    return max(-MAX_INTEGER, min(value, MAX_INTEGER))

"""Which part of a list is wanted."""

import re
from typing import Annotated

from pydantic import BaseModel, Field

from app.errors import InvalidInput, NotFound
from app.takes.store import MAX_PAGE_LENGTH, Page

_ID = re.compile(r"[0-9a-z]{1,64}")

Milliseconds = Annotated[int, Field(ge=0, lt=2**53)]
"""Since the epoch."""


class ListQuery(BaseModel):
    """The query of a list; the newest come first."""

    length: Annotated[int, Field(ge=1, le=MAX_PAGE_LENGTH)] = MAX_PAGE_LENGTH
    """Items of a page."""
    page: Annotated[int, Field(ge=1, le=10**9)] = 1
    older: Milliseconds | None = None
    """Only those asked for at this time or before."""
    newer: Milliseconds | None = None
    """Only those asked for at this time or later."""

    def wanted(self, ids: list[str] | None, *, field: str) -> Page:
        """Return what the store calls it; `ids` as they were written: each one a name, or several with commas.

        Raises:
            InvalidInput: more ids than a page may have; `field` is what the query calls them.
        """
        return Page(split_ids(ids, field=field), self.length, self.page, self.older, self.newer)


def split_ids(written: list[str] | None, *, field: str) -> tuple[str, ...] | None:
    """Return the ids that are wanted, each once; None if the query names none. What can be no id is left out.

    Raises:
        InvalidInput: more than a page may have.
    """
    if written is None:
        return None
    ids = dict.fromkeys(id for several in written for id in several.split(",") if _ID.fullmatch(id))
    if len(ids) > MAX_PAGE_LENGTH:
        raise InvalidInput(f"{field} has {len(ids)} ids, {MAX_PAGE_LENGTH} may", field=field)
    return tuple(ids)


def checked(id: str, *, kind: str) -> str:
    """Return an id as a path has it.

    Raises:
        NotFound: nothing can have it.
    """
    if not _ID.fullmatch(id):
        raise NotFound(f"{kind} {id[:64]!r} does not exist")
    return id

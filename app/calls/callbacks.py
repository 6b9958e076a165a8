"""What call platforms reported, kept: durable before its sender is told that it arrived, and bounded in number.

A storm of reports is written in groups: while one is being written, those that arrive wait together, and the first of
them then writes all. So nobody is answered before the commit, there is no more than one transaction at a time, and at a
stop nothing is owed but to those who are still waiting for their answer.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from app.calls.callback import Arrival, Callback, Pairs
from app.errors import InvalidInput, Overloaded, Unavailable

MAX_WAITING: Final = 1000
"""Reports that are being kept at once; further ones are refused, and their senders try again."""
GROUP: Final = 256
"""Reports written at once."""
MAX_PAGE_LENGTH: Final = 1000
MAX_FILTERS: Final = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which reports, newest first.

    Raises:
        InvalidInput: a value out of its range.
    """

    fields: Pairs = ()
    """Each has to be there."""
    since_ms: int | None = None
    """Received at this time or later, since the epoch."""
    until_ms: int | None = None
    """Received before this time."""
    length: int = 20
    """Of a page, 1 to `MAX_PAGE_LENGTH`."""
    number: int = 1
    """Of the page, from 1."""

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_PAGE_LENGTH:
            raise InvalidInput(f"length {self.length} must be 1 to {MAX_PAGE_LENGTH}", field="per_page")
        if self.number < 1:
            raise InvalidInput(f"page {self.number} must be 1 or more", field="page")
        if len(self.fields) > MAX_FILTERS:
            raise InvalidInput(f"at most {MAX_FILTERS} fields can be looked for, not {len(self.fields)}")

    @property
    def offset(self) -> int:
        """How many come before the page."""
        return (self.number - 1) * self.length


@dataclass(frozen=True, slots=True)
class Found:
    """A page, and how many there are on all pages."""

    callbacks: list[Callback]
    total: int


class Store(Protocol):
    """Where reports are kept, durable: `app.calls.sql` is the real one. Every method may raise `Unavailable`."""

    async def add(self, arrivals: Sequence[Arrival], *, keep: int) -> None:
        """Keep reports, all or none, in this order; of all that there are, the newest `keep` stay (0: all)."""

    async def search(self, wanted: Wanted) -> Found:
        """Return reports."""


@dataclass(eq=False, slots=True)
class _Waiting:
    arrival: Arrival
    is_taken: bool = False
    """By who writes it."""
    is_over: bool = False
    failure: str | None = None


class Callbacks:
    """The reports.

    Args:
        store: keeps them.
        keep: how many; 0 for all.
        max_waiting: how many may be on their way to the store.
    """

    def __init__(self, store: Store, *, keep: int, max_waiting: int = MAX_WAITING) -> None:
        self._store = store
        self._keep = keep
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._turn = anyio.Lock()

    async def keep(self, arrival: Arrival) -> None:
        """Keep a report; it is there when this returns. Who is cancelled does not know whether it is.

        Raises:
            Overloaded: too many are on their way.
            Unavailable: the store cannot keep it now.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded(f"{len(self._waiting)} callbacks wait to be kept", retry_after=1.0)
        mine = _Waiting(arrival)
        self._waiting.append(mine)
        try:
            async with self._turn:
                if not mine.is_over:
                    await self._write()
        finally:
            if not mine.is_taken:
                self._waiting.remove(mine)
        if mine.failure is not None:
            raise Unavailable(mine.failure)

    async def search(self, wanted: Wanted) -> Found:
        """Return reports.

        Raises:
            Unavailable: the store does not answer.
        """
        return await self._store.search(wanted)

    async def _write(self) -> None:
        """Write those that have waited longest, also if who does it is cancelled."""
        group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
        for one in group:
            one.is_taken = True
        failure: str | None = "the callbacks could not be kept"
        try:
            with anyio.CancelScope(shield=True):
                await self._store.add([one.arrival for one in group], keep=self._keep)
            failure = None
        except Unavailable as error:
            failure = str(error)
        finally:
            for one in group:
                one.is_over, one.failure = True, failure

"""Calls to webhooks that are owed: kept until they are done, whatever becomes of the server that owes them.

What is owed is written in the same transaction as what it tells of (`app.takes.store.Store`): no change is kept
without its call, and no call is owed twice. A server claims a call for a while, makes it, and settles it. If it dies
between the two, the call is made again when the while is over, under the same id, by which a receiver knows it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit


class Hook(StrEnum):
    """Which webhook of a take or voice is called."""

    STATUS = "status"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One call that is owed."""

    id: str
    """`w` and a ULID in lower case; the same however often the call is tried."""
    owner: str
    """Id of the account."""
    subject: str
    """Id of the take or voice that the call tells of."""
    hook: Hook
    url: str
    body: bytes
    next_ms: int
    """Milliseconds since the epoch; not called before."""
    attempts: int = 0
    """How often it was claimed, the present time included."""

    @property
    def receiver(self) -> str:
        """Host and port that are called, as the URL writes them but in lower case; empty if it cannot be read."""
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2].lower()
        except ValueError:
            return ""


class Deliveries(Protocol):
    """What is owed, durable. Every method raises `Unavailable` if the store cannot answer now.

    The calls of one hook of one take are in the order of their ids, in which they are added one after the other: only
    the first that is owed can be claimed.
    """

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Owe calls, all or none; one of an id that is there already stays as it is."""

    async def claim(self, *, now_ms: int, until_ms: int, limit: int, busy: Collection[str] = ()) -> list[Delivery]:
        """Take calls that are due at `now_ms` and nobody else has, one of each receiver, those due longest first.

        Args:
            now_ms: milliseconds since the epoch.
            until_ms: when others may have them, if they are not settled by then.
            limit: how many at most.
            busy: receivers that shall not be called now.
        """

    async def settle(
        self, delivery: Delivery, *, timestamp_ms: int, status_code: int | None, retry_ms: int | None = None
    ) -> bool:
        """Write down how a claimed call went, with the take or voice that it told of too.

        Args:
            delivery: as it was claimed.
            timestamp_ms: when it was called, milliseconds since the epoch.
            status_code: HTTP status of the answer, None if there was none.
            retry_ms: when it shall be tried again; None: nothing is owed any more.

        Returns:
            False if the claim had run out and another server has it now; nothing is written then.
        """

    async def give_back(self, delivery: Delivery) -> None:
        """Let a claimed call that was not made be claimed again at once; its attempt does not count."""

    async def next_ms(self, *, busy: Collection[str] = ()) -> int | None:
        """Return when the next call is due that could be claimed, None if there is none."""
